/**
 * What a PostgreSQL type is in TypeScript and in zod: as a query returns it, as a query takes it, and as JSON made by the server has it.
 *
 * What a query returns is what pg's parsers give, with those of `createDatabase({ metadata })` over them (src/database/value-parsers.ts):
 * arrays of every type, and the declared choices. Types that neither parses are text.
 */
import type { ParserChoices } from '../kernel/metadata.ts'
import type { CatalogType } from './catalog.ts'

/** A type in all its forms, as source text. */
export interface Shape {
  /** TypeScript type of a value in a row. */
  readonly select: string
  /** TypeScript type of a value in INSERT and UPDATE. */
  readonly insert: string
  /** Name in types.ts of a ColumnType with these two. */
  readonly alias?: string
  /** zod, of a value in a row. */
  readonly row: string
  /** zod, of a value in INSERT and UPDATE; what it gives is of type `insert`. */
  readonly input: string
  /** zod, of a value in JSON that the server made. */
  readonly json: string
}

/** A type with its modifier, such as a length. */
interface ModifiedType {
  readonly type: CatalogType
  readonly typmod: number
}

const plain = (select: string, row: string, json = row): Shape => ({ select, insert: select, row, input: row, json })
const text: Shape = { select: 'string', insert: 'string', row: 'z.string()', input: 'text()', json: 'z.string()' }
const anyText = { ...text, json: 'z.unknown()' }
const json: Shape = {
  select: 'JsonValue',
  insert: 'JsonInput<JsonValue>',
  alias: 'JsonColumn<JsonValue>',
  row: 'json<JsonValue>()',
  input: 'jsonInput<JsonValue>()',
  json: 'json<JsonValue>()',
}

const float = (input: string): Shape => ({
  select: 'number',
  insert: 'number',
  row: 'float',
  input,
  json: 'jsonFloat',
})

const instant = (choice: 'Date' | 'string'): Shape => ({
  select: choice,
  insert: 'Date | string',
  alias: choice === 'Date' ? 'Timestamp' : 'TimestampText',
  row: choice === 'Date' ? 'z.date()' : 'z.string()',
  input: 'instantInput',
  json: 'z.string()',
})

const numberRow = { string: 'z.string()', number: 'float', bigint: 'z.bigint()' } as const

function numeric({ precision, scale }: NumericLimits, choice: ParserChoices['numeric']): Shape {
  const limits = precision === undefined ? '' : `${precision}, ${scale}`
  return {
    select: choice,
    insert: 'bigint | number | string',
    alias: 'Numeric',
    row: numberRow[choice],
    input: `numericInput(${limits})`,
    json: 'jsonFloat',
  }
}

/** Digits of a numeric type, undefined without limit. */
export interface NumericLimits {
  readonly precision?: number
  readonly scale?: number
}

/** Reads the type modifier of numeric. */
export function numericLimits(typmod: number): NumericLimits {
  if (typmod < 4) return {}
  const packed = typmod - 4
  // The scale is 11 bits with a sign since 15.
  return { precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024 }
}

/** Characters that a type takes at most. */
export function maxLength({ type, typmod }: ModifiedType): number | undefined {
  return isServers(type) && (type.name === 'varchar' || type.name === 'bpchar') && typmod > 4 ? typmod - 4 : undefined
}

/** A type of the server itself, not of a schema or extension. */
export function isServers(type: CatalogType): boolean {
  return type.schema === 'pg_catalog'
}

/** Shape of a scalar type of the server, or of a well-known extension. */
export function scalarShape(use: ModifiedType, choices: ParserChoices): Shape {
  const { type, typmod } = use
  if (!isServers(type)) return type.name === 'hstore' ? { ...text, json: hstoreJson } : extensionShape(type.name)
  switch (type.name) {
    case 'bool':
      return plain('boolean', 'z.boolean()')
    case 'int2':
      return plain('number', 'int2')
    case 'int4':
      return plain('number', 'int4')
    case 'oid':
      return plain('number', 'oid', 'z.string()')
    case 'int8':
      return {
        select: choices.int8,
        insert: 'bigint | number | string',
        alias: 'Int8',
        row: numberRow[choices.int8],
        input: 'int8Input',
        json: 'z.number()',
      }
    case 'numeric':
      return numeric(numericLimits(typmod), choices.numeric)
    case 'float4':
      return float('float4Input')
    case 'float8':
      return float('float')
    case 'varchar':
    case 'bpchar': {
      const length = maxLength(use)
      return length === undefined ? text : { ...text, input: `text(${length})` }
    }
    case 'uuid':
      return { ...text, row: 'z.guid()', input: 'uuidInput', json: 'z.guid()' }
    case 'bit':
      return { ...text, input: `bits(${Math.max(typmod, 1)}, ${Math.max(typmod, 1)})` }
    case 'varbit':
      return { ...text, input: typmod > 0 ? `bits(0, ${typmod})` : 'bits(0)' }
    case 'bytea':
      return {
        select: 'Buffer',
        insert: 'Uint8Array',
        alias: 'Bytes',
        row: 'bytes',
        input: 'bytesInput',
        json: 'z.string()',
      }
    case 'date':
      return { ...instant(choices.date), ...(choices.date === choices.timestamp ? {} : { alias: 'CalendarDate' }) }
    case 'timestamp':
    case 'timestamptz':
      return instant(choices.timestamp)
    case 'interval':
      return {
        select: 'PostgresInterval',
        insert: 'PostgresInterval | number | string',
        alias: 'Interval',
        row: 'interval',
        input: 'z.union([interval, z.number(), z.string()])',
        json: 'z.string()',
      }
    case 'json':
    case 'jsonb':
      return type.name === 'json' ? { ...json, input: json.input.replace('()', '(false)') } : json
    case 'point':
      return {
        select: 'Point',
        insert: 'string',
        alias: 'PointColumn',
        row: 'point',
        input: 'pointInput',
        json: 'z.string()',
      }
    case 'circle':
      return {
        select: 'Circle',
        insert: 'string',
        alias: 'CircleColumn',
        row: 'circle',
        input: 'circleInput',
        json: 'z.string()',
      }
    case 'money':
      return { ...text, insert: 'number | string', alias: 'Money', input: 'z.union([z.number(), text()])' }
    default:
      return text
  }
}

const hstoreJson = 'z.record(z.string(), z.string().nullable())'

/** Types of extensions come as text; those that the server turns into JSON as text too are listed. */
function extensionShape(name: string): Shape {
  return ['citext', 'ltree', 'lquery', 'ltxtquery', 'cube', 'isbn', 'vector', 'halfvec', 'sparsevec'].includes(name)
    ? text
    : anyText
}

/** Shape of `json` and `jsonb` with a type of the application's. */
export function typedJsonShape(type: string, schema: string | undefined, checked: boolean): Shape {
  const body = schema ?? `json<${type}>()`
  return {
    select: type,
    insert: `JsonInput<${type}>`,
    alias: `JsonColumn<${type}>`,
    row: body,
    input:
      schema === undefined
        ? `jsonInput<${type}>(${checked ? '' : 'false'})`
        : `jsonText(${schema}${checked ? '' : ', false'})`,
    json: body,
  }
}

/** Shape of an array of elements of a shape. */
export function arrayShape(element: Shape, nullableElements: boolean): Shape {
  const nullable = nullableElements ? '.nullable()' : ''
  const list = (zod: string) => `z.array(${zod}${nullable})`
  const of = (type: string) => {
    const item = nullableElements ? `${type} | null` : type
    return / [|&] /.test(item) ? `(${item})[]` : `${item}[]`
  }
  return {
    select: of(element.select),
    insert: of(element.insert),
    row: list(element.row),
    input: list(element.input),
    json: list(element.json),
  }
}
