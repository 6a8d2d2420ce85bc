// The SQL modules: what sql/README.md describes, as data.
// Generated from sql/modules by codegen/build-sql.ts: change the SQL there, then run `npm run generate`.

/** A placeholder of a file, in psql's notation. */
export type SqlPlaceholder = ':"schema"' | ':id_type'

/** An object that a file makes; `schema` may be the placeholder. */
export interface SqlObject {
  readonly kind: 'table' | 'index' | 'function'
  readonly schema: string
  readonly name: string
}

/** One numbered file of a module. */
export interface SqlFile {
  /** Digits: 0001 and on in the library, four or more in a host. */
  readonly version: string
  readonly slug: string
  /** Path from the package's top folder, or what the host calls the file. */
  readonly path: string
  /** The privilege that running it takes, in words. */
  readonly privilege: string
  /** Major version. */
  readonly oldestPostgres: number
  /** False: the file runs outside a transaction. */
  readonly transactional: boolean
  readonly placeholders: readonly SqlPlaceholder[]
  readonly creates: readonly SqlObject[]
  /** SHA-256 of the file as released (LF, placeholders not filled), in hex. */
  readonly sha256: string
  /** The file, placeholders not filled. */
  readonly sql: string
  /** What undoes it, or undefined when nothing does. */
  readonly down: string | undefined
}

/** A named set of SQL files. */
export interface SqlModule {
  readonly name: string
  /**
   * core: what the library needs. feature: something to have, by name. demo: the example tables. opt-in: changes what other software on
   * the server may do. host: the application's own.
   */
  readonly kind: 'core' | 'feature' | 'demo' | 'opt-in' | 'host'
  /** Modules that come first. */
  readonly requires: readonly string[]
  readonly files: readonly SqlFile[]
}

/** The name of a module of the library. */
export type SqlModuleName = 'activity' | 'audit' | 'auth' | 'customers' | 'ledger' | 'monitoring' | 'outbox' | 'partitions' | 'projects' | 'reports' | 'restrict-set-config' | 'roles' | 'tenancy' | 'timestamps'

/** Every module, by name. */
export const sqlModules: { readonly [Name in SqlModuleName]: SqlModule } = {
  activity: {
    name: 'activity',
    kind: 'demo',
    requires: ['auth', 'roles', 'timestamps'],
    files: [
      {
        version: '0001',
        slug: 'profiles',
        path: 'sql/modules/activity/0001_profiles.sql',
        privilege: 'CREATE on the schema, GRANT on it',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [':"schema"', ':id_type'],
        creates: [{ kind: 'table', schema: ':"schema"', name: 'profiles' }],
        sha256: '04419b9d46eb922df0acc8ec24042fea7ef088e7548dbb8c4e4c54d12260d038',
        sql: `-- profiles: one row per user.
--
-- purpose: the table of the demo that a user owns by being its key.
-- parameters: :"schema" identifier, where the table is made; :id_type uuid, text or bigint, the type of a user's identity
-- privilege: CREATE on the schema, GRANT on it
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
-- requires: roles, auth, timestamps
-- transactional: yes
-- kind: demo
-- down:
--   drop table :"schema".profiles;

create table :"schema".profiles (
  user_id :id_type not null default cast(tenon.subject() as :id_type),
  display_name text not null,
  email text,
  created_at timestamptz not null default pg_catalog.now(),
  updated_at timestamptz not null default pg_catalog.now(),
  constraint profiles_pkey primary key (user_id)
);

comment on table :"schema".profiles is 'One row per user; the user sees and changes only the own one.';

create trigger update_profile_modtime
  before update on :"schema".profiles
  for each row execute function tenon.update_modified_column();

alter table :"schema".profiles enable row level security;

-- The subject is cast, never the column: a cast column cannot use its index. The (select …) makes it run once per query.
create policy profiles_user_id_policy on :"schema".profiles
  for all to authenticated
  using (user_id = (select cast(tenon.subject() as :id_type)))
  with check (user_id = (select cast(tenon.subject() as :id_type)));

-- For servers where nobody may give BYPASSRLS; without effect where service_role has it.
create policy profiles_service_role_policy on :"schema".profiles
  for all to service_role using (true) with check (true);

-- Default privileges of the host (Supabase grants ALL) would leave TRUNCATE, which no policy stops.
revoke all on table :"schema".profiles from public, anon, authenticated, service_role;
grant usage on schema :"schema" to anon, authenticated, service_role;
grant select on table :"schema".profiles to anon;
grant select, insert, update, delete on table :"schema".profiles to authenticated, service_role;
`,
        down: `drop table :"schema".profiles;`,
      },
      {
        version: '0002',
        slug: 'user_activities',
        path: 'sql/modules/activity/0002_user_activities.sql',
        privilege: 'CREATE on the schema',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [':"schema"', ':id_type'],
        creates: [{ kind: 'table', schema: ':"schema"', name: 'user_activities' }, { kind: 'index', schema: ':"schema"', name: 'user_activities_user_id_created_at_idx' }],
        sha256: 'fe3178181f74e3539b4de5d07909d6fbccfb5db28ee7567de67852842d22f1fc',
        sql: `-- user_activities: what a user did, and whether it was finished.
--
-- purpose: the rows that calculate_activity_score counts.
-- parameters: :"schema" identifier, where the table is made; :id_type uuid, text or bigint, the type of a user's identity
-- privilege: CREATE on the schema
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
-- requires: roles, auth
-- transactional: yes
-- kind: demo
-- down:
--   drop table :"schema".user_activities;

create table :"schema".user_activities (
  id bigint generated always as identity,
  user_id :id_type not null default cast(tenon.subject() as :id_type),
  kind text not null,
  completed boolean not null default false,
  created_at timestamptz not null default pg_catalog.now(),
  constraint user_activities_pkey primary key (id),
  constraint user_activities_user_id_fkey foreign key (user_id) references :"schema".profiles (user_id) on delete cascade
);

comment on table :"schema".user_activities is 'What a user did; the user sees and changes only the own rows.';

-- Leads with the column of the policy (and of the foreign key), then serves the last 30 days.
create index user_activities_user_id_created_at_idx on :"schema".user_activities (user_id, created_at desc);

alter table :"schema".user_activities enable row level security;

create policy user_activities_user_id_policy on :"schema".user_activities
  for all to authenticated
  using (user_id = (select cast(tenon.subject() as :id_type)))
  with check (user_id = (select cast(tenon.subject() as :id_type)));

create policy user_activities_service_role_policy on :"schema".user_activities
  for all to service_role using (true) with check (true);

revoke all on table :"schema".user_activities from public, anon, authenticated, service_role;
grant select on table :"schema".user_activities to anon;
grant select, insert, update, delete on table :"schema".user_activities to authenticated, service_role;

-- An identity column needs no right on its sequence; default privileges of the host may have let anon call setval.
revoke all on sequence :"schema".user_activities_id_seq from public, anon, authenticated, service_role;
`,
        down: `drop table :"schema".user_activities;`,
      },
      {
        version: '0003',
        slug: 'calculate_activity_score',
        path: 'sql/modules/activity/0003_calculate_activity_score.sql',
        privilege: 'CREATE on the schema',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [':"schema"', ':id_type'],
        creates: [{ kind: 'function', schema: ':"schema"', name: 'calculate_activity_score' }],
        sha256: 'd7725720c47b5777d62fdb5eb7c40268640a3fcbc0b2e768acc0fa354c14ef34',
        sql: `-- calculate_activity_score(user_id): ten points for each activity of the last 30 days, twenty more when it was completed.
--
-- purpose: returns the score as numeric, 0 when there is nothing to count (the sum of no rows is null). Runs with the
--   caller's rights: under row-level security the score of somebody else is 0.
--   A PL/pgSQL body with \`where user_id = $1\` fails with 42702, because user_id is the parameter and the column; here the
--   column is qualified, so the parameter can keep its name.
-- parameters: :"schema" identifier; :id_type uuid, text or bigint. The function: user_id :id_type
-- privilege: CREATE on the schema
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/xfunc-sql.html
-- requires: roles, auth
-- transactional: yes
-- kind: demo
-- down:
--   drop function :"schema".calculate_activity_score(:id_type);

create function :"schema".calculate_activity_score(user_id :id_type) returns numeric
  language sql stable parallel safe
  set search_path = ''
  return (
    select coalesce(
      pg_catalog.count(activity.id) * 10 + pg_catalog.sum(case when activity.completed then 20 else 0 end),
      0
    )::pg_catalog.numeric
    from :"schema".user_activities as activity
    where activity.user_id = calculate_activity_score.user_id
      and activity.created_at > pg_catalog.now() - interval '30 days'
  );

comment on function :"schema".calculate_activity_score(:id_type) is 'Ten points per activity of the last 30 days and twenty more when completed; 0 for none. Runs with the caller''s rights.';

revoke all on function :"schema".calculate_activity_score(:id_type) from public, anon;
grant execute on function :"schema".calculate_activity_score(:id_type) to authenticated, service_role;
`,
        down: `drop function :"schema".calculate_activity_score(:id_type);`,
      },
    ],
  },
  audit: {
    name: 'audit',
    kind: 'feature',
    requires: ['auth', 'partitions', 'roles'],
    files: [
      {
        version: '0001',
        slug: 'audit_log',
        path: 'sql/modules/audit/0001_audit_log.sql',
        privilege: 'CREATE on the database',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'table', schema: 'tenon', name: 'audit_log' }, { kind: 'table', schema: 'tenon', name: 'audit_log_default' }, { kind: 'function', schema: 'tenon', name: 'keep_audit_log' }, { kind: 'index', schema: 'tenon', name: 'audit_log_table_name_at_idx' }, { kind: 'index', schema: 'tenon', name: 'audit_log_subject_at_idx' }],
        sha256: 'bc3113b87af26f78ee34efc3374f77e356226cc9e62163d6155d0411e0cdc6c7',
        sql: `-- tenon.audit_log: who changed what.
--
-- purpose: an append-only table, one partition a month. Nobody but the roles named here reads it, and rows come from the
--   triggers of 0002 only. UPDATE, DELETE and TRUNCATE are refused to its owner too, except by tenon.audit_erase() and
--   tenon.audit_retain(); an owner who drops the trigger, and a superuser, can still do anything: for more than that,
--   ship the rows to another system.
-- parameters: none
-- privilege: CREATE on the database
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/plpgsql-trigger.html
-- requires: roles, auth, partitions
-- transactional: yes
-- kind: feature
-- down:
--   drop table tenon.audit_log;
--   drop function tenon.keep_audit_log();

create table tenon.audit_log (
  id bigint generated always as identity,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  transaction_id xid8 not null default pg_catalog.pg_current_xact_id(),
  schema_name text not null,
  table_name text not null,
  action text not null,
  -- The primary key, or null where the table has none.
  row_key jsonb,
  before jsonb,
  after jsonb,
  changed text[],
  -- Who really acts (tenon.actor), for whom (the subject of the claims), as which role, and why (tenon.reason).
  actor text,
  subject text,
  role text not null,
  reason text,
  application text,
  constraint audit_log_pkey primary key (id, at),
  constraint audit_log_action_check check (action in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'ERASE', 'RETAIN'))
) partition by range (at);

comment on table tenon.audit_log is 'Append-only: one row per changed row of the tables given to tenon.audit_table(). Read by service_role, and by roles that are granted it and have a policy.';

create index audit_log_table_name_at_idx on tenon.audit_log (schema_name, table_name, at desc);
create index audit_log_subject_at_idx on tenon.audit_log (subject, at desc);

alter table tenon.audit_log enable row level security;

create policy audit_log_service_role_policy on tenon.audit_log
  for select to service_role using (true);

revoke all on table tenon.audit_log from public, anon, authenticated, service_role;
revoke all on sequence tenon.audit_log_id_seq from public, anon, authenticated, service_role;
grant usage on schema tenon to service_role;
grant select on table tenon.audit_log to service_role;

-- A change must never fail because nobody made next month's partition; tenon.default_partition_rows() tells of such rows.
create table tenon.audit_log_default partition of tenon.audit_log default;
comment on table tenon.audit_log_default is 'Rows for whose month no partition was made in time; tenon.audit_maintain() makes them ahead.';
alter table tenon.audit_log_default enable row level security;
revoke all on table tenon.audit_log_default from public, anon, authenticated, service_role;

do $partitions$
begin
  perform tenon.create_partitions('tenon.audit_log', 'month', 3);
end
$partitions$;

create function tenon.keep_audit_log() returns trigger
  language plpgsql
  set search_path = ''
as $function$
begin
  if pg_catalog.current_setting('tenon.audit_maintenance', true) = 'on' then
    return case when tg_op = 'DELETE' then old else new end;
  end if;
  raise exception using
    errcode = 'insufficient_privilege',
    constraint = 'audit_append_only',
    message = pg_catalog.format('%s on tenon.audit_log is refused: it is append-only', tg_op),
    hint = 'tenon.audit_erase() and tenon.audit_retain() are the ways to take something out';
end
$function$;

comment on function tenon.keep_audit_log() is 'Trigger function: refuses whatever is not an INSERT into tenon.audit_log.';
revoke all on function tenon.keep_audit_log() from public;

create trigger audit_log_append_only
  before update or delete on tenon.audit_log
  for each row execute function tenon.keep_audit_log();

create trigger audit_log_append_only_truncate
  before truncate on tenon.audit_log
  for each statement execute function tenon.keep_audit_log();
`,
        down: `drop table tenon.audit_log;
drop function tenon.keep_audit_log();`,
      },
      {
        version: '0002',
        slug: 'audit_table',
        path: 'sql/modules/audit/0002_audit_table.sql',
        privilege: 'ownership of tenon.audit_log; calling audit_table takes ownership of the table',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'function', schema: 'tenon', name: 'audit_change' }, { kind: 'function', schema: 'tenon', name: 'audit_table' }, { kind: 'function', schema: 'tenon', name: 'unaudit_table' }],
        sha256: '7d54e724c62e4d12e2962f4ca239c680dc579226a101be2d4cb84c522169bdab',
        sql: `-- tenon.audit_table(): puts a table under audit.
--
-- purpose: attaches triggers that write every changed row into tenon.audit_log:
--     select tenon.audit_table('public.customers', array['card_number'])
--   Excluded columns are named where they changed; their values never reach the log. Call it again to change the list,
--   and after the primary key has changed.
-- parameters: none. The functions: target regclass; excluded_columns text[]
-- privilege: ownership of tenon.audit_log; calling audit_table takes ownership of the table
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/plpgsql-trigger.html
-- requires: roles, auth, partitions
-- transactional: yes
-- kind: feature
-- down:
--   do $down$
--   declare
--     audited record;
--   begin
--     for audited in
--       select distinct tgrelid::regclass as target from pg_catalog.pg_trigger
--       where tgfoid = 'tenon.audit_change()'::regprocedure and tgparentid = 0
--     loop
--       perform tenon.unaudit_table(audited.target);
--     end loop;
--   end
--   $down$;
--   drop function tenon.unaudit_table(regclass);
--   drop function tenon.audit_table(regclass, text[]);
--   drop function tenon.audit_change();

-- Definer rights: whoever may change a row need not, and must not, be able to write the log. It reads no table.
create function tenon.audit_change() returns trigger
  language plpgsql
  security definer
  set search_path = ''
as $function$
declare
  key_columns constant text[] := tg_argv[0];
  excluded constant text[] := tg_argv[1];
  old_row jsonb;
  new_row jsonb;
  changed text[];
begin
  if tg_op in ('UPDATE', 'DELETE') then old_row := pg_catalog.to_jsonb(old); end if;
  if tg_op in ('UPDATE', 'INSERT') then new_row := pg_catalog.to_jsonb(new); end if;
  if tg_op = 'UPDATE' then
    changed := array(
      select key from pg_catalog.jsonb_each(new_row) as field (key, value)
      where field.value is distinct from old_row operator(pg_catalog.->) field.key
      order by key
    );
    if changed = '{}' then return null; end if;
  end if;
  insert into tenon.audit_log (
    schema_name, table_name, action, row_key, before, after, changed, actor, subject, role, reason, application
  ) values (
    tg_table_schema,
    tg_table_name,
    tg_op,
    -- The primary key alone. An excluded key would be no key, so it is not excluded here.
    case when key_columns <> '{}' then (
      select pg_catalog.jsonb_object_agg(key, coalesce(new_row, old_row) operator(pg_catalog.->) key)
      from pg_catalog.unnest(key_columns) as list (key)
      where coalesce(new_row, old_row) is not null
    ) end,
    old_row operator(pg_catalog.-) excluded,
    new_row operator(pg_catalog.-) excluded,
    changed,
    nullif(pg_catalog.current_setting('tenon.actor', true), ''),
    tenon.subject(),
    -- Not current_user, which is the owner of this function.
    coalesce(nullif(pg_catalog.current_setting('role', true), 'none'), session_user),
    nullif(pg_catalog.current_setting('tenon.reason', true), ''),
    nullif(pg_catalog.current_setting('application_name', true), '')
  );
  return null;
end
$function$;

comment on function tenon.audit_change() is 'Trigger function: writes what happened to tenon.audit_log. Attached by tenon.audit_table().';
revoke all on function tenon.audit_change() from public;

create function tenon.audit_table(target regclass, excluded_columns text[] default '{}') returns void
  language plpgsql
  set search_path = ''
as $function$
declare
  key_columns constant text[] := array(
    select attribute.attname::text
    from pg_catalog.pg_index as index
    join pg_catalog.pg_attribute as attribute
      on attribute.attrelid = index.indrelid and attribute.attnum = any (index.indkey)
    where index.indrelid = target and index.indisprimary
    order by attribute.attnum
  );
  unknown text;
begin
  select name into unknown from pg_catalog.unnest(excluded_columns) as list (name)
  where name is null or not exists (
    select from pg_catalog.pg_attribute
    where attrelid = target and attname = name and attnum > 0 and not attisdropped
  )
  limit 1;
  if found or excluded_columns is null then
    raise exception using
      errcode = 'undefined_column',
      constraint = 'audit_unknown_column',
      message = pg_catalog.format('%s has no column %s to exclude', target, coalesce(pg_catalog.quote_ident(unknown), 'null'));
  end if;
  perform tenon.unaudit_table(target);
  execute pg_catalog.format(
    'create trigger tenon_audit_change after insert or update or delete on %s for each row execute function tenon.audit_change(%L, %L)',
    target, key_columns, excluded_columns
  );
  execute pg_catalog.format(
    'create trigger tenon_audit_truncate after truncate on %s for each statement execute function tenon.audit_change(%L, %L)',
    target, key_columns, excluded_columns
  );
end
$function$;

comment on function tenon.audit_table(regclass, text[]) is 'Puts a table under audit, or changes which columns are excluded.';

create function tenon.unaudit_table(target regclass) returns void
  language plpgsql
  set search_path = ''
as $function$
begin
  execute pg_catalog.format('drop trigger if exists tenon_audit_change on %s', target);
  execute pg_catalog.format('drop trigger if exists tenon_audit_truncate on %s', target);
end
$function$;

comment on function tenon.unaudit_table(regclass) is 'Takes a table out of audit; what was written stays.';

revoke all on function tenon.audit_table(regclass, text[]) from public;
revoke all on function tenon.unaudit_table(regclass) from public;
`,
        down: `do $down$
declare
  audited record;
begin
  for audited in
    select distinct tgrelid::regclass as target from pg_catalog.pg_trigger
    where tgfoid = 'tenon.audit_change()'::regprocedure and tgparentid = 0
  loop
    perform tenon.unaudit_table(audited.target);
  end loop;
end
$down$;
drop function tenon.unaudit_table(regclass);
drop function tenon.audit_table(regclass, text[]);
drop function tenon.audit_change();`,
      },
      {
        version: '0003',
        slug: 'audit_maintenance',
        path: 'sql/modules/audit/0003_audit_maintenance.sql',
        privilege: 'ownership of tenon.audit_log, for calling them too',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'function', schema: 'tenon', name: 'audit_maintain' }, { kind: 'function', schema: 'tenon', name: 'audit_retain' }, { kind: 'function', schema: 'tenon', name: 'audit_erase' }],
        sha256: '7752ae79081af4214e5b1af478b4441580080efe0be70f20e10e80a597a02d1b',
        sql: `-- tenon.audit_maintain(), audit_retain() and audit_erase(): keeping the log supplied, short and lawful.
--
-- purpose: audit_maintain makes partitions ahead (call it monthly). audit_retain drops whole months that are older than
--   the time to keep. audit_erase takes a person out of the log: rows that the person caused lose subject, actor and
--   values, rows that mention the person (a top-level value equal to the subject) lose their values and key. That an
--   action happened, to which table, when and as which role stays, because without it the log could be emptied by
--   whoever fears it. The erasure is a row itself and does not name whom it was for.
-- parameters: none. The functions: ahead integer, months; keep interval; subject text
-- privilege: ownership of tenon.audit_log, for calling them too
-- oldest postgresql: 15
-- source: https://gdpr-info.eu/art-17-gdpr/
-- requires: roles, auth, partitions
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.audit_erase(text);
--   drop function tenon.audit_retain(interval);
--   drop function tenon.audit_maintain(integer);

create function tenon.audit_maintain(ahead integer default 3) returns setof text
  language sql
  set search_path = ''
begin atomic
  select tenon.create_partitions('tenon.audit_log'::regclass, 'month', audit_maintain.ahead);
end;

comment on function tenon.audit_maintain(integer) is 'Makes the partitions of the coming months, and returns the names of the new ones.';

create function tenon.audit_retain(keep interval) returns setof text
  language plpgsql
  set search_path = ''
as $function$
declare
  dropped text;
begin
  if keep is null or keep < interval '1 day' then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'audit_keep_too_short',
      message = 'audit_retain keeps a day at least';
  end if;
  for dropped in select tenon.drop_partitions('tenon.audit_log', pg_catalog.now() - keep) loop
    insert into tenon.audit_log (schema_name, table_name, action, role, actor, reason)
    values (
      'tenon', dropped, 'RETAIN', session_user,
      nullif(pg_catalog.current_setting('tenon.actor', true), ''), nullif(pg_catalog.current_setting('tenon.reason', true), '')
    );
    return next dropped;
  end loop;
end
$function$;

comment on function tenon.audit_retain(interval) is 'Drops the months that ended longer ago than "keep", and returns the names of their partitions.';

create function tenon.audit_erase(subject text) returns bigint
  language plpgsql
  set search_path = ''
  set tenon.audit_maintenance = 'on'
as $function$
declare
  erased bigint;
begin
  if subject is null or subject = '' then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'audit_no_subject',
      message = 'audit_erase needs a subject';
  end if;
  update tenon.audit_log as entry
  set before = null,
      after = null,
      row_key = case when mentioned.in_key then null else entry.row_key end,
      subject = nullif(entry.subject, audit_erase.subject),
      actor = nullif(entry.actor, audit_erase.subject)
  from (
    select log.id, log.at, exists (
      select from pg_catalog.jsonb_each_text(log.row_key) as field where field.value = audit_erase.subject
    ) as in_key
    from tenon.audit_log as log
    where log.subject = audit_erase.subject
      or log.actor = audit_erase.subject
      or exists (
        select from pg_catalog.jsonb_each_text(
          coalesce(log.before, '{}') operator(pg_catalog.||) coalesce(log.row_key, '{}')
        ) as field where field.value = audit_erase.subject
      )
      or exists (select from pg_catalog.jsonb_each_text(log.after) as field where field.value = audit_erase.subject)
  ) as mentioned
  where entry.id = mentioned.id and entry.at = mentioned.at;
  get diagnostics erased = row_count;
  insert into tenon.audit_log (schema_name, table_name, action, role, actor, reason)
  values (
    'tenon', 'audit_log', 'ERASE', session_user,
    nullif(nullif(pg_catalog.current_setting('tenon.actor', true), ''), audit_erase.subject),
    nullif(pg_catalog.current_setting('tenon.reason', true), '')
  );
  return erased;
end
$function$;

comment on function tenon.audit_erase(text) is 'Takes the values of a person out of the log and returns how many rows were touched; that something happened stays.';

revoke all on function tenon.audit_maintain(integer) from public;
revoke all on function tenon.audit_retain(interval) from public;
revoke all on function tenon.audit_erase(text) from public;
`,
        down: `drop function tenon.audit_erase(text);
drop function tenon.audit_retain(interval);
drop function tenon.audit_maintain(integer);`,
      },
    ],
  },
  auth: {
    name: 'auth',
    kind: 'core',
    requires: ['roles'],
    files: [
      {
        version: '0001',
        slug: 'subject',
        path: 'sql/modules/auth/0001_subject.sql',
        privilege: 'CREATE on the database, GRANT on schema tenon',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'function', schema: 'tenon', name: 'subject' }],
        sha256: 'c6adcd3a70abf300d302321315947eb369980f6f4b630f0d1f8d47837be6e484',
        sql: `-- tenon.subject(): who the session is, as text; what the policies of tenon compare with.
--
-- purpose: returns "sub" of the setting request.jwt.claims, or null when there are no claims, no "sub" or an empty one.
--   Unlike auth.uid() it takes every kind of identity (uuid, cuid, auth0|…, a number), never fails on one, and reads no
--   legacy setting, so a stale request.jwt.claim.sub cannot speak for somebody else. Claims that are no JSON raise 22P02.
-- parameters: none
-- privilege: CREATE on the database, GRANT on schema tenon
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SET
-- requires: roles
-- transactional: yes
-- kind: core
-- down:
--   drop function tenon.subject();

create schema if not exists tenon;

-- A body in RETURN form is bound to its functions and operators when it is created, so no search_path can change what it
-- means; that is why it has no SET clause, which would keep the planner from inlining it. Measured on 100,000 rows with
-- an unwrapped policy \`owner_id = tenon.subject()::uuid\` (PostgreSQL 15 and 18): 190 and 225 ms inlined, 580 and 740 ms
-- with SET; wrapped in (select …), as every policy here has it, 6 and 12 ms, because it then runs once per query.
create function tenon.subject() returns text
  language sql stable parallel safe
  return nullif(
    nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'sub',
    ''
  );

comment on function tenon.subject() is 'The "sub" of the session''s claims as text, or null. In a policy write (select tenon.subject()), with the cast inside, so that it runs once per query.';

grant usage on schema tenon to anon, authenticated, service_role;

-- EXECUTE stays with PUBLIC too: it reads the caller's own setting, and a policy of the host may be for any role.
grant execute on function tenon.subject() to anon, authenticated, service_role;
`,
        down: `drop function tenon.subject();`,
      },
      {
        version: '0002',
        slug: 'auth',
        path: 'sql/modules/auth/0002_auth.sql',
        privilege: 'CREATE on the database, or on schema auth when the host has one',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'function', schema: 'auth', name: 'uid' }, { kind: 'function', schema: 'auth', name: 'role' }, { kind: 'function', schema: 'auth', name: 'email' }, { kind: 'function', schema: 'auth', name: 'jwt' }],
        sha256: '49b7122a8f0b7e423e5fd477189b26ee8d153ed05531d011cff4229be340662f',
        sql: `-- auth.uid(), auth.role(), auth.email() and auth.jwt(), with the meaning they have on Supabase.
--
-- purpose: lets policies written for Supabase run on any PostgreSQL: the legacy setting request.jwt.claim.<name> wins over
--   request.jwt.claims, nothing set gives null, and auth.uid() raises 22P02 for a subject that is no uuid.
--   Does nothing where Supabase owns schema auth. An own function of the same name is refused (42723), never replaced.
-- parameters: none
-- privilege: CREATE on the database, or on schema auth when the host has one
-- oldest postgresql: 15
-- source: https://github.com/supabase/auth/blob/master/migrations/20220531120530_add_auth_jwt_function.up.sql
-- requires: roles
-- transactional: yes
-- kind: core
-- down:
--   do $down$
--   begin
--     if not exists (
--       select from pg_catalog.pg_namespace as namespace
--       where namespace.nspname = 'auth' and namespace.nspowner = pg_catalog.to_regrole('supabase_auth_admin')
--     ) then
--       drop function auth.uid();
--       drop function auth.role();
--       drop function auth.email();
--       drop function auth.jwt();
--     end if;
--   end
--   $down$;

do $auth$
begin
  if exists (
    select from pg_catalog.pg_namespace as namespace
    where namespace.nspname = 'auth' and namespace.nspowner = pg_catalog.to_regrole('supabase_auth_admin')
  ) then
    raise notice 'schema auth belongs to Supabase: its functions are left as they are';
    return;
  end if;

  create schema if not exists auth;
  grant usage on schema auth to anon, authenticated, service_role;

  -- RETURN bodies, and no SET clause: see 0001_subject.sql. Many policies in the field call auth.uid() for every row.
  create function auth.uid() returns uuid
    language sql stable parallel safe
    return coalesce(
      nullif(pg_catalog.current_setting('request.jwt.claim.sub', true), ''),
      nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'sub'
    )::pg_catalog.uuid;

  create function auth.role() returns text
    language sql stable parallel safe
    return coalesce(
      nullif(pg_catalog.current_setting('request.jwt.claim.role', true), ''),
      nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'role'
    );

  create function auth.email() returns text
    language sql stable parallel safe
    return coalesce(
      nullif(pg_catalog.current_setting('request.jwt.claim.email', true), ''),
      nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'email'
    );

  create function auth.jwt() returns jsonb
    language sql stable parallel safe
    return coalesce(
      nullif(pg_catalog.current_setting('request.jwt.claim', true), ''),
      nullif(pg_catalog.current_setting('request.jwt.claims', true), '')
    )::pg_catalog.jsonb;

  comment on function auth.uid() is 'The subject of the session as uuid, as on Supabase: 22P02 when it is none. tenon.subject() is the text form.';
  comment on function auth.role() is 'The "role" claim of the session, as on Supabase.';
  comment on function auth.email() is 'The "email" claim of the session, as on Supabase.';
  comment on function auth.jwt() is 'All claims of the session, as on Supabase.';
end
$auth$;
`,
        down: `do $down$
begin
  if not exists (
    select from pg_catalog.pg_namespace as namespace
    where namespace.nspname = 'auth' and namespace.nspowner = pg_catalog.to_regrole('supabase_auth_admin')
  ) then
    drop function auth.uid();
    drop function auth.role();
    drop function auth.email();
    drop function auth.jwt();
  end if;
end
$down$;`,
      },
    ],
  },
  customers: {
    name: 'customers',
    kind: 'demo',
    requires: ['auth', 'roles', 'timestamps'],
    files: [
      {
        version: '0001',
        slug: 'customers',
        path: 'sql/modules/customers/0001_customers.sql',
        privilege: 'CREATE on the schema, GRANT on it',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [':"schema"', ':id_type'],
        creates: [{ kind: 'table', schema: ':"schema"', name: 'customers' }, { kind: 'index', schema: ':"schema"', name: 'customers_owner_id_created_at_idx' }],
        sha256: 'bc5f1afe259289e238353dda54f6ab71cd6c12ae66cc3cf32214e4fef5517bd4',
        sql: `-- customers: people somebody sells to.
--
-- purpose: the table of the demo that shows the updated_at trigger.
-- parameters: :"schema" identifier, where the table is made; :id_type uuid, text or bigint, the type of a user's identity
-- privilege: CREATE on the schema, GRANT on it
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-createtrigger.html
-- requires: roles, auth, timestamps
-- transactional: yes
-- kind: demo
-- down:
--   drop table :"schema".customers;

create table :"schema".customers (
  id uuid not null default pg_catalog.gen_random_uuid(),
  owner_id :id_type not null default cast(tenon.subject() as :id_type),
  name text not null,
  email text,
  created_at timestamptz not null default pg_catalog.now(),
  updated_at timestamptz not null default pg_catalog.now(),
  constraint customers_pkey primary key (id)
);

comment on table :"schema".customers is 'Customers; the owner sees and changes only the own ones.';

create index customers_owner_id_created_at_idx on :"schema".customers (owner_id, created_at desc, id);

create trigger update_customer_modtime
  before update on :"schema".customers
  for each row execute function tenon.update_modified_column();

alter table :"schema".customers enable row level security;

-- The subject is cast, never the column: a cast column cannot use its index. The (select …) makes it run once per query.
create policy customers_owner_id_policy on :"schema".customers
  for all to authenticated
  using (owner_id = (select cast(tenon.subject() as :id_type)))
  with check (owner_id = (select cast(tenon.subject() as :id_type)));

-- For servers where nobody may give BYPASSRLS; without effect where service_role has it.
create policy customers_service_role_policy on :"schema".customers
  for all to service_role using (true) with check (true);

-- Default privileges of the host (Supabase grants ALL) would leave TRUNCATE, which no policy stops.
revoke all on table :"schema".customers from public, anon, authenticated, service_role;
grant usage on schema :"schema" to anon, authenticated, service_role;
grant select on table :"schema".customers to anon;
grant select, insert, update, delete on table :"schema".customers to authenticated, service_role;
`,
        down: `drop table :"schema".customers;`,
      },
    ],
  },
  ledger: {
    name: 'ledger',
    kind: 'core',
    requires: [],
    files: [
      {
        version: '0001',
        slug: 'migrations',
        path: 'sql/modules/ledger/0001_migrations.sql',
        privilege: 'CREATE on the database',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'table', schema: 'tenon', name: 'migrations' }],
        sha256: 'c9cbcd71eaa42321891acbba2fe26c63c5413694906f10ffc5df5359e1fa0b4d',
        sql: `-- The ledger: which file of which module was applied to this database, and with which content.
--
-- purpose: makes a second run do nothing and an edited file visible. The applier runs this file before any other, by itself.
-- parameters: none
-- privilege: CREATE on the database
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-createtable.html
-- requires: none
-- transactional: yes
-- kind: core
-- down: none (without it the applier no longer knows what it did; drop schema tenon by hand when every module is gone)

-- "if not exists" for the schema only: other modules make it too when they are run without the applier.
create schema if not exists tenon;

comment on schema tenon is 'Objects of the tenon library. Host tables never live here.';

create table tenon.migrations (
  module text not null,
  version text not null,
  -- One module can stand in several schemas of one database; '' for a file that names no schema.
  target_schema text not null,
  -- What :id_type was; '' for a file that does not use it.
  id_type text not null,
  slug text not null,
  sha256 text not null,
  -- 'running' is what a statement that cannot run in a transaction is until it is through: the next run finishes it.
  state text not null default 'applied',
  -- Who applied it: tenon, baseline, or the migration tool that an exported file is for.
  origin text not null default 'tenon',
  applied_by text not null default session_user,
  applied_at timestamptz not null default pg_catalog.now(),
  constraint migrations_pkey primary key (module, version, target_schema),
  constraint migrations_state_check check (state in ('running', 'applied')),
  constraint migrations_sha256_check check (sha256 ~ '^[0-9a-f]{64}$')
);

comment on table tenon.migrations is 'One row per applied SQL file. Written by the applier only; the hash is of the file as released, before its placeholders were filled.';

-- No policy on purpose: nobody but the owner (and roles that bypass row security) sees a row.
alter table tenon.migrations enable row level security;

revoke all on table tenon.migrations from public;
`,
        down: undefined,
      },
    ],
  },
  monitoring: {
    name: 'monitoring',
    kind: 'feature',
    requires: ['roles'],
    files: [
      {
        version: '0001',
        slug: 'statistics',
        path: 'sql/modules/monitoring/0001_statistics.sql',
        privilege: 'CREATE on the database',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [],
        sha256: 'd3b46b14764dcb00fbbe8da45122a237b81466bb2e4bec7440c70791a162cc08',
        sql: `-- Views of the server's own statistics, for people and for alerts.
--
-- purpose: tenon.table_health, index_usage, connection_counts, long_transactions, database_size and cache_hit. They show
--   numbers and names of objects and never the text of somebody's query, which can hold values. What a role sees of other
--   roles' sessions is what PostgreSQL lets it see: grant pg_monitor for all of it.
-- parameters: none
-- privilege: CREATE on the database
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/monitoring-stats.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop view tenon.cache_hit;
--   drop view tenon.database_size;
--   drop view tenon.long_transactions;
--   drop view tenon.connection_counts;
--   drop view tenon.index_usage;
--   drop view tenon.table_health;

create schema if not exists tenon;

create view tenon.table_health with (security_invoker = true) as
  select
    stat.schemaname as schema_name,
    stat.relname as table_name,
    stat.n_live_tup as live_rows,
    stat.n_dead_tup as dead_rows,
    round(100.0 * stat.n_dead_tup / nullif(stat.n_live_tup + stat.n_dead_tup, 0), 1) as dead_percent,
    stat.n_mod_since_analyze as changes_since_analyze,
    greatest(stat.last_vacuum, stat.last_autovacuum) as last_vacuum,
    greatest(stat.last_analyze, stat.last_autoanalyze) as last_analyze,
    stat.seq_scan as sequential_scans,
    coalesce(stat.idx_scan, 0) as index_scans,
    pg_catalog.pg_total_relation_size(stat.relid) as bytes,
    pg_catalog.age(class.relfrozenxid) as transactions_since_freeze
  from pg_catalog.pg_stat_user_tables as stat
  join pg_catalog.pg_class as class on class.oid = stat.relid;

comment on view tenon.table_health is 'One row per table: live and dead rows, when it was vacuumed and analyzed, how it is read, its size with indexes, its age.';

create view tenon.index_usage with (security_invoker = true) as
  select
    namespace.nspname as schema_name,
    class.relname as table_name,
    index_class.relname as index_name,
    coalesce(stat.idx_scan, 0) as scans,
    pg_catalog.pg_relation_size(index.indexrelid) as bytes,
    index.indisvalid as is_valid,
    index.indisunique as is_unique,
    -- The same columns, operators, expressions and condition as an older index of the table.
    exists (
      select from pg_catalog.pg_index as twin
      where twin.indrelid = index.indrelid and twin.indexrelid < index.indexrelid
        and twin.indkey::text = index.indkey::text and twin.indclass::text = index.indclass::text
        and twin.indcollation::text = index.indcollation::text and twin.indoption::text = index.indoption::text
        and twin.indexprs::text is not distinct from index.indexprs::text
        and twin.indpred::text is not distinct from index.indpred::text
    ) as is_duplicate
  from pg_catalog.pg_index as index
  join pg_catalog.pg_class as index_class on index_class.oid = index.indexrelid
  join pg_catalog.pg_class as class on class.oid = index.indrelid
  join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
  left join pg_catalog.pg_stat_user_indexes as stat on stat.indexrelid = index.indexrelid
  where namespace.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    and namespace.nspname not like 'pg\\_temp\\_%' and namespace.nspname not like 'pg\\_toast\\_temp\\_%';

comment on view tenon.index_usage is 'One row per index: how often it was scanned since the statistics were reset, its size, whether it is valid, unique or a duplicate.';

create view tenon.connection_counts with (security_invoker = true) as
  select
    coalesce(activity.state, 'unknown') as state,
    pg_catalog.count(*) as connections,
    pg_catalog.current_setting('max_connections')::pg_catalog.int4 as limit_of_server
  from pg_catalog.pg_stat_activity as activity
  where activity.backend_type = 'client backend' or activity.backend_type is null
  group by activity.state;

comment on view tenon.connection_counts is 'Connections of clients to the whole server, by state.';

create view tenon.long_transactions with (security_invoker = true) as
  select
    activity.pid,
    activity.usename as login,
    activity.application_name as application,
    activity.state,
    pg_catalog.clock_timestamp() - activity.xact_start as transaction_age,
    pg_catalog.clock_timestamp() - activity.state_change as in_state_for,
    activity.wait_event_type,
    activity.wait_event,
    pg_catalog.pg_blocking_pids(activity.pid) as blocked_by
  from pg_catalog.pg_stat_activity as activity
  where activity.xact_start is not null and activity.pid <> pg_catalog.pg_backend_pid();

comment on view tenon.long_transactions is 'Transactions that are open on this server, without the text of their queries; order by transaction_age desc for the oldest.';

create view tenon.database_size with (security_invoker = true) as
  select
    database.datname as database_name,
    pg_catalog.pg_database_size(database.oid) as bytes,
    pg_catalog.age(database.datfrozenxid) as transactions_since_freeze
  from pg_catalog.pg_database as database
  where database.datname = pg_catalog.current_database();

comment on view tenon.database_size is 'The size of this database, and its age in transactions: 2 billion is the end.';

create view tenon.cache_hit with (security_invoker = true) as
  select
    stat.blks_hit as blocks_from_memory,
    stat.blks_read as blocks_read,
    round(100.0 * stat.blks_hit / nullif(stat.blks_hit + stat.blks_read, 0), 2) as hit_percent,
    stat.deadlocks,
    stat.temp_bytes,
    stat.xact_rollback as rollbacks,
    stat.stats_reset as since
  from pg_catalog.pg_stat_database as stat
  where stat.datname = pg_catalog.current_database();

comment on view tenon.cache_hit is 'How much of this database was read from memory, with deadlocks, spilled bytes and rollbacks since the statistics were reset.';

revoke all on
  tenon.table_health, tenon.index_usage, tenon.connection_counts, tenon.long_transactions, tenon.database_size, tenon.cache_hit
  from public, anon, authenticated, service_role;
grant usage on schema tenon to service_role, pg_monitor;
grant select on
  tenon.table_health, tenon.index_usage, tenon.connection_counts, tenon.long_transactions, tenon.database_size, tenon.cache_hit
  to service_role, pg_monitor;
`,
        down: `drop view tenon.cache_hit;
drop view tenon.database_size;
drop view tenon.long_transactions;
drop view tenon.connection_counts;
drop view tenon.index_usage;
drop view tenon.table_health;`,
      },
      {
        version: '0002',
        slug: 'slow_queries',
        path: 'sql/modules/monitoring/0002_slow_queries.sql',
        privilege: 'CREATE on the database; a superuser, or the right to create the extension, where it is missing',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'function', schema: 'tenon', name: 'slow_queries' }],
        sha256: 'cf94e17c40ba633fdbcfbc3fe94240f57b9aee4537222116b81d0d9bcb648ea1',
        sql: `-- tenon.slow_queries(): what pg_stat_statements has seen take most time.
--
-- purpose: works where the extension is there, and says so where it is not: it has to be in shared_preload_libraries,
--   which managed servers have a switch for, and created in the database, which this file tries. Its texts are
--   normalised: constants are $1, $2, ….
-- parameters: none. The function: most integer, how many rows
-- privilege: CREATE on the database; a superuser, or the right to create the extension, where it is missing
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/pgstatstatements.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.slow_queries(integer);

do $extension$
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_stat_statements') then
    -- Supabase keeps extensions in a schema of their own; elsewhere the library's schema is nobody else's.
    if pg_catalog.to_regnamespace('extensions') is not null then
      create extension pg_stat_statements schema extensions;
    else
      create extension pg_stat_statements schema tenon;
    end if;
  end if;
exception when others then
  raise notice 'pg_stat_statements is not here (%): tenon.slow_queries() returns nothing until an administrator creates it', sqlstate;
end
$extension$;

create function tenon.slow_queries(most integer default 20)
  returns table (
    query_id bigint,
    query text,
    calls bigint,
    total_ms double precision,
    mean_ms double precision,
    longest_ms double precision,
    rows_returned bigint,
    hit_percent numeric
  )
  language plpgsql stable
  set search_path = ''
as $function$
declare
  schema_name constant text := (
    select namespace.nspname from pg_catalog.pg_extension as extension
    join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
    where extension.extname = 'pg_stat_statements'
  );
begin
  if schema_name is null then
    raise notice 'pg_stat_statements is not in this database: create extension pg_stat_statements, as an administrator';
    return;
  end if;
  return query execute pg_catalog.format(
    $query$
      select statement.queryid, statement.query, statement.calls, statement.total_exec_time, statement.mean_exec_time,
        statement.max_exec_time, statement.rows,
        round(100.0 * statement.shared_blks_hit / nullif(statement.shared_blks_hit + statement.shared_blks_read, 0), 1)
      from %I.pg_stat_statements as statement
      join pg_catalog.pg_database as database on database.oid = statement.dbid
      where database.datname = pg_catalog.current_database()
      order by statement.total_exec_time desc
      limit $1
    $query$,
    schema_name
  ) using most;
exception when object_not_in_prerequisite_state then
  raise notice 'pg_stat_statements is created but not loaded: add it to shared_preload_libraries and restart the server';
end
$function$;

comment on function tenon.slow_queries(integer) is 'The statements that took most time in this database, from pg_stat_statements; nothing, and a notice, where that is not to be had.';

revoke all on function tenon.slow_queries(integer) from public;
grant usage on schema tenon to service_role, pg_monitor;
grant execute on function tenon.slow_queries(integer) to service_role, pg_monitor;
`,
        down: `drop function tenon.slow_queries(integer);`,
      },
    ],
  },
  outbox: {
    name: 'outbox',
    kind: 'feature',
    requires: ['roles'],
    files: [
      {
        version: '0001',
        slug: 'outbox',
        path: 'sql/modules/outbox/0001_outbox.sql',
        privilege: 'CREATE on the database, GRANT on schema tenon',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'table', schema: 'tenon', name: 'outbox' }, { kind: 'table', schema: 'tenon', name: 'outbox_keys' }, { kind: 'function', schema: 'tenon', name: 'enqueue' }, { kind: 'index', schema: 'tenon', name: 'outbox_available_at_idx' }, { kind: 'index', schema: 'tenon', name: 'outbox_key_idx' }, { kind: 'index', schema: 'tenon', name: 'outbox_idempotency_key_key' }, { kind: 'index', schema: 'tenon', name: 'outbox_delivered_at_idx' }, { kind: 'index', schema: 'tenon', name: 'outbox_dead_at_idx' }],
        sha256: '10dd1937ad771c13cee2af4f94478fbd8e7bcc01ef52c4bd66c3585ca3c835b6',
        sql: `-- tenon.outbox: events that are written in the transaction of the data they tell of, and the right to write one.
--
-- purpose: tenon.enqueue(topic, …) adds an event to the transaction it is called in: it is committed with the data or not at
--   all. Relays take events by tenon.claim_events (0002), never by "id > cursor": ids become visible in another order than
--   they are given, and such a reader loses what was committed late.
--   Two transactions that enqueue for one key wait for each other, as two that update one row do; so the events of a key
--   have ids in the order in which they were committed. Enqueue after the writes that the event tells of.
--   A second event with the same idempotency_key in a topic is not written: the id of the first is returned.
--   Sessions can write and not read. Payload, key and topic are what the session says; enqueued_by and enqueued_role are
--   what it was. Where end users can send SQL of their own, revoke EXECUTE from authenticated and enqueue in triggers.
-- parameters: none. tenon.enqueue: topic text, payload jsonb default {}, key text, headers jsonb default {} (an object),
--   idempotency_key text, available_at timestamptz default now
-- privilege: CREATE on the database, GRANT on schema tenon
-- oldest postgresql: 15
-- source: https://microservices.io/patterns/data/transactional-outbox.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.enqueue(text, jsonb, text, jsonb, text, timestamptz);
--   drop table tenon.outbox, tenon.outbox_keys;

create schema if not exists tenon;

create table tenon.outbox (
  id bigint generated always as identity,
  topic text not null,
  key text,
  payload jsonb not null,
  headers jsonb not null,
  idempotency_key text,
  enqueued_by text,
  enqueued_role text not null,
  created_at timestamptz not null default pg_catalog.now(),
  available_at timestamptz not null,
  attempts integer not null default 0,
  claimed_by text,
  claimed_until timestamptz,
  last_error text,
  delivered_at timestamptz,
  dead_at timestamptz,
  waits boolean not null default false,
  followed boolean not null default false,
  constraint outbox_pkey primary key (id),
  -- The lengths keep every index entry below its limit of 2,704 bytes.
  constraint outbox_topic_check check (pg_catalog.length(topic) between 1 and 200),
  constraint outbox_key_check check (pg_catalog.length(key) between 1 and 400),
  constraint outbox_idempotency_key_check check (pg_catalog.length(idempotency_key) between 1 and 400),
  constraint outbox_headers_check check (pg_catalog.jsonb_typeof(headers) = 'object'),
  constraint outbox_state_check check (
    pg_catalog.num_nonnulls(claimed_by, claimed_until) in (0, 2)
    and pg_catalog.num_nonnulls(claimed_by, delivered_at, dead_at) <= 1
  )
)
-- A row is written three times: enqueued, claimed, delivered. With room on its page the claim writes no index (HOT).
with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

comment on table tenon.outbox is 'Events to be delivered at least once. Written by tenon.enqueue, handed out by tenon.claim_events; sessions cannot read it.';
comment on column tenon.outbox.key is 'Events of one key are handed out one after the other, in order of id, across topics; null for no order.';
comment on column tenon.outbox.enqueued_by is 'The subject of the session that enqueued it, which the caller cannot choose; null when there was none.';
comment on column tenon.outbox.enqueued_role is 'The role that enqueued it, which the caller cannot choose.';
comment on column tenon.outbox.available_at is 'Not handed out before. A failed attempt moves it.';
comment on column tenon.outbox.attempts is 'How often it was handed out.';
comment on column tenon.outbox.claimed_until is 'Until then it is the claimer''s; afterwards it is handed out again.';
comment on column tenon.outbox.waits is 'Put aside by a claim because an earlier event of its key is open; claims do not look at it until that one lets it go.';
comment on column tenon.outbox.followed is 'An event of its key waits: the next one is let go when this one is delivered or dead.';
comment on column tenon.outbox.dead_at is 'Given up: not handed out and no longer in the way of its key, until tenon.revive_events.';

-- Small however many delivered events there are. Nothing of a claim is in them: an indexed column would cost the HOT update.
create index outbox_available_at_idx on tenon.outbox (available_at, id)
  where delivered_at is null and dead_at is null and not waits;
create index outbox_key_idx on tenon.outbox (key, id)
  where key is not null and delivered_at is null and dead_at is null;
create unique index outbox_idempotency_key_key on tenon.outbox (topic, idempotency_key)
  where idempotency_key is not null;
create index outbox_delivered_at_idx on tenon.outbox (delivered_at) where delivered_at is not null;
create index outbox_dead_at_idx on tenon.outbox (dead_at) where dead_at is not null;

-- Rows to lock and nothing more. Advisory locks would live in the server's shared lock table, which a transaction with
-- some thousand keys fills for everybody (53200).
create table tenon.outbox_keys (
  key text not null,
  constraint outbox_keys_pkey primary key (key)
);
comment on table tenon.outbox_keys is 'What transactions that enqueue for one key wait on; purged with the events.';

alter table tenon.outbox enable row level security;
alter table tenon.outbox_keys enable row level security;

-- For the functions, which run as the owner: under FORCE ROW LEVEL SECURITY they would see nothing without it.
create policy outbox_definer_policy on tenon.outbox for all to current_user using (true) with check (true);
create policy outbox_keys_definer_policy on tenon.outbox_keys for all to current_user using (true) with check (true);
-- To look at; what is written goes through the functions. For servers where service_role has no BYPASSRLS.
create policy outbox_service_role_policy on tenon.outbox for select to service_role using (true);

revoke all on table tenon.outbox, tenon.outbox_keys from public, anon, authenticated, service_role;
revoke all on sequence tenon.outbox_id_seq from public, anon, authenticated, service_role;
grant usage on schema tenon to authenticated, service_role;
grant select on table tenon.outbox to service_role;

-- Defined with its owner's rights, so that sessions need none on the table.
create function tenon.enqueue(
  topic text,
  payload jsonb default '{}',
  key text default null,
  headers jsonb default '{}',
  idempotency_key text default null,
  available_at timestamptz default null
) returns bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
#variable_conflict use_column
declare
  due constant timestamptz := coalesce(enqueue.available_at, pg_catalog.now());
  event_id bigint;
begin
  -- Held to the end of the transaction, and taken before the id is: whoever gets a later id sees this event.
  while enqueue.key is not null loop
    insert into tenon.outbox_keys (key) values (enqueue.key) on conflict do nothing;
    perform from tenon.outbox_keys as held where held.key = enqueue.key for no key update;
    exit when found; -- else purge_events took it between the two statements
  end loop;

  insert into tenon.outbox (topic, key, payload, headers, idempotency_key, available_at, enqueued_by, enqueued_role)
  values (
    enqueue.topic,
    enqueue.key,
    enqueue.payload,
    enqueue.headers,
    enqueue.idempotency_key,
    due,
    nullif(
      nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'sub',
      ''
    ),
    -- current_user is the owner here.
    coalesce(nullif(pg_catalog.current_setting('role'), 'none'), session_user)
  )
  on conflict (topic, idempotency_key) where idempotency_key is not null do nothing
  returning id into event_id;

  if event_id is null then
    select event.id into event_id
    from tenon.outbox as event
    where event.topic = enqueue.topic and event.idempotency_key = enqueue.idempotency_key;
  -- An event for later wakes nobody now. Channel and payload are always the same: one notification per transaction.
  elsif due <= pg_catalog.now() then
    perform pg_catalog.pg_notify('tenon_outbox', '');
  end if;
  return event_id;
end
$function$;
comment on function tenon.enqueue(text, jsonb, text, jsonb, text, timestamptz) is 'Adds an event to this transaction and returns its id; that of the first one when the topic has the idempotency key already. Notifies channel tenon_outbox, without data.';
revoke all on function tenon.enqueue(text, jsonb, text, jsonb, text, timestamptz) from public, anon;
grant execute on function tenon.enqueue(text, jsonb, text, jsonb, text, timestamptz) to authenticated, service_role;
`,
        down: `drop function tenon.enqueue(text, jsonb, text, jsonb, text, timestamptz);
drop table tenon.outbox, tenon.outbox_keys;`,
      },
      {
        version: '0002',
        slug: 'relay',
        path: 'sql/modules/outbox/0002_relay.sql',
        privilege: 'CREATE on schema tenon',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'function', schema: 'tenon', name: 'claim_events' }, { kind: 'function', schema: 'tenon', name: 'let_next_event_go' }, { kind: 'function', schema: 'tenon', name: 'complete_events' }, { kind: 'function', schema: 'tenon', name: 'fail_event' }, { kind: 'function', schema: 'tenon', name: 'extend_events' }, { kind: 'function', schema: 'tenon', name: 'release_events' }, { kind: 'function', schema: 'tenon', name: 'revive_events' }, { kind: 'function', schema: 'tenon', name: 'purge_events' }],
        sha256: '754a0410d7e795c87f1966564da021c57fed33d6dab96ffd956bc52c361b2275',
        sql: `-- How relays take events out of tenon.outbox: claim, then complete, fail, extend or release; revive and purge.
--
-- purpose: at least once, and the events of a key one after the other. An event is handed out when it is due, nobody holds
--   it, and no earlier event of its key is undelivered. Who does not complete it before the lease ends loses it to the next
--   claim; what somebody does then with the lost event changes nothing, and the functions tell so. A worker's name is one
--   per process and start, such as a uuid. Handlers see an event twice after a crash: make them idempotent by its id.
--   An event that was handed out max_attempts times is dead: it is set aside and its key goes on. Give claim_events and
--   fail_event the same max_attempts. A process that dies with an event is counted as well.
--   A relay claims until nothing comes, then waits for channel tenon_outbox or some seconds: notifications are a hint.
-- parameters: none. worker text, batch integer default 100, lease interval default 1 minute, max_attempts integer default 10,
--   topics text[] default all, ids bigint[], id bigint, error text (kept to 500 characters; a code rather than a message with
--   data), retry_in interval (null for never again), older_than interval
-- privilege: CREATE on schema tenon
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop trigger outbox_ended on tenon.outbox;
--   drop trigger outbox_deleted on tenon.outbox;
--   drop function tenon.let_next_event_go();
--   drop function tenon.claim_events(text, integer, interval, integer, text[]);
--   drop function tenon.complete_events(text, bigint[]);
--   drop function tenon.fail_event(text, bigint, text, interval, integer);
--   drop function tenon.extend_events(text, bigint[], interval);
--   drop function tenon.release_events(text, bigint[]);
--   drop function tenon.revive_events(bigint[]);
--   drop function tenon.purge_events(interval, integer);

-- All of them are defined with their owner's rights: service_role may call them and write nothing else.
-- clock_timestamp(), because now() is the beginning of the caller's transaction, which may be older than a whole lease.

create function tenon.claim_events(
  worker text,
  batch integer default 100,
  lease interval default '1 minute',
  max_attempts integer default 10,
  topics text[] default null
) returns table (
  id bigint,
  topic text,
  key text,
  payload jsonb,
  headers jsonb,
  idempotency_key text,
  enqueued_by text,
  enqueued_role text,
  created_at timestamptz,
  attempts integer,
  claimed_until timestamptz
)
  language plpgsql volatile security definer
  set search_path = ''
as $function$
#variable_conflict use_column
declare
  moment constant timestamptz := pg_catalog.clock_timestamp();
  picked bigint[];
  last_at timestamptz := moment;
  last_id bigint := 9223372036854775807;
begin
  if coalesce(claim_events.worker, '') = '' or not coalesce(claim_events.batch >= 1, false)
    or not coalesce(claim_events.lease > interval '0', false) or not coalesce(claim_events.max_attempts >= 1, false)
  then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'claim_events takes a worker with a name, and batch, lease and max_attempts above zero';
  end if;

  picked := array(
    select event.id
    from tenon.outbox as event
    where event.delivered_at is null and event.dead_at is null and not event.waits
      and event.available_at <= moment
      and (event.claimed_until is null or event.claimed_until <= moment)
      and (claim_events.topics is null or event.topic = any (claim_events.topics))
      -- The first open event of its key. As a subquery that is asked per candidate: NOT EXISTS may become a join with all
      -- open events. It cannot overlook an earlier one, because enqueue gives the ids of a key in order of commit.
      and (event.key is null or event.id = (
        select pg_catalog.min(first.id)
        from tenon.outbox as first
        where first.key = event.key and first.delivered_at is null and first.dead_at is null
      ))
    order by event.available_at, event.id
    limit claim_events.batch
    for update of event skip locked
  );

  return query
  with taken as (
    update tenon.outbox as event set
      attempts = event.attempts + case when fate.dead then 0 else 1 end,
      claimed_by = case when not fate.dead then claim_events.worker end,
      claimed_until = case when not fate.dead then moment + claim_events.lease end,
      dead_at = case when fate.dead then moment end,
      last_error = case when fate.dead and event.claimed_by is not null then 'the lease ended' else event.last_error end
    from (
      select own.id, own.attempts >= claim_events.max_attempts as dead
      from tenon.outbox as own where own.id = any (picked)
    ) as fate
    where event.id = fate.id
    returning event.*
  )
  select
    taken.id, taken.topic, taken.key, taken.payload, taken.headers, taken.idempotency_key,
    taken.enqueued_by, taken.enqueued_role, taken.created_at, taken.attempts, taken.claimed_until
  from taken
  where taken.dead_at is null
  order by taken.id;

  -- One key with a long queue must not slow down the others: where many events had to be passed over because an earlier
  -- one of their key is open, they are put aside. 500 of them cost a claim about 5 ms.
  if pg_catalog.cardinality(picked) = claim_events.batch then
    select event.available_at, event.id into last_at, last_id
    from tenon.outbox as event where event.id = picked[claim_events.batch];
  end if;
  perform from tenon.outbox as event
  where event.delivered_at is null and event.dead_at is null and not event.waits
    and (event.available_at, event.id) <= (last_at, last_id)
    and event.key is not null and event.claimed_until is null
  offset 500 limit 1;
  if not found then return; end if;

  with passed as materialized (
    select event.id, event.key
    from tenon.outbox as event
    where event.delivered_at is null and event.dead_at is null and not event.waits
      and (event.available_at, event.id) <= (last_at, last_id)
      and event.key is not null and event.claimed_until is null
      and event.id > (
        select pg_catalog.min(first.id)
        from tenon.outbox as first
        where first.key = event.key and first.delivered_at is null and first.dead_at is null
      )
    order by event.available_at, event.id
    limit 10000
    for update of event skip locked
  ), open_first as materialized (
    -- Locked, so that it cannot end between here and the commit without seeing who waits for it; and written, so that
    -- under REPEATABLE READ it cannot either. Whoever ends it right now is left alone, and its followers too.
    select first.id
    from tenon.outbox as first
    where first.delivered_at is null and first.dead_at is null and first.id in (
      select (
        select pg_catalog.min(earliest.id)
        from tenon.outbox as earliest
        where earliest.key = queue.key and earliest.delivered_at is null and earliest.dead_at is null
      )
      from (select distinct passed.key from passed) as queue
    )
    for update of first skip locked
  ), marked as (
    update tenon.outbox as event set followed = true
    from open_first
    where event.id = open_first.id
    returning event.key
  )
  update tenon.outbox as event set waits = true
  from passed join marked on marked.key = passed.key
  where event.id = passed.id;
end
$function$;
comment on function tenon.claim_events(text, integer, interval, integer, text[]) is 'Hands out due events to a worker until the lease ends, at most one of each key. Fewer than batch does not mean that there are no more.';

-- In a trigger, so that an event which somebody deletes or changes by hand lets its followers go as well.
create function tenon.let_next_event_go() returns trigger
  language plpgsql volatile security definer
  set search_path = ''
as $function$
begin
  update tenon.outbox as event set waits = false, followed = true
  where event.id = (
    select pg_catalog.min(first.id)
    from tenon.outbox as first
    where first.key = old.key and first.delivered_at is null and first.dead_at is null
  );
  return null;
end
$function$;
comment on function tenon.let_next_event_go() is 'Trigger function: the next event of a key no longer waits when the one before it has ended.';

create trigger outbox_ended
  after update on tenon.outbox
  for each row when (
    old.followed and pg_catalog.num_nonnulls(old.delivered_at, old.dead_at) = 0
    and pg_catalog.num_nonnulls(new.delivered_at, new.dead_at) = 1
  )
  execute function tenon.let_next_event_go();
create trigger outbox_deleted
  after delete on tenon.outbox
  for each row when (old.followed)
  execute function tenon.let_next_event_go();

create function tenon.complete_events(worker text, ids bigint[]) returns setof bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
begin
  return query
  update tenon.outbox as event set
    delivered_at = pg_catalog.clock_timestamp(), claimed_by = null, claimed_until = null, last_error = null
  where event.id = any (complete_events.ids) and event.claimed_by = complete_events.worker
  returning event.id;
end
$function$;
comment on function tenon.complete_events(text, bigint[]) is 'Marks events as delivered and returns the ids that the worker still held; the others were handed to somebody else.';

create function tenon.fail_event(
  worker text,
  id bigint,
  error text,
  retry_in interval,
  max_attempts integer default 10
) returns text
  language plpgsql volatile security definer
  set search_path = ''
as $function$
#variable_conflict use_column
declare
  moment constant timestamptz := pg_catalog.clock_timestamp();
  outcome text;
begin
  update tenon.outbox as event set
    claimed_by = null,
    claimed_until = null,
    last_error = pg_catalog.left(fail_event.error, 500),
    available_at = case
      when event.attempts < fail_event.max_attempts then coalesce(moment + fail_event.retry_in, event.available_at)
      else event.available_at
    end,
    dead_at = case when fail_event.retry_in is null or event.attempts >= fail_event.max_attempts then moment end
  where event.id = fail_event.id and event.claimed_by = fail_event.worker
  returning case when event.dead_at is null then 'waiting' else 'dead' end into outcome;
  return outcome;
end
$function$;
comment on function tenon.fail_event(text, bigint, text, interval, integer) is 'Gives an event back after a failed attempt: ''waiting'' until retry_in is over, ''dead'' when that was the last attempt or retry_in is null; null when the worker no longer held it.';

create function tenon.extend_events(worker text, ids bigint[], lease interval) returns setof bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
begin
  return query
  update tenon.outbox as event set claimed_until = pg_catalog.clock_timestamp() + extend_events.lease
  where event.id = any (extend_events.ids) and event.claimed_by = extend_events.worker
  returning event.id;
end
$function$;
comment on function tenon.extend_events(text, bigint[], interval) is 'Lets the lease end that much from now and returns the ids that the worker still held: stop handling the others.';

create function tenon.release_events(worker text, ids bigint[]) returns setof bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
begin
  perform pg_catalog.pg_notify('tenon_outbox', '');
  return query
  update tenon.outbox as event set
    claimed_by = null, claimed_until = null, attempts = event.attempts - 1
  where event.id = any (release_events.ids) and event.claimed_by = release_events.worker
  returning event.id;
end
$function$;
comment on function tenon.release_events(text, bigint[]) is 'Gives back events that were never tried, as a relay that shuts down does; it does not count as an attempt.';

create function tenon.revive_events(ids bigint[]) returns setof bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
begin
  perform pg_catalog.pg_notify('tenon_outbox', '');
  return query
  update tenon.outbox as event set
    dead_at = null, attempts = 0, available_at = pg_catalog.clock_timestamp()
  where event.id = any (revive_events.ids) and event.dead_at is not null
  returning event.id;
end
$function$;
comment on function tenon.revive_events(bigint[]) is 'Lets dead events be tried again, after those of their key that overtook them, and returns their ids.';

create function tenon.purge_events(older_than interval, batch integer default 10000) returns integer
  language plpgsql volatile security definer
  set search_path = ''
as $function$
declare
  purged integer;
begin
  delete from tenon.outbox as event
  where event.id in (
    select old.id
    from tenon.outbox as old
    where old.delivered_at < pg_catalog.clock_timestamp() - purge_events.older_than
    order by old.delivered_at
    limit purge_events.batch
    for update skip locked
  );
  get diagnostics purged = row_count;
  -- A key is only something to wait on: one that is needed again is made again.
  delete from tenon.outbox_keys as held
  where held.key in (
    select unused.key
    from tenon.outbox_keys as unused
    where not exists (
      select from tenon.outbox as event
      where event.key = unused.key and event.delivered_at is null and event.dead_at is null
    )
    limit purge_events.batch
    for update of unused skip locked
  );
  return purged;
end
$function$;
comment on function tenon.purge_events(interval, integer) is 'Deletes events that were delivered longer ago, and with them their idempotency keys; returns how many: call it until it is less than batch. Dead events stay.';

revoke all on function tenon.let_next_event_go() from public, anon, authenticated, service_role;
revoke all on function
  tenon.claim_events(text, integer, interval, integer, text[]),
  tenon.complete_events(text, bigint[]),
  tenon.fail_event(text, bigint, text, interval, integer),
  tenon.extend_events(text, bigint[], interval),
  tenon.release_events(text, bigint[]),
  tenon.revive_events(bigint[]),
  tenon.purge_events(interval, integer)
from public, anon, authenticated;
grant execute on function
  tenon.claim_events(text, integer, interval, integer, text[]),
  tenon.complete_events(text, bigint[]),
  tenon.fail_event(text, bigint, text, interval, integer),
  tenon.extend_events(text, bigint[], interval),
  tenon.release_events(text, bigint[]),
  tenon.revive_events(bigint[]),
  tenon.purge_events(interval, integer)
to service_role;
`,
        down: `drop trigger outbox_ended on tenon.outbox;
drop trigger outbox_deleted on tenon.outbox;
drop function tenon.let_next_event_go();
drop function tenon.claim_events(text, integer, interval, integer, text[]);
drop function tenon.complete_events(text, bigint[]);
drop function tenon.fail_event(text, bigint, text, interval, integer);
drop function tenon.extend_events(text, bigint[], interval);
drop function tenon.release_events(text, bigint[]);
drop function tenon.revive_events(bigint[]);
drop function tenon.purge_events(interval, integer);`,
      },
    ],
  },
  partitions: {
    name: 'partitions',
    kind: 'feature',
    requires: ['roles'],
    files: [
      {
        version: '0001',
        slug: 'partitions',
        path: 'sql/modules/partitions/0001_partitions.sql',
        privilege: 'CREATE on the database; calling the functions takes ownership of the table',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'function', schema: 'tenon', name: 'create_partitions' }, { kind: 'function', schema: 'tenon', name: 'drop_partitions' }, { kind: 'function', schema: 'tenon', name: 'default_partition_rows' }],
        sha256: '4b65e3c70879e80be300130766596ea55f72d469134f1008c1316565b0db18f5',
        sql: `-- Partitions by time: making them ahead, dropping old ones, and seeing rows that found none.
--
-- purpose: keeps a table that is partitioned by RANGE over one column of type date, timestamp or timestamptz supplied with
--   partitions. Bounds are in UTC, whatever the session's time zone is. A host that has pg_partman does not need it.
--     select tenon.create_partitions('public.events', 'month', 3)
--   Every new partition has row security on and no grant: rows are reached through the parent and its policies only.
-- parameters: none. The functions: parent regclass; unit text, day, week, month or year; ahead integer, how many after the
--   current one; since timestamptz, where to begin; older_than timestamptz
-- privilege: CREATE on the database; calling the functions takes ownership of the table
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/ddl-partitioning.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.default_partition_rows(regclass);
--   drop function tenon.drop_partitions(regclass, timestamptz);
--   drop function tenon.create_partitions(regclass, text, integer, timestamptz);

create schema if not exists tenon;

-- "set timezone" makes the server print and read bounds in UTC.
create function tenon.create_partitions(
  parent regclass,
  unit text,
  ahead integer default 3,
  since timestamptz default pg_catalog.now()
) returns setof text
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
as $function$
declare
  parent_name constant text := (select relname from pg_catalog.pg_class where oid = parent);
  parent_schema constant text :=
    (select namespace.nspname from pg_catalog.pg_class as class
     join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace where class.oid = parent);
  starts timestamp;
  ends timestamp;
  suffix text;
  stem text;
  partition_name text;
  existing oid;
  grantee text;
begin
  if unit not in ('day', 'week', 'month', 'year') or ahead < 0 or ahead > 1000 or since is null then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'partitions_arguments',
      message = 'create_partitions: unit is day, week, month or year, ahead 0 to 1000, and since a time';
  end if;
  if not exists (
    select from pg_catalog.pg_partitioned_table as partitioned
    join pg_catalog.pg_attribute as attribute
      on attribute.attrelid = partitioned.partrelid and attribute.attnum = partitioned.partattrs[0]
    where partitioned.partrelid = parent and partitioned.partstrat = 'r' and partitioned.partnatts = 1
      and attribute.atttypid in (
        'pg_catalog.date'::pg_catalog.regtype, 'pg_catalog.timestamp'::pg_catalog.regtype, 'pg_catalog.timestamptz'::pg_catalog.regtype
      )
  ) then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_not_by_time',
      message = pg_catalog.format('%s is not partitioned by range over one column of a time', parent),
      hint = 'create table … partition by range (at)';
  end if;

  -- Two callers at once would both find a partition missing.
  execute pg_catalog.format('lock table %s in share update exclusive mode', parent);

  for step in 0 .. ahead loop
    starts := pg_catalog.date_trunc(unit, since at time zone 'UTC') + step * ('1 ' || unit)::pg_catalog.interval;
    ends := starts + ('1 ' || unit)::pg_catalog.interval;
    suffix := '_p' || pg_catalog.to_char(starts, case unit when 'year' then 'YYYY' when 'month' then 'YYYYMM' else 'YYYYMMDD' end);
    -- 63 bytes at most; what is cut is told apart by a hash of the whole name.
    stem := parent_name;
    if pg_catalog.octet_length(stem || suffix) > 63 then
      while pg_catalog.octet_length(stem || suffix) > 63 - 7 loop
        stem := pg_catalog.left(stem, -1);
      end loop;
      stem := stem || '_' || pg_catalog.left(pg_catalog.md5(parent_name), 6);
    end if;
    partition_name := stem || suffix;

    existing := (
      select class.oid from pg_catalog.pg_class as class
      join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
      where namespace.nspname = parent_schema and class.relname = partition_name
    );
    if existing is not null then
      continue when exists (select from pg_catalog.pg_inherits where inhparent = parent and inhrelid = existing);
      raise exception using
        errcode = 'duplicate_table',
        constraint = 'partitions_name_taken',
        message = pg_catalog.format('table %I.%I is in the way: it is no partition of %s', parent_schema, partition_name, parent),
        hint = 'rename it, or attach it';
    end if;

    -- Attaching takes a weaker lock on the parent than creating in place would.
    execute pg_catalog.format(
      'create table %I.%I (like %s including all excluding indexes excluding identity)',
      parent_schema, partition_name, parent
    );
    execute pg_catalog.format('alter table %I.%I enable row level security', parent_schema, partition_name);
    -- Default privileges of the host may have granted what row security on the parent was to guard.
    for grantee in
      select case acl.grantee when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(acl.grantee)) end
      from pg_catalog.pg_class as class, pg_catalog.aclexplode(class.relacl) as acl
      where class.oid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', parent_schema, partition_name))
        and acl.grantee <> class.relowner
      group by acl.grantee
    loop
      execute pg_catalog.format('revoke all on table %I.%I from %s', parent_schema, partition_name, grantee);
    end loop;
    begin
      execute pg_catalog.format(
        'alter table %s attach partition %I.%I for values from (%L) to (%L)',
        parent, parent_schema, partition_name, starts at time zone 'UTC', ends at time zone 'UTC'
      );
    exception when check_violation then
      raise exception using
        errcode = 'check_violation',
        constraint = 'partitions_default_rows',
        message = pg_catalog.format('rows in the default partition of %s belong into %s', parent, partition_name),
        hint = pg_catalog.format(
          'move them: detach the default partition, make the partition, insert the rows into the parent (%s rows lie there)',
          tenon.default_partition_rows(parent)
        );
    end;
    return next partition_name;
  end loop;
end
$function$;

comment on function tenon.create_partitions(regclass, text, integer, timestamptz) is 'Makes the partitions that are missing, from the one that holds "since" to "ahead" later ones, and returns their names.';

create function tenon.drop_partitions(parent regclass, older_than timestamptz) returns setof text
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
as $function$
declare
  old record;
begin
  for old in
    select namespace.nspname, class.relname
    from pg_catalog.pg_inherits as inherits
    join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    cross join lateral (
      select pg_catalog.substring(pg_catalog.pg_get_expr(class.relpartbound, class.oid), $re$TO \\('([^']+)'\\)$$re$) as upper_bound
    ) as bound
    -- The default partition has no upper bound, and neither has one up to MAXVALUE.
    where inherits.inhparent = parent and bound.upper_bound is not null and bound.upper_bound <> 'infinity'
      and bound.upper_bound::pg_catalog.timestamptz <= older_than
    order by bound.upper_bound::pg_catalog.timestamptz
  loop
    execute pg_catalog.format('alter table %s detach partition %I.%I', parent, old.nspname, old.relname);
    execute pg_catalog.format('drop table %I.%I', old.nspname, old.relname);
    return next old.relname;
  end loop;
end
$function$;

comment on function tenon.drop_partitions(regclass, timestamptz) is 'Drops, with their rows, the partitions that end at or before "older_than", and returns their names. Never the default partition.';

create function tenon.default_partition_rows(parent regclass) returns bigint
  language plpgsql stable
  set search_path = ''
as $function$
declare
  default_partition constant oid := (select partdefid from pg_catalog.pg_partitioned_table where partrelid = parent);
  found_rows bigint := 0;
begin
  if default_partition is not null and default_partition <> 0 then
    execute pg_catalog.format('select count(*) from only %s', default_partition::pg_catalog.regclass) into found_rows;
  end if;
  return found_rows;
end
$function$;

comment on function tenon.default_partition_rows(regclass) is 'Rows in the default partition, 0 when there is none: they keep the partition that they belong into from being made.';

revoke all on function tenon.create_partitions(regclass, text, integer, timestamptz) from public;
revoke all on function tenon.drop_partitions(regclass, timestamptz) from public;
revoke all on function tenon.default_partition_rows(regclass) from public;
`,
        down: `drop function tenon.default_partition_rows(regclass);
drop function tenon.drop_partitions(regclass, timestamptz);
drop function tenon.create_partitions(regclass, text, integer, timestamptz);`,
      },
    ],
  },
  projects: {
    name: 'projects',
    kind: 'demo',
    requires: ['auth', 'roles', 'timestamps'],
    files: [
      {
        version: '0001',
        slug: 'projects',
        path: 'sql/modules/projects/0001_projects.sql',
        privilege: 'CREATE on the schema, GRANT on it',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [':"schema"', ':id_type'],
        creates: [{ kind: 'table', schema: ':"schema"', name: 'projects' }, { kind: 'index', schema: ':"schema"', name: 'projects_owner_id_created_at_idx' }, { kind: 'index', schema: ':"schema"', name: 'projects_owner_id_updated_at_idx' }, { kind: 'index', schema: ':"schema"', name: 'projects_metadata_idx' }, { kind: 'index', schema: ':"schema"', name: 'projects_metadata_tags_idx' }],
        sha256: '5ed63941fc04a9cca99f34afbe009e6471bcaf8c2bb33f856b4b02b69bb69a8f',
        sql: `-- projects: named things with a free-form jsonb column.
--
-- purpose: the table of the demo that is queried by JSON and paged by its owner.
-- parameters: :"schema" identifier, where the table is made; :id_type uuid, text or bigint, the type of a user's identity
-- privilege: CREATE on the schema, GRANT on it
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/datatype-json.html#JSON-INDEXING
-- requires: roles, auth, timestamps
-- transactional: yes
-- kind: demo
-- down:
--   drop table :"schema".projects;

create table :"schema".projects (
  id uuid not null default pg_catalog.gen_random_uuid(),
  owner_id :id_type not null default cast(tenon.subject() as :id_type),
  name text not null,
  slug text not null,
  metadata jsonb not null default '{}',
  status text not null default 'active',
  created_at timestamptz not null default pg_catalog.now(),
  updated_at timestamptz not null default pg_catalog.now(),
  constraint projects_pkey primary key (id),
  -- Per owner: a slug that were unique for all would tell one tenant which names another has.
  constraint projects_slug_key unique (owner_id, slug),
  constraint projects_status_check check (status in ('active', 'paused', 'archived'))
);

comment on table :"schema".projects is 'Projects; the owner sees and changes only the own ones.';
comment on column :"schema".projects.metadata is 'Free-form JSON, such as {"tags": ["important"], "priority": 4}; other types at these keys are allowed.';

-- Both lead with the column of the policy. Pages by time; and the list most screens show, which leaves the rest out.
create index projects_owner_id_created_at_idx on :"schema".projects (owner_id, created_at desc, id);
create index projects_owner_id_updated_at_idx on :"schema".projects (owner_id, updated_at desc) where status = 'active';

-- For @>, @? and @@ on the whole document. These operators are not leakproof, so under row-level security PostgreSQL
-- first narrows by owner (the indexes above) and then filters; roles that bypass row security use these two directly.
create index projects_metadata_idx on :"schema".projects using gin (metadata jsonb_path_ops);
-- For \`metadata -> 'tags' ? 'important'\`: the operator ? needs jsonb_ops, the default class.
create index projects_metadata_tags_idx on :"schema".projects using gin ((metadata -> 'tags'));

create trigger update_project_modtime
  before update on :"schema".projects
  for each row execute function tenon.update_modified_column();

alter table :"schema".projects enable row level security;

-- The subject is cast, never the column: a cast column cannot use its index. The (select …) makes it run once per query.
create policy projects_owner_id_policy on :"schema".projects
  for all to authenticated
  using (owner_id = (select cast(tenon.subject() as :id_type)))
  with check (owner_id = (select cast(tenon.subject() as :id_type)));

-- For servers where nobody may give BYPASSRLS; without effect where service_role has it.
create policy projects_service_role_policy on :"schema".projects
  for all to service_role using (true) with check (true);

-- Default privileges of the host (Supabase grants ALL) would leave TRUNCATE, which no policy stops.
revoke all on table :"schema".projects from public, anon, authenticated, service_role;
grant usage on schema :"schema" to anon, authenticated, service_role;
grant select on table :"schema".projects to anon;
grant select, insert, update, delete on table :"schema".projects to authenticated, service_role;
`,
        down: `drop table :"schema".projects;`,
      },
    ],
  },
  reports: {
    name: 'reports',
    kind: 'feature',
    requires: ['roles'],
    files: [
      {
        version: '0001',
        slug: 'view_refreshes',
        path: 'sql/modules/reports/0001_view_refreshes.sql',
        privilege: 'CREATE on the database; refreshing takes ownership of the view, or MAINTAIN on it (PostgreSQL 17)',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'table', schema: 'tenon', name: 'view_refreshes' }, { kind: 'function', schema: 'tenon', name: 'refresh_view' }, { kind: 'function', schema: 'tenon', name: 'view_freshness' }, { kind: 'index', schema: 'tenon', name: 'view_refreshes_view_id_idx' }],
        sha256: '9fba1a39d3c0c7319904cbfae76db3ba3e5d87edae3901f1628b20e24b6e7e03',
        sql: `-- Refreshing materialized views: one at a time, remembered, and only when they are too old.
--
-- purpose: tenon.refresh_view(view) refreshes a materialized view and writes down that it did: tenon.view_refreshes keeps the
--   last 100 refreshes of each. Two callers wait for each other (or, with wait => false, the second is told that the view is
--   busy), and with max_age the second finds it fresh: it is refreshed once.
--   What went wrong with a refresh is returned and remembered as an SQLSTATE and not raised: an error would roll back the memory
--   of it. Deadlocks, timeouts and cancels are raised. A view that was never filled is refreshed plainly, also concurrently.
--   tenon.view_freshness(view) says when a view was last refreshed, to sessions too. It has its owner's rights, because sessions
--   see nothing of the table behind it, and gives no more than times and an SQLSTATE.
-- parameters: none. The functions: view regclass; concurrent boolean, so that readers read on (takes a unique index);
--   max_age interval, null refreshes always; wait boolean. Statuses: refreshed, fresh, busy, unindexed, failed
-- privilege: CREATE on the database; refreshing takes ownership of the view, or MAINTAIN on it (PostgreSQL 17)
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.view_freshness(regclass);
--   drop function tenon.refresh_view(regclass, boolean, interval, boolean);
--   drop table tenon.view_refreshes;

create schema if not exists tenon;

create table tenon.view_refreshes (
  id bigint generated always as identity,
  view regclass not null,
  concurrent boolean not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  row_count bigint,
  refreshed_by text not null,
  error_code text,
  constraint view_refreshes_pkey primary key (id),
  constraint view_refreshes_row_count_check check ((row_count is null) = (error_code is not null))
);

comment on table tenon.view_refreshes is 'One row per refresh of a materialized view: when, how long, how many rows, by whom, or the SQLSTATE it failed with.';

create index view_refreshes_view_id_idx on tenon.view_refreshes (view, id desc);

alter table tenon.view_refreshes enable row level security;

create policy view_refreshes_service_role_policy on tenon.view_refreshes
  for all to service_role using (true) with check (true);

create function tenon.refresh_view(
  view regclass,
  concurrent boolean default false,
  max_age interval default null,
  wait boolean default true
) returns table (status text, started_at timestamptz, finished_at timestamptz, row_count bigint, error_code text)
  language plpgsql
  set search_path = ''
as $function$
declare
  -- "tenr" and the view: no other lock of ours has these upper 32 bits.
  lock_key constant bigint := (x'74656e72'::bigint << 32) | view::oid::bigint;
  filled boolean;
  refreshed_at timestamptz;
begin
  select class.relispopulated into filled from pg_catalog.pg_class as class where class.oid = view and class.relkind = 'm';
  if filled is null then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'refresh_view_kind',
      message = pg_catalog.format('%s is no materialized view', view),
      hint = 'create materialized view …';
  end if;

  if wait then
    perform pg_catalog.pg_advisory_xact_lock(lock_key);
  elsif not pg_catalog.pg_try_advisory_xact_lock(lock_key) then
    status := 'busy';
    return next;
    return;
  end if;

  -- Asked for behind the lock: whoever had it may just have refreshed.
  select refresh.finished_at, refresh.started_at, refresh.row_count into refreshed_at, started_at, row_count
  from tenon.view_refreshes as refresh
  where refresh.view = refresh_view.view and refresh.error_code is null
  order by refresh.id desc limit 1;
  select class.relispopulated into filled from pg_catalog.pg_class as class where class.oid = view;
  -- Its age is that of what it shows, which is as old as the beginning of its refresh.
  if filled and max_age is not null and started_at >= pg_catalog.clock_timestamp() - max_age then
    status := 'fresh';
    finished_at := refreshed_at;
    return next;
    return;
  end if;

  row_count := null;
  if concurrent and not exists (
    select from pg_catalog.pg_index as index
    where index.indrelid = view and index.indisunique and index.indimmediate and index.indisvalid
      and index.indpred is null and index.indexprs is null
  ) then
    status := 'unindexed';
    return next;
    return;
  end if;

  started_at := pg_catalog.clock_timestamp();
  begin
    execute pg_catalog.format(
      'refresh materialized view %s %s', case when concurrent and filled then 'concurrently' else '' end, view
    );
    execute pg_catalog.format('select pg_catalog.count(*) from %s', view) into row_count;
    status := 'refreshed';
  exception
    when serialization_failure or deadlock_detected then
      raise;
    when others then
      get stacked diagnostics error_code = returned_sqlstate;
      row_count := null;
      status := 'failed';
  end;
  finished_at := pg_catalog.clock_timestamp();

  insert into tenon.view_refreshes (view, concurrent, started_at, finished_at, row_count, refreshed_by, error_code)
  values (
    view, concurrent and filled, started_at, finished_at, row_count,
    coalesce(nullif(pg_catalog.current_setting('tenon.actor', true), ''), session_user), error_code
  );
  delete from tenon.view_refreshes as old
  where old.view = refresh_view.view and old.id <= (
    select kept.id from tenon.view_refreshes as kept where kept.view = refresh_view.view order by kept.id desc offset 100 limit 1
  );
  return next;
end
$function$;

comment on function tenon.refresh_view(regclass, boolean, interval, boolean) is 'Refreshes a materialized view unless it is younger than "max_age", and writes it down. Returns refreshed, fresh, busy, unindexed or failed.';

create function tenon.view_freshness(view regclass)
  returns table (data_as_of timestamptz, refreshed_at timestamptz, failed_at timestamptz, error_code text, answered_at timestamptz)
  language sql stable security definer
  set search_path = ''
as $function$
  select good.started_at, good.finished_at, bad.finished_at, bad.error_code, pg_catalog.statement_timestamp()
  from (select view_freshness.view as view) as asked
  left join lateral (
    select refresh.id, refresh.started_at, refresh.finished_at from tenon.view_refreshes as refresh
    where refresh.view = asked.view and refresh.error_code is null order by refresh.id desc limit 1
  ) as good on true
  left join lateral (
    select refresh.finished_at, refresh.error_code from tenon.view_refreshes as refresh
    where refresh.view = asked.view order by refresh.id desc limit 1
  ) as bad on bad.error_code is not null
$function$;

comment on function tenon.view_freshness(regclass) is 'When a materialized view was last refreshed, and the SQLSTATE of the latest refresh if that failed. Has its owner''s rights: sessions do not see the table behind it.';

revoke all on table tenon.view_refreshes from public, anon, authenticated, service_role;
revoke all on sequence tenon.view_refreshes_id_seq from public, anon, authenticated, service_role;
revoke all on function tenon.refresh_view(regclass, boolean, interval, boolean) from public;
revoke all on function tenon.view_freshness(regclass) from public;
grant usage on schema tenon to authenticated, service_role;
grant select, insert, update, delete on table tenon.view_refreshes to service_role;
grant execute on function tenon.refresh_view(regclass, boolean, interval, boolean) to service_role;
grant execute on function tenon.view_freshness(regclass) to authenticated, service_role;
`,
        down: `drop function tenon.view_freshness(regclass);
drop function tenon.refresh_view(regclass, boolean, interval, boolean);
drop table tenon.view_refreshes;`,
      },
    ],
  },
  'restrict-set-config': {
    name: 'restrict-set-config',
    kind: 'opt-in',
    requires: ['roles'],
    files: [
      {
        version: '0001',
        slug: 'set_config',
        path: 'sql/modules/restrict-set-config/0001_set_config.sql',
        privilege: 'superuser',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [],
        sha256: '56166cde0926a43578b80d269ddafab526f1d42e0fa88ff2a57ff4fbf0232f1a',
        sql: `-- Takes the function set_config away from everybody but the login.
--
-- purpose: a second wall for self-hosted servers. Whoever can put SQL of his own into a session could call
--   set_config('request.jwt.claims', …) in it and read as somebody else; after this file a session role gets 42501.
--   The statement SET is not affected, and neither is code that runs as the login itself.
--   Every other role that calls the function (a second app, PostgREST's authenticator, a restore by a plain role, since
--   dumps call it) needs a grant of its own: grant execute on function pg_catalog.set_config(text, text, boolean) to …
-- parameters: none
-- privilege: superuser
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SET
-- requires: roles
-- transactional: yes
-- kind: opt-in
-- down:
--   grant execute on function pg_catalog.set_config(text, text, boolean) to public;
--   revoke execute on function pg_catalog.set_config(text, text, boolean) from tenon_login;

grant execute on function pg_catalog.set_config(text, text, boolean) to tenon_login;

revoke execute on function pg_catalog.set_config(text, text, boolean) from public;

-- Without the right to do so the server only warns about the two statements above, and nothing has changed.
do $check$
begin
  if pg_catalog.has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'execute') then
    raise exception using
      errcode = 'insufficient_privilege',
      constraint = 'restrict_set_config_superuser',
      message = pg_catalog.format('role %I may not revoke execute on function pg_catalog.set_config', current_user),
      hint = 'run this file as a superuser';
  end if;
end
$check$;
`,
        down: `grant execute on function pg_catalog.set_config(text, text, boolean) to public;
revoke execute on function pg_catalog.set_config(text, text, boolean) from tenon_login;`,
      },
    ],
  },
  roles: {
    name: 'roles',
    kind: 'core',
    requires: [],
    files: [
      {
        version: '0001',
        slug: 'roles',
        path: 'sql/modules/roles/0001_roles.sql',
        privilege: 'superuser or CREATEROLE (nothing but CONNECT when the roles exist); database owner for the two REVOKEs',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [],
        sha256: '27d080118cc6c0527064f0cfe4c289d755c1eab5e862a37d1bac6a3b88b9d667',
        sql: `-- The roles that sessions run under, and the one login that may take them.
--
-- purpose: makes anon, authenticated and service_role (they cannot log in) and tenon_login, which can log in, has no right
--   of its own and is a member of anon and authenticated only. On Supabase the first three exist, so only tenon_login is
--   made. Takes TEMPORARY on this database and CREATE on schema public away from PUBLIC where the caller may (a temporary
--   table of one tenant would hide a table from the next); a host role that needs one of them gets it by an own GRANT.
--   Roles that exist are never altered: one that is too powerful stops the file with the SQL that mends it.
--   The password is the host's own step, so that none stands in a file or a log: \\password tenon_login in psql, or
--   ALTER ROLE tenon_login PASSWORD '…'.
-- parameters: none
-- privilege: superuser or CREATEROLE (nothing but CONNECT when the roles exist); database owner for the two REVOKEs
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/role-membership.html
-- requires: none
-- transactional: yes
-- kind: core
-- down: none (roles belong to the whole server and other databases may use them; sql/README.md says how to drop them)

do $roles$
declare
  -- On Supabase these three roles, their grants and schema auth belong to the platform.
  on_supabase constant boolean :=
    pg_catalog.to_regrole('supabase_admin') is not null
    and pg_catalog.to_regrole('authenticator') is not null
    and exists (
      select from pg_catalog.pg_namespace as namespace
      where namespace.nspname = 'auth' and namespace.nspowner = pg_catalog.to_regrole('supabase_auth_admin')
    );
  -- Since PostgreSQL 16 INHERIT and SET belong to the single membership, and CREATEROLE gives a creator ADMIN only.
  has_membership_options constant boolean := pg_catalog.current_setting('server_version_num')::integer >= 160000;
  grant_options constant text := case when has_membership_options then ' with inherit false, set true' else '' end;
  may_create_roles constant boolean :=
    (select rolsuper or rolcreaterole from pg_catalog.pg_roles where rolname = current_user);
  owns_database constant boolean := (
    select pg_catalog.pg_has_role(current_user, datdba, 'usage')
    from pg_catalog.pg_database where datname = pg_catalog.current_database()
  );
  wanted constant text[] := case
    when on_supabase then array['tenon_login']
    else array['anon', 'authenticated', 'service_role', 'tenon_login']
  end;
  missing text;
  attributes text;
  wanted_role text;
  problems text;
  mend text;
begin
  -- Each RAISE carries a key in \`constraint\`: drivers that hide the text of raised errors still tell which one it was.
  select pg_catalog.string_agg(name, ', ' order by ordinal) into missing
  from pg_catalog.unnest(wanted) with ordinality as list (name, ordinal)
  where pg_catalog.to_regrole(name) is null;

  if missing is not null and not may_create_roles then
    raise exception using
      errcode = 'insufficient_privilege',
      constraint = 'roles_createrole_missing',
      message = pg_catalog.format('role %I may not create the missing roles: %s', current_user, missing),
      hint = pg_catalog.format('run this file as a superuser, or first: alter role %I createrole', current_user);
  end if;

  foreach wanted_role in array wanted loop
    continue when pg_catalog.to_regrole(wanted_role) is not null;
    attributes := case wanted_role
      when 'tenon_login' then
        'login noinherit nosuperuser nocreatedb nocreaterole nobypassrls noreplication'
      when 'service_role' then 'nologin bypassrls'
      else 'nologin'
    end;
    begin
      begin
        execute pg_catalog.format('create role %I %s', wanted_role, attributes);
      exception when insufficient_privilege then
        -- BYPASSRLS can be given by superusers only (15), or by a creator who has it (16 and later).
        if wanted_role <> 'service_role' then raise; end if;
        execute 'create role service_role nologin';
      end;
    exception when duplicate_object or unique_violation then
      null; -- another database of this server made the role at this very moment
    end;
  end loop;

  if not (select rolbypassrls or rolsuper from pg_catalog.pg_roles where rolname = 'service_role') then
    raise notice 'service_role has no BYPASSRLS here: it sees the rows of a table only through a policy "to service_role using (true) with check (true)", which every table of tenon has and host tables need too';
  end if;

  -- A session role that can step around row security would make every policy void.
  select pg_catalog.string_agg(rolname, ', ' order by rolname) into problems
  from pg_catalog.pg_roles
  where rolname in ('anon', 'authenticated') and (rolsuper or rolbypassrls);
  if problems is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      constraint = 'roles_session_role_powerful',
      message = pg_catalog.format('role %s exists and bypasses row security', problems),
      hint = pg_catalog.format('check who relies on it, then: alter role %s nosuperuser nobypassrls', problems);
  end if;

  with recursive login as (
    select * from pg_catalog.pg_roles where rolname = 'tenon_login'
  ),
  -- to_jsonb, because the columns inherit_option and set_option exist from 16 on (and "edge", because one is named member).
  membership as (
    select role.rolname, pg_catalog.to_jsonb(edge) as options
    from pg_catalog.pg_auth_members as edge
    join login on login.oid = edge.member
    join pg_catalog.pg_roles as role on role.oid = edge.roleid
  ),
  reached (oid) as (
    select login.oid from login
    union
    select edge.roleid from pg_catalog.pg_auth_members as edge join reached on reached.oid = edge.member
  ),
  finding (problem, mended_by) as (
    select 'has ' || flag.attribute, 'alter role tenon_login no' || flag.attribute
    from login, lateral (values
      ('superuser', rolsuper), ('createdb', rolcreatedb), ('createrole', rolcreaterole),
      ('bypassrls', rolbypassrls), ('replication', rolreplication), ('inherit', rolinherit)
    ) as flag (attribute, is_set)
    where flag.is_set
    union all
    select distinct
      pg_catalog.format('is a member of %I', membership.rolname),
      pg_catalog.format('revoke %I from tenon_login', membership.rolname)
    from membership
    where membership.rolname not in ('anon', 'authenticated')
    union all
    select distinct
      pg_catalog.format('inherits the rights of %I', membership.rolname),
      pg_catalog.format('grant %I to tenon_login with inherit false', membership.rolname)
    from membership
    where membership.rolname in ('anon', 'authenticated') and (membership.options ->> 'inherit_option')::boolean
    union all
    -- What anon and authenticated are members of is the host's affair, unless it undoes row security.
    select
      pg_catalog.format('reaches %I, which bypasses row security or makes roles', role.rolname),
      pg_catalog.format('revoke %I from the role between', role.rolname)
    from reached join pg_catalog.pg_roles as role on role.oid = reached.oid
    where role.rolname <> 'tenon_login'
      and role.rolname not in (select rolname from membership)
      and (role.rolsuper or role.rolbypassrls or role.rolcreaterole)
    union all
    select 'owns objects', 'reassign owned by tenon_login to another role, in each database'
    from login
    where exists (
      select from pg_catalog.pg_shdepend as dependency
      where dependency.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
        and dependency.refobjid = login.oid
        and dependency.deptype = 'o'
    )
  )
  select pg_catalog.string_agg(problem, ', ' order by problem), pg_catalog.string_agg(mended_by, '; ' order by problem)
  into problems, mend
  from finding;
  if problems is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      constraint = 'roles_login_powerful',
      message = 'role tenon_login exists and is more than a powerless login: it ' || problems,
      hint = mend || '; or rename that role, and this file makes a new one';
  end if;

  foreach wanted_role in array array['anon', 'authenticated'] loop
    if not exists (
      select from pg_catalog.pg_auth_members as edge
      where edge.roleid = pg_catalog.to_regrole(wanted_role)
        and edge.member = pg_catalog.to_regrole('tenon_login')
        and coalesce((pg_catalog.to_jsonb(edge) ->> 'set_option')::boolean, true)
    ) then
      begin
        execute pg_catalog.format('grant %I to tenon_login%s', wanted_role, grant_options);
      exception
        when unique_violation then
          null; -- another database of this server granted it at this very moment
        when insufficient_privilege then
          raise exception using
            errcode = 'insufficient_privilege',
            constraint = 'roles_grant_refused',
            message = pg_catalog.format('role %I may not grant %I', current_user, wanted_role),
            hint = pg_catalog.format('as its creator or a superuser: grant %I to tenon_login%s', wanted_role, grant_options);
      end;
    end if;

    -- Whoever runs this may act for a session too (a management connection, tests), as Supabase's postgres may.
    -- pg_has_role(…, 'member') would be true for ADMIN alone, which does not allow SET ROLE.
    if not on_supabase
      and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
      and not exists (
        select from pg_catalog.pg_auth_members as edge
        where edge.roleid = pg_catalog.to_regrole(wanted_role)
          and edge.member = pg_catalog.to_regrole(pg_catalog.quote_ident(current_user))
          and coalesce((pg_catalog.to_jsonb(edge) ->> 'set_option')::boolean, true)
      )
    then
      begin
        execute pg_catalog.format('grant %I to %I%s', wanted_role, current_user, grant_options);
      exception
        when unique_violation then null;
        when insufficient_privilege then
          raise notice 'role % may not take the role %: only tenon_login can run sessions', current_user, wanted_role;
      end;
    end if;
  end loop;

  if not pg_catalog.has_database_privilege('tenon_login', pg_catalog.current_database(), 'connect') then
    if owns_database then
      execute pg_catalog.format('grant connect on database %I to tenon_login', pg_catalog.current_database());
    else
      raise notice 'tenon_login may not connect; as the owner of the database: grant connect on database % to tenon_login',
        pg_catalog.quote_ident(pg_catalog.current_database());
    end if;
  end if;

  if on_supabase then return; end if;

  if pg_catalog.has_database_privilege('public', pg_catalog.current_database(), 'temporary') then
    if owns_database then
      execute pg_catalog.format('revoke temporary on database %I from public', pg_catalog.current_database());
    else
      raise notice 'every role may make temporary tables here; as the owner of the database: revoke temporary on database % from public',
        pg_catalog.quote_ident(pg_catalog.current_database());
    end if;
  end if;

  -- Databases that were made before PostgreSQL 15 still have it.
  if pg_catalog.to_regnamespace('public') is not null
    and pg_catalog.has_schema_privilege('public', 'public', 'create')
  then
    if (
      select pg_catalog.pg_has_role(current_user, nspowner, 'usage')
      from pg_catalog.pg_namespace where nspname = 'public'
    ) then
      revoke create on schema public from public;
    else
      raise notice 'every role may make objects in schema public; as its owner: revoke create on schema public from public';
    end if;
  end if;
end
$roles$;
`,
        down: undefined,
      },
    ],
  },
  tenancy: {
    name: 'tenancy',
    kind: 'feature',
    requires: ['auth', 'roles', 'timestamps'],
    files: [
      {
        version: '0001',
        slug: 'organizations',
        path: 'sql/modules/tenancy/0001_organizations.sql',
        privilege: 'CREATE on the database and on the schema, GRANT on the schema',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [':"schema"', ':id_type'],
        creates: [{ kind: 'table', schema: ':"schema"', name: 'organizations' }, { kind: 'table', schema: ':"schema"', name: 'memberships' }, { kind: 'function', schema: 'tenon_private', name: 'organization_ids' }, { kind: 'function', schema: 'tenon_private', name: 'still_has_owner' }, { kind: 'function', schema: 'tenon_private', name: 'keep_last_owner' }, { kind: 'function', schema: ':"schema"', name: 'create_organization' }, { kind: 'index', schema: ':"schema"', name: 'memberships_user_id_idx' }],
        sha256: '9c1f52e5bd4c34107fcb4ed880079b54b80146dfe5320cbcf8b03e420ba84603',
        sql: `-- Organizations, who belongs to them in which role, and the helper that policies of host tables call.
--
-- purpose: tenants as rows. A table comes under tenancy by a column organization_id, an index on it and policies that
--   compare it with any (array(select tenon_private.organization_ids('member'))); sql/README.md shows one.
--   Roles are owner, admin, member and viewer. Who is admin or owner manages the memberships up to the own role, and
--   nobody above it; everybody may leave; the last owner may neither leave nor be demoted, whoever asks for it.
--   An organization is made by create_organization(name, slug), which makes the caller its owner. There is no INSERT for
--   sessions: RETURNING would ask the policy before the membership exists.
--   Stands once per database, because policies of all its schemas call one helper; a second schema is refused.
-- parameters: :"schema" identifier, where the tables are made; :id_type uuid, text or bigint, the type of a user's identity.
--   tenon_private.organization_ids: minimum_role tenon_private.organization_role, default viewer.
--   create_organization: name text, slug text
-- privilege: CREATE on the database and on the schema, GRANT on the schema
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
-- requires: roles, auth, timestamps
-- transactional: yes
-- kind: feature
-- down:
--   drop function :"schema".create_organization(text, text);
--   drop policy organizations_select_policy on :"schema".organizations;
--   drop policy organizations_update_policy on :"schema".organizations;
--   drop policy organizations_delete_policy on :"schema".organizations;
--   drop policy memberships_select_policy on :"schema".memberships;
--   drop policy memberships_insert_policy on :"schema".memberships;
--   drop policy memberships_update_policy on :"schema".memberships;
--   drop policy memberships_delete_policy on :"schema".memberships;
--   drop function tenon_private.organization_ids(tenon_private.organization_role);
--   drop function tenon_private.still_has_owner(uuid);
--   drop table :"schema".memberships, :"schema".organizations;
--   drop function tenon_private.keep_last_owner();
--   drop type tenon_private.organization_role;
--   do $down$
--   begin
--     drop schema tenon_private;
--   exception when dependent_objects_still_exist then
--     null; -- another module has its helpers there too
--   end
--   $down$;

do $once$
begin
  if pg_catalog.to_regtype('tenon_private.organization_role') is not null then
    raise exception using
      errcode = 'duplicate_object',
      constraint = 'tenancy_stands_once',
      message = 'tenancy stands in this database already',
      hint = 'use the organizations that are there: tables of every schema can be put under them';
  end if;
end
$once$;

-- Nobody gets USAGE: a policy is bound to its functions when it is created and needs EXECUTE on them only, so session
-- roles run the helpers through policies and cannot call them by name.
create schema if not exists tenon_private;
comment on schema tenon_private is 'Helpers that policies of tenon call. Not an interface: no role has USAGE.';
revoke all on schema tenon_private from public, anon, authenticated, service_role;

-- In this order, so that >= compares them. The column below is text, since = on an enum is not leakproof and would keep
-- its index from being used under row security; the parameter of a policy is this type, so that a misspelt role fails
-- when the policy is created and not by denying everything.
create type tenon_private.organization_role as enum ('viewer', 'member', 'admin', 'owner');
comment on type tenon_private.organization_role is 'Roles in an organization, the least powerful first.';

create table :"schema".organizations (
  id uuid not null default pg_catalog.gen_random_uuid(),
  name text not null,
  slug text not null,
  created_at timestamptz not null default pg_catalog.now(),
  updated_at timestamptz not null default pg_catalog.now(),
  constraint organizations_pkey primary key (id),
  -- Unique for all, as a part of a URL or a host name is; that a slug is taken can be seen by everybody who tries it.
  constraint organizations_slug_key unique (slug),
  -- A DNS label, in lower case so that Acme and acme are not two.
  constraint organizations_slug_check check (slug ~ '^[a-z0-9](-?[a-z0-9]){0,62}$' and pg_catalog.length(slug) <= 63)
);
comment on table :"schema".organizations is 'Tenants; a member sees the own ones, an admin renames them, an owner deletes them.';

create table :"schema".memberships (
  organization_id uuid not null,
  user_id :id_type not null,
  role text not null,
  created_at timestamptz not null default pg_catalog.now(),
  constraint memberships_pkey primary key (organization_id, user_id),
  constraint memberships_organization_id_fkey foreign key (organization_id)
    references :"schema".organizations (id) on delete cascade,
  constraint memberships_role_check check (role in ('owner', 'admin', 'member', 'viewer'))
);
comment on table :"schema".memberships is 'Who belongs to which organization, in which role; members see the memberships of the own organizations.';

-- All that the helper reads.
create index memberships_user_id_idx on :"schema".memberships (user_id, organization_id) include (role);

-- Defined with its owner's rights: with the caller's, the policy of memberships would call itself (42P17).
create function tenon_private.organization_ids(minimum_role tenon_private.organization_role default 'viewer')
  returns setof uuid
  language sql stable parallel safe security definer
  set search_path = ''
begin atomic
  select membership.organization_id
  from :"schema".memberships as membership
  where membership.user_id = (select cast(tenon.subject() as :id_type))
    and cast(membership.role as tenon_private.organization_role) >= organization_ids.minimum_role;
end;
comment on function tenon_private.organization_ids(tenon_private.organization_role) is 'Organizations that the session''s subject belongs to in this role or a higher one. In a policy: organization_id = any (array(select tenon_private.organization_ids(''member''))), which runs it once per query and uses an index.';
revoke all on function tenon_private.organization_ids(tenon_private.organization_role) from public, anon, service_role;
grant execute on function tenon_private.organization_ids(tenon_private.organization_role) to authenticated;

-- The update changes nothing and is what makes two removals wait for each other: the second then counts anew, or gets
-- 40001 where its snapshot is older. A mere lock on the row would let two of them through under REPEATABLE READ.
create function tenon_private.still_has_owner(organization_id uuid) returns boolean
  language sql volatile security definer
  set search_path = ''
begin atomic
  update :"schema".organizations as organization set name = organization.name
  where organization.id = still_has_owner.organization_id;
  -- An organization that is gone needs no owner: its memberships go with it.
  select not exists (
    select from :"schema".organizations as organization where organization.id = still_has_owner.organization_id
  ) or exists (
    select from :"schema".memberships as membership
    where membership.organization_id = still_has_owner.organization_id and membership.role = 'owner'
  );
end;
comment on function tenon_private.still_has_owner(uuid) is 'Locks the organization against another removal of an owner and tells whether one is left.';
revoke all on function tenon_private.still_has_owner(uuid) from public, anon, authenticated, service_role;

-- Defined with its owner's rights, so that nobody else needs EXECUTE on still_has_owner.
create function tenon_private.keep_last_owner() returns trigger
  language plpgsql security definer
  set search_path = ''
as $function$
begin
  if not tenon_private.still_has_owner(old.organization_id) then
    raise exception using
      errcode = 'check_violation',
      schema = tg_table_schema,
      table = tg_table_name,
      constraint = 'memberships_last_owner_check',
      message = 'an organization keeps at least one owner',
      hint = 'make another member an owner first, or delete the organization';
  end if;
  return null;
end
$function$;
comment on function tenon_private.keep_last_owner() is 'Trigger function: refuses to remove or demote the last owner of an organization.';
revoke all on function tenon_private.keep_last_owner() from public, anon, authenticated, service_role;

-- AFTER, so that one statement may demote one owner and make another. For every role: a service that deletes a user
-- has to decide what becomes of the organization.
create trigger memberships_last_owner_deleted
  after delete on :"schema".memberships
  for each row when (old.role = 'owner')
  execute function tenon_private.keep_last_owner();
create trigger memberships_last_owner_updated
  after update on :"schema".memberships
  for each row when (
    old.role = 'owner' and (new.role <> 'owner' or new.organization_id <> old.organization_id)
  )
  execute function tenon_private.keep_last_owner();

create trigger update_organization_modtime
  before update on :"schema".organizations
  for each row when (old.* is distinct from new.*)
  execute function tenon.update_modified_column();

-- Defined with its owner's rights: the first membership of an organization is the one that no policy could allow.
create function :"schema".create_organization(name text, slug text) returns :"schema".organizations
  language sql volatile security definer
  set search_path = ''
begin atomic
  with made as (
    insert into :"schema".organizations (name, slug)
    values (create_organization.name, create_organization.slug)
    returning *
  ), owned as (
    -- Without a subject this is null, and the whole call fails with 23502.
    insert into :"schema".memberships (organization_id, user_id, role)
    select made.id, cast(tenon.subject() as :id_type), 'owner' from made
  )
  select made.* from made;
end;
comment on function :"schema".create_organization(text, text) is 'Makes an organization whose owner is the session''s subject, and returns it. 23505 when the slug is taken.';
revoke all on function :"schema".create_organization(text, text) from public, anon, service_role;
grant execute on function :"schema".create_organization(text, text) to authenticated;

alter table :"schema".organizations enable row level security;
alter table :"schema".memberships enable row level security;

create policy organizations_select_policy on :"schema".organizations
  for select to authenticated
  using (id = any (array(select tenon_private.organization_ids())));
create policy organizations_update_policy on :"schema".organizations
  for update to authenticated
  using (id = any (array(select tenon_private.organization_ids('admin'))))
  with check (id = any (array(select tenon_private.organization_ids('admin'))));
create policy organizations_delete_policy on :"schema".organizations
  for delete to authenticated
  using (id = any (array(select tenon_private.organization_ids('owner'))));

create policy memberships_select_policy on :"schema".memberships
  for select to authenticated
  using (organization_id = any (array(select tenon_private.organization_ids())));
-- Up to the own role: an admin neither makes an owner nor touches one, and so cannot promote itself.
create policy memberships_insert_policy on :"schema".memberships
  for insert to authenticated
  with check (
    organization_id = any (array(select tenon_private.organization_ids('owner')))
    or (role <> 'owner' and organization_id = any (array(select tenon_private.organization_ids('admin'))))
  );
create policy memberships_update_policy on :"schema".memberships
  for update to authenticated
  using (
    organization_id = any (array(select tenon_private.organization_ids('owner')))
    or (role <> 'owner' and organization_id = any (array(select tenon_private.organization_ids('admin'))))
  )
  with check (
    organization_id = any (array(select tenon_private.organization_ids('owner')))
    or (role <> 'owner' and organization_id = any (array(select tenon_private.organization_ids('admin'))))
  );
-- The same, and everybody may leave.
create policy memberships_delete_policy on :"schema".memberships
  for delete to authenticated
  using (
    organization_id = any (array(select tenon_private.organization_ids('owner')))
    or (role <> 'owner' and organization_id = any (array(select tenon_private.organization_ids('admin'))))
    or user_id = (select cast(tenon.subject() as :id_type))
  );

-- For servers where nobody may give BYPASSRLS; without effect where service_role has it.
create policy organizations_service_role_policy on :"schema".organizations
  for all to service_role using (true) with check (true);
create policy memberships_service_role_policy on :"schema".memberships
  for all to service_role using (true) with check (true);
-- For the functions above, which run as the owner: under FORCE ROW LEVEL SECURITY they would see nothing without it.
create policy organizations_definer_policy on :"schema".organizations
  for all to current_user using (true) with check (true);
create policy memberships_definer_policy on :"schema".memberships
  for all to current_user using (true) with check (true);

-- Default privileges of the host (Supabase grants ALL) would leave TRUNCATE, which no policy stops.
revoke all on table :"schema".organizations, :"schema".memberships from public, anon, authenticated, service_role;
grant usage on schema :"schema" to authenticated, service_role;
grant select, update (name, slug), delete on table :"schema".organizations to authenticated;
grant select, insert, update (role), delete on table :"schema".memberships to authenticated;
grant select, insert, update, delete on table :"schema".organizations, :"schema".memberships to service_role;
`,
        down: `drop function :"schema".create_organization(text, text);
drop policy organizations_select_policy on :"schema".organizations;
drop policy organizations_update_policy on :"schema".organizations;
drop policy organizations_delete_policy on :"schema".organizations;
drop policy memberships_select_policy on :"schema".memberships;
drop policy memberships_insert_policy on :"schema".memberships;
drop policy memberships_update_policy on :"schema".memberships;
drop policy memberships_delete_policy on :"schema".memberships;
drop function tenon_private.organization_ids(tenon_private.organization_role);
drop function tenon_private.still_has_owner(uuid);
drop table :"schema".memberships, :"schema".organizations;
drop function tenon_private.keep_last_owner();
drop type tenon_private.organization_role;
do $down$
begin
  drop schema tenon_private;
exception when dependent_objects_still_exist then
  null; -- another module has its helpers there too
end
$down$;`,
      },
      {
        version: '0002',
        slug: 'invitations',
        path: 'sql/modules/tenancy/0002_invitations.sql',
        privilege: 'CREATE on the schema',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [':"schema"', ':id_type'],
        creates: [{ kind: 'table', schema: ':"schema"', name: 'invitations' }, { kind: 'function', schema: ':"schema"', name: 'create_invitation' }, { kind: 'function', schema: ':"schema"', name: 'accept_invitation' }, { kind: 'index', schema: ':"schema"', name: 'invitations_organization_id_idx' }],
        sha256: '369d06d3ed3655b9d708400e424309dd3bc64189398ef724029a6f064ffeb3c6',
        sql: `-- invitations: how somebody whose user id nobody in the organization knows becomes a member.
--
-- purpose: an admin knows an e-mail address, and the person behind it may not have an account yet. create_invitation gives
--   a token once and keeps only its SHA-256; the host sends it; accept_invitation makes the caller a member, once, before
--   it expires, and only while its maker is still an admin: nobody leaves a way back in behind. Nobody is invited as owner.
--   Expired rows stay until somebody deletes them: delete from invitations where expires_at < now().
-- parameters: :"schema" identifier, where the table is made; :id_type uuid, text or bigint, the type of a user's identity.
--   create_invitation: organization_id uuid, email text, role text default member, expires_in interval default 7 days.
--   accept_invitation: token text
-- privilege: CREATE on the schema
-- oldest postgresql: 15
-- source: https://cheatsheetseries.owasp.org/cheatsheets/Forgot_Password_Cheat_Sheet.html#url-tokens
-- requires: roles, auth, timestamps
-- transactional: yes
-- kind: feature
-- down:
--   drop function :"schema".accept_invitation(text);
--   drop function :"schema".create_invitation(uuid, text, text, interval);
--   drop table :"schema".invitations;

create table :"schema".invitations (
  id uuid not null default pg_catalog.gen_random_uuid(),
  organization_id uuid not null,
  -- Where the host sends the token, and what a list of open invitations shows. Who has the token may accept it.
  email text not null,
  role text not null default 'member',
  -- Of 244 random bits, so it needs no salt and tells nothing to those who may read it.
  token_sha256 bytea not null,
  -- Null when a service made it.
  invited_by :id_type default cast(tenon.subject() as :id_type),
  created_at timestamptz not null default pg_catalog.now(),
  expires_at timestamptz not null default pg_catalog.now() + interval '7 days',
  constraint invitations_pkey primary key (id),
  constraint invitations_token_sha256_key unique (token_sha256),
  constraint invitations_token_sha256_check check (pg_catalog.length(token_sha256) = 32),
  constraint invitations_organization_id_fkey foreign key (organization_id)
    references :"schema".organizations (id) on delete cascade,
  constraint invitations_role_check check (role in ('admin', 'member', 'viewer'))
);
comment on table :"schema".invitations is 'Open invitations; admins of the organization see, make and withdraw them. Accepting one deletes it.';
create index invitations_organization_id_idx on :"schema".invitations (organization_id, created_at desc);

-- With the caller's rights: the policy below says who may invite.
create function :"schema".create_invitation(
  organization_id uuid,
  email text,
  role text default 'member',
  expires_in interval default '7 days'
) returns text
  language sql volatile
  set search_path = ''
begin atomic
  with fresh (token) as materialized (
    select pg_catalog.replace(pg_catalog.gen_random_uuid()::text || pg_catalog.gen_random_uuid()::text, '-', '')
  ), made as (
    insert into :"schema".invitations (organization_id, email, role, token_sha256, expires_at)
    select
      create_invitation.organization_id,
      create_invitation.email,
      create_invitation.role,
      pg_catalog.sha256(pg_catalog.convert_to(fresh.token, 'UTF8')),
      pg_catalog.now() + create_invitation.expires_in
    from fresh
  )
  select fresh.token from fresh;
end;
comment on function :"schema".create_invitation(uuid, text, text, interval) is 'Makes an invitation and returns its token, which is kept nowhere.';
revoke all on function :"schema".create_invitation(uuid, text, text, interval) from public, anon;
grant execute on function :"schema".create_invitation(uuid, text, text, interval) to authenticated, service_role;

-- Defined with its owner's rights: the caller is not a member yet.
create function :"schema".accept_invitation(token text) returns uuid
  language sql volatile security definer
  set search_path = ''
begin atomic
  with taken as (
    delete from :"schema".invitations as invitation
    where invitation.token_sha256 = pg_catalog.sha256(pg_catalog.convert_to(accept_invitation.token, 'UTF8'))
      and invitation.expires_at > pg_catalog.now()
      and (
        invitation.invited_by is null
        or exists (
          select from :"schema".memberships as inviter
          where inviter.organization_id = invitation.organization_id
            and inviter.user_id = invitation.invited_by
            and inviter.role in ('admin', 'owner')
        )
      )
    returning invitation.organization_id, invitation.role
  ), joined as (
    insert into :"schema".memberships (organization_id, user_id, role)
    select taken.organization_id, cast(tenon.subject() as :id_type), taken.role from taken
    -- Who is a member already keeps the own role.
    on conflict do nothing
  )
  select taken.organization_id from taken;
end;
comment on function :"schema".accept_invitation(text) is 'Makes the session''s subject a member and returns the organization; null when the token is unknown, used, expired, or its maker may no longer invite.';
revoke all on function :"schema".accept_invitation(text) from public, anon, service_role;
grant execute on function :"schema".accept_invitation(text) to authenticated;

alter table :"schema".invitations enable row level security;

create policy invitations_select_policy on :"schema".invitations
  for select to authenticated
  using (organization_id = any (array(select tenon_private.organization_ids('admin'))));
create policy invitations_insert_policy on :"schema".invitations
  for insert to authenticated
  with check (
    organization_id = any (array(select tenon_private.organization_ids('admin')))
    and invited_by = (select cast(tenon.subject() as :id_type))
  );
create policy invitations_delete_policy on :"schema".invitations
  for delete to authenticated
  using (organization_id = any (array(select tenon_private.organization_ids('admin'))));

-- For servers where nobody may give BYPASSRLS, and for accept_invitation under FORCE ROW LEVEL SECURITY.
create policy invitations_service_role_policy on :"schema".invitations
  for all to service_role using (true) with check (true);
create policy invitations_definer_policy on :"schema".invitations
  for all to current_user using (true) with check (true);

revoke all on table :"schema".invitations from public, anon, authenticated, service_role;
grant select, insert, delete on table :"schema".invitations to authenticated;
grant select, insert, update, delete on table :"schema".invitations to service_role;
`,
        down: `drop function :"schema".accept_invitation(text);
drop function :"schema".create_invitation(uuid, text, text, interval);
drop table :"schema".invitations;`,
      },
    ],
  },
  timestamps: {
    name: 'timestamps',
    kind: 'core',
    requires: [],
    files: [
      {
        version: '0001',
        slug: 'update_modified_column',
        path: 'sql/modules/timestamps/0001_update_modified_column.sql',
        privilege: 'CREATE on the database',
        oldestPostgres: 15,
        transactional: true,
        placeholders: [],
        creates: [{ kind: 'function', schema: 'tenon', name: 'update_modified_column' }],
        sha256: 'b7517c16319334196b17e8e487ceedb9077e17526fc46d472c3a453b6ee9f4f4',
        sql: `-- tenon.update_modified_column(): the trigger function that keeps updated_at current.
--
-- purpose: sets updated_at to the time the transaction began, whatever the UPDATE said. Attach it to a table that has
--   that column (without it every UPDATE fails with 42703):
--     create trigger update_customer_modtime before update on public.customers
--       for each row execute function tenon.update_modified_column();
--   Add \`when (old.* is distinct from new.*)\` before \`execute\` to leave rows alone that an UPDATE did not change.
-- parameters: none
-- privilege: CREATE on the database
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/plpgsql-trigger.html
-- requires: none
-- transactional: yes
-- kind: core
-- down:
--   drop function tenon.update_modified_column();

create schema if not exists tenon;

create function tenon.update_modified_column() returns trigger
  language plpgsql
  set search_path = ''
as $function$
begin
  new.updated_at := pg_catalog.now();
  return new;
end
$function$;

comment on function tenon.update_modified_column() is 'Trigger function: sets updated_at to now(). For BEFORE UPDATE … FOR EACH ROW on a table with that column.';
`,
        down: `drop function tenon.update_modified_column();`,
      },
    ],
  },
}
