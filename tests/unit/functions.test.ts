/** The SQL of calls, and what is refused without a server. */
import { runInNewContext } from 'node:vm'
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { composite, Multirange, Range, Vector } from '../../src/codecs/index.ts'
import { aggregateCall, call, functionCall, functionRows, operator, overload } from '../../src/functions/index.ts'
import type { ArgumentMetadata, FunctionMetadata, FunctionsOfName } from '../../src/kernel/metadata.ts'

interface Callable<S extends { arguments: unknown; returns: unknown; row?: unknown }> extends FunctionsOfName {
  readonly signatures?: readonly [S] | undefined
}

const db = new Kysely<{ t: { id: number; name: string } }>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (on) => new PostgresIntrospector(on),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

const input = (key: string, type: string, more: Partial<ArgumentMetadata> = {}): ArgumentMetadata => ({
  name: key,
  key,
  type,
  mode: 'in',
  ...more,
})

function callable<S extends { arguments: unknown; returns: unknown; row?: unknown }>(
  more: Partial<FunctionMetadata>,
  name = 'f',
): Callable<S> {
  const one: FunctionMetadata = {
    kind: 'function',
    arguments: [],
    returns: 'pg_catalog.int4',
    volatility: 'stable',
    ...more,
  }
  return { schema: 'public', name, overloads: [one] }
}

const sqlOf = (expression: Parameters<typeof db.selectNoFrom>[0]) => db.selectNoFrom(expression).compile()

describe('a call', () => {
  it('quotes the name, the names of arguments and the types, and binds every value', () => {
    const odd = callable<{ arguments: { 'a"b': number; c: string[] }; returns: number }>(
      { arguments: [input('a"b', 'od"d.ty pe'), input('c', 'pg_catalog.text[]')] },
      'f"; drop table t; --',
    )
    expect(sqlOf(functionCall(odd, { 'a"b': 1, c: ["x'"] }).as('x'))).toMatchObject({
      sql: `select "public"."f""; drop table t; --"("a""b" => cast($1 as "od""d"."ty pe"), "c" => cast($2 as "pg_catalog"."text"[])) as "x"`,
      parameters: [1, ["x'"]],
    })
  })

  it('puts what has no name before the others, and VARIADIC last', () => {
    const mixed = callable<{ arguments: { a: number; argument2: number; rest: number[] }; returns: number }>({
      arguments: [
        input('a', 'pg_catalog.int4'),
        { key: 'argument2', type: 'pg_catalog.int4', mode: 'in' },
        input('rest', 'pg_catalog.int4[]', { mode: 'variadic' }),
      ],
    })
    expect(sqlOf(functionCall(mixed, { rest: [3], argument2: 2, a: 1 }).as('x')).sql).toBe(
      'select "public"."f"(cast($1 as "pg_catalog"."int4"), cast($2 as "pg_catalog"."int4"), variadic cast($3 as "pg_catalog"."int4"[])) as "x"',
    )
  })

  it('is a source of rows: by its columns, or by the column value', () => {
    const rows = callable<{
      arguments: Record<string, never>
      returns: readonly { id: number }[]
      row: { id: number }
    }>({
      set: true,
      row: true,
    })
    expect(db.selectFrom(functionRows(rows).as('r')).select('r.id').compile().sql).toBe(
      'select "r"."id" from "public"."f"() as "r"',
    )
    const values = callable<{ arguments: Record<string, never>; returns: readonly number[]; row: { value: number } }>({
      set: true,
    })
    expect(db.selectFrom(functionRows(values).as('r')).select('r.value').compile().sql).toBe(
      'select "r"."value" from (select "public"."f"() as "value") as "r"',
    )
  })

  it('of an aggregate is by place, and has a star without arguments', () => {
    const total = callable<{ arguments: { value: number }; returns: number }>({
      kind: 'aggregate',
      arguments: [input('value', 'pg_catalog.int4')],
    })
    const tally = callable<{ arguments: Record<string, never>; returns: number }>({ kind: 'aggregate' })
    const query = db.selectFrom('t').select((eb) => [
      aggregateCall(eb, total, { value: eb.ref('id') })
        .filterWhere('name', '=', 'x')
        .as('total'),
      aggregateCall(eb, tally).as('tally'),
    ])
    expect(query.compile().sql).toBe(
      'select "public"."f"("id") filter(where "name" = $1) as "total", "public"."f"(*) as "tally" from "t"',
    )
  })

  it('of an operator carries its schema', () => {
    const near = { schema: 'od"d', name: '<~>', rightType: 'public.measure' }
    expect(sqlOf((eb) => operator(eb.ref('id' as never), near, '(1,m)').as('x')).sql).toBe(
      'select "id" operator("od""d".<~>) cast($1 as "public"."measure") as "x"',
    )
  })

  it('takes an object of its arguments, and nothing that has no keys for none', async () => {
    const optional = callable<{ arguments: { a?: number }; returns: number }>({
      arguments: [input('a', 'pg_catalog.int4', { optional: true })],
    })
    class Given {
      a = 1
    }
    const wrong = [
      new Date(),
      new Map([['a', 1]]),
      new Set(),
      [],
      Promise.resolve({ a: 1 }),
      /a/,
      new Given(),
      null,
      'a',
      1,
    ]
    for (const given of [...wrong, Object.create({ a: 1 }), () => 1])
      await expect(call(db, optional, given as never)).rejects.toMatchObject({ code: 'FUNCTION_ARGUMENTS' })
    const args = 'select "public"."f"("a" => cast($1 as "pg_catalog"."int4")) as "x"'
    for (const given of [{ a: 1 }, Object.assign(Object.create(null), { a: 1 }), runInNewContext('({ a: 1 })')])
      expect(sqlOf(functionCall(optional, given).as('x')).sql).toBe(args)
  })

  const anyOf = (...types: readonly string[]) =>
    callable<{ arguments: Readonly<Record<string, unknown>>; returns: unknown }>({
      arguments: types.map((type, i) => input(`value${i}`, `pg_catalog.${type}`)),
    })

  it('leaves the type of a value that writes itself to the server, where another argument says it', () => {
    const written = (value: unknown) => sqlOf(functionCall(anyOf('anyelement'), { value0: value }).as('x')).sql
    expect(written({ a: 1 })).toBe('select "public"."f"("value0" => cast($1 as "pg_catalog"."jsonb")) as "x"')
    expect(written(sql`cast(${Vector.of([1])} as vector)`)).toBe(
      'select "public"."f"("value0" => cast($1 as vector)) as "x"',
    )
    for (const [types, first, second] of [
      [['anyelement', 'anyelement'], sql.ref('embedding'), Vector.of([1])],
      [['anyrange', 'anyrange'], sql.ref('during'), Range.of(1, 2)],
      [['anyrange', 'anymultirange'], sql.ref('during'), Multirange.of()],
      [['anyrange', 'anyelement'], sql.ref('during'), Vector.of([1])],
      [['anycompatible', 'anycompatible'], 'a text', Range.of(1, 2)],
      [['anyarray', 'anyelement'], ['a'], null],
      [['anyelement', 'anyarray'], 'a', []],
    ] as const)
      expect(sqlOf(functionCall(anyOf(...types), { value0: first, value1: second }).as('x')).sql).toMatch(
        /"value1" => \$\d\)/,
      )
    expect(sqlOf(functionCall(anyOf('anycompatiblearray'), { value0: [] }).as('x')).sql).toContain('"value0" => $1')
  })

  it('says what to do where nothing says the type of a polymorphic argument', async () => {
    const row = composite(['street'], { street: 'secret' })
    for (const [types, ...values] of [
      [['anyelement'], Range.of(1, 2)],
      [['anyelement'], row],
      [['anyelement'], []],
      [['anyelement'], [{ a: 1 }, Multirange.of()]],
      [['anynonarray'], Vector.of([1])],
      [['anyrange'], Range.of(1, 2)],
      [['anycompatible'], row],
      [['anycompatiblerange'], Range.of(1, 2)],
      [['anymultirange'], Multirange.of()],
      [['any'], Range.of(1, 2)],
      [['anyrange', 'anyelement'], Range.of(1, 2), 5],
      [['anyrange', 'anyelement'], Range.of(1, 2), sql.ref('id')],
      [['anyelement', 'anycompatible'], row, 'text'],
      [['any', 'any'], row, 'text'],
      [['anyelement', 'anyelement'], row, null],
    ] as const) {
      const args = Object.fromEntries(values.map((value, i) => [`value${i}`, value]))
      const refused = {
        code: 'FUNCTION_ARGUMENTS',
        message: 'public.f: nothing says which type value0 has',
        hint: expect.stringMatching(/functionCall\(\).*cast\(/),
      }
      expect(() => functionCall(anyOf(...types), args), types.join()).toThrow(expect.objectContaining(refused))
      if (!values.some((value) => value !== null && 'toOperationNode' in Object(value)))
        await expect(call(db, anyOf(...types), args)).rejects.toMatchObject(refused)
    }
  })

  it('is refused with the signatures and without a value', async () => {
    const one = callable<{ arguments: { a: number; b?: number }; returns: number }>({
      arguments: [input('a', 'pg_catalog.int4'), input('b', 'public.mood', { optional: true })],
    })
    const wrong = { a: 'secret', secret_key_of_data: 1 }
    await expect(call(db, one, wrong as never)).rejects.toMatchObject({
      code: 'FUNCTION_ARGUMENTS',
      message: 'public.f: it takes no argument secret_key_of_data',
      hint: 'It takes: (a int4, b public.mood = default)',
      retryable: false,
    })
    await expect(call(db, one, { "x'; --": 1 } as never)).rejects.toThrow('it takes no argument of such a name')
    await expect(call(db, {} as never)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(call(undefined as never, one, { a: 1 })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    expect(() => overload(one, 1 as never)).toThrow('public.f has 1 overloads')
  })
})
