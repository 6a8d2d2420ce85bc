/**
 * The ways an input gets into a session: options of sessions, transactions and batches, and every place in a query that takes
 * a value, a name or an operator. Each makes work that carries the input; `hostile-inputs.test.ts` pushes inputs through.
 */
import { expressionBuilder, type Kysely, sql } from 'kysely'
import { first, type Session } from '../../src/index.ts'
import type { Ground, TwoTenants } from './two-tenants.ts'

// Hostile inputs have no type that any API would take; here that is the point.
// biome-ignore lint/suspicious/noExplicitAny: stands for callers without types
export type Untyped = any
type Run = () => Promise<unknown>

/** What a way in has to work with. */
export interface Scene {
  readonly ground: Ground
  readonly ada: Session<TwoTenants>
  /** The same, without the types of tables and columns. */
  readonly loose: Kysely<Untyped>
}

/** A way in: makes the work that carries the input. What it throws before that is a refusal at the door. */
export type WayIn = (scene: Scene, input: Untyped) => Run

/** A session as a caller without types has it. */
export function untyped(me: Session<TwoTenants>): Kysely<Untyped> {
  return me as unknown as Kysely<Untyped>
}

const eb = expressionBuilder<Untyped, Untyped>()
const whose =
  (me: Session<TwoTenants>): Run =>
  () =>
    me.selectFrom('note').select(['owner', 'body']).execute()
const member = { role: 'tenant_member', claims: { sub: 'ada' } } as const

// The door is ours: each input is checked by this library before a query exists.
export const sessionDoors: Readonly<Record<string, WayIn>> = {
  'the role': ({ ground }, input) => whose(ground.db.session({ ...member, role: input })),
  'all claims':
    ({ ground }, input) =>
    () =>
      ground.db
        .session({ ...member, claims: input })
        .selectFrom('identity')
        .select('role')
        .execute(),
  'the subject':
    ({ ground }, input) =>
    () =>
      ground.db
        .session({ ...member, claims: { sub: input } })
        .selectFrom('identity')
        .select('role')
        .execute(),
  'a claim': ({ ground }, input) => whose(ground.db.session({ ...member, claims: { sub: 'ada', name: input } })),
  'the name of a claim': ({ ground }, input) =>
    whose(ground.db.session({ ...member, claims: { sub: 'ada', [nameOf(input)]: 1 } })),
  'the role in the claims': ({ ground }, input) =>
    whose(ground.db.session({ ...member, claims: { sub: 'ada', role: input } })),
  'the value of a declared setting': ({ ground }, input) =>
    whose(ground.db.session({ ...member, settings: { 'app.tenant_id': input } })),
  'the value of an allowed setting': ({ ground }, input) =>
    whose(ground.db.session({ ...member, settings: { timezone: input } })),
  'the name of a setting': ({ ground }, input) =>
    whose(ground.db.session({ ...member, settings: { [nameOf(input)]: 'x' } })),
  'all settings': ({ ground }, input) => whose(ground.db.session({ ...member, settings: input })),
  'the actor': ({ ground }, input) => whose(ground.db.session({ ...member, actor: input })),
  'a schema of the search path':
    ({ ground }, input) =>
    () =>
      ground.db
        .session({ ...member, searchPath: [input] })
        .selectFrom('public.note' as 'note')
        .select('owner')
        .execute(),
  'the search path':
    ({ ground }, input) =>
    () =>
      ground.db
        .session({ ...member, searchPath: input })
        .selectFrom('public.note' as 'note')
        .select('owner')
        .execute(),
  'the statement timeout': ({ ground }, input) => whose(ground.db.session({ ...member, statementTimeoutMs: input })),
  'what a session is derived with': ({ ada }, input) =>
    whose(ada.as({ claims: { sub: 'ada', x: input }, actor: input })),
  'an item of a batch':
    ({ ada }, input) =>
    () =>
      ada.batch([input]),
  'the query of first()':
    ({ ada }, input) =>
    () =>
      ada.batch([first(input)]),
  'the isolation level':
    ({ ada }, input) =>
    () =>
      ada.transaction({ isolationLevel: input }, (trx) => trx.selectFrom('note').select('owner').execute()),
  'the access mode of a batch':
    ({ ada }, input) =>
    () =>
      ada.batch([ada.selectFrom('note').select('owner')], { accessMode: input }),
  'the number of retries':
    ({ ada }, input) =>
    () =>
      ada.transaction({ retry: input }, (trx) => trx.selectFrom('note').select('owner').execute()),
  'a declared role':
    ({ ground }, input) =>
    async () =>
      void ground.open({ roles: [input] }).session({ ...member, role: input }),
  'a declared setting':
    ({ ground }, input) =>
    async () =>
      void ground.open({ settings: [input] }).session(member),
}

// The door is Kysely's: identifiers and values of a query.
export const queryDoors: Readonly<Record<string, WayIn>> = {
  'a value that is compared':
    ({ ada }, input) =>
    () =>
      ada.selectFrom('note').select('owner').where('body', '=', input).execute(),
  'a value compared with a number':
    ({ ada }, input) =>
    () =>
      ada.selectFrom('note').select('owner').where('id', '=', input).execute(),
  'the list of an IN':
    ({ ada }, input) =>
    () =>
      ada.selectFrom('note').select('owner').where('body', 'in', [input]).execute(),
  'a pattern':
    ({ ada }, input) =>
    () =>
      ada.selectFrom('note').select('owner').where('body', 'like', input).execute(),
  'a value of sql``':
    ({ ada }, input) =>
    () =>
      sql`select ${input}::text as x`.execute(ada),
  'a literal':
    ({ ada }, input) =>
    () =>
      sql`select ${sql.lit(input)}::text as x`.execute(ada),
  'a text that is inserted':
    ({ ada }, input) =>
    () =>
      undone(ada, (trx) => trx.insertInto('note').values({ body: input })),
  'a document that is inserted':
    ({ ada }, input) =>
    () =>
      undone(ada, (trx) => trx.insertInto('note').values({ document: input })),
  'what is assigned to the owner':
    ({ ada }, input) =>
    () =>
      undone(ada, (trx) => trx.updateTable('note').set({ owner: input })),
  'the table':
    ({ loose }, input) =>
    () =>
      loose.selectFrom(input).selectAll().execute(),
  'the column':
    ({ loose }, input) =>
    () =>
      loose.selectFrom('note').select(input).execute(),
  'the column of a where':
    ({ loose }, input) =>
    () =>
      loose.selectFrom('note').select('owner').where(input, '=', 'x').execute(),
  'the operator':
    ({ loose }, input) =>
    () =>
      loose.selectFrom('note').select('owner').where('body', input, 'x').execute(),
  'the order':
    ({ loose }, input) =>
    () =>
      loose.selectFrom('note').select('owner').orderBy(input).execute(),
  'the direction':
    ({ loose }, input) =>
    () =>
      loose.selectFrom('note').select('owner').orderBy('id', input).execute(),
  'the limit':
    ({ loose }, input) =>
    () =>
      loose.selectFrom('note').select('owner').limit(input).execute(),
  'the offset':
    ({ loose }, input) =>
    () =>
      loose.selectFrom('note').select('owner').offset(input).execute(),
  'an alias':
    ({ loose }, input) =>
    () =>
      loose.selectFrom('note').select(eb.ref('owner').as(input)).execute(),
  'a reference':
    ({ ada }, input) =>
    () =>
      sql`select ${sql.ref(input)} as x from note`.execute(ada),
  'an identifier':
    ({ ada }, input) =>
    () =>
      sql`select 1 as ${sql.id(input)}`.execute(ada),
  'a table by sql.table':
    ({ ada }, input) =>
    () =>
      sql`select * from ${sql.table(input)}`.execute(ada),
  'the schema':
    ({ loose }, input) =>
    () =>
      loose.withSchema(input).selectFrom('note').select('owner').execute(),
  'a key of a document':
    ({ loose }, input) =>
    () =>
      loose
        .selectFrom('note')
        .select(
          eb
            .ref('document', '->')
            .key(input as never)
            .as('x'),
        )
        .execute(),
  'an index of a document':
    ({ loose }, input) =>
    () =>
      loose.selectFrom('note').select(eb.ref('document', '->').at(input).as('x')).execute(),
  'the name of a function':
    ({ loose }, input) =>
    () =>
      loose.selectNoFrom([eb.fn(input, [sql.val(1)]).as('x')]).execute(),
  'the type of a cast':
    ({ loose }, input) =>
    () =>
      loose.selectNoFrom([eb.cast(sql.val('1'), input).as('x')]).execute(),
  'the column that is inserted':
    ({ ada }, input) =>
    () =>
      undone(ada, (trx) => trx.insertInto('note').values({ [nameOf(input)]: 'x' } as Untyped)),
  'the name of a savepoint':
    ({ ada }, input) =>
    async () => {
      const trx = await ada.startTransaction().execute()
      await trx
        .savepoint(input as never)
        .execute()
        .finally(() => trx.rollback().execute())
    },
  'the size of a stream’s chunk':
    ({ ada }, input) =>
    async () => {
      const seen: unknown[] = []
      for await (const row of ada.selectFrom('note').select('owner').stream(input)) seen.push(row)
      return seen
    },
}

/** Thrown to roll back what a hostile statement managed to write. */
export const stop = new Error('stop')

function undone(
  me: Session<TwoTenants>,
  build: (trx: Kysely<TwoTenants>) => { execute(): Promise<unknown> },
): Promise<unknown> {
  return me.transaction(async (trx) => {
    await build(trx).execute()
    throw stop
  })
}

/** A property name, as JavaScript would make it; what cannot become one is its own kind of refusal. */
function nameOf(input: unknown): string {
  try {
    return String(input)
  } catch {
    return 'unprintable'
  }
}
