/**
 * Lines from a pool of pg: its own made from a configuration, or the caller's.
 *
 * Owns checkout, release and the errors of connecting. pg connects, authenticates and keeps idle clients; the lines speak.
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { TenonError } from '../kernel/errors.ts'
import { fromServerError } from '../kernel/server-error.ts'
import { toServerErrorFields } from '../kernel/server-error-fields.ts'
import { isClean, type Lease, type LineCounts, type LineSource } from './lines.ts'
import type { Line } from './wire/line.ts'
import { settleClient, takeSocketLine } from './wire/socket-channel.ts'

export interface SocketLinesOptions {
  /** Called at the first checkout; nothing connects before. */
  readonly pool: () => pg.Pool
  /** The pool is the caller's: the socket is handed back to pg after every lease, and the pool is not ended. */
  readonly shared: boolean
  readonly statementLimit: number
  readonly connectTimeoutMs: number
  /** Give pg's own errors of connecting, for the drop-in dialect. */
  readonly rawErrors?: boolean
  readonly onDestroy?: (reason: string) => void
}

export class SocketLines implements LineSource {
  readonly kind = 'socket'
  readonly shared: boolean
  readonly #options: SocketLinesOptions
  readonly #clients = new WeakMap<Line, pg.PoolClient>()
  #pool: pg.Pool | undefined
  #leases = 0
  #closed = false
  #drained: (() => void) | undefined
  /** Told when the drain time is over, so that nobody waits for a connection that will never come. */
  readonly #waiting = new Set<(error: TenonError) => void>()

  constructor(options: SocketLinesOptions) {
    this.#options = options
    this.shared = options.shared
  }

  /** The pool, once something was acquired. */
  get pool(): pg.Pool | undefined {
    return this.#pool
  }

  async acquire(): Promise<Lease> {
    const client = await this.#connect()
    this.#leases++
    await settleClient(client)
    const socket = takeSocketLine(client, {
      shared: this.#options.shared,
      statementLimit: this.#options.statementLimit,
      // The client's own parsers: those of its pool's `types`, then pg's.
      parsers: (oid) => client.getTypeParser(oid, 'text') as (text: string) => unknown,
    })
    const { line } = socket
    this.#clients.set(line, client)
    let released = false
    return {
      line,
      release: () => {
        if (released) return
        released = true
        this.#leases--
        let reason = line.loss?.reason as string | undefined
        if (reason === undefined && !isClean(line)) reason = 'unclean'
        if (reason === undefined && this.#options.shared && !socket.giveBack()) reason = 'unclean'
        if (reason !== undefined) {
          line.end({ reason: 'destroyed' })
          this.#options.onDestroy?.(reason)
        }
        client.release(reason !== undefined)
        if (this.#leases === 0) this.#drained?.()
      },
    }
  }

  counts(): LineCounts {
    const pool = this.#pool
    return { total: pool?.totalCount ?? 0, idle: pool?.idleCount ?? 0, waiting: pool?.waitingCount ?? 0 }
  }

  async terminate(line: Line): Promise<void> {
    const { processId } = line.channel
    const pool = this.#pool
    if (pool === undefined || processId === undefined) return
    const { password } = pool.options as pg.PoolConfig
    const client = new pg.Client({ ...pool.options, ...(password === undefined ? {} : { password }) })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('select pg_catalog.pg_terminate_backend($1)', [processId])
    } finally {
      await client.end()
    }
  }

  async close(drainMs: number): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const pool = this.#pool
    if (pool === undefined) return
    if (this.#leases > 0)
      await Promise.race([
        new Promise<void>((resolve) => (this.#drained = resolve)),
        delay(drainMs, undefined, { ref: false }),
      ])
    for (const give of [...this.#waiting]) give(closed())
    if (this.#options.shared) return
    const ended = pool.end()
    // pg's pool waits for every checked-out client; after the drain time they are cut.
    if (this.#leases > 0)
      for (const client of (pool as unknown as { _clients: pg.PoolClient[] })._clients)
        (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
    await Promise.race([ended, delay(1_000, undefined, { ref: false })])
  }

  inTransaction<T>(callback: () => Promise<T>): Promise<T> {
    return callback()
  }

  async #connect(): Promise<pg.PoolClient> {
    if (this.#closed) throw closed()
    if (this.#pool === undefined) {
      this.#pool = this.#options.pool()
      guardPool(this.#pool)
    }
    const pool = this.#pool
    if (this.#options.rawErrors) return pool.connect()
    if (this.#options.shared) {
      // Another user of the pool may have released a connection inside a transaction: its fate is not ours to share.
      for (let client = await this.#dial(pool); ; client = await this.#dial(pool)) {
        const status = client.getTransactionStatus()
        if (status !== 'T' && status !== 'E') return client
        client.release(true)
        this.#options.onDestroy?.('unclean')
      }
    }
    return await this.#dial(pool)
  }

  #checkout(pool: pg.Pool): Promise<pg.PoolClient> {
    return new Promise((resolve, reject) => {
      let waiting = true
      const give = (error: unknown): void => {
        waiting = false
        reject(error)
      }
      this.#waiting.add(give)
      pool.connect((error, client, release) => {
        this.#waiting.delete(give)
        if (!waiting) release()
        else if (error !== undefined || client === undefined) reject(error)
        else resolve(client)
      })
    })
  }

  async #dial(pool: pg.Pool): Promise<pg.PoolClient> {
    const deadline = performance.now() + this.#options.connectTimeoutMs
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#checkout(pool)
      } catch (error) {
        // The database was closed meanwhile.
        if (error instanceof TenonError) throw error
        const failure = connectError(error)
        // Full or starting servers mend themselves; anything else does not get better by waiting.
        const waits = failure.sqlstate === '53300' || failure.sqlstate === '57P03'
        const pause = Math.min(5_000, 50 * 2 ** attempt) * (0.5 + Math.random() / 2)
        if (!waits || performance.now() + pause > deadline) throw failure
        await delay(pause)
      }
    }
  }
}

function closed(): TenonError {
  return new TenonError({
    code: 'DATABASE_CLOSED',
    message: 'the database was closed',
    hint: 'Create the database object once per process and close it last.',
  })
}

/** Node's own codes, and OpenSSL's names of what is wrong with a certificate. */
function isTlsCode(code: string): boolean {
  if (code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || code.includes('CERT')) return true
  return opensslCodes.has(code)
}

const opensslCodes = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'HOSTNAME_MISMATCH',
  'PATH_LENGTH_EXCEEDED',
  'CRL_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_SIGNATURE_FAILURE',
])

const guardedPools = new WeakSet<pg.Pool>()
const guardedClients = new WeakSet<pg.PoolClient>()

/**
 * Keeps the death of a connection from ending the process: pg-pool takes its own listener off before it hands a client out, and a
 * server can say farewell in the same breath as its greeting.
 */
function guardPool(pool: pg.Pool): void {
  if (guardedPools.has(pool)) return
  guardedPools.add(pool)
  pool.on('error', () => {})
  pool.on('acquire', (client) => {
    if (guardedClients.has(client)) return
    guardedClients.add(client)
    client.on('error', () => {})
  })
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'EACCES',
  'ECONNRESET',
  'EPIPE',
])

/** Maps what pg throws while connecting. Messages of pg are constants of its source, except those of the server. */
function connectError(error: unknown): TenonError {
  const fields = toServerErrorFields(error)
  if (fields !== undefined) return fromServerError(fields, { connecting: true })
  const code = errorCodeOf(error)
  const message = error instanceof Error ? error.message : ''
  if (message === 'timeout exceeded when trying to connect') {
    return new TenonError({
      code: 'TIMEOUT_POOL',
      message: 'no connection of the pool came free in time',
      hint: 'Raise pool.max, shorten transactions, or look for a session that waits for another one inside a transaction.',
    })
  }
  if (
    code === 'ETIMEDOUT' ||
    message.startsWith('Connection terminated due to connection timeout') ||
    message === 'timeout expired'
  ) {
    return new TenonError({
      code: 'TIMEOUT_CONNECT',
      message: 'the server did not answer in time',
      hint: 'Check host, port and firewall, or raise pool.connectTimeoutMs.',
      cause: error,
    })
  }
  if (message.includes('does not support SSL')) {
    return new TenonError({
      code: 'CONNECTION_TLS',
      message: 'the server does not offer TLS',
      hint: 'Switch TLS on at the server; only for a network you trust add sslmode=disable.',
      cause: error,
    })
  }
  if (code !== undefined && isTlsCode(code)) {
    return new TenonError({
      code: 'CONNECTION_TLS',
      message: `the server's certificate was not accepted (${code})`,
      hint: "Pass the provider's CA with ssl: { ca } or sslrootcert; TLS is verified in full off localhost.",
      cause: error,
    })
  }
  if (message.startsWith('SASL') || message.startsWith('client password')) {
    return new TenonError({
      code: 'CONNECTION_AUTH',
      message: 'the login could not be authenticated',
      hint: 'Check user and password; the password must be a non-empty string.',
      cause: error,
    })
  }
  if (code !== undefined && networkCodes.has(code)) {
    return new TenonError({
      code: 'CONNECTION_REFUSED',
      message: `the server could not be reached (${code})`,
      hint: 'Check that it runs and that host and port are right.',
      cause: error,
    })
  }
  return new TenonError({
    code: 'CONNECTION_LOST',
    message: 'the connection ended while it was being opened',
    cause: error,
  })
}

function errorCodeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError && error.errors.length > 0) return errorCodeOf(error.errors[0])
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code
  return undefined
}
