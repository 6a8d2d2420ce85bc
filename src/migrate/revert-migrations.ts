/**
 * Takes migrations back, newest first, with the SQL that their files give for it.
 *
 * It guesses no SQL: a file that does not say how it is undone stops the run before anything is taken back.
 */
import { type Database, type DedicatedConnection, withDedicatedConnection } from '../database/index.ts'
import { TenonError } from '../kernel/errors.ts'
import { inTransaction, type RunOptions, settingsOf, withLock } from './apply-migrations.ts'
import { forgetMigration, readLedger } from './ledger.ts'
import { listMigrations, type Migration, type MigrationSet } from './migration.ts'
import { toMigrationError } from './migration-failure.ts'
import { assertPlan, toPlan } from './plan.ts'
import { assertHeld, holdsLockSql } from './run-lock.ts'
import { withRetries } from './statement-lock.ts'

/** Options of {@link revertMigrations}. */
export interface RevertMigrationsOptions extends MigrationSet, RunOptions {
  /** How many, counted from the newest one that is applied. Default 1. */
  readonly last?: number | undefined
  /** Needed where the SQL drops tables, columns or rows. Default false: such a run is refused before it begins. */
  readonly allowDataLoss?: boolean | undefined
}

/**
 * Takes back the newest applied migrations of the named modules; what these modules require stays.
 *
 * @returns the names of what was taken back, newest first; empty when nothing is applied
 * @throws {TenonError} MIGRATION_FAILED for a file without `down`, one that loses data without `allowDataLoss`, and for whatever the server
 *   refuses, such as dropping what something else depends on; otherwise as `applyMigrations`
 * @example
 * ```ts
 * await revertMigrations(db, { modules: ['projects'], allowDataLoss: true }) // ['projects/0001_projects']
 * ```
 * The SQL it makes, per file: `begin; set local …; …the down of the file…; delete from tenon.migrations …; commit`
 */
export async function revertMigrations<DB>(
  db: Database<DB>,
  options: RevertMigrationsOptions,
): Promise<readonly string[]> {
  const last = options.last ?? 1
  if (!Number.isInteger(last) || last < 1)
    throw new TenonError({ code: 'OPTION_INVALID', message: 'option last is no whole number from 1' })
  const named = new Set(options.modules.map((choice) => (typeof choice === 'string' ? choice : choice.name)))
  const migrations = listMigrations(options)
  options.signal?.throwIfAborted()
  return await withDedicatedConnection(db, { service: true }, async (connection) =>
    withLock(connection, options, async () => {
      const plan = toPlan(migrations, await readLedger(connection))
      assertPlan(plan, { allowOutOfOrder: true })
      const targets = plan
        .flatMap(({ entry, migration }) => (entry === undefined || migration === undefined ? [] : [migration]))
        .filter(({ module }) => named.has(module.name))
        .reverse()
        .slice(0, last)
      for (const target of targets) assertRevertible(target, options.allowDataLoss ?? false)
      const reverted: string[] = []
      for (const migration of targets) {
        options.signal?.throwIfAborted()
        const started = performance.now()
        options.observe?.({ type: 'started', name: migration.name, index: reverted.length, total: targets.length })
        await revertOne(connection, migration, options)
        reverted.push(migration.name)
        options.observe?.({ type: 'finished', name: migration.name, durationMs: performance.now() - started })
      }
      return reverted
    }),
  )
}

async function revertOne(connection: DedicatedConnection, migration: Migration, options: RunOptions): Promise<void> {
  const { module, file, targetSchema, down = '' } = migration
  const forget = () => forgetMigration(connection, { module: module.name, version: file.version, targetSchema })
  const revert = file.transactional
    ? () =>
        inTransaction(connection, migration, options, async () => {
          await connection.script(down)
          await forget()
        })
    : async () => {
        const { rows } = await connection.script(`${settingsOf(migration, options, 'set')}; ${holdsLockSql}`)
        assertHeld(rows[0])
        await connection.script(down)
        await forget()
      }
  try {
    await withRetries(revert, migration.name, options)
  } catch (error) {
    throw await toMigrationError(connection, error, migration, down)
  }
}

// What takes rows with it. A function or a policy can be made again from its file, rows cannot.
const losesData =
  /\b(drop\s+(table|schema|column|materialized\s+view|foreign\s+table|sequence|type|domain|extension|owned|database)|truncate|delete\s+from|drop\s+(if\s+exists\s+)?"?\w+"?\s*(,|;|$))/i

function assertRevertible({ file, down }: Migration, allowDataLoss: boolean): void {
  if (down === undefined)
    throw new TenonError({
      code: 'MIGRATION_FAILED',
      message: `${file.path} does not say how it is undone`,
      hint: 'write what takes it back as a new migration; or, if it is not released yet, give the file a "-- down:" header',
    })
  if (!allowDataLoss && losesData.test(down))
    throw new TenonError({
      code: 'MIGRATION_FAILED',
      message: `taking back ${file.path} loses data`,
      hint: 'pass allowDataLoss: true (--allow-data-loss) when the rows may go; nothing was taken back',
    })
}
