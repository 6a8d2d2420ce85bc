/** Types of extensions that neither the server of the suite nor its PGlite has: PostGIS and pgvector, each on a PGlite of the version that its bundle is built for. */
import { afterEach, describe, expect, it } from 'vitest'
import { generateCode } from '../../src/codegen/index.ts'
import { createDatabase, type EmbeddedDatabase } from '../../src/index.ts'
import { everyType, toExpression } from '../support/every-type.ts'
import { GeneratedFolder } from '../support/generated-code.ts'

interface Pglite extends EmbeddedDatabase {
  exec(sql: string): Promise<unknown>
}

async function openPostgis(): Promise<Pglite> {
  const [{ PGlite }, { postgis }] = await Promise.all([import('pglite-0.5.8'), import('@electric-sql/pglite-postgis')])
  // Its type is that of another version of PGlite.
  return (await PGlite.create({ extensions: { postgis: postgis as never } })) as unknown as Pglite
}

async function openVector(): Promise<Pglite> {
  const [{ PGlite }, { vector }] = await Promise.all([
    import('@electric-sql/pglite'),
    import('@electric-sql/pglite-pgvector'),
  ])
  return (await PGlite.create({ extensions: { vector } })) as unknown as Pglite
}

interface Tables {
  readonly every: Readonly<Record<string, unknown>>
}

describe.each([
  ['postgis', openPostgis],
  ['vector', openVector],
] as const)('%s', (extension, open) => {
  let pglite: Pglite | undefined
  afterEach(async () => void (await pglite?.close()))

  it('is read as declared', { timeout: 120_000 }, async () => {
    const cases = everyType.filter((column) => column.extension === extension)
    pglite = await open()
    await pglite.exec(
      `create extension ${extension}; create table every (${cases.map(({ name, sql }) => `${name} ${sql}`).join(', ')})`,
    )
    const db = createDatabase<Tables>({ connection: pglite })
    const service = db.service({ actor: 'test', reason: 'extensions' })
    const { files, notes } = await generateCode(service)
    expect(notes).toEqual([])
    using folder = new GeneratedFolder(files)
    const { metadata } = await folder.import('metadata.ts')
    const { schemas } = await folder.import('zod.ts')
    // Tables, views and functions of the extension are not the application's.
    expect(Object.keys(metadata.tables)).toEqual(['every'])
    expect(metadata.functions).toEqual({})
    const values = schemas.every.insert.parse(Object.fromEntries(cases.map(({ name, value }) => [name, value])))
    await service.insertInto('every').values(values).execute()
    const row = await service.selectFrom('every').selectAll().executeTakeFirstOrThrow()
    for (const { name, value, row: expected = value } of cases) {
      if (typeof expected === 'function') expect(expected(row[name]), name).toBe(true)
      else expect(row[name], name).toEqual(expected)
    }
    expect(schemas.every.row.safeParse(row).error).toBeUndefined()
    const { json } = await service
      .selectFrom('every')
      .select(({ fn, ref }) => fn('to_jsonb', [ref('every' as never)]).as('json'))
      .executeTakeFirstOrThrow()
    expect(schemas.every.json.safeParse(json).error).toBeUndefined()
    await db.close()
    folder.write({
      'check.ts': `import type { Selectable } from "kysely";
import type { DB } from "./types.js";
export const row: Selectable<DB["every"]> = ${toExpression(row)};
`,
    })
    expect(folder.compile(['check.ts']).errors).toEqual([])
  })
})
