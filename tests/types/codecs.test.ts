/** The types of tenon/codecs: what builders take and give, and what must not compile. Nothing here runs. */
import type { AliasableExpression, ExpressionBuilder, SqlBool } from 'kysely'
import { describe, expectTypeOf, test } from 'vitest'
import {
  array,
  type Codec,
  type Composite,
  composite,
  geometric,
  Hstore,
  hstore,
  Multirange,
  multirange,
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
