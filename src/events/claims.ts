/**
 * What a relay asks of the SQL module `outbox`: events to handle, and what became of them.
 *
 * Owns the calls and the shape of what they give. It holds nothing: relay-worker.ts does.
 */
import type { Database } from '../database/index.ts'
import { isTenonError } from '../kernel/errors.ts'
import { bound, type Sql } from '../kernel/expressions.ts'
import type { Topics } from './outbox.ts'
import { readPayload } from './payload.ts'
import type { OutboxEvent } from './relay-options.ts'
import { selectFrom } from './sql-function.ts'

/** An event as tenon.claim_events() gives it, by names that no plugin changes. */
export interface ClaimedRow {
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

/** How events are claimed. */
export interface ClaimOptions {
  readonly worker: string
  readonly batch: number
  readonly perKey: number
  readonly leaseMs: number
  readonly maxAttempts: number
}

/** The claims of one worker. */
export class Claims {
  readonly #service: ReturnType<Database<unknown>['service']>
  readonly #options: ClaimOptions

  /** @throws {TenonError} SERVICE_MISSING */
  constructor(db: Database<unknown>, options: ClaimOptions) {
    this.#service = db.service({ actor: options.worker, reason: 'outbox relay' })
    this.#options = options
  }

  /** Events of some topics, of each key in their order. */
  async claim(topics: readonly string[]): Promise<readonly ClaimedRow[]> {
    const { worker, batch, maxAttempts, perKey } = this.#options
    const args = [
      bound(worker, 'text'),
      bound(batch, 'int4'),
      this.#lease(),
      bound(maxAttempts, 'int4'),
      bound(topics, 'text[]'),
      bound(perKey, 'int4'),
    ]
    return await selectFrom<ClaimedRow>(this.#service, 'tenon.claim_events', args, claimedColumns)
  }

  /** @returns the ids of those that were still this worker's, and are delivered now */
  async complete(ids: readonly string[]): Promise<readonly string[]> {
    return await this.#tell('tenon.complete_events', ids)
  }

  /** @returns the ids of those that are still this worker's */
  async extend(ids: readonly string[]): Promise<readonly string[]> {
    return await this.#tell('tenon.extend_events', ids, [this.#lease()])
  }

  /** Gives back what was not tried. */
  async release(ids: readonly string[]): Promise<void> {
    await this.#tell('tenon.release_events', ids)
  }

  /**
   * Tells of a failed attempt.
   *
   * @param retryMs - undefined for never again
   * @returns whether it was the last
   */
  async fail(id: string, error: unknown, retryMs: number | undefined): Promise<boolean> {
    const { worker, maxAttempts } = this.#options
    const args = [
      bound(worker, 'text'),
      bound(id, 'int8'),
      bound(codeOf(error), 'text'),
      bound(retryMs === undefined ? null : `${retryMs} milliseconds`, 'interval'),
      bound(maxAttempts, 'int4'),
    ]
    const [row] = await selectFrom<{ found: string | null }>(this.#service, 'tenon.fail_event', args, {
      found: 'value',
    })
    return row?.found === 'dead'
  }

  async #tell(name: string, ids: readonly string[], more: readonly Sql[] = []): Promise<readonly string[]> {
    if (ids.length === 0) return []
    const args = [bound(this.#options.worker, 'text'), bound(ids, 'int8[]'), ...more]
    const rows = await selectFrom<{ found: string }>(this.#service, name, args, { found: 'text' })
    return rows.map(({ found }) => found)
  }

  #lease(): Sql {
    return bound(`${this.#options.leaseMs} milliseconds`, 'interval')
  }
}

/** An event as a handler gets it. @throws {TenonError} EVENT_PAYLOAD */
export function toEvent(row: ClaimedRow, topics: Topics): OutboxEvent {
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

/** Whether the database will refuse again, whatever is done here. */
export function isFinal(error: unknown): boolean {
  return !isTenonError(error) || !(error.retryable || passing.has(error.code))
}
