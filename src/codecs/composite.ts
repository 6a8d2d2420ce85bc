/**
 * Rows of composite types: plain attributes by name, in an object that writes itself.
 *
 * Owns their text. Rows of tables as values, and records without a type, stay text.
 */
import type { Codec, TextParser } from '../kernel/codec.ts'
import { type AttributeForm, formOfName, formOfOid, inForm } from './attribute-form.ts'
import { innerText, isTagged, type Prepare, quoteElement, refuseValue, TextReader } from './value-text.ts'

/**
 * The part of a composite that is not its attributes. A class in the type: what TypeScript makes of `{ ...row }` then lacks the method, as the
 * copy does.
 */
export declare abstract class CompositeValue {
  toPostgres(prepare?: Prepare): string
}

/** A value of a composite type: its attributes, each of which may be null. */
export type Composite<T extends object = Readonly<Record<string, unknown>>> = Readonly<T> & CompositeValue

/** An attribute: its name, or as metadata has it. With its type a value of json is a value; without one it has to be JSON text. */
export type CompositeAttribute =
  | string
  | {
      readonly name: string
      readonly type: string
      /** What lies beneath the domain, or the domain of its elements. */
      readonly baseType?: string | undefined
    }

type Attributes = readonly (readonly [name: string, form: AttributeForm])[]

const layout = Symbol('layout')

class CompositeRow implements CompositeValue {
  /** Off the prototype of one type: its attributes, so that the names of a row are its attributes and nothing else. */
  declare readonly [layout]: Attributes

  toPostgres(prepare?: Prepare): string {
    // Attributes are own properties under their names.
    const row = this as unknown as Readonly<Record<string, unknown>>
    const texts = this[layout].map(([name, form]) => {
      const text = innerText(inForm(row[name], form), prepare)
      return text === null ? '' : quoteElement(text)
    })
    return `(${texts.join(',')})`
  }

  get [Symbol.toStringTag](): string {
    return 'Composite'
  }
}

/** Makes rows of one type. */
function rowMaker(attributes: Attributes) {
  const prototype: CompositeRow = Object.create(CompositeRow.prototype, { [layout]: { value: attributes } })
  return (values: readonly unknown[]): CompositeRow => {
    const row: CompositeRow = Object.create(prototype)
    attributes.forEach(([name], i) => {
      // An attribute can be called __proto__.
      Object.defineProperty(row, name, { value: values[i], enumerable: true, configurable: true, writable: true })
    })
    return row
  }
}

/**
 * A value of a composite type.
 *
 * @param attributes - all of the type in its order: `metadata.composites['public.address']`, or their names
 * @param values - by name; what is left out is null
 * @throws {TenonError} PARAMETER_INVALID when a value is not that of an attribute, when the values are no object of them, or when an
 * attribute is called `toPostgres`
 * @example
 * ```ts
 * const home = composite(['street', 'city'], { street: 'Main St 1', city: 'Bern' })
 * await me.insertInto('people').values({ name: 'Ada', home }).execute()
 * await me.updateTable('people').set({ home: composite(['street', 'city'], { ...person.home, city: 'Basel' }) }).execute()
 * ```
 * The SQL: `insert into "people" ("name", "home") values ($1, $2)`, with `("Main St 1",Bern)` as `$2`.
 */
export function composite<T extends object>(
  attributes: readonly CompositeAttribute[],
  values: T,
): Composite<{ [Name in keyof T]: T[Name] }> {
  const list = attributes.map((attribute): readonly [string, AttributeForm] =>
    typeof attribute === 'string'
      ? [attribute, undefined]
      : [attribute.name, formOfName(attribute.baseType ?? attribute.type)],
  )
  const names = new Set(list.map(([name]) => name))
  if (names.has(selfWriter))
    refuseValue('an attribute of a composite is called toPostgres', 'Pass the text of such a row, and read it as text.')
  if (!isRecord(values))
    refuseValue('the values of a composite are no object of its attributes', 'Pass { name: value }.')
  const stranger = Object.keys(values).some((name) => !names.has(name))
  if (stranger)
    refuseValue('a value of a composite is not that of an attribute', `Attributes: ${[...names].join(', ')}.`)
  const given = list.map(([name]) => (Object.hasOwn(values, name) ? (values[name as keyof T] ?? null) : null))
  // It has exactly the attributes that were given, and nulls.
  return rowMaker(list)(given) as unknown as Composite<{ [Name in keyof T]: T[Name] }>
}

/** A Map, a Date or a promise has no keys, and would be a row of nulls. */
function isRecord(values: unknown): boolean {
  if (typeof values !== 'object' || values === null) return false
  return Object.keys(values).length > 0 || isTagged(values, 'Object') || isComposite(values)
}

/** The method that a value writes itself with. */
const selfWriter = 'toPostgres'

/** Whether a value is a row of a composite type. */
export function isComposite(value: unknown): value is Composite {
  return isTagged(value, 'Composite')
}

/**
 * Reads values of composite types as objects of their attributes, which write themselves back; types with an attribute that is called
 * `toPostgres` stay text.
 *
 * @example
 * ```ts
 * const db = createDatabase({ connection, metadata, codecs: [compositeCodec] })
 * ```
 */
export const compositeCodec: Codec = {
  name: 'composite',
  parserOf: ({ kind, attributes = [] }, parserOf) => {
    if (kind !== 'composite' || attributes.some(({ name }) => name === selfWriter)) return undefined
    const make = rowMaker(attributes.map(({ name, type, element }) => [name, formOfOid(type, element)] as const))
    let parsers: readonly TextParser[] | undefined
    return (text) => {
      parsers ??= attributes.map(({ type }) => parserOf(type))
      return make(readRow(text, parsers))
    }
  },
}

function readRow(text: string, parsers: readonly TextParser[]): readonly unknown[] {
  const reader = new TextReader(text, 'a composite')
  reader.skipSpaces()
  if (!reader.takes('(')) reader.fail()
  const values = parsers.map((parse, i) => {
    if (i > 0 && !reader.takes(',')) reader.fail()
    const value = reader.element(',)')
    return value === null ? null : parse(value)
  })
  if (!reader.takes(')')) reader.fail()
  reader.skipSpaces()
  reader.end()
  return values
}
