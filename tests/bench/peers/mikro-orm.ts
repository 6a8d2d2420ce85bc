/**
 * MikroORM 7 in a transaction per request: a fork of the entity manager per request, whose session context makes it begin a transaction and
 * call set_config around each query. The role goes with the settings, since its own option for it would be one statement more.
 */
import { defineEntity, MikroORM, p } from '@mikro-orm/postgresql'
import {
  type Contestant,
  chunkRows,
  contextOf,
  dashboardOrders,
  idleTimeoutMs,
  lastOrders,
  pageSize,
} from '../contestants/contestant.ts'

const Customer = defineEntity({
  name: 'Customer',
  tableName: 'customers',
  properties: {
    id: p.bigint().primary(),
    tenant_id: p.text(),
    name: p.text(),
    email: p.text(),
    orders: () => p.oneToMany(Order).mappedBy('customer'),
  },
})
const Order = defineEntity({
  name: 'Order',
  tableName: 'orders',
  properties: {
    id: p.bigint().primary(),
    customer: () => p.manyToOne(Customer).joinColumn('customer_id'),
    tenant_id: p.text(),
    total: p.decimal(),
    metadata: p.json(),
    created_at: p.datetime(),
    orderItems: () => p.oneToMany(OrderItem).mappedBy('order'),
  },
})
const OrderItem = defineEntity({
  name: 'OrderItem',
  tableName: 'order_items',
  properties: {
    order: () => p.manyToOne(Order).joinColumn('order_id').primary(),
    line: p.integer().primary(),
    tenant_id: p.text(),
    sku: p.text(),
    price: p.decimal(),
  },
})
const Note = defineEntity({
  name: 'Note',
  tableName: 'notes',
  properties: {
    id: p.bigint().primary().autoincrement(),
    tenant_id: p.text(),
    subject: p.text(),
    body: p.text(),
    created_at: p.datetime().defaultRaw('now()'),
  },
})
const Event = defineEntity({
  name: 'Event',
  tableName: 'events',
  properties: { id: p.bigint().primary(), tenant_id: p.text(), kind: p.text(), occurred_at: p.datetime() },
})

const inTransaction: Contestant = {
  key: 'mikro-orm',
  label: 'MikroORM 7, in a transaction',
  underRls: true,
  transactionPerRequest: 'ORM',
  async open({ powerless, poolSize }) {
    const orm = await MikroORM.init({
      clientUrl: powerless,
      entities: [Customer, Order, OrderItem, Note, Event],
      pool: { max: poolSize, idleTimeoutMillis: idleTimeoutMs },
      discovery: { warnWhenNoEntities: false },
    })
    const asTenant = (tenant: number) => {
      const em = orm.em.fork()
      const context = contextOf(tenant)
      em.setSessionContext({
        variables: { role: 'authenticated', 'request.jwt.claims': context.claims, 'app.tenant_id': context.tenant },
      })
      return em
    }
    return {
      read: ({ tenant, id }) => asTenant(tenant).findOne(Order, { id: BigInt(id) }),
      nested: ({ tenant, id }) =>
        asTenant(tenant).transactional((em) =>
          em.findOne(
            Customer,
            { id: BigInt(id) },
            {
              populate: ['orders.orderItems'],
              populateHints: {
                orders: { limit: lastOrders, orderBy: { created_at: 'desc' } },
                'orders.orderItems': { orderBy: { line: 'asc' } },
              },
            },
          ),
        ),
      page: ({ tenant, after }) =>
        asTenant(tenant).find(
          Order,
          {
            created_at: { $lte: after.createdAt },
            $or: [{ created_at: { $lt: after.createdAt } }, { id: { $lt: BigInt(after.id) } }],
          },
          { orderBy: { created_at: 'desc', id: 'desc' }, limit: pageSize + 1 },
        ),
      async insert(tenant, values) {
        const em = asTenant(tenant)
        const note = em.create(Note, values)
        await em.persist(note).flush()
        return note
      },
      batch: ({ tenant, order, customer }) =>
        asTenant(tenant).transactional(async (em) => ({
          order: await em.findOne(Order, { id: BigInt(order) }),
          orderCount: await em.count(Order, { customer: BigInt(customer) }),
          lastOrders: await em.find(Order, {}, { orderBy: { created_at: 'desc' }, limit: dashboardOrders }),
        })),
      insertMany: (tenant, notes) => asTenant(tenant).insertMany(Note, [...notes]),
      stream: (tenant, onRow) =>
        asTenant(tenant).transactional(async (em) => {
          for await (const row of em.stream(Event, { orderBy: { id: 'asc' }, chunkSize: chunkRows })) onRow(row)
        }),
      close: () => orm.close(),
    }
  },
}

export const contestants: readonly Contestant[] = [inTransaction]
