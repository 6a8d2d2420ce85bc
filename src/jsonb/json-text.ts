/**
 * JavaScript values as JSON text that PostgreSQL takes, and strings as literals of its path language.
 *
 * Refuses what JSON or the server cannot hold, before anything is sent and without naming the value.
 */
import { TenonError } from '../kernel/errors.ts'

/** Deeper documents overflow the server's stack. */
const maxDepth = 512

function refuse(what: string, hint: string): never {
  throw new TenonError({ code: 'PARAMETER_INVALID', message: `a JSON value ${what}`, hint })
}

/** A string that a json document can hold. */
export function assertJsonString(text: string): string {
  if (text.includes('\0')) refuse('holds a NUL character', 'PostgreSQL stores no \\u0000: remove it.')
  if (!text.isWellFormed()) refuse('holds half of a surrogate pair', 'Use toWellFormed() on text that was cut.')
  return text
}

/** What becomes of a member that is undefined: it is left out, as JSON.stringify has it, or refused. */
type Missing = 'left out' | 'refused'

/**
 * JSON text of a value. A Date is its ISO text, an own `toJSON` is used.
 *
 * @param missing - of a value that is looked for a member that was not set must not widen what is found
 * @throws {TenonError} PARAMETER_INVALID for undefined, functions, bigint, NaN, infinities, what is no plain data, and strings that no
 *   document can hold; LIMIT_DEPTH
 */
export function toJsonText(value: unknown, missing: Missing = 'left out'): string {
  return write(value, missing, 0)
}

function write(value: unknown, missing: Missing, depth: number): string {
  if (depth > maxDepth)
    throw new TenonError({
      code: 'LIMIT_DEPTH',
      message: `a JSON value is nested deeper than ${maxDepth}, or contains itself`,
      hint: 'Flatten it.',
    })
  switch (typeof value) {
    case 'string':
      return JSON.stringify(assertJsonString(value))
    case 'boolean':
      return String(value)
    case 'number':
      if (Number.isFinite(value)) return String(Object.is(value, -0) ? 0 : value)
      return refuse('is NaN or infinite', 'JSON has no such number: use null or a string.')
    case 'object':
      return value === null ? 'null' : writeObject(value, missing, depth)
    case 'undefined':
      return refuse('is undefined', 'Leave the key out, or use null.')
    case 'bigint':
      return refuse('is a bigint', 'Use a string, or Number(value) when it is small enough.')
    default:
      return refuse(`is a ${typeof value}`, 'JSON has no such type.')
  }
}

function writeObject(value: object, missing: Missing, depth: number): string {
  if ('toJSON' in value && typeof value.toJSON === 'function') return write(value.toJSON(''), missing, depth + 1)
  // From: a hole is an item too.
  if (Array.isArray(value)) return `[${Array.from(value, (item) => write(item, missing, depth + 1)).join(',')}]`
  // JSON.stringify would make {} of a Map, a promise or an expression, and nobody would know.
  if (Object.prototype.toString.call(value) !== '[object Object]' || 'toOperationNode' in value)
    refuse(
      'is no plain data',
      'Pass objects, arrays, strings, numbers, booleans and null; of a Map Object.fromEntries(map).',
    )
  const entries = Object.entries(value).filter(([, item]) => item !== undefined || missing === 'refused')
  const members = entries.map(
    ([key, item]) => `${JSON.stringify(assertJsonString(key))}:${write(item, missing, depth + 1)}`,
  )
  return `{${members.join(',')}}`
}

/** Keys and array positions from the outside in; a negative position counts from the end. */
export type JsonSteps = readonly (string | number)[]

/**
 * Checks the steps of a path.
 *
 * @throws {TenonError} PARAMETER_INVALID
 */
export function assertSteps(steps: JsonSteps): JsonSteps {
  for (const step of steps) {
    if (typeof step === 'string') assertJsonString(step)
    // Array positions of PostgreSQL are int4.
    else if (!Number.isInteger(step) || Math.abs(step) > 2_147_483_647)
      refuse('path has a step that is neither a key nor a position', 'Use strings for keys and integers for positions.')
  }
  return steps
}

/** `strict $."a"[0]`: strict, because lax would look into arrays that nobody asked for. */
export function toJsonPathText(steps: JsonSteps): string {
  const text = steps.map((step) => {
    if (typeof step === 'string') return `.${JSON.stringify(step)}`
    return step < 0 ? `[last - ${-step - 1}]` : `[${step}]`
  })
  return `strict $${text.join('')}`
}
