/** What a rule is, and what it is given. */
import type { SetFacts } from './set-facts.ts'
import type { ParsedMigration, Statement } from './syntax-tree.ts'

export type Severity = 'error' | 'warning'

/** Where a rule found something. */
export interface Hit {
  readonly line: number
  readonly column?: number
  /** What it is about, in a few words: a table, a policy, a word. */
  readonly message: string
}

/** What a rule sees: one migration, and the set it is part of. */
export interface RuleContext extends ParsedMigration {
  readonly facts: SetFacts
  /** Where sessions of the outside reach: tables there need row security. */
  readonly target: 'plain' | 'supabase'
}

/** One rule: a sentence why, and what to write instead. */
export interface Rule {
  readonly id: string
  readonly severity: Severity
  readonly why: string
  readonly rewrite: string
  check(context: RuleContext): Iterable<Hit>
}

/** A rule that looks at one statement at a time. */
export function statementRule(
  rule: Omit<Rule, 'check'>,
  find: (statement: Statement, context: RuleContext) => Iterable<string>,
): Rule {
  return {
    ...rule,
    *check(context) {
      for (const statement of context.statements)
        for (const message of find(statement, context)) yield { line: statement.line, message }
    },
  }
}
