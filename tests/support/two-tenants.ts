/**
 * The databases of the security suite: `two-tenants.sql`, reached the three ways a session can be, each over one connection
 * so that whatever one session leaves behind meets the next. What is tested on them is in `tests/integration/security`.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import type { Generated } from 'kysely'
import { Client } from 'pg'
import { createDatabase, type Database, type DatabaseOptions, type Session, type SessionOptions } from '../../src/index.ts'
import { createLogin, createTemplate, createTestDatabase } from './database.ts'

/** `DB` of the suite. */
export interface TwoTenants {
  note: {
    id: Generated<number>
    owner: Generated<string>
    body: string | null
    document: unknown
    ran_as: Generated<string>
    session: Generated<string>
  }
  notice: { id: number; body: string | null }
  secret: { id: number; body: string | null }
  pledge: { id: number; note_id: number }
  identity: {
    role: string
    login: string
    claims: string | null
    tenant: string | null
    actor: string | null
    search_path: string
  }
}

export type Row = Record<string, unknown>

/** A database of its own with the fixture in it, reached one way. */
export interface Ground {
  readonly db: Database<TwoTenants>
  /** A session of the role `tenant_member` for a subject. */
  as(sub: string, options?: Partial<SessionOptions>): Session<TwoTenants>
  /** One statement as the superuser, on a connection beside; on PGlite it waits its turn. */
  admin(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
  /** Puts the rows of the fixture back. */
  reset(): Promise<void>
  /** Another database object on the same database; closed with the ground. */
  open(options?: Partial<DatabaseOptions>): Database<TwoTenants>
  /** URL of the superuser, for controls; absent on PGlite. */
  readonly adminUrl: string | undefined
  readonly loginUrl: string | undefined
  readonly pglite: PGlite | undefined
  close(): Promise<void>
}

/** A way to reach the database. */
export interface GroundKind {
  readonly name: string
  readonly isEmbedded: boolean
  /** The login could do more than its sessions: only what is sent keeps it from doing so. */
  readonly isPowerful: boolean
  open(options?: Partial<DatabaseOptions>): Promise<Ground>
}

/** Every option a ground's database is made with unless a test says otherwise. */
const groundOptions = { roles: ['tenant_member', 'tenant_guest'], settings: ['app.tenant_id'] } as const

export const grounds: readonly GroundKind[] = [
  { name: 'a powerless login', isEmbedded: false, isPowerful: false, open: (options) => openOnServer(false, options) },
  {
    name: 'a trusted superuser login',
    isEmbedded: false,
    isPowerful: true,
    open: (options) => openOnServer(true, options),
  },
  { name: 'PGlite', isEmbedded: true, isPowerful: true, open: openEmbedded },
]

/** The two that have a server, for what PGlite cannot do (several connections, killing, cancelling). */
export const serverGrounds = grounds.filter((kind) => !kind.isEmbedded)

async function openOnServer(powerful: boolean, options: Partial<DatabaseOptions> = {}): Promise<Ground> {
  const template = await createTemplate('two-tenants', async (adminUrl) => {
    const client = new Client(adminUrl)
    await client.connect()
    await client.query(fixture).finally(() => client.end())
  })
  const database = await createTestDatabase({ template })
  const login = await createLogin(database, { roles: [...groundOptions.roles] })
  const admin = new Client(database.adminUrl)
  await admin.connect()
  const connection = powerful ? database.adminUrl : login.url
  const ground = assemble({ connection, pool: { max: 1 }, trustLogin: powerful, ...options }, async (text, values) => {
    return (await admin.query<Row>(text, values === undefined ? undefined : [...values])).rows
  })
  return {
    ...ground,
    adminUrl: database.adminUrl,
    loginUrl: login.url,
    pglite: undefined,
    async close() {
      await ground.close()
      await admin.end()
      await database.drop()
      await login.drop()
    },
  }
}

async function openEmbedded(options: Partial<DatabaseOptions> = {}): Promise<Ground> {
  const pglite = await bootTwoTenants()
  const ground = assemble({ connection: pglite, ...options }, async (text, values) => {
    return (await pglite.query<Row>(text, values === undefined ? undefined : [...values])).rows
  })
  return {
    ...ground,
    adminUrl: undefined,
    loginUrl: undefined,
    pglite,
    async close() {
      await ground.close()
      await pglite.close()
    },
  }
}

type Assembled = Pick<Ground, 'db' | 'as' | 'admin' | 'reset' | 'open' | 'close'>

function assemble(options: DatabaseOptions, admin: Ground['admin']): Assembled {
  const opened: Database<TwoTenants>[] = []
  const open = (more: Partial<DatabaseOptions> = {}): Database<TwoTenants> => {
    const db = createDatabase<TwoTenants>({ ...groundOptions, ...options, ...more })
    opened.push(db)
    return db
  }
  const db = open()
  return {
    db,
    open,
    admin,
    as: (sub, more = {}) => db.session({ role: 'tenant_member', claims: { sub }, ...more }),
    reset: async () => void (await admin('select reset_two_tenants()')),
    close: async () => void (await Promise.all(opened.map((database) => database.close({ drainMs: 200 })))),
  }
}

const fixture = readFileSync(new URL('./two-tenants.sql', import.meta.url), 'utf8')

/** Boots a PGlite that holds the fixture, from a data directory that an earlier run has left in the cache: 1 s instead of 5. */
async function bootTwoTenants(): Promise<PGlite> {
  // The package's own text stands for its version: its exports hide package.json.
  const engine = readFileSync(fileURLToPath(import.meta.resolve('@electric-sql/pglite')))
  const contents = createHash('sha256').update(engine).update(fixture).digest('hex').slice(0, 16)
  const cache = fileURLToPath(new URL('../../node_modules/.cache/tenon/', import.meta.url))
  const file = join(cache, `two-tenants-${contents}.tar`)
  if (existsSync(file)) return await PGlite.create({ loadDataDir: new Blob([readFileSync(file)]) })
  const pglite = await PGlite.create()
  await pglite.exec(fixture)
  const dump = await pglite.dumpDataDir('none')
  mkdirSync(cache, { recursive: true })
  // Written beside and renamed: a test file that starts meanwhile never reads half of it.
  const unfinished = `${file}.${process.pid}`
  writeFileSync(unfinished, Buffer.from(await dump.arrayBuffer()))
  renameSync(unfinished, file)
  return pglite
}
