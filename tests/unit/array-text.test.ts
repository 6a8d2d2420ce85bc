/** The text form of arrays. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readArray } from '../../src/kernel/array-text.ts'

const read = (text: string, delimiter?: string) => readArray(text, (item) => item, delimiter)

describe('readArray', () => {
  it.each([
    ['{}', []],
    ['{1,2}', ['1', '2']],
    ['{NULL,"NULL",null}', [null, 'NULL', 'null']],
    ['{"a b","c\\"d","e\\\\f",""}', ['a b', 'c"d', 'e\\f', '']],
    [
      '{{1,2},{3,4}}',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['[0:1]={1,2}', ['1', '2']],
    ['[-1:0][1:1]={{1},{2}}', [['1'], ['2']]],
    ['{"{}",","}', ['{}', ',']],
  ])('reads %s', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  it('takes the semicolons of box', () => {
    expect(read('{(3,4),(1,2);(1,1),(0,0)}', ';')).toEqual(['(3,4),(1,2)', '(1,1),(0,0)'])
  })

  it.each(['', '1', '{', '{1', '{"a', '{1}x', '{1;2', '{{1}', '{"a"b}', '[0:1]'])('refuses %j', (text) => {
    expect(() => read(text)).toThrow(SyntaxError)
  })

  it('reads back whatever was written', () => {
    const write = (value: unknown): string =>
      value === null
        ? 'NULL'
        : Array.isArray(value)
          ? `{${value.map(write).join(',')}}`
          : `"${String(value).replace(/["\\]/g, '\\$&')}"`
    const item = fc.option(fc.string({ unit: 'grapheme' }))
    fc.assert(
      fc.property(fc.oneof(fc.array(item), fc.array(fc.array(item, { minLength: 1 }), { minLength: 1 })), (value) => {
        expect(read(write(value))).toEqual(value)
      }),
    )
  })
})
