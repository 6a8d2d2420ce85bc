/** insertMany by COPY: what goes in, when it is used, and that whatever forbids it is respected. On a server and on PGlite. */
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase } from '../../../src/index.ts'
import { openShop, repository, type Shop, shopKinds } from '../../support/shop.ts'

const many = 1_500
const titles = (count: number) => Array.from({ length: count }, (_, i) => ({ title: `t${i}` }))

describe.each(shopKinds)('on %s', (kind) => {
  let shop: Shop
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let articles: any

  beforeAll(async () => {
    shop = await openShop(kind)
    articles = repository(shop.tables.articles)
    // Tells how a table was written, and by whom.
    await sql`create table written (command text, actor text)`.execute(shop.service)
    await sql`grant all on written to authenticated`.execute(shop.service)
    await sql`create function tell() returns trigger language plpgsql as $$ begin
      insert into written values (split_part(current_query(), ' ', 1), current_setting('tenon.actor', true)); return null; end $$`.execute(
      shop.service,
    )
    for (const table of ['articles', 'order_items'])
      await sql`create trigger tell_trg after insert on ${sql.table(table)} for each statement execute function tell()`.execute(
        shop.service,
      )
  }, 60_000)
  beforeEach(async () => {
    for (const table of ['articles', 'written', 'customers']) await shop.service.deleteFrom(table).execute()
  })
  afterAll(async () => {
    await shop[Symbol.asyncDispose]()
  })

  const written = async () => (await shop.service.selectFrom('written').selectAll().execute()) as object[]

  it('copies many rows as the service, one round trip for each chunk, with the context of the service', async () => {
    await articles.insertMany(shop.service, titles(many))
    const before = shop.db.stats().roundTrips
    expect(await articles.insertMany(shop.service, titles(many))).toBe(many)
    // One asks whether rows may be copied, one copies them.
    expect(shop.db.stats().roundTrips - before).toBe(2)
    expect(await written()).toEqual(Array(2).fill({ command: 'copy', actor: 'test' }))
    const told: number[] = []
    const onProgress = ({ inserted }: { inserted: number }) => told.push(inserted)
    await articles.insertMany(shop.service, titles(4_500), { chunkSize: 2_000, onProgress })
    expect(told).toEqual([2_000, 4_000, 4_500])
    expect((await written()).map((row) => (row as { command: string }).command)).toEqual([
      ...Array(4).fill('copy'),
      'insert',
    ])
    expect(await articles.count(shop.service)).toBe(2 * many + 4_500)
  })

  it('inserts few rows, and whatever a session writes, without COPY', async () => {
    await articles.insertMany(shop.service, titles(999))
    await articles.insertMany(shop.ada, titles(many))
    expect(await written()).toMatchObject([{ command: 'insert' }, { command: 'insert' }])
    // PostgreSQL would refuse it there, and a session does before that.
    await expect(sql`copy articles (title) from stdin`.execute(shop.ada)).rejects.toMatchObject({
      code: 'STATEMENT_INVALID',
    })
  })

  it('writes any text as it is', async () => {
    const text = fc.string({
      unit: fc.constantFrom('\t', '\n', '\r', '\\', 'N', '.', ',', '"', "'", 'a', '😀', 'é', ' '),
    })
    const rows = fc.array(fc.record({ title: text, body: text, json_list: fc.option(fc.array(text)) }), {
      minLength: 1_000,
      maxLength: 1_000,
      size: 'max',
    })
    await fc.assert(
      fc.asyncProperty(rows, async (given) => {
        await shop.service.deleteFrom('articles').execute()
        expect(await articles.insertMany(shop.service, given)).toBe(1_000)
        const read = await articles.list(shop.service, {
          select: ['title', 'body', 'json_list'],
          orderBy: { id: 'asc' },
        })
        expect(read).toEqual(given)
      }),
      { numRuns: 5 },
    )
    expect(new Set((await written()).map((row) => (row as { command: string }).command))).toEqual(new Set(['copy']))
    const longs = Array.from({ length: 1_000 }, (_, i) => ({
      title: i === 500 ? `\\.${'\\\n'.repeat(32_768)}` : '\\.',
    }))
    await shop.service.deleteFrom('articles').execute()
    await articles.insertMany(shop.service, longs)
    expect(await articles.list(shop.service, { select: ['title'], orderBy: { id: 'asc' } })).toEqual(longs)
  })

  it('writes values of any type as an INSERT does', async () => {
    const customers = repository(shop.tables.customers)
    const orders = repository(shop.tables.orders)
    const items = repository(shop.tables.order_items)
    const { id } = await customers.insert(shop.service, { name: 'Ann', owner: 'ada' })
    const values = [
      {
        sku: 'x',
        price: 1n,
        photo: Buffer.from([0, 1, 92, 255]),
        day: '2024-02-29',
        span: '[1,5)',
        moods: ['sad', null],
        labels: ['l', 'a"b\\c', 'NULL', ''],
        doc: { a: "it's", b: 'tab\tline\nback\\slash' },
        spot: '(1,2)',
        ratio: Infinity,
        big: '9223372036854775807',
        address: '10.0.0.1/8',
        wait: '1 day',
      },
      {
        sku: '',
        price: 2,
        ratio: NaN,
        day: new Date(2024, 0, 2),
        hours: '[2024-01-01 00:00+00,)',
        doc: '[1,"\\u0041"]',
      },
      { sku: 'null', price: '3', labels: [], moods: [], doc: 'null', photo: new Uint8Array(0), ratio: -0.5 },
      { sku: 'z', price: 4, labels: null, moods: null, doc: null, photo: null, ratio: null },
    ]
    const read = []
    for (const [number, count] of [
      [1, 4],
      [2, 6_000],
    ] as const) {
      const order = await orders.insert(shop.service, { customer_id: id, number })
      await items.insertMany(
        shop.service,
        Array.from({ length: count }, (_, i) => ({ order_id: order.id, line: i, ...values[i % 4] })),
      )
      const rows = await items.list(shop.service, { where: { order_id: order.id }, orderBy: { line: 'asc' } })
      expect(rows).toHaveLength(count)
      read.push(rows.map(({ order_id: _, line: __, ...rest }: Record<string, unknown>) => rest))
    }
    // Rows give values for three sets of columns: each set was inserted first, and then copied.
    expect((await written()).map((row) => (row as { command: string }).command)).toEqual([
      ...Array(3).fill('insert'),
      ...Array(3).fill('copy'),
    ])
    const [inserted = [], copied = []] = read
    expect(inserted).toHaveLength(4)
    for (let i = 0; i < 4; i++) expect(copied[i]).toEqual(inserted[i])
    for (const [i, row] of copied.entries()) if (i >= 4) expect(row).toEqual(copied[i % 4])
  })

  it('writes nothing when a row is refused, says why without its values, and leaves the connection usable', async () => {
    const tags = repository(shop.tables.tags)
    await shop.service.deleteFrom('tags').execute()
    const rows = Array.from({ length: 5_000 }, (_, i) => ({ id: i === 4_000 ? 0 : i, label: `secret-${i}` }))
    const error = await tags.insertMany(shop.service, rows, { chunkSize: 2_000 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'CONSTRAINT_UNIQUE', columns: ['id'] })
    expect(JSON.stringify(error)).not.toContain('secret')
    expect(String((error as Error).message)).not.toContain('secret')
    expect(await tags.count(shop.service)).toBe(0)
    const wrong = await tags
      .insertMany(
        shop.service,
        rows.slice(0, many).map((row) => ({ ...row, id: row.id === 7 ? 'secret' : row.id })),
      )
      .catch((thrown: unknown) => thrown)
    expect(wrong).toMatchObject({ sqlstate: '22P02' })
    expect(String((wrong as Error).message)).not.toContain('secret')
    for (const label of ['a\0b', 'a\ud800'])
      await expect(
        tags.insertMany(
          shop.service,
          rows.slice(0, many).map((row) => (row.id === 7 ? { id: 7, label } : row)),
        ),
      ).rejects.toMatchObject({ code: 'PARAMETER_INVALID', message: expect.stringContaining('label') })
    await expect(
      tags.insertMany(
        shop.service,
        rows.slice(0, many).map((row) => (row.id === 7 ? { id: 7, label: Symbol('x') } : row)),
      ),
    ).rejects.toMatchObject({ code: 'PARAMETER_INVALID' })
    expect(await tags.count(shop.service)).toBe(0)
    expect(await tags.insertMany(shop.service, rows.slice(0, many))).toBe(many)
  })

  it('is part of the transaction it runs in', async () => {
    await expect(
      shop.service.transaction().execute(async (trx: unknown) => {
        expect(await articles.insertMany(trx, titles(3_000), { chunkSize: 1_000 })).toBe(3_000)
        expect(await articles.count(trx)).toBe(3_000)
        throw new Error('undo')
      }),
    ).rejects.toThrow('undo')
    expect(await articles.count(shop.service)).toBe(0)
    expect(await written()).toEqual([])
  })

  it('counts what triggers leave out', async () => {
    await sql`create function half() returns trigger language plpgsql as $$ begin
      return case when new.title ~ '[02468]$' then new end; end $$`.execute(shop.service)
    await sql`create trigger half_trg before insert on articles for each row execute function half()`.execute(
      shop.service,
    )
    try {
      expect(await articles.insertMany(shop.service, titles(2_000))).toBe(1_000)
      expect(await articles.insertMany(shop.ada, titles(100))).toBe(50)
    } finally {
      await sql`drop function half cascade`.execute(shop.service)
    }
  })

  it('goes where plugins send it', async () => {
    await sql`create schema elsewhere`.execute(shop.service)
    await sql`create table elsewhere.articles (like public.articles including all)`.execute(shop.service)
    await sql`create rule articles_rule as on insert to public.articles do instead nothing`.execute(shop.service)
    try {
      expect(await articles.insertMany(shop.service.withSchema('elsewhere'), titles(many))).toBe(many)
      expect(await articles.count(shop.service.withSchema('elsewhere'))).toBe(many)
      // A rule holds for INSERT and not for COPY: where there is one, nothing is copied.
      await articles.insertMany(shop.service, titles(many))
      expect(await articles.count(shop.service)).toBe(0)
    } finally {
      await sql`drop rule articles_rule on public.articles`.execute(shop.service)
    }
  })
})

describe('a service that policies bind', () => {
  it('inserts under them, where COPY is refused', async () => {
    await using shop = await openShop('server')
    const url = shop.loginUrl ?? ''
    await sql`grant insert, select on articles to public`.execute(shop.service)
    await sql`grant usage on all sequences in schema public to public`.execute(shop.service)
    await sql`alter table articles enable row level security`.execute(shop.service)
    await sql`create policy articles_short_policy on articles using (true) with check (length(title) < 6)`.execute(
      shop.service,
    )
    await using db = createDatabase<never>({
      connection: url,
      service: { connection: url, pool: { max: 1 } },
    })
    const bound = db.service({ actor: 'test', reason: 'bound by policies' })
    const articles = repository(shop.tables.articles)
    expect(await articles.insertMany(bound, titles(many))).toBe(many)
    await expect(articles.insertMany(bound, titles(20_000))).rejects.toMatchObject({ code: 'ACCESS_POLICY' })
    expect(await articles.count(shop.service)).toBe(many)
    // The control: asked by hand, PostgreSQL refuses to copy.
    await expect(sql`copy articles (title) from stdin`.execute(bound)).rejects.toMatchObject({ sqlstate: '0A000' })
    expect(await articles.count(bound)).toBe(many)
  })
})
