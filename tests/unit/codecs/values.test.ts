/** Values of tenon/codecs by themselves: what they refuse, what they write, and how they look from outside. */
import { inspect } from 'node:util'
import {
  type AliasableExpression,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from 'kysely'
import { describe, expect, it } from 'vitest'
import {
  allCodecs,
  Box,
  Circle,
  composite,
  geometric,
  Hstore,
  hstore,
  isComposite,
  isMultirange,
  isRange,
  Line,
  LineSegment,
  Multirange,
  multirange,
  Path,
  Point,
  Polygon,
  Range,
  range,
  rangeCodec,
} from '../../../src/codecs/index.ts'
import { encodeParameters } from '../../../src/database/wire/parameters.ts'
import { createDatabase } from '../../../src/index.ts'
import { codecNames } from '../../../src/kernel/codec.ts'

const invalid = expect.objectContaining({ code: 'PARAMETER_INVALID' })
const unreadable = expect.objectContaining({ code: 'QUERY_DATA' })
const db = new Kysely<object>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (on) => new PostgresIntrospector(on),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})
const compile = (expression: AliasableExpression<unknown>) => db.selectNoFrom(expression.as('value')).compile()
const parametersOf = (expression: AliasableExpression<unknown>) => compile(expression).parameters
const encoded = (value: unknown) => encodeParameters([value], {})[0]

describe('ranges', () => {
  it('are normalised as far as JavaScript can tell', () => {
    expect(Range.of(1, 1)).toStrictEqual(Range.empty())
    expect(Range.of(1, 1, '[]').isEmpty).toBe(false)
    expect(Range.of(null, 1, '[]').lowerInclusive).toBe(false)
    expect(String(Range.of(null, null, '[]'))).toBe('(,)')
    expect(String(Range.of('', 'a b'))).toBe('["","a b")')
    expect(Range.parse(' [ a , b ] ')).toStrictEqual(Range.of(' a ', ' b ', '[]'))
    expect(Range.parse(' EMPTY ')).toStrictEqual(Range.empty())
    expect(Range.parse('["a""\\"b",\\,]')).toStrictEqual(Range.of('a""b', ',', '[]'))
  })

  it('refuse what cannot be one', () => {
    expect(() => Range.of(2, 1)).toThrow(invalid)
    expect(() => Range.of(new Date(1), new Date(0))).toThrow(invalid)
    expect(() => Range.of(undefined as never, 1)).toThrow(invalid)
    expect(() => Range.of(1, 2, '[[' as never)).toThrow(invalid)
    expect(() => Multirange.of('[1,2)' as never)).toThrow(invalid)
    for (const text of ['', '[1,2', '[1 2)', '1,2)', '[1,2)x', '[1,2,3)', '["1,2)', '[1,2\\', 'emptyx', '{[1,2)}'])
      expect(() => Range.parse(text), text).toThrow(unreadable)
    for (const text of ['', '{', '[1,2)', '{[1,2)', '{[1,2)[3,4)}', '{[1,2),}', '{}x'])
      expect(() => Multirange.parse(text), text).toThrow(unreadable)
    expect(() => Range.parse(5 as never)).toThrow(unreadable)
  })

  it('are not compared with multiranges, which the server would take for the text of a range', () => {
    const during = range(sql.ref('during')) as unknown as ReturnType<typeof multirange>
    const refused = expect.objectContaining({ code: 'QUERY_FILTER' })
    expect(() => during.overlaps(Multirange.of())).toThrow(refused)
    expect(() => during.contains(Multirange.of())).toThrow(refused)
    expect(parametersOf(multirange(sql.ref<Multirange<number>>('spans')).overlaps(Range.of(1, 2)))).toEqual([
      Multirange.of(Range.of(1, 2)),
    ])
  })

  it('tell what lies in them, of numbers and dates', () => {
    expect(Range.of(1, 5).contains(1)).toBe(true)
    expect(Range.of(1, 5).contains(5)).toBe(false)
    expect(Range.of(1, 5, '(]').contains(1)).toBe(false)
    expect(Range.of(1, 5, '(]').contains(5)).toBe(true)
    expect(Range.of(1n, null).contains(10n ** 30n)).toBe(true)
    expect(Range.empty<number>().contains(1)).toBe(false)
    expect(Range.of(new Date(0), null).contains(new Date(1))).toBe(true)
    expect(Multirange.of(Range.of(1, 2), Range.of(4, 5)).contains(3)).toBe(false)
    expect(() => Range.of('1', '5').contains('10')).toThrow(invalid)
  })

  it('are sent as text, with bounds as the driver writes them', () => {
    expect(encoded(Range.of(1, 5))).toBe('[1,5)')
    expect(encoded([Range.of(1, 5), null])).toBe('{"[1,5)",NULL}')
    expect(encoded(Range.of(Number.NEGATIVE_INFINITY, 1))).toBe('[-infinity,1)')
    const at = new Date(0)
    expect(encoded(Range.of(at, null))).toBe(`[${encoded(at)},)`)
    expect(String(Range.of(at, null))).toBe(encoded(Range.of(at, null)))
    expect(() => encoded(Range.of('a\0', null))).toThrow(invalid)
    expect(() => encoded(Range.of(new Date(Number.NaN), null))).toThrow(invalid)
    expect(() => encoded(Range.of((() => 1) as never, null))).toThrow(invalid)
    expect(JSON.stringify({ span: Range.of(1, 5) })).toBe('{"span":"[1,5)"}')
  })
})

describe('hstore', () => {
  it('takes any key, and no value but text and null', () => {
    const value = Hstore.from(JSON.parse('{ "__proto__": "x", "constructor": null }'))
    expect(value.toObject()).toEqual(JSON.parse('{ "__proto__": "x", "constructor": null }'))
    expect(({} as { x?: string }).x).toBeUndefined()
    expect(() => Hstore.from({ a: 1 } as never)).toThrow(invalid)
    expect(() => new Hstore([[null as never, 'x']])).toThrow(invalid)
    expect(() => new Hstore().set('a', undefined as never)).toThrow(invalid)
    expect(() => Hstore.parse(null as never)).toThrow(unreadable)
    expect(encoded(Hstore.from({ 'a"': '\\' }))).toBe('"a\\""=>"\\\\"')
  })

  it('is not made of what has no keys, and a Map is one', () => {
    for (const none of [new Map([['a', 'b']]), new Date(), ['a'], Promise.resolve({}), null, 'a=>b'])
      expect(() => Hstore.from(none as never)).toThrow(invalid)
    const column = sql.ref('attrs')
    expect(parametersOf(hstore(column).contains(new Map([['a', 'b']]) as never))).toEqual([Hstore.from({ a: 'b' })])
    expect(() => hstore(column).contains(new Date() as never)).toThrow(invalid)
  })
})

describe('composites', () => {
  it('have their attributes and nothing else, and refuse strangers', () => {
    const home = composite(['street', 'city'], { city: 'Bern' })
    expect(Object.keys(home)).toEqual(['street', 'city'])
    expect({ ...home }).toEqual({ street: null, city: 'Bern' })
    expect(JSON.stringify(home)).toBe('{"street":null,"city":"Bern"}')
    expect(encoded(home)).toBe('(,Bern)')
    expect(encoded([home])).toBe('{"(,Bern)"}')
    expect(encoded(composite(['a', 'b'], { a: '', b: 'x, "y"\\' }))).toBe('("","x, ""y""\\\\")')
    expect(() => composite(['street'], { streets: 'x' })).toThrow(invalid)
    expect(encoded(composite([{ name: 'doc', type: 'jsonb' }], { doc: [1, 'x'] }))).toBe('("[1,""x""]")')
    const type = { oid: 1, schema: 's', name: 'n', kind: 'composite' as const, attributes: [{ name: 'a', type: 25 }] }
    const parse = allCodecs[0]?.parserOf(type, () => (text) => text)
    for (const text of ['', '(', '(1,2)', '(1', '1)', '(1)x', '("1)', '()()'])
      expect(() => parse?.(text), text).toThrow(unreadable)
    expect({ ...(parse?.('()') as object) }).toEqual({ a: null })
    expect(
      allCodecs[0]?.parserOf({ ...type, attributes: [{ name: 'toPostgres', type: 25 }] }, () => (text) => text),
    ).toBeUndefined()
  })
})

describe('composites of what they are not', () => {
  it('refuse values without keys, and an attribute that would stand in for how they are written', () => {
    for (const none of [new Map([['street', 'x']]), new Date(), [], Promise.resolve({}), null, undefined, 5])
      expect(() => composite(['street'], none as never)).toThrow(invalid)
    expect(() => composite(['toPostgres'], { toPostgres: 'x' })).toThrow(invalid)
    class Address {
      street = 'x'
    }
    expect(encoded(composite(['street'], new Address()))).toBe('(x)')
    expect(encoded(composite(['street'], composite(['street'], {})))).toBe('()')
  })

  it('and an attribute called as a method of other values is one all the same', () => {
    const row = composite(['arrayDelimiter', 'sqlType', 'toOperationNode'], {
      arrayDelimiter: ';',
      sqlType: 'point',
      toOperationNode: 'x',
    })
    expect(encoded([row, row])).toBe('{"(\\";\\",point,x)","(\\";\\",point,x)"}')
    expect(parametersOf(range(sql.ref('during')).contains(row as never))).toHaveLength(1)
  })

  it('write arrays of boxes with their delimiter without a driver too', () => {
    const box = new Box(new Point(3, 4), new Point(1, 2))
    const row = composite(['areas'], { areas: [null, box, box] })
    expect(row.toPostgres()).toBe('("{NULL;""(3,4),(1,2)"";""(3,4),(1,2)""}")')
    expect(encoded(row)).toBe(row.toPostgres())
  })
})

describe('geometric values', () => {
  it('never put a text of the caller’s into the statement', () => {
    const given = JSON.parse('{ "x": 1, "y": 2, "sqlType": "point) or true --" }')
    const compiled = compile(geometric(sql.ref('spot')).distance(given))
    expect(compiled.sql).not.toContain('or true')
    expect(compiled.parameters).toEqual([given])
    expect(compile(geometric(sql.ref('spot')).distance(new Point(1, 2))).sql).toContain('cast($1 as point)')
  })

  it('refuse what cannot be one', () => {
    expect(() => new Point('1' as never, 2)).toThrow(invalid)
    expect(() => new Line(0, 0, 1)).toThrow(invalid)
    expect(() => new Circle(0, 0, -1)).toThrow(invalid)
    expect(() => new Path([], true)).toThrow(invalid)
    expect(() => new Polygon([{ x: 1, y: 1 } as never])).toThrow(invalid)
    expect(() => new LineSegment(new Point(0, 0), undefined as never)).toThrow(invalid)
    const box = new Box(new Point(0, 0), new Point(1, 1))
    expect(encoded([box, null, box])).toBe('{"(1,1),(0,0)";NULL;"(1,1),(0,0)"}')
    expect(encoded([[box]])).toBe('{{"(1,1),(0,0)"}}')
    expect(Object.keys(box)).toEqual(['upperRight', 'lowerLeft'])
  })
})

it('values say what they are, also to another copy of the package', () => {
  expect([isRange(Range.empty()), isMultirange(Multirange.of()), isComposite(composite([], {}))]).toEqual([
    true,
    true,
    true,
  ])
  expect([isRange({ lower: 1 }), isRange(null), isComposite({})]).toEqual([false, false, false])
  expect(inspect(Range.of(1, 2))).toContain('Range')
})

describe('createDatabase', () => {
  const metadata = {
    format: 1,
    parsers: { int8: 'string', numeric: 'string', date: 'Date', timestamp: 'Date' },
    camelCase: false,
    roles: [],
    arrays: [],
    enums: {},
    domains: {},
    composites: {},
    ranges: {},
    tables: {},
    functions: {},
  } as const
  const connection = 'postgres://localhost/x'

  it('refuses metadata whose codecs are not given, and codecs that it was not generated for', async () => {
    const names = allCodecs.map(({ name }) => name)
    expect([...names, 'geo'].sort()).toEqual([...codecNames])
    expect(() =>
      createDatabase({ connection, metadata: { ...metadata, codecs: ['range', 'hstore'] }, codecs: [rangeCodec] }),
    ).toThrow(expect.objectContaining({ code: 'OPTION_INVALID', hint: expect.stringContaining('hstoreCodec') }))
    expect(() => createDatabase({ connection, metadata, codecs: [rangeCodec] })).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID', hint: expect.stringContaining("codecs: ['range']") }),
    )
    const own = { name: 'mine', parserOf: () => undefined }
    await createDatabase({ connection, metadata, codecs: [own] }).close()
    await createDatabase({
      connection,
      metadata: { ...metadata, codecs: ['range'] },
      codecs: [rangeCodec, own],
    }).close()
    await createDatabase({ connection, codecs: allCodecs }).close()
  })
})
