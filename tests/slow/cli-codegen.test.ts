/** `tenon codegen` as a person uses it: flags, configuration, what is printed where, and the exit code. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../src/cli/run.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let place: TestDatabase
let folder: string
let out: string

beforeEach(async () => {
  place = await createTestDatabase()
  folder = mkdtempSync(join(tmpdir(), 'tenon-cli-'))
  out = join(folder, 'db')
  mkdirSync(join(folder, 'migrations'))
  await sql('create table orders (id bigint primary key, total numeric(8,2) not null)')
})
afterEach(async () => {
  await place.drop()
  rmSync(folder, { recursive: true })
})

async function sql(text: string): Promise<void> {
  const client = new Client(place.adminUrl)
  await client.connect()
  await client.query(text)
  await client.end()
}

interface Ending {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function tenon(words: string, directory = process.cwd(), signal = new AbortController().signal): Promise<Ending> {
  const [printed, told]: [string[], string[]] = [[], []]
  const code = await run(words.split(' '), {
    environment: { DATABASE_URL: place.adminUrl },
    signal,
    directory,
    colour: false,
    print: (text) => printed.push(text),
    tell: (text) => told.push(text),
  })
  return { code, out: printed.join('\n'), err: told.join('\n') }
}

const types = () => readFileSync(join(out, 'types.ts'), 'utf8')
const migration = (name: string, text: string) => writeFileSync(join(folder, 'migrations', name), text)

describe('tenon codegen', () => {
  it('writes three files, and nothing the second time', async () => {
    expect(await tenon(`codegen --out ${out}`)).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^.*metadata\.ts\n.*types\.ts\n.*zod\.ts\n1 tables in \d+\.\d s: 3 files written, 0 unchanged$/,
      ),
      err: '',
    })
    expect(types()).toContain('  id: Int8;\n  total: Numeric;\n')
    expect((await tenon(`codegen --out ${out}`)).out).toMatch(/^1 tables in \d+\.\d s: 0 files written, 3 unchanged$/)
    expect((await tenon(`codegen --out ${out} --int8 bigint --numeric number --supabase`)).code).toBe(0)
    expect(types()).toContain(
      'export type Int8 = ColumnType<bigint, bigint | number | string, bigint | number | string>;',
    )
    expect(readdirSync(out).sort()).toEqual(['metadata.ts', 'supabase.ts', 'types.ts', 'zod.ts'])
  })

  it('checks: exit code 1 and a diff when the schema went on, and writes nothing', async () => {
    await tenon(`codegen --out ${out}`)
    expect(await tenon(`codegen --out ${out} --check`)).toEqual({
      code: 0,
      out: 'the generated files are up to date',
      err: '',
    })
    await sql('alter table orders add note text')
    const before = types()
    expect(await tenon(`codegen --out ${out} --check`)).toMatchObject({
      code: 1,
      out: expect.stringMatching(
        /types\.ts\n@@ [\s\S]*\n {3}id: Int8;\n {3}total: Numeric;\n\+ {2}note: string \| null;\n/,
      ),
      err: 'generate again: tenon codegen',
    })
    expect(types()).toBe(before)
  })

  it('takes its configuration from a file, and flags before it', async () => {
    const config = join(folder, 'tenon.config.ts')
    writeFileSync(
      config,
      `interface Config { readonly [section: string]: unknown }
const config: Config = { migrations: { dir: 'migrations', schema: 'app' }, codegen: { out: 'db', camelCase: true, int8: 'bigint' } }
export default config\n`,
    )
    await sql('create table order_lines (order_id bigint)')
    // Its paths are relative to its folder, wherever the command runs.
    const { code, out: printed } = await tenon(`--config ${config} codegen --int8 string`)
    expect(code).toBe(0)
    expect(printed).toContain(`${relative(process.cwd(), out)}/types.ts`)
    expect(types()).toContain('export interface OrderLines {\n  orderId: Int8 | null;\n}')
    expect(types()).toContain('export type Int8 = ColumnType<string,')
    migration('0001_first.sql', 'create table :"schema".things (id integer)')
    expect((await tenon(`--config ${config} migrate plan --sql`)).out).toContain('create table "app".things')
    expect((await tenon(`--config ${config} migrate plan --sql --schema other`)).out).toContain(
      'create table "other".things',
    )
    // Without the flag it is looked for where the command runs.
    const other = join(folder, 'other')
    mkdirSync(other)
    const dir = JSON.stringify(join(folder, 'migrations'))
    writeFileSync(join(other, 'tenon.config.mjs'), `export default { migrations: { dir: ${dir} } }`)
    expect((await tenon('migrate plan --sql', other)).out).toContain('create table "public".things')
  })

  it.each([
    ['export const config = {}', 'has no default export'],
    ['export default { codgen: {} }', 'has an unknown section codgen'],
    ['throw new Error("oops")', 'cannot be loaded: oops'],
    ['export default { codegen: { int9: 1 } }', 'codegen has no option int9'],
    ['export default { codegen: [] }', 'the section codegen of'],
    ['export default { codegen: { out: 5 } }', 'names a folder that is no text'],
    ['export default { migrations: "x" }', 'the section migrations of'],
    ['export default { codegen: { camelCase: "yes" } }', 'camelCase is neither true, false nor options'],
    ['export default { codegen: { json: "x" } }', 'option json is no object'],
    ['export default { codegen: { json: { "a.b": null } } }', 'the json type of a.b does not name an export'],
    ['export default { codegen: { json: { "a.b": { type: "T" } } } }', 'the json type of a.b does not name an export'],
  ])('refuses the configuration %s', async (text, message) => {
    const config = join(folder, 'tenon.config.mjs')
    writeFileSync(config, text)
    expect(await tenon(`--config ${config} codegen --out ${out}`)).toMatchObject({
      code: 1,
      err: expect.stringContaining(message),
    })
    expect(await tenon(`--config ${config}.none codegen --out ${out}`)).toMatchObject({
      code: 1,
      err: expect.stringContaining('cannot be loaded'),
    })
  })

  it('generates from migrations alone, on an embedded database', { timeout: 60_000 }, async () => {
    migration(
      '0001_shop.sql',
      'create extension hstore;\ncreate table shop (id uuid primary key, h hstore); grant select on shop to authenticated',
    )
    expect(
      await tenon(`codegen --embedded --modules timestamps --dir ${join(folder, 'migrations')} --out ${out}`),
    ).toMatchObject({ code: 0, err: '' })
    expect(types()).toContain('export interface Shop {\n  id: string;\n  h: string | null;\n}')
    expect(readFileSync(join(out, 'metadata.ts'), 'utf8')).toContain('roles: ["authenticated"]')
    expect(await tenon(`codegen --embedded --out ${out}`)).toMatchObject({
      code: 1,
      err: expect.stringContaining('no migrations are named'),
    })
  })

  it('generates again when a migration changes, until it is stopped', { timeout: 60_000 }, async () => {
    migration('0001_a.sql', 'create table a (id integer)')
    const stop = new AbortController()
    const ended = tenon(
      `codegen --embedded ${join(folder, 'data')} --dir ${join(folder, 'migrations')} --out ${out} --watch`,
      folder,
      stop.signal,
    )
    const until = async (text: string) => {
      for (let i = 0; i < 200 && !(existsSync(join(out, 'types.ts')) && types().includes(text)); i++) await delay(100)
      expect(types()).toContain(text)
    }
    await until('export interface A {')
    await delay(300)
    migration('0002_b.sql', 'create table b (id integer)')
    await until('export interface B {')
    migration('0003_c.sql', 'create tabel c')
    await delay(1500)
    migration('0003_c.sql', 'create table c (id integer)')
    await until('export interface C {')
    stop.abort()
    expect(await ended).toMatchObject({ code: 0, err: expect.stringMatching(/watching [\s\S]*0003_c\.sql:1:8/) })
    expect((await tenon(`codegen --out ${out} --watch`)).err).toContain('--watch has no folder to watch')
    expect(await tenon(`codegen --out ${out} --watch --dir ${folder}/none`)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/MIGRATION_SOURCE .* cannot be watched/),
    })
  })

  it('says clearly what it cannot do, and writes nothing', async () => {
    expect(await tenon(`codegen --url postgres://nobody@127.0.0.1:1/none --out ${out}`)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^CONNECTION_REFUSED /),
    })
    expect(await tenon(`codegen --schemas nope --out ${out}`)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^QUERY_UNDEFINED_OBJECT /),
    })
    expect((await tenon(`codegen --int8 text --out ${out}`)).code).toBe(2)
    expect(existsSync(out)).toBe(false)
    mkdirSync(out)
    writeFileSync(join(out, 'zod.ts'), 'export const mine = 1')
    expect(await tenon(`codegen --out ${out}`)).toMatchObject({
      code: 1,
      err: expect.stringContaining('was not generated, and is not overwritten'),
    })
    expect(readdirSync(out)).toEqual(['zod.ts'])
    expect((await tenon(`codegen --out ${out}/zod.ts`)).err).toMatch(/^OPTION_INVALID .* its folder is a file/)
  })
})
