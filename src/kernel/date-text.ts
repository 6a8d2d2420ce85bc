/** A Date as the text of a parameter. */

/**
 * Local time with its offset, as pg writes it: a `timestamp` keeps the wall clock, a `timestamptz` the instant, a `date` the local day. Where
 * the offset has seconds, as in Paris until 1911, they are written too; pg leaves them out, which is another instant.
 *
 * @throws {TypeError} when the date is none
 */
export function dateText(date: Date): string {
  if (Number.isNaN(date.getTime())) throw new TypeError('invalid date')
  const fullYear = date.getFullYear()
  const year = fullYear < 1 ? 1 - fullYear : fullYear
  const offset = date.getSeconds() === date.getUTCSeconds() ? -date.getTimezoneOffset() * 60 : offsetSeconds(date)
  const away = Math.abs(offset)
  const seconds = away % 60
  return (
    `${pad(year, 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}` +
    `T${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}` +
    `${offset < 0 ? '-' : '+'}${pad(Math.floor(away / 3600))}:${pad(Math.floor(away / 60) % 60)}` +
    `${seconds === 0 ? '' : `:${pad(seconds)}`}${fullYear < 1 ? ' BC' : ''}`
  )
}

function offsetSeconds(date: Date): number {
  const local = new Date(0)
  local.setUTCFullYear(date.getFullYear(), date.getMonth(), date.getDate())
  local.setUTCHours(date.getHours(), date.getMinutes(), date.getSeconds(), date.getMilliseconds())
  return (local.getTime() - date.getTime()) / 1000
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, '0')
}
