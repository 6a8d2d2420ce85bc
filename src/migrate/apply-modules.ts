// Applies SQL modules: order, lock, one transaction per file, ledger. It never changes or overwrites what it did not make,
// and it takes nothing back: going down, baselines and host formats are other verbs over the same modules and ledger.

import { type Database, type DedicatedConnection, withDedicatedConnection } from '../database/index.ts'
import type { SqlFile, SqlModuleName } from '../generated/modules.ts'
import { TenonError } from '../kernel/errors.ts'
import { type Ledger, ledgerIdType, ledgerKey, ledgerModule, readLedger, recordFile } from './ledger.ts'
import { toMigrationError } from './migration-failure.ts'
import { orderModules } from './module-order.ts'
import { fillPlaceholders, type IdentityType, type PlaceholderValues } from './placeholders.ts'
import { withRunLock } from './run-lock.ts'

/** Options of {@link applyModules}. */
export interface ApplyModulesOptions {
  /** Modules by name; what they require comes along. */
  readonly modules: readonly SqlModuleName[]
  /** The schema that gets the host-visible tables; it must exist. Default `public`. */
  readonly schema?: string | undefined
  /** The type of a user's identity (`sub`). Default `uuid`. */
  readonly id?: IdentityType | undefined
  /** How long to wait for another run on this database. Default 60,000. */
  readonly lockTimeoutMs?: number | undefined
  /** Stops between two files, or while waiting for another run; a file that has begun is finished. */
  readonly signal?: AbortSignal | undefined
}

/** One file of a module. */
export interface ModuleFileName {
  readonly module: SqlModuleName
  readonly version: string
  readonly slug: string
}

/** What {@link applyModules} did. */
export interface ApplyModulesResult {
  /** The files that this call applied, in order. */
  readonly applied: readonly ModuleFileName[]
  /** The files that were there already, unchanged. */
  readonly present: readonly ModuleFileName[]
}

/**
 * Applies SQL modules to a database, each file in a transaction of its own, and keeps a ledger in `tenon.migrations`: a
 * second call does nothing. Use it in a deployment step or a test; a server process that starts should not migrate.
 *
 * It runs on the service connection (see `service` of `createDatabase`), which must reach the server directly: behind a
 * pooler in transaction mode the lock that keeps two runs apart would not hold. Existing objects are never overwritten.
 *
 * @param db - a database with a service connection, or an embedded one
 * @param options - the modules, and where and for which kind of identity their tables are made
 * @returns what was applied now and what was there already
 * @throws {TenonError} OPTION_INVALID for an unknown module, schema or identity type; SERVICE_MISSING without a service
 *   connection; TIMEOUT_LOCK when another run does not end; QUERY_DUPLICATE_OBJECT when an object of the host stands in
 *   the way; LOGIN_POWERFUL or ACCESS_DENIED when the roles cannot be made safely; MIGRATION_FAILED for an applied file
 *   whose content differs, and for everything else. The files before the failed one stay applied.
 * @example
 * ```ts
 * await applyModules(db, { modules: ['projects'] })
 * ```
 * The SQL it makes, per file: `begin; set local search_path to ''; …the file…; insert into tenon.migrations …; commit`
 * @see sql/README.md for the modules
 */
export async function applyModules<DB>(db: Database<DB>, options: ApplyModulesOptions): Promise<ApplyModulesResult> {
  const values: PlaceholderValues = { schema: options.schema ?? 'public', id: options.id ?? 'uuid' }
  const modules = [ledgerModule, ...orderModules(options.modules).filter((module) => module !== ledgerModule)]
  // Filled before anything is sent, so that a bad option changes nothing.
  const files = modules.flatMap((module) =>
    module.files.map((file) => ({ module: module.name, file, sql: fillPlaceholders(file.sql, values) })),
  )
  options.signal?.throwIfAborted()

  return await withDedicatedConnection(db, { service: true }, async (connection) => {
    const lock = { timeoutMs: options.lockTimeoutMs ?? 60_000, signal: options.signal }
    return await withRunLock(connection, lock, async () => {
      const ledger = await readLedger(connection)
      const applied: ModuleFileName[] = []
      const present: ModuleFileName[] = []
      // All of them before the first is run: half an upgrade is worse than none.
      for (const { module, file } of files) refuseChanged(ledger, module, file, values)
      for (const { module, file, sql } of files) {
        const name = { module, version: file.version, slug: file.slug }
        if (ledger.has(ledgerKey(module, file, values))) {
          present.push(name)
          continue
        }
        options.signal?.throwIfAborted()
        await applyFile(connection, module, file, sql, values)
        applied.push(name)
      }
      return { applied, present }
    })
  })
}

async function applyFile(
  connection: DedicatedConnection,
  module: SqlModuleName,
  file: SqlFile,
  sql: string,
  values: PlaceholderValues,
): Promise<void> {
  try {
    await connection.script(begin)
    await connection.script(sql)
    await recordFile(connection, module, file, values)
    await connection.script('commit')
  } catch (error) {
    await connection.script('rollback').catch(() => {})
    throw await toMigrationError(connection, error, file, values)
  }
}

// No file relies on a search_path, and the caller's must not lead one astray. The tables are new or tiny: who has to wait
// ten seconds for a lock waits for something that will not end soon.
const begin = `begin; set local search_path to ''; set local lock_timeout to '10s'; set local statement_timeout to 0`

function refuseChanged(ledger: Ledger, module: SqlModuleName, file: SqlFile, values: PlaceholderValues): void {
  const entry = ledger.get(ledgerKey(module, file, values))
  if (entry === undefined) return
  if (entry.sha256 !== file.sha256) {
    throw new TenonError({
      code: 'MIGRATION_FAILED',
      message: `${file.path} was applied with another content`,
      hint: 'a released file is never edited: put the old content back and write the change as a new file',
    })
  }
  if (entry.idType !== ledgerIdType(file, values)) {
    throw new TenonError({
      code: 'MIGRATION_FAILED',
      message: `${file.path} was applied for identities of type ${entry.idType}, not ${values.id}`,
      hint: `pass id: '${entry.idType}', or another schema`,
    })
  }
}
