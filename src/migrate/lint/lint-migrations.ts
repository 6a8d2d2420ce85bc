/**
 * Looks at migrations before anybody runs them: by PostgreSQL's own parser, and by rules that a general lint of SQL cannot have.
 *
 * It asks no database. General rules of SQL come from squawk where that is installed.
 */
import type { ExportFormat } from '../export/formats/index.ts'
import { listMigrations, type MigrationSet } from '../migration.ts'
import { applyIgnores } from './ignores.ts'
import type { Finding, LintReport } from './lint-report.ts'
import { type Released, releaseFindings, releaseRules } from './release.ts'
import type { Rule, RuleContext } from './rule.ts'
import { lockRules } from './rules/locks.ts'
import { securityRules } from './rules/security.ts'
import { sourceRules } from './rules/source.ts'
import { transactionRules } from './rules/transaction.ts'
import { readFacts } from './set-facts.ts'
import { runSquawk } from './squawk.ts'
import { loadParser, type ParsedMigration, parseMigration } from './syntax-tree.ts'

/** Options of {@link lintMigrations}. */
export interface LintOptions extends MigrationSet {
  /** supabase: every table needs row security, because its API reaches them all. Default plain: those with a grant do. */
  readonly target?: 'plain' | 'supabase' | undefined
  /** Formats of exports whose markers must not stand in a file. Default: none. */
  readonly formats?: readonly ExportFormat[] | undefined
  /** What is released, as `module/version_slug` to the hash of the source: from a ledger or a lock file. Default: nothing. */
  readonly released?: Released | undefined
  /** off: do not look for squawk. Default auto. */
  readonly squawk?: 'auto' | 'off' | undefined
}

/** The rules that look at one migration, in the order of the documentation. */
const rules: readonly Rule[] = [...sourceRules, ...transactionRules, ...securityRules, ...lockRules]

/** Every rule with its severity and what it says, for the documentation. */
export const lintRules: readonly Pick<Rule, 'id' | 'severity' | 'why' | 'rewrite'>[] = [...rules, ...releaseRules]

/**
 * Lints migrations.
 *
 * @returns findings by file and line; what `-- tenon-lint-ignore rule: why` excuses is left out
 * @throws {TenonError} DEPENDENCY_MISSING without the package libpg-query; OPTION_INVALID and MIGRATION_SOURCE as `applyMigrations`
 * @example
 * ```ts
 * const { findings } = await lintMigrations({ modules: await readModules('migrations'), target: 'supabase' })
 * ```
 */
export async function lintMigrations(options: LintOptions): Promise<LintReport> {
  const named = new Set(options.modules.map((choice) => (typeof choice === 'string' ? choice : choice.name)))
  const all = listMigrations(options)
  const parser = await loadParser()
  const parsed: ParsedMigration[] = []
  for (const migration of all) parsed.push(await parseMigration(parser, migration))
  // What the named modules require belongs to the set, and is not what was asked about.
  const asked = parsed.filter(({ migration }) => named.has(migration.module.name))
  const facts = readFacts(parsed)
  const migrations = asked.map(({ migration }) => migration)
  const released = [...releaseFindings(migrations, options.released ?? new Map(), options.formats ?? [])]
  const findings = asked.flatMap((one) => {
    const context: RuleContext = { ...one, facts, target: options.target ?? 'plain' }
    const own = rules.flatMap((rule) => findingsOf(rule, context))
    return applyIgnores([...own, ...released.filter(({ file }) => file === one.migration.file.path)], one)
  })
  const squawk = options.squawk === 'off' ? undefined : await runSquawk(migrations, findings)
  const order = new Map(migrations.map(({ file }, i) => [file.path, i]))
  return {
    findings: [...findings, ...(squawk ?? [])].sort(
      (a, b) => (order.get(a.file) ?? 0) - (order.get(b.file) ?? 0) || a.line - b.line || a.column - b.column,
    ),
    files: migrations.length,
    squawk: squawk !== undefined,
  }
}

function findingsOf({ id, severity, why, rewrite, check }: Rule, context: RuleContext): readonly Finding[] {
  const file = context.migration.file.path
  return [...check(context)].map(({ line, column = 1, message }) => ({
    rule: id,
    severity,
    file,
    line,
    column,
    message,
    why,
    rewrite,
  }))
}
