/**
 * What a run would do: the migrations of a set against the ledger. Pure: it asks nobody and changes nothing.
 *
 * Owns the refusals: a history that the files no longer explain is never added to.
 */
import { TenonError } from '../kernel/errors.ts'
import { compareVersions } from './define-module.ts'
import { type Ledger, type LedgerEntry, ledgerKey } from './ledger.ts'
import type { Migration } from './migration.ts'

/** Where a migration stands. */
export type MigrationState =
  /** In the ledger, and the file is the same. */
  | 'applied'
  /** To be applied by the next run. */
  | 'pending'
  /** A statement outside a transaction that was begun and not seen to end; the next run finishes it. */
  | 'unfinished'
  /** Applied with another content. */
  | 'edited'
  /** Applied for identities of another type. */
  | 'other-identity'
  /** Another file of the same number was applied: two branches used it. */
  | 'diverged'
  /** Not applied, although a later one of its module is. */
  | 'out-of-order'
  /** In the ledger, and there is no such file any more. */
  | 'missing'

/** One line of a plan. */
export interface PlannedMigration {
  /** `module/version_slug`. */
  readonly name: string
  readonly state: MigrationState
  /** Undefined when the file is missing. */
  readonly migration: Migration | undefined
  /** Undefined when it was never applied. */
  readonly entry: LedgerEntry | undefined
}

/** States that stop a run. */
const refused: readonly MigrationState[] = ['edited', 'other-identity', 'diverged', 'out-of-order', 'missing']

/**
 * Compares migrations with the ledger.
 *
 * @param migrations - in the order to apply them
 * @returns one line per migration in that order, then what the ledger alone knows of the same modules
 */
export function toPlan(migrations: readonly Migration[], ledger: Ledger): readonly PlannedMigration[] {
  const newest = new Map<string, string>()
  for (const entry of ledger.values()) {
    const line = `${entry.module}/${entry.targetSchema}`
    const known = newest.get(line)
    if (known === undefined || compareVersions(known, entry.version) < 0) newest.set(line, entry.version)
  }
  const keys = new Set<string>()
  const planned = migrations.map((migration): PlannedMigration => {
    const key = ledgerKey(migration)
    keys.add(key)
    const entry = ledger.get(key)
    const latest = newest.get(`${migration.module.name}/${migration.targetSchema}`)
    return { name: migration.name, state: stateOf(migration, entry, latest), migration, entry }
  })
  const ours = new Map(migrations.map((migration) => [`${migration.module.name}/${migration.targetSchema}`, true]))
  const missing = [...ledger]
    .filter(([key, entry]) => !keys.has(key) && ours.has(`${entry.module}/${entry.targetSchema}`))
    .map(([, entry]): PlannedMigration => {
      return { name: `${entry.module}/${entry.version}_${entry.slug}`, state: 'missing', migration: undefined, entry }
    })
  return [...planned, ...missing]
}

function stateOf(migration: Migration, entry: LedgerEntry | undefined, newest: string | undefined): MigrationState {
  const { file } = migration
  if (entry === undefined)
    return newest !== undefined && compareVersions(file.version, newest) < 0 ? 'out-of-order' : 'pending'
  if (entry.slug !== file.slug) return 'diverged'
  if (entry.sha256 !== file.sha256) return 'edited'
  if (entry.idType !== migration.idType) return 'other-identity'
  return entry.state === 'running' ? 'unfinished' : 'applied'
}

/** Whether a run has something to do for it. */
export function isPending({ state }: PlannedMigration): boolean {
  return state === 'pending' || state === 'unfinished' || state === 'out-of-order'
}

/**
 * Throws when the history and the files disagree. All of them are looked at before the first migration runs: half an upgrade is worse
 * than none.
 *
 * @param options.allowOutOfOrder - apply what other branches left behind
 * @throws {TenonError} MIGRATION_DIVERGED with the first disagreement and how to mend it
 */
export function assertPlan(
  plan: readonly PlannedMigration[],
  { allowOutOfOrder = false }: { readonly allowOutOfOrder?: boolean | undefined } = {},
): void {
  const bad = plan.filter(({ state }) => refused.includes(state) && !(allowOutOfOrder && state === 'out-of-order'))
  const [first] = bad
  if (first === undefined) return
  const more = bad.length === 1 ? '' : ` (and ${bad.length - 1} more: tenon migrate status lists them)`
  const { message, hint } = refusalOf(first)
  throw new TenonError({ code: 'MIGRATION_DIVERGED', message: `${message}${more}`, hint })
}

function refusalOf({ name, state, migration, entry }: PlannedMigration): {
  readonly message: string
  readonly hint: string
} {
  const path = migration?.file.path ?? name
  if (state === 'edited')
    return {
      message: `${path} was applied with another content`,
      hint: 'a released file is never edited: put the old content back and write the change as a new file',
    }
  if (state === 'other-identity')
    return {
      message: `${path} was applied for identities of type ${entry?.idType}, not ${migration?.idType}`,
      hint: `pass id: '${entry?.idType}', or another schema`,
    }
  if (state === 'diverged')
    return {
      message: `${path}: number ${entry?.version} was applied as ${entry?.slug}`,
      hint: 'two branches used one number: give the file that is not applied a higher one',
    }
  if (state === 'out-of-order')
    return {
      message: `${path} is not applied, although a later file of module ${migration?.module.name} is`,
      hint: 'give it a higher number; or pass allowOutOfOrder (--allow-out-of-order) when the order does not matter',
    }
  return {
    message: `${name} was applied by ${entry?.origin}, and there is no such file now`,
    hint: 'put the file back; when the library was downgraded, go back to the version that has it',
  }
}
