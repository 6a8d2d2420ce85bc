/**
 * `geography()`: a geometry on the globe in a query, measured in metres.
 *
 * Owns what geographies can do, which is less than what planar geometries can: `toGeometry()` leads there.
 */
import type { AliasableExpression, Expression, SqlBool } from 'kysely'
import { all, cast, expressionOf, nodeOf, type Sql } from '../kernel/expressions.ts'
import { boxesAround } from './circle-boxes.ts'
import { assertSameSrid, columnsNode, GeoReference, numberNode, type PointColumns } from './geo-reference.ts'
import type { BoundingBox, GeographyOfColumn, Geometry, GeometryType, OfKind } from './geojson.ts'
import { GeometryReference } from './geometry-reference.ts'
import type { NullOf, TypeOf } from './value-facts.ts'

type Condition = AliasableExpression<SqlBool>

/** What a geography can be combined with: GeoJSON, or an expression that gives a geography. */
export type GeographyOperand = Geometry | Expression<GeographyOfColumn<GeometryType> | null>

/**
 * A geometry on the globe in a query.
 *
 * @param expression - what gives it: `eb.ref('location')`
 * @example
 * ```ts
 * me.selectFrom('places').select('name').where(({ ref }) => geography(ref('location')).withinDistance(point(13.4, 52.5), { metres: 2_000 }))
 * ```
 * The SQL:
 * ```sql
 * select "name" from "places" where st_dwithin("location", cast($1 as geography), cast($2 as float8))
 * ```
 */
export function geography<V extends (Geometry & OfKind<'geography'>) | null>(
  expression: Expression<V>,
): GeographyReference<TypeOf<V>, NullOf<V>> {
  return new GeographyReference(nodeOf(expression))
}

/**
 * A planar geometry on the globe, to be measured in metres. An index on `(cast(shape as geography))` serves it.
 *
 * @param reference - of SRID 4326: anything else goes through its `transform(4326)` first
 * @throws {TenonError} GEO_SRID when it is of another SRID
 * @example
 * ```ts
 * me.selectFrom('countries').select(({ ref }) => ['name', toGeography(geometry(ref('shape'))).area().as('square_metres')])
 * ```
 */
export function toGeography<Type extends GeometryType, Null extends null>(
  reference: GeometryReference<Type, 4326, Null>,
): GeographyReference<Type, Null> {
  assertSameSrid(reference.srid, 4326)
  return new GeographyReference(cast(nodeOf(reference), 'geography'))
}

/** Made by {@link geography}. As an expression it is the geography itself. */
export class GeographyReference<Type extends GeometryType, Null extends null> extends GeoReference<
  GeographyOfColumn<Type>,
  Type,
  Null,
  GeographyOperand
> {
  /** Use {@link geography}. */
  constructor(node: Sql) {
    super(node, 'geography', 4326)
  }

  /**
   * Whether the other is that near. `st_dwithin`
   *
   * Under row security no index on the location serves it, since PostgreSQL runs no function of an extension on rows before a policy has let
   * them through. With `columns` the box around the circle is asked for first, in comparisons of numbers, which are served.
   *
   * @param metres - from the nearest points of both
   * @param columns - where longitude and latitude of a point are, as `tenon.add_point_columns()` of the SQL module `geo` makes them
   * @throws {TenonError} OPTION_INVALID for `columns` when the other is no point with a value
   * @example
   * ```ts
   * geography(ref('location')).withinDistance(here, { metres: 2_000, columns: { x: ref('location_x'), y: ref('location_y') } })
   * ```
   */
  withinDistance(
    other: GeographyOperand,
    { metres, columns }: { readonly metres: number; readonly columns?: PointColumns | undefined },
  ): Condition {
    const condition = this.condition('st_dwithin', other, numberNode('metres', metres, 0))
    if (columns === undefined) return condition
    return expressionOf(all([columnsNode(columns, boxesAround(other, metres)), nodeOf(condition)]))
  }

  /**
   * Whether its box meets one of longitudes and latitudes. West may be greater than east, across the antimeridian.
   *
   * An index on `(cast(location as geometry))` serves it: lines of latitude, which a box has, are none of a geography. `&&`
   *
   * @param columns - where longitude and latitude of a point are, which an index serves under row security too
   */
  inBox(box: BoundingBox, columns?: PointColumns): Condition {
    return this.boxCondition(cast(this.toOperationNode(), 'geometry'), box, columns)
  }

  /** In metres. `st_distance`; null to something empty. */
  distance(other: GeographyOperand): AliasableExpression<number | Null> {
    return this.measure('st_distance', this.operand(other))
  }

  /** In square metres; 0 of what is no area. `st_area` */
  area(): AliasableExpression<number | Null> {
    return this.measure('st_area')
  }

  /** Of lines, in metres; 0 of anything else. `st_length` */
  length(): AliasableExpression<number | Null> {
    return this.measure('st_length')
  }

  /** Of areas, in metres; 0 of anything else. `st_perimeter` */
  perimeter(): AliasableExpression<number | Null> {
    return this.measure('st_perimeter')
  }

  /** `st_centroid` */
  centroid(): GeographyReference<'Point', Null> {
    return new GeographyReference(this.called('st_centroid'))
  }

  /** Everything that is that near, about: the server works in a plane that fits best. `st_buffer` */
  buffer({ metres }: { readonly metres: number }): GeographyReference<'Polygon' | 'MultiPolygon', Null> {
    return new GeographyReference(this.called('st_buffer', numberNode('metres', metres)))
  }

  /** The same in the plane, with its methods; in degrees until it is transformed. */
  toGeometry(): GeometryReference<Type, 4326, Null> {
    return new GeometryReference(cast(this.toOperationNode(), 'geometry'), 4326)
  }
}
