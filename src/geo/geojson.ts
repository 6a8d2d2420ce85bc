/**
 * GeoJSON (RFC 7946) as types, with the SRID beside the shape.
 *
 * Owns how a geometry carries its SRID: one of 4326 is plain GeoJSON, every other one has a symbol, which JSON does not show. What is
 * GeoJSON and what is not, is check-geojson's.
 */
import type { ColumnType } from 'kysely'

/** Longitude and latitude, or x and y, and maybe a height: never more than three numbers. Empty for an empty point, also in a MultiPoint of the database. */
export type Position = number[]

/** West, south, east, north; with heights south-west-lowest, then north-east-highest. West is greater than east across the antimeridian. */
export type BoundingBox = [number, number, number, number] | [number, number, number, number, number, number]

interface Coordinates {
  readonly Point: Position
  readonly MultiPoint: Position[]
  readonly LineString: Position[]
  readonly MultiLineString: Position[][]
  readonly Polygon: Position[][]
  readonly MultiPolygon: Position[][][]
}

/** The types of geometries that GeoJSON has. */
export type GeometryType = keyof Coordinates | 'GeometryCollection'

interface GeometryCollection {
  type: 'GeometryCollection'
  geometries: Shape<GeometryType>[]
  bbox?: BoundingBox | undefined
}

/** GeoJSON without a word on the SRID; the same as the types of @types/geojson. */
type Shape<Type extends GeometryType> = {
  [T in GeometryType]: T extends keyof Coordinates
    ? { type: T; coordinates: Coordinates[T]; bbox?: BoundingBox | undefined }
    : GeometryCollection
}[Type]

// By its registered name, so that two copies of the package understand each other.
export const sridKey: unique symbol = Symbol.for('tenon.srid')

/** GeoJSON without more is WGS 84, which is what RFC 7946 says; any other SRID has to be said. */
type Srid<S extends number> = number extends S
  ? { readonly [sridKey]?: number }
  : S extends 4326
    ? { readonly [sridKey]?: 4326 }
    : { readonly [sridKey]: S }

/**
 * A geometry as GeoJSON, with its SRID in the type.
 *
 * `Geometry<'Point'>` is plain GeoJSON, interchangeable with `Point` of @types/geojson. `Geometry<'Point', 3857>` is not, and neither fits where
 * the other is asked for. `number` for the SRID means that it is not known.
 *
 * @typeParam Type - one or several of the seven types
 * @typeParam S - the SRID: 4326 unless another is said
 */
export type Geometry<Type extends GeometryType = GeometryType, S extends number = 4326> = Shape<Type> & Srid<S>

/** A class in the type: what TypeScript makes of `{ ...geometry }` then lacks the method, as the copy does. */
declare abstract class Written {
  /** EWKB in hex: what Kysely and pg send. */
  toPostgres(): string
}

/**
 * A geometry that was checked or comes from the database, and can be written: what `point()`, `toGeometry()` and results give.
 *
 * Plain GeoJSON cannot be written to a column by mistake: PostgreSQL would be sent its JSON, which a geography does not read and which a
 * geometry takes into its own SRID without a word. A copy, `{ ...value }`, is plain GeoJSON again: `toGeometry()` makes it a value.
 */
export type GeometryValue<Type extends GeometryType = GeometryType, S extends number = 4326> = Geometry<Type, S> &
  Written

declare const kind: unique symbol

/** Says of a column's value, in the type alone, which kind of column it is from; what says nothing fits both. */
export interface OfKind<Kind extends 'geometry' | 'geography'> {
  readonly [kind]?: Kind
}

/** What a column of type geometry gives; use {@link GeometryColumn} in `DB`. */
export type GeometryOfColumn<Type extends GeometryType, S extends number> = GeometryValue<Type, S> & OfKind<'geometry'>

/** What a column of type geography gives; use {@link GeographyColumn} in `DB`. */
export type GeographyOfColumn<Type extends GeometryType> = GeometryValue<Type> & OfKind<'geography'>

/**
 * A column of type `geometry(Type, S)`, for an interface `DB`. Measured in the units of its SRID: degrees for 4326.
 *
 * @example
 * ```ts
 * interface DB { parcels: { id: number; shape: GeometryColumn<'Polygon' | 'MultiPolygon', 3857>; entrance: GeometryColumn<'Point', 3857> | null } }
 * ```
 */
export type GeometryColumn<Type extends GeometryType = GeometryType, S extends number = 4326> = ColumnType<
  GeometryOfColumn<Type, S>,
  GeometryValue<Type, S>,
  GeometryValue<Type, S>
>

/**
 * A column of type `geography(Type, 4326)`, for an interface `DB`. Measured on the globe, in metres.
 *
 * @example
 * ```ts
 * interface DB { places: { id: number; location: GeographyColumn<'Point'> } }
 * ```
 */
export type GeographyColumn<Type extends GeometryType = GeometryType> = ColumnType<
  GeographyOfColumn<Type>,
  GeometryValue<Type>,
  GeometryValue<Type>
>

/** A GeoJSON feature. */
export interface Feature<G extends Geometry | null = Geometry, Properties = Record<string, unknown> | null> {
  type: 'Feature'
  id?: string | number | undefined
  geometry: G
  properties: Properties
  bbox?: BoundingBox | undefined
}

/** A GeoJSON feature collection. */
export interface FeatureCollection<G extends Geometry | null = Geometry, Properties = Record<string, unknown> | null> {
  type: 'FeatureCollection'
  features: Feature<G, Properties>[]
  bbox?: BoundingBox | undefined
}

/**
 * The SRID of a geometry.
 *
 * @returns 4326 for plain GeoJSON, 0 for a geometry that has none in the database
 * @example
 * ```ts
 * sridOf({ type: 'Point', coordinates: [13.4, 52.5] }) // 4326
 * ```
 */
export function sridOf<S extends number>(geometry: Geometry<GeometryType, S>): S {
  const { [sridKey]: srid = 4326 } = geometry as { readonly [sridKey]?: number }
  // The type has the SRID from whoever made the geometry.
  return srid as S
}
