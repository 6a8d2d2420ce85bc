/**
 * What Kysely gets from the driver: one connection for as long as it is held, which speaks in units.
 *
 * Owns the form a statement is sent in (one Sync, or framed by BEGIN and COMMIT), the state of the transaction it runs in, and leaving
 * the line clean. Made anew at every acquire and dead after release, so that a straggling query can never run as somebody else.
 */
import { AbortedTransactionError, type CompiledQuery, type DatabaseConnection, type QueryResult, type TransactionSettings } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type Observer, tell } from '../kernel/observe.ts'
import type { Context } from './context.ts'
import type { Lease, LineSource } from './lines.ts'
import { type RunOptions, Runner, type RunnerShared } from './runner.ts'
import { encodeParameters } from './wire/parameters.ts'
import { type StatementPlan, type StatementPlans, statementName } from './wire/statement-plan.ts'
import type { Step, StepResult } from './wire/unit.ts'

/** Who a connection works for. */
export type ConnectionMode =
  /** A drop-in for Kysely's own dialect: no context, no rules, pg's errors. */
  | 'plain'
  /** The privileged pool: audited, otherwise free. */
  | 'service'
  /** Row security: context in every unit, every rule of the wire. */
  | 'session'

export interface ConnectionOptions {
  readonly lease: Lease
  readonly source: LineSource
  readonly mode: ConnectionMode
  readonly context: Context | undefined
  readonly plans: StatementPlans
  readonly shared: RunnerShared
  readonly observe: Observer | undefined
}

/** One statement of a batch. */
export interface BatchStatement {
  readonly compiledQuery: CompiledQuery
}

interface TransactionState {
  /** BEGIN, until it has been sent. */
  begin: Step | undefined
  /** A statement may have changed who we are: the next unit says it again. */
  stale: boolean
  /** Something off the pure list ran: clean before release. */
  opaque: boolean
  wrote: boolean
  /** After DDL a prepared statement's result may no longer fit its plan, and healing is impossible inside a transaction. */
  unnamed: boolean
  /** The first error: what a caller has to know, where the server would only say that the transaction is aborted. */
  error: unknown
  /** COMMIT or ROLLBACK is under way. */
  ending: boolean
}

const silentStep = (text: string): Step => ({ text, name: statementName(text), values: [], silent: true })
const commitStep = silentStep('commit')
const rollbackStep = silentStep('rollback')
/** What a statement off the pure list may have left at the level of the session, undone inside the same Sync. */
const inlineCleanup: readonly Step[] = ['reset all', 'reset role', 'select pg_catalog.pg_advisory_unlock_all()'].map(silentStep)
/** The same and more, for statements that are no queries: cursors, channels and temporary tables as well. */
const fullCleanup: readonly Step[] = [...inlineCleanup, ...['close all', 'unlisten *', 'discard temp'].map(silentStep)]

/** After a cancel was delivered the statement has this long to end before its connection is destroyed. */
const cancelGraceMs = 1_000
const writeCommands = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

export class TenonConnection implements DatabaseConnection {
  readonly #lease: Lease
  readonly #source: LineSource
  readonly #mode: ConnectionMode
  readonly #context: Context | undefined
  readonly #plans: StatementPlans
  readonly #runner: Runner
  readonly #observe: Observer | undefined
  #transaction: TransactionState | undefined
  /** Held by `connection()`: session state lives until release, as the caller expects of one connection. */
  pinned = false
  /** A transaction ended on a connection that was taken for it alone. */
  #spent = false
  #released = false
  #needsCleanup = false
  #inFlight = 0
  /** Tells a cancel that nothing is in flight any more. */
  #idle: (() => void) | undefined
  /** An abort has been answered with its own reason: the late failure of the statement is nobody's news. */
  #quiet = false
  /** The transaction command that Kysely's log is to show, being executed by way of the logged method. */
  #control: { readonly query: CompiledQuery; readonly run: () => Promise<QueryResult<unknown>> } | undefined

  constructor(options: ConnectionOptions) {
    this.#lease = options.lease
    this.#source = options.source
    this.#mode = options.mode
    this.#context = options.context
    this.#plans = options.plans
    this.#runner = new Runner(options.lease.line, options.shared)
    this.#observe = options.observe
    // Absent methods are how Kysely learns that a dialect cannot cancel.
    if (options.lease.line.channel.cancel === undefined) {
      Object.assign(this, { cancelQuery: undefined, killSession: undefined, collectSessionInfo: undefined })
    }
  }

  /** Runs a statement and returns its rows. */
  async executeQuery<R>(compiledQuery: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#control?.query === compiledQuery) return (await this.#control.run()) as QueryResult<R>
    this.#assertUsable()
    this.#enter()
    try {
      return toQueryResult<R>(await (this.#observe === undefined ? this.#execute(compiledQuery) : this.#observed([compiledQuery], async () => [await this.#execute(compiledQuery)]).then(last)))
    } catch (error) {
      // Its caller has been answered with the abort's own reason; Kysely would print this one to stderr.
      if (this.#quiet) return { rows: [] }
      throw error
    } finally {
      this.#leave()
    }
  }

  /** A statement is under way: this is what an abort may cancel, and nothing before or after it. */
  #enter(): void {
    if (this.#inFlight++ === 0) {
      this.#quiet = false
      this.#runner.cancelRequested = false
    }
  }

  #leave(): void {
    if (--this.#inFlight === 0) this.#idle?.()
  }

  async #observed(queries: readonly CompiledQuery[], run: () => Promise<readonly StepResult[]>): Promise<readonly StepResult[]> {
    const started = performance.now()
    const texts = queries.map((query) => query.sql)
    const told = { type: 'query' as const, texts, role: this.#context?.role }
    try {
      const results = await run()
      tell(this.#observe, { ...told, durationMs: performance.now() - started, rows: results.reduce((sum, result) => sum + result.rows.length, 0), error: undefined })
      return results
    } catch (error) {
      tell(this.#observe, { ...told, durationMs: performance.now() - started, rows: 0, error: error instanceof TenonError ? error.code : 'UNKNOWN' })
      throw error
    }
  }

  async #execute(compiledQuery: CompiledQuery): Promise<StepResult> {
    const plan = this.#plans.of(compiledQuery)
    if (this.#mode === 'session') this.#assertAllowed(plan)
    if (this.#mode !== 'session' && isScript(plan, compiledQuery, this.#mode, this.#transaction !== undefined)) return await this.#script(plan)
    const step = this.#step(plan, compiledQuery)
    if (this.#transaction !== undefined) return await this.#inTransaction(this.#transaction, plan, step)
    if (this.#mode === 'session' && plan.form !== 'self-contained') return await this.#framed(plan, step)
    return await this.#alone(plan, step)
  }

  #step(plan: StatementPlan, compiledQuery: CompiledQuery): Step {
    return {
      text: plan.text,
      name: this.#transaction?.unnamed === true || plan.name === '' ? '' : `${plan.name}${this.#context?.nameSuffix ?? ''}`,
      values: encodeParameters(compiledQuery.parameters, { lenient: this.#mode === 'plain' }),
    }
  }

  /** One implicit transaction, one round trip. */
  async #alone(plan: StatementPlan, step: Step): Promise<StepResult> {
    const context = this.#context
    const options = { commits: !plan.readOnly, repeatable: true }
    if (context === undefined || plan.form !== 'self-contained') {
      return last(await this.#runner.run([step], { ...options, utility: plan.form !== 'self-contained' }))
    }
    const clean = this.#mode === 'session' && plan.opaque
    if (context.isolationLevel !== undefined) {
      return (await this.#enclosed([context.step, step], beginStep({ isolationLevel: context.isolationLevel }), clean))[1] as StepResult
    }
    const inline = clean && !this.pinned
    // A session lock survives the error that rolled everything else back.
    if (clean) this.#needsCleanup = true
    const results = await this.#runner.run(inline ? [context.step, step, ...inlineCleanup] : [context.step, step], {
      ...options,
      contextAt: 0,
      statementTimeoutMs: context.statementTimeoutMs,
    })
    if (inline) this.#needsCleanup = false
    // Somebody else had left a transaction open on this connection: nothing of ours was committed, and it must not look so.
    if (this.#runner.line.status !== 'I') throw this.#brokenOut('the connection')
    return results[1] as StepResult
  }

  /** BEGIN, context, statement; a look at the tag; COMMIT. For whatever is not a query. */
  async #framed(plan: StatementPlan, step: Step): Promise<StepResult> {
    const context = this.#context
    if (context === undefined) throw new Error('framed statements have a context')
    this.#needsCleanup = true
    let result: StepResult
    try {
      result = (
        await this.#runner.run([beginStep({ isolationLevel: context.isolationLevel }), context.step, step], {
          contextAt: 1,
          statementTimeoutMs: context.statementTimeoutMs,
          utility: true,
        })
      )[2] as StepResult
    } catch (error) {
      await this.#rollbackQuietly()
      throw error
    }
    if (this.#runner.line.status !== 'T') throw this.#brokenOut(plan.keyword)
    this.#assertCommitted(last(await this.#runner.run([commitStep], { commits: true })))
    return result
  }

  /** BEGIN, steps, COMMIT under one Sync: everything or nothing, one round trip. */
  async #enclosed(steps: readonly Step[], begin: Step, clean: boolean): Promise<readonly StepResult[]> {
    if (clean) this.#needsCleanup = true
    const context = this.#context
    try {
      const results = await this.#runner.run([begin, ...steps, commitStep], {
        commits: true,
        contextAt: 1,
        ...(context === undefined ? {} : { statementTimeoutMs: context.statementTimeoutMs }),
      })
      this.#assertCommitted(last(results))
      return results.slice(1, -1)
    } catch (error) {
      await this.#rollbackQuietly()
      throw error
    }
  }

  async #inTransaction(state: TransactionState, plan: StatementPlan, step: Step): Promise<StepResult> {
    const prologue = this.#prologue(state, plan)
    try {
      const result = last(await this.#runner.run([...prologue.steps, step], prologue.options))
      if (this.#mode === 'session' && this.#runner.line.status !== 'T') throw this.#brokenOut(plan.keyword)
      this.#note(state, plan)
      return result
    } catch (error) {
      if (plan.opaque) state.opaque = true
      if (this.#runner.line.status === 'E') state.error ??= error
      throw error
    }
  }

  /** What goes in front of a transaction's next statement: BEGIN and the context at first, the identity again after raw SQL. */
  #prologue(state: TransactionState, plan: StatementPlan): { readonly steps: Step[]; readonly options: RunOptions } {
    const isRollbackTo = plan.keyword === 'rollback'
    if (state.error !== undefined && !isRollbackTo && this.#mode !== 'plain') throw state.error
    if (isRollbackTo) state.error = undefined
    const context = this.#context
    const steps: Step[] = []
    const begins = state.begin !== undefined
    let contextAt: number | undefined
    if (state.begin !== undefined) {
      steps.push(state.begin)
      state.begin = undefined
      if (context !== undefined) contextAt = steps.push(context.step) - 1
    } else if (state.stale && context !== undefined && !isRollbackTo) {
      contextAt = steps.push(context.reassert) - 1
      state.stale = false
    }
    return {
      steps,
      options: {
        begins,
        utility: plan.form !== 'self-contained',
        ...(contextAt === undefined ? {} : { contextAt }),
        ...(context === undefined ? {} : { statementTimeoutMs: context.statementTimeoutMs }),
      },
    }
  }

  #note(state: TransactionState, plan: StatementPlan): void {
    if (!plan.readOnly) state.wrote = true
    if (plan.opaque || plan.form === 'framed') {
      state.opaque = true
      state.stale = true
    }
    if (plan.form === 'framed' || plan.form === 'refused') state.unnamed = true
  }

  /** Several statements in one text, as pg sends whatever has no parameters. */
  async #script(plan: StatementPlan): Promise<StepResult> {
    const state = this.#transaction
    if (state !== undefined) {
      const prologue = this.#prologue(state, plan)
      if (prologue.steps.length > 0) await this.#runner.run(prologue.steps, prologue.options)
      state.unnamed = true
      state.wrote = true
    }
    try {
      const results = await this.#runner.script(plan.text, { commits: state === undefined })
      // As pg and Kysely have it: the rows of a single statement, none of several.
      return results.length === 1 ? last(results) : { tag: undefined, rows: [], shape: null, suspended: false }
    } catch (error) {
      if (state !== undefined && this.#runner.line.status === 'E') state.error ??= error
      throw error
    }
  }

  /**
   * Runs statements in one transaction and one round trip, all or nothing.
   *
   * @returns one result per statement, in order
   */
  async batch(statements: readonly BatchStatement[], settings: TransactionSettings = {}): Promise<QueryResult<unknown>[]> {
    this.#assertUsable()
    const plans = statements.map(({ compiledQuery }) => this.#plans.of(compiledQuery))
    for (const plan of plans) {
      if (plan.form !== 'self-contained') {
        throw new TenonError({
          code: 'STATEMENT_INVALID',
          message: `a batch takes queries only, not ${plan.keyword.toUpperCase() || 'an empty statement'}`,
          hint: 'Run it on its own, or inside transaction().',
        })
      }
    }
    if (statements.length === 0) return []
    const steps = statements.map(({ compiledQuery }, i) => this.#step(plans[i] as StatementPlan, compiledQuery))
    const opaque = plans.some((plan) => plan.opaque)
    this.#enter()
    try {
      const run = (): Promise<readonly StepResult[]> =>
        this.#transaction === undefined ? this.#batchAlone(steps, settings, opaque) : this.#batchInside(this.#transaction, plans, steps)
      const results = await this.#observed(
        statements.map(({ compiledQuery }) => compiledQuery),
        run,
      )
      return results.map((result) => toQueryResult(result))
    } finally {
      this.#leave()
    }
  }

  async #batchAlone(steps: readonly Step[], settings: TransactionSettings, opaque: boolean): Promise<readonly StepResult[]> {
    const context = this.#context
    const isolationLevel = settings.isolationLevel ?? context?.isolationLevel
    const begin = beginStep({ ...settings, isolationLevel })
    const clean = opaque && this.#mode === 'session'
    if (context === undefined) return await this.#enclosed(steps, begin, clean)
    return (await this.#enclosed([context.step, ...steps], begin, clean)).slice(1)
  }

  async #batchInside(state: TransactionState, plans: readonly StatementPlan[], steps: readonly Step[]): Promise<readonly StepResult[]> {
    const prologue = this.#prologue(state, plans[0] as StatementPlan)
    try {
      const results = await this.#runner.run([...prologue.steps, ...steps], prologue.options)
      for (const plan of plans) this.#note(state, plan)
      return results.slice(prologue.steps.length)
    } catch (error) {
      if (plans.some((plan) => plan.opaque)) state.opaque = true
      if (this.#runner.line.status === 'E') state.error ??= error
      throw error
    }
  }

  /** Reads a statement's rows in chunks through a portal, inside a transaction of its own unless one is open. */
  async *streamQuery<R>(compiledQuery: CompiledQuery, chunkSize: number, options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<QueryResult<R>> {
    if (!Number.isInteger(chunkSize) || chunkSize < 0) throw new RangeError(`chunkSize must be a whole number of rows, 0 or more`)
    this.#assertUsable()
    const plan = this.#plans.of(compiledQuery)
    if (this.#mode === 'session' && plan.form !== 'self-contained') {
      throw new TenonError({ code: 'STATEMENT_INVALID', message: 'only a query can be streamed' })
    }
    const own = this.#transaction === undefined
    if (own) this.begin({})
    const state = this.#transaction as TransactionState
    const onAbort = (): void => void this.cancelQuery().catch(() => {})
    options?.signal?.addEventListener('abort', onAbort, { once: true })
    const portal = 'tenon'
    const step: Step = { ...this.#step(plan, compiledQuery), maxRows: chunkSize, portal }
    let open = true
    this.#enter()
    try {
      let result = await this.#inTransaction(state, plan, step)
      for (;;) {
        open = result.suspended
        if (result.rows.length > 0) yield { rows: result.rows as R[] }
        if (!result.suspended) break
        result = await this.#inTransaction(state, plan, { text: '', name: '', values: [], maxRows: chunkSize, portal, resume: result.shape ?? null })
      }
    } catch (error) {
      open = false
      if (!this.#quiet) throw error
    } finally {
      this.#leave()
      options?.signal?.removeEventListener('abort', onAbort)
      const failed = this.#runner.line.status === 'E' || this.#runner.line.loss !== undefined
      if (!failed && open) await this.#runner.run([{ text: '', name: '', values: [], portal, closePortal: true }])
      if (own) {
        if (failed) await this.rollback()
        else await this.commit()
        this.#spent = false
      }
    }
  }

  /** Opens a transaction; nothing is sent before its first statement. */
  begin(settings: TransactionSettings): void {
    this.#spent = false
    const isolationLevel = settings.isolationLevel ?? (this.#context?.isolationLevel as TransactionSettings['isolationLevel'])
    this.#transaction = { begin: beginStep({ ...settings, isolationLevel }), stale: false, opaque: false, wrote: false, unnamed: false, error: undefined, ending: false }
  }

  /** Sends BEGIN at once, as a drop-in has to. */
  async beginNow(settings: TransactionSettings): Promise<void> {
    this.begin(settings)
    const state = this.#transaction as TransactionState
    const begin = state.begin as Step
    state.begin = undefined
    try {
      await this.#runner.run([begin])
    } catch (error) {
      this.#transaction = undefined
      throw error
    }
  }

  /**
   * Commits; an empty transaction sends nothing.
   *
   * @returns the error that had aborted the transaction when the server rolled it back instead, else undefined
   */
  async commit(): Promise<unknown> {
    const state = this.#transaction
    if (state === undefined) return undefined
    if (state.begin !== undefined) {
      this.#end()
      return undefined
    }
    state.ending = true
    const aborted = this.#runner.line.status === 'E'
    if (state.opaque && this.#mode === 'session') this.#needsCleanup = true
    try {
      const { tag } = last(await this.#runner.run([commitStep], { commits: state.wrote && !aborted }))
      return tag?.command === 'ROLLBACK' ? (state.error ?? new AbortedTransactionError()) : undefined
    } finally {
      this.#end()
    }
  }

  #assertCommitted(result: StepResult): void {
    if (result.tag?.command === 'ROLLBACK') throw new AbortedTransactionError()
  }

  /** Rolls back; nothing to do when the transaction is over or its connection is gone. */
  async rollback(): Promise<void> {
    const state = this.#transaction
    if (state === undefined) return
    state.ending = true
    if (state.opaque && this.#mode === 'session') this.#needsCleanup = true
    if (state.begin === undefined) await this.#rollbackQuietly()
    this.#end()
  }

  /** The error that led here is the one to tell; a rollback that fails ends the connection. */
  async #rollbackQuietly(): Promise<void> {
    const { line } = this.#runner
    if (line.loss !== undefined || line.status === 'I') return
    const { unit, loss } = await line.run([rollbackStep])
    this.#runner.shared.roundTrips++
    if (loss === undefined && (unit.error !== undefined || line.status !== ('I' as string))) line.end({ reason: 'destroyed' })
  }

  #end(): void {
    this.#transaction = undefined
    this.#spent = this.#mode === 'session' && !this.pinned
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
    const { line } = this.#runner
    if (this.#inFlight === 0 || line.loss !== undefined || line.channel.cancel === undefined) return
    this.#runner.cancelRequested = true
    if (this.#mode !== 'plain') this.#quiet = true
    try {
      await line.channel.cancel()
    } catch {
      // The request may still arrive, at whoever has the connection then: nobody may.
      line.end({ reason: 'destroyed' })
      return
    }
    if (this.#inFlight === 0) return
    const timer = setTimeout(() => line.end({ reason: 'destroyed' }), cancelGraceMs)
    await new Promise<void>((resolve) => (this.#idle = resolve))
    clearTimeout(timer)
    this.#idle = undefined
  }

  /** Ends the backend. */
  async killSession(): Promise<void> {
    if (this.#inFlight === 0) return
    if (this.#mode !== 'plain') this.#quiet = true
    await this.#source.terminate?.(this.#runner.line)
  }

  /** Leaves the line clean, or ends it, and gives it back. A promise only where there is something to wait for. */
  release(): Promise<void> | undefined {
    if (this.#released) return undefined
    this.#released = true
    const { line } = this.#runner
    if (this.#mode === 'session' && line.loss === undefined && (this.#needsCleanup || line.status !== 'I')) return this.#cleanUp()
    this.#lease.release()
    return undefined
  }

  async #cleanUp(): Promise<void> {
    const { line } = this.#runner
    try {
      await this.#rollbackQuietly()
      if (line.loss === undefined) await this.#runner.run(fullCleanup)
    } catch {
      line.end({ reason: 'destroyed' })
    } finally {
      this.#lease.release()
    }
  }

  #assertUsable(): void {
    if (this.#released || this.#spent || this.#transaction?.ending === true) {
      throw new TenonError({ code: 'TRANSACTION_CLOSED', message: 'the transaction or connection has ended', hint: 'Await every query inside the callback before it returns.' })
    }
  }

  #assertAllowed(plan: StatementPlan): void {
    if (plan.form === 'self-contained' || plan.form === 'framed') return
    if (plan.form === 'inside-transaction' && this.#transaction !== undefined) return
    if (plan.keyword === 'copy') {
      throw new TenonError({
        code: 'STATEMENT_INVALID',
        message: 'COPY cannot run in a session',
        hint: 'PostgreSQL refuses COPY FROM under row-level security; insert arrays with unnest(), or use withDedicatedConnection() with the service login.',
      })
    }
    throw new TenonError({
      code: 'TRANSACTION_SHAPE',
      message: `${plan.keyword.toUpperCase() || 'an empty statement'} cannot run in a session${plan.form === 'inside-transaction' ? ' outside a transaction' : ''}`,
      hint: 'Use transaction(), savepoint(), the options of session(), or SET LOCAL of a setting that the session does not manage.',
    })
  }

  /** The statement ended the transaction it was to run in: whatever it did, nothing more runs on this connection. */
  #brokenOut(keyword: string): TenonError {
    this.#runner.line.end({ reason: 'destroyed' })
    return new TenonError({
      code: 'TRANSACTION_SHAPE',
      message: `${keyword.toUpperCase()} ended the transaction of its session; the connection was destroyed`,
      hint: 'Leave transaction control to transaction().',
    })
  }
}

/** What pg would send as a simple Query: no parameters and not built by Kysely, or no query at all. */
function isScript(plan: StatementPlan, compiledQuery: CompiledQuery, mode: ConnectionMode, inTransaction: boolean): boolean {
  if (compiledQuery.parameters.length > 0) return false
  if (plan.form !== 'self-contained') return true
  if (compiledQuery.query.kind !== 'RawNode') return false
  // A service's single statement keeps its context, so that triggers see who acted; several cannot have one outside a transaction.
  return mode === 'plain' || inTransaction || /;\s*\S/.test(plan.text)
}

/** BEGIN with the characteristics of the transaction. Levels and modes come from Kysely's checked lists. */
export function beginStep(settings: { readonly isolationLevel?: string | undefined; readonly accessMode?: string | undefined }): Step {
  return silentStep(beginText(settings))
}

/** The text that Kysely's own dialect logs. */
export function beginText({ isolationLevel, accessMode }: { readonly isolationLevel?: string | undefined; readonly accessMode?: string | undefined }): string {
  if (isolationLevel === undefined && accessMode === undefined) return 'begin'
  return `start transaction${isolationLevel === undefined ? '' : ` isolation level ${isolationLevel}`}${accessMode === undefined ? '' : ` ${accessMode}`}`
}

function last(results: readonly StepResult[]): StepResult {
  return results[results.length - 1] as StepResult
}

function toQueryResult<R>({ tag, rows }: StepResult): QueryResult<R> {
  const command = tag?.command ?? ''
  // As Kysely's dialect shows a raw COMMIT or ROLLBACK.
  if (command === 'COMMIT' || command === 'ROLLBACK') return { rows: [{ command }] as R[] }
  const numAffectedRows = writeCommands.has(command) ? BigInt(tag?.rowCount ?? 0) : undefined
  // Kysely's own dialect always has the key.
  return { numAffectedRows, rows: rows as R[] } as QueryResult<R>
}
