/**
 * Delivers the events of an outbox to handlers: at least once, those of a key one after the other.
 *
 * Owns one worker: what it holds, when it asks for more, and what becomes of each event. Any number of workers share an outbox, in any number
 * of processes; the database hands each event to one of them (sql/modules/outbox/0002_relay.sql).
 */
import { randomUUID } from 'node:crypto'
import type { Database } from '../database/index.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import { bound, type Sql } from '../kernel/expressions.ts'
import { listenerOf } from './listener.ts'
import type { Outbox, Topics } from './outbox.ts'
import { type PayloadOf, readPayload } from './payload.ts'
import { selectFrom } from './sql-function.ts'
import { callGuarded } from './subscription.ts'

/** An event as a handler gets it. */
export interface OutboxEvent<Payload = unknown> {
  /** The same at every attempt: what makes a handler idempotent. */
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly payload: Payload
  readonly headers: Readonly<Record<string, unknown>>
  readonly idempotencyKey: string | null
  /** Subject and role of the session that enqueued it, as the database saw them. */
  readonly enqueuedBy: string | null
  readonly enqueuedRole: string
  readonly createdAt: Date
  /** This one included. */
  readonly attempts: number
}

/** What a handler may need beside the event. */
export interface HandlerContext {
  /** Aborted when the event was lost to another worker, or the relay is told to stop and its time is over. */
  readonly signal: AbortSignal
}

/** Handles the events of some topics. What it throws is a failed attempt. */
export type Handlers<T extends Topics> = {
  readonly [Topic in keyof T & string]?: (
    event: OutboxEvent<PayloadOf<T[Topic]>>,
    context: HandlerContext,
  ) => Promise<void> | void
}

/** How a relay works. What callbacks throw is ignored. */
export interface RelayOptions {
  /** Who it is, in the audit and in `claimed_by`; one per process and start. Default a new uuid. */
  readonly worker?: string | undefined
  /** Events that are asked for at a time. Default 500. */
  readonly batch?: number | undefined
  /** Events of one key that are held at a time, to be handled in a row. Default 50. */
  readonly perKey?: number | undefined
  /** Events that are handled at the same time. Default 50. */
  readonly concurrency?: number | undefined
  /** Milliseconds after which an event that was not ended is handed to somebody else; extended while a handler runs. 100 at least, default 60,000. */
  readonly leaseMs?: number | undefined
  /** Attempts after which an event is dead. Default 10. */
  readonly maxAttempts?: number | undefined
  /** Milliseconds until the next attempt. Default 1 s, doubled each time, with some chance in it, an hour at most. */
  readonly retryInMs?: ((attempts: number) => number) | undefined
  /** Milliseconds between two questions while nothing is told; notifications come at once. Default 5,000. */
  readonly pollMs?: number | undefined
  /** Told of every failed attempt; `dead` when it was the last. */
  readonly onFailure?: ((failure: RelayFailure) => void) | undefined
  /** Told when the database could not be asked, in which case the relay tries again, or LISTEN is not to be had, in which case it polls. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** One failed attempt. */
export interface RelayFailure {
  readonly id: string
  readonly topic: string
  readonly attempts: number
  readonly dead: boolean
  /** What the handler threw; undefined where a worker went away with the event, without a word. */
  readonly error: unknown
}

/** Counters of a relay. */
export interface RelayStats {
  readonly delivered: number
  readonly failed: number
  readonly dead: number
  /** Events held now. */
  readonly held: number
}

/** Made by {@link createRelay}. */
export interface Relay {
  /**
   * Delivers until the signal, then lets handlers end for `drainMs` and gives back what was not begun.
   *
   * @throws {TenonError} when the database refuses for good: SERVICE_MISSING, ACCESS_DENIED, QUERY_UNDEFINED_OBJECT without the module
   */
  run(options: { readonly signal: AbortSignal; readonly drainMs?: number }): Promise<void>
  stats(): RelayStats
}

interface ClaimedRow {
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly payload: string
  readonly headers: string
  readonly idempotencykey: string | null
  readonly enqueuedby: string | null
  readonly enqueuedrole: string
  readonly createdat: Date | string
  readonly attempts: number
  readonly dead: boolean
}

const claimedColumns = {
  id: 'text',
  topic: 'value',
  key: 'value',
  payload: 'text',
  headers: 'text',
  idempotency_key: 'value',
  enqueued_by: 'value',
  enqueued_role: 'value',
  created_at: 'value',
  attempts: 'value',
  dead: 'value',
} as const

const defaults = { batch: 500, perKey: 50, concurrency: 50, leaseMs: 60_000, maxAttempts: 10, pollMs: 5_000 } as const
const least = { batch: 1, perKey: 1, concurrency: 1, leaseMs: 100, maxAttempts: 1, pollMs: 1 } as const
/** Timers of Node take no more. */
const most = 2 ** 31 - 1
const defaultDrainMs = 10_000
/** Ends are told in groups; one that is alone waits no longer than this for others. */
const gatherMs = 5
const longestRetryMs = 3_600_000
const longestPauseMs = 5_000

/**
 * Makes a worker for the topics of its handlers. It works as the service, which must be allowed to: the module `outbox` lets `service_role`.
 *
 * A handler sees an event again when the process ends between its work and the word of it, and with it those of its key that came after: make
 * it idempotent by `event.id`.
 *
 * @throws {TenonError} OPTION_INVALID, SERVICE_MISSING
 * @example
 * ```ts
 * const relay = createRelay(db, outbox, { 'order.placed': async ({ id, payload }) => await mail.send(payload, { idempotencyKey: id }) })
 * await relay.run({ signal })
 * ```
 * The SQL: `select … from tenon.claim_events(…)`, then `tenon.complete_events(…)` or `tenon.fail_event(…)`
 */
export function createRelay<T extends Topics, DB>(
  db: Database<DB>,
  outbox: Outbox<T>,
  handlers: Handlers<T>,
  options: RelayOptions = {},
): Relay {
  return new OutboxRelay(db as unknown as Database<unknown>, outbox.topics, handlers as Loose, checkOptions(options))
}

type Loose = Readonly<
  Record<string, ((event: OutboxEvent, context: HandlerContext) => Promise<void> | void) | undefined>
>

type Settings = Readonly<Record<keyof typeof defaults, number>> &
  Pick<RelayOptions, 'retryInMs' | 'onFailure' | 'onError'> & { readonly worker: string }

function checkOptions(options: RelayOptions): Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const settings = { ...defaults, worker: randomUUID(), ...given }
  for (const name of Object.keys(defaults) as (keyof typeof defaults)[]) {
    const value: unknown = settings[name]
    if (Number.isInteger(value) && (value as number) >= least[name] && (value as number) <= most) continue
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `${name} of a relay is no whole number from ${least[name]} to ${most}`,
      hint: `The default is ${defaults[name]}.`,
    })
  }
  return settings
}

/** One event in hand. */
interface Held {
  readonly row: ClaimedRow
  readonly controller: AbortController
}

class OutboxRelay implements Relay {
  readonly #db: Database<unknown>
  readonly #topics: Topics
  readonly #handlers: Loose
  readonly #settings: Settings
  readonly #service: ReturnType<Database<unknown>['service']>
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

  constructor(db: Database<unknown>, topics: Topics, handlers: Loose, settings: Settings) {
    this.#db = db
    this.#topics = topics
    this.#handlers = handlers
    this.#settings = settings
    this.#service = db.service({ actor: settings.worker, reason: 'outbox relay' })
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
    const listener = listenerOf(this.#db)
    // A hint that something came; without it the relay asks every now and then.
    const receiver = {
      receive: () => this.#rouse(),
      reconnected: () => this.#rouse(),
      end: (failure: unknown) => callGuarded(this.#settings.onError, failure),
    }
    listener.add('tenon_outbox', receiver).catch(() => {})
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
      listener.remove('tenon_outbox', receiver)
      this.#state = 'idle'
    }
  }

  async #work(): Promise<void> {
    const { batch, pollMs, onError } = this.#settings
    let attempt = 0
    while (this.#isWorking()) {
      // A second batch is asked for while half of the first is still at work, but nothing beside an event that may end the process.
      if (this.#held.size > batch / 2 || [...this.#held.values()].some(({ row }) => this.#isSuspect(row))) {
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
    const { worker, batch, leaseMs, maxAttempts, perKey, onFailure } = this.#settings
    const topics = Object.keys(this.#handlers).filter((topic) => this.#handlers[topic] !== undefined)
    this.#woken = false
    const rows = await selectFrom<ClaimedRow>(
      this.#service,
      'tenon.claim_events',
      [
        bound(worker, 'text'),
        bound(batch, 'int4'),
        bound(`${leaseMs} milliseconds`, 'interval'),
        bound(maxAttempts, 'int4'),
        bound(topics, 'text[]'),
        bound(perKey, 'int4'),
      ],
      claimedColumns,
    )
    const queues = new Map<string, Held[]>()
    for (const row of rows) {
      if (row.dead) {
        this.#dead += 1
        callGuarded(onFailure, { id: row.id, topic: row.topic, attempts: row.attempts, dead: true, error: undefined })
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
        this.#delivered += (await this.#tell('tenon.complete_events', ended)).length
        for (const held of ended) this.#drop(held)
        attempt = 0
      } catch (error) {
        callGuarded(this.#settings.onError, error)
        // Said again for as long as they are held; after that they come again: at least once.
        if (!isFinal(error) && attempt < 5) this.#ended.unshift(...ended)
        else for (const held of ended) this.#drop(held)
        await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt))
        attempt += 1
      }
    }
  }

  async #fail(held: Held, error: unknown, behind: readonly Held[]): Promise<void> {
    const { row } = held
    const { worker, maxAttempts, retryInMs = doubling, onFailure, onError } = this.#settings
    this.#failed += 1
    // A payload that does not fit now does not fit later.
    const isHopeless = isTenonError(error) && error.code === 'EVENT_PAYLOAD'
    let retryMs = doubling(row.attempts)
    callGuarded(() => {
      const asked = Math.round(retryInMs(row.attempts))
      if (asked >= 0 && asked <= most) retryMs = asked
    })
    let dead = isHopeless || row.attempts >= maxAttempts
    try {
      const [found] = await selectFrom<{ found: string | null }>(
        this.#service,
        'tenon.fail_event',
        [
          bound(worker, 'text'),
          bound(row.id, 'int8'),
          bound(codeOf(error), 'text'),
          bound(isHopeless ? null : `${retryMs} milliseconds`, 'interval'),
          bound(maxAttempts, 'int4'),
        ],
        { found: 'value' },
      )
      dead = found?.found === 'dead'
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
      await this.#tell('tenon.release_events', held)
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
      const kept = new Set(
        await this.#tell('tenon.extend_events', held, [bound(`${this.#settings.leaseMs} milliseconds`, 'interval')]),
      )
      // What ended meanwhile is no longer held anyway.
      for (const { row, controller } of held) if (!kept.has(row.id)) controller.abort()
    } catch (error) {
      callGuarded(this.#settings.onError, error)
    } finally {
      this.#extending = false
    }
  }

  /** Calls a function of the module with the ids of events; the ids that it gives are those that are still this worker's. */
  async #tell(name: string, held: readonly Held[], more: readonly Sql[] = []): Promise<readonly string[]> {
    if (held.length === 0) return []
    const ids = bound(
      held.map(({ row }) => row.id),
      'int8[]',
    )
    const args = [bound(this.#settings.worker, 'text'), ids, ...more]
    return (await selectFrom<{ found: string }>(this.#service, name, args, { found: 'text' })).map(({ found }) => found)
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

function toEvent(row: ClaimedRow, topics: Topics): OutboxEvent {
  return {
    id: row.id,
    topic: row.topic,
    key: row.key,
    payload: readPayload(row.topic, topics[row.topic], row.payload),
    headers: JSON.parse(row.headers) as Record<string, unknown>,
    idempotencyKey: row.idempotencykey,
    enqueuedBy: row.enqueuedby,
    enqueuedRole: row.enqueuedrole,
    createdAt: new Date(row.createdat),
    attempts: row.attempts,
  }
}

/** What is kept of a failure: a code or the name of its class, never a message, which may hold data. */
function codeOf(error: unknown): string {
  if (error instanceof Error || isTenonError(error)) {
    const { code, name } = error as { readonly code?: unknown; readonly name: string }
    return typeof code === 'string' ? code : name
  }
  return 'thrown'
}

function doubling(attempts: number): number {
  return Math.min(longestRetryMs, 1_000 * 2 ** Math.min(attempts - 1, 20)) * (0.75 + Math.random() / 2)
}

/** Failures after which the same question may be answered. */
const passing: ReadonlySet<string> = new Set([
  'COMMIT_UNKNOWN',
  'CONNECTION_REFUSED',
  'TIMEOUT_CONNECT',
  'TIMEOUT_STATEMENT',
  'QUERY_CANCELED',
  'RESOURCE_EXHAUSTED',
  // After a failover the name may lead to the old server for a while.
  'TRANSACTION_READ_ONLY',
  'EMBEDDED_BUSY',
])

/** The database will refuse again, whatever is done here. */
function isFinal(error: unknown): boolean {
  return !isTenonError(error) || !(error.retryable || passing.has(error.code))
}
