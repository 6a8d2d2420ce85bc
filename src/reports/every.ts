/**
 * Widths of time: an hour, two weeks, a quarter. PostgreSQL counts months, days and seconds apart, because neither has a fixed length in
 * the next, and so does this.
 */
import { TenonError } from '../kernel/errors.ts'
import { cast, constant, type Sql } from '../kernel/expressions.ts'

const units = {
  second: { of: 'seconds', count: 1 },
  minute: { of: 'seconds', count: 60 },
  hour: { of: 'seconds', count: 3_600 },
  day: { of: 'days', count: 1 },
  week: { of: 'days', count: 7 },
  month: { of: 'months', count: 1 },
  quarter: { of: 'months', count: 3 },
  year: { of: 'months', count: 12 },
} as const

type Unit = keyof typeof units

/** A width of time: `'1 hour'`, `'15 minutes'`, or with one unit `{ days: 1 }`. */
export type Every =
  | `${number} ${Unit | `${Unit}s`}`
  | {
      [Only in Unit]: { readonly [Key in `${Only}s`]: number } & { readonly [Key in `${Exclude<Unit, Only>}s`]?: never }
    }[Unit]

/** The same, in one of the units that PostgreSQL counts in. */
export interface Width {
  readonly of: 'seconds' | 'days' | 'months'
  readonly count: number
}

/** A width beyond these is none of anything; from any time on, the bucket before and the one after begin at times that there are. */
const most = { seconds: 1_000_000_000, days: 1_000_000, months: 36_000 } as const

/**
 * Reads a width.
 *
 * @throws {TenonError} OPTION_INVALID when it is none
 */
export function toWidth(every: Every, name = 'every'): Width {
  const [count, unit] = partsOf(every)
  const known = Object.hasOwn(units, unit) ? units[unit as Unit] : undefined
  if (known !== undefined && Number.isSafeInteger(count) && count >= 1 && count * known.count <= most[known.of])
    return { of: known.of, count: count * known.count }
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: `${name} is no width of time`,
    hint: `Pass a whole number, 1 or more, of one unit: '15 minutes' or { minutes: 15 }. Units: ${Object.keys(units).join(', ')}.`,
  })
}

function partsOf(every: unknown): readonly [number, string] {
  if (typeof every === 'string') {
    const match = /^(\d{1,15}) ([a-z]+?)s?$/.exec(every)
    return [Number(match?.[1]), match?.[2] ?? '']
  }
  if (typeof every !== 'object' || every === null) return [Number.NaN, '']
  const given = Object.entries(every).filter(([, value]) => value !== undefined)
  const [key = '', value] = given[0] ?? []
  return given.length === 1 && typeof value === 'number' ? [value, key.replace(/s$/, '')] : [Number.NaN, '']
}

/** `cast('900 seconds' as interval)`: a literal, so that a query that has it twice has the same thing twice. */
export function intervalOf({ of, count }: Width): Sql {
  return cast(constant(`${count} ${of}`), 'interval')
}
