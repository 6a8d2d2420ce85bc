/** The flags that the subcommands of `tenon migrate` share: which migrations, and on which database. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { TenonError } from '../../kernel/errors.ts'
import {
  type IdentityType,
  type MigrationSet,
  readModules,
  type SqlModuleName,
  sqlModules,
} from '../../migrate/index.ts'
import type { ConnectFlags } from '../connect.ts'

/** Which migrations a command is about. */
export interface SetFlags {
  readonly modules: readonly string[]
  readonly dir?: string
  readonly schema: string
  readonly id: IdentityType
}

export type SharedFlags = ConnectFlags & SetFlags

/** Adds the flags that say which migrations. */
export function addSetFlags(command: Command): Command {
  return command
    .option('--modules <names>', 'modules of the library, with commas between', toNames, [])
    .option('--dir <folder>', "folder of the host's own migrations")
    .option('--schema <name>', 'schema of host-visible tables', 'public')
    .addOption(
      new Option('--id <type>', "type of a user's identity").choices(['uuid', 'text', 'bigint']).default('uuid'),
    )
}

/** Adds the flags that say where. */
function addConnectFlags(command: Command): Command {
  return command
    .option('--url <url>', 'the database; default DATABASE_URL')
    .option('--embedded [folder]', 'an embedded database in a folder, or in memory')
}

/** Adds both. */
export function addSharedFlags(command: Command): Command {
  return addConnectFlags(addSetFlags(command))
}

/**
 * The migrations that the flags name: modules of the library, and all of the host's folder.
 *
 * @throws {TenonError} OPTION_INVALID when they name none
 */
export async function toSet({ modules, dir, schema, id }: SetFlags): Promise<MigrationSet> {
  // Unknown names are refused with the list of known ones where the set is used.
  const names = modules as readonly SqlModuleName[]
  const hosts = dir === undefined ? [] : await readModules(dir)
  if (names.length + hosts.length === 0)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: dir === undefined ? 'no migrations are named' : `${dir} holds no migration`,
      hint: `Pass --modules with names of ${Object.keys(sqlModules).join(', ')}; or --dir with a folder of NNNN_slug.sql files.`,
    })
  return { modules: [...names, ...hosts], schema, id }
}

/** A whole number from `least` on, for commander. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    if (/^\d+$/.test(text) && Number(text) >= least) return Number(text)
    throw new InvalidArgumentError(`It must be a whole number from ${least}.`)
  }
}

/** Names with commas between, for commander. */
export function toNames(text: string): readonly string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}
