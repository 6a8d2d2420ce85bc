/**
 * The databases the Kysely suite runs on: one per executor on the server, cloned from a template, and one PGlite per
 * test file. Each holds `people-and-pets.sql` and can go back to it. What runs on them is `executor-kinds.ts`.
 */
import type { PGlite } from '@electric-sql/pglite'
import { Client } from 'pg'
import { createLogin, createTemplate, createTestDatabase } from './database.ts'
import { createPeopleAndPets, resetPeopleAndPets } from './people-and-pets.ts'
import { bootPglite } from './pglite.ts'

/** The role every session of the suite runs under; `people-and-pets.sql` creates it. */
export const suiteRole = 'suite_user'

interface Fixture {
  /** Runs one statement as the administrator, beside the executor under test. */
  query(text: string, values?: unknown[]): Promise<readonly Record<string, unknown>[]>
  /** Puts the fixture's rows back and drops everything else. */
  reset(): Promise<void>
  /** Ends every other connection to the database, so that whoever waits for one stops waiting. */
  disconnectAll(): Promise<void>
  close(): Promise<void>
}

/** A database on the test server. */
export interface ServerPlace extends Fixture {
  readonly adminUrl: string
  /** Connects as a login that owns nothing and may become `suite_user`. */
  readonly loginUrl: string
}

/** A PGlite. */
export interface EmbeddedPlace extends Fixture {
  readonly pglite: PGlite
}

export type Place = ServerPlace | EmbeddedPlace

/** Clones the fixture's template for one executor. */
export async function openServerPlace(): Promise<ServerPlace> {
  const template = await createTemplate('people-and-pets', async (adminUrl) => {
    const client = new Client(adminUrl)
    await client.connect()
    await client.query(createPeopleAndPets).finally(() => client.end())
  })
  const database = await createTestDatabase({ template })
  const login = await createLogin(database, { roles: [suiteRole] })
  const admin = new Client(database.adminUrl)
  await admin.connect()
  // Privileges of the database itself are not copied with the template.
  await admin.query(`grant create, temporary on database "${database.name}" to ${suiteRole}`)
  return {
    adminUrl: database.adminUrl,
    loginUrl: login.url,
    query: async (text, values) => (await admin.query<Record<string, unknown>>(text, values)).rows,
    reset: async () => void (await admin.query(resetPeopleAndPets)),
    disconnectAll: async () =>
      void (await admin.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )),
    async close() {
      await admin.end()
      await database.drop()
      await login.drop()
    },
  }
}

let embedded: Promise<PGlite> | undefined

/** The test file's PGlite; every embedded executor of the file runs on it in turn, since booting one takes seconds. */
export async function openEmbeddedPlace(): Promise<EmbeddedPlace> {
  embedded ??= bootEmbedded()
  const pglite = await embedded
  return {
    pglite,
    query: async (text, values) => (await pglite.query<Record<string, unknown>>(text, values)).rows,
    reset: async () => void (await pglite.query(resetPeopleAndPets)),
    disconnectAll: async () => {},
    close: async () => {},
  }
}

/** Closes the test file's PGlite, if one was opened. */
export async function closeEmbeddedPlace(): Promise<void> {
  const closing = embedded
  embedded = undefined
  await (await closing)?.close()
}

/** Boots a PGlite that holds the fixture. */
export const bootEmbedded = (): Promise<PGlite> => bootPglite(createPeopleAndPets)
