/**
 * What to do about a difference: the SQL that takes the live database back to what the migrations make, or the next step where SQL alone
 * would lose data or cannot do it.
 */
import { quoteIdentifier, quoteQualified } from '../../kernel/identifier.ts'
import type { CatalogObject } from './catalog-object.ts'
import { toCreateSql, toDropSql, toReference, toRevokeSql, toStateSql } from './object-sql.ts'

/** The hint for an object that the migrations make and the database lacks. */
export function missingHint(object: CatalogObject): string {
  if (object.kind === 'table')
    return 'its rows are gone with it: restore it from a backup; or make it empty again with the SQL of the migration that makes it'
  return toCreateSql(object) ?? 'run the SQL of the migration that makes it again'
}

/** The hint for an object that the database has and no migration makes. */
export function extraHint(object: CatalogObject): string {
  const sql = toDropSql(object)
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
  const { kind } = expected
  if (kind === 'table') return parts.map((part) => tableHint(expected, actual, part)).join(' ')
  if (kind === 'column') return parts.map((part) => columnHint(expected, part)).join(' ')
  if (kind === 'grant')
    return expected.parts['option'] === undefined
      ? toRevokeSql(expected, 'grant option for ')
      : (toCreateSql(expected) ?? '')
  if (kind === 'comment') return toCreateSql(expected) ?? ''
  if (kind === 'extension')
    return `alter extension ${toReference(expected.identity)} set ${expected.parts['schema']?.slice(5)};`
  if (kind === 'policy' && !parts.includes('combination') && !parts.includes('command') && isKept(expected, parts))
    return `alter policy ${quoteIdentifier(expected.identity.name)} on ${quoteQualified(expected.identity.schema, expected.identity.table ?? '')} ${parts
      .map((part) => expected.parts[part])
      .join(' ')};`
  if ((kind === 'trigger' || kind === 'rule') && parts.join() === 'state') return toStateSql(expected)
  if (kind === 'sequence' && isKept(expected, parts) && !parts.includes('persistence'))
    return `alter sequence ${toReference(expected.identity)} ${parts.map((part) => expected.parts[part]).join(' ')};`
  if (kind === 'view') return viewHint(expected, actual, parts)
  if (kind === 'type') return typeHint(expected, actual)
  if (kind === 'domain') return domainHint(expected, parts)
  if (kind === 'function' || kind === 'procedure') return toCreateSql(expected) ?? ''
  return [toDropSql(actual), toCreateSql(expected) ?? 'then run the SQL of the migration that makes it again'].join(' ')
}

/** Whether each of the parts is still wanted, so that an ALTER can say it. */
function isKept(expected: CatalogObject, parts: readonly string[]): boolean {
  return parts.every((part) => expected.parts[part] !== undefined)
}

function tableHint(expected: CatalogObject, actual: CatalogObject, part: string): string {
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

function columnHint(expected: CatalogObject, part: string): string {
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
      return wanted === undefined
        ? `${column} drop identity;`
        : `${column} add ${wanted}; -- set instead of add where it is one already`
    case 'storage':
      return `${column} set ${wanted ?? 'storage default'};`
    case 'compression':
      return `${column} set ${wanted ?? 'compression default'};`
    case 'identity sequence':
      return `${column} set start with 1 set increment by 1 set cache 1 set no cycle;`
    case 'options':
      return `${column} ${wanted === undefined ? 'reset' : 'set'} …;`
    default:
      return `no statement changes how ${identity.name} is generated: drop the column and add it again, in a migration of its own`
  }
}

function viewHint(expected: CatalogObject, actual: CatalogObject, parts: readonly string[]): string {
  const { identity } = expected
  const alter = `alter ${expected.parts['view']} ${toReference(identity)}`
  if (parts.join() === 'options') return optionsHint(alter, expected.parts['options'], actual.parts['options'])
  const made = toCreateSql(expected) ?? ''
  return parts.includes('view') || expected.parts['view'] !== 'view'
    ? `${toDropSql(actual)} ${made}`
    : made.replace(/^create /, 'create or replace ')
}

function typeHint(expected: CatalogObject, actual: CatalogObject): string {
  const labelsOf = ({ parts }: CatalogObject): readonly string[] => parts['labels']?.match(/'(?:[^']|'')*'/g) ?? []
  const [wanted, found] = [labelsOf(expected), labelsOf(actual)]
  const added = wanted.filter((label) => !found.includes(label))
  if (added.length > 0 && found.every((label) => wanted.includes(label)))
    return added
      .map((label) => {
        const before = wanted[wanted.indexOf(label) - 1]
        const place =
          before === undefined ? (wanted[1] === undefined ? '' : ` before ${wanted[1]}`) : ` after ${before}`
        return `alter type ${toReference(expected.identity)} add value ${label}${place};`
      })
      .join(' ')
  return `write a migration that takes ${toReference(expected.identity)} to what is in use; a label of an enum cannot be dropped, and an attribute only with alter type … drop attribute`
}

function domainHint(expected: CatalogObject, parts: readonly string[]): string {
  const alter = `alter domain ${toReference(expected.identity)}`
  return parts
    .map((part) => {
      const wanted = expected.parts[part]
      if (part === 'default' || part === 'not null')
        return wanted === undefined ? `${alter} drop ${part};` : `${alter} set ${wanted};`
      return `no statement changes the type of a domain: make a new one and move its columns, in a migration of its own`
    })
    .join(' ')
}
