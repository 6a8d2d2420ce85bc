/** findDrift with the embedded database that it opens by itself: what it brings there, and what it says when that is not enough. */
import type { PGlite } from '@electric-sql/pglite'
import { pg_stat_statements } from '@electric-sql/pglite/contrib/pg_stat_statements'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { afterEach, describe, expect, it } from 'vitest'
import { createDatabase, type Database } from '../../src/index.ts'
import {
  applyMigrations,
  baselineMigrations,
  type Difference,
  defineModule,
  type FindDriftOptions,
  findDrift,
} from '../../src/migrate/index.ts'
import { bootPglite } from '../support/pglite.ts'

const nameOf = ({ change, object }: Difference) => `${change} ${object.kind} ${object.name}`
const hostModule = (...sources: readonly string[]) =>
  defineModule(
    'app',
    sources.map((sql, i) => ({ path: `${String(i + 1).padStart(4, '0')}_step${i + 1}.sql`, sql })),
  )

// PGlite takes 4 s to start on an idle machine, and some of these start three.
describe('findDrift, replaying on an embedded database', { timeout: 120_000 }, () => {
  let pglite: PGlite
  let db: Database<unknown>
  const start = async (sql: string, extensions = {}) => {
    pglite = await bootPglite('', extensions)
    await pglite.exec(sql)
    db = createDatabase({ connection: pglite })
  }
  afterEach(async () => {
    await db.close()
    await pglite.close()
  })
  const found = async (options: FindDriftOptions) => (await findDrift(db, options)).differences.map(nameOf)

  it('takes schema auth for what it is on Supabase', async () => {
    await start(
      `
      create role supabase_admin superuser; create role authenticator noinherit login; create role supabase_auth_admin;
      create role anon; create role authenticated; create role service_role bypassrls; create role dashboard_user;
      create schema auth authorization supabase_auth_admin; create schema extensions;
      create function auth.uid() returns uuid language sql stable as 'select null::uuid';
      create function auth.role() returns text language sql stable as 'select null::text';
      create function auth.email() returns text language sql stable as 'select null::text';
      create function auth.jwt() returns jsonb language sql stable as 'select null::jsonb';
      create table auth.users (id uuid primary key, email text, raw_user_meta_data jsonb);
      grant usage on schema auth to anon, authenticated, service_role, dashboard_user;
      create extension pg_trgm with schema extensions; create extension pg_stat_statements with schema extensions;
      alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
      alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
      alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
      grant usage on schema public to anon, authenticated, service_role`,
      { pg_trgm, pg_stat_statements },
    )
    const app = hostModule(`
      create table notes (id bigint generated always as identity primary key, author uuid default auth.uid() references auth.users (id) on delete cascade, body text);
      create index notes_body on notes using gin (body extensions.gin_trgm_ops);
      alter table notes enable row level security;
      create policy own on notes to authenticated using (author = (select auth.uid()));
      revoke all on notes from anon, authenticated, service_role;
      revoke all on sequence notes_id_seq from anon, authenticated, service_role;
      grant select on notes to dashboard_user`)
    await applyMigrations(db, { modules: ['projects', 'activity', 'monitoring', app] })
    expect(await found({ modules: ['projects', 'activity', app] })).toEqual([])
    await pglite.exec('drop policy own on notes; grant select on notes to anon')
    expect(await found({ modules: [app] })).toEqual([
      'missing policy notes.own',
      'extra grant select on table notes to anon',
    ])
  })

  it('loads the extensions that PGlite ships, and says what to do about others', async () => {
    await start('', { pg_trgm })
    const app = hostModule(
      'create extension pg_trgm; create table words (word text); create index words_word on words using gin (word gin_trgm_ops)',
    )
    await applyMigrations(db, { modules: [app] })
    expect(await found({ modules: [app] })).toEqual([])
    await pglite.exec('drop index words_word; drop extension pg_trgm')
    expect(await found({ modules: [app] })).toEqual(['missing extension pg_trgm', 'missing index words.words_word'])

    const more = hostModule(...app.files.map(({ sql }) => sql), 'create extension if not exists "postgis"')
    await baselineMigrations(db, { modules: [more] })
    await expect(findDrift(db, { modules: [more] })).rejects.toMatchObject({
      code: 'EMBEDDED_UNSUPPORTED',
      message: 'app/0002_step2 creates extension "postgis", which the embedded database does not have',
      hint: expect.stringContaining('--replay-url'),
    })
  })

  it('leaves an extension that a module only tries to create, and partitions, as they are on the live database', async () => {
    const modules = ['monitoring', 'audit'] as const
    // Not there, and not to be had.
    await start('')
    await applyMigrations(db, { modules })
    expect((await pglite.query(`select from pg_extension where extname = 'pg_stat_statements'`)).rows).toEqual([])
    await pglite.exec(`
      select tenon.create_partitions('tenon.audit_log', 'month', 12);
      do $$ begin execute (select format('drop table %s', min(inhrelid::regclass::text)) from pg_inherits
        where inhparent = 'tenon.audit_log'::regclass and inhrelid <> 'tenon.audit_log_default'::regclass); end $$`)
    expect(await found({ modules })).toEqual([])
    await pglite.exec('drop table tenon.audit_log_default; alter table tenon.audit_log disable row level security')
    expect(await found({ modules })).toEqual(['changed table audit_log', 'missing table audit_log_default'])
  })

  it('says where to replay what stands on something made by hand', async () => {
    await start('create table by_hand (id int primary key); create role by_hand_role')
    const app = hostModule('create table mine (id int references by_hand); grant select on mine to by_hand_role')
    await applyMigrations(db, { modules: [app] })
    await expect(findDrift(db, { modules: [app] })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringMatching(/^the replay on an embedded database failed: 0001_step1\.sql: /),
      hint: expect.stringContaining('option replay (--replay-url)'),
      sqlstate: '42P01',
    })
    await using prepared = await bootPglite()
    await prepared.exec('create table by_hand (id int primary key); create role by_hand_role')
    await using replay = createDatabase<unknown>({ connection: prepared })
    expect(await found({ modules: [app], replay })).toEqual([])
  })
})
