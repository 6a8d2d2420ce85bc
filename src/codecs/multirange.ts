/** A multirange: ranges in order, which the server joins where they meet. */
import { Range } from './range.ts'
import { isTagged, type Prepare, refuseValue, TextReader } from './value-text.ts'

/**
 * A value of a multirange type.
 *
 * @example
 * ```ts
 * Multirange.of(Range.of(1, 3), Range.of(7, 9)).toString() // {[1,3),[7,9)}
 * ```
 */
export class Multirange<T> {
  readonly ranges: readonly Range<T>[]

  private constructor(ranges: readonly Range<T>[]) {
    this.ranges = ranges
  }

  /**
   * A multirange of any ranges; of none it is empty.
   *
   * @throws {TenonError} PARAMETER_INVALID when one of them is no range
   */
  static of<T>(...ranges: readonly Range<T>[]): Multirange<T> {
    if (!ranges.every((range) => isTagged(range, 'Range')))
      refuseValue('a multirange is made of ranges', 'Pass Multirange.of(Range.of(1, 3), Range.of(7, 9)).')
    return new Multirange(ranges)
  }

  /** Reads the text of a multirange. @throws {TenonError} QUERY_DATA when it is none */
  static parse(text: string): Multirange<string>
  static parse<T>(text: string, bound: (text: string) => T): Multirange<T>
  static parse<T>(text: string, bound: (text: string) => T = (value) => value as T): Multirange<T> {
    const reader = new TextReader(text, 'a multirange')
    const ranges: Range<T>[] = []
    reader.skipSpaces()
    if (!reader.takes('{')) reader.fail()
    reader.skipSpaces()
    if (!reader.takes('}')) {
      do ranges.push(Range.read(reader, bound))
      while (reader.takes(','))
      if (!reader.takes('}')) reader.fail()
    }
    reader.skipSpaces()
    reader.end()
    return new Multirange(ranges)
  }

  get isEmpty(): boolean {
    return this.ranges.every((range) => range.isEmpty)
  }

  /** Whether a value lies in one of them: see {@link Range.contains}. */
  contains(value: T): boolean {
    return this.ranges.some((range) => range.contains(value))
  }

  [Symbol.iterator](): Iterator<Range<T>> {
    return this.ranges[Symbol.iterator]()
  }

  toPostgres(prepare?: Prepare): string {
    return `{${this.ranges.map((range) => range.toPostgres(prepare)).join(',')}}`
  }

  toString(): string {
    return this.toPostgres()
  }

  toJSON(): string {
    return this.toPostgres()
  }

  get [Symbol.toStringTag](): string {
    return 'Multirange'
  }
}

/** Whether a value is a {@link Multirange}. */
export function isMultirange(value: unknown): value is Multirange<unknown> {
  return isTagged(value, 'Multirange')
}
