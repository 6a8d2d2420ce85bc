/**
 * The pool beneath the sessions and its bounds. Its end is in closing.test.ts, the caller's own pg.Pool in own-pool.test.ts, what goes
 * wrong while connecting in connecting.test.ts; connections that die are in tests/faults.
 */
import { inspect } from 'node:util'
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { TenonError } from '../../src/index.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
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
    expect(db.stats().sessions).toMatchObject({ total: 0, idle: 0, waiting: 0 })
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
    expect(db.stats().sessions).toMatchObject({ total: 3, idle: 3, waiting: 0 })
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
    await using old = ledger.open({ pool: { max: 1, maxLifetimeSeconds: 1 } })
    const first = await backend(tenant(old, 'ada'))
    await vi.waitFor(async () => expect(await backend(tenant(old, 'ada'))).not.toBe(first), { timeout: 3_000 })
  })

  test('serves those who wait when the server is back, after the first of them was refused', async () => {
    const proxy = await createFaultProxy(ledger.loginUrl)
    onTestFinished(() => proxy.close())
    await using db = ledger.open({
      connection: proxy.through(ledger.loginUrl),
      pool: { max: 1, connectTimeoutMs: 4_000 },
    })
    const ada = tenant(db, 'ada')
    const read = () => ada.selectFrom('entry').select('note').execute()
    await read()
    let waiting: Promise<PromiseSettledResult<unknown>[]> | undefined
    await ada
      .transaction(async (trx) => {
        await trx.selectFrom('entry').select('note').execute()
        waiting = Promise.allSettled([read(), read(), read()])
        await proxy.refuse()
        proxy.breakAll()
        await new Promise((resolve) => setTimeout(resolve, 20))
      })
      .catch(() => {})
    const outcomes = await waiting
    // Each is told at once, and nobody waits for a connection that nobody opens.
    for (const outcome of outcomes ?? [])
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CONNECTION_REFUSED' } })
    await proxy.accept()
    expect(await read()).toEqual([])
  })

  test('waits for as long as the configuration of pg says', async () => {
    await using db = ledger.open({
      connection: { connectionString: ledger.loginUrl, max: 1, connectionTimeoutMillis: 200 },
    })
    const ada = tenant(db, 'ada')
    await ada.transaction(async (trx) => {
      await trx.selectFrom('entry').select('note').execute()
      const started = performance.now()
      expect(await failure(backend(ada))).toMatchObject({ code: 'TIMEOUT_POOL' })
      expect(performance.now() - started).toBeLessThan(1_500)
    })
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
