/**
 * Buckets of time: the beginning of the hour, day or quarter that an instant lies in, by the clocks of a time zone.
 *
 * Owns the choice of arithmetic. Days, weeks and months are those of the zone's calendar, whatever their length. Hours, minutes and seconds
 * are as long as they say, counted from the beginning of the day, so that the two hours that have one name when clocks go back stay apart.
 */
import type { AliasableExpression, Expression } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { binary, call, cast, constant, expressionOf, nodeOf, type Sql } from '../kernel/expressions.ts'
import { type Calendar, startNode } from './clock-changes.ts'
import { type Every, intervalOf, toWidth, type Width } from './every.ts'
import { fromLocal, instantLiteral, toLocal, zoneLiteral } from './time-zone.ts'

/** Which buckets. */
export interface BucketOptions {
  /**
   * Hours, minutes and seconds that make up a day are counted from its beginning: the last one of a day that is longer or shorter than others
   * may be shorter. What does not make up a day (`'7 minutes'`, `'5 hours'`) is counted on and on.
   */
  readonly every: Every
  /**
   * Whose clocks and calendar: a name of the IANA database such as `Europe/Berlin`, by default `UTC`, never the session's. Abbreviations are
   * refused, because one names several zones. `null` for a column of type `timestamp` or `date`, which has none; the bucket is then a
   * `timestamp`.
   *
   * Where clocks are moved over the beginning of a bucket, it begins the first time that they show it, or would have shown it.
   */
  readonly timeZone?: string | null | undefined
  /** An instant at which a bucket begins. By default midnight, Monday, and the first of January. Not for months, which begin with the first. */
  readonly origin?: Date | undefined
}

/**
 * The beginning of the bucket that a time lies in: never after the time, and itself in the bucket. The buckets follow each other without holes.
 *
 * All of it is written into the SQL from a closed form (a number and a unit, a known zone, a date), and nothing is bound: PostgreSQL takes
 * the expression of SELECT and that of GROUP BY for the same only so. `groupBy('day')` means a column of the table first, where it has one of that
 * name, and the bucket of that alias only then. The expression of a zone whose clocks are moved has the time several times over.
 *
 * @param time - a `timestamptz`; with `timeZone: null` a `timestamp` or `date`
 * @returns the instant at which the bucket begins, of the same type; null of null
 * @throws {TenonError} OPTION_INVALID when an option is none
 * @example
 * ```ts
 * me.selectFrom('orders')
 *   .select(({ ref, fn }) => [timeBucket(ref('placed_at'), { every: '1 day', timeZone: 'Europe/Berlin' }).as('day'), fn.countAll().as('orders')])
 *   .groupBy('day')
 * ```
 * The SQL, with `local(…)` for `timezone(cast('Europe/Berlin' as text), …)`:
 * ```sql
 * -- in UTC
 * date_trunc('day', "placed_at", cast('UTC' as text))
 * -- in Berlin, quiet since 1970: its clocks are not moved over midnight
 * case when mod(width_bucket("placed_at", cast('{1970-01-01T00:00:00.000Z,2040-01-01T00:00:00.000Z}' as timestamptz[])), 2) = 1
 *   then date_trunc('day', "placed_at", cast('Europe/Berlin' as text))
 *   else case when local("placed_at" - cast('172800 seconds' as interval)) + cast('172800 seconds' as interval) = local("placed_at")
 *     then … else (select max(…) from generate_series(…) as "tenonlabel" where … <= "placed_at") end end
 * -- { every: '6 hours', timeZone: 'Europe/Berlin' }, with day(…) for the case above
 * date_bin(cast('21600 seconds' as interval), "placed_at", day("placed_at"))
 * ```
 * @see https://www.postgresql.org/docs/18/functions-datetime.html#FUNCTIONS-DATETIME-BIN
 */
export function timeBucket<T>(time: Expression<T>, options: BucketOptions): AliasableExpression<T> {
  return expressionOf<T>(bucketNode(nodeOf(time), toBuckets(options)))
}

/** Buckets, checked. */
export interface Buckets {
  readonly width: Width
  readonly zone: string | null
  readonly origin: Date | undefined
  /** How the next one is found: after a fixed length, after that or with the next day, or in a calendar of changing lengths. */
  readonly steps: 'fixed' | 'within days' | 'calendar'
}

const day = 86_400
/** A Monday, and a first of January. */
const midnight = cast(constant('2001-01-01 00:00:00'), 'timestamp')

/** @throws {TenonError} OPTION_INVALID */
export function toBuckets({ every, timeZone = 'UTC', origin }: BucketOptions): Buckets {
  const width = toWidth(every)
  if (timeZone !== null) zoneLiteral(timeZone)
  if (origin !== undefined) {
    instantLiteral('origin', origin, timeZone)
    if (width.of === 'months')
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: 'buckets of months, quarters and years take no origin',
        hint: 'They begin with the first of a month. Count days or weeks to begin elsewhere.',
      })
  }
  return { width, zone: timeZone, origin, steps: stepsOf(width, timeZone, origin) }
}

function stepsOf({ of, count }: Width, zone: string | null, origin: Date | undefined): Buckets['steps'] {
  if (of === 'months') return 'calendar'
  const isMoved = zone !== null && !isSteady(zone)
  if (of === 'days') return isMoved ? 'calendar' : 'fixed'
  return isMoved && origin === undefined && day % count === 0 ? 'within days' : 'fixed'
}

/** Zones whose clocks are never moved. */
export const isSteady = (zone: string): boolean => zone === 'UTC' || zone.startsWith('Etc/')

/** The bucket of a time. */
export function bucketNode(time: Sql, buckets: Buckets): Sql {
  const { width, zone, origin, steps } = buckets
  const at = cast(time, zone === null ? 'timestamp' : 'timestamptz')
  if (zone === null || isSteady(zone)) {
    const unit = wordOf(width)
    if (steps === 'calendar' || (unit !== undefined && origin === undefined)) return truncated(at, buckets)
  } else {
    if (steps === 'calendar') return startNode(at, calendarOf(buckets, zone))
    if (steps === 'within days') return call('date_bin', intervalOf(width), at, startNode(at, daysOf(zone)))
  }
  const start = origin === undefined ? fromLocal(midnight, zone) : instantLiteral('origin', origin, zone)
  return call('date_bin', intervalOf(width), at, start)
}

/** The calendar that buckets of a zone whose clocks are moved follow. */
export function calendarOf(buckets: Buckets, zone: string): Calendar {
  const { width, origin } = buckets
  return {
    zone,
    width,
    atMidnight: origin === undefined,
    labelOf: (local) => labelOf(local, buckets),
    simple: (time) => truncated(time, buckets),
  }
}

/** The days in which hours and minutes are counted. */
export function daysOf(zone: string): Calendar {
  return calendarOf({ width: { of: 'days', count: 1 }, zone, origin: undefined, steps: 'calendar' }, zone)
}

/** The beginning of a bucket as the server finds it. */
function truncated(at: Sql, buckets: Buckets): Sql {
  const { width, zone, origin } = buckets
  const unit = wordOf(width)
  if (unit === undefined || origin !== undefined) return fromLocal(labelOf(toLocal(at, zone), buckets), zone)
  return call('date_trunc', constant(unit), at, ...(zone === null ? [] : [zoneLiteral(zone)]))
}

/** The beginning of a bucket of days or months by the clocks alone. */
function labelOf(local: Sql, { width, zone, origin }: Buckets): Sql {
  const unit = wordOf(width)
  if (unit !== undefined && origin === undefined) return call('date_trunc', constant(unit), local)
  if (width.of === 'months') return monthsOf(local, width.count)
  const start = origin === undefined ? midnight : toLocal(instantLiteral('origin', origin, zone), zone)
  return call('date_bin', intervalOf(width), local, start)
}

/** The word that date_trunc has for a width. */
function wordOf({ of, count }: Width): string | undefined {
  const words = {
    seconds: { 1: 'second', 60: 'minute', 3600: 'hour' },
    days: { 1: 'day', 7: 'week' },
    months: { 1: 'month', 3: 'quarter', 12: 'year' },
  } as const
  return (words[of] as Readonly<Record<number, string>>)[count]
}

/** Months before any that there is in PostgreSQL, so that what is counted is never negative. */
const monthsBefore = 120_000

/** The first of the month, less the months since the bucket began; date_bin does not count months. */
function monthsOf(local: Sql, count: number): Sql {
  const part = (name: string): Sql => call('date_part', constant(name), local)
  // An infinite time has an infinite year, and no month. The years before 1 are counted from -1, without a zero.
  const year = cast(call('least', call('greatest', part('year'), constant(-10_000)), constant(300_000)), 'int4')
  const afterBc = cast(binary(part('year'), '<', constant(0)), 'int4')
  const month = cast(call('coalesce', part('month'), constant(1)), 'int4')
  const before = Math.ceil(monthsBefore / count) * count - 1
  const months = binary(
    binary(binary(binary(year, '+', afterBc), '*', constant(12)), '+', month),
    '+',
    constant(before),
  )
  const since = call('mod', months, constant(count))
  return binary(call('date_trunc', constant('month'), local), '-', call('make_interval', constant(0), since))
}
