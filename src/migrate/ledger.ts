// The table tenon.migrations: what was applied, and with which content. The one place that reads and writes it.

import type { DedicatedConnection } from '../database/index.ts'
import { type SqlFile, type SqlModuleName, sqlModules } from '../generated/modules.ts'
import type { PlaceholderValues } from './placeholders.ts'

/** What the ledger knows of one file. */
export interface LedgerEntry {
  readonly sha256: string
  /** '' for a file that does not use the identity type. */
  readonly idType: string
}

/** The ledger as it was when it was read. */
export type Ledger = ReadonlyMap<string, LedgerEntry>

/**
 * Reads the ledger.
 *
 * @param connection - the run's connection
 * @returns entries by {@link ledgerKey}; empty when the table does not exist yet
 */
export async function readLedger(connection: DedicatedConnection): Promise<Ledger> {
  const found = await connection.query<{ exists: boolean }>(
    `select pg_catalog.to_regclass('tenon.migrations') is not null as exists`,
  )
  if (found.rows[0]?.exists !== true) return new Map()
  const { rows } = await connection.query<LedgerRow>(
    'select module, version, target_schema, id_type, sha256 from tenon.migrations',
  )
  return new Map(
    rows.map((row) => [
      `${row.module}/${row.version}/${row.target_schema}`,
      { sha256: row.sha256, idType: row.id_type },
    ]),
  )
}

interface LedgerRow {
  readonly module: string
  readonly version: string
  readonly target_schema: string
  readonly id_type: string
  readonly sha256: string
}

/**
 * Returns the key of a file in the ledger: files that name no schema exist once, others once per schema.
 *
 * @param module - the module's name
 * @param file - one of its files
 * @param values - what its placeholders are filled with
 */
export function ledgerKey(module: SqlModuleName, file: SqlFile, values: PlaceholderValues): string {
  return `${module}/${file.version}/${targetSchema(file, values)}`
}

/**
 * Returns the identity type as the ledger keeps it.
 *
 * @param file - a file of a module
 * @param values - what its placeholders are filled with
 * @returns '' for a file that does not use it
 */
export function ledgerIdType(file: SqlFile, values: PlaceholderValues): string {
  return file.placeholders.includes(':id_type') ? values.id : ''
}

/**
 * Writes a file into the ledger, in the transaction that applied it.
 *
 * @param connection - the run's connection
 * @param module - the module's name
 * @param file - the applied file
 * @param values - what its placeholders were filled with
 */
export async function recordFile(
  connection: DedicatedConnection,
  module: SqlModuleName,
  file: SqlFile,
  values: PlaceholderValues,
): Promise<void> {
  await connection.query(
    'insert into tenon.migrations (module, version, target_schema, id_type, slug, sha256) values ($1, $2, $3, $4, $5, $6)',
    [module, file.version, targetSchema(file, values), ledgerIdType(file, values), file.slug, file.sha256],
  )
}

/** The module that makes the ledger itself. */
export const ledgerModule = sqlModules.ledger

function targetSchema(file: SqlFile, values: PlaceholderValues): string {
  return file.placeholders.includes(':"schema"') ? values.schema : ''
}
