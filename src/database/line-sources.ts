/**
 * Chooses the transport for what a caller passed as `connection`: sockets through pg, or an embedded PGlite.
 *
 * Owns recognising the forms a connection may have. Nothing is opened here.
 */
import pg from 'pg'
import { TenonError } from '../kernel/errors.ts'
import {
  assertConnectionString,
  assertPoolOptions,
  defaultConnectTimeoutMs,
  type PoolOptions,
  toPoolConfig,
} from './connection-config.ts'
import { type EmbeddedDatabase, EmbeddedLines, isEmbeddedDatabase } from './embedded-lines.ts'
import type { LineSource } from './lines.ts'
import { SocketLines } from './socket-lines.ts'
import { WarmLines } from './warm-lines.ts'

/** What a database can be connected by. */
export type Connection =
  /** `postgres://…`, `pglite://memory` or `pglite:./directory`. */
  | string
  | pg.PoolConfig
  /** A pool of the caller's, shared with other users of it and never ended here. */
  | pg.Pool
  /** A PGlite instance of the caller's, never closed here. */
  | EmbeddedDatabase

export interface LineSourceOptions {
  readonly pool: PoolOptions
  readonly statementLimit: number
  readonly onDestroy: (reason: string) => void
}

/**
 * Makes the source of lines for a connection.
 *
 * @throws {TenonError} CONNECTION_CONFIG when it is none of the known forms
 */
export function createLineSource(connection: Connection, options: LineSourceOptions): LineSource {
  assertPoolOptions(options.pool)
  const own = typeof connection === 'object' && connection !== null && 'connectionTimeoutMillis' in connection
  const connectTimeoutMs =
    options.pool.connectTimeoutMs ?? (own ? connection.connectionTimeoutMillis : undefined) ?? defaultConnectTimeoutMs
  const embedded = { statementLimit: options.statementLimit, waitTimeoutMs: connectTimeoutMs }
  if (typeof connection === 'string') {
    if (connection.startsWith('pglite:'))
      return new EmbeddedLines({ ...embedded, shared: false, open: () => openEmbedded(connection) })
    assertConnectionString(connection)
  } else {
    if (isEmbeddedDatabase(connection))
      return new EmbeddedLines({ ...embedded, shared: true, open: async () => connection })
    if (isPool(connection))
      return new SocketLines({ ...options, connectTimeoutMs, shared: true, pool: () => connection })
    if (typeof connection !== 'object' || connection === null || Array.isArray(connection)) {
      throw new TenonError({
        code: 'CONNECTION_CONFIG',
        message: 'connection is neither a URL, a pg configuration, a pg.Pool nor a PGlite',
        hint: "Pass process.env.DATABASE_URL ?? 'pglite://memory'.",
      })
    }
    if (typeof connection.connectionString === 'string') assertConnectionString(connection.connectionString)
  }
  const lines = new SocketLines({
    ...options,
    connectTimeoutMs,
    shared: false,
    pool: () => new pg.Pool({ ...toPoolConfig(connection, options.pool), Client: TidyClient }),
  })
  return new WarmLines(lines)
}

type ConnectCallback = ((error: Error) => void) | ((error: null, client: pg.Client) => void)

/** A client that closes its socket when it cannot log in: pg leaves it open, and the server waits for a minute with a slot taken. */
class TidyClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config)
    // A server can say farewell in the same breath as its greeting, before the pool or a line listens.
    this.on('error', () => {})
  }

  override connect(): Promise<pg.Client>
  override connect(callback: ConnectCallback): void
  override connect(callback?: ConnectCallback): Promise<pg.Client> | undefined {
    const connecting = super.connect().catch((error: Error) => {
      // pg declares only its public face.
      ;(this as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
      throw error
    })
    if (callback === undefined) return connecting
    const answer = callback as (error: Error | null, client?: pg.Client) => void
    connecting.then((client) => answer(null, client), answer)
    return undefined
  }
}

/** A pool by shape: it may come from another copy of pg. */
function isPool(value: unknown): value is pg.Pool {
  return (
    typeof value === 'object' &&
    value !== null &&
    'connect' in value &&
    typeof value.connect === 'function' &&
    'totalCount' in value
  )
}

async function openEmbedded(url: string): Promise<EmbeddedDatabase> {
  let module: { readonly PGlite: new (dataDir?: string) => unknown }
  try {
    module = await import('@electric-sql/pglite')
  } catch (cause) {
    throw new TenonError({
      code: 'DEPENDENCY_MISSING',
      message: 'the embedded database needs the package @electric-sql/pglite',
      hint: 'npm install @electric-sql/pglite',
      cause,
    })
  }
  const directory = url.slice('pglite:'.length)
  const database = directory === '//memory' ? new module.PGlite() : new module.PGlite(directory)
  if (!isEmbeddedDatabase(database))
    throw new TenonError({
      code: 'DEPENDENCY_MISSING',
      message: 'this version of @electric-sql/pglite is not supported',
      hint: 'npm install @electric-sql/pglite@^0.5',
    })
  return database
}
