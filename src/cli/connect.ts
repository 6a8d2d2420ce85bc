/** The database a command works on: --url, --embedded or DATABASE_URL. */
import { createDatabase, type Database } from '../database/index.ts'
import { TenonError } from '../kernel/errors.ts'
import type { Terminal } from './terminal.ts'

export interface ConnectFlags {
  readonly url?: string
  /** A folder, or true for memory. */
  readonly embedded?: string | true
}

/** Runs `work` with the database that the flags name, and closes it. */
export async function withDatabase<T>(
  terminal: Terminal,
  flags: ConnectFlags,
  work: (db: Database<unknown>) => Promise<T>,
): Promise<T> {
  const connection = connectionOf(terminal, flags)
  await using db = createDatabase({
    connection,
    // Two: one runs the migration, the other asks how far it is.
    ...(connection.startsWith('pglite:')
      ? {}
      : { service: { connection, pool: { max: 2, applicationName: 'tenon' } } }),
    // Nothing here runs as a session.
    trustLogin: true,
  })
  return await work(db)
}

function connectionOf({ environment }: Terminal, { url, embedded }: ConnectFlags): string {
  if (url !== undefined && embedded !== undefined)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: '--url and --embedded name two databases',
      hint: 'Pass one.',
    })
  if (embedded !== undefined) return embedded === true ? 'pglite://memory' : `pglite:${embedded}`
  const connection = url ?? environment['DATABASE_URL']
  if (connection !== undefined && connection !== '') return connection
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'no database is named',
    hint: 'Pass --url postgres://…, set DATABASE_URL, or pass --embedded ./folder.',
  })
}
