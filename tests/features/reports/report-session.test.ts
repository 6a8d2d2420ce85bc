/** Sessions for reports: read-only and bounded, in one round trip. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { reportSession } from '../../../src/reports/index.ts'
import { openSales, type Sales, salesKinds } from './sales.ts'

describe.each(salesKinds)('A session for reports on the %s', (kind) => {
  let sales: Sales
  beforeAll(async () => {
    sales = await openSales(kind)
  })
  afterAll(() => sales[Symbol.asyncDispose]())

  it('has its own bounds, the rows of its session, and takes one round trip', async () => {
    const report = reportSession(sales.ada, { timeoutMs: 1_234, workMem: '33MB', parallelWorkers: 0, jit: false })
    const names = ['statement_timeout', 'work_mem', 'max_parallel_workers_per_gather', 'jit', 'transaction_read_only']
    const settings = sql<{ v: string }>`select current_setting(n) as v from unnest(${names}::text[]) n`
    expect((await settings.execute(report)).rows.map(({ v }) => v)).toEqual(['1234ms', '33MB', '0', 'off', 'on'])
    expect((await settings.execute(sales.ada)).rows.at(-1)?.v).toBe('off')
    const query = report.selectFrom('sales').select(({ fn }) => fn.countAll<string>().as('n'))
    await query.execute()
    const before = sales.db.stats().roundTrips
    expect(Number((await query.executeTakeFirstOrThrow()).n)).toBe(5)
    expect(sales.db.stats().roundTrips - before).toBe(1)
  })

  it('writes nothing, whoever tries, and cannot be made to', async () => {
    const report = reportSession(sales.ada)
    const insert = sql`insert into sales values (99, 'ada', null, 'x', 1, now(), now(), now())`
    await sales.script(
      `create or replace function sneak() returns int language sql volatile as $$ insert into sales values (98, 'ada', null, 'x', 1, now(), now(), now()) returning id $$`,
    )
    const attempts: (() => Promise<unknown>)[] = [
      () => insert.execute(report),
      () => sql`select sneak()`.execute(report),
      () =>
        sql`with w as (select set_config('transaction_read_only', 'off', true)) select sneak() from w`.execute(report),
      () => report.transaction((trx) => insert.execute(trx)),
      () => report.transaction({ accessMode: 'read write' }, (trx) => insert.execute(trx)),
      () =>
        report.transaction(async (trx) => {
          await sql`set local transaction_read_only = off`.execute(trx)
          await insert.execute(trx)
        }),
    ]
    const refusals: unknown[] = []
    for (const attempt of attempts) await attempt().catch((error) => refusals.push(error.sqlstate ?? error.code))
    // Read-only, and "transaction read-write mode must be set before any query".
    expect(refusals).toEqual(['25006', '25006', '25001', '25006', '25006', 'TRANSACTION_SHAPE'])
    expect((await sql`select from sales where id >= 98`.execute(sales.service)).rows).toEqual([])
    await insert.execute(sales.ada)
    expect((await sql`select from sales where id >= 98`.execute(sales.service)).rows, 'the control').toHaveLength(1)
    await sales.script('delete from sales where id >= 98')
  })

  it('leaves nothing of it to whoever comes next on the connection', async () => {
    await reportSession(sales.ada, { workMem: '64kB' }).selectFrom('sales').select('id').execute()
    const { rows } = await sql<{
      m: string
      r: string
    }>`select current_setting('work_mem') as m, current_setting('transaction_read_only') as r`.execute(sales.bob)
    expect(rows).toEqual([{ m: '4MB', r: 'off' }])
  })

  it.each([
    { workMem: '1kB' },
    { workMem: '3TB' },
    { workMem: '64 MB' },
    { workMem: "64MB'; drop table sales" },
    { parallelWorkers: -1 },
    { parallelWorkers: 1.5 },
    { timeoutMs: -1 },
    { readOnly: 'no' },
  ])('refuses %o', (options) => {
    expect(() => reportSession(sales.ada, options as never)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    )
  })

  it('is ended by its own timeout where the server can do that', async () => {
    if (kind === 'embedded') return
    await expect(sql`select pg_sleep(5)`.execute(reportSession(sales.ada, { timeoutMs: 50 }))).rejects.toMatchObject({
      code: 'TIMEOUT_STATEMENT',
    })
  })
})
