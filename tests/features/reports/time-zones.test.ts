/** Buckets where clocks are moved: whatever a zone does, they follow each other without holes, and gaps are filled with the same ones. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BucketOptions, fillGaps, timeBucket, timeSeries } from '../../../src/reports/index.ts'
import { type Clocks, day, days, daysFrom, daysOf, monthsOf, type Rule, readClocks, secondsOf } from './clocks.ts'
import { openSales, type Sales, salesKinds } from './sales.ts'

/** Midnights twice, at a minute past, skipped with their day or an hour before; shifts of 20 and 30 minutes, of two hours, of a day and back. */
const zones = [
  'Africa/Cairo',
  'Africa/Casablanca',
  'Africa/Monrovia',
  'America/Asuncion',
  'America/Caracas',
  'America/Goose_Bay',
  'America/Havana',
  'America/Moncton',
  'America/Nuuk',
  'America/Santiago',
  'America/Sao_Paulo',
  'America/Scoresbysund',
  'America/St_Johns',
  'America/Toronto',
  'Antarctica/Casey',
  'Antarctica/Troll',
  'Asia/Amman',
  'Asia/Beirut',
  'Asia/Gaza',
  'Asia/Kathmandu',
  'Asia/Kolkata',
  'Asia/Manila',
  'Asia/Pyongyang',
  'Asia/Tehran',
  'Atlantic/Azores',
  'Australia/Lord_Howe',
  'Europe/Berlin',
  'Europe/Dublin',
  'Europe/Lisbon',
  'Etc/GMT+5',
  'Pacific/Apia',
  'Pacific/Fakaofo',
  'Pacific/Kiritimati',
  'Pacific/Kwajalein',
]

const origin = new Date('2020-02-02T10:30:00Z')
const rules: readonly (readonly [BucketOptions, Rule])[] = [
  [{ every: '1 day' }, days],
  [{ every: '2 days' }, daysOf(2)],
  [{ every: '1 week' }, daysOf(7)],
  [{ every: '1 day', origin }, daysFrom(origin.getTime() / 1_000, 1)],
  [{ every: '1 month' }, monthsOf(1)],
  [{ every: '5 months' }, monthsOf(5)],
  [{ every: '1 year' }, monthsOf(12)],
  [{ every: '1 hour' }, secondsOf(3_600)],
  [{ every: '2 hours' }, secondsOf(7_200)],
  [{ every: '24 hours' }, secondsOf(day)],
  [{ every: '15 minutes' }, secondsOf(900)],
]

/** Around a change of the clocks, in seconds. */
const around = [
  0, 1, 59, 1_799, 1_800, 3_540, 3_599, 3_600, 3_601, 5_400, 7_200, 43_200, 82_800, 86_399, 86_400, 90_000, 172_799,
  172_801,
]
  .flatMap((seconds) => [seconds, -seconds])
  .sort((a, b) => a - b)

const dateOf = (seconds: number) => new Date(seconds * 1_000)

describe.each(salesKinds)('Where clocks are moved, on the %s', (kind) => {
  let sales: Sales
  let clocks: readonly Clocks[]
  beforeAll(async () => {
    sales = await openSales(kind)
    // WebAssembly takes its time.
    const [some, years] =
      kind === 'server' ? [zones, [1900, 2038] as const] : [zones.slice(0, 12), [2000, 2032] as const]
    clocks = await readClocks(sales.service, some, years)
  })
  afterAll(() => sales[Symbol.asyncDispose]())

  /** Some of the changes of a zone: those before and after which it is nearly midnight first. */
  const movesOf = (of: Clocks, count: number) => {
    const fromMidnight = (at: number) =>
      Math.min(
        ...[of.at(at - 1), of.at(at)].map((shown) => Math.abs(((((shown + day / 2) % day) + day) % day) - day / 2)),
      )
    return of.moves
      .filter((at) => at > Date.UTC(1901, 0) / 1_000 && at < Date.UTC(kind === 'server' ? 2037 : 2030, 0) / 1_000)
      .sort((a, b) => fromMidnight(a) - fromMidnight(b) || b - a)
      .slice(0, count)
  }

  const bucketsOf = async (at: readonly number[], options: BucketOptions) => {
    const rows = await sales.service
      .selectFrom(
        sql<{
          at: Date
          place: string
        }>`unnest(${at.map((seconds) => dateOf(seconds).toISOString())}::timestamptz[]) with ordinality`.as<'asked'>(
          sql`asked (at, place)`,
        ),
      )
      .select(({ ref }) => timeBucket(ref('asked.at'), options).as('bucket'))
      .orderBy('asked.place')
      .execute()
    return rows.map(({ bucket }) => bucket.getTime() / 1_000)
  }

  it.each(rules)(
    '%o begins at or before its times, once, and in the order of time',
    { timeout: 120_000 },
    async (every, rule) => {
      let tried = 0
      for (const of of clocks) {
        const options = { ...every, timeZone: of.zone }
        const moves = movesOf(of, kind === 'server' ? 12 : 3)
        const times = [...moves.flatMap((at) => around.map((more) => at + more)), Date.UTC(2024, 5, 6, 7, 8, 9) / 1_000]
        const sorted = times.sort((a, b) => a - b)
        const found = await bucketsOf(sorted, options)
        const shown = (list: readonly number[]) =>
          list.map((seconds, i) => `${dateOf(sorted[i] as number).toISOString()} in ${dateOf(seconds).toISOString()}`)
        expect(shown(found), of.zone).toEqual(shown(sorted.map((at) => rule(of, at))))
        expect(
          found.filter((start, i) => start > (sorted[i] as number)),
          of.zone,
        ).toEqual([])
        expect(found, of.zone).toEqual([...found].sort((a, b) => a - b))
        expect(await bucketsOf(found, options), of.zone).toEqual(found)
        tried += sorted.length
      }
      expect(tried).toBeGreaterThan(kind === 'server' ? 5_000 : 300)
    },
  )

  it.each(rules)(
    'a series of %o has the buckets that times have, each once',
    { timeout: 120_000 },
    async (every, rule) => {
      const length = 'origin' in every || !/month|year/.test(every.every as string) ? 4 * day : 200 * day
      for (const of of clocks)
        for (const [i, move] of movesOf(of, kind === 'server' ? 3 : 1).entries()) {
          const from = move - Math.round(length * (0.1 + 0.4 * (i % 3))) - 1
          const to = from + length
          const tried = Array.from({ length: 1_200 }, (_, n) => Math.floor(from + (n * length) / 1_200))
          // The last bucket of a day may be a short one.
          const times = [from, move - 1, move, to - 1, ...tried, ...tried.map((at) => days(of, at) - 1)].filter(
            (at) => at >= from,
          )
          const expected = [...new Set(times.map((at) => rule(of, at)))].sort((a, b) => a - b)
          const series = await sales.service
            .selectFrom(timeSeries({ ...every, timeZone: of.zone, from: dateOf(from), to: dateOf(to) }).as('series'))
            .select('series.bucket')
            .orderBy('series.bucket')
            .execute()
          expect(
            series.map(({ bucket }) => bucket.toISOString()),
            `${of.zone} ${dateOf(move).toISOString()}`,
          ).toEqual(expected.map((at) => dateOf(at).toISOString()))
        }
    },
  )

  it.each([
    ['1 day', 'Pacific/Apia', '2011-12-28T10:00:00Z', '2012-01-02T10:00:00Z', 5],
    ['1 day', 'Pacific/Kwajalein', '1993-08-19T12:00:00Z', '1993-08-24T12:00:00Z', 5],
    ['1 day', 'America/Havana', '2024-11-02T04:00:00Z', '2024-11-05T05:00:00Z', 3],
    ['2 hours', 'Europe/Berlin', '2024-10-26T22:00:00Z', '2024-10-27T23:00:00Z', 13],
    ['1 hour', 'Australia/Lord_Howe', '2024-04-06T13:00:00Z', '2024-04-07T13:30:00Z', 25],
  ] as const)(
    'gaps of %s in %s are filled without a row too many or too few',
    async (every, timeZone, from, to, count) => {
      const options = { every, timeZone, from: new Date(from), to: new Date(to) }
      const query = sales.service
        .selectFrom(
          sql<{
            at: Date
          }>`generate_series(${options.from}::timestamptz, ${options.to}::timestamptz - interval '1 second', interval '10 minutes')`.as<'asked'>(
            sql`asked (at)`,
          ),
        )
        .select(({ ref, fn }) => [timeBucket(ref('asked.at'), options).as('bucket'), fn.countAll<string>().as('times')])
        .groupBy(({ ref }) => [timeBucket(ref('asked.at'), options)])
      const plain = await query.orderBy('bucket').execute()
      const filled = await fillGaps(sales.service, query, { bucket: 'bucket', ...options, fill: { times: '0' } })
        .orderBy('bucket')
        .execute()
      expect(filled).toEqual(plain)
      expect(filled).toHaveLength(count)
      expect(filled.reduce((sum, { times }) => sum + Number(times), 0)).toBe(
        (options.to.getTime() - options.from.getTime()) / 600_000,
      )
    },
  )

  it('takes null, and times that never come', async () => {
    const at = async (time: string | null, options: BucketOptions) =>
      (
        await sales.service
          .selectNoFrom(() => sql<string>`${timeBucket(sql<Date>`${time}::timestamptz`, options)}::text`.as('bucket'))
          .executeTakeFirstOrThrow()
      ).bucket
    for (const timeZone of ['UTC', 'America/Havana'])
      for (const every of [
        '1 day',
        '3 days',
        '1 week',
        '1 month',
        '5 months',
        '2 years',
        '6 hours',
        '7 minutes',
      ] as const)
        for (const time of [null, 'infinity', '-infinity']) expect(await at(time, { every, timeZone })).toBe(time)
  })

  it('counts months on through the year before the first', async () => {
    const { rows } = await sql<{ late: boolean; again: boolean }>`
      select bucket > at as late, bucket <> ${timeBucket(sql.ref<Date>('bucket'), { every: '5 months' })} as again
      from (select at, ${timeBucket(sql.ref<Date>('at'), { every: '5 months' })} as bucket
        from generate_series(timestamptz '0003-01-15 12:00:00+00 BC', '0003-01-15 12:00:00+00', interval '10 days') as at) as buckets`.execute(
      sales.service,
    )
    expect(rows.length).toBeGreaterThan(150)
    expect(rows.filter(({ late, again }) => late || again)).toEqual([])
  })

  it('has no series where the end is not after the beginning', async () => {
    const from = new Date('2024-06-06T06:06:06Z')
    for (const every of ['1 day', '1 month', '1 hour', '7 minutes'] as const)
      for (const timeZone of ['UTC', 'Europe/Berlin', null])
        for (const to of [from, new Date(from.getTime() - 1)])
          expect(
            await sales.service
              .selectFrom(timeSeries({ every, timeZone, from, to }).as('series'))
              .selectAll()
              .execute(),
          ).toEqual([])
  })
})
