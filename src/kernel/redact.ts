// Printing of connection strings and connection options without their secrets. It is an allow-list: what is not known to be
// harmless is hidden, and a text that cannot be taken apart with certainty is not printed at all.
// It refuses to be a parser for connecting: what it returns is for people to read.

const hidden = '***'
const unparsable = '<unparsable connection string>'

// Options of libpq, pg, Prisma and the poolers that hold no secret. `options` is missing on purpose: `-c app.token=…`.
const safeOptions = new Set([
  ...['user', 'host', 'hostaddr', 'port', 'dbname', 'database', 'db', 'application_name', 'fallback_application_name'],
  ...[
    'sslmode',
    'ssl',
    'sslrootcert',
    'sslcert',
    'sslcrl',
    'sslnegotiation',
    'sslsni',
    'channel_binding',
    'require_auth',
  ],
  ...['ssl_min_protocol_version', 'ssl_max_protocol_version', 'gssencmode', 'krbsrvname', 'uselibpqcompat'],
  ...[
    'connect_timeout',
    'tcp_user_timeout',
    'keepalives',
    'keepalives_idle',
    'keepalives_interval',
    'keepalives_count',
  ],
  ...['target_session_attrs', 'load_balance_hosts', 'client_encoding', 'encoding', 'replication', 'service'],
  ...['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'query_timeout'],
  ...['schema', 'pgbouncer', 'connection_limit', 'pool_timeout', 'socket_timeout', 'statement_cache_size'],
])

// Known by libpq and never printed. A keyword outside both lists makes a DSN unparsable: it may be half of a password.
const secretOptions = new Set(['password', 'passfile', 'sslkey', 'sslpassword', 'options', 'oauth_client_secret'])

/**
 * Returns a connection string that is safe to print: user, host, port, database and harmless options; the rest is `***`.
 *
 * It takes `postgres://` URLs (percent-encoded, several hosts, sockets), `socket:` and `pglite:` URLs and libpq's
 * `keyword=value` form. A URL whose password holds a raw `/`, `?`, `#` cannot be taken apart and is not printed.
 *
 * @param connectionString - any text
 * @returns the redacted text, or `<unparsable connection string>`
 * @example
 * ```ts
 * redactConnectionString('postgres://ada:secret@db.example/app') // 'postgres://ada:***@db.example/app'
 * ```
 */
export function redactConnectionString(connectionString: string): string {
  const text = typeof connectionString === 'string' ? connectionString.trim() : ''
  if (/^postgres(ql)?:\/\//i.test(text)) return redactUrl(text)
  if (/^(socket|pglite):/i.test(text)) return redactPath(text)
  return redactKeywords(text)
}

/**
 * Returns connection options (pg's `PoolConfig` and the like) as a plain object that is safe to print.
 *
 * @param config - the options; nothing is read below its first level but `ssl`
 * @returns a new object with the same keys; every value that is not known to be harmless is `***`
 * @example
 * ```ts
 * redactConfig({ host: 'db', password: 'secret', max: 10 }) // { host: 'db', password: '***', max: 10 }
 * ```
 */
export function redactConfig(config: object): Readonly<Record<string, unknown>> {
  return mapEntries(config, (key, value) => {
    if (value === undefined || value === null) return value
    if (key === 'connectionString') return typeof value === 'string' ? redactConnectionString(value) : hidden
    if (key === 'ssl' && typeof value === 'object' && value !== null) {
      return mapEntries(value, (name, part) => (safeTlsKeys.has(name) && isPlain(part) ? part : hidden))
    }
    if (typeof value === 'string') return safeOptions.has(key) ? safeValue(value) : hidden
    return safeConfigKeys.has(key) && isPlain(value) ? value : hidden
  })
}

const safeTlsKeys = new Set(['rejectUnauthorized', 'servername', 'minVersion', 'maxVersion', 'sslmode'])

// Numbers and booleans only: a text under one of these keys is hidden.
const safeConfigKeys = new Set([
  ...['port', 'ssl', 'max', 'min', 'maxUses', 'maxLifetimeSeconds', 'allowExitOnIdle', 'keepAlive', 'binary'],
  ...[
    'idleTimeoutMillis',
    'connectionTimeoutMillis',
    'keepAliveInitialDelayMillis',
    'idleTimeoutMs',
    'connectTimeoutMs',
  ],
  ...['statement_timeout', 'query_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'pipeline'],
  ...['enableChannelBinding', 'sslnegotiation'],
])

function redactUrl(url: string): string {
  const start = url.indexOf('://') + 3
  const rest = url.slice(start)
  const end = rest.search(/[/?#]/)
  const authority = end === -1 ? rest : rest.slice(0, end)
  const tail = end === -1 ? '' : rest.slice(end)
  // An @ behind the authority means that a raw / ? or # inside the password ended the authority too early.
  if (tail.includes('@')) return unparsable
  const at = authority.lastIndexOf('@')
  const hosts = authority.slice(at + 1)
  if (!hosts.split(',').every((host) => hostShape.test(host))) return unparsable
  const parts = /^(\/[^?#]*)?(\?[^#]*)?(#.*)?$/s.exec(tail)
  if (parts === null) return unparsable
  const [, path = '', query = '', fragment = ''] = parts
  const database = path.slice(1)
  const login = at === -1 ? '' : `${redactLogin(authority.slice(0, at))}@`
  return [
    url.slice(0, start),
    login,
    hosts,
    path === '' ? '' : `/${safeValue(database)}`,
    redactQuery(query),
    fragment === '' ? '' : `#${hidden}`,
  ].join('')
}

// A name, an IPv4 address, a percent-encoded socket directory or an IPv6 address in brackets; then a port.
const hostShape = /^(\[[0-9a-f:.%]+\]|[\w.%-]*)(:\d{1,5})?$/i

function redactLogin(login: string): string {
  const colon = login.indexOf(':')
  return colon === -1 ? safeValue(login) : `${safeValue(login.slice(0, colon))}:${hidden}`
}

function redactPath(text: string): string {
  const parts = /^([a-z]+:[\w./~%+ -]*)(\?.*)?$/i.exec(text)
  return parts === null ? unparsable : `${parts[1]}${redactQuery(parts[2] ?? '')}`
}

function redactQuery(query: string): string {
  if (query === '') return ''
  const pairs = query.slice(1).split('&')
  return `?${pairs.map(redactPair).join('&')}`
}

function redactPair(pair: string): string {
  const equals = pair.indexOf('=')
  const key = pair.slice(0, Math.max(equals, 0))
  if (!/^\w{1,63}$/.test(key)) return hidden
  return `${key}=${safeOptions.has(key) ? safeValue(pair.slice(equals + 1)) : hidden}`
}

function redactKeywords(text: string): string {
  const pair = /\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?=\s|$)/gsy
  const printed: string[] = []
  let end = 0
  for (let match = pair.exec(text); match !== null; match = pair.exec(text)) {
    const [, key = '', value = ''] = match
    if (!safeOptions.has(key) && !secretOptions.has(key)) return unparsable
    printed.push(`${key}=${safeOptions.has(key) ? safeValue(value) : hidden}`)
    end = pair.lastIndex
  }
  return printed.length > 0 && end === text.length ? printed.join(' ') : unparsable
}

// libpq takes a whole connection string as dbname, and a wrongly encoded password ends up in any field: a value that looks
// like either, or is longer than any name or path in use, is hidden.
function safeValue(value: string): string {
  let decoded: string
  try {
    decoded = decodeURIComponent(value)
  } catch {
    return hidden
  }
  return decoded.length <= 256 && !/[=\p{Cc}]|:\/\/|:.*@/u.test(decoded) ? value : hidden
}

function isPlain(value: unknown): boolean {
  return ['boolean', 'number', 'string'].includes(typeof value)
}

function mapEntries(source: object, map: (key: string, value: unknown) => unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(source).map(([key, value]) => [key, map(key, value)]))
}
