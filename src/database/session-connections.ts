/**
 * Where the queries of one session run: by themselves, or on a connection for as long as it is held.
 *
 * Owns the session's context, made once per verification of the pool. Synchronous and cheap to make: a web server makes one per request.
 */
import type { CompiledQuery, Log, QueryResult } from 'kysely'
import type { Observer } from '../kernel/observe.ts'
import { TenonConnection } from './connection.ts'
import type { Identity, SessionContext } from './context.ts'
import { assertSessionRole } from './facts.ts'
import type { SessionQueries } from './session-queries.ts'
import type { Verified, VerifiedPool } from './verified-pool.ts'
import type { StatementPlans } from './wire/statement-plan.ts'

/** What all sessions of a database have in common. */
export interface SessionScene {
  readonly pool: VerifiedPool
  readonly plans: StatementPlans
  readonly observe: Observer | undefined
  readonly log: Log | undefined
  readonly queries: SessionQueries
}

export class SessionConnections {
  readonly #identity: Identity
  readonly #scene: SessionScene
  #verified: Verified | undefined
  #context: SessionContext | undefined

  constructor(identity: Identity, scene: SessionScene) {
    this.#identity = identity
    this.#scene = scene
  }

  /** A connection for as long as it is held. */
  readonly acquire = async (): Promise<TenonConnection> => {
    const { pool, plans, observe, log } = this.#scene
    const { lease, verified } = await pool.acquire()
    let context: SessionContext
    try {
      context = this.#contextOf(verified)
    } catch (error) {
      lease.release()
      throw error
    }
    return new TenonConnection({
      lease,
      source: pool.source,
      mode: 'session',
      context,
      plans,
      shared: pool.shared,
      observe,
      log,
    })
  }

  /** Starts a query by itself; undefined, at once or after it was tried, where it needs a connection. */
  readonly start = (compiledQuery: CompiledQuery): Promise<QueryResult<unknown> | undefined> | undefined =>
    this.#scene.queries.start(compiledQuery, this.#contextOf)

  /** @throws {TenonError} SESSION_ROLE when the role is none that a session may have */
  readonly #contextOf = (verified: Verified): SessionContext => {
    if (this.#context === undefined || this.#verified !== verified) {
      assertSessionRole(verified.facts, this.#identity.role)
      this.#context = verified.contexts.session(this.#identity)
      this.#verified = verified
    }
    return this.#context
  }
}
