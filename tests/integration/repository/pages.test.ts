/** Pages by key: every row once in every order, forwards and backwards, with microseconds and nulls; and cursors that cannot be changed. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase } from '../../../src/index.ts'
import { cursorKeys, openShop, repository, type Shop, shopKinds } from '../../support/shop.ts'

interface Row {
  readonly id: string
  readonly placed_at: Date | null
  readonly note: string | null
  readonly number: number
  readonly total: string
}

describe.each(shopKinds)('on %s', (kind) => {
  let shop: Shop
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let orders: any
  let count = 0

  beforeAll(async () => {
    shop = await openShop(kind)
    orders = repository(shop.tables.orders)
    const customers = repository(shop.tables.customers)
    const { id } = await customers.insert(shop.ada, { name: 'Ann' })
    // Ten of each time lie within one millisecond, and notes repeat.
    const rows = Array.from({ length: 60 }, (_, i) => ({
      customer_id: id,
      number: i,
      total: String(i % 7),
      placed_at:
        i % 6 === 0 ? null : `2024-01-0${1 + (i % 3)}T08:00:00.${String(100_000 + (i % 10)).padStart(6, '0')}Z`,
      note: i % 5 === 0 ? null : ["it's", '"q"', '\\', 'ä', ''][i % 5],
    }))
    await orders.insertMany(shop.ada, rows)
    count = rows.length
  }, 60_000)
  afterAll(async () => {
    await shop[Symbol.asyncDispose]()
  })

  const walk = async (options: object, direction: 'after' | 'before', limit: number): Promise<readonly Row[]> => {
    const found: Row[] = []
    let cursor: string | undefined
    if (direction === 'before') {
      // From behind the last row: the last page of all, then what is before it.
      const all = await orders.page(shop.ada, { ...options, limit: count + 1 })
      found.push(all.items.at(-1))
      cursor = all.endCursor
    }
    for (let turns = 0; turns < count + 2; turns++) {
      const page = await orders.page(shop.ada, { ...options, limit, [direction]: cursor })
      if (page.items.length === 0) return found
      if (direction === 'after') found.push(...page.items)
      else found.unshift(...page.items)
      cursor = direction === 'after' ? page.endCursor : page.startCursor
      if (!(direction === 'after' ? page.hasNext : page.hasPrevious)) return found
    }
    throw new Error('pages without end')
  }

  const direction = fc.oneof(
    fc.constantFrom('asc', 'desc'),
    fc.record({ direction: fc.constantFrom('asc', 'desc'), nulls: fc.constantFrom('first', 'last') }),
  )
  const order = fc
    .uniqueArray(fc.tuple(fc.constantFrom('placed_at', 'note', 'total', 'number', 'tags'), direction), {
      selector: ([column]) => column,
      maxLength: 3,
    })
    .map((entries) => entries.map(([column, how]) => ({ [column]: how })))

  it('hold every row once, in the order that one query has', { timeout: 120_000 }, async () => {
    for (const [orderBy, limit] of fc.sample(fc.tuple(order, fc.integer({ min: 1, max: 25 })), {
      seed: 7,
      numRuns: 25,
    })) {
      const ids = (rows: readonly Row[]) => rows.map(({ id }) => id)
      const all = (await orders.page(shop.ada, { orderBy, limit: count + 1 })).items
      expect(all).toHaveLength(count)
      const sorted = await orders.list(shop.ada, { orderBy })
      // The same as ORDER BY alone, up to ties.
      const columns = orderBy.flatMap((each) => Object.keys(each)) as (keyof Row)[]
      const parts = (rows: readonly Row[]) => rows.map((row) => columns.map((column) => String(row[column])))
      expect(parts(all)).toEqual(parts(sorted))
      expect(ids(await walk({ orderBy }, 'after', limit)), JSON.stringify({ orderBy, limit })).toEqual(ids(all))
      expect(ids(await walk({ orderBy }, 'before', limit)), JSON.stringify({ orderBy, limit })).toEqual(ids(all))
    }
  })

  it('go on in a transaction, and from one', async () => {
    const options = { orderBy: { placed_at: 'asc' }, limit: 7 }
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const { endCursor } = (await shop.ada.transaction((trx: any) => orders.page(trx, options))) as any
    expect(endCursor).toEqual(expect.any(String))
    const next = await orders.page(shop.ada, { ...options, after: endCursor })
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const same = (trx: any) => orders.page(trx, { ...options, after: endCursor })
    expect(await shop.ada.transaction(same)).toEqual(next)
    expect(await shop.ada.transaction().execute(same)).toEqual(next)
  })

  it('tell what is before and after, and how many there are', async () => {
    const first = await orders.page(shop.ada, {
      orderBy: { number: 'asc' },
      limit: 50,
      total: 'exact',
      where: { number: { gte: 0 } },
      load: { customer: { select: ['name'] } },
    })
    expect(first).toMatchObject({ hasNext: true, hasPrevious: false, total: 60 })
    expect(first.items[49]).toMatchObject({ number: 49, customer: { name: 'Ann' } })
    expect(Object.keys(first.items[0])).toEqual([...Object.keys(shop.tables.orders.columns), 'customer'])
    const second = await orders.page(shop.ada, {
      orderBy: { number: 'asc' },
      limit: 50,
      after: first.endCursor,
      total: 'estimate',
    })
    expect(second).toMatchObject({ hasNext: false, hasPrevious: true, total: expect.any(Number) })
    expect(second.items).toHaveLength(10)
    const none = await orders.page(shop.ada, { where: { number: 99 }, limit: 5, total: 'exact' })
    expect(none).toEqual({
      items: [],
      startCursor: undefined,
      endCursor: undefined,
      hasNext: false,
      hasPrevious: false,
      total: 0,
    })
    const before = shop.db.stats().roundTrips
    await orders.page(shop.ada, { limit: 5, total: 'exact', load: { orderItems: true } })
    expect(shop.db.stats().roundTrips - before).toBe(1)
  })

  it('keep to one tenant, whoever the cursor came from', async () => {
    const { endCursor } = await repository(shop.tables.customers).page(shop.ada, { limit: 1 })
    expect((await repository(shop.tables.customers).page(shop.bob, { limit: 5, before: endCursor })).items).toEqual([])
  })

  it('refuse cursors that were changed, are of another order or table, and options that are none', async () => {
    const { endCursor } = await orders.page(shop.ada, { orderBy: { number: 'asc' }, limit: 5 })
    const [body, signature] = endCursor.split('.')
    const forged = Buffer.from(Buffer.from(body, 'base64url').toString().replace('4', '5')).toString('base64url')
    for (const after of [
      `${forged}.${signature}`,
      `${body}.`,
      body,
      '',
      'x.y',
      `${endCursor}.x`,
      `${body}.${signature.slice(0, -2)}`,
    ])
      await expect(orders.page(shop.ada, { orderBy: { number: 'asc' }, limit: 5, after })).rejects.toMatchObject({
        code: 'CURSOR_INVALID',
        message: expect.stringContaining('not one that'),
      })
    for (const orderBy of [{ number: 'desc' }, { total: 'asc' }, undefined])
      await expect(orders.page(shop.ada, { orderBy, limit: 5, after: endCursor })).rejects.toMatchObject({
        code: 'CURSOR_INVALID',
        message: expect.stringContaining('another order'),
      })
    for (const options of [
      {},
      { limit: 0 },
      { limit: 1e9 },
      { limit: 5, after: endCursor, before: endCursor },
      { limit: 5, total: 'some' },
    ])
      await expect(orders.page(shop.ada, options)).rejects.toMatchObject({ code: 'QUERY_FILTER' })
  })
})

describe.each(shopKinds)('of floats whose text lacks digits, on %s', (kind) => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop(
      kind,
      {},
      `do $$ begin execute format('alter database %I set extra_float_digits = 0', current_database()); end $$; set extra_float_digits = 0;
       create table doubles (id float8 primary key, half float4 not null, maybe float8, days date[] not null);
       insert into doubles select id, 0.1::float4 + (i * 7.450580596923828e-9)::float4, nullif(id, 1.5), array['2024-01-01'::date + i]
         from generate_series(1, 40) i, lateral (select 1 + i * 2.220446049250313e-16::float8 as id) made;
       insert into doubles select value, case when value > 0 then 'Infinity' else 'NaN' end::float4, value, '{}'
         from unnest('{1.5,-1.7976931348623157e308,1.7976931348623157e308,5e-324,NaN,Infinity,-Infinity}'::float8[]) as value;
       grant select on doubles to authenticated`,
    )
  }, 60_000)
  afterAll(() => shop[Symbol.asyncDispose]())

  it.each([
    ['a key', undefined],
    ['a key backwards', { id: 'desc' }],
    ['a float4', { half: 'asc' }],
    ['what may be null', [{ maybe: 'desc' }, { half: 'asc' }]],
    ['an array of days', { days: 'asc' }],
  ])('pages by %s hold every row once', async (_, orderBy) => {
    const doubles = repository(shop.tables.doubles)
    const all = await doubles.count(shop.ada)
    expect(all).toBeGreaterThan(40)
    const seen: string[] = []
    for (let after: string | undefined, turns = 0; turns < 30; turns++) {
      const page = await doubles.page(shop.ada, { orderBy, limit: 3, after })
      seen.push(
        ...page.items.map(({ days, half, id }: Record<string, unknown>) => JSON.stringify([days, half, String(id)])),
      )
      after = page.endCursor
      if (!page.hasNext) break
    }
    expect(seen).toHaveLength(all)
  })
})

describe('cursor keys', () => {
  it('may be changed while cursors are out, in another process too', { timeout: 60_000 }, async () => {
    await using shop = await openShop('server')
    const customers = repository(shop.tables.customers)
    await customers.insertMany(shop.ada, [{ name: 'Ann' }, { name: 'Ben' }])
    const { metadata } = await shop.folder.import('metadata.ts')
    const [old = ''] = cursorKeys
    const newer = 'a-newer-key-of-more-than-thirty-two-characters'
    const script = `
      import { createDatabase } from ${JSON.stringify(new URL('../../../src/index.ts', import.meta.url).href)}
      import { createRepository } from ${JSON.stringify(new URL('../../../src/repository/index.ts', import.meta.url).href)}
      import { tables } from ${JSON.stringify(pathToFileURL(join(shop.folder.path, 'metadata.ts')).href)}
      const db = createDatabase({ connection: ${JSON.stringify(shop.loginUrl)}, cursorKeys: [${JSON.stringify(old)}] })
      const me = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
      console.log((await createRepository(tables.customers).page(me, { orderBy: { name: 'asc' }, limit: 1 })).endCursor)
      await db.close()`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    const after = stdout.trim()
    const next = async (keys: readonly string[] | undefined) => {
      const options = keys === undefined ? {} : { cursorKeys: keys }
      await using db = createDatabase({ connection: shop.loginUrl ?? '', metadata, ...options })
      const me = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
      return await customers.page(me, { orderBy: { name: 'asc' }, limit: 1, after })
    }
    expect((await next([newer, old])).items).toMatchObject([{ name: 'Ben' }])
    await expect(next([newer])).rejects.toMatchObject({ code: 'CURSOR_INVALID' })
    await expect(next(undefined)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      hint: expect.stringContaining('openssl'),
    })
    await expect(next(['short'])).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(next([])).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })
})
