/**
 * What Kysely gets from the driver: one connection for as long as it is held.
 *
 * Owns Kysely's interface of a connection, cancelling, and giving the line back clean. Made anew at every acquire and dead after release, so
 * that a straggling query can never run as somebody else. How statements are sent is conversation.ts.
 */
import type { CompiledQuery, DatabaseConnection, Log, QueryResult, TransactionSettings } from 'kysely'
import { inBatchItem, TenonError } from '../kernel/errors.ts'
import type { Observer } from '../kernel/observe.ts'
import type { Context } from './context.ts'
import { Conversation } from './conversation.ts'
import { copyOf } from './copy-rows.ts'
import { InFlight } from './in-flight.ts'
import type { Lease, LineSource } from './lines.ts'
import { tellQuery, withLog, withStreamLog } from './logging.ts'
import { toQueryResult } from './query-results.ts'
import { Runner, type RunnerShared } from './runner.ts'
import { assertQuery, assertSessionStatement, type ConnectionMode, isScript } from './statement-rules.ts'
import { lastOf } from './steps.ts'
import { textReaderOf } from './text-reader.ts'
import { assertUnitBytes, encodeParameters } from './wire/parameters.ts'
import type { StatementPlan, StatementPlans } from './wire/statement-plan.ts'
import type { Step, StepResult } from './wire/unit.ts'

export interface ConnectionOptions {
  readonly lease: Lease
  readonly source: LineSource
  readonly mode: ConnectionMode
  readonly context: Context | undefined
  readonly plans: StatementPlans
  readonly shared: RunnerShared
  readonly observe: Observer | undefined
  /** Kysely's log; left out where Kysely itself wraps the connection. */
  readonly log?: Log | undefined
}

/** One statement of a batch. */
export interface BatchStatement {
  readonly compiledQuery: CompiledQuery
}

/** One stream at a time can run on a connection, so one name does. */
const portal = 'tenon'

export class TenonConnection implements DatabaseConnection {
  readonly #lease: Lease
  readonly #inFlight: InFlight
  readonly #mode: ConnectionMode
  readonly #plans: StatementPlans
  readonly #runner: Runner
  readonly #conversation: Conversation
  readonly #observe: Observer | undefined
  readonly #log: Log | undefined
  readonly #role: string | undefined
  /** A transaction ended on a connection that was taken for it alone. */
  #spent = false
  #released = false
  /** The transaction command that Kysely's log is to show, being executed by way of the logged method. */
  #control: { readonly query: CompiledQuery; readonly run: () => Promise<QueryResult<unknown>> } | undefined

  constructor(options: ConnectionOptions) {
    this.#lease = options.lease
    this.#mode = options.mode
    this.#plans = options.plans
    this.#runner = new Runner(options.lease.line, options.shared)
    this.#conversation = new Conversation(this.#runner, options.mode, options.context)
    this.#inFlight = new InFlight(this.#runner, options.source, options.mode !== 'plain')
    this.#observe = options.observe
    this.#log = options.log
    this.#role = options.context?.role
    // Absent methods are how Kysely learns that a dialect cannot cancel.
    if (options.lease.line.channel.cancel === undefined) {
      Object.assign(this, { cancelQuery: undefined, killSession: undefined, collectSessionInfo: undefined })
    }
  }

  /** Keeps session state until release: the caller holds this one connection on purpose. */
  pin(): void {
    this.#conversation.pinned = true
  }

  /** The holder wants one query and gives the connection back: what it leaves is cleaned in the same round trip. */
  unpin(): void {
    this.#conversation.pinned = false
  }

  /** Runs a statement and returns its rows. */
  async executeQuery<R>(compiledQuery: CompiledQuery): Promise<QueryResult<R>> {
    const control = this.#control?.query === compiledQuery ? this.#control : undefined
    if (control === undefined) {
      this.#assertUsable()
      this.#inFlight.enter()
    }
    const run = (): Promise<QueryResult<unknown>> =>
      control === undefined ? this.#perform(compiledQuery) : control.run()
    try {
      // Its rows are what the caller's builder says they are.
      return (await (this.#log === undefined ? run() : withLog(this.#log, compiledQuery, run))) as QueryResult<R>
    } catch (error) {
      // The caller of an aborted query has been answered with the abort's own reason; Kysely would print this one to stderr.
      if (this.#inFlight.quiet && control === undefined) return { rows: [] }
      throw this.#mode === 'plain' ? showCaller(error) : error
    } finally {
      if (control === undefined) this.#inFlight.leave()
    }
  }

  async #perform(compiledQuery: CompiledQuery): Promise<QueryResult<unknown>> {
    if (this.#observe === undefined) return toQueryResult(await this.#execute(compiledQuery))
    return toQueryResult(
      lastOf(await this.#observed([compiledQuery], async () => [await this.#execute(compiledQuery)])),
    )
  }

  async #observed(
    queries: readonly CompiledQuery[],
    run: () => Promise<readonly StepResult[]>,
  ): Promise<readonly StepResult[]> {
    if (this.#observe === undefined) return await run()
    const started = performance.now()
    try {
      const results = await run()
      tellQuery(this.#observe, queries, { role: this.#role, started, results })
      return results
    } catch (error) {
      tellQuery(this.#observe, queries, { role: this.#role, started, error })
      throw error
    }
  }

  #execute(compiledQuery: CompiledQuery): Promise<StepResult> {
    const copy = this.#mode === 'service' ? copyOf(compiledQuery) : undefined
    if (copy !== undefined) return this.#conversation.run(copy.plan, copy.step)
    const plan = this.#plans.of(compiledQuery)
    const { inTransaction } = this.#conversation
    if (this.#mode === 'session') assertSessionStatement(plan, inTransaction)
    if (isScript(plan, compiledQuery, this.#mode, inTransaction)) return this.#conversation.script(plan)
    return this.#conversation.run(plan, this.#step(plan, compiledQuery))
  }

  #step(plan: StatementPlan, compiledQuery: CompiledQuery): Step {
    return {
      text: plan.text,
      name: this.#conversation.nameOf(plan),
      values: encodeParameters(compiledQuery.parameters, { lenient: this.#mode === 'plain' }),
    }
  }

  /**
   * Runs statements in one transaction and one round trip, all or nothing.
   *
   * @returns one result per statement, in order
   */
  async batch(
    statements: readonly BatchStatement[],
    settings: TransactionSettings = {},
  ): Promise<QueryResult<unknown>[]> {
    this.#assertUsable()
    if (statements.length === 0) return []
    const queries = statements.map(({ compiledQuery }) => compiledQuery)
    const plans = queries.map((query) => this.#plans.of(query))
    const steps = queries.map((query, item) => this.#item(plans[item] as StatementPlan, query, item))
    assertUnitBytes(steps.map((step) => step.values))
    this.#inFlight.enter()
    try {
      const results = await this.#observed(queries, () => this.#conversation.batch(plans, steps, settings))
      return results.map((result) => toQueryResult(result))
    } finally {
      this.#inFlight.leave()
    }
  }

  #item(plan: StatementPlan, query: CompiledQuery, item: number): Step {
    try {
      assertQuery(plan, 'a batch')
      return { ...this.#step(plan, query), item }
    } catch (error) {
      throw inBatchItem(error, item)
    }
  }

  /** Reads a statement's rows in chunks through a portal, inside a transaction of its own unless one is open. */
  streamQuery<R>(
    compiledQuery: CompiledQuery,
    chunkSize: number,
    options?: { readonly signal?: AbortSignal },
  ): AsyncIterableIterator<QueryResult<R>> {
    const stream = this.#stream<R>(compiledQuery, chunkSize, options)
    return this.#log === undefined ? stream : withStreamLog(this.#log, compiledQuery, stream)
  }

  async *#stream<R>(
    compiledQuery: CompiledQuery,
    chunkSize: number,
    options: { readonly signal?: AbortSignal } | undefined,
  ): AsyncIterableIterator<QueryResult<R>> {
    if (!Number.isInteger(chunkSize) || chunkSize < 0)
      throw new RangeError('chunkSize must be a whole number of rows, 0 or more')
    this.#assertUsable()
    const plan = this.#plans.of(compiledQuery)
    if (this.#mode === 'session') assertQuery(plan, 'a stream')
    const conversation = this.#conversation
    const own = !conversation.inTransaction
    if (own) conversation.begin({})
    const transaction = conversation.current
    const onAbort = (): void => void this.cancelQuery?.().catch(() => {})
    options?.signal?.addEventListener('abort', onAbort, { once: true })
    let suspended = true
    const reader = textReaderOf(compiledQuery)
    try {
      const first: Step = { ...this.#step(plan, compiledQuery), maxRows: chunkSize, portal, reader }
      let result = await this.#fetch(() => conversation.run(plan, first))
      reader?.columns(result.shape?.fields.map(({ name }) => name) ?? [])
      for (;;) {
        suspended = result.suspended
        if (result.rows.length > 0 || reader !== undefined) yield { rows: result.rows as R[] }
        if (!suspended) break
        this.#assertUsable()
        if (conversation.current !== transaction) throw closed()
        const previous = result
        result = await this.#fetch(() => conversation.fetch(plan, previous, first))
      }
    } catch (error) {
      if (!this.#inFlight.quiet) throw error
    } finally {
      options?.signal?.removeEventListener('abort', onAbort)
      await this.#inFlight.cancelling
      await conversation.closePortal(transaction, portal, suspended)
      if (own && conversation.current === transaction)
        await (conversation.failed ? conversation.rollback() : conversation.commit())
    }
  }

  /** Only while rows are under way is there something that an abort may cancel. */
  async #fetch(run: () => Promise<StepResult>): Promise<StepResult> {
    this.#inFlight.enter()
    try {
      return await run()
    } finally {
      this.#inFlight.leave()
    }
  }

  /** Opens a transaction; nothing is sent before its first statement. */
  begin(settings: TransactionSettings): void {
    this.#spent = false
    this.#conversation.begin(settings)
  }

  /** Sends BEGIN at once, as a drop-in has to. */
  async beginNow(settings: TransactionSettings): Promise<void> {
    await this.#conversation.beginNow(settings)
  }

  /** Commits. Returns the error that had aborted the transaction when the server rolled it back instead, else undefined. */
  async commit(): Promise<unknown> {
    try {
      await this.#beforeEnd()
      return await this.#conversation.commit()
    } finally {
      this.#spend()
    }
  }

  /** Rolls back. */
  async rollback(): Promise<void> {
    try {
      await this.#beforeEnd()
      await this.#conversation.rollback()
    } finally {
      this.#spend()
    }
  }

  /** A statement nobody waited for still belongs to the transaction, and a late cancel must not hit its COMMIT. */
  async #beforeEnd(): Promise<void> {
    this.#conversation.markEnding()
    await this.#inFlight.settle()
  }

  #spend(): void {
    this.#spent = this.#mode === 'session' && !this.#conversation.pinned
  }

  /** Runs a transaction command by way of `executeQuery`, which Kysely has wrapped with its log. */
  async logged(query: CompiledQuery, run: () => Promise<QueryResult<unknown>>): Promise<void> {
    this.#control = { query, run }
    try {
      await this.executeQuery(query)
    } finally {
      this.#control = undefined
    }
  }

  /** Kysely asks for this before a query that may have to be cancelled; the backend is known since the connection was opened. */
  async collectSessionInfo(): Promise<void> {}

  /** Cancels what runs on the server and returns when a late cancel can no longer hit anything else. */
  async cancelQuery(): Promise<void> {
    await this.#inFlight.cancel()
  }

  /** Ends the backend. */
  async killSession(): Promise<void> {
    await this.#inFlight.kill()
  }

  /** Leaves the line clean, or ends it, and gives it back. A promise only where there is something to wait for. */
  release(): Promise<void> | undefined {
    if (this.#released) return undefined
    this.#released = true
    const { line } = this.#runner
    const unclean =
      this.#mode !== 'plain' && line.loss === undefined && (this.#conversation.needsCleanup || line.status !== 'I')
    if (unclean || this.#inFlight.cancelling !== undefined) return this.#releaseLater()
    this.#lease.release()
    return undefined
  }

  async #releaseLater(): Promise<void> {
    try {
      await this.#inFlight.cancelling
      if (this.#mode !== 'plain') await this.#conversation.cleanUp()
    } catch {
      this.#runner.line.end({ reason: 'destroyed' })
    } finally {
      this.#lease.release()
    }
  }

  #assertUsable(): void {
    if (this.#released || this.#spent || this.#conversation.ending) throw closed()
  }
}

function closed(): TenonError {
  return new TenonError({
    code: 'TRANSACTION_CLOSED',
    message: 'the transaction or connection has ended',
    hint: 'Await every query inside the callback before it returns.',
  })
}

/** As Kysely's dialect does it: the stack of an error that came over the wire ends at the socket, so whoever asked is appended. */
function showCaller(error: unknown): unknown {
  if (error instanceof Error && error.stack !== undefined)
    error.stack += `\n${new Error().stack?.split('\n').slice(1).join('\n')}`
  return error
}
