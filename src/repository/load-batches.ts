/** Relations of many rows at once, in a query of their own for each: for parents that share what they lead to, or that are very many. */
import {
  AggregateFunctionNode,
  AliasNode,
  ColumnNode,
  IdentifierNode,
  JoinNode,
  OnNode,
  OverNode,
  PartitionByItemNode,
  ReferenceNode,
  SelectQueryNode,
  TableNode,
} from 'kysely'
import { ownOperator } from '../kernel/comparison.ts'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, all, binary, bound, call, cast, constant, parameter, type Sql } from '../kernel/expressions.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { arrayTypeOf } from './array-values.ts'
import { columnOf, columnSelection, freeName, type Qualifier, reference } from './columns.ts'
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
  const places = [...wanted].filter(([, texts]) => !texts.includes(null))
  const found =
    places.length === 0
      ? []
      : await readTargets(
          executor,
          query,
          places.map(([, texts]) => texts as readonly string[]),
          options,
        )
  const byKey = new Map(places.map(([key], i) => [key, found[i] ?? []]))
  for (const row of parents) {
    const list = byKey.get(JSON.stringify(textsOf(row))) ?? []
    // Each parent has rows of its own, whoever shares its key.
    row[name] = many ? [...list] : (list[0] ?? null)
  }
}

const alias = 'tenont1'
const wantedAlias = 'tenonwanted'

/** Rows of the target for each of the keys. Which row is whose is for the server to say: it knows when two values are the same. */
async function readTargets(
  executor: Executor,
  query: RelationQuery,
  keys: readonly (readonly string[])[],
  options: RunOptions,
): Promise<readonly (readonly Row[])[]> {
  const { target, select, load, order, limit } = query
  const placeName = freeName(target, 'tenonowner')
  const place = ReferenceNode.create(ColumnNode.create(placeName), TableNode.create(wantedAlias))
  const texts = keyTexts(target, load, alias)
  const limited = limit === undefined || !query.many ? undefined : freeName(target, 'tenonplace')
  const related = relatedRows(
    { ...query, ...(limited === undefined ? {} : { order: [], limit: undefined }) },
    alias,
    1,
    [],
  )
  const rows: SelectQueryNode = {
    ...related,
    joins: [...(related.joins ?? []), wantedJoin(query, keys, placeName)],
    selections: [
      ...select.map((key) => columnSelection(target, key, alias)),
      aliased(place, placeName),
      ...Object.entries(texts).map(([name, node]) => aliased(node, name)),
      ...(limited === undefined ? [] : [aliased(numberNode(query, place), limited)]),
    ],
  }
  const { rows: read } = await runQuery<Row>(
    executor,
    limited === undefined ? rows : firstOf(rows, target, limited, limit),
    options,
  )
  await loadBatches(executor, read, load, options)
  const found = keys.map((): Row[] => [])
  // Each owner's own, in order: the query over all has lost it where it numbers them.
  const sorted =
    limited === undefined || order.length === 0
      ? read
      : [...read].sort((a, b) => Number(a[limited]) - Number(b[limited]))
  for (const row of sorted) {
    const at = Number(row[placeName]) - 1
    for (const name of [placeName, ...(limited === undefined ? [] : [limited])]) delete row[name]
    found[at]?.push(row)
  }
  return found
}

/** `join (select unnest(…), …, generate_series(1, n)) on owner = key` */
function wantedJoin(query: RelationQuery, keys: readonly (readonly string[])[], placeName: string): JoinNode {
  const { relation, target, through } = query
  const via = relation.through
  const [table, columns] =
    via === undefined || through === undefined ? [target, relation.referencedColumns] : [through, via.columns]
  const lists = columns.map((column, i) => {
    const texts = keys.map((key) => key[i])
    return aliased(call('unnest', bound(texts, arrayTypeOf(table, column))), `tenonkey${i}`)
  })
  const series = call('generate_series', constant(1), bound(keys.length, 'int4'))
  const wanted: SelectQueryNode = { ...SelectQueryNode.create(), selections: [...lists, aliased(series, placeName)] }
  const own = (i: number) => ReferenceNode.create(ColumnNode.create(`tenonkey${i}`), TableNode.create(wantedAlias))
  return {
    ...JoinNode.create('InnerJoin', AliasNode.create(wanted, IdentifierNode.create(wantedAlias))),
    on: OnNode.create(
      all(
        ownerColumns(query, alias, 1).map((owner, i) =>
          binary(owner, ownOperator(columnOf(table, columns[i] as string), '='), own(i)),
        ),
      ),
    ),
  }
}

/** `row_number() over (partition by place order by …)` */
function numberNode({ target, order }: RelationQuery, place: ReferenceNode): Sql {
  let over = OverNode.cloneWithPartitionByItems(OverNode.create(), [PartitionByItemNode.create(place)])
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
