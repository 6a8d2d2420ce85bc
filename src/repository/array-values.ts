/**
 * Rows as one array per column: any number of them in one statement, past the protocol's 65,535 parameters.
 *
 * Values are cast to the column's type without its length or precision: those are checked when the row is stored, where a cast would cut.
 */
import { toParameterText } from '../database/index.ts'
import { bound, call, cast, type Sql } from '../kernel/expressions.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { baseTypeOf, columnOf, isJson, plainValue } from './columns.ts'

/** The type of an array of a column's values. */
export function arrayTypeOf(table: TableMetadata, key: string): string {
  const [schema = '', ...name] = columnOf(table, key).typeName.split('.')
  return `${quoteQualified(schema, name.join('.'))}[]`
}

/** `unnest($1::type[])` of a column's values; several in one select list go in step. */
export function unnestNode(table: TableMetadata, key: string, values: readonly unknown[]): Sql {
  const column = columnOf(table, key)
  const { array, type: sqlType } = column
  const json = isJson(column)
  const type = arrayTypeOf(table, key)
  // Numbers and texts are as they come.
  const asked = (value: unknown) => json || typeof value === 'object'
  const plain = values.map((value) =>
    value === undefined ? null : asked(value) ? plainValue(table, key, value) : value,
  )
  // Arrays of box have semicolons between their items, which texts and nulls do not tell.
  const isBox = baseTypeOf(column) === 'pg_catalog.box'
  if (array !== true && !isBox) return call('unnest', bound(plain, type))
  // Arrays of arrays would be one array with more dimensions: each goes as the text of an array.
  const texts = plain.map((value) => (value === null ? null : toParameterText(value)))
  // A domain over an array is one by itself.
  const isArray = array === true && sqlType.endsWith('[]')
  return cast(call('unnest', bound(texts, 'text[]')), isArray ? type : type.slice(0, -2))
}
