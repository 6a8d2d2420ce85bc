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
} from '../../src/migrate/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { everyKind, mutations } from '../support/every-kind.ts'

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

  it('reports nothing on a database that nobody changed', { timeout: 60_000 }, async () => {
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
    }, 60_000)

    it('finds every change, names its object, and tells of nothing else', () => {
      const expected = mutations.flatMap(({ found }) => found)
      expect(report.differences.map(nameOf).sort()).toEqual([...expected].sort())
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
})
