/** What is compiled once for each shape has to be what would be compiled anew, for every shape and every kind of executor. */
import { CamelCasePlugin, type KyselyPlugin, type RootOperationNode } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase } from '../../../src/index.ts'
import { patch } from '../../../src/jsonb/index.ts'
import { openShop, repositoriesOf, repository, type Shop } from '../../support/shop.ts'

describe('A shape that comes again', () => {
  let shop: Shop
  // biome-ignore lint/suspicious/noExplicitAny: the tables are generated while the test runs.
  let r: Record<string, any>

  beforeAll(async () => {
    shop = await openShop('server')
  })
  afterAll(() => shop[Symbol.asyncDispose]())
  // Repositories anew: nothing was compiled yet.
  beforeEach(async () => {
    r = repositoriesOf(shop)
    await shop.service.deleteFrom('customers').execute()
  })

  const insert = async (name: string, more = {}) => (await r['customers'].insert(shop.ada, { name, ...more })).id

  it('is found by each of its keys, with the columns that were asked for', async () => {
    const [ann, ben] = [
      await insert('Ann', { email: 'ann@example.org' }),
      await insert('Ben', { email: 'ben@example.org' }),
    ]
    for (let round = 0; round < 3; round++) {
      expect((await r['customers'].find(shop.ada, ann)).name).toBe('Ann')
      expect((await r['customers'].find(shop.ada, { id: ben })).name).toBe('Ben')
      expect((await r['customers'].find(shop.ada, { email: 'ben@example.org' })).id).toBe(ben)
      expect(await r['customers'].find(shop.ada, ann, { select: ['name'] })).toEqual({ name: 'Ann' })
      expect(await r['customers'].find(shop.ada, ben, { select: ['name', 'email'] })).toEqual({
        name: 'Ben',
        email: 'ben@example.org',
      })
      expect(await r['customers'].find(shop.bob, ann)).toBeUndefined()
      await expect(r['customers'].find(shop.ada, ann, { select: null })).rejects.toThrow('select is no list')
      await expect(r['customers'].find(shop.ada, ann, { select: ['name,email'] })).rejects.toThrow('no column')
      await expect(r['customers'].find(shop.ada, { id: null })).rejects.toThrow('no value')
    }
  })

  it('tells rows that are deleted from others', async () => {
    const customers = repository(shop.tables.customers, { softDelete: 'deleted_at' })
    const ann = await insert('Ann')
    expect((await customers.find(shop.ada, ann)).name).toBe('Ann')
    await customers.delete(shop.ada, ann)
    for (let round = 0; round < 2; round++) {
      expect(await customers.find(shop.ada, ann)).toBeUndefined()
      expect((await customers.find(shop.ada, ann, { withDeleted: true })).name).toBe('Ann')
    }
  })

  it('is inserted with the values of each row, json, null and the default among them', async () => {
    const rows = []
    for (const details of [{ a: 1 }, '{"b":2}', [1], { c: null }])
      rows.push(await r['customers'].insert(shop.ada, { name: `n${rows.length}`, details }, { returning: ['details'] }))
    expect(rows.map((row) => row.details)).toEqual([{ a: 1 }, { b: 2 }, [1], { c: null }])
    expect((await r['customers'].insert(shop.ada, { name: 'x', email: null })).email).toBeNull()
    expect((await r['customers'].insert(shop.ada, { name: 'y', email: 'y@example.org' })).email).toBe('y@example.org')
    await expect(r['customers'].insert(shop.ada, { name: 'z', details: undefined })).resolves.toMatchObject({
      details: {},
    })
  })

  it('is not mistaken for that of a row whose column is given a patch', async () => {
    const [patched, plain] = [
      { name: 'p', details: patch<{ a: number }>((details) => details.set('a', 1)) },
      { name: 'q', details: { a: 1 } },
    ]
    for (let round = 0; round < 2; round++) {
      // A patch changes what is there, and here nothing is.
      await r['customers'].insert(shop.ada, { ...patched, name: `p${round}` }).catch(() => {})
      expect((await r['customers'].insert(shop.ada, { ...plain, name: `q${round}` })).details).toEqual({ a: 1 })
    }
  })

  it('is compiled for each executor as its plugins have it', async () => {
    const ann = await insert('Ann')
    /** Moves every read to nothing, and is not one of those that are known to do the same every time. */
    class NothingPlugin implements KyselyPlugin {
      calls = 0
      transformQuery({ node }: { node: RootOperationNode }) {
        this.calls++
        return node
      }
      async transformResult({ result }: { result: { rows: Record<string, unknown>[] } }) {
        return { ...result, rows: [] }
      }
    }
    const plugin = new NothingPlugin()
    const nothing = shop.ada.withPlugin(plugin as never)
    const camel = shop.ada.withPlugin(new CamelCasePlugin({ maintainNestedObjectKeys: true }))
    const elsewhere = shop.ada.withSchema('nowhere')
    for (let round = 1; round <= 2; round++) {
      expect((await r['customers'].find(shop.ada, ann)).created_at).toBeInstanceOf(Date)
      expect(await r['customers'].find(nothing, ann)).toBeUndefined()
      expect(plugin.calls).toBe(round)
      expect((await r['customers'].find(camel, ann)).createdAt).toBeInstanceOf(Date)
      await expect(r['customers'].find(elsewhere, ann)).rejects.toMatchObject({ code: 'QUERY_UNDEFINED_OBJECT' })
    }
  })

  it('is not kept for ever', async () => {
    await using db = createDatabase({ connection: shop.loginUrl as string })
    const me = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
    const columns = Object.keys(shop.tables.customers.columns)
    const ann = await insert('Ann')
    for (let bits = 1; bits < 2 ** columns.length && bits < 600; bits++) {
      const select = columns.filter((_, i) => bits & (2 ** i))
      expect(Object.keys(await r['customers'].find(me, ann, { select }))).toEqual(select)
    }
  })
})
