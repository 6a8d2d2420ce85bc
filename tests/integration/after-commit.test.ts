/**
 * `afterCommit`: what a transaction does once it is committed, with its connection free again, and what becomes of its failures.
 */
import { type Kysely, sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Database, isTenonError, type TenonError } from '../../src/index.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
let db: Database<LedgerTables>
beforeAll(async () => {
  ledger = await openLedger()
  db = ledger.open()
})
beforeEach(() => ledger.admin('select reset_ledger()').then(() => {}))
afterEach(async () => expect(await ledger.leaks()).toBe(0))
afterAll(() => ledger.close())

async function failure(work: Promise<unknown>): Promise<TenonError> {
  return await work.then(
    () => expect.fail('This should have failed.'),
    (error: TenonError) => error,
  )
}
/** A statement that fails as a lost race does, every time. */
const lose = (on: Kysely<LedgerTables>, sqlstate = '40001') =>
  sql`do ${sql.raw(`$$ begin raise exception 'lost' using errcode = '${sqlstate}'; end $$`)}`.execute(on)

describe('After a commit', () => {
  test('callbacks run in order, once, with the connection free again', async () => {
    await using one = ledger.open({ pool: { max: 1 } })
    const me = tenant(one, 'ada')
    const seen: string[] = []
    const result = await me.transaction(async (trx) => {
      trx.afterCommit(async () => {
        const rows = await me.selectFrom('entry').select('note').execute()
        seen.push(`first sees ${rows.length}`)
      })
      await trx.withSchema('public').insertInto('entry').values({ tenant: 'ada', note: '1' }).execute()
      trx.withSchema('public').afterCommit(() => seen.push('second'))
      expect(seen).toEqual([])
      return 'result'
    })
    expect(result).toBe('result')
    expect(seen).toEqual(['first sees 1', 'second'])
  })

  test('a failing callback is told as such: the rows are there, the others have run, nothing is repeated', async () => {
    for (const [name, fail] of [
      ['an error of its own', () => Promise.reject(new Error('mail server down'))],
      ['a lost race', () => lose(tenant(db, 'ada'))],
      ['a deadlock', () => lose(tenant(db, 'ada'), '40P01')],
    ] as const) {
      let attempts = 0
      const ran: string[] = []
      const error = await failure(
        tenant(db, 'ada').transaction({ retry: 3 }, async (trx) => {
          attempts += 1
          trx.afterCommit(() => ran.push('before'))
          trx.afterCommit(fail)
          trx.afterCommit(() => ran.push('after'))
          await trx.insertInto('entry').values({ tenant: 'ada', note: name }).execute()
        }),
      )
      expect(error, name).toMatchObject({ code: 'AFTER_COMMIT_FAILED', retryable: false })
      expect(isTenonError(error)).toBe(true)
      expect([attempts, ran], name).toEqual([1, ['before', 'after']])
      expect(await ledger.admin('select note from entry where note = $1', [name])).toHaveLength(1)
    }
  })

  test('nothing runs for a transaction that was rolled back', async () => {
    const ran: string[] = []
    const controlled = await tenant(db, 'ada').startTransaction().execute()
    controlled.afterCommit(() => ran.push('controlled'))
    await controlled.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute()
    await controlled.rollback().execute()
    await failure(
      tenant(db, 'ada')
        .transaction()
        .execute(async (trx) => {
          trx.afterCommit(() => ran.push('thrown'))
          throw new Error('no')
        }),
    )
    expect(ran).toEqual([])
  })

  test('callbacks of a controlled transaction run when its commit is done', async () => {
    const ran: string[] = []
    const trx = await tenant(db, 'ada').startTransaction().execute()
    const inner = await trx.savepoint('inner').execute()
    inner.afterCommit(() => ran.push('inner'))
    trx.afterCommit(() => ran.push('outer'))
    await trx.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute()
    await trx.commit().execute()
    expect(ran).toEqual(['inner', 'outer'])
  })
})
