/**
 * Parsers of values as generated metadata declares them, for one database object alone: pg's global registry is never touched.
 *
 * Owns the choices for int8, numeric, dates and timestamps, and arrays of every type, and what is known of the database's types. All other
 * types keep the client's own parser.
 */
import pg from 'pg'
import { checks } from '../generated/checks.ts'
import { readArray } from '../kernel/array-text.ts'
import type { Codec, CodecType } from '../kernel/codec.ts'
import { TenonError } from '../kernel/errors.ts'
import type { Metadata, ParserChoices } from '../kernel/metadata.ts'
import { fromServerError } from '../kernel/server-error.ts'
import type { Lease } from './lines.ts'
import { hideSchemasStep, inSavepoint } from './steps.ts'
import { serverErrorFields, type TypeParser, type TypeParsers } from './wire/backend-messages.ts'
import { OutdatedTypes } from './wire/held-rows.ts'
import type { Line, Outcome } from './wire/line.ts'
import { encodeParameters } from './wire/parameters.ts'
import type { Step, WireUnit } from './wire/unit.ts'

// OIDs of types of the server itself, which never change.
const int8 = 20
const numeric = 1700
const date = 1082
const timestamps = [1114, 1184]
/** Lower ones are of the server itself: FirstNormalObjectId. */
const firstOfDatabase = 16_384
/**
 * A composite that has as many attributes as before, but others, cannot be told by its text: types that are older than this are asked for
 * again before one is read.
 */
const longestKnownMs = 60_000

type ArrayType = readonly [array: number, element: number, delimiter: string]

/** Parsers for the sessions and the service of one database. */
export class ValueParsers {
  readonly #scalars: ReadonlyMap<number, TypeParser>
  readonly #elements: readonly string[]
  readonly #codecs: readonly Codec[]
  /** Types that generated code has values of. */
  readonly #expected: ReadonlySet<string>
  readonly #arrays = new Map<number, ArrayType>()
  readonly #coded = new Map<number, CodecType>()
  readonly #codedNames = new Map<string, number>()
  /** Every type of the database that values have; others were made since, or are rows of tables. */
  readonly #listed = new Set<number>()
  /** Types that results had and that were not listed. */
  readonly #wanted = new Set<number>()
  #known = false
  /** Parsers are made of what was known then. */
  #times = 0
  #learnedAt = 0
  /** Lines that are asking. */
  readonly #asking = new WeakMap<Line, Promise<Outcome | undefined>>()

  /** @param metadata - without it all but what codecs read keeps the client's own parser */
  constructor(
    metadata: Pick<Metadata, 'parsers' | 'arrays' | 'composites' | 'ranges'> | undefined,
    codecs: readonly Codec[] = [],
  ) {
    this.#scalars = metadata === undefined ? new Map() : scalarParsers(metadata.parsers)
    this.#elements = metadata?.arrays ?? []
    this.#codecs = codecs
    this.#expected = new Set([...Object.keys(metadata?.composites ?? {}), ...Object.keys(metadata?.ranges ?? {})])
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
    line.overlay(this, this.#overLine)
  }

  /** How often types were learned. */
  get times(): number {
    return this.#times
  }

  /** Whether the oids of the types are known. */
  get isKnown(): boolean {
    return this.#known
  }

  /** The question, to follow {@link hideSchemasStep} in a unit. */
  step(): Step {
    const values = [this.#elements, this.#codecs.length > 0, [...this.#wanted]]
    return { text: checks.types, name: '', values: encodeParameters(values, {}) }
  }

  /** The parser of a type by name, for values that come inside of JSON as the text that PostgreSQL gives. */
  byName(typeName: string, array: boolean): TypeParser {
    const plain = parserByName(typeName, array, (oid) => this.#scalars.get(oid))
    if (this.#codecs.length === 0) return plain
    // Asked for before the query, and with it the types, went to the server.
    let times = -1
    let found = plain
    return (text) => {
      if (times !== this.#times) found = this.#codedByName(typeName, array) ?? plain
      times = this.#times
      // It was made, or made anew, since the types were asked for.
      if (found === plain && this.#expected.has(typeName)) throw this.#tooLate()
      try {
        return found(text)
      } catch (error) {
        throw error instanceof OutdatedTypes ? this.#tooLate(error) : error
      }
    }
  }

  #codedByName(typeName: string, array: boolean): TypeParser | undefined {
    const oid = this.#codedNames.get(typeName)
    if (oid === undefined) return undefined
    const parse = this.#own(oid)
    return array ? (text) => readArray(text, parse, typeName === 'pg_catalog.box' ? ';' : ',') : parse
  }

  /** Nothing can be asked where values inside of JSON are read, which only queries have: the next one asks first. */
  #tooLate({ cause }: { readonly cause?: unknown } = {}): TenonError {
    this.#known = false
    return new TenonError({
      code: 'QUERY_DATA',
      message: 'a value inside of JSON is not of its type as it was when the types of the database were read',
      hint: 'Run the query again: the types are read again first.',
      retryable: true,
      cause,
    })
  }

  /**
   * Asks for the types again over a line that has just brought values of types that are not known as they are now. Inside of a transaction
   * it stays as it is, whatever comes of this.
   *
   * @param times - {@link OutdatedTypes.times}: nothing is asked when somebody has since
   * @returns what became of the question where it was not answered, and the types are no better known than before
   */
  async relearn(line: Line, times: number): Promise<Outcome | undefined> {
    if (times !== this.#times) return undefined
    // Units that others share a line with find out together, and all of them stand before the question that the first has sent.
    let asking = this.#asking.get(line)
    if (asking === undefined) {
      asking = this.#ask(line).finally(() => this.#asking.delete(line))
      this.#asking.set(line, asking)
    }
    const unanswered = await asking
    return times === this.#times ? unanswered : undefined
  }

  /** Whether a line has sent the question and has no answer yet. */
  isAsking(line: Line): boolean {
    return this.#asking.has(line)
  }

  async #ask(line: Line): Promise<Outcome | undefined> {
    const steps = [hideSchemasStep, this.step()]
    const inTransaction = line.status !== 'I'
    const { around, undo, before } = inSavepoint
    const outcome = await line.run(inTransaction ? around(steps) : steps)
    const { unit, loss } = outcome
    const answered = loss === undefined && unit.error === undefined
    if (answered) this.learn(unit, inTransaction ? before + 1 : 1)
    if (inTransaction) {
      if (!answered && loss === undefined) await line.run(undo)
      // A transaction may see types that are no more, or are not yet, and its session may leave too little time: whoever comes next asks by himself.
      this.#known = false
    }
    return answered ? undefined : outcome
  }

  /** The answer; without one nothing is known. */
  learn(unit: WireUnit, step: number): void {
    const row = unit.error === undefined ? unit.results[step]?.rows[0] : undefined
    if (row === undefined) return
    this.#arrays.clear()
    this.#coded.clear()
    this.#codedNames.clear()
    this.#listed.clear()
    // sql/checks/types.sql has exactly these shapes.
    for (const type of read(row.types) as readonly ArrayType[]) this.#arrays.set(type[0], type)
    for (const type of read(row.coded) as readonly CodecType[]) {
      this.#coded.set(type.oid, type)
      this.#codedNames.set(`${type.schema}.${type.name}`, type.oid)
    }
    for (const oid of read(row.listed) as readonly number[]) this.#listed.add(oid)
    this.#learnedAt = performance.now()
    this.#times++
    this.#known = true
  }

  #over(inner: TypeParsers, keepsRows: boolean): TypeParsers {
    const made = new Map<number, TypeParser>()
    let times = this.#times
    const parserOf = (oid: number): TypeParser => {
      if (times !== this.#times) made.clear()
      times = this.#times
      let parse = made.get(oid)
      if (parse === undefined) {
        parse = this.#make(oid, { inner, parserOf, keepsRows })
        made.set(oid, parse)
      }
      return parse
    }
    return parserOf
  }

  /** Over a connection's own. */
  readonly #overLine = (inner: TypeParsers): TypeParsers => this.#over(inner, true)

  /** Without a connection: on top of pg's own. */
  readonly #own = this.#over((oid) => pg.types.getTypeParser(oid, 'text') as TypeParser, false)

  #make(oid: number, reading: Reading): TypeParser {
    const { inner, parserOf } = reading
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
      if (parse !== undefined) return coded?.kind === 'composite' ? this.#changing(oid, parse, reading) : parse
    }
    return oid < firstOfDatabase || this.#listed.has(oid) ? inner(oid) : this.#unlisted(oid, parserOf)
  }

  /** Of a type that can be changed: what was described before is read as it is known now, and what does not fit is asked for again. */
  #changing(oid: number, parse: TypeParser, { parserOf, keepsRows }: Reading): TypeParser {
    const times = this.#times
    return (text) => {
      if (times !== this.#times) return parserOf(oid)(text)
      if (performance.now() - this.#learnedAt > longestKnownMs) {
        if (keepsRows) throw new OutdatedTypes(this, times)
        this.#known = false
      }
      try {
        return parse(text)
      } catch (cause) {
        throw cause instanceof OutdatedTypes ? cause : new OutdatedTypes(this, times, cause)
      }
    }
  }

  /** Of a type that was made after the types were asked for. */
  #unlisted(oid: number, parserOf: TypeParsers): TypeParser {
    const times = this.#times
    return (text) => {
      if (times !== this.#times) return parserOf(oid)(text)
      this.#wanted.add(oid)
      throw new OutdatedTypes(this, times)
    }
  }
}

/** How the types of one connection are read, or those inside of JSON. */
interface Reading {
  /** The connection's own parsers. */
  readonly inner: TypeParsers
  readonly parserOf: TypeParsers
  /** Whoever reads keeps rows until types have been asked for again. */
  readonly keepsRows: boolean
}

/** A connection's own parsers may leave jsonb as text. */
function read(json: unknown): unknown {
  return typeof json === 'string' ? JSON.parse(json) : json
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
