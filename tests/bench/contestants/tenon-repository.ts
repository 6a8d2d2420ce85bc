/** Tenon's repositories, made of the generated metadata of orders.sql. */
import { createRepository } from '../../../src/repository/index.ts'
import { tables } from '../db/metadata.ts'
import {
  type Contestant,
  chunkRows,
  dashboardOrders,
  lastOrders,
  type OpenContestant,
  type PageRequest,
  type Place,
  pageSize,
} from './contestant.ts'
import { openTenon, type TenonOptions } from './tenon-sessions.ts'

const customers = createRepository(tables.customers)
const orders = createRepository(tables.orders)
const notes = createRepository(tables.notes)
const events = createRepository(tables.events)
const slowReports = createRepository(tables.slow_reports)

const lastFirst = { created_at: 'desc', id: 'desc' } as const

function open(place: Place, options: TenonOptions): OpenContestant {
  const { db, sessionOf } = openTenon(place, { ...options, withMetadata: true })
  const cursors = new Map<number, string | undefined>()
  /** A client brings the cursor that the page before gave it: here that page is asked for in the warm-up, once for each tenant. */
  async function cursorOf({ tenant, skipped }: PageRequest): Promise<string | undefined> {
    const before = await orders.page(sessionOf(tenant), { orderBy: lastFirst, limit: skipped })
    cursors.set(tenant, before.endCursor)
    return before.endCursor
  }
  return {
    read: ({ id, tenant }) => orders.find(sessionOf(tenant), id),
    nested: ({ id, tenant }) =>
      customers.find(sessionOf(tenant), id, {
        load: {
          orders: {
            orderBy: { created_at: 'desc' },
            limit: lastOrders,
            load: { orderItems: { orderBy: { line: 'asc' } } },
          },
        },
      }),
    async page(request) {
      const after = cursors.get(request.tenant) ?? (await cursorOf(request))
      return (await orders.page(sessionOf(request.tenant), { orderBy: lastFirst, limit: pageSize, after })).items
    },
    insert: (tenant, note) => notes.insert(sessionOf(tenant), note),
    async batch({ tenant, order, customer }) {
      const me = sessionOf(tenant)
      // A batch takes builders: three calls of repositories are three queries side by side.
      const [found, orderCount, latest] = await Promise.all([
        orders.find(me, order),
        orders.count(me, { customer_id: customer }),
        orders.list(me, { orderBy: { created_at: 'desc' }, limit: dashboardOrders }),
      ])
      return { order: found, orderCount, lastOrders: latest }
    },
    insertMany: (tenant, many) => notes.insertMany(sessionOf(tenant), many),
    async stream(tenant, onRow) {
      for await (const row of events.stream(sessionOf(tenant), { orderBy: { id: 'asc' }, chunkSize: chunkRows }))
        onRow(row)
    },
    slow: (tenant) => slowReports.list(sessionOf(tenant)),
    close: () => db.close(),
  }
}

export const contestants: readonly Contestant[] = [
  {
    key: 'tenon-repository',
    label: 'Tenon, repository',
    underRls: true,
    open: (place) => open(place, {}),
  },
  {
    key: 'tenon-multiplexed-repository',
    label: 'Tenon, repository, multiplexed',
    underRls: true,
    open: (place) => open(place, { multiplex: true }),
  },
]
