/**
 * Buckets of zones whose clocks are moved: where a day begins that has its midnight twice, or not at all.
 *
 * Owns one rule: a bucket begins the first time that the clocks show its beginning, and where they skip it, when they would have shown it had
 * they not been moved; it ends where the next one begins. So buckets follow each other without holes, and none begins after a time in it.
 * The server's own conversions take the second of two midnights.
 */
import { AliasNode, ColumnNode, FromNode, IdentifierNode, ReferenceNode, type SelectQueryNode, WhereNode } from 'kysely'
import { aliased, binary, call, cast, choose, constant, type Sql } from '../kernel/expressions.ts'
import { intervalOf, type Width } from './every.ts'
import { quietTimes } from './quiet-times.ts'
import { fromLocal, toLocal } from './time-zone.ts'

/** In hours, so that no session's time zone has a say in what a day is. */
const dayLong = intervalOf({ of: 'seconds', count: 86_400 })
const twoDaysLong = intervalOf({ of: 'seconds', count: 172_800 })
/** Names that no column of a caller has, whose expression stands beside them. */
const labelName = 'tenonlabel'
export const startName = 'tenonstart'
export const nextName = 'tenonnext'

/** What the clocks of a zone show when a bucket begins. */
export interface Calendar {
  readonly zone: string
  readonly width: Width
  /** The beginning, by the clocks, of the bucket of a time of the clocks. */
  readonly labelOf: (local: Sql) => Sql
  /** Whether they begin with a midnight. */
  readonly atMidnight: boolean
  /** The beginning of a bucket where no clocks are moved over it. */
  readonly simple: (time: Sql) => Sql
}

/** The first instant at which the clocks show a time. */
function firstInstant(local: Sql, zone: string): Sql {
  // From the day before, when they had not been moved yet.
  const unmoved = binary(fromLocal(binary(local, '-', dayLong), zone), '+', dayLong)
  return choose(binary(toLocal(unmoved, zone), '=', local), unmoved, fromLocal(local, zone))
}

/** The instant at which the bucket of a time begins. */
export function startNode(time: Sql, calendar: Calendar): Sql {
  const { zone, width, atMidnight, simple } = calendar
  if (!atMidnight) return carefulStart(time, calendar)
  const times = quietTimes(zone, width).map((quiet) => quiet.toISOString())
  const place = call('width_bucket', time, cast(constant(`{${times.join(',')}}`), 'timestamptz[]'))
  const isQuiet = binary(call('mod', place, constant(2)), '=', constant(1))
  return choose(isQuiet, simple(time), carefulStart(time, calendar))
}

/** The same, from what the server knows of the clocks alone. */
function carefulStart(time: Sql, { zone, width, labelOf }: Calendar): Sql {
  const local = toLocal(time, zone)
  const [label, step, each] = [labelOf(local), intervalOf(width), firstInstant(column(labelName), zone)]
  const isOrdinary = binary(binary(toLocal(binary(time, '-', twoDaysLong), zone), '+', twoDaysLong), '=', local)
  const latest: SelectQueryNode = {
    kind: 'SelectQueryNode',
    from: labels(binary(label, '-', step), binary(label, '+', step), step),
    selections: [aliased(call('max', each), startName)],
    where: WhereNode.create(binary(each, '<=', time)),
  }
  return choose(isOrdinary, firstInstant(label, zone), latest)
}

/** Rows of {@link startName} and {@link nextName}: where the buckets from one time to another begin, and those that follow them. */
export function startsNode(from: Sql, to: Sql, { zone, width, labelOf }: Calendar): SelectQueryNode {
  const step = intervalOf(width)
  const labelAt = (time: Sql): Sql => labelOf(toLocal(time, zone))
  return {
    kind: 'SelectQueryNode',
    // One more on either side: clocks that went back show what has begun already as if it had not.
    from: labels(binary(labelAt(from), '-', step), binary(labelAt(to), '+', step), step),
    selections: [
      aliased(firstInstant(column(labelName), zone), startName),
      aliased(firstInstant(binary(column(labelName), '+', step), zone), nextName),
    ],
  }
}

function labels(first: Sql, last: Sql, step: Sql): FromNode {
  return FromNode.create([
    AliasNode.create(call('generate_series', first, last, step), IdentifierNode.create(labelName)),
  ])
}

function column(name: string): Sql {
  return ReferenceNode.create(ColumnNode.create(name))
}
