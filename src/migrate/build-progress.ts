/** Progress of a long index build, asked for on a second connection. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, type DedicatedConnection, withDedicatedConnection } from '../database/index.ts'
import type { MigrationObserver } from './migration-event.ts'

// Most migrations are over before anybody looks; a person who waits wants to see something move.
const firstLookMs = 2_000
const everyMs = 1_000

interface Progress {
  readonly phase: string
  readonly done: string
  readonly total: string
}

/**
 * Starts to report; does nothing where nobody listens or the database is embedded and has one connection.
 *
 * @returns what ends it; wait for it, so that no connection is left behind
 */
export function watchProgress<DB>(
  db: Database<DB>,
  { processId }: DedicatedConnection,
  name: string,
  observe: MigrationObserver | undefined,
): () => Promise<void> {
  if (observe === undefined || processId === undefined) return async () => {}
  const stop = new AbortController()
  const pause = (ms: number) => sleep(ms, undefined, { signal: stop.signal, ref: false })
  const watching = (async () => {
    await pause(firstLookMs)
    await withDedicatedConnection(db, { service: true }, async (connection) => {
      while (!stop.signal.aborted) {
        const { rows } = await connection.query<Progress>(
          `select phase, coalesce(nullif(blocks_done, 0), tuples_done) as done, coalesce(nullif(blocks_total, 0), tuples_total) as total
           from pg_catalog.pg_stat_progress_create_index where pid = $1`,
          [processId],
        )
        const [row] = rows
        if (row !== undefined)
          observe({ type: 'progress', name, phase: row.phase, done: Number(row.done), total: Number(row.total) })
        await pause(everyMs)
      }
    })
  })()
  return async () => {
    stop.abort()
    // Reporting is a courtesy: when it fails (no second connection free, no right to look) the migration goes on.
    await watching.catch(() => {})
  }
}
