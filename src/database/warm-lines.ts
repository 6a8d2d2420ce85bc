/**
 * Keeps lines of a pool at hand between two uses, so that most checkouts cost neither a timer nor a turn of the event loop.
 *
 * Owns the queue of those who wait for a line. pg's pool connects, counts and replaces: a line goes back to it when nobody wants it for a
 * moment, and every so often anyway.
 */
import { databaseClosed, poolTimeout } from './connect-error.ts'
import { isClean, type Lease, type LineCounts, type LineSource } from './lines.ts'
import type { Line } from './wire/line.ts'

/** Milliseconds that a line nobody wants is kept at hand. */
const lingerMs = 100
/** Milliseconds after which the pool gets a line back in any case: it replaces those that have come of age. */
const longestHeldMs = 1_000

interface Held {
  readonly lease: Lease
  readonly since: number
  /** When it was put at hand. */
  idleSince: number
}

interface Waiting {
  readonly until: number
  readonly settle: (lease: Lease) => void
  readonly fail: (error: unknown) => void
}

export class WarmLines implements LineSource {
  readonly kind = 'socket'
  readonly shared = false
  readonly #source: LineSource
  readonly waitMs: number
  readonly #warm: Held[] = []
  readonly #waiting: Waiting[] = []
  #closed = false
  #sweeper: NodeJS.Timeout | undefined
  #alarm: NodeJS.Timeout | undefined

  constructor(source: LineSource) {
    this.#source = source
    this.waitMs = source.waitMs
  }

  acquireNow(): Lease | undefined {
    for (let held = this.#warm.pop(); held !== undefined; held = this.#warm.pop()) {
      if (held.lease.line.loss === undefined) return this.#handle(held)
      held.lease.release()
    }
    return undefined
  }

  async acquire(first = false): Promise<Lease> {
    if (this.#closed) throw databaseClosed()
    const warm = this.acquireNow()
    if (warm !== undefined) return warm
    const { max, total, idle } = this.#source.counts()
    if (this.#waiting.length === 0 && (total < max || idle > 0 || max === 0)) return this.#handle(await this.#take())
    return await new Promise((settle, fail) => {
      const until = this.waitMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + this.waitMs
      if (first) this.#waiting.unshift({ until, settle, fail })
      else this.#waiting.push({ until, settle, fail })
      this.#refill()
      this.#alarmLater()
    })
  }

  async #take(): Promise<Held> {
    const lease = await this.#source.acquire()
    return { lease, since: performance.now(), idleSince: 0 }
  }

  /** One checkout; a handle of its own, so that whoever releases twice does not release somebody else's. */
  #handle(held: Held): Lease {
    let released = false
    return {
      line: held.lease.line,
      release: () => {
        if (released) return
        released = true
        this.#release(held)
      },
    }
  }

  #release(held: Held): void {
    const now = performance.now()
    // Those who came before anything was connected wait in the pool itself.
    const goesBack = held.since + longestHeldMs < now || this.#source.counts().waiting > 0
    // Once closed the pool gives nothing more: whoever waits still gets what comes back.
    const staysOut = this.#closed && this.#waiting.length > 0
    if ((goesBack && !staysOut) || !isClean(held.lease.line)) {
      held.lease.release()
      this.#refill()
      return
    }
    const next = this.#nextWaiting()
    if (next !== undefined) next.settle(this.#handle(held))
    else if (this.#closed) held.lease.release()
    else {
      held.idleSince = now
      this.#warm.push(held)
      this.#sweeper ??= setTimeout(this.#sweep, lingerMs).unref()
    }
  }

  /** Those who wait get what the pool has. */
  #refill(): void {
    const { max, total, idle } = this.#source.counts()
    if (total >= max && idle === 0) return
    const next = this.#nextWaiting()
    if (next === undefined) return
    this.#take().then(
      (held) => next.settle(this.#handle(held)),
      (error: unknown) => {
        next.fail(error)
        // Each has an attempt of its own.
        this.#refill()
      },
    )
    this.#refill()
  }

  #nextWaiting(): Waiting | undefined {
    const next = this.#waiting.shift()
    if (this.#waiting.length === 0) {
      clearTimeout(this.#alarm)
      this.#alarm = undefined
    }
    return next
  }

  readonly #sweep = (): void => {
    this.#sweeper = undefined
    const latest = performance.now() - lingerMs
    // The one used last is at the end: those before it have been idle longer.
    while (this.#warm.length > 0 && (this.#warm[0] as Held).idleSince <= latest) this.#warm.shift()?.lease.release()
    if (this.#warm.length > 0) this.#sweeper = setTimeout(this.#sweep, lingerMs).unref()
  }

  /** Wakes when the first of those who wait has waited long enough. */
  #alarmLater(): void {
    const until = Math.min(...this.#waiting.map((waiting) => waiting.until))
    if (this.#alarm !== undefined || !Number.isFinite(until)) return
    this.#alarm = setTimeout(
      () => {
        this.#alarm = undefined
        const now = performance.now()
        const expired = this.#waiting.filter((waiting) => waiting.until <= now)
        for (const waiting of expired) {
          this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
          waiting.fail(poolTimeout())
        }
        this.#alarmLater()
      },
      Math.max(1, until - performance.now()),
    )
  }

  dial(): Promise<Lease> {
    if (this.#closed || this.#source.dial === undefined) return Promise.reject(databaseClosed())
    return this.#source.dial()
  }

  counts(): LineCounts {
    const counts = this.#source.counts()
    return {
      ...counts,
      idle: counts.idle + this.#warm.length,
      waiting: counts.waiting + this.#waiting.length,
    }
  }

  async terminate(line: Line): Promise<void> {
    await this.#source.terminate?.(line)
  }

  async close(drainMs: number): Promise<void> {
    this.#closed = true
    for (const { lease } of this.#warm.splice(0)) lease.release()
    clearTimeout(this.#sweeper)
    await this.#source.close(drainMs)
    clearTimeout(this.#alarm)
    for (const { fail } of this.#waiting.splice(0)) fail(databaseClosed())
  }

  inTransaction<T>(callback: () => Promise<T>): Promise<T> {
    return this.#source.inTransaction(callback)
  }
}
