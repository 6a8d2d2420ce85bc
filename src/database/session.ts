/**
 * Sessions: Kysely instances whose every statement runs under one role, one set of claims and one set of settings.
 *
 * Owns staying a session through everything Kysely derives from an instance. What a session may be is checked in session-options.ts;
 * how a statement is sent is decided in connection.ts.
 */
import {
  ConnectionBuilder,
  Kysely,
  type KyselyPlugin,
  type QueryExecutor,
  SingleConnectionProvider,
  type TransactionSettings,
  WithSchemaPlugin,
} from 'kysely'
import { type BatchItem, type BatchResults, runBatch } from './batch.ts'
import { SessionControlledTransactionBuilder } from './controlled-transaction.ts'
import { own } from './driver.ts'
import type { SessionOptions } from './session-options.ts'
import {
  runTransaction,
  type SessionProps,
  type SessionTransaction,
  SessionTransactionBuilder,
  type Tables,
  type TransactionOptions,
} from './transaction.ts'

/** Makes the session of other options on the same database. */
export type DeriveSession = <DB>(options: SessionOptions) => Session<DB>

/** What a session is built from. */
export interface OwnSessionProps extends SessionProps {
  readonly options: SessionOptions
  readonly derive: DeriveSession
}

/** What may be changed by {@link Session.as}. */
export type NarrowerSession = Partial<SessionOptions>

/**
 * A Kysely instance under a role, claims and settings. Not a login session: nothing is held on the server, and making one costs no I/O.
 *
 * A query built with it takes one round trip. It stays a session through `withSchema`, `withPlugin` and the like.
 *
 * @example
 * ```ts
 * const me = db.session({ role: 'authenticated', claims: { sub: userId } })
 * const projects = await me.selectFrom('projects').selectAll().execute()
 * ```
 * The SQL (one socket write):
 * ```sql
 * select where pg_catalog.num_nulls(pg_catalog.set_config('request.jwt.claims', $1, true), …, pg_catalog.set_config('role', $n, true)) is null
 * select * from "projects"
 * ```
 */
export class Session<DB> extends Kysely<DB> {
  readonly #props: OwnSessionProps

  constructor(props: OwnSessionProps) {
    super(props)
    this.#props = props
  }

  /**
   * Derives a session with some options replaced: another actor, fewer claims, a shorter timeout. The rest is kept, plugins and `withSchema` included.
   *
   * @throws {TenonError} SESSION_ROLE, SESSION_CLAIMS, SESSION_SETTING
   */
  as(options: NarrowerSession): Session<DB> {
    const { claims, settings, ...rest } = this.#props.options
    const role = options.role ?? rest.role
    // A role written into the claims belongs to the old role; everything else of the claims goes along.
    const kept = claims === undefined || role === rest.role ? claims : { ...claims, role: undefined }
    const merged = { ...rest, claims: kept, ...options, settings: { ...settings, ...options.settings } }
    const derived = this.#props.derive<DB>(merged)
    return derived.#with(derived.#props.executor.withoutPlugins().withPlugins(this.#props.executor.plugins))
  }

  /**
   * Runs several queries of this session in one transaction and one round trip: all of them, or none.
   *
   * @param items - builders of this session, not executed; {@link first} marks those of which one row is wanted
   * @returns a tuple with what each would have given alone
   * @throws {TenonError} SESSION_MISMATCH when an item is of another session, STATEMENT_INVALID when it is no query
   * @example
   * ```ts
   * const [project, count] = await me.batch([first(byId), first(counting)])
   * ```
   */
  async batch<const Items extends readonly BatchItem[]>(
    items: Items,
    settings: TransactionSettings = {},
  ): Promise<BatchResults<Items>> {
    // runBatch gives one result per item, shaped as the item's own execute() would give it.
    return (await runBatch(
      this as unknown as Kysely<unknown>,
      this.#props.owner,
      items,
      settings,
    )) as BatchResults<Items>
  }

  /**
   * Runs a closure in a transaction. Without arguments: Kysely's own builder.
   *
   * @throws whatever the closure throws, after the rollback; AFTER_COMMIT_FAILED when a callback failed after the commit
   * @example
   * ```ts
   * await me.transaction({ isolationLevel: 'serializable', retry: 5 }, async (trx) => {
   *   await trx.insertInto('orders').values(order).execute()
   *   trx.afterCommit(() => sendMail(order))
   * })
   * ```
   */
  override transaction(): SessionTransactionBuilder<DB>
  override transaction<T>(callback: (trx: SessionTransaction<DB>) => Promise<T>): Promise<T>
  override transaction<T>(
    options: TransactionOptions,
    callback: (trx: SessionTransaction<DB>) => Promise<T>,
  ): Promise<T>
  override transaction<T>(
    ...args:
      | []
      | [(trx: SessionTransaction<DB>) => Promise<T>]
      | [TransactionOptions, (trx: SessionTransaction<DB>) => Promise<T>]
  ): SessionTransactionBuilder<DB> | Promise<T> {
    if (args.length === 0) return new SessionTransactionBuilder<DB>(this.#props)
    return args.length === 1 ? runTransaction(this.#props, {}, args[0]) : runTransaction(this.#props, args[0], args[1])
  }

  override startTransaction(): SessionControlledTransactionBuilder<DB> {
    return new SessionControlledTransactionBuilder<DB>(this.#props)
  }

  override connection(): SessionConnectionBuilder<DB> {
    return new SessionConnectionBuilder<DB>(this.#props)
  }

  /** Ends nothing: a session holds nothing. The database is closed with `db.close()`. */
  override async destroy(): Promise<void> {}

  #with<T>(executor: QueryExecutor): Session<T> {
    return new Session<T>({ ...this.#props, executor })
  }

  override withPlugin(plugin: KyselyPlugin): Session<DB> {
    return this.#with(this.#props.executor.withPlugin(plugin))
  }

  override withoutPlugins(): Session<DB> {
    return this.#with(this.#props.executor.withoutPlugins())
  }

  override withSchema(schema: string): Session<DB> {
    return this.#with(this.#props.executor.withPluginAtFront(new WithSchemaPlugin(schema)))
  }

  override withTables<T extends Tables>(): Session<DB & T> {
    return this.#with(this.#props.executor)
  }

  override $extendTables<T extends Tables>(): Session<DB & T> {
    return this.#with(this.#props.executor)
  }

  override $omitTables<T extends keyof DB>(): Session<DB extends object ? Omit<DB, T> : DB> {
    return this.#with(this.#props.executor)
  }

  override $pickTables<T extends keyof DB>(): Session<DB extends object ? Pick<DB, T> : DB> {
    return this.#with(this.#props.executor)
  }
}

/** Kysely's connection builder, whose callback gets a session bound to one connection. */
export class SessionConnectionBuilder<DB> extends ConnectionBuilder<DB> {
  readonly #props: OwnSessionProps

  constructor(props: OwnSessionProps) {
    super(props)
    this.#props = props
  }

  override async execute<T>(
    callback: (session: Session<DB>) => Promise<T>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<T> {
    const { executor } = this.#props
    return await executor.provideConnection(
      (connection) => {
        own(connection).pin()
        const bound = executor.withConnectionProvider(new SingleConnectionProvider(connection))
        return this.#props.inTransaction(() => callback(new Session<DB>({ ...this.#props, executor: bound })))
      },
      options?.signal === undefined ? undefined : { signal: options.signal },
    )
  }
}
