/**
 * A table as queries need it: references to its columns, and values as its columns take them.
 *
 * Owns what is asked of a column by its type. Names are keys of `DB`: plugins of the executor turn them into the database's.
 */
import { isDate } from 'node:util/types'
import { ColumnNode, ReferenceNode, SelectionNode, TableNode, ValueNode } from 'kysely'
import { applyPatch, isJsonPatch, toJsonText } from '../jsonb/index.ts'
import { TenonError } from '../kernel/errors.ts'
import { cast, expressionOf, nodeOf, type Sql } from '../kernel/expressions.ts'
import type { ColumnMetadata, TableMetadata } from '../kernel/metadata.ts'

/** What conditions a column knows. */
export type ColumnKind = 'json' | 'array' | 'range' | 'tsvector' | 'scalar'

/** A reference to a place of the query: no qualifier while only one table is in it. */
export type Qualifier = string | undefined

export function refuse(table: TableMetadata, what: string, hint: string): never {
  throw new TenonError({ code: 'QUERY_FILTER', message: `${table.key}: ${what}`, hint, table: table.name })
}

/** @throws {TenonError} QUERY_FILTER when the table has no such column */
export function columnOf(table: TableMetadata, key: string): ColumnMetadata {
  const column = Object.hasOwn(table.columns, key) ? table.columns[key] : undefined
  if (column !== undefined) return column
  return refuse(table, 'there is no column of that name', `Columns: ${Object.keys(table.columns).join(', ')}.`)
}

/** The type of a column, or of the elements of an array; of a domain what it is over. */
export const baseTypeOf = ({ typeName, baseTypeName }: ColumnMetadata): string => baseTypeName ?? typeName

/** Types without an equality, or with one that says something else: of box it compares areas. */
const incomparable = new Set(
  ['json', 'xml', 'point', 'box', 'circle', 'line', 'lseg', 'path', 'polygon'].map((name) => `pg_catalog.${name}`),
)

/** A column as it can be compared with itself. */
export function comparable(table: TableMetadata, key: string, node: Sql): Sql {
  return incomparable.has(baseTypeOf(columnOf(table, key))) ? cast(node, 'text') : node
}

export function kindOf(column: ColumnMetadata): ColumnKind {
  const name = baseTypeOf(column)
  const { array } = column
  if (array === true) return 'array'
  if (name === 'pg_catalog.jsonb' || name === 'pg_catalog.json') return 'json'
  if (name === 'pg_catalog.tsvector') return 'tsvector'
  return rangeKindOf(column) === undefined ? 'scalar' : 'range'
}

/** Whether a column is a range or a multirange; undefined when it is neither. */
export function rangeKindOf(column: ColumnMetadata): 'range' | 'multirange' | undefined {
  const name = baseTypeOf(column)
  if (!name.startsWith('pg_catalog.')) return column.range
  return name.endsWith('multirange') ? 'multirange' : name.endsWith('range') ? 'range' : undefined
}

/** Whether a column, or its elements, are json of either kind. */
export function isJson(column: ColumnMetadata): boolean {
  const name = baseTypeOf(column)
  return name === 'pg_catalog.jsonb' || name === 'pg_catalog.json'
}

/** A table in FROM. */
export function tableNode(table: TableMetadata): TableNode {
  const [name = '', schema] = table.key.split('.').reverse()
  return schema === undefined ? TableNode.create(name) : TableNode.createWithSchema(schema, name)
}

/** A column, of a table or alias where the query has several. */
export function reference(table: TableMetadata, key: string, qualifier: Qualifier): Sql {
  columnOf(table, key)
  const column = ColumnNode.create(key)
  if (qualifier === undefined) return ReferenceNode.create(column)
  return ReferenceNode.create(column, qualifier === table.key ? tableNode(table) : TableNode.create(qualifier))
}

/** A column in a select list. */
export function columnSelection(table: TableMetadata, key: string, qualifier: Qualifier): SelectionNode {
  // A reference is what a selection holds; Kysely's type of it lists the kinds.
  return SelectionNode.create(reference(table, key, qualifier) as ReferenceNode)
}

/** A name for what is no column of a table. */
export function freeName(table: TableMetadata, name: string): string {
  let free = name
  while (Object.hasOwn(table.columns, free)) free = `${free}x`
  return free
}

/** A value as a column takes it: json as text, a patch as what it makes of the column. */
export function valueNode(table: TableMetadata, key: string, value: unknown): Sql {
  if (isJsonPatch(value)) {
    const column = reference(table, key, undefined)
    const patched = (node: Sql) => nodeOf(applyPatch(expressionOf(node), value))
    return baseTypeOf(columnOf(table, key)) === 'pg_catalog.json'
      ? cast(patched(cast(column, 'jsonb')), 'json')
      : patched(column)
  }
  return ValueNode.create(plainValue(table, key, value))
}

/** Types that take JSON as the text that it is. */
const holdsAnyText = new Set(['text', 'varchar', 'bpchar'].map((name) => `pg_catalog.${name}`))

/** What says nothing of how it is written is sent as JSON: a geometry would take that without its SRID, bytes as they are. */
function assertWritten(table: TableMetadata, key: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || isDate(value) || ArrayBuffer.isView(value)) return
  if (Array.isArray(value)) {
    for (const item of value) assertWritten(table, key, item)
  } else if (!('toPostgres' in value && typeof value.toPostgres === 'function')) {
    refuse(
      table,
      `${key} is given an object that would be sent as JSON, and is no json`,
      'A copy of a value, { ...value } or structuredClone(value), has lost how it is written: make it anew, as with new Point(x, y) or toGeometry(value).',
    )
  }
}

/** The same for a parameter that is not a node of its own. */
export function plainValue(table: TableMetadata, key: string, value: unknown): unknown {
  const column = columnOf(table, key)
  if (value === undefined)
    return refuse(table, `the value of ${key} is undefined`, 'Leave the column out, or pass null for SQL NULL.')
  if (isJsonPatch(value))
    return refuse(table, `${key} is given a patch, which changes what is there`, 'Pass a value here.')
  if (typeof value === 'object' && value !== null && 'toOperationNode' in value)
    return refuse(
      table,
      `${key} is given an expression`,
      'Pass a value; for expressions use the query builder of the executor.',
    )
  if (!isJson(column) && !holdsAnyText.has(baseTypeOf(column))) assertWritten(table, key, value)
  // Of json a string is JSON text, as everywhere with pg.
  if (value === null || !isJson(column) || typeof value === 'string') return value
  if (column.array !== true) return toJsonText(value)
  return (value as readonly unknown[]).map((item) =>
    item === null || typeof item === 'string' ? item : toJsonText(item),
  )
}
