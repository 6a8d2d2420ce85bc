/**
 * Values on their way to the server and back: parameters as pg encodes them, results as pg parses them, and rows of
 * unusual shape. The expectations are pg's behaviour, odd corners included, since existing code relies on them.
 */
import { sql } from 'kysely'
import { expect } from 'vitest'
import { describeExecutors, type Executor } from '../../support/executors.ts'

/** Parameter, the cast it is sent under, what comes back. */
const parameters: ReadonlyArray<readonly [name: string, value: unknown, type: string, wanted: unknown]> = [
  ['text', 'O\'Brien \\ " $1 \u{1F600}\n\t', 'text', 'O\'Brien \\ " $1 \u{1F600}\n\t'],
  ['an empty string', '', 'text', ''],
  ['null', null, 'text', null],
  ['an integer', 42, 'integer', 42],
  ['negative zero', -0, 'float8', 0],
  ['a fraction', 0.1, 'float8', 0.1],
  ['NaN', Number.NaN, 'float8', Number.NaN],
  ['Infinity', Number.NEGATIVE_INFINITY, 'float8', Number.NEGATIVE_INFINITY],
  ['a large number', 1e21, 'numeric', '1000000000000000000000'],
  ['a bigint', 9_223_372_036_854_775_807n, 'bigint', '9223372036854775807'],
  ['a numeric as text', '12345678901234567890.123', 'numeric', '12345678901234567890.123'],
  ['true', true, 'boolean', true],
  ['a Date', new Date('2024-02-29T12:34:56.789Z'), 'timestamptz', new Date('2024-02-29T12:34:56.789Z')],
  ['a Date before 1900', new Date('1850-01-01T00:00:00Z'), 'timestamptz', new Date('1850-01-01T00:00:00Z')],
  ['a Date before Christ', new Date('-000044-03-15T12:00:00Z'), 'timestamptz', new Date('-000044-03-15T12:00:00Z')],
  ['a Date as date', new Date(2024, 1, 29), 'date', new Date(2024, 1, 29)],
  ['a Date as timestamp', new Date(2024, 1, 29, 12, 30), 'timestamp', new Date(2024, 1, 29, 12, 30)],
  ['infinity as a date', 'infinity', 'timestamptz', Number.POSITIVE_INFINITY],
  ['a Buffer', Buffer.from([0, 1, 255]), 'bytea', Buffer.from([0, 1, 255])],
  ['an empty Buffer', Buffer.alloc(0), 'bytea', Buffer.alloc(0)],
  ['a Uint8Array', new Uint8Array([7, 8]), 'bytea', Buffer.from([7, 8])],
  ['a view into a larger buffer', new Uint8Array([1, 2, 3, 4]).subarray(1, 3), 'bytea', Buffer.from([2, 3])],
  ['a DataView', new DataView(new Uint8Array([5, 6]).buffer), 'bytea', Buffer.from([5, 6])],
  ['an object', { a: [1, { b: null }], "it's": '"' }, 'jsonb', { a: [1, { b: null }], "it's": '"' }],
  ['an object as json', { z: 1, a: 2 }, 'json', { z: 1, a: 2 }],
  ['json as text', JSON.stringify([1, 2]), 'jsonb', [1, 2]],
  ['a json scalar as text', '"x"', 'jsonb', 'x'],
  ['json null as text', 'null', 'jsonb', null],
  ['an object with toJSON', { toJSON: () => ({ as: 'json' }) }, 'jsonb', { as: 'json' }],
  ['an object with toPostgres', { toPostgres: () => 'as text' }, 'text', 'as text'],
  ['nested toPostgres', { toPostgres: () => ({ toPostgres: () => 5 }) }, 'integer', 5],
  ['an empty array', [], 'text[]', []],
  ['an array of numbers', [1, -2, null], 'integer[]', [1, -2, null]],
  [
    'an array of hostile text',
    ['a,b', 'c"d', 'e\\f', '', 'NULL', 'null', ' ', '{}', null, undefined],
    'text[]',
    ['a,b', 'c"d', 'e\\f', '', 'NULL', 'null', ' ', '{}', null, null],
  ],
  ['an array of bigints', [1n, 2n], 'bigint[]', ['1', '2']],
  ['an array of numerics', ['1.5', 2], 'numeric[]', [1.5, 2]],
  ['an array of booleans', [true, false], 'boolean[]', [true, false]],
  [
    'an array of arrays',
    [
      [1, 2],
      [3, 4],
    ],
    'integer[]',
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ['an array of Dates', [new Date(0)], 'timestamptz[]', [new Date(0)]],
  ['an array of Buffers', [Buffer.from('ab'), Buffer.alloc(0)], 'bytea[]', [Buffer.from('ab'), Buffer.alloc(0)]],
  ['an array of typed arrays', [new Uint8Array([1, 2])], 'bytea[]', [Buffer.from([1, 2])]],
  ['an array of objects', [{ a: 1 }, { b: [2] }], 'jsonb[]', [{ a: 1 }, { b: [2] }]],
]

/** A literal of the server and what pg makes of it. */
const results: ReadonlyArray<readonly [literal: string, wanted: unknown]> = [
  [`1::int2`, 1],
  [`1::int8`, '1'],
  [`1.50::numeric`, '1.50'],
  [`1.5::float4`, 1.5],
  [`'NaN'::numeric`, 'NaN'],
  [`'{1,2}'::int8[]`, ['1', '2']],
  [`'{1.5,2}'::numeric[]`, [1.5, 2]],
  [`'12:34:56'::time`, '12:34:56'],
  [`'{2024-01-01}'::date[]`, [new Date(2024, 0, 1)]],
  [`'(1,2)'::point`, { x: 1, y: 2 }],
  [`'<(1,2),3>'::circle`, { x: 1, y: 2, radius: 3 }],
  [
    `'{{a,b},{c,NULL}}'::text[]`,
    [
      ['a', 'b'],
      ['c', null],
    ],
  ],
  [`'[1,2)'::int4range`, '[1,2)'],
  [`row(1, 'a b')`, '(1,"a b")'],
  [`'calm'::mood`, 'calm'],
  [`'{calm,cross}'::mood[]`, '{calm,cross}'],
  [`'short'::short_text`, 'short'],
  [`'ab'::char(4)`, 'ab  '],
  [`'a'::"char"`, 'a'],
  [`1::oid`, 1],
  [`'1'::xid`, '1'],
  [`'pg_class'::regclass`, 'pg_class'],
  [`5::money`, '$5.00'],
  [`b'101'`, '101'],
  [`'10.0.0.1/8'::inet`, '10.0.0.1/8'],
  [`'{10.0.0.1}'::inet[]`, ['10.0.0.1']],
  [`'a1b2c3d4-0000-4000-8000-000000000000'::uuid`, 'a1b2c3d4-0000-4000-8000-000000000000'],
  [`'{a1b2c3d4-0000-4000-8000-000000000000}'::uuid[]`, ['a1b2c3d4-0000-4000-8000-000000000000']],
  [`'cat & dog'::tsquery`, "'cat' & 'dog'"],
  [`'{"a":1}'::json`, { a: 1 }],
  [`'{"{\\"a\\":1}"}'::json[]`, [{ a: 1 }]],
  [`pg_sleep(0)`, ''],
  [`null::jsonb`, null],
  [`now() is not null`, true],
]

describeExecutors('Values', ({ behaves }) => {
  behaves('go out as pg encodes them and come back as pg parses them', async ({ db }) => {
    const seen: unknown[] = []
    for (const [name, value, type, wanted] of parameters) {
      const { rows } = await sql<{ back: unknown }>`select ${sql.val(value)}::${sql.raw(type)} as back`.execute(db)
      expect(rows[0]?.back, name).toStrictEqual(wanted)
      seen.push(rows)
    }
    return seen
  })

  const throwsPg = { only: ({ errors }: Executor) => errors === 'pg', because: 'it refuses undefined' }
  behaves('may be undefined, which is sent as null and logged as undefined', throwsPg, async ({ db, events }) => {
    const { rows } = await sql`select ${undefined}::text as nothing`.execute(db)
    expect([rows, events[0]?.parameters]).toStrictEqual([[{ nothing: null }], [undefined]])
    return rows
  })

  const strict = {
    only: ({ errors }: Executor) => errors === 'tenon',
    because: 'it sends undefined as null, as pg does',
    log: 'ignored',
  } as const
  behaves('that are undefined are refused, and nothing is written', strict, async ({ db, admin }) => {
    await expect(sql`insert into badge values (1, ${undefined})`.execute(db)).rejects.toThrow(/undefined/)
    await expect(sql`select ${[undefined]}::text[] as list`.execute(db)).resolves.toMatchObject({
      rows: [{ list: [null] }],
    })
    expect(await admin('select 1 from badge')).toStrictEqual([])
  })

  behaves('of every type come back as pg parses them', async ({ db }) => {
    const columns = results.map(([literal], index) => `${literal} as c${index}`)
    const { rows } = await sql.raw<Record<string, unknown>>(`select ${columns.join(', ')}`).execute(db)
    results.forEach(([literal, wanted], index) => void expect(rows[0]?.[`c${index}`], literal).toStrictEqual(wanted))
    return rows
  })

  behaves('are intervals as pg’s own objects', async ({ db }) => {
    const { rows } = await sql<{
      span: { days: number; toPostgres(): string }
    }>`select '1 day 02:03:04.5'::interval as span`.execute(db)
    expect(rows[0]?.span).toMatchObject({ days: 1, hours: 2, minutes: 3, seconds: 4, milliseconds: 500 })
    expect(rows[0]?.span.toPostgres()).toMatch(/1 day/)
    return rows
  })

  behaves('make the round trip through a table of every type', async ({ db }) => {
    const written = {
      id: 1,
      big: '9007199254740993',
      small: 3,
      amount: '12.3400',
      ratio: 0.1,
      flag: true,
      label: 'x',
      code: 'ab  ',
      uid: 'a1b2c3d4-0000-4000-8000-000000000000',
      day: new Date(2024, 1, 29),
      moment: new Date('2024-02-29T12:00:00.001Z'),
      wall: new Date(2024, 1, 29, 12),
      clock: '12:00:00',
      bytes: Buffer.from('bytes'),
      document: { a: [1] },
      plain: { b: 'x' },
      numbers: [1, 2],
      words: ['a', null],
      bigs: ['1'],
      amounts: [1.5],
      matrix: [
        [1, 2],
        [3, 4],
      ],
      moments: [new Date(0)],
      documents: [{ c: 1 }],
      mood: 'calm' as const,
      range: '[1,5)',
      address: '10.0.0.1',
      nickname: 'nick',
    }
    await db
      .insertInto('sample')
      .values(written as never)
      .execute()
    const read = await db.selectFrom('sample').selectAll().executeTakeFirstOrThrow()
    expect(read).toStrictEqual({ ...written, span: null, moods: null, place: null })
    const nothing = await db
      .insertInto('sample')
      .values({ id: 2 } as never)
      .returningAll()
      .executeTakeFirstOrThrow()
    expect(Object.values(nothing).filter((value) => value !== null)).toStrictEqual([2])
    return { read, nothing }
  })

  behaves('of an array in a json column stay pg’s array literal, which the server refuses', async ({ db, failure }) => {
    const sqlstate = await failure(sql`select ${[1, 2]}::json`.execute(db))
    expect(sqlstate).toBe('22P02')
    return sqlstate
  })

  behaves('are not written to: the caller’s objects stay as they were', async ({ db, events }) => {
    const array = [1, 2]
    const object = { a: 1 }
    await sql`select ${array}::int[], ${object}::jsonb`.execute(db)
    expect(events[0]?.parameters).toStrictEqual([array, object])
    expect(events[0]?.parameters[0]).toBe(array)
  })

  behaves('fill rows of any shape', async ({ db }) => {
    const shapes = {
      'no columns': sql`select from generate_series(1, 3)`,
      'no rows': sql`select 1 as a where false`,
      'no rows and no columns': sql`select where false`,
      'the last of two equal names': sql`select 1 as a, 2 as b, 3 as a`,
      'an unnamed column': sql`select 1, 2, 'x'::text`,
      'names in the order of the select': sql`select 1 as b, 2 as a, 3 as "10", 4 as "9"`,
      'odd names': sql`select 1 as "a b", 2 as "A", 3 as "é", 4 as "a.b", 5 as "$1", 6 as "?column?"`,
      'a long name, cut by the server': sql.raw(`select 1 as "${'n'.repeat(70)}"`),
      'many columns': sql.raw(`select ${Array.from({ length: 1600 }, (_, n) => `${n} as c${n}`).join(', ')}`),
      'many rows': sql`select n, repeat('x', 100) as pad from generate_series(1, 5000) n`,
      'a large value': sql`select repeat('y', 3000000) as large`,
    }
    const seen: Record<string, unknown> = {}
    for (const [name, query] of Object.entries(shapes)) seen[name] = await query.execute(db)
    expect(seen['no columns']).toStrictEqual({ numAffectedRows: undefined, rows: [{}, {}, {}] })
    expect(seen['the last of two equal names']).toMatchObject({ rows: [{ a: 3, b: 2 }] })
    expect(seen['no rows and no columns']).toMatchObject({ rows: [] })
    return {
      ...seen,
      order: Object.keys((seen['names in the order of the select'] as { rows: object[] }).rows[0] ?? {}),
    }
  })

  behaves('in columns named __proto__, constructor and toString are plain properties', async ({ db }) => {
    const { rows } =
      await sql<object>`select '{"polluted": true}'::jsonb as __proto__, 2 as constructor, 3 as "toString", 4 as "hasOwnProperty"`.execute(
        db,
      )
    const [row = {}] = rows
    expect(Object.entries(row)).toStrictEqual([
      ['__proto__', { polluted: true }],
      ['constructor', 2],
      ['toString', 3],
      ['hasOwnProperty', 4],
    ])
    expect([Object.getPrototypeOf(row) === Object.prototype, 'polluted' in row, 'polluted' in {}]).toStrictEqual([
      true,
      false,
      false,
    ])
  })

  behaves('are the caller’s to change: rows are plain and not frozen', async ({ db }) => {
    const result = await sql<{ a: number }>`select 1 as a`.execute(db)
    const again = await sql<{ a: number }>`select 1 as a`.execute(db)
    expect([Object.isFrozen(result), Object.isFrozen(result.rows), Object.isFrozen(result.rows[0])]).toStrictEqual([
      false,
      false,
      false,
    ])
    if (result.rows[0]) result.rows[0].a = 2
    expect(again.rows).toStrictEqual([{ a: 1 }])
  })

  behaves('number up to 65,535 in one statement, and not one more', { log: 'ignored' }, async ({ open }) => {
    const db = await open({ pool: { max: 1 } })
    const count = (length: number) =>
      sql<{ n: number }>`select cardinality(array[${sql.join(Array.from({ length }, (_, n) => n))}]::int[]) as n`
        .execute(db)
        .then((result) => result.rows)
    expect(await count(65_535)).toStrictEqual([{ n: 65_535 }])
    await expect(count(65_536)).rejects.toThrow()
    await expect(count(70_000)).rejects.toThrow()
    expect(await count(2)).toStrictEqual([{ n: 2 }])
  })

  behaves('that cannot be sent are refused and leave the connection usable', { log: 'ignored' }, async ({ open }) => {
    const db = await open({ pool: { max: 1 } })
    await expect(sql`select ${'a\0b'}::text`.execute(db)).rejects.toThrow()
    await expect(sql.raw(`select 'a\0b'`).execute(db)).rejects.toThrow()
    expect((await sql`select 1 as a`.execute(db)).rows).toStrictEqual([{ a: 1 }])
  })
})
