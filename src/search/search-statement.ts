/**
 * The statement of a search: rows by rank from where the last page ended, those that look alike after them, headlines of what is left.
 *
 * Owns the shape of the SQL. What is asked for was checked before.
 */
import {
  ColumnNode,
  type Expression,
  type ExpressionBuilder,
  expressionBuilder,
  ReferenceNode,
  type SelectQueryBuilder,
  type SqlBool,
  TableNode,
} from 'kysely'
import { ownOperator } from '../kernel/comparison.ts'
import type { CursorValues } from '../kernel/cursor.ts'
import { cursorText } from '../kernel/cursor.ts'
import {
  all,
  any,
  binary,
  bound,
  call,
  cast,
  constant,
  expressionOf,
  negated,
  nodeOf,
  type Sql,
} from '../kernel/expressions.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import type { HeadlineOptions } from './headline.ts'
import { normalizationNode, type RankOptions, weightsNode } from './rank.ts'
import type { SearchQuery } from './search-query.ts'
import { columnOf } from './searchable-table.ts'
import type { Similarity } from './similarity.ts'

/** Tables and columns by names that only the metadata knows. */
type Rows = Record<string, Record<string, unknown>>
type Select = SelectQueryBuilder<Rows, string, object>

/** What is asked for. */
export interface Searching {
  readonly table: TableMetadata
  readonly key: readonly string[]
  readonly query: SearchQuery
  readonly rank: RankOptions
  readonly select: readonly string[]
  readonly headlines: readonly (readonly [column: string, options: HeadlineOptions])[]
  readonly where: ((eb: ExpressionBuilder<Rows, string>) => Expression<SqlBool>) | undefined
  readonly similar:
    | { readonly to: Similarity; readonly threshold?: number | undefined; readonly fewerThan: number }
    | undefined
  /** Schema and name of a function of `tenon.add_search_function`. */
  readonly through: readonly [schema: string | undefined, name: string] | undefined
  /** Rows, one more than the page has. */
  readonly limit: number
  /** Tier, rank and key of the row before. */
  readonly after: CursorValues | undefined
}

/** Names of what is read beside the row. In lower case without underscores: Kysely's CamelCasePlugin leaves them as they are. */
export const names = {
  rank: 'tenonrank',
  tier: 'tenontier',
  key: (i: number) => `tenonkey${i}`,
  headline: (i: number) => `tenonheadline${i}`,
}

/** The two sorts of rows, in this order. */
export const tiers = { words: 1, similarity: 2 } as const

const builder = expressionBuilder<Rows, string>()

export function searchStatement(searching: Searching): Select {
  return searching.similar === undefined ? byWords(searching) : byBoth(searching, searching.similar)
}

/** One select, as by hand. */
function byWords(searching: Searching): Select {
  const { table, through } = searching
  const qualifier = through === undefined ? undefined : table.key
  return ordered(matching(searching).select(cells(searching, qualifier)), searching, qualifier)
}

/** Rows of two selects, of which the second is only run where the first found too little, joined with the table again for what is shown. */
function byBoth(searching: Searching, similar: NonNullable<Searching['similar']>): Select {
  const { table, key, limit, after } = searching
  const places = (qualifier: string | undefined) =>
    key.map((column, i) => expressionOf(reference(column, qualifier)).as(names.key(i)))
  const isPastWords = after?.[0] === String(tiers.similarity)
  const throughTable = searching.through === undefined ? undefined : table.key
  const words = ordered(
    matching(searching)
      .select(places(throughTable))
      .select(expressionOf<number>(constant(tiers.words)).as(names.tier)),
    searching,
    throughTable,
  )
  const score = nodeOf(similar.to.score())
  const few = matching({ ...searching, after: undefined, limit: similar.fewerThan })
    .select(expressionOf<number>(constant(1)).as('one'))
    .limit(similar.fewerThan)
  const count = builder
    .selectFrom(few.as('tenonfew'))
    .select(expressionOf<number>(call('count', constant(1))).as('count'))
  const place = isPastWords ? [afterNode(searching, score, undefined)] : []
  const isFew = binary(nodeOf(count), '<', bound(similar.fewerThan, 'int4'))
  const alike = orderedBy(
    selectFrom(table)
      .where(
        allOf(
          isFew,
          negated(nodeOf(searching.query.matches())),
          nodeOf(similar.to.atLeast(similar.threshold)),
          ...asked(searching),
          ...place,
        ),
      )
      .select(places(undefined))
      .select(expressionOf<number>(constant(tiers.similarity)).as(names.tier))
      .select(shown(score)),
    searching,
    undefined,
  )
  const found = isPastWords
    ? alike
    : builder
        .selectFrom(words.as('tenonwords'))
        .selectAll()
        .unionAll(builder.selectFrom(alike.as('tenonalike')).selectAll())
  const joined = builder
    .selectFrom(found.as('tenonfound'))
    .innerJoin(table.key, (join) =>
      key.reduce((on, column, i) => {
        const found = ReferenceNode.create(ColumnNode.create(names.key(i)), TableNode.create('tenonfound'))
        const same = ownOperator(columnOf(table, column), '=')
        return on.on(expressionOf<SqlBool>(binary(reference(column, table.key), same, found)))
      }, join),
    )
    .select(cells(searching, table.key))
    .select([`tenonfound.${names.tier}`, `tenonfound.${names.rank}`])
    .orderBy(`tenonfound.${names.tier}`)
    .orderBy(`tenonfound.${names.rank}`, 'desc')
  return key.reduce((query, _, i) => query.orderBy(`tenonfound.${names.key(i)}`), joined).limit(limit)
}

/** The rows that the words fit, after the place of the page before; of those through a function no more than are needed. */
function matching(searching: Searching): Select {
  const { table, query, through, after, where, limit } = searching
  const isPlaced = after !== undefined && after[0] === String(tiers.words)
  const placed = (qualifier: string | undefined) =>
    isPlaced ? [afterNode(searching, rankOf(searching), qualifier)] : []
  if (through === undefined)
    return selectFrom(table).where(allOf(nodeOf(query.matches()), ...asked(searching), ...placed(undefined)))
  const { weights, normalization, cover } = searching.rank
  const [key = ''] = searching.key
  // What a condition takes away is not known before: without one the function gives the rows of the page alone.
  const isLimited = where === undefined
  const place = isPlaced ? [bound(after[1], 'real'), bound(after[2], columnOf(table, key).type)] : []
  const found = call(
    quoteQualified(...through),
    nodeOf(query.toExpression()),
    weightsNode(weights),
    normalizationNode(normalization),
    bound(cover === true, 'boolean'),
    ...(isLimited ? [bound(limit, 'int8'), ...place] : []),
  )
  const rows = builder
    .selectFrom(expressionOf<Record<string, unknown>>(found).as('tenonthrough'))
    .innerJoin(table.key, (join) => {
      const same = ownOperator(columnOf(table, key), '=')
      return join.on(
        expressionOf<SqlBool>(binary(reference(key, table.key), same, reference('search_key', 'tenonthrough'))),
      )
    })
  return isLimited ? rows : rows.where(allOf(...asked(searching), ...placed(table.key)))
}

function selectFrom(table: TableMetadata): Select {
  return builder.selectFrom(table.key) as Select
}

/** In one expression, which puts parentheses around what is itself an alternative. */
function allOf(...nodes: readonly Sql[]): Expression<SqlBool> {
  return expressionOf(all(nodes))
}

/** The condition that was asked for beside the words. */
function asked({ where }: Searching): readonly Sql[] {
  return where === undefined ? [] : [nodeOf(where(builder))]
}

function rankOf({ query, rank, through }: Searching): Sql {
  return through === undefined ? nodeOf(query.rank(rank)) : reference('search_rank', 'tenonthrough')
}

/** Columns, headlines and the key as a cursor holds it. */
function cells({ table, key, query, select, headlines }: Searching, qualifier: string | undefined) {
  return [
    ...select.map((column) => expressionOf(reference(column, qualifier)).as(column)),
    ...headlines.map(([column, options], i) =>
      query.headline(expressionOf<string | null>(reference(column, qualifier)), options).as(names.headline(i)),
    ),
    ...key.map((column, i) =>
      expressionOf(cursorText(reference(column, qualifier), columnOf(table, column))).as(names.key(i)),
    ),
  ]
}

function ordered(rows: Select, searching: Searching, qualifier: string | undefined): Select {
  return orderedBy(rows.select(shown(rankOf(searching))), searching, qualifier)
}

/** As a float8, whose text has all digits of a real under any extra_float_digits: a cursor holds them. */
function shown(rank: Sql) {
  return expressionOf<number>(cast(rank, 'float8')).as(names.rank)
}

function orderedBy(rows: Select, { key, limit }: Searching, qualifier: string | undefined): Select {
  const byRank = rows.orderBy(names.rank, 'desc')
  return key.reduce((query, column) => query.orderBy(expressionOf(reference(column, qualifier))), byRank).limit(limit)
}

/** What is true of the rows after a place: of a lower rank, or of the same and a later key. */
function afterNode({ table, key, after = [] }: Searching, rank: Sql, qualifier: string | undefined): Sql {
  const [, rankText, ...keyTexts] = after
  const least = bound(rankText, 'real')
  const own = key.map((column) => reference(column, qualifier))
  const given = key.map((column, i) => bound(keyTexts[i], columnOf(table, column).type))
  return any([binary(rank, '<', least), all([binary(rank, '=', least), isLater({ table, key }, own, given)])])
}

/** Whether a key comes after another in its own order. */
function isLater({ table, key }: Pick<Searching, 'table' | 'key'>, own: readonly Sql[], given: readonly Sql[]): Sql {
  const operators = (operator: '=' | '>') => key.map((column) => ownOperator(columnOf(table, column), operator))
  const [later, same] = [operators('>'), operators('=')]
  const [first = '>'] = later
  // One comparison of rows, which has one operator.
  if (later.every((each) => each === first)) return binary(call('row', ...own), first, call('row', ...given))

  const at = (i: number, operator: string) => binary(own[i] as Sql, operator, given[i] as Sql)
  return any(key.map((_, i) => all([...same.slice(0, i).map((each, j) => at(j, each)), at(i, later[i] ?? '>')])))
}

function reference(column: string, qualifier: string | undefined): ReferenceNode {
  if (qualifier === undefined) return ReferenceNode.create(ColumnNode.create(column))
  const [name = '', schema] = qualifier.split('.').reverse()
  return ReferenceNode.create(
    ColumnNode.create(column),
    schema === undefined ? TableNode.create(name) : TableNode.createWithSchema(schema, name),
  )
}
