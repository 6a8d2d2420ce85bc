/** `tenon migrate lint`: what is wrong with migrations before they are run. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import {
  type ExportFormat,
  exportFormats,
  lintMigrations,
  readReleased,
  toLintText,
  toSarif,
} from '../../migrate/index.ts'
import { Refusal, type Terminal } from '../terminal.ts'
import { addSetFlags, type SetFlags, toSet } from './migration-flags.ts'

interface LintFlags extends SetFlags {
  readonly target: 'plain' | 'supabase'
  readonly format?: ExportFormat
  readonly exported?: string
  readonly sarif?: string
  readonly strict?: boolean
  readonly squawk: boolean
}

export function addLintCommand(migrate: Command, terminal: Terminal): void {
  addSetFlags(migrate.command('lint'))
    .description('look for what would hurt before it is run')
    .addOption(new Option('--target <kind>', 'what serves the tables').choices(['plain', 'supabase']).default('plain'))
    .addOption(new Option('--format <name>', 'refuse texts that this tool would misread').choices(exportFormats))
    .option('--exported <folder>', 'a folder of an export: what is in its lock file is released')
    .option('--sarif <file>', 'write the findings as SARIF too')
    .option('--strict', 'exit 1 for warnings as well')
    .option('--no-squawk', 'do not ask squawk')
    .action((flags: LintFlags) => lint(terminal, flags))
}

async function lint(terminal: Terminal, flags: LintFlags): Promise<void> {
  const lockFile = flags.exported === undefined ? undefined : join(flags.exported, '.tenon-lock.json')
  const report = await lintMigrations({
    ...(await toSet(flags)),
    target: flags.target,
    formats: flags.format === undefined ? [] : [flags.format],
    ...(lockFile !== undefined && existsSync(lockFile)
      ? { released: readReleased(lockFile, readFileSync(lockFile, 'utf8')) }
      : {}),
    squawk: flags.squawk ? 'auto' : 'off',
  })
  terminal.print(toLintText(report))
  if (flags.sarif !== undefined) writeFileSync(flags.sarif, `${JSON.stringify(toSarif(report), undefined, 2)}\n`)
  if (report.findings.some(({ severity }) => severity === 'error' || flags.strict === true)) throw new Refusal()
}
