/** Time zones and instants as literals of SQL: names of a closed form, checked against the zones that the runtime knows. */
import { TenonError } from '../kernel/errors.ts'
import { call, cast, constant, type Sql } from '../kernel/expressions.ts'

const known = new Map<string, boolean>()

/** `cast('Europe/Berlin' as text)`. @throws {TenonError} OPTION_INVALID when it is no zone of the IANA database */
export function zoneLiteral(zone: string): Sql {
  if (isZone(zone)) return cast(constant(zone), 'text')
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'timeZone is no time zone',
    hint: "Pass 'UTC', a name of the IANA database with a slash such as 'Asia/Kolkata', or null for a column without time zone. An abbreviation such as IST or BST names several zones.",
  })
}

// No offsets: PostgreSQL reads '+02' as west of Greenwich, everybody else as east. No abbreviations: its IST is that of Israel, and the
// runtime's that of India. Names without a slash are either one, or old names of what has one with it.
function isZone(zone: unknown): boolean {
  if (typeof zone !== 'string') return false
  if (zone === 'UTC') return true
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+){1,3}$/.test(zone)) return false
  let found = known.get(zone)
  if (found === undefined) {
    try {
      new Intl.DateTimeFormat('en', { timeZone: zone })
      found = true
    } catch {
      found = false
    }
    // As many names as there are in the world; a stranger's do not fill it.
    if (known.size < 1_000) known.set(zone, found)
  }
  return found
}

/** A time of the zone's clocks, `timestamp`, of an instant; with null it is one already. */
export function toLocal(node: Sql, zone: string | null): Sql {
  return zone === null ? cast(node, 'timestamp') : call('timezone', zoneLiteral(zone), node)
}

/** The instant, `timestamptz`, of a time of the zone's clocks; with null it stays one. */
export function fromLocal(node: Sql, zone: string | null): Sql {
  return zone === null ? node : call('timezone', zoneLiteral(zone), node)
}

/** An instant as a literal; with null what a clock here shows, as it is wherever pg writes a Date into a `timestamp`. @throws {TenonError} OPTION_INVALID */
export function instantLiteral(name: string, date: Date, zone: string | null): Sql {
  const time = date instanceof Date ? date.getTime() : Number.NaN
  // Years that ISO 8601 writes with a sign are written in another way by PostgreSQL.
  if (Number.isNaN(time) || date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9_999)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `${name} is no Date of the years 1 to 9999`,
      hint: "Pass new Date('2024-01-01T00:00:00Z').",
    })
  if (zone !== null) return cast(constant(date.toISOString()), 'timestamptz')
  return cast(constant(new Date(time - date.getTimezoneOffset() * 60_000).toISOString().slice(0, -1)), 'timestamp')
}
