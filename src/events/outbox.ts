/**
 * Events that are written in the transaction of the data they tell of, and delivered at least once: the side that writes them.
 *
 * Stands on the SQL module `outbox`; relay.ts is the side that delivers.
 */
import { SelectQueryNode } from 'kysely'
import { toJsonText } from '../jsonb/index.ts'
import { TenonError } from '../kernel/errors.ts'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, bound, call, type Sql } from '../kernel/expressions.ts'
import type { Validator } from '../kernel/validator.ts'
import { type PayloadOf, writePayload } from './payload.ts'

/** Schemas of payloads by topic; `undefined` for one that is not checked. */
export type Topics = Readonly<Record<string, Validator | undefined>>

/** What an event says beside its payload. */
export interface EnqueueOptions {
  /** Events of one key are delivered one after the other, in the order of their commits, across topics. 1 to 400 characters. */
  readonly key?: string | undefined
  /** A second event with the same one in a topic is not written. 1 to 400 characters; forgotten when delivered events are purged. */
  readonly idempotencyKey?: string | undefined
  /** What is not of the payload, such as a trace id. */
  readonly headers?: Readonly<Record<string, unknown>> | undefined
  /** Not delivered before. */
  readonly availableAt?: Date | undefined
}

/** One event of {@link Outbox.enqueueMany}. */
export type OutboxItem<T extends Topics> = {
  [Topic in keyof T & string]: EnqueueOptions & { readonly topic: Topic; readonly payload: PayloadOf<T[Topic]> }
}[keyof T & string]

/** The topics of an application; made by {@link createOutbox}. */
export interface Outbox<T extends Topics> {
  readonly topics: T
  /**
   * Adds an event to the transaction, or writes it by itself.
   *
   * Two transactions that enqueue for one key wait for each other, as two that update one row do.
   *
   * @returns the id of the event; of the first one where the idempotency key is known
   * @throws {TenonError} EVENT_PAYLOAD, EVENT_CHANNEL
   */
  enqueue<Topic extends keyof T & string>(
    executor: Executor,
    topic: Topic,
    payload: PayloadOf<T[Topic]>,
    options?: EnqueueOptions & RunOptions,
  ): Promise<string>
  /** Adds events in one statement, in their order. @returns their ids */
  enqueueMany(executor: Executor, items: readonly OutboxItem<T>[], options?: RunOptions): Promise<string[]>
}

const maxTopic = 200
const maxKey = 400
/** Of one statement; a row lock for each key is held until the transaction ends. */
const maxItems = 10_000

/**
 * Defines topics with their payloads.
 *
 * @param topics - schemas by topic, 1 to 200 characters
 * @throws {TenonError} EVENT_CHANNEL
 * @example
 * ```ts
 * const outbox = createOutbox({ 'order.placed': z.object({ id: z.uuid() }) })
 * await me.transaction(async (trx) => {
 *   const order = await orders.insert(trx, values)
 *   await outbox.enqueue(trx, 'order.placed', { id: order.id }, { key: order.customerId })
 * })
 * ```
 * The SQL: `select tenon.enqueue($1, $2, $3, $4, $5, $6)`
 */
export function createOutbox<const T extends Topics>(topics: T): Outbox<T> {
  for (const topic of Object.keys(topics)) checkLength('a topic', topic, maxTopic)
  const write = (topic: string, payload: unknown, options: EnqueueOptions): EnqueuedText => {
    if (!Object.hasOwn(topics, topic))
      throw new TenonError({
        code: 'EVENT_CHANNEL',
        message: 'the outbox has no topic of that name',
        hint: `Topics: ${Object.keys(topics).join(', ')}.`,
      })
    const { key, idempotencyKey, headers = {}, availableAt } = options
    if (key !== undefined) checkLength('a key', key, maxKey)
    if (idempotencyKey !== undefined) checkLength('an idempotency key', idempotencyKey, maxKey)
    if (availableAt !== undefined && !(availableAt instanceof Date && Number.isFinite(availableAt.getTime())))
      throw new TenonError({
        code: 'EVENT_PAYLOAD',
        message: 'availableAt is no valid date',
        hint: 'Pass a Date; leave it out for now.',
      })
    return {
      topic,
      payload: writePayload(topic, topics[topic], payload),
      key: key ?? null,
      headers: toJsonText(headers),
      idempotency_key: idempotencyKey ?? null,
      available_at: availableAt?.toISOString() ?? null,
    }
  }
  return {
    topics,
    enqueue: async (executor, topic, payload, { signal, ...options } = {}) => {
      const event = write(topic, payload, options)
      const args = Object.entries(event).map(([name, value]) => bound(value, enqueueTypes[name as keyof EnqueuedText]))
      const [row] = await enqueueRows(executor, call('tenon.enqueue', ...args), { signal })
      return String(row?.id)
    },
    enqueueMany: async (executor, items, options = {}) => {
      if (items.length > maxItems)
        throw new TenonError({
          code: 'LIMIT_PARAMETERS',
          message: `more than ${maxItems} events at once`,
          hint: 'Enqueue them in parts, inside one transaction.',
        })
      const events = items.map(({ topic, payload, ...rest }) => write(topic, payload, rest))
      if (events.length === 0) return []
      const rows = await enqueueRows(executor, call('tenon.enqueue_many', bound(toJsonText(events), 'jsonb')), options)
      return rows.map(({ id }) => String(id))
    },
  }
}

interface EnqueuedText {
  readonly topic: string
  readonly payload: string
  readonly key: string | null
  readonly headers: string
  readonly idempotency_key: string | null
  readonly available_at: string | null
}

const enqueueTypes = {
  topic: 'text',
  payload: 'jsonb',
  key: 'text',
  headers: 'jsonb',
  idempotency_key: 'text',
  available_at: 'timestamptz',
} as const

async function enqueueRows(executor: Executor, node: Sql, options: RunOptions): Promise<{ id: unknown }[]> {
  const { rows } = await runQuery<{ id: unknown }>(
    executor,
    { ...SelectQueryNode.create(), selections: [aliased(node, 'id')] },
    options,
  )
  return rows
}

function checkLength(what: string, text: string, max: number): void {
  if (typeof text === 'string' && text !== '' && text.length <= max && !text.includes('\0')) return
  throw new TenonError({
    code: 'EVENT_CHANNEL',
    message: `${what} is empty, or longer than ${max} characters`,
    hint: 'Use a short name; put the rest into the payload.',
  })
}
