/**
 * The database object: a pool, what is known of it, and the sessions made from it.
 *
 * Owns the options of a database and its life cycle. Making one opens nothing; the first statement does.
 */
import { randomBytes } from 'node:crypto'
import { type Dialect, Kysely, Log, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type DatabaseEvent, tell } from '../kernel/observe.ts'
import type { PoolOptions } from './connection-config.ts'
import { ContextBuilder } from './context.ts'
import {
  checkDatabaseOptions,
  checkServiceOptions,
  type DatabaseOptions,
  type ServiceOptions,
} from './database-options.ts'
import { DedicatedConnection, retire } from './dedicated-connection.ts'
import { TenonDriver } from './driver.ts'
import { type ExecutorOwner, TenonExecutor } from './executor.ts'
import { assertSessionRole, type Facts } from './facts.ts'
import { type Connection, createLineSource } from './line-sources.ts'
import type { Lease, LineCounts, LineSource } from './lines.ts'
import { type ListeningConnection, type ListeningHandlers, Listenings } from './listening.ts'
import type { MultiplexStats } from './multiplex-options.ts'
import { ping } from './ping.ts'
import { createPoolerProbe } from './pooler-probe.ts'
import { newShared, type RunnerShared } from './runner.ts'
import { serviceConnections } from './service-connections.ts'
import { type OwnSessionProps, Session } from './session.ts'
import { SessionConnections, type SessionScene } from './session-connections.ts'
import { checkDeclaredSettings, checkSearchPath, type SessionOptions, toIdentity } from './session-options.ts'
import { SessionQueries } from './session-queries.ts'
import type { ConnectionMode } from './statement-rules.ts'
import { ValueParsers } from './value-parsers.ts'
import { VerifiedPool } from './verified-pool.ts'
import { StatementPlans } from './wire/statement-plan.ts'

/** Counters since the database was created. */
export interface DatabaseStats {
  /** Units sent by sessions and services; one each way. */
  readonly roundTrips: number
  /** Statements silently prepared anew after their plan went stale. */
  readonly healed: number
  /** Connections ended because they were lost or could not be trusted any more. */
  readonly destroyed: number
  /** Transactions run again after a serialization failure or deadlock. */
  readonly retries: number
  readonly sessions: LineCounts
  readonly service: LineCounts | undefined
  /** Undefined without the option `multiplex`. */
  readonly multiplex: MultiplexStats | undefined
}

const defaultStatementCacheSize = 256
const defaultDrainMs = 10_000

/**
 * Creates a database object: the one thing a process makes once and closes last. Nothing connects yet.
 *
 * @typeParam DB - tables and their columns, as Kysely takes them; the option `metadata` brings it along
 * @throws {TenonError} CONNECTION_CONFIG, SESSION_SETTING, METADATA_FORMAT or OPTION_INVALID when an option is wrong
 * @example
 * ```ts
 * const db = createDatabase<DB>({ connection: process.env.DATABASE_URL ?? 'pglite://memory', settings: ['app.tenant_id'] })
 * const me = db.session({ role: 'authenticated', claims: { sub: userId } })
 * ```
 */
export function createDatabase<DB>(options: DatabaseOptions<DB>): Database<DB> {
  return new Database<DB>(options)
}

// util.inspect.custom by its registered name: importing node:util costs more than the rest of this file.
const printed: unique symbol = Symbol.for('nodejs.util.inspect.custom')

/** Keep the seams of other folders out of the object's public methods. */
const dedicated = Symbol('dedicated')
const listening = Symbol('listening')
const closing = Symbol('closing')
const observing = Symbol('observing')

/** Made by {@link createDatabase}. */
export class Database<DB> implements AsyncDisposable {
  readonly #options: DatabaseOptions<DB>
  readonly #roles: readonly string[]
  readonly #settings: readonly string[]
  readonly #pool: VerifiedPool
  readonly #queries: SessionQueries
  readonly #scene: SessionScene
  readonly #service: { readonly source: LineSource; readonly shared: RunnerShared } | undefined
  readonly #probeService: (lease: Lease) => Promise<void>
  readonly #parsers: ValueParsers | undefined
  readonly #cursorKeys: readonly string[]
  readonly #listenings: Listenings
  readonly #dialect: Dialect
  readonly #compiler = new PostgresQueryCompiler()
  readonly #adapter = new PostgresAdapter()
  #retries = 0
  #closing: Promise<void> | undefined

  /** Use {@link createDatabase}. */
  constructor(options: DatabaseOptions<DB>) {
    checkDatabaseOptions(options)
    this.#options = options
    this.#roles = options.roles ?? ['anon', 'authenticated']
    this.#settings = checkDeclaredSettings(options.settings ?? [])
    const managed = new Set(this.#settings)
    const plans = new StatementPlans((setting) => managed.has(setting))
    const { metadata, codecs = [], listen } = options
    this.#parsers = metadata === undefined && codecs.length === 0 ? undefined : new ValueParsers(metadata, codecs)
    const source = this.#source(options.connection, options.pool)
    this.#pool = new VerifiedPool({
      source,
      shared: newShared(),
      roles: this.#roles,
      settings: this.#settings,
      trustLogin: options.trustLogin ?? source.kind === 'embedded',
      legacyClaims: options.legacyClaims ?? 'auto',
      preparedStatements: options.preparedStatements ?? 'auto',
      searchPath: checkSearchPath(options.searchPath),
      statementTimeoutMs: options.statementTimeoutMs,
      observe: options.observe,
      plans,
      parsers: this.#parsers,
    })
    this.#service =
      options.service !== undefined
        ? {
            source: this.#source(options.service.connection, options.service.pool),
            shared: newShared(this.#pool.shared),
          }
        : source.kind === 'embedded'
          ? { source, shared: this.#pool.shared }
          : undefined
    this.#listenings = new Listenings(
      listen === undefined ? source : this.#source(listen.connection, undefined),
      this.#pool.shared,
    )
    const log = options.log === undefined ? undefined : new Log(options.log)
    const { observe, multiplex } = options
    this.#queries = new SessionQueries({
      pool: this.#pool,
      plans,
      observe,
      log,
      multiplex: multiplex === true ? {} : multiplex === false ? undefined : multiplex,
    })
    this.#scene = { pool: this.#pool, plans, observe, log, queries: this.#queries }
    this.#probeService = createPoolerProbe(options.preparedStatements ?? 'auto')
    // An embedded database lives no longer than its process, and so may its cursors.
    this.#cursorKeys = options.cursorKeys ?? (source.kind === 'embedded' ? [randomBytes(32).toString('base64')] : [])
    this.#dialect = {
      createAdapter: () => this.#adapter,
      createDriver: () => {
        throw new TenonError({
          code: 'OPTION_INVALID',
          message: 'a session’s dialect cannot be given to another Kysely',
          hint: 'Use TenonDialect for that.',
        })
      },
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => this.#compiler,
    }
  }

  #source(connection: Connection, pool: PoolOptions | undefined): LineSource {
    return createLineSource(connection, {
      pool: pool ?? {},
      statementLimit:
        this.#options.preparedStatements === 'unnamed'
          ? 0
          : (this.#options.statementCacheSize ?? defaultStatementCacheSize),
      onDestroy: (reason) => {
        this.#pool.shared.destroyed++
        tell(this.#options.observe, { type: 'destroy', reason })
      },
    })
  }

  /**
   * Makes a session. Synchronous and cheap (no I/O): make one per request.
   *
   * @throws {TenonError} SESSION_ROLE, SESSION_CLAIMS, SESSION_SETTING or OPTION_INVALID
   * @example
   * ```ts
   * const me = db.session({ role: 'authenticated', claims: { sub: userId }, settings: { 'app.tenant_id': tenant } })
   * ```
   */
  session(options: SessionOptions): Session<DB> {
    return this.#session<DB>(options)
  }

  #session<T>(options: SessionOptions): Session<T> {
    const identity = toIdentity(options, { roles: this.#roles, settings: this.#settings })
    const { acquire, start } = new SessionConnections(identity, this.#scene)
    return new Session<T>({
      ...this.#props('session', new TenonDriver({ acquire, start }), this.#pool.source),
      options,
      derive: <D>(derived: SessionOptions) => this.#session<D>(derived),
    })
  }

  /**
   * The privileged connection: a Kysely that no policy binds. Every use names who acts and why.
   *
   * @throws {TenonError} SERVICE_MISSING when no service connection is configured, OPTION_INVALID without actor and reason
   * @example
   * ```ts
   * await db.service({ actor: 'cron', reason: 'nightly report' }).selectFrom('projects').selectAll().execute()
   * ```
   */
  service(options: ServiceOptions): Kysely<DB> {
    const { actor, reason } = checkServiceOptions(options)
    const { source, shared } = this.#requireService()
    tell(this.#options.observe, { type: 'service', actor, reason })
    const context = ContextBuilder.service(actor, reason)
    const acquire = serviceConnections(
      { source, shared, probe: this.#probeService, parsers: this.#parsers, ...this.#scene },
      context,
    )
    return new Kysely<DB>(this.#props('service', new TenonDriver({ acquire }), source))
  }

  #props(mode: ConnectionMode, driver: TenonDriver, source: LineSource): Omit<OwnSessionProps, 'options' | 'derive'> {
    const owner: ExecutorOwner = {
      driver,
      compiler: this.#compiler,
      cancellable: source.kind === 'socket',
      mode,
      parsers: this.#parsers,
      cursorKeys: this.#cursorKeys,
    }
    return {
      config: { dialect: this.#dialect },
      dialect: this.#dialect,
      driver,
      executor: new TenonExecutor(owner, this.#options.plugins),
      owner,
      inTransaction: (callback) => source.inTransaction(callback),
      onRetry: () => {
        this.#retries++
        tell(this.#options.observe, { type: 'retry' })
      },
    }
  }

  #requireService(): { readonly source: LineSource; readonly shared: RunnerShared } {
    if (this.#service !== undefined) return this.#service
    throw new TenonError({
      code: 'SERVICE_MISSING',
      message: 'no service connection is configured',
      hint: 'Pass createDatabase({ service: { connection } }) with a login of its own.',
    })
  }

  /**
   * Reads the login, the roles and their settings anew and judges them, as the first checkout does by itself.
   *
   * @throws {TenonError} LOGIN_POWERFUL or SESSION_ROLE with the SQL that mends it
   */
  async verify(): Promise<Facts> {
    const facts = await this.#pool.verify()
    for (const role of this.#roles) if (facts.roles.has(role)) assertSessionRole(facts, role)
    return facts
  }

  /**
   * Asks the server for an answer. Uses a connection of the session pool.
   *
   * @returns milliseconds it took
   * @throws {TenonError} TIMEOUT_CONNECT when there is none in time, or what connecting throws
   */
  async ping(options: { readonly timeoutMs?: number } = {}): Promise<number> {
    return await ping(() => this.#pool.take(), this.#pool.shared, options.timeoutMs)
  }

  /** Counters; cheap. */
  stats(): DatabaseStats {
    const { shared } = this.#pool
    const service = this.#service?.shared === shared ? undefined : this.#service?.shared
    return {
      roundTrips: shared.roundTrips + (service?.roundTrips ?? 0),
      healed: shared.healed + (service?.healed ?? 0),
      destroyed: shared.destroyed,
      retries: this.#retries,
      sessions: this.#queries.connections(),
      service: this.#service?.source.counts(),
      multiplex: this.#queries.stats(),
    }
  }

  /**
   * Switches multiplexing off, and on again, while the program runs. Queries on shared connections end as usual; from now on each has a
   * connection of its own.
   *
   * @throws {TenonError} OPTION_INVALID when the database was created without the option `multiplex`
   */
  setMultiplex(enabled: boolean): void {
    if (this.#queries.stats() === undefined)
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: 'the database does not multiplex',
        hint: 'Pass createDatabase({ multiplex: true }) first.',
      })
    this.#queries.share(enabled)
  }

  /** Refuses new work, waits up to `drainMs` for what is running, then ends every connection. Pools of the caller's stay open. */
  async close(options: { readonly drainMs?: number } = {}): Promise<void> {
    // Whoever closes second waits for the first: its drain time counts.
    this.#closing ??= this.#close(options.drainMs ?? defaultDrainMs)
    await this.#closing
  }

  async #close(drainMs: number): Promise<void> {
    this.#queries.share(false)
    const sources = new Set([this.#pool.source, ...(this.#service === undefined ? [] : [this.#service.source])])
    await Promise.all([this.#listenings.close(), ...[...sources].map((source) => source.close(drainMs))])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Shows no connection string. */
  [printed](): string {
    return `Database { roles: [${this.#roles.join(', ')}], kind: ${this.#pool.source.kind} }`
  }

  /** For {@link tellObserver}. */
  [observing](event: DatabaseEvent): void {
    tell(this.#options.observe, event)
  }

  /** For {@link closingOf}. */
  get [closing](): AbortSignal {
    return this.#listenings.closing
  }

  /** For {@link openListening}. */
  async [listening](handlers: ListeningHandlers): Promise<ListeningConnection> {
    return await this.#listenings.open(handlers)
  }

  /** A line of the session pool or the service pool, for {@link withDedicatedConnection}. */
  async [dedicated]<T>(service: boolean, callback: (connection: DedicatedConnection) => Promise<T>): Promise<T> {
    const { source, shared } = service ? this.#requireService() : this.#pool
    const lease = await (service ? source.acquire() : this.#pool.take())
    lease.line.overlay(undefined)
    const connection = new DedicatedConnection(lease, shared)
    try {
      return await source.inTransaction(() => callback(connection))
    } finally {
      connection.close()
      await retire(lease)
    }
  }
}

/** Hands an event of another folder to the observer of a database. */
export function tellObserver<DB>(db: Database<DB>, event: DatabaseEvent): void {
  db[observing](event)
}

/** Aborted when a database is closed: whoever waits for a better time to ask it again stops waiting. */
export function closingOf<DB>(db: Database<DB>): AbortSignal {
  return db[closing]
}

/** Opens a connection that listens, beside the pool: what `tenon/events` stands on. */
export async function openListening<DB>(db: Database<DB>, handlers: ListeningHandlers): Promise<ListeningConnection> {
  return await db[listening](handlers)
}

/** Options of {@link withDedicatedConnection}. */
export interface DedicatedConnectionOptions {
  /** Use the service login instead of the sessions' one. */
  readonly service?: boolean | undefined
}

/**
 * Runs a callback with a connection of its own, as the login: no role, no claims, no row security beyond the login's own.
 *
 * For scripts and session locks. The connection is ended afterwards, and with it whatever was left on it.
 *
 * @example
 * ```ts
 * await withDedicatedConnection(db, { service: true }, (connection) => connection.script(sqlFile))
 * ```
 */
export async function withDedicatedConnection<DB, T>(
  db: Database<DB>,
  options: DedicatedConnectionOptions,
  callback: (connection: DedicatedConnection) => Promise<T>,
): Promise<T> {
  return await db[dedicated](options.service ?? false, callback)
}
