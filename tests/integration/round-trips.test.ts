/**
 * Round trips, counted on the socket by a proxy that sees bytes only: what the client sent and how often the server answered.
 * The figures are the product's promise; a clock cannot check them on a busy machine.
 */
import { sql } from 'kysely'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Database, type DatabaseOptions, first, type Session } from '../../src/index.ts'
import { createFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

let ledger: Ledger
let proxy: FaultProxy

beforeAll(async () => {
  ledger = await openLedger()
  proxy = await createFaultProxy(ledger.loginUrl)
  await ledger.admin(
    `insert into entry (tenant, note, claimed_by, written_by) select 'ada', i, 'ada', 'authenticated' from generate_series(1, 10) i`,
  )
})
afterAll(async () => {
  await ledger.close()
  await proxy.close()
})

async function count(work: () => Promise<unknown>): Promise<number> {
  proxy.reset()
  await work()
  expect(proxy.connections(), 'connections opened meanwhile').toBe(0)
  return proxy.roundTrips()
}

const watched: Partial<DatabaseOptions> = { log: () => {}, observe: () => {} }

describe.each([
  ['without a log', {}],
  ['with the log and an observer on', watched],
])('Round trips %s', (how, options) => {
  let db: Database<LedgerTables>
  let me: Session<LedgerTables>

  beforeAll(async () => {
    db = ledger.open({ connection: proxy.through(ledger.loginUrl), pool: { max: 1 }, ...options })
    me = tenant(db, 'ada')
    await me.selectFrom('entry').select('id').execute()
  })
  afterAll(() => db.close())

  test('a query made with the builder takes one, at first and ever after', async () => {
    const note = `round trip ${how}`
    const queries = {
      select: () => me.selectFrom('entry').selectAll().where('note', '=', note).execute(),
      insert: () => me.insertInto('entry').values({ tenant: 'ada', note }).returningAll().execute(),
      update: () =>
        me
          .updateTable('entry')
          .set({ note: `${note}!` })
          .where('note', '=', note)
          .execute(),
      delete: () => me.deleteFrom('entry').where('note', '=', `${note}!`).executeTakeFirst(),
      with: () =>
        me
          .with('own', (q) => q.selectFrom('entry').select('id'))
          .selectFrom('own')
          .select((eb) => eb.fn.countAll().as('n'))
          .executeTakeFirstOrThrow(),
    }
    for (const [name, run] of Object.entries(queries)) {
      expect(await count(run), name).toBe(1)
      expect(await count(run), `${name} again`).toBe(1)
    }
  })

  test('a refused or failing query takes one', async () => {
    const foreign = () => expect(me.insertInto('entry').values({ tenant: 'bob', note: '' }).execute()).rejects.toThrow()
    expect(await count(foreign)).toBe(1)
    expect(await count(foreign)).toBe(1)
  })

  test('a raw query takes one, at first and ever after', async () => {
    const raw = () => sql`select count(*), pg_backend_pid() from entry`.execute(me)
    expect([await count(raw), await count(raw), await count(raw)]).toEqual([1, 1, 1])
  })

  test('a statement that is no query takes two: its tag is looked at before the commit', async () => {
    const explain = () => sql`explain select * from entry`.execute(me)
    expect([await count(explain), await count(explain)]).toEqual([2, 2])
  })

  test('a transaction with one statement takes two, and one more for every further statement', async () => {
    const statement = (trx: Pick<typeof me, 'selectFrom'>) => trx.selectFrom('entry').select('id').execute()
    expect(await count(() => me.transaction(statement))).toBe(2)
    expect(await count(() => me.transaction({ isolationLevel: 'serializable', retry: 5 }, statement))).toBe(2)
    expect(await count(() => me.transaction().execute(statement))).toBe(2)
    expect(await count(() => me.transaction(async (trx) => [await statement(trx), await statement(trx)]))).toBe(3)
    const controlled = async () => {
      const trx = await me.startTransaction().execute()
      await statement(trx)
      await trx.commit().execute()
    }
    expect(await count(controlled)).toBe(2)
  })

  test('a transaction with one raw query takes two', async () => {
    expect(await count(() => me.transaction((trx) => sql`select pg_backend_pid()`.execute(trx)))).toBeLessThanOrEqual(2)
  })

  test('a transaction that fails takes two: the statement and the rollback', async () => {
    const failing = () =>
      expect(
        me.transaction((trx) => trx.insertInto('entry').values({ tenant: 'bob', note: '' }).execute()),
      ).rejects.toThrow()
    expect(await count(failing)).toBe(2)
  })

  test('an empty transaction takes none', async () => {
    expect(await count(() => me.transaction(async () => {}))).toBe(0)
    expect(
      await count(() =>
        me
          .transaction()
          .setIsolationLevel('serializable')
          .execute(async () => {}),
      ),
    ).toBe(0)
    expect(await count(() => expect(me.transaction(() => Promise.reject(new Error('no')))).rejects.toThrow('no'))).toBe(
      0,
    )
    const controlled = async () => void (await (await me.startTransaction().execute()).commit().execute())
    expect(await count(controlled)).toBe(0)
  })

  test('a batch of ten takes one, and inside a transaction one beside the commit', async () => {
    const ten = (of: Pick<typeof me, 'selectFrom'>) =>
      Array.from({ length: 10 }, (__, i) => first(of.selectFrom('entry').selectAll().where('note', '=', String(i))))
    expect(await count(() => me.batch(ten(me)))).toBe(1)
    expect(await count(() => me.batch(ten(me), { isolationLevel: 'repeatable read' }))).toBe(1)
    expect(await count(() => me.batch([]))).toBe(0)
    expect(await count(() => me.transaction((trx) => trx.batch(ten(trx))))).toBe(2)
  })

  test('a stream takes one for every chunk and one for the commit', async () => {
    const stream = async (chunkSize: number) => {
      let rows = 0
      for await (const row of me.selectFrom('entry').select('id').limit(10).stream(chunkSize)) rows += row.id ? 1 : 0
      expect(rows).toBe(10)
    }
    expect(await count(() => stream(100))).toBe(2)
    expect(await count(() => stream(4))).toBe(3 + 1)
    expect(await count(() => stream(3))).toBe(4 + 1)
  })

  test('a pinned connection adds none', async () => {
    const three = () =>
      me.connection().execute(async (one) => {
        for (const note of ['1', '2', '3'])
          await one.selectFrom('entry').select('id').where('note', '=', note).execute()
      })
    expect(await count(three)).toBe(3)
  })

  test('what the database counts is what crossed the socket', async () => {
    const before = db.stats().roundTrips
    const crossed = await count(async () => {
      await me.selectFrom('entry').selectAll().execute()
      await me.transaction((trx) => trx.selectFrom('entry').selectAll().execute())
      await me.batch([me.selectFrom('entry').selectAll()])
      await sql`explain select 1`.execute(me)
    })
    expect(db.stats().roundTrips - before).toBe(crossed)
  })
})

describe('The first round trips of a pool', () => {
  /** What it takes a bare client of pg to connect and to ask once. */
  async function bare(): Promise<number> {
    proxy.reset()
    const client = new Client(proxy.through(ledger.loginUrl))
    await client.connect()
    await client.query('select 1')
    const trips = proxy.roundTrips()
    await client.end()
    return trips
  }

  test('are those of pg, and one to verify the login', async () => {
    const wanted = (await bare()) + 1
    await using db = ledger.open({ connection: proxy.through(ledger.loginUrl) })
    proxy.reset()
    await tenant(db, 'ada').selectFrom('entry').select('id').execute()
    expect(proxy.roundTrips()).toBe(wanted)
    expect(proxy.connections()).toBe(1)
  })

  test('verify the login once, however many connections follow', async () => {
    const wanted = await bare()
    await using db = ledger.open({ connection: proxy.through(ledger.loginUrl) })
    const me = tenant(db, 'ada')
    await me.selectFrom('entry').select('id').execute()
    await me.connection().execute(async (one) => {
      await one.selectFrom('entry').select('id').execute()
      proxy.reset()
      await me.selectFrom('entry').select('id').execute()
    })
    expect(proxy.connections()).toBe(1)
    expect(proxy.roundTrips()).toBe(wanted)
  })

  test('are none when the database is only made and closed', async () => {
    proxy.reset()
    const db = ledger.open({ connection: proxy.through(ledger.loginUrl) })
    tenant(db, 'ada').selectFrom('entry').selectAll().compile()
    await db.close()
    expect(proxy.connections()).toBe(0)
  })
})

describe('Round trips of a service', () => {
  test('are one for a query and two for a transaction with one statement', async () => {
    await using db = ledger.open({ service: { connection: proxy.through(ledger.adminUrl), pool: { max: 1 } } })
    const service = db.service({ actor: 'suite', reason: 'round trips' })
    await service.selectFrom('entry').select('id').execute()
    expect(await count(() => service.selectFrom('entry').select('id').execute())).toBe(1)
    expect(
      await count(() => service.transaction().execute((trx) => trx.selectFrom('entry').select('id').execute())),
    ).toBe(2)
  })
})
