/** What goes wrong at the edges of repositories, and must not: on a server and on PGlite. */
import { CamelCasePlugin, sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase } from '../../../src/index.ts'
import { explainIndexes, patch } from '../../../src/jsonb/index.ts'
import { openShop, repositoriesOf, repository, type Shop, shopKinds } from '../../support/shop.ts'

const edgesSql = `
  create table numbers (k numeric primary key, at interval unique);
  create table number_notes (id int primary key, k numeric not null references numbers, span interval references numbers (at));
  create table shapes (id int primary key, spot point, area box, plain json, doc jsonb, span int4range, hours tstzrange, days datemultirange, marks point[]);
  create table loose (id int primary key, code text unique nulls not distinct, name text);
  create table this_is_a_table (this_is_a_key_that_is_as_long_as_postgresql_lets_any_name_be_63 int primary key, name text);
  create table of_a_long_one (id int primary key, parent int references this_is_a_table);
  create table parted (id int, doc jsonb, primary key (id)) partition by hash (id);
  create view shaped as select id, doc from shapes;
  grant all on all tables in schema public to authenticated`

describe.each(shopKinds)('on %s', (kind) => {
  let shop: Shop
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let r: Record<string, any>

  beforeAll(async () => {
    shop = await openShop(kind, {}, edgesSql)
    r = repositoriesOf(shop)
  }, 60_000)
  beforeEach(async () => {
    for (const table of ['customers', 'employees', 'tags', 'shapes', 'loose', 'number_notes', 'numbers'])
      await shop.service.deleteFrom(table).execute()
  })
  afterAll(async () => {
    await shop[Symbol.asyncDispose]()
  })

  const refused = { code: 'QUERY_FILTER' }

  it.each([
    { details: { contains: { owner: undefined } } },
    { details: { tags: { has: { id: undefined } } } },
    { details: { owner: { in: [{ a: undefined }] } } },
    { details: { owner: { ne: { a: undefined } } } },
    { details: { contains: new Map([['a', 1]]) } },
    { details: { contains: [Promise.resolve(1)] } },
  ])('never widens a filter of a document by what was not set: %j', async (where) => {
    await r['customers'].insert(shop.ada, { name: 'a', details: { x: 1 } })
    await expect(r['customers'].list(shop.ada, { where })).rejects.toMatchObject({ code: 'PARAMETER_INVALID' })
    await expect(r['customers'].deleteWhere(shop.ada, where)).rejects.toMatchObject({ code: 'PARAMETER_INVALID' })
    expect(await r['customers'].count(shop.ada)).toBe(1)
  })

  it('asks for the word where a filter finds every row, however it says so', async () => {
    await r['customers'].insert(shop.ada, { name: 'a', details: { x: 1 } })
    for (const where of [
      { details: {} },
      { details: { owner: {} } },
      { and: [] },
      { and: [{}] },
      { or: [{}, { name: 'x' }] },
      { not: { or: [] } },
      { not: { not: {} } },
      [{ details: {} }],
      [],
      { name: { notIn: [] } },
      { id: { in: [] }, or: [{ and: [] }], not: { id: { in: [] } } },
    ]) {
      const isNothing = 'id' in where
      for (const write of [
        () => r['customers'].deleteWhere(shop.ada, where),
        () => r['customers'].updateWhere(shop.ada, where, { mood: 'sad' }),
      ])
        if (isNothing) expect(await write()).toBe(0)
        else await expect(write()).rejects.toMatchObject({ ...refused, hint: expect.stringContaining("'all'") })
    }
    expect(await r['customers'].list(shop.ada, { select: ['mood'] })).toEqual([{ mood: 'ok' }])
  })

  it.each([
    ['undefined in a list', [{ name: 'b' }, undefined]],
    ['undefined', undefined],
    ['a promise', Promise.resolve({ name: 'b' })],
    ['a Map', new Map()],
    ['a Date', new Date()],
    ['what only inherits', Object.create({ name: 'b' })],
    ['a promise in a list of conditions', { and: [Promise.resolve({ name: 'b' })] }],
    ['a function that returns nothing', () => undefined],
  ])('refuses %s as a filter', async (_, where) => {
    for (const read of [
      () => r['customers'].list(shop.ada, { where }),
      () => r['customers'].page(shop.ada, { where, limit: 2 }),
      () => r['customers'].count(shop.ada, where),
      () => r['customers'].exists(shop.ada, where),
      () => r['customers'].aggregate(shop.ada, { where }),
      () => r['customers'].deleteWhere(shop.ada, where),
      () => r['customers'].updateWhere(shop.ada, where, { name: 'x' }),
    ])
      await expect(read()).rejects.toMatchObject(refused)
    if (where === undefined)
      await expect(r['customers'].list(shop.ada, { load: { orders: { where } } })).rejects.toMatchObject(refused)
  })

  it('loads by keys that are the same to the server, however they are written', async () => {
    await r['numbers'].insertMany(shop.ada, [
      { k: '1.0', at: '1 day' },
      { k: '2', at: '48 hours' },
    ])
    await r['number_notes'].insertMany(shop.ada, [
      { id: 1, k: '1.00', span: '24 hours' },
      { id: 2, k: '1', span: null },
      { id: 3, k: '2.000', span: '2 days' },
    ])
    const both = async (name: string, options: object) => {
      const [one, other] = await Promise.all(
        ['json', 'batch'].map((strategy) => r[name].list(shop.ada, { ...options, strategy })),
      )
      expect(other).toEqual(one)
      return one
    }
    const [relation = '', byInterval = ''] = Object.keys(shop.tables.number_notes.relations)
    const notes = await both('number_notes', {
      select: ['id'],
      orderBy: { id: 'asc' },
      load: { [relation]: { select: ['k'] }, [byInterval]: { select: ['k'] } },
    })
    expect(notes.map((row: Record<string, unknown>) => [row[relation], row[byInterval]])).toEqual([
      [{ k: '1.0' }, { k: '1.0' }],
      [{ k: '1.0' }, null],
      [{ k: '2' }, { k: '2' }],
    ])
    const [many = '', manyBy = ''] = Object.keys(shop.tables.numbers.relations)
    const owners = await both('numbers', {
      select: ['k'],
      orderBy: { k: 'asc' },
      load: {
        [many]: { select: ['id'], orderBy: { id: 'desc' }, limit: 1 },
        [manyBy]: { select: ['id'], orderBy: { id: 'asc' } },
      },
    })
    expect(owners).toEqual([
      { k: '1.0', [many]: [{ id: 2 }], [manyBy]: [{ id: 1 }] },
      { k: '2', [many]: [{ id: 3 }], [manyBy]: [{ id: 3 }] },
    ])
  })

  it('leaves deleted rows as they are, in updateMany too', async () => {
    const soft = repository(shop.tables.customers, { softDelete: 'deleted_at' })
    const [a, b] = [await soft.insert(shop.ada, { name: 'a' }), await soft.insert(shop.ada, { name: 'b' })]
    await soft.delete(shop.ada, a.id)
    const rows = [a, b].map(({ id }) => ({ id, mood: 'happy' }))
    expect(await soft.updateMany(shop.ada, rows)).toBe(1)
    expect(await soft.get(shop.ada, a.id, { select: ['mood'], withDeleted: true })).toEqual({ mood: 'ok' })
  })

  it('counts versions, whatever the row that is written back says', async () => {
    const customers = repository(shop.tables.customers, { version: 'version' })
    const { id, version, name, owner, mood } = await customers.insert(shop.ada, { name: 'a' })
    const back = { name: `${name}!`, owner, mood, version }
    expect(await customers.update(shop.ada, id, back, { version, returning: ['name', 'version'] })).toEqual({
      name: 'a!',
      version: 2,
    })
    await expect(customers.update(shop.ada, id, back, { version: undefined })).rejects.toMatchObject(refused)
    for (const nothing of [{}, { name: undefined }, { version: 7 }])
      await expect(customers.update(shop.ada, id, nothing)).rejects.toMatchObject(refused)
    expect(await customers.updateMany(shop.ada, [{ id, mood: 'sad', version: 9 }])).toBe(1)
    expect(await customers.get(shop.ada, id, { select: ['version'] })).toEqual({ version: 3 })
    const counted = repository(shop.tables.customers, { version: 'version' })
    const given = { email: 'a@example.org', name: 'c', version: 1 }
    expect((await counted.upsert(shop.ada, given, { on: ['email'] })).action).toBe('inserted')
    expect((await counted.upsert(shop.ada, { ...given, name: 'd' }, { on: ['email'] })).row.version).toBe(2)
  })

  it('upserts columns whose types cannot be compared, and says what stayed', async () => {
    const row = { id: 1, spot: '(1,2)', area: '((2,2),(0,0))', plain: { a: 1 }, doc: { a: 1 }, marks: ['(1,1)'] }
    const actions: string[] = []
    for (const given of [
      row,
      row,
      { ...row, plain: { a: 2 } },
      // Of the same area, and another box.
      { ...row, plain: { a: 2 }, area: '((4,1),(0,0))' },
      { ...row, plain: { a: 2 }, area: '((4,1),(0,0))', marks: ['(1,2)'] },
    ])
      actions.push((await r['shapes'].upsert(shop.ada, given, { returning: [] })).action)
    expect(actions).toEqual(['inserted', 'unchanged', 'updated', 'updated', 'updated'])
    await r['loose'].upsert(shop.ada, { id: 1, code: null, name: 'x' }, { on: ['code'], update: ['name'] })
    expect(
      await r['loose'].upsert(shop.ada, { id: 2, code: null, name: 'x' }, { on: ['code'], update: ['name', 'name'] }),
    ).toEqual({ action: 'unchanged', row: { id: 1, code: null, name: 'x' } })
    await expect(r['loose'].upsert(shop.ada, { id: 1, name: 'x' }, { update: ['code'] })).rejects.toMatchObject(refused)
    await expect(r['articles'].upsert(shop.ada, { id: 1, title: 'x' }, { update: ['words'] })).rejects.toMatchObject(
      refused,
    )
  })

  it('patches json columns, and takes nothing that is no value', async () => {
    await r['shapes'].insert(shop.ada, { id: 1, plain: { a: 1 }, doc: { a: 1 } })
    const change = patch((p) => p.set('b' as never, 2 as never))
    expect(
      await r['shapes'].update(shop.ada, 1, { plain: change, doc: change }, { returning: ['plain', 'doc'] }),
    ).toEqual({ plain: { a: 1, b: 2 }, doc: { a: 1, b: 2 } })
    await expect(r['shapes'].insertMany(shop.ada, [{ id: 2, doc: change }])).rejects.toMatchObject(refused)
    for (const value of [sql`now()::text`, sql.ref('id')])
      for (const column of ['name', 'code'])
        await expect(r['loose'].update(shop.ada, 1, { [column]: value })).rejects.toMatchObject(refused)
    for (const doc of [new Map([['a', 1]]), new Set([1]), Promise.resolve(1), new Array(2)])
      await expect(r['shapes'].insert(shop.ada, { id: 2, doc })).rejects.toMatchObject({ code: 'PARAMETER_INVALID' })
    expect(await r['shapes'].count(shop.ada)).toBe(1)
  })

  it('finds ranges by a value in them, and by a range', async () => {
    await r['shapes'].insert(shop.ada, {
      id: 1,
      span: '[1,5)',
      hours: '[2024-01-01 00:00+00,2024-01-02 00:00+00)',
      days: '{[2024-01-01,2024-01-03)}',
    })
    const found = async (where: object) => await r['shapes'].count(shop.ada, where)
    expect(await found({ span: { contains: '3' } })).toBe(1)
    expect(await found({ span: { contains: 5 } })).toBe(0)
    expect(await found({ span: { contains: '[2,3]' } })).toBe(1)
    expect(await found({ span: { contains: 'empty' } })).toBe(1)
    expect(await found({ hours: { contains: '2024-01-01 12:00+00' } })).toBe(1)
    expect(await found({ hours: { contains: new Date('2024-01-02T00:00:00Z') } })).toBe(0)
    expect(await found({ days: { contains: '2024-01-02' } })).toBe(1)
    expect(await found({ days: { contains: '{[2024-01-02,2024-01-09)}' } })).toBe(0)
  })

  it('finds nothing and something together what not leaves out', async () => {
    await r['employees'].insertMany(shop.ada, [
      { id: 1, name: 'a', rank: 1 },
      { id: 2, name: 'b', rank: 2 },
      { id: 3, name: 'c' },
    ])
    const ids = async (where: object) =>
      (await r['employees'].list(shop.ada, { where, orderBy: { id: 'asc' } })).map(({ id }: { id: number }) => id)
    expect(await ids({ rank: { ne: 1 } })).toEqual([2, 3])
    expect(await ids({ not: { rank: 1 } })).toEqual([2, 3])
    expect(await ids({ not: { not: { rank: 1 } } })).toEqual([1])
    expect(await ids({ not: { rank: { gt: 1 } } })).toEqual([1, 3])
  })

  it('puts thousands of conditions together', async () => {
    await r['customers'].insert(shop.ada, { name: 'a', details: { n: 2_999 } })
    const numbers = Array.from({ length: 3_000 }, (_, i) => i)
    expect(await r['customers'].count(shop.ada, { details: { n: { in: numbers } } })).toBe(1)
    expect(await r['customers'].count(shop.ada, { or: numbers.map((n) => ({ name: `b${n}` })) })).toBe(0)
    expect(await r['customers'].count(shop.ada, { and: numbers.map(() => ({ name: 'a' })) })).toBe(1)
  })

  it('inserts nested rows one after the other under keys of any length', async () => {
    const [relation = ''] = Object.keys(shop.tables.this_is_a_table.relations)
    const [key = ''] = shop.tables.this_is_a_table.primaryKey
    await r['this_is_a_table'].insert(
      shop.ada,
      { [key]: 7, name: 'x', [relation]: [{ id: 1 }] },
      { strategy: 'transaction' },
    )
    expect(await r['of_a_long_one'].list(shop.ada)).toEqual([{ id: 1, parent: 7 }])
  })

  it('lets one key fail alone, where it is no value of its column', async () => {
    await r['tags'].insertMany(shop.ada, [
      { id: 1, label: 'a' },
      { id: 2, label: 'b' },
    ])
    const load = r['tags'].loader(shop.ada)
    const settled = await Promise.allSettled([load('none'), load(1), load({ label: 'b' }), load(9)])
    expect(settled).toMatchObject([
      { status: 'rejected', reason: { code: 'QUERY_DATA' } },
      { status: 'fulfilled', value: { id: 1 } },
      { status: 'fulfilled', value: { id: 2 } },
      { status: 'fulfilled', value: undefined },
    ])
  })

  it('locks in transactions alone, where a lock lasts', async () => {
    await expect(r['tags'].lock(shop.ada, { where: { id: 1 } })).rejects.toMatchObject(refused)
    await shop.ada.transaction().execute(async (trx: unknown) => {
      for (const options of [{ mode: 'constructor' }, { locked: 'constructor' }])
        await expect(r['tags'].lock(trx, { ...options, where: {} })).rejects.toMatchObject({
          ...refused,
          message: expect.stringContaining('no such lock'),
        })
      await expect(r['tags'].lock(trx, {})).rejects.toMatchObject({
        ...refused,
        message: expect.stringContaining('needs a filter'),
      })
      expect(await r['tags'].lock(trx, { where: {} })).toEqual([])
    })
  })

  it('says what is missing, and quotes nobody', async () => {
    await expect(r['tags'].list(undefined)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(r['tags'].page(shop.ada)).rejects.toMatchObject(refused)
    await expect(r['tags'].insertMany(shop.ada, 'abc')).rejects.toMatchObject(refused)
    for (const options of [
      { where: { id: { hunter2: 1 } } },
      { load: { customers: { hunter2: true } } },
      { where: { customers: { hunter2: {} } } },
    ]) {
      const error = await r['tags'].list(shop.ada, options).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject(refused)
      expect(`${error.message} ${error.hint}`).not.toContain('hunter2')
    }
    const page = await r['tags'].page(shop.ada, { limit: 1, after: null, before: null })
    expect(page).toMatchObject({ items: [], hasNext: false, hasPrevious: false })
  })

  it('explains indexes of partitioned tables by a statement that runs, and of views by none', async () => {
    const filter = { tags: { has: 'x' }, n: { gt: 1 } }
    const explained = explainIndexes(shop.tables.parted, 'doc', filter as never)
    expect(explained).toHaveLength(2)
    for (const { create = '' } of explained) await sql.raw(create).execute(shop.service)
    for (const each of explainIndexes(shop.tables.shaped, 'doc', filter as never)) {
      expect(each.create).toBeUndefined()
      expect(each.note).toContain('view')
    }
  })

  it('takes a cursor as it was made, and no other text of it', async () => {
    await r['tags'].insert(shop.ada, { id: 1, label: 'a' })
    const { endCursor } = await r['tags'].page(shop.ada, { limit: 1 })
    expect((await r['tags'].page(shop.ada, { limit: 1, after: endCursor })).items).toEqual([])
    for (const after of [`${endCursor}=`, `${endCursor}==!!`, `${endCursor} `])
      await expect(r['tags'].page(shop.ada, { limit: 1, after })).rejects.toMatchObject({ code: 'CURSOR_INVALID' })
  })

  it('stops reading a source when it is aborted', async () => {
    const controller = new AbortController()
    let read = 0
    const slow = async function* () {
      for (let id = 1; id < 100; id++) {
        read++
        if (id === 5) controller.abort(new Error('enough'))
        yield { id, label: `l${id}` }
      }
    }
    await expect(r['tags'].insertMany(shop.ada, slow(), { signal: controller.signal, chunkSize: 2 })).rejects.toThrow(
      'enough',
    )
    expect(read).toBe(5)
    expect(await r['tags'].count(shop.ada)).toBe(0)
  })
})

describe('generated types', () => {
  it('have the keys that documents have: a plugin that changes them is refused', async () => {
    const metadata = {
      format: (await import('../../../examples/db/metadata.ts')).metadata.format,
      parsers: { int8: 'string', numeric: 'string', date: 'Date', timestamp: 'Date' },
      camelCase: true,
    }
    const make = (plugin: CamelCasePlugin) =>
      createDatabase({ connection: 'pglite://memory', metadata: metadata as never, plugins: [plugin] })
    expect(() => make(new CamelCasePlugin())).toThrowError(
      expect.objectContaining({ code: 'OPTION_INVALID', hint: expect.stringContaining('maintainNestedObjectKeys') }),
    )
    await make(new CamelCasePlugin({ maintainNestedObjectKeys: true })).close()
  })
})
