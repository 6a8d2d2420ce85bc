/**
 * The SQL that makes an object, and the SQL that drops it, from what the catalog says of it.
 *
 * Statements for a person to read and run; nothing here is ever sent.
 */
import { quoteIdentifier, quoteQualified } from '../../kernel/identifier.ts'
import { quoteLiteral } from '../../kernel/literal.ts'
import type { CatalogObject, ObjectIdentity } from './catalog-object.ts'

/**
 * Returns the statement that makes an object as it is described.
 *
 * @returns SQL with a semicolon; undefined where one statement cannot: a table that is no partition, an aggregate
 */
export function toCreateSql(object: CatalogObject): string | undefined {
  const { kind, parts, identity, definition } = object
  const name = quoteIdentifier(identity.name)
  const table = identity.table === undefined ? '' : quoteQualified(identity.schema, identity.table)
  switch (kind) {
    case 'schema':
      return `create schema ${name};`
    case 'table':
      return parts['partition of'] === undefined
        ? undefined
        : `create table ${toReference(identity)} ${['partition of', 'partition bound', 'partition key', 'options'].flatMap((part) => parts[part] ?? []).join(' ')};`
    case 'extension':
      return `create extension ${name} ${definition};`
    case 'column':
      return `alter table ${table} add column ${name} ${columnDefinition(object)};`
    case 'constraint':
      return `alter ${ownerKind(object)} ${table} add constraint ${name} ${definition};`
    case 'index': {
      const unique = parts['uniqueness'] === undefined ? '' : 'unique '
      const place = parts['definition'] ?? ''
      // What a partitioned table does not allow.
      const concurrently = place.startsWith('ON ONLY') ? '' : 'concurrently '
      return `create ${unique}index ${concurrently}${name} ${place};`
    }
    case 'statistics':
      return `${definition};`
    case 'policy':
      return `create policy ${name} on ${table} ${definition};`
    case 'trigger':
    case 'rule': {
      const made = `${(parts['definition'] ?? '').replace(/^create (?:CONSTRAINT )?(?:trigger|rule) /, (head) => `${head}${name} `)};`
      return parts['state'] === 'enabled' ? made : `${made} ${toStateSql(object)}`
    }
    case 'view': {
      const options = parts['options'] === undefined ? '' : ` ${parts['options']}`
      return `create ${parts['view']} ${toReference(identity)}${options} ${parts['query']};`
    }
    case 'sequence':
      return `create ${parts['persistence'] === undefined ? '' : 'unlogged '}sequence ${toReference(identity)} ${Object.entries(
        parts,
      )
        .flatMap(([part, text]) => (part === 'persistence' ? [] : text))
        .join(' ')};`
    case 'function':
    case 'procedure':
      return `${definition.trimEnd()};`
    case 'type':
      return `create type ${toReference(identity)} as ${definition};`
    case 'domain':
      return `create domain ${toReference(identity)} ${definition};`
    case 'grant':
      return toGrantSql(object)
    case 'comment':
      return `comment on ${toTarget(object)} is ${quoteLiteral(definition)};`
    default:
      return undefined
  }
}

/** Returns the statement that drops an object. */
export function toDropSql(object: CatalogObject): string {
  const { kind, identity, parts } = object
  const name = quoteIdentifier(identity.name)
  const table = identity.table === undefined ? '' : quoteQualified(identity.schema, identity.table)
  switch (kind) {
    case 'column':
      return `alter table ${table} drop column ${name};`
    case 'constraint':
      return `alter ${ownerKind(object)} ${table} drop constraint ${name};`
    case 'index':
      return `drop index ${(parts['definition'] ?? '').startsWith('ON ONLY') ? '' : 'concurrently '}${quoteQualified(identity.schema, identity.name)};`
    case 'policy':
    case 'trigger':
    case 'rule':
      return `drop ${kind} ${name} on ${table};`
    case 'table':
      return `drop ${parts['server'] === undefined ? 'table' : 'foreign table'} ${toReference(identity)};`
    case 'view':
      return `drop ${parts['view']} ${toReference(identity)};`
    case 'grant':
      return toRevokeSql(object, '')
    case 'comment':
      return `comment on ${toTarget(object)} is null;`
    default:
      return `drop ${kind} ${toReference(identity)};`
  }
}

/** The statement that enables or disables a trigger or a rule as it is described. */
export function toStateSql({ kind, identity, parts }: CatalogObject): string {
  const state = {
    disabled: 'disable',
    'enabled for replicas only': 'enable replica',
    'enabled always': 'enable always',
  }
  const verb = state[parts['state'] as keyof typeof state] ?? 'enable'
  return `alter table ${quoteQualified(identity.schema, identity.table ?? '')} ${verb} ${kind} ${quoteIdentifier(identity.name)};`
}

/** The statement that takes a privilege away, or only the option to grant it. */
export function toRevokeSql({ identity, parts }: CatalogObject, option: '' | 'grant option for '): string {
  return `revoke ${option}${toPrivilege(identity, parts['privilege'])} from ${toGrantee(parts['grantee'])};`
}

function toGrantSql({ identity, parts }: CatalogObject): string {
  const option = parts['option'] === undefined ? '' : ` ${parts['option']}`
  return `grant ${toPrivilege(identity, parts['privilege'])} to ${toGrantee(parts['grantee'])}${option};`
}

function toPrivilege(identity: ObjectIdentity, privilege = ''): string {
  const { kind, schema, table, name } = identity
  if (kind === 'column' && table !== undefined)
    return `${privilege} (${quoteIdentifier(name)}) on table ${quoteQualified(schema, table)}`
  const words = { view: 'table', aggregate: 'function', domain: 'type' }
  return `${privilege} on ${words[kind as keyof typeof words] ?? kind} ${toReference(identity)}`
}

function toGrantee(role: string | undefined): string {
  return role === undefined ? 'public' : quoteIdentifier(role)
}

/** What a comment is on, as COMMENT wants it. */
function toTarget({ identity, parts }: CatalogObject): string {
  const { kind, schema, table, name } = identity
  const word = parts['of'] === undefined ? '' : `${parts['of']} `
  if (table === undefined) return `${word}${kind} ${toReference(identity)}`
  if (kind === 'index') return `index ${quoteQualified(schema, name)}`
  if (kind === 'column') return `column ${quoteQualified(schema, table)}.${quoteIdentifier(name)}`
  return `${kind} ${quoteIdentifier(name)} on ${word}${quoteQualified(schema, table)}`
}

/** A name in SQL, with schema and arguments. */
export function toReference({ kind, schema, name, args }: ObjectIdentity): string {
  if (kind === 'schema' || kind === 'extension') return quoteIdentifier(name)
  return `${quoteQualified(schema, name)}${args === undefined ? '' : `(${args})`}`
}

function ownerKind({ on }: CatalogObject): 'domain' | 'table' {
  return on?.startsWith('domain ') ? 'domain' : 'table'
}

/** What ADD COLUMN takes. */
function columnDefinition({ parts }: CatalogObject): string {
  const taken = ['type', 'collation', 'generation', 'default', 'identity', 'identity sequence', 'not null']
  return taken
    .flatMap((part) => parts[part] ?? [])
    .join(' ')
    .replace(/ not valid$/, '')
}
