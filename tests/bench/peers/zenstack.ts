/** ZenStack 3 in a transaction per request. Its queries are Kysely's beneath, with relations joined; a stream is chunks by key. */
import { ZenStackClient } from '@zenstackhq/orm'
import { PostgresDialect } from '@zenstackhq/orm/dialects/postgres'
import { Pool } from 'pg'
import {
  type Contestant,
  chunkRows,
  contextOf,
  dashboardOrders,
  idleTimeoutMs,
  lastOrders,
  pageSize,
} from '../contestants/contestant.ts'
import { schema } from './zenstack/schema.ts'

const inTransaction: Contestant = {
  key: 'zenstack',
  label: 'ZenStack 3, in a transaction',
  underRls: true,
  transactionPerRequest: 'ORM',
  open({ powerless, poolSize }) {
    const pool = new Pool({ connectionString: powerless, max: poolSize, idleTimeoutMillis: idleTimeoutMs })
    const client = new ZenStackClient(schema, { dialect: new PostgresDialect({ pool }) })
    type Models = Pick<typeof client, 'customers' | 'orders' | 'notes' | 'events'>
    const asTenant = <T>(tenant: number, work: (tx: Models) => Promise<T>) =>
      client.$transaction(async (tx) => {
        const context = contextOf(tenant)
        await tx.$queryRaw`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${context.claims}, true), set_config('app.tenant_id', ${context.tenant}, true)`
        return await work(tx)
      })
    return {
      read: ({ tenant, id }) => asTenant(tenant, (tx) => tx.orders.findUnique({ where: { id: BigInt(id) } })),
      nested: ({ tenant, id }) =>
        asTenant(tenant, (tx) =>
          tx.customers.findUnique({
            where: { id: BigInt(id) },
            include: {
              orders: {
                orderBy: { created_at: 'desc' },
                take: lastOrders,
                include: { orderItems: { orderBy: { line: 'asc' } } },
              },
            },
          }),
        ),
      page: ({ tenant, after }) =>
        asTenant(tenant, (tx) =>
          tx.orders.findMany({
            where: {
              created_at: { lte: after.createdAt },
              OR: [{ created_at: { lt: after.createdAt } }, { id: { lt: Number(after.id) } }],
            },
            orderBy: [{ created_at: 'desc' }, { id: 'desc' }],
            take: pageSize + 1,
          }),
        ),
      insert: (tenant, note) => asTenant(tenant, (tx) => tx.notes.create({ data: note })),
      batch: ({ tenant, order, customer }) =>
        asTenant(tenant, async (tx) => ({
          order: await tx.orders.findUnique({ where: { id: BigInt(order) } }),
          orderCount: await tx.orders.count({ where: { customer_id: BigInt(customer) } }),
          lastOrders: await tx.orders.findMany({ orderBy: { created_at: 'desc' }, take: dashboardOrders }),
        })),
      insertMany: (tenant, notes) => asTenant(tenant, (tx) => tx.notes.createMany({ data: [...notes] })),
      stream: (tenant, onRow) =>
        asTenant(tenant, async (tx) => {
          for (let last = 0; ; ) {
            const rows = await tx.events.findMany({
              where: { id: { gt: last } },
              orderBy: { id: 'asc' },
              take: chunkRows,
            })
            for (const row of rows) onRow(row)
            if (rows.length < chunkRows) return
            last = Number(rows.at(-1)?.id ?? last)
          }
        }),
      close: () => client.$disconnect(),
    }
  },
}

export const contestants: readonly Contestant[] = [inTransaction]
