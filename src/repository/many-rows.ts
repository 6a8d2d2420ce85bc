/** Rows in any number: sorted by what they give values for, cut into chunks, and written together or not at all. */
import type { Executor } from '../kernel/executor.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { refuse } from './columns.ts'
import { type Values, writtenColumns } from './write-rows.ts'

/** Rows that give values for the same columns: one that leaves a column out has its default. */
export function byColumns(
  table: TableMetadata,
  rows: readonly Values[],
): readonly { readonly columns: readonly string[]; readonly rows: readonly Values[] }[] {
  const groups = new Map<string, { readonly columns: readonly string[]; readonly rows: Values[] }>()
  let last: { readonly columns: readonly string[]; readonly rows: Values[] } | undefined
  for (const row of rows) {
    // Most rows have the columns of the one before.
    if (last === undefined || !hasColumns(row, last.columns)) {
      const columns = writtenColumns(table, [row], 'insertable')
      const key = [...columns].sort().join('\0')
      last = groups.get(key) ?? { columns, rows: [] }
      groups.set(key, last)
    }
    last.rows.push(row)
  }
  return [...groups.values()]
}

function hasColumns(row: Values, columns: readonly string[]): boolean {
  if (typeof row !== 'object' || row === null) return false
  let i = 0
  // Key by key: a list of them for every row is what would cost most here.
  for (const key in row) if (key !== columns[i++] || row[key] === undefined) return false
  return i === columns.length
}

/** Rows as they come, a chunk at a time. */
export async function* inChunks(
  rows: Iterable<Values> | AsyncIterable<Values>,
  size: number,
  check: (row: Values, i: number) => Values,
): AsyncGenerator<readonly Values[]> {
  let chunk: Values[] = []
  let i = 0
  const fill = (row: Values): readonly Values[] | undefined => {
    chunk.push(check(row, i++))
    if (chunk.length < size) return undefined
    const full = chunk
    chunk = []
    return full
  }
  if (Symbol.asyncIterator in rows)
    for await (const row of rows) {
      const full = fill(row)
      if (full !== undefined) yield full
    }
  // Waiting for each of what is there already would take longer than writing it.
  else
    for (const row of rows) {
      const full = fill(row)
      if (full !== undefined) yield full
    }
  if (chunk.length > 0) yield chunk
}

/** Several statements that happen together or not at all. */
export async function inTransaction(
  table: TableMetadata,
  executor: Executor,
  work: (trx: Executor) => Promise<void>,
): Promise<void> {
  const kysely = executor as Partial<{
    transaction(): { execute(callback: (trx: Executor) => Promise<void>): Promise<void> }
  }>
  if (executor.isTransaction === true) await work(executor)
  else if (kysely.transaction === undefined)
    refuse(table, 'the executor has no transactions', 'Pass a session, a service, or a transaction.')
  else await kysely.transaction().execute(work)
}
