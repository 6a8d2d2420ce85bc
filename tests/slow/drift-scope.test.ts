/** What findDrift compares and what it leaves alone: the ledger's word, schemas and identity types, roles, privileges, platforms. */
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, type Database } from '../../src/index.ts'
import {
  applyMigrations,
  type Difference,
  defineModule,
  type FindDriftOptions,
  findDrift,
  toDriftText,
} from '../../src/migrate/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

const nameOf = ({ change, object }: Difference) => `${change} ${object.kind} ${object.name}`
const open = (url: string) =>
  createDatabase<unknown>({ connection: url, service: { connection: url }, trustLogin: true })
const connect = async (connectionString: string) => {
  const client = new Client({ connectionString })
  await client.connect()
  return { client, [Symbol.asyncDispose]: () => client.end() }
}
const hostModule = (...sources: readonly string[]) =>
  defineModule(
    'app',
    sources.map((sql, i) => ({ path: `${String(i + 1).padStart(4, '0')}_step${i + 1}.sql`, sql })),
  )

describe('findDrift, replaying on a database of the server', () => {
  let place: TestDatabase
  let admin: Client
  let db: Database<unknown>

  beforeEach(async () => {
    place = await createTestDatabase()
    admin = new Client({ connectionString: place.adminUrl })
    await admin.connect()
    db = open(place.adminUrl)
  })
  afterEach(async () => {
    await db.close()
    await admin.end()
    await place.drop()
  })

  const drift = async (options: FindDriftOptions) => {
    await using other = await createTestDatabase()
    await using replay = open(other.adminUrl)
    return await findDrift(db, { ...options, replay })
  }
  const found = async (options: FindDriftOptions) => (await drift(options)).differences.map(nameOf)

  it('reports as text that a person can act on', async () => {
    const modules = ['projects', 'activity'] as const
    await applyMigrations(db, { modules })
    await admin.query(`
      alter table projects disable row level security, add column "Note" text, drop column metadata, alter status drop default;
      alter table projects rename constraint projects_slug_key to slugs;
      drop policy profiles_user_id_policy on profiles; grant update (email) on profiles to anon;
      drop table user_activities cascade; create table tenon.backup (id int);
      create or replace function tenon.update_modified_column() returns trigger language plpgsql set search_path = '' as $$
begin
  new.updated_at := pg_catalog.clock_timestamp();
  return new;
end
$$`)
    expect(toDriftText(await drift({ modules: [...modules, 'customers'] }))).toMatchInlineSnapshot(`
      "1 migration is pending and not compared: tenon migrate up
        customers/0001_customers

      table public.profiles (activity/0001_profiles)
        missing policy profiles.profiles_user_id_policy
          → create policy "profiles_user_id_policy" on "public"."profiles" as permissive for all to authenticated using ((user_id = ( SELECT (tenon.subject())::uuid AS subject))) with check ((user_id = ( SELECT (tenon.subject())::uuid AS subject)));
        extra grant: update on column profiles.email to anon
          → revoke update ("email") on table "public"."profiles" from "anon";

      table public.projects (projects/0001_projects)
        changed table projects
          migrations: row level security enabled
          database:   row level security disabled
          → alter table "public"."projects" enable row level security;
        extra column projects."Note"
          there: text
          → write the migration that makes it; or, when what it holds may go: alter table "public"."projects" drop column "Note";
        missing column projects.metadata
          → alter table "public"."projects" add column "metadata" jsonb default '{}'::jsonb not null;
        changed column projects.status
          migrations: default 'active'::text
          database:   no default
          → alter table "public"."projects" alter column "status" set default 'active'::text;
        changed constraint projects.projects_slug_key
          migrations: named projects.projects_slug_key
          database:   named projects.slugs
          → alter table "public"."projects" rename constraint "slugs" to "projects_slug_key";
        missing index projects.projects_metadata_idx
          → create index concurrently "projects_metadata_idx" ON public.projects USING gin (metadata jsonb_path_ops);
        missing index projects.projects_metadata_tags_idx
          → create index concurrently "projects_metadata_tags_idx" ON public.projects USING gin (((metadata -> 'tags'::text)));

      table public.user_activities (activity/0002_user_activities)
        missing table user_activities
          → its rows are gone with it: restore it from a backup; or make it empty again: run the SQL of the migration that makes it

      function public.calculate_activity_score(uuid) (activity/0003_calculate_activity_score)
        missing function calculate_activity_score(uuid)
          → CREATE OR REPLACE FUNCTION public.calculate_activity_score(user_id uuid)
       RETURNS numeric
       LANGUAGE sql
       STABLE PARALLEL SAFE
       SET search_path TO ''
      RETURN (SELECT (COALESCE(((count(activity.id) * 10) + sum(CASE WHEN activity.completed THEN 20 ELSE 0 END)), (0)::bigint))::numeric AS "coalesce" FROM public.user_activities activity WHERE ((activity.user_id = calculate_activity_score.user_id) AND (activity.created_at > (now() - '30 days'::interval))));

      table tenon.backup
        extra table backup
          there: table row level security disabled
          → this schema holds nothing but the library's objects: move it to one of yours; or, when it may go: drop table "tenon"."backup";

      function tenon.update_modified_column() (timestamps/0001_update_modified_column)
        changed function update_modified_column()
          migrations:
            -   new.updated_at := pg_catalog.now();
          database:
            +   new.updated_at := pg_catalog.clock_timestamp();
          → CREATE OR REPLACE FUNCTION tenon.update_modified_column()
       RETURNS trigger
       LANGUAGE plpgsql
       SET search_path TO ''
      AS $function$
      begin
        new.updated_at := pg_catalog.now();
        return new;
      end
      $function$;

      13 differences, 123 objects compared
      The SQL takes the database back to its migrations. To keep what is there, write it as a new migration instead."
    `)
  })

  it('lists what is pending and compares the rest', async () => {
    await applyMigrations(db, { modules: ['projects'] })
    const report = await drift({ modules: ['projects', 'customers'] })
    expect(report).toMatchObject({ differences: [], pending: ['customers/0001_customers'], disputed: [], unknown: [] })
    expect(toDriftText(report)).toBe(
      `1 migration is pending and not compared: tenon migrate up
  customers/0001_customers

no drift: ${report.compared} objects compared`,
    )
    await admin.query('alter table projects disable row level security')
    expect(await found({ modules: ['projects', 'customers'] })).toEqual(['changed table projects'])
  })

  it('has nothing to compare where nothing is applied, and replays nothing then', async () => {
    await admin.query('create table projects (id int)')
    await using other = await createTestDatabase()
    await using replay = open(other.adminUrl)
    const report = await findDrift(db, { modules: ['timestamps'], replay })
    expect(report).toEqual({
      differences: [],
      pending: ['ledger/0001_migrations', 'timestamps/0001_update_modified_column'],
      disputed: [],
      unknown: [],
      compared: 0,
    })
    expect(replay.stats().roundTrips).toBe(0)
    expect(toDriftText(report)).toMatch(/nothing is applied yet, so there is nothing to compare$/)
  })

  it('tells of files that the ledger disagrees with, and compares with them as they are now', async () => {
    const before = hostModule('create table a (id int)', 'create table b (id int)', 'create table c (id int)')
    await applyMigrations(db, { modules: [before] })
    const [first, , third] = before.files
    if (first === undefined || third === undefined) throw new Error('three files were given')
    const now = defineModule('app', [
      { path: '0001_step1.sql', sql: 'create table a (id int, more text)' },
      { path: '0002_other.sql', sql: 'create table other (id int)' },
    ])
    const report = await drift({ modules: [now] })
    expect(report.disputed).toEqual([
      { name: 'app/0001_step1', state: 'edited' },
      { name: 'app/0002_other', state: 'diverged' },
      { name: 'app/0003_step3', state: 'missing' },
    ])
    expect(report.differences.map(nameOf)).toEqual(['missing column a.more'])
    expect(toDriftText(report)).toContain(
      '3 migrations do not agree with the ledger: tenon migrate status says why\n  app/0001_step1: edited\n',
    )
  })

  it('replays the modules of the library that the ledger names, given or not', async () => {
    await applyMigrations(db, { modules: ['projects', 'activity'] })
    expect(await drift({ modules: [] })).toMatchObject({ differences: [], pending: [] })
    expect(await drift({ modules: ['auth'] })).toMatchObject({ differences: [], pending: [] })
    await admin.query('alter table user_activities alter kind drop not null; grant delete on projects to anon')
    expect(await found({ modules: ['auth'] })).toEqual([
      'extra grant delete on table projects to anon',
      'changed column user_activities.kind',
    ])
  })

  it('names modules of the host that it was not given', async () => {
    const app = hostModule('create index extra on projects (name)')
    await applyMigrations(db, { modules: ['projects', app] })
    const report = await drift({ modules: ['projects'] })
    expect(report.unknown).toEqual(['app'])
    expect(report.differences.map(nameOf)).toEqual(['extra index projects.extra'])
    expect(toDriftText(report)).toMatch(/^the ledger names modules that were not given; .*\n {2}app\n/)
    expect(await found({ modules: ['projects', app] })).toEqual([])
  })

  it('compares each schema with the identity type it was made for, whatever is asked', async () => {
    await admin.query('create schema "Odd ""shop"')
    await applyMigrations(db, { modules: ['projects'] })
    await applyMigrations(db, { modules: ['projects'], schema: 'Odd "shop', id: 'text' })
    expect(await found({ modules: ['projects'] })).toEqual([])
    expect(await found({ modules: ['projects'], schema: 'Odd "shop', id: 'text' })).toEqual([])
    // Also where the wrong one is asked for.
    expect(await drift({ modules: ['projects'], id: 'bigint' })).toMatchObject({
      differences: [],
      disputed: [{ name: 'projects/0001_projects', state: 'other-identity' }],
    })
    await admin.query('alter table "Odd ""shop".projects alter owner_id type varchar using owner_id::varchar').catch(
      // The policy stands in the way, as it should.
      () => admin.query('alter table "Odd ""shop".projects alter name type varchar(9)'),
    )
    expect(await found({ modules: ['projects'] })).toEqual(['changed column projects.name'])
  })

  it('does not tell of privileges that a host gives by default and a module takes away, but of those that stayed', async () => {
    const reader = `${place.name}_reader`
    await admin.query(`create role ${reader} nologin`)
    // The server's other databases may have made it.
    await admin.query('create role anon nologin').catch(() => {})
    await admin.query(`
      alter default privileges in schema public grant all on tables to anon, ${reader};
      alter default privileges in schema public grant all on sequences to anon;
      alter default privileges in schema public grant all on functions to anon`)
    try {
      await applyMigrations(db, { modules: ['projects', 'activity'] })
      const differences = await found({ modules: ['projects', 'activity'] })
      expect(differences.filter((name) => !name.includes(reader))).toEqual([])
      // MAINTAIN came with ALL and is not told apart from it.
      const privileges = ['delete', 'insert', 'references', 'select', 'trigger', 'truncate', 'update']
      expect(differences.sort()).toEqual(
        ['profiles', 'projects', 'user_activities']
          .flatMap((table) => privileges.map((privilege) => `extra grant ${privilege} on table ${table} to ${reader}`))
          .sort(),
      )
      await admin.query('grant truncate on projects to anon')
      expect(await found({ modules: ['projects', 'activity'] })).toContain(
        'extra grant truncate on table projects to anon',
      )
    } finally {
      await admin.query(`drop owned by ${reader}; drop role ${reader}`)
    }
  })

  it('leaves tables of the host alone, unless the set is said to be the whole', async () => {
    await admin.query(
      'create table theirs (id int primary key); create view seen as select id from theirs; create schema x',
    )
    await applyMigrations(db, { modules: ['timestamps'] })
    await admin.query(
      'create trigger keep before update on theirs for each row execute function tenon.update_modified_column()',
    )
    expect(await found({ modules: ['timestamps'] })).toEqual([])
    expect(await found({ modules: ['timestamps'], whole: true })).toEqual([
      'extra table theirs',
      'extra view seen',
      'extra schema x',
    ])
    const ignore: FindDriftOptions['ignore'] = ({ kind, name, schema }) =>
      schema === 'x' || (kind === 'table' && name === 'theirs')
    expect(await found({ modules: ['timestamps'], whole: true, ignore })).toEqual(['extra view seen'])
  })

  it('finds a privilege on a function of the server that a migration took away, and no other', async () => {
    const modules = ['restrict-set-config'] as const
    await applyMigrations(db, { modules })
    await admin.query('grant execute on function pg_catalog.pg_read_file(text) to public')
    expect(await found({ modules })).toEqual([])
    await admin.query('grant execute on function pg_catalog.set_config(text, text, boolean) to public')
    expect(await found({ modules })).toEqual([
      'extra grant execute on function set_config(text, text, boolean) to PUBLIC',
    ])
  })

  it('finds what a migration took away from an empty database', async () => {
    const app = hostModule('revoke usage on schema public from public')
    await applyMigrations(db, { modules: [app] })
    expect(await found({ modules: [app] })).toEqual([])
    await admin.query('grant usage on schema public to public')
    expect(await found({ modules: [app] })).toEqual(['extra grant usage on schema public to PUBLIC'])
  })

  it('compares a migration that is not finished as one that is pending', async () => {
    const app = hostModule(
      'create table a (id int)',
      '-- transactional: no\n\ncreate index concurrently a_id on a (id)',
    )
    await applyMigrations(db, { modules: [app] })
    await admin.query(`update tenon.migrations set state = 'running' where version = '0002'; drop index a_id`)
    expect(await drift({ modules: [app] })).toMatchObject({ differences: [], pending: ['app/0002_step2'] })
  })

  it('changes nothing and leaves no setting behind', async () => {
    await applyMigrations(db, { modules: ['timestamps'] })
    const state = async () =>
      (
        await admin.query(
          `select pg_catalog.md5(pg_catalog.string_agg(c::text, ',' order by c.oid)) from pg_catalog.pg_class c`,
        )
      ).rows
    const before = await state()
    await admin.query(`alter database ${place.name} set default_transaction_read_only = on`)
    await using readOnly = open(place.adminUrl)
    await using other = await createTestDatabase()
    await using replay = open(other.adminUrl)
    expect((await findDrift(readOnly, { modules: ['timestamps'], replay })).differences).toEqual([])
    expect(await state()).toEqual(before)
  })

  it('reads again when something is dropped under its eyes', async () => {
    const app = hostModule(`
      create table held (id int); create table guarded (id int);
      create policy by_held on guarded using (id in (select id from held));
      create table fleeting (id int); create view fleeting_ids as select id from fleeting`)
    await applyMigrations(db, { modules: [app] })
    // The server locks the table in the policy's subquery to write the policy down; by then the snapshot is taken.
    await admin.query('begin; lock table held in access exclusive mode')
    const finding = found({ modules: [app] })
    await using watcher = await connect(place.adminUrl)
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    while ((await watcher.client.query(waiting)).rowCount === 0);
    // What the snapshot shows, the server cannot look up any more (XX000).
    await admin.query('drop view fleeting_ids; drop table fleeting; commit')
    expect(await finding).toEqual(['missing table fleeting', 'missing view fleeting_ids'])
  })

  it('refuses to replay on a database that is not empty, and one without a service connection', async () => {
    await applyMigrations(db, { modules: ['timestamps'] })
    await expect(findDrift(db, { modules: ['timestamps'], replay: db })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: 'option replay names a database that migrations were applied to already',
      hint: expect.stringContaining('create database'),
    })
    await using sessionsOnly = createDatabase<unknown>({ connection: place.adminUrl })
    await expect(findDrift(sessionsOnly, { modules: [] })).rejects.toMatchObject({ code: 'SERVICE_MISSING' })
  })

  it('stops when it is told to', async () => {
    await expect(findDrift(db, { modules: ['auth'], signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
    expect(db.stats().roundTrips).toBe(0)
  })
})
