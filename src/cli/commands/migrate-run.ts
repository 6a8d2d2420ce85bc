/** `tenon migrate up`, `down` and `baseline`. */
import type { Command } from 'commander'
import {
  applyMigrations,
  baselineMigrations,
  type MigrationEvent,
  planMigrations,
  type RunOptions,
  revertMigrations,
  toScript,
} from '../../migrate/index.ts'
import { withDatabase } from '../connect.ts'
import { styled, type Terminal } from '../terminal.ts'
import { addSharedFlags, type SharedFlags, toSet, wholeNumber } from './migration-flags.ts'

interface RunFlags extends SharedFlags {
  readonly lockTimeout?: number
  readonly wait?: number
  readonly json?: boolean
}

export function addRunCommands(migrate: Command, terminal: Terminal): void {
  addRunFlags(migrate.command('up'))
    .description('apply what is pending')
    .option('--allow-out-of-order', 'apply files although later ones of their module are applied')
    .option('--dry-run', 'print the SQL and change nothing')
    .action(async (flags: RunFlags & { readonly allowOutOfOrder?: boolean; readonly dryRun?: boolean }) => {
      const set = await toSet(flags)
      await withDatabase(terminal, flags, async (db) => {
        if (flags.dryRun === true) {
          const script = toScript(await planMigrations(db, set))
          terminal.print(script === '' ? '-- nothing is pending' : script.trimEnd())
          return
        }
        const options = { ...set, ...runOptions(terminal, flags), allowOutOfOrder: flags.allowOutOfOrder }
        const result = await applyMigrations(db, options)
        const { applied, present } = result
        if (flags.json === true) terminal.print(JSON.stringify(result))
        else if (applied.length === 0) terminal.print(`nothing to do: ${present.length} applied`)
        else terminal.print(`${applied.length} applied, ${present.length} there before`)
      })
    })

  addRunFlags(migrate.command('down'))
    .description('take back the newest applied migrations of the named modules')
    .option('--last <n>', 'how many', wholeNumber(1), 1)
    .option('--allow-data-loss', 'run SQL that drops tables, columns or rows')
    .action(async (flags: RunFlags & { readonly last: number; readonly allowDataLoss?: boolean }) => {
      const set = await toSet(flags)
      await withDatabase(terminal, flags, async (db) => {
        const { last, allowDataLoss } = flags
        const reverted = await revertMigrations(db, { ...set, ...runOptions(terminal, flags), last, allowDataLoss })
        if (flags.json === true) terminal.print(JSON.stringify({ reverted }))
        else terminal.print(reverted.length === 0 ? 'nothing to take back' : `${reverted.length} taken back`)
      })
    })

  addRunFlags(migrate.command('baseline'))
    .description('write down migrations whose objects are there already, and run nothing')
    .option('--through <name>', 'the last one that is there, as module/version_slug')
    .action(async (flags: RunFlags & { readonly through?: string }) => {
      const set = await toSet(flags)
      await withDatabase(terminal, flags, async (db) => {
        const recorded = await baselineMigrations(db, {
          ...set,
          ...runOptions(terminal, flags),
          through: flags.through,
        })
        if (flags.json === true) terminal.print(JSON.stringify({ recorded }))
        else terminal.print([...recorded, `${recorded.length} written down`].join('\n'))
      })
    })
}

function addRunFlags(command: Command): Command {
  return addSharedFlags(command)
    .option('--lock-timeout <ms>', 'how long a migration may wait for a lock before it is tried again', wholeNumber(0))
    .option('--wait <ms>', 'how long to wait for another run', wholeNumber(0))
    .option('--json', 'print the result as JSON')
}

function runOptions(terminal: Terminal, { lockTimeout, wait }: RunFlags): RunOptions {
  return {
    lockTimeoutMs: lockTimeout,
    runLockTimeoutMs: wait,
    signal: terminal.signal,
    observe: (event) => terminal.tell(toLine(terminal, event)),
  }
}

function toLine(terminal: Terminal, event: MigrationEvent): string {
  if (event.type === 'waiting') return 'waiting for another run to end'
  if (event.type === 'started') return `${styled(terminal, 'dim', `${event.index + 1}/${event.total}`)} ${event.name}`
  if (event.type === 'finished') return `    ${styled(terminal, 'green', 'done')} in ${Math.round(event.durationMs)} ms`
  if (event.type === 'retrying')
    return `    no lock; again in ${Math.round(event.pauseMs)} ms (attempt ${event.attempt + 1})`
  const share = event.total > 0 ? ` ${Math.floor((100 * event.done) / event.total)} %` : ''
  return `    ${event.phase}${share}`
}
