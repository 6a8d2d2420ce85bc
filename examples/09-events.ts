/**
 * Events: a table that is watched through a session, NOTIFY with a checked payload, and an outbox that loses nothing, whose relay hands the
 * work to pg-boss. The tables of examples/db were written by `tenon codegen`.
 */
import { createHash } from 'node:crypto'
import { PGlite } from '@electric-sql/pglite'
import { CamelCasePlugin } from 'kysely'
import { PgBoss } from 'pg-boss'
import { z } from 'zod'
import { changes, createOutbox, createRelay, defineChannel, notify, subscribe } from '../src/events/index.ts'
import { createDatabase } from '../src/index.ts'
import { applyMigrations } from '../src/migrate/index.ts'
import { createRepository } from '../src/repository/index.ts'
import { metadata, tables } from './db/metadata.ts'

const pglite = new PGlite()
await using db = createDatabase({
  connection: pglite,
  metadata,
  plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
})
await applyMigrations(db, { modules: ['projects', 'outbox', 'changes'] })
await pglite.exec(`select tenon.watch_table('public.projects')`)
const me = db.session({ role: 'authenticated', claims: { sub: '5e0f6a7e-0000-4000-8000-000000000001' } })
const other = me.as({ claims: { sub: '5e0f6a7e-0000-4000-8000-000000000002' } })
const projects = createRepository(tables.projects)
const done = new AbortController()

// What a session may see of a table, as it changes. Subscribe, wait until it listens, read the state, follow.
const feed = changes(db, tables.projects, { as: me, signal: done.signal })
await feed.ready

// The event is written with the data, or not at all.
const outbox = createOutbox({ 'project.created': z.object({ id: z.uuid(), name: z.string() }) })
async function create(as: typeof me, name: string, fails = false): Promise<void> {
  await as
    .transaction(async (trx) => {
      const project = await projects.insert(trx, { name, slug: name.toLowerCase() })
      await outbox.enqueue(trx, 'project.created', { id: project.id, name }, { key: project.ownerId })
      if (fails) throw new Error('changed my mind')
    })
    .catch((error: Error) => console.log(`${name}: ${error.message}`))
}
await create(me, 'Oak')
await create(me, 'Elm', true)
await create(other, 'Ash')
await create(me, 'Fir')
for (const expected of ['Oak', 'Fir']) {
  const { value: change } = await feed.next()
  console.log(`${change?.operation} ${change?.row?.name}, as ${expected === change?.row?.name ? 'expected' : 'never'}`)
}

// The relay hands each event to pg-boss at least once; a job id made of the event's makes the second time harmless.
const boss = new PgBoss({
  db: { executeSql: (text, values) => runOn(pglite, text, values) },
  backend: 'pglite',
  schedule: false,
})
boss.on('error', (error) => console.error(error))
await boss.start()
await boss.createQueue('welcome')
const jobId = (id: string): string => {
  const hex = createHash('sha256').update(`outbox ${id}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
const relay = createRelay(
  db,
  outbox,
  {
    'project.created': async ({ id, payload, enqueuedBy, attempts }) => {
      if (payload.name === 'Ash' && attempts === 1) throw new Error('pg-boss is away')
      await boss.send('welcome', { name: payload.name, owner: enqueuedBy?.slice(-1) }, { id: jobId(id) })
    },
  },
  { retryInMs: () => 10 },
)
const running = relay.run({ signal: done.signal })
while (relay.stats().delivered < 3) await new Promise((resolve) => setTimeout(resolve, 5))
const jobs = await boss.fetch<{ name: string; owner: string }>('welcome', { batchSize: 10 })
const summary = jobs.map(({ data }) => `${data.name} of ${data.owner}`).sort()
console.log(`jobs: ${summary.join(', ')}; ${relay.stats().failed} attempt failed`)

// NOTIFY is for those who are there: a payload is checked on both ends, and what is too long is refused before the server sees it.
const cache = defineChannel('cache', z.object({ slug: z.string() }))
const invalidations = subscribe(db, cache, { signal: done.signal })
await invalidations.ready
await notify(me, cache, { slug: 'oak' })
const { value: event } = await invalidations.next()
console.log(`cache: ${event?.payload.slug}`)
await notify(me, cache, { slug: 'x'.repeat(8_000) }).catch(({ code }) => console.log(`refused: ${code}`))

done.abort()
await running
await boss.stop({ graceful: false })
await pglite.close()

/** One connection serves both: texts of several statements, and single ones with values. */
async function runOn(database: PGlite, text: string, values: unknown[] = []): Promise<{ rows: unknown[] }> {
  if (values.length > 0) return await database.query(text, values)
  const results = await database.exec(text)
  return { rows: results.flatMap(({ rows }) => rows) }
}
