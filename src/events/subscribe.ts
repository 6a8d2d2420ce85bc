/** LISTEN as an async iterable of checked payloads. */
import type { Database } from '../database/index.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import type { Channel } from './channel.ts'
import { listenerOf, type Receiver } from './listener.ts'
import { readPayload } from './payload.ts'
import {
  callGuarded,
  checkMaxQueued,
  EventQueue,
  type Gap,
  type Subscription,
  type SubscriptionOptions,
} from './subscription.ts'

/** One event of a channel. */
export interface ChannelEvent<T> {
  readonly payload: T
  /** Process of the backend that sent it, `pg_backend_pid()` there; 0 where an embedded database does not tell. */
  readonly processId: number
}

/**
 * Follows a channel. All subscriptions of a database share one connection beside its pools, which is opened when the first begins and opened
 * again when it is lost.
 *
 * NOTIFY does not keep anything for those who are away: `onGap` says when something may have been missed. What must not be lost goes through
 * an outbox.
 *
 * @returns events in the order of their commits; the iteration ends with the signal, with `db.close()`, or when the loop is left
 * @throws {TenonError} from the iteration: EVENT_POOLED, and what connecting ends with for good, such as CONNECTION_AUTH
 * @example
 * ```ts
 * for await (const { payload } of subscribe(db, orders, { signal, onGap: () => cache.clear() })) cache.delete(payload.id)
 * ```
 * The SQL, on that connection: `listen "orders"`
 */
export function subscribe<T, DB>(
  db: Database<DB>,
  channel: Channel<T>,
  options: SubscriptionOptions = {},
): Subscription<ChannelEvent<T>> {
  const { name, schema } = channel
  return follow(db, channel.id, options, (text, processId) => ({ payload: readPayload(name, schema, text), processId }))
}

/**
 * Follows what is sent under an id.
 *
 * @param read - what a payload says; what it throws is told to `onInvalid`
 */
export function follow<E, DB>(
  db: Database<DB>,
  id: string,
  options: SubscriptionOptions,
  read: (text: string, processId: number) => E | undefined,
): Subscription<E> {
  const { signal, onGap, onInvalid } = options
  const tell = (reason: Gap['reason']) => callGuarded(onGap, { reason })
  const queue = new EventQueue<readonly [text: string, processId: number]>(checkMaxQueued(options.maxQueued), () =>
    tell('overflow'),
  )
  const receiver: Receiver = {
    receive: (payload, processId) => queue.put([payload, processId]),
    reconnected: () => tell('reconnect'),
    // A database that was closed by the program itself is no failure of the loop.
    end: (failure) => queue.end(isTenonError(failure) && failure.code === 'DATABASE_CLOSED' ? undefined : failure),
  }
  const listener = listenerOf(db)
  const leave = () => {
    signal?.removeEventListener('abort', abort)
    listener.remove(id, receiver)
  }
  const abort = () => {
    queue.end(undefined, true)
    leave()
  }
  const ready = signal?.aborted === true ? Promise.resolve() : listener.add(id, receiver)
  // Whoever does not wait for it learns of a failure from the iteration.
  ready.catch(() => {})
  if (signal?.aborted === true) queue.end(undefined, true)
  else signal?.addEventListener('abort', abort, { once: true })
  const next = async (): Promise<IteratorResult<E, undefined>> => {
    for (;;) {
      const taken = await queue.take().catch((error: unknown) => {
        leave()
        throw error
      })
      if (taken === undefined) {
        leave()
        return { done: true, value: undefined }
      }
      try {
        const event = read(...taken)
        if (event !== undefined) return { done: false, value: event }
      } catch (error) {
        if (error instanceof TenonError) {
          callGuarded(onInvalid, error)
          continue
        }
        // A loop that fails here does not leave by itself.
        abort()
        throw error
      }
    }
  }
  const end = async (): Promise<IteratorResult<E, undefined>> => {
    abort()
    return { done: true, value: undefined }
  }
  return {
    ready,
    next,
    return: end,
    [Symbol.asyncIterator]() {
      return this
    },
    [Symbol.asyncDispose]: async () => void (await end()),
  }
}
