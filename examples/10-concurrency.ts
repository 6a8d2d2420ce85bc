/**
 * Concurrency, one example of each with two real connections: isolation levels, advisory locks, a work queue, optimistic locking.
 *
 *   DATABASE_URL=postgres://… node examples/10-concurrency.ts
 *
 * It needs a server, because an embedded database has one connection and nobody to wait for. DATABASE_URL is an administrator's; the tables
 * are made in a schema of their own and dropped at the end.
 */
import { sql } from 'kysely'
import { advisoryLock, createDatabase, isLockTimeout, isSerializationFailure, tryAdvisoryLock } from '../src/index.ts'

const url = process.env['DATABASE_URL']
if (url === undefined) {
  console.log('This example needs a server: DATABASE_URL=postgres://… node examples/10-concurrency.ts')
  process.exit(0)
}

interface DB {
  doctors: { name: string; on_call: boolean }
  jobs: { id: number; done_by: string | null }
  documents: { id: number; title: string; version: number }
}

const schema = `concurrency_${process.pid}`
// Both run as the administrator: this is about waiting for each other, and not about what each may see.
await using db = createDatabase<DB>({ connection: url, service: { connection: url, pool: { max: 4 } } })
const service = db.service({ actor: 'example', reason: 'concurrency' })
await sql`create schema ${sql.id(schema)}`.execute(service)
await using cleanup = new AsyncDisposableStack()
cleanup.defer(async () => void (await sql`drop schema ${sql.id(schema)} cascade`.execute(service)))
const on = service.withSchema(schema)
await sql`create table ${sql.id(schema, 'doctors')} (name text primary key, on_call boolean not null)`.execute(service)
await sql`create table ${sql.id(schema, 'jobs')} (id int primary key, done_by text)`.execute(service)
await sql`create table ${sql.id(schema, 'documents')} (id int primary key, title text not null, version int not null default 1)`.execute(
  service,
)
await on
  .insertInto('doctors')
  .values([
    { name: 'Ann', on_call: true },
    { name: 'Ben', on_call: true },
  ])
  .execute()
await on
  .insertInto('jobs')
  .values(Array.from({ length: 10 }, (_, i) => ({ id: i + 1, done_by: null })))
  .execute()
await on.insertInto('documents').values({ id: 1, title: 'Draft', version: 1 }).execute()

/** Lets each of two go on only when both have come this far. */
function meeting(): () => Promise<void> {
  let arrived = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  return async () => {
    if (++arrived >= 2) resolve()
    await promise
  }
}

// Isolation levels: both see two doctors on call, and both leave. Each is right alone; together nobody is left.
async function leave(
  level: 'read committed' | 'serializable',
  name: string,
  met: () => Promise<void>,
): Promise<string> {
  for (let attempt = 1; ; attempt++)
    try {
      return await on
        .transaction()
        .setIsolationLevel(level)
        .execute(async (trx) => {
          const others = await trx
            .selectFrom('doctors')
            .select('name')
            .where('on_call', '=', true)
            .where('name', '!=', name)
            .execute()
          await met()
          if (others.length === 0) return `${name} stays`
          await trx.updateTable('doctors').set({ on_call: false }).where('name', '=', name).execute()
          return `${name} leaves`
        })
    } catch (error) {
      // A session does this by itself: me.transaction({ isolationLevel: 'serializable', retry: 5 }, …)
      if (!isSerializationFailure(error) || attempt === 5) throw error
    }
}
for (const level of ['read committed', 'serializable'] as const) {
  await on.updateTable('doctors').set({ on_call: true }).execute()
  const met = meeting()
  await Promise.all([leave(level, 'Ann', met), leave(level, 'Ben', met)])
  const left = await on.selectFrom('doctors').select('name').where('on_call', '=', true).execute()
  console.log(`${level}: ${left.length} on call`)
}

// Advisory locks: by name, to the end of the transaction. Who must not wait for long says how long; who need not wait at all asks.
await on.transaction().execute(async (trx) => {
  await advisoryLock(trx, 'invoice numbers', { namespace: 'acme' })
  const tried = await on
    .transaction()
    .execute((other) => tryAdvisoryLock(other, 'invoice numbers', { namespace: 'acme' }))
  const elsewhere = await on
    .transaction()
    .execute((other) => tryAdvisoryLock(other, 'invoice numbers', { namespace: 'globex' }))
  const waited = await on
    .transaction()
    .execute((other) => advisoryLock(other, 'invoice numbers', { namespace: 'acme', timeoutMs: 50 }))
    .catch((error) => isLockTimeout(error))
  console.log(`advisory lock: taken ${!tried}, another tenant’s free ${elsewhere}, timed out ${waited}`)
})

// A work queue: each worker takes the next job that nobody has, without waiting, and a worker that dies gives its job back.
async function work(worker: string, met: () => Promise<void>): Promise<void> {
  for (let first = true; ; first = false) {
    const found = await on.transaction().execute(async (trx) => {
      const job = await trx
        .selectFrom('jobs')
        .select('id')
        .where('done_by', 'is', null)
        .orderBy('id')
        .limit(1)
        .forUpdate()
        .skipLocked()
        .executeTakeFirst()
      // The first job of each is held until the other has one: they never wait for each other’s rows.
      if (first) await met()
      if (job !== undefined) await trx.updateTable('jobs').set({ done_by: worker }).where('id', '=', job.id).execute()
      return job !== undefined
    })
    if (!found) return
  }
}
const met = meeting()
await Promise.all([work('one', met), work('two', met)])
const done = await on
  .selectFrom('jobs')
  .select(({ fn }) => ['done_by', fn.countAll<string>().as('jobs')])
  .groupBy('done_by')
  .execute()
console.log(
  `work queue: ${done.reduce((sum, { jobs }) => sum + Number(jobs), 0)} jobs, ${done.length} workers, each job once`,
)

// Optimistic locking: nothing is locked while a person edits; who saves second is told. Repositories do it with { version: 'version' }.
async function save(title: string, version: number): Promise<boolean> {
  const { numUpdatedRows } = await on
    .updateTable('documents')
    .set(({ eb }) => ({ title, version: eb('version', '+', 1) }))
    .where('id', '=', 1)
    .where('version', '=', version)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}
const { version } = await on.selectFrom('documents').select('version').where('id', '=', 1).executeTakeFirstOrThrow()
const saved = await Promise.all([save('Ann’s', version), save('Ben’s', version)])
console.log(`optimistic locking: ${saved.filter(Boolean).length} of 2 saved, the other is told`)
