/**
 * What the server tells about a pool's login and its session roles, read once at the pool's first checkout.
 *
 * Owns the reading and the verdict: which logins and roles are too powerful to guard anything with row security. It refuses to mend
 * anything; the hint carries the SQL that does.
 */

import { checks } from '../generated/checks.ts'
import { TenonError } from '../kernel/errors.ts'
import { quoteIdentifier } from '../kernel/identifier.ts'
import { fromServerError } from '../kernel/server-error.ts'
import { hideSchemasStep } from './steps.ts'
import type { ValueParsers } from './value-parsers.ts'
import { serverErrorFields } from './wire/backend-messages.ts'
import type { Line } from './wire/line.ts'
import { encodeParameters } from './wire/parameters.ts'
import { extensionFunctions, pureFunctions } from './wire/purity.ts'

/** One session role as the server knows it. */
export interface RoleFacts {
  readonly name: string
  readonly superuser: boolean
  readonly bypassRls: boolean
  /** Whether the login may become this role. */
  readonly member: boolean
  /** Tables with row security that this role owns without FORCE, so that no policy applies to it. */
  readonly exempt: readonly string[]
  /** `ALTER ROLE … SET`, which SET ROLE alone never applies. */
  readonly settings: ReadonlyMap<string, string>
}

/** All that is read at the first checkout. */
export interface Facts {
  readonly login: {
    readonly name: string
    readonly superuser: boolean
    readonly bypassRls: boolean
    readonly replication: boolean
    readonly createRole: boolean
  }
  /** Roles the login can take beyond the declared ones. */
  readonly beyond: readonly string[]
  /** Declared roles whose rights the login has without SET ROLE. */
  readonly inherited: readonly string[]
  /** Tables the login owns. */
  readonly owned: readonly string[]
  readonly roles: ReadonlyMap<string, RoleFacts>
  /** What the settings in `roles` are for a role that does not set them. */
  readonly defaults: ReadonlyMap<string, string>
  readonly statementTimeout: string
  readonly searchPath: string
  /** As in `server_version_num`: 180004 is 18.4. */
  readonly serverVersion: number
  /** The backend is not the one the connection was opened to: a pooler stands between. */
  readonly pooled: boolean
  /** A function or policy still reads the single-claim settings of PostgREST before version 9. */
  readonly legacyClaims: boolean
  /** Names of functions known to be harmless that other functions of the database also have, or of an extension that it does not have. */
  readonly shadowed: readonly string[]
  /** Columns of a constraint or unique index. */
  columnsOf(schema: string | undefined, table: string | undefined, constraint: string | undefined): readonly string[]
}

interface FactsRow extends Omit<Facts, 'roles' | 'defaults' | 'searchPath' | 'pooled' | 'columnsOf'> {
  readonly roles: readonly (Omit<RoleFacts, 'settings'> & { readonly settings: Record<string, string> })[]
  readonly defaults: Record<string, string>
  readonly backendPid: number
  readonly constraints: readonly (readonly [string, string, string, readonly string[]])[]
}

/**
 * Reads the facts over a line, and in the same round trip what value parsers have to know.
 *
 * @throws {TenonError} when the server refuses or the connection is lost
 */
export async function readFacts(
  line: Line,
  roles: readonly string[],
  parsers: ValueParsers | undefined,
): Promise<Facts> {
  const { unit, loss } = await line.run([
    hideSchemasStep,
    {
      text: checks.login,
      name: '',
      values: encodeParameters([roles, [...pureFunctions], [...extensionFunctions]], {}),
    },
    ...(parsers === undefined ? [] : [parsers.step()]),
  ])
  if (unit.error !== undefined) throw fromServerError(serverErrorFields(unit.error))
  const searchPath = unit.results[0]?.rows[0]?.search_path
  const value = unit.results[1]?.rows[0]?.facts
  if (loss !== undefined || value === undefined || typeof searchPath !== 'string') {
    throw new TenonError({
      code: 'CONNECTION_LOST',
      message: 'the connection ended while the login was being verified',
      cause: loss?.cause,
    })
  }
  parsers?.learn(unit, 2)
  // jsonb_build_object in sql/checks/login.sql has exactly this shape; a test compares the two.
  const row = (typeof value === 'string' ? JSON.parse(value) : value) as FactsRow
  const processId = line.channel.processId
  const columns = new Map(row.constraints.map(([schema, table, name, names]) => [`${schema}.${table}.${name}`, names]))
  return {
    ...row,
    searchPath,
    roles: new Map(row.roles.map((role) => [role.name, { ...role, settings: new Map(Object.entries(role.settings)) }])),
    defaults: new Map(Object.entries(row.defaults)),
    pooled: processId !== undefined && processId !== row.backendPid,
    columnsOf: (schema, table, constraint) => columns.get(`${schema}.${table}.${constraint}`) ?? [],
  }
}

/** The SQL that makes a login which can do nothing but become one of the session roles. */
function powerlessLoginSql(roles: readonly string[], login = 'tenon_login'): string {
  const name = quoteIdentifier(login)
  return (
    `create role ${name} login noinherit nosuperuser nobypassrls nocreatedb nocreaterole noreplication; ` +
    `grant ${roles.map(quoteIdentifier).join(', ')} to ${name}; -- then set its password with \\password`
  )
}

/**
 * Refuses a login that could do more than its sessions.
 *
 * @throws {TenonError} LOGIN_POWERFUL naming each reason, with the SQL of a login that is right
 */
export function assertPowerless(facts: Facts, roles: readonly string[]): void {
  const { login } = facts
  const missing = roles.find((role) => !facts.roles.has(role))
  // A name written wrongly would make the right role one too many.
  if (missing !== undefined && facts.beyond.length > 0) assertSessionRole(facts, missing)
  const reasons: string[] = []
  if (login.superuser) reasons.push('is a superuser')
  if (login.bypassRls) reasons.push('has BYPASSRLS')
  if (login.replication) reasons.push('has REPLICATION')
  if (login.createRole) reasons.push('has CREATEROLE')
  if (facts.owned.length > 0) reasons.push(`owns tables (${facts.owned.slice(0, 3).join(', ')})`)
  if (facts.beyond.length > 0)
    reasons.push(`can become more than the declared roles (${facts.beyond.slice(0, 5).join(', ')})`)
  if (facts.inherited.length > 0)
    reasons.push(`has the rights of ${facts.inherited.join(', ')} even without a session (INHERIT)`)
  if (reasons.length === 0) return
  throw new TenonError({
    code: 'LOGIN_POWERFUL',
    message: `the login ${login.name} ${reasons.join('; ')}, so row-level security would not hold`,
    hint: `Connect as a login that can only take the session roles: ${powerlessLoginSql(roles)}. For a test database pass trustLogin: true, and options=-c role=<a powerless role> on a real server.`,
  })
}

/**
 * Refuses a session role that does not exist, cannot be taken, or is exempt from row security.
 *
 * @throws {TenonError} SESSION_ROLE
 */
export function assertSessionRole(facts: Facts, role: string): void {
  const found = facts.roles.get(role)
  const problem = found === undefined ? missingRole : problemOf(found, facts.login.name)
  if (problem === undefined) return
  throw new TenonError({
    code: 'SESSION_ROLE',
    message: `the session role ${role} ${problem.what}`,
    hint: problem.hint,
  })
}

interface RoleProblem {
  readonly what: string
  readonly hint: string
}

const missingRole: RoleProblem = {
  what: 'does not exist on the server',
  hint: 'Create it (the SQL module roles makes anon and authenticated), or declare another in createDatabase({ roles }).',
}

function problemOf(role: RoleFacts, login: string): RoleProblem | undefined {
  if (!role.member)
    return {
      what: `cannot be taken by the login ${login}`,
      hint: `grant ${quoteIdentifier(role.name)} to ${quoteIdentifier(login)}`,
    }
  const power = role.superuser ? 'is a superuser' : role.bypassRls ? 'has BYPASSRLS' : undefined
  if (power !== undefined)
    return { what: `${power}, so no policy applies to it`, hint: 'Use db.service() for work that must see everything.' }
  if (role.exempt.length === 0) return undefined
  return {
    what: `owns ${role.exempt.slice(0, 3).join(', ')} without FORCE ROW LEVEL SECURITY, so no policy of these tables applies to it`,
    hint: `alter table ${role.exempt[0]} force row level security; or give the table another owner`,
  }
}
