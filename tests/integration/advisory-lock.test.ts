/** Advisory locks by name: two connections, timeouts, deadlocks, tenants, and what is left behind. */
import { type Kysely, sql, type Transaction } from 'kysely'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { advisoryLock, createDatabase, type Database, tryAdvisoryLock } from '../../src/index.ts'
import { createLogin, createTestDatabase } from '../support/database.ts'
import { bootPglite } from '../support/pglite.ts'

describe('Advisory locks of two connections', () => {
  let db: Database<Record<string, never>>
  let admin: Client
  let close: () => Promise<void>
  beforeAll(async () => {
    const place = await createTestDatabase()
    const login = await createLogin(place)
    admin = new Client(place.adminUrl)
    await admin.connect()
    db = createDatabase({ connection: login.url, service: { connection: place.adminUrl } })
    close = async () => {
      await db.close()
      await admin.end()
      await place.drop()
      await login.drop()
    }
  })
  afterAll(() => close())

  const session = (sub: string) => db.session({ role: 'authenticated', claims: { sub } })
  const locks = async () => (await admin.query(`select from pg_locks where locktype = 'advisory'`)).rowCount
  const setting = async (on: Kysely<never>) =>
    (await sql<{ v: string }>`select current_setting('lock_timeout') as v`.execute(on)).rows[0]?.v
  /** Holds a lock while `work` runs on another connection. */
  const holding = (take: (trx: Transaction<never>) => Promise<unknown>, work: () => Promise<void>) =>
    session('ada').transaction(async (trx) => {
      await take(trx as never)
      await work()
    })

  it('exclude each other to the end of the transaction, committed or not', async () => {
    await holding(
      (trx) => advisoryLock(trx, 'invoices'),
      async () => {
        await session('bob').transaction(async (trx) => {
          expect(await tryAdvisoryLock(trx, 'invoices')).toBe(false)
          expect(await tryAdvisoryLock(trx, 'orders'), 'the control').toBe(true)
        })
      },
    )
    await session('bob').transaction(async (trx) => expect(await tryAdvisoryLock(trx, 'invoices')).toBe(true))
    await session('bob')
      .transaction(async (trx) => {
        await advisoryLock(trx, 'invoices', { timeoutMs: 1_000 })
        throw new Error('no')
      })
      .catch(() => {})
    expect(await locks()).toBe(0)
  })

  it('wait for each other, in the order of the server', async () => {
    const order: string[] = []
    let second: Promise<void> | undefined
    await holding(
      (trx) => advisoryLock(trx, 'queue'),
      async () => {
        second = session('bob').transaction(async (trx) => {
          await advisoryLock(trx, 'queue', { timeoutMs: 10_000 })
          order.push('second')
        })
        await expect
          .poll(
            async () =>
              (await admin.query(`select from pg_locks where locktype = 'advisory' and not granted`)).rowCount,
          )
          .toBe(1)
        order.push('first')
      },
    )
    await second
    expect(order).toEqual(['first', 'second'])
  })

  it('are given up after the timeout, and lock_timeout is as it was before', async () => {
    await holding(
      (trx) => advisoryLock(trx, 'slow'),
      async () => {
        const bob = session('bob').as({ settings: { lock_timeout: '7s' } })
        const started = performance.now()
        await expect(bob.transaction((trx) => advisoryLock(trx, 'slow', { timeoutMs: 50 }))).rejects.toMatchObject({
          code: 'TIMEOUT_LOCK',
          retryable: true,
        })
        expect(performance.now() - started).toBeLessThan(5_000)
        await bob.transaction(async (trx) => {
          await advisoryLock(trx, 'free', { timeoutMs: 50 })
          expect(await setting(trx as never)).toBe('7s')
          await sql`savepoint s`.execute(trx)
          await expect(advisoryLock(trx, 'slow', { timeoutMs: 50 })).rejects.toMatchObject({ code: 'TIMEOUT_LOCK' })
          await sql`rollback to s`.execute(trx)
          expect(await setting(trx as never), 'after a savepoint').toBe('7s')
        })
        expect(await setting(session('bob') as never)).toBe('0')
        // The bound is that of the wait for this lock alone: a control that waits without one.
        await expect(
          session('bob')
            .as({ statementTimeoutMs: 80 })
            .transaction((trx) => advisoryLock(trx, 'slow')),
        ).rejects.toMatchObject({ code: 'TIMEOUT_STATEMENT' })
      },
    )
  })

  it('are freed by the way back to a savepoint before them, and not by one after them', async () => {
    await session('ada').transaction(async (trx) => {
      await advisoryLock(trx, 'early')
      await sql`savepoint s`.execute(trx)
      await advisoryLock(trx, 'late')
      expect(await locks()).toBe(2)
      await sql`rollback to s`.execute(trx)
      await session('bob').transaction(async (other) => {
        expect(await tryAdvisoryLock(other, 'late')).toBe(true)
        expect(await tryAdvisoryLock(other, 'early')).toBe(false)
      })
    })
  })

  it('are shared, or not', async () => {
    await holding(
      (trx) => advisoryLock(trx, 'report', { mode: 'shared' }),
      async () => {
        await session('bob').transaction(async (trx) => {
          expect(await tryAdvisoryLock(trx, 'report', { mode: 'shared' })).toBe(true)
          expect(await tryAdvisoryLock(trx, 'report')).toBe(false)
          await advisoryLock(trx, 'report', { mode: 'shared', timeoutMs: 1_000 })
        })
      },
    )
  })

  it('are apart by namespace, whatever the names are', async () => {
    const pairs = [
      ['a', 'b:c'],
      ['a:b', 'c'],
      ['', 'a'],
      ['a', 'a'],
      ['","', 'x'],
      ['', '","x'],
      ['ten\0ant', 'k'],
      ['ten', '\0antk'],
      ['t', 'é'],
      ['t', 'e\u0301'],
      ['t', ' '],
      ['t', 'x'.repeat(1_000_000)],
      ['t', "'; select pg_sleep(9); --"],
      ['t', '1'],
      ['1', 't'],
    ] as const
    await holding(
      async (trx) => {
        for (const [namespace, key] of pairs) await advisoryLock(trx, key, { namespace })
      },
      async () => {
        expect(await locks(), 'no two are one').toBe(pairs.length)
        await session('bob').transaction(async (trx) => {
          for (const [namespace, key] of pairs) expect(await tryAdvisoryLock(trx, key, { namespace })).toBe(false)
          expect(await tryAdvisoryLock(trx, 'a', { namespace: 'other tenant' })).toBe(true)
        })
      },
    )
  })

  it('end a deadlock, and the transaction that is ended runs again', async () => {
    const both = async (first: string, second: string, met: () => Promise<void>) =>
      session(first).transaction({ retry: 5 }, async (trx) => {
        await advisoryLock(trx, first)
        await met()
        await advisoryLock(trx, second)
      })
    let arrived = 0
    const doors: (() => void)[] = []
    const met = async () => {
      if (++arrived === 2) for (const open of doors) open()
      else if (arrived < 2) await new Promise<void>((resolve) => doors.push(resolve))
    }
    const before = db.stats().retries
    await Promise.all([both('left', 'right', met), both('right', 'left', met)])
    expect(db.stats().retries).toBeGreaterThan(before)
  })

  it('are refused outside a transaction, and where they are no names', async () => {
    const refused = { code: 'OPTION_INVALID', hint: expect.any(String) }
    await expect(advisoryLock(session('ada'), 'k')).rejects.toMatchObject(refused)
    await expect(tryAdvisoryLock(db.service({ actor: 'test', reason: 'lock' }), 'k')).rejects.toMatchObject(refused)
    await session('ada').transaction(async (trx) => {
      for (const key of ['', '\ud800', 7, null, undefined, {}])
        await expect(advisoryLock(trx, key as string)).rejects.toMatchObject(refused)
      for (const timeoutMs of [0, -1, 1.5, Number.NaN, 2 ** 31])
        await expect(advisoryLock(trx, 'k', { timeoutMs })).rejects.toMatchObject(refused)
      await expect(advisoryLock(trx, 'k', { namespace: 1 as never })).rejects.toMatchObject(refused)
      await expect(advisoryLock(trx, 'k', { mode: 'no' as never })).rejects.toMatchObject(refused)
    })
    await db
      .service({ actor: 'test', reason: 'lock' })
      .transaction()
      .execute((trx) => advisoryLock(trx, 'k', { timeoutMs: 5 }))
  })

  it('cost one round trip each, and no clean-up without a timeout', async () => {
    const before = db.stats().roundTrips
    await session('ada').transaction(async (trx) => {
      await advisoryLock(trx, 'a')
      await advisoryLock(trx, 'b', { timeoutMs: 100 })
      await tryAdvisoryLock(trx, 'c')
    })
    expect(db.stats().roundTrips - before).toBe(4)
  })
})

it('An embedded database has one connection, where every lock is free', async () => {
  const pglite = await bootPglite()
  await pglite.exec('create role authenticated; create role anon')
  const db = createDatabase({ connection: pglite })
  const me = db.session({ role: 'authenticated' })
  await me.transaction(async (trx) => {
    await advisoryLock(trx, 'k', { timeoutMs: 10 })
    expect(await tryAdvisoryLock(trx, 'k')).toBe(true)
    await expect(me.transaction((other) => advisoryLock(other, 'k'))).rejects.toMatchObject({ code: 'EMBEDDED_BUSY' })
  })
  await db.close()
  await pglite.close()
})
