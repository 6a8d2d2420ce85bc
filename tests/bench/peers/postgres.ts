/**
 * postgres.js in a transaction per request. It prepares by itself, and inside of a transaction it pipelines: settings and queries are sent
 * back to back, and only BEGIN and COMMIT are waited for.
 */
import postgres from 'postgres'
import {
  type Contestant,
  type CustomerTree,
  chunkRows,
  contextOf,
  dashboardOrders,
  idleTimeoutMs,
  lastOrders,
  type OrderRow,
  pageSize,
  type Row,
} from '../contestants/contestant.ts'

type Transaction = postgres.TransactionSql

function setContext(tx: Transaction, tenant: number) {
  const context = contextOf(tenant)
  return tx`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${context.claims}, true), set_config('app.tenant_id', ${context.tenant}, true)`
}

const orderById = (tx: Transaction, id: string) => tx<OrderRow[]>`select * from orders where id = ${id}`

const customerTree = (tx: Transaction, id: string) => tx<CustomerTree[]>`
  select c.*, (select coalesce(json_agg(o), '[]') from (
      select orders.*, (select coalesce(json_agg(i), '[]') from (
          select * from order_items where order_id = orders.id order by line) i) as "orderItems"
      from orders where customer_id = c.id order by created_at desc limit ${lastOrders}) o) as orders
  from customers c where c.id = ${id}`

const inTransaction: Contestant = {
  key: 'postgres',
  label: 'postgres.js, in a pipelined transaction',
  underRls: true,
  transactionPerRequest: 'builder or driver',
  open({ powerless, poolSize }) {
    const db = postgres(powerless, { max: poolSize, idle_timeout: idleTimeoutMs / 1000, onnotice: () => {} })
    /** The rows of one query, which follows the settings without waiting for them. */
    const rowsOf = async <T extends readonly object[]>(tenant: number, query: (tx: Transaction) => PromiseLike<T>) => {
      const [, rows] = await db.begin((tx) => Promise.all([setContext(tx, tenant), query(tx)]))
      return rows as T
    }
    return {
      read: async ({ tenant, id }) => (await rowsOf(tenant, (tx) => orderById(tx, id)))[0],
      nested: async ({ tenant, id }) => (await rowsOf(tenant, (tx) => customerTree(tx, id)))[0],
      page: ({ tenant, after }) =>
        rowsOf(
          tenant,
          (tx) => tx<Row[]>`select * from orders where (created_at, id) < (${after.createdAt}, ${after.id})
            order by created_at desc, id desc limit ${pageSize + 1}`,
        ),
      async insert(tenant, note) {
        const [row] = await rowsOf(tenant, (tx) => tx<Row[]>`insert into notes ${tx({ ...note })} returning *`)
        if (row === undefined) throw new Error('Nothing was inserted.')
        return row
      },
      async batch({ tenant, order, customer }) {
        const [, orders, counts, latest] = await db.begin((tx) =>
          Promise.all([
            setContext(tx, tenant),
            orderById(tx, order),
            tx<{ count: string }[]>`select count(*) from orders where customer_id = ${customer}`,
            tx<Row[]>`select * from orders order by created_at desc limit ${dashboardOrders}`,
          ]),
        )
        return { order: orders[0], orderCount: counts[0]?.count ?? 0, lastOrders: latest }
      },
      insertMany: (tenant, notes) =>
        rowsOf(tenant, (tx) => tx`insert into notes ${tx([...notes], 'tenant_id', 'subject', 'body')}`),
      async stream(tenant, onRow) {
        await db.begin(async (tx) => {
          // Not awaited: the cursor's first message follows it, and a failure ends the transaction.
          const context = setContext(tx, tenant).execute()
          for await (const rows of tx<Row[]>`select * from events order by id`.cursor(chunkRows)) rows.forEach(onRow)
          await context
        })
      },
      close: () => db.end(),
    }
  },
}

export const contestants: readonly Contestant[] = [inTransaction]
