/**
 * The context step of a unit: one statement that sets the role, the claims and every managed key for the transaction it runs in.
 *
 * Owns which keys are sent and their order. Every key is sent every time, so that nothing left on a connection by anyone can show
 * through, and the list is constant per database, so that there is one text and one plan. Values are bound, never written into SQL.
 */
import { createHash } from 'node:crypto'
import { TenonError } from '../kernel/errors.ts'
import { quoteIdentifier } from '../kernel/identifier.ts'
import type { Facts } from './facts.ts'
import { type BeginSettings, cleanupSteps } from './steps.ts'
import { statementName } from './wire/statement-plan.ts'
import type { Step } from './wire/unit.ts'

/** Settings that a single request may choose beside the declared ones; none of them grants anything. */
export const requestSettings = [
  'timezone',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'work_mem',
  'hash_mem_multiplier',
  'max_parallel_workers_per_gather',
  'jit',
  // Only ever switched on: the context step is a query, and after one PostgreSQL lets nobody switch it off again.
  'transaction_read_only',
  'application_name',
] as const

/** What a session is, checked, in the terms of PostgreSQL. */
export interface Identity {
  readonly role: string
  /** JSON text with `role` in it. */
  readonly claims: string
  readonly sub: string
  readonly email: string
  readonly actor: string
  readonly settings: ReadonlyMap<string, string>
  readonly statementTimeoutMs: number | undefined
  readonly searchPath: readonly string[] | undefined
}

/** The step with what the runner has to know about it. */
export interface Context {
  readonly step: Step
  /** The identity keys alone: sent again after a statement that could have changed them inside a transaction. */
  readonly reassert: Step
  readonly role: string | undefined
  /** 0 is none. */
  readonly statementTimeoutMs: number
  /** `default_transaction_isolation` and `_read_only` of the role, when it has them: they work only as part of BEGIN. */
  readonly begin: BeginSettings | undefined
  /** What leaves the connection clean after a statement that could have left something behind. */
  readonly cleanup: readonly Step[]
  /** Joins the names of prepared statements on servers whose plans outlive a change of role. */
  readonly nameSuffix: string
}

/** The context of a session, whose units may stand among those of others. */
export interface SessionContext extends Context {
  /** The step for a line that others share, of which no statement may take longer. */
  shared(longestMs: number): SharedContext
}

/** The step for a line that others share. */
interface SharedContext {
  readonly step: Step
  /** The bound is that of sharing and not the session's own, so that what it ends may be run again alone. */
  readonly bounded: boolean
}

/** Settings of a role that have an effect only on a transaction not yet begun; see {@link beginOf}. */
const beginKeys = ['default_transaction_isolation', 'default_transaction_read_only', 'default_transaction_deferrable']

const legacyKeys = ['request.jwt.claim', 'request.jwt.claim.sub', 'request.jwt.claim.role', 'request.jwt.claim.email']

interface RoleDefaults {
  readonly settings: readonly (readonly [string, string])[]
  readonly searchPath: string
  readonly statementTimeout: string
  readonly statementTimeoutMs: number
  readonly begin: BeginSettings | undefined
  readonly nameSuffix: string
}

/** Builds the contexts of one database: the list of keys is computed once, from its options and what the server told. */
export class ContextBuilder {
  readonly #facts: Facts
  readonly #settings: readonly string[]
  readonly #roleSettings: readonly string[]
  readonly #searchPath: readonly string[] | undefined
  readonly #statementTimeoutMs: number | undefined
  readonly #byRole = new Map<string, RoleDefaults>()
  readonly #byKeys = new Map<string, { text: string; name: string }>()
  readonly #legacy: boolean
  readonly #cleanup: readonly Step[]

  constructor(options: {
    readonly facts: Facts
    readonly settings: readonly string[]
    readonly legacyClaims: boolean
    readonly searchPath: readonly string[] | undefined
    readonly statementTimeoutMs: number | undefined
    readonly embedded: boolean
  }) {
    this.#facts = options.facts
    this.#settings = options.settings
    this.#legacy = options.legacyClaims
    this.#cleanup = cleanupSteps(options.embedded ? options.facts.login.name : undefined)
    this.#searchPath = options.searchPath
    this.#statementTimeoutMs = options.statementTimeoutMs
    const own = new Set([
      'role',
      'search_path',
      'statement_timeout',
      'session_authorization',
      ...beginKeys,
      ...options.settings,
    ])
    const names = new Set<string>()
    for (const role of options.facts.roles.values()) {
      for (const name of role.settings.keys()) if (!own.has(name)) names.add(name)
    }
    this.#roleSettings = [...names].sort()
  }

  /** The context of a session. */
  session(identity: Identity): SessionContext {
    const ofRole = this.#ofRole(identity.role)
    const timeout = identity.statementTimeoutMs
    const who: [string, string][] = [['request.jwt.claims', identity.claims]]
    if (this.#legacy) who.push(...legacyValues(identity))
    who.push(['tenon.actor', identity.actor])
    for (const name of this.#settings) who.push([name, identity.settings.get(name) ?? ''])
    // The role comes last: a setting that only the login may change is still set by the login.
    who.push(['role', identity.role])
    const extra = [...identity.settings].filter(([name]) => !this.#settings.includes(name))
    const searchPath = identity.searchPath === undefined ? ofRole.searchPath : pathText(identity.searchPath)
    const statementTimeoutMs = timeout ?? ofRole.statementTimeoutMs
    const statementTimeout = timeout === undefined ? ofRole.statementTimeout : `${timeout}ms`
    const stepWith = (timeoutText: string, echoes: boolean): Step =>
      this.#step(
        [...ofRole.settings, ['search_path', searchPath], ['statement_timeout', timeoutText], ...extra, ...who],
        echoes,
      )
    let shared: SharedContext | undefined
    return {
      step: stepWith(statementTimeout, false),
      shared(longestMs) {
        const bounded = statementTimeoutMs === 0 || statementTimeoutMs > longestMs
        shared ??= { step: stepWith(bounded ? `${longestMs}ms` : statementTimeout, true), bounded }
        return shared
      },
      // Unnamed: it is sent after statements that could have put something else under a name.
      reassert: { ...this.#step(who), name: '' },
      role: identity.role,
      statementTimeoutMs,
      begin: ofRole.begin,
      cleanup: this.#cleanup,
      nameSuffix: ofRole.nameSuffix,
    }
  }

  /** What is the same for every session of a role, computed once. */
  #ofRole(name: string): RoleDefaults {
    const known = this.#byRole.get(name)
    if (known !== undefined) return known
    const own = this.#facts.roles.get(name)?.settings
    const ofDatabase =
      this.#statementTimeoutMs === undefined ? this.#facts.statementTimeout : `${this.#statementTimeoutMs}ms`
    const statementTimeout = own?.get('statement_timeout') ?? ofDatabase
    const made: RoleDefaults = {
      settings: this.#roleSettings.map((setting): [string, string] => [setting, this.#settingOf(own, setting)]),
      // Without pg_temp at the end PostgreSQL looks there first, and one tenant's temporary table would hide a table from the next.
      searchPath:
        this.#searchPath === undefined
          ? closeSearchPath(own?.get('search_path') ?? this.#facts.searchPath)
          : pathText(this.#searchPath),
      statementTimeout,
      statementTimeoutMs: parseTimeout(statementTimeout),
      begin: beginOf(own),
      nameSuffix: plansFollowRole(this.#facts.serverVersion)
        ? ''
        : `_${createHash('sha256').update(name).digest('base64url').slice(0, 8)}`,
    }
    this.#byRole.set(name, made)
    return made
  }

  /** The context of a service: who acts and why, and nothing that changes what it may do. */
  static service(actor: string, reason: string): Context {
    const step: Step = { ...contextStatement(['tenon.actor', 'tenon.reason']), values: [actor, reason], silent: true }
    return {
      step,
      reassert: step,
      role: undefined,
      statementTimeoutMs: 0,
      begin: undefined,
      nameSuffix: '',
      cleanup: cleanupSteps(undefined),
    }
  }

  #settingOf(own: ReadonlyMap<string, string> | undefined, name: string): string {
    return own?.get(name) ?? this.#facts.defaults.get(name) ?? ''
  }

  #step(pairs: readonly (readonly [string, string])[], echoes = false): Step {
    const keys = pairs.map(([key]) => key)
    const cacheKey = `${echoes} ${keys.join(' ')}`
    const known = this.#byKeys.get(cacheKey)
    const statement = known ?? contextStatement(keys, echoes)
    if (known === undefined) this.#byKeys.set(cacheKey, statement)
    return { text: statement.text, name: statement.name, values: pairs.map(([, value]) => value), silent: true, echoes }
  }
}

function legacyValues(identity: Identity): [string, string][] {
  const values = ['', identity.sub, identity.role, identity.email]
  return legacyKeys.map((key, i) => [key, values[i] as string])
}

/**
 * `num_nulls` evaluates all its arguments (no short circuit, as `and` would have) and its own result is never null, so the statement
 * returns neither rows nor columns: nothing of the context comes back over the wire. One that echoes returns its last parameter, so that
 * the answer of a unit among others is known as its own.
 */
function contextStatement(keys: readonly string[], echoes = false): { text: string; name: string } {
  const calls = keys.map((key, i) => `pg_catalog.set_config('${assertKey(key)}', $${i + 1}, true)`)
  const [echo, condition] = echoes ? [`$${keys.length + 1}::pg_catalog.text `, 'is not null'] : ['', 'is null']
  const text = `select ${echo}where pg_catalog.num_nulls(${calls.join(', ')}) ${condition}`
  return { text, name: statementName(text) }
}

/** Keys become part of the SQL text; they come from options and from pg_db_role_setting, and are checked whatever their origin. */
function assertKey(key: string): string {
  if (!/^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)*$/i.test(key)) {
    throw new TenonError({
      code: 'SESSION_SETTING',
      message: 'a setting has a name that cannot be set safely',
      hint: 'Use letters, digits, _ and dots.',
    })
  }
  return key
}

/** How a role wants its transactions to begin, or undefined when it does not say. */
function beginOf(own: ReadonlyMap<string, string> | undefined): BeginSettings | undefined {
  const isolationLevel = own?.get('default_transaction_isolation')
  const readOnly = own?.get('default_transaction_read_only')
  if (isolationLevel === undefined && readOnly === undefined) return undefined
  const accessMode =
    readOnly === undefined ? undefined : /^(on|t|true|y|yes|1)$/i.test(readOnly) ? 'read only' : 'read write'
  return { isolationLevel, accessMode }
}

/** A search_path of schemas given by name. */
function pathText(schemas: readonly string[]): string {
  return [...schemas.map(quoteIdentifier), 'pg_temp'].join(', ')
}

/** Appends pg_temp, or moves it to the end. */
function closeSearchPath(searchPath: string): string {
  const parts = splitSearchPath(searchPath).filter(
    (part) => part !== 'pg_temp' && part !== '"pg_temp"' && part !== '""',
  )
  return [...parts, 'pg_temp'].join(', ')
}

function splitSearchPath(text: string): string[] {
  return (text.match(/(?:"(?:[^"]|"")*"|[^,])+/g) ?? []).map((part) => part.trim()).filter((part) => part !== '')
}

/** CVE-2024-10976: before these a cached plan could keep the policies of the role it was made under. */
function plansFollowRole(serverVersion: number): boolean {
  const fixed: Readonly<Record<number, number>> = { 13: 17, 14: 14, 15: 9, 16: 5, 17: 1 }
  const major = Math.floor(serverVersion / 10_000)
  return major >= 18 || serverVersion % 10_000 >= (fixed[major] ?? Number.POSITIVE_INFINITY)
}

/** Milliseconds of a timeout as PostgreSQL prints it: `3s`, `500ms`, `1min`, a bare number. */
function parseTimeout(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?$/.exec(text.trim())
  if (match === null) return 0
  const unit = { us: 0.001, ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] ?? 'ms'] ?? 1
  return Number(match[1]) * unit
}
