/**
 * The database of the benchmarks: the table of orders.sql and two logins, one that bypasses row-level security and a powerless one.
 * It says where they are. What is read from them, and how, is the contestants' business.
 */
import { readFile } from 'node:fs/promises'
import { Client, escapeIdentifier } from 'pg'
import { createLogin, createTestDatabase } from '../support/database.ts'
import { openServer } from '../support/servers.ts'

/** The table of orders.sql as pg's default parsers return it. */
export interface OrderRow {
  readonly id: string
  readonly customer_id: string
  readonly tenant_id: string
  readonly total: string
  readonly metadata: unknown
  readonly created_at: Date
}

/** The schema for Kysely and Tenon. */
export interface BenchSchema {
  readonly orders: OrderRow
}

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
  /** As the server prints it: `18.4`. */
  readonly serverVersion: string
  readonly serverKind: 'environment' | 'container' | 'embedded'
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** How many tenants share the table, and how many rows each has. */
export const tenantCount = 100
/** Rows of every tenant. */
export const rowsPerTenant = 1000

/** Opens the server this machine offers (see support/servers.ts), and makes and fills a database on it. */
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
  let serverVersion: string
  try {
    await admin.query(await readFile(new URL('./orders.sql', import.meta.url), 'utf8'))
    await admin.query(`grant select on orders to ${escapeIdentifier(bare.name)}`)
    // Visibility bits and statistics are settled now, not by autovacuum in the middle of a round.
    await admin.query('vacuum (analyze) orders')
    const { rows } = await admin.query<{ server_version: string }>('show server_version')
    serverVersion = rows[0]?.server_version.split(' ')[0] ?? 'unknown'
  } finally {
    await admin.end()
  }
  const owned = cleanup.move()
  const close = () => owned.disposeAsync()
  return {
    urls: { bare: bare.url, powerless: powerless.url },
    serverVersion,
    serverKind: server.kind,
    close,
    [Symbol.asyncDispose]: close,
  }
}
