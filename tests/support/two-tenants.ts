/**
 * The databases of the security suite: `two-tenants.sql`, reached the three ways a session can be, each over one connection
 * so that whatever one session leaves behind meets the next. What is tested on them is in `tests/integration/security`.
 */
import { readFileSync } from 'node:fs'
import type { PGlite } from '@electric-sql/pglite'
import type { Generated, Kysely } from 'kysely'
import { Client } from 'pg'
import {
  createDatabase,
  type Database,
  type DatabaseOptions,
  type Session,
  type SessionOptions,
  withDedicatedConnection,
} from '../../src/index.ts'
import { createLogin, createTemplate, createTestDatabase } from './database.ts'
import { bootPglite } from './pglite.ts'

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
  /** Made by the suite about secrets. */
  token: { token: string; length: number; short?: string; parent?: string; doubled?: Generated<number> }
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

/** What every installation should have: a login that can do nothing but become one of the session roles. */
export const powerlessLogin: GroundKind = {
  name: 'a powerless login',
  isEmbedded: false,
  isPowerful: false,
  open: (options) => openOnServer(false, options),
}

/** Nothing but what is sent keeps a statement from running as the superuser. The controls run on it too. */
export const trustedSuperuser: GroundKind = {
  name: 'a trusted superuser login',
  isEmbedded: false,
  isPowerful: true,
  open: (options) => openOnServer(true, options),
}

/** A superuser on the one connection there is. */
export const embedded: GroundKind = { name: 'PGlite', isEmbedded: true, isPowerful: true, open: openEmbedded }

export const grounds: readonly GroundKind[] = [powerlessLogin, trustedSuperuser, embedded]

/** The two that have a server, for what PGlite cannot do (several connections, killing, cancelling). */
export const serverGrounds: readonly GroundKind[] = [powerlessLogin, trustedSuperuser]

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
  const pglite = await bootPglite(fixture)
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

/** What identifies a statement, read by a query without raw SQL. */
export interface WhoRan {
  readonly role: string
  readonly sub: string | undefined
  readonly tenant: string
  readonly actor: string
}

/** Who the executor's next query runs as. */
export async function whoRuns(executor: Kysely<TwoTenants>): Promise<WhoRan> {
  const { role, claims, tenant, actor } = await executor
    .selectFrom('identity')
    .select(['role', 'claims', 'tenant', 'actor'])
    .executeTakeFirstOrThrow()
  return { role, sub: JSON.parse(claims || '{}').sub, tenant: tenant ?? '', actor: actor ?? '' }
}

/** The answer of {@link whoRuns} for a session of {@link Ground.as}. */
export const runsAs = (sub: string): WhoRan => ({ role: 'tenant_member', sub, tenant: '', actor: '' })

/**
 * What stands on the ground's connection at the level of the session, read as the login. On a server the connection is
 * ended by it, so the next statement begins on a new one.
 */
export async function leftBehind(ground: Pick<Ground, 'db'>): Promise<Row> {
  return await withDedicatedConnection(ground.db, {}, async (connection) => {
    const { rows } = await connection.query(sessionState)
    return rows[0] ?? {}
  })
}

const sessionState = `
  select current_user::text as "user", session_user::text as login, current_setting('role') as role,
    current_setting('client_encoding') as client_encoding,
    (select coalesce(string_agg(name || '=' || setting, ', ' order by name), '') from pg_settings where source = 'session') as settings,
    coalesce(current_setting('app.left', true), '') as setting,
    coalesce(current_setting('app.tenant_id', true), '') as tenant,
    coalesce(current_setting('request.jwt.claims', true), '') as claims,
    (select count(*)::int from pg_locks where pid = pg_backend_pid() and locktype = 'advisory') as locks,
    (select count(*)::int from pg_cursors where name <> '') as cursors,
    (select count(*)::int from pg_listening_channels()) as channels,
    (select count(*)::int from pg_class where relnamespace = pg_my_temp_schema()) as temporary,
    (select count(*)::int from pg_prepared_statements where from_sql) as prepared`

const fixture = readFileSync(new URL('./two-tenants.sql', import.meta.url), 'utf8')
