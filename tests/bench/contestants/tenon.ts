/** Tenon's sessions with Kysely's builder: the same queries as Kysely's, each under role, claims and settings in one round trip. */
import { first } from '../../../src/index.ts'
import {
  countOfCustomer,
  customerTree,
  eventsByKey,
  insertedNote,
  insertedNotes,
  latestOrders,
  orderById,
  pageOfOrders,
} from './builder-queries.ts'
import { type Contestant, chunkRows, type OpenContestant, type Place } from './contestant.ts'
import { openTenon, type TenonOptions } from './tenon-sessions.ts'

function open(place: Place, options: TenonOptions): OpenContestant {
  const { db, sessionOf } = openTenon(place, options)
  return {
    read: ({ id, tenant }) => orderById(sessionOf(tenant), id).executeTakeFirst(),
    nested: ({ id, tenant }) => customerTree(sessionOf(tenant), id).executeTakeFirst(),
    page: (request) => pageOfOrders(sessionOf(request.tenant), request).execute(),
    insert: (tenant, note) => insertedNote(sessionOf(tenant), note).executeTakeFirstOrThrow(),
    async batch({ tenant, order, customer }) {
      const me = sessionOf(tenant)
      const [found, counted, lastOrders] = await me.batch([
        first(orderById(me, order)),
        first(countOfCustomer(me, customer)),
        latestOrders(me),
      ])
      return { order: found, orderCount: counted?.count ?? 0, lastOrders }
    },
    insertMany: (tenant, notes) => insertedNotes(sessionOf(tenant), notes).execute(),
    async stream(tenant, onRow) {
      for await (const row of eventsByKey(sessionOf(tenant)).stream(chunkRows)) onRow(row)
    },
    slow: (tenant) => sessionOf(tenant).selectFrom('slow_reports').selectAll().execute(),
    close: () => db.close(),
  }
}

export const contestants: readonly Contestant[] = [
  {
    key: 'tenon',
    label: 'Tenon, query builder in a session',
    underRls: true,
    open: (place) => open(place, {}),
  },
  {
    key: 'tenon-request',
    label: 'Tenon, a new session for every request',
    underRls: true,
    works: ['read', 'insert'],
    open: (place) => open(place, { sessionPerRequest: true }),
  },
  {
    key: 'tenon-multiplexed',
    label: 'Tenon, query builder, multiplexed',
    underRls: true,
    open: (place) => open(place, { multiplex: true }),
  },
]
