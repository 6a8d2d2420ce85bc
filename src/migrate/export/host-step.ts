/**
 * A step: what becomes one migration of the host's tool. Most of our migrations are one step, ending with their row in the ledger. A
 * statement that cannot run in a transaction is two: the statement alone, and its row.
 */
import { forgetSql, recordSql } from '../ledger.ts'
import type { Migration } from '../migration.ts'

export interface HostStep {
  readonly migration: Migration
  /** Lower-case words with underscores, the same in every format: `tenon_auth_0001_subject`. */
  readonly slug: string
  /** What `module/version_slug` it is, for comments. */
  readonly title: string
  readonly transactional: boolean
  /** SQL, its last statement closed. */
  readonly up: string
  /** SQL that takes it back; it raises an error where the file says nothing of that. */
  readonly down: string
}

/** Returns the steps of a migration. `origin` is what the ledger says applied it: the format's name. */
export function toSteps(migration: Migration, origin: string): readonly HostStep[] {
  const { module, file, name: title, sql, down } = migration
  const prefix = module.kind === 'host' ? '' : 'tenon_'
  const slug = `${prefix}${module.name}_${file.version}_${file.slug}`.replaceAll('-', '_').toLowerCase()
  const [record, forget] = [recordSql(migration, origin), forgetSql(migration)]
  const body = `${sql.trimEnd()}\n`
  if (file.transactional) {
    const undone = down === undefined ? cannotUndo(title) : `${down.trimEnd()}\n\n${forget}\n`
    return [{ migration, slug, title, transactional: true, up: `${body}\n${record}\n`, down: undone }]
  }
  return [
    {
      migration,
      slug,
      title,
      transactional: false,
      up: body,
      down: down === undefined ? cannotUndo(title) : `${down.trimEnd()}\n`,
    },
    {
      migration,
      slug: `${slug}_recorded`,
      title: `${title}, written down`,
      transactional: true,
      up: `-- ${title} ran in the file before this one; the ledger says so from here on.\n\n${record}\n`,
      down: `${forget}\n`,
    },
  ]
}

// A tool that goes down takes its own row out whatever the SQL did: an empty down would leave the objects behind a clean history.
function cannotUndo(title: string): string {
  return `do $down$ begin raise exception '${title} cannot be taken back'; end $down$;\n`
}
