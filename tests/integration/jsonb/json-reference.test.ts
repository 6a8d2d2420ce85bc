/** The rest of tenon/jsonb on every kind of PostgreSQL: hostile texts, expressions, sources of rows, indexes, concurrency, and sessions in one round trip. */
import { type Kysely, sql } from 'kysely'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type Database } from '../../../src/index.ts'
import {
  explainIndexes,
  type JsonFilter,
  json,
  jsonAgg,
  jsonArray,
  jsonObject,
  jsonObjectAgg,
  jsonTable,
  jsonValue,
} from '../../../src/jsonb/index.ts'
import type { IndexMetadata, TableMetadata } from '../../../src/metadata/index.ts'
import { createLogin, createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { type KyselyEngine, kyselyEngines } from '../../support/engine-kysely.ts'

interface Item {
  readonly sku: string
  readonly count: number
}
interface Document {
  readonly tags?: readonly string[]
  readonly priority?: number | string
  readonly owner?: { readonly name: string; readonly age?: number | null }
  readonly items?: readonly Item[]
  readonly [key: string]: unknown
}
interface Tables {
  docs: { id: number; doc: Document | null; plain: Document | null }
}

const hostile = [
  "O'Brien",
  '"$"',
  'a"b',
  '\\',
  "\\'",
  '$',
  '$.a',
  '😀',
  '{',
  '}',
  '{a,b}',
  'a.b',
  ' ',
  '--',
  '/*',
  '%',
  '_',
  'x'.repeat(65_536),
]

describe.each(kyselyEngines)('on $name', ({ skip, open }) => {
  if (skip !== undefined) {
    it.skip(skip)
    return
  }
  let engine: KyselyEngine
  let db: Kysely<Tables>

  beforeAll(async () => {
    engine = await open()
    db = engine.db
    await engine.script('create table docs (id int primary key, doc jsonb, plain json)')
  }, 60_000)
  afterAll(async () => {
    await engine?.close()
  })

  const fill = async (...documents: readonly (Document | null)[]) => {
    await db.deleteFrom('docs').execute()
    const text = (doc: Document | null) => (doc === null ? null : JSON.stringify(doc)) as never
    await db
      .insertInto('docs')
      .values(documents.map((doc, id) => ({ id, doc: text(doc), plain: text(doc) })))
      .execute()
  }
  const doc = () => json(sql.ref<Document | null>('doc'))
  const idsWhere = async (where: Parameters<ReturnType<typeof db.selectFrom<'docs'>>['where']>[0]) =>
    (
      await db
        .selectFrom('docs')
        .select('id')
        .where(where as never)
        .orderBy('id')
        .execute()
    ).map(({ id }) => id)

  it('a hostile text is data as a key and as a value, of 64 KiB too', async () => {
    await fill(...hostile.map((text) => ({ [text]: text, tags: [text], owner: { name: text } })))
    for (const [i, text] of hostile.entries()) {
      const place = doc().at(text) as unknown as ReturnType<typeof json<string>>
      expect(await idsWhere(place.eq(text))).toEqual([i])
      expect(await idsWhere(place.exists())).toEqual([i])
      expect(await idsWhere(place.startsWith(text))).toEqual([i])
      expect(await idsWhere(place.isNull())).toHaveLength(hostile.length - 1)
      expect(await idsWhere(doc().at('tags').has(text))).toEqual([i])
      expect(await idsWhere(doc().hasKey(text))).toEqual([i])
      expect(await idsWhere(doc().where({ owner: { name: { in: [text] } } }))).toEqual([i])
      await db
        .updateTable('docs')
        .set({ doc: doc().patch((p) => p.set([text, text] as never, text as never).unset('tags')) as never })
        .where('id', '=', -1)
        .execute()
      const { after } = await db
        .selectFrom('docs')
        .where('id', '=', i)
        .select(
          doc()
            .patch((p) =>
              p
                .set(`${text}2`, text)
                .at(text as never)
                .at('x' as never),
            )
            .as('after'),
        )
        .executeTakeFirstOrThrow()
      expect(after[`${text}2`]).toBe(text)
    }
  })

  it('documents of any kind raise no error, and what is of another type does not match', async () => {
    await fill({ priority: 4 }, { priority: 'high' }, { priority: '4' }, {}, null, { priority: 10 })
    expect(await idsWhere(doc().at('priority').gt(3))).toEqual([0, 5])
    expect(await idsWhere(doc().at('priority').gt('3'))).toEqual([1, 2])
    expect(await idsWhere(doc().at('priority').ne(4))).toEqual([1, 2, 3, 4, 5])
    // As a control: the cast that is usually written.
    await expect(sql`select from docs where (doc ->> 'priority')::int > 3`.execute(db)).rejects.toThrow(
      /invalid input syntax/,
    )
  })

  it('a json column is asked the same way', async () => {
    await fill({ tags: ['a'], priority: 4 }, { tags: ['b'] })
    const plain = json(sql.ref<Document | null>('plain'), 'json')
    expect(await idsWhere(plain.where({ tags: { has: 'a' }, priority: { gte: 4 } }))).toEqual([0])
    expect(
      await idsWhere(
        plain
          .at('tags')
          .at(0)
          .like('b%' as never),
      ),
    ).toEqual([1])
  })

  it('gives parts as text, type, length, paths and changed documents', async () => {
    await fill({ tags: ['a', 'b'], priority: 4, owner: { name: 'Ada', age: null }, items: [{ sku: 'x', count: 2 }] })
    const row = await db
      .selectFrom('docs')
      .select([
        doc().at('tags').at(-1).as('last'),
        doc().at('owner').at('name').text().as('name'),
        doc().at('owner').text().as('owner'),
        doc().at('priority').type().as('type'),
        doc().at('tags').length().as('length'),
        doc().at('priority').length().as('noLength'),
        doc().at('owner').stripNulls().as('stripped'),
        doc().at('owner').without('age').as('without'),
        doc().at('owner').concat({ more: true }).as('more'),
        doc().pathFirst<number>('$.items[*] ? (@.sku == $sku).count', { sku: 'x' }).as('first'),
        doc().pathAll('$.tags[*]').as('all'),
        doc().pathExists('$.nothing').as('exists'),
        doc().pathMatches('$.priority == 4').as('matches'),
        jsonObject({ id: sql<number>`id`, tags: doc().at('tags') }).as('object'),
        jsonArray(jsonValue('x'), jsonValue(null)).as('array'),
      ])
      .executeTakeFirstOrThrow()
    expect(row).toEqual({
      last: 'b',
      name: 'Ada',
      owner: expect.stringContaining('"Ada"'),
      type: 'number',
      length: 2,
      noLength: null,
      stripped: { name: 'Ada' },
      without: { name: 'Ada' },
      more: { name: 'Ada', age: null, more: true },
      first: 2,
      all: ['a', 'b'],
      exists: false,
      matches: true,
      object: { id: 0, tags: ['a', 'b'] },
      array: ['x', null],
    })
    const wide = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`k${i}`, jsonValue(i)]))
    const { object } = await db.selectNoFrom(jsonObject(wide).as('object')).executeTakeFirstOrThrow()
    expect(Object.keys(object)).toHaveLength(120)
  })

  it('is a source of rows, and has none where there is no array or object', async () => {
    await fill({ tags: ['a', 'b'], owner: { name: 'Ada' } }, { tags: 5 as never, owner: [] as never }, {})
    const tags = db.selectFrom('docs').innerJoinLateral(doc().at('tags').items().as('tag'), (join) => join.onTrue())
    expect(await tags.select(['id', 'tag.value']).execute()).toEqual([
      { id: 0, value: 'a' },
      { id: 0, value: 'b' },
    ])
    const entries = db
      .selectFrom('docs')
      .innerJoinLateral(doc().at('owner').entries().as('entry'), (join) => join.onTrue())
    expect(await entries.select(['entry.key', 'entry.value']).execute()).toEqual([{ key: 'name', value: 'Ada' }])
    const names = db.selectFrom('docs').innerJoinLateral(doc().at('owner').keys('name'), (join) => join.onTrue())
    expect(await names.select('name.name').execute()).toEqual([{ name: 'name' }])
    const sums = await db
      .selectFrom('docs')
      .select([
        jsonAgg(sql<number>`id order by id`).as('ids'),
        jsonObjectAgg(sql<string>`id::text`, doc().at('tags')).as('byId'),
      ])
      .executeTakeFirstOrThrow()
    expect(sums).toEqual({ ids: [0, 1, 2], byId: { 0: ['a', 'b'], 1: 5, 2: null } })
  })

  it('is a table, with null for what does not fit its column', async () => {
    await fill({
      items: [
        { sku: 'x', count: 2, price: { amount: 1.5 }, at: '2024-05-06T07:08:09+00:00', ok: true },
        { sku: 5, count: 'many', price: 3, at: 'soon', ok: 'yes' },
        { count: 3_000_000_000 },
        7,
      ] as never,
    })
    const rows = await db
      .selectFrom('docs')
      .innerJoinLateral(
        jsonTable(sql.ref('doc'), '$.items[*]', {
          sku: 'text',
          count: 'int4',
          amount: { type: 'numeric', path: '$.price.amount' },
          at: 'timestamptz',
          ok: 'boolean',
          price: 'jsonb',
        }).as('item'),
        (join) => join.onTrue(),
      )
      .selectAll('item')
      .execute()
    const nothing = { sku: null, count: null, amount: null, at: null, ok: null, price: null }
    expect(rows).toEqual([
      { sku: 'x', count: 2, amount: '1.5', at: new Date('2024-05-06T07:08:09Z'), ok: true, price: { amount: 1.5 } },
      { ...nothing, sku: '5', price: 3 },
      nothing,
      nothing,
    ])
  })

  it('patches arrays by position, and a column that is null', async () => {
    await fill(null, { tags: ['a', 'b', 'c'] })
    const patched = async (id: number, change: Parameters<ReturnType<typeof doc>['patch']>[0]) =>
      (
        await db
          .selectFrom('docs')
          .where('id', '=', id)
          .select(doc().patch(change).as('after'))
          .executeTakeFirstOrThrow()
      ).after
    expect(await patched(0, (p) => p.set('priority', 1).append('tags', 'x', 'y').increment('n', 2))).toEqual({
      priority: 1,
      tags: ['x', 'y'],
      n: 2,
    })
    expect(await patched(1, (p) => p.insert(['tags', 1], 'x').insert(['tags', -1], 'z'))).toEqual({
      tags: ['a', 'x', 'b', 'c', 'z'],
    })
    expect(await patched(1, (p) => p.at('tags').set(1, 'B').unset(0).unset(2))).toEqual({ tags: ['B'] })
    expect(await patched(1, (p) => p.append('tags', 'd').prepend('tags', '0').append('tags', 'e'))).toEqual({
      tags: ['0', 'a', 'b', 'c', 'd', 'e'],
    })
    expect(await patched(1, (p) => p.set('nothing', null))).toEqual({ tags: ['a', 'b', 'c'], nothing: null })
    await expect(patched(1, (p) => p.increment('tags'))).rejects.toThrow()
    await expect(patched(1, (p) => p.set(['tags', 'key'] as never, 1 as never))).rejects.toThrow()
  })
})

describe('what no document holds', () => {
  const doc = json(sql.ref<Document>('doc'))
  it.each([
    ['a NUL', 'a\0b', 'PARAMETER_INVALID'],
    ['half a surrogate pair', '\ud800', 'PARAMETER_INVALID'],
    ['NaN', Number.NaN, 'PARAMETER_INVALID'],
    ['a bigint', 1n, 'PARAMETER_INVALID'],
    ['a function', () => 1, 'PARAMETER_INVALID'],
    ['undefined', undefined, 'QUERY_FILTER'],
    ['depth', Array.from({ length: 600 }).reduce((inner) => [inner], 1), 'LIMIT_DEPTH'],
  ])('is refused before anything is sent: %s', (_, value, code) => {
    expect(() => doc.at('x').eq(value)).toThrowError(expect.objectContaining({ code }))
    expect(() => doc.where({ x: { eq: value } } as never)).toThrowError(expect.objectContaining({ code }))
    if (value !== undefined)
      expect(() => doc.patch((p) => p.set('x', value))).toThrowError(expect.objectContaining({ code }))
  })

  it('is refused without its value in the message', () => {
    const secret = 'hunter2'
    for (const attempt of [
      () => doc.at('x').eq(`${secret}\0`),
      () => doc.where({ [secret]: { gt: 1, other: 1 } } as never),
      () => doc.where({ x: { in: secret } } as never),
      () => doc.patch((p) => p.set('x', secret).set(['x', 'y'] as never, 1 as never)),
    ])
      expect(attempt).toThrowError(expect.not.objectContaining({ message: expect.stringContaining(secret) }))
  })

  it('conditions beside keys are refused, with the way to ask', () => {
    expect(() => doc.where({ gt: 1, a: 2 } as never)).toThrowError(
      expect.objectContaining({ code: 'QUERY_FILTER', hint: expect.stringContaining('.at(key)') }),
    )
  })
})

describe('indexes', () => {
  let place: TestDatabase
  let client: Client
  beforeAll(async () => {
    place = await createTestDatabase()
    client = new Client(place.adminUrl)
    await client.connect()
    await client.query(`create extension pg_trgm; create table docs (id int primary key, doc jsonb not null);
      insert into docs select i, jsonb_build_object('n', i, 'tags', jsonb_build_array('t' || i % 500), 'deep', jsonb_build_object('k', i), 'name', 'name ' || i)
        || case when i % 5000 = 0 then '{"rare": 1}'::jsonb else '{}' end from generate_series(1, 20000) i; analyze docs`)
  }, 60_000)
  afterAll(async () => {
    await client.end()
    await place.drop()
  })

  const metadata = async (): Promise<TableMetadata> => {
    const { rows } = await client.query<{
      name: string
      method: string
      expression: string
      opclass: string
      isdefault: boolean
      where: string | null
    }>(
      `select i.relname as name, m.amname as method, pg_get_indexdef(x.indexrelid, 1, true) as expression, o.opcname as opclass, o.opcdefault as isdefault,
        pg_get_expr(x.indpred, x.indrelid) as where
       from pg_index x join pg_class i on i.oid = x.indexrelid join pg_am m on m.oid = i.relam join pg_opclass o on o.oid = x.indclass[0]
       where x.indrelid = 'docs'::regclass order by 1`,
    )
    const indexes = rows.map(
      ({ name, method, expression, opclass, isdefault, where }): IndexMetadata => ({
        name,
        method,
        keys: [
          {
            ...(/^\w+$/.test(expression) ? { column: expression } : { expression }),
            ...(isdefault ? {} : { opclass }),
          },
        ],
        ...(where === null ? {} : { where }),
      }),
    )
    const column = (type: string) => ({ name: 'doc', type, typeName: `pg_catalog.${type}` })
    return {
      key: 'docs',
      schema: 'public',
      name: 'docs',
      kind: 'table',
      columns: { doc: column('jsonb'), id: { ...column('int4'), name: 'id' } },
      primaryKey: ['id'],
      uniqueKeys: [],
      foreignKeys: [],
      relations: {},
      indexes,
      checks: [],
      rowSecurity: 'off',
      policies: [],
    }
  }
  const usedBy = async (filter: JsonFilter<Document>) => {
    const { Kysely, DummyDriver, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } = await import('kysely')
    const compiler = new Kysely<{ docs: { doc: Document } }>({
      dialect: {
        createAdapter: () => new PostgresAdapter(),
        createDriver: () => new DummyDriver(),
        createIntrospector: (db) => new PostgresIntrospector(db),
        createQueryCompiler: () => new PostgresQueryCompiler(),
      },
    })
    const { sql: text, parameters } = compiler
      .selectFrom('docs')
      .selectAll()
      .where(({ ref }) => json(ref('doc')).where(filter))
      .compile()
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${text}`, [...parameters])
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  }

  it.each<[JsonFilter<Document>, string | undefined]>([
    [{ tags: { has: 't7' } }, 'using gin ("doc" jsonb_path_ops)'],
    [{ n: 7 }, 'using gin ("doc" jsonb_path_ops)'],
    [{ n: { in: [7, 8] } }, 'using gin ("doc" jsonb_path_ops)'],
    [{ deep: { contains: { k: 7 } } }, 'using gin ("doc" jsonb_path_ops)'],
    [{ rare: { exists: true } }, 'using gin ("doc")'],
    [{ hasKey: 'rare' }, 'using gin ("doc")'],
    [{ tags: { hasKey: 't7' } } as never, 'using gin (("doc" -> \'tags\'))'],
    [{ n: { gt: 19_990 } }, '(("doc" -> \'n\'))'],
    [{ deep: { k: { lt: 10 } } } as never, "(((\"doc\" -> 'deep') -> 'k'))"],
    [{ name: { like: '%e 1234%' } }, 'using gin (("doc" ->> \'name\') gin_trgm_ops)'],
    [{ n: { ne: 7 } }, undefined],
    [{ rare: { exists: false } }, undefined],
  ])('of %j: the statement that is given makes one that EXPLAIN shows, and then it is named', async (filter, part) => {
    const [before] = explainIndexes(await metadata(), 'doc', filter)
    if (part === undefined) {
      expect(before).toMatchObject({ note: expect.any(String) })
      expect(before).not.toHaveProperty('create')
      return
    }
    expect(before?.create).toContain(`on "public"."docs" ${part};`)
    expect(await usedBy(filter)).toContain('Seq Scan')
    for (const statement of (before?.create ?? '').split(/(?<=;) /)) await client.query(statement)
    try {
      await client.query('analyze docs')
      const [after] = explainIndexes(await metadata(), 'doc', filter)
      expect(after).toMatchObject({ index: expect.stringMatching(/^docs_/) })
      expect(after).not.toHaveProperty('create')
      expect(await usedBy(filter)).toContain(after?.index)
    } finally {
      const [made] = explainIndexes(await metadata(), 'doc', filter)
      await client.query(`drop index ${made?.index}`)
    }
  })

  it('are not used for a role that policies bind, and that is told', async () => {
    await client.query('create index docs_all on docs using gin (doc jsonb_path_ops)')
    const filter = { tags: { has: 't7' } }
    expect(await usedBy(filter)).toContain('docs_all')
    await client.query(`create role bound; grant select on docs to bound; alter table docs enable row level security;
      create policy docs_policy on docs using (id > 0); set role bound`)
    expect(await usedBy(filter)).not.toContain('docs_all')
    await client.query('reset role; alter table docs disable row level security')
    expect(explainIndexes({ ...(await metadata()), rowSecurity: 'on' }, 'doc', filter)).toEqual([
      { path: ['tags'], condition: 'has', index: 'docs_all', note: expect.stringContaining('not leakproof') },
    ])
    await client.query('drop index docs_all; drop policy docs_policy on docs; drop owned by bound; drop role bound')
  })

  it('that are partial are told with what the query must say', async () => {
    await client.query('create index docs_some on docs using gin (doc jsonb_path_ops) where id > 100')
    expect(explainIndexes(await metadata(), 'doc', { n: 7 })).toEqual([
      {
        path: ['n'],
        condition: 'eq',
        create: 'create index concurrently on "public"."docs" using gin ("doc" jsonb_path_ops);',
        note: 'docs_some serves it in a query that also says: (id > 100)',
      },
    ])
    await client.query('drop index docs_some')
    expect(() => explainIndexes({ ...({} as TableMetadata), columns: {} }, 'doc', {})).toThrowError(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    )
  })
})

describe('in a session', () => {
  it('takes one round trip without a clean-up, and concurrent increments lose nothing', {
    timeout: 30_000,
  }, async () => {
    await using place = await createTestDatabase()
    await using login = await createLogin(place)
    const admin = new Client(place.adminUrl)
    await admin.connect()
    await admin.query(
      `create table docs (id int primary key, doc jsonb); insert into docs values (1, '{}'); grant all on docs to authenticated`,
    )
    await admin.end()
    await using db: Database<Tables> = createDatabase<Tables>({ connection: login.url, pool: { max: 4 } })
    const me = db.session({ role: 'authenticated', claims: { sub: '1' } })
    await me.selectFrom('docs').select('id').execute()
    const before = db.stats().roundTrips
    await me
      .selectFrom('docs')
      .selectAll()
      .where(({ ref }) => json(ref('doc')).where({ tags: { has: 'a', some: { like: 'a%' } }, n: { gt: 1 } } as never))
      .execute()
    expect(db.stats().roundTrips - before).toBe(1)
    await Promise.all(
      Array.from({ length: 40 }, () =>
        me
          .updateTable('docs')
          .set(({ ref }) => ({ doc: json(ref('doc')).patch((p) => p.increment('n').append('tags', 'x')) as never }))
          .execute(),
      ),
    )
    const { doc } = await me.selectFrom('docs').select('doc').executeTakeFirstOrThrow()
    expect(doc).toMatchObject({ n: 40 })
    expect(doc?.tags).toHaveLength(40)
  })
})
