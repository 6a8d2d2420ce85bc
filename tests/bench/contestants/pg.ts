/**
 * Bare pg: named statements written by hand, without row security, and so with the tenant in their conditions. It is what the others are
 * measured against, and the control that has no row security.
 */
import { Pool, type Submittable } from 'pg'
import Cursor from 'pg-cursor'
import {
  type Contestant,
  type CustomerTree,
  chunkRows,
  dashboardOrders,
  idleTimeoutMs,
  lastOrders,
  type OrderRow,
  pageSize,
  type Row,
  tenantName,
} from './contestant.ts'

const byId = { name: 'order', text: 'select * from orders where id = $1' }

/** One round trip and one row: what somebody writes who counts both. */
const nested = {
  name: 'customer',
  text: `select c.*, (select coalesce(json_agg(o), '[]') from (
      select orders.*, (select coalesce(json_agg(i), '[]') from (
          select * from order_items where order_id = orders.id order by line) i) as "orderItems"
      from orders where customer_id = c.id order by created_at desc limit ${lastOrders}) o) as orders
    from customers c where c.id = $1`,
}
const page = {
  name: 'page',
  text: `select * from orders where tenant_id = $1 and (created_at, id) < ($2, $3)
    order by created_at desc, id desc limit ${pageSize + 1}`,
}
const insert = {
  name: 'note',
  text: 'insert into notes (tenant_id, subject, body) values ($1, $2, $3) returning *',
}
const countOfCustomer = { name: 'count', text: 'select count(*) from orders where customer_id = $1' }
const last = {
  name: 'last',
  text: `select * from orders where tenant_id = $1 order by created_at desc limit ${dashboardOrders}`,
}
const insertMany = {
  name: 'notes',
  text: 'insert into notes (tenant_id, subject, body) select * from unnest($1::text[], $2::text[], $3::text[])',
}
const events = 'select * from events where tenant_id = $1 order by id'
/** What pg-cursor, which ships no types, gives to pg. */
interface RowCursor extends Submittable {
  read(rows: number): Promise<Row[]>
  close(): Promise<void>
}

const slow = { name: 'slow', text: 'select * from slow_reports' }

/** The one that others are compared with. */
export const barePg: Contestant = {
  key: 'pg',
  label: 'pg, named statements, no RLS',
  underRls: false,
  open({ bare, poolSize }) {
    const pool = new Pool({ connectionString: bare, max: poolSize, idleTimeoutMillis: idleTimeoutMs })
    return {
      read: async ({ id }) => (await pool.query<OrderRow>({ ...byId, values: [id] })).rows[0],
      nested: async ({ id }) => (await pool.query<CustomerTree>({ ...nested, values: [id] })).rows[0],
      page: async ({ tenant, after }) =>
        (await pool.query<Row>({ ...page, values: [tenantName(tenant), after.createdAt, after.id] })).rows,
      async insert(_tenant, { tenant_id, subject, body }) {
        const { rows } = await pool.query<Row>({ ...insert, values: [tenant_id, subject, body] })
        const [row] = rows
        if (row === undefined) throw new Error('Nothing was inserted.')
        return row
      },
      async batch({ tenant, order, customer }) {
        // Nothing of it has to be of one moment, so each query takes a connection of its own.
        const [orders, counts, latest] = await Promise.all([
          pool.query<OrderRow>({ ...byId, values: [order] }),
          pool.query<{ count: string }>({ ...countOfCustomer, values: [customer] }),
          pool.query<Row>({ ...last, values: [tenantName(tenant)] }),
        ])
        return { order: orders.rows[0], orderCount: counts.rows[0]?.count ?? 0, lastOrders: latest.rows }
      },
      insertMany: (_tenant, notes) =>
        pool.query({
          ...insertMany,
          values: [
            notes.map((note) => note.tenant_id),
            notes.map((note) => note.subject),
            notes.map((note) => note.body),
          ],
        }),
      async stream(tenant, onRow) {
        const client = await pool.connect()
        try {
          // Kysely's types of the package, which is all there are, leave out that pg can send it.
          const cursor = client.query(new Cursor(events, [tenantName(tenant)]) as unknown as RowCursor)
          for (;;) {
            const rows = await cursor.read(chunkRows)
            if (rows.length === 0) break
            for (const row of rows) onRow(row)
          }
          await cursor.close()
        } finally {
          client.release()
        }
      },
      slow: () => pool.query(slow),
      close: () => pool.end(),
    }
  },
}

export const contestants: readonly Contestant[] = [barePg]
