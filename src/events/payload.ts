/** Payloads of events: JSON text, checked by a schema on both ends. */
import { toJsonText } from '../jsonb/index.ts'
import { TenonError } from '../kernel/errors.ts'
import type { Validator } from '../kernel/validator.ts'

/** What a schema gives. */
export type PayloadOf<V> = V extends Validator<infer T> ? T : unknown

/**
 * The text of a payload that fits its schema.
 *
 * @param what - the channel or topic, for messages
 * @throws {TenonError} EVENT_PAYLOAD, PARAMETER_INVALID, LIMIT_DEPTH
 */
export function writePayload(what: string, schema: Validator | undefined, payload: unknown): string {
  return toJsonText(check(what, schema, payload))
}

/**
 * The payload of a text.
 *
 * @throws {TenonError} EVENT_PAYLOAD when it is no JSON, or does not fit the schema
 */
export function readPayload<T>(what: string, schema: Validator<T> | undefined, text: string): T {
  let payload: unknown
  try {
    payload = JSON.parse(text)
  } catch {
    throw new TenonError({
      code: 'EVENT_PAYLOAD',
      message: `a payload of ${what} is no JSON`,
      hint: 'Something else than notify() or enqueue() sent it; any login can NOTIFY any channel.',
    })
  }
  // Without a schema the type is what the application says.
  return check(what, schema, payload) as T
}

function check(what: string, schema: Validator | undefined, payload: unknown): unknown {
  if (schema === undefined) return payload
  const result = schema.safeParse(payload)
  if (result.success) return result.data
  const places = result.error.issues.slice(0, 5).map(({ path }) => path.map(String).join('.') || 'the payload')
  throw new TenonError({
    code: 'EVENT_PAYLOAD',
    message: `a payload of ${what} does not fit its schema: ${[...new Set(places)].join(', ')}`,
    hint: 'Change the payload, or let the schema accept what older versions of the program sent.',
  })
}
