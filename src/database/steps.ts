/**
 * The fixed steps around a caller's statements: BEGIN, COMMIT, ROLLBACK, closing a portal, and what leaves a connection clean.
 */
import { TRANSACTION_ACCESS_MODES, TRANSACTION_ISOLATION_LEVELS } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { quoteIdentifier } from '../kernel/identifier.ts'
import type { Step, StepResult } from './wire/unit.ts'

/**
 * Never named: a transaction must be able to end after somebody deallocated the connection's statements, and nothing that SQL may have put
 * under a name may stand in for what cleans up after it.
 */
const controlStep = (text: string): Step => ({ text, name: '', values: [], silent: true })

export const commitStep = controlStep('commit')
export const rollbackStep = controlStep('rollback')

/**
 * What removes everything a statement may have left on its connection: settings, role, session locks, cursors, channels, temporary tables.
 * The last step tells whether something was prepared by SQL, which could stand under one of our names; see {@link foundPlanted}.
 *
 * @param embeddedLogin - the login of an embedded database, where RESET SESSION AUTHORIZATION does nothing
 */
export function cleanupSteps(embeddedLogin: string | undefined): readonly Step[] {
  const authorization =
    embeddedLogin === undefined
      ? 'reset session authorization'
      : `set session authorization ${quoteIdentifier(embeddedLogin)}`
  const steps = [authorization, 'reset all', 'reset role', 'close all', 'unlisten *', 'discard temp'].map(controlStep)
  const check =
    'select pg_catalog.pg_advisory_unlock_all(), exists (select from pg_catalog.pg_prepared_statements where from_sql) as planted'
  return [...steps, { ...controlStep(check), silent: false }]
}

/** LISTEN, for a channel of any name. */
export const listenStep = (channel: string): Step => controlStep(`listen ${quoteIdentifier(channel)}`)
export const unlistenStep = (channel: string): Step => controlStep(`unlisten ${quoteIdentifier(channel)}`)

/** The clean-up, and before its last step the channels that others listen on: it took them away. */
export function withListens(cleanup: readonly Step[], channels: Iterable<string>): readonly Step[] {
  const listens = [...channels].map(listenStep)
  return listens.length === 0 ? cleanup : [...cleanup.slice(0, -1), ...listens, ...cleanup.slice(-1)]
}

/** Whether the clean-up that ended these results found statements prepared by SQL. */
export function foundPlanted(results: readonly StepResult[]): boolean {
  return lastOf(results).rows[0]?.planted === true
}

/** After statements that are no queries: a DO block could have put another statement under one of our names. */
export const deallocateStep = controlStep('deallocate all')

/**
 * Leads a unit of the library's own questions: those after it find nothing but pg_catalog, so that no operator or function that another
 * schema of the login's search_path has can run in them. Ends with the unit. Returns the search_path it hides, as `search_path`.
 */
export const hideSchemasStep: Step = {
  text: "select pg_catalog.current_setting('search_path') as search_path, pg_catalog.set_config('search_path', '', true)",
  name: '',
  values: [],
}

const undoSavepoint = ['rollback to savepoint tenon_types', 'release savepoint tenon_types'].map(controlStep)

/** Steps inside of somebody's transaction that leave nothing in it, a setting or an error least of all. */
export const inSavepoint = {
  around: (steps: readonly Step[]): readonly Step[] => [
    controlStep('savepoint tenon_types'),
    ...steps,
    ...undoSavepoint,
  ],
  /** How many steps stand in front. */
  before: 1,
  /** What follows where one of the steps failed. */
  undo: undoSavepoint as readonly Step[],
}

/** Characteristics of a transaction, absent or undefined where the server's default holds. */
export interface BeginSettings {
  readonly isolationLevel?: string | undefined
  readonly accessMode?: string | undefined
}

/**
 * Refuses levels and modes that are none: they become part of the SQL text.
 *
 * @throws {TenonError} OPTION_INVALID
 */
export function assertBeginSettings({ isolationLevel, accessMode }: BeginSettings): void {
  const refuse = (option: string, values: readonly string[]): never => {
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `${option} is not one of PostgreSQL's`,
      hint: `Use one of: ${values.join(', ')}.`,
    })
  }
  if (isolationLevel !== undefined && !isolationLevels.includes(isolationLevel))
    refuse('isolationLevel', isolationLevels)
  if (accessMode !== undefined && !accessModes.includes(accessMode)) refuse('accessMode', accessModes)
}

// Kysely's lists serve several databases; snapshot is not PostgreSQL's.
const isolationLevels: readonly string[] = TRANSACTION_ISOLATION_LEVELS.filter((level) => level !== 'snapshot')
const accessModes: readonly string[] = TRANSACTION_ACCESS_MODES

/** BEGIN with the characteristics of the transaction, which were checked before. */
export function beginStep(settings: BeginSettings): Step {
  return controlStep(beginText(settings))
}

/** The text that Kysely's own dialect logs. */
export function beginText({ isolationLevel, accessMode }: BeginSettings): string {
  if (isolationLevel === undefined && accessMode === undefined) return 'begin'
  const level = isolationLevel === undefined ? '' : ` isolation level ${isolationLevel}`
  return `start transaction${level}${accessMode === undefined ? '' : ` ${accessMode}`}`
}

export function closePortalStep(portal: string): Step {
  return { text: '', name: '', values: [], portal, closePortal: true }
}

/** The result of a unit's last step; a unit has at least one. */
export function lastOf(results: readonly StepResult[]): StepResult {
  return results[results.length - 1] as StepResult
}
