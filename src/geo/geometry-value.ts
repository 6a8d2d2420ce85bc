/**
 * Geometries that can be written: `point()`, `toGeometry()` and what the codec makes of results.
 *
 * Owns the object. Its shape and SRID are properties, so that it is GeoJSON for everybody else; how it is written is a method of its class.
 */
import { TenonError } from '../kernel/errors.ts'
import { assertSrid, checkGeometry, geometryTypes, refuseGeometry, refuseSrid } from './check-geojson.ts'
import { toEwkb } from './ewkb-writer.ts'
import { type Geometry, type GeometryType, type GeometryValue, sridKey, sridOf } from './geojson.ts'

/** Coordinates, or the members of a collection. */
type Contents = readonly unknown[]

/** A class, because a method of one costs nothing per geometry. */
class WrittenGeometry {
  declare readonly type: GeometryType
  declare readonly coordinates?: Contents
  declare readonly geometries?: Contents
  declare readonly [sridKey]?: number

  constructor(type: GeometryType, contents: Contents, srid: number) {
    Object.assign(
      this,
      type === 'GeometryCollection' ? { type, geometries: contents } : { type, coordinates: contents },
    )
    // Its own and enumerable, so that `{ ...geometry }` keeps it.
    if (srid !== 4326) Object.defineProperty(this, sridKey, { value: srid, enumerable: true, configurable: true })
  }

  toPostgres(): string {
    // It may have been changed since. What the database itself gave need not be on the globe.
    return toEwkb(assertGeometry(this, { range: false }))
  }
}

/** Makes a geometry of contents that are known to be right. */
export function makeGeometry<Type extends GeometryType, S extends number>(
  type: Type,
  contents: Contents,
  srid: S,
): GeometryValue<Type, S> {
  // The class is GeometryValue in structure; which of its types, only the caller knows.
  return new WrittenGeometry(type, contents, srid) as unknown as GeometryValue<Type, S>
}

/**
 * Checks a geometry of its own SRID: whether its longitudes and latitudes are on the globe only of what was not checked before.
 *
 * @throws {TenonError} GEO_INVALID or GEO_SRID
 */
export function assertGeometry(
  value: unknown,
  { range = !(value instanceof WrittenGeometry) }: { readonly range?: boolean } = {},
): Geometry<GeometryType, number> {
  const geometry = value as Geometry<GeometryType, number>
  const srid = typeof value === 'object' && value !== null ? sridOf(geometry) : 4326
  checkGeometry(value, { srid, range, emptyPoints: value instanceof WrittenGeometry })
  return geometry
}

/**
 * A point on the globe, in WGS 84.
 *
 * @param longitude - degrees east, -180 to 180: it comes first, as in GeoJSON
 * @param latitude - degrees north, -90 to 90
 * @throws {TenonError} GEO_INVALID when it is not on the globe
 * @example
 * ```ts
 * me.insertInto('places').values({ name: 'Brandenburger Tor', location: point(13.3777, 52.5163) })
 * ```
 */
export function point(longitude: number, latitude: number): GeometryValue<'Point'> {
  return toGeometry({ type: 'Point', coordinates: [longitude, latitude] }, { type: 'Point' })
}

/** Options of {@link toGeometry}. */
export interface ToGeometryOptions<Type extends GeometryType, S extends number> {
  /** The types that are let through; all when left out. */
  readonly type?: Type | readonly Type[] | undefined
  /** The SRID that the numbers are in. GeoJSON itself knows 4326 only, which is the default. */
  readonly srid?: S | undefined
}

/**
 * Checks a GeoJSON geometry from anywhere, such as the body of a request, and makes it one that can be written.
 *
 * What is not part of a geometry (`bbox`, members of others) is left out. It is not asked whether a polygon crosses itself: that is
 * `isValid()`, of the database.
 *
 * @param value - anything
 * @returns a copy
 * @throws {TenonError} GEO_INVALID with the place of what is wrong, and GEO_SRID when it says another SRID than asked for
 * @example
 * ```ts
 * const area = toGeometry(await request.json(), { type: ['Polygon', 'MultiPolygon'] })
 * const site = toGeometry({ type: 'Point', coordinates: [1489000, 6894000] }, { srid: 3857 })
 * ```
 */
export function toGeometry<const Type extends GeometryType = GeometryType, const S extends number = 4326>(
  value: unknown,
  { type, srid }: ToGeometryOptions<Type, S> = {},
  // What it is used for says nothing of what it is.
): GeometryValue<NoInfer<Type>, NoInfer<S>> {
  const said =
    typeof value === 'object' && value !== null ? (value as { readonly [sridKey]?: number })[sridKey] : undefined
  const wanted = srid ?? 4326
  assertSrid(wanted)
  if (said !== undefined && said !== wanted) refuseSrid('a geometry has another SRID than it was asked to have')
  checkGeometry(value, { srid: wanted, range: true, emptyPoints: false })
  const geometry = value as Geometry
  const types: readonly GeometryType[] = type === undefined ? geometryTypes : typeof type === 'string' ? [type] : type
  for (const known of types)
    if (!geometryTypes.includes(known))
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: 'toGeometry was asked for a type that GeoJSON does not have',
        hint: `Pass some of ${geometryTypes.join(', ')}.`,
      })
  if (!types.includes(geometry.type))
    refuseGeometry('type', `is none of ${types.join(', ')}`, 'Send a geometry of a type that is asked for here.')
  // The type was just checked, and the SRID is the one that was asked for.
  return makeGeometry<Type, S>(geometry.type as Type, copyOf(contentsOf(geometry)), wanted as S)
}

function contentsOf(geometry: Geometry): Contents {
  return geometry.type === 'GeometryCollection' ? geometry.geometries : geometry.coordinates
}

/** Later changes of what was passed change nothing here. */
function copyOf(contents: Contents): Contents {
  return contents.map((item) => {
    if (Array.isArray(item)) return copyOf(item)
    if (typeof item !== 'object' || item === null) return item
    // Checked: what is neither number nor array is a geometry of a collection.
    const geometry = item as Geometry
    return geometry.type === 'GeometryCollection'
      ? { type: geometry.type, geometries: copyOf(geometry.geometries) }
      : { type: geometry.type, coordinates: copyOf(geometry.coordinates) }
  })
}
