/**
 * Turns what a caller calls a connection (URL, pg configuration) into the configuration of a pool with safe defaults.
 *
 * Owns TLS: off localhost it is verified in full unless the caller says otherwise in so many words, and a CA given beside an
 * `sslmode` is never lost. Reads certificate files when the pool is made, not before.
 */
import { createRequire } from 'node:module'
import pg from 'pg'
import { TenonError } from '../kernel/errors.ts'
import { DirectSocket, hasDirectSockets } from './wire/direct-socket.ts'

/** Limits of a pool. */
export interface PoolOptions {
  /** Most connections at once. Default 10. */
  readonly max?: number | undefined
  /** Milliseconds an idle connection is kept. Default 30,000. */
  readonly idleTimeoutMs?: number | undefined
  /** Milliseconds to wait for a connection, a new one or a free one. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Seconds after which a connection is replaced. Default: never. */
  readonly maxLifetimeSeconds?: number | undefined
  /** Name shown in pg_stat_activity. Default `tenon`. */
  readonly applicationName?: string | undefined
}

export const defaultConnectTimeoutMs = 10_000

/**
 * Checks the limits of a pool.
 *
 * @throws {TenonError} OPTION_INVALID naming the option
 */
export function assertPoolOptions(options: PoolOptions): void {
  const wholeNumbers = { max: 1, idleTimeoutMs: 0, connectTimeoutMs: 0, maxLifetimeSeconds: 0 } as const
  for (const [name, least] of Object.entries(wholeNumbers)) {
    const value = options[name as keyof typeof wholeNumbers]
    if (value === undefined || (Number.isInteger(value) && value >= least && value <= maxTimerMs)) continue
    throw new TenonError({ code: 'OPTION_INVALID', message: `pool.${name} is not a whole number of at least ${least}` })
  }
  const { applicationName } = options
  if (applicationName !== undefined && (typeof applicationName !== 'string' || applicationName.includes('\0'))) {
    throw new TenonError({ code: 'OPTION_INVALID', message: 'pool.applicationName is not a text without NUL' })
  }
}

/** Node's timers wrap above 31 bits. */
const maxTimerMs = 2_147_483_647

/** Checks a connection string without opening anything. */
export function assertConnectionString(text: string): void {
  parseUrl(text)
}

/**
 * Makes the configuration of a pool.
 *
 * @throws {TenonError} CONNECTION_CONFIG when the URL or its TLS options contradict each other or cannot be read
 */
export function toPoolConfig(connection: string | pg.PoolConfig, options: PoolOptions): pg.PoolConfig {
  const given: pg.PoolConfig = typeof connection === 'string' ? { connectionString: connection } : { ...connection }
  // A spread loses the password when pg has hidden it.
  if (typeof connection === 'object' && connection.password !== undefined) given.password = connection.password
  const { connectionString, ...rest } = given
  const url = connectionString === undefined ? undefined : parseUrl(connectionString)
  const tls = url === undefined ? undefined : takeTlsOptions(url)
  const config: pg.PoolConfig = {
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: options.applicationName ?? 'tenon',
    ...rest,
    ...(url === undefined ? {} : { connectionString: url.href }),
    max: options.max ?? rest.max ?? 10,
    idleTimeoutMillis: options.idleTimeoutMs ?? rest.idleTimeoutMillis ?? 30_000,
    connectionTimeoutMillis: options.connectTimeoutMs ?? rest.connectionTimeoutMillis ?? defaultConnectTimeoutMs,
    ...(options.maxLifetimeSeconds === undefined ? {} : { maxLifetimeSeconds: options.maxLifetimeSeconds }),
  }
  if (url?.searchParams.has('application_name') && options.applicationName === undefined) delete config.application_name
  // pg's own reading of host, with its environment variables and service defaults.
  const { host } = new pg.Client({ ...config, ssl: false })
  config.ssl = toTls(given.ssl, tls, isLocal(host))
  if (config.ssl !== false) (config as pg.PoolConfig & { enableChannelBinding?: boolean }).enableChannelBinding ??= true
  // Under TLS there is another socket on top of it, which reads as it wants to.
  else if (hasDirectSockets()) config.stream ??= () => new DirectSocket()
  return config
}

interface TlsOptions {
  readonly mode: string | undefined
  readonly rootCert: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
}

const tlsParameters = ['sslmode', 'ssl', 'sslrootcert', 'sslcert', 'sslkey', 'uselibpqcompat'] as const
const tlsModes = new Set(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'])

/** Takes the TLS parameters out of the URL: pg would build an `ssl` from them and throw the caller's away. */
function takeTlsOptions(url: URL): TlsOptions {
  const take = (name: string): string | undefined => url.searchParams.get(name) ?? undefined
  const ssl = take('ssl')
  const options: TlsOptions = {
    mode: take('sslmode') ?? (ssl === undefined ? undefined : ssl === 'true' || ssl === '1' ? 'require' : 'disable'),
    rootCert: take('sslrootcert'),
    cert: take('sslcert'),
    key: take('sslkey'),
  }
  for (const name of tlsParameters) url.searchParams.delete(name)
  if (options.mode !== undefined && !tlsModes.has(options.mode)) {
    throw configError('the connection string has an unknown sslmode', `Use one of ${[...tlsModes].join(', ')}.`)
  }
  return options
}

type Tls = Exclude<pg.PoolConfig['ssl'], undefined>

function toTls(given: pg.PoolConfig['ssl'], url: TlsOptions | undefined, local: boolean): Tls {
  const mode = url?.mode
  if (given === false && mode !== undefined && mode !== 'disable') {
    throw configError(`ssl is false but the connection string says sslmode=${mode}`, 'Say the same in both places.')
  }
  if (given !== undefined && given !== false && mode === 'disable') {
    throw configError('ssl is set but the connection string says sslmode=disable', 'Say the same in both places.')
  }
  if (given === false || mode === 'disable') return false
  const wanted = given !== undefined || mode !== undefined || url?.rootCert !== undefined
  const opportunistic = given === undefined && (mode === 'allow' || mode === 'prefer')
  if (local && (!wanted || opportunistic)) return false
  // An unset environment variable gives a field that is undefined; it must not take away what the URL says.
  const own =
    typeof given === 'object'
      ? Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
      : {}
  if (own.rejectUnauthorized === false && (mode === 'verify-full' || mode === 'verify-ca')) {
    throw configError(
      `ssl.rejectUnauthorized is false but the connection string says sslmode=${mode}`,
      'Say the same in both places.',
    )
  }
  const files = {
    ...(url?.rootCert === undefined || url.rootCert === 'system' ? {} : { ca: readFile('sslrootcert', url.rootCert) }),
    ...(url?.cert === undefined ? {} : { cert: readFile('sslcert', url.cert) }),
    ...(url?.key === undefined ? {} : { key: readFile('sslkey', url.key) }),
  }
  // `require` without verification would accept anyone in the middle; PostgreSQL's clients are moving the same way.
  const verification = mode === 'no-verify' ? { rejectUnauthorized: false } : { rejectUnauthorized: true }
  const identity = mode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}
  return { ...verification, ...identity, ...files, ...own }
}

function readFile(option: string, path: string): string {
  try {
    // Not imported above: as an ES module node:fs brings half of Node with it, which would be most of what importing Tenon costs.
    const fs: typeof import('node:fs') = createRequire(import.meta.url)('node:fs')
    return fs.readFileSync(path, 'utf8')
  } catch (cause) {
    throw configError(`the file that ${option} names cannot be read`, 'Check the path and its permissions.', cause)
  }
}

function parseUrl(text: string): URL {
  try {
    // A URL without a host, as for a socket in `?host=/…`, is what libpq takes and `new URL` does not.
    const url = new URL(text.replace(/^(postgres(?:ql)?:\/\/(?:[^@/?#]*@)?)(?=[/?]|:\d)/, '$1localhost'))
    if (url.protocol === 'postgres:' || url.protocol === 'postgresql:') return url
  } catch {
    // Told below: the parser's own message would repeat the text, password and all.
  }
  throw configError(
    'the connection string is not a PostgreSQL URL',
    "Write postgres://user:password@host:5432/database, with special characters percent-encoded; or 'pglite://memory' for the embedded database.",
  )
}

function isLocal(host: string | undefined): boolean {
  return (
    host === undefined ||
    host === '' ||
    host === 'localhost' ||
    host.startsWith('/') ||
    host === '::1' ||
    host === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(host)
  )
}

function configError(message: string, hint: string, cause?: unknown): TenonError {
  return new TenonError({ code: 'CONNECTION_CONFIG', message, hint, cause })
}
