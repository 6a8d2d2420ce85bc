/**
 * Tells what serves a search on a table: an index, a function over an index, or nothing but reading rows.
 *
 * Owns what row-level security does to full-text search. It asks the metadata alone; a test holds it against EXPLAIN.
 */
import { quoteIdentifier, quoteQualified } from '../kernel/identifier.ts'
import { quoteLiteral } from '../kernel/literal.ts'
import type { IndexMetadata, TableMetadata } from '../kernel/metadata.ts'
import { isWords } from './searchable-table.ts'

/** What serves a search of one tsvector column. */
export interface SearchExplanation {
  /** Key of the column. */
  readonly column: string
  /** `index`: by an index. `policy`: rows that the policy leaves are read one after the other. `table`: all rows are. */
  readonly reads: 'index' | 'policy' | 'table'
  /** Name of the index. */
  readonly index?: string
  /** The statement that makes it better. */
  readonly create?: string
  readonly note?: string
}

/**
 * Why an index on words does not serve a session. Text for people: the doctor prints it, the documents say the same.
 *
 * @see https://www.postgresql.org/docs/18/rules-privileges.html
 */
const leakproofNote =
  'Under row-level security a condition of the query is used on an index only when its operator is leakproof. @@, @>, % and like are not: ' +
  'the policy goes first, and they are asked of every row that it leaves. An index that leads with the column of the policy keeps these ' +
  'few; where they are many, search through the function that tenon.add_search_function makes.'

/**
 * Explains how searches of a table are served.
 *
 * @param table - from generated metadata: `tables.articles`
 * @returns one entry per tsvector column; empty without one
 * @example
 * ```ts
 * explainSearch(tables.articles)
 * // [{ column: 'words', reads: 'policy', index: 'articles_tenant_id_idx',
 * //    create: "select tenon.add_search_function('public.articles', 'articles_tenant_policy')", note: 'Under row-level security …' }]
 * ```
 */
export function explainSearch(table: TableMetadata): readonly SearchExplanation[] {
  return Object.entries(table.columns).flatMap(([key, column]) => (isWords(column) ? [explain(table, key)] : []))
}

function explain(table: TableMetadata, column: string): SearchExplanation {
  const name = quoteQualified(table.schema, table.name)
  const whole = table.indexes.filter(({ where, invalid }) => where === undefined && invalid !== true)
  const withWords = whole.filter(
    ({ method, keys }) => (method === 'gin' || method === 'gist') && keys.some((each) => each.column === column),
  )
  const [ofWords] = withWords
  if (table.rowSecurity === 'off') {
    if (ofWords !== undefined) return { column, reads: 'index', index: ofWords.name }
    return {
      column,
      reads: 'table',
      create: `create index concurrently on ${name} using gin (${quoteIdentifier(table.columns[column]?.name ?? column)});`,
    }
  }
  const reading = table.policies.filter(({ command }) => command === 'all' || command === 'select')
  const leading = whole.filter((index) => leadsWithPolicy(table, index, reading))
  const ofPolicy =
    leading.find(({ method }) => method === 'btree') ?? leading.find((index) => withWords.includes(index)) ?? leading[0]
  const [policy] = reading.filter(({ permissive, using }) => permissive && using !== undefined && using !== 'true')
  const create =
    policy === undefined
      ? {}
      : { create: `select tenon.add_search_function(${quoteLiteral(name)}, ${quoteLiteral(policy.name)});` }
  return ofPolicy === undefined
    ? { column, reads: 'table', ...create, note: leakproofNote }
    : { column, reads: 'policy', index: ofPolicy.name, ...create, note: leakproofNote }
}

/** Whether an index begins with a column that a policy names. */
function leadsWithPolicy(table: TableMetadata, { method, keys }: IndexMetadata, policies: TableMetadata['policies']) {
  const [first] = keys
  if (first?.column === undefined || (method !== 'btree' && method !== 'gin' && method !== 'gist')) return false
  const name = table.columns[first.column]?.name ?? first.column
  const named = new RegExp(`(?<![\\w."])${quoted(name)}(?![\\w"])`)
  return policies.some(({ using = '' }) => named.test(using))
}

/** As the server writes it into an expression: in quotes only where it needs them. */
function quoted(name: string): string {
  const text = /^[a-z_][a-z0-9_$]*$/.test(name) ? name : quoteIdentifier(name)
  return text.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&')
}
