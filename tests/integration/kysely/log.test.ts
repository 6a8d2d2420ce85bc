/**
 * Kysely's `log`: levels, the array and the function form, order, and what an event holds. Every other file compares its
 * log with the control's as well; here are the rules themselves.
 */
import { type LogEvent, sql } from 'kysely'
import { expect, onTestFinished, vi } from 'vitest'
import { describeExecutors, rejection, sqlstateOf, toLogged } from '../../support/executors.ts'

/** Catches what Kysely's built-in logger prints, without colours of durations. */
function capturePrints(): string[] {
  const printed: string[] = []
  const note = (text: unknown) =>
    void printed.push(
      String(text)
        .replace(/\d+\.\dms/, 'N ms')
        .split('\n')[0] ?? '',
    )
  const spies = [vi.spyOn(console, 'log').mockImplementation(note), vi.spyOn(console, 'error').mockImplementation(note)]
  onTestFinished(() => spies.forEach((spy) => void spy.mockRestore()))
  return printed
}

describeExecutors('Log', ({ behaves }) => {
  behaves('tells each query with the user’s own text, parameters and duration', async ({ open }) => {
    const events: LogEvent[] = []
    const db = await open({ log: (event) => void events.push(event) })
    const born = new Date(0)
    const query = db
      .selectFrom('person')
      .select('id')
      .where('created_at', '>', born)
      .where('email', 'is not', null)
      .compile()
    await db.executeQuery(query)
    await sql`select ${null}::text, ${[1, 2]}::int[], ${{ a: 1 }}::jsonb`.execute(db)
    expect(events).toHaveLength(2)
    expect(events[0]).toMatchObject({ level: 'query', isStream: false })
    expect(events[0]?.query).toBe(query)
    expect(events[0]?.query.parameters[0]).toBe(born)
    expect(events[0]?.queryDurationMillis).toBeGreaterThan(0)
    expect(events[1]?.query.parameters).toStrictEqual([null, [1, 2], { a: 1 }])
    return events.map(toLogged)
  })

  behaves('tells a failure once, with the very error that is thrown', async ({ open }) => {
    const events: LogEvent[] = []
    const db = await open({ log: (event) => void events.push(event) })
    const thrown = await sql`select 1/0`.execute(db).catch((error: unknown) => error)
    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject({ level: 'error', query: { sql: 'select 1/0', parameters: [] } })
    expect(events[0]?.level === 'error' && events[0].error).toBe(thrown)
    return [sqlstateOf(thrown), events.map(toLogged)]
  })

  behaves('tells an error of the driver itself', async ({ open }) => {
    const events: LogEvent[] = []
    const db = await open({ log: (event) => void events.push(event) })
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    await expect(sql`select ${circular}::jsonb`.execute(db)).rejects.toThrow()
    expect(events).toMatchObject([{ level: 'error', query: { sql: 'select $1::jsonb' } }])
    expect(await sql`select 1 as a`.execute(db)).toMatchObject({ rows: [{ a: 1 }] })
  })

  behaves('marks streams, also those that are left early', async ({ open }) => {
    const events: LogEvent[] = []
    const db = await open({ log: (event) => void events.push(event) })
    for await (const _ of db.selectFrom('pet').selectAll().stream(1)) break
    for await (const _ of db.selectFrom('pet').selectAll().stream(2));
    await db.selectFrom('pet').selectAll().execute()
    expect(events.map((event) => event.level === 'query' && event.isStream)).toStrictEqual([true, true, false])
    return events.map(toLogged)
  })

  behaves('tells one event per query however often connections are taken', async ({ open }) => {
    const events: LogEvent[] = []
    const db = await open({ log: (event) => void events.push(event), pool: { max: 2 } })
    for (let round = 0; round < 5; round += 1) {
      await db.connection().execute(async (one) => {
        await sql`select 1`.execute(one)
        await sql`select 2`.execute(one)
      })
      await db.transaction().execute((trx) => sql`select 3`.execute(trx))
    }
    expect(events.map((event) => event.query.sql)).toStrictEqual(
      Array(5).fill(['select 1', 'select 2', 'begin', 'select 3', 'commit']).flat(),
    )
    return events.map(toLogged)
  })

  behaves('waits for an asynchronous logger before the query is done', async ({ open }) => {
    const order: string[] = []
    const db = await open({
      async log(event) {
        await new Promise((resolve) => setImmediate(resolve))
        order.push(event.query.sql)
      },
    })
    await db.transaction().execute(async (trx) => {
      await sql`select 1`.execute(trx)
      order.push('first is done')
    })
    order.push('all is done')
    expect(order).toStrictEqual(['begin', 'select 1', 'first is done', 'commit', 'all is done'])
    return order
  })

  behaves('fails a query whose logger throws, and goes on', async ({ open }) => {
    let broken = true
    const db = await open({
      log() {
        if (broken) throw new Error('logger')
      },
      pool: { max: 1 },
    })
    const error = await rejection(sql`select 1`.execute(db))
    broken = false
    expect([error, await sql`select 1 as a`.execute(db)]).toMatchObject(['Error: logger', { rows: [{ a: 1 }] }])
    return error
  })

  behaves('prints queries and streams when given as ["query"]', async ({ open }) => {
    const printed = capturePrints()
    const db = await open({ log: ['query'] })
    await sql`select 1`.execute(db)
    await expect(sql`select 1/0`.execute(db)).rejects.toThrow()
    for await (const _ of db.selectFrom('pet').select('id').stream(1)) break
    expect(printed).toStrictEqual([
      'kysely:query: select 1',
      'kysely:query: duration: N ms',
      'kysely:query:stream: select "id" from "pet"',
      'kysely:query:stream: duration: N ms',
    ])
    return printed
  })

  behaves('prints failures when given as ["error"], and nothing when given as []', async ({ open }) => {
    const printed = capturePrints()
    const loud = await open({ log: ['error'] })
    const silent = await open({ log: [] })
    for (const db of [loud, silent]) {
      await sql`select 1`.execute(db)
      await expect(sql`select 1/0`.execute(db)).rejects.toThrow()
    }
    expect(printed).toHaveLength(1)
    expect(printed[0]).toMatch(/^kysely:error: .*division by zero/)
  })
})
