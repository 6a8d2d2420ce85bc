/**
 * `geometry()`: a planar geometry in a query, with its SRID in the type.
 *
 * Owns what only planar geometries can do. Lengths and areas are in the units of the SRID: degrees for 4326, where `toGeography()` of it measures
 * in metres.
 */
import {
  AggregateFunctionNode,
  type AliasableExpression,
  type Expression,
  OverNode,
  PartitionByItemNode,
  PartitionByNode,
  type SimpleReferenceExpressionNode,
  type SqlBool,
} from 'kysely'
import { bound, expressionOf, nodeOf, type Sql } from '../kernel/expressions.ts'
import { assertSrid } from './check-geojson.ts'
import { countNode, GeoReference, numberNode, type PointColumns } from './geo-reference.ts'
import type { BoundingBox, Geometry, GeometryOfColumn, GeometryType, OfKind } from './geojson.ts'
import type { NullOf, SridOf, TypeOf } from './value-facts.ts'

type Condition = AliasableExpression<SqlBool>

/** What a geometry of an SRID can be combined with: GeoJSON of that SRID, or an expression that gives it. */
export type GeometryOperand<S extends number> =
  | Geometry<GeometryType, S>
  | Expression<GeometryOfColumn<GeometryType, S> | null>

/** Rows that a clustering looks at together. */
export interface ClusterOptions {
  /** `partition by`: rows that are equal in these are clustered by themselves. */
  readonly partitionBy?: readonly Expression<unknown>[] | undefined
}

/**
 * A planar geometry in a query.
 *
 * @param expression - what gives it: `eb.ref('shape')`
 * @param srid - its SRID, which the type of the column has to say too; may be left out for 4326
 * @throws {TenonError} OPTION_INVALID when the SRID is none
 * @example
 * ```ts
 * me.selectFrom('parcels').select('id').where(({ ref }) => geometry(ref('shape'), 3857).intersects(area))
 * ```
 * The SQL:
 * ```sql
 * select "id" from "parcels" where st_intersects("shape", cast($1 as geometry))
 * ```
 */
export function geometry<V extends (Geometry<GeometryType, 4326> & OfKind<'geometry'>) | null>(
  expression: Expression<V>,
): GeometryReference<TypeOf<V>, 4326, NullOf<V>>
export function geometry<
  V extends (Geometry<GeometryType, number> & OfKind<'geometry'>) | null,
  const S extends SridOf<V>,
>(expression: Expression<V>, srid: S): GeometryReference<TypeOf<V>, S, NullOf<V>>
export function geometry(expression: Expression<unknown>, srid = 4326): unknown {
  assertSrid(srid)
  return new GeometryReference(nodeOf(expression), srid)
}

/** Made by {@link geometry}. As an expression it is the geometry itself. */
export class GeometryReference<Type extends GeometryType, S extends number, Null extends null> extends GeoReference<
  GeometryOfColumn<Type, S>,
  Type,
  Null,
  GeometryOperand<S>
> {
  /** Use {@link geometry}. */
  constructor(node: Sql, srid: number) {
    super(node, 'geometry', srid)
  }

  /** Whether the other lies in this, and not only on its border. `st_contains` */
  contains(other: GeometryOperand<S>): Condition {
    return this.condition('st_contains', other)
  }

  /** Whether this lies in the other, and not only on its border. `st_within` */
  within(other: GeometryOperand<S>): Condition {
    return this.condition('st_within', other)
  }

  /** Whether their borders meet and their insides do not. `st_touches` */
  touches(other: GeometryOperand<S>): Condition {
    return this.condition('st_touches', other)
  }

  /** `st_crosses` */
  crosses(other: GeometryOperand<S>): Condition {
    return this.condition('st_crosses', other)
  }

  /** Whether they share some of their insides, and each has some of its own. `st_overlaps` */
  overlaps(other: GeometryOperand<S>): Condition {
    return this.condition('st_overlaps', other)
  }

  /** Whether they are the same points, in whatever order. `st_equals` */
  equals(other: GeometryOperand<S>): Condition {
    return this.condition('st_equals', other)
  }

  /** Whether the other is that near, in units of the SRID: degrees for 4326. `st_dwithin` */
  withinDistance(other: GeometryOperand<S>, { units }: { readonly units: number }): Condition {
    return this.condition('st_dwithin', other, numberNode('units', units, 0))
  }

  /**
   * Whether their boxes meet: what an index answers by itself. West may be greater than east for 4326, across the antimeridian. `&&`
   *
   * @param columns - where x and y of a point are, which an index serves under row security too
   */
  inBox(box: BoundingBox, columns?: PointColumns): Condition {
    return this.boxCondition(this.toOperationNode(), box, columns)
  }

  /** In units of the SRID: degrees for 4326. `st_distance`; null to something empty. */
  distance(other: GeometryOperand<S>): AliasableExpression<number | Null> {
    return this.measure('st_distance', this.operand(other))
  }

  /** Of what is no area: 0. In square units of the SRID. `st_area` */
  area(): AliasableExpression<number | Null> {
    return this.measure('st_area')
  }

  /** Of lines; 0 of anything else. In units of the SRID. `st_length` */
  length(): AliasableExpression<number | Null> {
    return this.measure('st_length')
  }

  /** Of areas; 0 of anything else. In units of the SRID. `st_perimeter` */
  perimeter(): AliasableExpression<number | Null> {
    return this.measure('st_perimeter')
  }

  /** Of a point; the server refuses anything else. `st_x` */
  x(this: GeometryReference<'Point', S, Null>): AliasableExpression<number | Null> {
    return this.measure('st_x')
  }

  /** Of a point; the server refuses anything else. `st_y` */
  y(this: GeometryReference<'Point', S, Null>): AliasableExpression<number | Null> {
    return this.measure('st_y')
  }

  /** Whether it crosses itself nowhere and so on; what is not may give wrong answers to everything else. `st_isvalid` */
  isValid(): AliasableExpression<boolean | Null> {
    return this.measure('st_isvalid')
  }

  /** `st_isempty` */
  isEmpty(): AliasableExpression<boolean | Null> {
    return this.measure('st_isempty')
  }

  /** `st_makevalid` */
  makeValid(): GeometryReference<GeometryType, S, Null> {
    return this.#made('st_makevalid')
  }

  /** The centre of mass, which need not lie inside. `st_centroid` */
  centroid(): GeometryReference<'Point', S, Null> {
    return this.#made('st_centroid')
  }

  /** A point that does lie inside: where a label goes. `st_pointonsurface` */
  pointOnSurface(): GeometryReference<'Point', S, Null> {
    return this.#made('st_pointonsurface')
  }

  /** Everything that is that near, in units of the SRID; less than 0 shrinks an area. `st_buffer` */
  buffer({ units }: { readonly units: number }): GeometryReference<'Polygon' | 'MultiPolygon', S, Null> {
    return this.#made('st_buffer', numberNode('units', units))
  }

  /** Without what strays less than the tolerance, in units of the SRID; stays valid. `st_simplifypreservetopology` */
  simplify({ tolerance }: { readonly tolerance: number }): GeometryReference<Type, S, Null> {
    return this.#made('st_simplifypreservetopology', numberNode('tolerance', tolerance, 0))
  }

  /** Its box, as a polygon. `st_envelope` */
  envelope(): GeometryReference<GeometryType, S, Null> {
    return this.#made('st_envelope')
  }

  /** `st_convexhull` */
  convexHull(): GeometryReference<GeometryType, S, Null> {
    return this.#made('st_convexhull')
  }

  /** What both have. `st_intersection` */
  intersection(other: GeometryOperand<S>): GeometryReference<GeometryType, S, Null> {
    return this.#made('st_intersection', this.operand(other))
  }

  /** What the other has not. `st_difference` */
  difference(other: GeometryOperand<S>): GeometryReference<GeometryType, S, Null> {
    return this.#made('st_difference', this.operand(other))
  }

  /** In another system, and of its SRID in the type. An index on the column does not serve what is transformed. `st_transform` */
  transform<const To extends number>(srid: To): GeometryReference<Type, To, Null> {
    assertSrid(srid)
    return new GeometryReference(this.called('st_transform', bound(srid, 'int4')), srid)
  }

  /** The number of a row's cluster, of `clusters` that lie together. A window over all rows of the query. `st_clusterkmeans` */
  clusterKMeans({
    clusters,
    partitionBy,
  }: ClusterOptions & { readonly clusters: number }): AliasableExpression<number | null> {
    return this.#window('st_clusterkmeans', [countNode('clusters', clusters)], partitionBy)
  }

  /**
   * The number of a row's cluster, of those that have `minPoints` within `units` of each other; null for a row of none. A window over all
   * rows of the query. `st_clusterdbscan`
   */
  clusterDbscan({
    units,
    minPoints,
    partitionBy,
  }: ClusterOptions & { readonly units: number; readonly minPoints: number }): AliasableExpression<number | null> {
    const parameters = [numberNode('units', units, 0), countNode('minPoints', minPoints)]
    return this.#window('st_clusterdbscan', parameters, partitionBy)
  }

  /** An aggregate: the box of all rows; null of none. `st_extent`, read by `geoCodec`. */
  extent(): AliasableExpression<BoundingBox | null> {
    return this.measure('st_extent') as AliasableExpression<BoundingBox | null>
  }

  /** An aggregate: all rows as one, without borders between them; null of none. `st_union` */
  union(): GeometryReference<GeometryType, S, null> {
    return this.#made('st_union')
  }

  /** An aggregate: all rows side by side; null of none. `st_collect` */
  collect(): GeometryReference<GeometryType, S, null> {
    return this.#made('st_collect')
  }

  #made<T extends GeometryType, N extends null>(
    name: string,
    ...parameters: readonly Sql[]
  ): GeometryReference<T, S, N> {
    return new GeometryReference(this.called(name, ...parameters), this.srid)
  }

  #window<T>(
    name: string,
    parameters: readonly Sql[],
    partitionBy: readonly Expression<unknown>[] = [],
  ): AliasableExpression<T> {
    // Kysely's type names the nodes that its own builder makes here; its compiler writes any.
    const items = partitionBy.map((item) => PartitionByItemNode.create(nodeOf(item) as SimpleReferenceExpressionNode))
    const over = OverNode.create()
    return expressionOf(
      AggregateFunctionNode.cloneWithOver(
        AggregateFunctionNode.create(name, [this.toOperationNode(), ...parameters]),
        items.length === 0 ? over : { ...over, partitionBy: PartitionByNode.create(items) },
      ),
    )
  }
}
