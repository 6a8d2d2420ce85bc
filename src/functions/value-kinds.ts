/**
 * Which JavaScript values an argument of a type can be: enough to tell overloads apart, as the generated types do.
 *
 * It does not check values; the server does that.
 */
import { isDate } from 'node:util/types'
import type { ArgumentMetadata } from '../kernel/metadata.ts'

type Kind = 'array' | 'bigint' | 'boolean' | 'bytes' | 'date' | 'number' | 'object' | 'string'

const kindsByType: Readonly<Record<string, readonly Kind[]>> = {
  bool: ['boolean'],
  int2: ['number'],
  int4: ['number'],
  oid: ['number'],
  float4: ['number'],
  float8: ['number'],
  int8: ['bigint', 'number', 'string'],
  numeric: ['bigint', 'number', 'string'],
  money: ['number', 'string'],
  bytea: ['bytes'],
  date: ['date', 'string'],
  timestamp: ['date', 'string'],
  timestamptz: ['date', 'string'],
  interval: ['number', 'object', 'string'],
  json: ['boolean', 'number', 'object', 'string'],
  jsonb: ['boolean', 'number', 'object', 'string'],
}

/** `anyelement` and its like: the server finds out, from the types of what it is given. */
export function isPolymorphic(type: string): boolean {
  return type.startsWith(`${servers}any`)
}

/** Whether a value can be meant for an argument; null is nothing that could tell. */
export function canBe(value: unknown, argument: ArgumentMetadata | undefined): boolean {
  const type = argument?.baseType ?? argument?.type ?? ''
  if (value === null || isPolymorphic(type)) return true
  const kind = kindOf(value)
  if (kind === undefined) return false
  if (type.endsWith('[]')) return kind === 'array'
  const name = type.startsWith(servers) ? type.slice(servers.length) : ''
  // A type that is not listed may have a codec, whose values are objects that write themselves; so are pg's of intervals, without a tag.
  if (kind === 'object' && writesItself(value))
    return !Object.hasOwn(kindsByType, name) || (name === 'interval' && hasNoTag(value))
  return (kindsByType[name] ?? ['string']).includes(kind)
}

const servers = 'pg_catalog.'

const hasNoTag = (value: unknown) => Object.prototype.toString.call(value) === '[object Object]'

function writesItself(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'toPostgres' in value && typeof value.toPostgres === 'function'
}

function kindOf(value: unknown): Kind | undefined {
  const kind = typeof value
  switch (kind) {
    case 'string':
    case 'number':
    case 'bigint':
    case 'boolean':
      return kind
    case 'object':
      if (Array.isArray(value)) return 'array'
      if (value instanceof Uint8Array) return 'bytes'
      return isDate(value) ? 'date' : 'object'
    default:
      return undefined
  }
}

/** The type that a value of its kind is sent as where the argument has none of its own; undefined of what only a cast can tell. */
export function typeOfValue(value: unknown): string | undefined {
  switch (kindOf(value)) {
    case 'string':
      return 'text'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int8'
    case 'number':
      return Number.isInteger(value) && Math.abs(value as number) < 2 ** 31 ? 'int4' : 'float8'
    case 'date':
      return 'timestamptz'
    case 'bytes':
      return 'bytea'
    case 'object':
      return writesItself(value) ? undefined : 'jsonb'
    case 'array': {
      const items = (value as readonly unknown[]).filter((item) => item !== null)
      const types = new Set(items.map(typeOfValue))
      const [type] = types
      const numbers = types.size === 2 && types.has('int4') && types.has('float8')
      if (numbers) return 'float8[]'
      return type === undefined || types.size > 1 || type.endsWith('[]') ? undefined : `${type}[]`
    }
    default:
      return undefined
  }
}
