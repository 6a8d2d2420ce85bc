/**
 * Delivers the events of an outbox to handlers: at least once, those of a key one after the other.
 *
 * Owns one worker: what it holds, when it asks for more, and what becomes of each event. Any number of workers share an outbox, in any number
 * of processes; the database hands each event to one of them (sql/modules/outbox/0002_relay.sql).
 */
import { randomUUID } from 'node:crypto'
import type { Database } from '../database/index.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import { bound } from '../kernel/expressions.ts'
import { listenerOf } from './listener.ts'
import type { Outbox, Topics } from './outbox.ts'
import { type PayloadOf, readPayload } from './payload.ts'
import { selectFrom } from './sql-function.ts'

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

/** How a relay works. */
export interface RelayOptions {
  /** Who it is, in the audit and in `claimed_by`; one per process and start. Default a new uuid. */
  readonly worker?: string | undefined
  /** Events that are asked for at a time. Default 500. */
  readonly batch?: number | undefined
  /** Events of one key that are held at a time, to be handled in a row. Default 50. */
  readonly perKey?: number | undefined
  /** Events that are handled at the same time. Default 50. */
  readonly concurrency?: number | undefined
  /** Milliseconds after which an event that was not ended is handed to somebody else; extended while a handler runs. Default 60,000. */
  readonly leaseMs?: number | undefined
  /** Attempts after which an event is dead. Default 10. */
  readonly maxAttempts?: number | undefined
  /** Milliseconds until the next attempt. Default 1 s, doubled each time, with some chance in it, an hour at most. */
  readonly retryInMs?: ((attempts: number) => number) | undefined
  /** Milliseconds between two questions while nothing is told; notifications come at once. Default 5,000. */
  readonly pollMs?: number | undefined
  /** Told of every failed attempt; `dead` when it was the last. */
  readonly onFailure?: ((failure: RelayFailure) => void) | undefined
  /** Told when the database could not be asked; the relay tries again. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** One failed attempt. */
export interface RelayFailure {
  readonly id: string
  readonly topic: string
  readonly attempts: number
  readonly dead: boolean
  /** What the handler threw. */
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
} as const

const defaults = { batch: 500, perKey: 50, concurrency: 50, leaseMs: 60_000, maxAttempts: 10, pollMs: 5_000 } as const
const defaultDrainMs = 10_000
/** Ends are told in groups; one that is alone waits no longer than this for others. */
const gatherMs = 5
const longestRetryMs = 3_600_000

/**
 * Makes a worker for the topics of its handlers. It works as the service, which must be allowed to: the module `outbox` lets `service_role`.
 *
 * A handler sees an event again when the process ends between its work and the word of it: make it idempotent by `event.id`.
 *
 * @throws {TenonError} OPTION_INVALID
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
  const settings = {
    ...defaults,
    worker: randomUUID(),
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
  }
  for (const name of Object.keys(defaults) as (keyof typeof defaults)[]) {
    const value: unknown = settings[name]
    if (Number.isInteger(value) && (value as number) >= 1) continue
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `${name} of a relay is no whole number above zero`,
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
  /** Events of a key wait for each other; those without are alone. */
  readonly #queues: Held[][] = []
  #running = 0
  #ended: string[] = []
  #flushing: Promise<void> | undefined
  #flushTimer: NodeJS.Timeout | undefined
  #wake: (() => void) | undefined
  #woken = false
  #delivered = 0
  #failed = 0
  #dead = 0
  #stopping = false

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

  async run({
    signal,
    drainMs = defaultDrainMs,
  }: {
    readonly signal: AbortSignal
    readonly drainMs?: number
  }): Promise<void> {
    const stop = () => {
      this.#stopping = true
      this.#rouse()
    }
    if (signal.aborted) return
    this.#stopping = false
    signal.addEventListener('abort', stop, { once: true })
    const listener = listenerOf(this.#db)
    // A hint that something came; without it the relay asks every now and then.
    const receiver = { receive: () => this.#rouse(), reconnected: () => this.#rouse(), end: () => {} }
    listener.add('tenon_outbox', receiver).catch(() => {})
    const extending = setInterval(() => void this.#extend(), this.#settings.leaseMs / 3)
    try {
      await this.#work()
      await this.#drain(drainMs)
    } finally {
      clearInterval(extending)
      signal.removeEventListener('abort', stop)
      listener.remove('tenon_outbox', receiver)
    }
  }

  async #work(): Promise<void> {
    const { batch, pollMs } = this.#settings
    let attempt = 0
    while (!this.#stopping) {
      // A second batch is asked for while half of the first is still at work.
      if (this.#held.size > batch / 2) {
        await this.#sleep(pollMs)
        continue
      }
      this.#woken = false
      try {
        const claimed = await this.#claim()
        attempt = 0
        if (claimed === 0) await this.#sleep(this.#held.size > 0 ? gatherMs * 4 : pollMs)
      } catch (error) {
        if (isFinal(error)) throw error
        this.#settings.onError?.(error)
        await this.#sleep(Math.min(5_000, 50 * 2 ** attempt++))
      }
    }
  }

  async #claim(): Promise<number> {
    const { worker, batch, leaseMs, maxAttempts, perKey } = this.#settings
    const topics = Object.keys(this.#handlers).filter((topic) => this.#handlers[topic] !== undefined)
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
    const ofKeys = new Map<string, Held[]>()
    for (const row of rows) {
      const held: Held = { row, controller: new AbortController() }
      this.#held.set(row.id, held)
      const queue = row.key === null ? undefined : ofKeys.get(row.key)
      if (queue !== undefined) queue.push(held)
      else {
        const fresh = [held]
        if (row.key !== null) ofKeys.set(row.key, fresh)
        this.#queues.push(fresh)
      }
    }
    this.#start()
    return rows.length
  }

  #start(): void {
    while (this.#running < this.#settings.concurrency && !this.#stopping) {
      const queue = this.#queues.shift()
      if (queue === undefined) return
      this.#running += 1
      void this.#handleInTurn(queue).finally(() => {
        this.#running -= 1
        this.#start()
      })
    }
  }

  /** The events of one key; behind a failed one nothing is handled. */
  async #handleInTurn(queue: readonly Held[]): Promise<void> {
    for (const [i, held] of queue.entries()) {
      if (held.controller.signal.aborted) {
        this.#held.delete(held.row.id)
        continue
      }
      if (this.#stopping && i > 0) {
        await this.#release(queue.slice(i))
        return
      }
      const failure = await this.#handle(held)
      if (failure === undefined) this.#end(held.row.id)
      else {
        await this.#fail(held, failure.error)
        await this.#release(queue.slice(i + 1))
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

  #end(id: string): void {
    this.#ended.push(id)
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
    while (this.#ended.length > 0) {
      const ids = this.#ended
      this.#ended = []
      try {
        await this.#tell('tenon.complete_events', ids)
        this.#delivered += ids.length
      } catch (error) {
        // Without this word they come again when the lease ends: at least once.
        this.#settings.onError?.(error)
      }
      for (const id of ids) this.#held.delete(id)
      if (this.#held.size <= this.#settings.batch / 2) this.#rouse()
    }
  }

  async #fail({ row }: Held, error: unknown): Promise<void> {
    const { worker, maxAttempts, retryInMs = doubling, onFailure } = this.#settings
    this.#failed += 1
    // A payload that does not fit now does not fit later.
    const isHopeless = isTenonError(error) && error.code === 'EVENT_PAYLOAD'
    const retryMs = Math.max(0, Math.round(retryInMs(row.attempts)))
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
      this.#settings.onError?.(problem)
    }
    if (dead) this.#dead += 1
    else setTimeout(() => this.#rouse(), retryMs).unref()
    this.#held.delete(row.id)
    onFailure?.({ id: row.id, topic: row.topic, attempts: row.attempts, dead, error })
  }

  /** Gives back what was not tried. */
  async #release(held: readonly Held[]): Promise<void> {
    if (held.length === 0) return
    try {
      await this.#tell(
        'tenon.release_events',
        held.map(({ row }) => row.id),
      )
    } catch (error) {
      this.#settings.onError?.(error)
    }
    for (const { row } of held) this.#held.delete(row.id)
  }

  async #extend(): Promise<void> {
    const ids = [...this.#held.keys()]
    if (ids.length === 0) return
    try {
      const kept = new Set(
        (
          await selectFrom<{ found: string }>(
            this.#service,
            'tenon.extend_events',
            [
              bound(this.#settings.worker, 'text'),
              bound(ids, 'int8[]'),
              bound(`${this.#settings.leaseMs} milliseconds`, 'interval'),
            ],
            { found: 'text' },
          )
        ).map(({ found }) => found),
      )
      // What ended meanwhile is no longer held anyway.
      for (const id of ids) if (!kept.has(id)) this.#held.get(id)?.controller.abort()
    } catch (error) {
      this.#settings.onError?.(error)
    }
  }

  async #tell(name: string, ids: readonly string[]): Promise<void> {
    await selectFrom(this.#service, name, [bound(this.#settings.worker, 'text'), bound(ids, 'int8[]')], {
      found: 'text',
    })
  }

  /** Lets those that are being handled end, and gives the others back. */
  async #drain(drainMs: number): Promise<void> {
    await this.#release(this.#queues.splice(0).flat())
    const until = performance.now() + drainMs
    while (this.#running > 0 && performance.now() < until) await this.#sleep(20)
    if (this.#running > 0) {
      const late = [...this.#held.values()]
      for (const { controller } of late) controller.abort()
    }
    await this.#flush()
  }

  #rouse(): void {
    this.#woken = true
    this.#wake?.()
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#woken) {
      this.#woken = false
      return
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
    this.#woken = false
  }
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

/** The database will refuse again, whatever is done here. */
function isFinal(error: unknown): boolean {
  if (!isTenonError(error)) return true
  return (
    !error.retryable &&
    ![
      'COMMIT_UNKNOWN',
      'CONNECTION_REFUSED',
      'TIMEOUT_CONNECT',
      'TIMEOUT_STATEMENT',
      'QUERY_CANCELED',
      'RESOURCE_EXHAUSTED',
    ].includes(error.code)
  )
}
