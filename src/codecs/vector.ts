/** Vectors of the extension pgvector, dense and sparse. */
import type { Codec } from '../kernel/codec.ts'
import { assertNumbers, readNumber, refuseText, refuseValue } from './value-text.ts'

/**
 * A value of `vector` or `halfvec`.
 *
 * @example
 * ```ts
 * await me.insertInto('notes').values({ embedding: Vector.of([0.1, 0.2, 0.3]) }).execute()
 * ```
 */
export class Vector {
  readonly values: readonly number[]

  private constructor(values: readonly number[]) {
    this.values = values
  }

  /** @throws {TenonError} PARAMETER_INVALID without values, or when one of them is no finite number */
  static of(values: Iterable<number>): Vector {
    const list = [...values]
    assertFinite(list)
    if (list.length === 0) refuseValue('a vector has no values', 'It has one dimension at least.')
    return new Vector(list)
  }

  /** Reads the text of a vector. @throws {TenonError} QUERY_DATA when it is none */
  static parse(text: string): Vector {
    if (typeof text !== 'string' || !/^\s*\[[^\]]+\]\s*$/.test(text)) refuseText('a vector')
    const words = text.trim().slice(1, -1).split(',')
    return new Vector(words.map((word) => readNumber(word.trim(), 'a vector')))
  }

  get dimensions(): number {
    return this.values.length
  }

  [Symbol.iterator](): Iterator<number> {
    return this.values[Symbol.iterator]()
  }

  toPostgres(): string {
    return `[${this.values.join(',')}]`
  }

  toString(): string {
    return this.toPostgres()
  }

  toJSON(): readonly number[] {
    return this.values
  }

  get [Symbol.toStringTag](): string {
    return 'Vector'
  }
}

/** A value of `sparsevec`: what is not zero, by position from 1. */
export class SparseVector {
  readonly dimensions: number
  readonly values: ReadonlyMap<number, number>

  private constructor(dimensions: number, values: ReadonlyMap<number, number>) {
    this.dimensions = dimensions
    this.values = values
  }

  /**
   * @param values - by position, from 1 to `dimensions`
   * @throws {TenonError} PARAMETER_INVALID when a position is out of them, or a value no finite number
   */
  static of(dimensions: number, values: Iterable<readonly [position: number, value: number]>): SparseVector {
    const map = new Map(values)
    assertFinite([...map.values()])
    if (!Number.isInteger(dimensions) || dimensions < 1)
      refuseValue('a sparse vector has no dimensions', 'Pass a whole number from 1 on.')
    if (![...map.keys()].every((position) => Number.isInteger(position) && position >= 1 && position <= dimensions))
      refuseValue('a position is none of the sparse vector', 'Positions go from 1 to the dimensions.')
    const sorted = [...map].filter(([, value]) => value !== 0).sort(([a], [b]) => a - b)
    return new SparseVector(dimensions, new Map(sorted))
  }

  /** Reads the text of a sparse vector. @throws {TenonError} QUERY_DATA when it is none */
  static parse(text: string): SparseVector {
    const [, body = '', dimensions] = /^\s*\{([^}]*)\}\/(\d+)\s*$/.exec(text) ?? []
    if (dimensions === undefined) refuseText('a sparse vector')
    const pairs = body.trim() === '' ? [] : body.split(',')
    const values = pairs.map((pair): [number, number] => {
      const [, position, value = ''] = /^\s*(\d+)\s*:\s*(\S+)\s*$/.exec(pair) ?? []
      return position === undefined
        ? refuseText('a sparse vector')
        : [Number(position), readNumber(value, 'a sparse vector')]
    })
    return new SparseVector(Number(dimensions), new Map(values))
  }

  toPostgres(): string {
    return `{${[...this.values].map(([position, value]) => `${position}:${value}`).join(',')}}/${this.dimensions}`
  }

  toString(): string {
    return this.toPostgres()
  }

  toJSON(): string {
    return this.toPostgres()
  }

  get [Symbol.toStringTag](): string {
    return 'SparseVector'
  }
}

function assertFinite(values: readonly unknown[]): void {
  assertNumbers(values, 'a vector')
  if (!values.every(Number.isFinite))
    refuseValue('a value of a vector is not finite', 'pgvector has no NaN or infinity.')
}

const parsers: Readonly<Record<string, (text: string) => Vector | SparseVector>> = {
  vector: Vector.parse,
  halfvec: Vector.parse,
  sparsevec: SparseVector.parse,
}

/**
 * Reads the types of pgvector as {@link Vector} and {@link SparseVector}.
 *
 * @example
 * ```ts
 * const db = createDatabase({ connection, metadata, codecs: [vectorCodec] })
 * ```
 */
export const vectorCodec: Codec = {
  name: 'vector',
  parserOf: ({ extension, name }) =>
    extension === 'vector' && Object.hasOwn(parsers, name) ? parsers[name] : undefined,
}
