/**
 * Reading rows: a select with what was chosen, its relations as JSON in the same query or as queries of their own, and rows as they came.
 */
import {
  type FromNode,
  type JoinNode,
  LimitNode,
  OffsetNode,
  type SelectionNode,
  type SelectModifierNode,
  SelectQueryNode,
  ValueNode,
} from 'kysely'
import { type ExecutorFacts, factsOf } from '../database/index.ts'
import { type Executor, executorOf, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, all, type Sql } from '../kernel/expressions.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { columnSelection, freeName, tableNode } from './columns.ts'
import { keyTexts, loadBatches } from './load-batches.ts'
import { type Decode, nestedNode } from './nested-rows.ts'
import { type OrderTerm, orderNode } from './order.ts'
import type { RelationQuery } from './relations.ts'

export type Row = Record<string, unknown>

/** What is read. */
export interface Reading {
  readonly table: TableMetadata
  readonly select: readonly string[]
  readonly load: readonly RelationQuery[]
  readonly where: readonly Sql[]
  readonly order: readonly OrderTerm[]
  readonly limit?: number | undefined
  readonly offset?: number | undefined
  /** What is joined to the table, with columns of names that no table has. */
  readonly joins?: readonly JoinNode[]
  /** FOR UPDATE and the like. */
  readonly lock?: readonly SelectModifierNode[]
  /** Further expressions under names that no column has. */
  readonly extra?: Readonly<Record<string, Sql>>
  /** Relations in queries of their own, or in the same. */
  readonly strategy?: 'json' | 'batch' | undefined
}

/** A query and how its rows are read. */
export interface Prepared {
  readonly node: SelectQueryNode
  readonly decode: (row: Row) => Row
}

/** Makes the query of a reading, with relations that are loaded as JSON. */
export function prepareRead(reading: Reading, facts: ExecutorFacts): Prepared {
  const { table, select, where, order, limit, offset, joins = [], lock = [], extra = {} } = reading
  const load = reading.strategy === 'batch' ? [] : reading.load
  const isAlone = load.length === 0
  const qualifier = isAlone ? undefined : table.key
  const nested = load.map((query, i) => ({
    query,
    alias: freeName(table, `tenon${i}`),
    ...nestedNode({ ...query, outer: table.key }, facts, 1),
  }))
  const selections: SelectionNode[] = [
    ...select.map((key) => columnSelection(table, key, qualifier)),
    ...nested.map(({ node, alias }) => aliased(node, alias)),
    ...Object.entries(extra).map(([name, node]) => aliased(node, name)),
  ]
  const from: FromNode = { kind: 'FromNode', froms: [tableNode(table)] }
  const node: SelectQueryNode = {
    ...SelectQueryNode.create(),
    from,
    selections,
    ...(joins.length === 0 ? {} : { joins }),
    ...(where.length === 0 ? {} : { where: { kind: 'WhereNode', where: all(where) } }),
    ...(order.length === 0 ? {} : { orderBy: orderNode(table, order, qualifier) }),
    ...(limit === undefined ? {} : { limit: LimitNode.create(ValueNode.create(limit)) }),
    ...(offset === undefined ? {} : { offset: OffsetNode.create(ValueNode.create(offset)) }),
    ...(lock.length === 0 ? {} : { endModifiers: lock }),
  }
  return { node, decode: nested.length === 0 ? (row) => row : decoder(nested) }
}

function decoder(
  nested: readonly { readonly query: RelationQuery; readonly alias: string; readonly decode: Decode }[],
) {
  return (row: Row): Row => {
    for (const { query, alias, decode } of nested) {
      const value = row[alias]
      delete row[alias]
      row[query.name] = decode(value)
    }
    return row
  }
}

/** Reads rows. */
export async function readRows(executor: Executor, reading: Reading, options: RunOptions = {}): Promise<Row[]> {
  const { table, load, strategy, extra } = reading
  const batched = strategy === 'batch' ? load : []
  const keys = keyTexts(table, batched, undefined)
  const { node, decode } = prepareRead({ ...reading, extra: { ...extra, ...keys } }, factsOf(executorOf(executor)))
  const { rows } = await runQuery<Row>(executor, node, options)
  for (const row of rows) decode(row)
  await loadBatches(executor, rows, batched, options)
  return rows
}
