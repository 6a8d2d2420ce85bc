/**
 * The databases of the fault and torture suites and of the tests of transactions, streams and pools: `ledger.sql`, cloned once
 * per test file, or in a PGlite. It also answers what all of them end with: was a row ever written as somebody else?
 */
import { readFileSync } from 'node:fs'
import type { Generated } from 'kysely'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest'
import { createDatabase, type Database, type DatabaseOptions, type Session } from '../../src/index.ts'
import { createLogin, createTemplate, createTestDatabase } from './database.ts'
import { bootEmbedded } from './places.ts'
import type { TestServers } from './servers.ts'

/** `DB` of the fixture. */
export interface LedgerTables {
  entry: {
    id: Generated<string>
    tenant: string
    note: string
    written_by: Generated<string>
    claimed_by: Generated<string>
  }
  account: { id: number; balance: number }
  seat: { id: number; place: number; account_id: number | null }
}

/** The fixture, wherever it is. */
export interface LedgerPlace {
  readonly isEmbedded: boolean
  /** Runs one statement as the administrator: on one connection of its own, or in its turn on a PGlite. */
  admin<R = Record<string, unknown>>(text: string, values?: unknown[]): Promise<R[]>
  /** A database object as the powerless login; closed with the ledger, if not before. */
  open(options?: Partial<DatabaseOptions>): Database<LedgerTables>
  /** Rows that were written as another role, or under other claims than their own. */
  leaks(): Promise<number>
  close(): Promise<void>
}

/** The fixture on a server. */
export interface Ledger extends LedgerPlace, AsyncDisposable {
  readonly adminUrl: string
  /** A login that owns nothing and may become `anon` and `authenticated`. */
  readonly loginUrl: string
  /**
   * A database object as the superuser: nothing but the context step keeps its statements under row security, so that one which
   * lost its context is seen instead of being refused.
   */
  openPowerful(options?: Partial<DatabaseOptions>): Database<LedgerTables>
}

const createLedgerTables = readFileSync(new URL('./ledger.sql', import.meta.url), 'utf8')
const countLeaks = `select count(*)::int as n from entry where written_by <> 'authenticated' or claimed_by <> tenant`

/**
 * Clones the fixture on a server.
 *
 * @param servers the servers to use; default: what vitest's global setup provided
 */
export async function openLedger(servers?: TestServers): Promise<Ledger> {
  const on = servers === undefined ? {} : { servers }
  const template = await createTemplate('ledger', (adminUrl) => run(adminUrl, createLedgerTables), servers)
  const database = await createTestDatabase({ ...on, template })
  const login = await createLogin(database, on)
  let administrator: Promise<Client> | undefined
  /** The administrator's connection; another one after a server has gone down with it. */
  const connect = async (): Promise<Client> => {
    const client = new Client(database.adminUrl)
    const forget = (): void => {
      administrator = undefined
    }
    client.once('error', forget).once('end', forget)
    client.on('error', () => {})
    await client.connect().catch((error: unknown) => {
      forget()
      throw error
    })
    return client
  }
  const admin = async <R>(text: string, values?: unknown[]): Promise<R[]> => {
    administrator ??= connect()
    return (await (await administrator).query(text, values)).rows as R[]
  }
  const opened = new Set<Database<LedgerTables>>()
  const open = (options: DatabaseOptions): Database<LedgerTables> => {
    const db = createDatabase<LedgerTables>(options)
    opened.add(db)
    return db
  }
  const close = async (): Promise<void> => {
    await Promise.all([...opened].map((db) => db.close({ drainMs: 1_000 })))
    await (await administrator)?.end()
    await database.drop()
    await login.drop()
  }
  return {
    isEmbedded: false,
    adminUrl: database.adminUrl,
    loginUrl: login.url,
    admin,
    open: (options) => open({ connection: login.url, service: { connection: database.adminUrl }, ...options }),
    openPowerful: (options) => open({ connection: database.adminUrl, trustLogin: true, ...options }),
    leaks: async () => (await admin<{ n: number }>(countLeaks))[0]?.n ?? Number.NaN,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Boots a PGlite with the fixture in it. */
async function openEmbeddedLedger(): Promise<LedgerPlace> {
  const pglite = await bootEmbedded()
  await pglite.exec(createLedgerTables)
  const opened = new Set<Database<LedgerTables>>()
  const admin = async <R>(text: string, values?: unknown[]): Promise<R[]> => (await pglite.query<R>(text, values)).rows
  return {
    isEmbedded: true,
    admin,
    open(options) {
      const db = createDatabase<LedgerTables>({ connection: pglite, ...options })
      opened.add(db)
      return db
    },
    leaks: async () => (await admin<{ n: number }>(countLeaks))[0]?.n ?? Number.NaN,
    async close() {
      await Promise.all([...opened].map((db) => db.close({ drainMs: 0 })))
      await pglite.close()
    },
  }
}

/** What a test of `describeLedgers` works with. */
export interface LedgerScene {
  readonly place: LedgerPlace
  /** Closed after the test file. */
  readonly db: Database<LedgerTables>
  /** The session of the tenant `ada` on `db`. */
  readonly ada: Session<LedgerTables>
  /** The session of the tenant `bob` on `db`. */
  readonly bob: Session<LedgerTables>
}

/** Describes a behaviour on both transports: a server, and PGlite. Each test starts with empty entries. */
export function describeLedgers(name: string, suite: (scene: LedgerScene) => void): void {
  for (const [where, open] of [
    ['a server', openLedger],
    ['PGlite', openEmbeddedLedger],
  ] as const) {
    describe(`${name}, on ${where}`, () => {
      let place: LedgerPlace | undefined
      let db: Database<LedgerTables> | undefined
      const opened = <T>(value: T | undefined): T => {
        if (value === undefined) throw new Error('The scene is set only while a test runs.')
        return value
      }
      beforeAll(async () => {
        place = await open()
        db = place.open()
      })
      afterAll(() => place?.close())
      beforeEach(() => place?.admin('select reset_ledger()').then(() => {}))
      afterEach(async () => {
        const leaks = await place?.leaks()
        if (leaks !== 0) throw new Error(`${leaks} rows were written as another role or under other claims.`)
      })
      suite({
        get place() {
          return opened(place)
        },
        get db() {
          return opened(db)
        },
        get ada() {
          return tenant(opened(db), 'ada')
        },
        get bob() {
          return tenant(opened(db), 'bob')
        },
      })
    })
  }
}

/** A tenant's session. */
export function tenant(db: Database<LedgerTables>, sub: string): Session<LedgerTables> {
  return db.session({ role: 'authenticated', claims: { sub } })
}

async function run(url: string, text: string): Promise<void> {
  const client = new Client(url)
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}
