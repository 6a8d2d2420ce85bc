/**
 * Adopts a database in which the objects of the migrations are there already: writes the ledger and runs nothing.
 *
 * It believes its eyes only: a migration whose objects are not all there is not written down.
 */
import { type Database, type DedicatedConnection, withDedicatedConnection } from '../database/index.ts'
import { TenonError } from '../kernel/errors.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import { applyMigrations, inTransaction, type RunOptions, withLock } from './apply-migrations.ts'
import { readLedger, recordMigration } from './ledger.ts'
import { listMigrations, type Migration, type MigrationSet } from './migration.ts'
import { findExisting } from './migration-failure.ts'
import { assertPlan, toPlan } from './plan.ts'

/** Options of {@link baselineMigrations}. */
export interface BaselineMigrationsOptions extends MigrationSet, RunOptions {
  /** The last migration that is there already, as `module/version_slug`. Default: all of the set. */
  readonly through?: string | undefined
}

/**
 * Writes migrations into the ledger without running them, because what they make is there: made by hand, by an older tool, or by a restore.
 * Applies the ledger's own migration where it is missing.
 *
 * The tables, indexes and functions that a file makes are looked up by name; that they are alike is what `findDrift` tells.
 *
 * @returns the names that were written down, in order; all or none of them
 * @throws {TenonError} MIGRATION_DIVERGED when an object is missing; OPTION_INVALID when `through` is none of the set; otherwise as
 *   `applyMigrations`
 * @example
 * ```ts
 * await baselineMigrations(db, { modules: [app], through: 'app/0007_orders' })
 * ```
 */
export async function baselineMigrations<DB>(
  db: Database<DB>,
  options: BaselineMigrationsOptions,
): Promise<readonly string[]> {
  const migrations = listMigrations(options)
  const end = options.through === undefined ? migrations.length - 1 : migrations.findIndex(isNamed(options.through))
  if (end < 0)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'option through names no migration of these modules',
      hint: `the last ones are ${migrations
        .slice(-3)
        .map((migration) => migration.name)
        .join(', ')}`,
    })
  await applyMigrations(db, { ...options, modules: [] })
  return await withDedicatedConnection(db, { service: true }, async (connection) =>
    withLock(connection, options, async () => {
      const plan = toPlan(migrations.slice(0, end + 1), await readLedger(connection))
      assertPlan(
        plan.filter(({ state }) => state !== 'missing'),
        { allowOutOfOrder: true },
      )
      const pending = plan.flatMap(({ entry, migration }) =>
        entry === undefined && migration !== undefined ? [migration] : [],
      )
      for (const migration of pending) await assertThere(connection, migration)
      const [first] = pending
      if (first === undefined) return []
      await inTransaction(connection, first, options, async () => {
        for (const migration of pending) await recordMigration(connection, migration, 'baseline')
      })
      return pending.map((migration) => migration.name)
    }),
  )
}

function isNamed(name: string): (migration: Migration) => boolean {
  return (migration) => migration.name === name
}

async function assertThere(connection: DedicatedConnection, migration: Migration): Promise<void> {
  const existing = await findExisting(connection, migration)
  const missing = migration.file.creates.filter(
    (object) => !existing.some((found) => found.kind === object.kind && found.name === object.name),
  )
  const [first] = missing
  if (first === undefined) return
  const schema = first.schema === ':"schema"' ? migration.schema : first.schema
  throw new TenonError({
    code: 'MIGRATION_DIVERGED',
    message: `${migration.file.path}: ${first.kind} ${quoteQualified(schema, first.name)} does not exist, so it was not applied here`,
    hint: 'apply it, or name the last migration that is there with through (--through); nothing was written down',
  })
}
