/** The host module of objects of every kind, and changes to a live database that made it: one or more for each kind of object. */
import { readFileSync } from 'node:fs'
import { defineModule } from '../../src/migrate/index.ts'

/** The SQL of the module. */
export const everyKindSql = readFileSync(new URL('every-kind.sql', import.meta.url), 'utf8')

/** The module; it requires the roles it grants to. */
export const everyKind = defineModule('kinds', [
  { path: '0001_kinds.sql', sql: `-- requires: roles\n\n${everyKindSql}` },
])

/** What was changed, and the differences that have to be found, as `change kind name`. */
export interface Mutation {
  readonly sql: string
  readonly found: readonly string[]
}

const one = (sql: string, ...found: readonly string[]): Mutation => ({ sql, found })
const oddTable = '"Odd ""name"."Täble 🐘 with a very long name that is exactly sixty three b"'

export const mutations: readonly Mutation[] = [
  // Tables.
  one(
    'alter table kinds.main disable row level security, no force row level security, set (fillfactor = 90), replica identity nothing',
    'changed table main',
  ),
  one('alter table kinds.fast set logged', 'changed table fast', 'changed sequence fast_id_seq'),
  one('drop table kinds.ref', 'missing table ref'),
  one('drop table kinds.listed_a', 'missing table listed_a'),
  one('create table tenon.stray (id int)', 'extra table stray'),
  // Columns.
  one('alter table kinds.plain alter a drop default, alter a drop not null', 'changed column plain.a'),
  one('alter table kinds.plain alter b type varchar(20)', 'changed column plain.b'),
  one('alter table kinds.plain alter d drop identity, alter d set default 7', 'changed column plain.d'),
  one('alter table kinds.plain alter e set default 5', 'changed column plain.e'),
  one('alter table kinds.plain alter f set default 2', 'changed column plain.f'),
  one('alter table kinds.plain alter g drop expression', 'changed column plain.g'),
  one('alter table kinds.plain drop column dropped', 'missing column plain.dropped'),
  one('alter table kinds.plain rename column renamed to "other name"', 'changed column plain.renamed'),
  one(`alter table kinds.plain add column "näw ""🐘" int not null default 1`, 'extra column plain."näw ""🐘"'),
  one(
    'alter table kinds.plain alter note set storage external, alter note set (n_distinct = 3)',
    'changed column plain.note',
  ),
  one('alter table kinds.main alter other set generated always', 'changed column main.other'),
  one('alter table kinds.main alter id set increment by 7 set cycle', 'changed column main.id'),
  one(
    `alter table ${oddTable} rename column "Cölumn "" 🐘" to plain`,
    'changed column "Täble 🐘 with a very long name that is exactly sixty three b"."Cölumn "" 🐘"',
    // The server writes the new name into the check.
    `changed constraint "Täble 🐘 with a very long name that is exactly sixty three b"."Chéck "" '"`,
  ),
  one(
    'alter table kinds."evil\n; drop table kinds.plain; --\u001b[2J" add column hidden int',
    'extra column "evil\n; drop table kinds.plain; --\u001b[2J".hidden',
  ),
  // Constraints.
  one('alter table kinds.plain drop constraint plain_e_check', 'missing constraint plain.plain_e_check'),
  one('alter table kinds.plain add constraint plain_extra check (c < 1000)', 'extra constraint plain.plain_extra'),
  one('alter table kinds.plain rename constraint plain_h_key to "h is unique"', 'changed constraint plain.plain_h_key'),
  one('alter table kinds.plain alter constraint plain_c_fkey not deferrable', 'changed constraint plain.plain_c_fkey'),
  one('alter table kinds.main validate constraint late_chk', 'changed constraint main.late_chk'),
  one('alter domain kinds.email drop constraint email_check', 'missing constraint email.email_check'),
  // Indexes and statistics.
  one('drop index kinds.main_json', 'missing index main.main_json'),
  one('create index plain_extra on kinds.plain (c)', 'extra index plain.plain_extra'),
  one('alter index kinds.main_lower rename to main_upper', 'changed index main.main_lower'),
  one('drop index kinds.parted_v; create index parted_v on kinds.parted (v desc)', 'changed index parted.parted_v'),
  one(
    `update pg_catalog.pg_index set indisvalid = false where indexrelid = 'kinds.plain_a'::regclass`,
    'changed index plain.plain_a',
  ),
  one('drop statistics kinds.main_stats', 'missing statistics main_stats'),
  // Policies.
  one('drop policy p2 on kinds.main', 'missing policy main.p2'),
  one('alter policy p3 on kinds.main to anon using (true)', 'changed policy main.p3'),
  one('create policy everything on kinds.main using (true)', 'extra policy main.everything'),
  one('alter policy p1 on kinds.main rename to "p one"', 'changed policy main.p1'),
  one(
    'drop policy plain_all on kinds.plain; create policy plain_all on kinds.plain for select using (true)',
    'changed policy plain.plain_all',
  ),
  // Triggers and rules.
  one('alter table kinds.main enable trigger t1', 'changed trigger main.t1'),
  one('drop trigger t3 on kinds.main', 'missing trigger main.t3'),
  one('alter trigger "T 2" on kinds.main rename to t2', 'changed trigger main."T 2"'),
  one(
    'drop trigger tp on kinds.parted; create trigger tp after insert on kinds.parted for each row execute function kinds.trg()',
    'changed trigger parted.tp',
  ),
  one(
    'create trigger watch before insert on kinds.plain for each row execute function kinds.trg()',
    'extra trigger plain.watch',
  ),
  one('drop rule r1 on kinds.fast', 'missing rule fast.r1'),
  // Functions.
  one(
    `create or replace function kinds.ret(x int) returns table (a int, b text) language plpgsql stable security definer
       set search_path = kinds, pg_temp set work_mem = '10MB' as 'begin return query select 2, ''y''; end';
     alter function kinds.ret(int) security invoker`,
    'changed function ret(integer)',
  ),
  one('alter function kinds.add(int, int, int[]) volatile', 'changed function add(integer, integer, integer[])'),
  one('drop function kinds.onetable()', 'missing function onetable()'),
  one(
    `drop function kinds.newstyle(int); create function kinds.newstyle(p int) returns numeric language sql stable return 1`,
    'changed function newstyle(integer)',
  ),
  one(
    `create or replace procedure kinds.proc(inout a int) language plpgsql as 'begin a := 2; end'`,
    'changed procedure proc(integer)',
  ),
  one('drop aggregate kinds.agg(int)', 'missing aggregate agg(integer)'),
  one('create function tenon.stray() returns int language sql return 1', 'extra function stray()'),
  // Views.
  one('create or replace view kinds.v13 as select id, label from kinds.main where id > 7', 'changed view v13'),
  one('alter view kinds.v2 reset (security_invoker)', 'changed view v2'),
  one('drop view kinds.v5', 'missing view v5'),
  one('drop materialized view kinds.mv', 'missing view mv'),
  // Types, domains, sequences, schemas.
  one(`alter type kinds.mood add value 'angry'`, 'changed type mood'),
  one(`drop type kinds.level; create type kinds.level as enum ('low')`, 'changed type level'),
  one('alter domain kinds.count drop not null; alter domain kinds.count set default 1', 'changed domain count'),
  one('alter sequence kinds.counter increment by 7 no cycle', 'changed sequence counter'),
  one('drop sequence kinds.lost', 'missing sequence lost'),
  one('drop schema gone cascade', 'missing schema gone'),
  // Grants.
  one('revoke select on kinds.main from anon', 'missing grant select on table main to anon'),
  one('revoke grant option for insert on kinds.main from anon', 'changed grant insert on table main to anon'),
  one('grant truncate on kinds.plain to authenticated', 'extra grant truncate on table plain to authenticated'),
  one('revoke update (label) on kinds.main from public', 'missing grant update on column main.label to PUBLIC'),
  one(
    'grant select (label) on kinds.main to authenticated',
    'extra grant select on column main.label to authenticated',
  ),
  one(
    'grant execute on function kinds.add(int, int, int[]) to public',
    'extra grant execute on function add(integer, integer, integer[]) to PUBLIC',
  ),
  one(
    'revoke execute on procedure kinds.proc(int) from public',
    'missing grant execute on procedure proc(integer) to PUBLIC',
  ),
  one('revoke usage on sequence kinds.counter from anon', 'missing grant usage on sequence counter to anon'),
  one('grant usage on sequence kinds.main_id_seq to anon', 'extra grant usage on sequence main_id_seq to anon'),
  one('revoke create on schema kinds from anon', 'missing grant create on schema kinds to anon'),
  one('grant usage on type kinds.mood to public', 'extra grant usage on type mood to PUBLIC'),
  one('revoke usage on domain kinds.email from anon', 'missing grant usage on domain email to anon'),
  one('grant insert on kinds.v1 to anon', 'extra grant insert on view v1 to anon'),
  // Comments.
  one('comment on table kinds.main is null', 'missing comment on table main'),
  one(`comment on column kinds.main.label is 'other'`, 'changed comment on column main.label'),
  one(`comment on table kinds.plain is 'it''s new'`, 'extra comment on table plain'),
  one('comment on type kinds.mood is null', 'missing comment on type mood'),
  one('comment on trigger t1 on kinds.main is null', 'missing comment on trigger main.t1'),
  // No drift: other tables of the host, partitions that come and go, and how far a sequence is.
  one(
    'create table public.other (id int); create table kinds.other (id int); create function kinds.other() returns int language sql return 1',
  ),
  one(
    `drop table kinds.parted_a; create table kinds.parted_b partition of kinds.parted for values from ('2021-01-01') to ('2022-01-01')`,
  ),
  one(
    `create table kinds.listed_c partition of kinds.listed for values in ('c'); grant select on kinds.listed_c to anon; create index on kinds.listed_c (v)`,
  ),
  one(`select pg_catalog.setval('kinds.counter', 60); insert into kinds.plain (id, a) values (1, 'x')`),
]
