/**
 * Turns JavaScript values into what a Bind message carries, by pg's own rules (Date as local time with offset, arrays as array
 * literals, objects as JSON, `toPostgres` honoured), and refuses what cannot be sent before a byte is written.
 *
 * Owns limits on values. It refuses to know types: PostgreSQL infers them from the statement.
 */
import { Buffer } from 'node:buffer'
import { isDate } from 'node:util/types'
import { dateText } from '../../kernel/date-text.ts'
import { TenonError } from '../../kernel/errors.ts'
import type { WireValue } from './message-writer.ts'

/** The protocol counts parameters in 16 bits; pg wraps silently above. */
const maxParameters = 65_535
/** All values of one unit together. A Bind above 1 GiB is refused by the server after it was sent. */
export const maxParameterBytes = 256 * 1024 * 1024
/** JSON.stringify overflows the stack near 6,000 levels and the server's parser near 50,000. */
export const maxJsonDepth = 512

/** How strict to be: sessions refuse what a drop-in for pg has to let through. */
export interface ParameterOptions {
  /** As pg does: `undefined` is NULL, a lone surrogate becomes U+FFFD, and a failing conversion throws its own error. */
  readonly lenient?: boolean
}

/**
 * Encodes the parameters of one statement.
 *
 * @throws {TenonError} LIMIT_PARAMETERS, LIMIT_BYTES, LIMIT_DEPTH or PARAMETER_INVALID, naming the position and never the value.
 */
export function encodeParameters(values: readonly unknown[], options: ParameterOptions): WireValue[] {
  if (values.length > maxParameters) {
    throw new TenonError({
      code: 'LIMIT_PARAMETERS',
      message: `the statement has ${values.length} parameters; PostgreSQL takes at most ${maxParameters}`,
      hint: 'Send the rows in several statements, or pass one array per column and use unnest().',
    })
  }
  const encoded = new Array<WireValue>(values.length)
  let units = 0
  for (let i = 0; i < values.length; i++) {
    const value = encodeParameter(values[i], i, options)
    encoded[i] = value
    if (value !== null) units += value.length
  }
  // A UTF-16 code unit takes up to three bytes, so the exact count is only needed near the limit.
  if (units * 3 > maxParameterBytes) assertUnitBytes([encoded])
  return encoded
}

/**
 * Checks the size of all values of one unit together.
 *
 * @throws {TenonError} LIMIT_BYTES
 */
export function assertUnitBytes(statements: readonly (readonly WireValue[])[]): void {
  let bytes = 0
  for (const values of statements)
    for (const value of values)
      if (value !== null) bytes += typeof value === 'string' ? Buffer.byteLength(value) : value.length
  if (bytes > maxParameterBytes) refuseBytes(bytes)
}

/** @throws {TenonError} LIMIT_BYTES */
export function refuseBytes(bytes: number): never {
  throw new TenonError({
    code: 'LIMIT_BYTES',
    message: `the parameters take ${bytes} bytes or more; the limit is ${maxParameterBytes}`,
    hint: 'Send the data in smaller statements (a smaller chunkSize), or keep large files outside the database.',
  })
}

/**
 * A value as the text of a parameter: an array as an array literal, bytes in hex.
 *
 * @throws {TenonError} as {@link encodeParameters} does
 */
export function toParameterText(value: unknown): string | null {
  const encoded = encodeParameter(value, 0, {})
  if (encoded === null || typeof encoded === 'string') return encoded
  return `\\x${Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength).toString('hex')}`
}

function encodeParameter(value: unknown, index: number, options: ParameterOptions): WireValue {
  switch (typeof value) {
    case 'string':
      return checkText(value, index, options)
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'undefined':
      if (options.lenient) return null
      throw invalid(index, 'is undefined', 'Pass null for SQL NULL, or leave the column or condition out.')
    case 'object':
      if (value === null) return null
      return encodeObject(value, index, options)
    default:
      throw invalid(
        index,
        `is a ${typeof value}`,
        'Pass a string, number, bigint, boolean, Date, Buffer, array, plain object or null.',
      )
  }
}

function encodeObject(value: object, index: number, options: ParameterOptions): WireValue {
  try {
    const encoded = convert(value, [])
    return typeof encoded === 'string' ? checkText(encoded, index, options) : encoded
  } catch (error) {
    if (error instanceof TenonError || options.lenient) throw error
    // V8's words for a string that is longer than one can be; every other range is that of the stack.
    if (error instanceof RangeError && error.message.includes('string length')) refuseBytes(2 ** 29)
    if (error instanceof DepthError || error instanceof RangeError) {
      throw new TenonError({
        code: 'LIMIT_DEPTH',
        message: `parameter $${index + 1} is nested more than ${maxJsonDepth} levels deep`,
        hint: 'Flatten the document, or pass it as a JSON string that was checked elsewhere.',
      })
    }
    throw invalid(
      index,
      'could not be converted (a circular structure, or its own conversion failed)',
      'Pass plain data.',
    )
  }
}

class DepthError extends Error {}

/** pg's conversion, with a bound on depth and without its silent acceptance of invalid dates. */
function convert(value: unknown, seen: object[]): string | Uint8Array | null {
  if (value === null || value === undefined) return null
  if (typeof value !== 'object') {
    if (typeof value === 'symbol' || typeof value === 'function') throw new TypeError('not a value')
    return String(value)
  }
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  if (isDate(value)) return dateText(value)
  if (Array.isArray(value)) return arrayLiteral(value, 1)
  if ('toPostgres' in value && typeof value.toPostgres === 'function') {
    if (seen.includes(value)) throw new TypeError('circular toPostgres')
    if (seen.length >= maxJsonDepth) throw new DepthError()
    return convert(
      value.toPostgres((inner: unknown) => convert(inner, seen)),
      [...seen, value],
    )
  }
  return jsonText(value)
}

function jsonText(value: object): string {
  const text = JSON.stringify(value)
  // JSON.stringify gives undefined for a toJSON() that returns undefined.
  if (typeof text !== 'string') throw new TypeError('no JSON form')
  if (text.length > maxJsonDepth && jsonDepth(text) > maxJsonDepth) throw new DepthError()
  return text
}

/** Depth of brackets outside strings. */
export function jsonDepth(text: string): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (inString) {
      if (char === 0x5c) i++
      else if (char === 0x22) inString = false
    } else if (char === 0x22) inString = true
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > deepest) deepest = depth
    } else if (char === 0x7d || char === 0x5d) depth--
  }
  return deepest
}

function arrayLiteral(array: readonly unknown[], depth: number): string {
  if (depth > maxJsonDepth) throw new DepthError()
  const delimiter = delimiterOf(array)
  let literal = '{'
  for (let i = 0; i < array.length; i++) {
    if (i > 0) literal += delimiter
    const item = array[i]
    if (typeof item === 'string') literal += quoted(item)
    else if (item === null || item === undefined) literal += 'NULL'
    else if (Array.isArray(item)) literal += arrayLiteral(item, depth + 1)
    else {
      const element = convert(item, [])
      if (element === null) literal += 'NULL'
      else if (typeof element === 'string') literal += quoted(element)
      else literal += `\\\\x${Buffer.from(element.buffer, element.byteOffset, element.byteLength).toString('hex')}`
    }
  }
  return `${literal}}`
}

/** Values of a type with a delimiter of its own say so; there is one, box. */
function delimiterOf(array: readonly unknown[]): string {
  let item = array.find((each) => each !== null && each !== undefined)
  for (let depth = 0; Array.isArray(item) && depth < 8; depth++) item = item.find((each) => each !== null)
  // An own property of that name is an attribute of a composite, or a key of json.
  if (typeof item !== 'object' || item === null || Object.hasOwn(item, 'arrayDelimiter')) return ','
  return 'arrayDelimiter' in item && item.arrayDelimiter === ';' ? ';' : ','
}

/** An item of an array literal. */
function quoted(text: string): string {
  return `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`
}

function checkText(text: string, index: number, options: ParameterOptions): string {
  if (text.includes('\0')) {
    throw invalid(
      index,
      'contains a NUL character, which PostgreSQL text cannot hold',
      'Remove it, or store the bytes in a bytea column.',
    )
  }
  if (!options.lenient && !text.isWellFormed()) {
    throw invalid(
      index,
      'contains half of a surrogate pair, which UTF-8 cannot hold',
      'Repair the text with toWellFormed(), or cut strings by code points.',
    )
  }
  return text
}

function invalid(index: number, what: string, hint: string): TenonError {
  return new TenonError({ code: 'PARAMETER_INVALID', message: `parameter $${index + 1} ${what}`, hint })
}
