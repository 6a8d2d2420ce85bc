/** The types of repositories on generated tables: what each method takes and gives, and what must not compile. Nothing here runs. */
import { describe, expectTypeOf, test } from 'vitest'
import { tables } from '../../examples/db/metadata.ts'
import type { DB } from '../../examples/db/types.ts'
import type { Session } from '../../src/index.ts'
import { patch } from '../../src/jsonb/index.ts'
import { createRepository, type Page } from '../../src/repository/index.ts'

declare const me: Session<DB>
const projects = createRepository(tables.projects, { version: 'name', softDelete: 'updatedAt' })
const profiles = createRepository(tables.profiles)
const activities = createRepository(tables.userActivities)

interface Activity {
  id: string
  userId: string
  kind: string
  completed: boolean
  createdAt: Date
}

describe('keys', () => {
  test('are of the primary key or a unique one', async () => {
    expectTypeOf(await activities.find(me, '1')).toEqualTypeOf<Activity | undefined>()
    expectTypeOf(await activities.get(me, { id: '1' })).toEqualTypeOf<Activity>()
    await projects.find(me, { ownerId: 'x', slug: 'y' })
    await projects.findMany(me, ['x', { id: 'y' }])
    // @ts-expect-error another type
    await activities.find(me, 1)
    // @ts-expect-error half of a key
    await projects.find(me, { ownerId: 'x' })
    // @ts-expect-error no key
    await projects.find(me, { name: 'x' })
    // @ts-expect-error no executor
    await projects.find('x')
  })
})

describe('reading', () => {
  test('gives what was selected and loaded', async () => {
    expectTypeOf(await activities.list(me, { select: ['id', 'kind'] })).toEqualTypeOf<{ id: string; kind: string }[]>()
    const loaded = await activities.list(me, { select: ['id'], load: { user: { select: ['email'] } } })
    expectTypeOf(loaded).toEqualTypeOf<{ id: string; user: { email: string | null } }[]>()
    const nested = await profiles.find(me, 'x', {
      select: ['userId'],
      load: {
        userActivities: {
          select: ['id'],
          where: { kind: 'x' },
          orderBy: { id: 'desc' },
          limit: 3,
          load: { user: { select: ['displayName'] } },
        },
      },
    })
    expectTypeOf(nested).toEqualTypeOf<
      { userId: string; userActivities: { id: string; user: { displayName: string } }[] } | undefined
    >()
    const filtered = await activities.list(me, {
      select: ['id'],
      load: { user: { select: ['userId'], where: { email: null } } },
    })
    expectTypeOf(filtered).toEqualTypeOf<{ id: string; user: { userId: string } | null }[]>()
    // @ts-expect-error no such column
    await activities.list(me, { select: ['nothing'] })
    // @ts-expect-error no such relation
    await activities.list(me, { load: { nothing: true } })
    // @ts-expect-error no such relation beside one that is there
    await activities.list(me, { load: { user: true, nothing: true } })
    // @ts-expect-error no such column of the relation
    await activities.list(me, { load: { user: { select: ['kind'] } } })
    // @ts-expect-error no such option
    await activities.list(me, { were: {} })
  })

  test('filters by conditions of the column’s type', async () => {
    await projects.list(me, {
      where: {
        name: { startsWith: 'a' },
        createdAt: { gt: new Date() },
        status: { in: ['active'] },
        metadata: { tags: { has: 'x' }, priority: { gt: 3 } },
        or: [{ slug: 'x' }],
      },
      orderBy: [{ createdAt: 'desc' }, { name: { direction: 'asc', nulls: 'first' } }],
    })
    await projects.list(me, { where: (eb) => eb('name', '=', 'x') })
    await projects.list(me, { where: [{ name: 'x' }, (eb) => eb('slug', 'like', 'x%')] })
    await profiles.list(me, { where: { email: null } })
    await profiles.list(me, { where: { userActivities: { some: { kind: 'x', user: { email: null } }, none: {} } } })
    await activities.list(me, { where: { user: { displayName: { startsWith: 'a' } } } })
    // @ts-expect-error no such column of the relation
    await activities.list(me, { where: { user: { nothing: 1 } } })
    // @ts-expect-error there always is one
    await activities.list(me, { where: { user: null } })
    // @ts-expect-error many are asked for by some, every or none
    await profiles.list(me, { where: { userActivities: { kind: 'x' } } })
    // @ts-expect-error not null
    await profiles.list(me, { where: { displayName: null } })
    // @ts-expect-error no such column
    await projects.list(me, { where: { nothing: 1 } })
    // @ts-expect-error another type
    await projects.list(me, { where: { name: 1 } })
    // @ts-expect-error a text has no items
    await projects.list(me, { where: { name: { has: 'x' } } })
    // @ts-expect-error no such key of the document
    await projects.list(me, { where: { metadata: { nothing: 1 } } })
    // @ts-expect-error another type in the document
    await projects.list(me, { where: { metadata: { priority: { gt: 'x' } } } })
    // @ts-expect-error no such column
    await projects.list(me, { where: (eb) => eb('nothing', '=', 'x') })
    // @ts-expect-error no such column
    await projects.list(me, { orderBy: { nothing: 'asc' } })
    // @ts-expect-error no such direction
    await projects.list(me, { orderBy: { name: 'up' } })
  })

  test('pages, streams, aggregates', async () => {
    const page = await activities.page(me, {
      select: ['id'],
      limit: 10,
      load: { user: { select: ['email'] } },
      after: undefined,
    })
    expectTypeOf(page).toEqualTypeOf<Page<{ id: string; user: { email: string | null } }>>()
    // @ts-expect-error a page has a limit
    await activities.page(me, {})
    for await (const row of activities.stream(me, { select: ['kind'] }))
      expectTypeOf(row).toEqualTypeOf<{ kind: string }>()
    const [group] = await activities.aggregate(me, { groupBy: ['kind'], max: ['createdAt'] })
    expectTypeOf(group?.group).toEqualTypeOf<{ kind: string } | undefined>()
    // @ts-expect-error no such column
    await activities.aggregate(me, { sum: ['nothing'] })
    expectTypeOf(await activities.count(me, { kind: 'x' })).toEqualTypeOf<number>()
    expectTypeOf(await activities.exists(me, {})).toEqualTypeOf<boolean>()
    // @ts-expect-error another type
    await activities.exists(me, { kind: 1 })
    // @ts-expect-error no such column
    await activities.count(me, { nothing: 1 })
    // @ts-expect-error no such column
    activities.stream(me, { select: ['nothing'] })
    const locked = await activities.lock(me, { where: { kind: 'x' }, mode: 'share', locked: 'skip', select: ['id'] })
    expectTypeOf(locked).toEqualTypeOf<{ id: string }[]>()
    // @ts-expect-error a lock has a filter
    await activities.lock(me, {})
    // @ts-expect-error no such mode
    await activities.lock(me, { where: {}, mode: 'exclusive' })
    expectTypeOf(await activities.explain(me, { where: { kind: 'x' }, analyze: true })).toEqualTypeOf<string>()
    // @ts-expect-error no such column
    await activities.explain(me, { orderBy: { nothing: 'asc' } })
    expectTypeOf(await activities.findMany(me, ['1'], { select: ['kind'] })).toEqualTypeOf<{ kind: string }[]>()
    // @ts-expect-error another type
    await activities.findMany(me, [1])
    expectTypeOf(activities.loader(me)).toEqualTypeOf<
      (key: string | { readonly id: string }) => Promise<Activity | undefined>
    >()
  })
})

describe('writing', () => {
  test('takes what columns take', async () => {
    expectTypeOf(await projects.insert(me, { name: 'x', slug: 'y' }, { returning: ['id'] })).toEqualTypeOf<{
      id: string
    }>()
    await projects.insert(me, { name: 'x', slug: 'y', metadata: { tags: ['x'] }, createdAt: new Date() })
    await projects.insertMany(me, [{ name: 'x', slug: 'y' }])
    // @ts-expect-error slug is missing
    await projects.insert(me, { name: 'x' })
    // @ts-expect-error another type
    await projects.insert(me, { name: 1, slug: 'y' })
    // @ts-expect-error generated always
    await activities.insert(me, { id: '1', kind: 'x' })
    // @ts-expect-error no such column
    await projects.insert(me, { name: 'x', slug: 'y', nothing: 1 })
    const nested = await profiles.insert(
      me,
      { userId: 'x', displayName: 'y', userActivities: [{ kind: 'x' }] },
      { returning: ['userId'], strategy: 'transaction' },
    )
    expectTypeOf(nested).toEqualTypeOf<{ userId: string }>()
    // @ts-expect-error the key follows from the row above
    await profiles.insert(me, { displayName: 'y', userActivities: [{ kind: 'x', userId: 'x' }] })
    // @ts-expect-error kind is missing
    await profiles.insert(me, { displayName: 'y', userActivities: [{}] })
    // @ts-expect-error no such relation
    await profiles.insert(me, { displayName: 'y', nothing: [] })
    // @ts-expect-error a list of rows
    await profiles.insert(me, { displayName: 'y', userActivities: { kind: 'x' } })
    // @ts-expect-error a row does not belong to its parent's side
    await activities.insert(me, { kind: 'x', user: { displayName: 'y' } })
    // @ts-expect-error only insert takes nested rows
    await profiles.insertMany(me, [{ displayName: 'y', userActivities: [{ kind: 'x' }] }])
    await projects.update(me, 'x', { metadata: patch((p) => p.set('priority', 4)), name: 'y' }, { version: 3 })
    // @ts-expect-error no such key of the document
    await projects.update(me, 'x', { metadata: patch((p) => p.set('nothing', 4)) })
    // @ts-expect-error a text takes no patch
    await projects.update(me, 'x', { name: patch((p) => p) })
    await projects.updateWhere(me, 'all', { status: 'paused' })
    await projects.updateWhere(me, { name: 'x' }, { status: 'paused' })
    await projects.updateMany(me, [{ id: 'x', name: 'y' }])
    // @ts-expect-error without its key
    await projects.updateMany(me, [{ name: 'y' }])
    const { action, row } = await projects.upsert(
      me,
      { ownerId: 'x', slug: 'y', name: 'z' },
      { on: ['ownerId', 'slug'], update: ['name'], returning: ['id'] },
    )
    expectTypeOf(action).toEqualTypeOf<'inserted' | 'updated' | 'unchanged'>()
    expectTypeOf(row).toEqualTypeOf<{ id: string }>()
    // @ts-expect-error no key
    await projects.upsert(me, { name: 'x', slug: 'y' }, { on: ['name'] })
    const many = await projects.upsertMany(me, [{ id: 'x', name: 'y', slug: 'z' }], { returning: ['id', 'status'] })
    expectTypeOf(many.inserted).toEqualTypeOf<{ id: string; status: string }[]>()
    expectTypeOf(many.unchanged).toEqualTypeOf<number>()
    // @ts-expect-error slug is missing
    await projects.upsertMany(me, [{ id: 'x', name: 'y' }])
    // @ts-expect-error no such column
    await projects.upsertMany(me, [], { returning: ['nothing'] })
    expectTypeOf(await projects.restore(me, { ownerId: 'x', slug: 'y' })).toEqualTypeOf<boolean>()
    // @ts-expect-error no key
    await projects.restore(me, { slug: 'y' })
    // @ts-expect-error no key
    await projects.delete(me, { name: 'y' })
    // @ts-expect-error another type
    await projects.updateWhere(me, { name: 1 }, { status: 'paused' })
    // @ts-expect-error no such column
    await projects.deleteWhere(me, { nothing: 1 })
    expectTypeOf(await projects.delete(me, 'x')).toEqualTypeOf<boolean>()
    expectTypeOf(await projects.deleteWhere(me, { name: 'x' })).toEqualTypeOf<number>()
    // @ts-expect-error no such column
    createRepository(tables.projects, { softDelete: 'nothing' })
  })
})
