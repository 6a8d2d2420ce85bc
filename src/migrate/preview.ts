/** The SQL of a run as text, for a dry run or for somebody who has to approve it. */
import { quoteIdentifier } from '../kernel/identifier.ts'
import { recordSql } from './ledger.ts'
import type { Migration } from './migration.ts'
import { isPending, type PlannedMigration } from './plan.ts'

/**
 * Returns what a run of this plan would send, as a script that psql can run. It holds the ledger's rows too; only the lock that keeps two
 * runs apart is missing.
 *
 * @param plan - of `planMigrations`
 * @returns SQL; empty when nothing is pending
 */
export function toScript(plan: readonly PlannedMigration[]): string {
  return plan
    .filter(isPending)
    .map(({ migration }) => toText(migration as Migration))
    .join('\n')
}

function toText(migration: Migration): string {
  const { file, module, schema, sql, name } = migration
  const path = module.kind === 'host' ? quoteIdentifier(schema) : `''`
  const body = sql.trimEnd()
  const record = recordSql(migration, 'tenon')
  if (!file.transactional) return `-- ${name}: outside a transaction\nset search_path to ${path};\n${body}\n${record}\n`
  return `-- ${name}\nbegin;\nset local search_path to ${path};\n${body}\n${record}\ncommit;\n`
}
