/** Groupings, frames, percentiles, buckets and gaps: what they compute, on a server and on PGlite, under row security. */
import { CamelCasePlugin, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  cube,
  fillGaps,
  frame,
  grouped,
  grouping,
  groupingSets,
  percentileCont,
  percentileDisc,
  rollup,
  timeBucket,
  timeSeries,
} from '../../../src/reports/index.ts'
import { openSales, type Sales, salesKinds } from './sales.ts'

describe.each(salesKinds)('Reports on the %s', (kind) => {
  let sales: Sales
  beforeAll(async () => {
    sales = await openSales(kind)
  })
  afterAll(() => sales[Symbol.asyncDispose]())

  it('has subtotals that are told from groups of null', async () => {
    const rows = await sales.ada
      .selectFrom('sales')
      .select(({ ref, fn }) => [
        grouped(ref('region')).as('region'),
        grouped(ref('product')).as('product'),
        fn.sum<string>('amount').as('amount'),
        grouping(ref('region'), ref('product')).as('level'),
      ])
      .groupBy(({ ref }) => [rollup(ref('region'), ref('product'))])
      .orderBy('level')
      .orderBy('amount')
      .orderBy('region')
      .execute()
    expect(rows.map(({ region, product, amount, level }) => [region, product, Number(amount), level])).toEqual(
      [
        ['north', 'tea', 30, 0],
        ['south', 'tea', 30, 0],
        ['south', 'mug', 40, 0],
        [null, 'mug', 50, 0],
        ['north', null, 30, 1],
        [null, null, 50, 1],
        ['south', null, 70, 1],
        [null, null, 150, 3],
      ].sort((a, b) => Number(a[3]) - Number(b[3]) || Number(a[2]) - Number(b[2])) as never,
    )
  })

  it('has cubes, sets of sets, and items that go together', async () => {
    const count = async (by: ReturnType<typeof cube>) =>
      (
        await sales.ada
          .selectFrom('sales')
          .select(({ fn }) => fn.countAll<string>().as('n'))
          .groupBy(() => [by])
          .execute()
      ).length
    const ref = sql.ref
    expect(await count(cube(ref('region'), ref('product')))).toBe(4 + 3 + 2 + 1)
    expect(await count(rollup([ref('region'), ref('product')]))).toBe(5)
    expect(await count(groupingSets([[ref('region'), ref('product')], ref('product'), []]))).toBe(4 + 2 + 1)
    expect(await count(groupingSets([rollup(ref('region')), cube(ref('product'))]))).toBe(4 + 3)
  })

  it('filters and orders percentiles, in one round trip', async () => {
    const query = sales.ada
      .selectFrom('sales')
      .select((eb) => [
        percentileCont(eb, 'amount', 0.5).as('median'),
        percentileCont(eb, 'amount', [0, 0.5, 1]).as('spread'),
        percentileDisc(eb, 'product', 0.9).as('product'),
        percentileCont(eb, 'amount', 0.5).filterWhere('product', '=', 'tea').as('tea'),
        percentileCont(eb, 'amount', 0.5).filterWhere('product', '=', 'none').as('nothing'),
      ])
    await query.execute()
    const before = sales.db.stats().roundTrips
    expect(await query.executeTakeFirstOrThrow()).toEqual({
      median: 30,
      spread: [10, 30, 50],
      product: 'tea',
      tea: 20,
      nothing: null,
    })
    expect(sales.db.stats().roundTrips - before).toBe(1)
  })

  it('frames windows by rows, groups and ranges', async () => {
    const rows = await sales.ada
      .selectFrom('sales')
      .select(({ fn, ref }) => [
        'id',
        fn
          .sum<string>('amount')
          .over((w) => frame(w.orderBy('id'), { rows: [{ preceding: 1 }, 'current row'] }))
          .as('two'),
        fn
          .sum<string>('amount')
          .over((w) => frame(w.orderBy('day'), { range: [{ preceding: '1 day' }, 'current row'] }))
          .as('days'),
        fn
          .sum<string>('amount')
          .over((w) =>
            frame(w.orderBy('product'), { groups: ['unbounded preceding', 'current row'], exclude: 'current row' }),
          )
          .as('others'),
        fn
          .sum<string>('amount')
          .over((w) => frame(w, { rows: ['unbounded preceding', 'unbounded following'] }))
          .as('all'),
        fn
          .sum<string>(ref('amount'))
          .over((w) =>
            frame(w.partitionBy('region').orderBy('amount'), { range: [{ preceding: 10 }, { following: 10.5 }] }),
          )
          .as('near'),
      ])
      .orderBy('id')
      .execute()
    expect(rows.map(({ two, days, others, all, near }) => [two, days, others, all, near].map(Number))).toEqual([
      [10, 10, 140, 150, 30],
      [30, 60, 130, 150, 30],
      [50, 60, 120, 150, 70],
      [70, 40, 50, 150, 70],
      [90, 50, 40, 150, 50],
    ])
  })

  it('puts times into the buckets of a zone, whatever the time zone of the session', async () => {
    const tokyo = sales.ada.as({ settings: { timezone: 'Asia/Tokyo' } })
    const buckets = async (options: Parameters<typeof timeBucket>[1]) =>
      (
        await tokyo
          .selectFrom('sales')
          .select(({ ref }) => timeBucket(ref('sold_at'), options).as('bucket'))
          .groupBy(({ ref }) => [timeBucket(ref('sold_at'), options)])
          .orderBy('bucket')
          .execute()
      ).map(({ bucket }) => bucket.toISOString().slice(0, 16))
    expect(await buckets({ every: '1 day' })).toEqual([
      '2024-03-30T00:00',
      '2024-03-31T00:00',
      '2024-04-02T00:00',
      '2024-04-04T00:00',
    ])
    expect(await buckets({ every: '1 day', timeZone: 'Europe/Berlin' })).toEqual([
      '2024-03-29T23:00',
      '2024-03-30T23:00',
      '2024-04-02T22:00',
      '2024-04-03T22:00',
    ])
    expect(await buckets({ every: { weeks: 1 }, timeZone: 'Europe/Berlin' })).toEqual([
      '2024-03-24T23:00',
      '2024-03-31T22:00',
    ])
    expect(await buckets({ every: { months: 2 }, timeZone: 'Europe/Berlin' })).toEqual(['2024-02-29T23:00'])
    expect(await buckets({ every: '1 quarter' })).toEqual(['2024-01-01T00:00', '2024-04-01T00:00'])
    expect(await buckets({ every: '2 years' })).toEqual(['2024-01-01T00:00'])
    expect(await buckets({ every: '6 hours', timeZone: 'Europe/Berlin' })).toEqual([
      '2024-03-30T05:00',
      '2024-03-30T23:00',
      '2024-04-02T22:00',
      '2024-04-04T10:00',
    ])
    expect(await buckets({ every: '2 weeks', origin: new Date('2024-03-31T00:00:00Z') })).toEqual([
      '2024-03-17T00:00',
      '2024-03-31T00:00',
    ])
  })

  it('keeps the two hours apart that one name when clocks go back, and the halves of them', async () => {
    const at = async (time: string, options: Parameters<typeof timeBucket>[1]) => {
      const row = await sales.ada
        .selectNoFrom(() => timeBucket(sql<Date>`${time}::timestamptz`, options).as('bucket'))
        .executeTakeFirstOrThrow()
      return row.bucket.toISOString().slice(0, 16)
    }
    const berlin = { timeZone: 'Europe/Berlin' }
    expect(await at('2024-10-27 00:40+00', { every: '1 hour', ...berlin })).toBe('2024-10-27T00:00')
    expect(await at('2024-10-27 01:40+00', { every: '1 hour', ...berlin })).toBe('2024-10-27T01:00')
    expect(await at('2024-10-27 00:40+00', { every: '30 minutes', ...berlin })).toBe('2024-10-27T00:30')
    expect(await at('2024-10-27 01:40+00', { every: '30 minutes', ...berlin })).toBe('2024-10-27T01:30')
    expect(await at('2024-10-27 22:59+00', { every: '1 day', ...berlin })).toBe('2024-10-26T22:00')
    expect(await at('2024-01-01 10:10+00', { every: '1 hour', timeZone: 'Asia/Kolkata' })).toBe('2024-01-01T09:30')
    expect(await at('2024-01-01 10:10+00', { every: '15 minutes', timeZone: 'Asia/Kathmandu' })).toBe(
      '2024-01-01T10:00',
    )
    expect(await at('2024-01-01 10:10+00', { every: '7 minutes' })).toMatch(/^2024-01-01T10:0/)
    expect(await at('0044-03-15 12:00+00 BC', { every: '1 month' })).toMatch(/^-000043-03-01|-0000/)
  })

  it('gives a series the buckets that rows have, through changes of the clocks', async () => {
    for (const [every, timeZone] of [
      ['1 day', 'Europe/Berlin'],
      ['6 hours', 'Europe/Berlin'],
      ['2 hours', 'America/New_York'],
      ['1 hour', 'Europe/Berlin'],
      ['1 hour', 'Australia/Lord_Howe'],
      ['15 minutes', 'Australia/Lord_Howe'],
      ['7 minutes', 'UTC'],
      ['1 month', 'Pacific/Apia'],
      ['2 weeks', 'Europe/Berlin'],
    ] as const) {
      const options = { every, timeZone }
      const [from, to] = [new Date('2024-03-08T05:00:00Z'), new Date('2024-04-09T05:00:00Z')]
      const series = await sales.ada
        .selectFrom(timeSeries({ ...options, from, to }).as('series'))
        .select('series.bucket')
        .orderBy('series.bucket')
        .execute()
      const seen = await sales.ada
        .selectFrom(
          sql<{
            at: Date
          }>`(select at from generate_series(${from}::timestamptz, ${to}::timestamptz - interval '1 second', interval '1 minute') at)`.as(
            'minutes',
          ),
        )
        .select(({ ref }) => timeBucket(ref('minutes.at'), options).as('bucket'))
        .distinct()
        .orderBy('bucket')
        .execute()
      expect(series, `${every} ${timeZone}`).toEqual(seen)
    }
  })

  it('takes times without time zone as they are', async () => {
    const rows = await sales.ada
      .selectFrom('sales')
      .select(({ ref, fn }) => [
        timeBucket(ref('local_at'), { every: '12 hours', timeZone: null }).as('half'),
        fn.countAll<string>().as('n'),
      ])
      .groupBy('half')
      .orderBy('half')
      .execute()
    expect(rows.map(({ half, n }) => [half.getHours(), Number(n)])).toEqual([
      [0, 1],
      [0, 2],
      [12, 1],
      [12, 1],
    ])
    const days = await sales.ada
      .selectFrom('sales')
      .select(({ ref }) => timeBucket(ref('day'), { every: '1 month', timeZone: null }).as('month'))
      .distinct()
      .orderBy('month')
      .execute()
    expect(days.map(({ month }) => month.getMonth())).toEqual([2, 3])
  })

  const span = { from: new Date('2024-03-30T12:00:00Z'), to: new Date('2024-04-05T00:00:00Z'), every: '1 day' } as const

  it('fills gaps with values, nulls and the last value', async () => {
    const days = sales.ada
      .selectFrom('sales')
      .select(({ ref, fn }) => [
        timeBucket(ref('sold_at'), span).as('date'),
        fn.countAll<number>().as('n'),
        fn.max('amount').as('price'),
        fn.min('amount').as('low'),
      ])
      .groupBy('date')
    const rows = await fillGaps(sales.ada, days, { bucket: 'date', ...span, fill: { n: 0 }, carry: ['price'] })
      .orderBy('date')
      .execute()
    expect(rows.map(({ date, n, price, low }) => [date.toISOString().slice(5, 10), Number(n), price, low])).toEqual([
      ['03-30', 1, '10.00', '10.00'],
      ['03-31', 2, '30.00', '20.00'],
      ['04-01', 0, '30.00', null],
      ['04-02', 1, '40.00', '40.00'],
      ['04-03', 0, '40.00', null],
      ['04-04', 1, '50.00', '50.00'],
    ])
  })

  it('fills gaps whatever the columns are called', async () => {
    const days = sales.ada
      .selectFrom('sales')
      .select(({ ref, fn }) => [
        timeBucket(ref('sold_at'), span).as('rows'),
        fn.countAll<string>().as('series'),
        fn.max('amount').as('island_of_0'),
        fn.min('amount').as('tenonisland0'),
        fn.max('amount').as('tenonisland_1'),
        fn.min('amount').as('counted'),
        fn.max('amount').as('bucket'),
      ])
      .groupBy('rows')
    const rows = await fillGaps(sales.ada, days, {
      bucket: 'rows',
      ...span,
      fill: { series: '0' },
      carry: ['tenonisland0', 'bucket', 'counted'],
    })
      .orderBy('rows')
      .execute()
    expect(rows.slice(0, 3).map(({ rows, ...others }) => others)).toEqual([
      {
        series: '1',
        island_of_0: '10.00',
        tenonisland0: '10.00',
        tenonisland_1: '10.00',
        counted: '10.00',
        bucket: '10.00',
      },
      {
        series: '2',
        island_of_0: '30.00',
        tenonisland0: '20.00',
        tenonisland_1: '30.00',
        counted: '20.00',
        bucket: '30.00',
      },
      { series: '0', island_of_0: null, tenonisland0: '20.00', tenonisland_1: null, counted: '20.00', bucket: '30.00' },
    ])
  })

  it('fills gaps of every group, groups of null too, and shows nobody else’s', async () => {
    const query = sales.ada
      .selectFrom('sales')
      .select(({ ref, fn }) => [
        timeBucket(ref('sold_at'), span).as('date'),
        'region',
        fn.sum<string>('amount').as('amount'),
      ])
      .groupBy(['date', 'region'])
    const rows = await fillGaps(sales.ada, query, { bucket: 'date', by: ['region'], ...span, fill: { amount: '0' } })
      .where('filled.date', '<', new Date('2024-04-02T00:00:00Z'))
      .orderBy('region')
      .orderBy('date')
      .execute()
    expect(rows.map(({ region, amount }) => [region, Number(amount)])).toEqual([
      ['north', 10],
      ['north', 20],
      ['north', 0],
      ['south', 0],
      ['south', 30],
      ['south', 0],
      [null, 0],
      [null, 0],
      [null, 0],
    ])
    const ofBob = sales.bob
      .selectFrom('sales')
      .select(({ ref, fn }) => [timeBucket(ref('sold_at'), span).as('date'), fn.sum<string>('amount').as('amount')])
      .groupBy('date')
    const seen = await fillGaps(sales.bob, ofBob, { bucket: 'date', ...span }).execute()
    expect(seen.filter(({ amount }) => amount !== null)).toEqual([
      { date: new Date('2024-04-01T00:00:00Z'), amount: '1000.00' },
    ])
  })

  it('fills json with arrays of json, and arrays with arrays', async () => {
    const query = sales.ada
      .selectFrom('sales')
      .select(({ ref, fn }) => [
        timeBucket(ref('sold_at'), span).as('date'),
        fn.jsonAgg('product').as('listed'),
        fn.coalesce(fn.agg<string[]>('jsonb_agg', ['product']), sql<string[]>`'[]'`).as('certain'),
        sql<string[]>`json_agg(product)`.as('written'),
        fn.agg<string[]>('array_agg', ['product']).as('gathered'),
      ])
      .groupBy('date')
    const nothing = { listed: [], certain: [], written: ['none'], gathered: [] }
    const rows = await fillGaps(sales.ada, query, { bucket: 'date', ...span, fill: nothing })
      .orderBy('date')
      .execute()
    expect(rows[2]).toEqual({ date: new Date('2024-04-01T00:00:00Z'), ...nothing })
  })

  it('works with the names of CamelCasePlugin, in a schema, in a transaction and in a batch', async () => {
    type Camel = { sales: { soldAt: Date; amount: string } }
    const ada = sales.ada
      .withPlugin(new CamelCasePlugin())
      .withSchema('public')
      .$omitTables<'sales' | 'totals'>()
      .$extendTables<Camel>()
    const query = (on: typeof ada) =>
      on
        .selectFrom('sales')
        .select(({ ref, fn }) => [timeBucket(ref('soldAt'), span).as('soldOn'), fn.countAll<string>().as('howMany')])
        .groupBy('soldOn')
    const options = { bucket: 'soldOn', ...span, fill: { howMany: '0' } } as const
    const rows = await fillGaps(ada, query(ada), options).orderBy('soldOn').execute()
    expect(rows).toHaveLength(6)
    expect(rows[2]).toEqual({ soldOn: new Date('2024-04-01T00:00:00Z'), howMany: '0' })
    expect(await ada.transaction((trx) => fillGaps(trx, query(trx as never), options).execute())).toHaveLength(6)
    const [batched] = await ada.batch([fillGaps(ada, query(ada), options)])
    expect(batched).toHaveLength(6)
  })
})

describe('Options', () => {
  const time = sql.ref<Date>('at')
  it.each([
    ['no unit', () => timeBucket(time, { every: '1 fortnight' as never })],
    ['a fraction', () => timeBucket(time, { every: { days: 0.5 } })],
    ['nothing', () => timeBucket(time, { every: { days: 0 } })],
    ['two units', () => timeBucket(time, { every: { days: 1, hours: 1 } as never })],
    ['SQL as a width', () => timeBucket(time, { every: "1 day' ; drop table sales --" as never })],
    ['SQL as a zone', () => timeBucket(time, { every: '1 day', timeZone: "UTC') --" })],
    ['a zone that there is not', () => timeBucket(time, { every: '1 day', timeZone: 'Europe/Atlantis' })],
    ['an offset as a zone', () => timeBucket(time, { every: '1 day', timeZone: '+02:00' })],
    ['an abbreviation as a zone', () => timeBucket(time, { every: '1 day', timeZone: 'IST' })],
    ['a name without a slash as a zone', () => timeBucket(time, { every: '1 day', timeZone: 'GMT' })],
    ['more months than the calendar has on both sides', () => timeBucket(time, { every: '5000 years' })],
    ['an origin of months', () => timeBucket(time, { every: '1 month', origin: new Date() })],
    ['an origin that is none', () => timeBucket(time, { every: '1 day', origin: new Date(Number.NaN) })],
    ['a series without end', () => timeSeries({ every: '1 second', from: new Date(0), to: new Date('2024-01-01') })],
    ['a series of no dates', () => timeSeries({ every: '1 day', from: 'x' as never, to: new Date() })],
    ['nothing to roll up', () => rollup()],
    ['an empty item', () => rollup([])],
    ['a cube of too many', () => cube(...Array.from({ length: 13 }, () => time))],
    ['grouping of nothing', () => grouping()],
  ])('refuse %s before anything is sent', (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'OPTION_INVALID', hint: expect.any(String) }))
  })
})
