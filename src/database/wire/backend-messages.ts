/**
 * Decodes the bodies of backend messages: row descriptions, data rows, command tags and errors.
 *
 * Owns the layout of these messages; what follows from them is decided in unit.ts.
 */
import type { Buffer } from 'node:buffer'
import type { ServerErrorFields } from '../../kernel/server-error.ts'

/** The server broke the protocol; the connection cannot be used any more. */
export class ProtocolViolation extends Error {}

/** Message codes that the wire acts on. */
export const code = {
  authentication: 0x52,
  bindComplete: 0x32,
  closeComplete: 0x33,
  commandComplete: 0x43,
  copyBothResponse: 0x57,
  copyData: 0x64,
  copyDone: 0x63,
  copyInResponse: 0x47,
  copyOutResponse: 0x48,
  dataRow: 0x44,
  emptyQueryResponse: 0x49,
  errorResponse: 0x45,
  noData: 0x6e,
  noticeResponse: 0x4e,
  notificationResponse: 0x41,
  parameterStatus: 0x53,
  parseComplete: 0x31,
  portalSuspended: 0x73,
  readyForQuery: 0x5a,
  rowDescription: 0x54,
} as const

/** Turns a column's text form into its JavaScript value. */
export type TypeParser = (text: string) => unknown
/** Finds the parser of a type by its OID. */
export type TypeParsers = (oid: number) => TypeParser

/** One column of a result. */
export interface Field {
  readonly name: string
  readonly typeOid: number
  readonly parse: TypeParser
}

/** How rows of one statement are read: its columns and an empty row of the right shape. */
export interface RowShape {
  readonly fields: readonly Field[]
  /** Spread for every row, so that all rows of a statement share one hidden class and `__proto__` is an ordinary column. */
  readonly blank: Readonly<Record<string, unknown>>
}

/** A column named `__proto__` must be an own property of the row, never its prototype. */
function blankRow(fields: readonly Field[]): Record<string, unknown> {
  return { ...Object.fromEntries(fields.map((field) => [field.name, null])) }
}

function cstringEnd(buffer: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && buffer[at] !== 0) at++
  if (at >= end) throw new ProtocolViolation('unterminated string')
  return at
}

export function readRowDescription(buffer: Buffer, start: number, end: number, parsers: TypeParsers): RowShape {
  const count = buffer.readUInt16BE(start)
  const fields: Field[] = []
  let at = start + 2
  for (let i = 0; i < count; i++) {
    const nameEnd = cstringEnd(buffer, at, end)
    const name = buffer.toString('utf8', at, nameEnd)
    // table oid (4), column number (2), then the type's oid, size (2), modifier (4), format (2)
    const typeOid = buffer.readUInt32BE(nameEnd + 7)
    fields.push({ name, typeOid, parse: parsers(typeOid) })
    at = nameEnd + 19
  }
  if (at !== end) throw new ProtocolViolation('row description of a wrong length')
  return { fields, blank: blankRow(fields) }
}

export function readDataRow(buffer: Buffer, start: number, end: number, shape: RowShape): Record<string, unknown> {
  const { fields } = shape
  const count = ((buffer[start] as number) << 8) | (buffer[start + 1] as number)
  if (count !== fields.length) throw new ProtocolViolation('row of a wrong width')
  const row = { ...shape.blank }
  let at = start + 2
  for (let i = 0; i < count; i++) {
    const length =
      ((buffer[at] as number) << 24) |
      ((buffer[at + 1] as number) << 16) |
      ((buffer[at + 2] as number) << 8) |
      (buffer[at + 3] as number)
    at += 4
    const field = fields[i] as Field
    if (length === -1) {
      // With two columns of one name the last one wins, as in pg, its NULL included.
      row[field.name] = null
      continue
    }
    if (length < 0 || at + length > end) throw new ProtocolViolation('column of a wrong length')
    row[field.name] = field.parse(buffer.toString('utf8', at, at + length))
    at += length
  }
  if (at !== end) throw new ProtocolViolation('row of a wrong length')
  return row
}

/** Takes rows as they were sent, in place of objects: one call for each column, one at the end of each row. */
export interface RowReader {
  /** A value in the text form of its type, in UTF-8. The bytes are overwritten later. A negative `start` is NULL. */
  column(buffer: Buffer, start: number, end: number): void
  endRow(): void
}

/** Hands the columns of a DataRow to a reader. */
export function readColumns(buffer: Buffer, start: number, end: number, reader: RowReader): void {
  const count = buffer.readUInt16BE(start)
  let at = start + 2
  for (let i = 0; i < count; i++) {
    const length =
      ((buffer[at] as number) << 24) |
      ((buffer[at + 1] as number) << 16) |
      ((buffer[at + 2] as number) << 8) |
      (buffer[at + 3] as number)
    at += 4
    if (length === -1) {
      reader.column(buffer, -1, -1)
      continue
    }
    if (length < 0 || at + length > end) throw new ProtocolViolation('column of a wrong length')
    reader.column(buffer, at, at + length)
    at += length
  }
  if (at !== end) throw new ProtocolViolation('row of a wrong length')
  reader.endRow()
}

/** The command a tag names and the number of rows it counted. */
export interface CommandTag {
  readonly command: string
  readonly rowCount: number | null
}

export function readCommandTag(buffer: Buffer, start: number, end: number): CommandTag {
  const tagEnd = cstringEnd(buffer, start, end)
  if (tagEnd !== end - 1) throw new ProtocolViolation('command tag of a wrong length')
  return parseCommandTag(buffer.toString('latin1', start, tagEnd))
}

/** `INSERT 0 5`, `SELECT 3`, `CREATE TABLE`: trailing numbers are counts, everything before is the command. */
function parseCommandTag(tag: string): CommandTag {
  const last = tag.charCodeAt(tag.length - 1)
  if (!(last >= 48 && last <= 57)) return { command: tag, rowCount: null }
  const space = tag.lastIndexOf(' ')
  const rowCount = Number(tag.slice(space + 1))
  const rest = tag.slice(0, space)
  return { command: rest.startsWith('INSERT') ? 'INSERT' : rest, rowCount }
}

/** The fields of an ErrorResponse by their one-letter code, exactly as they came. */
export interface ErrorReport {
  readonly fields: ReadonlyMap<string, string>
  /** Length of the message in bytes, which pg shows on its errors. */
  readonly length: number
}

/** Reads an ErrorResponse. */
export function readError(buffer: Buffer, start: number, end: number): ErrorReport {
  const fields = new Map<string, string>()
  let at = start
  while (at < end && buffer[at] !== 0) {
    const valueEnd = cstringEnd(buffer, at + 1, end)
    fields.set(String.fromCharCode(buffer[at] as number), buffer.toString('utf8', at + 1, valueEnd))
    at = valueEnd + 1
  }
  return { fields, length: end - start + 4 }
}

/** The report in the terms of the error tree. The severity is the one the server does not translate. */
export function serverErrorFields({ fields }: ErrorReport): ServerErrorFields {
  return {
    severity: fields.get('V') ?? fields.get('S') ?? 'ERROR',
    sqlstate: fields.get('C') ?? 'XX000',
    message: fields.get('M') ?? '',
    detail: fields.get('D'),
    hint: fields.get('H'),
    position: fields.get('P'),
    where: fields.get('W'),
    schema: fields.get('s'),
    table: fields.get('t'),
    column: fields.get('c'),
    dataType: fields.get('d'),
    constraint: fields.get('n'),
    routine: fields.get('R'),
  }
}

/** What NOTIFY told. */
export interface Notification {
  readonly channel: string
  readonly payload: string
  /** Process of the backend that sent it. */
  readonly processId: number
}

/** Reads a NotificationResponse. */
export function readNotification(buffer: Buffer, start: number, end: number): Notification {
  const channelEnd = cstringEnd(buffer, start + 4, end)
  return {
    processId: buffer.readInt32BE(start),
    channel: buffer.toString('utf8', start + 4, channelEnd),
    payload: buffer.toString('utf8', channelEnd + 1, cstringEnd(buffer, channelEnd + 1, end)),
  }
}

/** Reads a ParameterStatus: a setting the server reports whenever it changes. */
export function readParameterStatus(
  buffer: Buffer,
  start: number,
  end: number,
): { readonly name: string; readonly value: string } {
  const nameEnd = cstringEnd(buffer, start, end)
  return {
    name: buffer.toString('utf8', start, nameEnd),
    value: buffer.toString('utf8', nameEnd + 1, cstringEnd(buffer, nameEnd + 1, end)),
  }
}
