/** The types of tenon/search: what a search gives, and what must not compile. Nothing here runs. */
import type { SqlBool } from 'kysely'
import { describe, expectTypeOf, test } from 'vitest'
import { tables } from '../../examples/db/search/metadata.ts'
import type { DB } from '../../examples/db/search/types.ts'
import type { Session } from '../../src/index.ts'
import { createRepository } from '../../src/repository/index.ts'
import { type SearchPage, search, searchRows, similarity, wordsOf } from '../../src/search/index.ts'

declare const me: Session<DB>
const { articles } = tables

describe('searchRows', () => {
  test('gives what was selected, with the headlines that were asked for', async () => {
    const found = await searchRows(me, articles, {
      text: 'x',
      select: ['id', 'title'],
      headline: { body: true },
      limit: 5,
    })
    expectTypeOf(found).toEqualTypeOf<SearchPage<{ id: string; title: string }, 'body'>>()
    expectTypeOf(found.items[0]?.headlines).toEqualTypeOf<{ readonly body: string | null } | undefined>()
    const whole = await searchRows(me, articles, { text: 'x', limit: 5 })
    expectTypeOf(whole.items[0]?.row.team_id).toEqualTypeOf<number | undefined>()
    expectTypeOf(whole.items[0]?.headlines).toEqualTypeOf<Record<never, string | null> | undefined>()
    expectTypeOf(whole.items[0]?.by).toEqualTypeOf<'words' | 'similarity' | undefined>()
  })

  test('takes conditions on the columns of the table', async () => {
    await searchRows(me, articles, { text: 'x', where: (eb) => eb('team_id', '>', 3), limit: 5 })
    await searchRows(me, articles, { text: 'x', similar: { column: 'title', threshold: 0.4 }, limit: 5 })
    // @ts-expect-error no such column
    await searchRows(me, articles, { text: 'x', where: (eb) => eb('nothing', '>', 3), limit: 5 })
    // @ts-expect-error another type
    await searchRows(me, articles, { text: 'x', where: (eb) => eb('team_id', '>', 'x'), limit: 5 })
  })

  test('does not compile for what is not there', async () => {
    // @ts-expect-error no limit
    await searchRows(me, articles, { text: 'x' })
    // @ts-expect-error no text
    await searchRows(me, articles, { limit: 5 })
    // @ts-expect-error no such column
    await searchRows(me, articles, { text: 'x', select: ['nothing'], limit: 5 })
    // @ts-expect-error no headline of a number
    await searchRows(me, articles, { text: 'x', headline: { team_id: true }, limit: 5 })
    // @ts-expect-error no such way to read
    await searchRows(me, articles, { text: 'x', match: 'fuzzy', limit: 5 })
    // @ts-expect-error no trigrams of a number
    await searchRows(me, articles, { text: 'x', similar: { column: 'team_id' }, limit: 5 })
    // @ts-expect-error no such normalization
    await searchRows(me, articles, { text: 'x', rank: { normalization: ['size'] }, limit: 5 })
    // @ts-expect-error no executor
    await searchRows('x', articles, { text: 'x', limit: 5 })
  })
})

describe('the builders', () => {
  test('are expressions of queries, and conditions of repositories', async () => {
    const rows = await me
      .selectFrom('articles')
      .select(({ ref }) => [
        search(ref('words'), 'english').websearch('x').rank({ cover: true }).as('rank'),
        search(ref('words'), 'english').websearch('x').headline(ref('body'), { maxWords: 9 }).as('headline'),
        similarity(ref('title'), 'x').score().as('score'),
        wordsOf(ref('title'), 'english').as('words'),
      ])
      .execute()
    expectTypeOf(rows).toEqualTypeOf<{ rank: number; headline: string; score: number; words: string }[]>()
    await createRepository(articles).list(me, {
      where: ({ ref }) => search(ref('words'), 'english').prefix('x').matches(),
      limit: 5,
    })
    expectTypeOf(similarity(wordsOf(null as never, 'simple'), 'x').atLeast().expressionType).toEqualTypeOf<
      SqlBool | undefined
    >()
  })

  test('take texts alone', () => {
    me.selectFrom('articles').where(({ ref }) => {
      // @ts-expect-error a number has no words
      search(ref('team_id'), 'english')
      // @ts-expect-error a number is no text
      search(ref('words'), 'english').websearch(3)
      // @ts-expect-error a number looks like no text
      return similarity(ref('team_id'), 'x').atLeast()
    })
  })
})
