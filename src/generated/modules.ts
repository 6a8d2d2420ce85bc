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
export type SqlModuleName = 'activity' | 'auth' | 'customers' | 'ledger' | 'projects' | 'restrict-set-config' | 'roles' | 'timestamps'

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
