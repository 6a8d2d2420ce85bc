/** sql/modules/counters: how many rows belong to one, kept where it is read. */
import { Client } from 'pg'
import { beforeEach, expect, inject, it, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { applySql, type Caller, describeModule, revertSql, sqlOf, sqlstateOf } from './engines.ts'

const ada: Caller = { role: 'authenticated', claims: { sub: 'ada' } }
const tables = `drop table if exists public.comments, public."the posts" cascade;
  create table public."the posts" ("post id" int primary key, "n""c" bigint not null default 0, title text);
  create table public.comments (id int generated always as identity, "post" int references public."the posts");
  alter table public."the posts" enable row level security;
  grant insert, delete, select on public.comments to authenticated;
  insert into public."the posts" values (1), (2), (3);
  insert into public.comments (post) values (1), (1), (2), (null)`
const count = `select tenon.count_rows('public.comments', 'post', 'public."the posts"', 'n"c')`

describeModule('sql/modules/counters/0001_counters.sql', ['counters'], (engine) => {
  beforeEach(() => engine().script(tables))
  const numbers = async () =>
    (await engine().admin('select "n""c"::int as n from public."the posts" order by "post id"')).map(({ n }) => n)

  it('counts what is there, and every change from then on, in one update for each statement', async () => {
    await engine().script(count)
    expect(await numbers()).toEqual([2, 1, 0])
    await engine().script('insert into public.comments (post) select 1 + n % 3 from generate_series(0, 99) n')
    expect(await numbers()).toEqual([36, 34, 33])
    await engine().script(
      'update public.comments set post = 3 where post = 2; update public.comments set id = default where post = 3',
    )
    expect(await numbers()).toEqual([36, 0, 67])
    await engine().script(
      'delete from public.comments where post = 1; update public.comments set post = null where id % 2 = 0',
    )
    expect(await numbers()).toEqual(
      (
        await engine().admin(
          'select (select count(*)::int from public.comments c where c.post = p."post id") as n from public."the posts" p order by "post id"',
        )
      ).map(({ n }) => n),
    )
    await engine().script('truncate public.comments')
    expect(await numbers()).toEqual([0, 0, 0])
  })

  it('counts for a session that may not change the parent, which it still may not', async () => {
    await engine().script(count)
    await engine().as(ada, (query) => query('insert into public.comments (post) values (2)'))
    expect(await numbers()).toEqual([2, 2, 0])
    expect(await sqlstateOf(engine().as(ada, (query) => query('update public."the posts" set "n""c" = 9')))).toBe(
      '42501',
    )
    expect(await sqlstateOf(engine().as(ada, (query) => query('select tenon.adjust_counter()')))).toMatch(
      /^(42501|0A000)$/,
    )
  })

  it('ends, refuses columns that are not there, and is made again', async () => {
    await engine().script(count)
    await engine().script(
      `select tenon.uncount_rows('public.comments', 'post'); insert into public.comments (post) values (3)`,
    )
    expect(await numbers()).toEqual([2, 1, 0])
    expect(
      await sqlstateOf(
        engine().admin(`select tenon.count_rows('public.comments', 'nope', 'public."the posts"', 'n"c')`),
      ),
    ).toBe('42703')
    expect(
      await sqlstateOf(
        engine().admin(`select tenon.count_rows('public.comments', 'post', 'public."the posts"', 'nope')`),
      ),
    ).toBe('42703')
    await engine().script(count)
    expect(await numbers()).toEqual([2, 1, 1])
    await revertSql(engine(), 'counters')
    await engine().script('insert into public.comments (post) values (3)')
    await engine().script(sqlOf('counters', '0001'))
  })
})

test('Counters of many connections at once are right, without deadlocks', async () => {
  await using database = await createTestDatabase({ servers: inject('servers') })
  const clients = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const client = new Client(database.adminUrl)
      await client.connect()
      return client
    }),
  )
  const admin = clients[0] as Client
  await applySql({ script: async (text) => void (await admin.query(text)) }, ['counters'])
  await admin.query(tables)
  await admin.query(count)
  await Promise.all(
    clients.map(async (client, c) => {
      for (let i = 0; i < 600; i++)
        await client.query(
          i % 4 === 3
            ? `delete from public.comments where id in (select id from public.comments where id % 6 = ${c} limit 3 for update skip locked)`
            : `insert into public.comments (post) select post from unnest(array[${c % 2 === 0 ? '1, 2, 3' : '3, 2, 1'}]) post`,
        )
    }),
  )
  const { rows } = await admin.query(
    'select "n""c" = (select count(*) from public.comments c where c.post = p."post id") as ok from public."the posts" p',
  )
  expect(rows).toEqual([{ ok: true }, { ok: true }, { ok: true }])
  for (const client of clients) await client.end()
})
