/**
 * Answers and requests cut after every single byte, torn into pieces of one to three, and swallowed by a network that tells nobody.
 */
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
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
  // Unnamed, so that the answer is the same on every new connection.
  db = ledger.open({ connection: proxy.through(ledger.loginUrl), pool: { max: 1 }, preparedStatements: 'unnamed' })
  ada = tenant(db, 'ada')
})
beforeEach(async () => {
  await ledger.admin('select reset_ledger()')
  await read()
})
afterAll(async () => {
  await ledger.close()
  await proxy.close()
})

const read = () => ada.selectFrom('account').select('balance').where('id', '=', 1).execute()
const write = (note: string) => ada.insertInto('entry').values({ tenant: 'ada', note }).execute()
const count = async (note: string) => (await ledger.admin('select 1 from entry where note = $1', [note])).length

async function outcome(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'fine',
    (error: TenonError) => error.code,
  )
}

/** Bytes in one direction of one unit on a connection that stands. */
async function measure(work: () => Promise<unknown>, direction: 'bytesToClient' | 'bytesToServer'): Promise<number> {
  await read()
  proxy.reset()
  await work()
  return proxy[direction]()
}

describe('An answer that is cut', () => {
  test('after any number of bytes is a lost connection for a read', { timeout: 60_000 }, async () => {
    const length = await measure(read, 'bytesToClient')
    expect(length).toBeLessThan(200)
    for (let bytes = 0; bytes < length; bytes++) {
      proxy.cutAfter(bytes, { ending: bytes % 2 === 0 ? 'reset' : 'end' })
      expect(await outcome(read()), `${bytes} of ${length} bytes`).toBe('CONNECTION_LOST')
      await read()
    }
    proxy.cutAfter(length)
    expect(await outcome(read()), 'the whole answer').toBe('fine')
    // The cut comes after it; a read that meets it is lost.
    await vi.waitFor(read)
  })

  test('anywhere is an unknown outcome for a write, which happened, and once', {
    timeout: 60_000,
  }, async () => {
    const length = await measure(() => write('measured'), 'bytesToClient')
    expect(length).toBeLessThan(200)
    for (let bytes = 0; bytes < length; bytes += 3) {
      const note = `cut after ${bytes}`
      proxy.cutAfter(bytes, { ending: bytes % 2 === 0 ? 'end' : 'reset' })
      expect(await outcome(write(note)), `${bytes} of ${length} bytes`).toBe('COMMIT_UNKNOWN')
      await vi.waitFor(async () => expect(await count(note)).toBe(1))
      await read()
    }
    proxy.cutAfter(length)
    expect(await outcome(write('whole'))).toBe('fine')
    await vi.waitFor(read)
  })
})

describe('A request that is cut', () => {
  test('before its end never happened, and says that it is not known', { timeout: 60_000 }, async () => {
    const length = await measure(() => write('measured'), 'bytesToServer')
    for (let bytes = 0; bytes < length; bytes += 17) {
      const note = `cut after ${bytes}`.padEnd(16)
      proxy.cutAfter(bytes, { direction: 'toServer' })
      expect(await outcome(write(note)), `${bytes} of ${length} bytes`).toBe('COMMIT_UNKNOWN')
      expect(await count(note)).toBe(0)
      await read()
    }
  })
})

describe('A connection whose bytes come in small pieces', () => {
  test('gives what it gives in one piece', { timeout: 60_000 }, async () => {
    const direct = tenant(ledger.open({ pool: { max: 1 } }), 'ada')
    const work = async (me: Session<LedgerTables>) => {
      const seen: unknown[] = []
      for (let i = 0; i < 4; i++) {
        seen.push(
          await me
            .insertInto('entry')
            .values({ tenant: 'ada', note: `${i} \u{1f600} ${'ü'.repeat(i * 10)}` })
            .returning('note')
            .execute(),
        )
        seen.push(await me.selectFrom('entry').select(['note', 'claimed_by']).orderBy('id').execute())
        seen.push(
          await me.batch([
            me.selectFrom('account').selectAll(),
            me.updateTable('account').set({ balance: i }).where('id', '=', i),
          ]),
        )
        seen.push(
          await me
            .insertInto('entry')
            .values({ tenant: 'bob', note: '' })
            .execute()
            .catch((error: TenonError) => error.toJSON()),
        )
        seen.push(
          await me.transaction(async (trx) =>
            (await trx.selectFrom('account').select('balance').orderBy('id').execute()).map(({ balance }) => balance),
          ),
        )
        const rows: unknown[] = []
        for await (const row of me.selectFrom('entry').select('note').orderBy('id').stream(3)) rows.push(row)
        seen.push(
          rows,
          (await sql`select ${i}::int as i, null as nothing, '{"a":[1,2]}'::jsonb as json`.execute(me)).rows,
        )
      }
      return seen
    }
    const wanted = await work(direct)
    for (const segmentBytes of [1, 2, 3]) {
      await ledger.admin('select reset_ledger()')
      proxy.set({ segmentBytes })
      const seen = await work(ada).finally(() => proxy.set({ segmentBytes: 0 }))
      expect(seen).toEqual(wanted)
    }
    expect(db.stats().sessions).toMatchObject({ total: 1, idle: 1, waiting: 0 })
  })
})

describe('A network that swallows everything', () => {
  test('holds up nobody who has a signal, and its connection is given up', { timeout: 30_000 }, async () => {
    proxy.set({ blackHole: true })
    const controller = new AbortController()
    const reason = new Error('waited long enough')
    const started = performance.now()
    const reading = ada
      .selectFrom('entry')
      .selectAll()
      .execute({ signal: controller.signal })
      .catch((error: unknown) => error)
    setTimeout(() => controller.abort(reason), 100)
    expect(await reading).toBe(reason)
    expect(performance.now() - started).toBeLessThan(1_000)
    // The cancel cannot arrive either; without an answer to it the connection cannot be trusted and its place must come free.
    await vi.waitFor(() => expect(db.stats().sessions.total).toBe(0), { timeout: 10_000, interval: 50 })
    proxy.set({ blackHole: false })
    expect(await outcome(read())).toBe('fine')
  })

  test('is noticed by a ping, within its time', async () => {
    expect(await db.ping({ timeoutMs: 5_000 })).toBeGreaterThan(0)
    proxy.set({ blackHole: true })
    const started = performance.now()
    const error = await db.ping({ timeoutMs: 150 }).catch((reason: unknown) => reason as TenonError)
    expect(error).toMatchObject({ code: 'TIMEOUT_CONNECT', retryable: true })
    expect(performance.now() - started).toBeLessThan(1_500)
    proxy.set({ blackHole: false })
    expect(await outcome(read())).toBe('fine')
    expect(await db.ping()).toBeGreaterThan(0)
    expect(db.stats().sessions).toMatchObject({ total: 1, idle: 1, waiting: 0 })
  })

  test('does not keep close() from ending', async () => {
    const other = ledger.open({ connection: proxy.through(ledger.loginUrl), pool: { max: 2 } })
    const me = tenant(other, 'ada')
    await me.selectFrom('entry').selectAll().execute()
    proxy.set({ blackHole: true })
    const before = other.stats().roundTrips
    const stuck = outcome(me.selectFrom('entry').selectAll().execute())
    await vi.waitFor(() => expect(other.stats().roundTrips).toBe(before + 1))
    const started = performance.now()
    await other.close({ drainMs: 100 })
    expect(performance.now() - started).toBeLessThan(3_000)
    expect(await stuck).toBe('CONNECTION_LOST')
    proxy.set({ blackHole: false })
  })
})
