/**
 * One run at a time per database.
 *
 * It polls pg_try_advisory_lock: a run that waits inside pg_advisory_lock() holds a snapshot, and CREATE INDEX CONCURRENTLY of the run
 * before waits for that snapshot, so that the two would deadlock.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { DedicatedConnection } from '../database/index.ts'
import { TenonError } from '../kernel/errors.ts'

// "tenon" in ASCII. It must never change: two versions of the library have to meet at the same lock.
const lockKey = String(0x74656e6f6e)

// Short enough that a waiting deployment loses no noticeable time, long enough to be no load.
const pollMs = 100

/** How {@link withRunLock} waits. */
export interface RunLockOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Called once, when somebody else holds the lock. */
  readonly onWait?: (() => void) | undefined
}

/**
 * Runs `work` while this connection holds the lock of migration runs.
 *
 * @param connection - a connection straight to the server: behind a pooler in transaction mode the lock would stay with it
 * @param options - how long to wait
 * @param work - what to run
 * @returns what `work` returns
 * @throws {TenonError} TIMEOUT_LOCK when another run holds the lock for longer than `timeoutMs`
 */
export async function withRunLock<T>(
  connection: DedicatedConnection,
  options: RunLockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs
  let told = false
  while (!(await tryLock(connection))) {
    if (!told) options.onWait?.()
    told = true
    if (performance.now() >= deadline) {
      throw new TenonError({
        code: 'TIMEOUT_LOCK',
        message: `another migration run held the lock of this database for ${options.timeoutMs} ms`,
        hint: "wait for it to end, or see who holds it: select * from pg_locks where locktype = 'advisory'",
      })
    }
    await sleep(Math.max(1, Math.min(pollMs, deadline - performance.now())), undefined, { signal: options.signal })
  }
  try {
    return await work()
  } finally {
    // On a broken connection this fails, the server has released the lock, and the error of `work` is the one to report.
    await connection.query('select pg_catalog.pg_advisory_unlock($1::bigint)', [lockKey]).catch(() => {})
  }
}

/**
 * A query that tells whether the backend it runs on holds the lock. Where a pooler hands out another backend for every transaction, the
 * lock is held by somebody else's, and nothing may run.
 */
export const holdsLockSql = `select exists (
  select from pg_catalog.pg_locks
  where locktype = 'advisory' and granted and pid = pg_catalog.pg_backend_pid() and objsubid = 1
    and (classid::bigint << 32 | objid::bigint) = ${lockKey}
) as held`

/** @throws {TenonError} CONNECTION_CONFIG when {@link holdsLockSql} answered no */
export function assertHeld(row: Record<string, unknown> | undefined): void {
  if (row?.['held'] === true) return
  throw new TenonError({
    code: 'CONNECTION_CONFIG',
    message: 'migrations run behind a pooler in transaction mode, where no lock can keep two runs apart',
    hint: 'give the service a connection straight to the server, or through the pooler in session mode',
  })
}

async function tryLock(connection: DedicatedConnection): Promise<boolean> {
  const { rows } = await connection.query<{ locked: boolean }>(
    'select pg_catalog.pg_try_advisory_lock($1::bigint) as locked',
    [lockKey],
  )
  return rows[0]?.locked === true
}
