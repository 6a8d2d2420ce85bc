/** Operators and functions of ranges and multiranges. */
import type { AliasableExpression, Expression } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { isExpression, parameter, type Sql } from '../kernel/expressions.ts'
import { isMultirange, Multirange } from './multirange.ts'
import { isRange, Range } from './range.ts'
import { type Condition, type Expected, operandOf, present, ValueReference } from './value-reference.ts'

/** What the bounds of a column are: of a range by its codec, else nobody knows. */
export type BoundOf<T> = T extends Range<infer Bound> ? Bound : T extends Multirange<infer Bound> ? Bound : unknown

type Kind = 'range' | 'multirange'

/** A value beside a range is taken for one of its own type, so that a multirange has to be an expression there. */
type RangeOperand<Bound, K extends Kind> =
  | Range<Bound>
  | (K extends 'multirange' ? Multirange<Bound> : never)
  | string
  | Expression<unknown>

/** What an operator makes of two of them. */
type ValueOf<Bound, K extends Kind> = K extends 'multirange' ? Multirange<Bound> : Range<Bound>

/**
 * The operators of a range. A GiST index serves all conditions but `isEmpty`.
 *
 * @param expression - a range, `eb.ref('during')`, which without a codec is text; multiranges have {@link multirange}
 * @example
 * ```ts
 * me.selectFrom('bookings').selectAll().where(({ ref }) => range(ref('during')).overlaps(Range.of(from, to)))
 * ```
 * The SQL: `select * from "bookings" where "during" && $1`
 */
export function range<T>(
  expression: Expression<T> & Expected<T, Range<unknown> | string>,
): RangeReference<BoundOf<NonNullable<T>>, 'range'> {
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
export function multirange<T>(
  expression: Expression<T> & Expected<T, Multirange<unknown> | string>,
): RangeReference<BoundOf<NonNullable<T>>, 'multirange'> {
  return new RangeReference(expression, 'multirange')
}

/** Made by {@link range} and {@link multirange}. */
export class RangeReference<Bound, K extends Kind = Kind> extends ValueReference<ValueOf<Bound, K> | null> {
  readonly #kind: K

  constructor(expression: Expression<unknown>, kind: K) {
    super(expression)
    this.#kind = kind
  }

  /** `&&`: they have a value in common. */
  overlaps(other: RangeOperand<Bound, K>): Condition {
    return this.infix('&&', this.#range(other))
  }

  /** `@>`: all of a range, or a value. A text is a value unless it begins as a range does. */
  contains(other: RangeOperand<Bound, K> | Bound): Condition {
    return this.infix('@>', isExpression(other) ? operandOf(other) : parameter(rangeOrValue(other, this.#kind)))
  }

  /** `<@` */
  containedBy(other: RangeOperand<Bound, K>): Condition {
    return this.infix('<@', this.#range(other))
  }

  /** `-|-`: one ends where the other begins. */
  adjacent(other: RangeOperand<Bound, K>): Condition {
    return this.infix('-|-', this.#range(other))
  }

  /** `<<`: it ends before the other begins. */
  before(other: RangeOperand<Bound, K>): Condition {
    return this.infix('<<', this.#range(other))
  }

  /** `>>`: it begins after the other ends. */
  after(other: RangeOperand<Bound, K>): Condition {
    return this.infix('>>', this.#range(other))
  }

  /** `&<`: it does not go on after the other. */
  notAfter(other: RangeOperand<Bound, K>): Condition {
    return this.infix('&<', this.#range(other))
  }

  /** `&>`: it does not begin before the other. */
  notBefore(other: RangeOperand<Bound, K>): Condition {
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
  union(other: RangeOperand<Bound, K>): AliasableExpression<ValueOf<Bound, K> | null> {
    return this.infix('+', this.#range(other))
  }

  /** `*` */
  intersection(other: RangeOperand<Bound, K>): AliasableExpression<ValueOf<Bound, K> | null> {
    return this.infix('*', this.#range(other))
  }

  /** `-`. Of a range with the other in its middle it is an error of the query. */
  difference(other: RangeOperand<Bound, K>): AliasableExpression<ValueOf<Bound, K> | null> {
    return this.infix('-', this.#range(other))
  }

  /** `range_merge`: the smallest range that has both in it; of a multirange, which takes no other, all of its ranges. */
  span(
    ...other: K extends 'multirange' ? readonly [] : readonly [other: RangeOperand<Bound, K>]
  ): AliasableExpression<Range<Bound> | null> {
    return this.calling('range_merge', ...other.map((each) => this.#range(each)))
  }

  #range(value: unknown): Sql {
    if (isExpression(value)) return operandOf(value)
    return parameter(asKind(present(value), this.#kind))
  }
}

/** A parameter for a column of the kind: a range is a multirange of one where that is asked for. */
function asKind(value: unknown, kind: Kind): unknown {
  if (kind === 'range') {
    if (isMultirange(value))
      throw new TenonError({
        code: 'QUERY_FILTER',
        message: 'a range is compared with a multirange',
        hint: 'Pass a Range, an expression with a type, such as cast(…) as a multirange, or ask it of multirange().',
      })
    return value
  }
  if (isRange(value)) return Multirange.of(value)
  return typeof value === 'string' && !value.trim().startsWith('{') ? `{${value}}` : value
}

const rangeText = /^\s*(?:[[({]|empty\s*$)/i

/**
 * A range, or the range of one value: what contains one contains the other. So the type of the bounds need not be known.
 *
 * @throws {TenonError} QUERY_FILTER when it is null, undefined, or a multirange where a range is asked for
 */
export function rangeOrValue(value: unknown, kind: Kind): unknown {
  const given = present(value)
  const isWhole = isRange(given) || isMultirange(given) || (typeof given === 'string' && rangeText.test(given))
  return asKind(isWhole ? given : Range.of(given, given, '[]'), kind)
}
