/**
 * `featureCollection()`: the rows of a query as one GeoJSON document, which the server writes.
 *
 * Owns the document: RFC 7946, so WGS 84 whatever the column's SRID is, and outer rings counter-clockwise.
 */
import { AliasNode, IdentifierNode, ParensNode, SelectQueryNode } from 'kysely'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, bound, call, cast, constant, nodeOf, type Sql } from '../kernel/expressions.ts'
import { columnNode, type FeatureQuery, type GeometryKey, type IdKey, propertiesNode } from './feature-query.ts'
import { digitsNode } from './geo-reference.ts'
import type { BoundingBox, FeatureCollection, Geometry } from './geojson.ts'
import type { NullOf, TypeOf } from './value-facts.ts'

/** Options of {@link featureCollection}. */
export interface FeatureCollectionOptions<Row, Key extends GeometryKey<Row>, Property extends keyof Row & string>
  extends RunOptions {
  /** The column that is the geometry, geometry or geography. */
  readonly geometry: Key
  /** Columns that become properties; [] for none. */
  readonly properties: readonly Property[]
  /** The column that is the id. */
  readonly id?: IdKey<Row> | undefined
  /** Adds the box around all features; it has west less than east, also across the antimeridian. */
  readonly bbox?: boolean | undefined
  /** Digits behind the point. Default 9, a tenth of a millimetre; 6 are a tenth of a metre and a third less to send. */
  readonly maxDecimalDigits?: number | undefined
}

/** What a value is once it was JSON; numbers beyond 2^53 lose digits, so select such a column as text. */
export type JsonProperty<T> = T extends Date ? string : T extends bigint ? number : T extends Uint8Array ? string : T

/** What {@link featureCollection} gives for a row. */
export type FeaturesOf<Row, Key extends keyof Row, Property extends keyof Row> = FeatureCollection<
  Geometry<TypeOf<Row[Key]>> | NullOf<Row[Key]>,
  { [Name in Property]: JsonProperty<Row[Name]> }
>

/**
 * Runs a query as a GeoJSON FeatureCollection: one statement, one round trip, under whatever policies bind the executor.
 *
 * The order is the query's. Set its `limit`: the document is one value, and the server refuses one of 1 GiB. Numbers of bigint and numeric
 * columns are JSON numbers here.
 *
 * @param executor - a session, a transaction or a service
 * @param query - a select that was not run
 * @throws {TenonError} OPTION_INVALID, and what the query throws
 * @example
 * ```ts
 * const query = me.selectFrom('places').select(['id', 'name', 'location']).limit(1_000)
 * await featureCollection(me, query, { geometry: 'location', id: 'id', properties: ['name'] })
 * ```
 * The SQL:
 * ```sql
 * select cast(json_build_object('type', 'FeatureCollection', 'features', coalesce(json_agg(json_build_object('type', 'Feature', 'id', "id",
 *   'geometry', cast(st_asgeojson(st_forcepolygonccw(st_transform(cast("location" as geometry), $1)), $2, $3) as json),
 *   'properties', jsonb_build_object($4, "name"))), cast($5 as json))) as text) as "collection" from (select …) as "feature"
 * ```
 */
export async function featureCollection<
  Row,
  const Key extends GeometryKey<Row>,
  const Property extends keyof Row & string,
>(
  executor: Executor,
  query: FeatureQuery<Row>,
  options: FeatureCollectionOptions<Row, Key, Property>,
): Promise<FeaturesOf<Row, Key, Property>> {
  const { geometry, properties, id, bbox = false, maxDecimalDigits = 9, signal } = options
  const shape = call('st_transform', cast(columnNode(geometry), 'geometry'), bound(4326, 'int4'))
  const json = call('st_asgeojson', call('st_forcepolygonccw', shape), digitsNode(maxDecimalDigits), bound(0, 'int4'))
  const feature = object({
    type: constant('Feature'),
    ...(id === undefined ? {} : { id: columnNode(id) }),
    geometry: cast(json, 'json'),
    properties: propertiesNode(properties),
  })
  const collection = object({
    type: constant('FeatureCollection'),
    features: call('coalesce', call('json_agg', feature), bound('[]', 'json')),
  })
  const extent = call('st_extent', shape)
  const from = SelectQueryNode.createFrom([
    AliasNode.create(ParensNode.create(nodeOf(query)), IdentifierNode.create('feature')),
  ])
  const node = SelectQueryNode.cloneWithSelections(from, [
    // As text, so that no plugin changes names inside of it.
    aliased(cast(collection, 'text'), 'collection'),
    ...(bbox ? corners.map(([name, corner]) => aliased(call(corner, extent), name)) : []),
  ])
  const { rows } = await runQuery<Answer>(executor, node, { signal })
  const [answer] = rows as [Answer]
  // The statement says what it is.
  const found = JSON.parse(answer.collection) as FeaturesOf<Row, Key, Property>
  const box = corners.map(([name]) => answer[name])
  if (!bbox || box.some((corner) => typeof corner !== 'number')) return found
  const { type, features } = found
  return { type, bbox: box as BoundingBox, features }
}

const corners = [
  ['west', 'st_xmin'],
  ['south', 'st_ymin'],
  ['east', 'st_xmax'],
  ['north', 'st_ymax'],
] as const

type Answer = { readonly collection: string } & { readonly [Name in (typeof corners)[number][0]]?: number | null }

function object(members: Readonly<Record<string, Sql>>): Sql {
  return call('json_build_object', ...Object.entries(members).flatMap(([key, value]) => [constant(key), value]))
}
