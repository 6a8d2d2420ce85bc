/**
 * Checks the options of a database when it is made, so that a wrong one is told at once and not by the first query.
 */
import { TenonError } from '../kernel/errors.ts'
import { assertKnownKeys, checkTimeout } from './session-options.ts'

const databaseKeys = [
  'connection',
  'service',
  'roles',
  'settings',
  'trustLogin',
  'searchPath',
  'statementTimeoutMs',
  'legacyClaims',
  'preparedStatements',
  'statementCacheSize',
  'pool',
  'plugins',
  'log',
  'observe',
]

/**
 * Refuses options that are unknown or out of range. Connections, settings and search paths are checked where they are used.
 *
 * @throws {TenonError} OPTION_INVALID or SESSION_ROLE
 */
export function checkDatabaseOptions(options: object): void {
  assertKnownKeys('createDatabase()', options, databaseKeys)
  const { roles, statementTimeoutMs, preparedStatements, statementCacheSize, legacyClaims } = options as Readonly<
    Record<string, unknown>
  >
  if (
    roles !== undefined &&
    !(
      Array.isArray(roles) &&
      roles.length > 0 &&
      roles.every((role) => typeof role === 'string' && role !== '' && role !== 'none')
    )
  ) {
    throw new TenonError({
      code: 'SESSION_ROLE',
      message: 'roles is not a list of names of roles',
      hint: "Pass roles: ['anon', 'authenticated'].",
    })
  }
  checkTimeout(statementTimeoutMs)
  assertOneOf('preparedStatements', preparedStatements, ['auto', 'named', 'unnamed'])
  assertOneOf('legacyClaims', legacyClaims, [true, false, 'auto'])
  if (
    statementCacheSize !== undefined &&
    !(Number.isInteger(statementCacheSize) && (statementCacheSize as number) >= 0)
  ) {
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'statementCacheSize is not a whole number of statements',
      hint: 'Pass 256, or 0 to prepare nothing.',
    })
  }
}

function assertOneOf(option: string, value: unknown, values: readonly unknown[]): void {
  if (value === undefined || values.includes(value)) return
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: `${option} is none of its values`,
    hint: `Pass one of: ${values.join(', ')}.`,
  })
}
