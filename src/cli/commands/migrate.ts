/** `tenon migrate` and its subcommands. */

import type { Command } from 'commander'
import { sqlModules } from '../../migrate/index.ts'
import type { Terminal } from '../terminal.ts'
import { addDriftCommand } from './migrate-drift.ts'
import { addExportCommand } from './migrate-export.ts'
import { addLintCommand } from './migrate-lint.ts'
import { addNewCommand } from './migrate-new.ts'
import { addRunCommands } from './migrate-run.ts'
import { addStatusCommands } from './migrate-status.ts'

export function addMigrateCommand(program: Command, terminal: Terminal): void {
  const migrate = program
    .command('migrate')
    .description('apply, inspect, export and check migrations')
    .addHelpText('after', `\nModules of the library: ${Object.keys(sqlModules).join(', ')}`)
  addRunCommands(migrate, terminal)
  addStatusCommands(migrate, terminal)
  addNewCommand(migrate, terminal)
  addExportCommand(migrate, terminal)
  addLintCommand(migrate, terminal)
  addDriftCommand(migrate, terminal)
}
