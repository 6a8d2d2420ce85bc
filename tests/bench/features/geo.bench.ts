/**
 * What tenon/geo costs beside SQL by hand, and what an index is worth under row security: the ten nearest and everything within 500 km, of
 * 1,000,000 points of 100 tenants (TENON_BENCH_ROWS), on the system's PostGIS.
 *
 * The hand-written SQL runs in the same session, and as the barest thing there is: a named statement of pg on a connection whose role was set once.
 */
import { sql } from 'kysely'
import { Client } from 'pg'
import { sqlModules } from '../../../src/generated/modules.ts'
import { type GeographyColumn, geography, point } from '../../../src/geo/index.ts'
import { createDatabase } from '../../../src/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { findPostgisBinaries } from '../../support/postgis.ts'
import { startPostgres } from '../../support/postgres.ts'
import { quantile } from '../quantile.ts'

const rows = Number(process.env['TENON_BENCH_ROWS'] ?? 1_000_000)
const rounds = Number(process.env['TENON_BENCH_ROUNDS'] ?? 21)
const turns = 20
const metres = 500_000

interface DB {
  points: { id: number; tenant_id: number; location: GeographyColumn<'Point'>; location_x: number; location_y: number }
}

const binDir = findPostgisBinaries()
if (binDir === undefined) {
  console.log('skipped: PostGIS is not installed here (apt-get install postgresql-postgis)')
  process.exit(0)
}
await using server = await startPostgres({
  binDir,
  settings: { shared_buffers: '512MB', maintenance_work_mem: '256MB' },
})
const servers = { main: { kind: 'environment', url: server.url, version: server.version }, prefix: 'bench_' } as const
const place = await createTestDatabase({ servers })
const login = await createLogin(place, { servers })
await using cleanup = new AsyncDisposableStack()
const admin = new Client(place.adminUrl)
await admin.connect()
cleanup.defer(() => admin.end())
await admin.query(
  `create extension postgis; create extension btree_gist; ${sqlModules.geo.files.map((file) => file.sql).join('\n')}`,
)
await admin.query(`
  create table points (id int primary key, tenant_id int not null, location geography(Point, 4326) not null);
  select setseed(0.5);
  insert into points select i, i % 100, st_setsrid(st_makepoint(random() * 360 - 180, degrees(asin(random() * 1.8 - 0.9))), 4326)::geography
    from generate_series(1, ${rows}) i;
  alter table points enable row level security;
  create policy points_tenant_policy on points to authenticated using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::int));
  create index points_tenant_id_idx on points (tenant_id);
  grant select on points to authenticated; analyze points`)

await using db = createDatabase<DB>({ connection: login.url, settings: ['app.tenant_id'], pool: { max: 1 } })
const me = db.session({ role: 'authenticated', settings: { 'app.tenant_id': '7' } })
const bare = new Client(login.url)
await bare.connect()
cleanup.defer(() => bare.end())
await bare.query(`set role authenticated; set app.tenant_id = '7'`)

const ewkt = (x: number, y: number): string => `SRID=4326;POINT(${x} ${y})`
type Ask = (x: number, y: number) => Promise<readonly { readonly id: number }[]>

const nearest = (): Readonly<Record<string, Ask>> => ({
  'by hand, in the session': async (x, y) =>
    (
      await sql<{
        id: number
      }>`select "id" from "points" order by "location" <-> ${ewkt(x, y)}::geography limit 10`.execute(me)
    ).rows,
  'tenon/geo': (x, y) =>
    me
      .selectFrom('points')
      .select('id')
      .orderBy(({ ref }) => geography(ref('location')).nearest(point(x, y)))
      .limit(10)
      .execute(),
  'bare pg, role set once': async (x, y) =>
    (
      await bare.query<{ id: number }>({
        name: 'nearest',
        text: 'select id from points order by location <-> $1::geography limit 10',
        values: [ewkt(x, y)],
      })
    ).rows,
})
const within = (columns: boolean): Readonly<Record<string, Ask>> => ({
  'by hand, in the session': async (x, y) =>
    (
      await sql<{
        id: number
      }>`select "id" from "points" where st_dwithin("location", ${ewkt(x, y)}::geography, ${metres})`.execute(me)
    ).rows,
  'tenon/geo': (x, y) =>
    me
      .selectFrom('points')
      .select('id')
      .where(({ ref }) => geography(ref('location')).withinDistance(point(x, y), { metres }))
      .execute(),
  ...(columns
    ? {
        'tenon/geo, columns': (x: number, y: number) =>
          me
            .selectFrom('points')
            .select('id')
            .where(({ ref }) =>
              geography(ref('location')).withinDistance(point(x, y), {
                metres,
                columns: { x: ref('location_x'), y: ref('location_y') },
              }),
            )
            .execute(),
      }
    : {}),
  'bare pg, role set once': async (x, y) =>
    (
      await bare.query<{ id: number }>({
        name: 'within',
        text: 'select id from points where st_dwithin(location, $1::geography, $2)',
        values: [ewkt(x, y), metres],
      })
    ).rows,
})

console.log(
  `${rows.toLocaleString('en')} points of 100 tenants, PostgreSQL ${Math.floor(server.version / 10_000)}; medians of ${rounds} interleaved rounds of ${turns}`,
)
await admin.query('create index points_location_idx on points using gist (location)')
await compare('10 nearest, gist (location)', nearest(), turns)
await compare('within 500 km, gist (location)', within(false), 2)
await admin.query(
  `drop index points_location_idx; select tenon.add_geo_index('points', 'location', array['tenant_id']); analyze points`,
)
await compare('10 nearest, gist (tenant_id, location)', nearest(), turns)
await compare('within 500 km, gist (tenant_id, location)', within(false), 2)
await admin.query(`select tenon.add_point_columns('points', 'location', array['tenant_id'])`)
await admin.query('vacuum analyze points')
await compare('within 500 km, point columns', within(true), 2)

async function compare(what: string, contestants: Readonly<Record<string, Ask>>, each: number): Promise<void> {
  const names = Object.keys(contestants)
  const times: Record<string, number[]> = {}
  for (let round = -3; round < rounds; round++) {
    const answers = new Set<string>()
    // Whoever is first pays for what is cold: each in its turn.
    for (const name of names.map((_, i) => names[(i + round + 3) % names.length] ?? '')) {
      const found: string[] = []
      const started = performance.now()
      for (let turn = 0; turn < each; turn++) {
        const [x, y] = [(((round + 3) * 97 + turn * 31) % 360) - 180, (((round + 3) * 53 + turn * 17) % 120) - 60]
        const ids = (await (contestants[name] as Ask)(x, y)).map(({ id }) => id)
        found.push(ids.sort((a, b) => a - b).join())
      }
      if (round >= 0) times[name] = [...(times[name] ?? []), (performance.now() - started) / each]
      answers.add(found.join(';'))
    }
    if (answers.size !== 1) throw new Error(`${what}: the answers differ`)
  }
  const base = times[names[0] ?? ''] ?? []
  for (const name of names) {
    const values = times[name] ?? []
    const ratio = quantile(
      values.map((value, i) => value / (base[i] ?? Number.NaN)),
      0.5,
    )
    console.log(
      `${what.padEnd(44)} ${name.padEnd(26)} ${quantile(values, 0.5).toFixed(3).padStart(9)} ms  ${ratio.toFixed(2)}x`,
    )
  }
}
