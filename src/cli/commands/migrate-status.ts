/** `tenon migrate status` and `plan`. */
import type { Command } from 'commander'
import { type MigrationState, type PlannedMigration, planMigrations, toScript } from '../../migrate/index.ts'
import { withDatabase } from '../connect.ts'
import { Refusal, styled, type Terminal, toTable } from '../terminal.ts'
import { addSharedFlags, type SharedFlags, toSet } from './migration-flags.ts'

/** What a run would do about it. */
const advice: Readonly<Record<MigrationState, string>> = {
  applied: '',
  pending: '',
  unfinished: 'the next run finishes it',
  edited: 'applied with another content: put it back, and write the change as a new file',
  'other-identity': 'applied for another --id',
  diverged: 'another file of this number was applied: give this one a higher number',
  'out-of-order': 'a later one is applied: give it a higher number, or --allow-out-of-order',
  missing: 'applied, and there is no such file',
}

export function addStatusCommands(migrate: Command, terminal: Terminal): void {
  addSharedFlags(migrate.command('status'))
    .description('show where every migration stands')
    .option('--check', 'exit 1 unless everything is applied')
    .option('--json', 'print it as JSON')
    .action(async (flags: SharedFlags & { readonly check?: boolean; readonly json?: boolean }) => {
      const plan = await read(terminal, flags)
      if (flags.json === true) terminal.print(JSON.stringify(plan.map(toJson)))
      else terminal.print(toText(terminal, plan))
      if (flags.check === true && plan.some(({ state }) => state !== 'applied')) throw new Refusal()
    })

  addSharedFlags(migrate.command('plan'))
    .description('show what `up` would do')
    .option('--sql', 'as SQL')
    .action(async (flags: SharedFlags & { readonly sql?: boolean }) => {
      const plan = await read(terminal, flags)
      const open = plan.filter(({ state }) => state !== 'applied')
      if (flags.sql === true) terminal.print(toScript(plan).trimEnd() || '-- nothing is pending')
      else terminal.print(open.length === 0 ? 'nothing to do' : toText(terminal, open))
    })
}

async function read(terminal: Terminal, flags: SharedFlags): Promise<readonly PlannedMigration[]> {
  const set = await toSet(flags)
  return await withDatabase(terminal, flags, (db) => planMigrations(db, set))
}

function toText(terminal: Terminal, plan: readonly PlannedMigration[]): string {
  const rows = plan.map(({ name, state, entry }) => [
    name,
    state,
    entry === undefined ? '' : entry.appliedAt.toISOString().slice(0, 19).replace('T', ' '),
    entry?.origin ?? '',
    advice[state],
  ])
  const [head = '', ...lines] = toTable(['migration', 'state', 'at (UTC)', 'by', ''], rows).split('\n')
  return [styled(terminal, 'dim', head), ...lines].join('\n')
}

function toJson({ name, state, entry }: PlannedMigration) {
  return { name, state, appliedAt: entry?.appliedAt, origin: entry?.origin, appliedBy: entry?.appliedBy }
}
