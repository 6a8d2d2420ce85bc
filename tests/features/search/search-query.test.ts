/** The builders on a server and on PGlite: languages, whatever people type, headlines that are safe, trigrams, and row-level security under attack. */
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isTenonError } from '../../../src/index.ts'
import { type SearchMode, search, searchRows, similarity, wordsOf } from '../../../src/search/index.ts'
import { hostileTexts } from '../../support/hostile-texts.ts'
import { type Library, libraryKinds, openLibrary } from '../../support/search-library.ts'

describe.each(libraryKinds)('on %s', (kind) => {
  let library: Library
  beforeAll(async () => {
    library = await openLibrary(
      kind,
      `create table phrases (id int primary key, language regconfig not null, body text not null, words tsvector generated always as (to_tsvector(language, body)) stored);
       select tenon.unaccented_language('german'); select tenon.unaccented_language('simple');
       grant select on phrases to authenticated;
       insert into phrases (id, language, body) values (1, 'english', 'Running houses'), (2, 'german', 'Die Häuser laufen'), (3, 'simple', 'Running HOUSES'),
         (4, 'german_unaccented', 'Die Häuser und ein Café'), (5, 'simple', '全文検索は難しい 東京'), (6, 'simple', 'smile 😀 now'), (7, 'simple_unaccented', 'Ångström naïve'), (8, 'simple', 'o''clock a\\b ''quoted'''), (9, 'simple', 'Ölfaß');
       insert into articles (tenant_id, title, body) values (1, 'Mine', 'mine alone'), (2, 'Theirs', 'secret of theirs'), (1, 'Postgres', null)`,
    )
  })
  afterAll(() => library[Symbol.asyncDispose]())

  // biome-ignore lint/suspicious/noExplicitAny: a table beside those of the library.
  const phrases = () => (library.one as any).selectFrom('phrases')
  const found = async (text: string, language: string, mode: SearchMode = 'websearch') =>
    (
      await phrases()
        .select('id')
        // biome-ignore lint/suspicious/noExplicitAny: as above
        .where(({ ref }: any) => search(ref('words'), language).by(mode, text).matches())
        .orderBy('id')
        .execute()
    ).map(({ id }: { id: number }) => id)

  it('searches in the language of the words', async () => {
    expect(await found('house run', 'english')).toEqual([1])
    expect(await found('haus', 'german')).toEqual([2, 4])
    expect(await found('running', 'simple')).toEqual([3])
    expect(await found('run', 'simple')).toEqual([1])
  })

  it('does not mind accents in a language that was made for it', async () => {
    expect(await found('cafe hauser', 'german_unaccented')).toEqual([4])
    expect(await found('Café Häuser', 'public.german_unaccented')).toEqual([4])
    expect(await found('angstrom naive', 'simple_unaccented')).toEqual([7])
    expect(await found('olfass', 'simple_unaccented'), 'the control: words that were made with accents').toEqual([])
  })

  it('finds what the parser takes for words: Chinese and Japanese by whole runs and their beginnings, no emoji', async () => {
    expect(await found('東京', 'simple')).toEqual([5])
    expect(await found('全文', 'simple')).toEqual([])
    expect(await found('全文', 'simple', 'prefix')).toEqual([5])
    expect(await found('😀', 'simple')).toEqual([])
    expect(await found('smile 😀', 'simple', 'prefix')).toEqual([6])
    expect(await found(`o'clock a\\b 'quoted'`, 'simple', 'prefix')).toEqual([8])
  })

  it('takes the language of each row from a column', async () => {
    const rows = await phrases()
      .select('id')
      // biome-ignore lint/suspicious/noExplicitAny: as above
      .where(({ ref }: any) => search(ref('words'), ref('language')).websearch('häuser or houses').matches())
      .orderBy('id')
      .execute()
    expect(rows.map(({ id }: { id: number }) => id)).toEqual([1, 2, 3, 4])
  })

  it('searches a text that has no column of words', async () => {
    const rows = await phrases()
      .select('id')
      // biome-ignore lint/suspicious/noExplicitAny: as above
      .where(({ ref }: any) =>
        search(wordsOf(ref('body'), 'english'), 'english')
          .websearch('house')
          .matches(),
      )
      .orderBy('id')
      .execute()
    expect(rows.map(({ id }: { id: number }) => id)).toEqual([1, 3])
  })

  it('combines queries', async () => {
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const ids = async (make: (words: ReturnType<typeof search>) => any) =>
      (
        await phrases()
          .select('id')
          // biome-ignore lint/suspicious/noExplicitAny: as above
          .where(({ ref }: any) => make(search(ref('words'), 'simple')).matches())
          .orderBy('id')
          .execute()
      ).map(({ id }: { id: number }) => id)
    expect(await ids((words) => words.plain('running').and(words.prefix('hou')))).toEqual([3])
    expect(await ids((words) => words.plain('running').or(words.plain('smile')))).toEqual([3, 6])
    expect(await ids((words) => words.plain('smile').or(words.plain('running')).and(words.plain('now')))).toEqual([6])
    expect(await ids((words) => words.plain('smile').and(words.plain('running').or(words.plain('now')).not()))).toEqual(
      [],
    )
    expect(await ids((words) => words.plain('smile').and(words.plain('running').not()))).toEqual([6])
    expect(await ids((words) => words.plain('running').followedBy(words.plain('houses')))).toEqual([3])
    expect(await ids((words) => words.plain('running').followedBy(words.plain('houses'), 2))).toEqual([])
    expect(await ids((words) => words.query('smi:* & !running'))).toEqual([6])
  })

  it('says that a query of the program is malformed, and which language there is not', async () => {
    const malformed = ['a & & b', "'a", '(a', 'a b', '!', 'a <', '&']
    for (const text of malformed) {
      const error = await library.one
        .selectFrom('articles')
        .select('id')
        .where(({ ref }) => search(ref('words'), 'english').query(text).matches())
        .execute()
        .then(
          () => 'no error',
          (reason: unknown) => reason,
        )
      expect(error, text).toMatchObject({ code: 'QUERY_SYNTAX', hint: expect.stringContaining('tsquery') })
      expect(JSON.stringify(error)).not.toContain(`"${text}"`)
    }
    await expect(found('x', 'klingon')).rejects.toMatchObject({
      code: 'QUERY_UNDEFINED_OBJECT',
      hint: expect.stringContaining('pg_ts_config'),
    })
    for (const language of ['', 'a.b.c', "x'", 'a b', 'x\0', '"', 'é'.repeat(64), null, undefined, 7])
      expect(() => search(sql<string>`words`, language as never)).toThrow(
        expect.objectContaining({ code: 'OPTION_INVALID' }),
      )
  })

  it('never fails for what somebody types, and finds no more for it', { timeout: 60_000 }, async () => {
    const runs = kind === 'server' ? 150 : 60
    const modes = ['websearch', 'plain', 'phrase', 'prefix'] as const
    const ask = async (text: string) => {
      const rows = await library.one
        .selectFrom('articles')
        .select(['tenant_id'])
        .select(({ ref }) =>
          modes.map((mode) => search(ref('words'), 'english').by(mode, text).headline(ref('body')).as(mode)),
        )
        .select(({ ref }) => similarity(ref('title'), text).score().as('score'))
        .where(({ ref, or }) =>
          or([
            ...modes.map((mode) => search(ref('words'), 'english').by(mode, text).matches()),
            similarity(ref('title'), text).atLeast(0.1),
            similarity(ref('title'), text, 'whole').atLeast(0.9),
            similarity(ref('title'), text, 'strict word').atLeast(),
          ]),
        )
        .execute()
      for (const row of rows) expect(row.tenant_id).toBe(1)
    }
    const operators = fc.constantFrom(
      '&',
      '|',
      '!',
      '(',
      ')',
      '<->',
      '<9>',
      ':*',
      ':',
      "'",
      '"',
      '\\',
      '-',
      'or',
      ' ',
      '\0',
      'mine',
      'the',
      ':A',
      '*',
      '\ud800',
      '😀',
      '\u0002',
      '%',
      '_',
      '$1',
      'é',
      '\n',
    )
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.array(operators, { maxLength: 30 }).map((parts) => parts.join('')),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
    )
    await fc.assert(fc.asyncProperty(texts, ask), { numRuns: runs })
    for (const text of [
      ...hostileTexts,
      '- '.repeat(999),
      '-"'.repeat(999),
      '-(|'.repeat(600),
      '-😀'.repeat(600),
      '-é '.repeat(600),
      '-:'.repeat(600),
      'or '.repeat(600),
      '- b '.repeat(400),
      '"b c" or '.repeat(200),
      'x'.repeat(1 << 20),
      'a '.repeat(1 << 19),
      '"'.repeat(5_000),
      '-'.repeat(5_000),
      '( '.repeat(5_000),
      "' ".repeat(5_000),
    ])
      await ask(text)
  })

  it('makes headlines in which only our marks are marks', { timeout: 60_000 }, async () => {
    const pieces = fc.constantFrom(
      'mine ',
      '<b>',
      '</b>',
      '<mark>',
      '</mark>',
      '&amp;',
      '&',
      '"',
      "'",
      '\u0002',
      '\u0003',
      '<script>alert(1)</script>',
      '<img src=x onerror=alert(1)>',
      ' ',
      'alone ',
      '<',
      '>',
      '&lt;',
      '<!-- ',
      '\n',
    )
    const documents = fc.array(pieces, { maxLength: 25 }).map((parts) => parts.join(''))
    await fc.assert(
      fc.asyncProperty(documents, fc.boolean(), async (document, whole) => {
        const { html } = (await library.one
          .selectNoFrom((eb) =>
            search(wordsOf(eb.val(document), 'english'), 'english')
              .websearch('mine')
              .headline(eb.val(document), { whole, ...(whole ? {} : { maxFragments: 2 }) })
              .as('html'),
          )
          .executeTakeFirstOrThrow()) as { html: string }
        const rest = html.replaceAll(/<mark>[^<>]*<\/mark>/g, '')
        expect(rest).not.toMatch(/[<>"']/)
        for (const forged of ['\u0002', '\u0003']) expect(html).not.toContain(forged)
        expect(rest.replaceAll(/&(amp|lt|gt|quot|#39);/g, '')).not.toContain('&')
      }),
      { numRuns: kind === 'server' ? 100 : 40 },
    )
  })

  it('marks as it is told, and gives nothing for nothing', async () => {
    const rows = await library.one
      .selectFrom('articles')
      .select(({ ref }) => [
        'title',
        search(ref('words'), 'english')
          .websearch('alone postgres')
          .headline(ref('body'), { start: '**', stop: '**', escape: 'none' })
          .as('body'),
      ])
      .orderBy('id')
      .execute()
    expect(rows).toEqual([
      { title: 'Mine', body: 'mine **alone**' },
      { title: 'Postgres', body: null },
    ])
  })

  it('finds and orders by trigrams', async () => {
    const rows = await library.one
      .selectFrom('articles')
      .select('title')
      .where(({ ref }) => similarity(ref('title'), 'postgras').atLeast(0.4))
      .orderBy(({ ref }) => similarity(ref('title'), 'postgras').distance())
      .execute()
    expect(rows).toEqual([{ title: 'Postgres' }])
    for (const threshold of [-1, 2, Number.NaN, '0.5'])
      expect(() => similarity(sql<string>`title`, 'x').atLeast(threshold as never)).toThrow(
        expect.objectContaining({ code: 'OPTION_INVALID' }),
      )
  })

  it('leaves nothing behind that would have to be cleaned up: a search is one unit without a reset', async () => {
    const query = library.one.selectFrom('articles').select(({ ref }) => [
      search(ref('words'), 'english')
        .prefix('mi')
        .followedBy(search(ref('words'), 'english').plain('alone'))
        .rank({ cover: true, weights: { A: 1 } })
        .as('rank'),
      search(ref('words'), 'english').plain('alone').headline(ref('body')).as('body'),
      similarity(ref('title'), 'x').score().as('score'),
    ])
    const names = new Set<string>()
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      if ('kind' in value && value.kind === 'RawNode') names.add('raw')
      if ('func' in value) names.add(String(value.func))
      Object.values(value).forEach(visit)
    }
    visit(query.toOperationNode())
    const { pureFunctions, extensionFunctions } = await import('../../../src/database/wire/purity.ts')
    expect([...names].filter((name) => !pureFunctions.has(name) && !extensionFunctions.has(name))).toEqual([])
  })

  it('shows a leaky function in WHERE no row of another tenant, beside a search and inside of its function', async () => {
    await library
      .admin(`create or replace function public.leak(value text) returns boolean language plpgsql cost 0.0000001 as
      $$ begin raise notice '%', value; insert into public.leaked values (value); return true; end $$;`)
      .catch(() => {})
    await library.admin('create table if not exists leaked (value text)')
    await library.admin('grant insert, select on leaked to authenticated')
    await library.admin('delete from leaked')
    const leaky = sql<boolean>`public.leak(title)`
    const attack = (executor: typeof library.one) =>
      executor
        .selectFrom('articles')
        .select('id')
        .where(leaky)
        .where(({ ref }) => search(ref('words'), 'english').websearch('mine or secret').matches())
        .execute()
    await attack(library.one)
    expect(await library.admin('select distinct value from leaked order by 1')).not.toContainEqual({ value: 'Theirs' })
    await sql`select * from public.search_articles('mine | secret') f join articles a on a.id = f.search_key where public.leak(a.title)`.execute(
      library.one,
    )
    const seen = await library.admin('select distinct value from leaked order by 1')
    expect(seen).toContainEqual({ value: 'Mine' })
    expect(seen).not.toContainEqual({ value: 'Theirs' })
    await attack(library.service as never)
    expect(await library.admin('select distinct value from leaked'), 'the control').toContainEqual({ value: 'Theirs' })
  })

  it('keeps the function to the roles and the words of its policy', async () => {
    const keys = (session: typeof library.one) =>
      sql`select search_key from public.search_articles('secret | mine')`.execute(session)
    expect((await keys(library.one)).rows).toHaveLength(1)
    expect((await keys(library.db.session({ role: 'authenticated', claims: { sub: 'x' } }))).rows).toEqual([])
    await expect(keys(library.db.session({ role: 'anon' }))).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    for (const [change, back] of [
      ['alter policy articles_tenant_policy on articles using (tenant_id = 1)', undefined],
      [
        'create policy narrower on articles as restrictive for select using (false)',
        'drop policy narrower on articles',
      ],
      ['alter table articles disable row level security', 'alter table articles enable row level security'],
      [
        'alter policy articles_tenant_policy on articles to anon',
        'alter policy articles_tenant_policy on articles to authenticated',
      ],
      ['drop policy articles_tenant_policy on articles', undefined],
    ] as const) {
      await library.admin(change)
      const failure = await keys(library.one).catch((error: unknown) => error)
      expect(isTenonError(failure) && failure, change).toMatchObject({
        sqlstate: '55000',
        constraint: 'search_policy_changed',
      })
      // Where the policies let nobody see a row, the function is not even asked.
      if (back === undefined && change.startsWith('alter'))
        await expect(
          searchRows(library.one, library.articles, { text: 'mine', through: 'search_articles', limit: 5 }),
        ).rejects.toMatchObject({ code: 'QUERY_RAISED', hint: expect.stringContaining('add_search_function') })
      if (back !== undefined) await library.admin(back)
    }
  })
})
