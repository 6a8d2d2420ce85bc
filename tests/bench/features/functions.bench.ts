/**
 * What `call()` costs beside the same written by hand in Kysely, in the same session: the program's own work for a query that is only
 * compiled, and the whole round trip on loopback.
 *
 * TENON_BENCH_CALLS sets how many calls a round makes, 1,000 by default.
 */
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresDialect,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from 'kysely'
import pg, { Client } from 'pg'
import { generateCode } from '../../../src/codegen/index.ts'
import { call } from '../../../src/functions/index.ts'
import { createDatabase } from '../../../src/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { GeneratedFolder } from '../../support/generated-code.ts'
import { openServer } from '../../support/servers.ts'
import { quantile } from '../quantile.ts'

const rounds = 15
const calls = Number(process.env['TENON_BENCH_CALLS'] ?? 1_000)

const { server, stop } = await openServer()
const servers = { main: server, prefix: `bench${process.pid.toString(36)}_` }
await using cleanup = new AsyncDisposableStack()
cleanup.defer(stop)
const place = cleanup.use(await createTestDatabase({ servers }))
const login = cleanup.use(await createLogin(place, { servers }))
const admin = new Client(place.adminUrl)
await admin.connect()
await admin.query(
  `create table t (id int); create function add(a int, b int default 10) returns int language sql immutable as 'select a + b'`,
)
await admin.end()
const pool = new pg.Pool({ connectionString: place.adminUrl, max: 1 })
const plain = new Kysely<never>({ dialect: new PostgresDialect({ pool }) })
using folder = new GeneratedFolder((await generateCode(plain)).files)
await plain.destroy()
const { metadata, functions } = await folder.import('metadata.ts')

/** An executor that answers at once: what is left is the program's own work. */
const nowhere = new Kysely<never>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})
await using db = createDatabase({ connection: login.url, metadata, pool: { max: 1 } })
// biome-ignore lint/suspicious/noExplicitAny: the code is generated while this runs.
const me: any = db.session({ role: 'authenticated', claims: { sub: 'ada' } })

// biome-ignore lint/suspicious/noExplicitAny: as above
const byRaw = (on: any, a: number) => sql`select "public"."add"("a" => cast(${a} as int4)) as "value"`.execute(on)
const byFn = (on: Kysely<Record<never, never>>, a: number) =>
  on.selectNoFrom((eb) => eb.fn('public.add', [eb.val(a)]).as('value')).execute()
// biome-ignore lint/suspicious/noExplicitAny: as above
const byCall = (on: any, a: number) => call(on, functions.add, { a } as never)

console.log(`server ${server.version}, ${calls} calls a round, medians of ${rounds} rounds, ratios within each round`)
const contestants = { 'eb.fn by hand': byFn, 'sql`…` by hand': byRaw, 'call()': byCall }
for (const [where, executor] of [
  ['the program’s own work', nowhere],
  ['a round trip in a session', me],
] as const) {
  const times = new Map<string, number[]>(Object.keys(contestants).map((name) => [name, []]))
  for (let round = -2; round < rounds; round++)
    for (const [name, work] of Object.entries(contestants)) {
      const started = performance.now()
      for (let i = 0; i < calls; i++) await work(executor, i)
      if (round >= 0) times.get(name)?.push((1000 * (performance.now() - started)) / calls)
    }
  const base = times.get('eb.fn by hand') ?? []
  for (const [name, list] of times) {
    const ratio = quantile(
      list.map((value, i) => value / (base[i] ?? Number.NaN)),
      0.5,
    )
    console.log(
      `${where.padEnd(28)} ${name.padEnd(16)} ${quantile(list, 0.5).toFixed(1).padStart(8)} µs  ${ratio.toFixed(2)}x`,
    )
  }
}
