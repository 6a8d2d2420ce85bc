/** The rules of the lint: each has SQL that it finds, at its line, and a near miss that it leaves alone. */
import { describe, expect, it } from 'vitest'
import {
  defineModule,
  type LintOptions,
  lintMigrations,
  lintRules,
  sqlModules,
  toLintText,
  toSarif,
} from '../../src/migrate/index.ts'

const header = '-- down: none (a test)\n'

async function lint(sql: string, options: Partial<LintOptions> = {}) {
  const text = sql.startsWith('--') ? sql : `${header}${sql}`
  const modules = [defineModule('m', [{ path: '0001_m.sql', sql: text }])]
  return (await lintMigrations({ modules, squawk: 'off', ...options })).findings
}

const table = `create table public.t (id bigint primary key, owner_id uuid, team_id uuid, note text);
create index on public.t (owner_id);
alter table public.t enable row level security;
`
const policy = (condition: string) =>
  `${table}create policy p on public.t for select to authenticated using (${condition});`

/** id, what it finds, at which line, and what it does not. */
const cases: readonly (readonly [id: string, bad: string, line: number, good: string])[] = [
  ['syntax-error', 'select 1;\nselec 2;', 3, 'select 1;\nselect 2;'],
  ['down-missing', '-- a comment\nselect 1;', 1, '-- down: none (it only reads)\nselect 1;'],
  [
    'identifier-too-long',
    `select 1 as ${'x'.repeat(64)};`,
    2,
    `select 1 as ${'x'.repeat(63)}, '${'x'.repeat(64)}' as "é";`,
  ],
  ['unqualified-name', 'create table t (id int);', 2, 'create table public.t (id int);'],
  [
    'unqualified-name',
    'create materialized view m as select 1 as id;',
    2,
    'create materialized view public.m as select 1 as id;',
  ],
  [
    'unqualified-name',
    'create function f() returns int return 1;',
    2,
    'create function public.f() returns int return 1;',
  ],
  ['unqualified-name', "create type mood as enum ('sad');", 2, "create type public.mood as enum ('sad');"],
  ['unqualified-name', 'create type pair as (a int);', 2, 'create type public.pair as (a int);'],
  ['unqualified-name', 'create type shell;', 2, 'create type public.shell;'],
  ['unqualified-name', 'create domain d as int;', 2, 'create domain public.d as int;'],
  [
    'unqualified-name',
    'create operator ~~~ (leftarg = int, rightarg = int, function = public.f);',
    2,
    'create operator public.~~~ (leftarg = int, rightarg = int, function = public.f, commutator = operator(public.~~~));',
  ],
  [
    'unqualified-name',
    'create aggregate total(int) (sfunc = public.f, stype = int);',
    2,
    'create aggregate public.total(int) (sfunc = public.f, stype = int);',
  ],
  [
    'unqualified-name',
    'create operator class o for type int using btree as operator 1 <;',
    2,
    'create operator class public.o for type int using btree as operator 1 <; create operator family public.o using hash;',
  ],
  ['extension-in-migration', 'create extension citext;', 2, 'comment on extension plpgsql is null;'],
  ['collision-hidden', 'create table if not exists public.t (id int);', 2, 'create schema if not exists app;'],
  [
    'collision-hidden',
    'create or replace function public.f() returns int return 1;',
    2,
    'create function public.f() returns int return 1;',
  ],
  [
    'enum-value-used',
    `alter type public.mood add value 'new';\nselect 'new'::public.mood;`,
    2,
    `alter type public.mood add value 'new';\nselect 'old'::public.mood;`,
  ],
  ['enum-value-removed', `alter type public.mood rename value 'a' to 'b';`, 2, `alter type public.mood add value 'b';`],
  [
    'serial-column',
    'create table public.t (id serial);',
    2,
    'create table public.t (id bigint generated always as identity);',
  ],
  [
    'transaction-control',
    'do $$\nbegin\n  perform 1;\n  commit;\nend $$;',
    2,
    `do $$ begin raise notice 'commit;'; end $$;`,
  ],
  [
    'transaction-mixed',
    `select 1;\ncreate subscription s connection 'x' publication p;`,
    3,
    `-- transactional: no\n-- down: none\ncreate subscription s connection 'x' publication p;`,
  ],
  [
    'transaction-needless',
    '-- transactional: no\n-- down: none\ncreate index i on public.t (id);',
    3,
    '-- transactional: no\n-- down: none\ncreate index concurrently i on public.t (id);',
  ],
  [
    'validate-in-same-transaction',
    'alter table public.t add constraint c check (id > 0) not valid;\nalter table public.t validate constraint c;',
    3,
    'alter table public.t validate constraint c;',
  ],
  [
    'concurrent-index-unnamed',
    '-- transactional: no\n-- down: none\ncreate index concurrently on public.t (id);',
    3,
    '-- transactional: no\n-- down: none\ncreate index concurrently i on public.t (id);',
  ],
  [
    'concurrent-index-if-not-exists',
    '-- transactional: no\n-- down: none\ncreate index concurrently if not exists i on public.t (id);',
    3,
    '-- transactional: no\n-- down: none\ncreate index concurrently i on public.t (id);',
  ],
  [
    'row-security-missing',
    'create table public.t (id int);\ngrant select on public.t to anon;',
    2,
    'create table public.t (id int);',
  ],
  [
    'row-security-without-policy',
    `${table}grant select on public.t to anon;`,
    2,
    `${table}grant select on public.t to anon;\ncreate policy p on public.t for select to anon using (true);`,
  ],
  [
    'policy-without-role',
    `${table}create policy p on public.t for select using (true);`,
    5,
    `${table}create policy p on public.t for select to anon using (true);`,
  ],
  [
    'policy-without-check',
    `${table}create policy p on public.t to anon using (true);`,
    5,
    `${table}create policy p on public.t for delete to anon using (true);`,
  ],
  ['policy-call-per-row', policy('owner_id = auth.uid()'), 5, policy('owner_id = (select auth.uid())')],
  [
    'policy-wrap-with-column',
    policy('(select owner_id = auth.uid())'),
    5,
    policy('team_id = any (array(select team_id from public.m))'),
  ],
  [
    'policy-in-select',
    policy('owner_id in (select user_id from public.m)'),
    5,
    policy('owner_id = any (array(select user_id from public.m))'),
  ],
  ['policy-unindexed', policy('team_id = (select auth.uid())'), 5, policy('owner_id = (select auth.uid())')],
  ['grant-all', `${table}grant all on public.t to anon;`, 5, `${table}grant select, delete on public.t to anon;`],
  ['grant-all', `${table}grant truncate on public.t to anon;`, 5, `${table}revoke all on public.t from anon;`],
  [
    'grant-to-public',
    `${table}grant select on public.t to public;`,
    5,
    `${table}revoke select on public.t from public;`,
  ],
  [
    'definer-search-path',
    `create function public.f() returns int language sql security definer as 'select 1';`,
    2,
    `create function public.f() returns int language sql security definer set search_path = '' as 'select 1';`,
  ],
  [
    'function-search-path',
    `create function public.f() returns int language sql as 'select 1';`,
    2,
    'create function public.f() returns int return 1;',
  ],
  [
    'view-without-invoker',
    `${table}create view public.v as select id from public.t;`,
    5,
    `${table}create view public.v with (security_invoker = true) as select id from public.t;`,
  ],
  [
    'materialized-view-granted',
    `${table}create materialized view public.m as with t as (select 1) select id from public.t;
create unique index m_id on public.m (id); grant select on public.m to authenticated;`,
    5,
    `${table}create materialized view public.m as select id from public.t;
grant select on public.m to service_role;
create view public.mine with (security_barrier = true) as select id from public.m; grant select on public.mine to authenticated;`,
  ],
  [
    'index-not-concurrent',
    `create index i on public.old (id);`,
    2,
    `${table}create materialized view public.m as select id from public.t; create index i on public.m (id);`,
  ],
  ['index-not-concurrent', 'create index i on public.old (id);', 2, `${table}create index i on public.t (note);`],
  [
    'index-drop-not-concurrent',
    'drop index public.i;',
    2,
    '-- transactional: no\n-- down: none\ndrop index concurrently public.i;',
  ],
  [
    'constraint-without-not-valid',
    'alter table public.old add constraint c check (id > 0);',
    2,
    'alter table public.old add constraint c check (id > 0) not valid;',
  ],
  [
    'unique-without-index',
    'alter table public.old add constraint c unique (id);',
    2,
    'alter table public.old add constraint c unique using index i;',
  ],
  [
    'set-not-null',
    'alter table public.old alter id set not null;',
    2,
    `${table}alter table public.t alter note set not null;`,
  ],
  ['column-type', 'alter table public.old alter id type bigint;', 2, 'alter table public.old alter note type text;'],
  [
    'column-default-volatile',
    'alter table public.old add id uuid default gen_random_uuid();',
    2,
    'alter table public.old add at timestamptz default now();',
  ],
  [
    'column-required',
    'alter table public.old add n int not null;',
    2,
    'alter table public.old add n int not null default 0;',
  ],
  ['column-dropped', 'alter table public.old drop column n;', 2, `${table}alter table public.t drop column note;`],
  ['table-dropped', 'drop table public.old;', 2, 'drop function public.f();'],
  ['renamed', 'alter table public.old rename n to m;', 2, `${table}alter table public.t rename note to text;`],
  ['unbounded-write', 'update public.old set n = 1;', 2, 'update public.old set n = 1 where n is null;'],
  ['unbounded-write', 'truncate public.old;', 2, `${table}delete from public.t;`],
  [
    'partition-detach',
    'alter table public.old detach partition public.p;',
    2,
    '-- transactional: no\n-- down: none\nalter table public.old detach partition public.p concurrently;',
  ],
]

describe('The rule', () => {
  it.each(cases)('%s finds %j at line %d', async (id, bad, line, good) => {
    const found = (await lint(bad)).filter(({ rule }) => rule === id)
    expect(found.map((finding) => finding.line)).toEqual([line])
    expect(found[0]).toMatchObject({
      file: '0001_m.sql',
      message: expect.stringMatching(/./),
      rewrite: expect.stringMatching(/.{10}/),
    })
    expect((await lint(good)).filter(({ rule }) => rule === id)).toEqual([])
  })

  it('is among those that are tested, whichever it is', () => {
    const releases = ['released-edited', 'version-out-of-order', 'host-marker']
    expect(new Set([...cases.map(([id]) => id), ...releases])).toEqual(new Set(lintRules.map(({ id }) => id)))
  })
})

describe('A lint', () => {
  const app = (...files: readonly (readonly [path: string, sql: string])[]) =>
    defineModule(
      'app',
      files.map(([path, sql]) => ({ path, sql: `${header}${sql}` })),
    )

  it('finds nothing in the library’s own modules, for any target and format', async () => {
    const modules = Object.keys(sqlModules) as (keyof typeof sqlModules)[]
    const { findings, files } = await lintMigrations({
      modules,
      target: 'supabase',
      formats: [
        'supabase',
        'prisma',
        'dbmate',
        'node-pg-migrate',
        'kysely',
        'graphile',
        'flyway',
        'goose',
        'golang-migrate',
        'sqitch',
        'psql',
      ],
      squawk: 'off',
    })
    expect(findings).toEqual([])
    expect(files).toBeGreaterThan(10)
  })

  it('wants row security on every table of Supabase, granted or not', async () => {
    const found = await lint('create table public.t (id int);', { target: 'supabase' })
    expect(found.map(({ rule, severity }) => [rule, severity])).toEqual([['row-security-missing', 'error']])
  })

  const materialized = `${table}create policy p on public.t for all to authenticated using (true) with check (true);
create materialized view public.m as select id from public.t;`
  it.each([
    [
      'a view in between',
      'create view public.v with (security_invoker = true) as select id from public.t; create materialized view public.w as select id from public.v; grant select on public.w to authenticated;',
      ['public.w'],
    ],
    [
      'a table of other migrations',
      'create materialized view public.w as select id from public.old; grant all on public.w to public;',
      ['public.w'],
    ],
    ['all tables of a schema', 'grant select on all tables in schema public to authenticated;', ['public.m']],
    ['a column', 'grant select (id) on public.m to authenticated;', ['public.m']],
    ['what is taken back', 'grant select on public.m to authenticated; revoke all on public.m from authenticated;', []],
    ['privileges of another schema', 'grant select on all tables in schema other to authenticated;', []],
    ['a privilege that shows nothing', 'grant maintain on public.m to authenticated;', []],
    [
      'no table',
      'create materialized view public.w as select relname from pg_catalog.pg_class, generate_series(1, 2); grant select on public.w to authenticated;',
      [],
    ],
  ])('looks for grants on materialized views through %s', async (_, sql, expected) => {
    const found = (await lint(`${materialized}\n${sql}`)).filter(({ rule }) => rule === 'materialized-view-granted')
    expect(found.map(({ message }) => message.split(' ')[0])).toEqual(expected)
  })

  it('knows privileges by default, of materialized views and of tables', async () => {
    const by = (schemas: string) => `alter default privileges ${schemas} grant select on tables to authenticated;`
    const open = (sql: string) => lint(`${sql}\n${materialized}\ncreate table public.open (id int);`)
    const rules = async (sql: string) => (await open(sql)).map(({ rule }) => rule)
    expect(await rules(by(''))).toEqual(['materialized-view-granted', 'row-security-missing'])
    expect(await rules(by('in schema public'))).toEqual(['materialized-view-granted', 'row-security-missing'])
    expect(await rules(by('in schema other'))).toEqual([])
    expect(await rules('')).toEqual([])
  })

  it('wants a materialized view taken from those whom Supabase grants everything', async () => {
    const found = async (sql: string) =>
      (await lint(`${materialized}\n${sql}`, { target: 'supabase' })).map(({ rule }) => rule)
    expect(await found('')).toEqual(['materialized-view-granted'])
    expect(await found('revoke all on public.m from anon;')).toEqual(['materialized-view-granted'])
    expect(await found('revoke all on public.m from anon, authenticated;')).toEqual([])
  })

  it('wants row security where a grant is of all tables of a schema', async () => {
    const found = await lint(
      'create table public.open (id int); grant select on all tables in schema public to authenticated;',
    )
    expect(found.map(({ rule }) => rule)).toEqual(['row-security-missing'])
  })

  it('judges a table by all files of the set', async () => {
    const modules = [
      app(
        ['0001_t.sql', 'create table public.t (id int);'],
        ['0002_rls.sql', 'alter table public.t enable row level security;'],
      ),
    ]
    expect((await lintMigrations({ modules, target: 'supabase', squawk: 'off' })).findings).toEqual([])
  })

  it('finds released files that were edited, numbers that come too late, and texts that a host would misread', async () => {
    const modules = [
      app(['0001_a.sql', 'select 1;'], ['0002_b.sql', 'select 2;'], ['0004_d.sql', "select '\n-- migrate:down\n';"]),
    ]
    const released = new Map([
      ['app/0001_a', modules[0]?.files[0]?.sha256 ?? ''],
      ['app/0003_c', 'x'],
      ['app/0004_d', 'x'],
    ])
    const { findings } = await lintMigrations({ modules, released, formats: ['dbmate'], squawk: 'off' })
    expect(findings.map(({ file, line, rule }) => `${file}:${line} ${rule}`)).toEqual([
      '0002_b.sql:1 version-out-of-order',
      '0004_d.sql:1 released-edited',
      '0004_d.sql:3 host-marker',
    ])
  })

  it('counts lines and columns of characters, not of bytes', async () => {
    expect(await lint(`select 'é🌲';\n\n/* ü */ selec 2;`)).toMatchObject([
      { rule: 'syntax-error', line: 4, column: 9 },
    ])
    expect(await lint(`select 'é🌲é🌲é🌲';\n-- ü\n\ndrop table public.x;`)).toMatchObject([
      { rule: 'table-dropped', line: 5 },
    ])
  })
})

describe('An ignore', () => {
  it('excuses the statement below it, or the whole file from the header, with a reason', async () => {
    expect(
      await lint('-- tenon-lint-ignore table-dropped: nobody reads it since May\ndrop table public.x;'),
    ).toMatchObject([{ rule: 'down-missing' }])
    expect(
      await lint(`${header}-- tenon-lint-ignore table-dropped: all old\n\ndrop table public.x;\ndrop table public.y;`),
    ).toEqual([])
    const one = await lint(
      'select 1;\n-- tenon-lint-ignore table-dropped: old\ndrop table public.x;\ndrop table public.y;',
    )
    expect(one).toMatchObject([{ rule: 'table-dropped', line: 5 }])
  })

  it('is a finding itself without a reason, and when there is nothing to excuse', async () => {
    const without = await lint('select 1;\n-- tenon-lint-ignore table-dropped\ndrop table public.x;')
    expect(without.map(({ rule }) => rule)).toEqual(['ignore-without-reason', 'table-dropped'])
    expect(await lint('select 1;\n-- tenon-lint-ignore table-dropped: old\nselect 2;')).toMatchObject([
      { rule: 'ignore-unused', line: 3 },
    ])
  })
})

describe('A report', () => {
  it('tells a person where, what, why and what to write instead', async () => {
    const modules = [defineModule('m', [{ path: 'db/0001_m.sql', sql: `${header}drop table public.x;` }])]
    expect(
      toLintText(await lintMigrations({ modules, squawk: 'off' })),
    ).toBe(`db/0001_m.sql:2:1 warning table-dropped: table
  The rows are gone, and programs that still run name the table.
  Deploy programs that do not use it first, and say "-- tenon-lint-ignore table-dropped: why".
1 files, 0 errors, 1 warnings; squawk is not installed, so its rules were not asked (npm install -D squawk-cli)`)
  })

  it('is SARIF for tools: rules, levels and places', async () => {
    const modules = [defineModule('m', [{ path: 'db/0001_m.sql', sql: 'drop table public.x;\nselec' }])]
    const sarif = JSON.parse(JSON.stringify(toSarif(await lintMigrations({ modules, squawk: 'off' }))))
    expect(sarif).toMatchObject({ version: '2.1.0', $schema: expect.stringContaining('sarif') })
    const [{ tool, results }] = sarif.runs
    expect(tool.driver.name).toBe('tenon migrate lint')
    const ids = tool.driver.rules.map(({ id }: { id: string }) => id)
    for (const result of results) {
      expect(ids).toContain(result.ruleId)
      expect(['error', 'warning']).toContain(result.level)
      expect(result.message.text).toMatch(/./)
      const { artifactLocation, region } = result.locations[0].physicalLocation
      expect([artifactLocation.uri, region.startLine >= 1, region.startColumn >= 1]).toEqual([
        'db/0001_m.sql',
        true,
        true,
      ])
    }
    expect(results.map(({ ruleId }: { ruleId: string }) => ruleId)).toContain('syntax-error')
  })
})
