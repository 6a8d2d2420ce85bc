/** Percentiles, with the types that they have. What they stand on, `fn.agg().withinGroupOrderBy()`, is Kysely's. */
import type {
  AggregateFunctionBuilder,
  ExpressionBuilder,
  ExtractTypeFromReferenceExpression,
  ReferenceExpression,
} from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { bound, expressionOf } from '../kernel/expressions.ts'

/**
 * A percentile between the values, for numbers: `percentile_cont`. Goes on as Kysely's aggregates do: `.filterWhere(…)`, `.as(…)`.
 *
 * @param eb - the expression builder of the place
 * @param value - a column or expression of numbers
 * @param fraction - from 0 to 1, or several, which are sorted once for all
 * @returns a number, or a list in the order of the fractions; null without rows
 * @throws {TenonError} OPTION_INVALID when a fraction is none
 * @example
 * ```ts
 * me.selectFrom('requests').select((eb) => percentileCont(eb, 'ms', [0.5, 0.95, 0.99]).filterWhere('failed', '=', false).as('ms'))
 * ```
 * The SQL:
 * ```sql
 * select percentile_cont(cast($1 as float8[])) within group (order by "ms") filter(where "failed" = $2) as "ms" from "requests"
 * ```
 * @see https://www.postgresql.org/docs/18/functions-aggregate.html#FUNCTIONS-ORDEREDSET-TABLE
 */
export function percentileCont<DB, TB extends keyof DB, RE extends ReferenceExpression<DB, TB>>(
  eb: ExpressionBuilder<DB, TB>,
  value: RE,
  fraction: number,
): AggregateFunctionBuilder<DB, TB, number | null>
export function percentileCont<DB, TB extends keyof DB, RE extends ReferenceExpression<DB, TB>>(
  eb: ExpressionBuilder<DB, TB>,
  value: RE,
  fractions: readonly number[],
): AggregateFunctionBuilder<DB, TB, number[] | null>
export function percentileCont<DB, TB extends keyof DB, RE extends ReferenceExpression<DB, TB>>(
  eb: ExpressionBuilder<DB, TB>,
  value: RE,
  fraction: number | readonly number[],
): AggregateFunctionBuilder<DB, TB, number | number[] | null> {
  const direct = expressionOf<number>(bound(checked(fraction), Array.isArray(fraction) ? 'float8[]' : 'float8'))
  // A reference or an expression is one of what can be ordered by.
  return eb.fn.agg<number | number[] | null>('percentile_cont', [direct]).withinGroupOrderBy(value as never)
}

/**
 * The first value at or above a fraction of the rows, of any type that has an order: `percentile_disc`.
 *
 * @param eb - the expression builder of the place
 * @param value - a column or expression
 * @param fraction - from 0 to 1
 * @returns one of the values, null without rows
 * @throws {TenonError} OPTION_INVALID when the fraction is none
 * @example
 * ```ts
 * me.selectFrom('orders').select((eb) => percentileDisc(eb, 'placed_at', 0.5).as('half_of_them_until'))
 * ```
 * The SQL:
 * ```sql
 * select percentile_disc(cast($1 as float8)) within group (order by "placed_at") as "half_of_them_until" from "orders"
 * ```
 */
export function percentileDisc<DB, TB extends keyof DB, RE extends ReferenceExpression<DB, TB>>(
  eb: ExpressionBuilder<DB, TB>,
  value: RE,
  fraction: number,
): AggregateFunctionBuilder<DB, TB, ExtractTypeFromReferenceExpression<DB, TB, RE> | null> {
  const direct = expressionOf<number>(bound(checked(fraction), 'float8'))
  return eb.fn
    .agg<ExtractTypeFromReferenceExpression<DB, TB, RE> | null>('percentile_disc', [direct])
    .withinGroupOrderBy(value as never)
}

function checked(fraction: number | readonly number[]): number | readonly number[] {
  const list = Array.isArray(fraction) ? fraction : [fraction]
  if (list.length > 0 && list.every((each) => typeof each === 'number' && each >= 0 && each <= 1)) return fraction
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'a fraction is no number from 0 to 1',
    hint: 'Pass 0.95 for the 95th percentile.',
  })
}
