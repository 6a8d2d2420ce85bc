/**
 * The options of a database and of its service, checked when they are given, so that a wrong one is told at once and not by the first query.
 */
import { CamelCasePlugin, type KyselyPlugin, type LogConfig } from 'kysely'
import { type Codec, codecNames } from '../kernel/codec.ts'
import { TenonError } from '../kernel/errors.ts'
import { assertMetadata, type Metadata } from '../kernel/metadata.ts'
import type { Observer } from '../kernel/observe.ts'
import type { PoolOptions } from './connection-config.ts'
import type { Connection } from './line-sources.ts'
import { checkMultiplex, type MultiplexOptions } from './multiplex-options.ts'
import { assertKnownKeys, checkTimeout } from './session-options.ts'

/** Options of {@link createDatabase}; `DB` is what `metadata` is of. */
export interface DatabaseOptions<DB = never> {
  /** Where sessions connect: a URL, a pg configuration, a pg.Pool, a PGlite, `pglite://memory` or `pglite:./directory`. */
  readonly connection: Connection
  /**
   * The export `metadata` of the file that `tenon codegen` writes: it brings the type of the database along, and the parsers that the
   * generated types were made for. Without it values are what pg's own parsers give.
   */
  readonly metadata?: Metadata<DB> | undefined
  /** Of types that pg gives as text, such as ranges: see tenon/codecs and tenon/geo. Of two that know a type the first reads it. */
  readonly codecs?: readonly Codec[] | undefined
  /**
   * What cursors of pages are signed with, each of 32 characters at least: `[current, previous]`, so that a key can be changed while cursors
   * are out. An embedded database makes one for its process.
   */
  readonly cursorKeys?: readonly string[] | undefined
  /** The privileged connection of `db.service()`, a pool of its own. With PGlite leave it out: it is the same instance. */
  readonly service?: { readonly connection: Connection; readonly pool?: PoolOptions } | undefined
  /** Where `tenon/events` listens, as any login. Default as sessions connect; behind a pooler it takes a direct connection. */
  readonly listen?: { readonly connection: Connection } | undefined
  /** Roles a session may have. Default `anon` and `authenticated`. */
  readonly roles?: readonly string[] | undefined
  /** Settings a session may set, such as `app.tenant_id`; all of them are set for every statement, '' when a session leaves one out. */
  readonly settings?: readonly string[] | undefined
  /**
   * Accept a login that could do more than its sessions, such as the superuser of a test server. The embedded default needs no saying.
   * Row security then holds only as long as no statement resets the role.
   */
  readonly trustLogin?: boolean | undefined
  /** Schemas for unqualified names; default: the role's or the login's own. `pg_temp` is always added last. */
  readonly searchPath?: readonly string[] | undefined
  /** Milliseconds a statement may take unless session or role say otherwise. */
  readonly statementTimeoutMs?: number | undefined
  /** Also set `request.jwt.claim` and its kin, which `auth.uid()` prefers. Default: when a function or policy of the database reads them. */
  readonly legacyClaims?: boolean | 'auto' | undefined
  /** Default `auto`: named, unless a pooler stands between. Poolers that track statements (PgBouncer 1.21 and later) take `named`. */
  readonly preparedStatements?: 'auto' | 'named' | 'unnamed' | undefined
  /** Statements prepared per connection at most. Default 256. */
  readonly statementCacheSize?: number | undefined
  /**
   * Lets queries of different sessions share connections, back to back, without waiting for each other's answers. What is slow by its
   * history, has a signal, or could leave something on a connection keeps one alone; so does everything behind a pooler. Default: false.
   */
  readonly multiplex?: boolean | MultiplexOptions | undefined
  readonly pool?: PoolOptions | undefined
  /** Kysely plugins of every session and service. */
  readonly plugins?: readonly KyselyPlugin[] | undefined
  /** Kysely's log. */
  readonly log?: LogConfig | undefined
  /** Receives every event, without values. */
  readonly observe?: Observer | undefined
}

/** Who uses the privileged connection, and why. Both are written to the audit. */
export interface ServiceOptions {
  readonly actor: string
  readonly reason: string
}

const databaseKeys = [
  'connection',
  'metadata',
  'codecs',
  'cursorKeys',
  'service',
  'listen',
  'roles',
  'settings',
  'trustLogin',
  'searchPath',
  'statementTimeoutMs',
  'legacyClaims',
  'preparedStatements',
  'statementCacheSize',
  'multiplex',
  'pool',
  'plugins',
  'log',
  'observe',
]

/**
 * Refuses options that are unknown or out of range. Connections, settings and search paths are checked where they are used.
 *
 * @throws {TenonError} OPTION_INVALID, METADATA_FORMAT or SESSION_ROLE
 */
export function checkDatabaseOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'createDatabase() needs options',
      hint: "Pass { connection: 'postgres://…' }.",
    })
  assertKnownKeys('createDatabase()', options, databaseKeys)
  const { metadata, roles, statementTimeoutMs, preparedStatements, statementCacheSize, legacyClaims } =
    options as Readonly<Record<string, unknown>>
  if (metadata !== undefined) {
    assertMetadata(metadata)
    checkPlugins(metadata, (options as Readonly<Record<string, unknown>>)['plugins'])
  }
  const { codecs, cursorKeys } = options as Readonly<Record<string, unknown>>
  if (
    codecs !== undefined &&
    !(Array.isArray(codecs) && codecs.every((codec) => typeof codec?.parserOf === 'function'))
  )
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'codecs is not a list of codecs',
      hint: "Pass codecs: [rangeCodec], from 'tenon/codecs'.",
    })
  if (metadata !== undefined) checkCodecs(metadata, codecs ?? [])
  const isKey = (key: unknown) => typeof key === 'string' && key.length >= 32
  if (cursorKeys !== undefined && !(Array.isArray(cursorKeys) && cursorKeys.length > 0 && cursorKeys.every(isKey)))
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'cursorKeys is not a list of secrets of 32 characters at least',
      hint: 'Make one with: openssl rand -base64 32',
    })
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
  checkMultiplex((options as Readonly<Record<string, unknown>>)['multiplex'])
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

/** Generated types are those that codecs give, or do not give. */
function checkCodecs({ codecs: declared = [] }: Metadata, codecs: readonly Codec[]): void {
  const given = codecs.map(({ name }) => name)
  const missing = declared.filter((name) => !given.includes(name))
  if (missing.length > 0)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `the generated types are those of codecs that are not given: ${missing.join(', ')}`,
      hint: `Pass codecs: [${missing.map((name) => `${name}Codec`).join(', ')}], from 'tenon/codecs' (geoCodec from 'tenon/geo'), or generate again without them.`,
    })
  const strange = codecNames.filter((name) => given.includes(name) && !declared.includes(name))
  if (strange.length > 0)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `the generated types are not those of the given codecs: ${strange.join(', ')}`,
      hint: `Generate again with codecs: [${strange.map((name) => `'${name}'`).join(', ')}] in tenon.config.ts.`,
    })
}

/** Generated types have the keys that documents have. */
function checkPlugins({ camelCase }: Metadata, plugins: unknown): void {
  if (!camelCase || !Array.isArray(plugins)) return
  const changes = (plugin: unknown) => plugin instanceof CamelCasePlugin && plugin.opt.maintainNestedObjectKeys !== true
  if (plugins.some(changes))
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'CamelCasePlugin would change the keys inside of json columns, which the generated types do not',
      hint: 'Pass new CamelCasePlugin({ maintainNestedObjectKeys: true }).',
    })
}

function assertOneOf(option: string, value: unknown, values: readonly unknown[]): void {
  if (value === undefined || values.includes(value)) return
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: `${option} is none of its values`,
    hint: `Pass one of: ${values.join(', ')}.`,
  })
}

/**
 * Refuses a service without somebody who acts and a reason: the audit would have nothing to say.
 *
 * @throws {TenonError} OPTION_INVALID
 */
export function checkServiceOptions(options: ServiceOptions | undefined): ServiceOptions {
  const { actor, reason } = options ?? {}
  if (typeof actor !== 'string' || actor === '' || typeof reason !== 'string' || reason === '') {
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'service() needs an actor and a reason',
      hint: "Pass { actor: 'cron', reason: 'nightly report' }; both go to the audit.",
    })
  }
  return { actor, reason }
}
