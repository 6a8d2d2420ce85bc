/**
 * Reads EWKB in hex, which is the text of geometry and geography, as GeoJSON.
 *
 * Owns the format, in both byte orders. Counts are checked against the bytes that are there before anything of their size is made.
 * Measures (M) have no place in GeoJSON and are left out, as ST_AsGeoJSON leaves them out.
 *
 * @see https://github.com/postgis/postgis/blob/master/doc/ZMSgeoms.txt for the format
 */
import { Buffer } from 'node:buffer'
import { TenonError } from '../kernel/errors.ts'
import { hasHeightFlag, hasMeasureFlag, hasSridFlag, wkbTypes } from './ewkb-writer.ts'
import type { GeometryType, GeometryValue, Position } from './geojson.ts'
import { makeGeometry } from './geometry-value.ts'

const typeNames = new Map(Object.entries(wkbTypes).map(([name, number]) => [number as number, name as GeometryType]))

/** PostGIS itself reads no deeper. */
const maxDepth = 200

/** Bytes of the smallest geometry: byte order, type, count. */
const smallestGeometry = 9

/**
 * Reads the text of a geometry or geography.
 *
 * @param defaultSrid - of a geometry that has none: 0, or 4326 for geography
 * @throws {TenonError} QUERY_DATA when it is none or has a type that GeoJSON lacks
 */
export function fromEwkb(text: string, defaultSrid: number): GeometryValue<GeometryType, number> {
  const bytes = Buffer.from(text, 'hex')
  // Buffer.from stops at the first character that is no hex.
  if (bytes.length * 2 !== text.length) refuse('is not in hex')
  return new Reader(bytes).whole(defaultSrid)
}

class Reader {
  readonly #bytes: Buffer
  #at = 0
  #little = true
  #numbers = 2
  #height = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  whole(defaultSrid: number): GeometryValue<GeometryType, number> {
    const { type, srid } = this.#header()
    const geometry = makeGeometry(type, this.#contents(type, 0), srid ?? defaultSrid)
    if (this.#at !== this.#bytes.length) refuse('has more bytes than it says')
    return geometry
  }

  #header(): { readonly type: GeometryType; readonly srid: number | undefined } {
    this.#need(5)
    this.#little = this.#bytes[this.#at++] === 1
    const flags = this.#count()
    this.#height = (flags & hasHeightFlag) !== 0
    this.#numbers = 2 + Number(this.#height) + Number((flags & hasMeasureFlag) !== 0)
    const type = typeNames.get(flags & 0x0fff_ffff)
    if (type === undefined) refuse('has a type that GeoJSON lacks', 'Select it through ST_CurveToLine or ST_AsText.')
    return { type, srid: (flags & hasSridFlag) === 0 ? undefined : this.#count() }
  }

  #contents(type: GeometryType, depth: number): readonly unknown[] {
    switch (type) {
      case 'Point': {
        const position = this.#position()
        return Number.isNaN(position[0]) && Number.isNaN(position[1]) ? [] : position
      }
      case 'LineString':
        return this.#positions()
      case 'Polygon':
        return this.#list(4, () => this.#positions())
      case 'GeometryCollection':
        if (depth >= maxDepth) refuse('is nested too deeply')
        return this.#list(smallestGeometry, () => {
          const { type: member } = this.#header()
          const contents = this.#contents(member, depth + 1)
          return member === 'GeometryCollection'
            ? { type: member, geometries: contents }
            : { type: member, coordinates: contents }
        })
      default:
        return this.#list(smallestGeometry, () => this.#contents(this.#header().type, depth))
    }
  }

  #positions(): readonly Position[] {
    return this.#list(this.#numbers * 8, () => this.#position())
  }

  #position(): Position {
    this.#need(this.#numbers * 8)
    const position = [this.#double(), this.#double()]
    if (this.#height) position.push(this.#double())
    if (this.#numbers > position.length) this.#at += 8
    return position
  }

  #list<T>(smallest: number, read: () => T): T[] {
    const count = this.#count()
    this.#need(count * smallest)
    const items = new Array<T>(count)
    for (let i = 0; i < count; i++) items[i] = read()
    return items
  }

  #double(): number {
    const value = this.#little ? this.#bytes.readDoubleLE(this.#at) : this.#bytes.readDoubleBE(this.#at)
    this.#at += 8
    return value
  }

  #count(): number {
    this.#need(4)
    const value = this.#little ? this.#bytes.readUInt32LE(this.#at) : this.#bytes.readUInt32BE(this.#at)
    this.#at += 4
    return value
  }

  #need(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) refuse('has fewer bytes than it says')
  }
}

function refuse(what: string, hint = 'Select it through ST_AsText to see what it is.'): never {
  throw new TenonError({ code: 'QUERY_DATA', message: `a geometry of the result ${what}`, hint })
}
