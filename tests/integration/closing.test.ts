/**
 * The end of a database object: what runs is waited for, what waits is told, what is new is refused, and nothing is left.
 */
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type TenonError, withDedicatedConnection } from '../../src/index.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
beforeEach(() => ledger.admin('select reset_ledger()').then(() => {}))
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

describe('Closing', () => {
  test('waits for what is running, refuses what is new, and leaves no connection', async () => {
    const db = ledger.open({ pool: { applicationName: 'draining' } })
    const ada = tenant(db, 'ada')
    const begun = Promise.withResolvers<void>()
    const running = ada.transaction(async (trx) => {
      await trx.insertInto('entry').values({ tenant: 'ada', note: 'drained' }).execute()
      begun.resolve()
      await sleep(trx, 0.2)
      return 'done'
    })
    // A server process may be there before the transaction has its connection.
    await begun.promise
    expect(await pids('draining')).toHaveLength(1)
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
