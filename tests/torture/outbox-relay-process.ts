/**
 * A relay that can be killed with all that it holds: `node outbox-relay-process.ts <url>`. Each delivery is a row of its own, committed before
 * the relay says that the event was delivered, as the work of a real handler is.
 */
import { Client } from 'pg'
import { createOutbox, createRelay } from '../../src/events/index.ts'
import { createDatabase } from '../../src/index.ts'

const url = process.argv[2] as string
const client = new Client(url)
await client.connect()
const db = createDatabase({ connection: url, service: { connection: url, pool: { max: 3 } }, trustLogin: true })
const outbox = createOutbox({ torture: undefined })
const work = { batch: 200, perKey: 20, concurrency: 20, leaseMs: 2_000, pollMs: 500 }
let waiting: { readonly id: string; readonly key: string | null; readonly n: number; readonly done: () => void }[] = []
let writing = false

/** Writes what is waiting in one statement, in the order in which it came. */
async function write(): Promise<void> {
  if (writing) return
  writing = true
  while (waiting.length > 0) {
    const items = waiting
    waiting = []
    await client.query(
      'insert into delivery (event_id, key, n) select * from unnest($1::bigint[], $2::text[], $3::int[])',
      [items.map(({ id }) => id), items.map(({ key }) => key), items.map(({ n }) => n)],
    )
    for (const { done } of items) done()
  }
  writing = false
}

const relay = createRelay(
  db,
  outbox,
  {
    torture: ({ id, key, payload }) =>
      new Promise<void>((done) => {
        waiting.push({ id, key, n: (payload as { n: number }).n, done })
        setImmediate(() => void write())
      }),
  },
  work,
)
await relay.run({ signal: new AbortController().signal })
