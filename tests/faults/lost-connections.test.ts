/**
 * Connections that end at the worst moment: before a statement, while it runs, in its answer, at the commit. What is known to have
 * failed may be repeated (CONNECTION_LOST), what may have happened says so (COMMIT_UNKNOWN), nothing is repeated by itself.
 */
import { type Kysely, sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Database, Session, TenonError } from '../../src/index.ts'
import { createFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
let proxy: FaultProxy
let db: Database<LedgerTables>
let ada: Session<LedgerTables>

beforeAll(async () => {
  ledger = await openLedger()
  proxy = await createFaultProxy(ledger.loginUrl)
  db = ledger.open({ connection: proxy.through(ledger.loginUrl), pool: { max: 1, applicationName: 'lost' } })
  ada = tenant(db, 'ada')
})
beforeEach(() => ledger.admin('select reset_ledger()'))
afterEach(async () => {
  // Whatever happened, the next one works.
  expect(await ada.selectFrom('account').select('id').where('id', '=', 1).execute()).toEqual([{ id: 1 }])
  expect(db.stats().sessions).toMatchObject({ total: 1, idle: 1, waiting: 0 })
  expect(await ledger.leaks()).toBe(0)
})
afterAll(async () => {
  await ledger.close()
  await proxy.close()
})

const notes = async () =>
  (await ledger.admin<{ note: string }>('select note from entry order by id')).map(({ note }) => note)
const write = (on: Kysely<LedgerTables>, note: string) =>
  on.insertInto('entry').values({ tenant: 'ada', note }).execute()
const read = (on: Kysely<LedgerTables>) => on.selectFrom('entry').select('note').execute()

async function failure(work: Promise<unknown>): Promise<TenonError> {
  return await work.then(
    () => expect.fail('This should have failed.'),
    (error: TenonError) => error,
  )
}
const lost = { name: 'ConnectionLostError', code: 'CONNECTION_LOST', retryable: true }
const unknown = { name: 'CommitUnknownError', code: 'COMMIT_UNKNOWN', retryable: false }

/** Ends the backend from another connection. */
const terminate = () =>
  ledger.admin(`select pg_terminate_backend(pid, 2000) from pg_stat_activity where application_name = 'lost'`)
const untilWaiting = () =>
  vi.waitFor(
    async () =>
      expect(
        await ledger.admin(
          `select 1 from pg_stat_activity where application_name = 'lost' and wait_event_type = 'Lock'`,
        ),
      ).toHaveLength(1),
    { timeout: 5_000, interval: 2 },
  )

/** Runs the work against a table that somebody has locked, and ends its connection while it waits. */
async function whileRunning(work: () => Promise<unknown>, end: () => unknown): Promise<TenonError> {
  await read(ada)
  await ledger.admin('begin')
  await ledger.admin('lock table entry in access exclusive mode')
  const failed = failure(work())
  await untilWaiting()
  await end()
  const error = await failed
  await ledger.admin('rollback')
  // What a cut connection left running on the server ends with the lock.
  await vi.waitFor(async () =>
    expect(
      await ledger.admin(`select 1 from pg_stat_activity where application_name = 'lost' and wait_event_type = 'Lock'`),
    ).toEqual([]),
  )
  return error
}

const ends: Record<string, () => unknown> = {
  'terminated by an administrator': terminate,
  'reset by the network': () => proxy.breakAll('reset'),
  'ended by the network': () => proxy.breakAll('end'),
}

describe.each(Object.entries(ends))('A connection %s', (how, end) => {
  test('before a statement is replaced', async () => {
    await read(ada)
    await end()
    await vi.waitFor(() => expect(db.stats().sessions.total).toBe(0))
    await write(ada, 'after')
    expect(await notes()).toEqual(['after'])
  })

  test('while a read runs: the read may be repeated', async () => {
    expect(await whileRunning(() => read(ada), end)).toMatchObject(lost)
    expect(await whileRunning(() => ada.transaction((trx) => read(trx)), end)).toMatchObject(lost)
  })

  test('while a write runs: nobody knows, and it is not repeated', async () => {
    const before = db.stats().roundTrips
    const error = await whileRunning(() => write(ada, 'lost'), end)
    // The one for the read before it and its own.
    expect(db.stats().roundTrips - before).toBeLessThanOrEqual(2)
    expect(error).toMatchObject(unknown)
    expect(error.hint).toBeTruthy()
    // The administrator's end is certain to have come before the commit; the network's is not.
    if (how.startsWith('terminated')) expect(await notes()).toEqual([])
  })

  test('while a batch or raw SQL runs: nobody knows', async () => {
    expect(
      await whileRunning(
        () =>
          ada.batch([
            ada.selectFrom('account').selectAll(),
            ada.insertInto('entry').values({ tenant: 'ada', note: 'lost' }),
          ]),
        end,
      ),
    ).toMatchObject(unknown)
    expect(await whileRunning(() => sql`select * from entry, pg_sleep(0)`.execute(ada), end)).toMatchObject(unknown)
  })

  test('while a transaction’s statement runs: nothing was committed, and it may be repeated', async () => {
    let committed = false
    const work = () =>
      ada.transaction(async (trx) => {
        trx.afterCommit(() => (committed = true))
        await trx.updateTable('account').set({ balance: 1 }).where('id', '=', 1).execute()
        await write(trx, 'lost')
      })
    expect(await whileRunning(work, end)).toMatchObject(lost)
    expect(committed).toBe(false)
    await vi.waitFor(async () =>
      expect(await ledger.admin('select balance from account where id = 1 for update nowait')).toEqual([
        { balance: 100 },
      ]),
    )
  })

  test('while a stream is read: it ends with the loss', async () => {
    const reading = (async () => {
      for await (const row of ada
        .selectFrom(sql<{ n: number }>`generate_series(1, 10)`.as<'n'>(sql`n`))
        .selectAll()
        .stream(2)) {
        void row
        await end()
      }
    })()
    expect(await failure(reading)).toMatchObject(lost)
  })

  test('while a transaction is idle: its next statement fails, and so does its commit; nothing was committed', async () => {
    const late = async (trx: Kysely<LedgerTables>) => {
      await write(trx, 'lost')
      await end()
      await write(trx, 'too late')
    }
    expect(await failure(ada.transaction(late))).toMatchObject(lost)
    const swallowing = ada.transaction((trx) => late(trx).catch(() => {}))
    expect(await failure(swallowing), 'the commit was never sent').toMatchObject(lost)
    expect(await notes()).toEqual([])
  })

  test('while several wait for it: each gets its own outcome', async () => {
    let waiting: Promise<unknown>[] = []
    const endWhileOthersWait = async () => {
      waiting = ['0', '1', '2', '3', '4'].map((note) =>
        write(ada, note).then(
          () => 'written',
          (error: TenonError) => error.code,
        ),
      )
      await end()
    }
    expect(await whileRunning(() => read(ada), endWhileOthersWait)).toMatchObject(lost)
    // Whoever was only waiting for the connection gets another.
    expect(await Promise.all(waiting)).toEqual(Array(5).fill('written'))
    expect((await notes()).toSorted()).toEqual(['0', '1', '2', '3', '4'])
  })
})

describe('A commit whose answer is lost', () => {
  test('is unknown after a write, and here it had happened', async () => {
    const error = await failure(
      ada.transaction(async (trx) => {
        await write(trx, 'committed')
        proxy.cutAfter(0)
      }),
    )
    expect(error).toMatchObject(unknown)
    expect(await notes()).toEqual(['committed'])
  })

  test('is only a lost connection when nothing was written', async () => {
    const reading = ada.transaction(async (trx) => {
      await read(trx)
      proxy.cutAfter(0)
    })
    expect(await failure(reading)).toMatchObject(lost)
  })

  test('is unknown also when it never arrived, and here it had not happened', async () => {
    const error = await failure(
      ada.transaction(async (trx) => {
        await write(trx, 'lost')
        proxy.cutAfter(3, { direction: 'toServer' })
      }),
    )
    expect(error).toMatchObject(unknown)
    expect(await notes()).toEqual([])
  })
})

describe('A healing statement whose connection is lost', () => {
  test('is not sent a third time', async () => {
    await read(ada)
    await ledger.admin('alter table entry add column extra integer')
    const all = () => ada.selectFrom('entry').selectAll().execute()
    await all()
    await ledger.admin('alter table entry drop column extra')
    proxy.cutAfter(0)
    const before = db.stats().roundTrips
    expect(await failure(all())).toMatchObject(lost)
    expect(db.stats().roundTrips - before).toBe(1)
  })
})
