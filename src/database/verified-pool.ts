/**
 * The pool of sessions: lines whose login has been read and judged before the first statement of the first session.
 *
 * Owns that reading once per pool and what follows from it: contexts, unnamed statements behind a pooler. A failed verification is
 * tried again at the next checkout, because whoever reads the error will mend the login, not restart every process.
 */
import { type Observer, tell } from '../kernel/observe.ts'
import { ContextBuilder } from './context.ts'
import { assertPowerless, type Facts, readFacts } from './facts.ts'
import type { Lease, LineSource } from './lines.ts'
import type { RunnerShared } from './runner.ts'
import { overlayParsers, prepareParsers, type ValueParsers } from './value-parsers.ts'
import type { StatementPlans } from './wire/statement-plan.ts'

export interface VerifiedPoolOptions {
  readonly source: LineSource
  readonly shared: RunnerShared
  readonly roles: readonly string[]
  readonly settings: readonly string[]
  readonly trustLogin: boolean
  readonly legacyClaims: boolean | 'auto'
  readonly preparedStatements: 'auto' | 'named' | 'unnamed'
  readonly searchPath: readonly string[] | undefined
  readonly statementTimeoutMs: number | undefined
  readonly observe: Observer | undefined
  readonly plans: StatementPlans
  readonly parsers: ValueParsers | undefined
}

/** What the verification gave. */
export interface Verified {
  readonly facts: Facts
  readonly contexts: ContextBuilder
  readonly unnamed: boolean
  /** Whether units behind each other would meet a pooler, of which some mix up their answers. */
  readonly unshareable: boolean
}

/** A line of a verified pool. */
export interface ReadyLine {
  readonly lease: Lease
  readonly verified: Verified
}

export class VerifiedPool {
  readonly source: LineSource
  readonly shared: RunnerShared
  readonly #options: VerifiedPoolOptions
  /** Set where queries of sessions share connections. */
  sharing: { makingRoom<T>(acquire: () => Promise<T>): Promise<T> } | undefined
  #verified: Verified | undefined
  #verifying: Promise<Verified> | undefined

  constructor(options: VerifiedPoolOptions) {
    this.source = options.source
    this.shared = options.shared
    this.#options = options
  }

  /** What is known of the login; undefined when it has to be read first. */
  get verified(): Verified | undefined {
    return this.#options.parsers?.isKnown === false ? undefined : this.#verified
  }

  /** A line of the source for sole use, as the login. */
  take(): Promise<Lease> {
    return this.sharing === undefined ? this.source.acquire() : this.sharing.makingRoom(() => this.source.acquire())
  }

  /** A line of a verified pool that is at hand; undefined where it has to be waited for. */
  acquireNow(): ReadyLine | undefined {
    const { verified } = this
    const lease = verified === undefined ? undefined : this.source.acquireNow?.()
    if (verified === undefined || lease === undefined) return undefined
    if (verified.unnamed) lease.line.statements.disable()
    overlayParsers(this.#options.parsers, lease.line)
    return { lease, verified }
  }

  /** A line of a verified pool, for sole use. */
  async acquire(): Promise<ReadyLine> {
    return await this.#ready(await this.take())
  }

  /** The same, to be shared. @param first - before all others who wait */
  async acquireShared(first: boolean): Promise<ReadyLine> {
    return await this.#ready(await this.source.acquire(first))
  }

  async #ready(lease: Lease): Promise<ReadyLine> {
    try {
      const verified = this.#verified ?? (await this.#verify(lease))
      if (verified.unnamed) lease.line.statements.disable()
      await prepareParsers(this.#options.parsers, lease)
      return { lease, verified }
    } catch (error) {
      lease.release()
      throw error
    }
  }

  /** Reads everything anew, whatever was known. */
  async verify(): Promise<Facts> {
    const lease = await this.take()
    try {
      this.#verified = undefined
      return (await this.#verify(lease)).facts
    } finally {
      lease.release()
    }
  }

  #verify(lease: Lease): Promise<Verified> {
    this.#verifying ??= this.#read(lease).finally(() => {
      this.#verifying = undefined
    })
    return this.#verifying
  }

  async #read(lease: Lease): Promise<Verified> {
    const { roles, settings, trustLogin, legacyClaims, preparedStatements, searchPath, statementTimeoutMs } =
      this.#options
    const { observe, parsers } = this.#options
    const started = performance.now()
    this.shared.roundTrips++
    const facts = await readFacts(lease.line, roles, parsers)
    if (!trustLogin) assertPowerless(facts, roles)
    this.shared.facts = facts
    this.#options.plans.setShadowed(facts.shadowed)
    const contexts = new ContextBuilder({
      facts,
      settings,
      // Where others use the same server connections, a legacy key of theirs could win over our claims wherever it is read.
      legacyClaims: legacyClaims === 'auto' ? facts.legacyClaims || facts.pooled || this.source.shared : legacyClaims,
      embedded: this.source.kind === 'embedded',
      searchPath,
      statementTimeoutMs,
    })
    this.#verified = {
      facts,
      contexts,
      // A server that names no process of its own could be a pooler too.
      unshareable: facts.pooled || lease.line.channel.processId === undefined,
      unnamed: preparedStatements === 'unnamed' || (preparedStatements === 'auto' && facts.pooled),
    }
    tell(observe, {
      type: 'verify',
      durationMs: performance.now() - started,
      serverVersion: facts.serverVersion,
      pooled: facts.pooled,
    })
    return this.#verified
  }
}
