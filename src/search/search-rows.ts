/**
 * `searchRows`: one call that gives the rows of a table that a text finds, the best first, page by page.
 *
 * Owns the options and the cursor. The SQL is search-statement's.
 */
import { ColumnNode, type Expression, type ExpressionBuilder, ReferenceNode, type SqlBool } from 'kysely'
import { factsOf } from '../database/index.ts'
import { assertCursorKeys, cursorValue, fingerprint, fromCursor, toCursor } from '../kernel/cursor.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import { type Executor, executorOf, type RunOptions, runQuery } from '../kernel/executor.ts'
import { expressionOf } from '../kernel/expressions.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import type { HeadlineOptions } from './headline.ts'
import type { RankOptions } from './rank.ts'
import { type SearchMode, search } from './search-query.ts'
import { names, type Searching, searchStatement, tiers } from './search-statement.ts'
import {
  type ColumnOf,
  type ColumnsOf,
  columnOf,
  isWords,
  keyOf,
  languageOf,
  type RowOf,
  refuse,
  type SearchableTable,
  type TextColumnOf,
  wordsColumnOf,
} from './searchable-table.ts'
import { type SimilarityKind, similarity } from './similarity.ts'

/** What is searched for, and what is read of the rows. */
export interface SearchOptions<T extends SearchableTable, Select, Headline> extends RunOptions {
  /** As a person typed it. */
  readonly text: string
  /** How it is read. Default `websearch`; `prefix` while it is being typed. */
  readonly match?: SearchMode | undefined
  /** The tsvector column; default the only one. */
  readonly words?: ColumnOf<T> | undefined
  /** The text search configuration; default the one that the generated column was made with. */
  readonly language?: string | undefined
  /** Columns of the rows; default all but tsvectors. */
  readonly select?: Select
  /** Texts of which headlines are made. */
  readonly headline?: Headline
  /** Further conditions. */
  readonly where?:
    | ((eb: ExpressionBuilder<{ [Key in T['key']]: ColumnsOf<T> }, T['key']>) => Expression<SqlBool>)
    | undefined
  readonly rank?: RankOptions | undefined
  /** What is tried by trigrams where words find too little, as for what was mistyped; such rows come after those of the words. */
  readonly similar?: SimilarOptions<T> | undefined
  /**
   * The function that `tenon.add_search_function` made, `public.search_articles`: under row-level security the index of the words serves only
   * through it. Rows are read under the policies all the same. For sessions; a service has none of what the policy asks for.
   */
  readonly through?: string | undefined
  /** Rows of a page, 1 to 1,000. */
  readonly limit: number
  /** `endCursor` of the page before, asked for in the same way. */
  readonly after?: string | undefined
}

/** How rows that look alike are found. */
export interface SimilarOptions<T extends SearchableTable> {
  /** A short text, such as a title. */
  readonly column: TextColumnOf<T>
  /** Default 0.6 for `word`, 0.3 for `whole`, 0.5 for `strict word`. */
  readonly threshold?: number | undefined
  /** Default `word`. */
  readonly kind?: SimilarityKind | undefined
  /** Tried where words find fewer rows than this in all, 1 to 1,000. Default 1: only where they find none. */
  readonly fewerThan?: number | undefined
}

/** Headlines that are asked for, by column. */
export type HeadlineRequest<T extends SearchableTable> = {
  readonly [Column in TextColumnOf<T>]?: true | HeadlineOptions
}

/** A row that was found. */
export interface Found<Row, Headlines extends PropertyKey> {
  readonly row: Row
  /** How well it fits: comparable with others of this search and `by` alone. */
  readonly rank: number
  readonly by: 'words' | 'similarity'
  readonly headlines: { readonly [Column in Headlines]: string | null }
}

/** Rows that were found, the best first; of equal rank in the order of the primary key. */
export interface SearchPage<Row, Headlines extends PropertyKey> {
  readonly items: readonly Found<Row, Headlines>[]
  /** For `after`; undefined without rows, and where the database was created without cursorKeys. */
  readonly endCursor: string | undefined
  readonly hasNext: boolean
}

type Selected<T extends SearchableTable, Select> = Select extends readonly (infer Column extends ColumnOf<T>)[]
  ? Pick<RowOf<T>, Column>
  : RowOf<T>

type AnyOptions = SearchOptions<SearchableTable, readonly string[] | undefined, object | undefined>

const maxLimit = 1_000

/**
 * Searches a table.
 *
 * @param table - of the generated metadata.ts: `tables.articles`
 * @returns a page; empty when nothing fits, or when the text has no words
 * @throws {TenonError} OPTION_INVALID, PARAMETER_INVALID when something cannot be asked for; CURSOR_INVALID; QUERY_UNDEFINED_OBJECT when there is
 *   no such language, or the extension pg_trgm is missing; QUERY_RAISED when `through` was made for policies that are others now, or does not answer
 *   this role as the table does
 * @example
 * ```ts
 * const found = await searchRows(me, tables.articles, {
 *   text: 'free "exact words" -not', select: ['id', 'title'], headline: { body: true }, limit: 20,
 * })
 * for (const { row, headlines } of found.items) show(row.title, headlines.body)
 * ```
 * The SQL:
 * ```sql
 * select "id", "title", replace(… ts_headline($1::regconfig, …) …) as "tenonheadline0", cast("id" as text) as "tenonkey0",
 *   cast(ts_rank("words", websearch_to_tsquery(…)) as float8) as "tenonrank"
 * from "articles" where "words" @@ websearch_to_tsquery(…) order by "tenonrank" desc, "id" limit 21
 * ```
 */
export async function searchRows<
  T extends SearchableTable,
  const Select extends readonly ColumnOf<T>[] | undefined = undefined,
  const Headline extends HeadlineRequest<T> = Record<never, never>,
>(
  executor: Executor,
  table: T,
  options: SearchOptions<T, Select, Headline>,
): Promise<SearchPage<Selected<T, Select>, keyof Headline>> {
  const { limit, signal } = options
  const { cursorKeys } = factsOf(executorOf(executor))
  // Inside, names are texts: what they name is looked up in the metadata.
  const asked = options as unknown as AnyOptions
  const madeFor = fingerprint(questionOf(table, asked))
  const after = options.after
  if (after !== undefined) assertCursorKeys(cursorKeys)
  const searching: Searching = {
    ...searchingOf(table, asked),
    after: after === undefined ? undefined : fromCursor(table.name, madeFor, after, cursorKeys),
  }
  const node = searchStatement(searching).toOperationNode()
  const { rows } = await runQuery<Record<string, unknown>>(executor, node, { signal }).catch((error: unknown) => {
    throw refusalOfFunction(table, error) ?? error
  })
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const tierOf = (row: Record<string, unknown>) => Number(row[names.tier] ?? tiers.words)
  const place = last && [
    String(tierOf(last)),
    String(last[names.rank]),
    ...searching.key.map((column, i) => cursorValue(String(last[names.key(i)]), columnOf(table, column))),
  ]
  return {
    // The statement selects what the types say.
    items: items.map((row) => ({
      row: Object.fromEntries(searching.select.map((column) => [column, row[column]])) as Selected<T, Select>,
      rank: Number(row[names.rank]),
      by: tierOf(row) === tiers.words ? 'words' : 'similarity',
      headlines: Object.fromEntries(searching.headlines.map(([column], i) => [column, row[names.headline(i)]])) as {
        readonly [Column in keyof Headline]: string | null
      },
    })),
    endCursor: place === undefined || cursorKeys.length === 0 ? undefined : toCursor(madeFor, place, cursorKeys),
    hasNext: rows.length > limit,
  }
}

/** What a function of `tenon.add_search_function` refuses, by the name that its error carries: texts of raised errors are not passed on. */
const refusals: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  search_policy_changed: [
    'the policies, functions or grants that the function of a search was made for are not what they were',
    'Drop the function, and call tenon.add_search_function again.',
  ],
  search_forced: [
    'row security binds the owner of the function of a search, who cannot search for others then',
    'Take FORCE ROW LEVEL SECURITY off the table, or give table and function to a role with BYPASSRLS that nobody logs in as.',
  ],
  search_reader: [
    'the table shows this role other rows than the function of a search was made for',
    'Leave through out, as for a service and for members of several roles with policies of their own.',
  ],
}

function refusalOfFunction(table: TableMetadata, error: unknown): TenonError | undefined {
  if (!isTenonError(error)) return undefined
  const { constraint = '', sqlstate } = error
  const refusal = Object.hasOwn(refusals, constraint) ? refusals[constraint] : undefined
  if (refusal === undefined) return undefined
  const [what, hint] = refusal
  return new TenonError({
    code: 'QUERY_RAISED',
    message: `${table.key}: ${what}`,
    hint,
    table: table.name,
    constraint,
    sqlstate,
    cause: error,
  })
}

/** What a cursor is made for: everything that says which rows come in which order, but `where`, which is code. */
function questionOf(table: TableMetadata, options: AnyOptions): unknown {
  const { text, match, words, language, rank, similar, through } = options
  return ['search', table.schema, table.name, text, match, words, language, rank, similar, through]
}

function searchingOf(table: TableMetadata, options: AnyOptions): Omit<Searching, 'after'> {
  const { text, match = 'websearch', limit, where, rank = {}, headline = {}, similar, through } = options
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit)
    return refuse(table, 'limit of a search is no number of rows', `Pass limit: 20; at most ${maxLimit}.`)
  if (where !== undefined && typeof where !== 'function')
    return refuse(table, 'where of a search is no function', "Pass where: (eb) => eb('status', '=', 'live').")
  const words = wordsColumnOf(table, options.words)
  const language =
    options.language ??
    languageOf(columnOf(table, words)) ??
    refuse(table, `the words of ${words} do not say their language`, "Pass language: 'english'.")
  const all = Object.entries(table.columns).flatMap(([key, column]) => (isWords(column) ? [] : [key]))
  const select = options.select ?? all
  const headlines = Object.entries(headline).map(
    ([column, asked]) => [column, asked === true ? {} : (asked as HeadlineOptions)] as const,
  )
  for (const column of [...select, ...headlines.map(([name]) => name)]) columnOf(table, column)
  const key = keyOf(table)
  if (through !== undefined && key.length !== 1)
    return refuse(table, 'a search goes through a function by a key of one column', 'Leave through out.')
  return {
    table,
    key,
    query: search(columnExpression(words), language).by(match, text),
    rank,
    select,
    headlines,
    // Its builder is of one table with names that only the metadata knows.
    where: where as unknown as Searching['where'],
    similar: similar === undefined ? undefined : similarOf(table, text, similar),
    through: through === undefined ? undefined : functionName(table, through),
    limit: limit + 1,
  }
}

function columnExpression(key: string): Expression<string> {
  return expressionOf<string>(ReferenceNode.create(ColumnNode.create(key)))
}

function similarOf(
  table: TableMetadata,
  text: string,
  { column, threshold, kind, fewerThan = 1 }: SimilarOptions<SearchableTable>,
): Searching['similar'] {
  columnOf(table, column)
  if (!Number.isInteger(fewerThan) || fewerThan < 1 || fewerThan > maxLimit)
    return refuse(table, 'fewerThan of similar is no number of rows', `Pass 1 to ${maxLimit}.`)
  return { to: similarity(columnExpression(column), text, kind), threshold, fewerThan }
}

/** `schema.name` or `name`; quotes for what has dots of its own. */
function functionName(table: TableMetadata, text: string): NonNullable<Searching['through']> {
  const parts = typeof text === 'string' ? text.match(/"[^"]+"|[^."]+/g) : null
  const [first = '', second, ...more] = parts ?? []
  if (parts === null || more.length > 0 || parts.join('.') !== text)
    return refuse(table, 'through names no function', "Pass through: 'public.search_articles'.")
  const bare = (part: string) => (part.startsWith('"') ? part.slice(1, -1) : part)
  return second === undefined ? [undefined, bare(first)] : [bare(first), bare(second)]
}
