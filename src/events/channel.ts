/** Channels of NOTIFY: names of any length, and payloads that are checked. */
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { TenonError } from '../kernel/errors.ts'
import type { Validator } from '../kernel/validator.ts'

/** The server cuts longer names, so that two channels become one; `NOTIFY` and `pg_notify` do not even agree how. */
const maxNameBytes = 63
/** Between what is readable of a long name and its hash. Names that have it are hashed too, so that none can be another's. */
const mark = '~'
const readableBytes = 40

/** A channel with its payloads; made by {@link defineChannel}. */
export interface Channel<T> {
  /** As it was given. */
  readonly name: string
  /** As the server knows it: the name, or of a long one its beginning and a hash. */
  readonly id: string
  readonly schema: Validator<T> | undefined
  /** A channel of the same payloads for one of many, such as a tenant or a room: `name:key`, with `%` and `:` of the key as in a URL. */
  of(key: string): Channel<T>
}

/**
 * Defines a channel.
 *
 * @param name - 1 character at least; from 64 bytes on the server gets its beginning and a hash
 * @param schema - of payloads, checked when they are sent and when they arrive; without one they are what the type argument says
 * @throws {TenonError} EVENT_CHANNEL
 * @example
 * ```ts
 * const orders = defineChannel('orders', z.object({ id: z.uuid() }))
 * await notify(trx, orders, { id })
 * for await (const { payload } of subscribe(db, orders, { signal })) console.log(payload.id)
 * ```
 */
export function defineChannel<T = unknown>(name: string, schema?: Validator<T>): Channel<T> {
  if (typeof name !== 'string' || name === '' || name.includes('\0') || !name.isWellFormed())
    throw new TenonError({
      code: 'EVENT_CHANNEL',
      message: 'the name of a channel is empty, or no text that PostgreSQL can hold',
      hint: "Use a name of your own, such as 'orders'.",
    })
  return { name, id: toId(name), schema, of: (key) => defineChannel(`${name}:${escaped(key)}`, schema) }
}

/** A key that ends in what separates keys, and one that begins with it, must not become one name. */
function escaped(key: string): string {
  return key.replaceAll('%', '%25').replaceAll(':', '%3A')
}

function toId(name: string): string {
  const bytes = Buffer.from(name)
  if (bytes.length <= maxNameBytes && !name.includes(mark)) return name
  const hash = createHash('sha256')
    .update(bytes)
    .digest('base64url')
    .slice(0, maxNameBytes - readableBytes - 1)
  let end = Math.min(name.length, readableBytes)
  while (Buffer.byteLength(name.slice(0, end)) > readableBytes || !name.slice(0, end).isWellFormed()) end -= 1
  return `${name.slice(0, end)}${mark}${hash}`
}
