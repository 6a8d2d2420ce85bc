/**
 * Stopping what a session has begun, by AbortSignal and at every moment of a query's life. In the end nothing runs on the server and
 * the connection serves the next. Timeouts and other people's cancels are in statement-timeout.test.ts.
 */
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Database, Session } from '../../src/index.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
let db: Database<LedgerTables>
let ada: Session<LedgerTables>
const reason = new Error('the caller gave up')

beforeAll(async () => {
  ledger = await openLedger()
  db = ledger.open({ pool: { max: 1, applicationName: 'cancelled' } })
  ada = tenant(db, 'ada')
  await sql`select 1`.execute(ada)
})
beforeEach(() => {
  // Kysely reports late failures on the console; a session has told its caller already and is to be quiet.
  const printed = vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
  const logged = vi.spyOn(console, 'error').mockImplementation(() => {})
  onTestFinished(() => {
    const said = [...printed.mock.calls, ...logged.mock.calls].map(([text]) => String(text))
    printed.mockRestore()
    logged.mockRestore()
    expect(said, 'printed to stderr').toEqual([])
  })
})
afterAll(() => ledger.close())

const running = () =>
  ledger.admin<{ pid: number }>(
    `select pid from pg_stat_activity where application_name = 'cancelled' and state = 'active'`,
  )
const untilRunning = (count: number) =>
  vi.waitFor(async () => expect(await running()).toHaveLength(count), { timeout: 5_000, interval: 5 })
const idleState = async () =>
  (
    await ledger.admin<{ state: string }>(`select state from pg_stat_activity where application_name = 'cancelled'`)
  ).map(({ state }) => state)
const backend = async (on: Kysely<LedgerTables>) =>
  (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(on)).rows[0]?.pid
const slow = (on: Kysely<LedgerTables>, signal?: AbortSignal) =>
  sql`select pg_sleep(30)`.execute(on, signal === undefined ? undefined : { signal })
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

describe('An aborted query', () => {
  test('is not sent when the signal came first', async () => {
    const before = db.stats().roundTrips
    const signal = AbortSignal.abort(reason)
    expect(await rejection(ada.selectFrom('entry').selectAll().execute({ signal }))).toBe(reason)
    expect(await rejection(ada.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute({ signal }))).toBe(
      reason,
    )
    expect(await rejection(ada.selectFrom('entry').selectAll().stream({ signal }).next())).toBe(reason)
    expect(await rejection(ada.transaction({ signal }, (trx) => backend(trx)))).toBe(reason)
    expect(db.stats().roundTrips).toBe(before)
  })

  test('leaves the queue of the pool at once, and its place to the next', async () => {
    const controller = new AbortController()
    const held = Promise.withResolvers<void>()
    const holding = ada.transaction(async (trx) => {
      await backend(trx)
      await held.promise
    })
    await vi.waitFor(() => expect(db.stats().sessions.idle).toBe(0))
    const waiting = rejection(
      ada.insertInto('entry').values({ tenant: 'ada', note: 'aborted' }).execute({ signal: controller.signal }),
    )
    const next = ada.selectFrom('entry').selectAll().execute()
    controller.abort(reason)
    // The connection is still held: only the signal can have ended the waiting.
    expect(await waiting).toBe(reason)
    held.resolve()
    await holding
    expect(await next).toEqual([])
    expect(db.stats().sessions).toMatchObject({ total: 1, idle: 1, waiting: 0 })
  })

  test('is stopped on the server, and its connection serves the next', async () => {
    const pid = await backend(ada)
    const controller = new AbortController()
    const stopped = rejection(slow(ada, controller.signal))
    await untilRunning(1)
    const aborted = performance.now()
    controller.abort(reason)
    expect(await stopped).toBe(reason)
    expect(performance.now() - aborted).toBeLessThan(500)
    await untilRunning(0)
    expect(await backend(tenant(db, 'bob'))).toBe(pid)
  })

  test('writes nothing', async () => {
    const controller = new AbortController()
    const write = ada
      .insertInto('entry')
      .columns(['tenant', 'note'])
      .expression((eb) =>
        eb
          .selectFrom(sql`(select pg_sleep(30))`.as('slow'))
          .select([sql.lit('ada').as('tenant'), sql.lit('1').as('note')]),
      )
    const stopped = rejection(write.execute({ signal: controller.signal }))
    await untilRunning(1)
    controller.abort(reason)
    expect(await stopped).toBe(reason)
    await untilRunning(0)
    expect(await ada.selectFrom('entry').selectAll().execute()).toEqual([])
  })

  test('that is no query is stopped as well', async () => {
    const controller = new AbortController()
    const stopped = rejection(sql`do $$ begin perform pg_sleep(30); end $$`.execute(ada, { signal: controller.signal }))
    await untilRunning(1)
    controller.abort(reason)
    expect(await stopped).toBe(reason)
    await untilRunning(0)
    // The rollback follows the answer to the caller.
    await expect.poll(idleState).toEqual(['idle'])
  })

  test('is not disturbed by a signal that comes when it is over', async () => {
    const controller = new AbortController()
    await ada.selectFrom('entry').selectAll().execute({ signal: controller.signal })
    const next = sql`select pg_sleep(0.05)`.execute(tenant(db, 'bob'))
    controller.abort(reason)
    await next
  })

  test('takes its transaction with it', async () => {
    const controller = new AbortController()
    const stopped = rejection(
      ada.transaction(async (trx) => {
        await trx.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute()
        await slow(trx, controller.signal)
      }),
    )
    await untilRunning(1)
    controller.abort(reason)
    expect(await stopped).toBe(reason)
    await untilRunning(0)
    expect(await ada.selectFrom('entry').selectAll().execute()).toEqual([])
    expect(await idleState()).toEqual(['idle'])
  })

  test('in a savepoint leaves the rest of the transaction, whose later errors are told', async () => {
    const controller = new AbortController()
    const trx = await ada.startTransaction().execute()
    await trx.insertInto('entry').values({ tenant: 'ada', note: 'kept' }).execute()
    const inner = await trx.savepoint('inner').execute()
    const stopped = rejection(slow(inner, controller.signal))
    await untilRunning(1)
    controller.abort(reason)
    expect(await stopped).toBe(reason)
    const restored = await inner.rollbackToSavepoint('inner').execute()
    const refused = restored.insertInto('entry').values({ tenant: 'bob', note: 'foreign' }).execute()
    expect(await rejection(refused)).toMatchObject({ code: 'ACCESS_POLICY' })
    await restored.rollbackToSavepoint('inner').execute()
    await trx.commit().execute()
    expect(await ada.selectFrom('entry').select('note').execute()).toEqual([{ note: 'kept' }])
    await ada.deleteFrom('entry').execute()
  })

  test('on a pinned connection leaves it pinned, and later errors are told for what they are', async () => {
    const controller = new AbortController()
    const patient = ada.as({ statementTimeoutMs: 100 })
    await patient.connection().execute(async (one) => {
      const pid = await backend(one)
      const stopped = rejection(sql`select pg_sleep(0.09)`.execute(one, { signal: controller.signal }))
      await untilRunning(1).catch(() => {})
      controller.abort(reason)
      await stopped.catch(() => {})
      expect(await rejection(slow(one))).toMatchObject({ code: 'TIMEOUT_STATEMENT' })
      expect(await rejection(one.insertInto('entry').values({ tenant: 'bob', note: '' }).execute())).toMatchObject({
        code: 'ACCESS_POLICY',
      })
      expect(await backend(one)).toBe(pid)
    })
  })
})

describe('An aborted stream', () => {
  test('stops in the middle, on the server too', async () => {
    const controller = new AbortController()
    const seen: number[] = []
    const reading = rejection(
      (async () => {
        for await (const { n } of slowRows(ada).stream({ chunkSize: 2, signal: controller.signal })) seen.push(n)
      })(),
    )
    await vi.waitFor(() => expect(seen).toEqual([1, 2, 3, 4]), { timeout: 5_000, interval: 5 })
    await untilRunning(1)
    controller.abort(reason)
    expect(await reading).toBe(reason)
    await untilRunning(0)
    expect(await ada.selectFrom('entry').selectAll().execute()).toEqual([])
    expect(await idleState()).toEqual(['idle'])
  })

  test('stops between two chunks, and in a transaction takes it along', async () => {
    const controller = new AbortController()
    const reading = rejection(
      ada.transaction(async (trx) => {
        await trx.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute()
        for await (const { n } of slowRows(trx).stream({ chunkSize: 2, signal: controller.signal }))
          if (n === 2) controller.abort(reason)
      }),
    )
    expect(await reading).toBe(reason)
    expect(await ada.selectFrom('entry').selectAll().execute()).toEqual([])
    expect(await idleState()).toEqual(['idle'])
  })
})
