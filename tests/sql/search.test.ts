/** sql/modules/search: the generated column, its indexes, and the function through which an index serves a search under row-level security. */
import { expect, it } from 'vitest'
import { type Caller, describeModule, type Engine, type Row, revertSql, sqlOf, sqlstateOf } from './engines.ts'

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

describeModule('sql/modules/search/0002_search_scope.sql', ['search'], (engine) => {
  const obstacleOf = async (using: string, before = '') => {
    await engine().script(`drop table if exists public.judged; drop table if exists public.members cascade; drop schema if exists odd cascade;
      create schema odd; create table public.members (tenant int, subject text); create domain odd.email as text check (value like '%@%');
      create table public.judged (id int primary key, tenant_id int, title text, made_at timestamptz); alter table public.judged enable row level security;
      ${before}; create policy judged_policy on public.judged for select to authenticated using (${using}); reset search_path`)
    const [row] = await engine().admin(
      `select tenon.search_obstacle(array[oid]) as obstacle from pg_policy where polname = 'judged_policy'`,
    )
    return row?.['obstacle']
  }
  const returning = (head: string, body: string) => `create function odd.tenant() returns int language ${head} ${body}`
  const reads = 'select tenant from public.members limit 1'
  /** As Supabase has it. */
  const claims = `
    select coalesce(
      nullif(current_setting(''request.jwt.claim.sub'', true), ''''),
      (nullif(current_setting(''request.jwt.claims'', true), '''')::jsonb ->> ''sub'')
    )::int`

  it.each([
    ['true'],
    [policy],
    [`title like 'x%' or made_at > now() - interval '1 day'`],
    [`tenant_id = any (array[1, 2]) and coalesce(title, '') <> '' and (title, id) is not null`],
    [`to_jsonb(title) ? 'x' and to_tsvector('english', title) @@ websearch_to_tsquery('english', 'x')`],
    [`tenant_id in (select value::int from jsonb_array_elements_text(current_setting('app.tenants', true)::jsonb))`],
    [`age(made_at) < interval '1 day'`],
    ['tenant_id = odd.tenant()', returning('sql stable', `return current_setting('app.tenant', true)::int`)],
    ['tenant_id = odd.tenant()', returning('sql', `begin atomic select 1; end`)],
    [
      'tenant_id = odd.tenant()',
      returning(`plpgsql security definer set search_path = ''`, `as 'begin return (${reads}); end'`),
    ],
    ['tenant_id in (select odd.tenant())', returning(`sql security definer set search_path = ''`, `as '${reads}'`)],
    ['title operator(odd.==) title', equals('==')],
    ['tenant_id = odd.tenant()', returning('sql stable', `as '${claims}'`)],
    [
      'tenant_id = odd.tenant()',
      returning('sql stable', `as ' select nullif(current_setting(''app.tenant''), '''')::int; '`),
    ],
  ])('finds nothing in the way of %s', async (using, before = '') => {
    expect(await obstacleOf(using, before)).toBe(null)
  })

  it.each([
    ['tenant_id in (select tenant from public.members)', 'policy judged_policy reads a table'],
    ['title = current_user', /asks for the current role/],
    ['title = user', /asks for the current role/],
    ['title = session_user', /asks for the current role/],
    ['title = current_schema', /asks for the current role or schema/],
    ['title = pg_catalog."current_user"()', /calls "?current_user"?\(\)/],
    ['title = getpgusername()', /calls getpgusername\(\)/],
    ['title = current_schema()', /calls "?current_schema"?\(\)/],
    [`pg_has_role('authenticated', 'member')`, /calls pg_has_role\(name,text\)/],
    [`has_table_privilege('public.members', 'select')`, /calls has_table_privilege/],
    ['row_security_active(tableoid)', /calls row_security_active/],
    [`query_to_xml('select 1', true, true, '') is null`, /calls query_to_xml/],
    [`tableoid::regclass::text = 'judged'`, /uses the type regclass/],
    [`to_regclass(title) is null`, /regclass/],
    [`to_tsvector(title::regconfig, title) is null`, /uses the type regconfig/],
    [`title = current_setting('search_path')`, /search_path/],
    [`title = current_setting('Search_Path', true)`, /search_path/],
    ['title = current_setting(title, true)', /asks for a setting that is not named/],
    [`title::odd.email = 'x@y'`, /converts to a domain/],
    ['(id, tenant_id) < (1, 2)', /compares rows/],
    ['tenant_id = odd.tenant()', 'policy judged_policy calls odd.tenant()', returning('sql', `as '${reads}'`)],
    ['tenant_id = odd.tenant()', /calls odd.tenant\(\)/, returning('sql immutable', `as 'select 1'`)],
    [
      'tenant_id = odd.tenant()',
      /calls odd.tenant\(\)/,
      returning('plpgsql stable', `as 'begin return (${reads}); end'`),
    ],
    ['tenant_id = odd.tenant()', /calls odd.tenant\(\)/, returning('sql security definer', `as '${reads}'`)],
    ['tenant_id = odd.tenant()', 'odd.tenant() reads a table', returning('sql', `begin atomic ${reads}; end`)],
    [
      'tenant_id = odd.tenant()',
      /^odd.tenant\(\) asks for the current role/,
      returning('sql', 'return length(current_user)'),
    ],
    [
      'tenant_id = odd.tenant()',
      'odd.tenant() calls odd.deeper()',
      `create function odd.deeper() returns int language sql as '${reads}'; ${returning('sql', 'return odd.deeper()')}`,
    ],
    ...[
      `${claims} from public.members`,
      `${claims}, odd.deeper()`,
      `select 1; ${claims}`,
      `${claims} -- `,
      `select current_setting(''search_path'')::int`,
      `select current_setting(coalesce(''app.tenant''))::int`,
      `select current_setting(''app.x'')::int, current_setting(''Search_Path'')`,
      'select coalesce(current_user)::int',
      `select E''\\'' ''::int`,
    ].map((body): [string, RegExp, string] => [
      'tenant_id = odd.tenant()',
      /calls odd.tenant\(\)/,
      `set check_function_bodies = off; ${returning('sql stable', `as '${body}'`)}; reset check_function_bodies`,
    ]),
    ['title operator(odd.==) title', /calls odd.same\(text,text\)/, equals('==', 'sql immutable', 'select $1 = $2')],
    [`nullif(title, 'x') is null`, /operator of an extension/, `${equals('=')}; set search_path = odd, pg_catalog`],
    [`title is distinct from 'x'`, /operator of an extension/, `${equals('=')}; set search_path = odd, pg_catalog`],
    [
      `case title when 'x' then true end`,
      /operator of an extension/,
      `${equals('=')}; set search_path = odd, pg_catalog`,
    ],
    [
      'odd.sum(id) > 0',
      /calls odd.sum\(integer\)/,
      `create function odd.sum(int) returns int language plpgsql volatile as 'begin return 1; end'`,
    ],
  ])('finds what is in the way of %s', async (using, obstacle, before = '') => {
    expect(await obstacleOf(using, before)).toEqual(
      typeof obstacle === 'string' ? obstacle : expect.stringMatching(obstacle),
    )
  })
})

/** An operator on texts, whose function is the server's own or another one. */
function equals(name: string, head = 'internal immutable', body = 'texteq'): string {
  return `create function odd.same(text, text) returns boolean language ${head} as '${body}';
    create operator odd.${name} (function = odd.same, leftarg = text, rightarg = text)`
}

describeModule('sql/modules/search/0003_search_function.sql', ['search'], (engine) => {
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
      'a restrictive policy for some of its roles',
      `create policy narrow on public.unfit as restrictive to anon using (true); create policy wide on public.unfit to authenticated, anon using (true)`,
      'wide',
      '42704',
    ],
    [
      'a policy that shows more to some of its roles',
      `create policy more on public.unfit to anon using (true); create policy wide on public.unfit to authenticated, anon using (false)`,
      'wide',
      '0A000',
    ],
    [
      'a policy with a function that may read',
      `create or replace function public.reading() returns int language sql as 'select 1'; create policy calling on public.unfit to authenticated using (tenant_id = public.reading())`,
      'calling',
      '0A000',
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

  it('refuses words that are none, and a name that is taken or too long', async () => {
    expect(await make('renamed')).toBe('no error')
    const again = (more: string) =>
      sqlstateOf(engine().admin(`select tenon.add_search_function('public.renamed', 'tenant_policy'${more})`))
    expect(await again(", 'title'")).toBe('42703')
    expect(await again(", 'nothing'")).toBe('42703')
    expect(await again('')).toBe('42723')
    await engine().script(
      'drop function public.search_renamed; create function public.search_renamed(int) returns int language sql return 1',
    )
    expect(await again(''), 'of other types').toBe('42723')
    expect(await again(", function_name => 'another'"), 'the control').toBe('no error')
    expect(await make('é'.repeat(30))).toBe('42622')
  })

  /** Keys that a role finds through the function and in the table itself. */
  const both = async (caller: Caller, table: string) => {
    const [search = [], rows = []] = await engine().as(caller, async (query) => [
      await query(`select search_key as id from public.search_${table}('tree') order by 1`),
      await query(`select id from public.${table} where words @@ 'tree' order by 1`),
    ])
    const ids = (found: readonly Row[]) => found.map(({ id }) => Number(id))
    expect(ids(search)).toEqual(ids(rows))
    return ids(search)
  }
  const trees = (table: string) =>
    engine().admin(
      `insert into public.${table} (tenant_id, title) values (1, 'tree'), (2, 'tree'), (3, 'tree'), (1, 'tree of elders'), (2, 'bush')`,
    )

  it('answers as the table does under several policies: permissive ones by or, restrictive ones by and', async () => {
    expect(
      await make(
        'several',
        `create policy shared on public.several to authenticated, anon using (tenant_id = 3);
         create policy others on public.several for select to service_role using (true);
         create policy writing on public.several for update using (true); grant select on public.several to service_role;
         create policy young on public.several as restrictive using (title !~ 'elder');
         create policy old on public.several as restrictive to authenticated, service_role using (id < 100)`,
      ),
    ).toBe('no error')
    await trees('several')
    expect(await both(tenant(1), 'several')).toEqual([1, 3])
    expect(await both(tenant(2), 'several')).toEqual([2, 3])
    expect(await both({ role: 'authenticated' }, 'several')).toEqual([3])
    await engine().admin('drop policy shared on public.several')
    expect(await sqlstateOf(both(tenant(1), 'several')), 'a policy less').toBe('55000')
    await engine().admin('create policy shared on public.several to authenticated, anon using (tenant_id = 3)')
    expect(await both(tenant(1), 'several'), 'as it was').toEqual([1, 3])
    await engine().admin('create policy late on public.several to public using (tenant_id = 2)')
    expect(await sqlstateOf(both(tenant(1), 'several')), 'a policy more').toBe('55000')
  })

  it('refuses a role to which the table shows other rows, and gives it none by another name', async () => {
    expect(
      await make(
        'roles',
        `create policy others on public.roles for select to service_role using (true); grant select on public.roles to service_role`,
      ),
    ).toBe('no error')
    await trees('roles')
    const [double, bypass] = [`${engine().loginName}_double`, `${engine().loginName}_bypass`]
    await engine().script(`create role ${double} inherit; grant authenticated, service_role to ${double}; grant ${double} to ${engine().loginName};
      create role ${bypass} inherit bypassrls; grant authenticated to ${bypass}; grant ${bypass} to ${engine().loginName}`)
    try {
      const found = (role: string, values = '') =>
        engine().as({ role, claims: { tenant: 1 } }, (query) =>
          query(`select search_key::int as id from public.search_roles('tree'${values}) order by 1`),
        )
      for (const role of [double, bypass]) {
        expect(await sqlstateOf(found(role)), role).toBe('0A000')
        expect(await found(role, ", reader => 'authenticated'"), 'what it may see anyway').toEqual([
          { id: 1 },
          { id: 4 },
        ])
      }
      expect(await sqlstateOf(found('service_role')), 'is for another policy').toBe('42501')
      expect(await both(tenant(1), 'roles'), 'the control').toEqual([1, 4])
      const whole = await engine().as({ role: double, claims: { tenant: 1 } }, (query) =>
        query(`select id from public.roles where words @@ 'tree'`),
      )
      expect(whole, 'what the table shows').toHaveLength(4)
    } finally {
      await engine().script(`drop owned by ${double}, ${bypass}; drop role ${double}, ${bypass}`)
    }
  })

  it('asks helpers that read tables under row security as the table asks them, or not at all', async () => {
    const members = `create table if not exists public.memberships (tenant int, subject text); alter table public.memberships enable row level security;
      truncate public.memberships; insert into public.memberships values (1, 'ada'), (2, 'ben'); grant select on public.memberships to authenticated;
      drop policy if exists own on public.memberships;
      create policy own on public.memberships for select to authenticated using (subject = (select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'));`
    const helper = (rights: string) =>
      `create or replace function public.tenants() returns setof int language plpgsql stable ${rights}
        as 'begin return query select member.tenant from public.memberships as member where member.subject = nullif(current_setting(''request.jwt.claims'', true), '''')::jsonb ->> ''sub''; end'`
    const byHelper = (table: string) =>
      `drop policy tenant_policy on public.${table}; create policy helped on public.${table} for select to authenticated using (tenant_id in (select public.tenants()))`
    const ada: Caller = { role: 'authenticated', claims: { sub: 'ada' } }
    // What it would say to the owner: the tenants of everybody.
    const careless = `create or replace function public.tenants() returns setof int language sql stable as 'select tenant from public.memberships'`
    expect(await make('careless', `${members} ${careless}; ${byHelper('careless')}`, 'helped')).toBe('0A000')
    const seen = (query: (text: string) => Promise<readonly Row[]>) =>
      query('select public.tenants() as tenant order by 1')
    expect(await engine().as(ada, seen), 'the control').toEqual([{ tenant: 1 }])
    expect(await seen(engine().admin), 'the control').toEqual([{ tenant: 1 }, { tenant: 2 }])
    expect(
      await make('helped', `${helper("security definer set search_path = ''")}; ${byHelper('helped')}`, 'helped'),
    ).toBe('no error')
    await trees('helped')
    expect(await both(ada, 'helped')).toEqual([1, 4])
    expect(await both({ role: 'authenticated', claims: { sub: 'ben' } }, 'helped')).toEqual([2])
    expect(await both({ role: 'authenticated' }, 'helped')).toEqual([])
    for (const change of [careless, helper(''), helper('security definer')]) {
      await engine().script(change)
      expect(await sqlstateOf(both(ada, 'helped')), change).toBe('55000')
    }
    await engine().script(helper("security definer set search_path = '' cost 7"))
    expect(await both(ada, 'helped'), 'its rights are what they were').toEqual([1, 4])
    await engine().script(
      `${helper("security definer set search_path = ''")}; revoke execute on function public.tenants() from public`,
    )
    expect(await sqlstateOf(both(ada, 'helped')), 'nobody may ask it').toBe('55000')
  })

  it('fails when what a parsed function says was changed', async () => {
    const says = (tenant: number) =>
      `create or replace function public.says() returns int language sql stable return ${tenant}`
    expect(
      await make(
        'said',
        `${says(1)}; create or replace function public.asks() returns int language sql stable return public.says();
        alter policy tenant_policy on public.said using (tenant_id = public.asks())`,
      ),
    ).toBe('no error')
    await trees('said')
    expect(await both(tenant(1), 'said')).toEqual([1, 4])
    await engine().admin(says(2))
    expect(await sqlstateOf(both(tenant(1), 'said'))).toBe('55000')
    await engine().admin(says(1))
    expect(await both(tenant(1), 'said')).toEqual([1, 4])
  })

  it('gives nothing to whom the table gives nothing any more, and to nobody whom it was not made for', async () => {
    expect(await make('granted')).toBe('no error')
    await trees('granted')
    const keys = (role: string) =>
      engine().as({ role, claims: { tenant: 1 } }, (query) =>
        query(`select search_key from public.search_granted('tree')`),
      )
    expect(await keys('authenticated')).toHaveLength(2)
    await engine().script(
      'revoke select on public.granted from authenticated; grant select (id) on public.granted to authenticated',
    )
    expect(await sqlstateOf(keys('authenticated')), 'it may not read the words').toBe('55000')
    await engine().script('grant select (words) on public.granted to authenticated')
    expect(await keys('authenticated')).toHaveLength(2)
    for (const grantee of ['anon', 'public']) {
      await engine().script(
        `grant execute on function public.search_granted to ${grantee}; grant select on public.granted to anon`,
      )
      expect(await sqlstateOf(keys('anon')), grantee).toBe('55000')
      await engine().script(`revoke execute on function public.search_granted from ${grantee}`)
    }
    expect(await keys('authenticated'), 'the control').toHaveLength(2)
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
    const search = () =>
      sqlstateOf(engine().as(tenant(1), (query) => query(`select * from public.search_closed('tree')`)))
    expect(await search(), 'the control').toBe('no error')
    await engine().script('alter table public.closed force row level security')
    expect(await search(), 'the owner is bound since').toBe('55000')
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
    await engine().script(`${sqlOf('search', '0001')}; ${sqlOf('search', '0002')}; ${sqlOf('search', '0003')}`)
  })
})
