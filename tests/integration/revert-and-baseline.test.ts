/** Taking migrations back, and adopting a database in which their objects are there already. */
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, type Database } from '../../src/index.ts'
import {
  applyMigrations,
  baselineMigrations,
  defineModule,
  listMigrations,
  planMigrations,
  revertMigrations,
} from '../../src/migrate/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let place: TestDatabase
let admin: Client
let db: Database<unknown>

beforeEach(async () => {
  place = await createTestDatabase()
  admin = new Client({ connectionString: place.adminUrl })
  await admin.connect()
  db = createDatabase({ connection: place.adminUrl, service: { connection: place.adminUrl }, trustLogin: true })
})
afterEach(async () => {
  await db.close()
  await admin.end()
  await place.drop()
})

const one = async (text: string): Promise<unknown> => Object.values((await admin.query(text)).rows[0] ?? {})[0]
const applied = async (modules: Parameters<typeof planMigrations>[1]['modules']) =>
  (await planMigrations(db, { modules })).filter(({ state }) => state === 'applied').map(({ name }) => name)

const app = defineModule('app', [
  { path: '0001_shop.sql', sql: '-- down: drop table shop;\ncreate table shop (id int primary key)' },
  {
    path: '0002_price.sql',
    sql: '-- down: drop function price(int)\ncreate function price(n int) returns int language sql return n',
  },
  { path: '0003_final.sql', sql: 'create table final (id int)' },
])
const withoutLast = defineModule(
  'app',
  app.files.slice(0, 2).map(({ path, sql }) => ({ path, sql })),
)

describe('revertMigrations', () => {
  it('takes back the newest, and more when asked, each with its row in the ledger', async () => {
    await applyMigrations(db, { modules: [withoutLast, 'auth'] })
    expect(await revertMigrations(db, { modules: [withoutLast] })).toEqual(['app/0002_price'])
    expect(await one(`select to_regproc('price')`)).toBeNull()
    expect(await applied([withoutLast])).toEqual(['ledger/0001_migrations', 'app/0001_shop'])
    expect(await revertMigrations(db, { modules: [withoutLast], last: 5, allowDataLoss: true })).toEqual([
      'app/0001_shop',
    ])
    expect(await one(`select to_regclass('shop')`)).toBeNull()
    expect(await revertMigrations(db, { modules: [withoutLast] })).toEqual([])
    expect(await applied(['auth'])).toHaveLength(4)
  })

  it('loses no data without being told to, and begins nothing that it may not end', async () => {
    await applyMigrations(db, { modules: [withoutLast] })
    await expect(revertMigrations(db, { modules: [withoutLast], last: 2 })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: 'taking back 0001_shop.sql loses data',
      hint: expect.stringMatching(/--allow-data-loss/),
    })
    expect(await one(`select to_regproc('price')`)).toBe('price')
  })

  it('refuses a file that does not say how it is undone', async () => {
    await applyMigrations(db, { modules: [app] })
    await expect(revertMigrations(db, { modules: [app] })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: '0003_final.sql does not say how it is undone',
    })
  })

  it('leaves everything as it was when something depends on it', async () => {
    await applyMigrations(db, { modules: ['projects'] })
    await expect(revertMigrations(db, { modules: ['timestamps'] })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      sqlstate: '2BP01',
    })
    expect(await applied(['timestamps'])).toHaveLength(2)
  })

  it('takes back and applies again every module of the library that can be', async () => {
    const modules = ['activity', 'projects', 'customers'] as const
    await applyMigrations(db, { modules })
    const count = listMigrations({ modules }).filter(({ module }) => modules.includes(module.name as 'activity')).length
    expect(await revertMigrations(db, { modules, last: count, allowDataLoss: true })).toHaveLength(count)
    expect((await applyMigrations(db, { modules })).applied).toHaveLength(count)
  })

  it.each([0, 1.5, -1])('refuses to take back %s', async (last) => {
    await expect(revertMigrations(db, { modules: [app], last })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })
})

describe('baselineMigrations', () => {
  it('writes down what is there and runs nothing', async () => {
    await admin.query(
      'create table shop (id text, ours bool); create function price(n int) returns int language sql return 0',
    )
    expect(await baselineMigrations(db, { modules: [app], through: 'app/0002_price' })).toEqual([
      'app/0001_shop',
      'app/0002_price',
    ])
    expect(await one('select price(5)')).toBe(0)
    expect(await one(`select string_agg(distinct origin, ',') from tenon.migrations where module = 'app'`)).toBe(
      'baseline',
    )
    expect((await applyMigrations(db, { modules: [app] })).applied).toEqual(['app/0003_final'])
    expect(await baselineMigrations(db, { modules: [app] })).toEqual([])
  })

  it('writes down nothing when an object is missing', async () => {
    await admin.query('create table shop (id int)')
    await expect(baselineMigrations(db, { modules: [app] })).rejects.toMatchObject({
      code: 'MIGRATION_DIVERGED',
      message: '0002_price.sql: function "public"."price" does not exist, so it was not applied here',
    })
    expect(await one('select count(*)::int from tenon.migrations')).toBe(1)
  })

  it('refuses an end that is none of the set', async () => {
    await expect(baselineMigrations(db, { modules: [app], through: 'app/0009_x' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      hint: expect.stringContaining('app/0003_final'),
    })
  })
})
