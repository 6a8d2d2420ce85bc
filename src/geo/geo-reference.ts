/**
 * What a geometry and a geography in a query have in common: the way from a typed reference and a value to SQL.
 *
 * Owns how values become parameters of the right type and SRID. Nothing is wrapped around the column, so that its index serves conditions.
 */
import type { AliasableExpression, AliasedExpression, Expression, OperationNode, SqlBool } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { all, any, binary, bound, call, cast, expressionOf, nodeOf, type Sql } from '../kernel/expressions.ts'
import { refuseGeometry, refuseSrid } from './check-geojson.ts'
import { toEwkb } from './ewkb-writer.ts'
import { type BoundingBox, type Geometry, type GeometryType, sridOf } from './geojson.ts'
import { assertGeometry } from './geometry-value.ts'

type Condition = AliasableExpression<SqlBool>

/** What the columns are, and so what parameters are cast to. */
export type GeoKind = 'geometry' | 'geography'

/** Options of `asGeoJson`. */
export interface AsGeoJsonOptions {
  /** Digits behind the point, 0 to 15. Default 9, a tenth of a millimetre; 6 are a tenth of a metre. */
  readonly maxDecimalDigits?: number | undefined
}

/** Use `geometry()` or `geography()`. */
export abstract class GeoReference<Value, Type extends GeometryType, Null extends null, Operand>
  implements AliasableExpression<Value | Null>
{
  readonly #node: Sql
  readonly #kind: GeoKind
  /** The SRID that it is known to have. */
  readonly srid: number

  constructor(node: Sql, kind: GeoKind, srid: number) {
    this.#node = node
    this.#kind = kind
    this.srid = srid
  }

  /** Kysely's seam; it has no value. */
  get expressionType(): Value | Null | undefined {
    return undefined
  }

  toOperationNode(): OperationNode {
    return this.#node
  }

  as<Alias extends string>(alias: Alias): AliasedExpression<Value | Null, Alias>
  as<Alias extends string>(alias: Expression<unknown>): AliasedExpression<Value | Null, Alias>
  as<Alias extends string>(alias: Alias | Expression<unknown>): AliasedExpression<Value | Null, Alias> {
    return expressionOf<Value | Null>(this.#node).as(alias as Alias)
  }

  /** Whether they share a point. `st_intersects` */
  intersects(other: Operand): Condition {
    return this.condition('st_intersects', other)
  }

  /** Whether nothing of the other lies outside; its border may be on this one's. `st_covers` */
  covers(other: Operand): Condition {
    return this.condition('st_covers', other)
  }

  /** Whether nothing of this lies outside of the other. `st_coveredby` */
  coveredBy(other: Operand): Condition {
    return this.condition('st_coveredby', other)
  }

  /**
   * How far the other is, as an order: an index gives the nearest first, without looking at the rest. `<->`
   *
   * @example
   * ```ts
   * me.selectFrom('places').select('name').orderBy(({ ref }) => geography(ref('location')).nearest(point(13.4, 52.5))).limit(10)
   * ```
   * The SQL:
   * ```sql
   * select "name" from "places" order by "location" <-> cast($1 as geography) limit $2
   * ```
   */
  nearest(other: Operand): AliasableExpression<number | Null> {
    return expressionOf(binary(this.#node, '<->', this.operand(other)))
  }

  /**
   * As GeoJSON that the server writes, in WGS 84 whatever the SRID here is: no codec is needed. `st_asgeojson`
   *
   * @throws {TenonError} GEO_SRID when this has SRID 0, from which there is no way to WGS 84
   */
  asGeoJson({ maxDecimalDigits = 9 }: AsGeoJsonOptions = {}): AliasableExpression<Geometry<Type> | Null> {
    return expressionOf(
      cast(call('st_asgeojson', this.inWgs84(), digitsNode(maxDecimalDigits), bound(0, 'int4')), 'json'),
    )
  }

  /** `POINT(1 2)` and so on, in the SRID here. `st_astext` */
  asText(): AliasableExpression<string | Null> {
    return this.measure('st_astext')
  }

  /** The `&&` of boxes, one or, across the antimeridian, two; of points whose columns are known, a comparison of numbers. */
  protected boxCondition(node: Sql, box: BoundingBox, columns: PointColumns | undefined): Condition {
    const boxes = splitBox(box, this.srid)
    return expressionOf(
      columns === undefined
        ? any(boxes.map((corners) => binary(node, '&&', envelopeNode(corners, this.srid))))
        : columnsNode(columns, boxes),
    )
  }

  protected condition(name: string, other: Operand, ...more: readonly Sql[]): Condition {
    return expressionOf(this.called(name, this.operand(other), ...more))
  }

  protected measure<T>(name: string, ...parameters: readonly Sql[]): AliasableExpression<T | Null> {
    return expressionOf(this.called(name, ...parameters))
  }

  protected called(name: string, ...parameters: readonly Sql[]): Sql {
    return call(name, this.#node, ...parameters)
  }

  /** The other side of an operation: another expression as it is, a value checked and bound. */
  protected operand(other: Operand): Sql {
    if (other instanceof GeoReference) {
      if (other.#kind !== this.#kind)
        refuseSrid(
          `a ${other.#kind} stands where a ${this.#kind} is asked for`,
          this.#kind === 'geometry' ? 'Use its toGeometry().' : 'Use toGeography() of it.',
        )
      assertSameSrid(other.srid, this.srid)
      return other.#node
    }
    if (isExpression(other)) return nodeOf(other)
    const geometry = assertGeometry(other)
    assertSameSrid(sridOf(geometry), this.srid)
    return bound(toEwkb(geometry), this.#kind)
  }

  protected inWgs84(): Sql {
    if (this.srid === 0)
      refuseSrid('a geometry without SRID cannot be brought into WGS 84', 'Say its SRID: geometry(ref, srid).')
    return this.srid === 4326 ? this.#node : this.called('st_transform', bound(4326, 'int4'))
  }
}

/** `st_makeenvelope(west, south, east, north, srid)` */
export function envelopeNode(corners: readonly number[], srid: number): Sql {
  return call('st_makeenvelope', ...corners.map((corner) => bound(corner, 'float8')), bound(srid, 'int4'))
}

/** @throws {TenonError} GEO_SRID */
export function assertSameSrid(left: number, right: number): void {
  if (left !== right) refuseSrid(`a geometry of SRID ${left} meets one of SRID ${right}`)
}

function isExpression(value: unknown): value is Expression<unknown> {
  return typeof value === 'object' && value !== null && 'toOperationNode' in value
}

/** Digits behind the point for st_asgeojson. */
export function digitsNode(digits: number): Sql {
  if (Number.isInteger(digits) && digits >= 0 && digits <= 15) return bound(digits, 'int4')
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'maxDecimalDigits is not a whole number from 0 to 15',
    hint: 'Leave it out for 9, a tenth of a millimetre.',
  })
}

/** A number that a function takes. @throws {TenonError} OPTION_INVALID when it is not finite, or less than `least` */
export function numberNode(name: string, value: number, least = Number.NEGATIVE_INFINITY): Sql {
  if (typeof value === 'number' && Number.isFinite(value) && value >= least) return bound(value, 'float8')
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: least === 0 ? `${name} is no number from 0 up` : `${name} is no finite number`,
    hint: `Pass { ${name}: 500 }.`,
  })
}

/** A whole number that a function takes. @throws {TenonError} OPTION_INVALID when it is none, or less than 1 */
export function countNode(name: string, value: number): Sql {
  if (Number.isInteger(value) && value >= 1 && value < 2 ** 31) return bound(value, 'int4')
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: `${name} is no whole number from 1 up`,
    hint: `Pass { ${name}: 5 }.`,
  })
}

/** Columns that hold x and y of a point: numbers, which an index serves under row security where `&&` and `st_dwithin` cannot. */
export interface PointColumns {
  /** Longitude. */
  readonly x: Expression<number | null>
  /** Latitude. */
  readonly y: Expression<number | null>
}

/** `x between west and east and y between south and north`, for each of the boxes. */
export function columnsNode({ x, y }: PointColumns, boxes: readonly (readonly number[])[]): Sql {
  return any(
    boxes.map(([west, south, east, north]) =>
      all([
        binary(nodeOf(x), '>=', bound(west, 'float8')),
        binary(nodeOf(x), '<=', bound(east, 'float8')),
        binary(nodeOf(y), '>=', bound(south, 'float8')),
        binary(nodeOf(y), '<=', bound(north, 'float8')),
      ]),
    ),
  )
}

/** West, south, east, north; two of them where WGS 84 is crossed at the antimeridian. @throws {TenonError} GEO_INVALID */
function splitBox(box: BoundingBox, srid: number): readonly (readonly number[])[] {
  if (!Array.isArray(box) || (box.length !== 4 && box.length !== 6) || !box.every(Number.isFinite))
    refuseGeometry('bounding box', 'is no array of four or six finite numbers', 'Pass [west, south, east, north].')
  const half = box.length / 2
  const [west, south, east, north] = [box[0], box[1], box[half], box[half + 1]] as [number, number, number, number]
  if (south > north)
    refuseGeometry('bounding box', 'has its south north of its north', 'Pass [west, south, east, north].')
  if (srid !== 4326) {
    if (west > east) refuseGeometry('bounding box', 'has its west east of its east', 'Pass [west, south, east, north].')
    return [[west, south, east, north]]
  }
  if (Math.max(Math.abs(west), Math.abs(east)) > 180 || Math.max(Math.abs(south), Math.abs(north)) > 90)
    refuseGeometry('bounding box', 'is not on the globe', 'Pass degrees: [west, south, east, north].')
  return west <= east
    ? [[west, south, east, north]]
    : [
        [west, south, 180, north],
        [-180, south, east, north],
      ]
}
