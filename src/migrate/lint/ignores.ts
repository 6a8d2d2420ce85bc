/**
 * `-- tenon-lint-ignore rule: why`: on the line above a statement (or on its first line) for that statement, in the header for the whole file.
 *
 * An ignore must say why, and one that matches nothing is a finding itself: what it excused is gone.
 */
import type { Finding } from './lint-report.ts'
import type { ParsedMigration } from './syntax-tree.ts'

interface Ignore {
  readonly rule: string
  readonly why: string
  readonly line: number
  /** Lines it is for. */
  readonly from: number
  readonly to: number
  used: boolean
}

/** Takes out what is ignored, and adds what is wrong with the ignores. */
export function applyIgnores(findings: readonly Finding[], parsed: ParsedMigration): readonly Finding[] {
  const { path, sql } = parsed.migration.file
  const ignores = readIgnores(sql, parsed)
  const kept = findings.filter((finding) => {
    const ignore = ignores.find(
      ({ rule, from, to }) => rule === finding.rule && finding.line >= from && finding.line <= to,
    )
    if (ignore === undefined) return true
    ignore.used = true
    return ignore.why === ''
  })
  const about = (line: number, message: string, rule: string): Finding => ({
    rule,
    severity: 'warning',
    file: path,
    line,
    column: 1,
    message,
    why: 'An ignore is a decision, and whoever reads it later has to know why and whether it still holds.',
    rewrite: '-- tenon-lint-ignore rule: why',
  })
  return [
    ...kept,
    ...ignores
      .filter(({ why }) => why === '')
      .map(({ line, rule }) => about(line, `${rule} without a reason`, 'ignore-without-reason')),
    ...ignores
      .filter(({ used }) => !used)
      .map(({ line, rule }) => about(line, `${rule} is not found here`, 'ignore-unused')),
  ]
}

function readIgnores(sql: string, { statements }: ParsedMigration): readonly Ignore[] {
  const lines = sql.split('\n')
  const header = lines.findIndex((line) => !line.startsWith('--'))
  const ends = statements.map(({ line, text }) => line + text.trimEnd().split('\n').length - 1)
  return lines.flatMap((text, i): Ignore[] => {
    const [, rule, why = ''] = /--\s*tenon-lint-ignore\s+([\w/-]+)(?:\s*:\s*(.*?))?\s*$/.exec(text) ?? []
    if (rule === undefined) return []
    const line = i + 1
    if (header < 0 || i < header) return [{ rule, why, line, from: 1, to: lines.length, used: false }]
    return [{ rule, why, line, from: line, to: ends.find((end) => end >= line) ?? line, used: false }]
  })
}
