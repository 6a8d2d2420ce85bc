/**
 * The contestants: five ways of reading one order by primary key. All send the same `select * from "orders" where "id" = $1`, use
 * pg's default parsers and a pool of the same size. How often they are asked, and what is made of the times, is not their business.
 */
import { Kysely, PostgresDialect, sql } from 'kysely'
import { Pool } from 'pg'
import { createDatabase } from '../../src/index.ts'
import type { BenchSchema, BenchUrls, OrderRow } from './bench-database.ts'

/** One read: which order, asked for by which tenant. */
export interface ReadRequest {
  readonly id: string
  readonly tenant: number
}

/** A contestant with its pool open. */
export interface OpenContestant {
  /** The row, or undefined where there is none that the tenant may see. */
  read(request: ReadRequest): Promise<OrderRow | undefined>
  close(): Promise<void>
}

/** A way of reading. */
export interface Contestant {
  readonly key: 'pg' | 'tenon' | 'tenon-request' | 'kysely' | 'kysely-transaction'
  readonly label: string
  /** Whether row-level security decides what it sees: then another tenant's row must not be found. */
  readonly underRls: boolean
  open(urls: BenchUrls, poolSize: number): OpenContestant
}

/** Long enough for a connection to outlive the rounds in which others are measured. */
const idleTimeoutMs = 600_000

/** `auth.uid()` of the user that reads for this tenant. */
const subject = (tenant: number) => `6f2a4c1e-0000-4000-8000-${String(tenant).padStart(12, '0')}`

const pool = (url: string, max: number) => new Pool({ connectionString: url, max, idleTimeoutMillis: idleTimeoutMs })

/** What the others are measured against, and the control that has no row security. */
export const barePg: Contestant = {
  key: 'pg',
  label: 'pg, named statement, no RLS',
  underRls: false,
  open(urls, poolSize) {
    const own = pool(urls.bare, poolSize)
    const query = { name: 'order-by-id', text: 'select * from "orders" where "id" = $1' }
    return {
      read: async ({ id }) => (await own.query<OrderRow>({ ...query, values: [id] })).rows[0],
      close: () => own.end(),
    }
  },
}

const plainKysely: Contestant = {
  key: 'kysely',
  label: 'Kysely, no RLS',
  underRls: false,
  open(urls, poolSize) {
    const db = new Kysely<BenchSchema>({ dialect: new PostgresDialect({ pool: pool(urls.bare, poolSize) }) })
    return {
      read: ({ id }) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
      close: () => db.destroy(),
    }
  },
}

/** What teams write today: role, claims and the setting that the policy reads, in a transaction around each request. */
const kyselyTransaction: Contestant = {
  key: 'kysely-transaction',
  label: 'Kysely, transaction with set_config, RLS',
  underRls: true,
  open(urls, poolSize) {
    const db = new Kysely<BenchSchema>({ dialect: new PostgresDialect({ pool: pool(urls.powerless, poolSize) }) })
    return {
      read: ({ id, tenant }) =>
        db.transaction().execute(async (trx) => {
          const claims = JSON.stringify({ sub: subject(tenant), role: 'authenticated' })
          await sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${claims}, true), set_config('app.tenant_id', ${`tenant-${tenant}`}, true)`.execute(
            trx,
          )
          return trx.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst()
        }),
      close: () => db.destroy(),
    }
  },
}

/** With the full list of keys: role, claims, search_path, statement_timeout, actor, one declared setting and the four legacy keys. */
function openTenon(urls: BenchUrls, poolSize: number) {
  const db = createDatabase<BenchSchema>({
    connection: urls.powerless,
    roles: ['anon', 'authenticated'],
    settings: ['app.tenant_id'],
    legacyClaims: true,
    searchPath: ['public'],
    statementTimeoutMs: 5_000,
    pool: { max: poolSize, idleTimeoutMs },
  })
  const sessionOf = (tenant: number) =>
    db.session({
      role: 'authenticated',
      claims: { sub: subject(tenant), email: `user-${tenant}@example.org` },
      settings: { 'app.tenant_id': `tenant-${tenant}` },
      actor: `user-${tenant}`,
    })
  return { db, sessionOf }
}

const tenon: Contestant = {
  key: 'tenon',
  label: 'Tenon session, RLS, ten keys',
  underRls: true,
  open(urls, poolSize) {
    const { db, sessionOf } = openTenon(urls, poolSize)
    const sessions = new Map<number, ReturnType<typeof sessionOf>>()
    const of = (tenant: number) => {
      const known = sessions.get(tenant)
      if (known) return known
      const made = sessionOf(tenant)
      sessions.set(tenant, made)
      return made
    }
    return {
      read: ({ id, tenant }) => of(tenant).selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
      close: () => db.close(),
    }
  },
}

/** The harder case: a web server makes a session per request, so here its making is part of every read. */
const tenonPerRequest: Contestant = {
  key: 'tenon-request',
  label: 'Tenon, a new session for every read',
  underRls: true,
  open(urls, poolSize) {
    const { db, sessionOf } = openTenon(urls, poolSize)
    return {
      read: ({ id, tenant }) =>
        sessionOf(tenant).selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
      close: () => db.close(),
    }
  },
}

/** In the order in which they take turns. */
export const contestants: readonly Contestant[] = [barePg, tenon, tenonPerRequest, plainKysely, kyselyTransaction]
