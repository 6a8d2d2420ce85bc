/**
 * Drizzle in a transaction per request. Statements are prepared by name: built in each transaction, as its queries have to be, and planned once
 * per connection. It has no cursors for PostgreSQL, so a stream is chunks by key.
 */
import { asc, count, desc, eq, gt, relations, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { bigint, integer, jsonb, numeric, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
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

const key = () => bigint({ mode: 'number' })
const instant = () => timestamp({ withTimezone: true })
const price = () => numeric({ precision: 12, scale: 2 }).notNull()

const customers = pgTable('customers', {
  id: key().primaryKey(),
  tenant_id: text().notNull(),
  name: text().notNull(),
  email: text().notNull(),
})
const orders = pgTable('orders', {
  id: key().primaryKey(),
  customer_id: key().notNull(),
  tenant_id: text().notNull(),
  total: price(),
  metadata: jsonb().notNull(),
  created_at: instant().notNull(),
})
const orderItems = pgTable(
  'order_items',
  {
    order_id: key().notNull(),
    line: integer().notNull(),
    tenant_id: text().notNull(),
    sku: text().notNull(),
    price: price(),
  },
  (table) => [primaryKey({ columns: [table.order_id, table.line] })],
)
const notes = pgTable('notes', {
  id: key().primaryKey().generatedAlwaysAsIdentity(),
  tenant_id: text().notNull(),
  subject: text().notNull(),
  body: text().notNull(),
  created_at: instant().notNull().defaultNow(),
})
const events = pgTable('events', {
  id: key().primaryKey(),
  tenant_id: text().notNull(),
  kind: text().notNull(),
  occurred_at: instant().notNull(),
})
const schema = {
  customers,
  orders,
  orderItems,
  notes,
  events,
  customersRelations: relations(customers, ({ many }) => ({ orders: many(orders) })),
  ordersRelations: relations(orders, ({ one, many }) => ({
    customer: one(customers, { fields: [orders.customer_id], references: [customers.id] }),
    orderItems: many(orderItems),
  })),
  orderItemsRelations: relations(orderItems, ({ one }) => ({
    order: one(orders, { fields: [orderItems.order_id], references: [orders.id] }),
  })),
}

const inTransaction: Contestant = {
  key: 'drizzle',
  label: 'Drizzle, in a transaction',
  underRls: true,
  transactionPerRequest: 'ORM',
  open({ powerless, poolSize }) {
    const pool = new Pool({ connectionString: powerless, max: poolSize, idleTimeoutMillis: idleTimeoutMs })
    const db = drizzle(pool, { schema })
    type Transaction = Parameters<Parameters<typeof db.transaction>[0]>[0]
    const asTenant = <T>(tenant: number, work: (tx: Transaction) => Promise<T>) =>
      db.transaction(async (tx) => {
        const context = contextOf(tenant)
        await tx.execute(
          sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${context.claims}, true), set_config('app.tenant_id', ${context.tenant}, true)`,
        )
        return await work(tx)
      })
    const orderById = async (tx: Transaction, id: string) =>
      (
        await tx
          .select()
          .from(orders)
          .where(eq(orders.id, Number(id)))
          .prepare('order')
          .execute()
      )[0]
    return {
      read: ({ tenant, id }) => asTenant(tenant, (tx) => orderById(tx, id)),
      nested: ({ tenant, id }) =>
        asTenant(tenant, (tx) =>
          tx.query.customers
            .findFirst({
              where: eq(customers.id, Number(id)),
              with: {
                orders: {
                  orderBy: desc(orders.created_at),
                  limit: lastOrders,
                  with: { orderItems: { orderBy: asc(orderItems.line) } },
                },
              },
            })
            .prepare('customer')
            .execute(),
        ),
      page: ({ tenant, after }) =>
        asTenant(tenant, (tx) =>
          tx
            .select()
            .from(orders)
            .where(
              sql`(${orders.created_at}, ${orders.id}) < (${after.createdAt.toISOString()}::timestamptz, ${after.id}::int8)`,
            )
            .orderBy(desc(orders.created_at), desc(orders.id))
            .limit(pageSize + 1)
            .prepare('page')
            .execute(),
        ),
      async insert(tenant, note) {
        const [row] = await asTenant(tenant, (tx) =>
          tx.insert(notes).values(note).returning().prepare('note').execute(),
        )
        if (row === undefined) throw new Error('Nothing was inserted.')
        return row
      },
      batch: ({ tenant, order, customer }) =>
        asTenant(tenant, async (tx) => {
          const found = await orderById(tx, order)
          const [counted] = await tx
            .select({ count: count() })
            .from(orders)
            .where(eq(orders.customer_id, Number(customer)))
            .prepare('count')
            .execute()
          const latest = await tx
            .select()
            .from(orders)
            .orderBy(desc(orders.created_at))
            .limit(dashboardOrders)
            .prepare('last')
            .execute()
          return { order: found, orderCount: counted?.count ?? 0, lastOrders: latest }
        }),
      insertMany: (tenant, many) => asTenant(tenant, (tx) => tx.insert(notes).values([...many])),
      stream: (tenant, onRow) =>
        asTenant(tenant, async (tx) => {
          for (let last = 0; ; ) {
            const rows = await tx
              .select()
              .from(events)
              .where(gt(events.id, last))
              .orderBy(asc(events.id))
              .limit(chunkRows)
              .prepare('events')
              .execute()
            for (const row of rows) onRow(row)
            if (rows.length < chunkRows) return
            last = rows.at(-1)?.id ?? last
          }
        }),
      close: () => pool.end(),
    }
  },
}

export const contestants: readonly Contestant[] = [inTransaction]
