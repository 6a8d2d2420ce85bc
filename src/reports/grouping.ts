/**
 * Several groupings in one pass: ROLLUP, CUBE and GROUPING SETS for `groupBy`, and what tells a subtotal from a group of null.
 */
import { type AliasableExpression, type Expression, type OperationNode, TupleNode } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { call, expressionOf, nodeOf, type Sql } from '../kernel/expressions.ts'

/** What is grouped by: an expression, or several that go together. */
export type GroupingItem = Expression<unknown> | readonly Expression<unknown>[]

/** An item of `groupBy`. It is no value, so it cannot be selected. */
export type Grouping = Expression<unknown>

/** The server's limit for one CUBE, and what a person can read. */
const maxCube = 12

/**
 * Groups, the groups of these without the last item, and so on up to the total: for `groupBy`.
 *
 * The columns of a subtotal that are not grouped by are null: select them with {@link grouped}, which says so in the type, and tell them
 * from groups of null by {@link grouping}.
 *
 * @param items - `ref('region')`, or `[ref('year'), ref('month')]` for two that go together
 * @example
 * ```ts
 * me.selectFrom('sales')
 *   .select(({ ref, fn }) => [grouped(ref('region')).as('region'), grouped(ref('city')).as('city'), fn.sum('amount').as('amount'), grouping(ref('region'), ref('city')).as('level')])
 *   .groupBy(({ ref }) => [rollup(ref('region'), ref('city'))])
 * ```
 * The SQL:
 * ```sql
 * select "region" as "region", "city" as "city", sum("amount") as "amount", grouping("region", "city") as "level" from "sales" group by rollup("region", "city")
 * ```
 * @see https://www.postgresql.org/docs/18/queries-table-expressions.html#QUERIES-GROUPING-SETS
 */
export function rollup(...items: readonly GroupingItem[]): Grouping {
  return clauseOf('rollup', items)
}

/**
 * Groups of every combination of the items, and the total: for `groupBy`. At most 12 items, which are 4,096 groupings.
 *
 * @example
 * ```ts
 * .groupBy(({ ref }) => [cube(ref('region'), ref('product'))])
 * ```
 * The SQL:
 * ```sql
 * group by cube("region", "product")
 * ```
 */
export function cube(...items: readonly GroupingItem[]): Grouping {
  return clauseOf('cube', items)
}

/**
 * Exactly these groupings, for `groupBy`: each an expression, several that go together, `[]` for the total, or a {@link rollup} or {@link cube}.
 *
 * @example
 * ```ts
 * .groupBy(({ ref }) => [groupingSets([[ref('region'), ref('product')], ref('region'), []])])
 * ```
 * The SQL:
 * ```sql
 * group by grouping sets(("region", "product"), "region", ())
 * ```
 */
export function groupingSets(sets: readonly GroupingItem[]): Grouping {
  return clauseOf('grouping sets', sets)
}

/**
 * Which of the expressions are not grouped by in this row: 0 of a group of all of them; each one that is missing sets a bit, the last
 * expression the lowest.
 *
 * @param expressions - 1 to 31 of those that GROUP BY names
 * @example
 * ```ts
 * .having(({ ref }) => grouping(ref('region')), '=', 0) // no total
 * ```
 * The SQL:
 * ```sql
 * grouping("region", "city")
 * ```
 */
export function grouping(...expressions: readonly Expression<unknown>[]): AliasableExpression<number> {
  if (expressions.length === 0 || expressions.length > 31)
    throw invalid('grouping() takes 1 to 31 expressions', 'Pass those that groupBy names.')
  return expressionOf<number>(call('grouping', ...expressions.map(nodeOf)))
}

/**
 * An expression as it is selected beside subtotals, which have null in its place. The SQL is that of the expression itself.
 *
 * @example
 * ```ts
 * .select(({ ref }) => grouped(ref('region')).as('region')) // string | null
 * ```
 */
export function grouped<T>(expression: Expression<T>): AliasableExpression<T | null> {
  return expressionOf<T | null>(nodeOf(expression))
}

function clauseOf(words: 'rollup' | 'cube' | 'grouping sets', items: readonly GroupingItem[]): Grouping {
  if (items.length === 0) throw invalid(`${words} is given nothing to group by`, 'Pass at least one expression.')
  if (words === 'cube' && items.length > maxCube)
    throw invalid(`cube is given more than ${maxCube} items`, 'Name the groupings that are wanted in groupingSets().')
  // Only as a whole is it a grouping: no alias, so that select() does not take it.
  return new GroupingClause(call(words, ...items.map((item) => itemNode(item, words))))
}

function itemNode(item: GroupingItem, words: string): Sql {
  if (!Array.isArray(item)) return nodeOf(item as Expression<unknown>)
  if (item.length === 0 && words !== 'grouping sets')
    throw invalid(`${words} is given an empty item`, 'Only groupingSets() has one: the total.')
  return TupleNode.create((item as readonly Expression<unknown>[]).map(nodeOf))
}

class GroupingClause implements Expression<unknown> {
  readonly #node: OperationNode

  constructor(node: OperationNode) {
    this.#node = node
  }

  get expressionType(): unknown {
    return undefined
  }

  toOperationNode(): OperationNode {
    return this.#node
  }
}

function invalid(message: string, hint: string): TenonError {
  return new TenonError({ code: 'OPTION_INVALID', message, hint })
}
