/**
 * `npm run bench:repository`: what repositories cost beside SQL written by hand in the same session, at 0 and 2 ms of round-trip time; how fast
 * many rows are written; what a stream keeps in memory; what a page far behind costs; and what the compiler does.
 *
 * Names of parts (reads, bulk, deep, stream, compiler) run those alone. TENON_BENCH_ROWS sets the size of the table that is paged and streamed: 10,000,000 in the README, 1,000,000 by default.
 */
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { jsonArrayFrom } from 'kysely/helpers/postgres'
import pg, { Client } from 'pg'
import { generateCode } from '../../src/codegen/index.ts'
import { createDatabase } from '../../src/index.ts'
import { createRepository } from '../../src/repository/index.ts'
import { createLogin, createTestDatabase } from '../support/database.ts'
import { GeneratedFolder } from '../support/generated-code.ts'
import { manyTablesSql } from '../support/many-tables.ts'
import { openServer } from '../support/servers.ts'
import { startDelayProxy } from './delay-proxy.ts'
import { openPeers } from './peers.ts'
import { quantile } from './quantile.ts'

const rounds = 15
const pagedRows = Number(process.env['TENON_BENCH_ROWS'] ?? 1_000_000)

const { server, stop } = await openServer()
const servers = { main: server, prefix: `bench${process.pid.toString(36)}_` }
await using cleanup = new AsyncDisposableStack()
cleanup.defer(stop)
const place = await createTestDatabase({ servers })
const login = await createLogin(place, { servers })
const admin = new Client(place.adminUrl)
await admin.connect()
cleanup.defer(() => admin.end())
await admin.query(`
  create table customers (id int primary key, owner text not null, name text not null);
  create table orders (id int primary key, customer_id int not null references customers, placed_at timestamptz not null, total numeric(10,2) not null);
  create index on orders (customer_id, placed_at desc, id desc);
  create table items (order_id int not null references orders, line int not null, sku text not null, price numeric(10,2) not null, primary key (order_id, line));
  create table bulk (id int primary key, name text not null, amount numeric(10,2), at timestamptz not null);
  create table events (id bigint generated always as identity, at timestamptz not null, kind text not null, primary key (id, at)) partition by range (at);
  insert into customers select i, 'ada', 'customer ' || i from generate_series(1, 1000) i;
  insert into orders select i, 1 + i % 1000, timestamptz '2024-01-01' + i * interval '1 minute', i % 100 from generate_series(1, 30000) i;
  insert into items select o, l, 'sku' || l, l from generate_series(1, 30000) o, generate_series(1, 3) l;
  alter table customers enable row level security;
  create policy customers_owner_policy on customers using (owner = (select nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'));
  grant select, insert, update, delete on all tables in schema public to authenticated`)
for (let month = 1; month <= 12; month++) {
  const [from, to] = [
    `2024-${String(month).padStart(2, '0')}-01`,
    month === 12 ? '2025-01-01' : `2024-${String(month + 1).padStart(2, '0')}-01`,
  ]
  await admin.query(`create table events_${month} partition of events for values from ('${from}') to ('${to}')`)
}
await admin.query(
  `insert into events (at, kind) select timestamptz '2024-01-01 00:00+00' + i * (interval '365 days' / ${pagedRows}), 'kind ' || i % 7 from generate_series(1, ${pagedRows - 1}) i`,
)
await admin.query('create index on events (at, id); grant select on events to authenticated; analyze')

const plainPool = new pg.Pool({ connectionString: place.adminUrl, max: 2 })
const plain = new Kysely<never>({ dialect: new PostgresDialect({ pool: plainPool }) })
using folder = new GeneratedFolder((await generateCode(plain)).files)
await plain.destroy()
const { metadata, tables } = await folder.import('metadata.ts')

console.log(`server ${server.version}, medians of ${rounds} rounds, ratios within each round`)
const parts = {
  reads: async () => {
    for (const delayMs of [0, 1]) await compareReads(delayMs)
  },
  bulk,
  deep,
  stream,
  compiler,
}
const wanted = process.argv.slice(2)
for (const [name, part] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await part()

type Times = Record<string, number[]>

function report(what: string, times: Times, against: string): void {
  const base = times[against] ?? []
  for (const [name, values] of Object.entries(times)) {
    const ratio = quantile(
      values.map((value, i) => value / (base[i] ?? Number.NaN)),
      0.5,
    )
    console.log(
      `${what.padEnd(44)} ${name.padEnd(38)} ${quantile(values, 0.5).toFixed(2).padStart(9)} ms  ${ratio.toFixed(2)}x`,
    )
  }
}

async function compareReads(delayMs: number): Promise<void> {
  await using proxy = await startDelayProxy(login.url, delayMs)
  await using db = createDatabase({
    connection: proxy.through(login.url),
    metadata,
    cursorKeys: ['x'.repeat(32)],
    pool: { max: 1 },
  })
  // biome-ignore lint/suspicious/noExplicitAny: the tables are generated while this runs.
  const me: any = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
  const pool = new pg.Pool({ connectionString: proxy.through(login.url), max: 1 })
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const kysely = new Kysely<any>({ dialect: new PostgresDialect({ pool }) })
  const customers = repository(tables.customers)
  const orders = repository(tables.orders)
  const inTransaction = <T>(work: (trx: typeof kysely) => Promise<T>) =>
    kysely.transaction().execute(async (trx) => {
      await sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', '{"sub":"ada"}', true)`.execute(
        trx,
      )
      return await work(trx)
    })
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const nestedPlain = async (on: any, id: number) =>
    await on
      .selectFrom('customers')
      .selectAll()
      .where('id', '=', id)
      // biome-ignore lint/suspicious/noExplicitAny: as above
      .select((eb: any) =>
        jsonArrayFrom(
          eb
            .selectFrom('orders')
            .selectAll('orders')
            .whereRef('orders.customer_id', '=', 'customers.id')
            .orderBy('placed_at', 'desc')
            .limit(10)
            // biome-ignore lint/suspicious/noExplicitAny: as above
            .select((inner: any) =>
              jsonArrayFrom(
                inner.selectFrom('items').selectAll().whereRef('items.order_id', '=', 'orders.id').orderBy('line'),
              ).as('items'),
            ),
        ).as('orders'),
      )
      .execute()
  const byHand = (id: number) =>
    sql`select c.id, c.owner, c.name, (select coalesce(json_agg(o), '[]') from (
        select orders.id, orders.customer_id, orders.placed_at, orders.total::text,
          (select coalesce(json_agg(i), '[]') from (select order_id, line, sku, price::text from items where order_id = orders.id order by line) i) as items
        from orders where customer_id = c.id order by placed_at desc limit 10) o) as orders
      from customers c where c.id = ${id}`.execute(me)
  const nested: Times = {}
  const paged: Times = {}
  const turns = delayMs === 0 ? 60 : 20
  const after = (await orders.page(me, { orderBy: { placed_at: 'desc' }, limit: 5, where: { customer_id: 5 } }))
    .endCursor
  const [last] = (
    await sql<{
      placed_at: string
      id: number
    }>`select placed_at::text, id from orders where customer_id = 5 order by placed_at desc, id desc offset 4 limit 1`.execute(
      me,
    )
  ).rows
  const contestants: Record<string, readonly [Times, (id: number) => Promise<unknown>]> = {
    'SQL by hand, in a session': [nested, byHand],
    repository: [
      nested,
      (id) =>
        customers.find(me, id, {
          load: {
            orders: { orderBy: { placed_at: 'desc' }, limit: 10, load: { items: { orderBy: { line: 'asc' } } } },
          },
        }),
    ],
    'Kysely helpers, in a session': [nested, (id) => nestedPlain(me, id)],
    'Kysely helpers, in a transaction': [nested, (id) => inTransaction((trx) => nestedPlain(trx, id))],
    'page by hand, in a session': [
      paged,
      () =>
        sql`select id, customer_id, placed_at, total, placed_at::text as c0, id::text as c1 from orders where customer_id = ${5} and (placed_at, id) < (${last?.placed_at}::timestamptz, ${last?.id}::int4) order by placed_at desc, id desc limit 21`.execute(
          me,
        ),
    ],
    'page of a repository': [
      paged,
      () => orders.page(me, { orderBy: { placed_at: 'desc' }, limit: 20, where: { customer_id: 5 }, after }),
    ],
  }
  const peers = await openPeers(proxy.through(login.url))
  const place5 = { placedAt: new Date(last?.placed_at ?? ''), id: last?.id ?? 0 }
  for (const peer of peers) {
    contestants[peer.label] = [nested, (id) => peer.nested(id)]
    contestants[`page: ${peer.label}`] = [paged, () => peer.page(5, place5)]
  }
  contestants['page: Kysely, in a transaction'] = [
    paged,
    () =>
      inTransaction((trx) =>
        trx
          .selectFrom('orders')
          .selectAll()
          .where('customer_id', '=', 5)
          .where(sql<boolean>`(placed_at, id) < (${last?.placed_at}::timestamptz, ${last?.id}::int4)`)
          .orderBy('placed_at', 'desc')
          .orderBy('id', 'desc')
          .limit(21)
          .execute(),
      ),
  ]
  await assertSameWork(contestants)
  for (let round = -1; round < rounds; round++)
    for (const [name, [times, work]] of Object.entries(contestants)) {
      const started = performance.now()
      for (let turn = 0; turn < turns; turn++) await work(1 + (((round + 1) * turns + turn) % 1000))
      if (round < 0) continue
      const list = times[name] ?? []
      times[name] = list
      list.push((performance.now() - started) / turns)
    }
  report(`nested load, ${2 * delayMs} ms`, nested, 'SQL by hand, in a session')
  report(`page of 20, ${2 * delayMs} ms`, paged, 'page by hand, in a session')
  await Promise.all([kysely.destroy(), ...peers.map((peer) => peer.close())])
}

/** Nobody is quicker for doing less: a customer has 10 orders of 3 items, a page its rows. */
async function assertSameWork(
  contestants: Readonly<Record<string, readonly [Times, (id: number) => Promise<unknown>]>>,
): Promise<void> {
  for (const [name, [, work]] of Object.entries(contestants)) {
    const answer = (await work(5)) as { readonly rows?: unknown; readonly items?: unknown }
    const list = answer.rows ?? answer.items ?? answer
    const found: unknown = Array.isArray(list) && list.length === 1 ? list[0] : list
    const { orders } = found as { readonly orders?: readonly { readonly items: readonly unknown[] }[] }
    const count = orders?.flatMap((order) => order.items).length ?? (found as unknown[]).length
    // One row more than a page tells whether there is another page.
    if (![30, 21, 20].includes(count)) throw new Error(`${name} gives ${count} rows`)
  }
}

async function bulk(): Promise<void> {
  const rows = Array.from({ length: 100_000 }, (_, i) => ({
    id: i,
    name: `name ${i}`,
    amount: `${i % 1000}.50`,
    at: '2024-01-01T00:00:00Z',
  }))
  const file = join(tmpdir(), `tenon-bench-${process.pid}.csv`)
  await writeFile(file, rows.map(({ id, name, amount, at }) => `${id},${name},${amount},${at}\n`).join(''), {
    mode: 0o644,
  })
  await using db = createDatabase({ connection: login.url, service: { connection: place.adminUrl }, metadata })
  const me = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
  const service = db.service({ actor: 'bench', reason: 'bulk' })
  const bulkRows = repository(tables.bulk)
  const times: Times = {}
  const contestants: Record<string, () => Promise<unknown>> = {
    'COPY of a file by the server': () => admin.query(`copy bulk from '${file}' with (format csv)`),
    'COPY FROM STDIN by a client': () =>
      copyIn(rows.map(({ id, name, amount, at }) => `${id},${name},${amount},${at}\n`)),
    'insertMany, service': () => bulkRows.insertMany(service, rows),
    'insertMany, session': () => bulkRows.insertMany(me, rows),
  }
  for (let round = -1; round < rounds; round++)
    for (const [name, work] of Object.entries(contestants)) {
      // So that none of them pays for what another left to be written.
      await admin.query('truncate bulk; checkpoint')
      const started = performance.now()
      await work()
      if (round >= 0) times[name] = [...(times[name] ?? []), performance.now() - started]
    }
  report('100,000 rows', times, 'COPY FROM STDIN by a client')
}

/** COPY through pg, which has the messages and no function for it. */
function copyIn(lines: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const query = {
      submit: (connection: { query(text: string): void }) => connection.query('copy bulk from stdin with (format csv)'),
      handleCopyInResponse(connection: { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void }) {
        for (let i = 0; i < lines.length; i += 1_000)
          connection.sendCopyFromChunk(Buffer.from(lines.slice(i, i + 1_000).join('')))
        connection.endCopyFrom()
      },
      handleCommandComplete() {},
      handleReadyForQuery: () => resolve(),
      handleError: reject,
    }
    admin.query(query as never)
  })
}

async function deep(): Promise<void> {
  await using db = createDatabase({ connection: login.url, metadata, cursorKeys: ['x'.repeat(32)], pool: { max: 1 } })
  const me = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
  const events = repository(tables.events)
  const options = { orderBy: { at: 'asc' }, limit: 20 }
  const first = (await events.page(me, options)).endCursor
  let far = first
  const pages = Math.min(10_000, Math.floor(pagedRows / 40))
  for (let page = 0; page < pages / 500; page++)
    far = (await events.page(me, { ...options, limit: 10_000, after: far })).endCursor
  const times: Times = {}
  for (let round = -1; round < rounds; round++)
    for (const [name, after] of [
      ['page 2', first],
      [`page ${pages}`, far],
    ] as const) {
      const started = performance.now()
      for (let turn = 0; turn < 40; turn++) await events.page(me, { ...options, after })
      if (round >= 0) times[name] = [...(times[name] ?? []), (performance.now() - started) / 40]
    }
  report(`page of 20 of ${pagedRows.toLocaleString('en')} rows, partitioned`, times, 'page 2')
}

async function stream(): Promise<void> {
  await using db = createDatabase({ connection: login.url, metadata, pool: { max: 1 } })
  const me = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
  let [count, most] = [0, 0]
  let before = 0
  const started = performance.now()
  for await (const _row of repository(tables.events).stream(me, { limit: 1_000_000 })) {
    count++
    if (count === 50_000) before = process.memoryUsage().rss
    if (count % 10_000 === 0) most = Math.max(most, process.memoryUsage().rss)
  }
  console.log(
    `stream of ${count.toLocaleString('en')} rows: ${((performance.now() - started) / 1000).toFixed(1)} s, RSS grew ${((most - before) / 2 ** 20).toFixed(0)} MiB after the first 50,000`,
  )
}

async function compiler(): Promise<void> {
  const other = await createTestDatabase({ servers })
  const pool = new pg.Pool({ connectionString: other.adminUrl, max: 2 })
  await pool.query(manyTablesSql(200))
  const db = new Kysely<never>({ dialect: new PostgresDialect({ pool }) })
  using many = new GeneratedFolder((await generateCode(db)).files)
  await db.destroy()
  const built = (path: string) => fileURLToPath(new URL(`../../dist/${path}`, import.meta.url))
  const numbers = Array.from({ length: 50 }, (_, i) => i)
  many.write({
    'ours.ts': `import type { Kysely } from "kysely";
import type { DB } from "./types.js";
import { tables } from "./metadata.js";
import { createRepository } from ${JSON.stringify(built('repository/index.js'))};
declare const me: Kysely<DB>;
${numbers.map((i) => `export const r${i} = await createRepository(tables.table_${i}).list(me, { select: ["id", "column_1", "column_5"], where: { column_0: { gt: 3 }, column_2: "x" }, orderBy: { column_5: "desc" }, limit: 10 });`).join('\n')}\n`,
    'plain.ts': `import type { Kysely } from "kysely";
import type { DB } from "./types.js";
declare const me: Kysely<DB>;
${numbers.map((i) => `export const r${i} = await me.selectFrom("table_${i}").select(["id", "column_1", "column_5"]).where("column_0", ">", 3).where("column_2", "=", "x").orderBy("column_5", "desc").limit(10).execute();`).join('\n')}\n`,
  })
  const times: Times = {}
  const counts: Record<string, number> = {}
  for (let round = -1; round < 5; round++)
    for (const name of ['plain', 'ours']) {
      const started = performance.now()
      const { errors, instantiations } = many.compile([`${name}.ts`])
      if (errors.length > 0) throw new Error(errors.join('\n'))
      if (round >= 0) times[name] = [...(times[name] ?? []), performance.now() - started]
      counts[name] = instantiations
    }
  report('tsc, 50 queries on 200 tables', times, 'plain')
  console.log(
    `instantiations: ${counts['ours']} against ${counts['plain']}: ${((counts['ours'] ?? 0) / (counts['plain'] ?? 1)).toFixed(2)}x`,
  )
}

// biome-ignore lint/suspicious/noExplicitAny: the tables are generated while this runs.
function repository(table: unknown): any {
  return createRepository(table as never)
}
