/** Types of reports: what a query gives, and what is refused before it runs. */
import type { Kysely } from 'kysely'
import { describe, expectTypeOf, it } from 'vitest'
import type { Session } from '../../src/index.ts'
import {
  fillGaps,
  frame,
  grouped,
  grouping,
  percentileCont,
  percentileDisc,
  refreshView,
  reportSession,
  rollup,
  streamCsv,
  timeBucket,
  timeSeries,
} from '../../src/reports/index.ts'

interface DB {
  sales: { id: number; region: string; amount: string; at: Date; day: string | null }
}

// Never called: only its types are looked at.
async function queries(db: Kysely<DB>, me: Session<DB>) {
  const days = db
    .selectFrom('sales')
    .select(({ ref, fn }) => [
      timeBucket(ref('at'), { every: '1 day' }).as('bucket'),
      'region',
      fn.countAll<number>().as('n'),
      fn.max('amount').as('price'),
      fn.avg<number | null>('amount').as('mean'),
    ])
    .groupBy(['bucket', 'region'])
  const span = { from: new Date(), to: new Date(), every: { days: 1 } } as const
  const filled = fillGaps(db, days, {
    bucket: 'bucket',
    by: ['region'],
    ...span,
    fill: { n: 0, price: '0' },
    carry: ['price'],
  })
  expectTypeOf(await filled.executeTakeFirstOrThrow()).toEqualTypeOf<{
    bucket: Date
    region: string
    n: number
    price: string
    mean: number | null
  }>()
  const holes = await fillGaps(db, days, { bucket: 'bucket', ...span }).executeTakeFirstOrThrow()
  expectTypeOf(holes.n).toEqualTypeOf<number | null>()
  expectTypeOf(holes.region).toEqualTypeOf<string | null>()
  fillGaps(db, days, { bucket: 'bucket', ...span })
    .orderBy('n')
    .where('filled.bucket', '>', new Date())
  // @ts-expect-error there is no such column
  fillGaps(db, days, { bucket: 'buckets', ...span })
  // @ts-expect-error a number is filled with numbers
  fillGaps(db, days, { bucket: 'bucket', ...span, fill: { n: 'none' } })
  // @ts-expect-error there is no such column
  fillGaps(db, days, { bucket: 'bucket', ...span, carry: ['nope'] })

  const totals = await db
    .selectFrom('sales')
    .select(({ ref }) => [grouped(ref('region')).as('region'), grouping(ref('region')).as('level')])
    .groupBy(({ ref }) => [rollup(ref('region'))])
    .executeTakeFirstOrThrow()
  expectTypeOf(totals).toEqualTypeOf<{ region: string | null; level: number }>()
  // @ts-expect-error a grouping is no value
  db.selectFrom('sales').select(({ ref }) => rollup(ref('region')).as('x'))

  const numbers = await db
    .selectFrom('sales')
    .select((eb) => [
      percentileCont(eb, 'amount', 0.5).as('median'),
      percentileCont(eb, 'sales.amount', [0.5]).filterWhere('region', '=', 'x').as('list'),
      percentileDisc(eb, 'at', 0.5).as('at'),
      eb.fn
        .sum<number>('amount')
        .over((w) => frame(w.orderBy('id'), { rows: [{ preceding: 1 }, 'current row'] }))
        .as('sum'),
    ])
    .executeTakeFirstOrThrow()
  expectTypeOf(numbers).toEqualTypeOf<{ median: number | null; list: number[] | null; at: Date | null; sum: number }>()
  // @ts-expect-error there is no such column
  db.selectFrom('sales').select((eb) => percentileCont(eb, 'nope', 0.5).as('x'))
  db.selectFrom('sales').select((eb) =>
    eb.fn
      .sum('amount')
      // @ts-expect-error rows are counted
      .over((w) => frame(w, { rows: [{ preceding: '1 day' }, 'current row'] }))
      .as('x'),
  )

  db.selectFrom('sales').select(({ ref }) => {
    // @ts-expect-error no unit
    timeBucket(ref('at'), { every: '1 fortnight' })
    // @ts-expect-error two units
    timeBucket(ref('at'), { every: { days: 1, hours: 2 } })
    return timeBucket(ref('day'), { every: '15 minutes', timeZone: null }).as('d')
  })
  const series = await db.selectFrom(timeSeries(span).as('s')).select('s.bucket').executeTakeFirstOrThrow()
  expectTypeOf(series).toEqualTypeOf<{ bucket: Date }>()

  expectTypeOf(reportSession(me, { workMem: '64MB' })).toEqualTypeOf<Session<DB>>()
  // @ts-expect-error no unit of memory
  reportSession(me, { workMem: '64' })
  expectTypeOf(streamCsv(me, db.selectFrom('sales').selectAll())).toEqualTypeOf<
    AsyncGenerator<Uint8Array, void, undefined>
  >()
  // @ts-expect-error a table is no query
  streamCsv(me, 'sales')
  // @ts-expect-error no view of generated metadata
  refreshView(me, 'totals')
}

describe('Reports', () => {
  it('have the types of what they give', () => {
    expectTypeOf(queries).toBeFunction()
  })
})
