/**
 * Where the clocks of a zone are not moved over a midnight that a bucket begins with: nearly always, and there the server's own truncation is right.
 *
 * Owns what the runtime knows of zones. It decides how much work the server is asked for and never what a bucket is; where the two know other
 * rules of a zone, the server may take the second of two midnights that only it knows of.
 */
import type { Width } from './every.ts'

const hour = 3_600_000
const day = 24 * hour
/** Before, zones did stranger things than is worth listing; after, nobody knows yet. */
const [since, until] = [Date.UTC(1970, 0), Date.UTC(2040, 0)]
/** No zone has kept a setting of its clocks for less since. */
const probeEvery = 7 * day
/** Longer than clocks are put back by, with the hour of either side. */
const margin = 26 * hour

/** Clocks are moved: what they would have shown then, and what they show. */
interface Move {
  readonly at: number
  readonly from: number
  readonly to: number
}

const known = new Map<string, readonly Move[]>()

/**
 * Times at which quiet begins and ends in turn, for buckets of days and longer that begin at midnight.
 *
 * @returns an even number of times, in order; the first begins it
 */
export function quietTimes(zone: string, width: Width): readonly Date[] {
  const length = (width.of === 'days' ? 1 : 31) * width.count * day
  const times = [since]
  for (const { at, from, to } of movesOf(zone)) {
    const midnight =
      (Math.floor(Math.min(from, to) / day) + (to > from || Math.min(from, to) % day !== 0 ? 1 : 0)) * day
    if (midnight >= Math.max(from, to) || !canBegin(midnight, width)) continue
    // The time before this one ends an unquiet span.
    const [start, end] = [at - margin, Math.min(at + margin + length, until)]
    if (start <= (times.at(-1) as number)) times[times.length - 1] = end
    else times.push(start, end)
  }
  // Unquiet to the end is never quiet again.
  if (times.at(-1) === until) times.pop()
  else times.push(until)
  return times.map((time) => new Date(time))
}

function canBegin(midnight: number, { of, count }: Width): boolean {
  const date = new Date(midnight)
  if (of === 'days') return count % 7 !== 0 || date.getUTCDay() === 1
  return date.getUTCDate() === 1 && (count % 12 !== 0 || date.getUTCMonth() === 0)
}

function movesOf(zone: string): readonly Move[] {
  const found = known.get(zone)
  if (found !== undefined) return found
  const shiftAt = clockOf(zone)
  const moves: Move[] = []
  let before = shiftAt(since)
  for (let time = since; time < until; time += probeEvery) {
    const after = shiftAt(time + probeEvery)
    if (after === before) continue
    let [low, high] = [time, time + probeEvery]
    while (high - low > 1_000) {
      const middle = Math.floor((low + high) / 2_000) * 1_000
      if (shiftAt(middle) === before) low = middle
      else high = middle
    }
    moves.push({ at: high, from: high + before, to: high + after })
    before = after
  }
  // Names are checked: there are as many as in the world.
  known.set(zone, moves)
  return moves
}

/** How much more than UTC the clocks show. */
function clockOf(timeZone: string): (time: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (time) => {
    const part: Partial<Record<string, number>> = {}
    for (const { type, value } of format.formatToParts(time)) part[type] = Number(value)
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = part
    return Date.UTC(year, month - 1, day, hour, minute, second) - time
  }
}
