/** Rows in the text form of COPY. */
import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { CopyRows } from '../../src/database/copy-rows.ts'
import { toParameterText } from '../../src/database/wire/parameters.ts'

const textOf = (values: readonly unknown[]) => {
  const columns = new Map(values.map((_, i) => [`c${i}`, (row: Readonly<Record<string, unknown>>) => row[`c${i}`]]))
  const row = Object.fromEntries(values.map((value, i) => [`c${i}`, value]))
  return Buffer.from(new CopyRows(columns, [row]).bytes).toString()
}

describe('rows of COPY', () => {
  it('escape what the form means something by', () => {
    expect(textOf(['a\tb\nc\rd\\e', null, '', '\\N', '\\.'])).toBe('a\\tb\\nc\\rd\\\\e\t\\N\t\t\\\\N\t\\\\.\n')
    expect(textOf([1, 2n, true, NaN, [1, null, 'x\\y'], Buffer.from([0, 255]), { a: '\n' }])).toBe(
      '1\t2\ttrue\tNaN\t{"1",NULL,"x\\\\\\\\y"}\t\\\\x00ff\t{"a":"\\\\n"}\n',
    )
  })

  it('name the column that holds what text cannot', () => {
    for (const value of ['a\0', '\ud800']) expect(() => textOf(['x', value])).toThrowError(/a value of c1 contains/)
  })

  it('are refused before they are longer than a string can be, and so are arrays', () => {
    const part = 'x'.repeat(2 ** 20)
    const columns = new Map([['a', (row: Readonly<Record<string, unknown>>) => row['a']]])
    const limit = expect.objectContaining({ code: 'LIMIT_BYTES', hint: expect.stringContaining('chunkSize') })
    expect(() => new CopyRows(columns, Array(300).fill({ a: part }))).toThrowError(limit)
    expect(() => toParameterText(Array(600).fill(part))).toThrowError(limit)
  })
})
