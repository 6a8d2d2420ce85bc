/** Operators and functions of the geometric types. */
import type { AliasableExpression, Expression } from 'kysely'
import type { Sql } from '../kernel/expressions.ts'
import { Circle, type GeometricValue, type Point, sqlTypeOf } from './geometric.ts'
import { type Condition, type Expected, operandOf, present, ValueReference } from './value-reference.ts'

type Operand = GeometricValue | Expression<unknown>

/** A point or circle as pg gives it without the codec. */
type PlainPoint = { readonly x: number; readonly y: number }

/**
 * The operators of a point, box, circle and so on; which of them a type has is PostgreSQL's to say. A GiST index serves the conditions, and
 * an order by `distance` with a limit.
 *
 * @example
 * ```ts
 * me.selectFrom('stops').selectAll().orderBy(({ ref }) => geometric(ref('place')).distance(new Point(1, 2))).limit(5)
 * ```
 * The SQL: `select * from "stops" order by "place" <-> cast($1 as point) limit $2`
 */
export function geometric<T>(
  expression: Expression<T> & Expected<T, GeometricValue | PlainPoint | string>,
): GeometricReference<NonNullable<T>> {
  return new GeometricReference(expression)
}

/** Made by {@link geometric}. */
export class GeometricReference<T> extends ValueReference<T | null> {
  /** `<->` */
  distance(other: Operand): AliasableExpression<number | null> {
    return this.infix('<->', shape(other))
  }

  /** `@>` */
  contains(other: Operand): Condition {
    return this.infix('@>', shape(other))
  }

  /** `<@` */
  containedBy(other: Operand): Condition {
    return this.infix('<@', shape(other))
  }

  /** Of a point: it is no farther away than that. `<@` of a circle, which an index serves. */
  within(radius: number, center: Point): Condition {
    return this.infix('<@', shape(new Circle(present(center).x, center.y, radius)))
  }

  /** `&&`: of boxes, circles and polygons. */
  overlaps(other: Operand): Condition {
    return this.infix('&&', shape(other))
  }

  /** `?#`: of lines, segments, boxes and paths. */
  intersects(other: Operand): Condition {
    return this.infix('?#', shape(other))
  }

  /** `~=`: the same, within PostgreSQL's tolerance. */
  sameAs(other: Operand): Condition {
    return this.infix('~=', shape(other))
  }

  /** `<<` */
  leftOf(other: Operand): Condition {
    return this.infix('<<', shape(other))
  }

  /** `>>` */
  rightOf(other: Operand): Condition {
    return this.infix('>>', shape(other))
  }

  /** `<<|` */
  below(other: Operand): Condition {
    return this.infix('<<|', shape(other))
  }

  /** `|>>` */
  above(other: Operand): Condition {
    return this.infix('|>>', shape(other))
  }

  /** `area`: of boxes, circles and closed paths. */
  area(): AliasableExpression<number | null> {
    return this.calling('area')
  }

  /** `center`: of boxes and circles. */
  center(): AliasableExpression<Point | null> {
    return this.calling('center')
  }
}

function shape(value: Operand): Sql {
  return operandOf(value, sqlTypeOf(Object(present(value))))
}
