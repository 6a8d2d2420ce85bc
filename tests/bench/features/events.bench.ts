/**
 * Events per second through the outbox on this machine, and how long a backlog takes: written, handed out, handled and told as delivered.
 * Beside it what the database alone takes for the same statements, so that the client's share is seen.
 */
import { Client } from 'pg'
import { createOutbox, createRelay, defineChannel, subscribe } from '../../../src/events/index.ts'
import { createDatabase } from '../../../src/index.ts'
import { applyMigrations } from '../../../src/migrate/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { openServer } from '../../support/servers.ts'

const events = Number(process.env['TENON_BENCH_EVENTS'] ?? 100_000)
const { server, stop } = await openServer()
const servers = { main: server, prefix: `bench${process.pid.toString(36)}_` }
await using cleanup = new AsyncDisposableStack()
cleanup.defer(stop)
const place = await createTestDatabase({ servers })
const login = await createLogin(place, { servers })
const db = createDatabase({ connection: login.url, service: { connection: place.adminUrl } })
cleanup.defer(() => db.close())
await applyMigrations(db, { modules: ['outbox'] })
const admin = new Client(place.adminUrl)
await admin.connect()
cleanup.defer(() => admin.end())
const me = db.session({ role: 'authenticated', claims: { sub: 'bench' } })
const outbox = createOutbox({ made: undefined })

async function enqueue(count: number, keys: number): Promise<number> {
  const begun = performance.now()
  for (let done = 0; done < count; done += 1_000)
    await outbox.enqueueMany(
      me,
      Array.from({ length: Math.min(1_000, count - done) }, (_, i) => ({
        topic: 'made' as const,
        payload: { n: done + i },
        ...(keys > 0 ? { key: `k${(done + i) % keys}` } : {}),
      })),
    )
  return performance.now() - begun
}

async function deliver(count: number, relays = 1): Promise<number> {
  const begun = performance.now()
  const controller = new AbortController()
  let delivered = 0
  const all = Array.from({ length: relays }, () =>
    createRelay(db, outbox, {
      made: () => {
        delivered += 1
        if (delivered === count) controller.abort()
      },
    }).run({ signal: controller.signal }),
  )
  await Promise.all(all)
  return performance.now() - begun
}

/** What the server needs for the statements alone. */
async function claimAlone(count: number): Promise<number> {
  const begun = performance.now()
  for (let done = 0; done < count; ) {
    const { rows } = await admin.query<{ id: string }>(
      `select id from tenon.claim_events('w', 500, '1 minute', 10, '{made}', 50)`,
    )
    if (rows.length === 0) throw new Error('nothing was handed out')
    await admin.query(`select tenon.complete_events('w', $1)`, [rows.map(({ id }) => id)])
    done += rows.length
  }
  return performance.now() - begun
}

const perSecond = (count: number, ms: number) => Math.round((count / ms) * 1_000)
const rows: Record<string, string | number>[] = []
for (const keys of [0, 10_000, 100, 10]) {
  await admin.query('truncate tenon.outbox restart identity; delete from tenon.outbox_keys')
  const written = await enqueue(events, keys)
  const delivered = await deliver(events)
  await enqueue(10_000, keys)
  const backlog = await deliver(10_000)
  await enqueue(20_000, keys)
  const alone = await claimAlone(20_000)
  rows.push({
    keys: keys === 0 ? 'none' : keys,
    'written/s': perSecond(events, written),
    'delivered/s': perSecond(events, delivered),
    'backlog of 10,000, ms': Math.round(backlog),
    'server alone/s': perSecond(20_000, alone),
  })
}
console.table(rows)

// Both at once, as in life.
await admin.query('truncate tenon.outbox restart identity; delete from tenon.outbox_keys')
const begun = performance.now()
await Promise.all([enqueue(events, 1_000), deliver(events)])
console.log(`written and delivered at the same time: ${perSecond(events, performance.now() - begun)}/s`)

const channel = defineChannel<number>('storm')
const subscription = subscribe(db, channel, { maxQueued: 1_000 })
await subscription.ready
const storm = 200_000
const started = performance.now()
const before = process.memoryUsage.rss()
const sent = admin
  .query(`select pg_notify('storm', n::text) from generate_series(1, ${storm}) n`)
  .then(() => admin.query(`select pg_notify('storm', '-1')`))
let received = 0
for await (const { payload } of subscription) {
  received += 1
  if (payload === -1) break
}
await sent
console.log(
  `NOTIFY: ${received} of ${storm} received at ${perSecond(received, performance.now() - started)}/s, memory ${Math.round((process.memoryUsage.rss() - before) / 2 ** 20)} MiB more`,
)
