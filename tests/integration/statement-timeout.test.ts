/**
 * Statements that took too long, by whatever set their limit, and statements that somebody else cancelled: two things with one
 * SQLSTATE, told apart.
 */
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Database, DatabaseOptions, Session } from '../../src/index.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
let db: Database<LedgerTables>
let ada: Session<LedgerTables>

beforeAll(async () => {
  ledger = await openLedger()
  db = ledger.open({ pool: { max: 1, applicationName: 'timed' } })
  ada = tenant(db, 'ada')
  await sql`select 1`.execute(ada)
})
afterAll(() => ledger.close())

const running = () =>
  ledger.admin<{ pid: number }>(
    `select pid from pg_stat_activity where application_name = 'timed' and state = 'active'`,
  )
const untilRunning = (count: number) =>
  vi.waitFor(async () => expect(await running()).toHaveLength(count), { timeout: 5_000, interval: 5 })
const backend = (on: Kysely<LedgerTables>) => sql`select pg_backend_pid() as pid`.execute(on)
const slow = (on: Kysely<LedgerTables>) => sql`select pg_sleep(30)`.execute(on)
const slowRows = (on: Kysely<LedgerTables>) =>
  on
    .selectFrom(
      sql<{ n: number }>`(select n, case when n > 4 then pg_sleep(10) end from generate_series(1, 10) n)`.as('rows'),
    )
    .selectAll()

async function rejection(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => expect.fail('This should have been refused.'),
    (error: unknown) => error,
  )
}

describe('A statement that took too long', () => {
  /** A database object whose sessions may have a role with a timeout of its own; a login of its own could take no other. */
  async function hurried(options: Partial<DatabaseOptions> = {}) {
    const role = `${new URL(ledger.loginUrl).username}_hurried`
    await ledger.admin(`do $$ begin
      create role ${role} nologin noinherit;
      alter role ${role} set statement_timeout = '150ms';
    exception when duplicate_object then null; end $$`)
    const own = ledger.openPowerful({ roles: ['authenticated', role], ...options })
    onTestFinished(() => own.close())
    return { own, role }
  }
  const timeout = { code: 'TIMEOUT_STATEMENT', sqlstate: '57014', retryable: false }

  test('is a timeout when the session, the database object, the role or the database has set one', async () => {
    const { own, role } = await hurried()
    expect(await rejection(slow(own.session({ role: 'authenticated', statementTimeoutMs: 100 })))).toMatchObject(
      timeout,
    )
    expect(await rejection(slow(own.session({ role })))).toMatchObject(timeout)
    const { own: limited } = await hurried({ statementTimeoutMs: 100 })
    expect(await rejection(slow(limited.session({ role: 'authenticated' })))).toMatchObject(timeout)
    const name = new URL(ledger.adminUrl).pathname.slice(1)
    await ledger.admin(`alter database "${name}" set statement_timeout = '600ms'`)
    onTestFinished(() => ledger.admin(`alter database "${name}" reset statement_timeout`).then(() => {}))
    await using fresh = ledger.open()
    expect(await rejection(slow(tenant(fresh, 'ada')))).toMatchObject(timeout)
  })

  test('is a timeout in a transaction, a batch and a stream', async () => {
    const hasty = ada.as({ statementTimeoutMs: 100 })
    expect(await rejection(hasty.transaction((trx) => slow(trx)))).toMatchObject(timeout)
    expect(
      await rejection(hasty.batch([hasty.selectFrom('entry').selectAll(), sql`select pg_sleep(30)`])),
    ).toMatchObject(timeout)
    expect(
      await rejection(
        hasty.transaction(async (trx) => {
          await backend(trx)
          await slow(trx)
        }),
      ),
    ).toMatchObject(timeout)
    const reading = (async () => {
      for await (const row of slowRows(hasty).stream(2)) void row
    })()
    expect(await rejection(reading)).toMatchObject(timeout)
    expect(await sql`select 1 as one`.execute(hasty)).toMatchObject({ rows: [{ one: 1 }] })
  })

  test('may be allowed more than its role, or no limit at all', async () => {
    const { own, role } = await hurried()
    for (const statementTimeoutMs of [0, 5_000])
      await sql`select pg_sleep(0.25)`.execute(own.session({ role, statementTimeoutMs }))
  })

  test('is no timeout when somebody else cancelled it', async () => {
    for (const me of [ada, ada.as({ statementTimeoutMs: 20_000 })]) {
      const stopped = rejection(slow(me))
      await untilRunning(1)
      await ledger.admin('select pg_cancel_backend($1)', [(await running())[0]?.pid])
      expect(await stopped).toMatchObject({ code: 'QUERY_CANCELED', sqlstate: '57014', retryable: false })
    }
  })

  test('waiting for a lock is told by its own code', async () => {
    const account = (on: Kysely<LedgerTables>) =>
      on.updateTable('account').set({ balance: 1 }).where('id', '=', 1).execute()
    await using other = ledger.open()
    await tenant(other, 'bob').transaction(async (trx) => {
      await account(trx)
      const hasty = db.session({ role: 'authenticated', settings: { lock_timeout: '50ms' } })
      expect(await rejection(account(hasty))).toMatchObject({
        code: 'TIMEOUT_LOCK',
        sqlstate: '55P03',
        retryable: true,
      })
    })
  })
})
