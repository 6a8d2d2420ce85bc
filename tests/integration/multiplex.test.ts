/**
 * The option `multiplex`: what shares connections and what does not, what happens to those behind a slow or blocked statement, and that
 * nobody sees anything of anybody else. Cancels and kills in number are torture/multiplexed.ts'.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createDatabase,
  type Database,
  type DatabaseEvent,
  type DatabaseOptions,
  type Session,
} from '../../src/index.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'
import { openStatementPooler } from '../support/statement-pooler.ts'

interface Tables extends LedgerTables {
  /** One row, which takes as long as `pace` says. */
  paced: { one: number }
}

let ledger: Ledger

beforeAll(async () => {
  ledger = await openLedger()
  await ledger.admin(`
    create table pace (seconds double precision not null);
    insert into pace values (0);
    create view paced as select 1 as one from pg_sleep((select seconds from pace));
    grant select on paced to authenticated`)
})
afterAll(() => ledger.close())
beforeEach(async () => {
  await ledger.admin('select reset_ledger()')
  await ledger.admin('update pace set seconds = 0')
})

function open(options: Partial<DatabaseOptions> = {}): Database<Tables> {
  const db = createDatabase<Tables>({
    connection: ledger.loginUrl,
    // On a busy machine the first run of anything takes its time.
    multiplex: { slowMs: 40 },
    ...options,
    pool: { max: 3, ...options.pool },
  })
  onTestFinished(() => db.close({ drainMs: 1_000 }))
  return db
}

const multiplexOf = (db: Database<Tables>) => {
  const { multiplex } = db.stats()
  if (multiplex === undefined) throw new Error('The database does not multiplex.')
  return multiplex
}
const read = (me: Pick<Session<Tables>, 'selectFrom'>) => me.selectFrom('entry').select(['tenant', 'note']).execute()
const write = (me: Pick<Session<Tables>, 'insertInto'>, owner: string, note = 'n') =>
  me.insertInto('entry').values({ tenant: owner, note }).execute()
const paced = (me: Session<Tables>) => me.selectFrom('paced').select('one').execute()
const many = <T>(count: number, run: (i: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, i) => run(i)))

/** Statements share once they have run alone. */
async function warm(db: Database<Tables>): Promise<Session<Tables>> {
  const me = tenant(db, 'warm') as unknown as Session<Tables>
  await read(me)
  await write(me, 'warm')
  await paced(me)
  return me
}

describe('Units of different sessions', () => {
  test('share connections, and each sees and writes its own rows only', async () => {
    const db = open()
    await warm(db)
    const subs = Array.from({ length: 20 }, (_, i) => `t${i}`)
    await many(200, (i) => {
      const sub = subs[i % subs.length] as string
      return write(tenant(db, sub) as never, sub, `note ${i}`)
    })
    const results = await many(200, (i) => read(tenant(db, subs[i % subs.length] as string) as never))
    for (const [i, rows] of results.entries()) {
      expect(rows).toHaveLength(10)
      expect(new Set(rows.map((row) => row.tenant))).toEqual(new Set([subs[i % subs.length]]))
    }
    await expect(write(tenant(db, 'ada') as never, 'bob')).rejects.toMatchObject({ code: 'ACCESS_POLICY' })
    expect(await ledger.leaks()).toBe(0)
    expect(multiplexOf(db)).toMatchObject({ obstacle: undefined, units: 401, rerun: 0, inFlight: 0, waiting: 0 })
    expect(db.stats().sessions.total).toBeLessThanOrEqual(3)
  })

  test('fail one by one: an error is told to whom it belongs', async () => {
    const db = open({ pool: { max: 1 } })
    const me = await warm(db)
    const divide = (by: number) =>
      me
        .selectFrom('paced')
        .select((eb) => eb('one', '/', by).as('n'))
        .execute()
    await divide(1)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, i) =>
        i % 3 === 0 ? divide(0) : i % 3 === 1 ? read(me) : write(me, 'warm', `${i}`),
      ),
    )
    for (const [i, outcome] of outcomes.entries()) {
      if (i % 3 === 0) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'QUERY_DATA' } })
      else expect(outcome.status).toBe('fulfilled')
    }
    expect(multiplexOf(db).units).toBeGreaterThanOrEqual(60)
    expect(await ledger.admin('select count(*)::int as n from entry')).toEqual([{ n: 21 }])
  })

  test('go out in one write, where others are on the way', async () => {
    const proxy = await createFaultProxy(ledger.loginUrl)
    onTestFinished(() => proxy.close())
    const db = open({ connection: proxy.through(ledger.loginUrl), pool: { max: 1 } })
    const me = await warm(db)
    proxy.reset()
    await many(40, () => read(me))
    // The first alone, and then those that fit in behind it, and the rest: not one for each.
    expect(proxy.roundTrips()).toBeLessThanOrEqual(10)
    expect(multiplexOf(db).units).toBe(40)
  })

  test('are told once to the log and the observer', async () => {
    const events: DatabaseEvent[] = []
    const logged: string[] = []
    const db = open({ observe: (event) => void events.push(event), log: (event) => void logged.push(event.level) })
    const me = await warm(db)
    events.length = 0
    logged.length = 0
    await many(5, () => read(me))
    await ledger.admin('update pace set seconds = 0.2')
    await paced(me)
    await expect(write(me, 'other')).rejects.toThrow()
    expect(multiplexOf(db)).toMatchObject({ units: 7, rerun: 1 })
    const queries = events.filter((event) => event.type === 'query')
    expect(queries.map(({ error, rows }) => [error, rows])).toEqual([
      ...Array.from({ length: 5 }, () => [undefined, 1]),
      [undefined, 1],
      ['ACCESS_POLICY', 0],
    ])
    expect(logged).toEqual([...Array.from({ length: 6 }, () => 'query'), 'error'])
  })
})

describe('A logger that fails', () => {
  test.each([false, true])('is told of a write once, as it went; multiplexed %s', async (multiplex) => {
    const events: (string | undefined)[] = []
    const levels: string[] = []
    const db = open({
      multiplex,
      observe: (event) => event.type === 'query' && events.push(event.error),
      log: (event) => {
        levels.push(event.level)
        if (levels.length > 2) throw new Error('the disk is full')
      },
    })
    const me = tenant(db, 'ada') as unknown as Session<Tables>
    await write(me, 'ada')
    await write(me, 'ada')
    await expect(write(me, 'ada')).rejects.toThrow('the disk is full')
    expect(events).toEqual([undefined, undefined, undefined])
    expect(levels).toEqual(['query', 'query', 'query'])
    expect(await ledger.admin('select count(*)::int as n from entry')).toEqual([{ n: 3 }])
  })
})

describe('A connection alone is for', () => {
  test('transactions, batches, streams, raw SQL, signals, and the first run of a statement', async () => {
    const db = open()
    const me = await warm(db)
    const { units } = multiplexOf(db)
    await me.transaction((trx) => read(trx))
    await me.connection().execute((one) => read(one))
    await me.batch([me.selectFrom('entry').selectAll()])
    for await (const row of me.selectFrom('entry').select('note').stream()) expect(row.note).toBe('n')
    await sql`select 1`.execute(me)
    await me.selectFrom('entry').select(['tenant', 'note']).execute({ signal: new AbortController().signal })
    await me.selectFrom('entry').select('id').execute()
    await write(me, 'warm', 'x'.repeat(100_000))
    expect(multiplexOf(db).units).toBe(units)
    await read(me)
    expect(multiplexOf(db).units).toBe(units + 1)
  })

  test('what is slow by its history', async () => {
    await ledger.admin('update pace set seconds = 0.03')
    const db = open({ multiplex: true })
    const me = await warm(db)
    await many(4, () => paced(me))
    expect(multiplexOf(db).units).toBe(0)
    // Fast by now, it is found to be so.
    await ledger.admin('update pace set seconds = 0')
    for (let i = 0; i < 20; i++) await paced(me)
    expect(multiplexOf(db).units).toBeGreaterThan(0)
  })

  test('everything behind a pooler', async () => {
    const pooler = await openStatementPooler(ledger.loginUrl, 1)
    onTestFinished(() => pooler.close())
    const db = open({ connection: pooler.url, preparedStatements: 'named', pool: { max: 1 } })
    const me = await warm(db)
    await many(5, () => read(me))
    expect(multiplexOf(db)).toMatchObject({ obstacle: 'pooler', units: 0 })
  })

  test('everything on an embedded database', async () => {
    const db = createDatabase({ connection: 'pglite://memory', multiplex: true })
    onTestFinished(() => db.close())
    expect(db.stats().multiplex).toMatchObject({ obstacle: 'embedded', units: 0 })
  })
})

describe('Those behind a statement', () => {
  test('that has become slow wait no longer than the bound; it is run again alone', async () => {
    const db = open({ pool: { max: 2 }, multiplex: { slowMs: 40, longestMs: 40 } })
    const me = await warm(db)
    await ledger.admin('update pace set seconds = 0.8')
    const slow = paced(me)
    const started = performance.now()
    await many(30, () => read(me))
    expect(performance.now() - started).toBeLessThan(600)
    expect(await slow).toEqual([{ one: 1 }])
    expect(multiplexOf(db).rerun).toBe(1)
  })

  test('that waits for a lock do not wait with it, even where the lock waits for them', async () => {
    const db = open({ pool: { max: 3 } })
    const me = await warm(db)
    const update = (on: Pick<Session<Tables>, 'updateTable'>) =>
      on.updateTable('entry').set({ note: 'm' }).where('tenant', '=', 'warm').execute()
    await update(me)
    let updating: Promise<unknown> | undefined
    await me.transaction(async (trx) => {
      await update(trx)
      updating = update(me)
      for (let i = 0; i < 5; i++) expect(await read(me)).toHaveLength(1)
      await delay(150)
    })
    await updating
    expect(multiplexOf(db).rerun).toBe(1)
  })

  test('keep the timeout of their session, which is told as such and not run again', async () => {
    const db = open({ statementTimeoutMs: 30 })
    const me = await warm(db)
    await ledger.admin('update pace set seconds = 0.5')
    await expect(paced(me)).rejects.toMatchObject({ code: 'TIMEOUT_STATEMENT' })
    expect(multiplexOf(db)).toMatchObject({ rerun: 0, units: 1 })
  })

  test('that has a longer timeout of its session: that one counts when it is run again', async () => {
    const db = open({ statementTimeoutMs: 200 })
    const me = await warm(db)
    await ledger.admin('update pace set seconds = 2')
    const started = performance.now()
    await expect(paced(me)).rejects.toMatchObject({ code: 'TIMEOUT_STATEMENT' })
    expect(performance.now() - started).toBeGreaterThan(230)
    expect(multiplexOf(db)).toMatchObject({ rerun: 1 })
  })
})

describe('Sole use', () => {
  test.each([1, 2])('is had of %i connections under a load that never ends', async (max) => {
    const db = open({ pool: { max } })
    const me = await warm(db)
    let stopped = false
    // More than one connection takes at once: somebody always waits for a place.
    const load = many(150, async () => {
      while (!stopped) await read(me)
    })
    await delay(50)
    for (let i = 0; i < 5; i++) {
      const started = performance.now()
      await me.transaction((trx) => write(trx, 'warm', `held ${i}`))
      expect(performance.now() - started).toBeLessThan(1_500)
    }
    expect(await db.ping()).toBeLessThan(1_500)
    stopped = true
    await load
    // And whoever has it does not stop the others for longer than it takes.
    expect(db.stats().sessions.total).toBe(max)
    await vi.waitFor(() => expect(db.stats().sessions).toMatchObject({ idle: max, waiting: 0 }), { timeout: 2_000 })
  })

  test('is had of an idle connection that was shared, while another one is held', async () => {
    const db = open({ pool: { max: 2 } })
    const me = await warm(db)
    await me.connection().execute(async (held) => {
      await read(held)
      for (let i = 0; i < 3; i++) {
        await read(me)
        const started = performance.now()
        await me.transaction((trx) => write(trx, 'warm', `beside ${i}`))
        expect(performance.now() - started).toBeLessThan(500)
      }
    })
  })

  test('never meets a unit that is sent again', async () => {
    await ledger.admin(
      'create table changing (a int); insert into changing values (1); grant select on changing to authenticated',
    )
    const db = open({ pool: { max: 1 } }) as unknown as Database<{ changing: { a: number } }>
    const me = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
    const all = () => me.selectFrom('changing').selectAll().execute()
    await many(3, all)
    for (let round = 1; round <= 15; round++) {
      // What is prepared no longer fits: the server refuses it, and it is prepared and sent again.
      await ledger.admin(`alter table changing add column c${round} int`)
      const reads = many(3, all)
      const transaction = me.transaction(async (trx) => {
        await trx.selectFrom('changing').select('a').execute()
        return await sql<{ who: string }>`select current_user::text as who, 1 as one`.execute(trx)
      })
      // All answers are there when they are read.
      await new Promise<void>((resolve) => setImmediate(resolve))
      for (const until = performance.now() + 15; performance.now() < until; );
      for (const rows of await reads) expect(Object.keys(rows[0] ?? {})).toHaveLength(round + 1)
      expect((await transaction).rows).toEqual([{ who: 'authenticated', one: 1 }])
    }
    expect(db.stats().healed).toBeGreaterThan(0)
  })

  test('of all connections lets units wait, and no longer than for a connection', async () => {
    const db = open({ pool: { max: 1, connectTimeoutMs: 300 } })
    const me = await warm(db)
    await me.transaction(async (trx) => {
      await write(trx, 'warm')
      const outcomes = await Promise.allSettled(Array.from({ length: 3 }, () => read(me)))
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'TIMEOUT_POOL' } })
    })
    expect(await read(me)).toHaveLength(2)
  })
})

describe('A shared connection that is lost', () => {
  test('takes its units with it: reads may be repeated, of writes nobody knows', async () => {
    const proxy = await createFaultProxy(ledger.loginUrl)
    onTestFinished(() => proxy.close())
    const db = open({ connection: proxy.through(ledger.loginUrl), pool: { max: 1 } })
    const me = await warm(db)
    await many(5, () => read(me))
    proxy.set({ blackHole: true })
    const reads = Array.from({ length: 5 }, () => read(me))
    const writes = Array.from({ length: 5 }, () => write(me, 'warm', 'lost'))
    const settled = Promise.allSettled([...reads, ...writes])
    await delay(50)
    proxy.set({ blackHole: false })
    proxy.breakAll()
    const outcomes = await settled
    for (const outcome of outcomes.slice(0, 5))
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CONNECTION_LOST', retryable: true } })
    // Those that were still waiting for a place are run on another connection.
    const fates = outcomes.slice(5).map((outcome) => (outcome.status === 'fulfilled' ? 'written' : outcome.reason.code))
    const written = fates.filter((fate) => fate === 'written').length
    const unknown = fates.filter((fate) => fate === 'COMMIT_UNKNOWN').length
    expect(unknown).toBeGreaterThan(0)
    expect(written + unknown).toBe(5)
    const [found] = await ledger.admin<{ n: number }>(`select count(*)::int as n from entry where note = 'lost'`)
    expect(found?.n).toBeGreaterThanOrEqual(written)
    expect(found?.n).toBeLessThanOrEqual(5)
    expect((await read(me)).length).toBeGreaterThan(0)
  })

  test('by an administrator is replaced', async () => {
    const db = open({ pool: { max: 1, applicationName: 'replaced' } })
    const me = await warm(db)
    await many(5, () => read(me))
    await ledger.admin(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'replaced'`,
    )
    await delay(50)
    expect((await many(5, () => read(me))).flat()).toHaveLength(5)
  })
})

describe('Multiplexing', () => {
  test('goes on where the server is far away', async () => {
    const proxy = await createFaultProxy(ledger.loginUrl)
    onTestFinished(() => proxy.close())
    const db = open({ connection: proxy.through(ledger.loginUrl), multiplex: true })
    proxy.set({ delayMs: 8 })
    const me = await warm(db)
    await many(10, async () => {
      for (let i = 0; i < 12; i++) await read(me)
    })
    expect(multiplexOf(db).units).toBeGreaterThan(90)
  })

  test('is not for a pool of the caller’s, whose other users could not be heard', async () => {
    const pool = new Pool({ connectionString: ledger.loginUrl, max: 2 })
    onTestFinished(() => pool.end())
    const db = open({ connection: pool, pool: {} })
    await many(5, () => read(tenant(db, 'ada') as never))
    expect(multiplexOf(db)).toMatchObject({ obstacle: 'own pool', units: 0 })
  })

  test('changes nothing about what a deferred trigger waits for', async () => {
    await ledger.admin(`
      create table counter (n int); insert into counter values (0); grant select, update on counter to authenticated;
      create function count_entry() returns trigger language plpgsql as $$
        begin update counter set n = n + 1; return null; exception when others then raise warning 'not counted'; return null; end $$;
      create constraint trigger count_entry after insert on entry deferrable initially deferred for each row execute function count_entry()`)
    onTestFinished(async () => {
      await ledger.admin('drop trigger count_entry on entry; drop function count_entry; drop table counter')
    })
    const db = open()
    const me = await warm(db)
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const holding = db
      .session({ role: 'authenticated', claims: { sub: 'warm' } })
      .withTables<{ counter: { n: number } }>()
      .transaction(async (trx) => {
        await trx.updateTable('counter').set({ n: 10 }).execute()
        await released
      })
    await delay(30)
    const writing = write(me, 'warm', 'counted')
    await delay(150)
    release()
    await Promise.all([holding, writing])
    expect(await ledger.admin('select n from counter')).toEqual([{ n: 11 }])
  })

  test('switched off tells those who wait for a place what they waited for', async () => {
    const db = open({ pool: { max: 1, connectTimeoutMs: 300 } })
    const me = await warm(db)
    await me.transaction(async (trx) => {
      await write(trx, 'warm')
      const waiting = read(me)
      db.setMultiplex(false)
      await expect(waiting).rejects.toMatchObject({ code: 'TIMEOUT_POOL' })
    })
  })

  test('waits without end where the pool does', async () => {
    const db = open({ pool: { max: 1, connectTimeoutMs: 0 } })
    const me = await warm(db)
    let waiting: Promise<unknown> | undefined
    await me.transaction(async (trx) => {
      await write(trx, 'warm')
      waiting = read(me)
      await delay(300)
    })
    expect(await waiting).toHaveLength(2)
  })

  test('is switched off and on while the program runs', async () => {
    const db = open()
    const me = await warm(db)
    const running = many(100, () => read(me))
    db.setMultiplex(false)
    await running
    const { units } = multiplexOf(db)
    await many(10, () => read(me))
    expect(multiplexOf(db)).toMatchObject({ obstacle: 'switched off', units, lines: 0 })
    db.setMultiplex(true)
    await many(10, () => read(me))
    expect(multiplexOf(db)).toMatchObject({ obstacle: undefined, units: units + 10 })
  })

  test('is off unless it is asked for', async () => {
    const db = open({ multiplex: false })
    await read(tenant(db, 'ada') as never)
    expect(db.stats().multiplex).toBeUndefined()
    expect(() => db.setMultiplex(true)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }))
  })

  test.each([1, 'on', null, { depth: 0 }, { depth: 1.5 }, { longest: 3 }, { slowMs: Number.NaN }])(
    'refuses %j',
    (multiplex) => {
      expect(() => open({ multiplex: multiplex as never })).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }))
    },
  )

  test('ends with its database, and nothing that was begun is lost', async () => {
    const db = open()
    const me = await warm(db)
    const running = many(300, (i) => write(me, 'warm', `last ${i}`))
    await delay(1)
    const closing = db.close()
    await expect(read(me)).rejects.toMatchObject({ code: 'DATABASE_CLOSED' })
    const outcomes = await Promise.allSettled([running])
    await closing
    expect(outcomes[0]?.status).toBe('fulfilled')
    expect(await ledger.admin(`select count(*)::int as n from entry where note like 'last%'`)).toEqual([{ n: 300 }])
  })
})
