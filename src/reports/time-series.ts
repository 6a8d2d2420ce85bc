/** Every bucket of a span of time as a source of rows, for joining what may have gaps. */
import {
  type AliasableExpression,
  AliasNode,
  ColumnNode,
  FromNode,
  IdentifierNode,
  ReferenceNode,
  type SelectQueryNode,
  WhereNode,
} from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { aliased, all, binary, bound, call, cast, constant, expressionOf, type Sql } from '../kernel/expressions.ts'
import { nextName, startName, startsNode } from './clock-changes.ts'
import { intervalOf } from './every.ts'
import { type BucketOptions, type Buckets, bucketNode, calendarOf, daysOf, isSteady, toBuckets } from './time-bucket.ts'
import { fromLocal, toLocal } from './time-zone.ts'

/** A span of time in buckets. */
export interface SeriesOptions extends BucketOptions {
  /** Lies in the first bucket. */
  readonly from: Date
  /** The first instant that does not belong to it any more. */
  readonly to: Date
}

/** A report of more rows is an endless loop or a typing error, and fills the server's disk. */
const maxBuckets = 10_000_000

/**
 * The beginnings of all buckets from `from` up to, and without, `to`: a source with one column, `bucket`, for `selectFrom` and joins.
 * They are the values that {@link timeBucket} gives of the same options. {@link fillGaps} does the joining too.
 *
 * @returns rows `{ bucket: Date }`, each once and in no order that is promised; none when `to` is not after `from`
 * @throws {TenonError} OPTION_INVALID when an option is none, or there would be more than 10,000,000 buckets
 * @example
 * ```ts
 * me.selectFrom(timeSeries({ from, to, every: '1 day', timeZone: 'Europe/Berlin' }).as('days'))
 *   .leftJoin('holidays', 'holidays.day', 'days.bucket')
 *   .select(['days.bucket', 'holidays.name'])
 * ```
 * The SQL:
 * ```sql
 * select "days"."bucket", "holidays"."name" from (select "tenonstart" as "bucket" from
 *   (select … as "tenonstart", … as "tenonnext" from generate_series(…, …, cast('1 days' as interval)) as "tenonlabel") as "starts"
 *   where "tenonstart" < "tenonnext" and "tenonnext" > cast($1 as timestamptz) and "tenonstart" < cast($2 as timestamptz)) as "days" …
 * ```
 */
export function timeSeries(options: SeriesOptions): AliasableExpression<{ bucket: Date }> {
  return expressionOf<{ bucket: Date }>(seriesNode(options))
}

const day = 86_400_000

/** The select behind {@link timeSeries}. */
export function seriesNode(options: SeriesOptions): SelectQueryNode {
  const buckets = toBuckets(options)
  const { width, zone, steps } = buckets
  const length = { seconds: 1_000, days: day, months: 28 * day }[width.of] * width.count
  const [from, to] = [instant('from', options.from), instant('to', options.to)]
  if ((to - from) / length > maxBuckets)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `the series has more than ${maxBuckets} buckets`,
      hint: 'Take wider buckets, or a shorter span.',
    })
  const type = zone === null ? 'timestamp' : 'timestamptz'
  const span: Span = { from: bound(options.from, type), to: bound(options.to, type) }
  const { sources, bucket, conditions } =
    zone === null || isSteady(zone)
      ? evenSteps(span, buckets)
      : steps === 'fixed'
        ? fixedSteps(span, buckets)
        : steps === 'calendar'
          ? calendarSteps(span, buckets, zone)
          : stepsWithinDays(span, buckets, zone)
  const wanted = to > from ? conditions : [constant(false)]
  return {
    kind: 'SelectQueryNode',
    from: FromNode.create(sources),
    selections: [aliased(bucket, 'bucket')],
    ...(wanted.length === 0 ? {} : { where: WhereNode.create(all(wanted)) }),
  }
}

interface Span {
  readonly from: Sql
  readonly to: Sql
}

interface Steps {
  readonly sources: readonly Sql[]
  readonly bucket: Sql
  readonly conditions: readonly Sql[]
}

const value = column('value')
const [start, next] = [column(startName), column(nextName)]
const last = (end: Sql): Sql => binary(end, '-', cast(constant('1 microsecond'), 'interval'))

/** By clocks that are never moved: months, too, are counted in the clocks' own time and not in the session's. */
function evenSteps({ from, to }: Span, buckets: Buckets): Steps {
  const { width, zone } = buckets
  const [first, end] = [toLocal(bucketNode(from, buckets), zone), last(toLocal(to, zone))]
  return {
    sources: [named(call('generate_series', first, end, intervalOf(width)), 'value')],
    bucket: fromLocal(value, zone),
    conditions: [],
  }
}

/** Seconds, whatever clocks show. */
function fixedSteps({ from, to }: Span, buckets: Buckets): Steps {
  const series = call('generate_series', bucketNode(from, buckets), last(to), intervalOf(buckets.width))
  return { sources: [named(series, 'value')], bucket: value, conditions: [] }
}

function calendarSteps({ from, to }: Span, buckets: Buckets, zone: string): Steps {
  return {
    sources: [named(startsNode(from, to, calendarOf(buckets, zone)), 'starts')],
    bucket: start,
    // A day that the zone skips begins with the next one, and is none.
    conditions: [binary(start, '<', next), binary(next, '>', from), binary(start, '<', to)],
  }
}

function stepsWithinDays({ from, to }: Span, { width }: Buckets, zone: string): Steps {
  const step = intervalOf(width)
  const end = call('least', binary(value, '+', step), next)
  return {
    sources: [
      named(startsNode(from, to, daysOf(zone)), 'starts'),
      named(call('generate_series', start, last(next), step), 'value'),
    ],
    bucket: value,
    conditions: [binary(end, '>', from), binary(value, '<', to)],
  }
}

function named(source: Sql, alias: string): Sql {
  return AliasNode.create(source, IdentifierNode.create(alias))
}

function column(name: string): Sql {
  return ReferenceNode.create(ColumnNode.create(name))
}

function instant(name: string, date: unknown): number {
  const time = date instanceof Date ? date.getTime() : Number.NaN
  if (!Number.isNaN(time)) return time
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: `${name} is no Date`,
    hint: "Pass new Date('2024-01-01T00:00:00Z').",
  })
}
