/** The types of calls: what each takes and gives, and what must not compile. Nothing here runs. */
import type { AliasedExpression, Expression } from 'kysely'
import { describe, expectTypeOf, test } from 'vitest'
import { functions } from '../../examples/db/metadata.ts'
import type { DB } from '../../examples/db/types.ts'
import { aggregateCall, call, functionCall, functionRows, operator, overload } from '../../src/functions/index.ts'
import type { Session } from '../../src/index.ts'
import type { FunctionsOfName } from '../../src/kernel/metadata.ts'

interface Callable<S extends readonly { arguments: unknown; returns: unknown; row?: unknown }[]>
  extends FunctionsOfName {
  readonly signatures?: S | undefined
}

declare const me: Session<DB>
declare const add: Callable<[{ arguments: { a: number; b?: number | null }; returns: number | null }]>
declare const optional: Callable<[{ arguments: { days?: number | null }; returns: undefined }]>
declare const size: Callable<
  [
    { arguments: { value: number }; returns: 'int' },
    { arguments: { value: string }; returns: 'text' },
    { arguments: { value: string; unit: string }; returns: number },
  ]
>
declare const people: Callable<
  [{ arguments: { prefix: string | null }; returns: readonly { id: number }[]; row: { id: number } }]
>
declare const numbers: Callable<
  [{ arguments: { upto: number }; returns: readonly (number | null)[]; row: { value: number | null } }]
>
declare const moods: Callable<
  [{ arguments: { mood: 'sad' | 'happy' | null; at: Date | string | null }; returns: boolean }]
>
declare const highest: Callable<[{ arguments: { value: number | null }; returns: number | null }]>

describe('call', () => {
  test('takes the arguments of the one overload, and gives its result', async () => {
    expectTypeOf(await call(me, functions.calculateActivityScore, { userId: 'x' })).toEqualTypeOf<number | null>()
    expectTypeOf(await call(me, functions.authUid)).toEqualTypeOf<string | null>()
    expectTypeOf(await call(me, functions.authUid, {}, {})).toEqualTypeOf<string | null>()
    expectTypeOf(await call(me, add, { a: 1 })).toEqualTypeOf<number | null>()
    expectTypeOf(await call(me, add, { a: 1, b: null })).toEqualTypeOf<number | null>()
    expectTypeOf(await call(me, optional)).toEqualTypeOf<undefined>()
    expectTypeOf(await call(me, people, { prefix: null })).toEqualTypeOf<readonly { id: number }[]>()
    type Measure = { amount: number | null; unit: 'mm' | 'm' | 'km' | null } | null
    expectTypeOf(await call(me, functions.addMeasures, { a: 'x', b: 'x' })).toEqualTypeOf<Measure>()
    expectTypeOf(await call(me, functions.metres, { amount: 1, unit: 'km' })).toEqualTypeOf<number | null>()
    expectTypeOf(await call(me, moods, { mood: 'sad', at: new Date() })).toEqualTypeOf<boolean>()
    // @ts-expect-error a missing argument
    await call(me, functions.calculateActivityScore)
    // @ts-expect-error a missing argument
    await call(me, add, {})
    // @ts-expect-error an unknown argument
    await call(me, add, { a: 1, c: 2 })
    // @ts-expect-error an unknown argument
    await call(me, functions.authUid, { a: 1 })
    // @ts-expect-error another type
    await call(me, functions.calculateActivityScore, { userId: 1 })
    // @ts-expect-error a strict function takes no null
    await call(me, add, { a: null })
    // @ts-expect-error no such label
    await call(me, moods, { mood: 'sadd', at: null })
    // @ts-expect-error no executor
    await call(add, { a: 1 })
  })

  test('picks the first overload that fits, and refuses what fits none', async () => {
    expectTypeOf(await call(me, size, { value: 1 })).toEqualTypeOf<'int'>()
    expectTypeOf(await call(me, size, { value: 'x' })).toEqualTypeOf<'text'>()
    expectTypeOf(await call(me, size, { value: 'x', unit: 'kg' })).toEqualTypeOf<number>()
    expectTypeOf(await call(me, overload(size, 1), { value: 'x' })).toEqualTypeOf<'text'>()
    // @ts-expect-error no overload takes a boolean
    await call(me, size, { value: true })
    // @ts-expect-error a missing argument
    await call(me, size, { unit: 'kg' })
    // @ts-expect-error an unknown argument
    await call(me, size, { value: 'x', other: 1 })
    // @ts-expect-error the chosen one takes a string
    await call(me, overload(size, 1), { value: 1 })
    // @ts-expect-error there are three
    overload(size, 3)
  })
})

describe('in queries', () => {
  test('arguments may be expressions, and the result is typed', () => {
    me.selectFrom('profiles')
      .select(({ ref }) => {
        const score = functionCall(functions.calculateActivityScore, { userId: ref('userId') })
        expectTypeOf(score.as('score')).toEqualTypeOf<AliasedExpression<number | null, 'score'>>()
        return score.as('score')
      })
      .where(({ ref }) => functionCall(moods, { mood: 'sad', at: ref('createdAt') }))
      .where(({ ref, eb }) => {
        // @ts-expect-error a column of another type
        functionCall(add, { a: ref('displayName') })
        // A column that can be null gives null.
        functionCall(add, { a: eb.val<number | null>(1) })
        expectTypeOf(functionCall(size, { value: ref('email') })).toExtend<Expression<'text'>>()
        expectTypeOf(functionCall(size, { value: 1 })).toExtend<Expression<'int'>>()
        return operator(ref('email'), { schema: 'public', name: '@@@' }, 'x')
      })
    // A row of a type is one value in a query, and can be passed on.
    const sum = functionCall(functions.addMeasures, { a: '(1,m)', b: '(2,m)' })
    expectTypeOf(sum.as('sum')).toEqualTypeOf<AliasedExpression<string | null, 'sum'>>()
    functionCall(functions.addMeasures, { a: sum, b: sum })
    // @ts-expect-error a missing argument
    functionCall(add)
    functionCall(functions.authUid)
  })

  test('rows are sources with their columns', async () => {
    const rows = await me
      .selectFrom(functionRows(people, { prefix: 'x' }).as('p'))
      .innerJoinLateral(
        ({ ref }) => functionRows(numbers, { upto: ref('p.id') }).as('n'),
        (join) => join.onTrue(),
      )
      .select(['p.id', 'n.value'])
      .execute()
    expectTypeOf(rows).toEqualTypeOf<{ id: number; value: number | null }[]>()
  })

  test('aggregates are Kysely’s', async () => {
    const rows = await me
      .selectFrom('userActivities')
      .select((eb) =>
        aggregateCall(eb, highest, { value: eb.val(1) })
          .filterWhere('completed', '=', true)
          .as('highest'),
      )
      .execute()
    expectTypeOf(rows).toEqualTypeOf<{ highest: number | null }[]>()
  })
})
