/**
 * Kysely: plain, without row security and so with the tenant in its conditions; and as teams write it today under row security, with role,
 * claims and the setting that the policies read in a transaction around each request.
 */
import { Kysely, PostgresDialect, sql } from 'kysely'
import { Pool } from 'pg'
import Cursor from 'pg-cursor'
import type { DB } from '../db/types.ts'
import {
  type Builder,
  countOfCustomer,
  customerTree,
  eventsByKey,
  insertedNote,
  insertedNotes,
  latestOrders,
  orderById,
  pageOfOrders,
} from './builder-queries.ts'
import { type Contestant, chunkRows, contextOf, idleTimeoutMs, tenantName } from './contestant.ts'

function openKysely(url: string, poolSize: number): Kysely<DB> {
  const pool = new Pool({ connectionString: url, max: poolSize, idleTimeoutMillis: idleTimeoutMs })
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool, cursor: Cursor }) })
}

const plain: Contestant = {
  key: 'kysely',
  label: 'Kysely, no RLS',
  underRls: false,
  open({ bare, poolSize }) {
    const db = openKysely(bare, poolSize)
    return {
      read: ({ id }) => orderById(db, id).executeTakeFirst(),
      nested: ({ id }) => customerTree(db, id).executeTakeFirst(),
      page: (request) => pageOfOrders(db, request).where('tenant_id', '=', tenantName(request.tenant)).execute(),
      insert: (_tenant, note) => insertedNote(db, note).executeTakeFirstOrThrow(),
      async batch({ tenant, order, customer }) {
        const [found, counted, lastOrders] = await Promise.all([
          orderById(db, order).executeTakeFirst(),
          countOfCustomer(db, customer).executeTakeFirstOrThrow(),
          latestOrders(db).where('tenant_id', '=', tenantName(tenant)).execute(),
        ])
        return { order: found, orderCount: counted.count, lastOrders }
      },
      insertMany: (_tenant, notes) => insertedNotes(db, notes).execute(),
      async stream(tenant, onRow) {
        for await (const row of eventsByKey(db).where('tenant_id', '=', tenantName(tenant)).stream(chunkRows))
          onRow(row)
      },
      close: () => db.destroy(),
    }
  },
}

const inTransaction: Contestant = {
  key: 'kysely-transaction',
  label: 'Kysely, in a transaction',
  underRls: true,
  transactionPerRequest: 'builder or driver',
  open({ powerless, poolSize }) {
    const db = openKysely(powerless, poolSize)
    const asTenant = <T>(tenant: number, work: (trx: Builder) => Promise<T>) =>
      db.transaction().execute(async (trx) => {
        const context = contextOf(tenant)
        await sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${context.claims}, true), set_config('app.tenant_id', ${context.tenant}, true)`.execute(
          trx,
        )
        return await work(trx)
      })
    return {
      read: ({ id, tenant }) => asTenant(tenant, (trx) => orderById(trx, id).executeTakeFirst()),
      nested: ({ id, tenant }) => asTenant(tenant, (trx) => customerTree(trx, id).executeTakeFirst()),
      page: (request) => asTenant(request.tenant, (trx) => pageOfOrders(trx, request).execute()),
      insert: (tenant, note) => asTenant(tenant, (trx) => insertedNote(trx, note).executeTakeFirstOrThrow()),
      batch: ({ tenant, order, customer }) =>
        asTenant(tenant, async (trx) => ({
          order: await orderById(trx, order).executeTakeFirst(),
          orderCount: (await countOfCustomer(trx, customer).executeTakeFirstOrThrow()).count,
          lastOrders: await latestOrders(trx).execute(),
        })),
      insertMany: (tenant, notes) => asTenant(tenant, (trx) => insertedNotes(trx, notes).execute()),
      stream: (tenant, onRow) =>
        asTenant(tenant, async (trx) => {
          for await (const row of eventsByKey(trx).stream(chunkRows)) onRow(row)
        }),
      close: () => db.destroy(),
    }
  },
}

export const contestants: readonly Contestant[] = [plain, inTransaction]
