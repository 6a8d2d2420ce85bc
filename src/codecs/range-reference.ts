/** Operators and functions of ranges and multiranges. */
import type { AliasableExpression, Expression } from 'kysely'
import { parameter, type Sql } from '../kernel/expressions.ts'
import { isMultirange, Multirange } from './multirange.ts'
import { isRange, Range } from './range.ts'
import { type Condition, isExpression, operandOf, present, ValueReference } from './value-reference.ts'

/** What the bounds of a column are: of a range by its codec, else nobody knows. */
export type BoundOf<T> = T extends Range<infer Bound> ? Bound : T extends Multirange<infer Bound> ? Bound : unknown

type RangeOperand<Bound> = Range<Bound> | Multirange<Bound> | string | Expression<unknown>

/**
 * The operators of a range. A GiST index serves all conditions but `isEmpty`.
 *
 * @param expression - a range: `eb.ref('during')`; multiranges have {@link multirange}
 * @example
 * ```ts
 * me.selectFrom('bookings').selectAll().where(({ ref }) => range(ref('during')).overlaps(Range.of(from, to)))
 * ```
 * The SQL: `select * from "bookings" where "during" && $1`
 */
export function range<T>(expression: Expression<T>): RangeReference<BoundOf<NonNullable<T>>> {
  return new RangeReference(expression, 'range')
}

/**
 * The same of a multirange, against multiranges, ranges and values.
 *
 * @example
 * ```ts
 * me.selectFrom('shops').selectAll().where(({ ref }) => multirange(ref('opening')).contains(new Date()))
 * ```
 * The SQL: `select * from "shops" where "opening" @> $1`
 */
export function multirange<T>(expression: Expression<T>): RangeReference<BoundOf<NonNullable<T>>> {
  return new RangeReference(expression, 'multirange')
}

/** Made by {@link range} and {@link multirange}. */
export class RangeReference<Bound> extends ValueReference<Range<Bound> | Multirange<Bound> | null> {
  readonly #kind: 'range' | 'multirange'

  constructor(expression: Expression<unknown>, kind: 'range' | 'multirange') {
    super(expression)
    this.#kind = kind
  }

  /** `&&`: they have a value in common. */
  overlaps(other: RangeOperand<Bound>): Condition {
    return this.infix('&&', this.#range(other))
  }

  /** `@>`: all of a range, or a value. A text is a value unless it begins as a range does. */
  contains(other: RangeOperand<Bound> | Bound): Condition {
    return this.infix('@>', isExpression(other) ? operandOf(other) : parameter(rangeOrValue(other, this.#kind)))
  }

  /** `<@` */
  containedBy(other: RangeOperand<Bound>): Condition {
    return this.infix('<@', this.#range(other))
  }

  /** `-|-`: one ends where the other begins. */
  adjacent(other: RangeOperand<Bound>): Condition {
    return this.infix('-|-', this.#range(other))
  }

  /** `<<`: it ends before the other begins. */
  before(other: RangeOperand<Bound>): Condition {
    return this.infix('<<', this.#range(other))
  }

  /** `>>`: it begins after the other ends. */
  after(other: RangeOperand<Bound>): Condition {
    return this.infix('>>', this.#range(other))
  }

  /** `&<`: it does not go on after the other. */
  notAfter(other: RangeOperand<Bound>): Condition {
    return this.infix('&<', this.#range(other))
  }

  /** `&>`: it does not begin before the other. */
  notBefore(other: RangeOperand<Bound>): Condition {
    return this.infix('&>', this.#range(other))
  }

  /** The lower bound; null without one, and when it is empty. */
  lower(): AliasableExpression<Bound | null> {
    return this.calling('lower')
  }

  upper(): AliasableExpression<Bound | null> {
    return this.calling('upper')
  }

  /** `isempty` */
  isEmpty(): Condition {
    return this.calling('isempty')
  }

  /** `lower_inf`: it has no lower bound. The bound `-infinity` is one. */
  isLowerUnbounded(): Condition {
    return this.calling('lower_inf')
  }

  /** `upper_inf` */
  isUpperUnbounded(): Condition {
    return this.calling('upper_inf')
  }

  /** `+`. Of ranges that do not meet it is an error of the query: see {@link span}, or a multirange. */
  union(other: RangeOperand<Bound>): AliasableExpression<Range<Bound> | null> {
    return this.infix('+', this.#range(other))
  }

  /** `*` */
  intersection(other: RangeOperand<Bound>): AliasableExpression<Range<Bound> | null> {
    return this.infix('*', this.#range(other))
  }

  /** `-`. Of a range with the other in its middle it is an error of the query. */
  difference(other: RangeOperand<Bound>): AliasableExpression<Range<Bound> | null> {
    return this.infix('-', this.#range(other))
  }

  /** `range_merge`: the smallest range that has both in it; of a multirange, all of its ranges. */
  span(...other: readonly RangeOperand<Bound>[]): AliasableExpression<Range<Bound> | null> {
    return this.calling('range_merge', ...other.map((each) => this.#range(each)))
  }

  #range(value: unknown): Sql {
    if (isExpression(value)) return operandOf(value)
    return parameter(asKind(present(value), this.#kind))
  }
}

/** A parameter for a column of the kind: a range is a multirange of one where that is asked for. */
function asKind(value: unknown, kind: 'range' | 'multirange'): unknown {
  if (kind === 'range') return value
  if (isRange(value)) return Multirange.of(value)
  return typeof value === 'string' && !value.trim().startsWith('{') ? `{${value}}` : value
}

const rangeText = /^\s*(?:[[({]|empty\s*$)/i

/**
 * A range, or the range of one value: what contains one contains the other. So the type of the bounds need not be known.
 *
 * @throws {TenonError} QUERY_FILTER when it is null or undefined
 */
export function rangeOrValue(value: unknown, kind: 'range' | 'multirange'): unknown {
  const given = present(value)
  const isWhole = isRange(given) || isMultirange(given) || (typeof given === 'string' && rangeText.test(given))
  return asKind(isWhole ? given : Range.of(given, given, '[]'), kind)
}
