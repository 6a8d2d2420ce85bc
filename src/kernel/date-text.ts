/** A Date as the text of a parameter. */

/**
 * Local time with its offset, as pg writes it: a `timestamp` keeps the wall clock, a `timestamptz` the instant, a `date` the local day.
 *
 * @throws {TypeError} when the date is none
 */
export function dateText(date: Date): string {
  if (Number.isNaN(date.getTime())) throw new TypeError('invalid date')
  const fullYear = date.getFullYear()
  const year = fullYear < 1 ? 1 - fullYear : fullYear
  const offset = -date.getTimezoneOffset()
  const away = Math.abs(offset)
  return (
    `${pad(year, 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}` +
    `T${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}` +
    `${offset < 0 ? '-' : '+'}${pad(Math.floor(away / 60))}:${pad(away % 60)}${fullYear < 1 ? ' BC' : ''}`
  )
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, '0')
}
