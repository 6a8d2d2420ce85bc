/** What a lint found, as text for a person and as SARIF for the tools that show it in a review. */
import type { Severity } from './rule.ts'

/** One finding. */
export interface Finding {
  /** The rule's id; `squawk/…` for one of squawk's. */
  readonly rule: string
  readonly severity: Severity
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly column: number
  /** What it is about. */
  readonly message: string
  readonly why: string
  /** What to write instead. */
  readonly rewrite: string
}

export interface LintReport {
  /** By file and line. */
  readonly findings: readonly Finding[]
  /** Files that were looked at. */
  readonly files: number
  /** Whether squawk ran too. */
  readonly squawk: boolean
}

/**
 * The report for a person: `file:line:column severity rule`, and below it what, why and what to write instead.
 *
 * @example
 * ```ts
 * console.log(toLintText(await lintMigrations({ modules: [app] })))
 * ```
 */
export function toLintText({ findings, files, squawk }: LintReport): string {
  const blocks = findings.map(({ file, line, column, severity, rule, message, why, rewrite }) =>
    `${file}:${line}:${column} ${severity} ${rule}: ${message}\n  ${why}\n  ${rewrite}`.trimEnd(),
  )
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length
  const without = squawk ? '' : '; squawk is not installed, so its rules were not asked (npm install -D squawk-cli)'
  return [...blocks, `${files} files, ${count('error')} errors, ${count('warning')} warnings${without}`].join('\n')
}

/**
 * The report as SARIF 2.1.0.
 *
 * @see https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
 */
export function toSarif({ findings }: LintReport): object {
  const rules = new Map(findings.map((finding) => [finding.rule, finding]))
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'tenon migrate lint',
            rules: [...rules.values()].map(({ rule, severity, why, rewrite }) => ({
              id: rule,
              shortDescription: { text: why },
              help: { text: rewrite || why },
              defaultConfiguration: { level: severity },
            })),
          },
        },
        results: findings.map(({ rule, severity, file, line, column, message, rewrite }) => ({
          ruleId: rule,
          level: severity,
          message: { text: rewrite === '' ? message : `${message}. ${rewrite}` },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: encodeURI(file) },
                region: { startLine: line, startColumn: column },
              },
            },
          ],
        })),
      },
    ],
  }
}
