/**
 * Random functions: names that need quotes, types, defaults, modes, overloads, rows and sets. A call by the generated code gives what SQL
 * written by hand gives, and what it gives compiles under the generated types.
 */
import fc from 'fast-check'
import { Client, escapeIdentifier, escapeLiteral } from 'pg'
import { expect, it } from 'vitest'
import { call as typedCall } from '../../../src/functions/index.ts'
import { type Loose, openFunctions } from './fixture.ts'

const call = typedCall as Loose
const count = Number(process.env['TENON_FUNCTIONS'] ?? 80)
const seed = Number(process.env['TENON_FUNCTIONS_SEED'] ?? 20_261_129)

/** A type with a few values as JavaScript has them; null among them. */
const types = [
  { sql: 'integer', values: [0, -7, 2_147_483_647] },
  { sql: 'bigint', values: ['9007199254740993', '-1'] },
  { sql: 'numeric', values: ['1.50', '-0.001'] },
  { sql: 'double precision', values: [1.5, -0.25] },
  { sql: 'text', values: ['', "it's", 'a"b\\c', 'ü😀', '{x,"y"}'] },
  { sql: 'boolean', values: [true, false] },
  { sql: 'uuid', values: ['5e0f6a7e-0000-4000-8000-000000000001'] },
  { sql: 'date', values: ['2024-02-29'] },
  { sql: 'jsonb', values: ['{"a": [1, null]}', '"x"'] },
  { sql: '"Odd ""schema"."mood: of the day"', values: ['a "b"', 'x'] },
  { sql: 'text[]', values: [[], ['a', null, '"', '{}']] },
  { sql: 'integer[]', values: [[1, null, 3]] },
  { sql: '"Odd ""schema"."mood: of the day"[]', values: [['x', 'a "b"']] },
  { sql: '"Odd ""schema".cents', values: ['5', '0'] },
] as const

const name = fc.oneof(
  fc.constantFrom(
    'select',
    'a b',
    'userId',
    'user_id',
    'a"b',
    "it's",
    'ünï',
    'x=>y',
    '$1',
    ':"s"',
    'constructor',
    'a_1',
    '😀',
    'Ab',
  ),
  fc.string({ minLength: 1, maxLength: 12 }).filter((text) => !text.includes('\0') && Buffer.byteLength(text) <= 60),
)
const argument = fc.record({
  name: fc.option(name, { nil: undefined, freq: 5 }),
  type: fc.nat(types.length - 1),
  value: fc.nat(20),
  isNull: fc.boolean(),
  left: fc.boolean(),
})
const shape = fc.record({
  name,
  arguments: fc.uniqueArray(argument, {
    maxLength: 5,
    selector: (one) => one.name ?? Symbol(),
    comparator: 'SameValueZero',
  }),
  defaults: fc.nat(5),
  result: fc.constantFrom('scalar', 'set', 'table', 'out', 'composite', 'variadic', 'procedure'),
})

type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never

/** A function that gives back its arguments, as the kind of result has it. */
function toSql({ name: own, arguments: all, defaults, result }: Shape, place: number) {
  const function_ = `${escapeIdentifier('Odd "schema')}.${escapeIdentifier(`${own.slice(0, 8)}${place}`)}`
  const typeAt = (i: number) => types[all[i]?.type ?? 0] ?? types[0]
  const given = all.map(({ name: each }, i) => {
    const fallback = i >= all.length - defaults ? ` default null::${typeAt(i).sql}` : ''
    return `${each === undefined ? '' : `${escapeIdentifier(each)} `}${typeAt(i).sql}${fallback}`
  })
  const values = all.map((_, i) => `$${i + 1}`)
  const row = values.length === 0 ? `'none'::text` : `row(${values.join(', ')})::text`
  switch (result) {
    case 'scalar':
      return {
        function_,
        sql: `create function ${function_}(${given.join(', ')}) returns text language sql as ${escapeLiteral(`select ${row}`)}`,
      }
    case 'set':
      return {
        function_,
        sql: `create function ${function_}(${given.join(', ')}) returns setof text language sql as ${escapeLiteral(`values (${row}), (null), ('x')`)}`,
      }
    case 'table':
      return {
        function_,
        sql: `create function ${function_}(${given.join(', ')}) returns table ("o u t" text, number int) language sql as ${escapeLiteral(`values (${row}, 1), (null, 2)`)}`,
      }
    case 'out':
      return {
        function_,
        sql: `create function ${function_}(${[...given, 'out "o u t" text', 'out number int'].join(', ')}) language sql as ${escapeLiteral(`select ${row}, 1`)}`,
      }
    case 'composite':
      return {
        function_,
        sql: `create function ${function_}(${given.join(', ')}) returns "Odd ""schema"."Pa ir" language sql as ${escapeLiteral(`select ${row}, 1`)}`,
      }
    case 'variadic':
      return {
        function_,
        sql: `create function ${function_}(${[...given.map((text) => text.replace(/ default null::.*$/s, '')), 'variadic "re st" int[]'].join(', ')}) returns text language sql as ${escapeLiteral(`select concat(${row}, $${values.length + 1}::text)`)}`,
      }
    case 'procedure':
      return {
        function_,
        sql: `create procedure ${function_}(${[...given.map((text) => text.replace(/ default null::.*$/s, '')), 'out "o u t" text'].join(', ')}) language sql as ${escapeLiteral(`select ${row}`)}`,
      }
  }
}

it('a call gives what SQL by hand gives', { timeout: 60_000 }, async () => {
  const shapes = fc.sample(shape, { numRuns: count, seed }).map((one) => ({
    ...one,
    // Names of OUT arguments are taken, and a default wants one behind it.
    arguments: one.arguments.filter(({ name: each }) => each !== 'o u t' && each !== 'number' && each !== 're st'),
  }))
  const made = shapes.map(toSql)
  const text = `create schema "Odd ""schema"; create type "Odd ""schema"."mood: of the day" as enum ('a "b"', 'x');
    create domain "Odd ""schema".cents as bigint check (value >= 0); create type "Odd ""schema"."Pa ir" as ("o u t" text, number int);
    create table public.t (id int); grant usage on schema "Odd ""schema" to authenticated; ${made.map(({ sql }) => `${sql};`).join('\n')}`
  await using place = await openFunctions(
    'server',
    {},
    `do $$ begin create role authenticated; exception when duplicate_object then null; end $$; ${text}`,
  )
  const callables: readonly Loose[] = Object.values(place.functions)
  const admin = new Client(place.urls?.admin)
  await admin.connect()
  let calls = 0
  try {
    for (const [i, one] of shapes.entries()) {
      const { name: own, arguments: all, result } = one
      const callable = callables.find((each) => each.name === `${own.slice(0, 8)}${i}`)
      expect(callable, own).toBeDefined()
      const [{ arguments: described }] = callable.overloads
      const keys = described.filter(({ key }: Loose) => key !== undefined)
      const lastUnnamed = all.findLastIndex((each) => each.name === undefined)
      const given: Record<string, unknown> = {}
      const written: string[] = []
      const values: unknown[] = []
      for (const [at, each] of all.entries()) {
        const optional = keys[at].optional === true
        if (optional && each.left && at > lastUnnamed) continue
        const { sql: type, values: choices } = types[each.type] ?? types[0]
        const value = each.isNull ? null : choices[each.value % choices.length]
        Object.defineProperty(given, keys[at].key, { value, enumerable: true })
        values.push(value)
        const placed = at <= lastUnnamed || each.name === undefined ? '' : `${escapeIdentifier(each.name)} => `
        written.push(`${placed}$${values.length}::${type}`)
      }
      if (result === 'variadic') {
        given[keys[all.length].key] = [1, 2]
        written.push(
          `variadic ${written.some((word) => word.includes('=> ')) ? '"re st" => ' : ''}$${values.push([1, 2])}::int[]`,
        )
      }
      if (result === 'procedure')
        written.push(written.some((word) => word.includes('=> ')) ? '"o u t" => null' : 'null')
      const from = `${made[i]?.function_}(${written.join(', ')})`
      const rows = async (sql: string) => (await admin.query(sql, values)).rows
      const got = await call(place.ada, callable, given)
      calls++
      switch (result) {
        case 'scalar':
        case 'variadic':
          expect(got).toEqual((await rows(`select ${from} as v`))[0].v)
          break
        case 'set':
          expect(got).toEqual((await rows(`select ${from} as v`)).map(({ v }) => v))
          break
        case 'table':
          expect(got).toEqual(await rows(`select * from ${from}`))
          break
        case 'out':
        case 'composite':
          expect(got).toEqual((await rows(`select * from ${from}`))[0])
          break
        case 'procedure':
          expect(got).toEqual((await rows(`call ${from}`))[0])
      }
    }
    expect(calls).toBe(count)
    expect(place.folder.compile(['metadata.ts']).errors).toEqual([])
  } finally {
    await admin.end()
  }
})
