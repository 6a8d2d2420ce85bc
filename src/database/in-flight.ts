/**
 * What of a connection is under way, and cancelling it: an abort may cancel the statement in flight, and nothing before or after it.
 *
 * Owns the wait for a cancel request that the server may still act upon: nobody gets the connection before it is dealt with.
 */
import type { LineSource } from './lines.ts'
import type { Runner } from './runner.ts'

/** After a cancel was delivered the statement has this long to end before its connection is destroyed. */
const cancelGraceMs = 1_000

export class InFlight {
  /** An abort has been answered with its own reason: the late failure of the statement is nobody's news. */
  quiet = false
  readonly #runner: Runner
  readonly #source: LineSource
  readonly #quietens: boolean
  #count = 0
  #cancelling: Promise<void> | undefined
  /** Those who wait until nothing is in flight any more. */
  readonly #idle: (() => void)[] = []

  /** @param quietens - whether the caller of an aborted statement is answered by whoever aborts it */
  constructor(runner: Runner, source: LineSource, quietens: boolean) {
    this.#runner = runner
    this.#source = source
    this.#quietens = quietens
  }

  /** A cancel request is out. */
  get cancelling(): Promise<void> | undefined {
    return this.#cancelling
  }

  enter(): void {
    if (this.#count++ === 0) {
      this.quiet = false
      this.#runner.cancelRequested = false
    }
  }

  leave(): void {
    if (--this.#count === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** Waits until nothing is in flight and no cancel can arrive any more. */
  async settle(): Promise<void> {
    await this.#settled()
    await this.#cancelling
    this.#cancelling = undefined
  }

  async #settled(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Cancels what runs on the server and returns when a late cancel can no longer hit anything else. */
  async cancel(): Promise<void> {
    const { line } = this.#runner
    if (this.#count === 0 || line.loss !== undefined || line.channel.cancel === undefined) return
    this.#runner.cancelRequested = true
    if (this.#quietens) this.quiet = true
    this.#cancelling = this.#deliver(() => line.channel.cancel?.() ?? Promise.resolve())
    await this.#cancelling
  }

  async #deliver(request: () => Promise<void>): Promise<void> {
    const { line } = this.#runner
    try {
      await request()
    } catch {
      // The request may still arrive, at whoever has the connection then: nobody may.
      line.end({ reason: 'destroyed' })
      return
    }
    if (this.#count === 0) return
    const timer = setTimeout(() => line.end({ reason: 'destroyed' }), cancelGraceMs)
    await this.#settled()
    clearTimeout(timer)
  }

  /** Ends the backend. */
  async kill(): Promise<void> {
    if (this.#count === 0) return
    if (this.#quietens) this.quiet = true
    // Kept like a cancel: nobody else may be on the connection when it arrives.
    this.#cancelling = this.#source.terminate?.(this.#runner.line)
    await this.#cancelling
  }
}
