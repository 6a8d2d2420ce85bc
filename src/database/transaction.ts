/**
 * Transactions of a session: Kysely's own, which stay sessions (batch, context) and can do something after their commit.
 *
 * Owns retrying a whole closure and the callbacks after COMMIT. BEGIN, context and first statement share one round trip below, in
 * connection.ts.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  type AccessMode,
  type IsolationLevel,
  type Kysely,
  type KyselyPlugin,
  type KyselyProps,
  type QueryExecutor,
  Transaction,
  TransactionBuilder,
  WithSchemaPlugin,
} from 'kysely'
import { isDeadlock, isSerializationFailure } from '../kernel/error-guards.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import { type BatchItem, type BatchResults, runBatch } from './batch.ts'
import type { ExecutorOwner } from './executor.ts'
import { assertBeginSettings } from './steps.ts'

/** Options of a session's `transaction()`. */
export interface TransactionOptions {
  readonly isolationLevel?: IsolationLevel | undefined
  readonly accessMode?: AccessMode | undefined
  /** How many times the whole closure is run again after a serialization failure or a deadlock. Default 0. */
  readonly retry?: number | undefined
  /** Milliseconds after which no further attempt is begun. Default 10,000. */
  readonly retryBudgetMs?: number | undefined
  /** Ends the waiting between attempts. */
  readonly signal?: AbortSignal | undefined
}

/** What Kysely needs to build on, with what a session needs beside. */
export interface SessionProps extends KyselyProps {
  readonly owner: ExecutorOwner
  /** Marks code inside a transaction, so that an embedded database can refuse a second executor instead of waiting for ever. */
  readonly inTransaction: <T>(callback: () => Promise<T>) => Promise<T>
  /** Counts a repeated transaction. */
  readonly onRetry: () => void
}

/** Tables added to a database's type. */
// biome-ignore lint/suspicious/noExplicitAny: Kysely declares the parameter so, and an override must take what it takes
export type Tables = Record<string, Record<string, any>>

/** Something to do once a transaction is committed. */
export type AfterCommitCallback = () => unknown

/** The callbacks of one transaction, run in order once it is committed and its connection is free again. */
export class AfterCommit {
  readonly #callbacks: AfterCommitCallback[] = []

  add(callback: AfterCommitCallback): void {
    this.#callbacks.push(callback)
  }

  /** @throws {TenonError} AFTER_COMMIT_FAILED once all have run, when some failed */
  async run(): Promise<void> {
    const failures: unknown[] = []
    for (const callback of this.#callbacks.splice(0)) {
      try {
        await callback()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length === 0) return
    throw new TenonError({
      code: 'AFTER_COMMIT_FAILED',
      message: `the transaction is committed, but ${failures.length} of its afterCommit callbacks failed`,
      hint: 'Do not run the transaction again: its writes are there.',
      cause: failures[0],
    })
  }
}

/**
 * A transaction of a session: everything runs on one connection under the session's role and claims.
 *
 * BEGIN and the context travel with the first statement; a transaction without a statement sends nothing.
 */
export class SessionTransaction<DB> extends Transaction<DB> {
  readonly #props: SessionProps
  readonly #afterCommit: AfterCommit

  constructor(props: SessionProps, afterCommit: AfterCommit) {
    super(props)
    this.#props = props
    this.#afterCommit = afterCommit
  }

  /** Runs `callback` once the transaction is committed and its connection is free; never when it is rolled back. */
  afterCommit(callback: AfterCommitCallback): void {
    this.#afterCommit.add(callback)
  }

  /** Runs several queries of this transaction in one round trip and returns their results as a tuple. */
  async batch<const Items extends readonly BatchItem[]>(items: Items): Promise<BatchResults<Items>> {
    // runBatch gives one result per item, shaped as the item's own execute() would give it.
    return (await runBatch(this as unknown as Kysely<unknown>, this.#props.owner, items, {})) as BatchResults<Items>
  }

  #with<T>(executor: QueryExecutor): SessionTransaction<T> {
    return new SessionTransaction<T>({ ...this.#props, executor }, this.#afterCommit)
  }

  override withPlugin(plugin: KyselyPlugin): SessionTransaction<DB> {
    return this.#with(this.#props.executor.withPlugin(plugin))
  }

  override withoutPlugins(): SessionTransaction<DB> {
    return this.#with(this.#props.executor.withoutPlugins())
  }

  override withSchema(schema: string): SessionTransaction<DB> {
    return this.#with(this.#props.executor.withPluginAtFront(new WithSchemaPlugin(schema)))
  }

  override withTables<T extends Tables>(): SessionTransaction<DB & T> {
    return this.#with(this.#props.executor)
  }

  override $extendTables<T extends Tables>(): SessionTransaction<DB & T> {
    return this.#with(this.#props.executor)
  }

  override $omitTables<T extends keyof DB>(): SessionTransaction<DB extends object ? Omit<DB, T> : DB> {
    return this.#with(this.#props.executor)
  }

  override $pickTables<T extends keyof DB>(): SessionTransaction<DB extends object ? Pick<DB, T> : DB> {
    return this.#with(this.#props.executor)
  }
}

type TransactionBuilderProps = SessionProps & Pick<TransactionOptions, 'isolationLevel' | 'accessMode'>

/** Kysely's transaction builder, whose callback gets a {@link SessionTransaction}. */
export class SessionTransactionBuilder<DB> extends TransactionBuilder<DB> {
  readonly #props: TransactionBuilderProps

  constructor(props: TransactionBuilderProps) {
    // Kysely leaves undefined out of the type of what it takes and then reads it as absent.
    super(props as ConstructorParameters<typeof TransactionBuilder>[0])
    this.#props = props
  }

  override setAccessMode(accessMode: AccessMode): SessionTransactionBuilder<DB> {
    return new SessionTransactionBuilder<DB>({ ...this.#props, accessMode })
  }

  override setIsolationLevel(isolationLevel: IsolationLevel): SessionTransactionBuilder<DB> {
    return new SessionTransactionBuilder<DB>({ ...this.#props, isolationLevel })
  }

  override async execute<T>(callback: (trx: SessionTransaction<DB>) => Promise<T>): Promise<T> {
    const { isolationLevel, accessMode, ...props } = this.#props
    assertBeginSettings({ isolationLevel, accessMode })
    const afterCommit = new AfterCommit()
    const result = await super.execute((trx) =>
      props.inTransaction(() =>
        callback(new SessionTransaction<DB>({ ...props, executor: trx.getExecutor() }, afterCommit)),
      ),
    )
    await afterCommit.run()
    return result
  }
}

const defaultRetryBudgetMs = 10_000
const firstPauseMs = 10
const longestPauseMs = 1_000
/** Causes can form a ring. */
const deepestCause = 8

/**
 * Runs a closure in a transaction, and the whole closure again when PostgreSQL asks for it (40001, 40P01).
 *
 * A lost COMMIT is never repeated: whether it happened is not known.
 */
export async function runTransaction<DB, T>(
  props: SessionProps,
  options: TransactionOptions,
  callback: (trx: SessionTransaction<DB>) => Promise<T>,
): Promise<T> {
  const { retry = 0, retryBudgetMs = defaultRetryBudgetMs, isolationLevel, accessMode, signal } = options
  if (typeof callback !== 'function') {
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'transaction() needs a callback',
      hint: 'Write transaction(options, async (trx) => { … }).',
    })
  }
  if (!Number.isInteger(retry) || retry < 0) {
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'retry is not a whole number of attempts, 0 or more',
      hint: 'Pass retry: 5, for example.',
    })
  }
  assertBeginSettings({ isolationLevel, accessMode })
  const builder = new SessionTransactionBuilder<DB>({ ...props, isolationLevel, accessMode })
  const started = performance.now()
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await builder.execute(callback)
    } catch (error) {
      // Full jitter: those that collided must not meet again.
      const pause = Math.random() * Math.min(longestPauseMs, firstPauseMs * 2 ** attempt)
      if (attempt >= retry || !asksForRetry(error) || performance.now() - started + pause > retryBudgetMs) throw error
      props.onRetry()
      await delay(pause, undefined, signal === undefined ? {} : { signal })
    }
  }
}

/** The closure may have wrapped the error in one of its own; what an error of ours wraps is past history, a committed transaction's included. */
function asksForRetry(error: unknown, depth = 0): boolean {
  if (isSerializationFailure(error) || isDeadlock(error)) return true
  if (isTenonError(error) || !(error instanceof Error)) return false
  return error.cause !== undefined && depth < deepestCause && asksForRetry(error.cause, depth + 1)
}
