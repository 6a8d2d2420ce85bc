/** Many rows by COPY, which is the quickest way in, where the executor and the table allow it. */
import { ColumnNode, createQueryId, type QueryResult, RawNode, sql, type TableNode } from 'kysely'
import { CopyRows, factsOf } from '../database/index.ts'
import { type Executor, executorOf, type RunOptions, runQuery } from '../kernel/executor.ts'
import { quoteIdentifier } from '../kernel/identifier.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { columnOf, isJson, plainValue, tableNode } from './columns.ts'
import type { Values } from './write-rows.ts'

/** Fewer rows are as quick in an INSERT, and need no question first. */
export const copiedRows = 1_000

/**
 * Whether rows can be copied into a table: the executor is a service, and no policy binds its login there. COPY would pass by rules, and
 * views have no rows of their own.
 */
export async function canCopy(table: TableMetadata, executor: Executor, options: RunOptions): Promise<boolean> {
  const own = executorOf(executor)
  if (!factsOf(own).copies) return false
  // Plugins may have moved it to another schema.
  const { parameters } = own.transformQuery(copyNode(table, []), createQueryId())
  const { schema, identifier } = (parameters[0] as TableNode).table
  const name = [schema, identifier]
    .flatMap((part) => (part === undefined ? [] : [quoteIdentifier(part.name)]))
    .join('.')
  const { rows } = await runQuery<{ readonly copies: boolean }>(
    executor,
    sql`select c.relkind in ('r', 'p') and not c.relhasrules and not pg_catalog.row_security_active(c.oid) as copies
      from pg_catalog.pg_class as c where c.oid = ${name}::pg_catalog.regclass`.toOperationNode() as RawNode,
    options,
  )
  return rows[0]?.copies === true
}

/** Rows that give values for the same columns, ready to be sent. */
export function copyRows(table: TableMetadata, columns: readonly string[], rows: readonly Values[]): CopyRows {
  const values = columns.map((key) => {
    const json = isJson(columnOf(table, key))
    // Numbers and texts are as they come; what is undefined is refused.
    return [
      key,
      (row: Values) => {
        const value = row[key]
        return json || value === undefined || typeof value === 'object' ? plainValue(table, key, value) : value
      },
    ] as const
  })
  return new CopyRows(new Map(values), rows)
}

/** Sends them. */
export async function runCopy(
  table: TableMetadata,
  executor: Executor,
  columns: readonly string[],
  rows: CopyRows,
  options: RunOptions,
): Promise<QueryResult<unknown>> {
  return await runQuery(executor, copyNode(table, columns), options, [rows])
}

/** `copy table (columns) from stdin`, with names as the executor's plugins have them. */
function copyNode(table: TableMetadata, columns: readonly string[]): RawNode {
  const names = columns.map((key) => ColumnNode.create(key))
  const between = names.map((_, i) => (i === 0 ? ' (' : ', '))
  return RawNode.create(['copy ', ...between, ') from stdin'], [tableNode(table), ...names])
}
