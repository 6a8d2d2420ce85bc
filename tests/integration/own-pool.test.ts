/**
 * The caller's own pg.Pool, its configuration, or the function that makes it, in place of a URL: sessions take turns with whatever
 * else uses it, and neither disturbs the other.
 */
import { Kysely, sql } from 'kysely'
import { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Database, TenonDialect } from '../../src/index.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
beforeEach(() => ledger.admin('select reset_ledger()').then(() => {}))
afterAll(() => ledger.close())

const backend = async (on: Kysely<LedgerTables>) =>
  (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(on)).rows[0]?.pid

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
