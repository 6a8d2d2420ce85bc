/**
 * Buckets of time: the beginning of the hour, day or quarter that an instant lies in, by the clocks of a time zone.
 *
 * Owns the choice of arithmetic. Days, weeks and months are those of the zone's calendar, whatever their length; what divides an hour keeps
 * the two hours apart that have one name when clocks go back.
 */
import type { AliasableExpression, Expression } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { binary, call, cast, constant, expressionOf, nodeOf, type Sql } from '../kernel/expressions.ts'
import { type Every, intervalOf, toWidth, type Width } from './every.ts'
import { fromLocal, instantLiteral, toLocal, zoneLiteral } from './time-zone.ts'

/** Which buckets. */
export interface BucketOptions {
  readonly every: Every
  /**
   * Whose clocks and calendar: a name of the IANA database, by default `UTC`, never the session's. `null` for a column of type `timestamp` or
   * `date`, which has none; the bucket is then a `timestamp`.
   */
  readonly timeZone?: string | null | undefined
  /** An instant at which a bucket begins. By default midnight, Monday, and the first of January. Not for months, which begin with the first. */
  readonly origin?: Date | undefined
}

/**
 * The beginning of the bucket that a time lies in.
 *
 * All of it is written into the SQL from a closed form (a number and a unit, a known zone, a date), and nothing is bound: PostgreSQL takes
 * the expression of SELECT and that of GROUP BY for the same only so. `groupBy('day')` means a column of the table first, where it has one of that
 * name, and the bucket of that alias only then.
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
 * The SQL:
 * ```sql
 * select date_trunc('day', "placed_at", cast('Europe/Berlin' as text)) as "day", count(*) as "orders" from "orders" group by "day"
 * -- { every: '15 minutes', timeZone: 'Asia/Kolkata' }
 * date_bin(cast('900 seconds' as interval), "placed_at", date_trunc('hour', "placed_at", cast('Asia/Kolkata' as text)))
 * -- { every: { hours: 6 }, timeZone: 'Europe/Berlin' }: six hours of the clock, also on the day that has 25
 * timezone(cast('Europe/Berlin' as text), date_bin(cast('21600 seconds' as interval), timezone(cast('Europe/Berlin' as text), "placed_at"), …))
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
  /** Steps of a fixed length from one instant to the next; otherwise steps of the zone's clocks and calendar. */
  readonly absolute: boolean
}

const hour = 3_600
const day = 86_400
/** A Monday, and a first of January. */
const midnight = '2001-01-01 00:00:00'

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
  const dividesDay = width.of === 'seconds' && width.count > hour && day % width.count === 0
  return { width, zone: timeZone, origin, absolute: width.of === 'seconds' && (origin !== undefined || !dividesDay) }
}

/** The bucket of a time. */
export function bucketNode(time: Sql, buckets: Buckets): Sql {
  const { width, zone, origin } = buckets
  const unit = wordOf(width)
  if (unit !== undefined && origin === undefined) return truncated(unit, time, zone)
  if (width.of === 'months') return fromLocal(monthsOf(toLocal(time, zone), width.count), zone)
  const step = intervalOf(width)
  if (buckets.absolute) {
    if (origin !== undefined) return call('date_bin', step, plain(time, zone), instantLiteral('origin', origin, zone))
    // From the full hour of the zone's clocks, which is not everywhere that of Greenwich, and in two zones not even through the year.
    // Where it is, looking it up for every row would take more time than the rest of a report.
    if (hour % width.count === 0 && zone !== null && zone !== 'UTC')
      return call('date_bin', step, time, truncated('hour', time, zone))
    return call('date_bin', step, plain(time, zone), fromLocal(cast(constant(midnight), 'timestamp'), zone))
  }
  const start = origin === undefined ? cast(constant(midnight), 'timestamp') : localOrigin(origin, zone)
  return fromLocal(call('date_bin', step, toLocal(time, zone), start), zone)
}

const localOrigin = (origin: Date, zone: string | null): Sql => toLocal(instantLiteral('origin', origin, zone), zone)
const plain = (time: Sql, zone: string | null): Sql => (zone === null ? cast(time, 'timestamp') : time)

/** The word that date_trunc has for a width. */
function wordOf({ of, count }: Width): string | undefined {
  const words = {
    seconds: { 1: 'second', 60: 'minute', [hour]: 'hour' },
    days: { 1: 'day', 7: 'week' },
    months: { 1: 'month', 3: 'quarter', 12: 'year' },
  } as const
  return (words[of] as Readonly<Record<number, string>>)[count]
}

function truncated(unit: string, time: Sql, zone: string | null): Sql {
  return zone === null
    ? call('date_trunc', constant(unit), cast(time, 'timestamp'))
    : call('date_trunc', constant(unit), time, zoneLiteral(zone))
}

/** The first of the month, less the months since the bucket began; date_bin does not count months. */
function monthsOf(local: Sql, count: number): Sql {
  const part = (name: string): Sql => cast(call('date_part', constant(name), local), 'int4')
  const months = binary(binary(binary(part('year'), '*', constant(12)), '+', part('month')), '-', constant(1))
  const since = call('mod', months, constant(count))
  return binary(call('date_trunc', constant('month'), local), '-', call('make_interval', constant(0), since))
}
