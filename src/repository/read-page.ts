/**
 * Pages by key: after or before a cursor, in a total order, with null where the order has it.
 *
 * Owns the condition that continues an order. Offsets are not offered: they read what they skip, and lose or repeat rows that move meanwhile.
 */
import { ExplainNode, SelectQueryNode } from 'kysely'
import { factsOf } from '../database/index.ts'
import { ownOperator } from '../kernel/comparison.ts'
import {
  assertCursorKeys,
  type CursorValues,
  cursorText,
  cursorValue,
  fingerprint,
  fromCursor,
  toCursor,
} from '../kernel/cursor.ts'
import { type Executor, executorOf, type RunOptions, runQuery } from '../kernel/executor.ts'
import {
  aliased,
  all,
  any,
  binary,
  bound,
  call,
  cast,
  constant,
  isNotNull,
  isNull,
  type Sql,
} from '../kernel/expressions.ts'
import type { ColumnMetadata, TableMetadata } from '../kernel/metadata.ts'
import { freeName, type Qualifier, reference, refuse, tableNode } from './columns.ts'
import { type OrderTerm, reversed, totalOrder } from './order.ts'
import { type Reading, type Row, readRows } from './read-rows.ts'

/** What a page is asked for with. */
export interface PageQuery {
  readonly limit: number
  readonly after?: string | undefined
  readonly before?: string | undefined
  readonly total?: 'exact' | 'estimate' | undefined
}

/** Rows with their place in the order. */
export interface Page<R> {
  readonly items: R[]
  /** Of the first and last row: for `before` and `after`. */
  readonly startCursor: string | undefined
  readonly endCursor: string | undefined
  /** Of rows after `endCursor`; going backwards it is known by where one came from. */
  readonly hasNext: boolean
  readonly hasPrevious: boolean
  /** All rows that the filter finds, when it was asked for. */
  readonly total: number | undefined
}

/** Rows that a page has at most. */
const maxLimit = 10_000

/**
 * Reads a page.
 *
 * @throws {TenonError} QUERY_FILTER, CURSOR_INVALID, OPTION_INVALID without cursor keys
 */
export async function readPage(
  executor: Executor,
  reading: Reading,
  { limit, after, before, total }: PageQuery,
  options: RunOptions,
): Promise<Page<Row>> {
  const { table } = reading
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit)
    return refuse(table, 'limit of a page is no number of rows', `Pass limit: 20; at most ${maxLimit}.`)
  if (after !== undefined && before !== undefined)
    return refuse(table, 'a page is both after and before a row', 'Pass one of them.')
  if (total !== undefined && total !== 'exact' && total !== 'estimate')
    return refuse(table, 'total of a page is none', "Pass total: 'exact' or 'estimate'.")
  const { cursorKeys } = factsOf(executorOf(executor))
  assertCursorKeys(cursorKeys)
  const order = totalOrder(table, reading.order)
  const madeFor = fingerprint([
    table.schema,
    table.name,
    order.map(({ column, direction, nulls }) => [column, direction, nulls]),
  ])
  const backward = before !== undefined
  const scan = backward ? reversed(order) : order
  const qualifier = reading.load.length > 0 && reading.strategy !== 'batch' ? table.key : undefined
  const cursor = after ?? before
  const place =
    cursor === undefined ? [] : [afterNode(table, scan, fromCursor(table.name, madeFor, cursor, cursorKeys), qualifier)]
  const texts = order.map(({ column }, i) => ({
    name: freeName(table, `tenonc${i}`),
    column: table.columns[column] as ColumnMetadata,
    value: reference(table, column, qualifier),
  }))
  const totalName = freeName(table, 'tenontotal')
  const rows = await readRows(
    executor,
    {
      ...reading,
      order: scan,
      where: [...reading.where, ...place],
      limit: limit + 1,
      extra: {
        ...Object.fromEntries(texts.map(({ name, column, value }) => [name, cursorText(value, column)])),
        ...(total === 'exact' ? { [totalName]: cast(countNode(reading), 'text') } : {}),
      },
    },
    options,
  )
  const more = rows.length > limit
  const items = rows.slice(0, limit)
  if (backward) items.reverse()
  const cursorOf = (row: Row | undefined) => {
    if (row === undefined) return undefined
    const values = texts.map(({ name, column }) => cursorValue(row[name] as string | null, column))
    return toCursor(madeFor, values, cursorKeys)
  }
  const [startCursor, endCursor] = [cursorOf(items[0]), cursorOf(items.at(-1))]
  const counted = items[0]?.[totalName]
  const extra = new Set([...texts.map(({ name }) => name), totalName])
  return {
    items: items.map((row) => without(row, extra)),
    startCursor,
    endCursor,
    hasNext: backward ? true : more,
    hasPrevious: backward ? more : after !== undefined,
    total: total === undefined ? undefined : await totalOf(executor, reading, total, counted, options),
  }
}

/** A row without what was read beside it. A new one: taking properties away makes every row that is read later slower. */
function without(row: Row, names: ReadonlySet<string>): Row {
  const rest: Row = {}
  for (const name of Object.keys(row)) if (!names.has(name)) rest[name] = row[name]
  return rest
}

async function totalOf(
  executor: Executor,
  reading: Reading,
  total: 'exact' | 'estimate',
  counted: unknown,
  options: RunOptions,
): Promise<number> {
  if (total === 'estimate') return await estimate(executor, reading, options)
  if (counted !== undefined) return Number(counted)
  // No row carries it: the page is empty.
  const node: SelectQueryNode = {
    ...SelectQueryNode.create(),
    selections: [aliased(cast(countNode(reading), 'text'), 'total')],
  }
  const { rows } = await runQuery<{ total: string }>(executor, node, options)
  return Number(rows[0]?.total ?? 0)
}

/** `(select count(*) from … where …)` */
export function countNode({ table, where }: Reading): Sql {
  return {
    ...selectFrom(table, where),
    selections: [aliased(call('count', constant(1)), 'count')],
  } as SelectQueryNode
}

function selectFrom(table: TableMetadata, where: readonly Sql[]): SelectQueryNode {
  return {
    ...SelectQueryNode.create(),
    from: { kind: 'FromNode', froms: [tableNode(table)] },
    ...(where.length === 0 ? {} : { where: { kind: 'WhereNode', where: all(where) } }),
  }
}

/** What the planner takes the number of rows for. */
async function estimate(executor: Executor, { table, where }: Reading, options: RunOptions): Promise<number> {
  const node: SelectQueryNode = {
    ...selectFrom(table, where),
    selections: [aliased(constant(1), 'one')],
    explain: ExplainNode.create('json'),
  }
  const { rows } = await runQuery<Row>(executor, node, options)
  const [plan] = Object.values(rows[0] ?? {})
  const [{ Plan: { 'Plan Rows': found = 0 } = {} } = {}] = (
    typeof plan === 'string' ? JSON.parse(plan) : plan
  ) as readonly {
    readonly Plan?: { readonly 'Plan Rows'?: number }
  }[]
  return found
}

/** What is true of the rows after a place. */
function afterNode(table: TableMetadata, order: readonly OrderTerm[], values: CursorValues, qualifier: Qualifier): Sql {
  const places = order.map((term, i) => {
    const metadata = table.columns[term.column] as ColumnMetadata
    const text = values[i] ?? null
    return {
      ...term,
      metadata,
      nullable: metadata.nullable === true,
      isNull: text === null,
      column: reference(table, term.column, qualifier),
      value: text === null ? constant(null) : bound(text, metadata.type),
    }
  })
  type Place = (typeof places)[number]
  const operator = ({ direction, metadata }: Place) => ownOperator(metadata, direction === 'asc' ? '>' : '<')
  const [first] = places
  if (first === undefined) return constant(true)
  const isUniform = places.every((place) => !place.nullable && operator(place) === operator(first))
  // One comparison of rows is what an index follows best.
  if (isUniform && places.length > 1)
    return binary(
      call('row', ...places.map(({ column }) => column)),
      operator(first),
      call('row', ...places.map(({ value }) => value)),
    )
  const beyond = (place: Place): Sql => {
    if (place.isNull) return place.nulls === 'first' ? isNotNull(place.column) : constant(false)
    const greater = binary(place.column, operator(place), place.value)
    return place.nullable && place.nulls === 'last' ? any([greater, isNull(place.column)]) : greater
  }
  const same = (place: Place): Sql =>
    place.isNull ? isNull(place.column) : binary(place.column, ownOperator(place.metadata, '='), place.value)
  const chain = any(places.map((place, i) => all([...places.slice(0, i).map(same), beyond(place)])))
  // Implied by the rest, and what an index can begin at.
  if (first.nullable || places.length === 1) return chain
  const orSame = ownOperator(first.metadata, first.direction === 'asc' ? '>=' : '<=')
  return all([binary(first.column, orSame, first.value), chain])
}
