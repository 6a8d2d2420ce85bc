/** The host's own migrations: how they are registered, what is refused of them, and what an error in one of them says. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, type Database, TenonError } from '../../src/index.ts'
import {
  applyMigrations,
  defineModule,
  type MigrationEvent,
  planMigrations,
  readModules,
  toScript,
} from '../../src/migrate/index.ts'
import { createLogin, createTestDatabase, type TestDatabase } from '../support/database.ts'

let place: TestDatabase
let admin: Client
let db: Database<unknown>
let folder: string

beforeEach(async () => {
  place = await createTestDatabase()
  admin = new Client({ connectionString: place.adminUrl })
  await admin.connect()
  db = open(place.adminUrl)
  folder = mkdtempSync(join(tmpdir(), 'tenon-host-'))
})
afterEach(async () => {
  await db.close()
  await admin.end()
  await place.drop()
  rmSync(folder, { recursive: true })
})

function open(url: string): Database<unknown> {
  return createDatabase({ connection: url, service: { connection: url }, trustLogin: true })
}

function write(files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

const one = async (text: string): Promise<unknown> => Object.values((await admin.query(text)).rows[0] ?? {})[0]
const state = async (modules: Parameters<typeof planMigrations>[1]['modules']) =>
  Object.fromEntries((await planMigrations(db, { modules })).map(({ name, state }) => [name, state]))
const app = (...sources: readonly (readonly [path: string, sql: string])[]) =>
  defineModule(
    'app',
    sources.map(([path, sql]) => ({ path, sql })),
  )
const failure = async (work: Promise<unknown>): Promise<TenonError> =>
  work.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => {
      if (error instanceof TenonError) return error
      throw error
    },
  )

describe('A folder of migrations', () => {
  it('holds modules in folders of their own and the module app, in the order of their numbers and requirements', async () => {
    write({
      'README.md': 'not a migration',
      '0010_second.sql': 'create table second (id int references first)',
      '0009_first.sql': 'create table first (id int primary key)',
      'billing/20260101120000_invoices.sql':
        '-- requires: app, auth\ncreate table invoices (id int references second_key)',
      '20250101000000_key.sql': 'create table second_key (id int primary key)',
    })
    const modules = await readModules(folder)
    expect(modules.map(({ name, requires }) => [name, requires])).toEqual([
      ['app', []],
      ['billing', ['app', 'auth']],
    ])
    const { applied } = await applyMigrations(db, { modules: [...modules].reverse() })
    expect(applied).toEqual([
      'ledger/0001_migrations',
      'app/0009_first',
      'app/0010_second',
      'app/20250101000000_key',
      'roles/0001_roles',
      'auth/0001_subject',
      'auth/0002_auth',
      'billing/20260101120000_invoices',
    ])
  })

  it('may be empty', async () => {
    expect(await readModules(folder)).toEqual([])
  })

  it('gives the same hash for LF and CRLF', async () => {
    write({ '0001_a.sql': 'create table a (id int);\ncreate table b (id int);\n' })
    await applyMigrations(db, { modules: await readModules(folder) })
    write({ '0001_a.sql': 'create table a (id int);\r\ncreate table b (id int);\r\n' })
    expect((await applyMigrations(db, { modules: await readModules(folder) })).applied).toEqual([])
  })

  it.each<[string, Readonly<Record<string, string | Uint8Array>>, RegExp]>([
    ['a byte order mark', { '0001_a.sql': '\uFEFFselect 1' }, /0001_a\.sql: the file begins with a byte order mark/],
    ['text that is not UTF-8', { '0001_a.sql': Uint8Array.of(0x2d, 0x2d, 0xe9) }, /0001_a\.sql: the file is not UTF-8/],
    ['a NUL character', { '0001_a.sql': 'select 1\0' }, /0001_a\.sql: the file holds a NUL character/],
    [
      'two files of one number',
      { '0001_a.sql': 'select 1', '00001_b.sql': 'select 2' },
      /0001_\w\.sql and .*0001_\w\.sql have the same number/,
    ],
    ['a name without a number', { 'a.sql': 'select 1' }, /a\.sql: a migration file is named NNNN_slug\.sql/],
    ['a folder that is no name', { 'My Module/0001_a.sql': 'select 1' }, /"My Module" cannot be the name of a module/],
    ['a name of the library', { 'auth/0001_a.sql': 'select 1' }, /"auth" is a module of the library/],
    [
      'a transaction of its own',
      { '0001_a.sql': 'select 1; commit; select 2' },
      /the transaction belongs to whoever runs the file/,
    ],
    ['COPY from the client', { '0001_a.sql': 'copy t from stdin' }, /COPY FROM STDIN/],
    ['a psql command', { '0001_a.sql': 'select 1;\n\\d' }, /psql commands are not SQL/],
    [
      'a concurrent index without the header',
      { '0001_a.sql': 'create index concurrently i on t (id)' },
      /say "transactional: no"/,
    ],
    [
      'two statements outside a transaction',
      { '0001_a.sql': '-- transactional: no\nvacuum; select 1' },
      /exactly one statement/,
    ],
    [
      'the way back of dbmate',
      { '0001_a.sql': 'select 1;\n-- migrate:down\nselect 2' },
      /line 2 reads as if the way back/,
    ],
    ['the way back of goose', { '0001_a.sql': '-- +goose Down\nselect 2' }, /line 1 reads as if the way back/],
    ['the way back below the header', { '0001_a.sql': 'select 1;\n-- down:\nselect 2' }, /line 2 reads as if/],
    ['a way back that is not indented', { '0001_a.sql': '-- down:\ndrop table t;' }, /"down" is empty/],
    ['a quote that is never closed', { '0001_a.sql': `select 'x` }, /a quote is never closed/],
  ])('is refused with %s', async (_, files, message) => {
    write(files)
    expect(await failure(readModules(folder))).toMatchObject({
      code: 'MIGRATION_SOURCE',
      message: expect.stringMatching(message),
    })
  })

  it('may speak of the way back in strings and in prose', async () => {
    write({ '0001_a.sql': "-- down: none (said below)\nselect '\n-- down:\n';\n-- Down the road this goes.\nselect 1" })
    expect(await readModules(folder)).toHaveLength(1)
  })

  it('is refused when a file cannot be read, and when it is not there', async () => {
    expect(await failure(readModules(join(folder, 'nowhere')))).toMatchObject({
      code: 'MIGRATION_SOURCE',
      message: expect.stringMatching(/nowhere cannot be read \(ENOENT\)/),
    })
    mkdirSync(join(folder, 'app'))
    mkdirSync(join(folder, 'app/0001_a.sql'))
    expect((await failure(readModules(folder))).message).toMatch(/0001_a\.sql cannot be read \(EISDIR\)/)
    chmodSync(folder, 0o755)
  })

  it('keeps `begin atomic` bodies, dollar quotes, escape strings and comments whole', async () => {
    const sql = `-- a comment; commit;
      create function f(n int) returns int language sql begin atomic select n; select n + 1; end;
      create function g() returns text language plpgsql as $body$ begin return 'commit;'; end $body$;
      select E'it''s \\' ; commit', 'begin', "column" from (select 1 as "column") t; /* rollback; */`
    await applyMigrations(db, { modules: [app(['0001_odd.sql', sql])] })
    expect(await one('select g()')).toBe('commit;')
  })
})

describe('A module of the host', () => {
  it('finds unqualified names in the schema of the run, and leaves the caller’s search_path out of it', async () => {
    await admin.query(`create schema shop; create schema trap; create table trap.t (id int)`)
    await admin.query(`alter database ${place.name} set search_path = trap`)
    const module = app(['0001_t.sql', 'create table t (id int)'], ['0002_t.sql', 'alter table t add column more int'])
    await applyMigrations(db, { modules: [module], schema: 'shop' })
    expect(await one(`select count(*)::int from pg_attribute where attrelid = 'shop.t'::regclass and attnum > 0`)).toBe(
      2,
    )
    expect(await one(`select count(*)::int from pg_attribute where attrelid = 'trap.t'::regclass and attnum > 0`)).toBe(
      1,
    )
  })

  it('has a header whose values end where prose begins', async () => {
    const module = defineModule('app', [
      {
        path: '0001_a.sql',
        sql: '-- requires: roles,\n--   timestamps\n-- down:\n--   drop table a;\n--\n--   select 1;\n-- and prose\ncreate table a (id int)',
      },
    ])
    expect(module.requires).toEqual(['roles', 'timestamps'])
    expect(module.files[0]?.down).toBe('drop table a;\nselect 1;')
  })

  it('is refused when modules require each other, or one that is not there', async () => {
    const a = defineModule('a', [{ path: '0001_a.sql', sql: '-- requires: b\nselect 1' }])
    const b = defineModule('b', [{ path: '0001_b.sql', sql: '-- requires: a\nselect 1' }])
    expect((await failure(applyMigrations(db, { modules: [a, b] }))).message).toBe(
      'modules require each other: a requires b requires a',
    )
    expect(await failure(applyMigrations(db, { modules: [a] }))).toMatchObject({
      code: 'OPTION_INVALID',
      message: 'module a requires one that does not exist',
    })
    expect(db.stats().roundTrips).toBe(0)
  })

  it('can be shown as a script that does the same, ledger and all', async () => {
    const module = app(
      ['0001_t.sql', 'create table t (id int)'],
      ['0002_i.sql', '-- transactional: no\ncreate index concurrently t_id_idx on t (id)'],
    )
    const script = toScript(await planMigrations(db, { modules: [module] }))
    // As psql sends it: a statement outside a transaction is a message of its own.
    for (const part of script.split(/(?=^-- \w+\/)/m)) {
      const alone = /outside a transaction/.test(part)
      for (const text of alone ? part.split(';\n').map((line) => line.trim()) : [part])
        if (text) await admin.query(text)
    }
    await admin.query('set search_path to default')
    expect(await state([module])).toEqual({
      'ledger/0001_migrations': 'applied',
      'app/0001_t': 'applied',
      'app/0002_i': 'applied',
    })
    expect(toScript(await planMigrations(db, { modules: [module] }))).toBe('')
    expect(await one(`select indisvalid from pg_index where indexrelid = 't_id_idx'::regclass`)).toBe(true)
  })
})

describe('A history that the files do not explain', () => {
  const first = ['0001_first.sql', 'create table first (id int)'] as const
  const third = ['0003_third.sql', 'create table third (id int)'] as const
  beforeEach(() => applyMigrations(db, { modules: [app(first, third)] }))

  const refused = async (module: ReturnType<typeof app>, message: RegExp) => {
    const before = await one('select count(*)::int from tenon.migrations')
    expect(await failure(applyMigrations(db, { modules: [module] }))).toMatchObject({
      code: 'MIGRATION_DIVERGED',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/.{20}/),
    })
    expect(await one('select count(*)::int from tenon.migrations')).toBe(before)
  }

  it('is an edited file', async () => {
    const edited = app(first, ['0003_third.sql', 'create table third (id bigint)'], ['0004_new.sql', 'select 1'])
    await refused(edited, /^0003_third\.sql was applied with another content$/)
    expect(await state([edited])).toMatchObject({
      'app/0001_first': 'applied',
      'app/0003_third': 'edited',
      'app/0004_new': 'pending',
    })
  })

  it('is a missing file', async () => {
    await refused(app(first), /^app\/0003_third was applied by tenon, and there is no such file now$/)
    expect(await state([app(first)])).toMatchObject({ 'app/0003_third': 'missing' })
  })

  it('is a number that two branches used', async () => {
    await refused(app(first, ['0003_other.sql', 'select 1']), /^0003_other\.sql: number 0003 was applied as third$/)
  })

  it('is a file that comes before one that is applied, unless that is said to be in order', async () => {
    const late = app(first, ['0002_second.sql', 'create table second (id int)'], third)
    await refused(late, /^0002_second\.sql is not applied, although a later file of module app is$/)
    const { applied } = await applyMigrations(db, { modules: [late], allowOutOfOrder: true })
    expect(applied).toEqual(['app/0002_second'])
  })

  it('is told with how much more there is', async () => {
    await refused(
      app(['0001_first.sql', 'select 1'], ['0003_third.sql', 'select 1']),
      /\(and 1 more: tenon migrate status lists them\)$/,
    )
  })
})

describe('An error in a migration', () => {
  it('is told with file, line and column, and leaves nothing of the file', async () => {
    const sql = `create table kept (id int);\n-- 🌲 a comment\ncreate table broken (id int,\n  name textt not null);`
    const error = await failure(applyMigrations(db, { modules: [app(['db/0001_t.sql', sql])] }))
    expect(error).toMatchObject({ code: 'MIGRATION_FAILED', sqlstate: '42704' })
    expect(error.message).toMatch(/^db\/0001_t\.sql:4:8: /)
    expect(await one(`select to_regclass('kept')`)).toBeNull()
    expect(await one('select count(*)::int from tenon.migrations')).toBe(1)
    const syntax = await failure(applyMigrations(db, { modules: [app(['db/0001_t.sql', 'select 1;\n  selec 2'])] }))
    expect(syntax.message).toMatch(/^db\/0001_t\.sql:2:3: .*syntax/i)
  })

  it('names the privilege that is missing', async () => {
    await using login = await createLogin(place)
    await using poor = open(login.url)
    const error = await failure(applyMigrations(poor, { modules: ['timestamps'] }))
    expect(error).toMatchObject({
      code: 'MIGRATION_FAILED',
      sqlstate: '42501',
      hint: 'it takes: CREATE on the database',
    })
    await admin.query(`grant create on database ${place.name} to "${login.name}"`)
    await applyMigrations(poor, { modules: [] })
    const host = await failure(applyMigrations(poor, { modules: [app(['0001_t.sql', 'create table t (id int)'])] }))
    expect(host.message).toMatch(/0001_t\.sql.*permission denied for schema public/)
    await admin.query(`drop schema tenon cascade; revoke create on database ${place.name} from "${login.name}"`)
  })

  it('is one clear one on a server that only reads', async () => {
    await admin.query(`alter database ${place.name} set default_transaction_read_only = on`)
    const error = await failure(applyMigrations(db, { modules: ['timestamps'] }))
    expect(error).toMatchObject({ code: 'TRANSACTION_READ_ONLY' })
    expect(error.message).toMatch(/0001_migrations\.sql/)
    expect(await one(`select to_regclass('tenon.migrations')`)).toBeNull()
  })
})

describe('A migration that waits for a lock', () => {
  beforeEach(() => admin.query('create table busy (id int)'))

  it('gives up soon, lets others through, and comes back', async () => {
    const holder = new Client({ connectionString: place.adminUrl })
    await holder.connect()
    await holder.query('begin; lock table busy in access share mode')
    const events: MigrationEvent[] = []
    const observe = (event: MigrationEvent): void => {
      events.push(event)
      if (event.type === 'retrying') void holder.query('commit')
    }
    const module = app(['0001_alter.sql', 'alter table busy add column more int'])
    const { applied } = await applyMigrations(db, { modules: [module], lockTimeoutMs: 50, observe })
    expect(applied).toEqual(['ledger/0001_migrations', 'app/0001_alter'])
    expect(events.map((event) => event.type)).toEqual(['started', 'finished', 'started', 'retrying', 'finished'])
    await holder.end()
  })

  it('says so when it never gets it, and nothing is left', async () => {
    await admin.query('begin; lock table busy in access share mode')
    const module = app(['0001_alter.sql', 'alter table busy add column more int'])
    const error = await failure(applyMigrations(db, { modules: [module], lockTimeoutMs: 20, lockRetries: 1 }))
    expect(error).toMatchObject({
      code: 'TIMEOUT_LOCK',
      retryable: true,
      message: expect.stringMatching(/0001_alter\.sql/),
    })
    await admin.query('rollback')
    expect(await state([module])).toMatchObject({ 'app/0001_alter': 'pending' })
  })
})

describe('A run with nothing to do', () => {
  it('is one round trip, with 500 migrations too', async () => {
    const sources = Array.from({ length: 500 }, (_, i) => ({
      path: `${String(i + 1).padStart(4, '0')}_m.sql`,
      sql: `create table t${i} (id int primary key, name text not null default 'x', at timestamptz);`,
    }))
    const module = defineModule('many', sources)
    await applyMigrations(db, { modules: [module] })
    const before = db.stats().roundTrips
    const { applied, present } = await applyMigrations(db, { modules: [defineModule('many', sources)] })
    expect(db.stats().roundTrips - before).toBe(1)
    expect([applied.length, present.length]).toEqual([0, 501])
  })
})
