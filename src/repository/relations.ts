/** What is asked of relations: read from options, and as the rows of the other table that belong to a row. */
import {
  AliasNode,
  type FromNode,
  IdentifierNode,
  JoinNode,
  LimitNode,
  OnNode,
  SelectQueryNode,
  ValueNode,
} from 'kysely'
import { all, binary, type Sql } from '../kernel/expressions.ts'
import type { RelationMetadata, TableMetadata } from '../kernel/metadata.ts'
import { columnOf, reference, refuse, tableNode } from './columns.ts'
import { type OrderTerm, orderNode, readOrder } from './order.ts'
import type { AnyTable } from './table-shape.ts'
import { whereNode } from './where.ts'

/** A relation to load. */
export interface RelationQuery {
  readonly name: string
  readonly relation: RelationMetadata
  readonly source: TableMetadata
  readonly target: TableMetadata
  readonly through: TableMetadata | undefined
  /** What the source is called in the query. */
  readonly outer: string
  readonly many: boolean
  readonly select: readonly string[]
  readonly load: readonly RelationQuery[]
  readonly where: unknown
  readonly order: readonly OrderTerm[]
  readonly limit: number | undefined
}

const optionNames = ['select', 'load', 'where', 'orderBy', 'limit']

/** Columns that are asked for; all of them when nothing is said. */
export function readSelect(table: TableMetadata, select: unknown): readonly string[] {
  if (select === undefined) return Object.keys(table.columns)
  if (!Array.isArray(select) || select.length === 0)
    return refuse(table, 'select is no list of columns', "Pass select: ['id', …], or leave it out for all.")
  for (const column of select) columnOf(table, String(column))
  return [...new Set(select.map(String))]
}

/**
 * Reads which relations to load.
 *
 * @throws {TenonError} QUERY_FILTER when there is no such relation, or options are none
 */
export function readLoad(source: TableMetadata, load: unknown, outer: string): readonly RelationQuery[] {
  if (load === undefined) return []
  if (typeof load !== 'object' || load === null)
    return refuse(source, 'load is no object', 'Pass load: { relation: true }.')
  return Object.entries(load).flatMap(([name, options]) => {
    const relation = Object.hasOwn(source.relations, name) ? source.relations[name] : undefined
    if (relation === undefined) {
      const known = Object.keys(source.relations).join(', ')
      return refuse(source, 'there is no relation of that name', known === '' ? 'It has none.' : `Relations: ${known}.`)
    }
    return options === undefined ? [] : [readRelation(source, name, relation, options, outer)]
  })
}

function readRelation(
  source: TableMetadata,
  name: string,
  relation: RelationMetadata,
  options: unknown,
  outer: string,
): RelationQuery {
  if (options !== true && (typeof options !== 'object' || options === null))
    return refuse(source, `the options of ${name} are none`, 'Pass true, or an object.')
  const given: Readonly<Record<string, unknown>> = options === true ? {} : { ...options }
  const unknown = Object.keys(given).find((key) => !optionNames.includes(key))
  if (unknown !== undefined)
    return refuse(source, `${name} has no option ${unknown}`, `Options: ${optionNames.join(', ')}.`)
  const { limit } = given
  if (limit !== undefined && !(typeof limit === 'number' && Number.isInteger(limit) && limit >= 0))
    return refuse(source, `limit of ${name} is no whole number`, 'Pass limit: 10.')
  const target = relatedTable(source, relation.table)
  return {
    name,
    relation,
    source,
    target,
    through: relation.through === undefined ? undefined : relatedTable(source, relation.through.table),
    outer,
    many: relation.kind === 'many',
    select: readSelect(target, given['select']),
    load: readLoad(target, given['load'], ''),
    where: given['where'],
    order: readOrder(target, given['orderBy']),
    limit,
  }
}

/** A table that a generated one leads to. */
export function relatedTable(source: TableMetadata, key: string): TableMetadata {
  // Generated tables have the function; metadata alone has not.
  const tables = (source as Partial<AnyTable>).tables?.() as Readonly<Record<string, TableMetadata>> | undefined
  const table = tables !== undefined && Object.hasOwn(tables, key) ? tables[key] : undefined
  if (table !== undefined) return table
  return refuse(
    source,
    'a related table is not generated',
    'Generate the code again, and pass tables.x of metadata.ts.',
  )
}

/** Columns that a row of the target is owned by, in the query of {@link relatedRows}. */
export function ownerColumns(
  { relation, target, through }: RelationQuery,
  alias: string,
  depth: number,
): readonly Sql[] {
  const via = relation.through
  if (via === undefined || through === undefined)
    return relation.referencedColumns.map((key) => reference(target, key, alias))
  return via.columns.map((key) => reference(through, key, joinName(depth)))
}

const joinName = (depth: number) => `tenonj${depth}`

/** `from target as alias where …`: the rows that `owned` is true of. */
export function relatedRows(
  query: RelationQuery,
  alias: string,
  depth: number,
  owned: readonly Sql[],
): SelectQueryNode {
  const { relation, target, through, order, limit, many } = query
  const via = relation.through
  const conditions = query.where === undefined ? owned : [...owned, whereNode(target, query.where, alias)]
  const from: FromNode = {
    kind: 'FromNode',
    froms: [AliasNode.create(tableNode(target), IdentifierNode.create(alias))],
  }
  const joins =
    via === undefined || through === undefined
      ? []
      : [
          {
            ...JoinNode.create(
              'InnerJoin',
              AliasNode.create(tableNode(through), IdentifierNode.create(joinName(depth))),
            ),
            on: OnNode.create(
              equalEach(
                via.referencedColumns.map((key) => reference(through, key, joinName(depth))),
                relation.referencedColumns.map((key) => reference(target, key, alias)),
              ),
            ),
          },
        ]
  return {
    ...SelectQueryNode.create(),
    from,
    ...(joins.length === 0 ? {} : { joins }),
    where: { kind: 'WhereNode', where: all(conditions) },
    ...(order.length === 0 ? {} : { orderBy: orderNode(target, order, alias) }),
    // A relation to one has one row by its key; a filter on it changes nothing of that.
    ...(limit === undefined || !many ? {} : { limit: LimitNode.create(ValueNode.create(limit)) }),
  }
}

/** The rows of one row of the outer query. */
export function rowsOfOuter(query: RelationQuery, alias: string, depth: number): SelectQueryNode {
  const outer = query.relation.columns.map((key) => reference(query.source, key, query.outer))
  return relatedRows(query, alias, depth, [equalEach(ownerColumns(query, alias, depth), outer)])
}

function equalEach(left: readonly Sql[], right: readonly Sql[]): Sql {
  return all(left.map((node, i) => binary(node, '=', right[i] as Sql)))
}
