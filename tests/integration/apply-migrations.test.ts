/**
 * applyMigrations through the library's own connections: order, ledger, lock and refusals, on the server and on PGlite.
 * What the SQL files do is judged in tests/sql.
 */
import type { PGlite } from '@electric-sql/pglite'
import { sql } from 'kysely'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, type Database } from '../../src/index.ts'
import { applyMigrations } from '../../src/migrate/index.ts'
import { createLogin, createTestDatabase, type TestDatabase } from '../support/database.ts'
import { bootPglite } from '../support/pglite.ts'
import { openStatementPooler } from '../support/statement-pooler.ts'

const projectsAndRequirements = [
  'ledger/0001_migrations',
  'roles/0001_roles',
  'auth/0001_subject',
  'auth/0002_auth',
  'timestamps/0001_update_modified_column',
  'projects/0001_projects',
]

type Tables = { projects: { owner_id?: string; name: string; slug: string } }

interface FileName {
  readonly module: string
  readonly version: string
  readonly slug: string
}
const namesOf = (files: readonly FileName[]) => files.map(({ module, version, slug }) => `${module}/${version}_${slug}`)

describe('applyMigrations on a server', () => {
  let place: TestDatabase
  let admin: Client
  let db: Database<unknown>

  beforeEach(async () => {
    place = await createTestDatabase()
    admin = new Client({ connectionString: place.adminUrl })
    await admin.connect()
    db = open()
  })
  afterEach(async () => {
    await db.close()
    await admin.end()
    await place.drop()
  })

  const open = () =>
    createDatabase({ connection: place.adminUrl, service: { connection: place.adminUrl }, trustLogin: true })
  const ledger = async () => {
    const { rows } = await admin.query(
      'select module, version, slug, target_schema, id_type from tenon.migrations order by applied_at',
    )
    return rows
  }
  const relations = async (schema: string) => {
    const { rows } = await admin.query('select relname from pg_class where relnamespace = $1::regnamespace', [schema])
    return rows.map((row) => row.relname)
  }

  it('applies what is asked and what it requires, in order, and writes it down', async () => {
    const { applied, present } = await applyMigrations(db, { modules: ['projects'] })
    expect(applied).toEqual(projectsAndRequirements)
    expect(present).toEqual([])
    expect(namesOf(await ledger())).toEqual(projectsAndRequirements)
    expect((await ledger()).at(-1)).toMatchObject({ target_schema: 'public', id_type: 'uuid' })
    expect((await ledger()).at(0)).toMatchObject({ target_schema: '', id_type: '' })
  })

  it('does nothing the second time, and only what is new the third', async () => {
    await applyMigrations(db, { modules: ['projects'] })
    const second = await applyMigrations(db, { modules: ['projects'] })
    expect(second.applied).toEqual([])
    expect(second.present).toEqual(projectsAndRequirements)
    const third = await applyMigrations(db, { modules: ['projects', 'customers'] })
    expect(third.applied).toEqual(['customers/0001_customers'])
  })

  it('applies each file once when two processes start together', async () => {
    const others = [open(), open(), open()]
    try {
      const results = await Promise.all(
        others.map((other) => applyMigrations(other, { modules: ['projects', 'activity'] })),
      )
      expect(results.map((result) => result.applied.length).sort()).toEqual([0, 0, 9])
      expect(await ledger()).toHaveLength(9)
    } finally {
      for (const other of others) await other.close()
    }
  })

  it('makes the tables once per schema, each for its own kind of identity', async () => {
    await admin.query('create schema "Odd ""name"')
    await applyMigrations(db, { modules: ['projects'] })
    const { applied } = await applyMigrations(db, { modules: ['projects'], schema: 'Odd "name', id: 'text' })
    expect(applied).toEqual(['projects/0001_projects'])
    const { rows } = await admin.query(
      `select table_schema, data_type from information_schema.columns where table_name = 'projects' and column_name = 'owner_id' order by 1`,
    )
    expect(rows).toEqual([
      { table_schema: 'Odd "name', data_type: 'text' },
      { table_schema: 'public', data_type: 'uuid' },
    ])
  })

  it('refuses another kind of identity for tables that are there', async () => {
    await applyMigrations(db, { modules: ['projects'] })
    await expect(applyMigrations(db, { modules: ['projects'], id: 'bigint' })).rejects.toMatchObject({
      code: 'MIGRATION_DIVERGED',
      message: expect.stringContaining(
        'sql/modules/projects/0001_projects.sql was applied for identities of type uuid',
      ),
    })
  })

  it('refuses a file that was edited after it was applied, before it applies anything', async () => {
    await applyMigrations(db, { modules: ['auth'] })
    await admin.query(`update tenon.migrations set sha256 = repeat('0', 64) where module = 'auth' and version = '0002'`)
    await expect(applyMigrations(db, { modules: ['projects'] })).rejects.toMatchObject({
      code: 'MIGRATION_DIVERGED',
      message: 'sql/modules/auth/0002_auth.sql was applied with another content',
    })
    expect(await relations('public')).toEqual([])
    expect(await ledger()).toHaveLength(4)
  })

  it('never overwrites an object of the host: it names it, keeps it, and goes on when it is out of the way', async () => {
    await admin.query(`create table public.user_activities (precious int); insert into public.user_activities values (1);
      create function public.calculate_activity_score(user_id uuid) returns numeric language sql return 7`)
    await expect(applyMigrations(db, { modules: ['activity'] })).rejects.toMatchObject({
      code: 'QUERY_DUPLICATE_OBJECT',
      sqlstate: '42P07',
      message: expect.stringContaining('0002_user_activities.sql: table "public"."user_activities" exists already'),
      hint: expect.stringContaining('option schema'),
      schema: 'public',
      table: 'user_activities',
    })
    expect((await admin.query('select * from public.user_activities')).rows).toEqual([{ precious: 1 }])
    expect(namesOf(await ledger()).at(-1)).toBe('activity/0001_profiles')

    await admin.query('alter table public.user_activities rename to ours')
    await expect(applyMigrations(db, { modules: ['activity'] })).rejects.toMatchObject({
      code: 'QUERY_DUPLICATE_OBJECT',
      sqlstate: '42723',
      message: expect.stringContaining('function "public"."calculate_activity_score" exists already'),
    })
    expect((await admin.query('select public.calculate_activity_score(null) as score')).rows).toEqual([{ score: '7' }])

    await admin.query('drop function public.calculate_activity_score')
    const { applied } = await applyMigrations(db, { modules: ['activity'] })
    expect(applied).toEqual(['activity/0003_calculate_activity_score'])
  })

  it('says which file failed and why, for every other failure', async () => {
    await expect(applyMigrations(db, { modules: ['projects'], schema: 'not_there' })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      sqlstate: '3F000',
      message: 'sql/modules/projects/0001_projects.sql:14:14: schema "not_there" does not exist',
    })
  })

  it.each([
    ['an unknown module', { modules: ['project'] }, 'OPTION_INVALID'],
    ['a name that every object has', { modules: ['constructor'] }, 'OPTION_INVALID'],
    [
      'a type that is none of the three',
      { modules: ['projects'], id: 'uuid); drop schema public cascade; --' },
      'OPTION_INVALID',
    ],
    ['a schema of the library', { modules: ['projects'], schema: 'tenon' }, 'OPTION_INVALID'],
    ['a schema of the server', { modules: ['projects'], schema: 'pg_catalog' }, 'OPTION_INVALID'],
    ['an empty schema', { modules: ['projects'], schema: '' }, 'IDENTIFIER_INVALID'],
    ['a schema with NUL', { modules: ['projects'], schema: 'a\0b' }, 'IDENTIFIER_INVALID'],
    ['a schema that is too long', { modules: ['projects'], schema: 'x'.repeat(64) }, 'IDENTIFIER_INVALID'],
  ])('refuses %s before anything is sent', async (_, options, code) => {
    // The options are wrong on purpose.
    await expect(
      applyMigrations(db, options as unknown as Parameters<typeof applyMigrations>[1]),
    ).rejects.toMatchObject({
      code,
    })
    expect(db.stats().roundTrips).toBe(0)
  })

  it('waits for another run no longer than it is told, and then works', async () => {
    const key = String(0x74656e6f6e)
    await admin.query('select pg_advisory_lock($1)', [key])
    await expect(applyMigrations(db, { modules: ['roles'], runLockTimeoutMs: 250 })).rejects.toMatchObject({
      code: 'TIMEOUT_LOCK',
      retryable: true,
    })
    const waiting = applyMigrations(db, { modules: ['timestamps'] })
    await admin.query('select pg_advisory_unlock($1)', [key])
    expect((await waiting).applied).toHaveLength(2)
  })

  it('refuses a pooler in transaction mode as soon as the lock is not its own, and applies nothing', async () => {
    const pooler = await openStatementPooler(place.adminUrl, 2)
    try {
      await using through = createDatabase({
        connection: pooler.url,
        service: { connection: pooler.url },
        trustLogin: true,
      })
      const work = applyMigrations(through, {
        modules: ['timestamps'],
        observe: ({ type }) => type === 'started' && pooler.use(1),
      })
      await expect(work).rejects.toMatchObject({
        code: 'CONNECTION_CONFIG',
        message: expect.stringMatching(/behind a pooler in transaction mode/),
      })
      expect((await admin.query(`select to_regclass('tenon.migrations') as made`)).rows).toEqual([{ made: null }])
    } finally {
      await pooler.close()
    }
  })

  it('stops waiting when it is told to stop', async () => {
    await admin.query('select pg_advisory_lock($1)', [String(0x74656e6f6e)])
    const controller = new AbortController()
    const waiting = applyMigrations(db, { modules: ['roles'], signal: controller.signal })
    setTimeout(() => controller.abort(), 50)
    await expect(waiting).rejects.toThrow(/abort/i)
  })

  it('leaves nothing of a file whose connection was cut, and can be run again', async () => {
    await applyMigrations(db, { modules: ['auth'] })
    // The file has run and its entry waits for this lock when the connection is cut.
    await admin.query('begin; lock table tenon.migrations in exclusive mode')
    const cut = applyMigrations(db, { modules: ['timestamps'] }).catch((error: unknown) => error)
    const watcher = new Client({ connectionString: place.adminUrl })
    await watcher.connect()
    const terminate = `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like 'insert into tenon.migrations%'`
    while ((await watcher.query(terminate)).rowCount === 0);
    await watcher.end()
    expect(await cut).toMatchObject({ code: expect.stringMatching(/^(CONNECTION_LOST|COMMIT_UNKNOWN)$/) })
    await admin.query('rollback')
    const { rows } = await admin.query(`select to_regproc('tenon.update_modified_column') as made`)
    expect(rows).toEqual([{ made: null }])
    expect((await applyMigrations(db, { modules: ['timestamps'] })).applied).toEqual([
      'timestamps/0001_update_modified_column',
    ])
  })

  it('leaves sessions whole after restrict-set-config, which takes set_config from their statements', async () => {
    await applyMigrations(db, { modules: ['projects', 'restrict-set-config'] })
    await using login = await createLogin(place)
    // What the file itself does for tenon_login. The grant would keep the login from being dropped.
    await admin.query(`grant execute on function pg_catalog.set_config(text, text, boolean) to "${login.name}"`)
    await using _ = { [Symbol.asyncDispose]: async () => void (await admin.query(`drop owned by "${login.name}"`)) }
    await using app = createDatabase<Tables>({ connection: login.url })
    const me = app.session({ role: 'authenticated', claims: { sub: 'a0000000-0000-4000-8000-00000000000a' } })
    const names = (executor: Pick<typeof me, 'selectFrom'>) => executor.selectFrom('projects').select('name')
    const expected = [{ name: 'A' }]
    await me.insertInto('projects').values({ name: 'A', slug: 'a' }).execute()
    expect(await names(me).execute()).toEqual(expected)
    expect(await me.batch([names(me), names(me)])).toEqual([expected, expected])
    const trx = await me.startTransaction().execute()
    await names(trx).execute()
    const inner = await trx.savepoint('inner').execute()
    await names(inner).execute()
    await inner.rollbackToSavepoint('inner').execute()
    expect(await names(trx).execute()).toEqual(expected)
    await trx.commit().execute()

    const forged = JSON.stringify({ sub: 'b0000000-0000-4000-8000-00000000000b' })
    const impersonate = sql`select pg_catalog.set_config('request.jwt.claims', ${forged}, true)`
    await expect(impersonate.execute(me)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
  })

  it('needs a service connection', async () => {
    await using sessionsOnly = createDatabase({ connection: place.adminUrl })
    await expect(applyMigrations(sessionsOnly, { modules: ['roles'] })).rejects.toMatchObject({
      code: 'SERVICE_MISSING',
    })
  })
})

describe('applyMigrations on PGlite', () => {
  let pglite: PGlite
  let db: Database<unknown>
  beforeAll(async () => {
    pglite = await bootPglite()
    db = createDatabase({ connection: pglite })
  })
  afterAll(async () => {
    await db.close()
    await pglite.close()
  })

  it('refuses a tenon_login that is powerful, and says how to mend it', async () => {
    await pglite.exec('create role tenon_login login superuser')
    await expect(applyMigrations(db, { modules: ['roles'] })).rejects.toMatchObject({
      code: 'LOGIN_POWERFUL',
      sqlstate: '55000',
      message: 'sql/modules/roles/0001_roles.sql: role tenon_login exists and is more than a powerless login',
      hint: expect.stringContaining('alter role tenon_login noinherit nosuperuser'),
    })
    await pglite.exec('drop role tenon_login')
  })

  it('applies modules, once, and its tables then keep sessions apart', async () => {
    expect((await applyMigrations(db, { modules: ['projects'] })).applied).toHaveLength(
      projectsAndRequirements.length - 1,
    )
    expect((await applyMigrations(db, { modules: ['projects'] })).applied).toEqual([])
    const sessionOf = (sub: string) => db.session({ role: 'authenticated', claims: { sub } }).$extendTables<Tables>()
    const ada = sessionOf('a0000000-0000-4000-8000-00000000000a')
    const ben = sessionOf('b0000000-0000-4000-8000-00000000000b')
    await ada.insertInto('projects').values({ name: 'A', slug: 'a' }).execute()
    await ben.insertInto('projects').values({ name: 'B', slug: 'b' }).execute()
    expect(await ada.selectFrom('projects').select('name').execute()).toEqual([{ name: 'A' }])
    expect(await ben.selectFrom('projects').select('name').execute()).toEqual([{ name: 'B' }])
    await pglite.exec('alter table projects disable row level security')
    expect(await ada.selectFrom('projects').select('name').execute()).toHaveLength(2)
  })
})
