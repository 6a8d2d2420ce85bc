/**
 * `vectorTile()`: the rows of a query as one tile of a map (MVT), which the server writes.
 *
 * Owns the statement. Where a tile is, is tile-box's.
 *
 * @see https://github.com/mapbox/vector-tile-spec for the format
 */
import { AliasNode, IdentifierNode, ParensNode, SelectQueryNode, WhereNode } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, binary, bound, call, cast, constant, isNotNull, nodeOf, type Sql } from '../kernel/expressions.ts'
import { assertSrid } from './check-geojson.ts'
import { columnNode, type FeatureQuery, type GeometryKey, type IdKey, propertiesNode } from './feature-query.ts'
import { envelopeNode } from './geo-reference.ts'
import { assertTile, boxOfTile, type Tile } from './tile-box.ts'
import type { SridOf } from './value-facts.ts'

/** Options of {@link vectorTile}. */
export type VectorTileOptions<Row, Key extends GeometryKey<Row>> = Tile &
  RunOptions & {
    /** Name of the layer. Tiles of several layers are their bytes one after the other. */
    readonly layer: string
    /** The column that is the geometry, geometry or geography. */
    readonly geometry: Key
    /** Columns that become attributes: text, numbers and booleans; null is left out. [] for none. */
    readonly properties: readonly (keyof Row & string)[]
    /** The column that is the feature's id: whole numbers from 0 up. */
    readonly id?: IdKey<Row> | undefined
    /** Units along a side of the tile. Default 4,096. */
    readonly extent?: number | undefined
    /** Units around the tile that belong to it, so that lines and labels go on. Default 64. */
    readonly buffer?: number | undefined
    /** Whether shapes are cut at the buffer's edge. Default true. */
    readonly clip?: boolean | undefined
  } & SridOption<SridOf<Row[Key]>>

/** Said where it is not 4326: the tile's box has to be in the column's own system for an index to serve it. */
type SridOption<S extends number> = S extends 4326
  ? number extends S
    ? { readonly srid: number }
    : { readonly srid?: 4326 | undefined }
  : { readonly srid: S }

/**
 * Runs a query as a Mapbox Vector Tile: one statement, one round trip, under whatever policies bind the executor.
 *
 * The tile's box is a condition on the column, put around the query: an index on the geometry serves it (on `(cast(location as geometry))` for a
 * geography), unless a policy stands before it.
 *
 * @param executor - a session, a transaction or a service
 * @param query - a select that was not run: of everything, not of a tile
 * @returns the bytes, for `content-type: application/vnd.mapbox-vector-tile`; none for a tile without features
 * @throws {TenonError} GEO_INVALID when there is no such tile, OPTION_INVALID, and what the query throws
 * @example
 * ```ts
 * const query = me.selectFrom('places').select(['id', 'name', 'location'])
 * await vectorTile(me, query, { z: 10, x: 550, y: 335, layer: 'places', geometry: 'location', id: 'id', properties: ['name'] })
 * ```
 * The SQL:
 * ```sql
 * select st_asmvt("tile", $1, $2, 'geometry', 'id') as "bytes" from (
 *   select st_asmvtgeom(st_transform(cast("location" as geometry), 3857), st_tileenvelope($3, $4, $5), $6, $7, $8) as "geometry",
 *     jsonb_build_object($9, "name") as "properties", cast("id" as int8) as "id"
 *   from (select …) as "feature" where cast("location" as geometry) && st_makeenvelope($10, $11, $12, $13, 4326)
 * ) as "tile" where "geometry" is not null
 * ```
 */
export async function vectorTile<Row, const Key extends GeometryKey<Row>>(
  executor: Executor,
  query: FeatureQuery<Row>,
  options: VectorTileOptions<Row, Key>,
): Promise<Uint8Array> {
  const { z, x, y, layer, geometry, properties, id, extent = 4096, buffer = 64, clip = true, signal } = options
  const { srid = 4326 } = options as { readonly srid?: number }
  assertSrid(srid)
  assertTile({ z, x, y })
  assertUnits('extent', extent, 1)
  assertUnits('buffer', buffer, 0)
  const int4 = (value: number): Sql => bound(value, 'int4')
  const shape = cast(columnNode(geometry), 'geometry')
  const rows = SelectQueryNode.cloneWithSelections(from(nodeOf(query), 'feature'), [
    aliased(
      call(
        'st_asmvtgeom',
        call('st_transform', shape, int4(3857)),
        call('st_tileenvelope', int4(z), int4(x), int4(y)),
        int4(extent),
        int4(buffer),
        bound(clip, 'boolean'),
      ),
      'geometry',
    ),
    aliased(propertiesNode(properties), 'properties'),
    ...(id === undefined ? [] : [aliased(cast(columnNode(id), 'int8'), 'id')]),
  ])
  const inTile = binary(shape, '&&', boxNode({ z, x, y }, buffer / extent, srid))
  const filtered: SelectQueryNode = { ...rows, where: WhereNode.create(inTile) }
  const tile = from(filtered, 'tile')
  const bytes = call(
    'st_asmvt',
    columnNode('tile'),
    bound(layer, 'text'),
    int4(extent),
    constant('geometry'),
    ...(id === undefined ? [] : [constant('id')]),
  )
  const node = SelectQueryNode.cloneWithSelections(
    { ...tile, where: WhereNode.create(isNotNull(columnNode('geometry'))) },
    [aliased(bytes, 'bytes')],
  )
  const answer = await runQuery<{ readonly bytes: Uint8Array | null }>(executor, node, { signal })
  return answer.rows[0]?.bytes ?? new Uint8Array()
}

function from(query: Sql, alias: string): SelectQueryNode {
  return SelectQueryNode.createFrom([AliasNode.create(ParensNode.create(query), IdentifierNode.create(alias))])
}

/** The box in the column's system. A straight edge may be a curve there, so it gets corners on its way. */
function boxNode(tile: Tile, margin: number, srid: number): Sql {
  if (srid === 4326 || srid === 3857) return envelopeNode(boxOfTile(tile, margin, srid), srid)
  const box = boxOfTile(tile, margin, 3857)
  const width = (box[2] ?? 0) - (box[0] ?? 0)
  return call(
    'st_transform',
    call('st_segmentize', envelopeNode(box, 3857), bound(width / 16, 'float8')),
    bound(srid, 'int4'),
  )
}

function assertUnits(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least && value <= 65_536) return
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: `${name} of a tile is no whole number from ${least} to 65536`,
    hint: 'Leave it out for the usual one.',
  })
}
