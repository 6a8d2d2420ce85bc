/**
 * CSV as PostgreSQL's COPY writes it, byte for byte, out of the bytes that the server sends: no JavaScript value is made of them.
 *
 * Owns the format. It refuses to know where rows come from and where bytes go.
 */
import { Buffer } from 'node:buffer'
import type { TextReader } from '../database/index.ts'
import { TenonError } from '../kernel/errors.ts'
import { isFormula } from './formula.ts'

/** How CSV is written. */
export interface CsvFormat {
  /** A first line of names: true for those of the result, or these. Default true. */
  readonly header?: boolean | readonly string[] | undefined
  /** One character of ASCII. Default a comma. */
  readonly delimiter?: string | undefined
  /** What NULL is, never in quotes. Default nothing; an empty text is `""`. */
  readonly null?: string | undefined
  /**
   * Puts an apostrophe before texts that a spreadsheet would run as a formula: `=`, `+`, `-`, `@` (their full-width forms too) first, or behind
   * blanks and quotes, and whatever begins with a tab or a line break. What is a number as a whole stays one, of a column of any type: `-5.5`,
   * `+1`, `-1e-7`; `+49 30` and `-$1.00` do not. Default false: COPY does not, and who reads the file with a program gets other values.
   */
  readonly escapeFormulas?: boolean | undefined
}

const quote = 0x22
const newline = 0x0a
const apostrophe = 0x27

/** Room for a first chunk; later ones take what the one before took. */
const firstBytes = 64 * 1024

/** Writes rows, a chunk at a time. */
export class CsvWriter implements TextReader {
  /** Rows of all chunks. */
  rows = 0
  readonly #delimiter: number
  readonly #null: Buffer
  readonly #header: boolean | readonly string[]
  readonly #escapes: boolean
  /** 1 where a byte makes a value need quotes. */
  readonly #special = new Uint8Array(256)
  #out = Buffer.allocUnsafeSlow(firstBytes)
  #at = 0
  #columns = 0
  #head: Buffer | undefined

  /** @throws {TenonError} OPTION_INVALID */
  constructor({ header = true, delimiter = ',', null: nothing = '', escapeFormulas = false }: CsvFormat) {
    if (typeof delimiter !== 'string' || !/^[\t\x20-\x7e]$/.test(delimiter) || delimiter === '"')
      throw invalid('delimiter is not one printable character of ASCII, or a tab', 'A quote cannot be one.')
    if (
      typeof nothing !== 'string' ||
      /["\r\n\0]/.test(nothing) ||
      nothing.includes(delimiter) ||
      !nothing.isWellFormed()
    )
      throw invalid('null holds what separates values', 'Pass a text without quote, delimiter and line break.')
    if (typeof header !== 'boolean' && !(Array.isArray(header) && header.every((name) => typeof name === 'string')))
      throw invalid('header is neither true, false nor a list of names', 'Leave it out for the names of the result.')
    this.#delimiter = delimiter.charCodeAt(0)
    this.#null = Buffer.from(nothing)
    this.#header = header
    this.#escapes = escapeFormulas
    for (const byte of [quote, newline, 0x0d, this.#delimiter]) this.#special[byte] = 1
  }

  columns(names: readonly string[]): void {
    if (this.#header === false) return
    const titles = this.#header === true ? names : this.#header
    if (titles.length !== names.length)
      throw invalid('header has another number of names than the result has columns', `The result has ${names.length}.`)
    const rows = { out: this.#out, at: this.#at, rows: this.rows }
    this.#out = Buffer.allocUnsafeSlow(1_024)
    this.#at = 0
    for (const title of titles) {
      const bytes = Buffer.from(title)
      this.column(bytes, 0, bytes.length)
    }
    this.endRow()
    this.#head = this.#out.subarray(0, this.#at)
    this.#out = rows.out
    this.#at = rows.at
    this.rows = rows.rows
  }

  column(buffer: Buffer, start: number, end: number): void {
    // Every byte could be a quote, which is doubled, inside of two.
    this.#reserve(2 * (end - start) + this.#null.length + 4)
    if (this.#columns++ > 0) this.#out[this.#at++] = this.#delimiter
    if (start < 0) {
      this.#at += this.#null.copy(this.#out, this.#at)
      return
    }
    const out = this.#out
    const special = this.#special
    const escaped = this.#escapes && isFormula(buffer, start, end)
    let at = this.#at
    if (escaped) out[at++] = apostrophe
    let i = start
    for (; i < end; i++) {
      const byte = buffer[i] as number
      if (special[byte] === 1) break
      out[at++] = byte
    }
    if (i < end || (escaped && special[apostrophe] === 1) || this.#isNull(at)) this.#quoted(buffer, start, end, escaped)
    else this.#at = at
  }

  /** A text that reads as NULL does. */
  #isNull(at: number): boolean {
    const length = at - this.#at
    return length === this.#null.length && (length === 0 || this.#null.compare(this.#out, this.#at, at) === 0)
  }

  #quoted(buffer: Buffer, start: number, end: number, escaped: boolean): void {
    const out = this.#out
    let at = this.#at
    out[at++] = quote
    if (escaped) out[at++] = apostrophe
    for (let i = start; i < end; i++) {
      const byte = buffer[i] as number
      if (byte === quote) out[at++] = quote
      out[at++] = byte
    }
    out[at++] = quote
    this.#at = at
  }

  endRow(): void {
    const out = this.#out
    // A line of `\.` alone ended the data before PostgreSQL 18.
    if (this.#columns === 1 && this.#at >= 2 && out[this.#at - 1] === 0x2e && out[this.#at - 2] === 0x5c)
      this.#quoteEnd()
    this.#columns = 0
    this.rows++
    this.#reserve(1)
    this.#out[this.#at++] = newline
  }

  #quoteEnd(): void {
    if (this.#at > 2 && this.#out[this.#at - 3] !== newline) return
    this.#reserve(2)
    this.#at -= 2
    this.#at += this.#out.write('"\\."', this.#at, 'latin1')
  }

  /** The bytes since the last call, which are the caller's from now on. */
  take(): Buffer {
    const bytes = this.#out.subarray(0, this.#at)
    const head = this.#head
    this.#head = undefined
    this.#out = Buffer.allocUnsafeSlow(Math.max(firstBytes, this.#at + 1_024))
    this.#at = 0
    return head === undefined ? bytes : Buffer.concat([head, bytes])
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#out.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#out.length * 2, this.#at + bytes))
    this.#out.copy(larger, 0, 0, this.#at)
    this.#out = larger
  }
}

function invalid(message: string, hint: string): TenonError {
  return new TenonError({ code: 'OPTION_INVALID', message, hint })
}
