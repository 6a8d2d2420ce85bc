/**
 * One worker of an outbox: what it holds, when it asks for more, and what becomes of each event.
 *
 * Owns the order of a key and the bounds of what is held. What is asked of the database is claims.ts.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { closingOf, type Database } from '../database/index.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import { type ClaimedRow, Claims, isFinal, toEvent } from './claims.ts'
import { listenerOf } from './listener.ts'
import type { Topics } from './outbox.ts'
import type { HandlerContext, OutboxEvent, Relay, RelayOptions, RelayStats } from './relay-options.ts'
import { callGuarded } from './subscription.ts'

/** Handlers by topic, of any types. */
export type AnyHandlers = Readonly<
  Record<string, ((event: OutboxEvent, context: HandlerContext) => Promise<void> | void) | undefined>
>

/** Options with their defaults. */
export type RelaySettings = Readonly<
  Record<'batch' | 'perKey' | 'concurrency' | 'leaseMs' | 'maxAttempts' | 'pollMs', number>
> &
  Pick<RelayOptions, 'retryInMs' | 'onFailure' | 'onError'> & { readonly worker: string }

/** Timers of Node take no more. */
export const longestTimerMs = 2 ** 31 - 1
const defaultDrainMs = 10_000
/** Ends are told in groups; one that is alone waits no longer than this for others. */
const gatherMs = 5
const longestRetryMs = 3_600_000
const longestPauseMs = 5_000

/** One event in hand. */
interface Held {
  readonly row: ClaimedRow
  readonly controller: AbortController
}

/** One worker. */
export class RelayWorker implements Relay {
  readonly #db: Database<unknown>
  readonly #topics: Topics
  readonly #handlers: AnyHandlers
  readonly #settings: RelaySettings
  readonly #claims: Claims
  readonly #held = new Map<string, Held>()
  /** What is to be handled: the events of a key together, in their order. */
  readonly #queues: Held[][] = []
  /** Of each key, or event without one, what is being handled: nothing else of it may be at the same time. */
  readonly #busy = new Map<string, Promise<void>>()
  #running = 0
  #ended: Held[] = []
  #flushing: Promise<void> | undefined
  #flushTimer: NodeJS.Timeout | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #retryAt = Number.POSITIVE_INFINITY
  #extending = false
  #wake: (() => void) | undefined
  #woken = false
  #delivered = 0
  #failed = 0
  #dead = 0
  #state: 'idle' | 'working' | 'stopping' = 'idle'

  constructor(db: Database<unknown>, topics: Topics, handlers: AnyHandlers, settings: RelaySettings) {
    this.#db = db
    this.#topics = topics
    this.#handlers = handlers
    this.#settings = settings
    this.#claims = new Claims(db, settings)
  }

  stats(): RelayStats {
    return { delivered: this.#delivered, failed: this.#failed, dead: this.#dead, held: this.#held.size }
  }

  async run(options: { readonly signal: AbortSignal; readonly drainMs?: number }): Promise<void> {
    const { signal, drainMs = defaultDrainMs } = options
    if (signal.aborted) return
    if (this.#state !== 'idle')
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: 'the relay runs already',
        hint: 'Make another with createRelay() for a second worker.',
      })
    this.#state = 'working'
    const stop = () => {
      this.#state = 'stopping'
      this.#rouse()
    }
    signal.addEventListener('abort', stop, { once: true })
    const closing = closingOf(this.#db)
    const rouse = () => this.#rouse()
    closing.addEventListener('abort', rouse, { once: true })
    const listener = listenerOf(this.#db)
    // A hint that something came; without it the relay asks every now and then.
    const receiver = {
      receive: rouse,
      reconnected: rouse,
      end: (failure: unknown) => callGuarded(this.#settings.onError, failure),
    }
    // What came before it listens is told by nobody; how it ends is told to the receiver.
    listener.add('tenon_outbox', receiver).then(rouse, () => {})
    const extending = setInterval(() => void this.#extend(), this.#settings.leaseMs / 3)
    try {
      await this.#work()
    } finally {
      this.#state = 'stopping'
      await this.#drain(drainMs)
      clearInterval(extending)
      clearTimeout(this.#retryTimer)
      this.#retryAt = Number.POSITIVE_INFINITY
      signal.removeEventListener('abort', stop)
      closing.removeEventListener('abort', rouse)
      listener.remove('tenon_outbox', receiver)
      this.#state = 'idle'
    }
  }

  async #work(): Promise<void> {
    const { batch, pollMs, onError } = this.#settings
    let attempt = 0
    while (this.#isWorking()) {
      // A second batch is asked for while half of the first is still at work, but nothing beside an event that may end the process.
      const isFull = this.#held.size > batch / 2 || [...this.#held.values()].some(({ row }) => this.#isSuspect(row))
      if (isFull && !closingOf(this.#db).aborted) {
        await this.#sleep(pollMs)
        continue
      }
      try {
        const claimed = await this.#claim()
        attempt = 0
        if (claimed === 0) await this.#sleep(pollMs)
      } catch (error) {
        if (isFinal(error)) throw error
        callGuarded(onError, error)
        await this.#sleep(Math.min(longestPauseMs, 50 * 2 ** attempt++))
      }
    }
  }

  /** Asked as a function: the compiler would take what was read before an await for what is so after it. */
  #isWorking(): boolean {
    return this.#state === 'working'
  }

  /** Half of its attempts have gone: as sql/modules/outbox/0002_relay.sql has it. */
  #isSuspect({ attempts }: ClaimedRow): boolean {
    return attempts > 1 && attempts > (this.#settings.maxAttempts + 1) / 2
  }

  async #claim(): Promise<number> {
    const topics = Object.keys(this.#handlers).filter((topic) => this.#handlers[topic] !== undefined)
    this.#woken = false
    const rows = await this.#claims.claim(topics)
    const queues = new Map<string, Held[]>()
    for (const row of rows) {
      if (row.dead) {
        this.#dead += 1
        callGuarded(this.#settings.onFailure, {
          id: row.id,
          topic: row.topic,
          attempts: row.attempts,
          dead: true,
          error: undefined,
        })
        continue
      }
      // Its lease ended while it was being handled here.
      this.#held.get(row.id)?.controller.abort()
      const held: Held = { row, controller: new AbortController() }
      this.#held.set(row.id, held)
      const name = nameOf(row)
      const queue = queues.get(name)
      if (queue === undefined) queues.set(name, [held])
      else queue.push(held)
    }
    this.#queues.push(...queues.values())
    this.#start()
    return rows.length
  }

  #start(): void {
    while (this.#running < this.#settings.concurrency && this.#isWorking()) {
      const queue = this.#queues.shift()
      if (queue === undefined) return
      this.#running += 1
      const name = nameOf((queue[0] as Held).row)
      const before = this.#busy.get(name)
      const handling = (before ?? Promise.resolve())
        .then(() => this.#handleInTurn(queue))
        .finally(() => {
          if (this.#busy.get(name) === handling) this.#busy.delete(name)
          this.#running -= 1
          this.#start()
          if (this.#running === 0) this.#rouse()
        })
      this.#busy.set(name, handling)
    }
  }

  /** The events of one key. Behind one that failed or was lost nothing is handled. */
  async #handleInTurn(queue: readonly Held[]): Promise<void> {
    for (const [i, held] of queue.entries()) {
      if (held.controller.signal.aborted) {
        for (const lost of queue.slice(i)) this.#drop(lost)
        return
      }
      if (!this.#isWorking() && i > 0) return await this.#release(queue.slice(i))
      const failure = await this.#handle(held)
      if (failure === undefined) this.#end(held)
      else {
        // What was aborted is somebody else's, or was not given its time.
        if (held.controller.signal.aborted) await this.#release(queue.slice(i))
        else await this.#fail(held, failure.error, queue.slice(i + 1))
        return
      }
    }
  }

  async #handle({ row, controller }: Held): Promise<{ readonly error: unknown } | undefined> {
    try {
      const event = toEvent(row, this.#topics)
      await this.#handlers[row.topic]?.(event, { signal: controller.signal })
      return undefined
    } catch (error) {
      return { error }
    }
  }

  /** It is no longer in hand: whether it ended, was given back or was lost. */
  #drop(held: Held): void {
    // Since then it may have been claimed again.
    if (this.#held.get(held.row.id) === held) this.#held.delete(held.row.id)
    if (this.#held.size <= this.#settings.batch / 2) this.#rouse()
  }

  #end(held: Held): void {
    this.#ended.push(held)
    if (this.#ended.length >= this.#settings.batch / 4) void this.#flush()
    else this.#flushTimer ??= setTimeout(() => void this.#flush(), gatherMs)
  }

  /** Says which events were delivered: one statement at a time, of all that ended meanwhile. */
  #flush(): Promise<void> {
    clearTimeout(this.#flushTimer)
    this.#flushTimer = undefined
    this.#flushing ??= this.#flushAll().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  async #flushAll(): Promise<void> {
    for (let attempt = 0; this.#ended.length > 0; ) {
      const ended = this.#ended.filter((held) => !held.controller.signal.aborted)
      for (const held of this.#ended) if (held.controller.signal.aborted) this.#drop(held)
      this.#ended = []
      try {
        this.#delivered += (await this.#claims.complete(ended.map(idOf))).length
        for (const held of ended) this.#drop(held)
        attempt = 0
      } catch (error) {
        callGuarded(this.#settings.onError, error)
        // Said again for as long as they are held; after that they come again: at least once.
        if (!isFinal(error) && attempt < 5) this.#ended.unshift(...ended)
        else for (const held of ended) this.#drop(held)
        await delay(50 * 2 ** attempt, undefined, { signal: closingOf(this.#db) }).catch(() => {})
        attempt += 1
      }
    }
  }

  async #fail(held: Held, error: unknown, behind: readonly Held[]): Promise<void> {
    const { row } = held
    const { maxAttempts, retryInMs = doubling, onFailure, onError } = this.#settings
    this.#failed += 1
    // A payload that does not fit now does not fit later.
    const isHopeless = isTenonError(error) && error.code === 'EVENT_PAYLOAD'
    let retryMs = doubling(row.attempts)
    callGuarded(() => {
      const asked = Math.round(retryInMs(row.attempts))
      if (asked >= 0 && asked <= longestTimerMs) retryMs = asked
    })
    let dead = isHopeless || row.attempts >= maxAttempts
    try {
      dead = await this.#claims.fail(row.id, error, isHopeless ? undefined : retryMs)
    } catch (problem) {
      callGuarded(onError, problem)
    }
    if (dead) this.#dead += 1
    else this.#rouseIn(retryMs)
    this.#drop(held)
    callGuarded(onFailure, { id: row.id, topic: row.topic, attempts: row.attempts, dead, error })
    await this.#release(behind)
  }

  /** Gives back what was not tried. */
  async #release(held: readonly Held[]): Promise<void> {
    if (held.length === 0) return
    try {
      await this.#claims.release(held.map(idOf))
    } catch (error) {
      callGuarded(this.#settings.onError, error)
    }
    for (const one of held) this.#drop(one)
  }

  async #extend(): Promise<void> {
    const held = [...this.#held.values()]
    if (held.length === 0 || this.#extending) return
    this.#extending = true
    try {
      const kept = new Set(await this.#claims.extend(held.map(idOf)))
      // What ended meanwhile is no longer held anyway.
      for (const { row, controller } of held) if (!kept.has(row.id)) controller.abort()
    } catch (error) {
      callGuarded(this.#settings.onError, error)
    } finally {
      this.#extending = false
    }
  }

  /** Lets those that are being handled end, and gives the others back. */
  async #drain(drainMs: number): Promise<void> {
    await this.#release(this.#queues.splice(0).flat())
    const until = performance.now() + drainMs
    while (this.#running > 0 && performance.now() < until) await this.#sleep(20)
    if (this.#running > 0) {
      for (const { controller } of this.#held.values()) controller.abort()
      // Whoever heeds the signal ends at once and is given back.
      const grace = performance.now() + 1_000
      while (this.#running > 0 && performance.now() < grace) await this.#sleep(20)
    }
    await this.#flush()
  }

  #rouse(): void {
    this.#woken = true
    this.#wake?.()
  }

  /** One timer, for the earliest of those that are to be tried again. */
  #rouseIn(ms: number): void {
    const at = performance.now() + ms
    if (at >= this.#retryAt) return
    clearTimeout(this.#retryTimer)
    this.#retryAt = at
    this.#retryTimer = setTimeout(() => {
      this.#retryAt = Number.POSITIVE_INFINITY
      this.#rouse()
    }, ms).unref()
  }

  async #sleep(ms: number): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = undefined
    }
    this.#woken = false
  }
}

/** What must not be handled twice at the same time. */
function nameOf({ key, id }: ClaimedRow): string {
  return key === null ? `id ${id}` : `key ${key}`
}

const idOf = ({ row }: Held): string => row.id

function doubling(attempts: number): number {
  return Math.min(longestRetryMs, 1_000 * 2 ** Math.min(attempts - 1, 20)) * (0.75 + Math.random() / 2)
}
