/**
 * The queries of every contestant that has Kysely's builder: plain Kysely, Kysely in a transaction, and Tenon's sessions, which are Kysely
 * instances. Not executed, so that a batch can take them. Whose rows they find is decided by what they are built with.
 */
import type { Kysely } from 'kysely'
import { jsonArrayFrom } from 'kysely/helpers/postgres'
import type { DB } from '../db/types.ts'
import { dashboardOrders, lastOrders, type NewNote, type PageRequest, pageSize } from './contestant.ts'

/** A session, a transaction or a Kysely. */
export type Builder = Kysely<DB>

export const orderById = (db: Builder, id: string) => db.selectFrom('orders').selectAll().where('id', '=', id)

export const customerTree = (db: Builder, id: string) =>
  db
    .selectFrom('customers')
    .selectAll()
    .select((customer) =>
      jsonArrayFrom(
        customer
          .selectFrom('orders')
          .selectAll('orders')
          .select((order) =>
            jsonArrayFrom(
              order
                .selectFrom('order_items')
                .selectAll('order_items')
                .whereRef('order_items.order_id', '=', 'orders.id')
                .orderBy('line'),
            ).as('orderItems'),
          )
          .whereRef('orders.customer_id', '=', 'customers.id')
          .orderBy('created_at', 'desc')
          .limit(lastOrders),
      ).as('orders'),
    )
    .where('id', '=', id)

export const pageOfOrders = (db: Builder, { after }: PageRequest) =>
  db
    .selectFrom('orders')
    .selectAll()
    .where(({ eb, refTuple, tuple }) => eb(refTuple('created_at', 'id'), '<', tuple(after.createdAt, after.id)))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(pageSize + 1)

export const insertedNote = (db: Builder, note: NewNote) => db.insertInto('notes').values(note).returningAll()

export const insertedNotes = (db: Builder, notes: readonly NewNote[]) => db.insertInto('notes').values(notes)

export const countOfCustomer = (db: Builder, customer: string) =>
  db
    .selectFrom('orders')
    .select(({ fn }) => fn.countAll<string>().as('count'))
    .where('customer_id', '=', customer)

export const latestOrders = (db: Builder) =>
  db.selectFrom('orders').selectAll().orderBy('created_at', 'desc').limit(dashboardOrders)

export const eventsByKey = (db: Builder) => db.selectFrom('events').selectAll().orderBy('id')
