/** Half-open ranges, as pruning wants them. */
import type { AliasableExpression, Expression, SqlBool } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { all, binary, expressionOf, isNotNull, nodeOf, parameter } from '../kernel/expressions.ts'

/**
 * From a time on, and before another: `at >= from and at < to`. No row is in two months, and none in neither.
 *
 * The column stands by itself, so that partitions are pruned and indexes used: `date_trunc('month', at) = …` reads them all.
 *
 * @param column - `ref('at')`
 * @param from - the first instant; null is without beginning
 * @param to - the first instant after; null is without end
 * @throws {TenonError} QUERY_FILTER when a `Date` is invalid, or `to` is not after `from`
 * @example
 * ```ts
 * me.selectFrom('events').selectAll().where(({ ref }) => timeRange(ref('at'), '2026-01-01', '2026-02-01'))
 * ```
 * The SQL:
 * ```sql
 * select * from "events" where "at" >= $1 and "at" < $2
 * ```
 */
export function timeRange<T extends Date | string | null | undefined>(
  column: Expression<T>,
  from: Date | string | null,
  to: Date | string | null,
): AliasableExpression<SqlBool> {
  for (const place of [from, to])
    if (place instanceof Date && Number.isNaN(place.getTime()))
      throw new TenonError({ code: 'QUERY_FILTER', message: 'a bound of a range of time is no valid Date' })
  if (from instanceof Date && to instanceof Date && from >= to)
    throw new TenonError({
      code: 'QUERY_FILTER',
      message: 'a range of time ends before it begins',
      hint: 'The first bound belongs to the range and the second does not.',
    })
  const node = nodeOf(column)
  const conditions = [
    ...(from === null ? [] : [binary(node, '>=', parameter(from))]),
    ...(to === null ? [] : [binary(node, '<', parameter(to))]),
  ]
  return expressionOf(conditions.length === 0 ? isNotNull(node) : all(conditions))
}
