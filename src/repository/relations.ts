/** What is asked of relations: read from options, and as the rows of the other table that belong to a row. */
import { LimitNode, type SelectQueryNode, ValueNode } from 'kysely'
import { all, type Sql } from '../kernel/expressions.ts'
import type { RelationMetadata, TableMetadata } from '../kernel/metadata.ts'
import { columnOf, refuse } from './columns.ts'
import { type OrderTerm, orderNode, readOrder } from './order.ts'
import { fromRelated, ownedBy, ownerReferences, type Related, relatedTables } from './related-rows.ts'
import { whereNode } from './where.ts'

/** A relation to load. */
export interface RelationQuery extends Related {
  readonly name: string
  readonly source: TableMetadata
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
  if (unknown !== undefined) return refuse(source, `${name} has no such option`, `Options: ${optionNames.join(', ')}.`)
  if ('where' in given && given['where'] === undefined)
    return refuse(source, `the filter of ${name} is undefined`, 'Leave where out to load every row.')
  const { limit } = given
  if (limit !== undefined && !(typeof limit === 'number' && Number.isInteger(limit) && limit >= 0))
    return refuse(source, `limit of ${name} is no whole number`, 'Pass limit: 10.')
  const related = relatedTables(source, relation)
  const { target } = related
  return {
    ...related,
    name,
    source,
    outer,
    many: relation.kind === 'many',
    select: readSelect(target, given['select']),
    load: readLoad(target, given['load'], ''),
    where: given['where'],
    order: readOrder(target, given['orderBy']),
    limit,
  }
}

/** `from target as alias where …`: the rows that `owned` is true of. */
export function relatedRows(
  query: RelationQuery,
  alias: string,
  depth: number,
  owned: readonly Sql[],
): SelectQueryNode {
  const { target, order, limit, many } = query
  const conditions = query.where === undefined ? owned : [...owned, whereNode(target, query.where, alias)]
  return {
    ...fromRelated(query, alias, joinName(depth)),
    where: { kind: 'WhereNode', where: all(conditions) },
    ...(order.length === 0 ? {} : { orderBy: orderNode(target, order, alias) }),
    // A relation to one has one row by its key; a filter on it changes nothing of that.
    ...(limit === undefined || !many ? {} : { limit: LimitNode.create(ValueNode.create(limit)) }),
  }
}

/** Columns that a row of the target is owned by, in the query of {@link relatedRows}. */
export function ownerColumns(query: RelationQuery, alias: string, depth: number): readonly Sql[] {
  return ownerReferences(query, alias, joinName(depth))
}

/** The rows of one row of the outer query. */
export function rowsOfOuter(query: RelationQuery, alias: string, depth: number): SelectQueryNode {
  return relatedRows(query, alias, depth, [ownedBy(query, alias, joinName(depth), query.source, query.outer)])
}

const joinName = (depth: number) => `tenonj${depth}`
