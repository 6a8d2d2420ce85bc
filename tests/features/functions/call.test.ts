/** `call()`: arguments, overloads, results and errors, on a server and on PGlite. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { composite, Range } from '../../../src/codecs/index.ts'
import {
  call as typedCall,
  functionCall as typedFunctionCall,
  overload as typedOverload,
} from '../../../src/functions/index.ts'
import { createDatabase, withDedicatedConnection } from '../../../src/index.ts'
import { createFaultProxy } from '../../support/fault-proxy.ts'
import { type Loose, openFunctions, type Place, placeKinds } from './fixture.ts'

const call = typedCall as Loose
const functionCall = typedFunctionCall as Loose
const overload = typedOverload as Loose

describe.each(placeKinds)('on %s', (kind) => {
  let place: Place
  let f: Loose
  beforeAll(async () => {
    place = await openFunctions(kind)
    f = place.functions
  })
  afterAll(() => place?.[Symbol.asyncDispose]())

  it('leaves out defaults anywhere', async () => {
    expect(await call(place.ada, f.add, { a: 1 })).toBe(111)
    expect(await call(place.ada, f.add, { a: 1, c: 5 })).toBe(16)
    expect(await call(place.ada, f.add, { c: 5, b: undefined, a: 1 })).toBe(16)
    expect(await call(place.ada, f.add, { a: 1, b: 2, c: 3 })).toBe(6)
  })

  it('passes arguments without names by place, and an array to VARIADIC', async () => {
    expect(await call(place.ada, f.unnamed, { argument2: 1, argument1: 5 })).toBe(4)
    expect(await call(place.ada, f.halfNamed, { a: 1, argument2: 2 })).toBe(123)
    expect(await call(place.ada, f.halfNamed, { a: 1, argument2: 2, c: 9 })).toBe(129)
    expect(await call(place.ada, f.joined, { separator: '-', words: ['a', 'b c', '"'] })).toBe('a-b c-"')
    expect(await call(place.ada, f.joined, { separator: '-', words: [] })).toBe('')
    expect(await call(place.ada, f.clash, { argument2: 5, argument2_: 1 })).toBe(4)
  })

  it('leaves out a VARIADIC that has a default', async () => {
    expect(await call(place.ada, f.afterWords)).toBe('-!')
    expect(await call(place.ada, f.afterWords, { prefix: '>' })).toBe('>!')
    expect(await call(place.ada, f.afterWords, { prefix: '>', ending: '.' })).toBe('>.')
    expect(await call(place.ada, f.afterWords, { prefix: '>', ending: '.', words: ['a', 'b'] })).toBe('>a,b.')
    // The server has no form for these.
    for (const given of [{ ending: '.' }, { ending: '.', words: ['a'] }])
      await expect(call(place.ada, f.afterWords, given)).rejects.toThrow(
        'prefix can be left out only when what follows it is left out too',
      )
  })

  it('finds names that need quotes', async () => {
    expect(await call(place.ada, f.oddName, { aB: 1 })).toBe(123)
    expect(await call(place.ada, f.oddName, { aB: 1, cOl: 5, select: 6 })).toBe(156)
  })

  it('gives the value of a scalar as the metadata’s choices say, null, and undefined of void', async () => {
    expect(await call(place.ada, f.hello)).toBe('hello')
    expect(await call(place.ada, f.strictUpper, { value: 'a' })).toBe('A')
    expect(await call(place.ada, f.strictUpper, { value: null })).toBeNull()
    expect(await call(place.ada, f.maybe, { value: null })).toBe('none')
    expect(await call(place.ada, f.nothing, { value: 'x' })).toBeUndefined()
    expect(await call(place.ada, f.big)).toBe('9007199254740993')
    expect(await call(place.ada, f.amount)).toBe('1.50')
    expect(await call(place.ada, f.day)).toEqual(new Date(2024, 1, 29))
    expect(await call(place.ada, f.moods, { first: 'sad', more: ['happy'] })).toEqual(['sad', 'happy'])
    expect(await call(place.ada, f.doc, { value: { a: [1] } })).toEqual({ a: [1] })
    expect(await call(place.ada, f.price, { value: 5n })).toBe('5')
    expect(await call(place.ada, f.oneOut)).toBe(5)
    expect(await call(place.ada, f.labelled, { value: ['a'] })).toEqual(['a', '0'])
    expect(await call(place.ada, f.labelled, { value: ['a'], more: ['{b,c}', '{d}'] })).toEqual(['a', '2'])
  })

  it('gives sets as arrays, and rows as objects', async () => {
    expect(await call(place.ada, f.numbers, { upto: 3 })).toEqual([1, 2, 3])
    expect(await call(place.ada, f.numbers, { upto: 0 })).toEqual([])
    expect(await call(place.ada, f.oneColumn)).toEqual([1, 2])
    expect(await call(place.ada, f.tableOf, { prefix: 'x' })).toEqual([
      { user_id: 1, full_name: 'xAda' },
      { user_id: 2, full_name: 'xAnn' },
    ])
    expect(await call(place.ada, f.split, { whole: 'abc' })).toEqual({ head: 'a', tail_end: 'bc' })
    expect(await call(place.ada, f.split, { whole: null })).toEqual({ head: null, tail_end: null })
    expect(await call(place.ada, f.pairOf, { a: 1, b: 'x' })).toEqual({ left_side: 1, Right: 'x' })
    expect(await call(place.ada, f.pairOf, { a: null, b: 'x' })).toBeNull()
    expect(await call(place.ada, f.oneUser, { id: 1 })).toMatchObject({ id: 1, name: 'Ada', score: '1.50' })
    expect(await call(place.ada, f.oneUser, { id: 99 })).toBeNull()
  })

  it('takes the type of a polymorphic argument from the value', async () => {
    for (const value of ['x', 1, 1.5, true, ['a', 'b'], [1, 2.5]])
      expect(await call(place.ada, f.same, { value })).toEqual(value)
    expect(await call(place.ada, f.same, { value: 7n })).toBe('7')
  })

  it('takes one type for all polymorphic arguments, whole numbers and nulls among them', async () => {
    for (const [one, other] of [
      [1.5, 2],
      [2, 1.5],
      [1, 2 ** 40],
      [null, 2],
      [2.5, null],
      ['a', null],
      [1, 2],
    ] as const)
      expect(await call(place.ada, f.larger, { one, other })).toBe(
        one === null || (other !== null && one < other) ? other : one,
      )
    expect(await call(place.ada, f.larger, { one: 5n, other: 7 })).toBe('7')
    expect(await call(place.ada, f.larger, { one: null, other: null })).toBeNull()
    expect(await call(place.ada, f.same, { value: null })).toBeNull()
    expect(await call(place.ada, f.addedTo, { list: [1.5, 2], item: 3 })).toEqual([1.5, 2, 3])
    expect(await call(place.ada, f.addedTo, { list: [1, 2], item: 3.5 })).toEqual([1, 2, 3.5])
    expect(await call(place.ada, f.addedTo, { list: ['a'], item: null })).toEqual(['a', null])
    expect(await call(place.ada, f.addedTo, { list: null, item: 1 })).toEqual([1])
    expect(await call(place.ada, f.addedTo, { list: [], item: 'a' })).toEqual(['a'])
    expect(await call(place.ada, f.addedTo, { list: null, item: null })).toEqual([null])
    // The control: what is of two types is refused by the server.
    await expect(call(place.ada, f.larger, { one: 1, other: 'x' })).rejects.toMatchObject({
      sqlstate: '42883',
      hint: expect.stringContaining('functionCall()'),
    })
  })

  it('takes ranges and rows for polymorphic arguments as expressions, and says so', async () => {
    const values = [
      [Range.of(1, 5), 'int4range', '[1,5)'],
      [composite(['left_side', 'Right'], { left_side: 1, Right: 'x' }), 'pair', '(1,x)'],
    ] as const
    for (const [value, type, text] of values) {
      await expect(call(place.ada, f.same, { value })).rejects.toMatchObject({
        code: 'FUNCTION_ARGUMENTS',
        hint: expect.stringContaining('functionCall()'),
      })
      const typed = functionCall(f.same, { value: sql`cast(${value} as ${sql.raw(type)})` })
      expect(await place.ada.selectNoFrom(typed.as('same')).execute()).toEqual([{ same: text }])
      const both = functionCall(f.larger, { one: sql`cast(${value} as ${sql.raw(type)})`, other: value })
      expect(await place.ada.selectNoFrom(both.as('larger')).execute()).toEqual([{ larger: text }])
    }
  })

  it('chooses the overload by names, then by the kinds of values, and refuses what fits none or several', async () => {
    expect(await call(place.ada, f.size, { value: 1 })).toBe('int')
    expect(await call(place.ada, f.size, { value: 'x' })).toBe('text')
    expect(await call(place.ada, f.size, { value: 'x', unit: 'kg' })).toBe(2)
    expect(await call(place.ada, f.size, { value: [true] })).toBe(true)
    const { rows } = await sql<{ span: unknown }>`select interval '1 day' as span`.execute(place.ada)
    expect(await call(place.ada, f.lasting, { value: rows[0]?.span })).toBe('interval')
    // Domains are told apart by what is beneath.
    expect(await call(place.ada, f.weigh, { value: 5n })).toBe('cents')
    expect(await call(place.ada, f.weigh, { value: ['a'] })).toBe('labels')
    await expect(call(place.ada, f.weigh, { value: true })).rejects.toThrow('the values fit none of its overloads')
    const before = place.db.stats().roundTrips
    await expect(call(place.ada, f.size, { value: new Date() })).rejects.toMatchObject({
      code: 'FUNCTION_ARGUMENTS',
      message: 'public.size: the values fit none of its overloads',
      hint: 'It takes: 0: (value bool[]); 1: (value int4); 2: (value text); 3: (value text, unit text)',
    })
    await expect(call(place.ada, f.twin, { value: 'secret' })).rejects.toMatchObject({
      code: 'FUNCTION_ARGUMENTS',
      message: 'public.twin: 2 overloads take value',
      hint: 'Choose one with overload(), by its place: 0: (value text); 1: (value uuid)',
    })
    await expect(call(place.ada, f.add, { b: 1 })).rejects.toThrow('public.add: a must be given')
    await expect(call(place.ada, f.add, { a: 1, d: 2 })).rejects.toThrow('public.add: it takes no argument d')
    for (const none of [[1], new Date(), new Map(), Promise.resolve({})])
      await expect(call(place.ada, f.hello, none)).rejects.toThrow('the arguments are no plain object')
    await expect(call(place.ada, f.halfNamed, { argument2: 1 })).rejects.toMatchObject({ code: 'FUNCTION_ARGUMENTS' })
    await expect(call(place.ada, undefined, {})).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(call(place.ada, f.add, { constructor: 1, a: 1 })).rejects.toThrow('it takes no argument constructor')
    await expect(call(place.ada, f.highest, { value: 1 })).rejects.toThrow('it is an aggregate')
    await expect(call(place.ada, f.add, { a: sql`1` })).rejects.toThrow('call() takes values, not expressions')
    expect(place.db.stats().roundTrips).toBe(before)
    expect(await call(place.ada, overload(f.twin, 0), { value: 'x' })).toBe('text')
    expect(await call(place.ada, overload(f.twin, 1), { value: '5e0f6a7e-0000-4000-8000-000000000001' })).toBe(1)
    expect(overload(f.twin, 1)).toBe(overload(f.twin, 1))
    expect(() => overload(f.twin, 2)).toThrow('public.twin has 2 overloads')
  })

  it('costs one round trip, as the session', async () => {
    await call(place.ada, f.who)
    const before = place.db.stats().roundTrips
    expect(await call(place.ada, f.who)).toEqual([{ role: 'authenticated', sub: 'ada' }])
    expect(await call(place.bob, f.who)).toEqual([{ role: 'authenticated', sub: 'bob' }])
    expect(place.db.stats().roundTrips).toBe(before + 2)
  })

  it('runs under the session’s row security, and a SECURITY DEFINER function does not', async () => {
    const names = async (who: Loose, callable: Loose) => (await call(who, callable)).map(({ name }: Loose) => name)
    expect(await names(place.ada, f.visibleUsers)).toEqual(['Ada', 'Ann'])
    expect(await names(place.bob, f.visibleUsers)).toEqual(['Bob'])
    // The control: rows that are there.
    expect(await names(place.ada, f.everyUser)).toEqual(['Ada', 'Ann', 'Bob'])
    expect(await names(place.service, f.visibleUsers)).toEqual(['Ada', 'Ann', 'Bob'])
  })

  it('names the function in the server’s errors, and no value', async () => {
    const failure = async (callable: Loose, given: Loose) =>
      await call(place.ada, callable, given).then(
        () => expect.unreachable(),
        (error: unknown) => error as Loose,
      )
    const wrong = await failure(overload(f.twin, 1), { value: 'secret' })
    expect(wrong).toMatchObject({ code: 'QUERY_DATA', sqlstate: '22P02' })
    expect(wrong.message).toMatch(/^public\.twin: /)
    expect(JSON.stringify([wrong, wrong.message, wrong.cause])).not.toContain('secret')
    expect(await failure(f.divide, { a: 1, b: 0 })).toMatchObject({
      code: 'QUERY_DATA',
      sqlstate: '22012',
      message: expect.stringMatching(/^public\.divide: /),
    })
    const raised = await failure(f.fails, { reason: 'secret' })
    expect(raised).toMatchObject({ code: 'QUERY_RAISED', message: expect.stringMatching(/^public\.fails: /) })
    expect(JSON.stringify([raised, raised.message])).not.toContain('secret')
    expect(await failure(f.price, { value: -1 })).toMatchObject({ code: 'CONSTRAINT_CHECK' })
    expect(await failure({ ...f.hello, name: 'gone' }, {})).toMatchObject({
      code: 'QUERY_UNDEFINED_OBJECT',
      hint: 'Run `tenon codegen` again when the function has changed.',
    })
    expect(await failure(f.add, { a: () => 1 })).toMatchObject({
      code: 'PARAMETER_INVALID',
      message: expect.stringMatching(/^public\.add: /),
    })
  })

  it('calls procedures in the session’s transaction, and gives their OUT arguments', async () => {
    expect(await call(place.ada, f.put, { a: 1, b: 2 })).toEqual({ b: 3, total: 4 })
    expect(await call(place.ada, f.quiet, { a: 1 })).toBeUndefined()
    const result = await place.ada.transaction({}, async (trx: Loose) => [
      await call(trx, f.put, { a: 1, b: 2 }),
      await call(trx, f.add, { a: 1 }),
    ])
    expect(result).toEqual([{ b: 3, total: 4 }, 111])
    await expect(call(place.ada, f.inParts)).rejects.toMatchObject({
      sqlstate: '2D000',
      message: expect.stringMatching(/^public\.in_parts: /),
      hint: expect.stringContaining('withDedicatedConnection'),
    })
    expect(await call(place.ada, f.hello)).toBe('hello')
  })

  it('rolls back with its transaction', async () => {
    await place.ada
      .transaction({}, async (trx: Loose) => {
        expect(await call(trx, f.addUser, { id: 50, name: 'x' })).toBe(50)
        expect(await call(trx, f.oneUser, { id: 50 })).not.toBeNull()
        throw new Error('back')
      })
      .catch(() => {})
    expect(await call(place.ada, f.oneUser, { id: 50 })).toBeNull()
  })

  it('keeps what it compiled apart from values, overloads and executors', async () => {
    const on = [place.ada, place.ada.withSchema('elsewhere'), place.service]
    for (let turn = 0; turn < 3; turn++)
      for (const executor of on) {
        expect(await call(executor, f.add, { a: turn })).toBe(110 + turn)
        expect(await call(executor, f.size, { value: turn })).toBe('int')
        expect(await call(executor, f.size, { value: `${turn}` })).toBe('text')
        expect(await call(executor, f.same, { value: turn + 0.5 })).toBe(turn + 0.5)
        expect(await call(executor, f.same, { value: turn })).toBe(turn)
      }
  })

  it('stops when its signal is aborted', async () => {
    const signal = AbortSignal.abort()
    await expect(call(place.ada, f.hello, {}, { signal })).rejects.toThrow()
  })
})

describe('on a server alone', () => {
  it('gives a procedure that commits by itself the dedicated connection', async () => {
    await using place = await openFunctions('server')
    await withDedicatedConnection(place.db, { service: true }, async (connection) => {
      const { command } = await connection.query('call public.in_parts()')
      expect(command).toBe('CALL')
    })
  })

  it('never calls a lost call retryable: it may have written', async () => {
    await using place = await openFunctions('server')
    const proxy = await createFaultProxy(place.urls?.login ?? '')
    await using db = createDatabase<Loose>({ connection: proxy.through(place.urls?.login ?? ''), pool: { max: 1 } })
    const ada = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
    expect(await call(ada, place.functions.add, { a: 1 })).toBe(111)
    proxy.cutAfter(0)
    await expect(call(ada, place.functions.addUser, { id: 60, name: 'x' })).rejects.toMatchObject({
      code: 'COMMIT_UNKNOWN',
      retryable: false,
    })
    // The control: what only reads is.
    expect(await ada.selectFrom('users').select('id').orderBy('id').execute()).toContainEqual({ id: 1 })
    proxy.cutAfter(0)
    await expect(ada.selectFrom('users').select('id').execute()).rejects.toMatchObject({ code: 'CONNECTION_LOST' })
    await proxy.close()
  })
})

describe('with CamelCasePlugin', () => {
  it('names columns as the plugin does, and arguments as the database has them', async () => {
    await using place = await openFunctions('server', { camelCase: true })
    const f = place.functions
    expect(await call(place.ada, f.tableOf, { prefix: '' })).toContainEqual({ userId: 1, fullName: 'Ada' })
    expect(await call(place.ada, f.split, { whole: 'ab' })).toEqual({ head: 'a', tailEnd: 'b' })
    expect(await call(place.ada, f.oddName, { aB: 1, cOl: 4 })).toBe(143)
    expect(await call(place.ada, f.put, { a: 1, b: 2 })).toEqual({ b: 3, total: 4 })
  })
})
