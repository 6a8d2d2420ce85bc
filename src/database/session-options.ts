/**
 * Checks what a session is made from, before anything is sent: role, claims, settings, search path, timeouts.
 *
 * Owns every refusal that needs no server. A session is often made from a token that a stranger wrote, so whatever is not plainly
 * right is refused, and no message repeats a value.
 */
import { TenonError } from '../kernel/errors.ts'
import { isSettingName, quoteIdentifier } from '../kernel/identifier.ts'
import { type Identity, requestSettings } from './context.ts'
import { jsonDepth, maxJsonDepth } from './wire/parameters.ts'

/** Claims as `auth.jwt()` gives them back: a JSON object. */
export type Claims = Readonly<Record<string, unknown>>

/** Who a session is. */
export interface SessionOptions<Role extends string = string, Setting extends string = string> {
  /** Role that every statement runs as. One of the database's `roles`. */
  readonly role: Role
  /** JWT claims; `sub` is what `auth.uid()` and `tenon.subject()` give. `role` is filled in. */
  readonly claims?: Claims | undefined
  /** Values of the database's declared settings, and of a few harmless ones such as `timezone`. */
  readonly settings?: { readonly [K in Setting | (typeof requestSettings)[number]]?: string | undefined } | undefined
  /** Who really acts, when that is not the subject of the claims; policies and audit read `tenon.actor`. */
  readonly actor?: string | undefined
  /** Milliseconds a statement may take; 0 is no limit. Goes over the role's and the database's own. */
  readonly statementTimeoutMs?: number | undefined
  /** Schemas looked through for unqualified names, in order; `pg_temp` is always added last. */
  readonly searchPath?: readonly string[] | undefined
}

/** What of the database's options a session is checked against. */
export interface SessionRules {
  readonly roles: readonly string[]
  readonly settings: readonly string[]
}

/** PostgreSQL holds a setting in memory of every backend; a token is a few kilobytes at most. */
const maxClaimsBytes = 64 * 1024
const maxSettingBytes = 8 * 1024
const sessionKeys = ['role', 'claims', 'settings', 'actor', 'statementTimeoutMs', 'searchPath']
const allowedRequestSettings: ReadonlySet<string> = new Set(requestSettings)

/**
 * Checks the options of a session.
 *
 * @throws {TenonError} SESSION_ROLE, SESSION_CLAIMS, SESSION_SETTING or OPTION_INVALID
 */
export function toIdentity(options: SessionOptions, rules: SessionRules): Identity {
  if (typeof options !== 'object' || options === null)
    throw new TenonError({
      code: 'SESSION_ROLE',
      message: 'session() needs a role',
      hint: "Pass { role: 'authenticated', claims: { sub } }.",
    })
  assertKnownKeys('session()', options, sessionKeys)
  const role = checkRole(options.role, rules)
  const claims = checkClaims(options.claims, role)
  return {
    role,
    claims: claims.text,
    sub: claims.sub,
    email: claims.email,
    actor: checkText('actor', options.actor ?? ''),
    settings: checkSettings(options.settings, rules),
    statementTimeoutMs: checkTimeout(options.statementTimeoutMs),
    searchPath: checkSearchPath(options.searchPath),
  }
}

function checkRole(role: unknown, rules: SessionRules): string {
  // null would RESET ROLE, 'none' likewise: both would run as the login.
  if (typeof role !== 'string' || role === '' || role === 'none' || !rules.roles.includes(role)) {
    throw new TenonError({
      code: 'SESSION_ROLE',
      message:
        typeof role === 'string'
          ? 'the role of the session is not one of the database’s roles'
          : 'the role of the session is not a string',
      hint: `Use one of: ${rules.roles.join(', ')}; or declare it in createDatabase({ roles }).`,
    })
  }
  return role
}

function checkClaims(claims: unknown, role: string): { text: string; sub: string; email: string } {
  const copy = copyOfClaims(claims)
  if (copy.role !== undefined && copy.role !== role) {
    throw badClaims(
      'name another role than the session',
      'Choose the session’s role from the claims, or leave it out of them.',
    )
  }
  if (copy.sub !== undefined && typeof copy.sub !== 'string') {
    throw badClaims('have a sub that is not a string', 'Pass sub as text; a number loses digits and null means nobody.')
  }
  copy.role = role
  const text = JSON.stringify(copy)
  if (Buffer.byteLength(text) > maxClaimsBytes) {
    throw badClaims(
      `take more than ${maxClaimsBytes} bytes`,
      'Keep large data in a table and only its key in the claims.',
    )
  }
  if (jsonDepth(text) > maxJsonDepth) throw badClaims(`are nested more than ${maxJsonDepth} levels deep`)
  // JSON.stringify writes NUL and lone surrogates as escapes, which jsonb refuses later, inside a policy.
  if (/\\u0000|\\ud[89a-f]/i.test(text) && hasUnstorableText(copy))
    throw badClaims('hold a NUL character or half of a surrogate pair')
  return { text, sub: copy.sub ?? '', email: typeof copy.email === 'string' ? copy.email : '' }
}

/** Read once, as JSON: no getter, toJSON or proxy can show one value to the check and another to the server. */
function copyOfClaims(claims: unknown): Record<string, unknown> {
  if (claims === undefined) return {}
  let text: string | undefined
  try {
    text = JSON.stringify(claims)
  } catch {
    throw badClaims('have no JSON form (circular, too deep, or a conversion failed)')
  }
  if (text === undefined || !text.startsWith('{')) throw badClaims('are not an object')
  return JSON.parse(text) as Record<string, unknown>
}

function badClaims(why: string, hint = 'Pass the verified payload of the token as a plain object.'): TenonError {
  return new TenonError({ code: 'SESSION_CLAIMS', message: `the claims ${why}`, hint })
}

function hasUnstorableText(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed()
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, inner]) => hasUnstorableText(key) || hasUnstorableText(inner))
}

function checkSettings(settings: unknown, rules: SessionRules): ReadonlyMap<string, string> {
  const checked = new Map<string, string>()
  if (settings === undefined) return checked
  for (const [name, value] of entriesOf(settings)) {
    if (!rules.settings.includes(name) && !allowedRequestSettings.has(name)) {
      throw new TenonError({
        code: 'SESSION_SETTING',
        message: 'a setting of the session is not declared',
        hint: `Declare it in createDatabase({ settings }). Declared: ${rules.settings.join(', ') || 'none'}; always allowed: ${requestSettings.join(', ')}.`,
      })
    }
    if (value !== undefined) checked.set(name, checkText(`settings[${name}]`, value))
  }
  return checked
}

function entriesOf(settings: unknown): [string, unknown][] {
  try {
    if (typeof settings === 'object' && settings !== null) return Object.entries(settings)
  } catch {
    // Told below: a getter's own error may hold anything.
  }
  throw new TenonError({
    code: 'SESSION_SETTING',
    message: 'settings is not a plain object of texts',
    hint: "Pass { 'app.tenant_id': tenant }.",
  })
}

function checkText(what: string, value: unknown): string {
  if (
    typeof value === 'string' &&
    !value.includes('\0') &&
    value.isWellFormed() &&
    Buffer.byteLength(value) <= maxSettingBytes
  )
    return value
  throw new TenonError({
    code: 'SESSION_SETTING',
    message: `${what} is not a text that a setting can hold`,
    hint: `Pass a string of at most ${maxSettingBytes} bytes without NUL.`,
  })
}

export function checkTimeout(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 2_147_483_647) return value
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'statementTimeoutMs is not a whole number of milliseconds from 0 to 2147483647',
    hint: 'Pass 5000 for five seconds, or 0 for no limit.',
  })
}

function isSchemaList(value: unknown): value is readonly string[] {
  try {
    return (
      Array.isArray(value) &&
      value.every((schema) => typeof schema === 'string' && schema !== 'pg_temp' && schema !== 'pg_catalog')
    )
  } catch {
    // A revoked proxy throws at the first look.
    return false
  }
}

/** Checks schema names; `pg_catalog` may not be moved behind anything that could shadow it. */
export function checkSearchPath(value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined
  if (!isSchemaList(value)) {
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'searchPath is not a list of schema names',
      hint: 'pg_catalog is always first and pg_temp always last; name neither.',
    })
  }
  for (const schema of value) quoteIdentifier(schema)
  return [...value]
}

/** Checks the names of declared settings. */
export function checkDeclaredSettings(settings: readonly string[]): readonly string[] {
  for (const name of settings) {
    if (!isSettingName(name) || name.startsWith('request.jwt') || name.startsWith('tenon.')) {
      throw new TenonError({
        code: 'SESSION_SETTING',
        message: 'a declared setting has a name that cannot be used',
        hint: "Use names like 'app.tenant_id': lower case, with a prefix that is neither request.jwt nor tenon.",
      })
    }
  }
  return [...new Set(settings)]
}

/**
 * Refuses a misspelt option: `claim` for `claims` would make a session of nobody.
 *
 * @throws {TenonError} OPTION_INVALID
 */
export function assertKnownKeys(what: string, options: object, known: readonly string[]): void {
  if (Object.keys(options).every((key) => known.includes(key))) return
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: `${what} was given an option it does not know`,
    hint: `It knows: ${known.join(', ')}.`,
  })
}
