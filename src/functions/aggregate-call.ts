/** Aggregates of the database's own, with Kysely's `distinct`, `filterWhere`, `orderBy` and `over`. */
import { type AggregateFunctionBuilder, type ExpressionBuilder, SelectAllNode } from 'kysely'
import { expressionOf } from '../kernel/expressions.ts'
import { chooseOverload, readArguments, refusal } from './choose-overload.ts'
import type { AnyOperands, OperandRest, PickedOperands } from './function-call.ts'
import { argumentNodes, functionName, passedTo } from './function-node.ts'
import type { CallableFunctions, PickedSignature, ValuesOf } from './signatures.ts'

/**
 * An aggregate of the generated `functions` in a query.
 *
 * @param eb - the query's expression builder: it types `filterWhere` and `orderBy`
 * @param callable - a member of the generated `functions` that is an aggregate
 * @param rest - the arguments by name: values, or expressions
 * @throws {TenonError} FUNCTION_ARGUMENTS
 * @example
 * ```ts
 * me.selectFrom('orders').select((eb) => aggregateCall(eb, functions.total, { argument1: eb.ref('price') }).filterWhere('paid', '=', true).as('paid'))
 * ```
 * The SQL:
 * ```sql
 * select "public"."total"("price") filter(where "paid" = $1) as "paid" from "orders"
 * ```
 */
export function aggregateCall<DB, TB extends keyof DB, C extends CallableFunctions, const A extends AnyOperands<C>>(
  eb: ExpressionBuilder<DB, TB>,
  callable: C,
  ...rest: OperandRest<PickedOperands<C, A>>
): AggregateFunctionBuilder<DB, TB, PickedSignature<C, ValuesOf<A>>['returns']> {
  const given = readArguments(callable, rest[0] ?? {})
  const chosen = chooseOverload(callable, given)
  if (chosen.kind !== 'aggregate') throw refusal(callable, `it is a ${chosen.kind}`, 'Use functionCall() or call().')
  const nodes = argumentNodes(callable, passedTo(callable, chosen, given))
  // One without arguments is called with a star.
  const aggregated = nodes.length === 0 ? [SelectAllNode.create()] : nodes
  return eb.fn.agg(functionName(callable), aggregated.map(expressionOf))
}
