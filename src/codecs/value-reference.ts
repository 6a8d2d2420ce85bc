/**
 * What the builders of operators share: an expression that has a node, and operands that are values or expressions.
 *
 * Values are bound without a type where the server takes that of the other operand, so that types in any schema are found.
 */
import type { AliasableExpression, AliasedExpression, Expression, OperationNode, SqlBool } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { binary, bound, call, expressionOf, isExpression, nodeOf, parameter, type Sql } from '../kernel/expressions.ts'

/**
 * Beside `Expression<T>`: refuses an expression of another type than the operators are of, and says in the error which it should be. What is known
 * of nothing, `unknown` and `any` of raw SQL, passes.
 */
export type Expected<T, Value> = unknown extends T
  ? unknown
  : [T] extends [Value | null]
    ? unknown
    : Expression<Value | null>

/** A condition for `where`. */
export type Condition = AliasableExpression<SqlBool>

/** An expression whose operators are methods. */
export abstract class ValueReference<T> implements AliasableExpression<T> {
  readonly #node: Sql

  constructor(expression: Expression<unknown>) {
    if (!isExpression(expression))
      throw new TenonError({
        code: 'QUERY_FILTER',
        message: 'the operators of a value are asked of what is no expression',
        hint: "Pass a reference: ({ ref }) => range(ref('during')).",
      })
    this.#node = nodeOf(expression)
  }

  /** Kysely's seam; it has no value. */
  get expressionType(): T | undefined {
    return undefined
  }

  toOperationNode(): OperationNode {
    return this.#node
  }

  as<Alias extends string>(alias: Alias): AliasedExpression<T, Alias>
  as<Alias extends string>(alias: Expression<unknown>): AliasedExpression<T, Alias>
  as<Alias extends string>(alias: Alias | Expression<unknown>): AliasedExpression<T, Alias> {
    return expressionOf<T>(this.#node).as(alias as Alias)
  }

  /** `value operator operand` */
  protected infix<R = SqlBool>(operator: string, operand: Sql): AliasableExpression<R> {
    return expressionOf(binary(this.#node, operator, operand))
  }

  /** `name(value, …)` */
  protected calling<R>(name: string, ...more: readonly Sql[]): AliasableExpression<R> {
    return expressionOf(call(name, this.#node, ...more))
  }
}

/** An operand: an expression as it is, a value bound. @throws {TenonError} QUERY_FILTER when it is null or undefined */
export function operandOf(value: unknown, type?: string): Sql {
  if (isExpression(value)) return nodeOf(value)
  const given = present(value)
  return type === undefined ? parameter(given) : bound(given, type)
}

/** @throws {TenonError} QUERY_FILTER when it is null or undefined */
export function present<T>(value: T): NonNullable<T> {
  if (value !== null && value !== undefined) return value
  throw new TenonError({
    code: 'QUERY_FILTER',
    message: 'an operator is given nothing to compare with',
    hint: 'Nothing contains, overlaps or equals null: ask for it with is null.',
  })
}

/** A whole number for SQL, checked: it is bound as int4. @throws {TenonError} QUERY_FILTER */
export function wholeNumber(value: number | Expression<number>): Sql {
  if (isExpression(value)) return nodeOf(value)
  if (Number.isInteger(value)) return bound(value, 'int4')
  throw new TenonError({
    code: 'QUERY_FILTER',
    message: 'a place or length is no whole number',
    hint: 'Pass one, or an expression.',
  })
}
