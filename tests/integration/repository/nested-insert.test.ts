/** Rows inserted with the rows that belong to them, on a server and on PGlite. */
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openShop, repositoriesOf, type Shop, shopKinds } from '../../support/shop.ts'

describe.each(shopKinds)('on %s', (kind) => {
  let shop: Shop
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let r: Record<string, any>

  beforeAll(async () => {
    shop = await openShop(kind)
    r = repositoriesOf(shop)
  }, 60_000)
  beforeEach(async () => {
    for (const table of ['customers', 'tags', 'employees']) await shop.service.deleteFrom(table).execute()
  })
  afterAll(async () => {
    await shop[Symbol.asyncDispose]()
  })

  const tree = {
    name: 'Ann',
    details: { vip: true },
    orders: [
      {
        number: 1,
        total: '10.50',
        tags: ['a', 'b'],
        orderItems: [
          { line: 1, sku: 'x', price: 5n, photo: Buffer.from([1]), span: '[1,5)', doc: { a: 1 } },
          { line: 2, sku: 'y', price: '9007199254740993', moods: ['sad'] },
        ],
      },
      { number: 2, placed_at: new Date(0) },
      { number: 3, orderItems: [{ line: 1, sku: 'z', price: 1 }] },
      { number: 4, note: 'last' },
    ],
    tags: [
      { id: 1, label: 'one' },
      { id: 2, label: 'two' },
    ],
  }
  const load = {
    tags: { orderBy: { id: 'asc' } },
    orders: {
      select: ['number', 'total', 'tags', 'placed_at', 'note'],
      orderBy: { number: 'asc' },
      load: {
        orderItems: { select: ['line', 'sku', 'price', 'photo', 'span', 'doc', 'moods'], orderBy: { line: 'asc' } },
      },
    },
  }
  const nothing = { photo: null, span: null, doc: null, moods: null }
  const expected = {
    name: 'Ann',
    tags: tree.tags,
    orders: [
      {
        number: 1,
        total: '10.50',
        tags: ['a', 'b'],
        placed_at: null,
        note: null,
        orderItems: [
          { line: 1, sku: 'x', price: '5', photo: Buffer.from([1]), span: '[1,5)', doc: { a: 1 }, moods: null },
          { ...nothing, line: 2, sku: 'y', price: '9007199254740993', moods: ['sad'] },
        ],
      },
      { number: 2, total: '0.00', tags: [], placed_at: new Date(0), note: null, orderItems: [] },
      {
        number: 3,
        total: '0.00',
        tags: [],
        placed_at: null,
        note: null,
        orderItems: [{ ...nothing, line: 1, sku: 'z', price: '1' }],
      },
      { number: 4, total: '0.00', tags: [], placed_at: null, note: 'last', orderItems: [] },
    ],
  }

  it.each(['statement', 'transaction'])('inserts a tree by a %s, under the session’s policies', async (strategy) => {
    await r['tags'].count(shop.ada)
    const before = shop.db.stats().roundTrips
    const row = await r['customers'].insert(shop.ada, tree, { returning: ['id', 'owner'], strategy })
    if (strategy === 'statement') expect(shop.db.stats().roundTrips - before).toBe(1)
    expect(row).toEqual({ id: expect.any(String), owner: 'ada' })
    expect(await r['customers'].get(shop.ada, row.id, { select: ['name'], load })).toEqual(expected)
    expect(await r['customers'].find(shop.bob, row.id)).toBeUndefined()
    await expect(
      r['customers'].insert(shop.ada, { ...tree, owner: 'bob', tags: [] }, { strategy }),
    ).rejects.toMatchObject({ code: 'ACCESS_POLICY' })
    expect(await r['customers'].count(shop.service)).toBe(1)
  })

  it.each(['statement', 'transaction'])('inserts all or nothing by a %s', async (strategy) => {
    await expect(
      r['customers'].insert(
        shop.ada,
        { name: 'Ann', orders: [{ number: 1, orderItems: [{ line: 1, sku: 'x', price: -1 }] }] },
        { strategy },
      ),
    ).rejects.toMatchObject({ code: 'CONSTRAINT_CHECK' })
    expect(await r['customers'].count(shop.service)).toBe(0)
    expect(await r['orders'].count(shop.service)).toBe(0)
  })

  it('inserts into tables that lead to themselves, and rows that have nothing but their parent', async () => {
    await r['employees'].insert(shop.ada, {
      id: 1,
      name: 'boss',
      employeesByManager: [
        { id: 2, name: 'a', employeesByManager: [{ id: 3, name: 'b' }] },
        { id: 4, name: 'c' },
      ],
    })
    expect(await r['employees'].list(shop.ada, { select: ['id', 'manager_id'], orderBy: { id: 'asc' } })).toEqual([
      { id: 1, manager_id: null },
      { id: 2, manager_id: 1 },
      { id: 3, manager_id: 2 },
      { id: 4, manager_id: 1 },
    ])
    const { id } = await r['customers'].insert(shop.ada, { name: 'Ann', wide: [{ id: 1 }, { id: 2, c0: 5 }] })
    expect(await r['wide'].list(shop.ada, { select: ['customer_id', 'c0'], orderBy: { id: 'asc' } })).toEqual([
      { customer_id: id, c0: null },
      { customer_id: id, c0: 5 },
    ])
    await shop.service.deleteFrom('wide').execute()
    const joined = await r['tags'].insert(shop.ada, { id: 9, label: 'nine', customers: [{ name: 'Bea' }] })
    expect(joined).toEqual({ id: 9, label: 'nine' })
    expect(
      await r['customers'].list(shop.ada, { where: { name: 'Bea' }, select: ['name'], load: { tags: true } }),
    ).toEqual([{ name: 'Bea', tags: [{ id: 9, label: 'nine' }] }])
    expect(await r['customers'].insert(shop.ada, { name: 'Cy', orders: [] }, { returning: ['name'] })).toEqual({
      name: 'Cy',
    })
    expect(await r['customers'].insert(shop.ada, { name: 'Di', orders: [{ number: 1 }] }, { returning: [] })).toEqual(
      {},
    )
  })

  it('inserts one after the other where a policy looks the parent up', async () => {
    await sql`alter table orders enable row level security`.execute(shop.service)
    await sql`create policy orders_customer_policy on orders to authenticated
      using (exists (select from customers as c where c.id = customer_id))`.execute(shop.service)
    try {
      const one = { name: 'Ann', orders: [{ number: 1 }, { number: 2, orderItems: [{ line: 1, sku: 'x', price: 1 }] }] }
      // In one statement the parent is not to be seen yet: refused, and nothing is left.
      await expect(r['customers'].insert(shop.ada, one)).rejects.toMatchObject({ code: 'ACCESS_POLICY' })
      expect(await r['customers'].count(shop.service)).toBe(0)
      const { id } = await r['customers'].insert(shop.ada, one, { strategy: 'transaction' })
      expect(await r['orders'].count(shop.ada, { customer_id: id })).toBe(2)
      expect(await r['orders'].count(shop.bob)).toBe(0)
    } finally {
      await sql`alter table orders disable row level security`.execute(shop.service)
      await sql`drop policy orders_customer_policy on orders`.execute(shop.service)
    }
  })

  it('leaves out what belongs to a row that a trigger left out', async () => {
    await sql`create function nobody() returns trigger language plpgsql as 'begin return null; end'`.execute(
      shop.service,
    )
    await sql`create trigger nobody_trg before insert on customers for each row when (new.name = 'Nobody') execute function nobody()`.execute(
      shop.service,
    )
    try {
      for (const strategy of ['statement', 'transaction'])
        expect(
          await r['customers'].insert(shop.ada, { name: 'Nobody', orders: [{ number: 1 }] }, { strategy }),
        ).toEqual({})
      expect(await r['orders'].count(shop.service)).toBe(0)
    } finally {
      await sql`drop function nobody cascade`.execute(shop.service)
    }
  })

  it.each([
    [{ name: 'x', orders: { number: 1 } }, 'orders is not a list of rows'],
    [{ name: 'x', orders: null }, 'orders is not a list of rows'],
    [{ name: 'x', orders: ['y'] }, 'a row is no object'],
    [{ name: 'x', orders: [{ number: 1, customer_id: 5 }] }, 'customer_id is given'],
    [{ name: 'x', orders: [{ number: 1, nothing: 5 }] }, 'there is no column of that name'],
    [{ name: 'x', orders: [{ number: 1, customer: { name: 'y' } }] }, 'customer is no row that belongs'],
    [{ name: 'x', nothing: [] }, 'there is no column of that name'],
  ])('refuses %j', async (values, message) => {
    await expect(r['customers'].insert(shop.ada, values)).rejects.toMatchObject({
      code: 'QUERY_FILTER',
      message: expect.stringContaining(message),
    })
    expect(await r['customers'].count(shop.service)).toBe(0)
  })
})
