/** Writing by repositories: what is written, what is refused, and what is said of it, on a server and on PGlite. */
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { isStaleRow, isValuesInvalid } from '../../../src/index.ts'
import { patch } from '../../../src/jsonb/index.ts'
import { openShop, repositoriesOf, repository, type Shop, shopKinds } from '../../support/shop.ts'

describe.each(shopKinds)('on %s', (kind) => {
  let shop: Shop
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let r: Record<string, any>

  beforeAll(async () => {
    shop = await openShop(kind)
    r = repositoriesOf(shop)
  }, 60_000)
  beforeEach(async () => {
    for (const table of ['articles', 'customers', 'tags', 'employees']) await shop.service.deleteFrom(table).execute()
  })
  afterAll(async () => {
    await shop[Symbol.asyncDispose]()
  })

  it('inserts a row with its defaults, and returns only what was asked', async () => {
    expect(await r['customers'].insert(shop.ada, { name: 'Ann' }, { returning: ['name', 'owner', 'mood'] })).toEqual({
      name: 'Ann',
      owner: 'ada',
      mood: 'ok',
    })
    expect(
      await r['articles'].insert(
        shop.ada,
        { title: 't', json_list: [1, 'x', null], plain: '"text"' },
        { returning: ['json_list', 'plain'] },
      ),
    ).toEqual({ json_list: [1, 'x', null], plain: 'text' })
    await expect(r['customers'].insert(shop.ada, { name: 'Ann', owner: 'bob' })).rejects.toMatchObject({
      code: 'ACCESS_POLICY',
    })
    await expect(r['customers'].insert(shop.ada, { id: 1, name: 'x' })).rejects.toMatchObject({
      code: 'QUERY_FILTER',
      message: expect.stringContaining('id takes no value'),
    })
    await expect(r['customers'].insert(shop.ada, { nam: 'x' })).rejects.toMatchObject({ code: 'QUERY_FILTER' })
    expect(await r['customers'].count(shop.service)).toBe(1)
  })

  it('writes a row that no policy lets be read, when nothing of it is returned', async () => {
    await sql`create policy tags_write_policy on tags for insert to authenticated with check (id < 100)`.execute(
      shop.service,
    )
    await sql`alter table tags enable row level security`.execute(shop.service)
    try {
      await expect(r['tags'].insert(shop.ada, { id: 1, label: 'a' })).rejects.toMatchObject({
        code: 'ACCESS_POLICY',
        hint: expect.stringContaining('RETURNING'),
      })
      expect(await r['tags'].insert(shop.ada, { id: 1, label: 'a' }, { returning: [] })).toEqual({})
      await expect(r['tags'].insert(shop.ada, { id: 100, label: 'b' }, { returning: [] })).rejects.toMatchObject({
        code: 'ACCESS_POLICY',
      })
      expect(await r['tags'].count(shop.service)).toBe(1)
    } finally {
      await sql`alter table tags disable row level security`.execute(shop.service)
      await sql`drop policy tags_write_policy on tags`.execute(shop.service)
    }
  })

  it('inserts many rows in few statements, of any types and shapes, all or none', async () => {
    const rows = Array.from({ length: 25_000 }, (_, i) => ({ id: i, name: `n${i}`, rank: i % 2 === 0 ? null : i }))
    const told: number[] = []
    const before = shop.db.stats().roundTrips
    expect(
      await r['employees'].insertMany(shop.ada, rows, {
        onProgress: ({ inserted }: { inserted: number }) => told.push(inserted),
      }),
    ).toBe(25_000)
    expect(told).toEqual([10_000, 20_000, 25_000])
    expect(shop.db.stats().roundTrips - before).toBeLessThanOrEqual(5)
    expect(await r['employees'].count(shop.ada, { rank: null })).toBe(12_500)
    const more = async function* () {
      for (let i = 30_000; i < 30_300; i++) yield { id: i === 30_299 ? 5 : i, name: 'x' }
    }
    await expect(r['employees'].insertMany(shop.ada, more(), { chunkSize: 100 })).rejects.toMatchObject({
      code: 'CONSTRAINT_UNIQUE',
    })
    expect(await r['employees'].count(shop.ada)).toBe(25_000)

    const { id } = await r['customers'].insert(shop.ada, { name: 'Ann' })
    const orders = [
      { customer_id: id, number: 1, tags: ['a', 'b"c', 'd,e'], total: '1.005' },
      { customer_id: id, number: 2, tags: [], total: 2 },
      { customer_id: id, number: 3, placed_at: new Date(0) },
    ]
    expect(await r['orders'].insertMany(shop.ada, orders)).toBe(3)
    const read = await r['orders'].list(shop.ada, {
      orderBy: { number: 'asc' },
      select: ['tags', 'total', 'placed_at'],
    })
    expect(read).toEqual([
      { tags: ['a', 'b"c', 'd,e'], total: '1.01', placed_at: null },
      { tags: [], total: '2.00', placed_at: null },
      { tags: [], total: '0.00', placed_at: new Date(0) },
    ])
    const [order] = await r['orders'].list(shop.ada)
    const items = [
      {
        order_id: order.id,
        line: 1,
        sku: 'x',
        price: 1n,
        photo: Buffer.from([1, 2]),
        day: '2024-02-29',
        span: '[1,5)',
        moods: ['sad', null],
        labels: ['l'],
        doc: { a: "it's" },
        spot: '(1,2)',
        ratio: Infinity,
        big: '9223372036854775807',
        address: '10.0.0.1/8',
      },
      {
        order_id: order.id,
        line: 2,
        sku: 'y',
        price: 2,
        photo: null,
        day: null,
        span: null,
        moods: null,
        labels: null,
        doc: null,
        spot: null,
        ratio: null,
        big: null,
        address: null,
      },
    ]
    await r['order_items'].insertMany(shop.ada, items)
    expect(await r['order_items'].list(shop.ada, { orderBy: { line: 'asc' } })).toMatchObject([
      {
        photo: Buffer.from([1, 2]),
        moods: ['sad', null],
        labels: ['l'],
        doc: { a: "it's" },
        spot: { x: 1, y: 2 },
        ratio: Infinity,
        big: '9223372036854775807',
        span: '[1,5)',
        address: '10.0.0.1/8',
      },
      { photo: null, moods: null, labels: null, doc: null },
    ])
    // The length of a column is checked and not cut to.
    await expect(
      r['order_items'].insertMany(shop.ada, [{ order_id: order.id, line: 3, sku: 'x'.repeat(21), price: 1 }]),
    ).rejects.toMatchObject({ code: 'QUERY_DATA' })
    await expect(
      r['order_items'].insertMany(shop.ada, [{ order_id: order.id, line: 3, sku: 'x', price: -1 }]),
    ).rejects.toMatchObject({ code: 'CONSTRAINT_CHECK' })
    expect(await r['orders'].insertMany(shop.ada, [])).toBe(0)
  })

  it('inserts rows of defaults alone, all or none', async () => {
    await sql`create sequence wide_id_seq; alter table wide alter column id set default nextval('wide_id_seq')`.execute(
      shop.service,
    )
    await sql`grant all on wide_id_seq to authenticated`.execute(shop.service)
    try {
      expect(await r['wide'].insertMany(shop.ada, [{}, {}])).toBe(2)
      await shop.service.insertInto('wide').values({ id: 5 }).execute()
      await expect(r['wide'].insertMany(shop.ada, [{}, {}, {}])).rejects.toMatchObject({
        code: 'CONSTRAINT_UNIQUE',
      })
      expect(await r['wide'].count(shop.ada)).toBe(3)
    } finally {
      await shop.service.deleteFrom('wide').execute()
    }
  })

  it('upserts, and tells what was inserted, updated or left as it was', async () => {
    expect(await r['tags'].upsert(shop.ada, { id: 1, label: 'a' })).toEqual({
      action: 'inserted',
      row: { id: 1, label: 'a' },
    })
    expect(await r['tags'].upsert(shop.ada, { id: 1, label: 'b' })).toEqual({
      action: 'updated',
      row: { id: 1, label: 'b' },
    })
    expect(await r['tags'].upsert(shop.ada, { id: 1, label: 'b' })).toEqual({
      action: 'unchanged',
      row: { id: 1, label: 'b' },
    })
    expect(await r['tags'].upsert(shop.ada, { id: 7, label: 'b' }, { on: ['label'], update: [] })).toEqual({
      action: 'unchanged',
      row: { id: 1, label: 'b' },
    })
    const many = await r['tags'].upsertMany(shop.ada, [
      { id: 1, label: 'b' },
      { id: 2, label: 'x' },
      { id: 3, label: 'y' },
    ])
    expect(many).toEqual({
      inserted: [
        { id: 2, label: 'x' },
        { id: 3, label: 'y' },
      ],
      updated: [],
      unchanged: 1,
    })
    expect(
      await r['tags'].upsertMany(
        shop.ada,
        [
          { id: 2, label: 'x2' },
          { id: 3, label: 'y' },
        ],
        { returning: ['label'] },
      ),
    ).toEqual({ inserted: [], updated: [{ label: 'x2' }], unchanged: 1 })
    await expect(
      r['tags'].upsertMany(shop.ada, [
        { id: 5, label: 'p' },
        { id: '5', label: 'q' },
      ]),
    ).rejects.toMatchObject({
      code: 'QUERY_FILTER',
      message: expect.stringContaining('rows 0 and 1 have the same key'),
    })
    await expect(r['tags'].upsert(shop.ada, { label: 'x' })).rejects.toMatchObject({ code: 'QUERY_FILTER' })
    await expect(r['tags'].upsert(shop.ada, { id: 1, label: 'x' }, { on: ['id', 'label'] })).rejects.toMatchObject({
      code: 'QUERY_FILTER',
    })
  })

  it('upserts into a partitioned table, which has no xmax to tell by', async () => {
    const row = { sensor: 1, at: '2024-02-01' }
    const actions: string[] = []
    for (const value of [1, 2, 2]) actions.push((await r['readings'].upsert(shop.ada, { ...row, value })).action)
    expect(actions).toEqual(['inserted', 'updated', 'unchanged'])
    const rows = [
      { ...row, value: 3 },
      { sensor: 2, at: '2024-02-01', value: 1 },
    ]
    expect(await r['readings'].upsertMany(shop.ada, rows, { returning: ['sensor'] })).toEqual({
      inserted: [{ sensor: 2 }],
      updated: [{ sensor: 1 }],
      unchanged: 0,
    })
  })

  it('updates by key, by filter, and each row with values of its own', async () => {
    const ann = await r['customers'].insert(shop.ada, { name: 'Ann', details: { level: 1 } })
    expect(
      await r['customers'].update(
        shop.ada,
        ann.id,
        {
          mood: 'happy',
          details: patch<{ level: number; tags: string[] }>((p) => p.increment('level').append('tags', 'x')),
        },
        { returning: ['mood', 'details'] },
      ),
    ).toEqual({
      mood: 'happy',
      details: { level: 2, tags: ['x'] },
    })
    await expect(r['customers'].update(shop.bob, ann.id, { mood: 'sad' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(r['customers'].update(shop.ada, ann.id, {})).rejects.toMatchObject({ code: 'QUERY_FILTER' })
    await r['tags'].insertMany(
      shop.ada,
      [1, 2, 3, 4].map((id) => ({ id, label: `l${id}` })),
    )
    expect(await r['tags'].updateWhere(shop.ada, { id: { gt: 3 } }, { label: 'x' })).toBe(1)
    for (const where of [{}, undefined, []]) {
      await expect(r['tags'].updateWhere(shop.ada, where, { label: 'y' })).rejects.toMatchObject({
        code: 'QUERY_FILTER',
        hint: expect.stringContaining("'all'"),
      })
      await expect(r['tags'].deleteWhere(shop.ada, where)).rejects.toMatchObject({ code: 'QUERY_FILTER' })
    }
    expect(
      await r['tags'].updateMany(shop.ada, [
        { id: 1, label: 'one' },
        { id: 2, label: 'two' },
        { id: 9, label: 'nine' },
      ]),
    ).toBe(2)
    expect(
      (await r['tags'].list(shop.ada, { orderBy: { id: 'asc' } })).map(({ label }: { label: string }) => label),
    ).toEqual(['one', 'two', 'l3', 'x'])
    for (const rows of [
      [
        { id: 1, label: 'a' },
        { id: 1, label: 'b' },
      ],
      [{ label: 'a' }],
      [{ id: 1 }],
      [{ id: 1, label: 'a' }, { id: 2 }],
    ])
      await expect(r['tags'].updateMany(shop.ada, rows)).rejects.toMatchObject({ code: 'QUERY_FILTER' })
    expect(await r['tags'].delete(shop.ada, 1)).toBe(true)
    expect(await r['tags'].delete(shop.ada, 1)).toBe(false)
    expect(await r['tags'].deleteWhere(shop.ada, 'all')).toBe(3)
  })

  it('keeps versions: a stale update is refused, and nothing is lost', async () => {
    const customers = repository(shop.tables.customers, { version: 'version' })
    const { id } = await customers.insert(shop.ada, { name: 'Ann' })
    expect(await customers.update(shop.ada, id, { mood: 'sad' }, { version: 1, returning: ['version'] })).toEqual({
      version: 2,
    })
    const stale = await customers
      .update(shop.ada, id, { mood: 'happy' }, { version: 1 })
      .catch((error: unknown) => error)
    expect(isStaleRow(stale, 'customers')).toBe(true)
    expect(await customers.get(shop.ada, id, { select: ['mood', 'version'] })).toEqual({ mood: 'sad', version: 2 })
    await expect(customers.update(shop.ada, '999', { mood: 'ok' }, { version: 1 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    expect(await customers.updateWhere(shop.ada, { name: 'Ann' }, { mood: 'ok' })).toBe(1)
    expect(await customers.get(shop.ada, id, { select: ['version'] })).toEqual({ version: 3 })
  })

  it('deletes softly, so that a name is free again, and restores', async () => {
    const customers = repository(shop.tables.customers, { softDelete: 'deleted_at' })
    const { id } = await customers.insert(shop.ada, { name: 'Ann' })
    await expect(customers.insert(shop.ada, { name: 'Ann' })).rejects.toMatchObject({ code: 'CONSTRAINT_UNIQUE' })
    expect(await customers.delete(shop.ada, id)).toBe(true)
    expect(await customers.delete(shop.ada, id)).toBe(false)
    expect(await customers.find(shop.ada, id)).toBeUndefined()
    expect(await customers.find(shop.ada, id, { withDeleted: true })).toMatchObject({
      name: 'Ann',
      deleted_at: expect.any(Date),
    })
    expect(await customers.count(shop.ada)).toBe(0)
    await expect(customers.update(shop.ada, id, { mood: 'sad' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const { id: other } = await customers.insert(shop.ada, { name: 'Ann' })
    await expect(customers.restore(shop.ada, id)).rejects.toMatchObject({ code: 'CONSTRAINT_UNIQUE' })
    expect(await customers.delete(shop.ada, other)).toBe(true)
    expect(await customers.restore(shop.ada, id)).toBe(true)
    expect(await customers.restore(shop.ada, id)).toBe(false)
    expect(await customers.count(shop.ada)).toBe(1)
    await expect(r['customers'].restore(shop.ada, id)).rejects.toMatchObject({ code: 'QUERY_FILTER' })
  })

  it('checks values by generated schemas, with paths and without the values', async () => {
    const customers = repository(shop.tables.customers, { schemas: shop.schemas.customers })
    const error = await customers
      .insert(shop.ada, { name: 'Ann', mood: 'hunter2', details: { a: 1 } })
      .catch((thrown: unknown) => thrown)
    expect(isValuesInvalid(error)).toBe(true)
    expect(error).toMatchObject({
      name: 'ValuesError',
      table: 'customers',
      issues: [{ path: ['mood'], message: expect.any(String) }],
    })
    expect(JSON.stringify([error, (error as Error).message])).not.toContain('hunter2')
    await expect(customers.insertMany(shop.ada, [{ name: 'a' }, { name: 5 }])).rejects.toMatchObject({
      issues: [{ path: [1, 'name'] }],
    })
    const { id } = await customers.insert(shop.ada, { name: 'Ann', details: { a: [1] } })
    expect(
      await customers.update(
        shop.ada,
        id,
        { details: patch((p) => p.set('b' as never, 2 as never)) },
        { returning: ['details'] },
      ),
    ).toEqual({ details: { a: [1], b: 2 } })
    await expect(customers.update(shop.ada, id, { mood: 'x' })).rejects.toMatchObject({ code: 'VALUES_INVALID' })
  })
})

describe('options', () => {
  it('that name no column are refused', async () => {
    const table = { key: 'x', columns: {} }
    expect(() => repository(table, { softDelete: 'gone' })).toThrowError(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    )
  })
})
