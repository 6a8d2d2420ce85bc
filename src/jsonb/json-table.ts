/**
 * `jsonTable`: what JSON_TABLE does, on every server from 15 on and with the same result.
 *
 * It writes the functions of jsonb paths and not JSON_TABLE itself, which servers before 17 lack and which no builder of Kysely can write
 * without raw SQL. What does not fit its column is null there too.
 */
import {
  type AliasableExpression,
  AliasNode,
  ColumnNode,
  type Expression,
  IdentifierNode,
  ReferenceNode,
  SelectionNode,
  SelectQueryNode,
} from 'kysely'
import { binary, bound, call, cast, expressionOf, nodeOf, parameter, type Sql } from '../kernel/expressions.ts'

/** Types of columns, and what a row has for each. */
export interface JsonTableTypes {
  text: string
  int4: number
  /** Text, under pg's own parser. */
  int8: string
  numeric: string
  float8: number
  boolean: boolean
  jsonb: unknown
  date: Date
  timestamptz: Date
}

/** A column: its type, with a path when it is another than its name. */
export type JsonTableColumn =
  | keyof JsonTableTypes
  | {
      readonly type: keyof JsonTableTypes
      /** In the language of jsonb paths, from the row: `$.price.amount`. A text of the program's own. */
      readonly path: string
    }

/** A row of the table. */
export type JsonTableRow<Columns extends Readonly<Record<string, JsonTableColumn>>> = {
  [Name in keyof Columns]:
    | JsonTableTypes[Columns[Name] extends { readonly type: infer Type extends keyof JsonTableTypes }
        ? Type
        : Extract<Columns[Name], keyof JsonTableTypes>]
    | null
}

/**
 * Rows out of a document, one for everything that a path finds.
 *
 * @param document - a jsonb expression
 * @param path - where the rows are: `$.items[*]`. A text of the program's own
 * @param columns - name to type; a value of another type is null
 * @example
 * ```ts
 * me.selectFrom('orders')
 *   .innerJoinLateral(({ ref }) => jsonTable(ref('details'), '$.items[*]', { sku: 'text', count: 'int4' }).as('item'), (join) => join.onTrue())
 *   .select(['orders.id', 'item.sku', 'item.count'])
 * ```
 */
export function jsonTable<const Columns extends Readonly<Record<string, JsonTableColumn>>>(
  document: Expression<unknown>,
  path: string,
  columns: Columns,
): AliasableExpression<JsonTableRow<Columns>> {
  const rows = call(
    'jsonb_path_query',
    nodeOf(document),
    bound(path, 'jsonpath'),
    bound('{}', 'jsonb'),
    bound(true, 'boolean'),
  )
  const from = SelectQueryNode.createFrom([AliasNode.create(rows, IdentifierNode.create('item'))])
  // A function of one result has its alias for the name of the column.
  const item = ReferenceNode.create(ColumnNode.create('item'))
  const selections = Object.entries(columns).map(([name, column]) => {
    const { type, path: place } =
      typeof column === 'string' ? { type: column, path: `$.${JSON.stringify(name)}` } : column
    return SelectionNode.create(AliasNode.create(columnNode(item, type, place), IdentifierNode.create(name)))
  })
  return expressionOf(SelectQueryNode.cloneWithSelections(from, selections))
}

/** Filters that leave only what a type takes. */
const filters: Readonly<Record<string, string>> = {
  int4: ' ? (@.type() == "number" && @ >= -2147483648 && @ <= 2147483647)',
  int8: ' ? (@.type() == "number" && @ >= -9223372036854775808 && @ <= 9223372036854775807)',
  numeric: ' ? (@.type() == "number")',
  float8: '.double()',
  boolean: ' ? (@.type() == "boolean")',
  date: ' ? (@.type() == "string").datetime()',
  timestamptz: ' ? (@.type() == "string").datetime()',
}

function columnNode(item: Sql, type: keyof JsonTableTypes, path: string): Sql {
  const name = type === 'date' || type === 'timestamptz' ? 'jsonb_path_query_first_tz' : 'jsonb_path_query_first'
  const found = call(
    name,
    item,
    bound(`${path}${filters[type] ?? ''}`, 'jsonpath'),
    bound('{}', 'jsonb'),
    bound(true, 'boolean'),
  )
  if (type === 'jsonb') return found
  const text = binary(found, '#>>', parameter([]))
  // A fraction is rounded, as JSON_TABLE does.
  return cast(type === 'int4' || type === 'int8' ? cast(text, 'numeric') : text, type)
}
