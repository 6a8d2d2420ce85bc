/**
 * Queries that outlive their transaction: started too late, never awaited, or left behind by a failing neighbour in Promise.all.
 * None of them may run outside the transaction or as anybody else, so the login here is powerful: nothing but the wire holds them.
 * The control shows what happens to the same code on Kysely's own dialect.
 */
import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database, Session } from '../../src/index.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
let db: Database<LedgerTables>
let me: Session<LedgerTables>

beforeAll(async () => {
  ledger = await openLedger()
  db = ledger.openPowerful({ pool: { max: 1 } })
  me = tenant(db, 'ada')
})
beforeEach(() => ledger.admin('select reset_ledger()'))
afterEach(async () => {
  // One connection: whatever a straggler left on it would be seen by this.
  const { rows } = await sql<{ who: string; sub: string }>`
    select current_user::text as who, current_setting('request.jwt.claims')::jsonb ->> 'sub' as sub
  `.execute(tenant(db, 'bob'))
  expect(rows).toEqual([{ who: 'authenticated', sub: 'bob' }])
  expect(await ledger.leaks()).toBe(0)
})
afterAll(() => ledger.close())

const write = (on: Kysely<LedgerTables>, note: string) =>
  on.insertInto('entry').values({ tenant: 'ada', note }).execute()
const notes = async () =>
  (await ledger.admin<{ note: string }>('select note from entry order by id')).map(({ note }) => note)

/** The ways a transaction is run. */
const ways: Record<string, (body: (trx: Kysely<LedgerTables>) => Promise<unknown>) => Promise<unknown>> = {
  'transaction(callback)': (body) => me.transaction(body),
  'transaction().execute(callback)': (body) => me.transaction().execute(body),
  'a transaction inside connection()': (body) => me.connection().execute((one) => one.transaction(body)),
  async 'a controlled transaction'(body) {
    const trx = await me.startTransaction().execute()
    try {
      await body(trx)
      await trx.commit().execute()
    } catch (error) {
      await trx.rollback().execute()
      throw error
    }
  },
}

describe.each(Object.entries(ways))('With %s', (_, run) => {
  test('a query started after the end is refused', async () => {
    let kept: Kysely<LedgerTables> | undefined
    await run(async (trx) => {
      kept = trx
      await write(trx, 'inside')
    })
    const late = kept
    if (late === undefined) expect.fail('The callback did not run.')
    await expect(write(late, 'late')).rejects.toThrow()
    await expect(sql`select 1`.execute(late)).rejects.toThrow()
    await expect(late.selectFrom('entry').selectAll().stream().next()).rejects.toThrow()
    expect(await notes()).toEqual(['inside'])
  })

  test('a query started after a rollback is refused', async () => {
    let kept: Kysely<LedgerTables> | undefined
    const failing = run(async (trx) => {
      kept = trx
      await write(trx, 'inside')
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    await expect(write(kept as Kysely<LedgerTables>, 'late')).rejects.toThrow()
    expect(await notes()).toEqual([])
  })

  test('a query nobody awaited is part of the transaction or refused, first or not', async () => {
    // Often enough for the answers of statement and commit to come in one piece as well as in two.
    for (const before of Array.from({ length: 16 }, (__, i) => (i % 2 === 0 ? [] : ['before']))) {
      let straggler: Promise<unknown> | undefined
      await run(async (trx) => {
        for (const note of before) await write(trx, note)
        straggler = write(trx, 'straggler').then(
          () => 'written',
          () => 'refused',
        )
      })
      const outcome = await straggler
      expect(await notes(), String(outcome)).toEqual(outcome === 'written' ? [...before, 'straggler'] : before)
      await ledger.admin('select reset_ledger()')
    }
  })

  test('a query nobody awaited is gone with the rollback', async () => {
    const stragglers: Promise<unknown>[] = []
    const failing = run(async (trx) => {
      await write(trx, 'before')
      for (const note of ['1', '2', '3']) stragglers.push(write(trx, note).catch(() => {}))
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    await Promise.all(stragglers)
    expect(await notes()).toEqual([])
  })

  test('what a failing member of Promise.all leaves behind is gone with the rollback', async () => {
    const bad: Record<string, (trx: Kysely<LedgerTables>) => Promise<unknown>> = {
      'refused by the server': (trx) => trx.insertInto('entry').values({ tenant: 'bob', note: 'foreign' }).execute(),
      'refused before it was sent': (trx) => trx.insertInto('entry').values({ tenant: 'ada', note: 'a\0b' }).execute(),
      'failing by itself': () => Promise.reject(new Error('no')),
    }
    for (const [name, fail] of Object.entries(bad)) {
      for (const first of [true, false]) {
        const others: Promise<unknown>[] = []
        const failing = run(async (trx) => {
          if (!first) await write(trx, 'before')
          const members = ['1', '2', '3'].map((note) => write(trx, note))
          others.push(...members.map((member) => member.catch(() => {})))
          await Promise.all([fail(trx), ...members])
        })
        await expect(failing, name).rejects.toThrow()
        await Promise.all(others)
        expect(await notes(), name).toEqual([])
      }
    }
  })

  test('a straggler never runs in the transaction of whoever comes next', async () => {
    let release: () => void = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    let straggler: Promise<unknown> | undefined
    await run(async (trx) => {
      await write(trx, 'inside')
      straggler = released.then(() => write(trx, 'straggler')).catch((error: unknown) => error)
    })
    const next = me.transaction(async (trx) => {
      await write(trx, 'next')
      release()
      expect(await straggler).toBeInstanceOf(Error)
      throw new Error('undo')
    })
    await expect(next).rejects.toThrow('undo')
    expect(await notes()).toEqual(['inside'])
  })
})

describe('A Kysely of the caller’s own, built on a transaction’s executor', () => {
  /** Only the executor matters to a query; the rest has to be there for Kysely to take these as its own properties. */
  class Repository extends Kysely<LedgerTables> {
    constructor(trx: Transaction<LedgerTables>) {
      const dialect = new PostgresDialect({ pool: async () => expect.fail('The dialect must not be used.') })
      super({ config: { dialect }, dialect, driver: dialect.createDriver(), executor: trx.getExecutor() })
    }

    add(note: string) {
      return write(this, note)
    }
  }

  test('works inside it, and is refused after it', async () => {
    let kept: Repository | undefined
    await me
      .transaction(async (trx) => {
        kept = new Repository(trx)
        await kept.add('1')
        await new Repository(trx)
          .withSchema('public')
          .insertInto('entry')
          .values({ tenant: 'ada', note: '2' })
          .execute()
        await expect(kept.insertInto('entry').values({ tenant: 'bob', note: '' }).execute()).rejects.toThrow()
        await expect(kept.add('3'), 'the first error').rejects.toMatchObject({ code: 'ACCESS_POLICY' })
      })
      .catch(() => {})
    expect(await notes(), 'rolled back with the transaction').toEqual([])
    await me.transaction(async (trx) => {
      kept = new Repository(trx)
      await kept.add('1')
    })
    await expect((kept as Repository).add('late')).rejects.toThrow()
    expect(await notes()).toEqual(['1'])
  })
})

describe('The control', () => {
  test('Kysely’s own dialect runs a straggler as the login, which these tests would see', async () => {
    const pool = new Pool({ connectionString: ledger.adminUrl, max: 1 })
    const kysely = new Kysely<LedgerTables>({ dialect: new PostgresDialect({ pool }) })
    let straggler: Promise<unknown> | undefined
    const failing = kysely.transaction().execute(async (trx) => {
      await sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', '{"sub":"ada"}', true)`.execute(
        trx,
      )
      const slow = sql`select pg_sleep(0.05)`.execute(trx)
      straggler = write(trx, 'escaped').catch(() => {})
      await Promise.all([slow, straggler, Promise.reject(new Error('no'))])
    })
    await expect(failing).rejects.toThrow('no')
    await straggler
    await kysely.destroy()
    const leaked = await ledger.leaks()
    await ledger.admin('delete from entry')
    expect(leaked).toBe(1)
  })
})
