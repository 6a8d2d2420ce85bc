/** Generated code under the versions of TypeScript that applications have. The suite itself compiles it with the project's own. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateCode } from '../../src/codegen/index.ts'
import { createDatabase } from '../../src/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { everyType, everyTypeSql } from '../support/every-type.ts'
import { GeneratedFolder } from '../support/generated-code.ts'

const columns = everyType.filter(({ extension }) => extension === undefined).map(({ name, sql }) => `${name} ${sql}`)
const schema = `${everyTypeSql}; create table every (${columns.join(', ')});
  create table checked (
    id bigint generated always as identity, lo integer default 1 check (lo > 0), hi integer, word varchar(9) not null check (word ~ '^[a-z]+$'),
    price numeric(6,2) check (price >= 0), doc jsonb check (jsonb_typeof(doc) = 'object'), check (lo < hi), check (num_nonnulls(hi, price) >= 1)
  );
  create function most(mood, n bigint default 1) returns table (a interval, b jsonb) language sql as 'select null::interval, null::jsonb';`
const query = `import { type Insertable, type Kysely, type Selectable } from "kysely";
import type { z } from "zod";
import { metadata, tables } from "./metadata.js";
import type { DB } from "./types.js";
import { CheckedInsert, type schemas } from "./zod.js";
declare const db: Kysely<DB>;
export const rows: Promise<{ a_int8: string | null }[]> = db.selectFrom("every").select("a_int8").execute();
export const insert = (value: unknown) => db.insertInto("checked").values(CheckedInsert.parse(value)).execute();
export const same = (row: z.output<typeof schemas.every.row>): Selectable<DB["every"]> => row;
export const key: "every" = tables.every.key;
export const types: DB | undefined = metadata.types;
// @ts-expect-error a label that the enum does not have
export const wrong: Insertable<DB["every"]> = { a_mood: "angry" };
`

describe('generated code', () => {
  let folder: GeneratedFolder
  beforeAll(async () => {
    await using place = await createTestDatabase()
    const client = new Client(place.adminUrl)
    await client.connect()
    await client.query(schema)
    await client.end()
    const connection = place.adminUrl
    await using db = createDatabase({ connection, service: { connection }, trustLogin: true })
    const { files } = await generateCode(db.service({ actor: 'test', reason: 'compilers' }), { supabase: true })
    folder = new GeneratedFolder({ ...files, 'query.ts': query })
  })
  afterAll(() => folder?.[Symbol.dispose]())

  it.each([
    ['typescript-5.9', '5.9'],
    ['typescript-7', '7.0'],
  ])('compiles with %s', { timeout: 60_000 }, (name, version) => {
    const compiler = join(import.meta.dirname, 'node_modules', name, 'bin/tsc')
    const compile = (...words: readonly string[]) => {
      const { status, stdout } = spawnSync(process.execPath, [compiler, ...words], {
        cwd: folder.path,
        encoding: 'utf8',
      })
      return { status, stdout }
    }
    expect(compile('--version').stdout).toContain(`Version ${version}`)
    const strict =
      '--noEmit --strict --noUncheckedIndexedAccess --exactOptionalPropertyTypes --noUnusedLocals --isolatedModules --verbatimModuleSyntax'
    const place = '--target es2022 --lib es2022 --module nodenext --skipLibCheck --types node'
    const words = [...strict.split(' '), ...place.split(' ')]
    const all = ['metadata.ts', 'supabase.ts', 'types.ts', 'zod.ts']
    expect(compile(...words, ...all)).toEqual({ status: 0, stdout: '' })
    // A zod object's optional keys may be undefined, which exactOptionalPropertyTypes tells from absent.
    const loose = words.filter((word) => word !== '--exactOptionalPropertyTypes')
    expect(compile(...loose, 'query.ts')).toEqual({ status: 0, stdout: '' })
    folder.write({ 'wrong.ts': query.replace('"angry"', '"sad"') })
    expect(compile(...loose, 'wrong.ts').stdout).toContain("Unused '@ts-expect-error' directive")
  })
})
