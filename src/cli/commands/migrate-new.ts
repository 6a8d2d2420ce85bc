/** `tenon migrate new`: the next empty file, with a header to fill in. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { TenonError } from '../../kernel/errors.ts'
import { readModules } from '../../migrate/index.ts'
import type { Terminal } from '../terminal.ts'

interface NewFlags {
  readonly dir: string
  readonly module?: string
  readonly timestamp?: boolean
}

export function addNewCommand(migrate: Command, terminal: Terminal): void {
  migrate
    .command('new')
    .description('write the next migration file')
    .argument('<name>', 'what it does, such as create-orders')
    .option('--dir <folder>', "folder of the host's own migrations", 'migrations')
    .option('--module <name>', 'the module it belongs to: a folder in the folder')
    .option('--timestamp', 'number it by the time in UTC, which two branches rarely share')
    .action(async (name: string, flags: NewFlags) => terminal.print(await writeNew(name, flags)))
}

async function writeNew(name: string, { dir, module, timestamp }: NewFlags): Promise<string> {
  const slug = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '')
  if (slug === '')
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'the name has no letter or digit',
      hint: 'Name what it does, such as create-orders.',
    })
  mkdirSync(dir, { recursive: true })
  const known = (await readModules(dir)).find((candidate) => candidate.name === (module ?? 'app'))
  const newest = known?.files.at(-1)?.version
  const byTime = timestamp === true || (newest?.length ?? 0) >= 12
  const version = byTime ? timeVersion() : String(BigInt(newest ?? '0') + 1n).padStart(4, '0')
  if (newest !== undefined && BigInt(version) <= BigInt(newest))
    throw new TenonError({
      code: 'MIGRATION_SOURCE',
      message: `the newest file has the number ${newest}, which the time has not reached yet`,
      hint: 'Check the clock of this machine, or number the file by hand.',
    })
  const path = join(...(module === undefined ? [dir] : [dir, module]), `${version}_${slug}.sql`)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, template(slug.replaceAll('_', ' ')), { flag: 'wx' })
  return path
}

function timeVersion(): string {
  return new Date().toISOString().replace(/\D/g, '').slice(0, 14)
}

function template(title: string): string {
  return `-- ${title}
--
-- requires: none
-- transactional: yes
-- down: none (say what takes it back, on lines of its own)

`
}
