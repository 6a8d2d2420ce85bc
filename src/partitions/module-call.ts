/**
 * Calling functions of the SQL module `partitions` through an executor.
 *
 * Owns the form of such a query. Results come as JSON text and no plugin touches them: names of partitions are not keys to be renamed.
 */
import { AliasNode, ColumnNode, IdentifierNode, ReferenceNode, SelectQueryNode } from 'kysely'
import { type Executor, executorOf, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, bound, call, cast, type Sql } from '../kernel/expressions.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import { type NamedTable, partitionError, toPartitionError } from './partition-error.ts'

/** Anything that names a place in a range: a `Date` is an instant, a text is PostgreSQL's, without a zone in UTC. */
export type RangeBound = Date | string | number | bigint

/** @throws {TenonError} PARTITION_KIND when it is no partitioned table */
export function assertPartitioned(table: NamedTable): void {
  if (table.kind === undefined || table.kind === 'partitioned table') return
  throw partitionError(
    'PARTITION_KIND',
    table,
    'is not partitioned, by its metadata',
    'Generate the metadata again if the table has changed: tenon codegen.',
  )
}

/** Runs `select … from tenon.name(table, …)`: a row of T per row of the function. */
export async function callModule<T>(
  executor: Executor,
  name: string,
  table: NamedTable,
  parameters: readonly Sql[],
  options: RunOptions = {},
): Promise<readonly T[]> {
  assertPartitioned(table)
  const own = executorOf(executor).withoutPlugins()
  const source = AliasNode.create(
    call(`tenon.${name}`, tableNode(table), ...parameters),
    IdentifierNode.create('found'),
  )
  const found = ReferenceNode.create(ColumnNode.create('found'))
  const query = SelectQueryNode.cloneWithSelections(SelectQueryNode.createFrom([source]), [
    aliased(cast(call('to_json', found), 'text'), 'found'),
  ])
  try {
    const { rows } = await runQuery<{ readonly found: string }>({ getExecutor: () => own }, query, options)
    return rows.map((row) => JSON.parse(row.found))
  } catch (error) {
    throw toPartitionError(error, table)
  }
}

/** The table as a parameter of type regclass. */
function tableNode({ schema, name }: NamedTable): Sql {
  return bound(quoteQualified(schema, name), 'regclass')
}

/** @throws {TenonError} OPTION_INVALID */
export function toBoundText(table: NamedTable, place: RangeBound): string {
  const text =
    place instanceof Date
      ? Number.isNaN(place.getTime())
        ? undefined
        : place.toISOString()
      : typeof place === 'string' || typeof place === 'bigint' || Number.isFinite(place)
        ? String(place)
        : undefined
  if (text !== undefined && text !== '' && !text.includes('\0')) return text
  throw partitionError(
    'OPTION_INVALID',
    table,
    'has no such place in its ranges',
    'Pass a valid Date, a finite number, a bigint or a text.',
  )
}
