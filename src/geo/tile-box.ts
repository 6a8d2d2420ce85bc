/**
 * Where a tile of the usual grid of web maps (XYZ, Web Mercator) is.
 *
 * Owns the formula. The box is computed here and not by the server, so that it is a constant of the query in the column's own system.
 *
 * @see https://wiki.openstreetmap.org/wiki/Slippy_map_tilenames
 */
import { TenonError } from '../kernel/errors.ts'

/** A tile: `z` from 0, and from the north-west `x` to the east and `y` to the south. */
export interface Tile {
  readonly z: number
  readonly x: number
  readonly y: number
}

/** Its numbers of columns and rows fit int4, which the server takes. */
const maxZoom = 30

/** Half of the width of the world in Web Mercator. */
const half = Math.PI * 6_378_137

/** @throws {TenonError} GEO_INVALID when there is no such tile */
export function assertTile({ z, x, y }: Tile): void {
  const wrong = !isIndex(z, maxZoom + 1) ? 'z' : !isIndex(x, 2 ** z) ? 'x' : !isIndex(y, 2 ** z) ? 'y' : undefined
  if (wrong === undefined) return
  throw new TenonError({
    code: 'GEO_INVALID',
    message: `there is no such tile: its ${wrong} is out of range`,
    hint: `z is a whole number from 0 to ${maxZoom}, x and y from 0 to 2^z - 1. Answer 404.`,
  })
}

function isIndex(value: number, end: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < end
}

/**
 * West, south, east, north of a tile.
 *
 * @param margin - what is added on each side, as a part of the tile's own; never beyond the world
 */
export function boxOfTile({ z, x, y }: Tile, margin: number, srid: 3857 | 4326): readonly number[] {
  const tiles = 2 ** z
  const place = (value: number): number => Math.min(Math.max(value / tiles, 0), 1)
  const [west, east] = [place(x - margin), place(x + 1 + margin)]
  const [north, south] = [place(y - margin), place(y + 1 + margin)]
  return srid === 3857
    ? [(west * 2 - 1) * half, (1 - south * 2) * half, (east * 2 - 1) * half, (1 - north * 2) * half]
    : [west * 360 - 180, latitudeOf(south), east * 360 - 180, latitudeOf(north)]
}

function latitudeOf(place: number): number {
  return (Math.atan(Math.sinh(Math.PI * (1 - 2 * place))) * 180) / Math.PI
}
