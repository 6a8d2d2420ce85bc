/** CSV: the bytes of COPY, under row security, and never half a file that looks whole. */
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { CamelCasePlugin, Kysely, PostgresDialect, sql } from 'kysely'
import pg, { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportCsv, streamCsv } from '../../../src/reports/index.ts'
import { openSales, type Sales, salesKinds } from './sales.ts'

const oddSql = `
  create type mood as enum ('sad', 'o"k');
  create type pair as (a int, b text);
  create table odd (id int primary key, t text, c char(4), b boolean, n numeric, f float8, r real, i8 bigint, ts timestamptz, tsn timestamp, d date, iv interval, by bytea,
    a int[], ta text[], j jsonb, js json, u uuid, ip inet, ci cidr, m mood, p pair, rg int4range, pt point, x xml, mo money, bi bit(3), o oid);
  insert into odd values
    (1, 'plain', 'ab', true, 1.50, 1e21, 0.1, 9007199254740993, '2024-03-31 01:30:00.123456+02', '2024-03-31 01:30:00.000001', '2024-02-29', '1 year 2 days 03:04:05.6', '\\x00ff22',
      '{1,NULL,3}', '{"a b","c\\"d",NULL}', '{"k": "v, w"}', '{"k" : 1}', '5e0f6a7e-0000-4000-8000-000000000001', '10.0.0.1', '10.0.0.0/8', 'o"k', row(1, 'x,"y"'), '[1,5)', '(1,2)', '<a/>', 3.5, b'101', 4294967295),
    (2, '', '', false, 'NaN', '-Infinity', 'Infinity', -1, 'infinity', '-infinity', '0044-03-15 BC', '-00:00:01', '', '{}', '{}', 'null', '[]', null, '::1/64', null, 'sad', row(null, null), 'empty', '(0.1,-1)', null, -1, b'000', 0),
    (3, E'a,b "c"\\nd\\re\\tf', 'NULL', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
    (4, '\\.', '\\N', true, 0.000, -0.0, 0, 0, '2024-10-27 00:30+00', '2024-01-01', '9999-12-31', '0', '\\xdeadbeef', '{{1,2},{3,4}}', '{""}', '"s"', '1', null, null, null, null, null, null, null, null, null, null, null),
    (5, 'Grüße 🌍 ' || repeat('long ', 200) || '"', ' x ', true, 1, 1, 1, 1, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
  grant select on odd to authenticated; analyze odd`

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts).toString()
}

describe.each(salesKinds)('CSV on the %s', (kind) => {
  let sales: Sales
  beforeAll(async () => {
    sales = await openSales(kind)
    await sales.script(oddSql)
  })
  afterAll(() => sales[Symbol.asyncDispose]())
  // biome-ignore lint/suspicious/noExplicitAny: a table that the types of the fixture do not know
  const odd = (on: any = sales.ada) => on.selectFrom('odd').selectAll().orderBy('id')

  it('is what the session sees, with bound values, and nothing else', async () => {
    const mine = sales.ada.selectFrom('sales').select(['id', 'product']).where('product', '=', 'tea').orderBy('id')
    expect(await textOf(streamCsv(sales.ada, mine))).toBe('id,product\n1,tea\n2,tea\n3,tea\n')
    expect(await textOf(streamCsv(sales.bob, sales.bob.selectFrom('sales').select('id')))).toBe('id\n6\n')
    expect(await textOf(streamCsv(sales.service, sales.service.selectFrom('sales').select('id').orderBy('id')))).toBe(
      'id\n1\n2\n3\n4\n5\n6\n',
    )
  })

  it('is read in a transaction, which goes on after one that was left', async () => {
    const read = async (trx: Parameters<typeof streamCsv>[0] & Pick<Sales['ada'], 'selectFrom'>) => {
      const ids = trx.selectFrom('sales').select('id').orderBy('id')
      for await (const _ of streamCsv(trx, ids, { chunkSize: 1 })) break
      return await textOf(streamCsv(trx, ids))
    }
    expect(await sales.bob.transaction(read)).toBe('id\n6\n')
    expect(await sales.bob.transaction().execute(read)).toBe('id\n6\n')
    expect(await sales.service.transaction().execute(read)).toBe('id\n1\n2\n3\n4\n5\n6\n')
  })

  it('has its header without rows, and takes the names it is given', async () => {
    const none = sales.ada.selectFrom('sales').select(['id', 'region as the region, "so"']).where('id', '=', -1)
    expect(await textOf(streamCsv(sales.ada, none))).toBe('id,"the region, ""so"""\n')
    expect(await textOf(streamCsv(sales.ada, none, { header: false }))).toBe('')
    expect(await textOf(streamCsv(sales.ada, none, { header: ['a', 'b'] }))).toBe('a,b\n')
    await expect(textOf(streamCsv(sales.ada, none, { header: ['a'] }))).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    })
  })

  it('takes queries of plugins, joins of one name, and any number of rows in a chunk', async () => {
    const camel = sales.ada.withPlugin(new CamelCasePlugin()) as never as typeof sales.ada
    const query = camel
      .selectFrom('sales')
      .select(['id', 'soldAt as lastSale' as never])
      .orderBy('id')
    for (const chunkSize of [1, 2, 5, 100]) {
      const text = await textOf(streamCsv(camel, query, { chunkSize }))
      expect(text.split('\n').length).toBe(7)
      expect(text).toMatch(/^id,last_sale\n1,2024-03-30 /)
    }
    const twice = sales.ada.selectFrom('sales').select(['id', 'id as id']).where('id', '=', 1)
    expect(await textOf(streamCsv(sales.ada, twice))).toBe('id,id\n1,1\n')
  })

  it('keeps spreadsheets from running what users wrote, where that is asked for', async () => {
    const texts = [
      '=1+1',
      '+49 30',
      '-5',
      '-5.5e3',
      '+1',
      '@SUM(A1)',
      '-',
      '=a,"b"',
      'plain',
      '',
      '\tx',
      '-2+3+cmd|',
      '-Infinity',
    ]
    const query = sales.ada
      .selectFrom(sql<{ t: string }>`unnest(${texts}::text[])`.as<'t'>(sql`t(t)`))
      .select('t' as never)
    const safe = await textOf(streamCsv(sales.ada, query, { header: false, escapeFormulas: true }))
    expect(safe).toBe(
      `'=1+1\n'+49 30\n-5\n-5.5e3\n+1\n'@SUM(A1)\n'-\n"'=a,""b"""\nplain\n""\n'\tx\n'-2+3+cmd|\n-Infinity\n`,
    )
    expect(await textOf(streamCsv(sales.ada, query, { header: false })), 'the control').toMatch(/^=1\+1\n\+49 30/)
  })

  it.each([
    ['a tab', '\tx'],
    ['a line feed', '\n=1'],
    ['a return', '\rx'],
    ['a blank', ' =1+1'],
    ['blanks without end', `${' '.repeat(5_000)}=1+1`],
    ['blanks that end where reading does', `${' '.repeat(255)}＝1+1`],
    ['a no-break space', '\u00a0+49 30'],
    ['an ideographic space', '\u3000@SUM(A1)'],
    ['a byte order mark', '\ufeff=1+1'],
    ['what is not seen', '\u200b=1+1'],
    ['a quote', '"=1+1"'],
    ['quotes and blanks', '" "@a'],
    ['a full-width =', '＝1+1'],
    ['a full-width +', '＋1'],
    ['a full-width -', '－1'],
    ['a full-width @', '＠SUM(A1)'],
    ['a sign of minus', '\u2212A1'],
    ['an amount of money', '-$1.00'],
    ['an interval', '-00:00:01'],
    ['a number and more', `-${'1'.repeat(200_000)}+cmd|`],
  ])('puts an apostrophe before %s', async (_, text) => {
    const query = sales.ada.selectNoFrom(() => sql<string>`${text}::text`.as('t'))
    const written = await textOf(streamCsv(sales.ada, query, { header: false, escapeFormulas: true }))
    expect(
      written.replace(/^"/, '').startsWith(`'${text.slice(0, 1).replace('"', '""')}`),
      JSON.stringify(written.slice(0, 50)),
    ).toBe(true)
    expect(written.length).toBeGreaterThan(text.length)
  })

  it('leaves numbers of all columns, and what only looks odd, as they are', async () => {
    const numbers = sql`select -1::smallint, '-9223372036854775808'::bigint, -1.50::numeric, ('-' || repeat('9', 131000))::numeric, -1e-300::float8, '-Infinity'::float8, '-1'::text, ' -5'::text, '.5', 'a=b', 'ä=b', '日本=語', '(=1)', '1-2'`
    const query = sales.ada.selectFrom(sql`(${numbers})`.as('n')).selectAll()
    const text = async (escapeFormulas: boolean) =>
      await textOf(streamCsv(sales.ada, query, { header: false, escapeFormulas }))
    expect(await text(true)).toBe(await text(false))
    expect(await text(true)).not.toContain("'")
  })

  it('keeps the apostrophe out of the way of delimiters and nulls', async () => {
    const query = sales.ada.selectNoFrom(() => [
      sql<string>`'=1'::text`.as('a'),
      sql<null>`null::text`.as('b'),
      sql<string>`'-'::text`.as('c'),
    ])
    const options = { header: false, escapeFormulas: true } as const
    expect(await textOf(streamCsv(sales.ada, query, { ...options, delimiter: "'" }))).toBe(`"'=1"''"'-"\n`)
    expect(await textOf(streamCsv(sales.ada, query, { ...options, null: "'-" }))).toBe(`'=1,'-,"'-"\n`)
  })

  it.each([
    { delimiter: '' },
    { delimiter: ',,' },
    { delimiter: '"' },
    { delimiter: '\n' },
    { delimiter: 'é' },
    { null: 'a,b' },
    { null: '"' },
    { null: 'a\nb' },
    { header: 'yes' },
    { chunkSize: 0 },
    { chunkSize: 1.5 },
  ])('refuses %o', async (options) => {
    await expect(textOf(streamCsv(sales.ada, odd(), options as never))).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    })
  })

  it('tells how far it is, writes files and streams of both kinds, and closes them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'csv-'))
    const seen: number[] = []
    const file = join(folder, 'odd.csv')
    const done = await exportCsv(sales.ada, odd(), {
      to: createWriteStream(file),
      chunkSize: 2,
      onProgress: ({ rows }) => seen.push(rows),
    })
    const text = await readFile(file)
    expect(done).toEqual({ rows: 5, bytes: text.length })
    expect(seen).toEqual([2, 4, 5])
    let web = ''
    let closed = false
    const to = new WritableStream<Uint8Array>({
      write(chunk) {
        web += Buffer.from(chunk).toString()
      },
      close() {
        closed = true
      },
    })
    await exportCsv(sales.ada, odd(), { to })
    expect([web, closed]).toEqual([text.toString(), true])
    await rm(folder, { recursive: true })
  })

  it('never finishes a target when the query fails half way, and leaves the connection usable', async () => {
    const failing = sales.ada
      .selectFrom(sql<{ q: number }>`(select 1 / (50 - n) as q from generate_series(1, 100) n)`.as('x'))
      .select('q')
    const aborted: unknown[] = []
    let closed = false
    const to = new WritableStream<Uint8Array>({
      abort: (reason) => void aborted.push(reason),
      close() {
        closed = true
      },
    })
    await expect(exportCsv(sales.ada, failing, { to, chunkSize: 10 })).rejects.toMatchObject({ code: 'QUERY_DATA' })
    expect(aborted).toMatchObject([{ code: 'QUERY_DATA' }])
    expect(closed).toBe(false)
    const stream = new PassThrough()
    stream.resume()
    await expect(exportCsv(sales.ada, failing, { to: stream, chunkSize: 10 })).rejects.toMatchObject({
      code: 'QUERY_DATA',
    })
    expect([stream.destroyed, stream.readableEnded]).toEqual([true, false])
    expect(await sales.ada.selectFrom('sales').select('id').execute()).toHaveLength(5)
  })

  it('a target that stalls holds nothing after the signal', async () => {
    const query = sales.ada.selectFrom('sales' as never).selectAll()
    for (const to of [
      new Writable({ write() {} }),
      new WritableStream<Uint8Array>({ write: () => new Promise<void>(() => {}) }),
    ]) {
      const signal = AbortSignal.timeout(100)
      await expect(exportCsv(sales.ada, query, { to, signal })).rejects.toMatchObject({ name: 'TimeoutError' })
    }
    expect(await sales.ada.selectNoFrom((eb) => eb.lit(1).as('one')).execute()).toEqual([{ one: 1 }])
  })

  it('stops when its target breaks, or is closed', async () => {
    const broken = () => new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) })
    await expect(exportCsv(sales.ada, odd(), { to: broken(), chunkSize: 1 })).rejects.toThrow('disk full')
    const closing = new PassThrough()
    await expect(
      exportCsv(sales.ada, odd(), { to: closing, chunkSize: 1, onProgress: () => closing.destroy() }),
    ).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    expect(await sales.ada.selectFrom('sales').select('id').execute()).toHaveLength(5)
  })

  it('refuses executors that do not show the text form', async () => {
    const plain = new Kysely<never>({ dialect: new PostgresDialect({ pool: new pg.Pool({ max: 1 }) }) })
    await expect(textOf(streamCsv(plain, odd()))).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(textOf(streamCsv(undefined as never, odd()))).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })
})

describe('CSV beside COPY', () => {
  let sales: Sales
  let client: Client
  beforeAll(async () => {
    sales = await openSales('server')
    await sales.script(oddSql)
    client = new Client(sales.adminUrl)
    await client.connect()
  })
  afterAll(async () => {
    await client.end()
    await sales[Symbol.asyncDispose]()
  })

  /** What COPY writes, as the server itself puts it into a file and reads it back. */
  async function copied(query: string, options: string): Promise<string> {
    const file = join(tmpdir(), `copy-${process.pid}-${Math.random().toString(36).slice(2)}.csv`)
    await client.query(`copy (${query}) to '${file}' with (format csv, ${options})`)
    const { rows } = await client.query('select pg_read_file($1) as text', [file])
    await rm(file, { force: true })
    return rows[0].text
  }

  it.each([
    ['header', {}],
    [`header, null 'NULL'`, { null: 'NULL' }],
    [`header false, delimiter ';', null '\\N'`, { header: false, delimiter: ';', null: '\\N' }],
    [`header, delimiter E'\\t'`, { delimiter: '\t' }],
  ] as const)('is the same to the byte: %s', async (copyOptions, options) => {
    const zone = 'Europe/Berlin'
    await client.query(`set timezone = '${zone}'`)
    const ada = sales.ada.as({ settings: { timezone: zone } })
    // biome-ignore lint/suspicious/noExplicitAny: a table that the types of the fixture do not know
    const query = (ada as any).selectFrom('odd').selectAll().orderBy('id')
    expect(await textOf(streamCsv(ada, query, options))).toBe(
      await copied('select * from odd order by id', copyOptions),
    )
    const single = (ada as unknown as typeof sales.ada)
      .selectFrom('odd' as never)
      .select('t' as never)
      .orderBy('id' as never)
    expect(await textOf(streamCsv(ada, single, options))).toBe(
      await copied('select t from odd order by id', copyOptions),
    )
  })

  it('holds no more than a chunk in memory, however many rows there are, and waits for a slow target', {
    timeout: 60_000,
  }, async () => {
    const rows = 1_000_000
    const query = sales.ada
      .selectFrom(
        sql<{ n: number; t: string }>`(select n, 'row ' || n as t from generate_series(1, ${rows}::int) n)`.as('x'),
      )
      .select(['n', 't'])
    let most = 0
    let bytes = 0
    const start = process.memoryUsage()
    const held = () => {
      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external - start.heapUsed - start.external
    }
    const to = new WritableStream<Uint8Array>({
      write(chunk) {
        bytes += chunk.length
        most = Math.max(most, held())
      },
    })
    const done = await exportCsv(sales.ada, query, { to, header: false })
    expect(done).toEqual({ rows, bytes })
    expect(most / 2 ** 20, 'MiB').toBeLessThan(100)
  })

  it('ends the server’s work when it is cancelled', async () => {
    const controller = new AbortController()
    const endless = sales.ada
      .selectFrom(
        sql<{ s: string }>`(select n, pg_sleep(0.001)::text as s from generate_series(1, 1000000) n)`.as('endless'),
      )
      .select('s')
    const to = new WritableStream<Uint8Array>()
    const running = exportCsv(sales.ada, endless, {
      to,
      chunkSize: 50,
      signal: controller.signal,
      onProgress: ({ rows }) => rows >= 100 && controller.abort(new Error('enough')),
    })
    await expect(running).rejects.toThrow('enough')
    await expect
      .poll(
        async () =>
          (
            await client.query(
              `select from pg_stat_activity where query like '%endless%' and state = 'active' and pid <> pg_backend_pid()`,
            )
          ).rowCount,
      )
      .toBe(0)
    expect(await sales.ada.selectFrom('sales').select('id').execute()).toHaveLength(5)
  })
})
