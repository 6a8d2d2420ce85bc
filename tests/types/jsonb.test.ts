/** The types of tenon/jsonb: paths, values and filters of a typed document, and what must not compile. Nothing here runs. */
import type { ExpressionBuilder, Generated, Kysely } from 'kysely'
import { describe, expectTypeOf, test } from 'vitest'
import { type JsonFilter, json, jsonTable, patch } from '../../src/jsonb/index.ts'

interface Item {
  readonly sku: string
  readonly count: number
}
interface Document {
  readonly tags?: readonly string[]
  readonly priority?: 1 | 2 | 3
  readonly owner?: { readonly name: string; readonly age: number | null } | null
  readonly items?: readonly Item[]
  readonly mixed?: string | number | readonly boolean[]
}
interface DB {
  docs: { id: Generated<number>; doc: Document; maybe: Document | null }
}
declare const db: Kysely<DB>
declare const eb: ExpressionBuilder<DB, 'docs'>
const doc = json(eb.ref('doc'))

describe('a path', () => {
  test('has the type of what it leads to, through what is optional and null', async () => {
    const rows = await db
      .selectFrom('docs')
      .select(({ ref }) => [
        json(ref('doc')).at('tags').as('tags'),
        json(ref('doc')).at('tags').at(0).as('tag'),
        json(ref('maybe')).at('owner').at('age').as('age'),
        json(ref('doc')).at('items').at(-1).at('count').as('count'),
        json(ref('doc')).at('owner').at('name').text().as('name'),
        json(ref('doc')).at('tags').length().as('length'),
        json(ref('doc')).at('owner').without('age').as('owner'),
      ])
      .execute()
    expectTypeOf(rows).toEqualTypeOf<
      {
        tags: readonly string[] | null
        tag: string | null
        age: number | null
        count: number | null
        name: string | null
        length: number | null
        owner: Omit<{ readonly name: string; readonly age: number | null }, 'age'> | null
      }[]
    >()
  })

  test('is completed, and wrong ones do not compile', () => {
    expectTypeOf(doc.at).parameter(0).toEqualTypeOf<'tags' | 'priority' | 'owner' | 'items' | 'mixed'>()
    // @ts-expect-error no such key
    doc.at('nothing')
    // @ts-expect-error a position of an object
    doc.at(0)
    // @ts-expect-error a key of an array
    doc.at('tags').at('first')
    // @ts-expect-error below a text
    doc.at('owner').at('name').at('first')
  })

  test('takes values of its type alone', () => {
    doc.at('priority').eq(2)
    doc.at('priority').in([1, 3])
    doc.at('tags').has('x')
    doc.at('mixed').gt(3)
    doc.at('mixed').gt('x')
    doc.at('items').some({ count: { gt: 3 } })
    doc.contains({ owner: { name: 'x' } })
    // @ts-expect-error no such value
    doc.at('priority').eq(4)
    // @ts-expect-error no such type
    doc.at('tags').has(1)
    // @ts-expect-error an object has no items
    doc.at('owner').has('x')
    // @ts-expect-error an object has no order
    doc.at('owner').gt('x')
    // @ts-expect-error no key of an item
    doc.at('items').some({ price: 3 })
  })
})

describe('a filter', () => {
  test('is one of the document', () => {
    const filter: JsonFilter<Document> = {
      tags: { has: 'x', hasAny: ['y'] },
      priority: { in: [1, 2] },
      owner: { name: { startsWith: 'A' }, age: { gt: 3 } },
      items: { some: { count: { gte: 1 } } },
    }
    doc.where(filter)
    doc.where({ tags: ['x'], owner: null })
    // @ts-expect-error no such key
    doc.where({ nothing: 1 })
    // @ts-expect-error no such value
    doc.where({ priority: { gt: 'x' } })
    // @ts-expect-error a text has no items
    doc.where({ owner: { name: { has: 'x' } } })
  })
})

describe('a patch', () => {
  test('knows the keys and the types of what they hold', () => {
    patch<Document>((p) => p.set('priority', 2).set(['owner', 'name'], 'x').append('tags', 'a', 'b').unset('items'))
    patch<Document>((p) => p.at('items').at(0).increment('count'))
    patch<Document>((p) => p.merge({ priority: 1 }).mergeDeep({ owner: { name: 'x' } }))
    // @ts-expect-error no such value
    patch<Document>((p) => p.set('priority', 4))
    // @ts-expect-error no such key
    patch<Document>((p) => p.set(['owner', 'email'], 'x'))
    // @ts-expect-error items of another type
    patch<Document>((p) => p.append('tags', 1))
    // @ts-expect-error no such key
    patch<Document>((p) => p.merge({ nothing: 1 }))
    db.updateTable('docs').set(({ ref }) => ({ doc: json(ref('doc')).patch((p) => p.set('priority', 3)) }))
  })
})

describe('jsonTable', () => {
  test('has rows of the types of its columns', () => {
    const rows = db
      .selectFrom('docs')
      .innerJoinLateral(
        ({ ref }) =>
          jsonTable(ref('doc'), '$.items[*]', { sku: 'text', n: { type: 'int4', path: '$.count' } }).as('item'),
        (join) => join.onTrue(),
      )
      .select(['item.sku', 'item.n'])
      .execute()
    expectTypeOf(rows).resolves.toEqualTypeOf<{ sku: string | null; n: number | null }[]>()
    // @ts-expect-error no such type
    jsonTable(eb.ref('doc'), '$', { at: 'timestamp' })
  })
})
