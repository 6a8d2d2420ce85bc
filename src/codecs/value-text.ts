/**
 * Texts of values inside of other values: how they are quoted, read back and written.
 *
 * Ranges and composites share PostgreSQL's rules: a backslash takes the next character as it is, and a quote in quotes is doubled.
 */
import { dateText } from '../kernel/date-text.ts'
import { TenonError } from '../kernel/errors.ts'

/** What a driver gives to `toPostgres`: its own way to turn a value into text. */
export type Prepare = (value: unknown) => unknown

/** @throws {TenonError} QUERY_DATA */
export function refuseText(what: string): never {
  throw new TenonError({
    code: 'QUERY_DATA',
    message: `a text is not that of ${what}`,
    hint: 'Pass the text form that PostgreSQL writes, or make the value with its own functions.',
  })
}

/** @throws {TenonError} PARAMETER_INVALID */
export function refuseValue(message: string, hint: string): never {
  throw new TenonError({ code: 'PARAMETER_INVALID', message, hint })
}

/** What a value is, whichever copy of the package made it. */
export function isTagged(value: unknown, tag: string): boolean {
  return Object.prototype.toString.call(value) === `[object ${tag}]`
}

/** Reads a text from its beginning to its end. */
export class TextReader {
  readonly #text: string
  readonly #what: string
  #at = 0

  /** @param what - for the error, such as `a range` */
  constructor(text: string, what: string) {
    if (typeof text !== 'string') refuseText(what)
    this.#text = text
    this.#what = what
  }

  fail(): never {
    return refuseText(this.#what)
  }

  get next(): string | undefined {
    return this.#text[this.#at]
  }

  take(): string | undefined {
    return this.#text[this.#at++]
  }

  skipSpaces(): void {
    while (/^[ \t-\r]$/.test(this.#text[this.#at] ?? '')) this.#at++
  }

  /** Takes a character if it is next. */
  takes(char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at++
    return true
  }

  /** Takes a word of any case if it is next. */
  takesWord(word: string): boolean {
    const end = this.#at + word.length
    if (this.#text.slice(this.#at, end).toLowerCase() !== word || /^\w/.test(this.#text.slice(end))) return false
    this.#at = end
    return true
  }

  /** @throws {TenonError} QUERY_DATA when something is left */
  end(): void {
    if (this.#at !== this.#text.length) this.fail()
  }

  /** A text up to one of the characters outside of quotes, which stays; null when there is nothing at all. */
  element(ends: string): string | null {
    const text = this.#text
    const start = this.#at
    let value = ''
    for (;;) {
      const char = text[this.#at]
      if (char === undefined) this.fail()
      if (ends.includes(char)) return this.#at === start ? null : value
      this.#at++
      if (char === '\\') value += this.take() ?? this.fail()
      else if (char === '"') value += this.#quoted()
      else value += char
    }
  }

  #quoted(): string {
    let value = ''
    for (;;) {
      const from = this.#at
      while (this.#at < this.#text.length && this.next !== '"' && this.next !== '\\') this.#at++
      value += this.#text.slice(from, this.#at)
      if (this.take() === '\\') value += this.take() ?? this.fail()
      else if (this.#at > this.#text.length) this.fail()
      else if (this.next === '"') value += this.take()
      else return value
    }
  }
}

/** A text as an element of a range or composite. */
export function quoteElement(text: string): string {
  return /^[\w.+:-]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '$&$&')}"`
}

/**
 * The text of a value inside of another; null for null.
 *
 * @param prepare - the driver's; without it a Date is local time, as with pg
 * @throws {TenonError} PARAMETER_INVALID when it has none
 */
export function innerText(value: unknown, prepare: Prepare = prepareAlone): string | null {
  if (value === null) return null
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
      // Dates and instants have infinities that are numbers in JavaScript; these words are those of every type that has them.
      return value === Number.POSITIVE_INFINITY
        ? 'infinity'
        : value === Number.NEGATIVE_INFINITY
          ? '-infinity'
          : numberText(value)
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'object': {
      const prepared = prepare(value)
      if (prepared === null || typeof prepared === 'string') return prepared
      if (ArrayBuffer.isView(prepared))
        return `\\x${Buffer.from(prepared.buffer, prepared.byteOffset, prepared.byteLength).toString('hex')}`
      return refuseInner()
    }
    default:
      return refuseInner()
  }
}

function refuseInner(): never {
  return refuseValue('a value inside of another has no text', 'Pass text, numbers, dates or values of tenon/codecs.')
}

/** A number with every digit, and the sign of a zero. */
export function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

/** For text without a driver: `String(value)`, JSON, and clients that know no toPostgres. */
function prepareAlone(value: unknown): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? refuseInner() : dateText(value)
  if (ArrayBuffer.isView(value)) return value
  if (Array.isArray(value)) return arrayText(value)
  if (typeof value === 'object' && value !== null && 'toPostgres' in value && typeof value.toPostgres === 'function')
    return value.toPostgres(prepareAlone)
  return JSON.stringify(value)
}

function arrayText(items: readonly unknown[]): string {
  const texts = items.map((item) => {
    if (Array.isArray(item)) return arrayText(item)
    const text = item === undefined ? null : innerText(item)
    return text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`
  })
  const first = items.flat(Number.POSITIVE_INFINITY).find((item) => item !== null && item !== undefined)
  return `{${texts.join(isTagged(first, 'Box') ? ';' : ',')}}`
}

/** @throws {TenonError} QUERY_DATA */
export function readNumber(text: string, what: string): number {
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return Number(text)
  const word = /^([+-]?)(nan|inf|infinity)$/i.exec(text)
  if (word === null) return refuseText(what)
  if (word[2]?.toLowerCase() === 'nan') return Number.NaN
  return word[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

/** @throws {TenonError} PARAMETER_INVALID when one of them is no number */
export function assertNumbers(values: readonly unknown[], what: string): void {
  if (values.some((value) => typeof value !== 'number'))
    refuseValue(`${what} is made of numbers`, 'Convert texts with Number() first.')
}
