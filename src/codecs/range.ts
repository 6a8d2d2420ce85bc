/**
 * A range: two bounds, each in it or not, or none.
 *
 * Owns its text. What it is a range of, and how discrete ranges are normalised, is the server's: `[1,5]` comes back as `[1,6)`.
 */
import { innerText, isTagged, type Prepare, quoteElement, refuseValue, TextReader } from './value-text.ts'

/** Whether the bounds belong to the range: square brackets say yes. */
export type RangeBounds = '[)' | '[]' | '(]' | '()'

const brackets = new Set<unknown>(['[)', '[]', '(]', '()'])

/**
 * A value of a range type. It is written wherever a value can be, and read where `createDatabase` has `rangeCodec`.
 *
 * Bounds are what the parser of the subtype gives. The infinities of dates and instants are JavaScript's, as they are in columns. A Date
 * ends at the millisecond: a range that was read is written back with its microseconds, one that is made of its bounds is not.
 *
 * @example
 * ```ts
 * const stay = Range.of(new Date('2026-07-01'), new Date('2026-07-08'))
 * await me.insertInto('bookings').values({ room: 1, during: stay }).execute()
 * ```
 * The SQL: `insert into "bookings" ("room", "during") values ($1, $2)`, with `["2026-07-01T…","2026-07-08T…")` as `$2`.
 */
export class Range<T> {
  /** Null when there is none: without a lower bound, or empty. */
  readonly lower: T | null
  readonly upper: T | null
  readonly lowerInclusive: boolean
  readonly upperInclusive: boolean
  readonly isEmpty: boolean

  private constructor(lower: T | null, upper: T | null, bounds: RangeBounds, isEmpty: boolean) {
    this.lower = lower
    this.upper = upper
    this.lowerInclusive = lower !== null && bounds.startsWith('[')
    this.upperInclusive = upper !== null && bounds.endsWith(']')
    this.isEmpty = isEmpty
  }

  /**
   * A range between two bounds.
   *
   * @param lower - null for none
   * @param upper - null for none
   * @param bounds - default `[)`: from the lower bound on, up to and without the upper
   * @throws {TenonError} PARAMETER_INVALID when the upper bound is below the lower one, or one is undefined
   */
  static of(lower: null, upper: null, bounds?: RangeBounds): Range<never>
  static of<T>(lower: T | null, upper: T | null, bounds?: RangeBounds): Range<T>
  static of<T>(lower: T | null, upper: T | null, bounds: RangeBounds = '[)'): Range<T> {
    if (lower === undefined || upper === undefined)
      refuseValue('a bound of a range is undefined', 'Pass null for a range without that bound.')
    if (!brackets.has(bounds)) refuseValue('the bounds of a range are none', "Pass '[)', '[]', '(]' or '()'.")
    const order = lower === null || upper === null ? undefined : compareBounds(lower, upper)
    if (order !== undefined && order > 0)
      refuseValue('the lower bound of a range is above its upper bound', 'Exchange them, or take Range.empty().')
    // As the server has it.
    if (order === 0 && bounds !== '[]') return Range.empty()
    return new Range(lower, upper, bounds, false)
  }

  /** The range that contains nothing. */
  static empty<T = never>(): Range<T> {
    return new Range<T>(null, null, '()', true)
  }

  /** The range that contains everything. */
  static unbounded<T = never>(): Range<T> {
    return new Range<T>(null, null, '()', false)
  }

  /**
   * Reads the text of a range.
   *
   * @param bound - makes a bound of its text; default the text
   * @throws {TenonError} QUERY_DATA when it is none
   */
  static parse(text: string): Range<string>
  static parse<T>(text: string, bound: (text: string) => T): Range<T>
  static parse<T>(text: string, bound: (text: string) => T = (value) => value as T): Range<T> {
    const reader = new TextReader(text, 'a range')
    const range = Range.read(reader, bound)
    reader.end()
    return range
  }

  /** Reads a range where a reader stands, for texts that hold several. */
  static read<T>(reader: TextReader, bound: (text: string) => T): Range<T> {
    reader.skipSpaces()
    if (reader.takesWord('empty')) {
      reader.skipSpaces()
      return Range.empty()
    }
    const open = reader.take()
    if (open !== '[' && open !== '(') reader.fail()
    const lowerText = reader.element(',)]')
    if (!reader.takes(',')) reader.fail()
    const upperText = reader.element(',)]')
    const close = reader.take()
    if (close !== ']' && close !== ')') reader.fail()
    reader.skipSpaces()
    const lower = lowerText === null ? null : bound(lowerText)
    const upper = upperText === null ? null : bound(upperText)
    // The two brackets are one of the four pairs.
    const range = new Range(lower, upper, `${open}${close}` as RangeBounds, false)
    keepFiner(range, [lowerText, upperText])
    return range
  }

  /**
   * Whether a value lies in it, for numbers and dates. The order of texts is known to the server alone.
   *
   * @throws {TenonError} PARAMETER_INVALID when the bounds are neither numbers nor dates
   */
  contains(value: T): boolean {
    if (this.isEmpty) return false
    const { lower, upper } = this
    return (
      (lower === null || isInside(compareBounds(value, lower), this.lowerInclusive)) &&
      (upper === null || isInside(compareBounds(upper, value), this.upperInclusive))
    )
  }

  /** What a driver sends. */
  toPostgres(prepare?: Prepare): string {
    if (this.isEmpty) return 'empty'
    const [lower, upper] = finerBounds.get(this) ?? []
    const bound = (value: T | null, finer: FinerBound) =>
      value === null ? '' : quoteElement(finerText(value, finer) ?? innerText(value, prepare) ?? '')
    const open = this.lowerInclusive ? '[' : '('
    return `${open}${bound(this.lower, lower)},${bound(this.upper, upper)}${this.upperInclusive ? ']' : ')'}`
  }

  /** As PostgreSQL writes it; a Date is local time. */
  toString(): string {
    return this.toPostgres()
  }

  toJSON(): string {
    return this.toPostgres()
  }

  get [Symbol.toStringTag](): string {
    return 'Range'
  }
}

/** A bound as the server wrote it, and the Date that was made of it. */
type FinerBound = { readonly text: string; readonly time: number } | undefined

/** Of ranges that were read: bounds of which a Date has lost something. Two within a millisecond are the same Date, with nothing between. */
const finerBounds = new WeakMap<object, readonly [lower: FinerBound, upper: FinerBound]>()

function keepFiner(range: Range<unknown>, [lower, upper]: readonly [string | null, string | null]): void {
  const finer = [finerBound(range.lower, lower), finerBound(range.upper, upper)] as const
  if (finer[0] !== undefined || finer[1] !== undefined) finerBounds.set(range, finer)
}

function finerBound(value: unknown, text: string | null): FinerBound {
  if (text === null || !(value instanceof Date) || !/\.\d{4}/.test(text)) return undefined
  return { text, time: value.getTime() }
}

/** Undefined of a Date that has been set to another time since. */
function finerText(value: unknown, finer: FinerBound): string | undefined {
  return finer !== undefined && value instanceof Date && value.getTime() === finer.time ? finer.text : undefined
}

/** Whether a value is a {@link Range}. */
export function isRange(value: unknown): value is Range<unknown> {
  return isTagged(value, 'Range')
}

function isInside(order: number | undefined, inclusive: boolean): boolean {
  if (order === undefined)
    refuseValue('only the server knows the order of these values', 'Ask it: range(ref(…)).contains(value).')
  return inclusive ? order >= 0 : order > 0
}

/** Negative, zero or positive; undefined where JavaScript has another order than the server, or none. */
function compareBounds(a: unknown, b: unknown): number | undefined {
  const [x, y] = [orderOf(a), orderOf(b)]
  if (x === undefined || y === undefined) return undefined
  return x < y ? -1 : x > y ? 1 : 0
}

function orderOf(value: unknown): number | bigint | undefined {
  const order = value instanceof Date ? value.getTime() : value
  if (typeof order === 'bigint') return order
  return typeof order === 'number' && !Number.isNaN(order) ? order : undefined
}
