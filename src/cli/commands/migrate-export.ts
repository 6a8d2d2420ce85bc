/** `tenon migrate export`: writes the files of another migration tool, and checks them. */
import { type Command, Option } from 'commander'
import { checkExport, type ExportFormat, exportFormats, exportHandover, exportMigrations } from '../../migrate/index.ts'
import { Refusal, styled, type Terminal } from '../terminal.ts'
import { addSetFlags, type SetFlags, toSet } from './migration-flags.ts'

interface ExportFlags extends SetFlags {
  readonly format: ExportFormat
  readonly out: string
  readonly check?: boolean
  readonly handover?: boolean
  readonly json?: boolean
}

export function addExportCommand(migrate: Command, terminal: Terminal): void {
  addSetFlags(migrate.command('export'))
    .description('write the migrations as files of another migration tool')
    .addOption(new Option('--format <name>', 'the tool').choices(exportFormats).makeOptionMandatory())
    .requiredOption('--out <folder>', "the tool's folder of migrations")
    .option('--check', 'write nothing, and exit 1 when the folder is not as an export would leave it')
    .option('--handover', 'print what tells the tool that the files are applied already')
    .option('--json', 'print the result as JSON')
    .action(async (flags: ExportFlags) => {
      const options = { ...(await toSet(flags)), format: flags.format, out: flags.out }
      if (flags.handover === true) terminal.print((await exportHandover(options)).trimEnd())
      else if (flags.check === true) await check(terminal, options, flags.json === true)
      else await write(terminal, options, flags.json === true)
    })
}

type Options = Parameters<typeof exportMigrations>[0]

async function write(terminal: Terminal, options: Options, json: boolean): Promise<void> {
  const result = await exportMigrations(options)
  const { written, unchanged, notes } = result
  if (json) terminal.print(JSON.stringify(result))
  else if (written.length === 0) terminal.print(`nothing to do: ${unchanged.length} files are there`)
  else terminal.print([...written, `${written.length} written, ${unchanged.length} there before`].join('\n'))
  for (const note of notes) terminal.tell(note)
}

async function check(terminal: Terminal, options: Options, json: boolean): Promise<void> {
  const problems = await checkExport(options)
  if (json) terminal.print(JSON.stringify(problems))
  else if (problems.length === 0) terminal.print('the folder is in step')
  for (const { kind, file, message, hint } of json ? [] : problems)
    terminal.tell(`${styled(terminal, 'red', kind)} ${file}: ${message}\n  ${hint}`)
  if (problems.length > 0) throw new Refusal()
}
