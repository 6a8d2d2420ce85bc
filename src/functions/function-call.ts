/** Functions in queries: as a value in a select list or a condition, and as rows in FROM. */
import { type AliasableExpression, SelectQueryNode } from 'kysely'
import { aliased, expressionOf, type Sql } from '../kernel/expressions.ts'
import type { FunctionMetadata } from '../kernel/metadata.ts'
import { chooseOverload, readArguments, refusal } from './choose-overload.ts'
import { functionNode, passedTo } from './function-node.ts'
import type { CallableFunctions, OperandsOf, PickedSignature, Signature, SignaturesOf, ValuesOf } from './signatures.ts'

/** Operands, which may be missing where nothing has to be given. */
export type OperandRest<A> = Record<string, never> extends A ? readonly [args?: A] : readonly [args: A]

/** What any overload takes, as values or expressions. */
export type AnyOperands<C extends CallableFunctions> = SignaturesOf<C>[number] extends infer S
  ? S extends Signature
    ? OperandsOf<S['arguments']>
    : never
  : never

/** With several overloads what was given, so that the result follows from it. */
export type PickedOperands<C extends CallableFunctions, A> =
  SignaturesOf<C> extends readonly [infer One extends Signature]
    ? OperandsOf<One['arguments']>
    : A extends AnyOperands<C>
      ? A
      : AnyOperands<C>

/** What an expression of a signature is; nothing is known of OUT arguments in one. */
type ValueOf<S> = S extends { readonly value: infer Value }
  ? Value
  : S extends { readonly row: unknown }
    ? unknown
    : S extends Signature
      ? S['returns']
      : never

/** A row in FROM. */
type RowOf<S> = S extends { readonly row: infer Row } ? Row : S extends Signature ? { value: S['returns'] } : never

/**
 * A function as a value in a query: in `select`, `where`, `orderBy`, `set`. A row of a type is one value there, as a column of the type is.
 *
 * @param callable - a member of the generated `functions` that returns no set
 * @param rest - the arguments by name: values, or expressions such as `ref('user_id')`
 * @throws {TenonError} FUNCTION_ARGUMENTS
 * @example
 * ```ts
 * me.selectFrom('profiles').selectAll().where(({ ref }) => functionCall(functions.isActive, { userId: ref('user_id') }))
 * ```
 * The SQL:
 * ```sql
 * select * from "profiles" where "public"."is_active"("user_id" => "user_id")
 * ```
 */
export function functionCall<C extends CallableFunctions, const A extends AnyOperands<C>>(
  callable: C,
  ...rest: OperandRest<PickedOperands<C, A>>
): AliasableExpression<ValueOf<PickedSignature<C, ValuesOf<A>>>> {
  const { chosen, node } = nodeOfCall(callable, rest[0])
  if (chosen.set === true) throw refusal(callable, 'it returns rows', 'Use functionRows().')
  return expressionOf(node)
}

/**
 * A function as a source of rows, for `selectFrom` and joins; with expressions of other tables for lateral joins. Its columns are those of the
 * result; what is a plain value is the column `value`.
 *
 * @param callable - a member of the generated `functions`
 * @param rest - the arguments by name: values, or expressions
 * @throws {TenonError} FUNCTION_ARGUMENTS
 * @example
 * ```ts
 * me.selectFrom(functionRows(functions.topProjects, { count: 3 }).as('top')).select('top.name').where('top.score', '>', 10)
 * ```
 * The SQL:
 * ```sql
 * select "top"."name" from "public"."top_projects"("count" => cast($1 as "pg_catalog"."int4")) as "top" where "top"."score" > $2
 * ```
 */
export function functionRows<C extends CallableFunctions, const A extends AnyOperands<C>>(
  callable: C,
  ...rest: OperandRest<PickedOperands<C, A>>
): AliasableExpression<RowOf<PickedSignature<C, ValuesOf<A>>>> {
  const { chosen, node } = nodeOfCall(callable, rest[0])
  if (chosen.row === true) return expressionOf(node)
  // In FROM the column of a plain value is named as the alias is, which the types could not follow.
  return expressionOf(SelectQueryNode.cloneWithSelections(SelectQueryNode.create(), [aliased(node, 'value')]))
}

function nodeOfCall(
  callable: CallableFunctions,
  first: unknown = {},
): { readonly chosen: FunctionMetadata; readonly node: Sql } {
  const given = readArguments(callable, first)
  const chosen = chooseOverload(callable, given)
  if (chosen.kind === 'procedure') throw refusal(callable, 'it is a procedure', 'Use call().')
  if (chosen.kind === 'aggregate') throw refusal(callable, 'it is an aggregate', 'Use aggregateCall().')
  return { chosen, node: functionNode(callable, passedTo(callable, chosen, given)) }
}
