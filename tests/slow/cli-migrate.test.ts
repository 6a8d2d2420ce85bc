/** `tenon migrate` as a person uses it: what is printed where, and the exit code. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../src/cli/run.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let place: TestDatabase
let folder: string

beforeEach(async () => {
  place = await createTestDatabase()
  folder = mkdtempSync(join(tmpdir(), 'tenon-cli-'))
})
afterEach(async () => {
  await place.drop()
  rmSync(folder, { recursive: true })
})

interface Ending {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function tenon(words: string, environment: Readonly<Record<string, string>> = {}): Promise<Ending> {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await run(words.split(' '), {
    environment: { DATABASE_URL: place.adminUrl, ...environment },
    signal: new AbortController().signal,
    directory: folder,
    colour: false,
    print: (text) => out.push(text),
    tell: (text) => err.push(text),
  })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

const write = (name: string, sql: string) => writeFileSync(join(folder, name), sql)

describe('tenon migrate', () => {
  it('goes from a new file to an applied one, and back', async () => {
    expect(await tenon(`migrate new create-orders --dir ${folder}`)).toMatchObject({
      code: 0,
      out: join(folder, '0001_create_orders.sql'),
    })
    expect(readFileSync(join(folder, '0001_create_orders.sql'), 'utf8')).toMatch(
      /^-- create orders\n--\n-- requires: none\n/,
    )
    write('0001_create_orders.sql', '-- down: drop table orders\ncreate table orders (id int)')
    expect(await tenon(`migrate plan --dir ${folder}`)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/app\/0001_create_orders +pending/),
    })
    expect(await tenon(`migrate up --dir ${folder}`)).toMatchObject({
      code: 0,
      out: '2 applied, 0 there before',
      err: expect.stringMatching(
        /^1\/2 ledger\/0001_migrations\n {4}done in \d+ ms\n2\/2 app\/0001_create_orders\n {4}done in \d+ ms$/,
      ),
    })
    expect(await tenon(`migrate up --dir ${folder}`)).toEqual({ code: 0, out: 'nothing to do: 2 applied', err: '' })
    expect(await tenon(`migrate status --check --dir ${folder}`)).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^migration +state +at \(UTC\) +by\nledger\/0001_migrations +applied +20\d\d-\S+ \S+ +tenon\napp\/0001/,
      ),
    })
    expect(await tenon(`migrate down --dir ${folder}`)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^MIGRATION_FAILED taking back .* loses data\n {2}pass .*--allow-data-loss/),
    })
    expect(await tenon(`migrate down --allow-data-loss --dir ${folder}`)).toMatchObject({
      code: 0,
      out: '1 taken back',
    })
    expect(await tenon(`migrate status --check --dir ${folder}`)).toMatchObject({ code: 1, err: '' })
  })

  it('prints the SQL of a dry run and changes nothing', async () => {
    const { code, out } = await tenon('migrate up --modules projects --schema shop --id text --dry-run')
    expect(code).toBe(0)
    expect(out).toMatch(/^-- ledger\/0001_migrations\nbegin;\nset local search_path to '';/)
    expect(out).toContain('create table "shop".projects')
    expect(out).toContain('default cast(tenon.subject() as text)')
    expect((await tenon('migrate status --modules projects --json')).out).toMatch(
      /"name":"ledger\/0001_migrations","state":"pending"/,
    )
    expect((await tenon('migrate plan --sql --modules projects --schema shop --id text')).out).toBe(out)
  })

  it('prints JSON for programs', async () => {
    const up = await tenon('migrate up --modules timestamps --json')
    expect(JSON.parse(up.out)).toEqual({
      applied: ['ledger/0001_migrations', 'timestamps/0001_update_modified_column'],
      present: [],
    })
    expect(JSON.parse((await tenon('migrate status --modules timestamps --json')).out)).toMatchObject([
      { name: 'ledger/0001_migrations', state: 'applied', origin: 'tenon' },
      { name: 'timestamps/0001_update_modified_column', state: 'applied' },
    ])
    expect(JSON.parse((await tenon('migrate down --modules timestamps --json')).out)).toEqual({
      reverted: ['timestamps/0001_update_modified_column'],
    })
  })

  it('adopts what is there already', async () => {
    write('0001_old.sql', 'create table old (id int)')
    write('0002_new.sql', 'create table new (id int)')
    const admin = new Client(place.adminUrl)
    await admin.connect()
    await admin.query('create table old (id int)')
    await admin.end()
    expect(await tenon(`migrate baseline --dir ${folder} --through app/0001_old`)).toMatchObject({
      code: 0,
      out: 'app/0001_old\n1 written down',
    })
    expect((await tenon(`migrate up --dir ${folder}`)).out).toBe('1 applied, 2 there before')
  })

  it('exports, checks the export, and hands over', async () => {
    const out = join(folder, 'out')
    const words = `--format dbmate --out ${out} --modules timestamps`
    expect((await tenon(`migrate export ${words} --check`)).code).toBe(1)
    expect((await tenon(`migrate export ${words}`)).out).toMatch(
      /_tenon_ledger_0001_migrations\.sql\n.*\n2 written, 0 there before$/,
    )
    expect(await tenon(`migrate export ${words}`)).toMatchObject({ code: 0, out: 'nothing to do: 2 files are there' })
    expect(await tenon(`migrate export ${words} --check`)).toMatchObject({ code: 0, out: 'the folder is in step' })
    expect((await tenon(`migrate export ${words} --handover`)).out).toMatch(/insert into schema_migrations/)
    const [file = ''] = readdirSync(out).filter((name) => name.includes('timestamps'))
    writeFileSync(join(out, file), 'select 1')
    expect(await tenon(`migrate export ${words} --check`)).toMatchObject({
      code: 1,
      out: '',
      err: `edited ${file}: the exported file was changed\n  Put the old content back, and write the change as a migration of your own.`,
    })
    expect(await tenon('migrate export --format liquibase --out x --modules auth')).toMatchObject({ code: 2 })
  })

  it('lints, for a person and as SARIF', async () => {
    write('0001_drop.sql', 'drop table public.old')
    const words = `--dir ${folder} --no-squawk`
    const { code, out } = await tenon(`migrate lint ${words}`)
    expect(code).toBe(0)
    expect(out).toMatch(/0001_drop\.sql:1:1 warning table-dropped: table\n[\s\S]*\n1 files, 0 errors, 2 warnings/)
    expect((await tenon(`migrate lint ${words} --strict`)).code).toBe(1)
    write('0002_bad.sql', 'selec')
    expect((await tenon(`migrate lint ${words} --sarif ${folder}/lint.sarif`)).code).toBe(1)
    expect(JSON.parse(readFileSync(join(folder, 'lint.sarif'), 'utf8')).runs[0].results).toHaveLength(4)
  })

  it('tells drift, with exit code 1 when there is any', { timeout: 120_000 }, async () => {
    write('0001_orders.sql', 'create table orders (id int primary key, note text)')
    await tenon(`migrate up --modules timestamps --dir ${folder}`)
    const compare = async (flags = '') => {
      await using other = await createTestDatabase()
      return await tenon(`migrate drift --dir ${folder} --replay-url ${other.adminUrl}${flags}`)
    }
    expect(await compare()).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^no drift: \d+ objects compared$/),
      err: '',
    })
    const admin = new Client(place.adminUrl)
    await admin.connect()
    await admin.query(
      'alter table orders alter note set not null; create table other (id int); create schema apart; create table apart.x ()',
    )
    await admin.end()
    expect(await compare()).toMatchObject({
      code: 1,
      out: expect.stringMatching(
        /^table public\.orders \(app\/0001_orders\)\n {2}changed column orders\.note\n {4}migrations: null allowed\n {4}database: {3}not null\n {4}→ alter table/,
      ),
    })
    expect(JSON.parse((await compare(' --json --whole --ignore-schemas apart')).out)).toMatchObject({
      pending: [],
      disputed: [],
      unknown: [],
      differences: [
        {
          change: 'changed',
          kind: 'column',
          schema: 'public',
          name: 'orders.note',
          hint: 'alter table "public"."orders" alter column "note" drop not null;',
          migration: 'app/0001_orders',
        },
        { change: 'extra', kind: 'table', name: 'other' },
      ],
    })
    // Without a word on the set: what the ledger names of the library's modules, replayed on an embedded database.
    expect(await tenon('migrate drift')).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^the ledger names modules that were not given; .*\n {2}app\n\nno drift: \d+ objects compared$/,
      ),
    })
    write('0001_orders.sql', 'create table orders (id int primary key, note text not null)')
    expect(await compare()).toMatchObject({
      code: 1,
      out: expect.stringMatching(
        /^1 migration does not agree with the ledger: .*\n {2}app\/0001_orders: edited\n\nno drift/,
      ),
    })
  })

  it('numbers the next file as the others are numbered', async () => {
    const next = async (flags = '') => {
      await tenon(`migrate new n${readdirSync(folder).length} --dir ${folder}${flags}`)
      return readdirSync(folder).sort().at(-1)
    }
    expect(await next()).toBe('0001_n0.sql')
    expect(await next()).toBe('0002_n1.sql')
    expect(await next(' --timestamp')).toMatch(/^20\d{12}_n2\.sql$/)
    await tenon(`migrate new first --module billing --dir ${folder}`)
    expect(readdirSync(join(folder, 'billing'))).toEqual(['0001_first.sql'])
  })

  it('works on an embedded database in a folder', { timeout: 60_000 }, async () => {
    const words = `--modules timestamps --embedded ${folder}/db`
    expect(await tenon(`migrate up ${words}`)).toMatchObject({ code: 0, out: '2 applied, 0 there before' })
    expect(await tenon(`migrate up ${words}`)).toMatchObject({ code: 0, out: 'nothing to do: 2 applied' })
  })

  it.each([
    ['an unknown command', 'migrate upp', 2, /unknown command 'upp'/],
    ['an unknown flag', 'migrate up --modules auth --force', 2, /unknown option '--force'/],
    ['a bad number', 'migrate down --modules auth --last none', 2, /whole number from 1/],
    ['a type that is none', 'migrate up --modules auth --id int', 2, /Allowed choices are uuid, text, bigint/],
    [
      'an unknown module',
      'migrate up --modules nope',
      1,
      /OPTION_INVALID .*no SQL module\n {2}the modules are activity, /,
    ],
    ['no migrations', 'migrate up', 1, /OPTION_INVALID no migrations are named\n {2}Pass --modules/],
    ['two databases', 'migrate up --modules auth --url postgres://x --embedded', 1, /name two databases/],
    ['a name without letters', 'migrate new !!!', 1, /no letter or digit/],
  ])('says what is wrong with %s', async (_, words, code, message) => {
    expect(await tenon(words)).toMatchObject({ code, out: '', err: expect.stringMatching(message) })
  })

  it('says that no database is named, and never prints a password', async () => {
    expect(await tenon('migrate up --modules auth', { DATABASE_URL: '' })).toMatchObject({
      code: 1,
      err: 'OPTION_INVALID no database is named\n  Pass --url postgres://…, set DATABASE_URL, or pass --embedded ./folder.',
    })
    const { code, err } = await tenon('migrate up --modules auth --url postgres://ada:s3cret@127.0.0.1:1/x')
    expect([code, err]).toEqual([1, expect.stringMatching(/^CONNECTION_REFUSED /)])
    expect(err).not.toContain('s3cret')
  })
})

describe('the program', () => {
  it('stops after the file it is at when it is told to, and ends with 1', { timeout: 30_000 }, async () => {
    write('0001_slow.sql', 'create table slow (id int); select pg_sleep(1.5)')
    write('0002_never.sql', 'create table never (id int)')
    const main = join(import.meta.dirname, '../../src/cli/main.ts')
    const child = spawn(process.execPath, [main, 'migrate', 'up', '--dir', folder], {
      env: { ...process.env, DATABASE_URL: place.adminUrl },
    })
    let told = ''
    child.stderr.on('data', (text) => {
      told += text
      if (told.includes('0001_slow') && !told.includes('stopping')) child.kill('SIGINT')
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(told).toMatch(/0001_slow\nstopping after this step[\s\S]*done in \d+ ms\nstopped\n$/)
    expect(code).toBe(1)
    expect((await tenon(`migrate status --dir ${folder} --json`)).out).toMatch(
      /0001_slow","state":"applied".*0002_never","state":"pending"/,
    )
  })

  it('says what to install where an embedded database is missing', { timeout: 30_000 }, async () => {
    await tenon('migrate up --modules timestamps')
    const hooks = `import { registerHooks } from 'node:module'
      registerHooks({
        resolve(specifier, context, next) {
          if (specifier.startsWith('@electric-sql/')) throw Object.assign(new Error(), { code: 'ERR_MODULE_NOT_FOUND' })
          return next(specifier, context)
        },
      })`
    const main = join(import.meta.dirname, '../../src/cli/main.ts')
    const words = ['--import', `data:text/javascript,${encodeURIComponent(hooks)}`, main, 'migrate', 'drift']
    const child = spawn(process.execPath, words, { env: { ...process.env, DATABASE_URL: place.adminUrl } })
    let told = ''
    child.stderr.on('data', (text) => {
      told += text
    })
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(1)
    expect(told).toMatch(
      /^DEPENDENCY_MISSING an embedded database needs the package @electric-sql\/pglite\n {2}npm install .*--replay-url \(option replay\) with an empty database\.\n$/,
    )
  })
})
