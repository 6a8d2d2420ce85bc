/**
 * Transactions that are run again. The collisions are real: two connections, brought into each other's way by gates and never by
 * sleeping. What runs after a commit is in after-commit.test.ts.
 */
import { type Kysely, sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database, TenonError } from '../../src/index.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
let db: Database<LedgerTables>
const events: string[] = []

beforeAll(async () => {
  ledger = await openLedger()
  const name = new URL(ledger.adminUrl).pathname.slice(1)
  // A deadlock is looked for only after this long; the default is a second.
  await ledger.admin(`alter database "${name}" set deadlock_timeout = '20ms'`)
  db = ledger.open({ observe: (event) => void events.push(event.type) })
})
beforeEach(() => ledger.admin('select reset_ledger()'))
afterEach(async () => {
  events.length = 0
  expect(await ledger.leaks()).toBe(0)
})
afterAll(() => ledger.close())

async function failure(work: Promise<unknown>): Promise<TenonError> {
  return await work.then(
    () => expect.fail('This should have failed.'),
    (error: TenonError) => error,
  )
}

/** Opens when `count` have come to it, and stays open. */
function gate(count: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let missing = count
  return () => {
    missing -= 1
    if (missing <= 0) resolve()
    return promise
  }
}

const add = (on: Kysely<LedgerTables>, id: number, amount: number) =>
  on
    .updateTable('account')
    .set((eb) => ({ balance: eb('balance', '+', amount) }))
    .where('id', '=', id)
    .execute()
const total = (on: Kysely<LedgerTables>) =>
  on
    .selectFrom('account')
    .select((eb) => eb.fn.sum<string>('balance').as('total'))
    .executeTakeFirstOrThrow()
const balances = () => ledger.admin('select id, balance from account where id <= 2 order by id')
/** A statement that fails as a lost race does, every time. */
const lose = (on: Kysely<LedgerTables>, sqlstate = '40001') =>
  sql`do ${sql.raw(`$$ begin raise exception 'lost' using errcode = '${sqlstate}'; end $$`)}`.execute(on)

describe('A repeated transaction', () => {
  test('runs its whole closure again after a write on a row that changed meanwhile (40001)', async () => {
    const seen: string[] = []
    const committed: number[] = []
    const result = await tenant(db, 'ada').transaction({ isolationLevel: 'repeatable read', retry: 3 }, async (trx) => {
      const attempt = seen.push((await total(trx)).total)
      trx.afterCommit(() => committed.push(attempt))
      await trx
        .insertInto('entry')
        .values({ tenant: 'ada', note: `attempt ${attempt}` })
        .execute()
      if (attempt === 1) await add(tenant(db, 'bob'), 1, 5)
      await add(trx, 1, 10)
      return attempt
    })
    expect(result).toBe(2)
    expect(seen, 'each attempt reads anew').toEqual(['1000', '1005'])
    expect(await balances()).toEqual([
      { id: 1, balance: 115 },
      { id: 2, balance: 100 },
    ])
    expect(await ledger.admin('select note from entry')).toEqual([{ note: 'attempt 2' }])
    expect(committed, 'callbacks of a lost attempt never run').toEqual([2])
    expect(events.filter((type) => type === 'retry')).toHaveLength(1)
  })

  test('runs again when the conflict comes out only at the commit', async () => {
    const bothHaveWritten = gate(2)
    const firstHasCommitted = Promise.withResolvers<void>()
    const attempts = { ada: 0, bob: 0 }
    const before = db.stats().retries
    const transfer = async (who: 'ada' | 'bob', id: number) => {
      await tenant(db, who).transaction({ isolationLevel: 'serializable', retry: 3 }, async (trx) => {
        attempts[who] += 1
        await total(trx)
        await add(trx, id, 1)
        await bothHaveWritten()
        if (who === 'bob' && attempts.bob === 1) await firstHasCommitted.promise
      })
      firstHasCommitted.resolve()
    }
    await Promise.all([transfer('ada', 1), transfer('bob', 2)])
    expect(attempts).toEqual({ ada: 1, bob: 2 })
    expect(await balances()).toEqual([
      { id: 1, balance: 101 },
      { id: 2, balance: 101 },
    ])
    expect(db.stats().retries - before).toBe(1)
  })

  test('runs again after a deadlock (40P01), and both of the two come through', async () => {
    const bothHoldOne = gate(2)
    let attempts = 0
    const move = (who: string, from: number, to: number) =>
      tenant(db, who).transaction({ retry: 3 }, async (trx) => {
        attempts += 1
        await add(trx, from, -1)
        await bothHoldOne()
        await add(trx, to, 1)
      })
    await Promise.all([move('ada', 1, 2), move('bob', 2, 1)])
    expect(attempts).toBe(3)
    expect(await balances()).toEqual([
      { id: 1, balance: 100 },
      { id: 2, balance: 100 },
    ])
  })

  test('is not run again unless that is asked for', async () => {
    let attempts = 0
    const deadlock = failure(
      tenant(db, 'ada').transaction(async (trx) => {
        attempts += 1
        await lose(trx, '40P01')
      }),
    )
    expect(await deadlock).toMatchObject({ code: 'TRANSACTION_DEADLOCK', retryable: true })
    expect(attempts).toBe(1)
    expect(await failure(tenant(db, 'ada').transaction((trx) => lose(trx)))).toMatchObject({
      code: 'TRANSACTION_SERIALIZATION',
      retryable: true,
    })
  })

  test('gives up after as many more attempts as were asked for, with the error of the last', async () => {
    let attempts = 0
    const losing = tenant(db, 'ada').transaction({ retry: 2 }, async (trx) => {
      attempts += 1
      await lose(trx)
    })
    expect(await failure(losing)).toMatchObject({ code: 'TRANSACTION_SERIALIZATION' })
    expect(attempts).toBe(3)
  })

  test('begins no attempt beyond its budget of time', async () => {
    let attempts = 0
    const losing = tenant(db, 'ada').transaction({ retry: 1_000, retryBudgetMs: 500 }, async (trx) => {
      attempts += 1
      await lose(trx)
    })
    const started = performance.now()
    expect(await failure(losing)).toMatchObject({ code: 'TRANSACTION_SERIALIZATION' })
    expect(attempts).toBeGreaterThan(1)
    expect(attempts).toBeLessThan(500)
    expect(performance.now() - started).toBeLessThan(5_000)
    attempts = 0
    await failure(
      tenant(db, 'ada').transaction({ retry: 5, retryBudgetMs: 0 }, async (trx) => {
        attempts += 1
        await lose(trx)
      }),
    )
    expect(attempts).toBe(1)
  })

  test('is run again when the closure has wrapped the error in one of its own', async () => {
    let attempts = 0
    await tenant(db, 'ada').transaction({ retry: 2 }, async (trx) => {
      attempts += 1
      if (attempts > 1) return
      await lose(trx).catch((cause: unknown) => Promise.reject(new Error('could not book', { cause })))
    })
    expect(attempts).toBe(2)
  })

  test('is not run again after any other error', async () => {
    for (const sqlstate of ['23505', '55P03', '57014', 'P0001', '22012']) {
      let attempts = 0
      await failure(
        tenant(db, 'ada').transaction({ retry: 5 }, async (trx) => {
          attempts += 1
          await lose(trx, sqlstate)
        }),
      )
      expect(attempts, sqlstate).toBe(1)
    }
  })

  test('is never run again when its commit was lost, because it may have happened', async () => {
    await using proxy = await createFaultProxy(ledger.loginUrl)
    await using through = ledger.open({ connection: proxy.through(ledger.loginUrl) })
    let attempts = 0
    let committed = false
    const error = await failure(
      tenant(through, 'ada').transaction({ retry: 5 }, async (trx) => {
        attempts += 1
        trx.afterCommit(() => (committed = true))
        await trx.insertInto('entry').values({ tenant: 'ada', note: 'lost' }).execute()
        proxy.cutAfter(0)
      }),
    )
    expect(error).toMatchObject({ code: 'COMMIT_UNKNOWN', retryable: false })
    expect([attempts, committed]).toEqual([1, false])
    // And here it did happen: a second run would have written a second row.
    expect(await ledger.admin('select note from entry')).toEqual([{ note: 'lost' }])
  })

  test('stops between attempts when its signal is aborted', async () => {
    const controller = new AbortController()
    let attempts = 0
    const stopped = tenant(db, 'ada').transaction({ retry: 1_000, signal: controller.signal }, async (trx) => {
      attempts += 1
      if (attempts === 3) controller.abort(new Error('enough'))
      await lose(trx)
    })
    const error = await failure(stopped)
    expect([error.message, (error.cause as Error | undefined)?.message]).toContain('enough')
    expect(attempts).toBe(3)
  })

  test('refuses a number of attempts that is none', async () => {
    for (const retry of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(await failure(tenant(db, 'ada').transaction({ retry }, async () => {}))).toMatchObject({
        code: 'OPTION_INVALID',
      })
    }
  })
})
