/**
 * `npm run bench:features -- reports`: a report by the builders beside the same by hand, in one session under row security; and CSV beside COPY.
 *
 * TENON_BENCH_ROWS sets the rows of the fact table, 10,000,000 by default; TENON_BENCH_ROUNDS how often each is run.
 */
import { readFileSync } from 'node:fs'
import { type RawBuilder, sql } from 'kysely'
import type pg from 'pg'
import { Client } from 'pg'
import { createDatabase } from '../../../src/index.ts'
import {
  exportCsv,
  fillGaps,
  grouped,
  grouping,
  percentileCont,
  reportSession,
  rollup,
  timeBucket,
} from '../../../src/reports/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { openServer } from '../../support/servers.ts'
import { quantile } from '../quantile.ts'

const rows = Number(process.env['TENON_BENCH_ROWS'] ?? 10_000_000)
const rounds = Number(process.env['TENON_BENCH_ROUNDS'] ?? 5)

const { server, stop } = await openServer()
const servers = { main: server, prefix: `bench${process.pid.toString(36)}_` }
await using cleanup = new AsyncDisposableStack()
cleanup.defer(stop)
const place = await createTestDatabase({ servers })
const login = await createLogin(place, { servers })
const admin = new Client(place.adminUrl)
await admin.connect()
cleanup.defer(() => admin.end())
const started = performance.now()
await admin.query(`
  create table products (id int primary key, category text not null);
  create table sales (tenant text not null, product_id int not null, amount numeric(10, 2) not null, sold_at timestamptz not null);
  insert into products select i, 'category ' || i % 10 from generate_series(1, 100) i;
  insert into sales select 'ada', 1 + i % 100, (i % 10000) / 100.0, timestamptz '2024-01-01' + i * (interval '366 days' / ${rows}) from generate_series(0, ${rows - 1}) i;
  create index on sales using brin (sold_at);
  alter table sales enable row level security;
  create policy sales_tenant_policy on sales using (tenant = (select nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'));
  grant select on sales, products to authenticated`)
await admin.query('vacuum analyze sales')
await admin.query('vacuum analyze products')
console.log(
  `server ${server.version}, ${rows} rows in ${((performance.now() - started) / 1_000).toFixed(0)} s, medians of ${rounds} rounds, ratios within each round`,
)

interface Tables {
  sales: { tenant: string; product_id: number; amount: string; sold_at: Date }
  products: { id: number; category: string }
}
await using db = createDatabase<Tables>({ connection: login.url, pool: { max: 1 } })
const me = reportSession(db.session({ role: 'authenticated', claims: { sub: 'ada' } }), {
  workMem: '256MB',
  // All of the work in one process, whose processor time is compared: that of the clock is also everybody else's on the machine.
  parallelWorkers: 0,
})
const [from, to] = [new Date('2023-12-25T00:00:00Z'), new Date('2025-01-08T00:00:00Z')]

interface Contest {
  readonly name: string
  readonly built: () => Promise<readonly unknown[]>
  readonly byHand: RawBuilder<unknown>
}

const contests: readonly Contest[] = [
  {
    name: 'subtotals of category and product, joined',
    built: () =>
      me
        .selectFrom('sales')
        .innerJoin('products', 'products.id', 'sales.product_id')
        .select(({ ref, fn }) => [
          grouped(ref('product_id')).as('product_id'),
          grouped(ref('category')).as('category'),
          fn.sum<string>('amount').as('amount'),
          fn.countAll<string>().as('sales'),
          grouping(ref('category'), ref('product_id')).as('level'),
        ])
        .groupBy(({ ref }) => [rollup(ref('category'), ref('product_id'))])
        .execute(),
    byHand: sql`select p.category, s.product_id, sum(s.amount) as amount, count(*) as sales, grouping(p.category, s.product_id) as level
      from sales s join products p on p.id = s.product_id group by rollup(p.category, s.product_id)`,
  },
  {
    name: 'days without gaps',
    built: () => {
      const days = me
        .selectFrom('sales')
        .select(({ ref, fn }) => [
          timeBucket(ref('sold_at'), { every: '1 day' }).as('day'),
          fn.sum<string>('amount').as('amount'),
        ])
        .groupBy('day')
      return fillGaps(me, days, { bucket: 'day', from, to, every: '1 day', fill: { amount: '0' } })
        .orderBy('day')
        .execute()
    },
    byHand: sql`with days as (select date_trunc('day', sold_at, 'UTC') as day, sum(amount) as amount from sales group by 1)
      select d as day, coalesce(days.amount, 0) as amount
      from generate_series(${from}::timestamptz, ${to}::timestamptz - interval '1 day', interval '1 day') d left join days on days.day = d order by 1`,
  },
  {
    name: 'quarter hours of a week, by BRIN',
    built: () =>
      me
        .selectFrom('sales')
        .select(({ ref, fn }) => [
          timeBucket(ref('sold_at'), { every: '15 minutes' }).as('quarter'),
          fn.countAll<string>().as('sales'),
        ])
        .where('sold_at', '>=', new Date('2024-06-03T00:00:00Z'))
        .where('sold_at', '<', new Date('2024-06-10T00:00:00Z'))
        .groupBy('quarter')
        .orderBy('quarter')
        .execute(),
    byHand: sql`select date_bin('15 minutes', sold_at, '2024-01-01') as quarter, count(*) as sales from sales
      where sold_at >= ${new Date('2024-06-03T00:00:00Z')} and sold_at < ${new Date('2024-06-10T00:00:00Z')} group by 1 order by 1`,
  },
  {
    name: 'three percentiles',
    built: () =>
      me
        .selectFrom('sales')
        .select((eb) => percentileCont(eb, 'amount', [0.5, 0.95, 0.99]).as('amount'))
        .execute(),
    byHand: sql`select percentile_cont(array[0.5, 0.95, 0.99]) within group (order by amount) as amount from sales`,
  },
]

const { rows: backends } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(me)

/** Milliseconds of processor time that the backend has taken; undefined where there is no /proc. */
function cpuMs(): number | undefined {
  try {
    const fields = readFileSync(`/proc/${backends[0]?.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    // User and system time, in hundredths of a second.
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    return undefined
  }
}

interface Time {
  readonly ms: number
  readonly cpuMs: number
}

const timed = async (work: () => Promise<unknown>): Promise<Time> => {
  const [start, cpu] = [performance.now(), cpuMs() ?? Number.NaN]
  await work()
  return { ms: performance.now() - start, cpuMs: (cpuMs() ?? Number.NaN) - cpu }
}

function report(name: string, built: readonly Time[], byHand: readonly Time[]): void {
  const median = (values: readonly number[]) => quantile([...values], 0.5)
  const ratio = (of: (time: Time) => number) =>
    median(built.map((time, i) => of(time) / of(byHand[i] as Time))).toFixed(2)
  const ms = (times: readonly Time[]) =>
    median(times.map((time) => time.ms))
      .toFixed(0)
      .padStart(7)
  // Of another connection's work there is none to compare.
  const ofBackend = ratio((time) => (time.cpuMs > 0 ? time.cpuMs : Number.NaN))
  console.log(
    `${name.padEnd(42)} ${ms(built)} ms ${ms(byHand)} ms  ${ratio((time) => time.ms)}x by the clock${ofBackend === 'NaN' ? '' : `, ${ofBackend}x of the backend`}`,
  )
}

const wanted = process.argv.slice(2)
const runs = (part: string) => wanted.length === 0 || wanted.includes(part)

if (runs('csv')) {
  // As the login itself under the same policy, in its own transaction: what a hand-written export does.
  const client = new Client(login.url)
  await client.connect()
  cleanup.defer(() => client.end())
  const limit = Math.min(rows, 1_000_000)
  const copy = async () => {
    await client.query(`begin; set local role authenticated; set local request.jwt.claims = '{"sub":"ada"}'`)
    let bytes = 0
    await new Promise<void>((resolve, reject) => {
      client.query({
        submit: (connection: pg.Connection) =>
          connection.query(`copy (select * from sales limit ${limit}) to stdout with (format csv, header)`),
        handleCopyData({ chunk }: { chunk: Buffer }) {
          bytes += chunk.length
        },
        handleCommandComplete() {},
        handleReadyForQuery: () => resolve(),
        handleError: reject,
        // pg's types do not know what its client does with a copy.
      } as unknown as pg.Submittable)
    })
    await client.query('commit')
    return bytes
  }
  const query = me.selectFrom('sales').selectAll().limit(limit)
  let most = 0
  const to = () =>
    new WritableStream<Uint8Array>({
      write() {
        most = Math.max(most, process.memoryUsage().rss)
      },
    })
  const parsed = async () => {
    let text = 0
    for await (const row of query.stream(2_000)) text += Object.values(row).join(',').length
    return text
  }
  const { bytes } = await exportCsv(me, query, { to: to() })
  if (bytes !== (await copy())) throw new Error('COPY wrote other bytes')
  const times: [Time[], Time[], Time[]] = [[], [], []]
  for (let round = 0; round < rounds; round++) {
    times[0].push(await timed(() => exportCsv(me, query, { to: to() })))
    times[1].push(await timed(copy))
    times[2].push(await timed(parsed))
  }
  report(`${limit} rows as CSV, beside COPY TO STDOUT`, times[0], times[1])
  report('the same, beside rows of a stream, joined', times[0], times[2])
  console.log(
    `${(bytes / 2 ** 20).toFixed(0)} MiB, at most ${(most / 2 ** 20).toFixed(0)} MiB of memory in the process`,
  )
}
if (runs('reports'))
  for (const { name, built, byHand } of contests) {
    const hand = async () => (await byHand.execute(me)).rows
    const [ours, theirs] = [await built(), await hand()]
    if (ours.length !== theirs.length) throw new Error(`${name}: ${ours.length} rows beside ${theirs.length}`)
    const times: [Time[], Time[]] = [[], []]
    for (let round = 0; round < rounds; round++)
      for (const turn of round % 2 === 0 ? [0, 1] : [1, 0])
        times[turn as 0 | 1].push(await timed(turn === 0 ? built : hand))
    report(name, ...times)
  }

await db.close()
await login.drop()
