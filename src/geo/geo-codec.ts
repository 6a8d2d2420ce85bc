/**
 * `geoCodec`: geometry, geography and box2d of results as GeoJSON.
 *
 * Owns which types it reads. Everything in here is also readable without it, by `asGeoJson()`, which the server writes.
 */
import type { Codec } from '../kernel/codec.ts'
import { TenonError } from '../kernel/errors.ts'
import { fromEwkb } from './ewkb-reader.ts'
import type { BoundingBox } from './geojson.ts'

const parsers: Readonly<Record<string, (text: string) => unknown>> = {
  geometry: (text) => fromEwkb(text, 0),
  geography: (text) => fromEwkb(text, 4326),
  box2d: readBox,
}

/**
 * Reads PostGIS' types, in whichever schema the extension is, and arrays of them.
 *
 * A geometry is a GeoJSON object that keeps its SRID (see `sridOf`) and can be written back as it is. Measures (M) are left out.
 *
 * @example
 * ```ts
 * const db = createDatabase<DB>({ connection, codecs: [geoCodec] })
 * const { location } = await me.selectFrom('places').select('location').executeTakeFirstOrThrow()
 * location // { type: 'Point', coordinates: [13.3777, 52.5163] }
 * ```
 */
export const geoCodec: Codec = {
  name: 'geo',
  parserOf: ({ extension, name }) =>
    extension === 'postgis' && Object.hasOwn(parsers, name) ? parsers[name] : undefined,
}

/** `BOX(west south,east north)` */
function readBox(text: string): BoundingBox {
  const numbers = /^BOX\((\S+) (\S+),(\S+) (\S+)\)$/.exec(text)?.slice(1).map(Number)
  if (numbers?.length !== 4 || numbers.some(Number.isNaN))
    throw new TenonError({
      code: 'QUERY_DATA',
      message: 'a box2d of the result is none',
      hint: 'Select it as text to see what it is.',
    })
  // Just counted.
  return numbers as [number, number, number, number]
}
