/**
 * Writes geometries as EWKB in hex, which both geometry and geography read: exact, short, and with the SRID inside.
 *
 * Owns the format. It writes what was checked; nothing is judged here.
 *
 * @see https://github.com/postgis/postgis/blob/master/doc/ZMSgeoms.txt for the format
 */
import { Buffer } from 'node:buffer'
import { type Geometry, type GeometryType, type Position, sridOf } from './geojson.ts'

/** Numbers of the types in WKB. */
export const wkbTypes = {
  Point: 1,
  LineString: 2,
  Polygon: 3,
  MultiPoint: 4,
  MultiLineString: 5,
  MultiPolygon: 6,
  GeometryCollection: 7,
} as const satisfies Readonly<Record<GeometryType, number>>

export const hasHeightFlag = 0x8000_0000
export const hasMeasureFlag = 0x4000_0000
export const hasSridFlag = 0x2000_0000

type Shape = Geometry<GeometryType, number>

/** A geometry as EWKB in hex, little-endian; SRID 0 is not written, as PostGIS does not. */
export function toEwkb(geometry: Shape): string {
  const writer = new Writer(heightOf(geometry))
  const srid = sridOf(geometry)
  writer.geometry(geometry, srid === 0 ? undefined : srid)
  return writer.hex()
}

/** Whether its positions have a height; the first one found says so for all. */
function heightOf(geometry: Shape): boolean {
  if (geometry.type === 'GeometryCollection') return geometry.geometries.some(heightOf)
  let first: unknown = geometry.coordinates
  while (Array.isArray(first) && Array.isArray(first[0]))
    first = (first as readonly unknown[]).find((item) => !Array.isArray(item) || item.length > 0)
  return Array.isArray(first) && first.length === 3
}

class Writer {
  #bytes = Buffer.allocUnsafe(256)
  #length = 0
  readonly #height: boolean

  constructor(height: boolean) {
    this.#height = height
  }

  hex(): string {
    return this.#bytes.toString('hex', 0, this.#length)
  }

  geometry(geometry: Shape, srid?: number): void {
    this.#header(geometry.type, srid)
    switch (geometry.type) {
      case 'Point':
        this.#point(geometry.coordinates)
        break
      case 'LineString':
        this.#positions(geometry.coordinates)
        break
      case 'Polygon':
        this.#rings(geometry.coordinates)
        break
      case 'MultiPoint':
        this.#each(geometry.coordinates, 'Point', (position) => this.#point(position))
        break
      case 'MultiLineString':
        this.#each(geometry.coordinates, 'LineString', (line) => this.#positions(line))
        break
      case 'MultiPolygon':
        this.#each(geometry.coordinates, 'Polygon', (rings) => this.#rings(rings))
        break
      case 'GeometryCollection':
        this.#count(geometry.geometries.length)
        for (const member of geometry.geometries) this.geometry(member)
    }
  }

  #header(type: GeometryType, srid?: number): void {
    this.#room(9)
    this.#bytes[this.#length++] = 1
    this.#count((wkbTypes[type] | (this.#height ? hasHeightFlag : 0) | (srid === undefined ? 0 : hasSridFlag)) >>> 0)
    if (srid !== undefined) this.#count(srid)
  }

  #each<T>(items: readonly T[], type: GeometryType, write: (item: T) => void): void {
    this.#count(items.length)
    for (const item of items) {
      this.#header(type)
      write(item)
    }
  }

  #rings(rings: readonly (readonly Position[])[]): void {
    this.#count(rings.length)
    for (const ring of rings) this.#positions(ring)
  }

  #positions(positions: readonly Position[]): void {
    this.#count(positions.length)
    for (const position of positions) this.#point(position)
  }

  /** An empty point is one of NaN. */
  #point(position: Position): void {
    this.#room(24)
    for (let i = 0; i < (this.#height ? 3 : 2); i++)
      this.#length = this.#bytes.writeDoubleLE(position[i] ?? Number.NaN, this.#length)
  }

  #count(count: number): void {
    this.#room(4)
    this.#length = this.#bytes.writeUInt32LE(count, this.#length)
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(this.#bytes.length * 2)
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
