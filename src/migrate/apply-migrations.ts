/**
 * Applies migrations: lock, one transaction per file, ledger, retries. It never changes or overwrites what it did not make.
 *
 * Owns the run. What is to be run is plan.ts, taking back is revert-migrations.ts.
 */
import { type Database, type DedicatedConnection, withDedicatedConnection } from '../database/index.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import { quoteIdentifier } from '../kernel/identifier.ts'
import { watchProgress } from './build-progress.ts'
import { forgetMigration, readLedger, recordMigration } from './ledger.ts'
import { listMigrations, type Migration, type MigrationSet } from './migration.ts'
import type { MigrationObserver } from './migration-event.ts'
import { toMigrationError } from './migration-failure.ts'
import { assertPlan, isPending, type PlannedMigration, toPlan } from './plan.ts'
import { assertHeld, holdsLockSql, withRunLock } from './run-lock.ts'
import { withRetries } from './statement-lock.ts'
import { clearTheWay } from './unfinished.ts'

/** How a run waits, and whom it tells. */
export interface RunOptions {
  /** How long to wait for another run on this database. Default 60,000. */
  readonly runLockTimeoutMs?: number | undefined
  /**
   * `lock_timeout` of a migration: how long it may wait for a lock, with every later query on that table waiting behind it. Default
   * 5,000; 0 waits for ever.
   */
  readonly lockTimeoutMs?: number | undefined
  /** How often a migration is tried again after it did not get its lock, with growing pauses. Default 5. */
  readonly lockRetries?: number | undefined
  /** Stops between two files, while waiting, and before a retry; a file that has begun is finished. */
  readonly signal?: AbortSignal | undefined
  /** Told of every step. */
  readonly observe?: MigrationObserver | undefined
}

/** Options of {@link applyMigrations}. */
export interface ApplyMigrationsOptions extends MigrationSet, RunOptions {
  /** Apply a file although a later one of its module is applied already, as branches leave it. Default false: refused. */
  readonly allowOutOfOrder?: boolean | undefined
}

/** What {@link applyMigrations} did: names as `module/version_slug`. */
export interface ApplyMigrationsResult {
  /** What this call applied, in order. */
  readonly applied: readonly string[]
  /** What was there already, unchanged. */
  readonly present: readonly string[]
}

/**
 * Applies migrations to a database, each in a transaction of its own, and keeps a ledger in `tenon.migrations`: a second call does
 * nothing, in one round trip. Use it in a deployment step or a test; a server process that starts should not migrate.
 *
 * It runs on the service connection (see `service` of `createDatabase`), which must reach the server directly: a pooler in transaction
 * mode is refused, since no lock holds there. Existing objects are never overwritten. A file with `-- transactional: no` is written down
 * before and after its statement, so that a run that was killed in between is finished by the next one.
 *
 * @param db - a database with a service connection, or an embedded one
 * @param options - the modules, and where and for which kind of identity their tables are made
 * @returns what was applied now and what was there already
 * @throws {TenonError} OPTION_INVALID, IDENTIFIER_INVALID or MIGRATION_SOURCE before anything is sent; SERVICE_MISSING without a service
 *   connection; MIGRATION_DIVERGED when history and files disagree; TIMEOUT_LOCK when another run does not end or a lock is not to be had;
 *   QUERY_DUPLICATE_OBJECT when an object of the host stands in the way; LOGIN_POWERFUL or ACCESS_DENIED when the roles cannot be made
 *   safely; MIGRATION_FAILED with `path:line:column` for everything else. The files before the failed one stay applied.
 * @example
 * ```ts
 * await applyMigrations(db, { modules: ['projects', ...(await readModules('migrations'))] })
 * ```
 * The SQL it makes, per file: `begin; set local …; …the file…; insert into tenon.migrations …; commit`
 * @see sql/README.md for the modules and the format of a file
 */
export async function applyMigrations<DB>(
  db: Database<DB>,
  options: ApplyMigrationsOptions,
): Promise<ApplyMigrationsResult> {
  // Filled before anything is sent, so that a bad option changes nothing.
  const migrations = listMigrations(options)
  options.signal?.throwIfAborted()
  return await withDedicatedConnection(db, { service: true }, async (connection) => {
    const result = (plan: readonly PlannedMigration[], applied: readonly string[]): ApplyMigrationsResult => ({
      applied,
      present: plan.filter(({ state }) => state === 'applied').map(({ name }) => name),
    })
    const before = toPlan(migrations, await readLedger(connection))
    assertPlan(before, options)
    if (!before.some(isPending)) return result(before, [])

    return await withLock(connection, options, async () => {
      const plan = toPlan(migrations, await readLedger(connection))
      // All of them before the first is run: half an upgrade is worse than none.
      assertPlan(plan, options)
      const pending = plan.filter(isPending)
      const applied: string[] = []
      for (const planned of pending) {
        options.signal?.throwIfAborted()
        const started = performance.now()
        options.observe?.({ type: 'started', name: planned.name, index: applied.length, total: pending.length })
        const stopWatching = watchProgress(db, connection, planned.name, options.observe)
        try {
          await applyOne(connection, planned, options)
        } finally {
          await stopWatching()
        }
        applied.push(planned.name)
        options.observe?.({ type: 'finished', name: planned.name, durationMs: performance.now() - started })
      }
      return result(plan, applied)
    })
  })
}

/**
 * Tells where every migration of a set stands, and changes nothing.
 *
 * @returns one line per migration in the order a run would take, then what the ledger alone knows of these modules
 * @throws {TenonError} as {@link applyMigrations} does before it begins; a disagreement of history and files is told and not thrown
 * @example
 * ```ts
 * const plan = await planMigrations(db, { modules: ['projects'] })
 * const pending = plan.filter(({ state }) => state === 'pending')
 * ```
 */
export async function planMigrations<DB>(db: Database<DB>, set: MigrationSet): Promise<readonly PlannedMigration[]> {
  const migrations = listMigrations(set)
  return await withDedicatedConnection(db, { service: true }, async (connection) =>
    toPlan(migrations, await readLedger(connection)),
  )
}

/** Holds the run's lock around `work`, and tells when it has to wait. */
export async function withLock<T>(
  connection: DedicatedConnection,
  options: RunOptions,
  work: () => Promise<T>,
): Promise<T> {
  const { observe, signal } = options
  const lock = {
    timeoutMs: options.runLockTimeoutMs ?? 60_000,
    signal,
    onWait: () => observe?.({ type: 'waiting' }),
  }
  return await withRunLock(connection, lock, work)
}

async function applyOne(
  connection: DedicatedConnection,
  { name, state, migration }: PlannedMigration,
  options: RunOptions,
): Promise<void> {
  // Only what is missing has no file, and that was refused.
  const { file, sql } = migration as Migration
  const run = file.transactional
    ? () => applyInTransaction(connection, migration as Migration, options)
    : () => applyAlone(connection, migration as Migration, state === 'unfinished', options)
  try {
    await withRetries(run, name, options)
  } catch (error) {
    throw await toMigrationError(connection, error, migration as Migration, sql)
  }
}

async function applyInTransaction(
  connection: DedicatedConnection,
  migration: Migration,
  options: RunOptions,
): Promise<void> {
  await inTransaction(connection, migration, options, async () => {
    await connection.script(migration.sql)
    await recordMigration(connection, migration, 'tenon')
  })
}

/** Runs `work` in a transaction of this migration, having seen that the lock is still ours. */
export async function inTransaction(
  connection: DedicatedConnection,
  migration: Migration,
  options: RunOptions,
  work: () => Promise<void>,
): Promise<void> {
  try {
    const { rows } = await connection.script(`begin; ${settingsOf(migration, options, 'set local')}; ${holdsLockSql}`)
    assertHeld(rows[0])
    await work()
    await connection.script('commit')
  } catch (error) {
    await connection.script('rollback').catch(() => {})
    throw error
  }
}

/** A statement that cannot run in a transaction: written down as running, run, written down as applied. */
async function applyAlone(
  connection: DedicatedConnection,
  migration: Migration,
  unfinished: boolean,
  options: RunOptions,
): Promise<void> {
  const { rows } = await connection.script(`${settingsOf(migration, options, 'set')}; ${holdsLockSql}`)
  assertHeld(rows[0])
  await recordMigration(connection, migration, 'tenon', 'running')
  try {
    if (!(unfinished && (await clearTheWay(connection, migration)))) await connection.script(migration.sql)
  } catch (error) {
    await takeBack(connection, migration, error)
    throw error
  }
  await recordMigration(connection, migration, 'tenon')
}

/** The statement failed and says so: what it left behind goes, and the ledger is as before. An object that was there already stays. */
async function takeBack(connection: DedicatedConnection, migration: Migration, error: unknown): Promise<void> {
  if (!isTenonError(error) || error.sqlstate === undefined) return
  try {
    if (error.code !== 'QUERY_DUPLICATE_OBJECT') await clearTheWay(connection, migration)
    const { module, file, targetSchema } = migration
    await forgetMigration(connection, { module: module.name, version: file.version, targetSchema })
  } catch {
    // The row stays as running, and the next run begins with clearing the way.
  }
}

/**
 * What every migration runs under. No file of the library relies on a search_path, and the caller's must not lead one astray; a host's
 * unqualified names mean its schema.
 */
export function settingsOf({ module, schema }: Migration, { lockTimeoutMs = 5_000 }: RunOptions, set: string): string {
  if (!Number.isInteger(lockTimeoutMs) || lockTimeoutMs < 0)
    throw new TenonError({ code: 'OPTION_INVALID', message: 'option lockTimeoutMs is no whole number of milliseconds' })
  const path = module.kind === 'host' ? quoteIdentifier(schema) : `''`
  return `${set} search_path to ${path}; ${set} lock_timeout to ${lockTimeoutMs}; ${set} statement_timeout to 0`
}
