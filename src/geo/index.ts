/** tenon/geo: PostGIS, with GeoJSON for values, SRIDs in the types, and feature collections and map tiles in one round trip. */

export {
  type FeatureCollectionOptions,
  type FeaturesOf,
  featureCollection,
  type JsonProperty,
} from './feature-collection.ts'
export type { FeatureQuery, GeometryKey, IdKey } from './feature-query.ts'
export { geoCodec } from './geo-codec.ts'
export { type AsGeoJsonOptions, GeoReference, type PointColumns } from './geo-reference.ts'
export { type GeographyOperand, GeographyReference, geography, toGeography } from './geography-reference.ts'
export {
  type BoundingBox,
  type Feature,
  type FeatureCollection,
  type GeographyColumn,
  type GeographyOfColumn,
  type Geometry,
  type GeometryColumn,
  type GeometryOfColumn,
  type GeometryType,
  type GeometryValue,
  type Position,
  sridOf,
} from './geojson.ts'
export { type ClusterOptions, type GeometryOperand, GeometryReference, geometry } from './geometry-reference.ts'
export { point, type ToGeometryOptions, toGeometry } from './geometry-value.ts'
export type { Tile } from './tile-box.ts'
export type { NullOf, SridOf, TypeOf } from './value-facts.ts'
export { type VectorTileOptions, vectorTile } from './vector-tile.ts'
