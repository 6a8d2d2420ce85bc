/**
 * What a search costs under row-level security beside SQL written by hand in the same session, and what an index is worth there.
 *
 * TENON_BENCH_ROWS sets the size of the table, 1,000,000 by default. A tenth of the rows is one tenant's, the rest is spread over 99 others.
 */
import { sql } from 'kysely'
import { Client } from 'pg'
import { generateCode } from '../../../src/codegen/index.ts'
import { sqlModules } from '../../../src/generated/modules.ts'
import { createDatabase } from '../../../src/index.ts'
import { search, searchRows } from '../../../src/search/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { GeneratedFolder } from '../../support/generated-code.ts'
import { openServer } from '../../support/servers.ts'
import { quantile } from '../quantile.ts'

const rows = Number(process.env['TENON_BENCH_ROWS'] ?? 1_000_000)
const rounds = 15

const { server, stop } = await openServer()
const servers = { main: server, prefix: `bench${process.pid.toString(36)}_` }
await using cleanup = new AsyncDisposableStack()
cleanup.defer(stop)
const place = cleanup.use(await createTestDatabase({ servers }))
const login = cleanup.use(await createLogin(place, { servers }))
const admin = new Client(place.adminUrl)
await admin.connect()
cleanup.defer(() => admin.end())

// Words that can be pronounced, picked as Zipf says: the n-th about 1/n as often as the first. In SQL, where the rows are made.
const syllables =
  'ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu ra re ri ro ru sa se si so su ta te ti to tu'.split(
    ' ',
  )
const endings = ['s', 'ing', '']
const count = 20_000
function word(n: number): string {
  const syllable = (power: number) => syllables[Math.floor(n / syllables.length ** power) % syllables.length] ?? ''
  return `${syllable(0)}${syllable(1)}${syllable(2)}${endings[n % 3]}`
}
const list = (texts: readonly string[]) => `(array['${texts.join("','")}'])`
const syllableSql = (power: number) =>
  `${list(syllables)}[1 + (n / ${syllables.length ** power}) % ${syllables.length}]`
const wordsSql = (least: number, more: number) =>
  `(select string_agg(${syllableSql(0)} || ${syllableSql(1)} || ${syllableSql(2)} || ${list(endings)}[1 + n % 3], ' ')
    from (select floor(power(${count}, random()))::int as n from generate_series(1, ${least} + i % ${more})) as picked)`
const started = performance.now()
await admin.query(`create extension btree_gin; create extension pg_trgm;
  ${sqlModules.search.files.map((file) => file.sql).join('\n')}
  create table articles (id bigint primary key, tenant_id int not null, title text not null, body text not null);
  select setseed(0.5)`)
await admin.query(
  `insert into articles select i, case when i % 10 = 0 then 1 else 2 + i % 99 end, ${wordsSql(4, 2)}, ${wordsSql(30, 20)} from generate_series(1, ${rows}) i`,
)
await admin.query(
  `select tenon.add_search('public.articles', '{"title": "A", "body": "D"}', 'english', build => false)`,
)
await admin.query('create index articles_words_idx on articles using gin (words)')
await admin.query('create index articles_tenant_id_words_idx on articles using gin (tenant_id, words)')
await admin.query('create index articles_tenant_id_idx on articles (tenant_id)')
await admin.query(`alter table articles enable row level security; grant select on articles to authenticated;
  create policy articles_tenant_policy on articles for select to authenticated
    using (tenant_id = (select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'tenant')::int));
  select tenon.add_search_function('public.articles', 'articles_tenant_policy')`)
await admin.query('vacuum analyze articles')
console.log(
  `server ${server.version}, ${rows.toLocaleString('en')} rows made in ${((performance.now() - started) / 1000).toFixed(0)} s; medians of ${rounds} rounds, ratios within each round`,
)

await using maker = createDatabase<never>({
  connection: place.adminUrl,
  service: { connection: place.adminUrl },
  trustLogin: true,
})
using folder = new GeneratedFolder((await generateCode(maker.service({ actor: 'bench', reason: 'generate' }))).files)
const { metadata, tables } = await folder.import('metadata.ts')
// biome-ignore lint/suspicious/noExplicitAny: the tables are generated while this runs.
await using db: any = createDatabase<any>({
  connection: login.url,
  metadata,
  cursorKeys: ['x'.repeat(32)],
  pool: { max: 1 },
})

type Contestants = Readonly<Record<string, () => Promise<{ readonly length: number }>>>

async function compare(what: string, contestants: Contestants, turns = rounds): Promise<void> {
  const times: Record<string, number[]> = {}
  const found: Record<string, number> = {}
  for (let round = -3; round < turns; round++)
    for (const [name, run] of Object.entries(contestants)) {
      const begin = performance.now()
      found[name] = (await run()).length
      if (round >= 0) times[name] = [...(times[name] ?? []), performance.now() - begin]
    }
  const [base = []] = Object.values(times)
  for (const [name, values] of Object.entries(times)) {
    const ratio = quantile(
      values.map((value, i) => value / (base[i] ?? Number.NaN)),
      0.5,
    )
    console.log(
      `${what.padEnd(40)} ${name.padEnd(36)} ${quantile(values, 0.5).toFixed(1).padStart(8)} ms ${ratio.toFixed(2).padStart(6)}x  ${found[name]} rows`,
    )
  }
}

const questions = {
  'a rare word': word(9_000),
  'two words': `${word(20)} ${word(200)}`,
  'a common word': word(2),
}
for (const [who, tenant] of [
  [`of ${(rows / 10).toLocaleString('en')} rows`, 1],
  [`of ${Math.round(rows / 110).toLocaleString('en')} rows`, 7],
] as const) {
  const me = db.session({ role: 'authenticated', claims: { sub: 'x', tenant } })
  for (const [what, text] of Object.entries(questions)) {
    await compare(`${what}, ${who}`, {
      'SQL by hand': async () =>
        (
          await sql`select id, title, ts_rank(words, websearch_to_tsquery('english', ${text})) as rank from articles
            where words @@ websearch_to_tsquery('english', ${text}) order by rank desc, id limit 21`.execute(me)
        ).rows,
      'search() in Kysely': async () =>
        await me
          .selectFrom('articles')
          // biome-ignore lint/suspicious/noExplicitAny: as above
          .select(({ ref }: any) => ['id', 'title', search(ref('words'), 'english').websearch(text).rank().as('rank')])
          // biome-ignore lint/suspicious/noExplicitAny: as above
          .where(({ ref }: any) => search(ref('words'), 'english').websearch(text).matches())
          .orderBy('rank', 'desc')
          .orderBy('id')
          .limit(21)
          .execute(),
      searchRows: async () =>
        (await searchRows(me, tables.articles, { text, select: ['id', 'title'] as never, limit: 20 })).items,
      'searchRows through the function': async () =>
        (
          await searchRows(me, tables.articles, {
            text,
            select: ['id', 'title'] as never,
            limit: 20,
            through: 'public.search_articles',
          })
        ).items,
    })
  }
}

const me = db.session({ role: 'authenticated', claims: { sub: 'x', tenant: 1 } })
const text = questions['two words']
await compare('with headlines', {
  'SQL by hand': async () =>
    (
      await sql`select id, title, ts_headline('english', body, websearch_to_tsquery('english', ${text})) as headline, ts_rank(words, websearch_to_tsquery('english', ${text})) as rank
        from articles where words @@ websearch_to_tsquery('english', ${text}) order by rank desc, id limit 21`.execute(
        me,
      )
    ).rows,
  searchRows: async () =>
    (
      await searchRows(me, tables.articles, {
        text,
        select: ['id', 'title'] as never,
        headline: { body: true } as never,
        limit: 20,
      })
    ).items,
})
const first = await searchRows(me, tables.articles, { text, limit: 20, select: ['id', 'title'] as never })
const last = first.items.at(-1)
await compare('second page', {
  'SQL by hand': async () =>
    (
      await sql`select id, title, ts_rank(words, websearch_to_tsquery('english', ${text})) as rank from articles
        where words @@ websearch_to_tsquery('english', ${text}) and (ts_rank(words, websearch_to_tsquery('english', ${text})), -id) < (${last?.rank}::real, -${(last?.row as { id: string } | undefined)?.id}::bigint)
        order by rank desc, id limit 21`.execute(me)
    ).rows,
  searchRows: async () =>
    (
      await searchRows(me, tables.articles, {
        text,
        select: ['id', 'title'] as never,
        limit: 20,
        after: first.endCursor,
      })
    ).items,
  'SQL by hand, with offset': async () =>
    (
      await sql`select id, title, ts_rank(words, websearch_to_tsquery('english', ${text})) as rank from articles
        where words @@ websearch_to_tsquery('english', ${text}) order by rank desc, id limit 21 offset 20`.execute(me)
    ).rows,
})

// What row-level security leaves of the indexes, one taken away after the other.
const rare = questions['a rare word']
const small = db.session({ role: 'authenticated', claims: { sub: 'x', tenant: 7 } })
// biome-ignore lint/suspicious/noExplicitAny: as above
const find = (session: any, through?: string) => async () =>
  (await searchRows(session, tables.articles, { text: rare, select: ['id'] as never, limit: 20, through })).items
const plain = { 'large tenant': find(me), 'small tenant': find(small) }
const through = {
  ...plain,
  'large tenant, through the function': find(me, 'public.search_articles'),
  'small tenant, through the function': find(small, 'public.search_articles'),
}
await compare('all indexes', through, 9)
await admin.query('drop index articles_tenant_id_words_idx')
await compare('words, tenant_id apart', through, 9)
await admin.query('drop index articles_tenant_id_idx')
await compare('words alone', through, 5)
try {
  await admin.query('alter function pg_catalog.ts_match_vq(tsvector, tsquery) leakproof')
  await compare('words alone, @@ made leakproof', plain, 9)
  await admin.query('alter function pg_catalog.ts_match_vq(tsvector, tsquery) not leakproof')
} catch {
  console.log('@@ made leakproof: takes a superuser')
}
await admin.query('drop index articles_words_idx')
await compare('no index', plain, 5)
