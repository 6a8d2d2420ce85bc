/**
 * A small star schema: facts copied in, a dimension merged, a BRIN index on the time, totals in a materialized view, and a report.
 *
 *   node examples/14-star-schema.ts                                  # 20,000 sales on an embedded database
 *   DATABASE_URL=postgres://… node examples/14-star-schema.ts 10000000
 *
 * DATABASE_URL is an administrator's of an empty database of its own: it makes the tables and reads past their policies, so sessions trust it
 * here. In production they have a login that can do neither. The tables are star-schema/0001_star_schema.sql.
 */
import { join } from 'node:path'
import { sql } from 'kysely'
import { createDatabase } from '../src/index.ts'
import { jsonTable, jsonValue } from '../src/jsonb/index.ts'
import { applyMigrations, readModules } from '../src/migrate/index.ts'
import {
  grouped,
  grouping,
  refreshIfOlder,
  refreshView,
  reportSession,
  rollup,
  timeBucket,
  viewFreshness,
} from '../src/reports/index.ts'
import { createRepository } from '../src/repository/index.ts'
import { metadata, tables } from './db/star-schema/metadata.ts'

const rows = Number(process.argv[2] ?? 20_000)
const url = process.env['DATABASE_URL']
await using db = createDatabase({
  connection: url ?? 'pglite://memory',
  ...(url === undefined ? {} : { service: { connection: url }, trustLogin: true }),
  metadata,
  settings: ['app.tenant'],
})
await applyMigrations(db, { modules: ['reports', ...(await readModules(join(import.meta.dirname, 'star-schema')))] })
const service = db.service({ actor: 'example', reason: 'star schema' })

// Dimensions: what is there is updated, what is not is inserted, in one statement. A second load changes nothing but names.
const kinds = ['tea', 'coffee', 'mugs', 'books', 'toys']
const catalogue = (version: number) =>
  Array.from({ length: 50 }, (_, i) => ({
    id: i + 1,
    name: `Product ${i + 1} v${version}`,
    category: kinds[i % 5] ?? 'tea',
  }))
await createRepository(tables.products).insertMany(service, catalogue(1).slice(0, 40))
await createRepository(tables.stores).insertMany(
  service,
  ['Kiel', 'Bonn', 'Ulm', 'Graz'].map((name, i) => ({ id: i + 1, name, region: i < 2 ? 'north' : 'south' })),
)
const loaded = jsonTable(jsonValue(catalogue(2)), '$[*]', { id: 'int4', name: 'text', category: 'text' }).as('loaded')
const merged = await service
  .mergeInto('products')
  .using(loaded, 'loaded.id', 'products.id')
  .whenMatchedAnd(({ eb, ref }) => eb('loaded.name', 'is distinct from', ref('products.name')))
  .thenUpdateSet(({ ref }) => ({ name: ref('loaded.name').$notNull(), category: ref('loaded.category').$notNull() }))
  .whenNotMatched()
  .thenInsertValues(({ ref }) => ({
    id: ref('loaded.id').$notNull(),
    name: ref('loaded.name').$notNull(),
    category: ref('loaded.category').$notNull(),
  }))
  .executeTakeFirstOrThrow()
console.log(`merged ${merged.numChangedRows} products, of which ${50 - 40} are new`)

// Facts, in the order of time, by COPY, from a generator: memory does not grow with them. A tenth is another tenant's.
const sales = createRepository(tables.sales)
const year = Date.UTC(2024, 0, 1)
const sale = (i: number) => ({
  tenant: i % 10 === 0 ? 'globex' : 'acme',
  product_id: 1 + (i % 50),
  store_id: 1 + (i % 4),
  quantity: 1 + (i % 3),
  amount: (1 + (i % 3)) * (5 + (i % 50)),
  sold_at: new Date(year + Math.floor((i * 366 * 86_400_000) / rows)),
})
function* facts() {
  for (let i = 0; i < rows; i++) yield sale(i)
}
const started = performance.now()
await sales.insertMany(service, facts())
console.log(`copied ${await sales.count(service)} sales`)
const seconds = () => ((performance.now() - started) / 1_000).toFixed(1)
if (rows > 100_000) console.log(`  in ${seconds()} s`)

// The report of a quarter: the index of a few pages finds the part of the table that it lies in.
const acme = reportSession(db.session({ role: 'authenticated', settings: { 'app.tenant': 'acme' } }), {
  timeoutMs: 600_000,
  workMem: '64MB',
})
const quarter = acme
  .selectFrom('sales')
  .innerJoin('products', 'products.id', 'sales.product_id')
  .innerJoin('stores', 'stores.id', 'sales.store_id')
  .where('sold_at', '>=', new Date('2024-04-01T00:00:00Z'))
  .where('sold_at', '<', new Date('2024-07-01T00:00:00Z'))
const report = await quarter
  .select(({ ref, fn }) => [
    timeBucket(ref('sold_at'), { every: '1 month' }).as('month'),
    grouped(ref('region')).as('region'),
    fn.sum<number>('amount').as('amount'),
    fn.count<string>('product_id').distinct().as('products'),
    grouping(ref('region')).as('subtotal'),
  ])
  .groupBy(({ ref }) => [timeBucket(ref('sold_at'), { every: '1 month' }), rollup(ref('region'))])
  .orderBy('month')
  .orderBy('subtotal')
  .orderBy('region')
  .execute()
for (const { month, region, amount, products, subtotal } of report)
  console.log(`${month.toISOString().slice(0, 7)} ${subtotal === 1 ? 'all' : region}: ${amount}, ${products} products`)
await sql`analyze sales`.execute(service)
const day = acme
  .selectFrom('sales')
  .select(({ fn }) => fn.sum<number>('amount').as('amount'))
  .where('sold_at', '>=', new Date('2024-05-01T00:00:00Z'))
  .where('sold_at', '<', new Date('2024-05-02T00:00:00Z'))
console.log(`a day by BRIN: ${JSON.stringify(await day.explain('text')).includes('sales_sold_at_idx')}`)

// The totals of a day, refreshed while readers read on. Sessions see the view on them, which has the tenant's condition.
const view = tables.daily_totals
await refreshView(service, view)
console.log(
  `refreshed again: ${(await refreshIfOlder(service, view, { maxAgeMs: 3_600_000, concurrently: true })) !== undefined}`,
)
const { stale } = await viewFreshness(acme, view, { maxAgeMs: 3_600_000 })
const globex = acme.as({ settings: { 'app.tenant': 'globex' } })
const total = (session: typeof acme) =>
  session
    .selectFrom('my_daily_totals')
    .select(({ fn }) => fn.sum<number>('amount').as('amount'))
    .executeTakeFirstOrThrow()
console.log(`stale: ${stale}; acme ${(await total(acme)).amount}, globex ${(await total(globex)).amount}`)
const denied = await acme
  .selectFrom('daily_totals')
  .selectAll()
  .execute()
  .catch((error) => error.code)
console.log(`the materialized view itself: ${denied}`)
if (rows > 100_000) console.log(`done after ${seconds()} s`)
