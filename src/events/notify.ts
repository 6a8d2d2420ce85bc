/** NOTIFY with a payload that is checked before the server sees it. */
import { Buffer } from 'node:buffer'
import { SelectQueryNode } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, bound, call } from '../kernel/expressions.ts'
import type { Channel } from './channel.ts'
import { writePayload } from './payload.ts'

/** NOTIFY_PAYLOAD_MAX_LENGTH of a server with blocks of 8 kB, less the byte that ends it. */
const maxPayloadBytes = 7_999

/**
 * Tells those who listen, when the transaction commits and not at all when it does not. Whoever is away misses it: what must not be lost
 * goes through an outbox.
 *
 * Any login of the database can listen on any channel: send keys, not data.
 *
 * @throws {TenonError} EVENT_PAYLOAD when the payload does not fit the schema, or has 8,000 bytes or more
 * @example
 * ```ts
 * await me.transaction(async (trx) => {
 *   await orders.update(trx, id, { state: 'paid' })
 *   await notify(trx, orderChannel, { id })
 * })
 * ```
 * The SQL: `select pg_notify($1, $2)`
 */
export async function notify<T>(
  executor: Executor,
  channel: Channel<T>,
  payload: T,
  options: RunOptions = {},
): Promise<void> {
  const text = writePayload(channel.name, channel.schema, payload)
  if (Buffer.byteLength(text) > maxPayloadBytes)
    throw new TenonError({
      code: 'EVENT_PAYLOAD',
      message: `a payload of ${channel.name} is longer than ${maxPayloadBytes} bytes`,
      hint: 'Send a key and let the receiver read the rest, or enqueue it in an outbox.',
    })
  const node = call('pg_catalog.pg_notify', bound(channel.id, 'text'), bound(text, 'text'))
  await runQuery(executor, { ...SelectQueryNode.create(), selections: [aliased(node, 'notified')] }, options)
}
