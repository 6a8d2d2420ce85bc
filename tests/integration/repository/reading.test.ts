/** Reading by repositories, in sessions under row-level security: on a server and on PGlite. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openShop, repositoriesOf, type Shop, shopKinds, wideColumns } from '../../support/shop.ts'

describe.each(shopKinds)('on %s', (kind) => {
  let shop: Shop
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let r: Record<string, any>
  let annId: string

  beforeAll(async () => {
    shop = await openShop(kind)
    r = repositoriesOf(shop)
    const { ada, bob, service } = shop
    await service
      .insertInto('tags')
      .values([1, 2, 3].map((id) => ({ id, label: `tag ${id}` })))
      .execute()
    await service
      .insertInto('employees')
      .values([
        { id: 1, name: 'boss', manager_id: null, rank: null },
        { id: 2, name: 'one', manager_id: 1, rank: 5 },
        { id: 3, name: 'two', manager_id: 1, rank: 3 },
        { id: 4, name: 'three', manager_id: 2, rank: null },
      ])
      .execute()
    const ann = await r['customers'].insert(ada, {
      name: 'Ann',
      email: 'ann@example.org',
      mood: 'happy',
      details: { tags: ['vip', 'eu'], level: 3 },
    })
    annId = ann.id
    await r['customers'].insert(ada, { name: 'Ben', details: { level: 'low' } })
    await r['customers'].insert(bob, { name: 'Cat', email: 'cat@example.org' })
    for (let number = 1; number <= 12; number++)
      await r['orders'].insert(ada, {
        customer_id: ann.id,
        number,
        total: `${number}.10`,
        placed_at: `2024-01-${10 + number}T08:00:00.${100000 + number}Z`,
        tags: number % 2 === 0 ? ['even', 'a,"b'] : [],
      })
    const [first] = await r['orders'].list(ada, { where: { number: 1 } })
    await r['order_items'].insert(ada, {
      order_id: first.id,
      line: 1,
      sku: 'x',
      price: '9007199254740993',
      big: '-9223372036854775808',
      ratio: 0.1,
      photo: Buffer.from([0, 255]),
      day: '2024-02-29',
      span: '[1,5)',
      hours: '[2024-01-01 00:00:00+00,)',
      moods: ['sad', 'ok'],
      labels: ['l', null, 'm"'],
      wait: '1 day 2 hours',
      spot: '(1,2.5)',
      doc: { a: [1, null] },
      address: '10.0.0.1',
    })
    await r['order_items'].insert(ada, { order_id: first.id, line: 2, sku: 'y', price: 1, ratio: 'NaN' })
    for (const id of [1, 3]) await r['customer_tags'].insert(ada, { customer_id: ann.id, tag_id: id })
    await r['articles'].insertMany(ada, [
      { title: 'Green oak', body: 'a tree' },
      { title: 'Red car', plain: { a: 1 } },
      { title: 'Oak table', json_list: [1, 2] },
    ])
    await r['wide'].insert(ada, {
      id: 1,
      customer_id: ann.id,
      ...Object.fromEntries(wideColumns.map((name, i) => [name, i])),
    })
  }, 60_000)
  afterAll(async () => {
    await shop[Symbol.asyncDispose]()
  })

  const names = async (where: unknown, executor: unknown = shop.ada) =>
    (await r['customers'].list(executor, { where, orderBy: { name: 'asc' } })).map(({ name }: { name: string }) => name)

  it('finds by primary, composite and unique keys, under row-level security', async () => {
    const { ada, bob } = shop
    expect(await r['customers'].find(ada, annId)).toMatchObject({ name: 'Ann', mood: 'happy', owner: 'ada' })
    expect(await r['customers'].find(bob, annId)).toBeUndefined()
    // As a control: without row-level security it is there.
    expect(await r['customers'].find(shop.service, annId)).toMatchObject({ name: 'Ann' })
    await expect(r['customers'].get(bob, annId)).rejects.toMatchObject({ name: 'NotFoundError', table: 'customers' })
    expect(await r['customers'].find(ada, { email: 'ann@example.org' }, { select: ['name'] })).toEqual({ name: 'Ann' })
    const order = await r['orders'].find(ada, { customer_id: annId, number: 3 })
    expect(await r['order_items'].find(ada, { order_id: order.id, line: 1 })).toBeUndefined()
    expect(
      (await r['orders'].findMany(ada, [{ customer_id: annId, number: 5 }, order.id])).map(
        ({ number }: { number: number }) => number,
      ),
    ).toEqual([5, 3])
    // The server says which values are the same.
    const ids = [order.id.toUpperCase(), order.id, '00000000-0000-0000-0000-000000000000']
    expect((await r['orders'].findMany(ada, ids)).map(({ id }: { id: string }) => id)).toEqual([order.id, order.id])
    expect(
      await r['orders'].findMany(ada, [{ number: '3', customer_id: annId }], {
        select: ['number'],
        load: { customer: { select: ['name'] } },
      }),
    ).toEqual([{ number: 3, customer: { name: 'Ann' } }])
    expect(await r['orders'].findMany(ada, [])).toEqual([])
    for (const key of [undefined, null, {}, { name: 'Ann' }, { email: null }, { id: 1, email: 'x' }])
      await expect(r['customers'].find(ada, key)).rejects.toMatchObject({ code: 'QUERY_FILTER' })
  })

  it('filters by every kind of condition', async () => {
    expect(await names({ name: 'Ann' })).toEqual(['Ann'])
    expect(await names({ email: null })).toEqual(['Ben'])
    expect(await names({ email: { ne: 'ann@example.org' } })).toEqual(['Ben'])
    expect(await names({ email: { notIn: ['x'] } })).toEqual(['Ann', 'Ben'])
    expect(await names({ email: { notIn: ['x', null] } })).toEqual(['Ann'])
    expect(await names({ email: { in: ['ann@example.org', null] } })).toEqual(['Ann', 'Ben'])
    expect(await names({ name: { in: [] } })).toEqual([])
    expect(await names({ name: { notIn: [] } })).toEqual(['Ann', 'Ben'])
    expect(await names({ mood: { in: ['ok', 'happy'] }, name: { startsWith: 'A' } })).toEqual(['Ann'])
    expect(await names({ name: { ilike: 'a%' } })).toEqual(['Ann'])
    expect(await names({ or: [{ name: 'Ann' }, { email: { isNull: true } }] })).toEqual(['Ann', 'Ben'])
    expect(await names({ or: [] })).toEqual([])
    expect(await names({ not: { name: 'Ann' } })).toEqual(['Ben'])
    expect(await names({ and: [{ name: { gte: 'A' } }, { name: { lt: 'B' } }] })).toEqual(['Ann'])
    expect(await names({ details: { tags: { has: 'vip' }, level: { gt: 2 } } })).toEqual(['Ann'])
    expect(await names({ created_at: { between: [new Date(0), new Date(Date.now() + 60_000)] } })).toEqual([
      'Ann',
      'Ben',
    ])
    // biome-ignore lint/suspicious/noExplicitAny: as above
    expect(await names((eb: any) => eb.or([eb('name', '=', 'Ben'), sql`false`]))).toEqual(['Ben'])
    const orders = async (where: unknown) =>
      (await r['orders'].list(shop.ada, { where, orderBy: { number: 'asc' } })).map(
        ({ number }: { number: number }) => number,
      )
    expect(await orders({ tags: { has: 'even' }, number: { lte: 4 } })).toEqual([2, 4])
    expect(await orders({ tags: { hasAny: ['a,"b', 'x'] }, number: { lt: 3 } })).toEqual([2])
    expect(await orders({ tags: { hasAll: ['even', 'a,"b'] }, number: 6 })).toEqual([6])
    expect(await orders({ tags: { isEmpty: true }, number: { lt: 4 } })).toEqual([1, 3])
    expect(await orders({ tags: ['even', 'a,"b'], number: { lt: 4 } })).toEqual([2])
    expect(await orders({ total: { gt: '9.5' } })).toEqual([10, 11, 12])
    const items = async (where: unknown) =>
      (await r['order_items'].list(shop.ada, { where })).map(({ line }: { line: number }) => line)
    expect(await items({ span: { contains: '[2,3)' } })).toEqual([1])
    expect(await items({ span: { overlaps: '[7,9)' } })).toEqual([])
    expect(await items({ big: '-9223372036854775808' })).toEqual([1])
    expect(await items({ moods: { has: 'sad' } })).toEqual([1])
    expect(await items({ doc: { a: { has: 1 } } })).toEqual([1])
    const articles = async (where: unknown) =>
      (await r['articles'].list(shop.ada, { where, orderBy: { id: 'asc' } })).map(
        ({ title }: { title: string }) => title,
      )
    expect(await articles({ words: { matches: { query: 'oak -table', config: 'simple' } } })).toEqual(['Green oak'])
    expect(await articles({ json_list: { has: 2 } })).toEqual(['Oak table'])
    expect(await articles({ plain: { a: 1 } })).toEqual(['Red car'])
  })

  it('refuses filters that are none, with what may be asked and without values', async () => {
    for (const where of [
      { nothing: 1 },
      { name: undefined },
      { name: { like: 1 } },
      { name: { foo: 1 } },
      { name: {} },
      { name: { in: 'hunter2' } },
      { name: { in: [undefined] } },
      { name: { gt: null } },
      { and: {} },
      { name: { contains: 'x' } },
      { name: { matches: 'x' } },
      'hunter2',
      { details: { gt: 1, x: 1 } },
      { email: { between: ['a'] } },
    ]) {
      const attempt = r['customers'].list(shop.ada, { where })
      await expect(attempt).rejects.toMatchObject({
        code: 'QUERY_FILTER',
        message: expect.not.stringContaining('hunter2'),
      })
    }
    for (const options of [
      { orderBy: 'name' },
      { orderBy: { nothing: 'asc' } },
      { orderBy: { name: 'up' } },
      { limit: -1 },
      { select: [] },
      { select: ['x'] },
      { load: { nothing: true } },
      { load: { orders: { wher: {} } } },
      { strategy: 'x' },
    ])
      await expect(r['customers'].list(shop.ada, options)).rejects.toMatchObject({ code: 'QUERY_FILTER' })
    expect(await names({})).toEqual(['Ann', 'Ben'])
  })

  it('counts, tells whether there is one, and aggregates', async () => {
    expect(await r['customers'].count(shop.ada)).toBe(2)
    expect(await r['customers'].count(shop.bob)).toBe(1)
    expect(await r['orders'].count(shop.ada, { number: { gt: 10 } })).toBe(2)
    expect(await r['customers'].exists(shop.ada, { name: 'Ann' })).toBe(true)
    expect(await r['customers'].exists(shop.bob, { name: 'Ann' })).toBe(false)
    expect(
      await r['orders'].aggregate(shop.ada, {
        sum: ['total', 'number'],
        min: ['placed_at'],
        max: ['number'],
        avg: ['number'],
      }),
    ).toEqual([
      {
        group: {},
        count: 12,
        sum: { total: '79.20', number: '78' },
        min: { placed_at: expect.stringContaining('2024-01-11') },
        max: { number: '12' },
        avg: { number: expect.stringMatching(/^6\.50*$/) },
      },
    ])
    expect(
      await r['employees'].aggregate(shop.ada, { groupBy: ['manager_id'], where: { manager_id: { isNull: false } } }),
    ).toMatchObject([
      { group: { manager_id: 1 }, count: 2 },
      { group: { manager_id: 2 }, count: 1 },
    ])
  })

  it.each(['json', 'batch'])(
    'loads relations of every kind and depth as %s, with the values that rows have',
    async (strategy) => {
      const before = shop.db.stats().roundTrips
      const [ann, ben] = await r['customers'].list(shop.ada, {
        orderBy: { name: 'asc' },
        strategy,
        load: {
          orders: {
            select: ['number', 'total', 'placed_at', 'tags'],
            where: { number: { in: [1, 2, 3] } },
            orderBy: { number: 'desc' },
            limit: 2,
            load: { orderItems: { orderBy: { line: 'asc' } } },
          },
          tags: { orderBy: { id: 'desc' } },
          wide: true,
        },
      })
      if (strategy === 'json') expect(shop.db.stats().roundTrips - before).toBe(1)
      expect(ann.orders.map(({ number }: { number: number }) => number)).toEqual([3, 2])
      expect(ann.orders[1]).toEqual({
        number: 2,
        total: '2.10',
        placed_at: new Date('2024-01-12T08:00:00.100Z'),
        tags: ['even', 'a,"b'],
        orderItems: [],
      })
      expect(ann.tags).toEqual([
        { id: 3, label: 'tag 3' },
        { id: 1, label: 'tag 1' },
      ])
      expect(ann.wide).toHaveLength(1)
      expect(ann.wide[0]).toMatchObject({ id: 1, c0: 0, c64: 64, c129: 129 })
      expect(ben).toMatchObject({ name: 'Ben', orders: [], tags: [], wide: [] })

      const direct = await r['order_items'].list(shop.ada, { orderBy: { line: 'asc' } })
      const [order] = await r['orders'].list(shop.ada, {
        where: { number: 1 },
        strategy,
        load: {
          orderItems: { orderBy: { line: 'asc' } },
          customer: { select: ['name'], load: { orders: { select: ['id'], limit: 1 } } },
        },
      })
      expect(order.orderItems).toEqual(direct)
      expect(order.orderItems[0]).toMatchObject({
        price: '9007199254740993',
        big: '-9223372036854775808',
        ratio: 0.1,
        photo: Buffer.from([0, 255]),
        moods: ['sad', 'ok'],
        labels: ['l', null, 'm"'],
        doc: { a: [1, null] },
        spot: { x: 1, y: 2.5 },
      })
      expect(order.orderItems[1]).toMatchObject({ ratio: Number.NaN, big: null })
      expect(order.customer).toEqual({ name: 'Ann', orders: [expect.objectContaining({ id: expect.any(String) })] })

      const staff = await r['employees'].list(shop.ada, {
        orderBy: { id: 'asc' },
        strategy,
        load: { manager: { select: ['name'] }, employeesByManager: { select: ['name'], orderBy: { id: 'asc' } } },
      })
      expect(staff.map((each: { manager: { name: string } | null }) => each.manager?.name)).toEqual([
        undefined,
        'boss',
        'boss',
        'one',
      ])
      expect(staff[0].employeesByManager).toEqual([{ name: 'one' }, { name: 'two' }])
    },
  )

  it('filters by what belongs to a row, as far as the session sees it', async () => {
    const names = async (executor: unknown, where: object) =>
      (await r['customers'].list(executor, { where, select: ['name'], orderBy: { name: 'asc' } })).map(
        ({ name }: { name: string }) => name,
      )
    const { ada, service } = shop
    expect(await names(ada, { orders: { some: { number: 3 } } })).toEqual(['Ann'])
    expect(await names(ada, { orders: { none: {} } })).toEqual(['Ben'])
    expect(await names(service, { orders: { none: {} } })).toEqual(['Ben', 'Cat'])
    expect(await names(ada, { orders: { every: { number: { lt: 12 } } } })).toEqual(['Ben'])
    // A comparison with null is not true of every row.
    expect(await names(ada, { orders: { every: { note: { like: '%' } } } })).toEqual(['Ben'])
    expect(await names(ada, { orders: { some: { number: 1, orderItems: { some: { sku: 'x' } } } } })).toEqual(['Ann'])
    expect(await names(ada, { orders: { some: { number: 2, orderItems: { some: { sku: 'x' } } } } })).toEqual([])
    expect(await names(ada, { tags: { some: { label: 'tag 3' } } })).toEqual(['Ann'])
    expect(await names(ada, { tags: { some: { label: 'tag 2' } } })).toEqual([])
    expect(await names(ada, { not: { orders: { some: {} } }, name: 'Ben' })).toEqual(['Ben'])
    expect(await names(ada, { or: [{ orders: { some: {} } }, { name: 'Ben' }] })).toEqual(['Ann', 'Ben'])
    const numbers = { select: ['number'], orderBy: { number: 'asc' }, limit: 1 }
    const load = { orders: { select: ['number'], orderBy: { number: 'asc' }, where: { orderItems: { some: {} } } } }
    expect(await r['customers'].get(ada, annId, { select: ['name'], load })).toEqual({
      name: 'Ann',
      orders: [{ number: 1 }],
    })
    expect(await r['orders'].list(ada, { ...numbers, where: { customer: { name: 'Ann' } } })).toEqual([{ number: 1 }])
    // Rows that a policy hides are not there: no filter finds out about them.
    expect(await r['orders'].list(shop.bob, { ...numbers, where: { customer: { name: 'Ann' } } })).toEqual([])
    expect(await r['orders'].list(shop.bob, numbers)).toEqual([{ number: 1 }])
    const employees = async (where: object) =>
      (await r['employees'].list(ada, { where, orderBy: { id: 'asc' } })).map(({ id }: { id: number }) => id)
    expect(await employees({ manager: null })).toEqual([1])
    expect(await employees({ manager: { name: 'boss' } })).toEqual([2, 3])
    expect(await employees({ manager: { manager: { name: 'boss' } } })).toEqual([4])
    expect(await employees({ employeesByManager: { some: { employeesByManager: { some: { id: 4 } } } } })).toEqual([1])
    expect(await r['employees'].count(ada, { employeesByManager: { some: { rank: { gt: 4 } } } })).toBe(1)
    for (const where of [
      { orders: {} },
      { orders: null },
      { orders: { number: 1 } },
      { orders: { some: undefined } },
      { orders: { some: { nothing: 1 } } },
      { nothing: { some: {} } },
      { orders: undefined },
    ])
      await expect(names(ada, where)).rejects.toMatchObject({ code: 'QUERY_FILTER' })
  })

  it('loads nothing that a policy hides', async () => {
    const [order] = await r['orders'].list(shop.bob, { where: { number: 1 }, load: { customer: true } })
    expect(order.customer).toBeNull()
    expect(
      (await r['orders'].list(shop.service, { where: { number: 1 }, load: { customer: true } }))[0].customer,
    ).toMatchObject({ name: 'Ann' })
  })

  it('streams, with relations', async () => {
    const numbers: number[] = []
    for await (const { number, customer } of r['orders'].stream(shop.ada, {
      orderBy: { number: 'desc' },
      chunkSize: 5,
      load: { customer: { select: ['name'] } },
    })) {
      numbers.push(number)
      expect(customer).toEqual({ name: 'Ann' })
    }
    expect(numbers).toEqual(Array.from({ length: 12 }, (_, i) => 12 - i))
  })

  it('batches what is asked of a loader in one tick, once per key, for its executor alone', async () => {
    const load = r['customers'].loader(shop.ada)
    const before = shop.db.stats().roundTrips
    const found = await Promise.all([load(annId), load(annId), load('9999')])
    expect(shop.db.stats().roundTrips - before).toBe(1)
    expect(found).toEqual([
      expect.objectContaining({ name: 'Ann' }),
      expect.objectContaining({ name: 'Ann' }),
      undefined,
    ])
    expect(await r['customers'].loader(shop.bob)(annId)).toBeUndefined()
    await expect(load(null)).rejects.toMatchObject({ code: 'QUERY_FILTER' })
  })

  it('locks rows, explains, and works in transactions', async () => {
    await shop.ada.transaction().execute(async (trx: unknown) => {
      expect(
        await r['orders'].lock(trx, {
          where: { number: { lte: 2 } },
          locked: 'skip',
          select: ['number'],
          orderBy: { number: 'asc' },
        }),
      ).toEqual([{ number: 1 }, { number: 2 }])
    })
    await expect(r['orders'].lock(shop.ada, { where: {}, mode: 'x' })).rejects.toMatchObject({ code: 'QUERY_FILTER' })
    expect(await r['orders'].explain(shop.ada, { where: { number: 1 } })).toMatch(/Scan/)
    expect(await r['orders'].explain(shop.ada, { where: { number: 1 }, analyze: true })).toMatch(/actual/)
  })

  it('can be spread into an object of one’s own', async () => {
    const mine = {
      ...r['customers'],
      async happy(me: unknown) {
        return await r['customers'].list(me, { where: { mood: 'happy' }, select: ['name'] })
      },
    }
    expect(await mine.happy(shop.ada)).toEqual([{ name: 'Ann' }])
    expect(await mine.find(shop.ada, annId)).toMatchObject({ name: 'Ann' })
  })
})
