/**
 * Repositories and JSON: find, filter, page, load, write and patch, each in one round trip under row-level security.
 * The tables of examples/db were written by `tenon codegen`; see 03-generated-code.ts.
 */
import { CamelCasePlugin } from 'kysely'
import { createDatabase } from '../src/index.ts'
import { explainIndexes, patch } from '../src/jsonb/index.ts'
import { applyMigrations } from '../src/migrate/index.ts'
import { createRepository } from '../src/repository/index.ts'
import { metadata, tables } from './db/metadata.ts'
import { schemas } from './db/zod.ts'

await using db = createDatabase({
  connection: 'pglite://memory',
  metadata,
  plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
})
await applyMigrations(db, { modules: ['projects', 'activity'] })
const me = db.session({ role: 'authenticated', claims: { sub: '5e0f6a7e-0000-4000-8000-000000000001' } })
const other = me.as({ claims: { sub: '5e0f6a7e-0000-4000-8000-000000000002' } })

const projects = createRepository(tables.projects, { schemas: schemas.projects })
const profiles = createRepository(tables.profiles)
const activities = createRepository(tables.userActivities)

const trees = ['Oak', 'Elm', 'Ash', 'Fir', 'Yew']
await projects.insertMany(
  me,
  trees.map((name, i) => ({
    name,
    slug: name.toLowerCase(),
    metadata: { tags: i < 3 ? ['important'] : [], priority: i + 1 },
  })),
)

// The document's query: a tag, and a number that need not be one in every row.
const important = { metadata: { tags: { has: 'important' }, priority: { gt: 1 } } }
const found = await projects.list(me, { where: important, orderBy: { name: 'asc' }, select: ['name'] })
console.log(`important: ${found.map(({ name }) => name).join(', ')}; another user sees ${await projects.count(other)}`)
for (const { path, condition, index, create } of explainIndexes(tables.projects, 'metadata', important.metadata))
  console.log(`  ${path.join('.')} ${condition}: ${index ?? create}`)

// Pages by key: a cursor knows its place to the microsecond, and cannot be changed.
const first = await projects.page(me, { orderBy: { name: 'asc' }, limit: 2, total: 'exact' })
const second = await projects.page(me, { orderBy: { name: 'asc' }, limit: 2, after: first.endCursor })
const names = (page: typeof first) => page.items.map(({ name }) => name).join(', ')
console.log(`pages of ${first.total}: ${names(first)} | ${names(second)}`)

// A patch is one expression: concurrent ones lose nothing.
const oak = await projects.get(me, { ownerId: '5e0f6a7e-0000-4000-8000-000000000001', slug: 'oak' })
const patched = await projects.update(me, oak.id, {
  metadata: patch((p) => p.set('priority', 5).append('tags', 'old')),
})
console.log(`Oak: ${JSON.stringify(patched.metadata)}`)

// Relations come from foreign keys, and load in the same query.
await profiles.insert(me, { displayName: 'Ada' })
await activities.insertMany(me, [{ kind: 'plant', completed: true }, { kind: 'water' }])
const before = db.stats().roundTrips
const [ada] = await profiles.list(me, {
  select: ['displayName'],
  load: { userActivities: { select: ['kind', 'completed'], orderBy: { id: 'asc' } } },
})
console.log(
  `${ada?.displayName}: ${ada?.userActivities.map(({ kind }) => kind).join(', ')} in ${db.stats().roundTrips - before} round trip`,
)
