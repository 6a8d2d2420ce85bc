/**
 * squawk, where the host has it: a lint of SQL that knows many more rules of locks and types than belong here.
 *
 * It is run and never required. What it says of a place that a rule of ours has said already is left out.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Migration } from '../migration.ts'
import type { Finding } from './lint-report.ts'

/** squawk's name of a rule, and ours that finds the same. */
const twins: Readonly<Record<string, string>> = {
  'require-concurrent-index-creation': 'index-not-concurrent',
  'require-concurrent-index-deletion': 'index-drop-not-concurrent',
  'constraint-missing-not-valid': 'constraint-without-not-valid',
  'adding-foreign-key-constraint': 'constraint-without-not-valid',
  'disallowed-unique-constraint': 'unique-without-index',
  'adding-not-nullable-field': 'set-not-null',
  'adding-required-field': 'column-required',
  'adding-field-with-default': 'column-default-volatile',
  'changing-column-type': 'column-type',
  'ban-drop-column': 'column-dropped',
  'ban-drop-table': 'table-dropped',
  'renaming-column': 'renamed',
  'renaming-table': 'renamed',
  'adding-serial-primary-key-field': 'serial-column',
  'prefer-identity': 'serial-column',
  'require-concurrent-partition-detach': 'partition-detach',
  'transaction-nesting': 'transaction-control',
  'ban-concurrent-index-creation-in-transaction': 'transaction-mixed',
  'identifier-too-long': 'identifier-too-long',
}

/** Taste, or set by the runner for every migration. */
const left = [
  'prefer-robust-stmts',
  'require-timeout-settings',
  'require-lock-timeout',
  'require-statement-timeout',
  'prefer-text-field',
  'prefer-bigint-over-int',
  'prefer-bigint-over-smallint',
]

interface SquawkFinding {
  readonly line: number
  readonly column: number
  readonly message: string
  readonly help?: string | null
  readonly rule_name: string
}

/**
 * Runs squawk on migrations.
 *
 * @returns its findings as ours, named `squawk/…`; undefined when there is no squawk
 */
export async function runSquawk(
  migrations: readonly Migration[],
  ours: readonly Finding[],
): Promise<readonly Finding[] | undefined> {
  if ((await call(['--version'])) === undefined) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'tenon-lint-'))
  try {
    const found: Finding[] = []
    for (const { file, sql } of migrations) {
      const path = join(folder, 'migration.sql')
      await writeFile(path, sql)
      const mode = file.transactional ? ['--assume-in-transaction'] : []
      const output = await call(['--reporter', 'json', ...mode, '--exclude', left.join(','), path])
      found.push(...toFindings(output ?? '[]', file.path, ours))
    }
    return found
  } finally {
    await rm(folder, { recursive: true })
  }
}

function toFindings(output: string, file: string, ours: readonly Finding[]): readonly Finding[] {
  // Its reporter prints one JSON array.
  const found = JSON.parse(output.slice(output.indexOf('['))) as readonly SquawkFinding[]
  return found.flatMap(({ rule_name: rule, line, column, message, help }): Finding[] => {
    const twin = twins[rule]
    // It counts lines from 0.
    const place = line + 1
    if (ours.some((finding) => finding.file === file && finding.rule === twin && Math.abs(finding.line - place) <= 3))
      return []
    return [
      {
        rule: `squawk/${rule}`,
        severity: 'warning',
        file,
        line: place,
        column: column + 1,
        message,
        why: message,
        rewrite: help ?? '',
      },
    ]
  })
}

/** What it prints; undefined when it cannot be started. It exits 1 when it has found something. */
function call(args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('squawk', args, { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 }, (error, stdout) => {
      if (error !== null && typeof error.code !== 'number') resolve(undefined)
      else resolve(stdout)
    })
  })
}
