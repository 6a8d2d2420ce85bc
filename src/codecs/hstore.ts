/** hstore: texts by keys, each of which may be null. */
import type { Codec } from '../kernel/codec.ts'
import { isTagged, refuseText, refuseValue } from './value-text.ts'

/**
 * A value of hstore: a Map, so that no key means something else, `__proto__` included.
 *
 * @example
 * ```ts
 * const attributes = Hstore.from({ color: 'red', size: null })
 * attributes.get('color') // 'red'
 * ```
 */
export class Hstore extends Map<string, string | null> {
  /** Of the own keys of an object. @throws {TenonError} PARAMETER_INVALID when it is none, or a value is neither text nor null */
  static from(entries: Readonly<Record<string, string | null>>): Hstore {
    // A Map or a Date has no keys of its own, and would be an hstore with nothing in it.
    if (!isTagged(entries, 'Object'))
      refuseValue('an hstore is made of what is no plain object', 'Of a Map it is made with new Hstore(map).')
    return new Hstore(Object.entries(entries))
  }

  /** Reads the text of an hstore. @throws {TenonError} QUERY_DATA when it is none */
  static parse(text: string): Hstore {
    const found = new Hstore()
    let at = 0
    const skip = () => {
      space.lastIndex = at
      at += space.exec(text)?.[0].length ?? 0
    }
    const word = (bare: RegExp): { readonly value: string; readonly quoted: boolean } => {
      const quoted = text[at] === '"'
      const pattern = quoted ? quotedWord : bare
      pattern.lastIndex = at
      const match = pattern.exec(text)
      if (match === null) return refuseText('an hstore')
      at += match[0].length
      const raw = quoted ? match[0].slice(1, -1) : match[0]
      return { value: raw.replace(/\\(.)/gs, '$1'), quoted }
    }
    if (typeof text !== 'string') refuseText('an hstore')
    skip()
    while (at < text.length) {
      const key = word(bareKey)
      skip()
      if (!text.startsWith('=>', at)) refuseText('an hstore')
      at += 2
      skip()
      const { value, quoted } = word(bareValue)
      // Of a key that stands there twice the server takes the first.
      if (!found.has(key.value)) found.set(key.value, !quoted && value.toLowerCase() === 'null' ? null : value)
      skip()
      if (at === text.length) break
      if (text[at] !== ',') refuseText('an hstore')
      at++
      skip()
    }
    return found
  }

  /** @throws {TenonError} PARAMETER_INVALID when the key is no text, or the value neither text nor null */
  override set(key: string, value: string | null): this {
    if (typeof key !== 'string') refuseValue('a key of an hstore is no text', 'A key cannot be null: convert it first.')
    if (value !== null && typeof value !== 'string')
      refuseValue('a value of an hstore is neither text nor null', 'Convert it with String(), or keep it in jsonb.')
    return super.set(key, value)
  }

  /** The same as an object, which may have a key `__proto__` of its own. */
  toObject(): Record<string, string | null> {
    return Object.fromEntries(this)
  }

  toPostgres(): string {
    return [...this].map(([key, value]) => `${quote(key)}=>${value === null ? 'NULL' : quote(value)}`).join(', ')
  }

  override toString(): string {
    return this.toPostgres()
  }

  toJSON(): Record<string, string | null> {
    return this.toObject()
  }

  override get [Symbol.toStringTag](): string {
    return 'Hstore'
  }
}

const space = /[ \t-\r]*/y
const quotedWord = /"[^"\\]*(?:\\.[^"\\]*)*"/sy
// A key ends before =, a value before a comma; what they begin with may be anything else.
const bareKey = /(?:[^ \t-\r"=\\]|\\.)[^ \t-\r=\\]*(?:\\.[^ \t-\r=\\]*)*/sy
const bareValue = /(?:[^ \t-\r"\\]|\\.)[^ \t-\r,\\]*(?:\\.[^ \t-\r,\\]*)*/sy

const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`

/**
 * Reads hstore as {@link Hstore}.
 *
 * @example
 * ```ts
 * const db = createDatabase({ connection, metadata, codecs: [hstoreCodec] })
 * ```
 */
export const hstoreCodec: Codec = {
  name: 'hstore',
  parserOf: ({ extension, name }) =>
    extension === 'hstore' && name === 'hstore' ? (text) => Hstore.parse(text) : undefined,
}
