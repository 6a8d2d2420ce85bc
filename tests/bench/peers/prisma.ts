/**
 * Prisma 7 in a transaction per request: an interactive one. The list of queries that its documentation shows for row-level security takes half
 * as long again. Statements are named and relations joined. It has no cursors, so a stream is chunks by key.
 */
import { createHash } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import {
  type Contestant,
  chunkRows,
  contextOf,
  dashboardOrders,
  idleTimeoutMs,
  lastOrders,
  pageSize,
} from '../contestants/contestant.ts'
import { type Prisma, PrismaClient } from './generated/orders/client.ts'

/** A name for each statement, so that the server plans it once per connection. */
function createStatementNames(): (query: { readonly sql: string }) => string {
  const names = new Map<string, string>()
  return ({ sql }) => {
    const known = names.get(sql)
    if (known !== undefined) return known
    const name = createHash('sha1').update(sql).digest('base64url')
    names.set(sql, name)
    return name
  }
}

const inTransaction: Contestant = {
  key: 'prisma',
  label: 'Prisma 7, in a transaction',
  underRls: true,
  transactionPerRequest: 'ORM',
  open({ powerless, poolSize }) {
    const adapter = new PrismaPg(
      { connectionString: powerless, max: poolSize, idleTimeoutMillis: idleTimeoutMs },
      { statementNameGenerator: createStatementNames() },
    )
    // On a slow machine 64 in flight wait for longer than its default, 2 s.
    const prisma = new PrismaClient({ adapter, transactionOptions: { maxWait: 60_000, timeout: 60_000 } })
    const asTenant = <T>(tenant: number, work: (tx: Prisma.TransactionClient) => Promise<T>) =>
      prisma.$transaction(async (tx) => {
        const context = contextOf(tenant)
        await tx.$executeRaw`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${context.claims}, true), set_config('app.tenant_id', ${context.tenant}, true)`
        return await work(tx)
      })
    return {
      read: ({ tenant, id }) => asTenant(tenant, (tx) => tx.orders.findUnique({ where: { id: BigInt(id) } })),
      nested: ({ tenant, id }) =>
        asTenant(tenant, (tx) =>
          tx.customers.findUnique({
            where: { id: BigInt(id) },
            relationLoadStrategy: 'join',
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
              OR: [{ created_at: { lt: after.createdAt } }, { id: { lt: BigInt(after.id) } }],
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
          for (let last = 0n; ; ) {
            const rows = await tx.events.findMany({
              where: { id: { gt: last } },
              orderBy: { id: 'asc' },
              take: chunkRows,
            })
            for (const row of rows) onRow(row)
            if (rows.length < chunkRows) return
            last = rows.at(-1)?.id ?? last
          }
        }),
      close: () => prisma.$disconnect(),
    }
  },
}

export const contestants: readonly Contestant[] = [inTransaction]
