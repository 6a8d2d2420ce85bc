/** What tenon/search knows without a database: texts of people, and advice from metadata. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tables } from '../../examples/db/search/metadata.ts'
import type { TableMetadata } from '../../src/kernel/metadata.ts'
import { explainSearch } from '../../src/search/index.ts'
import { toPrefixTexts, toSearchText, toWebsearchText } from '../../src/search/search-text.ts'
import { languageOf, wordsColumnOf } from '../../src/search/searchable-table.ts'

describe('a text that somebody typed', () => {
  it('is cut, and is without NUL and halves of pairs', () => {
    expect(toSearchText(`a\0b${'x'.repeat(5_000)}`)).toHaveLength(2_000)
    expect(toSearchText(`${'x'.repeat(1_999)}😀`).isWellFormed()).toBe(true)
    for (const text of [null, undefined, 3, {}, ['x']])
      expect(() => toSearchText(text)).toThrow(expect.objectContaining({ code: 'PARAMETER_INVALID' }))
  })

  it('keeps its quotes inside of quotes', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { finished = '', last = '' } = toPrefixTexts(text)
        // Operands and what joins them: nothing of the text stands outside of quotes.
        const operand = "'(?:[^'\\\\]|''|\\\\\\\\)+'"
        expect(finished).toMatch(new RegExp(`^(?:${operand}(?: & ${operand})*)?$`, 'su'))
        expect(last).toMatch(new RegExp(`^(?:${operand}:\\*)?$`, 'su'))
      }),
    )
  })

  it('keeps the dashes that say not', () => {
    expect(toWebsearchText('free -not well-known -- x')).toBe('free -not well-known -- x')
    expect(toWebsearchText(`a ${'-'.repeat(40)}b`)).toBe('a  b')
  })
})

describe('what metadata says', () => {
  const { articles } = tables
  const changed = (changes: Partial<TableMetadata>): TableMetadata => ({ ...articles, ...changes })

  it('is the column of words and its language', () => {
    expect(wordsColumnOf(articles, undefined)).toBe('words')
    expect(languageOf(articles.columns.words)).toBe('english')
    const of = (expression: string) =>
      languageOf({ name: 'x', type: 'tsvector', typeName: 'pg_catalog.tsvector', expression })
    expect(of(`to_tsvector('public.german_unaccented'::regconfig, a)`)).toBe('public.german_unaccented')
    expect(of(`to_tsvector('english'::regconfig, a) || to_tsvector('simple'::regconfig, b)`)).toBeUndefined()
    expect(of('to_tsvector(language, body)')).toBeUndefined()
    const { words, ...others } = articles.columns
    expect(() => wordsColumnOf(changed({ columns: others }), undefined)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    )
    expect(() => wordsColumnOf(changed({ columns: { ...articles.columns, more: words } }), undefined)).toThrow(
      /more than one/,
    )
  })

  it('is what serves a search', () => {
    expect(explainSearch(articles)).toEqual([
      {
        column: 'words',
        reads: 'policy',
        index: 'articles_team_id_idx',
        create: `select tenon.add_search_function('"public"."articles"', 'articles_team_policy');`,
        note: expect.stringContaining('leakproof'),
      },
    ])
    expect(explainSearch(changed({ rowSecurity: 'off' }))).toEqual([
      { column: 'words', reads: 'index', index: 'articles_team_id_words_idx' },
    ])
    expect(explainSearch(changed({ indexes: [] }))).toMatchObject([{ reads: 'table' }])
    expect(explainSearch(changed({ indexes: [], rowSecurity: 'off' }))).toEqual([
      {
        column: 'words',
        reads: 'table',
        create: 'create index concurrently on "public"."articles" using gin ("words");',
      },
    ])
    const unrelated = [
      { name: 'p', command: 'all', permissive: true, roles: ['x'], using: "(team_id_of('x') = other.team_idx)" },
    ] as const
    expect(explainSearch(changed({ policies: unrelated }))).toMatchObject([{ reads: 'table' }])
  })
})
