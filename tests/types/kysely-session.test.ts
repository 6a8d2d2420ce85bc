/**
 * The types of sessions, transactions and batches against Kysely's: a session goes wherever a Kysely goes and stays a
 * session, and misuse does not compile. Nothing here runs; the type checker reads it.
 */
import type { ControlledTransaction, InsertResult, Kysely, QueryResult, SelectQueryBuilder, Transaction } from 'kysely'
import { ParseJSONResultsPlugin, sql } from 'kysely'
import { describe, expectTypeOf, test } from 'vitest'
import {
  createDatabase,
  type Database,
  first,
  type Session,
  type SessionTransaction,
  TenonDialect,
} from '../../src/index.ts'
import type { PeopleAndPets } from '../support/people-and-pets.ts'

declare const db: Database<PeopleAndPets>
declare const me: Session<PeopleAndPets>

describe('A session', () => {
  test('is a Kysely of the same tables, and a Kysely is not a session', () => {
    expectTypeOf(me).toExtend<Kysely<PeopleAndPets>>()
    expectTypeOf(db.session({ role: 'authenticated' })).toEqualTypeOf<Session<PeopleAndPets>>()
    expectTypeOf<Kysely<PeopleAndPets>>().not.toExtend<Session<PeopleAndPets>>()
    expectTypeOf(me.as({ actor: 'support' })).toEqualTypeOf<Session<PeopleAndPets>>()
    const takesKysely = (kysely: Kysely<PeopleAndPets>) => kysely.selectFrom('pet').select('name').execute()
    expectTypeOf(takesKysely(me)).resolves.toEqualTypeOf<{ name: string }[]>()
  })

  test('gives rows with the types Kysely gives', () => {
    const rows = me
      .selectFrom('person')
      .leftJoin('pet', 'pet.owner_id', 'person.id')
      .select(['first_name', 'pet.name'])
      .execute()
    expectTypeOf(rows).resolves.toEqualTypeOf<{ first_name: string; name: string | null }[]>()
    expectTypeOf(me.insertInto('badge').values({ id: 1, label: 'x' }).execute()).resolves.toEqualTypeOf<
      InsertResult[]
    >()
    // @ts-expect-error there is no such table
    me.selectFrom('nowhere')
    // @ts-expect-error there is no such column
    me.selectFrom('pet').select('colour')
  })

  test('stays a session through everything Kysely derives from an instance', () => {
    expectTypeOf(me.withSchema('lab')).toEqualTypeOf<Session<PeopleAndPets>>()
    expectTypeOf(me.withPlugin(new ParseJSONResultsPlugin())).toEqualTypeOf<Session<PeopleAndPets>>()
    expectTypeOf(me.withoutPlugins()).toEqualTypeOf<Session<PeopleAndPets>>()
    type Extra = { extra: { id: number } }
    expectTypeOf(me.$extendTables<Extra>()).toExtend<Session<PeopleAndPets & Extra>>()
    expectTypeOf(me.withTables<Extra>()).toExtend<Session<PeopleAndPets & Extra>>()
    expectTypeOf(me.$extendTables<Extra>().selectFrom('extra').selectAll().execute()).resolves.toEqualTypeOf<
      { id: number }[]
    >()
    expectTypeOf(me.$omitTables<'toy'>()).toEqualTypeOf<Session<Omit<PeopleAndPets, 'toy'>>>()
    expectTypeOf(me.$pickTables<'pet' | 'toy'>()).toEqualTypeOf<Session<Pick<PeopleAndPets, 'pet' | 'toy'>>>()
    // @ts-expect-error toy is gone
    me.$omitTables<'toy'>().selectFrom('toy')
    // @ts-expect-error not a table
    me.$pickTables<'nowhere'>()
  })

  test('is made with a role', () => {
    // @ts-expect-error a role is not optional
    db.session({})
    // @ts-expect-error a role is a string
    db.session({ role: null })
    // @ts-expect-error no such option
    db.session({ role: 'authenticated', user: 'x' })
    // @ts-expect-error settings are strings
    db.session({ role: 'authenticated', settings: { 'app.tenant_id': { id: 1 } } })
  })
})

describe('A batch', () => {
  const pet = me.selectFrom('pet').select(['id', 'name'])
  const toys = me.selectFrom('toy').select('price')

  test('gives a tuple: one row or none for first(), rows for the rest', async () => {
    const result = await me.batch([first(pet), toys])
    expectTypeOf(result).toEqualTypeOf<[{ id: number; name: string } | undefined, { price: string }[]]>()
    const [one, rows] = result
    expectTypeOf(one).toEqualTypeOf<{ id: number; name: string } | undefined>()
    expectTypeOf(rows).toEqualTypeOf<{ price: string }[]>()
    // @ts-expect-error there is no third result
    const [, , third] = result
    void third
    // @ts-expect-error may be undefined
    one.name
  })

  test('takes writes, returning or not, and raw sql', async () => {
    const [inserted, returned, firstReturned, raw] = await me.batch([
      me.insertInto('badge').values({ id: 1, label: 'x' }),
      me.updateTable('pet').set({ name: 'x' }).returning('id'),
      first(me.deleteFrom('toy').returning('toy.name')),
      sql<{ n: number }>`select 1 as n`,
    ])
    expectTypeOf(inserted).toEqualTypeOf<InsertResult[]>()
    expectTypeOf(returned).toEqualTypeOf<{ id: number }[]>()
    expectTypeOf(firstReturned).toEqualTypeOf<{ name: string } | undefined>()
    expectTypeOf(raw).toEqualTypeOf<QueryResult<{ n: number }>>()
  })

  test('of no or of many queries keeps its shape', async () => {
    expectTypeOf(await me.batch([])).toEqualTypeOf<[]>()
    const queries: SelectQueryBuilder<PeopleAndPets, 'pet', { id: number }>[] = []
    expectTypeOf(await me.batch(queries)).toEqualTypeOf<{ id: number }[][]>()
  })

  test('refuses what is not an un-executed query', () => {
    // @ts-expect-error already executed
    void me.batch([pet.execute()])
    // @ts-expect-error not a query
    void me.batch(['select 1'])
    // @ts-expect-error a list is needed
    void me.batch(pet)
    // @ts-expect-error first() takes a query, not its rows
    first(pet.execute())
  })
})

describe('A transaction', () => {
  test('of ours passes a Transaction that batches and knows what to do after its commit', () => {
    const result = me.transaction(
      { retry: 5, isolationLevel: 'serializable', accessMode: 'read write' },
      async (trx) => {
        expectTypeOf(trx).toEqualTypeOf<SessionTransaction<PeopleAndPets>>()
        expectTypeOf(trx).toExtend<Transaction<PeopleAndPets>>()
        expectTypeOf(trx.isTransaction).toEqualTypeOf<true>()
        trx.afterCommit(() => {})
        trx.afterCommit(async () => {})
        expectTypeOf(await trx.batch([first(trx.selectFrom('pet').select('id'))])).toEqualTypeOf<
          [{ id: number } | undefined]
        >()
        expectTypeOf(trx.withSchema('lab')).toEqualTypeOf<SessionTransaction<PeopleAndPets>>()
        expectTypeOf(trx.$pickTables<'pet'>()).toEqualTypeOf<SessionTransaction<Pick<PeopleAndPets, 'pet'>>>()
        return 5 as const
      },
    )
    expectTypeOf(result).resolves.toEqualTypeOf<5>()
    expectTypeOf(me.transaction(async () => 'x')).resolves.toEqualTypeOf<string>()
  })

  test('of Kysely’s keeps its builder', () => {
    const result = me
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute(async (trx) => {
        expectTypeOf(trx).toExtend<Transaction<PeopleAndPets>>()
        expectTypeOf(await trx.batch([trx.selectFrom('pet').select('id')])).toEqualTypeOf<[{ id: number }[]]>()
        trx.afterCommit(() => {})
        return 'done'
      })
    expectTypeOf(result).resolves.toEqualTypeOf<string>()
  })

  test('by hand keeps Kysely’s savepoint types', async () => {
    const trx = await me.startTransaction().setIsolationLevel('serializable').execute()
    expectTypeOf(trx).toExtend<ControlledTransaction<PeopleAndPets>>()
    trx.afterCommit(() => {})
    const point = await trx.savepoint('here').execute()
    expectTypeOf(await point.batch([first(point.selectFrom('pet').select('id'))])).toEqualTypeOf<
      [{ id: number } | undefined]
    >()
    await point.rollbackToSavepoint('here').execute()
    // @ts-expect-error no such savepoint
    await point.rollbackToSavepoint('there').execute()
  })

  test('refuses what Kysely refuses', () => {
    // @ts-expect-error no such level
    me.transaction({ isolationLevel: 'chaos' }, async () => {})
    // @ts-expect-error no such option
    me.transaction({ retries: 5 }, async () => {})
    // @ts-expect-error a callback is needed beside options
    me.transaction({ retry: 5 })
    // @ts-expect-error afterCommit is the transaction's
    me.afterCommit(() => {})
  })
})

describe('A database', () => {
  test('gives a plain Kysely as a service, with actor and reason', () => {
    expectTypeOf(db.service({ actor: 'cron', reason: 'report' })).toExtend<Kysely<PeopleAndPets>>()
    // @ts-expect-error a reason is needed
    db.service({ actor: 'cron' })
  })

  test('is made with a connection, and is typed by DB', () => {
    expectTypeOf(createDatabase<PeopleAndPets>).returns.toEqualTypeOf<Database<PeopleAndPets>>()
    // @ts-expect-error a connection is needed
    createDatabase<PeopleAndPets>({})
    // @ts-expect-error milliseconds are a number
    createDatabase<PeopleAndPets>({ connection: 'pglite://memory', statementTimeoutMs: '5s' })
    // @ts-expect-error a pool is needed
    new TenonDialect({})
  })

  test('is disposable', () => {
    expectTypeOf(db).toExtend<AsyncDisposable>()
    expectTypeOf(me).toExtend<AsyncDisposable>()
  })
})
