/**
 * A generated table as searching needs it: its rows as types, its column of words with their language, and the key that makes an order total.
 *
 * Owns what is guessed from metadata, and that a guess which is none is an error.
 */
import type { Selectable } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import type { ColumnMetadata, TableMetadata } from '../kernel/metadata.ts'

/** Any generated table: `tables.articles`. */
export interface SearchableTable extends TableMetadata {
  readonly types?: { readonly table: unknown } | undefined
}

export type ColumnsOf<T extends SearchableTable> = NonNullable<T['types']>['table']

/** A row as a query returns it. */
export type RowOf<T extends SearchableTable> = Selectable<ColumnsOf<T>>

/** Keys of a row. */
export type ColumnOf<T extends SearchableTable> = keyof RowOf<T> & string

/** Keys of texts. */
export type TextColumnOf<T extends SearchableTable> = {
  [Key in ColumnOf<T>]: RowOf<T>[Key] extends string | null ? Key : never
}[ColumnOf<T>]

export function refuse(table: TableMetadata, what: string, hint: string): never {
  throw new TenonError({ code: 'OPTION_INVALID', message: `${table.key}: ${what}`, hint, table: table.name })
}

/** @throws {TenonError} OPTION_INVALID when the table has no such column */
export function columnOf(table: TableMetadata, key: string): ColumnMetadata {
  const column = Object.hasOwn(table.columns, key) ? table.columns[key] : undefined
  if (column !== undefined) return column
  return refuse(table, 'there is no column of that name', `Columns: ${Object.keys(table.columns).join(', ')}.`)
}

const typeOf = ({ typeName, baseTypeName }: ColumnMetadata): string => baseTypeName ?? typeName

export const isWords = (column: ColumnMetadata): boolean =>
  typeOf(column) === 'pg_catalog.tsvector' && column.array !== true

/** The column of words: the one that is named, or else the only one. */
export function wordsColumnOf(table: TableMetadata, key: string | undefined): string {
  if (key !== undefined) {
    if (isWords(columnOf(table, key))) return key
    return refuse(table, 'words names no tsvector', 'Pass the key of a tsvector column.')
  }
  const keys = Object.entries(table.columns).flatMap(([name, column]) => (isWords(column) ? [name] : []))
  const [only] = keys
  if (only !== undefined && keys.length === 1) return only
  return only === undefined
    ? refuse(table, 'there is no tsvector column', 'Make one: `select tenon.add_search(…)` of the SQL module search.')
    : refuse(
        table,
        'there is more than one tsvector column',
        `Pass words: ${keys.map((name) => `'${name}'`).join(' or ')}.`,
      )
}

/** The one language that a generated column makes its words with; undefined when it does not say so. */
export function languageOf({ expression }: ColumnMetadata): string | undefined {
  const named = (expression ?? '').matchAll(/to_tsvector\('((?:[^']|'')+)'::regconfig/g)
  const names = new Set(Array.from(named, ([, name = '']) => name.replaceAll("''", "'")))
  const [only] = names
  return names.size === 1 ? only : undefined
}

/** A key whose columns are never null: the primary one where there is one. */
export function keyOf(table: TableMetadata): readonly string[] {
  const keys = [table.primaryKey, ...table.uniqueKeys.map(({ columns }) => columns)]
  const key = keys.find((each) => each.length > 0 && each.every((column) => table.columns[column]?.nullable !== true))
  return key ?? refuse(table, 'results have no order without a primary or unique key', 'Give the table one.')
}
