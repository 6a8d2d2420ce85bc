/** `tenon migrate drift`: where the database differs from what its migrations make. */
import type { Command } from 'commander'
import { createDatabase } from '../../database/index.ts'
import { type DriftReport, type FindDriftOptions, findDrift, toDriftText } from '../../migrate/index.ts'
import { withDatabase } from '../connect.ts'
import { Refusal, type Terminal } from '../terminal.ts'
import { addSharedFlags, type SharedFlags, toSet } from './migration-flags.ts'

interface DriftFlags extends Pick<SharedFlags, 'modules' | 'dir' | 'schema' | 'id' | 'url' | 'embedded'> {
  readonly replayUrl?: string
  readonly whole?: boolean
  readonly ignoreSchemas: readonly string[]
  readonly json?: boolean
}

export function addDriftCommand(migrate: Command, terminal: Terminal): void {
  addSharedFlags(migrate.command('drift'))
    .description('compare the database with what its migrations make; exit 1 when they differ')
    .option('--replay-url <url>', 'an empty database to replay the migrations on, instead of an embedded one')
    .option('--whole', 'the set is everything: any other object is a difference too')
    .option('--ignore-schemas <names>', 'schemas to leave out, with commas between', (text) => text.split(','), [])
    .option('--json', 'print it as JSON')
    .action(async (flags: DriftFlags) => {
      const report = await withDatabase(terminal, flags, (db) =>
        withReplay(flags.replayUrl, async (replay) => findDrift(db, { ...(await toOptions(terminal, flags)), replay })),
      )
      terminal.print(flags.json === true ? JSON.stringify(toJson(report)) : toDriftText(report))
      if (report.differences.length + report.disputed.length > 0) throw new Refusal()
    })
}

async function toOptions(terminal: Terminal, flags: DriftFlags): Promise<FindDriftOptions> {
  const { modules, dir, schema, id, whole, ignoreSchemas } = flags
  // The ledger tells which modules of the library there are.
  const set = modules.length === 0 && dir === undefined ? { modules: [], schema, id } : await toSet(flags)
  return { ...set, whole, ignore: (object) => ignoreSchemas.includes(object.schema), signal: terminal.signal }
}

async function withReplay<T>(
  url: string | undefined,
  work: (replay: FindDriftOptions['replay']) => Promise<T>,
): Promise<T> {
  if (url === undefined) return await work(undefined)
  await using replay = createDatabase<unknown>({
    connection: url,
    ...(url.startsWith('pglite:') ? {} : { service: { connection: url, pool: { max: 2, applicationName: 'tenon' } } }),
    trustLogin: true,
  })
  return await work(replay)
}

function toJson({ differences, ...rest }: DriftReport) {
  return {
    ...rest,
    differences: differences.map(({ change, object, expected, actual, hint, migration }) => {
      const { kind, schema, name } = object
      return { change, kind, schema, name, expected, actual, hint, migration }
    }),
  }
}
