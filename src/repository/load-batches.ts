/** Relations of many rows at once, in a query of their own for each: for parents that share what they lead to, or that are very many. */
import {
  AggregateFunctionNode,
  AliasNode,
  IdentifierNode,
  OverNode,
  PartitionByItemNode,
  SelectQueryNode,
} from 'kysely'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, binary, bound, call, cast, parameter, type Sql } from '../kernel/expressions.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { columnSelection, freeName, type Qualifier, reference } from './columns.ts'
import { orderNode } from './order.ts'
import { ownerColumns, type RelationQuery, relatedRows } from './relations.ts'

type Row = Record<string, unknown>

const keyName = (table: TableMetadata, column: string) =>
  freeName(table, `tenonkey${Object.keys(table.columns).indexOf(column)}`)

/** The columns that relations go by, as the text that the server compares with. */
export function keyTexts(
  table: TableMetadata,
  load: readonly RelationQuery[],
  qualifier: Qualifier,
): Readonly<Record<string, Sql>> {
  const columns = new Set(load.flatMap(({ relation }) => relation.columns))
  return Object.fromEntries(
    [...columns].map((key) => [keyName(table, key), cast(reference(table, key, qualifier), 'text')]),
  )
}

/** Puts relations into rows that were read with their {@link keyTexts}, which are taken out. */
export async function loadBatches(
  executor: Executor,
  rows: readonly Row[],
  load: readonly RelationQuery[],
  options: RunOptions,
): Promise<void> {
  for (const query of load) await loadBatch(executor, rows, query, options)
  const [first] = load
  if (first === undefined) return
  const names = Object.keys(keyTexts(first.source, load, undefined))
  for (const row of rows) for (const name of names) delete row[name]
}

async function loadBatch(
  executor: Executor,
  parents: readonly Row[],
  query: RelationQuery,
  options: RunOptions,
): Promise<void> {
  const { relation, source, name, many } = query
  const textsOf = (row: Row) => relation.columns.map((key) => row[keyName(source, key)] as string | null)
  const wanted = new Map(parents.map((row) => [JSON.stringify(textsOf(row)), textsOf(row)]))
  const tuples = [...wanted.values()].filter((texts) => !texts.includes(null))
  const found = tuples.length === 0 ? new Map<string, Row[]>() : await readTargets(executor, query, tuples, options)
  for (const row of parents) {
    const list = found.get(JSON.stringify(textsOf(row))) ?? []
    row[name] = many ? list : (list[0] ?? null)
  }
}

const alias = 'tenont1'

/** Rows of the target by the key of their owner. */
async function readTargets(
  executor: Executor,
  query: RelationQuery,
  tuples: readonly (readonly (string | null)[])[],
  options: RunOptions,
): Promise<ReadonlyMap<string, Row[]>> {
  const { target, select, load, order, limit } = query
  const owners = ownerColumns(query, alias, 1)
  const ownerNames = owners.map((_, i) => freeName(target, `tenonowner${i}`))
  const texts = keyTexts(target, load, alias)
  const limited = limit === undefined || !query.many ? undefined : freeName(target, 'tenonplace')
  const rows: SelectQueryNode = {
    ...relatedRows({ ...query, ...(limited === undefined ? {} : { order: [], limit: undefined }) }, alias, 1, [
      isOneOf(owners, query, tuples),
    ]),
    selections: [
      ...select.map((key) => columnSelection(target, key, alias)),
      ...owners.map((owner, i) => aliased(cast(owner, 'text'), ownerNames[i] as string)),
      ...Object.entries(texts).map(([name, node]) => aliased(node, name)),
      ...(limited === undefined ? [] : [aliased(placeNode(query, owners), limited)]),
    ],
  }
  const { rows: read } = await runQuery<Row>(
    executor,
    limited === undefined ? rows : firstOf(rows, target, limited, limit),
    options,
  )
  await loadBatches(executor, read, load, options)
  const found = new Map<string, Row[]>()
  // Each owner's own, in order: the query over all has lost it where it numbers them.
  const sorted =
    limited === undefined || order.length === 0
      ? read
      : [...read].sort((a, b) => Number(a[limited]) - Number(b[limited]))
  for (const row of sorted) {
    const key = JSON.stringify(ownerNames.map((name) => row[name]))
    for (const name of [...ownerNames, ...(limited === undefined ? [] : [limited])]) delete row[name]
    found.set(key, [...(found.get(key) ?? []), row])
  }
  return found
}

function isOneOf(
  owners: readonly Sql[],
  { relation, target, through }: RelationQuery,
  tuples: readonly (readonly (string | null)[])[],
): Sql {
  const [only, ...more] = owners
  // The texts are read as the type of the column they are compared with.
  if (only !== undefined && more.length === 0)
    return binary(only, '=', call('any', parameter(tuples.map(([text]) => text))))
  const via = relation.through
  const [table, keys] =
    via === undefined || through === undefined ? [target, relation.referencedColumns] : [through, via.columns]
  const lists = keys.map((key, i) =>
    call(
      'unnest',
      bound(
        tuples.map((tuple) => tuple[i]),
        `${table.columns[key]?.type}[]`,
      ),
    ),
  )
  const query: SelectQueryNode = {
    ...SelectQueryNode.create(),
    selections: lists.map((list, i) => aliased(list, `k${i}`)),
  }
  return binary(call('row', ...owners), 'in', query)
}

/** `row_number() over (partition by owner order by …)` */
function placeNode({ target, order }: RelationQuery, owners: readonly Sql[]): Sql {
  const items = owners.map((owner) => PartitionByItemNode.create(owner as never))
  let over = OverNode.cloneWithPartitionByItems(OverNode.create(), items)
  if (order.length > 0) over = OverNode.cloneWithOrderByItems(over, orderNode(target, order, alias).items)
  return AggregateFunctionNode.cloneWithOver(AggregateFunctionNode.create('row_number', []), over)
}

function firstOf(
  rows: SelectQueryNode,
  target: TableMetadata,
  place: string,
  limit: number | undefined,
): SelectQueryNode {
  const from = SelectQueryNode.createFrom([AliasNode.create(rows, IdentifierNode.create('placed'))])
  const column = reference(
    { ...target, columns: { [place]: { name: place, type: 'bigint', typeName: 'pg_catalog.int8' } } },
    place,
    'placed',
  )
  return {
    ...from,
    selections: [{ kind: 'SelectionNode', selection: { kind: 'SelectAllNode' } }],
    where: { kind: 'WhereNode', where: binary(column, '<=', parameter(limit)) },
  }
}
