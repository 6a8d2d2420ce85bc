/**
 * The real tools on what is exported for them: each migrates an empty database, and what that holds then is what our own runner makes.
 * Flyway, goose and golang-migrate come through no package registry; their formats are checked against their grammar in tests/unit.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase } from '../../src/index.ts'
import {
  applyMigrations,
  defineModule,
  type ExportFormat,
  exportHandover,
  exportMigrations,
  type MigrationSet,
  type ModuleSource,
  planMigrations,
} from '../../src/migrate/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { catalogOf } from './catalog.ts'
import { isThere, type Tool, tools } from './clients.ts'

const sources: readonly ModuleSource[] = [
  {
    path: '0001_item.sql',
    sql: '-- down: drop table public.item\ncreate table public.item (id int primary key, name text)',
  },
  {
    path: '0002_name_index.sql',
    sql: '-- transactional: no\n-- down: drop index concurrently public.item_name_idx\ncreate index concurrently item_name_idx on public.item (name)',
  },
  {
    path: '0003_odd_body.sql',
    sql: `-- down: drop function public.odd(text)
create function public.odd(name text) returns text language plpgsql set search_path = '' as $body$
begin
  -- a semicolon; 'a quote', a backslash \\ and a back tick \` and {braces}
  return name || ';' || e'\\n' || '$' || '\`';
end
$body$;
comment on function public.odd(text) is 'It''s odd; and é 🌲';`,
  },
]
const modules: MigrationSet['modules'] = ['activity', 'projects', 'customers', defineModule('shop', sources)]
const now = new Date('2026-01-31T12:00:00Z')

const places: TestDatabase[] = []
const folders: string[] = []
let wanted: Awaited<ReturnType<typeof catalogOf>>

async function place(): Promise<{ readonly url: string; readonly client: Client }> {
  const database = await createTestDatabase()
  places.push(database)
  const client = new Client(database.adminUrl)
  await client.connect()
  clients.push(client)
  return { url: database.adminUrl, client }
}
const clients: Client[] = []

async function project(tool: Tool, url: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), `tenon-${tool.format}-`))
  folders.push(folder)
  mkdirSync(tool.folder(folder), { recursive: true })
  await tool.prepare?.(folder, url)
  return folder
}

const open = (url: string) => createDatabase({ connection: url, service: { connection: url }, trustLogin: true })

beforeAll(async () => {
  const { url, client } = await place()
  await using db = open(url)
  await applyMigrations(db, { modules })
  wanted = await catalogOf(client)
})
afterAll(async () => {
  for (const client of clients) await client.end()
  for (const database of places) await database.drop()
  for (const folder of folders) rmSync(folder, { recursive: true })
})

it('compares catalogs that differ when a database differs (the control)', async () => {
  const { url, client } = await place()
  await using db = open(url)
  await applyMigrations(db, { modules })
  expect(await catalogOf(client)).toEqual(wanted)
  await client.query('alter table projects disable row level security')
  expect(await catalogOf(client)).not.toEqual(wanted)
})

describe.each(tools)('$format', (tool) => {
  if (!isThere(tool)) {
    it.skip(
      `${tool.program} is not here: npm ci in tests/clients, or apt-get install postgresql-client sqitch libdbd-pg-perl`,
    )
    return
  }

  it('makes what our runner makes, and our runner sees it as applied', { timeout: 120_000 }, async () => {
    const { url, client } = await place()
    const root = await project(tool, url)
    await exportMigrations({ format: tool.format, out: tool.folder(root), modules, now })
    const first = await tool.up(root, url)
    expect(first.code, first.output).toBe(0)
    expect(await catalogOf(client)).toEqual(wanted)
    await using db = open(url)
    const plan = await planMigrations(db, { modules })
    expect(plan.map(({ state, entry }) => [state, entry?.origin])).toEqual(plan.map(() => ['applied', tool.format]))
    const second = await tool.up(root, url)
    expect(second.code, second.output).toBe(0)
    expect(await catalogOf(client)).toEqual(wanted)
  })

  it('takes what a later export adds', {
    timeout: 120_000,
  }, async () => {
    const { url, client } = await place()
    const root = await project(tool, url)
    const options = { format: tool.format, out: tool.folder(root), now }
    await exportMigrations({ ...options, modules: ['projects', defineModule('shop', sources.slice(0, 1))] })
    const first = await tool.up(root, url)
    expect(first.code, first.output).toBe(0)
    await exportMigrations({ ...options, modules })
    const second = await tool.up(root, url)
    expect(second.code, second.output).toBe(0)
    expect(await catalogOf(client)).toEqual(wanted)
  })

  it('says so when a migration fails (the control)', { timeout: 120_000 }, async () => {
    const { url, client } = await place()
    const root = await project(tool, url)
    const broken = defineModule('shop', [
      { path: '0001_broken.sql', sql: 'create table public.half (id int); select 1 / 0' },
    ])
    await exportMigrations({ format: tool.format, out: tool.folder(root), modules: [broken], now })
    const { code } = await tool.up(root, url)
    expect(code).not.toBe(0)
    const { rows } = await client.query(`select to_regclass('public.half') as half`)
    expect(rows).toEqual([{ half: null }])
  })

  if (tool.down !== undefined) {
    const { down } = tool
    it('takes back the newest, ledger and all', { timeout: 120_000 }, async () => {
      const { url, client } = await place()
      const root = await project(tool, url)
      const set = { modules: [defineModule('shop', sources)] }
      await exportMigrations({ format: tool.format, out: tool.folder(root), ...set, now })
      await tool.up(root, url)
      const ending = await down(root, url)
      expect(ending.code, ending.output).toBe(0)
      await using db = open(url)
      expect((await planMigrations(db, set)).map(({ name, state }) => `${name} ${state}`).slice(-2)).toEqual([
        'shop/0002_name_index applied',
        'shop/0003_odd_body pending',
      ])
      expect((await client.query(`select to_regproc('public.odd') as odd`)).rows).toEqual([{ odd: null }])
    })
  }
})

/** Tools whose own history can be told by SQL or by a command that needs nothing else. */
const sqlHandovers: readonly ExportFormat[] = ['dbmate', 'node-pg-migrate']

describe.each(tools.filter(({ format }) => sqlHandovers.includes(format)))('The handover to $format', (tool) => {
  if (!isThere(tool)) {
    it.skip(`${tool.program} is not here: npm ci in tests/clients`)
    return
  }
  it('makes the tool leave alone what our runner applied', { timeout: 120_000 }, async () => {
    const { url, client } = await place()
    const root = await project(tool, url)
    const options = { format: tool.format, out: tool.folder(root), modules, now }
    await using db = open(url)
    await applyMigrations(db, { modules })
    await exportMigrations(options)
    expect((await tool.up(root, url)).code, 'the control: without it, the tool applies them again').not.toBe(0)
    await client.query(await exportHandover(options))
    const { code, output } = await tool.up(root, url)
    expect(code, output).toBe(0)
    expect(await catalogOf(client)).toEqual(wanted)
  })
})

describe('Prisma’s schema engine', () => {
  const [prisma] = tools.filter(({ format }) => format === 'prisma')
  if (prisma === undefined || !isThere(prisma)) {
    it.skip('prisma is not here: npm ci in tests/clients')
    return
  }

  it('proposes no change for an untouched schema.prisma, and would drop our tables without tables.external', {
    timeout: 60_000,
  }, async () => {
    const { SchemaEngine } = await import('@prisma/schema-engine-wasm')
    const { bindMigrationAwareSqlAdapterFactory } = await import('@prisma/driver-adapter-utils')
    const { WholeScript } = await import('./prisma/whole-script.ts')
    const { url, client } = await place()
    const root = await project(prisma, url)
    const out = prisma.folder(root)
    await exportMigrations({ format: 'prisma', out, modules, now })
    expect((await prisma.up(root, url)).code).toBe(0)
    const content = 'datasource db {\n  provider = "postgresql"\n}\n'
    const engine = await SchemaEngine.new(
      { datamodels: [['schema.prisma', content]] },
      () => {},
      bindMigrationAwareSqlAdapterFactory(new WholeScript(url)),
    )
    const push = (externalTables: readonly string[]) =>
      engine.schemaPush({
        schema: { files: [{ path: 'schema.prisma', content }] },
        force: false,
        filters: { externalTables: [...externalTables], externalEnums: [] },
      })
    const { tables } = JSON.parse(readFileSync(join(out, 'tenon-external.json'), 'utf8'))
    expect(await push(tables.external)).toMatchObject({ executedSteps: 0, warnings: [], unexecutable: [] })
    expect(await catalogOf(client)).toEqual(wanted)
    await expect(push([]), 'the control').rejects.toThrow(/step=DropTable/)
  })
})
