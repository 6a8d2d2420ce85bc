/** Operators of the database's own: `left operator("schema".@@@) right`. */
import type { AliasableExpression, Expression, SqlBool } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { binary, bound, expressionOf, isExpression, nodeOf, parameter } from '../kernel/expressions.ts'
import { quoteIdentifier } from '../kernel/identifier.ts'
import { sqlType } from './function-node.ts'

/** An operator, with its schema, so that no search path decides which it is. */
export interface OperatorName {
  readonly schema: string
  /** Its characters: `@@@`. */
  readonly name: string
  /** The type of a value on its right, `schema.name`; without it that follows from the left. */
  readonly rightType?: string
}

const longestName = 63

/**
 * `left operator("schema".name) right`, for operators that a migration made.
 *
 * @param left - an expression
 * @param name - the operator
 * @param right - an expression, or a value, which is bound
 * @returns the result; `R` is what it gives, boolean by default
 * @throws {TenonError} IDENTIFIER_INVALID when no operator can have the name
 * @example
 * ```ts
 * const isNear = { schema: 'public', name: '<~>', rightType: 'public.measure' }
 * me.selectFrom('readings').selectAll().where(({ ref }) => operator(ref('value'), isNear, '(20,celsius)'))
 * ```
 * The SQL:
 * ```sql
 * select * from "readings" where "value" operator("public".<~>) cast($1 as "public"."measure")
 * ```
 * @see https://www.postgresql.org/docs/current/sql-createoperator.html
 */
export function operator<R = SqlBool>(
  left: Expression<unknown>,
  { schema, name, rightType }: OperatorName,
  right: unknown,
): AliasableExpression<NoInfer<R>> {
  if (!isOperator(name))
    throw new TenonError({
      code: 'IDENTIFIER_INVALID',
      message: 'a name cannot be an operator',
      hint: 'Use 1 to 63 of + - * / < > = ~ ! @ # % ^ & | ` ?, without -- and /*.',
    })
  const value = rightType === undefined ? parameter(right) : bound(right, sqlType(rightType))
  return expressionOf(
    binary(nodeOf(left), `operator(${quoteIdentifier(schema)}.${name})`, isExpression(right) ? nodeOf(right) : value),
  )
}

function isOperator(name: string): boolean {
  return /^[-+*/<>=~!@#%^&|`?]+$/.test(name) && name.length <= longestName && !/--|\/\*|^=>$/.test(name)
}
