/** Exports on disk: what each format's files are, that a released file is never touched, and what a check finds. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  checkExport,
  defineModule,
  type ExportFormat,
  type ExportOptions,
  exportFormats,
  exportHandover,
  exportMigrations,
} from '../../src/migrate/index.ts'
import { readFlyway, readGolangMigrate, readGoose } from '../support/host-tool-grammars.ts'

let out: string
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'tenon-export-'))
})
afterEach(() => rmSync(out, { recursive: true }))

const now = new Date('2026-01-31T12:00:00Z')
const shop = defineModule('shop', [
  { path: '0001_item.sql', sql: '-- down: drop table public.item\ncreate table public.item (id int)' },
  {
    path: '0002_index.sql',
    sql: '-- transactional: no\n-- down: drop index concurrently public.item_id_idx\ncreate index concurrently item_id_idx on public.item (id)',
  },
  {
    path: '0003_last.sql',
    sql: `create function public.f() returns text language plpgsql as $$ begin return ';'; end $$;`,
  },
])
const options = (format: ExportFormat, more: Partial<ExportOptions> = {}): ExportOptions => ({
  format,
  out,
  modules: [shop],
  now,
  ...more,
})

function files(): Map<string, string> {
  const found = new Map<string, string>()
  for (const entry of readdirSync(out, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    found.set(path.slice(out.length + 1), readFileSync(path, 'utf8'))
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(out, path)), { recursive: true })
  writeFileSync(join(out, path), text)
}

const released = () => [...files().keys()].filter((path) => path !== '.tenon-lock.json')

describe('The files of', () => {
  it.each<[ExportFormat, readonly string[]]>([
    [
      'supabase',
      [
        '20260131120000_tenon_ledger_0001_migrations.sql',
        '20260131120001_shop_0001_item.sql',
        '20260131120002_shop_0002_index.sql',
        '20260131120003_shop_0002_index_recorded.sql',
        '20260131120004_shop_0003_last.sql',
      ],
    ],
    [
      'prisma',
      [
        '20260131120000_tenon_ledger_0001_migrations/migration.sql',
        '20260131120001_shop_0001_item/migration.sql',
        '20260131120002_shop_0002_index/migration.sql',
        '20260131120003_shop_0002_index_recorded/migration.sql',
        '20260131120004_shop_0003_last/migration.sql',
        'migration_lock.toml',
        'tenon-external.json',
      ],
    ],
    [
      'node-pg-migrate',
      [
        '20260131120000000_tenon_ledger_0001_migrations.sql',
        '20260131120000001_shop_0001_item.sql',
        '20260131120000002_shop_0002_index.mjs',
        '20260131120000003_shop_0002_index_recorded.sql',
        '20260131120000004_shop_0003_last.sql',
      ],
    ],
    [
      'kysely',
      [
        '1769860800000_tenon_ledger_0001_migrations.ts',
        '1769860800001_shop_0001_item.ts',
        '1769860800002_shop_0002_index.ts',
        '1769860800003_shop_0002_index_recorded.ts',
        '1769860800004_shop_0003_last.ts',
      ],
    ],
    [
      'graphile',
      [
        'committed/000001-tenon-ledger-0001-migrations.sql',
        'committed/000002-shop-0001-item.sql',
        'committed/000003-shop-0002-index.sql',
        'committed/000004-shop-0002-index-recorded.sql',
        'committed/000005-shop-0003-last.sql',
      ],
    ],
    [
      'flyway',
      [
        'V20260131120000__tenon_ledger_0001_migrations.sql',
        'V20260131120001__shop_0001_item.sql',
        'V20260131120002__shop_0002_index.sql',
        'V20260131120002__shop_0002_index.sql.conf',
        'V20260131120003__shop_0002_index_recorded.sql',
        'V20260131120004__shop_0003_last.sql',
      ],
    ],
  ])('%s are named as it wants them', async (format, names) => {
    expect((await exportMigrations(options(format))).written.toSorted()).toEqual(names)
    expect(released()).toEqual(names)
  })

  it('dbmate have both directions, and leave the transaction where they must', async () => {
    await exportMigrations(options('dbmate'))
    const index = files().get('20260131120002_shop_0002_index.sql') ?? ''
    expect(index).toMatch(
      /^-- migrate:up transaction:false\n[\s\S]*\n-- migrate:down transaction:false\n\ndrop index concurrently/,
    )
    const last = files().get('20260131120004_shop_0003_last.sql') ?? ''
    expect(last).toMatch(/-- migrate:down\n\ndo \$down\$ begin raise exception 'shop\/0003_last cannot be taken back'/)
    const item = files().get('20260131120001_shop_0001_item.sql') ?? ''
    expect(item).toContain(
      `insert into tenon.migrations (module, version, target_schema, id_type, slug, sha256, origin)\nvalues ('shop', '0001', '', '', 'item', '${shop.files[0]?.sha256}', 'dbmate');`,
    )
    expect(item).toMatch(/drop table public\.item\n;\n\ndelete from tenon\.migrations where module = 'shop'/)
  })

  it('supabase stand in a transaction block only where a statement needs one', async () => {
    const lock = defineModule('lock', [{ path: '0001_lock.sql', sql: 'lock table public.t in share mode;\nselect 1;' }])
    await exportMigrations(options('supabase', { modules: [shop, lock] }))
    const texts = [...files()].filter(([path]) => path.endsWith('.sql'))
    expect(texts.filter(([, text]) => /^begin;$/m.test(text)).map(([path]) => path)).toEqual([
      '20260131120005_lock_0001_lock.sql',
    ])
  })

  it('graphile continue the chain of hashes', async () => {
    write('committed/000001-mine.sql', '--! Previous: -\n--! Hash: sha1:0123\n\nselect 1;\n')
    await exportMigrations(options('graphile'))
    const [, first, second] = [...files()].filter(([path]) => path.startsWith('committed/')).map(([, text]) => text)
    expect(first).toMatch(
      /^--! Previous: sha1:0123\n--! Hash: sha1:[0-9a-f]{40}\n--! Message: tenon-ledger-0001-migrations\n\n/,
    )
    expect(second).toContain(`--! Previous: ${/Hash: (\S+)/.exec(first ?? '')?.[1]}\n`)
  })

  it('sqitch extend the plan that is there', async () => {
    write('sqitch.plan', '%syntax-version=1.0.0\n%project=mine\n\nmine 2026-01-01T00:00:00Z me <me@localhost> # mine\n')
    await exportMigrations(options('sqitch'))
    expect(files().get('sqitch.plan')).toMatch(
      /^%syntax-version=1\.0\.0\n%project=mine\n\nmine .*\ntenon_ledger_0001_migrations 2026-01-31T12:00:00Z tenon <tenon@localhost> # ledger\/0001_migrations\nshop_0001_item /,
    )
    expect(released().filter((path) => path.includes('0001_item'))).toEqual([
      'deploy/shop_0001_item.sql',
      'revert/shop_0001_item.sql',
      'verify/shop_0001_item.sql',
    ])
  })

  it('prisma name the tables that are not its own', async () => {
    await exportMigrations(options('prisma', { modules: [shop, 'projects'], schema: 'app' }))
    expect(JSON.parse(files().get('tenon-external.json') ?? '')).toEqual({
      tables: { external: ['app.projects', 'public.item', 'tenon.migrations'] },
    })
    expect(files().get('migration_lock.toml')).toContain('provider = "postgresql"')
  })
})

describe('The documented grammar of', () => {
  it('goose takes every file, each direction as one statement', async () => {
    await exportMigrations(options('goose'))
    const read = [...files()].filter(([path]) => path.endsWith('.sql')).map(([path, text]) => readGoose(path, text))
    expect(read.map(({ up, down, transactional }) => [up.length, down.length, transactional])).toEqual([
      [1, 1, true],
      [1, 1, true],
      [1, 1, false],
      [1, 1, true],
      [1, 1, true],
    ])
    expect(() => readGoose('1_x.sql', '-- +goose Up\nselect 1'), 'the control').toThrow(/without an end/)
  })

  it('golang-migrate takes every pair, with no empty file', async () => {
    await exportMigrations(options('golang-migrate'))
    const read = readGolangMigrate(files())
    expect(read).toHaveLength(5)
    for (const { up, down } of read) expect([up[0], down[0]]).not.toContain('')
    expect(() => readGolangMigrate(new Map([['1_x.up.sql', '']])), 'the control').toThrow(/empty/)
  })

  it('flyway takes every file, and refuses the placeholder that the export refuses', async () => {
    await exportMigrations(options('flyway'))
    expect(readFlyway(files()).map(({ transactional }) => transactional)).toEqual([true, true, false, true, true])
    expect(() => readFlyway(new Map([['V1__x.sql', `select '$\{x}'`]])), 'the control').toThrow(/placeholder/)
  })
})

describe.each(exportFormats)('An export as %s', (format) => {
  it('writes nothing the second time, and only what is new later, under the same names', async () => {
    await exportMigrations(options(format, { modules: ['timestamps', shop] }))
    const before = files()
    const times = released().map((path) => statSync(join(out, path)).mtimeMs)
    const second = await exportMigrations(
      options(format, { modules: ['timestamps', shop], now: new Date('2027-01-01') }),
    )
    expect(second.written).toEqual([])
    expect(files()).toEqual(before)
    expect(released().map((path) => statSync(join(out, path)).mtimeMs)).toEqual(times)
    expect(await checkExport(options(format, { modules: ['timestamps', shop] }))).toEqual([])

    const later = options(format, { modules: ['timestamps', 'auth', shop], now: new Date('2027-01-01T00:00:00Z') })
    expect((await checkExport(later)).map(({ kind, file }) => `${kind} ${file}`)).toEqual([
      'new roles/0001_roles',
      'new auth/0001_subject',
      'new auth/0002_auth',
    ])
    await exportMigrations(later)
    const derived = /^(sqitch\.plan|apply\.psql|tenon-external\.json|\.tenon-lock\.json)$/
    for (const [path, text] of before) if (!derived.test(path)) expect(files().get(path)).toBe(text)
    expect(await checkExport(later)).toEqual([])
  })

  it('can be run again after it was interrupted before the lock file', async () => {
    await exportMigrations(options(format))
    const whole = files()
    rmSync(join(out, '.tenon-lock.json'))
    const again = await exportMigrations(options(format)).catch((error: unknown) => error)
    // Files that are there without a lock are somebody's: they are numbered past, or refused for the table they make, and never overwritten.
    for (const [path, text] of whole) {
      if (!/^(sqitch\.plan|apply\.psql|tenon-external\.json|\.tenon-lock\.json)$/.test(path))
        expect(files().get(path)).toBe(text)
    }
    expect(again).toMatchObject({ code: 'MIGRATION_DIVERGED' })
  })

  it('finds an edited file and a missing one, and refuses to go on', async () => {
    await exportMigrations(options(format))
    const [first = '', second = ''] = released().filter((path) => path.includes('0001'))
    write(first, `${files().get(first)}-- edited\n`)
    rmSync(join(out, second))
    const problems = await checkExport(options(format))
    expect(problems.map(({ kind, file }) => `${kind} ${file}`).sort()).toEqual(
      [`edited ${first}`, `missing ${second}`].sort(),
    )
    await expect(exportMigrations(options(format, { modules: [shop, 'timestamps'] }))).rejects.toMatchObject({
      code: 'MIGRATION_DIVERGED',
    })
  })

  it('says how the tool is told what is applied already', async () => {
    await expect(exportHandover(options(format))).rejects.toMatchObject({ code: 'MIGRATION_EXPORT' })
    await exportMigrations(options(format))
    expect(await exportHandover(options(format))).toMatch(/\S{4}/)
  })

  it('sorts after what the host has, whatever the modules are called', async () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?$/)
    const slug = fc.stringMatching(/^[a-z][a-z0-9_]{0,10}$/)
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(word, fc.uniqueArray(slug, { minLength: 1, maxLength: 3 })), {
          minLength: 1,
          maxLength: 3,
          selector: ([name]) => name,
        }),
        async (named) => {
          const folder = mkdtempSync(join(out, 'p-'))
          const modules = named.map(([name, slugs]) =>
            defineModule(
              `h-${name}`,
              slugs.map((text, i) => ({ path: `${String(i + 1).padStart(4, '0')}_${text}.sql`, sql: 'select 1' })),
            ),
          )
          const { written } = await exportMigrations({ format, out: folder, modules, now })
          expect(new Set(written.map((path) => path.toLowerCase())).size).toBe(written.length)
          expect(await checkExport({ format, out: folder, modules, now })).toEqual([])
        },
      ),
      { numRuns: 15 },
    )
  })
})

describe('A check', () => {
  it('finds a file of the host with the version of ours', async () => {
    await exportMigrations(options('dbmate'))
    write('20260131120001_mine.sql', '-- migrate:up\n-- migrate:down\n')
    expect(await checkExport(options('dbmate'))).toMatchObject([
      {
        kind: 'collision',
        file: '20260131120001_mine.sql',
        message: 'it has the version of 20260131120001_shop_0001_item.sql',
      },
    ])
  })

  it.each([
    'create table item (id int)',
    'CREATE TABLE "public"."item" ()',
    'create unlogged table if not exists Public.ITEM ()',
  ])('finds a table of the host that is ours too: %s', async (sql) => {
    write('20250101000000_mine.sql', sql)
    expect(await checkExport(options('supabase', { modules: [shop] }))).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          kind: 'collision',
          message: 'it makes table public.item, which an exported migration makes too',
        }),
      ]),
    )
    await expect(exportMigrations(options('supabase'))).rejects.toMatchObject({ code: 'MIGRATION_DIVERGED' })
    expect(released()).toEqual(['20250101000000_mine.sql'])
  })

  it('does not mind tables of other names and schemas', async () => {
    write('20250101000000_mine.sql', 'create table items (id int); create table app.item (id int)')
    expect((await checkExport(options('supabase'))).filter(({ kind }) => kind !== 'new')).toEqual([])
  })

  it('finds a source that was changed after its release', async () => {
    await exportMigrations(options('psql'))
    const changed = defineModule('shop', [{ path: '0001_item.sql', sql: 'create table public.item (id bigint)' }])
    expect(await checkExport(options('psql', { modules: [changed] }))).toMatchObject([
      { kind: 'source', file: 'shop/0001_item' },
    ])
  })

  it('refuses other options than those of the first export', async () => {
    await exportMigrations(options('psql'))
    for (const other of [options('dbmate'), options('psql', { schema: 'app' }), options('psql', { id: 'text' })]) {
      expect(await checkExport(other)).toMatchObject([{ kind: 'options', file: '.tenon-lock.json' }])
      await expect(exportMigrations(other)).rejects.toMatchObject({ code: 'MIGRATION_DIVERGED' })
    }
  })

  it.each([
    ['no JSON', '<<<<<<< HEAD', /no JSON/],
    ['a later version', '{"formatVersion":2}', /another version/],
    ['a part missing', '{"formatVersion":1,"format":"psql"}', /lacks a part/],
  ])('refuses a lock file with %s', async (_, text, message) => {
    write('.tenon-lock.json', text)
    await expect(checkExport(options('psql'))).rejects.toMatchObject({
      code: 'MIGRATION_EXPORT',
      message: expect.stringMatching(message),
    })
  })
})

describe('An export', () => {
  it('numbers new files after the newest of the host, even one of tomorrow', async () => {
    write('20991231235959_mine.sql', 'select 1')
    const { written } = await exportMigrations(options('supabase'))
    expect(written[0]).toBe('21000101000000_tenon_ledger_0001_migrations.sql')
  })

  it('goes on in milliseconds where kysely’s host does, and in dates where it must', async () => {
    write('1899999999999_mine.ts', '')
    expect((await exportMigrations(options('kysely'))).written[0]).toMatch(/^1900000000000_/)
    rmSync(out, { recursive: true })
    write('2024-01-01T00-00-00_mine.ts', '')
    expect((await exportMigrations(options('kysely'))).written[0]).toMatch(/^20260131120000_/)
    rmSync(out, { recursive: true })
    write('zz_mine.ts', '')
    await expect(exportMigrations(options('kysely'))).rejects.toMatchObject({
      code: 'MIGRATION_EXPORT',
      message: expect.stringMatching(/sorts after the newest/),
    })
  })

  it.each<[ExportFormat, string, RegExp]>([
    [
      'dbmate',
      "select 1;\nselect '\n-- migrate:down\n';",
      /0001_m\.sql:3: dbmate reads "-- migrate:down" as the begin of a direction/,
    ],
    ['node-pg-migrate', "select '\n-- Down Migration\n';", /0001_m\.sql:2: node-pg-migrate reads/],
    ['goose', "select '\n-- +goose Down\n';", /0001_m\.sql:2: goose reads/],
    ['graphile', '--! Message: x\nselect 1;', /0001_m\.sql:1: graphile reads/],
    ['graphile', "select ':DATABASE_NAME';", /a placeholder/],
    ['flyway', `select '$\{x}';`, /0001_m\.sql:1: flyway reads "\$\{x\}" as a placeholder/],
    ['psql', 'select 1 as a, :foo;', /psql reads ":foo" as a variable of psql/],
  ])('as %s refuses a migration with a text that the tool takes as its own', async (format, sql, message) => {
    const marked = defineModule('m', [{ path: '0001_m.sql', sql }])
    await expect(exportMigrations(options(format, { modules: [marked] }))).rejects.toMatchObject({
      code: 'MIGRATION_EXPORT',
      message: expect.stringMatching(message),
    })
    expect(released()).toEqual([])
  })

  it('as psql does not mind colons in strings, bodies, casts and slices', async () => {
    const fine = defineModule('m', [
      { path: '0001_m.sql', sql: `select ':x', 1::int, (array[1])[1:1], $$ :y $$; -- :z\n/* :a */ select 1;` },
    ])
    await exportMigrations(options('psql', { modules: [fine] }))
  })

  it('refuses an unknown format, and a folder that cannot be written', async () => {
    await expect(exportMigrations(options('liquibase' as ExportFormat))).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    })
    write('file', '')
    await expect(exportMigrations(options('psql', { out: join(out, 'file') }))).rejects.toMatchObject({
      code: 'MIGRATION_EXPORT',
    })
    chmodSync(out, 0o755)
  })
})
