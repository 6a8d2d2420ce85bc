/**
 * What a set of migrations makes, taken together: a table is judged by all files that touch it, and the locks of a table matter only where
 * it can hold rows already.
 */
import { nodesOf, type ParsedMigration, relationOf, type Statement, textOf, treeOf, wordsOf } from './syntax-tree.ts'

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

export interface SetFacts {
  /** By `schema.name`. */
  readonly tables: ReadonlyMap<string, TableFacts>
}

/** Reads the facts off all migrations of a set. */
export function readFacts(parsed: readonly ParsedMigration[]): SetFacts {
  const tables = new Map<string, TableFacts>()
  for (const { migration, statements } of parsed)
    for (const statement of statements) read(statement, migration.schema, migration.file.path, tables)
  return { tables }
}

function read(statement: Statement, schema: string, path: string, tables: Map<string, TableFacts>): void {
  const { kind, tree, line } = statement
  if (kind === 'CreateStmt') {
    const name = relationOf(treeOf(tree, 'relation'), schema)
    const leading = new Set<string>()
    tables.set(name, { name, path, line, rowSecurity: false, policies: 0, granted: false, leading })
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
  } else if (kind === 'GrantStmt' && tree['is_grant'] === true && textOf(tree, 'objtype') === 'OBJECT_TABLE') {
    for (const [, object] of nodesOf(tree, 'objects')) {
      const table = tables.get(relationOf(object, schema))
      if (table !== undefined) table.granted = true
    }
  }
}

function addKey(leading: Set<string>, columns: readonly string[], contype: string): void {
  const [first] = columns
  if (first !== undefined && (contype === 'CONSTR_PRIMARY' || contype === 'CONSTR_UNIQUE')) leading.add(first)
}
