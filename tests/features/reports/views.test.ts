/** Materialized views: refreshed once, remembered, and guarded by no policy. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refreshIfOlder, refreshView, viewFreshness } from '../../../src/reports/index.ts'
import { openSales, type Sales, salesKinds } from './sales.ts'

const totals = { schema: 'public', name: 'totals', kind: 'materialized view' } as const

describe.each(salesKinds)('A materialized view on the %s', (kind) => {
  let sales: Sales
  beforeAll(async () => {
    sales = await openSales(kind)
  })
  afterAll(() => sales[Symbol.asyncDispose]())

  it('is refreshed and remembered: when, how many rows, by whom', async () => {
    expect(await viewFreshness(sales.service, totals)).toEqual({
      refreshedAt: undefined,
      ageMs: undefined,
      stale: true,
      failure: undefined,
    })
    const refresh = await refreshView(sales.service, totals)
    expect(refresh).toMatchObject({ rows: 3 })
    expect(refresh.durationMs).toBeGreaterThanOrEqual(0)
    const { rows } = await sql<{ by: string }>`select refreshed_by as by from tenon.view_refreshes`.execute(
      sales.service,
    )
    expect(rows).toEqual([{ by: 'test' }])
  })

  it('tells sessions its age and nothing else of its refreshes', async () => {
    const { refreshedAt, ageMs, stale } = await viewFreshness(sales.ada, totals, { maxAgeMs: 60_000 })
    expect(refreshedAt).toBeInstanceOf(Date)
    expect(ageMs).toBeGreaterThanOrEqual(0)
    expect(stale).toBe(false)
    expect((await viewFreshness(sales.ada, totals, { maxAgeMs: 0 })).stale).toBe(true)
    await expect(sql`select from tenon.view_refreshes`.execute(sales.ada)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    })
    await expect(refreshView(sales.ada, totals)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
  })

  it('is refreshed concurrently with a unique index, and without one the error says what mends it', async () => {
    await expect(refreshView(sales.service, totals, { concurrently: true })).rejects.toMatchObject({
      code: 'VIEW_UNIQUE_INDEX',
      hint: expect.stringContaining('create unique index on "public"."totals"'),
    })
    await sales.script('create unique index totals_upper_idx on totals (upper(tenant), product)')
    await expect(
      refreshView(sales.service, totals, { concurrently: true }),
      'an expression will not do',
    ).rejects.toMatchObject({
      code: 'VIEW_UNIQUE_INDEX',
    })
    await sales.script('create unique index totals_tenant_product_idx on totals (tenant, product)')
    expect(await refreshView(sales.service, totals, { concurrently: true })).toMatchObject({ rows: 3 })
    await sales.script('refresh materialized view totals with no data')
    expect(await refreshView(sales.service, totals, { concurrently: true }), 'never filled').toMatchObject({ rows: 3 })
  })

  it('is left alone while it is young', async () => {
    await refreshView(sales.service, totals)
    expect(await refreshIfOlder(sales.service, totals, { maxAgeMs: 60_000 })).toBeUndefined()
    expect(await refreshIfOlder(sales.service, totals, { maxAgeMs: 0 })).toMatchObject({ rows: 3 })
    await sales.script('refresh materialized view totals with no data')
    expect(await viewFreshness(sales.ada, totals, { maxAgeMs: 60_000 })).toMatchObject({
      refreshedAt: undefined,
      stale: true,
    })
    expect(await refreshIfOlder(sales.service, totals, { maxAgeMs: 60_000 }), 'nobody can read it').toMatchObject({
      rows: 3,
    })
  })

  it('keeps what it shows, and says so, when its query fails', async () => {
    await sales.script(`create table divisors (d int); insert into divisors values (1);
      create materialized view quotients as select 1 / d as q from divisors; update divisors set d = 0`)
    const quotients = { ...totals, name: 'quotients' }
    await expect(refreshView(sales.service, quotients)).rejects.toMatchObject({
      code: 'QUERY_DATA',
      sqlstate: '22012',
      table: 'quotients',
    })
    expect(await viewFreshness(sales.service, quotients)).toMatchObject({ failure: '22012', stale: true })
    expect((await sql`select q from quotients`.execute(sales.service)).rows).toEqual([{ q: 1 }])
    await sales.script('update divisors set d = 2')
    await refreshView(sales.service, quotients)
    expect(await viewFreshness(sales.service, quotients)).toMatchObject({ failure: undefined, stale: false })
  })

  it('tells sessions the age of a view in a schema that they may not use', async () => {
    await sales.script(
      'create schema hidden; create materialized view hidden."Counts" as select count(*) as n from sales',
    )
    const hidden = { ...totals, schema: 'hidden', name: 'Counts' }
    expect(await viewFreshness(sales.ada, hidden)).toMatchObject({ refreshedAt: undefined, stale: true })
    await refreshView(sales.service, hidden)
    expect(await viewFreshness(sales.ada, hidden)).toMatchObject({ refreshedAt: expect.any(Date), stale: false })
    await expect(sql`select from hidden."Counts"`.execute(sales.ada)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    await expect(viewFreshness(sales.ada, { ...totals, name: 'nothing' })).rejects.toMatchObject({
      code: 'QUERY_UNDEFINED_OBJECT',
    })
  })

  it('refuses what is none, and remembers a hundred refreshes', async () => {
    await expect(refreshView(sales.service, { ...totals, kind: 'table' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    })
    await expect(refreshView(sales.service, { ...totals, name: 'sales' })).rejects.toMatchObject({ sqlstate: '42809' })
    await expect(refreshView(sales.service, { ...totals, name: 'to"tals' })).rejects.toMatchObject({
      code: 'QUERY_UNDEFINED_OBJECT',
    })
    await expect(refreshIfOlder(sales.service, totals, { maxAgeMs: -1 })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    })
    await sales.script(`insert into tenon.view_refreshes (view, concurrent, started_at, finished_at, row_count, refreshed_by)
      select 'totals'::regclass, false, now(), now(), 1, 'x' from generate_series(1, 150)`)
    await refreshView(sales.service, totals)
    const { rows } = await sql<{
      n: number
    }>`select count(*)::int as n from tenon.view_refreshes where view = 'totals'::regclass`.execute(sales.service)
    expect(rows).toEqual([{ n: 100 }])
  })

  it('is not guarded by row security: a view with the condition is what sessions get', async () => {
    await sales.script(`create view my_totals with (security_barrier = true) as
        select * from totals where tenant = (select nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub');
      grant select on my_totals to authenticated`)
    const seen = sql<{ tenant: string }>`select distinct tenant from my_totals`
    expect((await seen.execute(sales.ada)).rows).toEqual([{ tenant: 'ada' }])
    expect((await seen.execute(sales.bob)).rows).toEqual([{ tenant: 'bob' }])
    await expect(sales.ada.selectFrom('totals').selectAll().execute()).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    await sales.script('grant select on totals to authenticated')
    const leaked = await sales.ada.selectFrom('totals').select('tenant').distinct().execute()
    expect(leaked.length, 'the control: granted, it shows everybody’s').toBe(2)
    await sales.script('revoke select on totals from authenticated')
  })
})

describe('Two who refresh', () => {
  let sales: Sales
  beforeAll(async () => {
    sales = await openSales('server')
    await sales.script(
      `create table gate (id int); create materialized view slow as select pg_sleep(0.3)::text as s, 1 as id`,
    )
  })
  afterAll(() => sales[Symbol.asyncDispose]())
  const slow = { ...totals, name: 'slow' }

  it('do it once, and who does not wait is told', async () => {
    const asked = await Promise.all(
      Array.from({ length: 5 }, () => refreshIfOlder(sales.service, slow, { maxAgeMs: 60_000 })),
    )
    expect(asked.filter((refresh) => refresh !== undefined)).toHaveLength(1)
    const { rows } = await sql<{ n: number }>`select count(*)::int as n from tenon.view_refreshes`.execute(
      sales.service,
    )
    expect(rows).toEqual([{ n: 1 }])
    await sales.service.transaction().execute(async (trx) => {
      await refreshView(trx, slow)
      expect(await refreshIfOlder(sales.service, slow, { maxAgeMs: 0, wait: false })).toBeUndefined()
    })
    const both = await Promise.all([refreshView(sales.service, slow), refreshView(sales.service, slow)])
    expect(both, 'the control: without an age both do it').toHaveLength(2)
  })

  it('remember nothing of a refresh that was not tried: a lock that was not had in time, a cancel', async () => {
    const remembered = async () =>
      (await sql<{ n: number }>`select count(*)::int as n from tenon.view_refreshes`.execute(sales.service)).rows
    const before = await remembered()
    await sales.script('begin; select from slow')
    const impatient = sales.service.transaction().execute(async (trx) => {
      await sql`set local lock_timeout = '50ms'`.execute(trx)
      await refreshView(trx, slow)
    })
    await expect(impatient).rejects.toMatchObject({ code: 'TIMEOUT_LOCK' })
    await sales.script('rollback')
    await expect(refreshView(sales.service, slow, { signal: AbortSignal.timeout(100) })).rejects.toThrow()
    expect(await remembered()).toEqual(before)
    expect(await viewFreshness(sales.service, slow)).toMatchObject({ failure: undefined, stale: false })
  })

  it('a transaction that sees an older state says how old it is', async () => {
    await sales.script('create materialized view counted as select count(*) as n from gate')
    const counted = { ...totals, name: 'counted' }
    const inserted = await sales.service
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (trx) => {
        await sql`select from gate`.execute(trx)
        const { rows } = await sql<{ at: Date }>`select clock_timestamp() as at`.execute(trx)
        await sales.script('insert into gate values (1)')
        await refreshView(trx, counted)
        return rows[0]?.at
      })
    expect(
      (await sql<{ n: string }>`select n from counted`.execute(sales.service)).rows,
      'the older state',
    ).toMatchObject([{ n: expect.toSatisfy((n) => Number(n) === 0) }])
    const { refreshedAt } = await viewFreshness(sales.service, counted)
    expect(Number(refreshedAt)).toBeLessThanOrEqual(Number(inserted))
  })
})
