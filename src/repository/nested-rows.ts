/**
 * Rows inside of rows: as JSON in the same query.
 *
 * Owns how a row travels inside JSON so that nothing is lost: as an array of its columns, each as the text that the server would have sent
 * where JSON has no value that is the same, and read by the parser that the executor reads that type with.
 */
import { AliasNode, ColumnNode, IdentifierNode, ReferenceNode, SelectQueryNode, TableNode } from 'kysely'
import type { ExecutorFacts } from '../database/index.ts'
import { aliased, call, cast, constant, type Sql } from '../kernel/expressions.ts'
import type { ColumnMetadata, TableMetadata } from '../kernel/metadata.ts'
import { reference } from './columns.ts'
import { type RelationQuery, rowsOfOuter } from './relations.ts'

/** Turns what came as JSON into a row or rows. */
export type Decode = (value: unknown) => unknown

/** JSON of a relation, and how it is read. */
export interface Nested {
  readonly node: Sql
  readonly decode: Decode
}

/** JSON numbers and times are not what rows have for these. */
const asText = new Set(
  ['int8', 'numeric', 'float4', 'float8', 'date', 'timestamp', 'timestamptz'].map((name) => `pg_catalog.${name}`),
)
/** JSON that is parsed as JSON already. */
const asIs = new Set(
  ['bool', 'int2', 'int4', 'json', 'jsonb', 'text', 'varchar', 'bpchar', 'name', 'uuid'].map(
    (name) => `pg_catalog.${name}`,
  ),
)

/** Functions take 100 arguments. */
const group = 50

/** A relation of a query's table, as an expression. */
export function nestedNode(query: RelationQuery, facts: ExecutorFacts, depth: number): Nested {
  const { target, select, load, many } = query
  // Names that no table has: one of that name in the outer query would be meant otherwise.
  const alias = `tenont${depth}`
  const columns = select.map((key) => columnJson(target, key, alias, facts))
  const nested = load.map((each) => ({ name: each.name, ...nestedNode({ ...each, outer: alias }, facts, depth + 1) }))
  const names = [...select, ...nested.map(({ name }) => name)]
  const decoders = [...columns, ...nested].map(({ decode }) => decode)
  const item = arrayOf([...columns, ...nested].map(({ node }) => node))
  const rows = SelectQueryNode.cloneWithSelections(rowsOfOuter(query, alias, depth), [aliased(item, 'item')])
  const decode = decodeRow(names, decoders)
  if (!many) return { node: rows, decode: (value) => (value === null ? null : decode(value)) }
  const agg = SelectQueryNode.createFrom([AliasNode.create(rows, IdentifierNode.create('agg'))])
  const items = call('json_agg', ReferenceNode.create(ColumnNode.create('item'), TableNode.create('agg')))
  return {
    node: SelectQueryNode.cloneWithSelections(agg, [aliased(call('coalesce', items, constant('[]')), 'items')]),
    decode: (value) => (value as readonly unknown[]).map(decode),
  }
}

function columnJson(table: TableMetadata, key: string, alias: string, facts: ExecutorFacts): Nested {
  const column = reference(table, key, alias)
  const metadata = table.columns[key] as ColumnMetadata
  const type = metadata.baseTypeName ?? metadata.typeName
  const array = metadata.array === true
  if (!array && asIs.has(type)) return { node: column, decode: (value) => value }
  const parse = facts.parserOf(type, array)
  // Everything else of the server's comes as its text; types of extensions may have a JSON of their own.
  const needsText = array || asText.has(type) || !type.startsWith('pg_catalog.')
  return {
    node: needsText ? cast(column, 'text') : column,
    decode: (value) => (value === null ? null : parse(value as string)),
  }
}

function arrayOf(nodes: readonly Sql[]): Sql {
  if (nodes.length <= group) return call('json_build_array', ...nodes)
  const groups: Sql[] = []
  for (let i = 0; i < nodes.length; i += group) groups.push(call('json_build_array', ...nodes.slice(i, i + group)))
  return arrayOf(groups)
}

function decodeRow(names: readonly string[], decoders: readonly Decode[]): Decode {
  const isGrouped = names.length > group
  return (value) => {
    let items = value as readonly unknown[]
    // As arrayOf has grouped them, once or, past 2,500, twice.
    for (let size = names.length; isGrouped && size > group; size = Math.ceil(size / group)) items = items.flat(1)
    return Object.fromEntries(names.map((name, i) => [name, decoders[i]?.(items[i])]))
  }
}
