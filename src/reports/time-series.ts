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
import { aliased, binary, bound, call, cast, constant, expressionOf, type Sql } from '../kernel/expressions.ts'
import { intervalOf } from './every.ts'
import { type BucketOptions, bucketNode, toBuckets } from './time-bucket.ts'
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
 * @returns rows `{ bucket: Date }` in order; none when `to` is not after `from`
 * @throws {TenonError} OPTION_INVALID when an option is none, or there would be more than 10,000,000 buckets
 * @example
 * ```ts
 * me.selectFrom(timeSeries({ from, to, every: '1 day', timeZone: 'Europe/Berlin' }).as('days'))
 *   .leftJoin('holidays', 'holidays.day', 'days.bucket')
 *   .select(['days.bucket', 'holidays.name'])
 * ```
 * The SQL:
 * ```sql
 * select "days"."bucket", "holidays"."name" from (select timezone(cast('Europe/Berlin' as text), "value") as "bucket" from
 *   generate_series(timezone(…, date_trunc('day', cast($1 as timestamptz), …)), timezone(…, cast($2 as timestamptz)) - …, cast('1 days' as interval)) as "value") as "days" …
 * ```
 */
export function timeSeries(options: SeriesOptions): AliasableExpression<{ bucket: Date }> {
  return expressionOf<{ bucket: Date }>(seriesNode(options))
}

const day = 86_400_000

/** The select behind {@link timeSeries}. */
export function seriesNode(options: SeriesOptions): SelectQueryNode {
  const buckets = toBuckets(options)
  const { width, zone, absolute } = buckets
  const length = { seconds: 1_000, days: day, months: 28 * day }[width.of] * width.count
  if ((instant('to', options.to) - instant('from', options.from)) / length > maxBuckets)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `the series has more than ${maxBuckets} buckets`,
      hint: 'Take wider buckets, or a shorter span.',
    })
  const at = (date: Date): Sql => (zone === null ? bound(date, 'timestamp') : bound(date, 'timestamptz'))
  const first = bucketNode(at(options.from), buckets)
  const last = (end: Sql): Sql => binary(end, '-', cast(constant('1 microsecond'), 'interval'))
  const value = ReferenceNode.create(ColumnNode.create('value'))
  const step = intervalOf(width)
  const [series, bucket] = absolute
    ? // Where clocks are moved by half an hour, whole hours afterwards are not a whole number of hours later: one step more, cut below.
      [call('generate_series', first, binary(at(options.to), '+', step), step), bucketNode(value, buckets)]
    : [call('generate_series', toLocal(first, zone), last(toLocal(at(options.to), zone)), step), fromLocal(value, zone)]
  return {
    kind: 'SelectQueryNode',
    from: FromNode.create([AliasNode.create(series, IdentifierNode.create('value'))]),
    selections: [aliased(bucket, 'bucket')],
    ...(absolute ? { where: WhereNode.create(binary(bucket, '<', at(options.to))) } : {}),
  }
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
