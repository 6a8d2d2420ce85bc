/** sql/modules/search: the generated column, its indexes, and the function through which an index serves a search under row-level security. */
import { expect, it } from 'vitest'
import { type Caller, describeModule, type Engine, revertSql, sqlOf, sqlstateOf } from './engines.ts'

const tenant = (number: number): Caller => ({ role: 'authenticated', claims: { tenant: number } })
const policy = `tenant_id = (select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'tenant')::int)`

/** A table of its own for each test. */
async function makeTable(engine: Engine, name: string, more = ''): Promise<void> {
  await engine.script(`create table public."${name}" (id bigint generated always as identity primary key, tenant_id int not null default 1, title text, "Bo%dy" text);
    alter table public."${name}" enable row level security;
    create policy tenant_policy on public."${name}" for select to authenticated using (${policy});
    grant usage on schema public to authenticated; grant select on public."${name}" to authenticated; ${more}`)
}
const addSearch = (name: string, more = '') =>
  `select tenon.add_search('public."${name.replaceAll("'", "''")}"', '{"title": "A", "Bo%dy": "D"}', 'english'${more})`

describeModule('sql/modules/search/0001_add_search.sql', ['search'], (engine) => {
  it('adds words with their weights, and an index on them', async () => {
    await makeTable(engine(), 'Plain table')
    expect(await engine().admin(addSearch('Plain table'))).toEqual([
      { add_search: 'create index on public."Plain table" using gin (words)' },
    ])
    await engine().admin(
      `insert into public."Plain table" (title, "Bo%dy") values ('Running', null), (null, 'It runs')`,
    )
    expect(await engine().admin('select words::text as words from public."Plain table" order by id')).toEqual([
      { words: `'run':1A` },
      { words: `'run':2` },
    ])
    expect(
      await engine().admin(
        `select indexdef like '%gin (words)' as found from pg_indexes where tablename = 'Plain table' and indexdef like '%gin%'`,
      ),
    ).toEqual([{ found: true }])
  })

  it('says which indexes are to be made where it makes none', async () => {
    await makeTable(engine(), 'later')
    expect(await engine().admin(addSearch('later', ", column_name => 'Look for', build => false"))).toEqual([
      { add_search: 'create index concurrently on public.later using gin ("Look for")' },
    ])
    await engine().admin('create index concurrently on public.later using gin ("Look for")')
  })

  it('takes texts that are longer than words can hold', { timeout: 60_000 }, async () => {
    await makeTable(engine(), 'long')
    await engine().admin(addSearch('long'))
    await engine().admin(`insert into public.long (title, "Bo%dy") select
      string_agg(md5(i::text) || ' ', ''), string_agg(chr(19968 + i % 20000) || chr(200 + i % 300) || ' ', '') from generate_series(1, 400000) i`)
    // Parts of hyphenated words count twice.
    await engine().admin(
      `insert into public.long ("Bo%dy") select string_agg(substr(md5(i::text), 1, 3) || '-' || substr(md5(i::text), 4, 2), ' ') from generate_series(1, 300000) i`,
    )
    expect(await engine().admin('select length(words) > 3000 as many from public.long')).toEqual([
      { many: true },
      { many: true },
    ])
  })

  it.each([
    ['no columns', `'{}', 'english'`, '22023'],
    ['a list of columns', `'["title"]', 'english'`, '22023'],
    ['a weight that is none', `'{"title": "E"}', 'english'`, '22023'],
    ['a weight of null', `'{"title": null}', 'english'`, '22023'],
    ['no language', `'{"title": "A"}', null`, '22023'],
    ['a language that is not there', `'{"title": "A"}', 'klingon'`, '42704'],
    ['a column that is not there', `'{"nothing": "A"}', 'english'`, '42703'],
    ['a column of that name that is there', `'{"title": "A"}', 'english', 'title'`, '42701'],
    ['a policy column without btree_gin', `'{"title": "A"}', 'english', policy_column => 'tenant_id'`, '42704'],
    ['trigrams without pg_trgm', `'{"title": "A"}', 'english', trigram_columns => '{title}'`, '42704'],
  ])('refuses %s', async (_, values, sqlstate) => {
    await engine().admin('drop table if exists public.refused')
    await makeTable(engine(), 'refused')
    expect(await sqlstateOf(engine().admin(`select tenon.add_search('public.refused', ${values})`))).toBe(sqlstate)
    expect(
      await engine().admin(
        `select from pg_attribute where attrelid = 'public.refused'::regclass and attname = 'words'`,
      ),
    ).toEqual([])
  })

  it('is for who owns the table', async () => {
    expect(
      await sqlstateOf(
        engine().as(tenant(1), (query) =>
          query(`select tenon.add_search('public.refused', '{"title": "A"}', 'english')`),
        ),
      ),
    ).toBe('42501')
    expect(
      await sqlstateOf(engine().admin(`select tenon.unaccented_language('german')`)),
      'without the extension',
    ).toBe('42704')
  })
})

describeModule('sql/modules/search/0002_search_function.sql', ['search'], (engine) => {
  const make = async (name: string, more = '', named = 'tenant_policy') => {
    await makeTable(engine(), name, more)
    await engine().admin(addSearch(name))
    return await sqlstateOf(
      engine().admin(`select tenon.add_search_function('public."${name.replaceAll("'", "''")}"', '${named}')`),
    )
  }

  it('takes any name of a table', async () => {
    expect(await make("Ar'tic%les $body$")).toBe('no error')
    expect(
      await engine().as(tenant(1), (query) => query(`select * from public."search_Ar'tic%les $body$"('x')`)),
    ).toEqual([])
  })

  it('finds keys and ranks of rows that the policy shows', async () => {
    expect(await make('query', 'alter table public."query" force row level security')).toBe('no error')
    await engine().admin(
      `insert into public."query" (tenant_id, title, "Bo%dy") values (1, 'tree', null), (1, null, 'tree'), (2, 'tree', null), (1, null, 'tree')`,
    )
    const keys = (caller: Caller, values: string) =>
      engine().as(caller, async (query) =>
        (await query(`select search_key from public.search_query(${values})`)).map((row) => Number(row['search_key'])),
      )
    expect(await keys(tenant(1), `'tree'`)).toEqual([1, 2, 4])
    expect(await keys(tenant(2), `'tree'`)).toEqual([3])
    expect(await keys({ role: 'authenticated' }, `'tree'`)).toEqual([])
    expect(await keys(tenant(1), `'tree', most => 2`)).toEqual([1, 2])
    const [second] = await engine().as(tenant(1), (query) =>
      query(`select search_rank from public.search_query('tree') where search_key = 2`),
    )
    expect(await keys(tenant(1), `'tree', after_rank => ${second?.['search_rank']}, after_key => 2`)).toEqual([4])
    expect(await sqlstateOf(keys({ role: 'anon' }, `'tree'`))).toBe('42501')
    await engine().admin('alter policy tenant_policy on public."query" using (true)')
    expect(await sqlstateOf(keys(tenant(1), `'tree'`)), 'the policy is another').toBe('55000')
  })

  it.each([
    ['no such policy', '', 'nothing', '42704'],
    [
      'a policy for writing',
      'create policy writing on public.unfit for insert to authenticated with check (true)',
      'writing',
      '42704',
    ],
    [
      'a restrictive policy beside it',
      'create policy narrow on public.unfit as restrictive to authenticated using (true)',
      'tenant_policy',
      '42704',
    ],
    ['row security that is off', 'alter table public.unfit disable row level security', 'tenant_policy', '42704'],
    [
      'a policy that looks into another table',
      'create table if not exists public.members (id int); create policy joined on public.unfit for select to authenticated using (tenant_id in (select id from public.members))',
      'joined',
      '0A000',
    ],
    [
      'a policy that asks who the role is',
      'create policy named on public.unfit for select to authenticated using (title = current_user)',
      'named',
      '0A000',
    ],
    [
      'a policy that asks for a privilege',
      `create policy named on public.unfit for select to authenticated using (pg_has_role('authenticated', 'member'))`,
      'named',
      '0A000',
    ],
    [
      'a key of more columns',
      'alter table public.unfit drop constraint unfit_pkey, add primary key (id, tenant_id)',
      'tenant_policy',
      '0A000',
    ],
    ['no key', 'alter table public.unfit drop constraint unfit_pkey', 'tenant_policy', '0A000'],
  ])('refuses %s', async (_, more, named, sqlstate) => {
    await engine().admin('drop table if exists public.unfit')
    expect(await make('unfit', more, named)).toBe(sqlstate)
    expect(await engine().admin(`select from pg_proc where proname = 'search_unfit'`)).toEqual([])
  })

  it('takes a policy that says "user" in a text or a name', async () => {
    expect(
      await make(
        'users',
        `alter table public.users add user_id text; create policy theirs on public.users for select to authenticated using (user_id = 'CURRENT_USER')`,
        'theirs',
      ),
    ).toBe('no error')
  })

  it('gives the search to nobody who may not read the table, and lets its owner alone make it', async () => {
    await engine().script(`create table public.closed (id int primary key, words tsvector); alter table public.closed enable row level security;
      create policy open_policy on public.closed for select using (true); grant select on public.closed to authenticated`)
    expect(await engine().admin(`select tenon.add_search_function('public.closed', 'open_policy') as made`)).toEqual([
      { made: 'public.search_closed' },
    ])
    const may = `select has_function_privilege('anon', p.oid, 'execute') as anon, has_function_privilege('authenticated', p.oid, 'execute') as authenticated
      from pg_proc p where p.proname = 'search_closed'`
    expect(await engine().admin(may)).toEqual([{ anon: false, authenticated: true }])
    await engine().script('drop function public.search_closed; alter table public.closed owner to service_role')
    expect(await sqlstateOf(engine().admin(`select tenon.add_search_function('public.closed', 'open_policy')`))).toBe(
      '42501',
    )
    await engine().script(`create role forced_owner nologin nobypassrls; grant usage, create on schema public to forced_owner;
      grant usage on schema tenon to forced_owner; grant execute on all functions in schema tenon to forced_owner;
      alter table public.closed owner to forced_owner; alter table public.closed force row level security; set role forced_owner`)
    const forced = await sqlstateOf(engine().admin(`select tenon.add_search_function('public.closed', 'open_policy')`))
    await engine().script('alter table public.closed no force row level security')
    const owned = await sqlstateOf(engine().admin(`select tenon.add_search_function('public.closed', 'open_policy')`))
    await engine().script('reset role')
    expect([forced, owned], 'the second is the control').toEqual(['0A000', 'no error'])
    expect(await engine().admin(`select from pg_policy where polname = 'search_definer_policy'`)).toEqual([])
    await engine().script('drop owned by forced_owner; drop role forced_owner')
  })

  it('goes as it came', async () => {
    await revertSql(engine(), 'search')
    expect(
      await engine().admin(
        `select from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'tenon'`,
      ),
    ).toEqual([])
    await engine().script(`${sqlOf('search', '0001')}; ${sqlOf('search', '0002')}`)
  })
})
