/**
 * Says whether a value is a GeoJSON geometry that PostGIS takes, before it is sent.
 *
 * Owns the rules of RFC 7946 and of the protocol's own limits. A message names the place in the value and never what stands there.
 */
import { TenonError } from '../kernel/errors.ts'
import { type GeometryType, sridKey } from './geojson.ts'

/** How deep the coordinates of a type are nested: a position is 0. */
const depths: Readonly<Record<Exclude<GeometryType, 'GeometryCollection'>, number>> = {
  Point: 0,
  MultiPoint: 1,
  LineString: 1,
  MultiLineString: 2,
  Polygon: 2,
  MultiPolygon: 3,
}

/** All types, in the order that messages name them. */
export const geometryTypes: readonly GeometryType[] = [
  'Point',
  'MultiPoint',
  'LineString',
  'MultiLineString',
  'Polygon',
  'MultiPolygon',
  'GeometryCollection',
]

/** Collections in collections: PostGIS itself gives up at 200, and nobody means more than a few. */
const maxCollectionDepth = 32

/** The highest that PostGIS has. */
const maxSrid = 999_999

/** @throws {TenonError} GEO_INVALID */
export function refuseGeometry(path: string, what: string, hint: string): never {
  throw new TenonError({ code: 'GEO_INVALID', message: `a geometry is none: its ${path} ${what}`, hint })
}

/** @throws {TenonError} OPTION_INVALID when it cannot be an SRID */
export function assertSrid(srid: unknown): asserts srid is number {
  if (Number.isInteger(srid) && (srid as number) >= 0 && (srid as number) <= maxSrid) return
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'an SRID is not a whole number from 0 to 999999',
    hint: 'Pass the number of a row of spatial_ref_sys, such as 4326 or 3857.',
  })
}

/** What is checked beyond the structure. */
export interface GeometryRules {
  /** The SRID that the numbers are in. */
  readonly srid: number
  /** Whether longitudes and latitudes have to be on the globe. */
  readonly range: boolean
  /** Whether a MultiPoint may have empty points, as one of the database may. GeoJSON of others has none. */
  readonly emptyPoints: boolean
}

/**
 * Checks a geometry.
 *
 * @returns whether its positions have a height; undefined when it has no positions
 * @throws {TenonError} GEO_INVALID with the place, GEO_SRID when it names a system of its own, as GeoJSON before RFC 7946 could
 */
export function checkGeometry(value: unknown, rules: GeometryRules): boolean | undefined {
  return new Check(rules).geometry(value, '', 0)
}

class Check {
  readonly #rules: GeometryRules
  /** Numbers of a position: all have the same number, since a geometry of PostGIS has heights everywhere or nowhere. */
  #size: number | undefined

  constructor(rules: GeometryRules) {
    this.#rules = rules
  }

  geometry(value: unknown, path: string, depth: number): boolean | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      refuseGeometry(path.slice(0, -1) || 'value', 'is no object', 'Pass a GeoJSON geometry: { type, coordinates }.')
    const { type, coordinates, geometries, crs } = value as Readonly<Record<string, unknown>>
    // Another SRID inside of a collection would be lost.
    const { [sridKey]: srid } = value as { readonly [sridKey]?: unknown }
    if (depth > 0 && srid !== undefined && srid !== this.#rules.srid)
      refuseSrid('a geometry of a collection has another SRID than the collection')
    if (crs !== undefined && crs !== null)
      throw new TenonError({
        code: 'GEO_SRID',
        message: 'a geometry has a member crs, which GeoJSON no longer has',
        hint: 'Leave it out and say the SRID: toGeometry(value, { srid: 3857 }).',
      })
    if (type === 'GeometryCollection') {
      this.#collection(geometries, path, depth)
    } else if (typeof type === 'string' && Object.hasOwn(depths, type)) {
      const known = type as keyof typeof depths
      this.#nested(coordinates, `${path}coordinates`, depths[known], known)
    } else {
      refuseGeometry(
        `${path}type`,
        `is none of ${geometryTypes.join(', ')}`,
        type === 'Feature' || type === 'FeatureCollection'
          ? 'A feature is no geometry: pass feature.geometry.'
          : 'Pass a GeoJSON geometry; curves have to be made lines first, with ST_CurveToLine.',
      )
    }
    return this.#size === undefined ? undefined : this.#size === 3
  }

  #collection(geometries: unknown, path: string, depth: number): void {
    if (!Array.isArray(geometries)) refuseGeometry(`${path}geometries`, 'is no array', 'Pass an array of geometries.')
    if (depth >= maxCollectionDepth)
      refuseGeometry(`${path}geometries`, `is more than ${maxCollectionDepth} collections deep`, 'Flatten it.')
    for (let i = 0; i < geometries.length; i++) this.geometry(geometries[i], `${path}geometries[${i}].`, depth + 1)
  }

  #nested(value: unknown, path: string, depth: number, type: keyof typeof depths): void {
    if (!Array.isArray(value)) refuseGeometry(path, 'is no array', `Nest the coordinates as a ${type} does.`)
    if (depth === 0) {
      // The one position that may be missing is that of an empty point.
      const mayBeEmpty = type === 'Point' || (type === 'MultiPoint' && this.#rules.emptyPoints)
      if (value.length > 0 || !mayBeEmpty) this.#position(value, path)
      return
    }
    if (depth === 1) this.#line(value, path, type)
    for (let i = 0; i < value.length; i++) this.#nested(value[i], `${path}[${i}]`, depth - 1, type)
    if (depth === 1 && type.endsWith('Polygon')) assertClosed(value, path)
  }

  #line(positions: readonly unknown[], path: string, type: string): void {
    if (type.endsWith('Polygon') && positions.length < 4)
      refuseGeometry(path, 'is no ring: it has fewer than four positions', 'A ring ends where it begins.')
    if (type.endsWith('LineString') && positions.length === 1)
      refuseGeometry(path, 'is no line: it has one position', 'A line has two positions or more.')
  }

  #position(position: readonly unknown[], path: string): void {
    if (position.length !== 2 && position.length !== 3)
      refuseGeometry(
        path,
        'is no position',
        'A position is [longitude, latitude], or has a height as its third number.',
      )
    for (const number of position)
      if (typeof number !== 'number' || !Number.isFinite(number))
        refuseGeometry(path, 'holds something else than finite numbers', 'Pass numbers, not strings, NaN or Infinity.')
    this.#size ??= position.length
    if (position.length !== this.#size)
      refuseGeometry(
        path,
        'has a height where others have none, or none where others have one',
        'Give every position one, or none.',
      )
    if (!this.#rules.range || this.#rules.srid !== 4326) return
    const [longitude, latitude] = position as [number, number]
    if (Math.abs(longitude) <= 180 && Math.abs(latitude) <= 90) return
    refuseGeometry(
      path,
      'is not on the globe',
      'Longitude comes first, -180 to 180, then latitude, -90 to 90. Numbers of another system need their SRID: toGeometry(value, { srid }).',
    )
  }
}

function assertClosed(ring: readonly unknown[], path: string): void {
  // Every position was checked by now.
  const [first, last] = [ring[0], ring.at(-1)] as [number[], number[]]
  if (first.every((number, i) => number === last[i])) return
  refuseGeometry(path, 'is no closed ring', 'Repeat its first position at the end.')
}

/** @throws {TenonError} GEO_SRID */
export function refuseSrid(
  message: string,
  hint = 'Bring both into one system with transform(), or say the right SRID.',
): never {
  throw new TenonError({ code: 'GEO_SRID', message, hint })
}
