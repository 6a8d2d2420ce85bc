/**
 * Random tables over the supported column types, with random constraints and random rows, valid and not: what the zod schemas say of a row is
 * what PostgreSQL says, and what PostgreSQL returns is what the types and schemas declare.
 */
import fc from 'fast-check'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allCodecs } from '../../src/codecs/index.ts'
import { generateCode } from '../../src/codegen/index.ts'
import { createDatabase, type Database } from '../../src/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { codedImport, toExpression } from '../support/every-type.ts'
import { GeneratedFolder } from '../support/generated-code.ts'
import { columnKinds, createRandomTable, type RandomTable, randomTypesSql } from '../support/random-tables.ts'

const tableCount = Number(process.env['TENON_CODEGEN_TABLES'] ?? 24)
const rowCount = 40
const seed = Number(process.env['TENON_CODEGEN_SEED'] ?? 20_261_125)

type Row = Record<string, unknown>
type Tables = Record<string, Row>

let place: TestDatabase
let db: Database<Tables>
let folder: GeneratedFolder
let tables: readonly RandomTable[]
// biome-ignore lint/suspicious/noExplicitAny: the generated schemas are only known when they are generated.
let schemas: any

const choices = [
  ['without codecs', []],
  ['with every codec', ['composite', 'geometric', 'hstore', 'range', 'vector']],
] as const

describe.each(choices)('%s', (_, codecs) => {
  beforeAll(async () => {
    place = await createTestDatabase()
    tables = fc.sample(createRandomTable, { numRuns: tableCount, seed })
    const client = new Client(place.adminUrl)
    await client.connect()
    await client.query(randomTypesSql)
    for (const [i, table] of tables.entries()) await client.query(table.sql(`t${i}`))
    await client.end()
    const connection = place.adminUrl
    await using reader = createDatabase<Tables>({ connection, service: { connection }, trustLogin: true })
    const { files } = await generateCode(reader.service({ actor: 'test', reason: 'generate' }), {
      nullableElements: true,
      codecs,
    })
    folder = new GeneratedFolder(files)
    schemas = (await folder.import('zod.ts')).schemas
    const { metadata } = await folder.import('metadata.ts')
    db = createDatabase<Tables>({
      connection,
      service: { connection },
      trustLogin: true,
      metadata,
      codecs: codecs.length === 0 ? [] : allCodecs,
    })
  }, 60_000)
  afterAll(async () => {
    await db?.close()
    await place?.drop()
    folder?.[Symbol.dispose]()
  })

  const service = () => db.service({ actor: 'test', reason: 'property' })

  /** What the server says of a row. */
  async function insert(table: string, row: Row): Promise<{ readonly refused?: string; readonly constraint?: string }> {
    try {
      await service().insertInto(table).values(row).execute()
      return {}
    } catch (error) {
      if (!(error instanceof Error)) throw error
      const { message, constraint } = error as Error & { readonly constraint?: string }
      return { refused: message, ...(constraint === undefined ? {} : { constraint }) }
    }
  }

  describe('generated schemas and PostgreSQL', () => {
    const inserted: { readonly table: string; readonly given: Row }[] = []

    it('say the same of every row', { timeout: 300_000 }, async () => {
      const counts = { both: 0, neither: 0 }
      const mismatches: string[] = []
      for (const [i, table] of tables.entries()) {
        const name = `t${i}`
        const schema = schemas[name].insert
        for (const row of fc.sample(table.rows, { numRuns: rowCount, seed: seed + i })) {
          const parsed = schema.safeParse(row)
          // Where the schema refuses, the row goes to the server as it is.
          const answer = await insert(name, parsed.success ? parsed.data : table.encode(row))
          if (answer.refused !== undefined && table.untranslated.has(answer.constraint ?? '')) continue
          if (parsed.success && answer.refused === undefined) {
            counts.both++
            inserted.push({ table: name, given: parsed.data })
          } else if (!parsed.success && answer.refused !== undefined) counts.neither++
          else
            mismatches.push(
              `${table.sql(name)}\n${JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))}\n` +
                (parsed.success ? `server: ${answer.refused}` : `zod: ${parsed.error.message}`),
            )
        }
      }
      expect(mismatches.slice(0, 3).join('\n\n')).toBe('')
      // Both verdicts must have been put to the test.
      expect(counts.both).toBeGreaterThan((tableCount * rowCount) / 10)
      expect(counts.neither).toBeGreaterThan((tableCount * rowCount) / 10)
      const checks = tables.flatMap((table) => table.checks)
      const seen = Object.values(schemas).length
      expect(seen).toBe(tableCount)
      expect(checks.length).toBeGreaterThan(tableCount / 2)
    })

    it('agree on every row that comes back, as a row and as JSON, and so does the compiler', {
      timeout: 300_000,
    }, async () => {
      const lines: string[] = []
      for (const i of tables.keys()) {
        const name = `t${i}`
        const rows = await service().selectFrom(name).selectAll().execute()
        const json = await service()
          .selectFrom(name)
          .select(({ fn, ref }) => fn<Row>('to_json', [ref(name as never)]).as('row'))
          .execute()
        for (const row of rows) expect(schemas[name].row.safeParse(row).error).toBeUndefined()
        for (const { row } of json) expect(schemas[name].json.safeParse(row).error).toBeUndefined()
        lines.push(
          ...rows.slice(0, 8).map((row) => `({ ${name}: ${toExpression(row)} }) satisfies Rows<"${name}">;`),
          `equal<z.output<typeof schemas.${name}.row>, Selectable<DB["${name}"]>>(true);`,
          `assigns<z.output<typeof schemas.${name}.insert>, Insertable<DB["${name}"]>>(true);`,
        )
      }
      lines.push(
        ...inserted
          .filter((_, i) => i % 5 === 0)
          .map(({ table, given }) => `({ ${table}: ${toExpression(given)} }) satisfies Given<"${table}">;`),
      )
      const head = `${codedImport}import type { Insertable, Selectable } from "kysely";
import type { z } from "zod";
import type { DB } from "./types.js";
import type { schemas } from "./zod.js";
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function equal<A, B>(same: Equal<A, B>): void;
declare function assigns<A, B>(does: A extends B ? true : false): void;
type Rows<T extends keyof DB> = { [K in T]: Selectable<DB[K]> };
type Given<T extends keyof DB> = { [K in T]: Insertable<DB[K]> };
`
      folder.write({
        'rows.ts': head + lines.join('\n'),
        'wrong.ts': `${head}equal<1, 2>(true);\nassigns<1, 2>(true);\n({ t0: { no_such_column: 1 } }) satisfies Rows<"t0">;\n`,
      })
      expect(folder.compile(['rows.ts', 'zod.ts', 'metadata.ts']).errors).toEqual([])
      // Three lines that must not compile.
      expect(folder.compile(['wrong.ts']).errors.length).toBeGreaterThanOrEqual(3)
    })

    it('differ as soon as a schema is wrong: the comparison can fail', async () => {
      const all = Object.keys(columnKinds)
      expect(all.length).toBeGreaterThan(30)
      const client = new Client(place.adminUrl)
      await client.connect()
      await client.query('create table control (n integer check (n < 10), s varchar(3))')
      const { files } = await generateCode(service(), { include: ['control'], codecs })
      await client.query(
        'alter table control drop constraint control_n_check; alter table control alter s type varchar(2)',
      )
      await client.end()
      using other = new GeneratedFolder(files)
      const { schemas: stale } = await other.import('zod.ts')
      expect(stale.control.insert.safeParse({ n: 10 }).success).toBe(false)
      expect(await insert('control', { n: 10 })).toEqual({})
      expect(stale.control.insert.safeParse({ s: 'abc' }).success).toBe(true)
      expect((await insert('control', { s: 'abc' })).refused).toBeDefined()
    })
  })
})
