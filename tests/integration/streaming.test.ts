/**
 * Streams of a session: rows in chunks through a portal, inside a transaction that ends with the stream, however it ends.
 * What an AbortSignal does to a stream is in cancellation.test.ts.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { isUniqueViolation } from '../../src/index.ts'
import { describeLedgers, type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

/** `count` rows made by the server, the one numbered `failsAt` by dividing by zero. */
const numbers = (on: Kysely<LedgerTables>, count: number, failsAt = 0) =>
  on
    .selectFrom(
      sql<{
        n: number
        inverse: number
      }>`(select n, 1 / (n - ${failsAt}::int) as inverse from generate_series(1, ${count}::int) n)`.as('numbers'),
    )
    .select('n')

/** Every portal that the transaction holds open. */
const portals = async (on: Kysely<LedgerTables>) =>
  (
    await sql<{ name: string }>`select name from pg_cursors where statement not like '%pg_cursors%'`.execute(on)
  ).rows.map(({ name }) => name)

async function collect<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = []
  for await (const row of rows) seen.push(row)
  return seen
}

describeLedgers('A stream', (scene) => {
  const write = async (...notes: string[]) => {
    await scene.ada
      .insertInto('entry')
      .values(notes.map((note) => ({ tenant: 'ada', note })))
      .execute()
    await scene.bob.insertInto('entry').values({ tenant: 'bob', note: 'foreign' }).execute()
  }

  test.each([1, 2, 3, 4, 5, 100, 0])('gives every row once and in order in chunks of %i', async (chunkSize) => {
    const rows = await collect(numbers(scene.ada, 12).stream(chunkSize))
    expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
    expect(await collect(numbers(scene.ada, 0).stream(chunkSize))).toEqual([])
  })

  test('shows the session’s rows and nobody else’s', async () => {
    await write('1', '2', '3')
    const rows = await collect(scene.ada.selectFrom('entry').select('note').orderBy('id').stream(2))
    expect(rows).toEqual([{ note: '1' }, { note: '2' }, { note: '3' }])
  })

  test('sends nothing before it is read, and refuses a chunk size that is none', async () => {
    const before = scene.db.stats().roundTrips
    numbers(scene.ada, 5).stream()
    expect(scene.db.stats().roundTrips).toBe(before)
    for (const chunkSize of [-1, 1.5, Number.NaN])
      await expect(collect(numbers(scene.ada, 5).stream(chunkSize))).rejects.toThrow(RangeError)
    expect(await collect(numbers(scene.ada, 1).stream())).toHaveLength(1)
  })

  test('can be left early, and leaves a connection that works', async () => {
    for (let taken = 1; taken <= 4; taken++) {
      let seen = 0
      for await (const row of numbers(scene.ada, 100).stream(2)) {
        seen += row.n > 0 ? 1 : 0
        if (seen === taken) break
      }
      expect(seen).toBe(taken)
      expect(await scene.ada.transaction(portals)).toEqual([])
    }
  })

  test('ends with the error of its reader', async () => {
    const error = new Error('reader')
    const reading = (async () => {
      for await (const row of numbers(scene.ada, 100).stream(2)) if (row.n === 3) throw error
    })()
    await expect(reading).rejects.toBe(error)
    expect(await collect(numbers(scene.ada, 2).stream())).toHaveLength(2)
  })

  test('gives the rows before an error and then the error', async () => {
    const seen: number[] = []
    const reading = (async () => {
      for await (const { n } of numbers(scene.ada, 100, 6).select('inverse').stream(2)) seen.push(n)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'QUERY_DATA', sqlstate: '22012' })
    expect(seen).toEqual([1, 2, 3, 4])
    expect(await collect(numbers(scene.ada, 2).stream())).toHaveLength(2)
  })

  test('of a write commits all of it, also when its rows are not read to the end', async () => {
    const add = (...notes: string[]) =>
      scene.ada
        .insertInto('entry')
        .values(notes.map((note) => ({ tenant: 'ada', note })))
        .returning('note')
    expect(await collect(add('1', '2', '3').stream(2))).toEqual([{ note: '1' }, { note: '2' }, { note: '3' }])
    for await (const row of add('4', '5', '6').stream(1)) if (row.note === '4') break
    expect(await scene.place.admin('select note from entry order by id')).toEqual(
      ['1', '2', '3', '4', '5', '6'].map((note) => ({ note })),
    )
  })

  test('of a refused write ends with the typed error, and writes nothing', async () => {
    const foreign = scene.ada
      .insertInto('entry')
      .values([
        { tenant: 'ada', note: '1' },
        { tenant: 'bob', note: '2' },
      ])
      .returning('note')
    await expect(collect(foreign.stream(1))).rejects.toMatchObject({ code: 'ACCESS_POLICY' })
    expect(await scene.place.admin('select note from entry')).toEqual([])
  })

  test('fails with the error of its commit', async () => {
    const seat = scene.ada.insertInto('seat').values({ id: 10, place: 1, account_id: null }).returning('id')
    const error = await collect(seat.stream()).catch((reason: unknown) => reason)
    expect(isUniqueViolation(error, 'seat_place_unique')).toBe(true)
  })

  test('in a transaction belongs to it, one after the other, and closes its portal', async () => {
    await write('1', '2', '3')
    await scene.ada.transaction(async (trx) => {
      await trx.insertInto('entry').values({ tenant: 'ada', note: '4' }).execute()
      const all = trx.selectFrom('entry').select('note').orderBy('id')
      expect(await collect(all.stream(2))).toHaveLength(4)
      expect(await portals(trx)).toEqual([])
      for await (const row of all.stream(1)) if (row.note === '2') break
      expect(await portals(trx)).toEqual([])
      expect(await collect(all.stream(4))).toHaveLength(4)
      expect(await collect(all.stream(100))).toHaveLength(4)
      await trx.insertInto('entry').values({ tenant: 'ada', note: '5' }).execute()
    })
    expect(await scene.ada.selectFrom('entry').select('note').execute()).toHaveLength(5)
  })

  test('that fails inside a savepoint is undone with it', async () => {
    const trx = await scene.ada.startTransaction().execute()
    const inner = await trx.savepoint('inner').execute()
    await expect(collect(numbers(inner, 10, 5).select('inverse').stream(2))).rejects.toMatchObject({
      code: 'QUERY_DATA',
    })
    const restored = await inner.rollbackToSavepoint('inner').execute()
    expect(await collect(numbers(restored, 5).stream(2))).toHaveLength(5)
    await trx.commit().execute()
  })

  test('on a pinned connection leaves it pinned', async () => {
    await scene.ada.connection().execute(async (one) => {
      for (let i = 0; i < 3; i++) expect(await collect(numbers(one, 5).stream(2))).toHaveLength(5)
      for await (const row of numbers(one, 5).stream(1)) if (row.n === 2) break
      expect(await sql`select 1 as one`.execute(one)).toMatchObject({ rows: [{ one: 1 }] })
    })
  })
})

describe('A stream from a server', () => {
  let ledger: Ledger
  beforeAll(async () => {
    ledger = await openLedger()
  })
  afterAll(() => ledger.close())

  test('leaves no transaction open, however it ends', async () => {
    await using db = ledger.open({ pool: { max: 1, applicationName: 'streaming' } })
    const me = tenant(db, 'ada')
    const state = async () =>
      (await ledger.admin(`select state from pg_stat_activity where application_name = 'streaming'`)).map(
        ({ state }) => state,
      )
    for (const end of [
      () => collect(numbers(me, 10).stream(2)),
      async () => {
        for await (const row of numbers(me, 10).stream(2)) if (row.n === 3) break
      },
      () => collect(numbers(me, 10, 5).select('inverse').stream(2)).catch(() => {}),
    ]) {
      await end()
      // A failed one is cleaned up after, before anybody gets the connection.
      await vi.waitFor(async () => expect(await state()).toEqual(['idle']))
    }
    expect(db.stats().destroyed).toBe(0)
  })

  test('holds memory flat over 200,000 rows, which collecting them does not', async () => {
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    const heapMiB = () => {
      collectGarbage()
      return process.memoryUsage().heapUsed / 1024 ** 2
    }
    await using db = ledger.open({ pool: { max: 1 } })
    const wide = numbers(tenant(db, 'ada'), 200_000).select(sql<string>`repeat(md5(n::text), 4)`.as('text'))
    const read = async (keep: boolean): Promise<number> => {
      const start = heapMiB()
      let most = 0
      const kept: unknown[] = []
      for await (const row of wide.stream(1_000)) {
        if (keep) kept.push(row)
        if (row.n % 50_000 === 0) most = Math.max(most, heapMiB() - start)
      }
      expect(kept).toHaveLength(keep ? 200_000 : 0)
      return most
    }
    expect(await read(false)).toBeLessThan(8)
    expect(await read(true), 'the control').toBeGreaterThan(25)
  })
})
