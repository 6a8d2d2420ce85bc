/**
 * Parsers of values as generated metadata declares them, for one database object alone: pg's global registry is never touched.
 *
 * Owns the choices for int8, numeric, dates and timestamps, and arrays of every type. All other types keep the client's own parser.
 */
import pg from 'pg'
import { checks } from '../generated/checks.ts'
import { readArray } from '../kernel/array-text.ts'
import type { Codec, CodecType } from '../kernel/codec.ts'
import { TenonError } from '../kernel/errors.ts'
import type { Metadata, ParserChoices } from '../kernel/metadata.ts'
import { fromServerError } from '../kernel/server-error.ts'
import type { Lease } from './lines.ts'
import { hideSchemasStep } from './steps.ts'
import { serverErrorFields, type TypeParser, type TypeParsers } from './wire/backend-messages.ts'
import type { Line } from './wire/line.ts'
import { encodeParameters } from './wire/parameters.ts'
import type { Step, WireUnit } from './wire/unit.ts'

// OIDs of types of the server itself, which never change.
const int8 = 20
const numeric = 1700
const date = 1082
const timestamps = [1114, 1184]

type ArrayType = readonly [array: number, element: number, delimiter: string]

/** Parsers for the sessions and the service of one database. */
export class ValueParsers {
  readonly #scalars: ReadonlyMap<number, TypeParser>
  readonly #elements: readonly string[]
  readonly #codecs: readonly Codec[]
  readonly #arrays = new Map<number, ArrayType>()
  readonly #coded = new Map<number, CodecType>()
  readonly #codedNames = new Map<string, number>()
  #known = false
  /** How often types were learned: parsers are made of what was known. */
  #times = 0
  /** The highest oid when the types were asked for: a higher one is of a type that was made since. */
  #newest = 0

  /** @param metadata - without it all but what codecs read keeps the client's own parser */
  constructor(metadata: Pick<Metadata, 'parsers' | 'arrays'> | undefined, codecs: readonly Codec[] = []) {
    this.#scalars = metadata === undefined ? new Map() : scalarParsers(metadata.parsers)
    this.#elements = metadata?.arrays ?? []
    this.#codecs = codecs
  }

  /**
   * Lets a line parse as declared. As long as the oids of the types are not known the line asks for them itself; without them arrays would
   * come as text, under types that say otherwise.
   *
   * @throws {TenonError} when the server refuses or the connection is lost
   */
  async prepare({ line }: Lease): Promise<void> {
    if (!this.#known) {
      const { unit, loss } = await line.run([hideSchemasStep, this.step()])
      if (unit.error !== undefined) throw fromServerError(serverErrorFields(unit.error))
      this.learn(unit, 1)
      if (!this.#known)
        throw new TenonError({
          code: 'CONNECTION_LOST',
          message: 'the connection ended while the types of the database were being read',
          cause: loss?.cause,
        })
    }
    this.overlay(line)
  }

  /** Lets a line parse as declared, once the oids are known. */
  overlay(line: Line): void {
    line.overlay(this, this.#over)
  }

  /** Whether the oids of the types are known. */
  get isKnown(): boolean {
    return this.#known
  }

  /** The question, to follow {@link hideSchemasStep} in a unit. */
  step(): Step {
    return { text: checks.types, name: '', values: encodeParameters([this.#elements, this.#codecs.length > 0], {}) }
  }

  /** The parser of a type by name, for values that come inside of JSON as the text that PostgreSQL gives. */
  byName(typeName: string, array: boolean): TypeParser {
    const plain = parserByName(typeName, array, (oid) => this.#scalars.get(oid))
    if (this.#codecs.length === 0) return plain
    // Asked for before the query, and with it the types, went to the server.
    let found: TypeParser | undefined
    return (text) => {
      found ??= this.#codedByName(typeName, array) ?? plain
      return found(text)
    }
  }

  #codedByName(typeName: string, array: boolean): TypeParser | undefined {
    const oid = this.#codedNames.get(typeName)
    if (oid === undefined) return undefined
    const parse = this.#own(oid)
    return array ? (text) => readArray(text, parse, typeName === 'pg_catalog.box' ? ';' : ',') : parse
  }

  /** The answer; without one nothing is known. */
  learn(unit: WireUnit, step: number): void {
    const row = unit.error === undefined ? unit.results[step]?.rows[0] : undefined
    if (row === undefined) return
    this.#arrays.clear()
    this.#coded.clear()
    this.#codedNames.clear()
    // sql/checks/types.sql has exactly these shapes.
    for (const type of row.types as readonly ArrayType[]) this.#arrays.set(type[0], type)
    for (const type of row.coded as readonly CodecType[]) {
      this.#coded.set(type.oid, type)
      this.#codedNames.set(`${type.schema}.${type.name}`, type.oid)
    }
    this.#newest = Number(row.newest)
    this.#times++
    this.#known = true
  }

  readonly #over = (inner: TypeParsers): TypeParsers => {
    const made = new Map<number, TypeParser>()
    let times = this.#times
    const parserOf = (oid: number): TypeParser => {
      if (times !== this.#times) made.clear()
      times = this.#times
      let parse = made.get(oid)
      if (parse === undefined) {
        parse = this.#make(oid, parserOf, inner)
        // What is not known yet may be by the next time.
        if (oid <= this.#newest) made.set(oid, parse)
      }
      return parse
    }
    return parserOf
  }

  /** Without a connection: on top of pg's own. */
  readonly #own = this.#over((oid) => pg.types.getTypeParser(oid, 'text') as TypeParser)

  #make(oid: number, parserOf: TypeParsers, inner: TypeParsers): TypeParser {
    const scalar = this.#scalars.get(oid)
    if (scalar !== undefined) return scalar
    const array = this.#arrays.get(oid)
    if (array !== undefined) {
      const [, element, delimiter] = array
      const parse = parserOf(element)
      return (text) => readArray(text, parse, delimiter)
    }
    const coded = this.#coded.get(oid)
    for (const codec of coded === undefined ? [] : this.#codecs) {
      const parse = codec.parserOf(coded as CodecType, parserOf)
      if (parse !== undefined) return parse
    }
    return oid > this.#newest ? this.#newer(oid, parserOf, inner(oid)) : inner(oid)
  }

  /** Of a type that was made after the types were asked for: they are asked for again, and what could be of another form is not given as text. */
  #newer(oid: number, parserOf: TypeParsers, own: TypeParser): TypeParser {
    return (text) => {
      if (oid <= this.#newest) return parserOf(oid)(text)
      this.#known = false
      if (!(this.#codecs.length > 0 ? /^(?:[{[(<"]|empty$)/ : /^\{/).test(text)) return own(text)
      throw new TenonError({
        code: 'QUERY_DATA',
        message: 'the result has a type that was made after the types of the database were read',
        hint: 'Run the query again: the types are read again first.',
      })
    }
  }
}

/** Types of the server that pg does not leave as text. */
const parsedTypes: Readonly<Record<string, number>> = {
  'pg_catalog.bool': 16,
  'pg_catalog.bytea': 17,
  'pg_catalog.int8': int8,
  'pg_catalog.int2': 21,
  'pg_catalog.int4': 23,
  'pg_catalog.oid': 26,
  'pg_catalog.json': 114,
  'pg_catalog.point': 600,
  'pg_catalog.float4': 700,
  'pg_catalog.float8': 701,
  'pg_catalog.circle': 718,
  'pg_catalog.date': date,
  'pg_catalog.timestamp': 1114,
  'pg_catalog.timestamptz': 1184,
  'pg_catalog.interval': 1186,
  'pg_catalog.numeric': numeric,
  'pg_catalog.jsonb': 3802,
}

/** The parser of a type by its name, `schema.name`; without a database object's choices pg's own. */
export function parserByName(
  typeName: string,
  array: boolean,
  chosen: (oid: number) => TypeParser | undefined = () => undefined,
): TypeParser {
  const oid = parsedTypes[typeName]
  const own: TypeParser = oid === undefined ? (text) => text : (pg.types.getTypeParser(oid, 'text') as TypeParser)
  const parse = (oid === undefined ? undefined : chosen(oid)) ?? own
  return array ? (text) => readArray(text, parse, typeName === 'pg_catalog.box' ? ';' : ',') : parse
}

function scalarParsers(choices: ParserChoices): ReadonlyMap<number, TypeParser> {
  const asText: TypeParser = (text) => text
  const parsers = new Map<number, TypeParser>([
    [int8, { string: asText, number: safeInteger, bigint: BigInt }[choices.int8]],
    [numeric, { string: asText, number: Number }[choices.numeric]],
  ])
  // A Date is what pg makes of it by itself.
  if (choices.date === 'string') parsers.set(date, asText)
  if (choices.timestamp === 'string') for (const oid of timestamps) parsers.set(oid, asText)
  return parsers
}

function safeInteger(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value)) return value
  throw new TenonError({
    code: 'QUERY_DATA',
    message: 'a bigint of the result has more digits than a number holds',
    hint: "Generate the code with int8: 'string' or 'bigint'.",
  })
}

/** The same without waiting, where the oids of the types are known. */
export function overlayParsers(parsers: ValueParsers | undefined, line: Line): void {
  if (parsers === undefined) line.overlay(undefined)
  else parsers.overlay(line)
}

/** Lets a line parse as declared, or as its client does by itself: whoever had the connection before may have declared otherwise. */
export async function prepareParsers(parsers: ValueParsers | undefined, lease: Lease): Promise<void> {
  if (parsers === undefined) lease.line.overlay(undefined)
  else await parsers.prepare(lease)
}
