/** Types tell the truth: each column type is written and read back, and what comes is what types.ts and zod.ts declare. */
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import { generate, PostgresDialect as PlainDialect } from 'kysely-codegen'
import pg, { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CodegenOptions, type GeneratedCode, generateCode } from '../../src/codegen/index.ts'
import { createDatabase, type Database } from '../../src/index.ts'
import type { Metadata } from '../../src/metadata/index.ts'
import { createLogin, createTestDatabase, type TestDatabase } from '../support/database.ts'
import { everyType, everyTypeSql, toExpression } from '../support/every-type.ts'
import { GeneratedFolder } from '../support/generated-code.ts'
import { manyTablesSql, oneQuery } from '../support/many-tables.ts'
import { bootPglite } from '../support/pglite.ts'

type Row = Readonly<Record<string, unknown>>
interface Tables {
  readonly every: Row
}

const options = { roles: ['reader'] }
// What a generated file exports has no type here.
const given = (metadata: unknown) => (metadata === undefined ? {} : { metadata: metadata as Metadata<Tables> })
const cases = everyType.filter(({ extension }) => extension === undefined)
const createTable = `create table every (${cases.map(({ name, sql }) => `${name} ${sql}`).join(', ')})`

describe.each(['server', 'embedded'] as const)('on %s', (kind) => {
  let place: TestDatabase | undefined
  let plain: Database<Tables>
  let closeEmbedded: (() => Promise<void>) | undefined
  let connect: (metadata?: unknown) => Database<Tables>
  const folders: GeneratedFolder[] = []

  beforeAll(async () => {
    const reader =
      'do $$ begin create role reader; exception when duplicate_object then end $$; grant select on every to reader'
    const sql = `${everyTypeSql}; ${createTable}; ${reader}`
    if (kind === 'server') {
      place = await createTestDatabase()
      const { adminUrl } = place
      const client = new Client(adminUrl)
      await client.connect()
      await client.query(sql)
      await client.end()
      connect = (metadata) =>
        createDatabase<Tables>({
          ...options,
          connection: adminUrl,
          service: { connection: adminUrl },
          trustLogin: true,
          ...given(metadata),
        })
    } else {
      const { hstore } = await import('@electric-sql/pglite/contrib/hstore')
      const { citext } = await import('@electric-sql/pglite/contrib/citext')
      const { ltree } = await import('@electric-sql/pglite/contrib/ltree')
      const pglite = await bootPglite('', { hstore, citext, ltree })
      await pglite.exec(sql)
      closeEmbedded = () => pglite.close()
      connect = (metadata) => createDatabase<Tables>({ ...options, connection: pglite, ...given(metadata) })
    }
    plain = connect()
  }, 60_000)
  afterAll(async () => {
    await plain?.close()
    await closeEmbedded?.()
    await place?.drop()
    for (const folder of folders) folder[Symbol.dispose]()
  })

  const service = (db: Database<Tables>) => db.service({ actor: 'test', reason: 'types' })

  async function generated(
    options: CodegenOptions,
  ): Promise<{ readonly code: GeneratedCode; readonly folder: GeneratedFolder }> {
    const code = await generateCode(service(plain), options)
    const folder = new GeneratedFolder(code.files)
    folders.push(folder)
    return { code, folder }
  }

  it('reads every type as declared, and the compiler agrees', { timeout: 60_000 }, async () => {
    const { folder } = await generated({})
    const { metadata } = await folder.import('metadata.ts')
    const { schemas } = await folder.import('zod.ts')
    const db = connect(metadata)
    const values = Object.fromEntries(cases.map(({ name, value }) => [name, value]))
    await service(db).insertInto('every').values(values).execute()
    const row = await service(db).selectFrom('every').selectAll().executeTakeFirstOrThrow()
    for (const { name, value, row: expected = value } of cases) {
      if (typeof expected === 'function') expect(expected(row[name]), name).toBe(true)
      else expect(row[name], name).toEqual(expected)
    }
    expect(schemas.every.row.safeParse(row).error).toBeUndefined()
    // Through the schema of INSERT too; its output is what the query gets.
    // pg writes every array with commas, and box takes semicolons: an array of boxes is text.
    const { box_array: _, ...others } = values
    const natural = { a_jsonb: [1, { b: true }], jsonb_array: [{ a: 1 }, 'text'], a_point: { x: 1, y: 2.5 } }
    const again = { ...others, ...natural, a_circle: { x: 1, y: 2, radius: 3 } }
    const parsed = schemas.every.insert.safeParse(again)
    expect(parsed.error).toBeUndefined()
    await service(db).insertInto('every').values(parsed.data).execute()
    const [, second] = await service(db).selectFrom('every').selectAll().execute()
    expect({ ...second, box_array: row['box_array'] }).toEqual(row)
    const json = await service(db)
      .selectFrom('every')
      .select(({ fn, ref }) => fn<Row>('to_jsonb', [ref('every' as never)]).as('a_json'))
      .executeTakeFirstOrThrow()
    expect(schemas.every.json.safeParse(json.a_json).error).toBeUndefined()
    await db.close()

    folder.write({
      'check.ts': `import type { Insertable, Selectable } from "kysely";
import type { z } from "zod";
import type { DB } from "./types.js";
import type { schemas } from "./zod.js";
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
export const row: Selectable<DB["every"]> = ${toExpression(row)};
export const insert: Insertable<DB["every"]> = ${toExpression({ ...values, box_array: undefined })};
export const same: Equal<z.output<typeof schemas.every.row>, Selectable<DB["every"]>> = true;
export const given = (value: z.output<typeof schemas.every.insert>): Insertable<DB["every"]> => value;
`,
      'wrong.ts': `import type { Insertable, Selectable } from "kysely";
import type { DB } from "./types.js";
export const a: Pick<Selectable<DB["every"]>, "a_int8"> = { a_int8: 1n };
export const b: Pick<Selectable<DB["every"]>, "mood_array"> = { mood_array: "{sad}" };
export const c: Pick<Selectable<DB["every"]>, "a_mood"> = { a_mood: "other" };
export const d: Pick<Insertable<DB["every"]>, "a_point"> = { a_point: { x: 1, y: 2 } };
export const e: Pick<Insertable<DB["every"]>, "a_jsonb"> = { a_jsonb: [1] };
`,
    })
    expect(folder.compile(['check.ts', 'metadata.ts', 'zod.ts']).errors).toEqual([])
    expect(folder.compile(['wrong.ts']).errors.map((error) => error.split(':')[0])).toEqual(
      [3, 4, 5, 6, 7].map((line) => `wrong.ts(${line})`),
    )
  })

  it.each([
    ['int8', 'number', { a_int8: 5, int8_array: [1, 2], a_rank: 6, rank_array: [7] }],
    ['int8', 'bigint', { a_int8: 9223372036854775807n, int8_array: [1n, -2n], a_rank: 6n, rank_array: [7n] }],
    ['numeric', 'number', { a_numeric: 1.5, a_price: 2.25, numeric_array: [0.5, 3] }],
    ['date', 'string', { a_date: '2024-02-29' }],
    ['timestamp', 'string', { a_timestamp: '2024-02-29 12:00:00.123456' }],
  ] as const)(
    'reads %s as %s by choice, parser and type alike',
    { timeout: 60_000 },
    async (option, choice, values) => {
      const { folder } = await generated({ [option]: choice })
      const { metadata } = await folder.import('metadata.ts')
      const { schemas } = await folder.import('zod.ts')
      const db = connect(metadata)
      await service(db).deleteFrom('every').execute()
      await service(db).insertInto('every').values(values).execute()
      const row = await service(db).selectFrom('every').selectAll().executeTakeFirstOrThrow()
      expect(row).toMatchObject(values)
      expect(schemas.every.row.safeParse(row).error).toBeUndefined()
      // Sessions have the same parsers; what is asked for them travels with the verification.
      const session = db.session({ role: 'reader' })
      const before = db.stats().roundTrips
      expect(await session.selectFrom('every').selectAll().execute()).toEqual([row])
      expect(db.stats().roundTrips - before).toBe(2)
      expect(await session.selectFrom('every').selectAll().execute()).toEqual([row])
      expect(db.stats().roundTrips - before).toBe(3)
      await db.close()
      folder.write({
        'check.ts': `import type { Selectable } from "kysely";
import type { DB } from "./types.js";
export const row: Selectable<DB["every"]> = ${toExpression(row)};
`,
      })
      expect(folder.compile(['check.ts', 'metadata.ts', 'zod.ts']).errors).toEqual([])
      // A database without metadata on the same connection has pg's own parsers.
      const [bare] = await service(plain).selectFrom('every').selectAll().execute()
      if ('a_int8' in values) expect(bare?.['a_int8']).toBe(String(values.a_int8))
    },
  )

  it('refuses a bigint that a number cannot hold, and the connection stays usable', async () => {
    const { folder } = await generated({ int8: 'number' })
    const { metadata } = await folder.import('metadata.ts')
    const db = connect(metadata)
    await service(db).deleteFrom('every').execute()
    await service(db).insertInto('every').values({ a_int8: '9007199254740993' }).execute()
    await expect(service(db).selectFrom('every').selectAll().execute()).rejects.toMatchObject({
      code: 'QUERY_DATA',
      hint: expect.stringContaining('bigint'),
    })
    expect(await service(db).selectFrom('every').select('a_text').execute()).toEqual([{ a_text: null }])
    await db.close()
  })

  it('refuses metadata of another format, and what is none', () => {
    for (const [metadata, message] of [
      [{ format: 2 }, 'the generated metadata has format 2; this version of tenon reads format 1'],
      [{}, 'metadata is not what `tenon codegen` writes'],
    ] as const) {
      expect(() => connect(metadata)).toThrowError(expect.objectContaining({ code: 'METADATA_FORMAT', message }))
    }
  })
})

describe('when the types cannot be asked for', () => {
  it('a query fails instead of giving text under types that say otherwise', { timeout: 30_000 }, async () => {
    await using place = await createTestDatabase()
    await using login = await createLogin(place)
    const admin = new Client(place.adminUrl)
    await admin.connect()
    await admin.query(
      "create type mood as enum ('sad'); create table every (moods mood[]); insert into every values ('{sad}')",
    )
    await admin.query('grant select on every to public')
    const db = new Kysely<Record<string, never>>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: place.adminUrl, max: 1 }) }),
    })
    using folder = new GeneratedFolder((await generateCode(db)).files)
    await db.destroy()
    const { metadata } = await folder.import('metadata.ts')
    const read = async () => {
      const connection = { connection: login.url, service: { connection: login.url } }
      await using limited = createDatabase<Tables>({ ...connection, ...given(metadata) })
      return await limited.service({ actor: 'test', reason: 'types' }).selectFrom('every').selectAll().execute()
    }
    expect(await read()).toEqual([{ moods: ['sad'] }])
    await admin.query('revoke select on pg_catalog.pg_type from public')
    await admin.end()
    await expect(read()).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
  })
})

describe('types that are made while a database object lives', () => {
  it('are parsed as declared by the first query that has them: never text under a type that says otherwise', {
    timeout: 30_000,
  }, async () => {
    await using place = await createTestDatabase()
    const admin = new Client(place.adminUrl)
    await admin.connect()
    const make = "create type mood as enum ('sad'); create table every (moods mood[], mood mood)"
    await admin.query(`${make}; insert into every values ('{sad}', 'sad')`)
    const db = new Kysely<Record<string, never>>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: place.adminUrl, max: 1 }) }),
    })
    using folder = new GeneratedFolder((await generateCode(db)).files)
    await db.destroy()
    const { metadata } = await folder.import('metadata.ts')
    const connection = { connection: place.adminUrl, service: { connection: place.adminUrl, pool: { max: 1 } } }
    await using live = createDatabase<Tables>({ ...connection, trustLogin: true, ...given(metadata) })
    const service = live.service({ actor: 'test', reason: 'types' })
    const read = () => service.selectFrom('every').selectAll().execute()
    expect(await read()).toEqual([{ moods: ['sad'], mood: 'sad' }])
    await admin.query(`drop table every; drop type mood; ${make}; insert into every values ('{sad}', 'sad')`)
    expect(await read()).toEqual([{ moods: ['sad'], mood: 'sad' }])
    await admin.end()
  })
})

describe('what the compiler does for one query', () => {
  it('is at most a tenth more than with kysely-codegen’s own types', { timeout: 60_000 }, async () => {
    await using place = await createTestDatabase()
    const db = new Kysely<Record<string, never>>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: place.adminUrl, max: 1 }) }),
    })
    await db.executeQuery(CompiledQuery.raw("create type mood as enum ('sad', 'ok')"))
    for (const statement of manyTablesSql(60).split('; ').slice(1)) await db.executeQuery(CompiledQuery.raw(statement))
    const { files } = await generateCode(db)
    const plain = await generate({ db, dialect: new PlainDialect(), outFile: null })
    await db.destroy()
    using folder = new GeneratedFolder({
      ...files,
      'plain.ts': plain.replace(/^import type \{ IPostgresInterval \}.*$/m, 'type IPostgresInterval = object;'),
      'ours-query.ts': oneQuery('./types.js'),
      'plain-query.ts': oneQuery('./plain.js'),
      // Its instantiations are those of Kysely alone, and the comparison must see more than these.
      'none.ts': 'import type { Kysely } from "kysely";\nexport type Nothing = Kysely<never>;\n',
    })
    const [ours, theirs, none] = ['ours-query.ts', 'plain-query.ts', 'none.ts'].map((file) => folder.compile([file]))
    expect([ours?.errors, theirs?.errors, none?.errors]).toEqual([[], [], []])
    expect(theirs?.instantiations).toBeGreaterThan(1_000 + (none?.instantiations ?? 0))
    expect((ours?.instantiations ?? 0) / (theirs?.instantiations ?? 1)).toBeLessThanOrEqual(1.1)
  })
})
