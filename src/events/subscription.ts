/**
 * What arrives, as an async iterable: a queue between a connection that does not wait and a consumer that takes its time.
 *
 * Owns the bound of that queue. It refuses to keep more than that: what a slow consumer did not get it can only read again, and is told so.
 */
import { TenonError } from '../kernel/errors.ts'

/** Something may have been missed: read the present state again. */
export interface Gap {
  /**
   * `reconnect`: the connection was lost, and what was sent until the next one listened is gone. `overflow`: the consumer was slower than
   * the events, and those that waited were dropped. `bulk`: more was changed at once than is told one by one.
   */
  readonly reason: 'reconnect' | 'overflow' | 'bulk'
}

/** How a subscription goes. */
export interface SubscriptionOptions {
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined
  /** Events that wait for the consumer at most; then all that wait are dropped, and `onGap` is told. Default 1,000. */
  readonly maxQueued?: number | undefined
  /** What it throws is ignored, as of all callbacks here. */
  readonly onGap?: ((gap: Gap) => void) | undefined
  /** Told of payloads that do not fit the schema; they are left out. Any login can send them. */
  readonly onInvalid?: ((error: TenonError) => void) | undefined
}

/** Events as they arrive. One consumer at a time; leaving the loop ends the subscription. */
export interface Subscription<E> extends AsyncIterableIterator<E>, AsyncDisposable {
  /** Resolves when nothing that commits from now on is missed: subscribe, wait for this, read the state, then follow the events. */
  readonly ready: Promise<void>
}

/** Calls a bystander: what it throws must not become a failure of the events of others. */
export function callGuarded<A extends readonly unknown[]>(
  callback: ((...args: A) => unknown) | undefined,
  ...args: A
): void {
  try {
    callback?.(...args)
  } catch {
    // Documented: it is ignored.
  }
}

const defaultMaxQueued = 1_000

/** @throws {TenonError} OPTION_INVALID */
export function checkMaxQueued(maxQueued: number | undefined): number {
  if (maxQueued === undefined) return defaultMaxQueued
  if (Number.isInteger(maxQueued) && maxQueued >= 1) return maxQueued
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'maxQueued is no number of events',
    hint: 'Pass 1 or more; the default is 1000.',
  })
}

/** A bounded queue with one consumer, who may ask for the next item before the last one came. */
export class EventQueue<E> {
  #items: E[] = []
  readonly #max: number
  readonly #onOverflow: () => void
  #waiting: (() => void)[] = []
  #ended = false
  #failure: unknown
  /** The consumer was told of an overflow and has taken nothing since. */
  #told = false

  constructor(max: number, onOverflow: () => void) {
    this.#max = max
    this.#onOverflow = onOverflow
  }

  put(item: E): void {
    if (this.#ended) return
    if (this.#items.length >= this.#max) {
      this.#items = []
      if (!this.#told) this.#onOverflow()
      this.#told = true
    }
    this.#items.push(item)
    this.#wake()
  }

  /** The next item; undefined at the end. @throws what the queue was ended with */
  async take(): Promise<E | undefined> {
    while (this.#items.length === 0) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#ended) return undefined
      await new Promise<void>((wake) => this.#waiting.push(wake))
    }
    this.#told = false
    return this.#items.shift()
  }

  /** What waits is still given, unless `now`. */
  end(failure?: unknown, now = false): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = failure
    if (now) this.#items = []
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}
