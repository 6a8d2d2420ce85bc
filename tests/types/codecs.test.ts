/** The types of tenon/codecs: what builders take and give, and what must not compile. Nothing here runs. */
import { type AliasableExpression, type ExpressionBuilder, type SqlBool, sql } from 'kysely'
import { describe, expectTypeOf, test } from 'vitest'
import {
  array,
  type Codec,
  type Composite,
  composite,
  geometric,
  Hstore,
  hstore,
  ltree,
  Multirange,
  multirange,
  network,
  type Point,
  Range,
  range,
  type Vector,
  vector,
} from '../../src/codecs/index.ts'
import type { CodegenOptions } from '../../src/codegen/index.ts'
import { createDatabase } from '../../src/index.ts'
import type { Where } from '../../src/repository/index.ts'

interface DB {
  things: {
    during: Range<Date> | null
    spans: Multirange<number>
    text: string
    tags: string[] | null
    count: number
    at: Date | null
    plain: { x: number; y: number } | null
    attrs: Hstore
    spot: Point
    embedding: Vector
    home: Composite<{ street: string | null }>
  }
}
declare const eb: ExpressionBuilder<DB, 'things'>

describe('ranges', () => {
  test('have the type of their bounds', () => {
    expectTypeOf(Range.of(1, 5)).toEqualTypeOf<Range<number>>()
    expectTypeOf(Range.of(null, new Date())).toEqualTypeOf<Range<Date>>()
    expectTypeOf(Range.of(null, null)).toExtend<Range<string>>()
    expectTypeOf(Range.parse('[1,5)', Number)).toEqualTypeOf<Range<number>>()
    expectTypeOf(range(eb.ref('during')).lower()).toEqualTypeOf<AliasableExpression<Date | null>>()
    expectTypeOf(multirange(eb.ref('spans')).span()).toEqualTypeOf<AliasableExpression<Range<number> | null>>()
    expectTypeOf(multirange(eb.ref('spans')).union(Range.of(1, 2))).toEqualTypeOf<
      AliasableExpression<Multirange<number> | null>
    >()
    expectTypeOf(range(eb.ref('during')).union(Range.of(new Date(), null))).toEqualTypeOf<
      AliasableExpression<Range<Date> | null>
    >()
    expectTypeOf(range(eb.ref('during')).overlaps(Range.of(new Date(), null))).toEqualTypeOf<
      AliasableExpression<SqlBool>
    >()
    expectTypeOf(range(eb.ref('text')).lower()).toEqualTypeOf<AliasableExpression<unknown>>()
  })

  test('refuse bounds of another type', () => {
    // @ts-expect-error a range of numbers
    range(eb.ref('during')).overlaps(Range.of(1, 2))
    // @ts-expect-error a number
    range(eb.ref('during')).contains(5)
    // @ts-expect-error the server takes a value beside a range for one
    range(eb.ref('during')).overlaps(Multirange.of(Range.of(new Date(), null)))
    // @ts-expect-error as above
    range(eb.ref('during')).contains(Multirange.of(Range.of(new Date(), null)))
    // @ts-expect-error there is nothing to merge with
    range(eb.ref('during')).span()
    // @ts-expect-error a multirange is merged by itself
    multirange(eb.ref('spans')).span(Range.of(1, 2))
    // @ts-expect-error no element
    Multirange.of(1)
    // @ts-expect-error no such bounds
    Range.of(1, 2, '<)')
  })
})

test('the other builders know their items, and composites their attributes', () => {
  expectTypeOf(array(eb.ref('tags')).at(1)).toEqualTypeOf<AliasableExpression<string | null>>()
  expectTypeOf(hstore(eb.ref('attrs')).at('color')).toEqualTypeOf<AliasableExpression<string | null>>()
  expectTypeOf(geometric(eb.ref('spot')).distance(eb.ref('spot'))).toEqualTypeOf<AliasableExpression<number | null>>()
  expectTypeOf(vector(eb.ref('embedding')).cosineDistance([1])).toEqualTypeOf<AliasableExpression<number | null>>()
  expectTypeOf(composite(['street'], { street: 'x' })).toExtend<DB['things']['home']>()
  // @ts-expect-error a number
  array(eb.ref('tags')).has(5)
  // @ts-expect-error numbers are no texts
  Hstore.from({ a: 1 })
  // @ts-expect-error a plain object is sent as JSON
  const home: DB['things']['home'] = { street: 'x' }
  expectTypeOf(home).not.toBeAny()
  const made = composite(['street'], { street: 'x' })
  expectTypeOf({ ...made }).toExtend<{ readonly street: string }>()
  // @ts-expect-error and so is a copy, which has lost how it is written
  const copy: DB['things']['home'] = { ...made }
  expectTypeOf(copy).not.toBeAny()
})

describe('builders of operators', () => {
  // biome-ignore lint/suspicious/noExplicitAny: what a loose builder gives.
  const anything = eb.ref('text') as AliasableExpression<any>

  test('refuse expressions of other types', () => {
    // @ts-expect-error an array
    range(eb.ref('tags'))
    // @ts-expect-error a number
    range(eb.ref('count'))
    // @ts-expect-error multiranges have multirange()
    range(eb.ref('spans'))
    // @ts-expect-error a range of another kind
    multirange(eb.ref('during'))
    // @ts-expect-error an instant
    multirange(eb.ref('at'))
    // @ts-expect-error a number
    hstore(eb.ref('count'))
    // @ts-expect-error an array
    hstore(eb.ref('tags'))
    // @ts-expect-error a range
    hstore(eb.ref('during'))
    // @ts-expect-error a text
    array(eb.ref('text'))
    // @ts-expect-error a number
    geometric(eb.ref('count'))
    // @ts-expect-error an hstore
    vector(eb.ref('attrs'))
    // @ts-expect-error a number
    ltree(eb.ref('count'))
    // @ts-expect-error an instant
    network(eb.ref('at'))
    // @ts-expect-error one of both is no range
    range(sql<Range<number> | number>`x`)
  })

  test('take texts, which columns are without a codec, and what is known of nothing', () => {
    range(eb.ref('text'))
    multirange(eb.ref('text'))
    hstore(eb.ref('text'))
    geometric(eb.ref('text'))
    geometric(eb.ref('plain'))
    vector(eb.ref('text'))
    ltree(eb.ref('text'))
    network(eb.ref('text'))
    for (const expression of [sql`x`, sql.ref('x'), anything, eb.fn('f', [])]) {
      range(expression)
      multirange(expression)
      hstore(expression)
      array(expression)
      geometric(expression)
      vector(expression)
      ltree(expression)
      network(expression)
    }
    expectTypeOf(range(sql<Range<number>>`x`).lower()).toEqualTypeOf<AliasableExpression<number | null>>()
    expectTypeOf(range(sql<Range<number> | null>`x`).lower()).toEqualTypeOf<AliasableExpression<number | null>>()
    expectTypeOf(range(range(eb.ref('during')).union(Range.empty())).upper()).toEqualTypeOf<
      AliasableExpression<Date | null>
    >()
    expectTypeOf(array(array(eb.ref('tags')).append('x')).at(1)).toEqualTypeOf<AliasableExpression<string | null>>()
    hstore(hstore(eb.ref('attrs')).concat({ a: null }))
    geometric(geometric(eb.ref('spot')).center())
    range(eb.val(Range.of(1, 2)))
  })

  test('pass on the type of a caller that has one', () => {
    const lowerOf = <T>(expression: AliasableExpression<Range<T> | null>) => range(expression).lower()
    expectTypeOf(lowerOf(eb.ref('during'))).toEqualTypeOf<AliasableExpression<Date | null>>()
  })
})

test('codecs are values, and the generator knows their names', () => {
  const own: Codec = { name: 'mine', parserOf: () => undefined }
  createDatabase<DB>({ connection: 'postgres://localhost/x', codecs: [own] })
  const options: CodegenOptions = { codecs: ['range', 'vector'] }
  expectTypeOf(options.codecs).not.toBeAny()
  // @ts-expect-error no such codec
  const wrong: CodegenOptions = { codecs: ['ranges'] }
  expectTypeOf(wrong).not.toBeAny()
})

test('a filter takes ranges, values in them and texts', () => {
  type Things = {
    key: 'things'
    primaryKey: []
    types?: { table: DB['things']; uniqueKey: never; relations: object }
  } & Parameters<typeof import('../../src/repository/index.ts').createRepository>[0]
  type Filter = NonNullable<Where<Things>['during']>
  expectTypeOf<Range<Date>>().toExtend<Filter>()
  expectTypeOf<{ overlaps: Range<Date> }>().toExtend<Filter>()
  expectTypeOf<{ contains: Date }>().toExtend<Filter>()
  expectTypeOf<{ overlaps: string }>().toExtend<Filter>()
  expectTypeOf<{ overlaps: Range<number> }>().not.toExtend<Filter>()
})
