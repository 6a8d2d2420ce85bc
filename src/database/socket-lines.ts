/**
 * Lines from a pool of pg: its own made from a configuration, or the caller's.
 *
 * Owns checkout, release and the errors of connecting. pg connects, authenticates and keeps idle clients; the lines speak.
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { TenonError } from '../kernel/errors.ts'
import { connectError, databaseClosed } from './connect-error.ts'
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
  readonly waitMs: number
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
    this.waitMs = options.connectTimeoutMs
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
    return {
      max: pool?.options.max ?? 0,
      total: pool?.totalCount ?? 0,
      idle: pool?.idleCount ?? 0,
      waiting: pool?.waitingCount ?? 0,
    }
  }

  async dial(): Promise<Lease> {
    if (this.#closed) throw databaseClosed()
    const client = newClient(this.#openPool())
    // The server may accept and say nothing.
    const { connectTimeoutMs } = this.#options
    const timer = connectTimeoutMs > 0 ? setTimeout(() => destroyClient(client), connectTimeoutMs) : undefined
    try {
      await client.connect()
    } catch (error) {
      destroyClient(client)
      throw connectError(error)
    } finally {
      clearTimeout(timer)
    }
    const { line } = takeSocketLine(client, {
      shared: false,
      statementLimit: this.#options.statementLimit,
      parsers: (oid) => client.getTypeParser(oid, 'text') as (text: string) => unknown,
    })
    return { line, release: () => line.end({ reason: 'destroyed' }) }
  }

  async terminate(line: Line): Promise<void> {
    const { processId } = line.channel
    const pool = this.#pool
    if (pool === undefined || processId === undefined) return
    const client = newClient(pool)
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
    for (const give of [...this.#waiting]) give(databaseClosed())
    if (this.#options.shared) return
    const ended = pool.end()
    // pg's pool waits for every checked-out client; after the drain time they are cut.
    if (this.#leases > 0)
      for (const client of (pool as unknown as { _clients: pg.PoolClient[] })._clients) destroyClient(client)
    await Promise.race([ended, delay(1_000, undefined, { ref: false })])
  }

  inTransaction<T>(callback: () => Promise<T>): Promise<T> {
    return callback()
  }

  async #connect(): Promise<pg.PoolClient> {
    if (this.#closed) throw databaseClosed()
    const pool = this.#openPool()
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

  #openPool(): pg.Pool {
    if (this.#pool === undefined) {
      this.#pool = this.#options.pool()
      guardPool(this.#pool)
    }
    return this.#pool
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

/** A client as a pool would make one. */
function newClient({ options }: pg.Pool): pg.Client {
  // A pool hides its password from those who print it, and so from a spread.
  const { password } = options as pg.PoolConfig
  const client = new pg.Client({ ...options, keepAlive: true, ...(password === undefined ? {} : { password }) })
  client.on('error', () => {})
  return client
}

/** pg declares only its public face, in which a client can be asked to leave and not be cut off. */
function destroyClient(client: pg.ClientBase): void {
  ;(client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
}

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
