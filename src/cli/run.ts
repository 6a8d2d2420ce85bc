/** The command line: which commands there are, and how a command's end becomes an exit code. */
import { Command, CommanderError } from 'commander'
import { addCodegenCommand } from './commands/codegen.ts'
import { addMigrateCommand } from './commands/migrate.ts'
import { applyConfig, loadConfig } from './config-file.ts'
import { Refusal, type Terminal, tellError } from './terminal.ts'

/**
 * Runs one command line.
 *
 * @param words - what stands after the program's name
 * @returns the exit code: 0 done, 1 failed or answered no, 2 not understood
 */
export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('tenon')
    .description('Typed data access for PostgreSQL: migrations and generated code')
    .option('--config <file>', 'default tenon.config.ts, .js or .mjs in this directory')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.tell(text.trimEnd()),
    })
    .showHelpAfterError('(--help shows what there is)')
  addMigrateCommand(program, terminal)
  addCodegenCommand(program, terminal)
  program.hook('preAction', async (_, command) => {
    applyConfig(command, await loadConfig(terminal, program.getOptionValue('config')))
  })
  try {
    await program.parseAsync([...words], { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (!(error instanceof Refusal)) tellError(terminal, error)
    return 1
  }
}
