/** Values of every codec to the server and back, on PostgreSQL and on PGlite, for texts that were made to break them. */
import { citext } from '@electric-sql/pglite/contrib/citext'
import { hstore as hstoreExtension } from '@electric-sql/pglite/contrib/hstore'
import fc from 'fast-check'
import { sql } from 'kysely'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  allCodecs,
  Box,
  Circle,
  type Composite,
  composite,
  Hstore,
  Line,
  LineSegment,
  Multirange,
  Path,
  Point,
  Polygon,
  Range,
} from '../../../src/codecs/index.ts'
import { createDatabase, type Database } from '../../../src/index.ts'
import { createTestDatabase } from '../../support/database.ts'
import { bootPglite } from '../../support/pglite.ts'

const typesSql = `
  create extension hstore;
  create schema deep;
  create type mood as enum ('sad', 'it''s, "ok"');
  create domain cents as bigint;
  create domain many as int[];
  create type words as range (subtype = text, collation = "C");
  create type spans as range (subtype = interval);
  create domain span as words;
  create type deep."Odd, ""Type""" as (a int, "__proto__" text, "toJSON" text[], "constructor" mood, moods mood[], price cents, list many,
    doc jsonb, docs jsonb[], at timestamptz, bytes bytea, during tstzrange, spot point, attrs hstore, flag boolean);
  create type outer_pair as (inner_value deep."Odd, ""Type""", others deep."Odd, ""Type"""[], plain text);
  create type nothing as ();
`
// biome-ignore lint/suspicious/noExplicitAny: values of any type come back
type Values = any
let databases: Readonly<Record<'server' | 'embedded', Database<Values>>>
const closing: (() => Promise<void>)[] = []

beforeAll(async () => {
  const place = await createTestDatabase()
  const client = new Client(place.adminUrl)
  await client.connect()
  await client.query(typesSql)
  await client.end()
  const pglite = await bootPglite('', { hstore: hstoreExtension, citext })
  await pglite.exec(typesSql)
  const connection = place.adminUrl
  const server = createDatabase<Values>({ connection, service: { connection }, trustLogin: true, codecs: allCodecs })
  const embedded = createDatabase<Values>({ connection: pglite, codecs: allCodecs })
  databases = { server, embedded }
  closing.push(
    () => server.close(),
    () => embedded.close(),
    () => pglite.close(),
    () => place.drop(),
  )
}, 60_000)
afterAll(async () => {
  for (const close of closing) await close()
})

const kinds = ['server', 'embedded'] as const

/** What the server makes of a value of a type, and its text. */
async function back(kind: (typeof kinds)[number], value: unknown, type: string): Promise<Values> {
  const service = databases[kind].service({ actor: 'test', reason: 'codecs' })
  const { rows } = await sql<{ value: unknown }>`select ${value}::${sql.raw(type)} as value`.execute(service)
  return rows[0]?.value
}

const text = fc.oneof(
  fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0') && value.isWellFormed()),
  fc.constantFrom(
    '',
    ' ',
    'NULL',
    'null',
    'empty',
    '"',
    '\\',
    '""',
    '\\"',
    ',',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '=>',
    "'",
    '\n',
    'infinity',
  ),
)

describe.each(kinds)('on %s', (kind) => {
  const service = () => databases[kind].service({ actor: 'test', reason: 'codecs' })

  it('a range of hostile texts comes back as it went', async () => {
    const range = fc
      .tuple(
        fc.option(text),
        fc.option(text),
        fc.constantFrom('[)' as const, '[]' as const, '()' as const, '(]' as const),
      )
      .map(([a, b, bounds]) => {
        const swapped = a !== null && b !== null && Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0
        return Range.of(swapped ? b : a, swapped ? a : b, bounds)
      })
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 20, minLength: 20 }), async (ranges) => {
        const found: readonly Range<string>[] = await back(kind, ranges, 'words[]')
        ranges.forEach((given, i) => {
          const isNone =
            given.lower !== null && given.lower === given.upper && !(given.lowerInclusive && given.upperInclusive)
          expect(found[i]).toStrictEqual(isNone ? Range.empty() : given)
          expect(Range.parse(String(given))).toStrictEqual(given)
        })
      }),
      { numRuns: 15 },
    )
  })

  it('multiranges come back in order and joined', async () => {
    const value = Multirange.of(Range.of('x, "y"', 'z'), Range.of('a', 'b'), Range.empty<string>(), Range.of('b', 'c'))
    expect(await back(kind, value, 'words_multirange'.replace('words_multirange', 'words_multirange'))).toStrictEqual(
      Multirange.of(Range.of('a', 'c'), Range.of('x, "y"', 'z')),
    )
    expect(await back(kind, '{}', 'int4multirange')).toStrictEqual(Multirange.of())
    expect(await back(kind, [Multirange.of(Range.of(1, 5)), null], 'int4multirange[]')).toStrictEqual([
      Multirange.of(Range.of(1, 5)),
      null,
    ])
  })

  it('bounds are what the parser of their type gives, infinities and missing bounds among them', async () => {
    const at = new Date('2024-02-29T12:34:56.789Z')
    expect(await back(kind, Range.of(1, 5, '[]'), 'int4range')).toStrictEqual(Range.of(1, 6))
    expect(await back(kind, Range.of(1n, null), 'int8range')).toStrictEqual(Range.of('1', null))
    expect(await back(kind, Range.of(at, null), 'tstzrange')).toStrictEqual(Range.of(at, null))
    expect(await back(kind, Range.of<Date | number>(Number.NEGATIVE_INFINITY, at), 'tstzrange')).toStrictEqual(
      Range.of(Number.NEGATIVE_INFINITY as never, at),
    )
    const day = new Date(2024, 1, 29)
    expect(await back(kind, Range.of(day, Number.POSITIVE_INFINITY as never), 'daterange')).toStrictEqual(
      Range.of(day, Number.POSITIVE_INFINITY as never),
    )
    expect(await back(kind, Range.of(day, null), 'tsrange')).toStrictEqual(Range.of(day, null))
    expect(await back(kind, Range.unbounded(), 'numrange')).toStrictEqual(Range.unbounded())
    expect(await back(kind, 'empty', 'numrange')).toStrictEqual(Range.empty())
    const spans = await back(kind, '[1 day,2 days 03:00:00)', 'spans')
    expect(spans.upper).toMatchObject({ days: 2, hours: 3 })
    expect(await back(kind, spans, 'spans')).toEqual(spans)
    expect(await back(kind, '[a,b)', 'span')).toStrictEqual(Range.of('a', 'b'))
  })

  it('an hstore of hostile keys and values comes back as it went', async () => {
    const entries = fc.array(fc.tuple(fc.oneof(text, fc.constantFrom('__proto__', 'constructor')), fc.option(text)))
    await fc.assert(
      fc.asyncProperty(entries, async (pairs) => {
        const given = new Hstore(pairs)
        const found: Hstore = await back(kind, given, 'hstore')
        expect(found).toBeInstanceOf(Hstore)
        expect([...found].sort()).toEqual([...given].sort())
        expect(Hstore.parse(String(given))).toStrictEqual(given)
        expect(await back(kind, [given, null], 'hstore[]')).toStrictEqual([found, null])
      }),
      { numRuns: 60 },
    )
    expect((await back(kind, '"__proto__"=>x', 'hstore')).toObject()).toEqual(JSON.parse('{ "__proto__": "x" }'))
  })

  it('texts of hstore as people write them are read as the server reads them', async () => {
    for (const written of [
      'a=>1',
      ' a => NULL , b=>"NULL"',
      'a=>1,a=>2',
      'a\\==>b',
      'a,b=>c',
      'k => null',
      'a=>b,',
      'a=>b,,c=>d',
      'a=>=b',
      'x"y=>z"',
      'a=>,',
      '"a"=>"\\\\ \\""',
      '',
    ]) {
      const found: Hstore = await back(kind, written, 'hstore')
      expect(Hstore.parse(written), written).toStrictEqual(found)
    }
    for (const wrong of ['a', 'a=>', '=>b', 'a=b=>c', 'a = > b', 'a=>b c=>d', '"a=>b', 'a=>"b', 'a=>b\\']) {
      await expect(back(kind, wrong, 'hstore'), wrong).rejects.toMatchObject({ code: expect.stringMatching(/^QUERY_/) })
      expect(() => Hstore.parse(wrong), wrong).toThrow(expect.objectContaining({ code: 'QUERY_DATA' }))
    }
  })

  it('composites come back with every attribute, nested and in arrays', async () => {
    const type = 'deep."Odd, ""Type"""'
    const attributes = [
      'a',
      '__proto__',
      'toJSON',
      'constructor',
      'moods',
      'price',
      'list',
      'doc',
      'docs',
      'at',
      'bytes',
      'during',
      'spot',
      'attrs',
      'flag',
    ]
    const typed = attributes.map((name) => ({
      name,
      type: name === 'doc' ? 'jsonb' : name === 'docs' ? 'jsonb[]' : 'text',
    }))
    await fc.assert(
      fc.asyncProperty(text, fc.option(text), fc.jsonValue(), async (one, other, json) => {
        const clean = JSON.stringify(json)
        // V8 13.6 (Node 24) reads keys with escapes as others that it has seen: JSON.parse(JSON.stringify(x)) alone shows it.
        fc.pre(!clean.includes('\\'))
        const values = Object.fromEntries([
          ['a', 1],
          ['toJSON', [one, other]],
          ['constructor', 'it\'s, "ok"'],
          ['moods', ['sad', null, 'it\'s, "ok"']],
          ['price', '9007199254740993'],
          ['list', [1, null]],
          ['doc', JSON.parse(clean)],
          ['docs', [{ a: one }, null]],
          ['at', new Date(0)],
          ['bytes', Buffer.from([0, 255])],
          ['during', Range.of(new Date(0), null)],
          ['spot', new Point(1, 2)],
          ['attrs', Hstore.from({ a: null })],
          ['flag', false],
          ['__proto__', one],
        ])
        const given = composite(typed, values)
        const found = await back(kind, given, type)
        expect(Object.entries(found)).toEqual(
          attributes.map((name) => [name, Object.entries(given).find(([key]) => key === name)?.[1]]),
        )
        const pair = composite(['inner_value', 'others', 'plain'], {
          inner_value: given,
          others: [found, null],
          plain: one,
        })
        const again: Composite<{ inner_value: object; others: object[] }> = await back(kind, pair, 'outer_pair')
        expect(again).toEqual(
          composite(['inner_value', 'others', 'plain'], { inner_value: found, others: [found, null], plain: one }),
        )
        expect(await back(kind, again, 'outer_pair')).toEqual(again)
        expect(await back(kind, [again, null], 'outer_pair[]')).toEqual([again, null])
      }),
      { numRuns: 25 },
    )
  })

  it('a composite without attributes, or with nulls alone, is one all the same', async () => {
    expect(Object.entries(await back(kind, '()', 'nothing'))).toEqual([])
    const found = await back(kind, composite(['inner_value', 'others', 'plain'], {}), 'outer_pair')
    expect({ ...found }).toEqual({ inner_value: null, others: null, plain: null })
    expect(Object.keys(found)).not.toContain('toPostgres')
  })

  it('geometric values come back, alone and in arrays, every number with its last digit', async () => {
    const number = fc.oneof(fc.double({ noNaN: false }), fc.constantFrom(0, -0, 1e-320, Number.MAX_VALUE, 0.1))
    const point = fc.tuple(number, number).map(([x, y]) => new Point(x, y))
    await fc.assert(
      fc.asyncProperty(fc.array(point, { minLength: 2, maxLength: 5 }), async (points) => {
        const [a, b] = points as [Point, Point, ...Point[]]
        expect(await back(kind, a, 'point')).toStrictEqual(a)
        expect(await back(kind, points, 'point[]')).toStrictEqual(points)
        expect(await back(kind, new LineSegment(a, b), 'lseg')).toStrictEqual(new LineSegment(a, b))
        for (const isClosed of [true, false])
          expect(await back(kind, new Path(points, isClosed), 'path')).toStrictEqual(new Path(points, isClosed))
        expect(await back(kind, new Polygon(points), 'polygon')).toStrictEqual(new Polygon(points))
        const box = await back(kind, new Box(a, b), 'box')
        expect(await back(kind, [box, null, box], 'box[]')).toStrictEqual([box, null, box])
      }),
      { numRuns: 20 },
    )
    expect(await back(kind, new Circle(1.5, -2, 3), 'circle')).toStrictEqual(new Circle(1.5, -2, 3))
    expect(await back(kind, new Line(1, 2, -3), 'line')).toStrictEqual(new Line(1, 2, -3))
    expect(await back(kind, new Box(new Point(1, 4), new Point(3, 2)), 'box')).toStrictEqual(
      new Box(new Point(3, 4), new Point(1, 2)),
    )
    expect(await back(kind, [[new Box(new Point(1, 4), new Point(3, 2))]], 'box[]')).toHaveLength(1)
  })

  it('types that are made later are read after one refused result at most', async () => {
    const name = `later_${kind}`
    await back(kind, 1, 'int')
    await sql`create type ${sql.ref(name)} as (a int)`.execute(service())
    await expect(back(kind, '(1)', name)).rejects.toMatchObject({ code: 'QUERY_DATA' })
    expect({ ...(await back(kind, '(1)', name)) }).toEqual({ a: 1 })
  })
})
