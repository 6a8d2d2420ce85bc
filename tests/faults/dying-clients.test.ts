/**
 * Backends that are ended while their client does nothing: idle in the pool, checked out between two statements, in a pool of the
 * caller's that has no listener. Node ends a process for an 'error' event that nobody listens to; none may be left.
 */
import { Kysely, sql } from 'kysely'
import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { TenonDialect, type TenonError, withDedicatedConnection } from '../../src/index.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'
import { message, startScriptedServer } from '../torture/scripted-server.ts'

let ledger: Ledger
const crashes: unknown[] = []
const note = (error: unknown): void => void crashes.push(error)

beforeAll(async () => {
  ledger = await openLedger()
})
beforeEach(() => {
  crashes.length = 0
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.on(event, note)
})
afterEach(async () => {
  // What is still on its way comes before this.
  await new Promise((resolve) => setTimeout(resolve, 20))
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.off(event, note)
  expect(crashes).toEqual([])
})
afterAll(() => ledger.close())

const kill = (name: string) =>
  ledger.admin('select pg_terminate_backend(pid, 2000) from pg_stat_activity where application_name = $1', [name])
const backend = async (on: Kysely<LedgerTables>) =>
  (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(on)).rows[0]?.pid
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'fine',
    (error: TenonError) => error.code,
  )

test('all idle clients of a pool may be ended at once', async () => {
  await using db = ledger.open({ pool: { max: 8, applicationName: 'idle' } })
  const ada = tenant(db, 'ada')
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 8 }, () => sql`select pg_sleep(0.02)`.execute(ada)))
    expect(db.stats().sessions.idle).toBe(8)
    await kill('idle')
    await vi.waitFor(() => expect(db.stats().sessions.total).toBe(0))
  }
  expect(await codeOf(backend(ada))).toBe('fine')
})

test('a client may be ended while it is held: by a transaction, a connection, a stream, a dedicated connection, a service', async () => {
  await using db = ledger.open({
    pool: { max: 1, applicationName: 'held' },
    service: { connection: ledger.adminUrl, pool: { max: 1, applicationName: 'held' } },
  })
  const ada = tenant(db, 'ada')
  const die = async (): Promise<void> => {
    await kill('held')
    await vi.waitFor(async () =>
      expect(await ledger.admin(`select 1 from pg_stat_activity where application_name = 'held'`)).toEqual([]),
    )
  }
  const holders: Record<string, () => Promise<unknown>> = {
    transaction: () =>
      ada.transaction(async (trx) => {
        await backend(trx)
        await die()
        await backend(trx)
      }),
    'controlled transaction': async () => {
      const trx = await ada.startTransaction().execute()
      await backend(trx)
      await die()
      await backend(trx).finally(() => trx.rollback().execute())
    },
    connection: () =>
      ada.connection().execute(async (one) => {
        await backend(one)
        await die()
        await backend(one)
      }),
    stream: async () => {
      for await (const row of ada.selectFrom('account').select('id').stream(1)) {
        void row
        await die()
      }
    },
    'dedicated connection': () =>
      withDedicatedConnection(db, {}, async (connection) => {
        await connection.query('select 1')
        await die()
        await connection.query('select 1')
      }),
    service: () =>
      db
        .service({ actor: 'suite', reason: 'test' })
        .transaction()
        .execute(async (trx) => {
          await backend(trx)
          await die()
          await backend(trx)
        }),
  }
  for (const [name, hold] of Object.entries(holders)) {
    expect(await codeOf(hold()), name).toMatch(/^(CONNECTION_LOST|COMMIT_UNKNOWN)$/)
    expect(await codeOf(backend(ada)), `after a ${name}`).toBe('fine')
  }
})

test('a pool of the caller’s without a listener survives as well', async () => {
  const pool = new Pool({ connectionString: ledger.loginUrl, max: 4, application_name: 'own' })
  await using db = ledger.open({ connection: pool })
  const ada = tenant(db, 'ada')
  await Promise.all(Array.from({ length: 4 }, () => backend(ada)))
  await kill('own')
  await vi.waitFor(() => expect(pool.totalCount).toBe(0))
  const held = ada.transaction(async (trx) => {
    await backend(trx)
    await kill('own')
    await backend(trx)
  })
  expect(await codeOf(held)).toBe('CONNECTION_LOST')
  expect(await codeOf(backend(ada))).toBe('fine')
  await db.close()
  await pool.end()
})

test('the dialect in place of Kysely’s survives too', async () => {
  const pool = new Pool({ connectionString: ledger.adminUrl, max: 2, application_name: 'dialect' })
  const kysely = new Kysely<LedgerTables>({ dialect: new TenonDialect({ pool }) })
  await backend(kysely)
  await kill('dialect')
  await vi.waitFor(() => expect(pool.totalCount).toBe(0))
  const held = kysely.transaction().execute(async (trx) => {
    await backend(trx)
    await kill('dialect')
    await backend(trx)
  })
  expect(await codeOf(held)).not.toBe('fine')
  expect(await codeOf(backend(kysely))).toBe('fine')
  await kysely.destroy()
})

test('a backend may end in the very moment its connection stands', async () => {
  const farewell = message(
    'E',
    ...['SFATAL', 'VFATAL', 'C57P01', 'Mterminating connection'].map((field) => Buffer.from(`${field}\0`)),
    Buffer.alloc(1),
  )
  await using server = await startScriptedServer(() => undefined, { afterGreeting: farewell })
  const url = `postgres://someone@127.0.0.1:${server.port}/somewhere`
  await using db = ledger.open({ connection: url })
  expect(await codeOf(backend(tenant(db, 'ada')))).toMatch(/^CONNECTION_/)
  const pool = new Pool({ connectionString: url })
  await using shared = ledger.open({ connection: pool })
  expect(await codeOf(backend(tenant(shared, 'ada')))).toMatch(/^CONNECTION_/)
  const kysely = new Kysely<LedgerTables>({ dialect: new TenonDialect({ pool: new Pool({ connectionString: url }) }) })
  expect(await codeOf(backend(kysely))).not.toBe('fine')
  await kysely.destroy()
  await shared.close()
  await pool.end()
})
