/** Rules about the text: what is no SQL, names, and what a set of migrations should not hold at all. */
import { codeOf } from '../../module-file.ts'
import { type Rule, statementRule } from '../rule.ts'
import { nodesOf, textOf, treeOf, walk, wordsOf } from '../syntax-tree.ts'

/** NAMEDATALEN - 1. */
const longestName = 63

/** Where a tree has the name of what it makes, when that is no relation: functions, types, domains, operators, aggregates and their like. */
const madeNames = ['funcname', 'typeName', 'domainname', 'defnames', 'opclassname', 'opfamilyname'] as const

export const sourceRules: readonly Rule[] = [
  {
    id: 'syntax-error',
    severity: 'error',
    why: 'PostgreSQL cannot parse the file, so no run of it can succeed.',
    rewrite: 'Mend the statement at this place.',
    *check({ failure }) {
      if (failure !== undefined) yield failure
    },
  },
  {
    id: 'down-missing',
    severity: 'warning',
    why: 'Without "-- down:" nobody can take the migration back, and whoever has to will write it in a hurry.',
    rewrite: 'Add "-- down:" with the SQL that undoes it, or "-- down: none (the reason)".',
    *check({ migration }) {
      if (!/^-- down:/m.test(migration.file.sql)) yield { line: 1, message: 'the file does not say how it is undone' }
    },
  },
  statementRule(
    {
      id: 'identifier-too-long',
      severity: 'error',
      why: 'PostgreSQL cuts a name after 63 bytes without an error; two names can become one.',
      rewrite: 'Choose a shorter name.',
    },
    function* ({ text }) {
      for (const [, quoted, plain] of codeOf(text).matchAll(/"((?:[^"]|"")+)"|\b([a-z_]\w*)/gi)) {
        const name = quoted?.replaceAll('""', '"') ?? plain ?? ''
        if (Buffer.byteLength(name) > longestName)
          yield `a name has ${Buffer.byteLength(name)} bytes: ${name.slice(0, 20)}…`
      }
    },
  ),
  statementRule(
    {
      id: 'unqualified-name',
      severity: 'warning',
      why: 'Where an unqualified object lands depends on the search_path of whoever runs the file, which differs between tools.',
      rewrite: 'Write schema.name.',
    },
    function* ({ kind, tree }) {
      // CREATE TABLE AS and CREATE MATERIALIZED VIEW have it one level below.
      const made = treeOf(treeOf(tree, 'into'), 'rel')
      for (const relation of [...['relation', 'table', 'view', 'typevar'].map((field) => treeOf(tree, field)), made]) {
        if (relation !== undefined && textOf(relation, 'relname') !== '' && textOf(relation, 'schemaname') === '')
          yield `${textOf(relation, 'relname')} has no schema`
      }
      if (!kind.startsWith('Create') && kind !== 'DefineStmt') return
      for (const field of madeNames) {
        const words = wordsOf(tree, field)
        if (words.length === 1) yield `${words[0]} has no schema`
      }
    },
  ),
  statementRule(
    {
      id: 'extension-in-migration',
      severity: 'warning',
      why: 'Extensions need rights that a migration login often lacks, and belong into another schema on every platform.',
      rewrite: 'Let an administrator create it once, and say so in the header’s "privilege".',
    },
    function* ({ kind, tree }) {
      if (kind === 'CreateExtensionStmt') yield `create extension ${textOf(tree, 'extname')}`
    },
  ),
  statementRule(
    {
      id: 'collision-hidden',
      severity: 'warning',
      why: '"if not exists" and "or replace" take an object of somebody else for ours, and the migration succeeds over it.',
      rewrite: 'Leave it out: a name that is taken must fail.',
    },
    function* ({ kind, tree, text }) {
      if (tree['if_not_exists'] === true && ['CreateStmt', 'IndexStmt', 'CreateSeqStmt'].includes(kind))
        yield 'if not exists'
      if (tree['replace'] === true && /^create\s+or\s+replace\b/i.test(text)) yield 'or replace'
    },
  ),
  statementRule(
    {
      id: 'enum-value-used',
      severity: 'error',
      why: 'A value that was added to an enum cannot be used before the transaction that added it has committed.',
      rewrite: 'Use the value in the next file.',
    },
    function* ({ kind, tree, line }, { statements }) {
      const value = textOf(tree, 'newVal')
      if (kind !== 'AlterEnumStmt' || value === '' || textOf(tree, 'oldVal') !== '') return
      for (const other of statements) {
        if (other.line <= line || other.kind === 'AlterEnumStmt') continue
        let used = false
        walk(other.tree, (node, constant) => {
          if (node === 'A_Const' && textOf(treeOf(constant, 'sval'), 'sval') === value) used = true
          return undefined
        })
        if (used) yield `'${value}' is used in line ${other.line}`
      }
    },
  ),
  statementRule(
    {
      id: 'enum-value-removed',
      severity: 'warning',
      why: 'Rows and code may still hold a renamed value.',
      rewrite: 'Add the new value, move the rows, and stop using the old one.',
    },
    function* ({ kind, tree }) {
      if (kind === 'AlterEnumStmt' && textOf(tree, 'oldVal') !== '') yield `'${textOf(tree, 'oldVal')}' is renamed`
    },
  ),
  statementRule(
    {
      id: 'serial-column',
      severity: 'warning',
      why: 'serial makes a sequence that is owned and granted apart from its table.',
      rewrite: 'bigint generated always as identity.',
    },
    function* ({ kind, tree }) {
      if (kind !== 'CreateStmt') return
      for (const [element, column] of nodesOf(tree, 'tableElts')) {
        const type = wordsOf(treeOf(column, 'typeName'), 'names').at(-1) ?? ''
        if (element === 'ColumnDef' && /^(small|big)?serial\d?$/.test(type)) yield `column ${textOf(column, 'colname')}`
      }
    },
  ),
]
