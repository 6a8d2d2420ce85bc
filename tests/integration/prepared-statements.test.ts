/**
 * Prepared statements on the server: how many there are, under which names, and what happens when they go stale or vanish.
 * The same under load and at random is in tests/faults/statement-cache.test.ts.
 */
import { type Kysely, sql } from 'kysely'
import { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database, Session } from '../../src/index.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
beforeEach(() => ledger.admin('select reset_ledger()'))
afterAll(() => ledger.close())

interface Prepared {
  readonly name: string
  readonly statement: string
}

/** What the backend holds; asked with a builder, because raw SQL is cleaned up after. */
const prepared = (on: Kysely<LedgerTables>) =>
  (on as unknown as Kysely<{ pg_prepared_statements: Prepared }>)
    .selectFrom('pg_prepared_statements')
    .select(['name', 'statement'])
    .execute()
const about = async (on: Kysely<LedgerTables>, table: string) =>
  (await prepared(on)).filter(({ statement }) => statement.includes(`from "${table}"`))
/** A query whose text is another for every `n`. */
const numbered = (on: Kysely<LedgerTables>, n: number) =>
  on
    .selectFrom('entry')
    .select('note')
    .limit(sql.lit(n) as never)

describe('Prepared statements', () => {
  test('are made once per text, and run under every session', async () => {
    await using db = ledger.open({ pool: { max: 1 } })
    for (const sub of ['ada', 'bob', 'eve'])
      await tenant(db, sub).selectFrom('entry').selectAll().where('note', '=', sub).execute()
    expect(await about(tenant(db, 'ada'), 'entry')).toHaveLength(1)
  })

  test('have a name that is theirs alone: another text never runs under it', async () => {
    await using db = ledger.open({ pool: { max: 1 } })
    const ada = tenant(db, 'ada')
    for (let n = 1; n <= 5; n++) await numbered(ada, n).execute()
    const held = await about(ada, 'entry')
    expect(held).toHaveLength(5)
    expect(new Set(held.map(({ name }) => name)).size).toBe(5)
    // A prepared statement's name must not tell what it does, and must fit an identifier.
    for (const { name } of held) expect(name).toMatch(/^[\w-]{10,63}$/)
  })

  test('stay within the limit, by singles, batches and transactions', async () => {
    const limit = 20
    await using db = ledger.open({ pool: { max: 1 }, statementCacheSize: limit })
    const ada = tenant(db, 'ada')
    for (let n = 1; n <= 50; n++) {
      await numbered(ada, n).execute()
      expect((await prepared(ada)).length).toBeLessThanOrEqual(limit)
    }
    const texts = (await about(ada, 'entry')).map(({ statement }) => statement)
    expect(texts, 'the latest are the ones kept').toContain(numbered(ada, 50).compile().sql)
    expect(texts).not.toContain(numbered(ada, 1).compile().sql)
    await ada.batch(Array.from({ length: 60 }, (_, n) => numbered(ada, 100 + n)))
    expect((await prepared(ada)).length).toBeLessThanOrEqual(limit)
    await ada.transaction(async (trx) => {
      for (let n = 1; n <= 50; n++) await numbered(trx, 200 + n).execute()
      await trx.batch(Array.from({ length: 60 }, (_, n) => numbered(trx, 300 + n)))
    })
    expect((await prepared(ada)).length).toBeLessThanOrEqual(limit)
  })

  test.each([
    ['a limit of 1', { statementCacheSize: 1 }],
    ['a limit of 2', { statementCacheSize: 2 }],
  ])('work with %s', async (_, options) => {
    await using db = ledger.open({ pool: { max: 1 }, ...options })
    const ada = tenant(db, 'ada')
    for (let n = 1; n <= 10; n++) {
      await ada
        .insertInto('entry')
        .values({ tenant: 'ada', note: String(n) })
        .execute()
      await ada.batch([numbered(ada, n), numbered(ada, n + 1), numbered(ada, n)])
      await ada.transaction((trx) => numbered(trx, n).execute())
    }
    expect(await ada.selectFrom('entry').select('note').execute()).toHaveLength(10)
    expect((await prepared(ada)).length).toBeLessThanOrEqual(options.statementCacheSize)
  })

  test.each([
    ['turned off', { preparedStatements: 'unnamed' as const }],
    ['given no room', { statementCacheSize: 0 }],
  ])('are not made when %s', async (_, options) => {
    await using db = ledger.open({ pool: { max: 1 }, ...options })
    const ada = tenant(db, 'ada')
    await ada.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute()
    await ada.batch([ada.selectFrom('entry').selectAll(), ada.selectFrom('account').selectAll()])
    await ada.transaction((trx) => trx.selectFrom('entry').selectAll().execute())
    for await (const row of ada.selectFrom('entry').selectAll().stream(1)) expect(row.note).toBe('1')
    await sql`explain select 1`.execute(ada)
    expect(await prepared(ada)).toEqual([])
  })

  test('that were never made are not believed in: a failed or cancelled parse, a rolled back transaction', async () => {
    await using db = ledger.open({ pool: { max: 1 } })
    const ada = tenant(db, 'ada')
    const later = (on: Kysely<LedgerTables>) =>
      (on as unknown as Kysely<{ later: { id: number } }>).selectFrom('later').select('id').execute()
    await expect(later(ada)).rejects.toMatchObject({ code: 'QUERY_UNDEFINED_OBJECT' })
    await ledger.admin(
      'create table later (id integer); grant select on later to authenticated; insert into later values (1)',
    )
    expect(await later(ada)).toEqual([{ id: 1 }])
    // A statement behind a failing one in the same Sync is never parsed.
    const bad = ada.insertInto('entry').values({ tenant: 'bob', note: '' })
    for (let i = 0; i < 3; i++)
      await expect(ada.batch([bad, numbered(ada, 7)])).rejects.toMatchObject({ code: 'ACCESS_POLICY' })
    expect(await numbered(ada, 7).execute()).toEqual([])
    // Behind a savepoint it can be asked for in the same transaction.
    await ada.transaction(async (trx) => {
      await sql`savepoint here`.execute(trx)
      await expect(trx.batch([bad, numbered(trx, 9)])).rejects.toMatchObject({ code: 'ACCESS_POLICY' })
      await sql`rollback to here`.execute(trx)
      expect(await numbered(trx, 9).execute()).toEqual([])
    })
    // And one that was parsed survives the rollback of its transaction.
    const undone = ada.transaction(async (trx) => {
      await numbered(trx, 8).execute()
      throw new Error('no')
    })
    await expect(undone).rejects.toThrow('no')
    expect(await numbered(ada, 8).execute()).toEqual([])
    expect(db.stats().healed, 'nothing had to be mended').toBe(0)
    await ledger.admin('drop table later')
  })
})

/** Everything a session can do outside a transaction of the user's, and a transaction as a whole. */
const uses = (me: Session<LedgerTables>): Record<string, () => Promise<unknown>> => ({
  query: () => me.selectFrom('entry').selectAll().execute(),
  write: () => me.insertInto('entry').values({ tenant: 'ada', note: 'written' }).returningAll().execute(),
  batch: () =>
    me.batch([me.selectFrom('entry').selectAll(), me.insertInto('entry').values({ tenant: 'ada', note: 'batch' })]),
  raw: () => sql`select *, pg_backend_pid() from entry`.execute(me),
  explain: () => sql`explain select * from entry`.execute(me),
  stream: async () => {
    for await (const row of me.selectFrom('entry').selectAll().stream(2)) void row
  },
  pinned: () => me.connection().execute((one) => one.selectFrom('entry').selectAll().execute()),
  transaction: () => me.transaction((trx) => trx.selectFrom('entry').selectAll().execute()),
  'isolated transaction': () =>
    me.transaction({ isolationLevel: 'serializable' }, (trx) => trx.selectFrom('entry').selectAll().execute()),
  'batch in a transaction': () => me.transaction((trx) => trx.batch([trx.selectFrom('entry').selectAll()])),
})

describe('When statements are lost or stale', () => {
  let pool: Pool
  let db: Database<LedgerTables>
  let ada: Session<LedgerTables>
  beforeAll(() => {
    pool = new Pool({ connectionString: ledger.loginUrl, max: 1 })
    db = ledger.open({ connection: pool })
    ada = tenant(db, 'ada')
  })
  afterAll(async () => {
    await db.close()
    await pool.end()
  })

  test.each(Object.keys(uses({} as never)))('%s: works after others have deallocated everything', async (name) => {
    const use = uses(ada)[name]
    if (use === undefined) expect.fail('no such use')
    const writes = async () => (await ledger.admin('select 1 from entry')).length
    for (const statement of ['deallocate all', 'discard all']) {
      // Everything else has been prepared too, and is gone with it.
      for (const other of Object.values(uses(ada))) await other()
      const before = await writes()
      await pool.query(statement)
      await use()
      expect((await writes()) - before, 'done once').toBeLessThanOrEqual(1)
    }
    for (const [other, again] of Object.entries(uses(ada)))
      await expect(again(), `${other} after ${name}`).resolves.not.toThrow()
  })

  test.each(Object.keys(uses({} as never)))('%s: works after the shape of its table has changed', async (name) => {
    const use = uses(ada)[name]
    if (use === undefined) expect.fail('no such use')
    for (const change of [
      'alter table entry add column extra integer',
      'alter table entry alter column extra type text',
      'alter table entry drop column extra',
    ]) {
      await use()
      await ledger.admin(change)
      await use()
    }
  })

  test('what was healed is counted, and the connection is the same', async () => {
    const pid = () => sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(ada).then(({ rows }) => rows[0]?.pid)
    const [was, before] = [await pid(), db.stats()]
    await pool.query('deallocate all')
    await ada.selectFrom('entry').selectAll().execute()
    expect(await pid()).toBe(was)
    expect(db.stats().healed).toBe(before.healed + 1)
    expect(db.stats().destroyed).toBe(before.destroyed)
  })

  test('inside a transaction the error is told, because what ran before is gone too', async () => {
    await using own = ledger.open({ pool: { max: 1 } })
    const me = tenant(own, 'ada')
    await me.selectFrom('entry').selectAll().execute()
    const transaction = me.transaction(async (trx) => {
      await trx.insertInto('account').values({ id: 99, balance: 1 }).execute()
      await ledger.admin('alter table entry add column extra integer')
      await trx.selectFrom('entry').selectAll().execute()
    })
    await expect(transaction).rejects.toMatchObject({ sqlstate: '0A000' })
    await ledger.admin('alter table entry drop column extra')
    expect(await ledger.admin('select 1 from account where id = 99')).toEqual([])
    expect(await me.transaction((trx) => trx.selectFrom('entry').selectAll().execute())).toEqual([])
  })
})
