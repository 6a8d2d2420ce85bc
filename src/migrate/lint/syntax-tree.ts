/**
 * PostgreSQL's own parser on a migration, and looking around in its trees.
 *
 * Owns loading libpg-query, which is optional, and turning its places (bytes) into lines. What a tree means is the rules' affair.
 */
import { TenonError } from '../../kernel/errors.ts'
import type { Migration } from '../migration.ts'

/** A node: its fields, some of which are nodes wrapped in an object whose one key is their kind. */
export type Tree = Readonly<Record<string, unknown>>

/** One statement of a migration. */
export interface Statement {
  /** `CreateStmt`, `IndexStmt`, …, as PostgreSQL's parser calls it. */
  readonly kind: string
  readonly tree: Tree
  readonly line: number
  readonly text: string
}

/** A migration, parsed; `failure` instead of statements where it is no SQL. */
export interface ParsedMigration {
  readonly migration: Migration
  readonly statements: readonly Statement[]
  readonly failure: { readonly message: string; readonly line: number; readonly column: number } | undefined
}

/** The part of libpg-query that is used. */
interface Parser {
  parse(sql: string): Promise<{
    readonly stmts?: readonly { readonly stmt: Tree; readonly stmt_location?: number; readonly stmt_len?: number }[]
  }>
}

/** Loads the parser. @throws {TenonError} DEPENDENCY_MISSING */
export async function loadParser(): Promise<Parser> {
  try {
    return (await import('libpg-query')) as unknown as Parser
  } catch (cause) {
    throw new TenonError({
      code: 'DEPENDENCY_MISSING',
      message: 'the lint needs PostgreSQL’s parser, the package libpg-query',
      hint: 'npm install -D libpg-query',
      cause,
    })
  }
}

/** Parses a migration. Its lines are those of the source file: filling placeholders moves none. */
export async function parseMigration(parser: Parser, migration: Migration): Promise<ParsedMigration> {
  const { sql } = migration
  const bytes = Buffer.from(sql)
  try {
    const { stmts = [] } = await parser.parse(sql)
    const statements = stmts.flatMap(({ stmt, stmt_location: from = 0, stmt_len: length }): Statement[] => {
      const [[kind, tree] = []] = Object.entries(stmt)
      if (kind === undefined) return []
      const text = bytes.subarray(from, length === undefined ? undefined : from + length).toString()
      const lead = leadingTrivia(text)
      const line = bytes.subarray(0, from).toString().split('\n').length + text.slice(0, lead).split('\n').length - 1
      return [{ kind, tree: tree as Tree, line, text: text.slice(lead) }]
    })
    return { migration, statements, failure: undefined }
  } catch (error) {
    return { migration, statements: [], failure: failureOf(error, sql) }
  }
}

/** Comments and white space before a statement belong to its text. */
function leadingTrivia(text: string): number {
  return /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/.exec(text)?.[0].length ?? 0
}

function failureOf(error: unknown, sql: string): NonNullable<ParsedMigration['failure']> {
  const details = error instanceof Error && 'sqlDetails' in error ? (error.sqlDetails as Tree | undefined) : undefined
  // The message of a parser names a word of the file and no value of a row.
  const message = error instanceof Error ? error.message : 'it cannot be parsed'
  const position = details?.['cursorPosition']
  const before = [...sql].slice(0, typeof position === 'number' ? position : 0).join('')
  const lines = before.split('\n')
  return { message, line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 }
}

/** A field as a node. */
export function treeOf(tree: Tree | undefined, field: string): Tree | undefined {
  const value = tree?.[field]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : undefined
}

/** A field as a list of wrapped nodes: the kind and the node of each. */
export function nodesOf(tree: Tree | undefined, field: string): readonly (readonly [kind: string, tree: Tree])[] {
  const value = tree?.[field]
  if (!Array.isArray(value)) return []
  return value.flatMap((item: unknown) => {
    const [entry] = typeof item === 'object' && item !== null ? Object.entries(item) : []
    return entry === undefined ? [] : [[entry[0], entry[1] as Tree] as const]
  })
}

/** A field as text, '' when it is none. */
export function textOf(tree: Tree | undefined, field: string): string {
  const value = tree?.[field]
  return typeof value === 'string' ? value : ''
}

/** The words of a list of strings, such as the parts of a qualified name. */
export function wordsOf(tree: Tree | undefined, field: string): readonly string[] {
  return nodesOf(tree, field).flatMap(([kind, node]) => (kind === 'String' ? [textOf(node, 'sval')] : []))
}

/** A relation as `schema.name`; unqualified names are in `schema`. */
export function relationOf(tree: Tree | undefined, schema: string): string {
  return `${textOf(tree, 'schemaname') || schema}.${textOf(tree, 'relname')}`
}

/** What to do below a node. */
export type Descend = 'stop' | undefined

/** Visits every wrapped node below a tree, outermost first. A visitor that answers 'stop' is not shown what is below. */
export function walk(tree: unknown, visit: (kind: string, node: Tree) => Descend): void {
  if (typeof tree !== 'object' || tree === null) return
  if (Array.isArray(tree)) {
    for (const item of tree) walk(item, visit)
    return
  }
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value !== 'object' || value === null) continue
    const isKind = /^[A-Z]/.test(key) && !Array.isArray(value)
    if (isKind && visit(key, value as Tree) === 'stop') continue
    walk(value, visit)
  }
}
