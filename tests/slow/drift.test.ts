/** findDrift against real servers: every kind of change is found and named, the SQL it gives mends it, and nothing else is told. */
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type Database } from '../../src/index.ts'
import {
  applyMigrations,
  type Catalog,
  compareCatalogs,
  type Difference,
  type DriftReport,
  findDrift,
  readCatalog,
  toDriftText,
} from '../../src/migrate/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { everyKind, mutations } from '../support/every-kind.ts'
import { startPostgres } from '../support/postgres.ts'
import { findSystemBinaries } from '../support/postgres-binaries.ts'

const nameOf = ({ change, object }: Difference) => `${change} ${object.kind} ${object.name}`
const set = { modules: ['projects', 'activity', 'customers', everyKind] } as const

/** SQL of a hint; undefined when it is a next step only. */
function sqlOf({ hint }: Difference): string | undefined {
  return /(?:^|: )((?:alter|create|drop|grant|revoke|comment|reindex)\b[\s\S]*;)$/i.exec(hint)?.[1]
}

const open = (url: string) =>
  createDatabase<unknown>({ connection: url, service: { connection: url }, trustLogin: true })

describe('findDrift', () => {
  let place: TestDatabase
  let admin: Client
  let db: Database<unknown>
  let pristine: Catalog
  const catalog = () => readCatalog((text, values) => admin.query(text, [...values]))

  beforeAll(async () => {
    place = await createTestDatabase()
    admin = new Client(place.adminUrl)
    await admin.connect()
    db = open(place.adminUrl)
    await applyMigrations(db, set)
    pristine = await catalog()
  })
  afterAll(async () => {
    await db.close()
    await admin.end()
    await place.drop()
  })

  it('reports nothing on a database that nobody changed', { timeout: 120_000 }, async () => {
    const report = await findDrift(db, set)
    expect(report.differences.map(nameOf)).toEqual([])
    expect(report).toMatchObject({ pending: [], disputed: [], unknown: [] })
    expect(report.compared).toBeGreaterThan(300)
  })

  describe('on a database that was changed by hand', () => {
    let report: DriftReport
    beforeAll(async () => {
      for (const { sql } of mutations) await admin.query(sql)
      report = await findDrift(db, set)
    }, 120_000)

    it('finds every change, names its object, and tells of nothing else', () => {
      const expected = mutations.flatMap(({ found }) => found)
      expect(report.differences.map(nameOf).sort()).toEqual([...expected].sort())
    })

    it('prints nothing that a terminal would act on, whatever the names are', () => {
      const text = toDriftText(report)
      expect(text).not.toMatch(/[^\P{Cc}\n]/u)
      expect(text).toContain(String.raw`extra column "evil
; drop table kinds.plain; --\u001b[2J".hidden`)
    })

    it('finds the same the other way round, each as its opposite', async () => {
      const changed = await catalog()
      const told = (expected: Catalog, actual: Catalog) =>
        compareCatalogs(expected, actual, { whole: true })
          // That a partition is there besides is never a difference.
          .filter(({ object }) => object.parts['partition bound'] === undefined)
      const opposite = { missing: 'extra', extra: 'missing', changed: 'changed' } as const
      const lines = (differences: readonly Difference[], turned: boolean) =>
        differences.map(({ change, object }) => {
          return `${turned ? opposite[change] : change} ${object.kind} ${object.on ?? object.name}`
        })
      const there = told(pristine, changed)
      expect(lines(told(changed, pristine), false).sort()).toEqual(lines(there, true).sort())
      expect(there.length).toBeGreaterThan(75)
    })

    it('gives SQL that mends each of them', async () => {
      const steps = new Set<string>()
      for (let round = 1; round <= 4; round++) {
        for (const difference of compareCatalogs(pristine, await catalog())) {
          const sql = sqlOf(difference)
          if (sql === undefined) steps.add(nameOf(difference))
          else
            for (const statement of sql.includes('concurrently') ? sql.split(/(?<=;) /) : [sql])
              await admin.query(statement).catch((error: Error) => {
                throw new Error(`${nameOf(difference)}: ${error.message}: ${statement}`)
              })
        }
      }
      expect(
        compareCatalogs(pristine, await catalog())
          .map(nameOf)
          .sort(),
      ).toEqual([...steps].sort())
      expect([...steps].sort()).toEqual([
        'changed type mood',
        'missing aggregate agg(integer)',
        'missing table inside',
        'missing table ref',
      ])
    })
  })

  it('leaves nothing to tell when the live database is PostgreSQL 15', { timeout: 120_000 }, async (context) => {
    const binDir = findSystemBinaries(15)
    if (binDir === undefined) return context.skip('PostgreSQL 15 is not installed here (apt-get install postgresql-15)')
    await using server = await startPostgres({ binDir })
    await using fifteen = open(server.url)
    await applyMigrations(fifteen, set)
    expect((await findDrift(fifteen, set)).differences.map(nameOf)).toEqual([])
    const client = new Client(server.url)
    await client.connect()
    await client.query(`
      create or replace view kinds.v9 as select id, json, "user", 1 as "order" from kinds.fast;
      alter table kinds.main alter label drop not null`)
    await client.end()
    expect((await findDrift(fifteen, set)).differences.map(nameOf)).toEqual([
      'changed column main.label',
      'changed view v9',
    ])
  })
})

describe('readCatalog and compareCatalogs', () => {
  it('take 500 tables in some seconds, and find the one difference among them', { timeout: 60_000 }, async () => {
    await using place = await createTestDatabase()
    const client = new Client(place.adminUrl)
    await client.connect()
    try {
      await client.query(`
        do $$ begin
          for n in 1..500 loop
            execute format('
              create table t%1$s (id bigint generated always as identity primary key, owner uuid not null, name text unique,
                status text default ''a'' check (status in (''a'', ''b'')), amount numeric(12, 2), metadata jsonb not null default ''{}'',
                at timestamptz default now(), parent bigint references t%1$s);
              create index on t%1$s (owner, at desc); create index on t%1$s using gin (metadata);
              alter table t%1$s enable row level security; create policy own on t%1$s using (owner = (select gen_random_uuid()));
              grant select, insert on t%1$s to pg_monitor; comment on table t%1$s is ''table''', n);
            if n % 50 = 0 then commit; end if;
          end loop;
        end $$`)
      const started = performance.now()
      const catalog = () => readCatalog((text, values) => client.query(text, [...values]))
      const before = await catalog()
      await client.query('alter policy own on t250 using (true)')
      expect(compareCatalogs(before, await catalog()).map(nameOf)).toEqual(['changed policy t250.own'])
      // 1.3 s on two cores: the bound is for a machine that is busy with other suites.
      expect(performance.now() - started).toBeLessThan(20_000)
      expect(before.size).toBeGreaterThan(8_000)
    } finally {
      await client.end()
    }
  })
})
