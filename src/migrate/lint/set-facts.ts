/**
 * What a set of migrations makes, taken together: a table is judged by all files that touch it, and the locks of a table matter only where
 * it can hold rows already.
 */
import {
  nodesOf,
  type ParsedMigration,
  relationOf,
  type Statement,
  type Tree,
  textOf,
  treeOf,
  walk,
  wordsOf,
} from './syntax-tree.ts'

/** A table that the set makes. */
export interface TableFacts {
  readonly name: string
  readonly path: string
  readonly line: number
  rowSecurity: boolean
  policies: number
  granted: boolean
  /** First columns of its indexes and keys. */
  readonly leading: Set<string>
}

/** A view or materialized view that the set makes. */
export interface ViewFacts {
  readonly name: string
  readonly path: string
  readonly line: number
  readonly materialized: boolean
  /** Names of what its query reads. */
  readonly reads: ReadonlySet<string>
  /** Roles that may read it by the set's own word. */
  readonly grantedTo: Set<string>
  /** Roles that it was taken from. */
  readonly takenFrom: Set<string>
}

export interface SetFacts {
  /** By `schema.name`. */
  readonly tables: ReadonlyMap<string, TableFacts>
  readonly views: ReadonlyMap<string, ViewFacts>
}

/** Privileges on what will be made, as ALTER DEFAULT PRIVILEGES gives them. */
interface DefaultGrant {
  /** Undefined where it is of every schema. */
  readonly schemas: readonly string[] | undefined
  readonly roles: readonly string[]
}

interface Facts extends SetFacts {
  readonly tables: Map<string, TableFacts>
  readonly views: Map<string, ViewFacts>
  readonly defaults: DefaultGrant[]
}

/** Reads the facts off all migrations of a set. */
export function readFacts(parsed: readonly ParsedMigration[]): SetFacts {
  const facts: Facts = { tables: new Map(), views: new Map(), defaults: [] }
  for (const { migration, statements } of parsed)
    for (const statement of statements) read(statement, migration.schema, migration.file.path, facts)
  return facts
}

function read(statement: Statement, schema: string, path: string, facts: Facts): void {
  const { kind, tree, line } = statement
  const { tables } = facts
  if (kind === 'CreateStmt') {
    const name = relationOf(treeOf(tree, 'relation'), schema)
    const leading = new Set<string>()
    const granted = rolesByDefault(facts, name).length > 0
    tables.set(name, { name, path, line, rowSecurity: false, policies: 0, granted, leading })
    for (const [element, node] of nodesOf(tree, 'tableElts')) {
      if (element === 'Constraint') addKey(leading, wordsOf(node, 'keys'), textOf(node, 'contype'))
      if (element === 'ColumnDef')
        for (const [, constraint] of nodesOf(node, 'constraints'))
          addKey(leading, [textOf(node, 'colname')], textOf(constraint, 'contype'))
    }
  } else if (kind === 'AlterTableStmt') {
    const table = tables.get(relationOf(treeOf(tree, 'relation'), schema))
    if (table === undefined) return
    for (const [, command] of nodesOf(tree, 'cmds')) {
      if (textOf(command, 'subtype') === 'AT_EnableRowSecurity') table.rowSecurity = true
      const constraint = treeOf(treeOf(command, 'def'), 'Constraint')
      addKey(table.leading, wordsOf(constraint, 'keys'), textOf(constraint, 'contype'))
    }
  } else if (kind === 'CreatePolicyStmt') {
    const table = tables.get(relationOf(treeOf(tree, 'table'), schema))
    if (table !== undefined) table.policies += 1
  } else if (kind === 'IndexStmt') {
    const [[, first] = []] = nodesOf(tree, 'indexParams')
    tables.get(relationOf(treeOf(tree, 'relation'), schema))?.leading.add(textOf(first, 'name'))
  } else if (kind === 'ViewStmt') {
    addView(facts, { name: relationOf(treeOf(tree, 'view'), schema), path, line, query: tree['query'], schema })
  } else if (kind === 'CreateTableAsStmt' && textOf(tree, 'objtype') === 'OBJECT_MATVIEW') {
    const name = relationOf(treeOf(treeOf(tree, 'into'), 'rel'), schema)
    addView(facts, { name, path, line, query: tree['query'], schema, materialized: true })
  } else if (kind === 'GrantStmt' && textOf(tree, 'objtype') === 'OBJECT_TABLE') {
    for (const name of objectsOf(tree, schema, facts)) grant(tree, tables.get(name), facts.views.get(name))
  } else if (kind === 'AlterDefaultPrivilegesStmt') {
    const action = treeOf(tree, 'action')
    if (action?.['is_grant'] !== true || textOf(action, 'objtype') !== 'OBJECT_TABLE') return
    const option = nodesOf(tree, 'options').find(([, each]) => textOf(each, 'defname') === 'schemas')?.[1]
    const schemas = wordsOf(treeOf(treeOf(option, 'arg'), 'List'), 'items')
    facts.defaults.push({ schemas: option === undefined ? undefined : schemas, roles: granteesOf(action) })
  }
}

interface MadeView {
  readonly name: string
  readonly path: string
  readonly line: number
  readonly query: unknown
  readonly schema: string
  readonly materialized?: boolean
}

function addView(facts: Facts, { name, path, line, query, schema, materialized = false }: MadeView): void {
  const own = new Set<string>()
  const reads = new Set<string>()
  walk(query, (node, tree) => {
    if (node === 'CommonTableExpr') own.add(textOf(tree, 'ctename'))
    return undefined
  })
  walk(query, (node, tree) => {
    const isOwn = textOf(tree, 'schemaname') === '' && own.has(textOf(tree, 'relname'))
    if (node === 'RangeVar' && !isOwn) reads.add(relationOf(tree, schema))
    return undefined
  })
  const grantedTo = new Set(rolesByDefault(facts, name))
  facts.views.set(name, { name, path, line, materialized, reads, grantedTo, takenFrom: new Set() })
}

/** The tables and views of a grant. */
function objectsOf(tree: Tree, schema: string, { tables, views }: Facts): readonly string[] {
  if (textOf(tree, 'targtype') !== 'ACL_TARGET_ALL_IN_SCHEMA')
    return nodesOf(tree, 'objects').map(([, object]) => relationOf(object, schema))
  const schemas = wordsOf(tree, 'objects')
  return [...tables.keys(), ...views.keys()].filter((name) => schemas.some((each) => name.startsWith(`${each}.`)))
}

function grant(tree: Tree, table: TableFacts | undefined, view: ViewFacts | undefined): void {
  const privileges = nodesOf(tree, 'privileges').map(([, privilege]) => textOf(privilege, 'priv_name'))
  const isGrant = tree['is_grant'] === true
  if (table !== undefined && isGrant) table.granted = true
  if (view === undefined || (privileges.length > 0 && !privileges.includes('select'))) return
  for (const role of granteesOf(tree)) {
    view[isGrant ? 'grantedTo' : 'takenFrom'].add(role)
    view[isGrant ? 'takenFrom' : 'grantedTo'].delete(role)
  }
}

function granteesOf(tree: Tree): readonly string[] {
  return nodesOf(tree, 'grantees').map(([, role]) =>
    textOf(role, 'roletype') === 'ROLESPEC_PUBLIC' ? 'public' : textOf(role, 'rolename'),
  )
}

function rolesByDefault({ defaults }: Facts, name: string): readonly string[] {
  const isThere = ({ schemas }: DefaultGrant) =>
    schemas === undefined || schemas.some((schema) => name.startsWith(`${schema}.`))
  return defaults.filter(isThere).flatMap(({ roles }) => roles)
}

function addKey(leading: Set<string>, columns: readonly string[], contype: string): void {
  const [first] = columns
  if (first !== undefined && (contype === 'CONSTR_PRIMARY' || contype === 'CONSTR_UNIQUE')) leading.add(first)
}
