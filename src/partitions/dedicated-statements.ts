/**
 * Statements that no transaction may hold, one by one on a connection of their own: with short waits for locks, again where one was not
 * free, and a signal that reaches the server.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, type DedicatedConnection, withDedicatedConnection } from '../database/index.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import { type NamedTable, partitionError, toPartitionError } from './partition-error.ts'

/** How locks are waited for. */
export interface LockOptions {
  readonly signal?: AbortSignal | undefined
  /** How long one try waits for a lock; who waits makes all later queries on the table wait too. Default 2000. */
  readonly lockTimeoutMs?: number | undefined
  /** Tries after the first, with longer and longer pauses. Default 5. */
  readonly lockRetries?: number | undefined
}

const firstPauseMs = 500
const undoTries = 5
const undoLockTimeoutMs = 2_000

/** Runs statements on one connection. */
export class DedicatedStatements {
  readonly connection: DedicatedConnection
  readonly #options: LockOptions

  constructor(connection: DedicatedConnection, options: LockOptions) {
    this.connection = connection
    this.#options = options
  }

  /**
   * Runs a script that takes strong locks for a moment.
   *
   * @throws {TenonError} TIMEOUT_LOCK after the last try, QUERY_CANCELED after the signal
   */
  async runShort(script: string): Promise<void> {
    const { lockTimeoutMs = 2_000, lockRetries = 5, signal } = this.#options
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#run(`set lock_timeout = ${lockTimeoutMs}`, script)
        return
      } catch (error) {
        await this.connection.script('rollback')
        if (!isTenonError(error) || !lockCodes.includes(error.code) || attempt > lockRetries) throw error
        await sleep(firstPauseMs * 2 ** (attempt - 1), undefined, { signal })
      }
    }
  }

  /**
   * Runs what no interrupted work may leave behind: also after the signal, and never failing.
   *
   * @returns once it has run, or cannot run
   */
  async undo(statement: string): Promise<void> {
    for (let attempt = 1; attempt <= undoTries; attempt++) {
      try {
        await this.connection.script(`set lock_timeout = ${undoLockTimeoutMs}`)
        await this.connection.script(statement)
        return
      } catch (error) {
        if (!isTenonError(error) || !lockCodes.includes(error.code)) return
        await sleep(firstPauseMs)
      }
    }
  }

  /**
   * Waits until no other call does the same kind of work on the table; then the connection holds the lock until its end.
   *
   * @throws {TenonError} TIMEOUT_LOCK after the last try
   */
  async takeTurn(table: NamedTable, work: 'attach' | 'detach'): Promise<void> {
    const { lockRetries = 5, signal } = this.#options
    for (let attempt = 1; ; attempt++) {
      // Asked again and again: a statement that waits holds a snapshot, for which what runs concurrently would wait in turn.
      if (await this.#tryTurn(table, work)) return
      if (attempt > lockRetries)
        throw partitionError(
          'TIMEOUT_LOCK',
          table,
          `is at work in another call, which ${work}es partitions`,
          'Call again when that is done.',
        )
      await sleep(firstPauseMs * 2 ** (attempt - 1), undefined, { signal })
    }
  }

  async #tryTurn(table: NamedTable, work: string): Promise<boolean> {
    try {
      const { rows } = await this.connection.query<{ readonly mine: boolean | null }>(
        'select pg_catalog.pg_try_advisory_lock(tenon.partitions_lock(pg_catalog.to_regclass($1), $2)) as mine',
        [quoteQualified(table.schema, table.name), work],
      )
      // Null: there is no such table, which is for others to say.
      return rows[0]?.mine !== false
    } catch (error) {
      throw toPartitionError(error, table)
    }
  }

  /** Runs a statement that waits for others by its nature and is in nobody's way meanwhile. */
  async runLong(statement: string): Promise<void> {
    await this.#run('set lock_timeout = 0', statement)
  }

  async #run(setting: string, script: string): Promise<void> {
    const { signal } = this.#options
    signal?.throwIfAborted()
    await this.connection.script(setting)
    let canceling: Promise<void> | undefined
    const cancel = () => {
      canceling = this.connection.cancel()
    }
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      // A script of one statement runs outside a transaction.
      await this.connection.script(script)
    } finally {
      signal?.removeEventListener('abort', cancel)
      await canceling
    }
  }
}

const lockCodes: readonly string[] = ['TIMEOUT_LOCK', 'TRANSACTION_DEADLOCK']

/** Runs a callback with such a connection, as the service, when its turn has come. */
export async function withDedicatedStatements<DB, T>(
  db: Database<DB>,
  { table, work, ...options }: LockOptions & { readonly table: NamedTable; readonly work: 'attach' | 'detach' },
  callback: (statements: DedicatedStatements) => Promise<T>,
): Promise<T> {
  const { lockTimeoutMs = 2_000, lockRetries = 5, signal } = options
  // One day: anything longer is a wrong unit.
  if (!Number.isInteger(lockTimeoutMs) || lockTimeoutMs < 1 || lockTimeoutMs > 86_400_000)
    throw new TenonError({ code: 'OPTION_INVALID', message: 'lockTimeoutMs is no number of milliseconds from 1' })
  if (!Number.isInteger(lockRetries) || lockRetries < 0)
    throw new TenonError({ code: 'OPTION_INVALID', message: 'lockRetries is no whole number from 0' })
  signal?.throwIfAborted()
  return await withDedicatedConnection(db, { service: true }, async (connection) => {
    const statements = new DedicatedStatements(connection, options)
    await statements.takeTurn(table, work)
    return await callback(statements)
  })
}
