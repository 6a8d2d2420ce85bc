/** Functions, aggregates and operators inside of queries, on a server and on PGlite. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  operator,
  aggregateCall as typedAggregateCall,
  functionCall as typedFunctionCall,
  functionRows as typedFunctionRows,
  overload as typedOverload,
} from '../../../src/functions/index.ts'
import { type Loose, openFunctions, type Place, placeKinds } from './fixture.ts'

const functionCall = typedFunctionCall as Loose
const functionRows = typedFunctionRows as Loose
const aggregateCall = typedAggregateCall as Loose
const overload = typedOverload as Loose

describe.each(placeKinds)('on %s', (kind) => {
  let place: Place
  let f: Loose
  beforeAll(async () => {
    place = await openFunctions(kind)
    f = place.functions
  })
  afterAll(() => place?.[Symbol.asyncDispose]())

  it('a scalar function stands in select, where and orderBy, under row security', async () => {
    const query = place.ada
      .selectFrom('users')
      .select((eb: Loose) => ['id', functionCall(f.add, { a: eb.ref('id'), c: 1 }).as('sum')])
      .where((eb: Loose) => eb(functionCall(f.strictUpper, { value: eb.ref('name') }), 'like', 'A%'))
      .orderBy((eb: Loose) => functionCall(f.add, { a: eb.ref('id') }), 'desc')
    expect(await query.execute()).toEqual([
      { id: 2, sum: 13 },
      { id: 1, sum: 12 },
    ])
    expect(query.compile().sql).toBe(
      'select "id", "public"."add"("a" => "id", "c" => cast($1 as "pg_catalog"."int4")) as "sum" from "users" where "public"."strict_upper"("value" => "name") like $2 order by "public"."add"("a" => "id") desc',
    )
  })

  it('tells the server which overload is meant by the types of all arguments', async () => {
    const query = place.ada
      .selectFrom('users')
      .select((eb: Loose) => [
        functionCall(overload(f.twin, 0), { value: eb.ref('name') }).as('text'),
        functionCall(overload(f.twin, 1), { value: eb.fn('gen_random_uuid') }).as('uuid'),
      ])
      .limit(1)
    expect(await query.execute()).toEqual([{ text: 'text', uuid: 1 }])
    expect(() => functionCall(f.twin, { value: place.ada.dynamic.ref('name') })).toThrow('2 overloads take value')
  })

  it('rows are a source for selectFrom and lateral joins', async () => {
    expect(
      await place.ada
        .selectFrom(functionRows(f.tableOf, { prefix: 'x' }).as('t'))
        .select('t.full_name')
        .where('t.user_id', '>', 1)
        .execute(),
    ).toEqual([{ full_name: 'xAnn' }])
    expect(
      await place.ada
        .selectFrom('users as u')
        .innerJoinLateral(
          (eb: Loose) => functionRows(f.numbers, { upto: eb.ref('u.id') }).as('n'),
          (join: Loose) => join.onTrue(),
        )
        .select(['u.id', 'n.value'])
        .orderBy('u.id')
        .orderBy('n.value')
        .execute(),
    ).toEqual([
      { id: 1, value: 1 },
      { id: 2, value: 1 },
      { id: 2, value: 2 },
    ])
    expect(
      await place.ada
        .selectFrom('users as u')
        .leftJoinLateral(
          (eb: Loose) => functionRows(f.pairOf, { a: eb.ref('u.id'), b: 'x' }).as('p'),
          (join: Loose) => join.onTrue(),
        )
        .select(['u.id', 'p.left_side', 'p.Right'])
        .where('u.id', '=', 2)
        .execute(),
    ).toEqual([{ id: 2, left_side: 2, Right: 'x' }])
  })

  it('aggregates take distinct, filter and order, and stars', async () => {
    expect(
      await place.service
        .selectFrom('users')
        .select((eb: Loose) => [
          aggregateCall(eb, f.highest, { value: eb.ref('id') }).as('highest'),
          aggregateCall(eb, f.highest, { value: eb.ref('id') })
            .distinct()
            .filterWhere('id', '<', 3)
            .as('low'),
          aggregateCall(eb, f.tally).as('all'),
        ])
        .execute(),
    ).toEqual([{ highest: 3, low: 2, all: '3' }])
  })

  it('operators carry their schema, and bind a value as the type that is asked for', async () => {
    const near = { schema: 'public', name: '<~>', rightType: 'public.pair' }
    const query = place.ada
      .selectFrom('users')
      .select('id')
      .where((eb: Loose) => operator(functionCall(f.pairOf, { a: eb.ref('id'), b: 'x' }), near, '(3,x)'))
    expect(await query.execute()).toEqual([{ id: 2 }])
    expect(query.compile().sql).toContain('operator("public".<~>) cast($2 as "public"."pair")')
    const plus = operator<number>(place.ada.dynamic.ref('id') as Loose, { schema: 'pg_catalog', name: '+' }, 1)
    expect(await place.ada.selectFrom('users').select(plus.as('next')).where('id', '=', 1).execute()).toEqual([
      { next: 2 },
    ])
  })

  it('refuses operators that are none, and kinds of functions in the wrong place', async () => {
    for (const name of ['', '--', '+--', '/*', '+/*', '=>', 'or', '<>) or (1=1', ' ', '+'.repeat(64)])
      expect(() => operator(f, { schema: 'public', name }, 1)).toThrow('a name cannot be an operator')
    expect(() => functionCall(f.numbers, { upto: 1 })).toThrow('public.numbers: it returns rows')
    expect(() => functionCall(f.quiet, { a: 1 })).toThrow('public.quiet: it is a procedure')
    expect(() => functionRows(f.highest, { value: 1 })).toThrow('public.highest: it is an aggregate')
    expect(() => aggregateCall({}, f.add, { a: 1 })).toThrow('public.add: it is a function')
  })

  it('cleans up behind a function that nobody knows', async () => {
    const leaky = { schema: 'pg_catalog', name: 'set_config', overloads: [] as Loose[] }
    leaky.overloads.push({
      kind: 'function',
      volatility: 'volatile',
      returns: 'pg_catalog.text',
      arguments: ['setting_name', 'new_value', 'is_local'].map((key, i) => ({
        key,
        type: i === 2 ? 'pg_catalog.bool' : 'pg_catalog.text',
        mode: 'in',
      })),
    })
    const given = { setting_name: 'work_mem', new_value: '77MB', is_local: false }
    await place.ada.selectNoFrom(functionCall(leaky, given).as('x')).execute()
    for (let turn = 0; turn < 4; turn++)
      expect(
        await place.ada.selectNoFrom((eb: Loose) => eb.fn('current_setting', [eb.val('work_mem')]).as('x')).execute(),
      ).not.toEqual([{ x: '77MB' }])
  })
})

describe('with CamelCasePlugin', () => {
  it('leaves names of arguments alone, and finds columns by their keys', async () => {
    await using place = await openFunctions('server', { camelCase: true })
    const { functions: f } = place
    expect(
      await place.ada
        .selectFrom(functionRows(f.tableOf, { prefix: 'x' }).as('someRows'))
        .select((eb: Loose) => [
          'someRows.fullName',
          functionCall(f.oddName, { aB: eb.ref('someRows.userId'), cOl: 3 }).as('oddSum'),
        ])
        .where('someRows.userId', '=', 1)
        .execute(),
    ).toEqual([{ fullName: 'xAda', oddSum: 133 }])
  })
})
