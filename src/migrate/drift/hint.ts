/**
 * What to do about a difference: the SQL that takes the live database back to what the migrations make, or the next step where SQL alone
 * would lose data or cannot do it.
 */
import { quoteIdentifier, quoteQualified } from '../../kernel/identifier.ts'
import type { CatalogObject } from './catalog-object.ts'
import { toCreateSql, toDropSql, toReference, toRevokeSql, toStateSql } from './object-sql.ts'
import { librarySchemas } from './scope.ts'

/** The hint for an object that the migrations make and the database lacks. */
export function missingHint(object: CatalogObject): string {
  if (object.kind === 'table')
    return `its rows are gone with it: restore it from a backup; or make it empty again: ${toCreateSql(object) ?? 'run the SQL of the migration that makes it'}`
  return toCreateSql(object) ?? 'run the SQL of the migration that makes it again'
}

/** The hint for an object that the database has and no migration makes. */
export function extraHint(object: CatalogObject): string {
  const sql = toDropSql(object)
  if (object.on === undefined && librarySchemas.includes(object.schema))
    return `this schema holds nothing but the library's objects: move it to one of yours; or, when it may go: ${sql}`
  const holdsRows =
    ['table', 'column', 'sequence', 'schema'].includes(object.kind) || object.parts['view'] === 'materialized view'
  return holdsRows ? `write the migration that makes it; or, when what it holds may go: ${sql}` : sql
}

/** The hint for an object that is called otherwise in the database. */
export function renamedHint(expected: CatalogObject, actual: CatalogObject): string {
  const { kind, identity } = expected
  const [from, to] = [quoteIdentifier(actual.identity.name), quoteIdentifier(identity.name)]
  const table = quoteQualified(identity.schema, identity.table ?? '')
  if (kind === 'index') return `alter index ${quoteQualified(identity.schema, actual.identity.name)} rename to ${to};`
  if (kind === 'constraint')
    return `alter ${expected.on?.startsWith('domain ') ? 'domain' : 'table'} ${table} rename constraint ${from} to ${to};`
  if (kind === 'column') return `alter table ${table} rename column ${from} to ${to};`
  return `alter ${kind} ${from} on ${table} rename to ${to};`
}

/** The hint for an object that is there and is another; `parts` are the names of what differs. */
export function changedHint(expected: CatalogObject, actual: CatalogObject, parts: readonly string[]): string {
  const change: Change = { expected, actual, parts }
  switch (expected.kind) {
    case 'table':
      return parts.map((part) => tableHint(change, part)).join(' ')
    case 'column':
      // What has to go stands in the way of the rest.
      return [...parts]
        .sort((a, b) => Number(expected.parts[a] !== undefined) - Number(expected.parts[b] !== undefined))
        .map((part) => columnHint(change, part))
        .join(' ')
    case 'index':
      return parts.join() === 'validity'
        ? `reindex index concurrently ${quoteQualified(expected.identity.schema, expected.identity.name)};`
        : again(change)
    case 'policy':
      return policyHint(change)
    case 'trigger':
    case 'rule':
      return parts.join() === 'state' ? toStateSql(expected) : again(change)
    case 'grant':
      return expected.parts['option'] === undefined ? toRevokeSql(expected, 'grant option for ') : made(expected)
    case 'comment':
      return made(expected)
    case 'extension':
      return `alter extension ${toReference(expected.identity)} set ${expected.definition.replace(/^with /, '')};`
    case 'sequence':
      return sequenceHint(change)
    case 'view':
      return viewHint(change)
    case 'type':
      return typeHint(change)
    case 'domain':
      return domainHint(change)
    case 'function':
    case 'procedure':
      // OR REPLACE cannot change the type of the result.
      return resultOf(expected) === resultOf(actual) ? made(expected) : again(change)
    default:
      return again(change)
  }
}

interface Change {
  readonly expected: CatalogObject
  readonly actual: CatalogObject
  readonly parts: readonly string[]
}

function made(object: CatalogObject): string {
  return toCreateSql(object) ?? 'run the SQL of the migration that makes it again'
}

function again({ expected, actual }: Change): string {
  return `${toDropSql(actual)} ${made(expected)}`
}

function resultOf({ definition }: CatalogObject): string | undefined {
  return /^ RETURNS .*$/m.exec(definition)?.[0]
}

function policyHint(change: Change): string {
  const { expected, parts } = change
  const wanted = parts.map((part) => expected.parts[part])
  if (parts.includes('combination') || parts.includes('command') || wanted.includes(undefined)) return again(change)
  const { schema, table = '', name } = expected.identity
  return `alter policy ${quoteIdentifier(name)} on ${quoteQualified(schema, table)} ${wanted.join(' ')};`
}

function sequenceHint({ expected, parts }: Change): string {
  const without = { persistence: 'set logged', cycle: 'no cycle', owner: 'owned by none' }
  const wanted = parts.map((part) => {
    const text = expected.parts[part] ?? without[part as keyof typeof without]
    return part === 'persistence' && text === 'unlogged' ? 'set unlogged' : text
  })
  return `alter sequence ${toReference(expected.identity)} ${wanted.join(' ')};`
}

function tableHint({ expected, actual }: Change, part: string): string {
  const table = `alter table ${quoteQualified(expected.identity.schema, expected.identity.name)}`
  const wanted = expected.parts[part]
  switch (part) {
    case 'row security':
      return `${table} ${wanted?.endsWith('enabled') ? 'enable' : 'disable'} row level security;`
    case 'row security of the owner':
      return `${table} ${wanted === undefined ? 'no force' : 'force'} row level security;`
    case 'persistence':
      return `${table} set ${wanted ?? 'logged'};`
    case 'replica identity':
      return `${table} ${wanted?.replace('index ', 'using index ') ?? 'replica identity default'};`
    case 'options':
    case 'toast options':
      return optionsHint(table, wanted, actual.parts[part])
    default:
      return `no statement changes this in place: make ${toReference(expected.identity)} anew and copy its rows, in a migration of its own`
  }
}

/** SET for what is wanted, RESET for what is there besides. */
function optionsHint(alter: string, wanted: string | undefined, found: string | undefined): string {
  const entries = (text = '') =>
    text
      .replace(/^with \(|\)$/g, '')
      .split(', ')
      .filter((entry) => entry !== '')
  const nameOf = (entry: string) => entry.slice(0, entry.indexOf('='))
  const set = entries(wanted).filter((entry) => !entries(found).includes(entry))
  const reset = entries(found)
    .map(nameOf)
    .filter((name) => !entries(wanted).map(nameOf).includes(name))
  return [
    ...(set.length > 0 ? [`${alter} set (${set.join(', ')});`] : []),
    ...(reset.length > 0 ? [`${alter} reset (${reset.join(', ')});`] : []),
  ].join(' ')
}

function columnHint({ expected, actual }: Change, part: string): string {
  const { identity, parts } = expected
  const column = `alter table ${quoteQualified(identity.schema, identity.table ?? '')} alter column ${quoteIdentifier(identity.name)}`
  const wanted = parts[part]
  switch (part) {
    case 'type':
    case 'collation':
      return `${column} type ${parts['type']}${parts['collation'] === undefined ? '' : ` ${parts['collation']}`};`
    case 'default':
      return wanted === undefined ? `${column} drop default;` : `${column} set ${wanted};`
    case 'not null':
      return wanted === undefined ? `${column} drop not null;` : `${column} set not null;`
    case 'identity':
      if (wanted === undefined) return `${column} drop identity;`
      return actual.parts['identity'] === undefined
        ? `${column} add ${wanted};`
        : `${column} set ${wanted.replace(/ as identity$/, '')};`
    case 'identity sequence':
      return `${column} ${sequenceSettings(wanted)};`
    case 'storage':
      // `storage default` is understood since 16 only.
      return `${column} set ${wanted ?? `storage ${/^(numeric|inet|cidr)\b/.test(parts['type'] ?? '') ? 'main' : 'extended'}`};`
    case 'compression':
      return `${column} set ${wanted ?? 'compression default'};`
    case 'options':
      return optionsHint(column, wanted, actual.parts[part])
    default:
      return wanted === undefined ? `${column} drop expression;` : generationHint(expected, actual)
  }
}

/** What ALTER COLUMN says for `(start with 100 increment by 2 cache 1)`. */
function sequenceSettings(settings = '(start with 1 increment by 1 cache 1)'): string {
  const [, start, increment, cache, cycle] =
    /start with (-?\d+) increment by (-?\d+) cache (\d+)( cycle)?/.exec(settings) ?? []
  return `set start with ${start} set increment by ${increment} set cache ${cache} set ${cycle === undefined ? 'no cycle' : 'cycle'}`
}

// What was generated can be generated again; what was not is lost with the column.
function generationHint(expected: CatalogObject, actual: CatalogObject): string {
  const sql = `${toDropSql(actual)} ${made(expected)}`
  return actual.parts['generation'] === undefined ? `when what the column holds may go: ${sql}` : sql
}

function viewHint(change: Change): string {
  const { expected, actual, parts } = change
  const alter = `alter ${expected.parts['view']} ${toReference(expected.identity)}`
  if (parts.join() === 'options') return optionsHint(alter, expected.parts['options'], actual.parts['options'])
  // OR REPLACE keeps grants and what stands on the view.
  return parts.includes('view') || expected.parts['view'] !== 'view'
    ? again(change)
    : made(expected).replace(/^create /, 'create or replace ')
}

function typeHint({ expected, actual }: Change): string {
  const name = toReference(expected.identity)
  const labelsOf = ({ parts }: CatalogObject): readonly string[] => parts['labels']?.match(/'(?:[^']|'')*'/g) ?? []
  const [wanted, found] = [labelsOf(expected), labelsOf(actual)]
  const added = wanted.filter((label) => !found.includes(label))
  if (added.length === 0 || found.some((label) => !wanted.includes(label)))
    return `write a migration that takes ${name} to what is in use: nothing drops a label of an enum, and another type of a column is a new type`
  return added
    .map((label) => {
      const before = wanted[wanted.indexOf(label) - 1]
      const place = before === undefined ? (found[0] === undefined ? '' : ` before ${found[0]}`) : ` after ${before}`
      return `alter type ${name} add value ${label}${place};`
    })
    .join(' ')
}

function domainHint({ expected, parts }: Change): string {
  const alter = `alter domain ${toReference(expected.identity)}`
  return parts
    .map((part) => {
      const wanted = expected.parts[part]
      if (part === 'default' || part === 'not null')
        return wanted === undefined ? `${alter} drop ${part};` : `${alter} set ${wanted};`
      return 'nothing changes the type of a domain: make a new one and move its columns, in a migration of its own'
    })
    .join(' ')
}
