/** Repositories of materialized views: read as any table, and never written. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openShop, repository, type Shop, shopKinds } from '../../support/shop.ts'

describe.each(shopKinds)('a materialized view on %s', (kind) => {
  let shop: Shop
  // biome-ignore lint/suspicious/noExplicitAny: the tables are generated while the test runs; their types are tried in tests/types.
  let keyed: any
  beforeAll(async () => {
    shop = await openShop(
      kind,
      {},
      `insert into tags select i, 'tag ' || i from generate_series(1, 7) i;
       create materialized view keyed as select id, label from tags; create unique index on keyed (id);
       create materialized view totals as select nullif(id % 4, 0) as rest, nullif(id % 2, 0) as odd, count(*) as count from tags group by 1, 2;
       create unique index on totals (rest, odd) nulls not distinct;
       create materialized view loose as select id, lower(label) as label from tags; create unique index on loose (label);
       grant select on keyed, totals, loose to authenticated`,
    )
    keyed = repository(shop.tables.keyed)
  }, 60_000)
  afterAll(() => shop[Symbol.asyncDispose]())

  it('is found, listed and paged by a unique index', async () => {
    expect(await keyed.find(shop.ada, { id: 3 })).toEqual({ id: 3, label: 'tag 3' })
    const first = await keyed.page(shop.ada, { limit: 4 })
    const rest = await keyed.page(shop.ada, { limit: 4, after: first.endCursor })
    expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  it.each(['asc', 'desc'])('is paged %s by a unique index whose nulls are not distinct', async (direction) => {
    const totals = repository(shop.tables.totals)
    const all = await totals.list(shop.ada)
    const seen: unknown[] = []
    for (let after: string | undefined, turns = 0; turns < 10; turns++) {
      const page = await totals.page(shop.ada, { limit: 1, after, orderBy: { odd: direction } })
      seen.push(...page.items)
      after = page.endCursor
      if (!page.hasNext) break
    }
    expect(seen).toHaveLength(4)
    expect(seen).toEqual(expect.arrayContaining(all))
  })

  it('says which index pages need', async () => {
    await expect(repository(shop.tables.loose).page(shop.ada, { limit: 1 })).rejects.toMatchObject({
      code: 'QUERY_FILTER',
      hint: expect.stringContaining('NULLS NOT DISTINCT'),
    })
  })

  it.each([
    ['insert', [{}]],
    ['insertMany', [[{}]]],
    ['upsert', [{}, { on: ['id'] }]],
    ['update', [{ id: 1 }, { label: 'x' }]],
    ['updateWhere', [{ id: 1 }, { label: 'x' }]],
    ['delete', [{ id: 1 }]],
    ['deleteWhere', [{ id: 1 }]],
    ['lock', [{ where: { id: 1 } }]],
  ])('refuses %s with the reason', async (method, args) => {
    const before = shop.db.stats().roundTrips
    await expect(keyed[method](shop.service, ...args)).rejects.toMatchObject({
      code: 'QUERY_FILTER',
      message: expect.stringContaining('materialized view'),
      hint: expect.stringContaining('refreshView()'),
    })
    expect(shop.db.stats().roundTrips).toBe(before)
  })
})
