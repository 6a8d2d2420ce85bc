/**
 * Tells which index serves a filter on a document, or the statement that makes one.
 *
 * Owns what is known of PostgreSQL's operator classes; it asks the metadata alone, and a test holds it against EXPLAIN.
 */
import { TenonError } from '../kernel/errors.ts'
import { quoteIdentifier, quoteQualified } from '../kernel/identifier.ts'
import { quoteLiteral } from '../kernel/literal.ts'
import type { IndexMetadata, TableMetadata } from '../kernel/metadata.ts'
import { type AskedCondition, conditionsOf, type JsonConditionName } from './json-filter.ts'
import type { JsonFilter } from './json-shape.ts'
import type { JsonSteps } from './json-text.ts'

/** What an index can do for one condition of a filter. */
export interface IndexExplanation {
  /** Where in the document. */
  readonly path: JsonSteps
  readonly condition: JsonConditionName
  /** Name of the index that serves it. */
  readonly index?: string
  /** The statement that makes an index which serves it, when there is none. */
  readonly create?: string
  /** What else is to be known. */
  readonly note?: string
}

/** Kinds of index, by what they are over. */
type Wanted =
  | { readonly kind: 'gin'; readonly opclasses: readonly string[] }
  | { readonly kind: 'gin of path'; readonly opclasses: readonly string[] }
  | { readonly kind: 'btree of path' }
  | { readonly kind: 'trigrams' }
  | { readonly kind: 'none'; readonly why: string }

const either = ['jsonb_path_ops', 'jsonb_ops']
const containment: Wanted = { kind: 'gin', opclasses: either }

/**
 * Explains a filter on a json column.
 *
 * @param table - from generated metadata: `tables.projects`
 * @param column - its key
 * @returns one entry per condition, in the order of the filter
 * @throws {TenonError} OPTION_INVALID when the column is none of the table's, QUERY_FILTER when it is no filter
 * @example
 * ```ts
 * explainIndexes(tables.projects, 'metadata', { tags: { has: 'important' }, priority: { gt: 3 } })
 * // [{ path: ['tags'], condition: 'has', index: 'projects_metadata_idx' },
 * //  { path: ['priority'], condition: 'gt', create: 'create index concurrently on "public"."projects" (("metadata" -> \'priority\'));' }]
 * ```
 * @see https://www.postgresql.org/docs/18/datatype-json.html#JSON-INDEXING
 */
export function explainIndexes<T>(
  table: TableMetadata,
  column: string,
  filter: JsonFilter<T>,
): readonly IndexExplanation[] {
  const found = table.columns[column]
  if (found?.type !== 'jsonb')
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `${table.name} has no jsonb column of that name`,
      hint: 'Pass the key of a jsonb column; a json column has no indexes.',
    })
  return conditionsOf(filter).map((asked) => explain(table, column, found.name, asked))
}

function explain(
  table: TableMetadata,
  column: string,
  name: string,
  { steps, name: condition, operand }: AskedCondition,
): IndexExplanation {
  const wanted = wantedFor(condition, steps, operand)
  const found = { path: steps, condition }
  if (wanted.kind === 'none') return { ...found, note: wanted.why }
  // A key is looked for in what it is a key of.
  const over = condition === 'exists' ? steps.slice(0, -1) : steps
  const serving = table.indexes.filter((index) => serves(index, wanted, column, name, over))
  const whole = serving.find(({ where }) => where === undefined)
  // Operators of jsonb are not leakproof: a policy's condition comes first.
  const guarded =
    table.rowSecurity === 'off'
      ? {}
      : {
          note: 'Roles that policies bind use the indexes of the policies first, and this one not at all: its operator is not leakproof.',
        }
  if (whole !== undefined) return { ...found, index: whole.name, ...guarded }
  const [partial] = serving
  const note = partial && `${partial.name} serves it in a query that also says: ${partial.where}`
  if (table.kind === 'view' || table.kind === 'foreign table')
    return { ...found, note: `A ${table.kind} has no indexes: ask of the table beneath.` }
  return { ...found, create: createSql(table, name, over, wanted), ...(note === undefined ? guarded : { note }) }
}

function wantedFor(condition: JsonConditionName, steps: JsonSteps, operand: unknown): Wanted {
  const keysOnly = steps.every((step) => typeof step === 'string')
  switch (condition) {
    case 'eq':
    case 'in':
      return keysOnly ? containment : { kind: 'btree of path' }
    case 'has':
    case 'hasAny':
    case 'hasAll':
    case 'contains':
      return keysOnly ? containment : { kind: 'gin of path', opclasses: either }
    case 'exists':
      return operand === false
        ? { kind: 'none', why: 'No index tells what is not there.' }
        : { kind: steps.length <= 1 ? 'gin' : 'gin of path', opclasses: ['jsonb_ops'] }
    case 'hasKey':
    case 'hasAnyKey':
    case 'hasAllKeys':
      return { kind: steps.length === 0 ? 'gin' : 'gin of path', opclasses: ['jsonb_ops'] }
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return { kind: 'btree of path' }
    case 'like':
    case 'ilike':
      return steps.length === 0 ? { kind: 'none', why: 'A whole document is no text.' } : { kind: 'trigrams' }
    default:
      return { kind: 'none', why: `No index serves ${condition}.` }
  }
}

function serves(index: IndexMetadata, wanted: Wanted, column: string, name: string, steps: JsonSteps): boolean {
  const [key, ...more] = index.keys
  if (key === undefined || index.invalid === true) return false
  const overPath = steps.length === 0 ? key.column === column : key.expression === pathSql(name, steps, '->', deparsed)
  switch (wanted.kind) {
    case 'gin':
      // The metadata leaves the default class out.
      return index.method === 'gin' && key.column === column && wanted.opclasses.includes(key.opclass ?? 'jsonb_ops')
    case 'gin of path':
      return index.method === 'gin' && overPath && wanted.opclasses.includes(key.opclass ?? 'jsonb_ops')
    case 'btree of path':
      return index.method === 'btree' && overPath
    case 'trigrams':
      return (
        (index.method === 'gin' || index.method === 'gist') &&
        more.length === 0 &&
        key.expression === pathSql(name, steps, '->>', deparsed) &&
        key.opclass?.endsWith('_trgm_ops') === true
      )
    default:
      return false
  }
}

function createSql(table: TableMetadata, name: string, steps: JsonSteps, wanted: Wanted): string {
  // Of a partitioned table PostgreSQL makes one at once only.
  const how = table.kind === 'partitioned table' ? 'create index' : 'create index concurrently'
  const on = `${how} on ${quoteQualified(table.schema, table.name)}`
  const column = quoteIdentifier(name)
  const path = (last: '->' | '->>') => (steps.length === 0 ? column : pathSql(name, steps, last, written))
  const opclass = 'opclasses' in wanted && wanted.opclasses[0] !== 'jsonb_ops' ? ` ${wanted.opclasses[0]}` : ''
  switch (wanted.kind) {
    case 'gin':
      return `${on} using gin (${column}${opclass});`
    case 'gin of path':
      return `${on} using gin (${path('->')}${opclass});`
    case 'trigrams':
      return `create extension if not exists pg_trgm; ${on} using gin (${path('->>')} gin_trgm_ops);`
    default:
      return `${on} (${path('->')});`
  }
}

interface Style {
  readonly identifier: (name: string) => string
  readonly cast: string
}

const written: Style = { identifier: quoteIdentifier, cast: '' }
/** As pg_get_indexdef writes it. */
const deparsed: Style = {
  identifier: (name) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : quoteIdentifier(name)),
  cast: '::text',
}

function pathSql(name: string, steps: JsonSteps, last: '->' | '->>', { identifier, cast }: Style): string {
  return steps.reduce<string>((left, step, i) => {
    const key = typeof step === 'number' ? String(step) : `${quoteLiteral(step)}${cast}`
    return `(${left} ${i === steps.length - 1 ? last : '->'} ${key})`
  }, identifier(name))
}
