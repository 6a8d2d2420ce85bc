/** Rules about the transaction a file runs in: it belongs to whoever runs the file, and some statements cannot be in one. */
import { type Rule, statementRule } from '../rule.ts'
import { nodesOf, type Statement, textOf, treeOf } from '../syntax-tree.ts'

export const transactionRules: readonly Rule[] = [
  statementRule(
    {
      id: 'transaction-control',
      severity: 'error',
      why: 'The runner’s transaction would end in the middle of the file: what ran stays, what follows runs alone.',
      rewrite: 'Leave BEGIN, COMMIT and ROLLBACK to the runner; split the file where two transactions are meant.',
    },
    function* ({ kind, text }) {
      if (kind === 'TransactionStmt') yield text.split(/\s/)[0]?.toLowerCase() ?? 'transaction'
      // In a body of PL/pgSQL these words are statements only at the begin of one.
      const ends = /(?:^|[;\s])(commit|rollback)\s*(?:and\s+(?:no\s+)?chain\s*)?;/i.exec(
        kind === 'DoStmt' ? withoutStrings(text) : '',
      )
      if (ends !== null) yield `${ends[1]?.toLowerCase()} in a DO block`
    },
  ),
  {
    id: 'transaction-mixed',
    severity: 'error',
    why: 'The statement cannot run in a transaction, and beside others it would leave them half done.',
    rewrite: 'Put it into a file of its own with the header line "-- transactional: no".',
    *check({ migration, statements }) {
      for (const statement of statements) {
        if (!runsAlone(statement)) continue
        if (migration.file.transactional || statements.length > 1)
          yield { line: statement.line, message: statement.text.split('\n')[0]?.slice(0, 60) ?? '' }
      }
    },
  },
  {
    id: 'transaction-needless',
    severity: 'warning',
    why: 'Outside a transaction the statement and its row in the ledger are not one: a killed run has to be finished by the next.',
    rewrite: 'Remove "-- transactional: no".',
    *check({ migration, statements }) {
      const [only] = statements
      if (!migration.file.transactional && only !== undefined && !runsAlone(only))
        yield { line: only.line, message: 'the statement can run in a transaction' }
    },
  },
  {
    id: 'validate-in-same-transaction',
    severity: 'warning',
    why: 'VALIDATE in the transaction that added the constraint keeps its lock through the whole scan, which NOT VALID was to avoid.',
    rewrite: 'Validate in the next file.',
    *check({ statements }) {
      const added = new Set(commands(statements, 'AT_AddConstraint').map(({ command }) => nameOf(command)))
      for (const { line, command } of commands(statements, 'AT_ValidateConstraint'))
        if (added.has(textOf(command, 'name'))) yield { line, message: `constraint ${textOf(command, 'name')}` }
    },
  },
  statementRule(
    {
      id: 'concurrent-index-unnamed',
      severity: 'warning',
      why: 'An interrupted concurrent build leaves an invalid index, which can be found again only by its name.',
      rewrite: 'Name the index.',
    },
    function* ({ kind, tree }) {
      if (kind === 'IndexStmt' && tree['concurrent'] === true && textOf(tree, 'idxname') === '') yield 'no name'
    },
  ),
  statementRule(
    {
      id: 'concurrent-index-if-not-exists',
      severity: 'warning',
      why: '"if not exists" takes the invalid index of an interrupted build for the index.',
      rewrite: 'Leave it out: the runner drops what an interrupted build left.',
    },
    function* ({ kind, tree }) {
      if (kind === 'IndexStmt' && tree['concurrent'] === true && tree['if_not_exists'] === true)
        yield textOf(tree, 'idxname')
    },
  ),
]

const alone: readonly string[] = [
  'AlterSystemStmt',
  'CreatedbStmt',
  'DropdbStmt',
  'CreateTableSpaceStmt',
  'DropTableSpaceStmt',
  'CreateSubscriptionStmt',
  'DropSubscriptionStmt',
]

function runsAlone({ kind, tree, text }: Statement): boolean {
  if (kind === 'IndexStmt') return tree['concurrent'] === true
  if (kind === 'DropStmt') return tree['concurrent'] === true
  if (kind === 'ReindexStmt') return /\bconcurrently\b/i.test(text)
  if (kind === 'VacuumStmt') return tree['is_vacuumcmd'] === true
  if (kind === 'AlterTableStmt')
    return nodesOf(tree, 'cmds').some(
      ([, command]) =>
        textOf(command, 'subtype') === 'AT_DetachPartition' &&
        treeOf(treeOf(command, 'def'), 'PartitionCmd')?.['concurrent'] === true,
    )
  return alone.includes(kind)
}

function commands(statements: readonly Statement[], subtype: string) {
  return statements.flatMap(({ kind, tree, line }) =>
    kind === 'AlterTableStmt'
      ? nodesOf(tree, 'cmds').flatMap(([, command]) =>
          textOf(command, 'subtype') === subtype ? [{ line, command }] : [],
        )
      : [],
  )
}

function nameOf(command: Parameters<typeof treeOf>[0]): string {
  return textOf(treeOf(treeOf(command, 'def'), 'Constraint'), 'conname')
}

function withoutStrings(text: string): string {
  return text.replace(/--[^\n]*/g, ' ').replace(/'(?:[^']|'')*'/g, "''")
}
