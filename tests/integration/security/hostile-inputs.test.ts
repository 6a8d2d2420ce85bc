/**
 * Every hostile input through every way in: nothing crashes or hangs, nobody sees a foreign row, and what is refused is
 * refused with an error that says what to do or carries the server's SQLSTATE. Errors that Kysely throws while a query is
 * being built are Kysely's; once a query is sent, errors are ours.
 */
import { expressionBuilder, type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { first, isTenonError, type Session } from '../../../src/index.ts'
import { hostileInputs } from '../../support/hostile-inputs.ts'
import { settlementOf } from '../../support/naive-session.ts'
import { embedded, type Ground, leftBehind, powerlessLogin, type Row, runsAs, type TwoTenants, whoRuns } from '../../support/two-tenants.ts'

// Hostile inputs have no type that any API would take; here, and only here, that is the point.
// biome-ignore lint/suspicious/noExplicitAny: stands for callers without types
type Anything = any
type Run = () => Promise<unknown>

interface Scene {
  readonly ground: Ground
  readonly ada: Session<TwoTenants>
  /** The same, without the types of tables and columns. */
  readonly loose: Kysely<Anything>
}

/** A way in: makes the work that carries the input. What it throws before that is a refusal at the door. */
type WayIn = (scene: Scene, input: Anything) => Run

const eb = expressionBuilder<Anything, Anything>()
const whose = (me: Session<TwoTenants>): Run => () => me.selectFrom('note').select(['owner', 'body']).execute()
const member = { role: 'tenant_member', claims: { sub: 'ada' } } as const

// The door is ours: each input is checked by this library before a query exists.
const sessionDoors: Readonly<Record<string, WayIn>> = {
  'the role': ({ ground }, input) => whose(ground.db.session({ ...member, role: input })),
  'all claims': ({ ground }, input) => () => ground.db.session({ ...member, claims: input }).selectFrom('identity').select('role').execute(),
  'the subject': ({ ground }, input) => () => ground.db.session({ ...member, claims: { sub: input } }).selectFrom('identity').select('role').execute(),
  'a claim': ({ ground }, input) => whose(ground.db.session({ ...member, claims: { sub: 'ada', name: input } })),
  'the name of a claim': ({ ground }, input) => whose(ground.db.session({ ...member, claims: { sub: 'ada', [nameOf(input)]: 1 } })),
  'the role in the claims': ({ ground }, input) => whose(ground.db.session({ ...member, claims: { sub: 'ada', role: input } })),
  'the value of a declared setting': ({ ground }, input) => whose(ground.db.session({ ...member, settings: { 'app.tenant_id': input } })),
  'the value of an allowed setting': ({ ground }, input) => whose(ground.db.session({ ...member, settings: { timezone: input } })),
  'the name of a setting': ({ ground }, input) => whose(ground.db.session({ ...member, settings: { [nameOf(input)]: 'x' } })),
  'all settings': ({ ground }, input) => whose(ground.db.session({ ...member, settings: input })),
  'the actor': ({ ground }, input) => whose(ground.db.session({ ...member, actor: input })),
  'a schema of the search path': ({ ground }, input) => () => ground.db.session({ ...member, searchPath: [input] }).selectFrom('public.note' as 'note').select('owner').execute(),
  'the search path': ({ ground }, input) => () => ground.db.session({ ...member, searchPath: input }).selectFrom('public.note' as 'note').select('owner').execute(),
  'the statement timeout': ({ ground }, input) => whose(ground.db.session({ ...member, statementTimeoutMs: input })),
  'what a session is derived with': ({ ada }, input) => whose(ada.as({ claims: { sub: 'ada', x: input }, actor: input })),
  'an item of a batch': ({ ada }, input) => () => ada.batch([input]),
  'the query of first()': ({ ada }, input) => () => ada.batch([first(input)]),
  'the isolation level': ({ ada }, input) => () => ada.transaction({ isolationLevel: input }, (trx) => trx.selectFrom('note').select('owner').execute()),
  'the access mode of a batch': ({ ada }, input) => () => ada.batch([ada.selectFrom('note').select('owner')], { accessMode: input }),
  'the number of retries': ({ ada }, input) => () => ada.transaction({ retry: input }, (trx) => trx.selectFrom('note').select('owner').execute()),
  'a declared role': ({ ground }, input) => () => ground.open({ roles: [input] }).session({ ...member, role: input }).selectFrom('note').select('owner').execute(),
  'a declared setting': ({ ground }, input) => () => ground.open({ settings: [input] }).session(member).selectFrom('note').select('owner').execute(),
}

// The door is Kysely's: identifiers and values of a query.
const queryDoors: Readonly<Record<string, WayIn>> = {
  'a value that is compared': ({ ada }, input) => () => ada.selectFrom('note').select('owner').where('body', '=', input).execute(),
  'a value compared with a number': ({ ada }, input) => () => ada.selectFrom('note').select('owner').where('id', '=', input).execute(),
  'the list of an IN': ({ ada }, input) => () => ada.selectFrom('note').select('owner').where('body', 'in', [input]).execute(),
  'a pattern': ({ ada }, input) => () => ada.selectFrom('note').select('owner').where('body', 'like', input).execute(),
  'a value of sql``': ({ ada }, input) => () => sql`select ${input}::text as x`.execute(ada),
  'a literal': ({ ada }, input) => () => sql`select ${sql.lit(input)}::text as x`.execute(ada),
  'a text that is inserted': ({ ada }, input) => () => ada.transaction(async (trx) => { await trx.insertInto('note').values({ body: input }).execute(); throw stop }),
  'a document that is inserted': ({ ada }, input) => () => ada.transaction(async (trx) => { await trx.insertInto('note').values({ document: input }).execute(); throw stop }),
  'what is assigned to the owner': ({ ada }, input) => () => ada.transaction(async (trx) => { await trx.updateTable('note').set({ owner: input }).execute(); throw stop }),
  'the table': ({ loose }, input) => () => loose.selectFrom(input).selectAll().execute(),
  'the column': ({ loose }, input) => () => loose.selectFrom('note').select(input).execute(),
  'the column of a where': ({ loose }, input) => () => loose.selectFrom('note').select('owner').where(input, '=', 'x').execute(),
  'the operator': ({ loose }, input) => () => loose.selectFrom('note').select('owner').where('body', input, 'x').execute(),
  'the order': ({ loose }, input) => () => loose.selectFrom('note').select('owner').orderBy(input).execute(),
  'the direction': ({ loose }, input) => () => loose.selectFrom('note').select('owner').orderBy('id', input).execute(),
  'the limit': ({ loose }, input) => () => loose.selectFrom('note').select('owner').limit(input).execute(),
  'the offset': ({ loose }, input) => () => loose.selectFrom('note').select('owner').offset(input).execute(),
  'an alias': ({ loose }, input) => () => loose.selectFrom('note').select(eb.ref('owner').as(input)).execute(),
  'a reference': ({ ada }, input) => () => sql`select ${sql.ref(input)} as x from note`.execute(ada),
  'an identifier': ({ ada }, input) => () => sql`select 1 as ${sql.id(input)}`.execute(ada),
  'a table by sql.table': ({ ada }, input) => () => sql`select * from ${sql.table(input)}`.execute(ada),
  'the schema': ({ loose }, input) => () => loose.withSchema(input).selectFrom('note').select('owner').execute(),
  'a key of a document': ({ loose }, input) => () => loose.selectFrom('note').select(eb.ref('document', '->').key(input).as('x')).execute(),
  'an index of a document': ({ loose }, input) => () => loose.selectFrom('note').select(eb.ref('document', '->').at(input).as('x')).execute(),
  'the name of a function': ({ loose }, input) => () => loose.selectNoFrom([eb.fn(input, [sql.val(1)]).as('x')]).execute(),
  'the type of a cast': ({ loose }, input) => () => loose.selectNoFrom([eb.cast(sql.val('1'), input).as('x')]).execute(),
  'the column that is inserted': ({ loose }, input) => () => loose.insertInto('note').values({ [nameOf(input)]: 'x' }).execute(),
  'the name of a savepoint': ({ ada }, input) => async () => {
    const trx = await ada.startTransaction().execute()
    await trx.savepoint(input).execute().finally(() => trx.rollback().execute())
  },
  'the size of a stream’s chunk': ({ ada }, input) => async () => {
    const seen: unknown[] = []
    for await (const row of ada.selectFrom('note').select('owner').stream(input)) seen.push(row)
    return seen
  },
}

/** Thrown to roll back what a hostile insert managed to write. */
const stop = new Error('stop')

/** A property name, as JavaScript would make it; what cannot become one is its own kind of refusal. */
function nameOf(input: unknown): string {
  try {
    return String(input)
  } catch {
    return 'unprintable'
  }
}

// Bodies that only ben and the owner's table have.
const foreignRow = /ben \d|of the owner/

describe.each([powerlessLogin, embedded])('Hostile input on $name', (kind) => {
  let ground: Ground
  let clean: Row
  beforeAll(async () => {
    ground = await kind.open()
    clean = await leftBehind(ground)
  })
  afterAll(() => ground.close())

  const rush = async (wayIn: WayIn, refusalAtTheDoorIsOurs: boolean): Promise<readonly string[]> => {
    const ada = ground.as('ada')
    const scene: Scene = { ground, ada, loose: ada as unknown as Kysely<Anything> }
    const complaints: string[] = []
    for (const [name, input] of hostileInputs) {
      let built = false
      const attempt = (async () => {
        const run = wayIn(scene, input)
        built = !refusalAtTheDoorIsOurs
        return await run()
      })()
      const outcome = await settlementOf(attempt, 4_000)
      const complaint = complaintAbout(outcome, refusalAtTheDoorIsOurs)
      if (complaint !== undefined) complaints.push(`${name}${built ? '' : ' (at the door)'}: ${complaint}`)
    }
    return complaints
  }

  const unharmed = async () => {
    expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
    const rows = await ground.admin(`select owner, count(*)::int as notes from note group by owner order by owner`)
    expect(rows).toEqual([{ owner: 'ada', notes: 2 }, { owner: 'ben', notes: 3 }])
    expect(await leftBehind(ground)).toEqual(clean)
  }

  it.each(Object.entries(sessionDoors))('as %s is refused with a hint, or is data', async (_what, wayIn) => {
    expect(await rush(wayIn, true)).toEqual([])
    await unharmed()
  })

  it.each(Object.entries(queryDoors))('as %s is refused, or is data', async (_what, wayIn) => {
    expect(await rush(wayIn, false)).toEqual([])
    await unharmed()
  })
})

function complaintAbout(outcome: Awaited<ReturnType<typeof settlementOf>>, doorIsOurs: boolean): string | undefined {
  if (outcome.state === 'pending') return 'hangs'
  if (outcome.state === 'resolved') {
    const shown = JSON.stringify(outcome.value, (_key, value) => (typeof value === 'bigint' ? String(value) : value)) ?? ''
    return foreignRow.test(shown) ? 'shows a foreign row' : undefined
  }
  const { error } = outcome
  if (error === stop) return undefined
  if (isTenonError(error)) {
    return error.hint === undefined && error.sqlstate === undefined ? `${error.code} without hint: ${error.message}` : undefined
  }
  // Kysely builds the query, and its own errors are not ours to type.
  const byKysely = error instanceof Error && /node_modules\/kysely\/dist\/(?!driver|query-executor)/.test(error.stack ?? '')
  if (!doorIsOurs && byKysely) return undefined
  return `throws ${error instanceof Error ? `${error.name}: ${error.message}` : typeof error}`
}
