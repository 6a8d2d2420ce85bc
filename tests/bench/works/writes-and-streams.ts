/** The works that write notes, and the one that streams events. What was written is counted by the admin (bench-database.ts). */
import type { NewNote, Row } from '../contestants/contestant.ts'
import { tenantName } from '../contestants/contestant.ts'
import { eventsPerTenant, tenantOf } from './order-numbers.ts'
import { defineWork } from './work.ts'

const bulkRows = 1000

const noteOf = (tenant: number, n: number): NewNote => ({
  tenant_id: tenantName(tenant),
  subject: `Note ${n}`,
  body: `What somebody wrote about order ${n}, in a sentence of some length.`,
})

/** One note, and the row that comes back. */
export const insert = defineWork<{ readonly tenant: number; readonly note: NewNote }, Row>({
  key: 'insert',
  title: 'insert',
  what: 'a note, with the row returned',
  writes: 1,
  request: (n) => ({ tenant: tenantOf(n), note: noteOf(tenantOf(n), n) }),
  ask: (contestant, { tenant, note }) => contestant.insert(tenant, note),
  isRight: (row) => Number(row?.id) > 0,
  digest: () => undefined,
})

/** Many notes in one call. */
export const insertMany = defineWork<{ readonly tenant: number; readonly notes: readonly NewNote[] }, unknown>({
  key: 'insertMany',
  title: 'bulk insert',
  what: `${bulkRows.toLocaleString('en')} notes in one call`,
  writes: bulkRows,
  request: (n) => ({ tenant: tenantOf(n), notes: Array.from({ length: bulkRows }, (_, i) => noteOf(tenantOf(n), i)) }),
  ask: (contestant, { tenant, notes }) => contestant.insertMany(tenant, notes),
  isRight: () => true,
  digest: () => undefined,
})

interface StreamRequest {
  readonly tenant: number
  /** What came, added up while it comes: a stream keeps nothing. */
  readonly seen: { rows: number; sumOfIds: number }
}

/** Event i is tenant i % 2's, from 1 on. */
const sumOfIds = (tenant: number) => (tenant === 0 ? eventsPerTenant * (eventsPerTenant + 1) : eventsPerTenant ** 2)

/** All events of a tenant. */
export const stream = defineWork<StreamRequest, void>({
  key: 'stream',
  title: 'stream',
  what: `${eventsPerTenant.toLocaleString('en')} rows by key, as they arrive`,
  request: (n) => ({ tenant: n % 2, seen: { rows: 0, sumOfIds: 0 } }),
  ask: (contestant, { tenant, seen }) =>
    contestant.stream(tenant, (row) => {
      seen.rows += 1
      seen.sumOfIds += Number(row.id)
    }),
  isRight: (_answer, { tenant, seen }) => seen.rows === eventsPerTenant && seen.sumOfIds === sumOfIds(tenant),
  digest: (_answer, { seen }) => seen,
})
