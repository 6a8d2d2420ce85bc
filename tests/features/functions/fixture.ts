/** Functions of every kind, their generated code, and a database under row-level security, on a server and on PGlite. */
import { CamelCasePlugin, type KyselyPlugin } from 'kysely'
import { Client } from 'pg'
import { inject } from 'vitest'
import { type CodegenOptions, generateCode } from '../../../src/codegen/index.ts'
import { createDatabase, type Database } from '../../../src/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { GeneratedFolder } from '../../support/generated-code.ts'
import { bootPglite } from '../../support/pglite.ts'
import type { TestServers } from '../../support/servers.ts'

const functionsSql = `
  create type mood as enum ('sad', 'happy');
  create type pair as (left_side int, "Right" text);
  create domain cents as bigint check (value >= 0);
  create table users (id int primary key, owner text not null, name text not null, score numeric(10, 2), created_at timestamptz not null default now());
  insert into users (id, owner, name, score) values (1, 'ada', 'Ada', 1.5), (2, 'ada', 'Ann', 20), (3, 'bob', 'Bob', 7);
  alter table users enable row level security;
  create policy users_owner_policy on users to authenticated using (owner = (select nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'));
  grant select, insert on users to authenticated;
  create function add(a int, b int default 10, c int default 100) returns int language sql immutable as 'select a + b + c';
  create function strict_upper(value text) returns text language sql immutable strict as 'select upper(value)';
  create function maybe(value text) returns text language sql immutable as 'select coalesce(value, ''none'')';
  create function nothing(value text) returns void language plpgsql as 'begin perform 1; end';
  create function big() returns bigint language sql as 'select 9007199254740993';
  create function amount() returns numeric language sql as 'select 1.50';
  create function day() returns date language sql as 'select date ''2024-02-29''';
  create function moods(first mood, more mood[] default '{}') returns mood[] language sql as 'select first || more';
  create function unnamed(int, int) returns int language sql as 'select $1 - $2';
  create function half_named(a int, int, c int default 3) returns int language sql as 'select $1 * 100 + $2 * 10 + c';
  create function joined(separator text, variadic words text[]) returns text language sql as 'select array_to_string(words, separator)';
  create function "Odd ""name"""("a b" int, "cOl" int default 2, "select" int default 3) returns int language sql as 'select "a b" * 100 + "cOl" * 10 + "select"';
  create function after_words(prefix text default '-', ending text default '!', variadic words text[] default '{}') returns text language sql as 'select prefix || array_to_string(words, '','') || ending';
  create function larger(one anyelement, other anyelement) returns anyelement language sql immutable as 'select greatest(one, other)';
  create function added_to(list anyarray, item anyelement) returns anyarray language sql immutable as 'select list || item';
  create function numbers(upto int) returns setof int language sql as 'select generate_series(1, upto)';
  create function visible_users() returns setof users language sql stable as 'select * from users order by id';
  create function every_user() returns setof users language sql stable security definer set search_path = '' as 'select * from public.users order by id';
  create function one_user(id int) returns users language sql stable as 'select * from users where users.id = one_user.id';
  create function pair_of(a int, b text) returns pair language sql immutable strict as 'select row(a, b)::pair';
  create function split(whole text, out head text, out tail_end text) language sql immutable as 'select left(whole, 1), substr(whole, 2)';
  create function one_out(out only_one int) language sql as 'select 5';
  create function table_of(prefix text) returns table (user_id int, full_name text) language sql stable as 'select id, prefix || name from users order by id';
  create function one_column() returns table (only_column int) language sql as 'values (1), (2)';
  create function same(value anyelement) returns anyelement language sql immutable as 'select value';
  create function price(value cents) returns cents language sql immutable as 'select value';
  create domain labels as text[];
  create function labelled(value labels, more labels[] default '{}') returns labels language sql immutable as 'select value || cardinality(more)::text';
  create function weigh(value cents) returns text language sql immutable as 'select ''cents''';
  create function weigh(value labels) returns text language sql immutable as 'select ''labels''';
  create function weigh(value mood) returns text language sql immutable as 'select ''mood''';
  create function clash(argument2 int, int) returns int language sql immutable as 'select $1 - $2';
  create function doc(value jsonb) returns jsonb language sql immutable as 'select value';
  create function hello() returns text language sql stable as 'select ''hello''';
  comment on function hello() is 'A greeting. @notnull';
  create function who() returns table (role text, sub text) language sql stable as 'select current_user::text, current_setting(''request.jwt.claims'', true)::json ->> ''sub''';
  create function size(value int) returns text language sql immutable as 'select ''int''';
  create function size(value text) returns text language sql immutable as 'select ''text''';
  create function size(value text, unit text) returns int language sql immutable as 'select 2';
  create function size(value bool[]) returns bool language sql immutable as 'select true';
  create function lasting(value interval) returns text language sql immutable as 'select ''interval''';
  create function lasting(value bool) returns text language sql immutable as 'select ''bool''';
  create function twin(value text) returns text language sql immutable as 'select ''text''';
  create function twin(value uuid) returns int language sql immutable as 'select 1';
  create function divide(a int, b int) returns int language sql immutable as 'select a / b';
  create function fails(reason text) returns int language plpgsql as 'begin raise exception ''no: %'', reason; end';
  create function add_user(id int, name text) returns int language plpgsql as 'begin insert into users (id, owner, name) values (id, current_setting(''request.jwt.claims'', true)::json ->> ''sub'', name); return id; end';
  create procedure put(a int, inout b int, out total int) language plpgsql as 'begin b := b + 1; total := a + b; end';
  create procedure quiet(a int) language plpgsql as 'begin perform a; end';
  create procedure in_parts() language plpgsql as 'begin commit; end';
  create function _state(state int, value int) returns int language sql immutable as 'select greatest(coalesce(state, value), value)';
  create aggregate highest(value int) (sfunc = _state, stype = int, combinefunc = _state, parallel = safe);
  create aggregate tally(*) (sfunc = int8inc, stype = int8, initcond = '0');
  create function pair_near(a pair, b pair) returns boolean language sql immutable as 'select abs((a).left_side - (b).left_side) < 2';
  create operator <~> (leftarg = pair, rightarg = pair, function = pair_near, commutator = <~>);
`

// biome-ignore lint/suspicious/noExplicitAny: generated while the test runs; their types are tried in tests/types.
export type Loose = any

export interface Place extends AsyncDisposable {
  readonly db: Database<Loose>
  readonly ada: Loose
  readonly bob: Loose
  readonly service: Loose
  readonly functions: Loose
  readonly folder: GeneratedFolder
  /** URL of the login and of the administrator; undefined on PGlite. */
  readonly urls: { readonly login: string; readonly admin: string } | undefined
}

export const placeKinds = ['server', 'embedded'] as const

/** Opens a database with the functions and their generated code. */
export async function openFunctions(
  kind: (typeof placeKinds)[number],
  options: CodegenOptions = {},
  text = functionsSql,
  servers: TestServers = inject('servers'),
): Promise<Place> {
  const plugins: readonly KyselyPlugin[] =
    options.camelCase === true ? [new CamelCasePlugin({ maintainNestedObjectKeys: true })] : []
  const stack = new AsyncDisposableStack()
  const open = async (connections: Loose, urls: Place['urls'], maker: Database<Loose>): Promise<Place> => {
    const { files } = await generateCode(maker.service({ actor: 'test', reason: 'generate' }), options)
    await maker.close()
    const folder = stack.use(new GeneratedFolder(files))
    const { functions, metadata } = await folder.import('metadata.ts')
    const db: Database<Loose> = createDatabase({ ...connections, metadata, plugins, pool: { max: 2 } })
    stack.defer(() => db.close())
    const session = (sub: string) => db.session({ role: 'authenticated', claims: { sub } })
    return {
      db,
      ada: session('ada'),
      bob: session('bob'),
      service: db.service({ actor: 'test', reason: 'functions' }),
      functions,
      folder,
      urls,
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  }
  if (kind === 'embedded') {
    const pglite = await bootPglite()
    stack.defer(() => pglite.close())
    await pglite.exec('create role authenticated; create role anon')
    await pglite.exec(text)
    return await open({ connection: pglite }, undefined, createDatabase<Loose>({ connection: pglite }))
  }
  const place = stack.use(await createTestDatabase({ servers }))
  const login = stack.use(await createLogin(place, { servers }))
  const admin = new Client(place.adminUrl)
  await admin.connect()
  await admin.query(text).finally(() => admin.end())
  const urls = { login: login.url, admin: place.adminUrl }
  const service = { connection: place.adminUrl }
  return await open(
    { connection: login.url, service },
    urls,
    createDatabase<Loose>({ connection: place.adminUrl, service, trustLogin: true }),
  )
}
