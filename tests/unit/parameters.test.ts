/**
 * Parameters: the same text as pg sends for everything pg sends, and a refusal before anything is sent for the rest.
 */
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeParameters, jsonDepth, maxJsonDepth } from '../../src/database/wire/parameters.ts'

// pg's own conversion is the oracle; it has no public face.
const { prepareValue } = createRequire(import.meta.url)('pg/lib/utils') as { prepareValue: (value: unknown) => unknown }

const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'))
const scalar = fc.oneof(text, fc.integer(), fc.double(), fc.bigInt(), fc.boolean(), fc.constant(null))
const date = fc.date({ noInvalidDate: true })
const bytes = fc.uint8Array().map((array) => Buffer.from(array))
const document = fc.dictionary(
  text,
  fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), fc.constant(null)),
)
const { array } = fc.letrec<{ array: unknown[] }>((tie) => ({
  array: fc.array(fc.oneof({ depthSize: 'small' }, scalar, date, bytes, tie('array')), { maxLength: 5 }),
}))

describe('A parameter', () => {
  it('is encoded as pg encodes it', () => {
    fc.assert(
      fc.property(fc.oneof(scalar, date, bytes, document, array), (value) => {
        const [ours] = encodeParameters([value], { lenient: true })
        const theirs = prepareValue(value)
        if (theirs instanceof Uint8Array) expect(Buffer.from(ours as Uint8Array)).toEqual(theirs)
        else expect(ours).toBe(theirs)
      }),
      { numRuns: 2_000 },
    )
  })

  it('honours toPostgres, as pg does', () => {
    const value = { toPostgres: (prepare: (inner: unknown) => unknown) => prepare([1, { a: 1 }]) }
    expect(encodeParameters([value], {})).toEqual([prepareValue(value)])
  })

  it.each([
    ['undefined', undefined, 'PARAMETER_INVALID'],
    ['a NUL', 'a\0b', 'PARAMETER_INVALID'],
    ['half of a surrogate pair', 'a\ud800', 'PARAMETER_INVALID'],
    ['a symbol', Symbol('s'), 'PARAMETER_INVALID'],
    ['a function', () => 1, 'PARAMETER_INVALID'],
    ['an invalid date', new Date(Number.NaN), 'PARAMETER_INVALID'],
    ['a bigint inside JSON', { n: 1n }, 'PARAMETER_INVALID'],
  ])('that is %s is refused', (_, value, code) => {
    expect(() => encodeParameters([value], {})).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining('$1') }),
    )
  })

  it('that is circular is refused', () => {
    const circular: Record<string, unknown> = {}
    circular.self = circular
    expect(() => encodeParameters(['first', circular], {})).toThrow(
      expect.objectContaining({ code: 'PARAMETER_INVALID', message: expect.stringContaining('$2') }),
    )
  })

  it('that is nested too deeply is refused, however deep', () => {
    const nest = (depth: number): unknown => {
      let value: unknown = 'leaf'
      for (let i = 0; i < depth; i++) value = { value }
      return value
    }
    expect(encodeParameters([nest(maxJsonDepth)], {})).toHaveLength(1)
    for (const depth of [maxJsonDepth + 1, 100_000]) {
      expect(() => encodeParameters([nest(depth)], {})).toThrow(expect.objectContaining({ code: 'LIMIT_DEPTH' }))
    }
  })

  it('is counted: 65,535 fit and one more does not', () => {
    expect(encodeParameters(new Array(65_535).fill(1), {})).toHaveLength(65_535)
    expect(() => encodeParameters(new Array(65_536).fill(1), {})).toThrow(
      expect.objectContaining({ code: 'LIMIT_PARAMETERS' }),
    )
  })
})

describe('The depth of JSON', () => {
  it('counts brackets outside strings only', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const depthOf = (inner: unknown): number =>
          typeof inner !== 'object' || inner === null ? 0 : 1 + Math.max(0, ...Object.values(inner).map(depthOf))
        expect(jsonDepth(JSON.stringify(value))).toBe(depthOf(value))
      }),
    )
  })
})
