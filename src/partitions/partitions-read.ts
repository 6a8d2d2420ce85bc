/** What EXPLAIN says of pruning. */
import {
  AliasNode,
  ColumnNode,
  createQueryId,
  ExplainNode,
  IdentifierNode,
  type OperationNode,
  ReferenceNode,
  SelectQueryNode,
} from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type Executor, executorOf, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, bound, call, cast } from '../kernel/expressions.ts'
import { quoteIdentifier, quoteQualified } from '../kernel/identifier.ts'
import { assertPartitioned } from './module-call.ts'
import type { NamedTable } from './partition-error.ts'

/** What a query of Kysely's is, of any kind. */
export interface ExplainableQuery {
  toOperationNode(): OperationNode
}

/** What {@link partitionsRead} gives. */
export interface PartitionsRead {
  /** Partitions that the plan reads or writes. */
  readonly read: number
  /** Partitions that the table has, at the lowest level. */
  readonly of: number
  /** Names of those that are read, in alphabetical order; with their schema where it is not the parent's. */
  readonly partitions: readonly string[]
}

/**
 * Says how many partitions of a table a query reads, by EXPLAIN: the query is planned with its values, and not run.
 *
 * It shows what a literal range, or one from now(), prunes. Partitions that only a running join can leave out are counted as read.
 *
 * @param executor - who runs the query: under a session its policies are part of the plan
 * @param table - of the generated metadata.ts: `tables.events`
 * @param query - a builder that was not executed
 * @throws {TenonError} PARTITION_KIND when the table is not partitioned, and what planning throws
 * @example
 * ```ts
 * const query = me.selectFrom('events').selectAll().where(({ ref }) => timeRange(ref('at'), '2026-01-01', '2026-02-01'))
 * expect(await partitionsRead(me, tables.events, query)).toMatchObject({ read: 1, of: 12 })
 * ```
 * The SQL:
 * ```sql
 * explain ("verbose", format json) select * from "events" where …
 * ```
 */
export async function partitionsRead(
  executor: Executor,
  table: NamedTable,
  query: ExplainableQuery,
  options: RunOptions = {},
): Promise<PartitionsRead> {
  assertPartitioned(table)
  const leaves = await leavesOf(executor, table, options)
  const found = new Set<string>()
  for (const plan of await explain(executor, query, options)) collect(plan, found)
  const prefix = `${quoteIdentifier(table.schema)}.`
  const partitions = [...found]
    .filter((name) => leaves.has(name))
    .map((name) => (name.startsWith(prefix) ? unquote(name.slice(prefix.length)) : name))
    .sort()
  return { read: partitions.length, of: leaves.size, partitions }
}

/** Quoted names of the tables that hold the rows. */
async function leavesOf(executor: Executor, table: NamedTable, options: RunOptions): Promise<ReadonlySet<string>> {
  const own = executorOf(executor).withoutPlugins()
  const column = (name: string) => ReferenceNode.create(ColumnNode.create(name))
  const tree = call('pg_catalog.pg_partition_tree', bound(quoteQualified(table.schema, table.name), 'regclass'))
  const address = call(
    'pg_catalog.pg_identify_object_as_address',
    bound('pg_class', 'regclass'),
    column('relid'),
    bound(0, 'int4'),
  )
  const query = SelectQueryNode.cloneWithSelections(
    SelectQueryNode.createFrom([AliasNode.create(tree, IdentifierNode.create('tree'))]),
    [aliased(column('isleaf'), 'leaf'), aliased(cast(call('to_json', address), 'text'), 'address')],
  )
  const { rows } = await runQuery<{ readonly leaf: boolean; readonly address: string }>(
    { getExecutor: () => own },
    query,
    options,
  )
  return new Set(rows.filter(({ leaf }) => leaf).map(({ address: text }) => addressName(JSON.parse(text))))
}

function addressName({ object_names: [schema, name = ''] }: { readonly object_names: readonly string[] }): string {
  return quoteQualified(schema, name)
}

const explainable: ReadonlySet<string> = new Set([
  'SelectQueryNode',
  'InsertQueryNode',
  'UpdateQueryNode',
  'DeleteQueryNode',
])

interface PlanNode {
  readonly Schema?: string
  readonly 'Relation Name'?: string
  readonly Plans?: readonly PlanNode[]
  readonly 'Target Tables'?: readonly PlanNode[]
}

async function explain(executor: Executor, query: ExplainableQuery, options: RunOptions): Promise<readonly PlanNode[]> {
  // The builder has applied the plugins already, and a result of EXPLAIN is nothing for them.
  const own = executorOf(executor).withoutPlugins()
  const node: OperationNode = query.toOperationNode()
  if (!explainable.has(node.kind))
    throw new TenonError({
      code: 'STATEMENT_INVALID',
      message: 'only a select, insert, update or delete of a builder can be explained',
      hint: 'Pass the builder itself, before execute().',
    })
  // "verbose" gives the schema of each table; as an identifier, so that the query stays one without raw SQL.
  const explained = { ...node, explain: ExplainNode.create('json', IdentifierNode.create('verbose')) }
  const { rows } = await own.executeQuery<Readonly<Record<string, unknown>>>(
    // One of the four kinds, and all of these have the field.
    own.compileQuery(explained as SelectQueryNode, createQueryId()),
    options.signal === undefined ? undefined : { signal: options.signal },
  )
  const [plans] = Object.values(rows[0] ?? {})
  const parsed: readonly { readonly Plan: PlanNode }[] = typeof plans === 'string' ? JSON.parse(plans) : plans
  return parsed.map(({ Plan }) => Plan)
}

function collect(node: PlanNode, found: Set<string>): void {
  const { Schema: schema, 'Relation Name': name } = node
  if (name !== undefined) found.add(quoteQualified(schema, name))
  for (const child of [...(node.Plans ?? []), ...(node['Target Tables'] ?? [])]) collect(child, found)
}

function unquote(name: string): string {
  return name.slice(1, -1).replaceAll('""', '"')
}
