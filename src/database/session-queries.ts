/**
 * Single queries of sessions, run without handing out a connection: on a line alone, or on one that units of others share.
 *
 * Owns the rule of who may come here: one implicit transaction, nothing that could be left on a connection. To share, a statement must
 * also be fast by its own history and small; what the bounds of sharing end is run again alone. Everything else takes a connection.
 */
import type { CompiledQuery, Log, QueryResult } from 'kysely'
import { isTenonError } from '../kernel/errors.ts'
import type { Observer } from '../kernel/observe.ts'
import type { SessionContext } from './context.ts'
import type { LineCounts } from './lines.ts'
import { logQuery, tellQuery } from './logging.ts'
import type { MultiplexObstacle, MultiplexOptions, MultiplexStats } from './multiplex-options.ts'
import { toQueryResult } from './query-results.ts'
import { Runner, type RunOptions } from './runner.ts'
import { SharedLines } from './shared-lines.ts'
import type { Verified, VerifiedPool } from './verified-pool.ts'
import type { WireValue } from './wire/message-writer.ts'
import { encodeParameters } from './wire/parameters.ts'
import type { StatementPlan, StatementPlans } from './wire/statement-plan.ts'
import type { Step, StepResult } from './wire/unit.ts'

/** Larger values would keep others waiting while they are sent. */
const largestShared = 65_536
/** A connection whose next answer is longer overdue gets nothing more. */
const busyMs = 4
const packMs = 2
/** Writes that follow each other on a connection at most: each may wait for a lock that others hold, up to the bound. */
const writes = 4

export interface SessionQueriesOptions {
  readonly pool: VerifiedPool
  readonly plans: StatementPlans
  readonly observe: Observer | undefined
  readonly log: Log | undefined
  /** Undefined where nothing is multiplexed. */
  readonly multiplex: MultiplexOptions | undefined
}

/** A query on its way. */
interface Query {
  readonly compiledQuery: CompiledQuery
  readonly plan: StatementPlan
  readonly values: readonly WireValue[]
  readonly contextOf: (verified: Verified) => SessionContext
}

export class SessionQueries {
  readonly #options: SessionQueriesOptions
  readonly #lines: SharedLines | undefined
  readonly #slowMs: number
  readonly #longestMs: number
  #maySharePool = false
  #enabled = true
  #units = 0
  #rerun = 0

  constructor(options: SessionQueriesOptions) {
    const { pool, multiplex } = options
    this.#options = options
    this.#slowMs = multiplex?.slowMs ?? 5
    this.#longestMs = multiplex?.longestMs ?? 50
    if (multiplex === undefined) return
    // Others who wait for a connection of their pool could not be heard.
    this.#maySharePool = pool.source.kind === 'socket' && !pool.source.shared
    this.#lines = new SharedLines({
      source: pool.source,
      acquire: async (first) => (await pool.acquireShared(first)).lease,
      shared: pool.shared,
      limits: { depth: multiplex.depth ?? 64, writes, busyMs, packMs },
    })
    pool.sharing = this.#lines
  }

  /** Counters of multiplexing; undefined where there is none. */
  stats(): MultiplexStats | undefined {
    if (this.#lines === undefined) return undefined
    return { obstacle: this.#obstacle(), ...this.#lines.counts(), units: this.#units, rerun: this.#rerun }
  }

  /** Counts of the pool's connections; a shared one that no unit is on is idle. */
  connections(): LineCounts {
    const counts = this.#options.pool.source.counts()
    return { ...counts, idle: counts.idle + (this.#lines?.idle ?? 0) }
  }

  #obstacle(): MultiplexObstacle | undefined {
    const { pool } = this.#options
    if (pool.source.kind === 'embedded') return 'embedded'
    if (pool.source.shared) return 'own pool'
    if (!this.#enabled) return 'switched off'
    return pool.verified?.unshareable === true ? 'pooler' : undefined
  }

  /** Switches sharing off and on while the program runs. */
  share(enabled: boolean): void {
    this.#enabled = enabled
    if (enabled) this.#lines?.open()
    else this.#lines?.close()
  }

  /**
   * Starts a query.
   *
   * @returns undefined where it has to take a connection: at once, or after it was tried
   */
  start(
    compiledQuery: CompiledQuery,
    contextOf: (verified: Verified) => SessionContext,
  ): Promise<QueryResult<unknown> | undefined> | undefined {
    const { pool, plans } = this.#options
    const { verified } = pool
    // Its first run is on a connection, where whatever is wrong with it is told.
    const plan = plans.known(compiledQuery.sql)
    if (verified === undefined || plan === undefined || plan.form !== 'self-contained' || plan.opaque) return undefined
    let context: SessionContext
    let values: WireValue[]
    try {
      context = contextOf(verified)
      values = encodeParameters(compiledQuery.parameters, {})
    } catch {
      return undefined
    }
    if (context.begin !== undefined) return undefined
    const query = { compiledQuery, plan, values, contextOf }
    const lines = this.#enabled && this.#maySharePool && !verified.unshareable ? this.#lines : undefined
    return lines === undefined || !this.#mayShare(query) ? this.#alone(query) : this.#shared(query, context, lines)
  }

  #mayShare({ plan, values }: Query): boolean {
    // A statement that never ran could be slow.
    if (plan.pace.ms === undefined || plan.pace.ms >= this.#slowMs) return false
    let size = 0
    for (const value of values) if (value !== null) size += value.length
    return size <= largestShared
  }

  async #alone(query: Query): Promise<QueryResult<unknown> | undefined> {
    const { pool } = this.#options
    const { lease, verified } = pool.acquireNow() ?? (await pool.acquire())
    try {
      const context = query.contextOf(verified)
      if (context.begin !== undefined) return undefined
      const started = performance.now()
      const runner = new Runner(lease.line, pool.shared)
      let results: readonly StepResult[]
      try {
        results = await runner.run([context.step, stepOf(query, context)], optionsOf(query.plan, context))
      } catch (error) {
        return await this.#failed(query, context, started, error)
      }
      return await this.#succeeded(query, context, started, results)
    } finally {
      lease.release()
    }
  }

  async #shared(query: Query, context: SessionContext, lines: SharedLines): Promise<QueryResult<unknown> | undefined> {
    const { plan } = query
    const { step, bounded } = context.shared(this.#longestMs)
    const started = performance.now()
    this.#units++
    let results: readonly StepResult[]
    try {
      const options = { ...optionsOf(plan, context), gathers: true }
      results = await lines.run([step, stepOf(query, context)], options, plan.pace.bestMs)
    } catch (error) {
      if (!bounded || !wasEnded(error)) return await this.#failed(query, context, started, error)
      this.#rerun++
      plan.pace.note(this.#longestMs)
      return await this.#alone(query)
    }
    return await this.#succeeded(query, context, started, results)
  }

  #succeeded(
    { compiledQuery }: Query,
    { role }: SessionContext,
    started: number,
    results: readonly StepResult[],
  ): QueryResult<unknown> | Promise<QueryResult<unknown>> {
    const { observe, log } = this.#options
    const result = toQueryResult(results[1] as StepResult)
    if (observe !== undefined) tellQuery(observe, [compiledQuery], { role, started, results })
    return log === undefined ? result : logQuery(log, compiledQuery, { role, started, results }).then(() => result)
  }

  async #failed({ compiledQuery }: Query, { role }: SessionContext, started: number, error: unknown): Promise<never> {
    const { observe, log } = this.#options
    if (observe !== undefined) tellQuery(observe, [compiledQuery], { role, started, error })
    if (log !== undefined) await logQuery(log, compiledQuery, { role, started, error })
    throw error
  }
}

function stepOf({ plan, values }: Query, { nameSuffix }: SessionContext): Step {
  return { text: plan.text, name: plan.name === '' ? '' : plan.name + nameSuffix, values }
}

function optionsOf(plan: StatementPlan, { statementTimeoutMs }: SessionContext): RunOptions {
  return {
    commits: !plan.readOnly,
    repeatable: true,
    contextAt: 0,
    statementTimeoutMs,
    stands: { status: 'I', what: 'another user of the connection' },
    pace: plan.pace,
  }
}

/** The server ended it for taking too long, or somebody cancelled what runs on this connection. Nothing of it is left. */
function wasEnded(error: unknown): boolean {
  return isTenonError(error) && error.sqlstate === '57014'
}
