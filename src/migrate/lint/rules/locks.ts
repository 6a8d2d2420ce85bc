/**
 * Rules about locks and lost data, for tables that the set does not make itself: those may be large and in use.
 *
 * The few that hurt most. squawk has more of them, and runs beside these where it is installed.
 */
import { type Rule, type RuleContext, statementRule } from '../rule.ts'
import { nodesOf, relationOf, type Statement, type Tree, textOf, treeOf, walk, wordsOf } from '../syntax-tree.ts'

export const lockRules: readonly Rule[] = [
  statementRule(
    {
      id: 'index-not-concurrent',
      severity: 'warning',
      why: 'Building an index locks the table against writes until it is done.',
      rewrite: 'create index concurrently, in a file of its own with "-- transactional: no".',
    },
    function* ({ kind, tree }, context) {
      const table = relationOf(treeOf(tree, 'relation'), context.migration.schema)
      const isNew = context.facts.tables.has(table) || context.facts.views.has(table)
      if (kind === 'IndexStmt' && tree['concurrent'] !== true && !isNew) yield `on ${table}`
    },
  ),
  statementRule(
    {
      id: 'index-drop-not-concurrent',
      severity: 'warning',
      why: 'Dropping an index waits for, and then blocks, every query on its table.',
      rewrite: 'drop index concurrently, in a file of its own with "-- transactional: no".',
    },
    function* ({ kind, tree }) {
      if (kind === 'DropStmt' && textOf(tree, 'removeType') === 'OBJECT_INDEX' && tree['concurrent'] !== true)
        yield 'drop index'
    },
  ),
  alterRule(
    {
      id: 'constraint-without-not-valid',
      severity: 'warning',
      why: 'Checking every row keeps the table locked meanwhile.',
      rewrite: 'add constraint … not valid; and validate constraint in the next file.',
    },
    function* (command) {
      const constraint = treeOf(treeOf(command, 'def'), 'Constraint')
      const isNew = textOf(command, 'subtype') === 'AT_AddConstraint' && constraint?.['skip_validation'] !== true
      if (isNew && ['CONSTR_FOREIGN', 'CONSTR_CHECK'].includes(textOf(constraint, 'contype')))
        yield `constraint ${textOf(constraint, 'conname')}`
    },
  ),
  alterRule(
    {
      id: 'unique-without-index',
      severity: 'warning',
      why: 'The index behind the constraint is built under a lock that blocks reads and writes.',
      rewrite: 'create unique index concurrently, then add constraint … using index.',
    },
    function* (command) {
      const constraint = treeOf(treeOf(command, 'def'), 'Constraint')
      const isKey = ['CONSTR_UNIQUE', 'CONSTR_PRIMARY'].includes(textOf(constraint, 'contype'))
      if (textOf(command, 'subtype') === 'AT_AddConstraint' && isKey && textOf(constraint, 'indexname') === '')
        yield `constraint ${textOf(constraint, 'conname')}`
      if (textOf(command, 'subtype') === 'AT_AddConstraint' && textOf(constraint, 'contype') === 'CONSTR_EXCLUSION')
        yield `constraint ${textOf(constraint, 'conname')}`
    },
  ),
  alterRule(
    {
      id: 'set-not-null',
      severity: 'warning',
      why: 'It reads every row under a lock that blocks reads and writes.',
      rewrite:
        'add constraint … check (x is not null) not valid, validate it, then set not null, which believes the constraint.',
    },
    function* (command) {
      if (textOf(command, 'subtype') === 'AT_SetNotNull') yield `column ${textOf(command, 'name')}`
    },
  ),
  alterRule(
    {
      id: 'column-type',
      severity: 'warning',
      why: 'Most changes of a type write the whole table anew under a lock that blocks reads and writes.',
      rewrite:
        'Add a column of the new type, fill it in batches, and switch. (To text, and to a longer varchar, is free.)',
    },
    function* (command) {
      if (textOf(command, 'subtype') !== 'AT_AlterColumnType') return
      const type = wordsOf(treeOf(treeOf(treeOf(command, 'def'), 'ColumnDef'), 'typeName'), 'names').at(-1)
      if (type !== 'text' && type !== 'varchar') yield `column ${textOf(command, 'name')}`
    },
  ),
  alterRule(
    {
      id: 'column-default-volatile',
      severity: 'warning',
      why: 'A default that differs per row, or a stored generated column, writes the whole table anew.',
      rewrite: 'Add the column without it, set the default, and fill the rows in batches.',
    },
    function* (command) {
      const column = treeOf(treeOf(command, 'def'), 'ColumnDef')
      if (textOf(command, 'subtype') !== 'AT_AddColumn') return
      for (const [, constraint] of nodesOf(column, 'constraints')) {
        const isDefault = textOf(constraint, 'contype') === 'CONSTR_DEFAULT'
        if (isDefault && calls(constraint)) yield `column ${textOf(column, 'colname')}`
        if (textOf(constraint, 'contype') === 'CONSTR_GENERATED') yield `column ${textOf(column, 'colname')}`
      }
    },
  ),
  alterRule(
    {
      id: 'column-required',
      severity: 'warning',
      why: 'NOT NULL without a default fails on a table that has rows.',
      rewrite: 'Give it a constant default, or add it nullable and fill it first.',
    },
    function* (command) {
      const column = treeOf(treeOf(command, 'def'), 'ColumnDef')
      const types = nodesOf(column, 'constraints').map(([, constraint]) => textOf(constraint, 'contype'))
      const filled = ['CONSTR_DEFAULT', 'CONSTR_IDENTITY', 'CONSTR_GENERATED'].some((type) => types.includes(type))
      if (textOf(command, 'subtype') === 'AT_AddColumn' && types.includes('CONSTR_NOTNULL') && !filled)
        yield `column ${textOf(column, 'colname')}`
    },
  ),
  alterRule(
    {
      id: 'column-dropped',
      severity: 'warning',
      why: 'The rows’ values are gone, and programs that still run name the column.',
      rewrite: 'Deploy programs that do not use it first, and say "-- tenon-lint-ignore column-dropped: why".',
    },
    function* (command) {
      if (textOf(command, 'subtype') === 'AT_DropColumn') yield `column ${textOf(command, 'name')}`
    },
  ),
  statementRule(
    {
      id: 'table-dropped',
      severity: 'warning',
      why: 'The rows are gone, and programs that still run name the table.',
      rewrite: 'Deploy programs that do not use it first, and say "-- tenon-lint-ignore table-dropped: why".',
    },
    function* ({ kind, tree }) {
      if (
        kind === 'DropStmt' &&
        ['OBJECT_TABLE', 'OBJECT_SCHEMA', 'OBJECT_MATVIEW'].includes(textOf(tree, 'removeType'))
      )
        yield textOf(tree, 'removeType').replace('OBJECT_', '').toLowerCase()
    },
  ),
  statementRule(
    {
      id: 'renamed',
      severity: 'warning',
      why: 'Programs that still run know the old name only.',
      rewrite: 'Add the new one beside it, move over, and drop the old one later; or put a view in its place.',
    },
    function* ({ kind, tree }, context) {
      const table = relationOf(treeOf(tree, 'relation'), context.migration.schema)
      if (kind === 'RenameStmt' && treeOf(tree, 'relation') !== undefined && !context.facts.tables.has(table))
        yield `${table} to ${textOf(tree, 'newname')}`
    },
  ),
  statementRule(
    {
      id: 'unbounded-write',
      severity: 'warning',
      why: 'It changes every row of a table in one transaction: locks, bloat, and no way to stop half way.',
      rewrite: 'Work in batches outside the migration, or name the rows with WHERE.',
    },
    function* ({ kind, tree }, context) {
      const table = relationOf(treeOf(tree, 'relation'), context.migration.schema)
      if (kind === 'TruncateStmt') yield 'truncate'
      if (
        (kind === 'UpdateStmt' || kind === 'DeleteStmt') &&
        tree['whereClause'] === undefined &&
        !context.facts.tables.has(table)
      )
        yield `${kind === 'UpdateStmt' ? 'update' : 'delete from'} ${table}`
    },
  ),
  alterRule(
    {
      id: 'partition-detach',
      severity: 'warning',
      why: 'Detaching locks the parent against reads and writes.',
      rewrite: 'detach partition … concurrently, in a file of its own with "-- transactional: no".',
    },
    function* (command) {
      const partition = treeOf(treeOf(command, 'def'), 'PartitionCmd')
      if (textOf(command, 'subtype') === 'AT_DetachPartition' && partition?.['concurrent'] !== true)
        yield textOf(treeOf(partition, 'name'), 'relname')
    },
  ),
]

/** A rule about the commands of ALTER TABLE on a table that the set does not make. */
function alterRule(rule: Omit<Rule, 'check'>, find: (command: Tree, context: RuleContext) => Iterable<string>): Rule {
  return statementRule(rule, function* ({ kind, tree }: Statement, context) {
    if (kind !== 'AlterTableStmt') return
    if (context.facts.tables.has(relationOf(treeOf(tree, 'relation'), context.migration.schema))) return
    for (const [, command] of nodesOf(tree, 'cmds')) yield* find(command, context)
  })
}

/** Whether an expression calls a function that may give every row another value; now() and its kin give one per transaction. */
function calls(tree: Tree): boolean {
  let found = false
  walk(tree, (kind, node) => {
    const name = wordsOf(node, 'funcname').at(-1) ?? ''
    if (kind === 'FuncCall' && !['now', 'current_setting', 'transaction_timestamp'].includes(name)) found = true
    return undefined
  })
  return found
}
