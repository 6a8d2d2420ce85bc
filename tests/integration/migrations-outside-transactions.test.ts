/** Migrations with one statement that cannot run in a transaction: what is written down, and what an interrupted one leaves. */
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, type Database } from '../../src/index.ts'
import { applyMigrations, defineModule, planMigrations, revertMigrations } from '../../src/migrate/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let place: TestDatabase
let admin: Client
let db: Database<unknown>

beforeEach(async () => {
  place = await createTestDatabase()
  admin = new Client({ connectionString: place.adminUrl })
  await admin.connect()
  db = createDatabase({ connection: place.adminUrl, service: { connection: place.adminUrl }, trustLogin: true })
  await admin.query('create table orders (id int, customer_id int); insert into orders values (1, 7), (2, 7)')
})
afterEach(async () => {
  await db.close()
  await admin.end()
  await place.drop()
})

const alone = (sql: string, down = 'none') =>
  defineModule('app', [{ path: '0001_alone.sql', sql: `-- transactional: no\n-- down:\n--   ${down}\n\n${sql}` }])
const index = alone(
  'create unique index concurrently orders_customer_id_idx on public.orders (customer_id);',
  'drop index concurrently public.orders_customer_id_idx;',
)
const one = async (text: string): Promise<unknown> => Object.values((await admin.query(text)).rows[0] ?? {})[0]
const valid = () => one(`select indisvalid from pg_index where indexrelid = to_regclass('orders_customer_id_idx')`)
const row = () => one(`select state from tenon.migrations where module = 'app'`)
const stateNow = async (module = index) => (await planMigrations(db, { modules: [module] })).at(-1)?.state
/** As a runner that was killed leaves it. */
const begun = () =>
  admin.query(`insert into tenon.migrations (module, version, target_schema, id_type, slug, sha256, state)
    values ('app', '0001', '', '', 'alone', '${index.files[0]?.sha256}', 'running')`)

describe('A concurrent index', () => {
  it('that fails leaves no invalid index and no row in the ledger, and can be applied when its data is mended', async () => {
    await expect(applyMigrations(db, { modules: [index] })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      sqlstate: '23505',
      message: expect.stringMatching(/^0001_alone\.sql: /),
    })
    expect(await valid()).toBeUndefined()
    expect(await row()).toBeUndefined()
    expect(await stateNow()).toBe('pending')
    await admin.query('delete from orders where id = 2')
    expect((await applyMigrations(db, { modules: [index] })).applied).toEqual(['app/0001_alone'])
    expect([await valid(), await row()]).toEqual([true, 'applied'])
  })

  it('that was interrupted is dropped and built anew by the next run', async () => {
    await applyMigrations(db, { modules: [] })
    await begun()
    await expect(
      admin.query('create unique index concurrently orders_customer_id_idx on orders (customer_id)'),
    ).rejects.toMatchObject({ code: '23505' })
    expect([await valid(), await stateNow()]).toEqual([false, 'unfinished'])
    await admin.query('delete from orders where id = 2')
    expect((await applyMigrations(db, { modules: [index] })).applied).toEqual(['app/0001_alone'])
    expect([await valid(), await row()]).toEqual([true, 'applied'])
  })

  it('that came through before its runner died is only written down', async () => {
    await admin.query('delete from orders where id = 2')
    await applyMigrations(db, { modules: [] })
    await begun()
    await admin.query('create unique index concurrently orders_customer_id_idx on orders (customer_id)')
    const made = await one(`select 'orders_customer_id_idx'::regclass::oid`)
    expect((await applyMigrations(db, { modules: [index] })).applied).toEqual(['app/0001_alone'])
    expect(await one(`select 'orders_customer_id_idx'::regclass::oid`)).toBe(made)
    expect(await row()).toBe('applied')
  })

  it('of the same name that the host made by hand is refused and stays', async () => {
    await admin.query('create index orders_customer_id_idx on orders (id)')
    await expect(applyMigrations(db, { modules: [index] })).rejects.toMatchObject({ code: 'QUERY_DUPLICATE_OBJECT' })
    expect([await valid(), await row()]).toEqual([true, undefined])
  })

  it('is taken back outside a transaction too', async () => {
    await admin.query('delete from orders where id = 2')
    await applyMigrations(db, { modules: [index] })
    expect(await revertMigrations(db, { modules: [index] })).toEqual(['app/0001_alone'])
    expect([await valid(), await row()]).toEqual([undefined, undefined])
  })
})

describe('Other statements outside a transaction', () => {
  it('are run again when nobody saw them end', async () => {
    const vacuum = alone('vacuum (analyze) public.orders;')
    await applyMigrations(db, { modules: [vacuum] })
    await admin.query(`update tenon.migrations set state = 'running' where module = 'app'`)
    expect((await applyMigrations(db, { modules: [vacuum] })).applied).toEqual(['app/0001_alone'])
    expect((await applyMigrations(db, { modules: [vacuum] })).applied).toEqual([])
  })

  it('drop an index that is gone already without an error, when they had begun', async () => {
    const drop = alone('drop index concurrently public.orders_id_idx')
    await admin.query('create index orders_id_idx on orders (id)')
    await applyMigrations(db, { modules: [drop] })
    await admin.query(`update tenon.migrations set state = 'running' where module = 'app'`)
    expect((await applyMigrations(db, { modules: [drop] })).applied).toEqual(['app/0001_alone'])
    expect(await one(`select to_regclass('orders_id_idx')`)).toBeNull()
  })

  it('finish a partition that was half detached', async () => {
    await admin.query(`create table parts (at date) partition by range (at);
      create table parts_2026 partition of parts for values from ('2026-01-01') to ('2027-01-01')`)
    const detach = alone('alter table public.parts detach partition public.parts_2026 concurrently')
    await applyMigrations(db, { modules: [] })
    await admin.query(`insert into tenon.migrations (module, version, target_schema, id_type, slug, sha256, state)
      values ('app', '0001', '', '', 'alone', '${detach.files[0]?.sha256}', 'running')`)
    // A reader that began before keeps the second half of the detaching waiting; a cancel then leaves the first half done.
    const [reader, detacher] = [
      new Client({ connectionString: place.adminUrl }),
      new Client({ connectionString: place.adminUrl }),
    ]
    await Promise.all([reader.connect(), detacher.connect()])
    await reader.query('begin; select * from parts')
    const detaching = detacher
      .query('alter table parts detach partition parts_2026 concurrently')
      .catch((error: unknown) => error)
    while ((await one(`select inhdetachpending from pg_inherits where inhrelid = 'parts_2026'::regclass`)) !== true);
    await admin.query(
      `select pg_cancel_backend(pid) from pg_stat_activity where query like 'alter table parts detach%'`,
    )
    expect(await detaching).toMatchObject({ code: '57014' })
    await Promise.all([reader.end(), detacher.end()])
    expect((await applyMigrations(db, { modules: [detach] })).applied).toEqual(['app/0001_alone'])
    expect(await one(`select count(*)::int from pg_inherits where inhparent = 'parts'::regclass`)).toBe(0)
  })
})

describe('Progress', () => {
  it('of a long index build is told, with the phase PostgreSQL names', async () => {
    await admin.query('delete from orders where id = 2')
    const writer = new Client({ connectionString: place.adminUrl })
    await writer.connect()
    await writer.query('begin; insert into orders values (3, 9)')
    const phases: string[] = []
    await applyMigrations(db, {
      modules: [index],
      observe: (event) => {
        if (event.type !== 'progress') return
        phases.push(`${event.name}: ${event.phase}`)
        if (phases.length === 1) void writer.query('commit')
      },
    })
    await writer.end()
    expect(phases[0]).toBe('app/0001_alone: waiting for writers before build')
    expect(await valid()).toBe(true)
  })
})
