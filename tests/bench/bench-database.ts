/**
 * The database of the benchmarks: the tables of orders.sql and two logins, one that bypasses row-level security and a powerless one; and the
 * admin's look at what was written. What is read from the tables, and how, is the contestants' business.
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Kysely, PostgresDialect } from 'kysely'
import { Client, escapeIdentifier, Pool } from 'pg'
import { checkCode, generateCode, writeCode } from '../../src/codegen/index.ts'
import { createLogin, createTestDatabase } from '../support/database.ts'
import { openServer } from '../support/servers.ts'
import type { Notes } from './first-answers.ts'

/** Where the benchmarks connect. */
export interface BenchUrls {
  /** A login that bypasses row-level security, for the contestants without it. */
  readonly bare: string
  /** LOGIN NOINHERIT, member of anon and authenticated, owner of nothing. */
  readonly powerless: string
}

/** A filled database on a server of its own. */
export interface BenchDatabase {
  readonly urls: BenchUrls
  /** What was written. */
  readonly notes: Notes
  /** As the server prints it: `18.4`. */
  readonly serverVersion: string
  readonly serverKind: 'environment' | 'container' | 'embedded'
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens the server this machine offers (see support/servers.ts), and makes and fills a database on it.
 *
 * @throws {Error} when the generated code of db/ is not that of orders.sql; it is then written anew.
 */
export async function openBenchDatabase(): Promise<BenchDatabase> {
  await using cleanup = new AsyncDisposableStack()
  const { server, stop } = await openServer()
  cleanup.defer(stop)
  const servers = { main: server, prefix: `bench${process.pid.toString(36)}_` }
  // The logins are made first and dropped last: a role that still has grants in a database cannot go.
  const database = await createTestDatabase({ servers })
  const bare = await createLogin(database, { servers, roles: [], attributes: 'bypassrls' })
  cleanup.use(bare)
  const powerless = await createLogin(database, { servers })
  cleanup.use(powerless)
  cleanup.use(database)

  const admin = new Client({ connectionString: database.adminUrl })
  await admin.connect()
  cleanup.defer(() => admin.end())
  await admin.query(await readFile(new URL('./orders.sql', import.meta.url), 'utf8'))
  await admin.query(`grant select, insert on all tables in schema public to ${escapeIdentifier(bare.name)}`)
  // Visibility bits and statistics are settled now, not by autovacuum in the middle of a round.
  await admin.query('vacuum (analyze)')
  const { rows } = await admin.query<{ server_version: string }>('show server_version')
  await assertGeneratedCode(database.adminUrl)
  const owned = cleanup.move()
  const close = () => owned.disposeAsync()
  return {
    urls: { bare: bare.url, powerless: powerless.url },
    notes: notesOf(admin),
    serverVersion: rows[0]?.server_version.split(' ')[0] ?? 'unknown',
    serverKind: server.kind,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function notesOf(admin: Client): Notes {
  return {
    async digest() {
      const { rows } = await admin.query<{ digest: string | null }>(
        "select md5(string_agg(concat_ws('|', tenant_id, subject, body), ',' order by tenant_id, subject)) as digest from notes",
      )
      return rows[0]?.digest ?? 'none'
    },
    async clear() {
      const { rows } = await admin.query<{ count: string }>('select count(*) from notes')
      await admin.query('truncate notes restart identity')
      return Number(rows[0]?.count)
    },
  }
}

/** The types and the metadata in db/ are committed, so that contestants compile; they have to be those of orders.sql. */
async function assertGeneratedCode(adminUrl: string): Promise<void> {
  const db = new Kysely<never>({
    dialect: new PostgresDialect({ pool: new Pool({ connectionString: adminUrl, max: 1 }) }),
  })
  try {
    const { files, ...rest } = await generateCode(db, { importExtension: '.ts' })
    const { 'zod.ts': _unused, ...wanted } = files
    const code = { ...rest, files: wanted }
    const folder = fileURLToPath(new URL('./db/', import.meta.url))
    if ((await checkCode(code, folder)).length === 0) return
    await writeCode(code, folder)
    throw new Error('tests/bench/db was not what orders.sql gives and is written anew: run this again.')
  } finally {
    await db.destroy()
  }
}
