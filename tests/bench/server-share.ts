/**
 * What the parts of a unit cost the server, in processor time of its backend: what remains of a ratio at loopback once the client's share
 * is cut. Linux, and a server on this machine:
 *   npx node tests/bench/server-share.ts
 * Units are sent a hundred at a time, so that the backend never waits. The ratios themselves are main.ts'.
 */
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { takeSocketLine } from '../../src/database/wire/socket-channel.ts'
import { statementName } from '../../src/database/wire/statement-plan.ts'
import type { Step } from '../../src/database/wire/unit.ts'
import { type BenchUrls, openBenchDatabase } from './bench-database.ts'
import { subjectOf, tenantName } from './contestants/contestant.ts'
import { quantile } from './quantile.ts'
import { toTable } from './report/table.ts'
import { tenantOf } from './works/order-numbers.ts'

const rounds = 15
const units = 3_000
const atOnce = 100

const order = 1
const tenant = tenantName(tenantOf(order))
const sub = subjectOf(tenantOf(order))
const email = 'user@example.org'

/** The full list of a session with legacy claims, in the order of database/context.ts. */
const keys: readonly (readonly [name: string, value: string])[] = [
  ['search_path', 'public, pg_temp'],
  ['statement_timeout', '5000ms'],
  ['request.jwt.claims', JSON.stringify({ sub, email, role: 'authenticated' })],
  ['request.jwt.claim', ''],
  ['request.jwt.claim.sub', sub],
  ['request.jwt.claim.role', 'authenticated'],
  ['request.jwt.claim.email', email],
  ['tenon.actor', email],
  ['app.tenant_id', tenant],
  ['role', 'authenticated'],
]

const step = (text: string, values: readonly string[] = []): Step => ({
  text,
  name: statementName(text),
  values,
  silent: true,
})
const read = step(
  'select "id", "customer_id", "tenant_id", "total", "metadata", "created_at" from "orders" where "id" = $1',
  [String(order)],
)
const select = (terms: readonly string[], values: readonly string[]) =>
  step(`select where pg_catalog.num_nulls(${terms.join(', ')}) is null`, values)
const values = keys.map(([, value]) => value)
const bound = select(
  keys.map((_, i) => `$${i + 1}::text`),
  values,
)
const context = (of: typeof keys) =>
  select(
    of.map(([name], i) => `pg_catalog.set_config('${name}', $${i + 1}, true)`),
    of.map(([, value]) => value),
  )

interface Part {
  readonly title: string
  readonly login: keyof BenchUrls
  /** Run once, before. */
  readonly first?: string
  readonly steps: readonly Step[]
}

const parts: readonly Part[] = [
  { title: 'a statement that does nothing', login: 'powerless', steps: [step('select where false')] },
  { title: 'one that takes ten texts', login: 'powerless', steps: [bound] },
  { title: 'the context of two keys', login: 'powerless', steps: [context(keys.slice(-2))] },
  { title: 'the context of ten keys', login: 'powerless', steps: [context(keys)] },
  { title: 'the read, no row security', login: 'bare', steps: [read] },
  {
    title: 'the read, role and setting set before',
    login: 'powerless',
    first: `set role authenticated; set app.tenant_id = '${tenant}'`,
    steps: [read],
  },
  { title: 'the context of ten keys and the read', login: 'powerless', steps: [context(keys), read] },
]

/** Sends units on a connection of its own; microseconds of its backend for each. */
async function open(part: Part, urls: BenchUrls): Promise<() => Promise<number>> {
  const client = new pg.Client({ connectionString: urls[part.login] })
  await client.connect()
  cleanup.defer(() => client.end())
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  if (part.first !== undefined) await client.query(part.first)
  const { line } = takeSocketLine(client, { shared: false, statementLimit: 100, parsers: () => String })
  return async () => {
    const before = cpuMicroseconds(rows[0]?.pid)
    for (let sent = 0; sent < units; sent += atOnce) {
      const outcomes = await Promise.all(Array.from({ length: atOnce }, () => line.run(part.steps, true)))
      const failed = outcomes.find(({ unit, loss }) => loss !== undefined || unit.error !== undefined)
      if (failed !== undefined)
        throw new Error(`${part.title}: ${failed.unit.error?.fields.get('M') ?? failed.loss?.reason}`)
    }
    return (cpuMicroseconds(rows[0]?.pid) - before) / units
  }
}

/** Time on a processor, which the kernel counts in nanoseconds. */
function cpuMicroseconds(pid: number | undefined): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000
}

await using cleanup = new AsyncDisposableStack()
const database = cleanup.use(await openBenchDatabase())
const runs: { readonly part: Part; readonly run: () => Promise<number>; readonly found: number[] }[] = []
for (const part of parts) runs.push({ part, run: await open(part, database.urls), found: [] })
for (const { run } of runs) await run()
for (let round = 0; round < rounds; round += 1) for (const { run, found } of runs) found.push(await run())
const table = runs.map(({ part, found }) => [part.title, quantile(found, 0.5).toFixed(1)])
process.stdout.write(`${toTable(['unit', 'µs of the backend'], table).join('\n')}\n`)
