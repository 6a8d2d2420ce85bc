/** The table tenon.migrations: what was applied, by whom and with which content. The one place that reads and writes it. */
import type { DedicatedConnection } from '../database/index.ts'
import { isTenonError } from '../kernel/errors.ts'
import { quoteLiteral } from '../kernel/literal.ts'
import type { Migration } from './migration.ts'

/** What the ledger knows of one file. */
export interface LedgerEntry {
  readonly module: string
  readonly version: string
  readonly slug: string
  /** '' for a file that names no schema. */
  readonly targetSchema: string
  /** '' for a file that does not use the identity type. */
  readonly idType: string
  readonly sha256: string
  /** running: a statement outside a transaction was begun and nobody wrote down that it ended. */
  readonly state: 'running' | 'applied'
  /** tenon, baseline, or the migration tool that ran an exported file. */
  readonly origin: string
  readonly appliedBy: string
  readonly appliedAt: Date
}

/** The ledger as it was when it was read. */
export type Ledger = ReadonlyMap<string, LedgerEntry>

/**
 * Reads the ledger, in one round trip.
 *
 * @returns entries by {@link ledgerKey}; empty when the table does not exist yet
 */
export async function readLedger(connection: DedicatedConnection): Promise<Ledger> {
  try {
    const { rows } = await connection.query<LedgerEntry>(
      `select module, version, slug, target_schema as "targetSchema", id_type as "idType", sha256, state, origin,
         applied_by as "appliedBy", applied_at as "appliedAt"
       from tenon.migrations order by applied_at, module, version`,
    )
    return new Map(rows.map((row) => [`${row.module}/${row.version}/${row.targetSchema}`, row]))
  } catch (error) {
    if (isTenonError(error) && error.sqlstate === '42P01') return new Map()
    throw error
  }
}

/** The key of a migration in the ledger: a file that names no schema exists once, others once per schema. */
export function ledgerKey({ module, file, targetSchema }: Migration): string {
  return `${module.name}/${file.version}/${targetSchema}`
}

/** Writes a migration into the ledger, in the transaction that applies it; or as running, before a statement outside one. */
export async function recordMigration(
  connection: DedicatedConnection,
  migration: Migration,
  origin: string,
  state: LedgerEntry['state'] = 'applied',
): Promise<void> {
  await connection.query(
    `insert into tenon.migrations (module, version, target_schema, id_type, slug, sha256, origin, state)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict on constraint migrations_pkey do update set state = excluded.state, applied_at = pg_catalog.now()`,
    [...rowOf(migration, origin), state],
  )
}

/** Takes a migration out of the ledger, in the transaction that undoes it. */
export async function forgetMigration(
  connection: DedicatedConnection,
  { module, version, targetSchema }: Pick<LedgerEntry, 'module' | 'version' | 'targetSchema'>,
): Promise<void> {
  await connection.query('delete from tenon.migrations where module = $1 and version = $2 and target_schema = $3', [
    module,
    version,
    targetSchema,
  ])
}

/**
 * The statement that an exported file ends with, so that a database migrated by the host's tool has the same ledger.
 *
 * @param origin - the format of the export, such as `supabase`
 * @returns one INSERT with a semicolon
 */
export function recordSql(migration: Migration, origin: string): string {
  const values = rowOf(migration, origin).map(quoteLiteral).join(', ')
  return `insert into tenon.migrations (module, version, target_schema, id_type, slug, sha256, origin)\nvalues (${values});`
}

/** The statement that takes an exported file's row out of the ledger again. */
export function forgetSql({ module, file, targetSchema }: Migration): string {
  const [name, version, schema] = [module.name, file.version, targetSchema].map(quoteLiteral)
  return `delete from tenon.migrations where module = ${name} and version = ${version} and target_schema = ${schema};`
}

function rowOf({ module, file, targetSchema, idType }: Migration, origin: string): string[] {
  return [module.name, file.version, targetSchema, idType, file.slug, file.sha256, origin]
}
