/**
 * Boxes of longitudes and latitudes that hold everything within a distance of a point.
 *
 * Owns that none is too small, on the ellipsoid: a box may be a little larger than it need be, since the distance itself is asked for as well.
 */
import { TenonError } from '../kernel/errors.ts'
import type { Geometry, GeometryType } from './geojson.ts'

/** Metres: the smallest radius of curvature of WGS 84, north-south at the equator. An arc is never longer than on this sphere. */
const smallestRadius = 6_335_439

/** For the difference between latitudes on the ellipsoid and on a sphere. */
const margin = 1.01

/** Metres: a box without a width would end at the antimeridian, of which 180 and -180 are the same. */
const smallest = 0.001

/**
 * One box, or two across the antimeridian.
 *
 * @throws {TenonError} OPTION_INVALID when the centre is not a point's value
 */
export function boxesAround(centre: unknown, metres: number): readonly (readonly number[])[] {
  const { type, coordinates } = centre as Partial<Geometry<'Point'>>
  const [longitude, latitude] = type === ('Point' satisfies GeometryType) ? (coordinates ?? []) : []
  if (longitude === undefined || latitude === undefined)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'columns were given, and the distance is not from a point with a value',
      hint: 'Pass point(longitude, latitude), or leave columns out.',
    })
  const angle = ((metres + smallest) / smallestRadius) * margin
  const degrees = (angle * 180) / Math.PI
  const [south, north] = [Math.max(latitude - degrees, -90), Math.min(latitude + degrees, 90)]
  // Around a pole every longitude is near.
  if (south === -90 || north === 90 || angle >= Math.PI / 2) return [[-180, south, 180, north]]
  const reach = Math.sin(angle) / Math.cos((latitude * Math.PI) / 180)
  const width = reach >= 1 ? 180 : ((Math.asin(reach) * 180) / Math.PI) * margin
  if (width >= 180) return [[-180, south, 180, north]]
  const [west, east] = [longitude - width, longitude + width]
  if (west < -180)
    return [
      [west + 360, south, 180, north],
      [-180, south, east, north],
    ]
  if (east > 180)
    return [
      [west, south, 180, north],
      [-180, south, east - 360, north],
    ]
  return [[west, south, east, north]]
}
