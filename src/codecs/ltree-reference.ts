/** Operators and functions of ltree: paths of labels, which are text in JavaScript. */
import type { AliasableExpression, Expression } from 'kysely'
import { type Condition, type Expected, operandOf, ValueReference, wholeNumber } from './value-reference.ts'

type Operand = string | Expression<unknown>

/**
 * The operators of `ltree`. A GiST index serves the conditions.
 *
 * @example
 * ```ts
 * me.selectFrom('categories').selectAll().where(({ ref }) => ltree(ref('path')).descendantOf('shop.garden'))
 * ```
 * The SQL: `select * from "categories" where "path" <@ $1`
 */
export function ltree<T>(expression: Expression<T> & Expected<T, string>): LtreeReference {
  return new LtreeReference(expression)
}

/** Made by {@link ltree}. */
export class LtreeReference extends ValueReference<string | null> {
  /** `@>`: it lies above the other, or is the same. */
  ancestorOf(other: Operand): Condition {
    return this.infix('@>', operandOf(other))
  }

  /** `<@`: it lies below the other, or is the same. */
  descendantOf(other: Operand): Condition {
    return this.infix('<@', operandOf(other))
  }

  /** `~`: an lquery, such as `shop.*{1,2}.tools`. */
  matches(query: Operand): Condition {
    return this.infix('~', operandOf(query))
  }

  /** `?`: any of some lqueries. */
  matchesAny(queries: readonly string[]): Condition {
    return this.infix('?', operandOf(queries))
  }

  /** `@`: an ltxtquery, such as `tools & !old`. */
  matchesText(query: Operand): Condition {
    return this.infix('@', operandOf(query))
  }

  /** `nlevel`: how many labels. */
  level(): AliasableExpression<number | null> {
    return this.calling('nlevel')
  }

  /** `subpath`: labels from an offset on, from the end when it is negative. An offset that is not there is an error of the query. */
  subpath(offset: number, length?: number): AliasableExpression<string | null> {
    return this.calling('subpath', wholeNumber(offset), ...(length === undefined ? [] : [wholeNumber(length)]))
  }

  /** `index`: where another path begins in it, from 0; -1 when it does not. */
  index(other: Operand): AliasableExpression<number | null> {
    return this.calling('index', operandOf(other))
  }

  /** `lca`: the longest path that lies above all of them. */
  lca(...others: readonly Operand[]): AliasableExpression<string | null> {
    return this.calling('lca', ...others.map((other) => operandOf(other)))
  }

  /** `||` */
  concat(other: Operand): AliasableExpression<string | null> {
    return this.infix('||', operandOf(other))
  }
}
