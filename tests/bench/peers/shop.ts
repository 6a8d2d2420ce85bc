/**
 * Drizzle and Prisma on the tables of ../repository.ts: what teams write with them for row-level security, a transaction around each request that
 * sets role and claims first. A row with its last 10 of another table and theirs of a third, and a page of 20 by key.
 */
import { PrismaPg } from '@prisma/adapter-pg'
import { and, asc, desc, eq, relations, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, numeric, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { Pool } from 'pg'
import type { Peer } from '../peers.ts'
import { PrismaClient } from './generated/shop/client.ts'

const claims = '{"sub":"ada"}'

const customers = pgTable('customers', { id: integer().primaryKey(), owner: text().notNull(), name: text().notNull() })
const orders = pgTable('orders', {
  id: integer().primaryKey(),
  customer_id: integer().notNull(),
  placed_at: timestamp({ withTimezone: true }).notNull(),
  total: numeric({ precision: 10, scale: 2 }).notNull(),
})
const items = pgTable(
  'items',
  {
    order_id: integer().notNull(),
    line: integer().notNull(),
    sku: text().notNull(),
    price: numeric({ precision: 10, scale: 2 }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.order_id, table.line] })],
)
const schema = {
  customers,
  orders,
  items,
  customersRelations: relations(customers, ({ many }) => ({ orders: many(orders) })),
  ordersRelations: relations(orders, ({ one, many }) => ({
    customer: one(customers, { fields: [orders.customer_id], references: [customers.id] }),
    items: many(items),
  })),
  itemsRelations: relations(items, ({ one }) => ({
    order: one(orders, { fields: [items.order_id], references: [orders.id] }),
  })),
}

function openDrizzle(url: string): Peer {
  const pool = new Pool({ connectionString: url, max: 1 })
  const db = drizzle(pool, { schema })
  type Transaction = Parameters<Parameters<typeof db.transaction>[0]>[0]
  const inTransaction = <T>(work: (tx: Transaction) => Promise<T>) =>
    db.transaction(async (tx) => {
      await tx.execute(
        sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${claims}, true)`,
      )
      return await work(tx)
    })
  return {
    label: 'Drizzle, in a transaction',
    nested: (id) =>
      inTransaction((tx) =>
        tx.query.customers.findFirst({
          where: eq(customers.id, id),
          with: {
            orders: { orderBy: desc(orders.placed_at), limit: 10, with: { items: { orderBy: asc(items.line) } } },
          },
        }),
      ),
    page: (customerId, { placedAt, id }) =>
      inTransaction((tx) =>
        tx
          .select()
          .from(orders)
          .where(
            and(
              eq(orders.customer_id, customerId),
              sql`(${orders.placed_at}, ${orders.id}) < (${placedAt.toISOString()}::timestamptz, ${id}::int4)`,
            ),
          )
          .orderBy(desc(orders.placed_at), desc(orders.id))
          .limit(21),
      ),
    close: () => pool.end(),
  }
}

function openPrisma(url: string, strategy: 'join' | 'query'): Peer {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 1 }) })
  type Transaction = Parameters<Parameters<typeof prisma.$transaction>[0]>[0]
  const inTransaction = <T>(work: (tx: Transaction) => Promise<T>) =>
    prisma.$transaction(async (tx) => {
      await tx.$queryRaw`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${claims}, true)`
      return await work(tx)
    })
  return {
    label: `Prisma 7 (${strategy}), in a transaction`,
    nested: (id) =>
      inTransaction((tx) =>
        tx.customers.findUnique({
          where: { id },
          relationLoadStrategy: strategy,
          include: {
            orders: { orderBy: { placed_at: 'desc' }, take: 10, include: { items: { orderBy: { line: 'asc' } } } },
          },
        }),
      ),
    page: (customerId, { placedAt, id }) =>
      inTransaction((tx) =>
        tx.orders.findMany({
          where: {
            customer_id: customerId,
            placed_at: { lte: placedAt },
            OR: [{ placed_at: { lt: placedAt } }, { id: { lt: id } }],
          },
          orderBy: [{ placed_at: 'desc' }, { id: 'desc' }],
          take: 21,
        }),
      ),
    close: () => prisma.$disconnect(),
  }
}

/** Opens them, with one connection each. */
export function openPeers(url: string): readonly Peer[] {
  return [openDrizzle(url), openPrisma(url, 'join'), openPrisma(url, 'query')]
}
