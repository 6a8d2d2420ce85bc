/**
 * The pool beneath the sessions: its bounds, its end, and the caller's own pg.Pool in its place.
 * What goes wrong while connecting is in connecting.test.ts; connections that die are in tests/faults.
 */
import { inspect } from 'node:util'
import { Kysely, sql } from 'kysely'
import { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Database, TenonDialect, type TenonError, withDedicatedConnection } from '../../src/index.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
beforeEach(() => ledger.admin('select reset_ledger()'))
afterAll(() => ledger.close())

const pids = async (name: string) =>
  (await ledger.admin<{ pid: number }>('select pid from pg_stat_activity where application_name = $1', [name])).map(
    ({ pid }) => pid,
  )
const backend = async (on: Kysely<LedgerTables>) =>
  (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(on)).rows[0]?.pid
const sleep = (on: Kysely<LedgerTables>, seconds: number) => sql`select pg_sleep(${seconds}::float8)`.execute(on)

async function failure(work: Promise<unknown>): Promise<TenonError> {
  return await work.then(
    () => expect.fail('This should have failed.'),
    (error: TenonError) => error,
  )
}

describe('A pool', () => {
  test('opens nothing before the first statement, and no more than its maximum', async () => {
    const db = ledger.open({ pool: { max: 3, applicationName: 'bounded' } })
    const ada = tenant(db, 'ada')
    ada.selectFrom('entry').selectAll().compile()
    expect(db.stats().sessions).toEqual({ total: 0, idle: 0, waiting: 0 })
    const seen = new Set(
      await Promise.all(
        Array.from({ length: 30 }, () =>
          sql<{ pid: number }>`select pg_backend_pid() as pid, pg_sleep(0.005)`
            .execute(ada)
            .then(({ rows }) => rows[0]?.pid),
        ),
      ),
    )
    expect(seen.size).toBeLessThanOrEqual(3)
    expect(seen).toEqual(new Set(await pids('bounded')))
    expect(db.stats().sessions).toEqual({ total: 3, idle: 3, waiting: 0 })
    await db.close()
    await vi.waitFor(async () => expect(await pids('bounded')).toEqual([]))
  })

  test('gives connections in the order they were asked for', async () => {
    await using db = ledger.open({ pool: { max: 1 } })
    const order: number[] = []
    await Promise.all(Array.from({ length: 20 }, (_, i) => backend(tenant(db, `t${i}`)).then(() => order.push(i))))
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })

  test('says so when no connection comes free in time, and nobody is left waiting', async () => {
    await using db = ledger.open({ pool: { max: 1, connectTimeoutMs: 150 } })
    const ada = tenant(db, 'ada')
    await ada.transaction(async (trx) => {
      await backend(trx)
      const started = performance.now()
      const waiting = [
        backend(ada),
        ada.transaction(backend),
        ada.batch([ada.selectFrom('entry').selectAll()]),
        ada.connection().execute(backend),
        ada.selectFrom('entry').selectAll().stream().next(),
      ]
      for (const refused of waiting.map(failure))
        expect(await refused).toMatchObject({ code: 'TIMEOUT_POOL', retryable: true })
      expect(performance.now() - started).toBeGreaterThan(120)
      expect(db.stats().sessions.waiting).toBe(0)
      await trx.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute()
    })
    expect(await ada.selectFrom('entry').select('note').execute()).toEqual([{ note: '1' }])
  })

  test('lets idle connections go, and replaces old ones', async () => {
    await using idle = ledger.open({ pool: { idleTimeoutMs: 30 } })
    await backend(tenant(idle, 'ada'))
    await vi.waitFor(() => expect(idle.stats().sessions.total).toBe(0), { timeout: 3_000 })
    expect(await backend(tenant(idle, 'ada'))).toBeGreaterThan(0)
    await using old = ledger.open({ pool: { max: 1, maxLifetimeSeconds: 0.05 } })
    const first = await backend(tenant(old, 'ada'))
    await vi.waitFor(async () => expect(await backend(tenant(old, 'ada'))).not.toBe(first), { timeout: 3_000 })
  })

  test('shows the name it was given, by option or by URL', async () => {
    const named = async (options: Parameters<Ledger['open']>[0]) => {
      await using db = ledger.open(options)
      return (
        await sql<{ name: string }>`select current_setting('application_name') as name`.execute(tenant(db, 'ada'))
      ).rows[0]?.name
    }
    expect(await named({})).toBe('tenon')
    expect(await named({ pool: { applicationName: 'billing' } })).toBe('billing')
    expect(await named({ connection: `${ledger.loginUrl}?application_name=by-url` })).toBe('by-url')
    expect(await named({ connection: { connectionString: ledger.loginUrl, application_name: 'by-config' } })).toBe(
      'by-config',
    )
  })

  test('shows no password when it is printed', () => {
    const db = ledger.open()
    const { password } = new URL(ledger.loginUrl)
    for (const shown of [
      inspect(db, { depth: 10, showHidden: true }),
      String(db),
      JSON.stringify(db),
      inspect(tenant(db, 'ada'), { depth: 10 }),
    ])
      expect(shown).not.toContain(password)
  })
})

describe('Closing', () => {
  test('waits for what is running, refuses what is new, and leaves no connection', async () => {
    const db = ledger.open({ pool: { applicationName: 'draining' } })
    const ada = tenant(db, 'ada')
    const running = ada.transaction(async (trx) => {
      await trx.insertInto('entry').values({ tenant: 'ada', note: 'drained' }).execute()
      await sleep(trx, 0.2)
      return 'done'
    })
    await vi.waitFor(async () => expect(await pids('draining')).toHaveLength(1))
    const closing = db.close()
    expect(await failure(backend(ada))).toMatchObject({ code: 'DATABASE_CLOSED' })
    expect(await running).toBe('done')
    await closing
    expect(await ledger.admin('select note from entry')).toEqual([{ note: 'drained' }])
    await vi.waitFor(async () => expect(await pids('draining')).toEqual([]))
  })

  test('cuts what still runs after the drain time, and everything settles', async () => {
    const db = ledger.open({ pool: { max: 2, applicationName: 'cut' } })
    const ada = tenant(db, 'ada')
    const outcomes = [
      sleep(ada, 30),
      ada.transaction((trx) => sleep(trx, 30)),
      backend(ada),
      ada.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute(),
    ].map((work) =>
      work.then(
        () => 'done',
        (error: TenonError) => error.code,
      ),
    )
    await vi.waitFor(async () => expect(await pids('cut')).toHaveLength(2))
    const started = performance.now()
    await db.close({ drainMs: 150 })
    expect(performance.now() - started).toBeLessThan(2_500)
    for (const outcome of await Promise.all(outcomes)) {
      expect(['CONNECTION_LOST', 'COMMIT_UNKNOWN', 'DATABASE_CLOSED', 'QUERY_CANCELED']).toContain(outcome)
    }
    await ledger.admin(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cut'`)
  })

  test('is harmless twice, at once, before anything and while connecting', async () => {
    const unused = ledger.open()
    await Promise.all([unused.close(), unused.close()])
    const connecting = ledger.open({ pool: { applicationName: 'connecting' } })
    const first = backend(tenant(connecting, 'ada')).catch((error: TenonError) => error.code)
    await connecting.close()
    await connecting.close()
    expect([await first]).not.toEqual([undefined])
    await vi.waitFor(async () => expect(await pids('connecting')).toEqual([]))
  })

  test('refuses every later use by name', async () => {
    const db = ledger.open()
    const ada = tenant(db, 'ada')
    await backend(ada)
    await db.close()
    const uses: Record<string, () => Promise<unknown>> = {
      query: () => ada.selectFrom('entry').selectAll().execute(),
      raw: () => sql`select 1`.execute(ada),
      transaction: () => ada.transaction(backend),
      'an own builder': () => ada.transaction().execute(backend),
      'controlled transaction': () => ada.startTransaction().execute(),
      batch: () => ada.batch([ada.selectFrom('entry').selectAll()]),
      stream: () => ada.selectFrom('entry').selectAll().stream().next(),
      connection: () => ada.connection().execute(backend),
      'new session': () => backend(tenant(db, 'bob')),
      service: () => backend(db.service({ actor: 'suite', reason: 'test' })),
      verify: () => db.verify(),
      ping: () => db.ping(),
      dedicated: () => withDedicatedConnection(db, {}, (connection) => connection.query('select 1')),
    }
    for (const [name, use] of Object.entries(uses))
      expect(await failure(use()), name).toMatchObject({ code: 'DATABASE_CLOSED', retryable: false })
  })

  test('is what the end of a scope does', async () => {
    {
      await using db = ledger.open({ pool: { applicationName: 'scope' } })
      await backend(tenant(db, 'ada'))
      expect(await pids('scope')).toHaveLength(1)
    }
    await vi.waitFor(async () => expect(await pids('scope')).toEqual([]))
  })
})

describe('A pg.Pool of the caller’s', () => {
  test('serves sessions and plain queries in turn on the same connection, and stays open', async () => {
    const pool = new Pool({ connectionString: ledger.loginUrl, max: 1 })
    const db = ledger.open({ connection: pool })
    const ada = tenant(db, 'ada')
    const pid = (await pool.query('select pg_backend_pid() as pid')).rows[0].pid
    for (let i = 0; i < 10; i++) {
      await ada
        .insertInto('entry')
        .values({ tenant: 'ada', note: String(i) })
        .execute()
      expect(await backend(ada)).toBe(pid)
      const { rows } = await pool.query({
        name: 'who',
        text: `select current_user as who, current_setting('request.jwt.claims', true) as claims`,
        values: [],
      })
      expect(rows).toEqual([{ who: new URL(ledger.loginUrl).username, claims: '' }])
      await ada.transaction((trx) => trx.selectFrom('entry').selectAll().execute())
      await expect(sql`select 1 / 0`.execute(ada)).rejects.toMatchObject({ code: 'QUERY_DATA' })
      const client = await pool.connect()
      await client.query('begin')
      await expect(client.query('select * from entry where note = $1', ['1']), 'as the login').rejects.toThrow(
        'permission denied',
      )
      await client.query('rollback')
      client.release()
    }
    await db.close()
    expect((await pool.query('select pg_backend_pid() as pid')).rows[0].pid, 'still open').toBe(pid)
    await pool.end()
  })

  test('leaves sessions untouched by what others left on its connections', async () => {
    const pool = new Pool({ connectionString: ledger.loginUrl, max: 1 })
    await using db = ledger.open({ connection: pool })
    const ada = tenant(db, 'ada')
    for (const left of [
      `set request.jwt.claims = '{"sub":"bob"}'`,
      'set search_path = pg_temp, evil',
      'set role anon',
      `select set_config('statement_timeout', '1', false)`,
      'create temporary table entry (tenant text, note text)',
    ]) {
      await pool.query(left).catch(() => {})
      const { rows } =
        await sql`select current_user::text as who, current_setting('request.jwt.claims')::jsonb ->> 'sub' as sub, current_setting('statement_timeout') as timeout, pg_sleep(0.01) is not null as slept`.execute(
          ada,
        )
      expect(rows, left).toEqual([{ who: 'authenticated', sub: 'ada', timeout: expect.any(String), slept: true }])
      await ada.insertInto('entry').values({ tenant: 'ada', note: left }).execute()
    }
    expect(await ledger.admin('select 1 from entry')).toHaveLength(5)
    await pool.end()
  })

  test('delivers its own notices and notifications while sessions use it', async () => {
    const pool = new Pool({ connectionString: ledger.loginUrl, max: 1 })
    await using db = ledger.open({ connection: pool })
    const heard: string[] = []
    pool.on('connect', (client) => {
      client.on('notice', (notice) => heard.push(`notice ${notice.message}`))
      client.on('notification', (message) => heard.push(`notification ${message.payload}`))
    })
    await pool.query('listen news')
    const ada = tenant(db, 'ada')
    for (let i = 0; i < 3; i++) {
      await ada.selectFrom('entry').selectAll().execute()
      await ledger.admin(`notify news, 'number ${i}'`)
    }
    await vi.waitFor(async () => {
      await ada.selectFrom('entry').selectAll().execute()
      expect(heard).toEqual(['notification number 0', 'notification number 1', 'notification number 2'])
    })
    await sql`do $$ begin raise notice 'hello'; end $$`.execute(ada)
    expect(heard).toContain('notice hello')
    await pool.end()
  })

  test('may be a configuration, with a password that is asked for', async () => {
    const url = new URL(ledger.loginUrl)
    let asked = 0
    const password = async () => {
      asked += 1
      return url.password
    }
    const config = {
      host: url.hostname,
      port: Number(url.port),
      user: url.username,
      database: url.pathname.slice(1),
      password,
    }
    await using db: Database<LedgerTables> = ledger.open({ connection: config, pool: { max: 1 } })
    expect(await backend(tenant(db, 'ada'))).toBeGreaterThan(0)
    expect(asked).toBe(1)
  })

  test('may be a function’s result for the dialect, made at the first use', async () => {
    let made = 0
    const kysely = new Kysely<LedgerTables>({
      dialect: new TenonDialect({
        pool: async () => {
          made += 1
          return new Pool({ connectionString: ledger.adminUrl })
        },
      }),
    })
    expect(made).toBe(0)
    await Promise.all([backend(kysely), backend(kysely), backend(kysely)])
    expect(made).toBe(1)
    await kysely.destroy()
  })
})
