/** The command line: which commands there are, and how a command's end becomes an exit code. */
import { Command, CommanderError } from 'commander'
import { addMigrateCommand } from './commands/migrate.ts'
import { Refusal, type Terminal, tellError } from './terminal.ts'

/**
 * Runs one command line.
 *
 * @param words - what stands after the program's name
 * @returns the exit code: 0 done, 1 failed or answered no, 2 not understood
 */
export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('tenon')
    .description('Typed data access for PostgreSQL: migrations')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.tell(text.trimEnd()),
    })
    .showHelpAfterError('(--help shows what there is)')
  addMigrateCommand(program, terminal)
  try {
    await program.parseAsync([...words], { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (!(error instanceof Refusal)) tellError(terminal, error)
    return 1
  }
}
