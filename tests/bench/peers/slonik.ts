/**
 * Slonik in a transaction per request, with prepared statements. Nothing outlives the transaction, so connections are not reset between
 * two: `DISCARD ALL`, which Slonik sends by default, would cost a round trip and every prepared statement. Its own stream fetches 100 rows
 * at a time and cannot be told otherwise, so a stream is chunks by key.
 */
import { createPool, type DatabaseTransactionConnection, sql } from 'slonik'
import { z } from 'zod'
import {
  type Contestant,
  chunkRows,
  contextOf,
  dashboardOrders,
  idleTimeoutMs,
  lastOrders,
  pageSize,
} from '../contestants/contestant.ts'

// Types only: without an interceptor that parses, Slonik checks no row.
const row = z.object({ id: z.number() })
const orderRow = z.object({ id: z.number(), tenant_id: z.string() })
const customerTree = z.object({
  id: z.number(),
  orders: z.array(z.object({ id: z.number(), orderItems: z.array(z.unknown()) })),
})
const counted = z.object({ count: z.number() })

const orderById = (id: string) => sql.prepared('order', orderRow)`select * from orders where id = ${id}`

const inTransaction: Contestant = {
  key: 'slonik',
  label: 'Slonik, in a transaction',
  underRls: true,
  transactionPerRequest: 'builder or driver',
  async open({ powerless, poolSize }) {
    const pool = await createPool(powerless, {
      maxPoolSize: poolSize,
      idleTimeout: idleTimeoutMs,
      resetConnection: async () => {},
    })
    const asTenant = <T>(tenant: number, work: (tx: DatabaseTransactionConnection) => Promise<T>) =>
      pool.transaction(async (tx) => {
        const context = contextOf(tenant)
        await tx.query(
          sql.prepared(
            'context',
            z.object({}),
          )`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${context.claims}, true), set_config('app.tenant_id', ${context.tenant}, true)`,
        )
        return await work(tx)
      })
    return {
      read: ({ tenant, id }) => asTenant(tenant, (tx) => tx.maybeOne(orderById(id))),
      nested: ({ tenant, id }) =>
        asTenant(tenant, (tx) =>
          tx.maybeOne(sql.prepared('customer', customerTree)`
            select c.*, (select coalesce(json_agg(o), '[]') from (
                select orders.*, (select coalesce(json_agg(i), '[]') from (
                    select * from order_items where order_id = orders.id order by line) i) as "orderItems"
                from orders where customer_id = c.id order by created_at desc limit ${lastOrders}) o) as orders
            from customers c where c.id = ${id}`),
        ),
      page: ({ tenant, after }) =>
        asTenant(tenant, (tx) =>
          tx.any(sql.prepared('page', row)`select * from orders
            where (created_at, id) < (${sql.timestamp(after.createdAt)}, ${after.id})
            order by created_at desc, id desc limit ${pageSize + 1}`),
        ),
      insert: (tenant, { tenant_id, subject, body }) =>
        asTenant(tenant, (tx) =>
          tx.one(sql.prepared('note', row)`insert into notes (tenant_id, subject, body)
            values (${tenant_id}, ${subject}, ${body}) returning *`),
        ),
      batch: ({ tenant, order, customer }) =>
        asTenant(tenant, async (tx) => ({
          order: await tx.maybeOne(orderById(order)),
          orderCount: (
            await tx.one(sql.prepared('count', counted)`select count(*) from orders where customer_id = ${customer}`)
          ).count,
          lastOrders: await tx.any(
            sql.prepared('last', row)`select * from orders order by created_at desc limit ${dashboardOrders}`,
          ),
        })),
      insertMany: (tenant, notes) =>
        asTenant(tenant, (tx) =>
          tx.query(sql.prepared('notes', z.object({}))`insert into notes (tenant_id, subject, body)
            select * from ${sql.unnest(
              notes.map(({ tenant_id, subject, body }) => [tenant_id, subject, body]),
              ['text', 'text', 'text'],
            )}`),
        ),
      stream: (tenant, onRow) =>
        asTenant(tenant, async (tx) => {
          for (let last = 0; ; ) {
            const rows = await tx.any(
              sql.prepared('events', row)`select * from events where id > ${last} order by id limit ${chunkRows}`,
            )
            for (const event of rows) onRow(event)
            if (rows.length < chunkRows) return
            last = rows.at(-1)?.id ?? last
          }
        }),
      close: () => pool.end(),
    }
  },
}

export const contestants: readonly Contestant[] = [inTransaction]
