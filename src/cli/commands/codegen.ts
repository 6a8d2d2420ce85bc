/** `tenon codegen`: writes types, zod schemas and metadata from a schema, checks them, and keeps them up to date. */
import { watch } from 'node:fs'
import { access } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { type CodegenOptions, checkCode, type GeneratedCode, generateCode, writeCode } from '../../codegen/index.ts'
import type { Database } from '../../database/index.ts'
import { TenonError } from '../../kernel/errors.ts'
import { applyMigrations, listMigrations, openReplayDatabase } from '../../migrate/index.ts'
import { configOf } from '../config-file.ts'
import { withDatabase } from '../connect.ts'
import { Refusal, styled, type Terminal, tellError } from '../terminal.ts'
import { addSharedFlags, type SharedFlags, toNames, toSet } from './migration-flags.ts'

const generateFlags = [
  'schemas',
  'include',
  'exclude',
  'camelCase',
  'int8',
  'numeric',
  'date',
  'timestamp',
  'partitions',
  'nullableElements',
  'supabase',
] as const satisfies readonly (keyof CodegenOptions)[]

type GenerateFlags = Pick<CodegenOptions, (typeof generateFlags)[number]>

interface CodegenFlags extends SharedFlags, GenerateFlags {
  readonly out?: string
  readonly check?: boolean
  readonly watch?: boolean
}

export function addCodegenCommand(program: Command, terminal: Terminal): void {
  addSharedFlags(program.command('codegen'))
    .description('write TypeScript types, zod schemas and metadata from a schema')
    .option('--out <folder>', 'folder for the files; default src/db')
    .option('--check', 'write nothing, and exit 1 with the differences when the files are not as they would be written')
    .option('--watch', 'generate again whenever a migration changes')
    .option(
      '--schemas <names>',
      "schemas, with commas between; default all but the server's and the library's",
      toNames,
    )
    .option('--include <patterns>', 'only these tables, such as sales.*', toNames)
    .option('--exclude <patterns>', 'not these tables', toNames)
    .option('--camel-case', "names as Kysely's CamelCasePlugin gives them")
    .addOption(new Option('--int8 <type>', 'type of bigint').choices(['string', 'number', 'bigint']))
    .addOption(new Option('--numeric <type>', 'type of numeric').choices(['string', 'number']))
    .addOption(new Option('--date <type>', 'type of date').choices(['Date', 'string']))
    .addOption(new Option('--timestamp <type>', 'type of timestamp').choices(['Date', 'string']))
    .option('--nullable-elements', 'elements of arrays may be null')
    .option('--partitions', 'partitions as tables of their own')
    .option('--supabase', 'also write supabase.ts')
    .addHelpText(
      'after',
      '\nWith --embedded the migrations (--modules, --dir) are applied to an embedded database first.',
    )
    .action(async (flags: CodegenFlags, command: Command) => {
      const { out: configured, ...fromConfig } = configOf(command).codegen ?? {}
      const out = flags.out ?? configured ?? 'src/db'
      const options = { ...fromConfig, ...toOptions(flags) }
      const once = async () => await generate(terminal, flags, options)
      if (flags.check === true) await check(terminal, await once(), out)
      else {
        await write(terminal, once, out)
        if (flags.watch === true) await keep(terminal, flags, () => write(terminal, once, out))
      }
    })
}

/** Only what was said: the configuration says the rest. */
function toOptions(flags: CodegenFlags): GenerateFlags {
  return Object.fromEntries(generateFlags.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])))
}

async function generate(terminal: Terminal, flags: CodegenFlags, options: CodegenOptions): Promise<GeneratedCode> {
  const read = (db: Database<unknown>) =>
    generateCode(db.service({ actor: 'tenon codegen', reason: 'read the schema' }), options)
  if (flags.embedded === undefined) return await withDatabase(terminal, flags, read)
  const set = await toSet(flags)
  const apply = async (db: Database<unknown>) => {
    await applyMigrations(db, { ...set, signal: terminal.signal })
    return await read(db)
  }
  if (flags.embedded !== true) return await withDatabase(terminal, flags, apply)
  // Roles that migrations grant to and never create, as on a platform that brings them.
  const surroundings = { roles: ['anon', 'authenticated', 'service_role'], extensions: {}, supabase: false }
  await using embedded = await openReplayDatabase(
    surroundings,
    listMigrations(set).map(({ sql }) => sql),
  )
  return await apply(embedded.db)
}

async function write(terminal: Terminal, once: () => Promise<GeneratedCode>, out: string): Promise<void> {
  const started = performance.now()
  const code = await once()
  const { written, unchanged } = await writeCode(code, out)
  const seconds = ((performance.now() - started) / 1_000).toFixed(1)
  for (const file of written) terminal.print(`${out}/${file}`)
  terminal.print(
    `${code.tables} tables in ${seconds} s: ${written.length} files written, ${unchanged.length} unchanged`,
  )
  for (const note of code.notes) terminal.tell(note)
}

async function check(terminal: Terminal, code: GeneratedCode, out: string): Promise<void> {
  const differences = await checkCode(code, out)
  if (differences.length === 0) {
    terminal.print('the generated files are up to date')
    return
  }
  for (const { file, diff } of differences) terminal.print(`${styled(terminal, 'red', `${out}/${file}`)}\n${diff}`)
  terminal.tell('generate again: tenon codegen')
  throw new Refusal()
}

/** An editor saves in several steps. */
const settleMs = 200

/** Waits for changes until it is stopped. */
async function keep(terminal: Terminal, { dir }: CodegenFlags, again: () => Promise<void>): Promise<void> {
  if (dir === undefined)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: '--watch has no folder to watch',
      hint: 'Pass --dir with the folder of your migrations.',
    })
  const { signal } = terminal
  let wake: (() => void) | undefined
  let changed = false
  // A folder that is not there is watched without a word.
  let failure: Error | undefined
  await access(dir).catch((error: Error) => (failure = error))
  const rouse = () => wake?.()
  // It closes by the signal.
  if (failure === undefined)
    watch(dir, { recursive: true, signal }, () => {
      changed = true
      rouse()
    }).on('error', (error) => {
      failure = error
      rouse()
    })
  signal.addEventListener('abort', rouse, { once: true })
  if (failure === undefined) terminal.tell(`watching ${dir}`)
  while (!signal.aborted) {
    if (!changed && failure === undefined) await new Promise<void>((resolve) => (wake = resolve))
    if (signal.aborted) return
    if (failure !== undefined)
      throw new TenonError({
        code: 'MIGRATION_SOURCE',
        message: `${dir} cannot be watched`,
        hint: 'Pass --dir with a folder that is there.',
        cause: failure,
      })
    await delay(settleMs)
    changed = false
    await again().catch((error) => tellError(terminal, error))
  }
}
