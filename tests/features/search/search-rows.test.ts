/** `searchRows` on a server and on PGlite: what is found, in which order, page by page, under row-level security. */
import { CamelCasePlugin, type ExpressionBuilder, type SqlBool } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { any, expressionOf, nodeOf } from '../../../src/kernel/expressions.ts'
import { searchRows } from '../../../src/search/index.ts'
import { type Library, libraryKinds, openLibrary, type Tables } from '../../support/search-library.ts'

const texts: readonly (readonly [tenant: number, title: string, body: string])[] = [
  [1, 'Free software', 'Software that everybody may use, study, share and improve.'],
  [1, 'A theory of trees', 'Oaks and elms are running out of water. Free range, too.'],
  [1, 'PostgreSQL internals', 'How the planner reads statistics & "costs" when a < b, <script>alert(1)</script>.'],
  [2, 'Secret software', 'The hidden plan of the other tenant: unobtainium.'],
]

describe.each(libraryKinds)('on %s', (kind) => {
  let library: Library
  beforeAll(async () => {
    library = await openLibrary(kind)
    for (const row of texts)
      await library.admin('insert into articles (tenant_id, title, body) values ($1, $2, $3)', row)
  })
  afterAll(() => library[Symbol.asyncDispose]())

  const titles = async (options: Partial<Parameters<typeof searchRows>[2]> & { text: string }, session = library.one) =>
    (await searchRows(session, library.articles, { limit: 10, ...options } as never)).items.map(
      ({ row }) => (row as { title: string }).title,
    )

  describe.each([undefined, 'public.search_articles'])('through %s', (through) => {
    const find = (text: string, more: object = {}, session = library.one) =>
      titles({ text, ...more, ...(through === undefined ? {} : { through }) } as never, session)

    it('finds words by their stems, phrases, either of two and not a third, the weightiest first', async () => {
      expect(await find('free')).toEqual(['Free software', 'A theory of trees'])
      expect(await find('runs')).toEqual(['A theory of trees'])
      expect(await find('"range free"')).toEqual([])
      expect(await find('"free range"')).toEqual(['A theory of trees'])
      expect((await find('planner or oak')).toSorted()).toEqual(['A theory of trees', 'PostgreSQL internals'])
      expect(await find('free -software')).toEqual(['A theory of trees'])
      expect(await find('free software', { match: 'phrase' })).toEqual(['Free software'])
      expect(await find('free or software', { match: 'plain' })).toEqual(['Free software'])
    })

    it('finds while somebody types, through stems and stop words', async () => {
      for (const text of ['t', 'th', 'the', 'theo', 'theor', 'theory', 'theory o', 'theory of tre', 'THEO'])
        expect(await find(text, { match: 'prefix' }), text).toContain('A theory of trees')
      expect(await find('theory x', { match: 'prefix' })).toEqual([])
    })

    it('finds nothing for what has no words', async () => {
      for (const text of ['', '   ', 'the of and', '!!!', '"', '-', '😀', "'", '\\', ':*', '\0'])
        for (const match of ['websearch', 'plain', 'phrase'] as const)
          expect(await find(text, { match }), JSON.stringify([text, match])).toEqual([])
    })

    it('finds, ranks and shows no row of another tenant', async () => {
      expect(await find('unobtainium')).toEqual([])
      expect(await find('software')).toEqual(['Free software'])
      expect(await find('software', {}, library.two)).toEqual(['Secret software'])
      expect(await find('unobtainium', {}, library.two), 'the control').toEqual(['Secret software'])
      expect(await find('software', {}, library.db.session({ role: 'authenticated', claims: { sub: 'x' } }))).toEqual(
        [],
      )
    })

    it('combines with conditions', async () => {
      expect(await find('free', { where: (eb: never) => (eb as CallableFunction)('title', 'like', 'A%') })).toEqual([
        'A theory of trees',
      ])
      expect(
        await find('free', { where: (eb: never) => (eb as CallableFunction)('articles.status', '=', 'gone') }),
      ).toEqual([])
    })
  })

  it('gives rows, ranks and headlines that are safe to show', async () => {
    const { items, hasNext } = await searchRows(library.one, library.articles, {
      text: 'statistics costs',
      select: ['title'],
      headline: { body: true, title: { whole: true } },
      limit: 5,
    })
    expect(hasNext).toBe(false)
    expect(items).toEqual([
      {
        row: { title: 'PostgreSQL internals' },
        rank: expect.any(Number),
        by: 'words',
        headlines: {
          body: expect.stringMatching(
            /reads <mark>statistics<\/mark> &amp; &quot;<mark>costs<\/mark>&quot; when a &lt; b,[^<>]*$/,
          ),
          title: 'PostgreSQL internals',
        },
      },
    ])
  })

  it('leaves the words out of the rows that it gives, unless they are asked for', async () => {
    const [found] = (await searchRows(library.one, library.articles, { text: 'oak', limit: 1 })).items
    expect(Object.keys(found?.row ?? {})).toEqual(['id', 'tenant_id', 'status', 'title', 'body'])
    const [asked] = (await searchRows(library.one, library.articles, { text: 'oak', limit: 1, select: ['words'] }))
      .items
    expect(asked?.row.words).toContain("'oak'")
  })

  it('finds what was mistyped where words find too little, and after what words find', async () => {
    const similar = { column: 'title', threshold: 0.3 } as const
    const mistyped = await searchRows(library.one, library.articles, { text: 'sofware', similar, limit: 5 })
    expect(mistyped.items.map(({ row, by }) => [row.title, by])).toEqual([['Free software', 'similarity']])
    const right = await searchRows(library.one, library.articles, { text: 'software', similar, limit: 5 })
    expect(right.items.map(({ by }) => by)).toEqual(['words'])
    const both = await searchRows(library.one, library.articles, {
      text: 'oak tree',
      similar: { ...similar, fewerThan: 2 },
      limit: 5,
    })
    expect(both.items.map(({ row, by }) => [row.title, by])).toEqual([['A theory of trees', 'words']])
    const others = await searchRows(library.one, library.articles, { text: 'Secrt', similar, limit: 5 })
    expect(others.items).toEqual([])
    const control = await searchRows(library.two, library.articles, { text: 'Secrt', similar, limit: 5 })
    expect(control.items, 'the control').toHaveLength(1)
  })

  it('answers in one round trip', async () => {
    for (const more of [{}, { through: 'search_articles' }, { similar: { column: 'title' } as const }]) {
      await searchRows(library.one, library.articles, { text: 'free', limit: 5, ...more })
      const before = library.db.stats().roundTrips
      await searchRows(library.one, library.articles, { text: 'free', limit: 5, ...more })
      expect(library.db.stats().roundTrips - before).toBe(1)
    }
  })

  it('works in transactions and for the service', async () => {
    const found = await library.one
      .transaction()
      .execute((trx) => searchRows(trx, library.articles, { text: 'free', limit: 5 }))
    expect(found.items).toHaveLength(2)
    const named = library.one.withSchema('public')
    for (const more of [{}, { through: 'search_articles' }, { similar: { column: 'title', fewerThan: 9 } as const }])
      expect((await searchRows(named, library.articles, { text: 'free', limit: 5, ...more })).items[0]?.row.title).toBe(
        'Free software',
      )
    const all = await searchRows(library.service, library.articles, { text: 'software', limit: 5 })
    expect(all.items).toHaveLength(2)
  })

  it('says what it cannot be asked for before anything is sent', async () => {
    const ask = (options: object) =>
      searchRows(library.one, library.articles, { text: 'x', limit: 5, ...options } as never)
    const before = library.db.stats().roundTrips
    for (const [options, code] of [
      [{ limit: 0 }, 'OPTION_INVALID'],
      [{ limit: 1.5 }, 'OPTION_INVALID'],
      [{ limit: 1_001 }, 'OPTION_INVALID'],
      [{ text: undefined }, 'PARAMETER_INVALID'],
      [{ text: null }, 'PARAMETER_INVALID'],
      [{ text: ['x'] }, 'PARAMETER_INVALID'],
      [{ match: 'fuzzy' }, 'OPTION_INVALID'],
      [{ match: 'by' }, 'OPTION_INVALID'],
      [{ words: 'title' }, 'OPTION_INVALID'],
      [{ words: 'nothing' }, 'OPTION_INVALID'],
      [{ language: 'not a name' }, 'OPTION_INVALID'],
      [{ language: "english'; drop table articles; --" }, 'OPTION_INVALID'],
      [{ select: ['nothing'] }, 'OPTION_INVALID'],
      [{ select: ['__proto__'] }, 'OPTION_INVALID'],
      [{ headline: { nothing: true } }, 'OPTION_INVALID'],
      [{ headline: { body: { maxWords: 1 } } }, 'OPTION_INVALID'],
      [{ headline: { body: { maxWords: 5, minWords: 5 } } }, 'OPTION_INVALID'],
      [{ headline: { body: { delimiter: '", StartSel="' } } }, 'OPTION_INVALID'],
      [{ rank: { weights: { A: 2 } } }, 'OPTION_INVALID'],
      [{ rank: { weights: { E: 1 } } }, 'OPTION_INVALID'],
      [{ rank: { normalization: ['nothing'] } }, 'OPTION_INVALID'],
      [{ similar: { column: 'nothing' } }, 'OPTION_INVALID'],
      [{ similar: { column: 'title', threshold: 2 } }, 'OPTION_INVALID'],
      [{ similar: { column: 'title', fewerThan: 0 } }, 'OPTION_INVALID'],
      [{ similar: { column: 'title', kind: 'odd' } }, 'OPTION_INVALID'],
      [{ where: {} }, 'OPTION_INVALID'],
      [{ through: 'a.b.c' }, 'OPTION_INVALID'],
      [{ through: '' }, 'OPTION_INVALID'],
      [{ after: 'x' }, 'CURSOR_INVALID'],
    ] as const)
      await expect(ask(options), JSON.stringify(options)).rejects.toMatchObject({ code })
    expect(library.db.stats().roundTrips).toBe(before)
  })

  it('says which language and which function there are not', async () => {
    await expect(
      searchRows(library.one, library.articles, { text: 'x', language: 'klingon', limit: 5 }),
    ).rejects.toMatchObject({
      code: 'QUERY_UNDEFINED_OBJECT',
      sqlstate: '42704',
      hint: expect.stringContaining('pg_ts_config'),
    })
    await expect(
      searchRows(library.one, library.articles, { text: 'x', through: 'search_nothing', limit: 5 }),
    ).rejects.toMatchObject({ code: 'QUERY_UNDEFINED_OBJECT' })
  })
})

/** An alternative without parentheses of its own. */
const lowest = (eb: ExpressionBuilder<Tables, 'articles'>) =>
  expressionOf<SqlBool>(
    any([nodeOf(eb('id', '<=', '50')), nodeOf(eb.between('id', '51', '100')), nodeOf(eb('id', '=', '50'))]),
  )

describe.each(libraryKinds)('pages on %s', (kind) => {
  let library: Library
  beforeAll(async () => {
    // Ranks are told apart by more digits than a server may show.
    library = await openLibrary(
      kind,
      `do $$ begin execute format('alter database %I set extra_float_digits = 0', current_database()); end $$; set extra_float_digits = 0`,
    )
    // Many of equal rank: the key decides.
    await library.admin(`insert into articles (tenant_id, title, body)
      select 1 + i % 2, case when i % 7 = 0 then 'tree ' else '' end || 'number ' || i, repeat('tree ', 1 + i % 3) from generate_series(1, 200) i`)
  })
  afterAll(() => library[Symbol.asyncDispose]())

  it.each([
    ['words', { text: 'tree' }, 100],
    ['words through a function', { text: 'tree', through: 'public.search_articles' }, 100],
    ['words through a function, filtered', { text: 'tree', through: 'public.search_articles', where: lowest }, 50],
    ['words, filtered by either of two', { text: 'tree', where: lowest }, 50],
    [
      'words by cover, normalized',
      { text: 'tree', rank: { cover: true, normalization: ['length', 'itself'], weights: { D: 1 } } },
      100,
    ],
    [
      'words, then what is alike',
      { text: 'number 14', similar: { column: 'title', threshold: 0.5, fewerThan: 1_000 } },
      undefined,
    ],
    ['what is alike', { text: 'numbr', similar: { column: 'title', threshold: 0.3 } }, 100],
    [
      'what is alike, through a function',
      { text: 'numbr', through: 'search_articles', similar: { column: 'title', threshold: 0.3 } },
      100,
    ],
  ])('of %s give every row once, in one order, whatever their size', async (_, options, expected) => {
    const read = async (limit: number) => {
      const seen: [string, number, string][] = []
      let after: string | undefined
      for (let page = 0; page < 300; page++) {
        const found = await searchRows(library.one, library.articles, {
          ...options,
          select: ['id'],
          limit,
          after,
        } as never)
        seen.push(
          ...found.items.map(({ row, rank, by }) => [(row as { id: string }).id, rank, by] as [string, number, string]),
        )
        after = found.endCursor
        if (!found.hasNext) break
      }
      return seen
    }
    const whole = await read(1_000)
    if (expected !== undefined) expect(whole).toHaveLength(expected)
    expect(whole.length).toBeGreaterThan(2)
    expect(new Set(whole.map(([id]) => id)).size).toBe(whole.length)
    const order = whole.toSorted((a, b) => b[2].localeCompare(a[2]) || b[1] - a[1] || Number(a[0]) - Number(b[0]))
    expect(whole).toEqual(order)
    for (const limit of [1, 7, 33]) expect(await read(limit)).toEqual(whole)
  })

  it('takes a cursor only for the search that it was made for, and as it was made', async () => {
    const ask = (options: object) =>
      searchRows(library.one, library.articles, { text: 'tree', limit: 5, ...options } as never)
    const { endCursor: after = '' } = await ask({})
    expect((await ask({ after })).items).toHaveLength(5)
    for (const options of [
      { after: `x${after}` },
      { after: after.slice(0, -1) },
      { after: `${after}.` },
      { after, text: 'number' },
      { after, match: 'plain' },
      { after, rank: { cover: true } },
    ])
      await expect(ask(options), JSON.stringify(options)).rejects.toMatchObject({ code: 'CURSOR_INVALID' })
  })

  it('go on in a transaction, and from one', async () => {
    const ask = { text: 'tree', limit: 5 }
    const first = await library.one.transaction((trx) => searchRows(trx, library.articles, ask))
    expect(first.endCursor).toEqual(expect.any(String))
    const next = await searchRows(library.one, library.articles, { ...ask, after: first.endCursor })
    const same = await library.one
      .transaction()
      .execute((trx) => searchRows(trx.withSchema('public'), library.articles, { ...ask, after: first.endCursor }))
    expect(next.items).toHaveLength(5)
    expect(same).toEqual(next)
  })

  it('takes the cursor of another session for what that one sees', async () => {
    const { endCursor: after } = await searchRows(library.one, library.articles, { text: 'tree', limit: 5 })
    const { items } = await searchRows(library.two, library.articles, { text: 'tree', limit: 1_000, after })
    for (const { row } of items) expect(row.tenant_id).toBe(2)
    expect(items.length).toBeGreaterThan(0)
  })
})

describe.each(libraryKinds)('a key of an order of its own on %s', (kind) => {
  const named = `create extension citext;
    create table named (name citext collate "C" primary key, body text not null, odd boolean not null default false);
    select tenon.add_search('public.named', '{"body": "A"}', 'english');
    alter table named enable row level security; create policy named_policy on named to authenticated using (not odd);
    grant select on named to authenticated; select tenon.add_search_function('public.named', 'named_policy');
    insert into named (name, body, odd) values ('a', 'tree', false), ('B', 'tree', false), ('c', 'tree', false), ('D', 'tree', false), ('E', 'tree', true)`

  it('gives every row once, page by page, through a function too', { timeout: 60_000 }, async () => {
    await using library = await openLibrary(kind, named)
    for (const through of [undefined, 'public.search_named']) {
      const seen: string[] = []
      for (let after: string | undefined; ; ) {
        const page = await searchRows(library.one, library.tables.named, {
          text: 'tree',
          limit: 1,
          after,
          through,
        } as never)
        seen.push(...page.items.map(({ row }) => (row as { name: string }).name))
        after = page.endCursor
        if (!page.hasNext) break
      }
      expect(seen, `through ${through}`).toEqual(['a', 'B', 'c', 'D'])
    }
    const texts = await library.admin(`select name from named where name::text > 'a' order by 1`)
    expect(texts, 'as texts they are in another order: the control').toEqual([{ name: 'c' }])
  })

  it('is refused to a service, which the table shows more', async () => {
    await using library = await openLibrary(kind, named)
    const find = (executor: typeof library.one | typeof library.service) =>
      searchRows(executor, library.tables.named, { text: 'tree', limit: 9, through: 'search_named' } as never)
    expect((await find(library.one)).items, 'the control').toHaveLength(4)
    await expect(find(library.service)).rejects.toMatchObject({
      code: 'QUERY_RAISED',
      constraint: 'search_reader',
      sqlstate: '0A000',
      hint: expect.stringContaining('through'),
    })
  })
})

describe.each(libraryKinds)('keys of a type that is off the search path on %s', (kind) => {
  const tables = `create schema extensions; grant usage on schema extensions to authenticated;
    create extension citext schema extensions;
    create table named (name extensions.citext primary key, body text not null);
    create table parts (part int, name extensions.citext, title text not null, primary key (part, name));
    select tenon.add_search('public.named', '{"body": "A"}', 'english');
    select tenon.add_search('public.parts', '{"title": "A"}', 'english', trigram_columns => '{title}');
    alter table named enable row level security; create policy named_policy on named to authenticated using (true);
    grant select on named, parts to authenticated; select tenon.add_search_function('public.named', 'named_policy');
    insert into named select name, 'tree' from unnest('{a,B,c,D}'::text[]) as each(name);
    insert into parts select part, name, 'tree' from generate_series(1, 2) as part, unnest('{a,B,c}'::text[]) as each(name)`

  it('are in their own order, page by page', { timeout: 60_000 }, async () => {
    await using library = await openLibrary(kind, tables)
    const read = async (table: object, options: object) => {
      const seen: unknown[] = []
      for (let after: string | undefined; seen.length < 20; ) {
        const page = await searchRows(library.one, table as never, { limit: 1, after, ...options } as never)
        seen.push(...page.items.map(({ row }) => (row as { name: string }).name))
        after = page.endCursor
        if (!page.hasNext) break
      }
      return seen
    }
    for (const through of [undefined, 'public.search_named'])
      expect(await read(library.tables.named, { text: 'tree', through }), `through ${through}`).toEqual([
        'a',
        'B',
        'c',
        'D',
      ])
    const twice = ['a', 'B', 'c', 'a', 'B', 'c']
    expect(await read(library.tables.parts, { text: 'tree' })).toEqual(twice)
    expect(await read(library.tables.parts, { text: 'treee', similar: { column: 'title', threshold: 0.3 } })).toEqual(
      twice,
    )
  })
})

describe.each(libraryKinds)('with CamelCasePlugin and another schema on %s', (kind) => {
  it('finds the same', { timeout: 60_000 }, async () => {
    const more = `create schema app; create table app.long_names (the_id uuid default gen_random_uuid(), made_at timestamptz default now(), long_title text not null, primary key (the_id, made_at));
      select tenon.add_search('app.long_names', '{"long_title": "B"}', 'german', 'search_words');
      insert into app.long_names (long_title) values ('Häuser am See'), ('Ein Haus');
      grant usage on schema app to authenticated; grant select on app.long_names to authenticated;`
    await using library = await openLibrary(kind, more, {
      camelCase: true,
      schemas: ['public', 'app'],
      plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
    } as never)
    const table = Object.values(library.tables).find((each) => (each as { name: string }).name === 'long_names')
    const ask = (options: object = {}) =>
      searchRows(
        library.one,
        table as never,
        { text: 'haus', headline: { longTitle: {} }, limit: 1, ...options } as never,
      )
    const first = await ask()
    expect(first.items).toMatchObject([{ row: { longTitle: expect.any(String) } }])
    const second = await ask({ after: first.endCursor })
    expect([first, second].map(({ hasNext }) => hasNext)).toEqual([true, false])
    expect(JSON.stringify(second.items)).toContain('<mark>')
  })
})
