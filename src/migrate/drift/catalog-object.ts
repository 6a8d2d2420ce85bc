/**
 * One object of a database as the catalog describes it, and how it is named.
 *
 * Owns what makes two objects the same one, on any server: kind, schema, table and name, and the types of a function's arguments.
 */

/** The kinds of objects that are read and compared. */
export type CatalogKind =
  | 'schema'
  | 'extension'
  | 'table'
  | 'column'
  | 'constraint'
  | 'index'
  | 'statistics'
  | 'policy'
  | 'trigger'
  | 'rule'
  | 'view'
  | 'sequence'
  | 'function'
  | 'procedure'
  | 'aggregate'
  | 'type'
  | 'domain'
  | 'grant'
  | 'comment'

/** One object of a database. */
export interface CatalogObject {
  readonly kind: CatalogKind
  /** Its schema; '' for an extension, which is in the whole database. */
  readonly schema: string
  /** With its table where it has one: `projects.name`, `score(uuid)`, `select on table projects to anon`. Quoted where SQL would have to. */
  readonly name: string
  /** What the server says of it, under settings that do not depend on the login. Two servers may say the same differently. */
  readonly definition: string
  /** The definition in parts, by what they are called, such as `type` and `default` of a column. */
  readonly parts: Readonly<Record<string, string>>
  /** Key of the object that this one belongs to: the table of a column, the object of a grant. Undefined for one that stands by itself. */
  readonly on: string | undefined
  /** The names as they are, for making SQL of them. */
  readonly identity: ObjectIdentity
}

/** What an object is called, unquoted. Of a grant or a comment it is the object that it is on. */
export interface ObjectIdentity {
  readonly kind: CatalogKind
  readonly schema: string
  readonly table: string | undefined
  readonly name: string
  /** Types of a function's arguments, as SQL. */
  readonly args: string | undefined
}

/** Objects by key: kind and name with schema. */
export type Catalog = ReadonlyMap<string, CatalogObject>

/** A row of the files in sql/introspect. */
export interface CatalogRow {
  readonly kind: CatalogKind
  readonly schema: string
  readonly table: string | null
  readonly name: string
  readonly args: string | null
  readonly parent: readonly [CatalogKind, string, string | null, string, string | null] | null
  readonly parts: Readonly<Record<string, string>>
}

/** The object that a row describes, with its key. */
export function toCatalogObject(row: CatalogRow): readonly [string, CatalogObject] {
  const { kind, schema, parts } = row
  const parent = row.parent === null ? undefined : toKey(toIdentity(...row.parent))
  if (kind !== 'grant' && kind !== 'comment') {
    const identity = toIdentity(kind, schema, row.table, row.name, row.args)
    const definition = Object.values(parts).join(' ')
    return [toKey(identity), { kind, schema, name: toName(identity), definition, parts, on: parent, identity }]
  }
  const { on, ...rest } = parts
  // sql/introspect says the kind of the object in `on`.
  const identity = toIdentity(on as CatalogKind, schema, row.table, row.name, row.args)
  const target = toKey(identity)
  const object = { kind, schema, parts: rest, on: parent ?? target, identity }
  const place = `on ${identity.kind} ${toName(identity)}`
  if (kind === 'comment') return [`comment on ${target}`, { ...object, name: place, definition: rest['text'] ?? '' }]
  const { privilege = '', grantee, option = '' } = rest
  const to = `to ${grantee === undefined ? 'PUBLIC' : display(grantee)}`
  return [
    `grant ${privilege} on ${target} ${to}`,
    { ...object, name: `${privilege} ${place} ${to}`, definition: option },
  ]
}

/** The key of an object in a catalog. */
export function toKey(identity: ObjectIdentity): string {
  const { kind, schema } = identity
  const name = toName(identity)
  return kind === 'schema' || kind === 'extension' ? `${kind} ${name}` : `${kind} ${display(schema)}.${name}`
}

/** The key of a schema. */
export function schemaKey(name: string): string {
  return `schema ${display(name)}`
}

function toIdentity(
  ...[kind, schema, table, name, args]: [CatalogKind, string, string | null, string, string | null]
): ObjectIdentity {
  return { kind, schema, table: table ?? undefined, name, args: args ?? undefined }
}

function toName({ table, name, args }: ObjectIdentity): string {
  const own = args === undefined ? display(name) : `${display(name)}(${args})`
  return table === undefined ? own : `${display(table)}.${own}`
}

/** A name for people, and for keys: quoted when its characters need it. Not for SQL, since a reserved word stays as it is. */
function display(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}
