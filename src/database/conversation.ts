/**
 * How a connection talks: the form a statement is sent in (one Sync, or framed by BEGIN and COMMIT), and the transaction it runs in.
 *
 * Owns the state of a transaction and what must be cleaned afterwards. It refuses to know Kysely's connection interface, cancelling and
 * pools; connection.ts does.
 */
import { AbortedTransactionError, type TransactionSettings } from 'kysely'
import type { Context } from './context.ts'
import type { Runner, RunOptions } from './runner.ts'
import { type ConnectionMode, wordOf } from './statement-rules.ts'
import {
  assertBeginSettings,
  type BeginSettings,
  beginStep,
  closePortalStep,
  commitStep,
  deallocateStep,
  foundPlanted,
  lastOf,
  rollbackStep,
  withListens,
} from './steps.ts'
import { newTransaction, restated, type TransactionState } from './transaction-state.ts'
import type { StatementPlan } from './wire/statement-plan.ts'
import type { Step, StepResult } from './wire/unit.ts'

export class Conversation {
  /** Session state is kept until release, as the holder of one connection expects. */
  pinned = false
  /** Something may have been left on the connection. */
  needsCleanup = false
  readonly #runner: Runner
  readonly #mode: ConnectionMode
  readonly #context: Context | undefined
  #transaction: TransactionState | undefined

  constructor(runner: Runner, mode: ConnectionMode, context: Context | undefined) {
    this.#runner = runner
    this.#mode = mode
    // Whoever holds a service's connection by Kysely's connection() keeps its state: it is cleaned when it is given back.
    this.pinned = mode === 'service'
    this.#context = context
  }

  get inTransaction(): boolean {
    return this.#transaction !== undefined
  }

  /** COMMIT or ROLLBACK is under way: nothing more may be sent in this transaction. */
  get ending(): boolean {
    return this.#transaction?.ending === true
  }

  /** The name to prepare a statement under; '' where its plan could be stale by now and healing is impossible. */
  nameOf(plan: StatementPlan): string {
    return plan.name === '' || this.#transaction?.unnamed === true
      ? ''
      : `${plan.name}${this.#context?.nameSuffix ?? ''}`
  }

  /** Runs one statement in the form it needs. */
  run(plan: StatementPlan, step: Step): Promise<StepResult> {
    if (this.#transaction !== undefined) return this.#inTransaction(this.#transaction, plan, step)
    if (this.#mode === 'session' && plan.form !== 'self-contained') return this.#framed(plan, step)
    return this.#alone(plan, step)
  }

  /** Runs queries in one transaction and one round trip, all or nothing. */
  batch(
    plans: readonly StatementPlan[],
    steps: readonly Step[],
    settings: TransactionSettings,
  ): Promise<readonly StepResult[]> {
    if (this.#transaction !== undefined) return this.#batchInside(this.#transaction, plans, steps)
    return this.#batchAlone(plans, steps, settings)
  }

  /** One implicit transaction, one round trip. */
  async #alone(plan: StatementPlan, step: Step): Promise<StepResult> {
    const context = this.#context
    const options = { commits: !plan.readOnly, repeatable: true, pace: plan.pace }
    if (context === undefined || plan.form !== 'self-contained') {
      if (context !== undefined) this.needsCleanup = true
      return lastOf(await this.#runner.run([step], { ...options, utility: plan.form !== 'self-contained' }))
    }
    // What must be cleaned is committed first: deferred triggers run at COMMIT and still need the role and the claims.
    if (plan.opaque || context.begin !== undefined) {
      return (await this.#enclosed([context.step, step], this.#begin({}), plan.opaque))[1] as StepResult
    }
    const results = await this.#runner.run([context.step, step], {
      ...options,
      contextAt: 0,
      statementTimeoutMs: context.statementTimeoutMs,
      // Somebody else may have left a transaction open on this connection: then nothing of ours was committed, and it must not look so.
      stands: { status: 'I', what: 'another user of the connection' },
    })
    return results[1] as StepResult
  }

  /** BEGIN, context, statement; a look at the tag; COMMIT. For whatever is not a query. */
  async #framed(plan: StatementPlan, step: Step): Promise<StepResult> {
    const context = this.#context
    if (context === undefined) throw new Error('framed statements have a context')
    this.needsCleanup = true
    let result: StepResult
    try {
      result = (
        await this.#runner.run([this.#begin({}), context.step, step], {
          contextAt: 1,
          statementTimeoutMs: context.statementTimeoutMs,
          utility: true,
          begins: true,
          stands: { status: 'T', what: wordOf(plan) },
        })
      )[2] as StepResult
    } catch (error) {
      await this.#rollbackQuietly()
      throw error
    }
    await this.#commitAndClean(true, true, true)
    return result
  }

  /** BEGIN, steps, COMMIT under one Sync: everything or nothing, one round trip. */
  async #enclosed(steps: readonly Step[], begin: Step, clean: boolean): Promise<readonly StepResult[]> {
    if (clean) this.needsCleanup = true
    const context = this.#context
    const cleanup = clean && !this.pinned ? this.#cleanup(false) : []
    const essential = steps.length + 2
    try {
      const results = await this.#runner.run([begin, ...steps, commitStep, ...cleanup], {
        commits: true,
        begins: true,
        contextAt: 1,
        essential,
        ...(context === undefined ? {} : { statementTimeoutMs: context.statementTimeoutMs }),
      })
      this.#assertCommitted(results[essential - 1] as StepResult)
      if (cleanup.length > 0) await this.#cleaned(results, false)
      return results.slice(1, essential - 1)
    } catch (error) {
      await this.#rollbackQuietly()
      throw error
    }
  }

  async #inTransaction(state: TransactionState, plan: StatementPlan, step: Step): Promise<StepResult> {
    const prologue = this.#prologue(state, plan)
    try {
      const result = lastOf(await this.#runner.run([...prologue.steps, step], prologue.options))
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
    }
    if (state.portal !== undefined) {
      steps.push(closePortalStep(state.portal))
      state.portal = undefined
    }
    if (!begins && state.stale && context !== undefined && !isRollbackTo) {
      contextAt = steps.push(context.reassert) - 1
      state.stale = false
    }
    return {
      steps,
      options: {
        begins,
        utility: plan.form !== 'self-contained',
        ...(this.#mode === 'session' ? { stands: { status: 'T' as const, what: wordOf(plan) } } : {}),
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
  async script(plan: StatementPlan): Promise<StepResult> {
    const state = this.#transaction
    if (this.#context !== undefined) this.needsCleanup = true
    if (state !== undefined) {
      const prologue = this.#prologue(state, plan)
      if (prologue.steps.length > 0) await this.#runner.run(prologue.steps, prologue.options)
      state.unnamed = true
      state.wrote = true
    }
    try {
      const results = await this.#runner.script(plan.text, { commits: state === undefined })
      // As pg and Kysely have it: the rows of a single statement, none of several.
      return results.length === 1 ? lastOf(results) : { tag: undefined, rows: [], shape: null, suspended: false }
    } catch (error) {
      if (state !== undefined && this.#runner.line.status === 'E') state.error ??= error
      throw error
    }
  }

  async #batchAlone(
    plans: readonly StatementPlan[],
    steps: readonly Step[],
    settings: TransactionSettings,
  ): Promise<readonly StepResult[]> {
    assertBeginSettings(settings)
    const context = this.#context
    const begin = this.#begin(settings)
    const clean = context !== undefined && plans.some((plan) => plan.opaque)
    const guarded = restated(plans, steps, this.#restatement)
    const results = await this.#enclosed(
      context === undefined ? guarded.steps : [context.step, ...guarded.steps],
      begin,
      clean,
    )
    return guarded.pick(context === undefined ? results : results.slice(1))
  }

  async #batchInside(
    state: TransactionState,
    plans: readonly StatementPlan[],
    steps: readonly Step[],
  ): Promise<readonly StepResult[]> {
    const prologue = this.#prologue(state, plans[0] as StatementPlan)
    const guarded = restated(plans, steps, this.#restatement)
    try {
      const results = await this.#runner.run([...prologue.steps, ...guarded.steps], prologue.options)
      for (const plan of plans) this.#note(state, plan)
      return guarded.pick(results.slice(prologue.steps.length))
    } catch (error) {
      if (plans.some((plan) => plan.opaque)) state.opaque = true
      if (this.#runner.line.status === 'E') state.error ??= error
      throw error
    }
  }

  /** Who we are, for saying it again between two statements of a batch. */
  get #restatement(): Step | undefined {
    return this.#mode === 'session' ? this.#context?.reassert : undefined
  }

  /** Fetches the next rows of a portal that an earlier `run` left suspended. */
  fetch(
    plan: StatementPlan,
    previous: StepResult,
    { maxRows, portal, reader }: Pick<Step, 'maxRows' | 'portal' | 'reader'>,
  ): Promise<StepResult> {
    const state = this.#transaction as TransactionState
    return this.#inTransaction(state, plan, {
      text: '',
      name: '',
      values: [],
      maxRows: maxRows ?? 0,
      portal: portal ?? '',
      resume: previous.shape ?? null,
      reader,
    })
  }

  /** From now on nothing more is sent in this transaction but its end. */
  markEnding(): void {
    if (this.#transaction !== undefined) this.#transaction.ending = true
  }

  /** The transaction that is open, for telling later whether it still is. */
  get current(): object | undefined {
    return this.#transaction
  }

  /**
   * Closes a portal of a transaction: now when rows are left in it, otherwise together with the transaction's next statement. Does
   * nothing once that transaction is ending: the portal ends with it, and the connection may be somebody else's by now.
   */
  async closePortal(transaction: object | undefined, portal: string, suspended: boolean): Promise<void> {
    const state = this.#transaction
    if (state === undefined || state !== transaction || state.ending || this.failed) return
    if (suspended) await this.#runner.run([closePortalStep(portal)])
    else state.portal = portal
  }

  /** The transaction is aborted, or its connection gone. */
  get failed(): boolean {
    return this.#runner.line.status === 'E' || this.#runner.line.loss !== undefined
  }

  /** Opens a transaction; nothing is sent before its first statement. */
  begin(settings: TransactionSettings): void {
    if (this.#mode !== 'plain') assertBeginSettings(settings)
    this.#transaction = newTransaction(this.#begin(settings))
  }

  /** BEGIN with what is asked for, else what the role has as its defaults. */
  #begin({ isolationLevel, accessMode }: BeginSettings): Step {
    const ofRole = this.#context?.begin
    return beginStep({
      isolationLevel: isolationLevel ?? ofRole?.isolationLevel,
      accessMode: accessMode ?? ofRole?.accessMode,
    })
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
    const clean = state.opaque && this.#context !== undefined
    if (clean) this.needsCleanup = true
    try {
      const { tag } = await this.#commitAndClean(state.wrote && !aborted, clean, state.unnamed)
      if (tag?.command !== 'ROLLBACK') return undefined
      return this.#mode === 'plain' || state.error === undefined ? new AbortedTransactionError() : state.error
    } finally {
      this.#end()
    }
  }

  /** Sends COMMIT, and behind it in the same write what leaves the connection clean. */
  async #commitAndClean(commits: boolean, clean: boolean, deallocate: boolean): Promise<StepResult> {
    const cleanup = clean && !this.pinned ? this.#cleanup(deallocate) : []
    const results = await this.#runner.run([commitStep, ...cleanup], { commits, essential: 1 })
    if (cleanup.length > 0) await this.#cleaned(results, deallocate)
    return results[0] as StepResult
  }

  #cleanup(deallocate: boolean): readonly Step[] {
    const cleanup = withListens(this.#context?.cleanup ?? [], this.#runner.line.listens)
    return deallocate ? [...cleanup, deallocateStep] : cleanup
  }

  /** The clean-up is through; only a statement planted under a name costs another round trip. */
  async #cleaned(results: readonly StepResult[], deallocated: boolean): Promise<void> {
    if (!deallocated && foundPlanted(results)) await this.#runner.run([deallocateStep])
    else if (!deallocated) {
      this.needsCleanup = false
      return
    }
    this.needsCleanup = false
    this.#runner.line.deallocated()
  }

  #assertCommitted(result: StepResult): void {
    if (result.tag?.command === 'ROLLBACK') throw new AbortedTransactionError()
  }

  /** Rolls back; nothing to do when the transaction is over or its connection is gone. */
  async rollback(): Promise<void> {
    const state = this.#transaction
    if (state === undefined) return
    state.ending = true
    if (state.opaque && this.#context !== undefined) this.needsCleanup = true
    if (state.begin === undefined) await this.#rollbackQuietly()
    this.#end()
  }

  /** The error that led here is the one to tell; a rollback that fails ends the connection. */
  async #rollbackQuietly(): Promise<void> {
    const { line } = this.#runner
    if (line.loss !== undefined || line.status === 'I') return
    const { unit, loss } = await line.run([rollbackStep])
    this.#runner.shared.roundTrips++
    if (loss === undefined && (unit.error !== undefined || line.status !== ('I' as string)))
      line.end({ reason: 'destroyed' })
  }

  #end(): void {
    this.#transaction = undefined
  }

  /** Ends whatever is open and removes whatever may have been left. */
  async cleanUp(): Promise<void> {
    await this.#rollbackQuietly()
    if (!this.needsCleanup || this.#runner.line.loss !== undefined) return
    await this.#cleaned(await this.#runner.run(this.#cleanup(true)), true)
  }
}
