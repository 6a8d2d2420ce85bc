/** Orders: checked, completed to a total order where pages need one, and turned round for pages backwards. */
import { OrderByItemNode, type OrderByNode, RawNode } from 'kysely'
import type { IndexMetadata, TableMetadata } from '../kernel/metadata.ts'
import { columnOf, kindOf, type Qualifier, reference, refuse } from './columns.ts'

/** One column of an order. */
export interface OrderTerm {
  readonly column: string
  readonly direction: 'asc' | 'desc'
  readonly nulls: 'first' | 'last'
}

/**
 * Reads an order.
 *
 * @throws {TenonError} QUERY_FILTER when it is none
 */
export function readOrder(table: TableMetadata, orderBy: unknown): readonly OrderTerm[] {
  if (orderBy === undefined) return []
  const list: readonly unknown[] = Array.isArray(orderBy) ? orderBy : [orderBy]
  const terms = list.flatMap((item) => {
    if (typeof item !== 'object' || item === null)
      return refuse(table, 'the order is no object', "Pass { column: 'asc' }.")
    return Object.entries(item).map(([column, direction]) => readTerm(table, column, direction))
  })
  if (new Set(terms.map(({ column }) => column)).size < terms.length)
    return refuse(table, 'the order names a column twice', 'Name each once.')
  return terms
}

function readTerm(table: TableMetadata, column: string, given: unknown): OrderTerm {
  const metadata = columnOf(table, column)
  if (kindOf(metadata) === 'json' && (metadata.baseTypeName ?? metadata.typeName) === 'pg_catalog.json')
    return refuse(table, `${column} has no order`, 'json has none; jsonb has one.')
  const object = typeof given === 'object' && given !== null
  const { direction = 'asc', nulls } = (object ? given : { direction: given }) as {
    direction?: unknown
    nulls?: unknown
  }
  if (direction !== 'asc' && direction !== 'desc')
    return refuse(table, `the direction of ${column} is none`, "Pass 'asc' or 'desc'.")
  if (nulls !== undefined && nulls !== 'first' && nulls !== 'last')
    return refuse(table, `nulls of ${column} are neither first nor last`, "Pass nulls: 'first' or 'last'.")
  return { column, direction, nulls: nulls ?? defaultNulls(direction) }
}

const defaultNulls = (direction: 'asc' | 'desc') => (direction === 'asc' ? 'last' : 'first')

/**
 * Adds what makes an order total: the primary key, or else a unique key of columns that cannot be null, or whose nulls are not distinct. Its direction is that of an index
 * that goes on so, or else of the last column.
 *
 * @throws {TenonError} QUERY_FILTER when the table has no such key
 */
export function totalOrder(table: TableMetadata, terms: readonly OrderTerm[]): readonly OrderTerm[] {
  const keys = [{ columns: table.primaryKey, nullsNotDistinct: false }, ...table.uniqueKeys]
  const usable = keys.flatMap(({ columns, nullsNotDistinct }) => {
    const isTotal = nullsNotDistinct === true || columns.every((column) => table.columns[column]?.nullable !== true)
    return columns.length > 0 && isTotal ? [columns] : []
  })
  const isThere = (column: string) => terms.some((term) => term.column === column)
  const [first] = usable
  if (first === undefined)
    return refuse(
      table,
      'pages need a primary or unique key without nulls, which it does not have',
      table.kind === 'materialized view'
        ? 'Make a unique index on it, with NULLS NOT DISTINCT where columns may be null as far as PostgreSQL tells, or use list with limit.'
        : 'Give it one, or use list with limit.',
    )
  if (usable.some((key) => key.every(isThere))) return terms
  const rest = first.filter((column) => !isThere(column))
  const direction = directionOfIndex(table.indexes, terms, rest) ?? terms.at(-1)?.direction ?? 'asc'
  return [...terms, ...rest.map((column): OrderTerm => ({ column, direction, nulls: defaultNulls(direction) }))]
}

/** How an index goes on after the terms of an order, read forwards or backwards. */
function directionOfIndex(
  indexes: readonly IndexMetadata[],
  terms: readonly OrderTerm[],
  rest: readonly string[],
): 'asc' | 'desc' | undefined {
  const [first] = terms
  if (first === undefined) return undefined
  for (const { keys, method, where } of indexes) {
    const start = keys.findIndex(({ column }) => column === first.column)
    if (method !== 'btree' || where !== undefined || start < 0) continue
    const run = keys.slice(start)
    if (![...terms.map(({ column }) => column), ...rest].every((column, i) => run[i]?.column === column)) continue
    const isBackwards = (run[0]?.descending === true) !== (first.direction === 'desc')
    return (run[terms.length]?.descending === true) === isBackwards ? 'asc' : 'desc'
  }
  return undefined
}

/** The same order from its end. */
export function reversed(terms: readonly OrderTerm[]): readonly OrderTerm[] {
  return terms.map(({ column, direction, nulls }) => ({
    column,
    direction: direction === 'asc' ? 'desc' : 'asc',
    nulls: nulls === 'first' ? 'last' : 'first',
  }))
}

/** ORDER BY. */
export function orderNode(table: TableMetadata, terms: readonly OrderTerm[], qualifier: Qualifier): OrderByNode {
  const items = terms.map(({ column, direction, nulls }) => {
    const item = OrderByItemNode.create(reference(table, column, qualifier), RawNode.createWithSql(direction))
    const said = table.columns[column]?.nullable === true && nulls !== defaultNulls(direction)
    return said ? OrderByItemNode.cloneWith(item, { nulls }) : item
  })
  return { kind: 'OrderByNode', items }
}
