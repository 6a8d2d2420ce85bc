/**
 * Delivers the events of an outbox to handlers: at least once, those of a key one after the other.
 *
 * Owns what an application says and is told. Any number of workers share an outbox, in any number of processes; the database hands each event
 * to one of them (sql/modules/outbox/0002_relay.sql), and relay-worker.ts is what one of them does.
 */
import { randomUUID } from 'node:crypto'
import type { Database } from '../database/index.ts'
import { TenonError } from '../kernel/errors.ts'
import type { Outbox, Topics } from './outbox.ts'
import type { PayloadOf } from './payload.ts'
import type { HandlerContext, OutboxEvent, Relay, RelayOptions } from './relay-options.ts'
import { type AnyHandlers, longestTimerMs, type RelaySettings, RelayWorker } from './relay-worker.ts'

/** Handles the events of some topics. What it throws is a failed attempt. */
export type Handlers<T extends Topics> = {
  readonly [Topic in keyof T & string]?: (
    event: OutboxEvent<PayloadOf<T[Topic]>>,
    context: HandlerContext,
  ) => Promise<void> | void
}

const defaults = { batch: 500, perKey: 50, concurrency: 50, leaseMs: 60_000, maxAttempts: 10, pollMs: 5_000 } as const
const least = { batch: 1, perKey: 1, concurrency: 1, leaseMs: 100, maxAttempts: 1, pollMs: 1 } as const

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
  return new RelayWorker(
    // What the tables are makes no difference to a relay; topics and handlers are of one outbox.
    db as unknown as Database<unknown>,
    outbox.topics,
    handlers as AnyHandlers,
    checkOptions(options),
  )
}

function checkOptions(options: RelayOptions): RelaySettings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const settings = { ...defaults, worker: randomUUID(), ...given }
  for (const name of Object.keys(defaults) as (keyof typeof defaults)[]) {
    const value: unknown = settings[name]
    if (Number.isInteger(value) && (value as number) >= least[name] && (value as number) <= longestTimerMs) continue
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `${name} of a relay is no whole number from ${least[name]} to ${longestTimerMs}`,
      hint: `The default is ${defaults[name]}.`,
    })
  }
  return settings
}
