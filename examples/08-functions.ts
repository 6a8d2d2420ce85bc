/**
 * Functions of the database: called with types from generated metadata, in queries, as rows, with operators and aggregates of one's own.
 * The functions of examples/db come from the modules `activity` and `measures`; see 03-generated-code.ts.
 */
import { CamelCasePlugin } from 'kysely'
import { aggregateCall, call, functionCall, functionRows, operator } from '../src/functions/index.ts'
import { createDatabase, isTenonError } from '../src/index.ts'
import { applyMigrations } from '../src/migrate/index.ts'
import { createRepository } from '../src/repository/index.ts'
import { functions, metadata, tables } from './db/metadata.ts'

const ada = '5e0f6a7e-0000-4000-8000-000000000001'
await using db = createDatabase({
  connection: 'pglite://memory',
  metadata,
  plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
})
await applyMigrations(db, { modules: ['projects', 'activity', 'measures'] })
const me = db.session({ role: 'authenticated', claims: { sub: ada } })
const other = me.as({ claims: { sub: '5e0f6a7e-0000-4000-8000-000000000002' } })

await createRepository(tables.profiles).insert(me, { displayName: 'Ada' })
await createRepository(tables.userActivities).insertMany(me, [
  { kind: 'plant', completed: true },
  { kind: 'water', completed: false },
])

// One round trip, with the rights of the session: what somebody else asks for counts nothing.
const before = db.stats().roundTrips
const score = await call(me, functions.calculateActivityScore, { userId: ada })
console.log(`score ${score} in ${db.stats().roundTrips - before} round trip`)
console.log(`somebody else sees ${await call(other, functions.calculateActivityScore, { userId: ada })}`)

// A scalar function in a condition: its argument is a column.
const busy = await me
  .selectFrom('profiles')
  .select('displayName')
  .where((eb) => eb(functionCall(functions.calculateActivityScore, { userId: eb.ref('userId') }), '>=', 40))
  .execute()
console.log(`busy: ${busy.map(({ displayName }) => displayName).join(', ')}`)

// Overloads: the names of the arguments tell which, and the types follow.
const km = await call(me, functions.metres, { amount: '1.5', unit: 'km' })
const mm = await call(me, functions.metres, { value: '(250,mm)' })
console.log(`${km} m and ${mm} m`)

// A function that returns rows, by itself and as a source.
const all = await call(me, functions.conversions, { value: '(2,m)' })
console.log(all.map(({ unit, amount }) => `${amount} ${unit}`).join(' = '))
const small = await me
  .selectFrom(functionRows(functions.conversions, { value: '(2,m)' }).as('c'))
  .select('c.unit')
  .where('c.amount', '<', 1)
  .execute()
console.log(`less than one: ${small.map(({ unit }) => unit).join(', ')}`)

// An operator and an aggregate that the migration made.
const sameLength = { schema: 'public', name: '=~=', rightType: 'public.measure' }
const sum = functionCall(functions.addMeasures, { a: '(1,km)', b: '(500,m)' })
const [walked] = await me
  .selectFrom('userActivities')
  .where(operator(sum, sameLength, '(1.5,km)'))
  .select((eb) => [
    aggregateCall(eb, functions.total, { argument1: sum }).as('all'),
    aggregateCall(eb, functions.total, { argument1: sum }).filterWhere('completed', '=', true).as('completed'),
  ])
  .execute()
console.log(`walked ${walked?.all}, ${walked?.completed} of it completed`)

// What does not fit is refused before anything is sent.
const wrong = { amount: 1, of: 'km' }
await call(me, functions.metres, wrong as never).catch((error: unknown) => {
  if (isTenonError(error)) console.log(`${error.code} ${error.message}\n  ${error.hint}`)
})
