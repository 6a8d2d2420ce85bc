/** Results as Kysely has them. */
import type { QueryResult } from 'kysely'
import type { StepResult } from './wire/unit.ts'

const writeCommands = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'COPY'])

export function toQueryResult<R>({ tag, rows }: StepResult): QueryResult<R> {
  const command = tag?.command ?? ''
  // As Kysely's dialect shows a raw COMMIT or ROLLBACK.
  if (command === 'COMMIT' || command === 'ROLLBACK') return { rows: [{ command }] as R[] }
  const numAffectedRows = writeCommands.has(command) ? BigInt(tag?.rowCount ?? 0) : undefined
  // Kysely's own dialect always has the key.
  return { numAffectedRows, rows: rows as R[] } as QueryResult<R>
}
