/**
 * Cursors of pages: the place of a row in an order, as text of the database, signed.
 *
 * Owns that a cursor is taken only for what it was made for, and only as it was made. What it holds is no secret from whoever was given
 * the row; what it cannot do is ask for something else.
 */
import { Buffer } from 'node:buffer'
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { TenonError } from './errors.ts'
import { binary, call, cast, constant, parameter, type Sql } from './expressions.ts'
import type { ColumnMetadata } from './metadata.ts'

/** Values of the order's columns, as text; null is null. */
export type CursorValues = readonly (string | null)[]

/** Bytes of a signature that are kept. */
const signatureBytes = 16

/** What says that two questions are the same: what a cursor is made for, and taken for. */
export function fingerprint(question: unknown): string {
  return createHash('sha256').update(JSON.stringify(question)).digest('base64url').slice(0, 8)
}

function sign(key: string, body: string): Buffer {
  return createHmac('sha256', key).update(body).digest().subarray(0, signatureBytes)
}

/** @throws {TenonError} OPTION_INVALID when the database has no keys */
export function assertCursorKeys(keys: readonly string[]): void {
  if (keys.length > 0) return
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'pages need keys to sign cursors with, and the database was created without any',
    hint: 'Pass createDatabase({ cursorKeys: [process.env.CURSOR_KEY] }), the same in every process; make one with: openssl rand -base64 32',
  })
}

/** The cursor of a row. */
export function toCursor(madeFor: string, values: CursorValues, keys: readonly string[]): string {
  const body = Buffer.from(JSON.stringify([madeFor, ...values])).toString('base64url')
  return `${body}.${sign(keys[0] ?? '', body).toString('base64url')}`
}

/**
 * The values that a cursor holds.
 *
 * @param table - its name, for errors
 * @throws {TenonError} CURSOR_INVALID
 */
export function fromCursor(table: string, madeFor: string, cursor: string, keys: readonly string[]): CursorValues {
  const invalid = (message: string, hint: string) => new TenonError({ code: 'CURSOR_INVALID', message, hint, table })
  const [body = '', signature = '', ...more] = typeof cursor === 'string' ? cursor.split('.') : []
  const given = Buffer.from(signature, 'base64url')
  const isOurs = (key: string) => given.length === signatureBytes && timingSafeEqual(given, sign(key, body))
  // Decoding is forgiving, and two texts of one signature are one too many.
  if (more.length > 0 || given.toString('base64url') !== signature || !keys.some(isOurs))
    throw invalid(
      'a cursor is not one that this database made',
      'It was changed, or signed with a key that is no longer in cursorKeys: begin with the first page.',
    )
  // Signed by us, so it is what toCursor wrote.
  const [made, ...values] = JSON.parse(Buffer.from(body, 'base64url').toString()) as [string, ...CursorValues]
  if (made !== madeFor)
    throw invalid(
      'a cursor was made for another order',
      'Ask with the order of the page it came from, or begin with the first page.',
    )
  return values
}

/** Times as JSON writes them: with their microseconds, whatever the session's DateStyle. */
const times = new Set(['date', 'timestamp', 'timestamptz'].map((name) => `pg_catalog.${name}`))
/** Their text lacks digits where extra_float_digits says so: it would be another place than the row's. */
const floats = new Set(['float4', 'float8'].map((name) => `pg_catalog.${name}`))

type ColumnType = Pick<ColumnMetadata, 'typeName' | 'baseTypeName' | 'array'>

const isOneOf = (types: ReadonlySet<string>, { typeName, baseTypeName, array }: ColumnType) =>
  array !== true && types.has(baseTypeName ?? typeName)

/** Reads of a column what {@link cursorValue} takes. */
export function cursorText(value: Sql, column: ColumnType): Sql {
  if (isOneOf(times, column)) return binary(call('to_jsonb', value), '#>>', parameter([]))
  if (isOneOf(floats, column)) return call('encode', call('float8send', cast(value, 'float8')), constant('hex'))
  return cast(value, 'text')
}

/** A value as a cursor holds it, so that it reads back as the same in any session. */
export function cursorValue(text: string | null, column: ColumnType): string | null {
  return text === null || !isOneOf(floats, column) ? text : String(Buffer.from(text, 'hex').readDoubleBE(0))
}
