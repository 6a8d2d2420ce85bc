/** The kinds of PostgreSQL of the SQL tests, each as a Kysely with Kysely's own dialects. */
import { CompiledQuery, type Dialect, Kysely, PGliteDialect, PostgresDialect } from 'kysely'
import pg from 'pg'
import { inject } from 'vitest'
import { createTestDatabase } from './database.ts'
import { bootPglite } from './pglite.ts'
import { startPostgres } from './postgres.ts'
import { findSystemBinaries } from './postgres-binaries.ts'
import type { TestServers } from './servers.ts'

/** A database of its own. */
export interface KyselyEngine {
  // biome-ignore lint/suspicious/noExplicitAny: each test has tables of its own.
  readonly db: Kysely<any>
  script(sql: string): Promise<void>
  close(): Promise<void>
}

/** A kind of PostgreSQL; `skip` says why it cannot be had here. */
export interface KyselyEngineKind {
  readonly name: string
  readonly skip: string | undefined
  open(): Promise<KyselyEngine>
}

const fifteen = findSystemBinaries(15)
let fifteenServer: ReturnType<typeof startPostgres> | undefined

export const kyselyEngines: readonly KyselyEngineKind[] = [
  { name: 'the server', skip: undefined, open: () => openOn(inject('servers')) },
  {
    name: 'PostgreSQL 15',
    skip: fifteen === undefined ? 'PostgreSQL 15 is not installed here (apt-get install postgresql-15)' : undefined,
    async open() {
      fifteenServer ??= startPostgres({ binDir: fifteen ?? '' })
      const { url, version } = await fifteenServer
      return await openOn({ main: { kind: 'embedded', url, version }, prefix: 'k15_' })
    },
  },
  {
    name: 'PGlite',
    skip: undefined,
    async open() {
      const { hstore } = await import('@electric-sql/pglite/contrib/hstore')
      const { citext } = await import('@electric-sql/pglite/contrib/citext')
      const pglite = await bootPglite('', { hstore, citext })
      return engine(new PGliteDialect({ pglite }), async (sql) => void (await pglite.exec(sql)))
    },
  },
]

async function openOn(servers: TestServers): Promise<KyselyEngine> {
  const database = await createTestDatabase({ servers })
  const pool = new pg.Pool({ connectionString: database.adminUrl, max: 2 })
  // The server may end before the pool does.
  pool.on('error', () => {})
  const made = engine(new PostgresDialect({ pool }), async (sql) => void (await pool.query(sql)))
  return {
    ...made,
    async close() {
      await made.close()
      await database.drop()
    },
  }
}

function engine(dialect: Dialect, script: (sql: string) => Promise<void>): KyselyEngine {
  const db = new Kysely<never>({ dialect })
  return { db, script, close: () => db.destroy() }
}

/** Runs one statement. */
export async function query<T>(db: KyselyEngine['db'], sql: string): Promise<readonly T[]> {
  return (await db.executeQuery<T>(CompiledQuery.raw(sql))).rows
}
