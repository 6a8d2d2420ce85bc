/** When the clocks of a zone are moved, and where buckets begin then: the rule of time buckets once more, found by trying and not by SQL. */
import { sql } from 'kysely'
import type { QueryMaker } from '../../../src/reports/index.ts'

/** Seconds since 1970, of instants and, as if they were in UTC, of what clocks show. */
type Seconds = number

/** From an instant on the clocks show that much more than UTC. */
interface Setting {
  readonly from: Seconds
  readonly shift: Seconds
}

export const day = 86_400

/** The clocks of a zone. */
export class Clocks {
  readonly zone: string
  readonly #settings: readonly Setting[]

  constructor(zone: string, settings: readonly Setting[]) {
    this.zone = zone
    this.#settings = settings
  }

  /** When they are moved. */
  get moves(): readonly Seconds[] {
    return this.#settings.slice(1).map(({ from }) => from)
  }

  /** What they show. */
  at(instant: Seconds): Seconds {
    return instant + (this.#settings[this.#index(instant)] as Setting).shift
  }

  /** The first instant at which they show a time; where they skip it, when they would have shown it. */
  first(shown: Seconds): Seconds {
    const settings = this.#settings
    let before = settings[this.#index(shown - 3 * day)] as Setting
    let skipped: Seconds | undefined
    for (let i = this.#index(shown - 3 * day); i < settings.length; i++) {
      const { from, shift } = settings[i] as Setting
      if (from > shown + 3 * day) break
      const instant = shown - shift
      if (instant >= from && instant < (settings[i + 1]?.from ?? Number.POSITIVE_INFINITY)) return instant
      if (from + before.shift <= shown && shown < from + shift) skipped = shown - before.shift
      before = settings[i] as Setting
    }
    if (skipped === undefined) throw new Error(`${this.zone} never shows ${shown}`)
    return skipped
  }

  /** The place of the setting that is in force. */
  #index(instant: Seconds): number {
    let [low, high] = [0, this.#settings.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#settings[middle] as Setting).from <= instant) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** Names of a calendar: the n-th beginning, and the number of the one that a time is in. */
interface Names {
  readonly nth: (n: number) => Seconds
  readonly of: (shown: Seconds) => number
}

const ofDays = (count: number, start: Seconds): Names => ({
  nth: (n) => start + n * count * day,
  of: (shown) => Math.floor((shown - start) / (count * day)),
})
const ofMonths = (count: number): Names => ({
  nth: (n) => Date.UTC(1900, n * count) / 1_000,
  of: (shown) => {
    const date = new Date(shown * 1_000)
    return Math.floor(((date.getUTCFullYear() - 1900) * 12 + date.getUTCMonth()) / count)
  },
})
const monday = Date.UTC(2001, 0, 1) / 1_000

/** The beginning of the bucket of an instant. */
export type Rule = (clocks: Clocks, instant: Seconds) => Seconds

const inCalendar =
  (namesOf: (clocks: Clocks) => Names): Rule =>
  (clocks, instant) => {
    const names = namesOf(clocks)
    const near = names.of(clocks.at(instant))
    const starts = [-2, -1, 0, 1, 2].map((more) => clocks.first(names.nth(near + more)))
    return Math.max(...starts.filter((start) => start <= instant))
  }
export const days = inCalendar(() => ofDays(1, monday))
export const daysOf = (count: number) => inCalendar(() => ofDays(count, monday))
export const daysFrom = (origin: Seconds, count: number) => inCalendar((clocks) => ofDays(count, clocks.at(origin)))
export const monthsOf = (count: number) => inCalendar(() => ofMonths(count))
/** Counted from the beginning of the day. */
export const secondsOf =
  (count: number): Rule =>
  (clocks, instant) => {
    const start = days(clocks, instant)
    return start + Math.floor((instant - start) / count) * count
  }

/** What the server knows of zones: that of an instant is never a question, only its reverse is. */
export async function readClocks(on: QueryMaker, zones: readonly string[], years: readonly [number, number]) {
  const stepHours = 12
  const shifts = async (names: readonly string[], at: readonly Seconds[]): Promise<number[]> => {
    const { rows } = await sql<{ shift: number }>`
      select extract(epoch from timezone(zone, to_timestamp(at)) - timezone('UTC', to_timestamp(at)))::float8 as shift
      from unnest(${names}::text[], ${at}::float8[]) with ordinality as asked (zone, at, place) order by place`.execute(
      on as never,
    )
    return rows.map(({ shift }) => shift)
  }
  const { rows: moved } = await sql<{ zone: string; at: number }>`
    select zone, extract(epoch from at)::float8 as at from (
      select zone, at, shift <> lag(shift) over (partition by zone order by at) as moved from (
        select zone, at, timezone(zone, at) - timezone('UTC', at) as shift
        from unnest(${zones}::text[]) as zone, generate_series(make_timestamptz(${years[0]}, 1, 1, 0, 0, 0, 'UTC'), make_timestamptz(${years[1]}, 1, 1, 0, 0, 0, 'UTC'), make_interval(hours => ${stepHours})) as at
      ) as shifts
    ) as steps where moved order by zone, at`.execute(on as never)
  const names = moved.map(({ zone }) => zone)
  const high = moved.map(({ at }) => at)
  const low = high.map((at) => at - stepHours * 3_600)
  const [before, after] = [await shifts(names, low), await shifts(names, high)]
  while (high.some((at, i) => at - (low[i] as number) > 1)) {
    const middle = high.map((at, i) => Math.floor((at + (low[i] as number)) / 2))
    const found = await shifts(names, middle)
    for (const [i, shift] of found.entries()) {
      if (shift === before[i]) low[i] = middle[i] as number
      else high[i] = middle[i] as number
    }
  }
  const start = Date.UTC(years[0], 0) / 1_000
  const atFirst = await shifts(
    zones,
    zones.map(() => start),
  )
  return zones.map((zone, place) => {
    const places = names.flatMap((name, i) => (name === zone ? [i] : []))
    const settings = places.map((i) => ({ from: high[i] as number, shift: after[i] as number }))
    const first = { from: Number.NEGATIVE_INFINITY, shift: atFirst[place] as number }
    return new Clocks(zone, [first, ...settings])
  })
}
