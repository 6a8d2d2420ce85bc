/**
 * What a refusal of the server arrives as. A service and a session throw TenonErrors, whose own shape is tested
 * elsewhere; TenonDialect throws pg's DatabaseError with every field as the control has it.
 */
import { type Kysely, sql } from 'kysely'
import { DatabaseError } from 'pg'
import { expect } from 'vitest'
import { describeExecutors, type Executor } from '../../support/executors.ts'
import type { PeopleAndPets } from '../../support/people-and-pets.ts'

type Db = Kysely<PeopleAndPets>

/** One refusal of each kind that callers tell apart by SQLSTATE. */
const refusals: Record<string, (db: Db) => Promise<unknown>> = {
  '23505': (db) => db.insertInto('pet').values({ name: 'Catto', owner_id: 1, species: 'cat' }).execute(),
  '23503': (db) => db.insertInto('pet').values({ name: 'New', owner_id: 99, species: 'cat' }).execute(),
  '23502': (db) =>
    db
      .insertInto('person')
      .values({ first_name: null as never, gender: 'male' })
      .execute(),
  '23514': (db) =>
    db
      .insertInto('pet')
      .values({ name: 'New', owner_id: 1, species: 'fish' as never })
      .execute(),
  '22P02': (db) =>
    db
      .selectFrom('person')
      .selectAll()
      .where('id', '=', 'one' as never)
      .execute(),
  '22001': (db) =>
    db
      .insertInto('sample')
      .values({ id: 1, code: 'too long' } as never)
      .execute(),
  '22003': (db) =>
    db
      .insertInto('sample')
      .values({ id: 1, small: 70_000 } as never)
      .execute(),
  '22007': (db) => sql`select ${'no date'}::date`.execute(db),
  '22012': (db) => sql`select 1 / ${0}::int`.execute(db),
  '42P01': (db) => sql`select * from nowhere`.execute(db),
  '42703': (db) => sql`select nothing from person`.execute(db),
  '42601': (db) => sql`selec 1`.execute(db),
  '42883': (db) => sql`select no_such_function(${1}::int)`.execute(db),
  '42P18': (db) => sql`select pg_typeof(${1})`.execute(db),
  '42804': (db) => sql`update person set age = true`.execute(db),
  '21000': (db) => sql`select (select id from person)`.execute(db),
  P0001: (db) => sql`do $$ begin raise exception 'custom' using detail = 'more', hint = 'try'; end $$`.execute(db),
  '25001': (db) => db.transaction().execute((trx) => sql`vacuum`.execute(trx)),
}

const throwsPg = { only: (executor: Executor) => executor.errors === 'pg', because: 'it throws TenonErrors' }

describeExecutors('Errors', ({ behaves }) => {
  behaves('carry the SQLSTATE, and leave the connection usable', async ({ open, failure }) => {
    const db = await open({ pool: { max: 1 } })
    const seen: string[] = []
    for (const [wanted, query] of Object.entries(refusals)) {
      const sqlstate = await failure(query(db))
      expect(sqlstate).toBe(wanted)
      seen.push(sqlstate)
      expect(await db.selectFrom('pet').select('id').where('id', '=', 1).executeTakeFirst()).toStrictEqual({ id: 1 })
    }
    return seen
  })

  behaves('are pg’s DatabaseError, field by field', throwsPg, async ({ db }) => {
    const seen: unknown[] = []
    for (const query of Object.values(refusals)) {
      const error = await query(db).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(DatabaseError)
      if (!(error instanceof DatabaseError)) continue
      // length counts bytes of the message; the rest are places in the server's source, and PGlite is another version.
      const { length, file, line, routine, ...fields } = error
      expect([length, file, line, routine]).toStrictEqual([
        expect.any(Number),
        expect.stringMatching(/\.[cly]$/),
        expect.stringMatching(/^\d+$/),
        expect.any(String),
      ])
      const meaning = { ...fields, message: error.message, name: error.name, keys: Object.keys(error) }
      seen.push(meaning)
    }
    return seen
  })

  behaves('name table, constraint and detail on the dialect', throwsPg, async ({ db }) => {
    const error = await db
      .insertInto('pet')
      .values({ name: 'Catto', owner_id: 1, species: 'cat' })
      .execute()
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: '23505',
      schema: 'public',
      table: 'pet',
      constraint: 'pet_name_key',
      detail: 'Key (name)=(Catto) already exists.',
      severity: 'ERROR',
    })
  })

  behaves('show in their stack who asked', throwsPg, async ({ db }) => {
    async function theAskingFunction() {
      return await sql`select 1/0`.execute(db)
    }
    const error = await theAskingFunction().catch((reason: unknown) => reason)
    expect(error instanceof Error && error.stack).toMatch(/theAskingFunction/)
  })

  behaves('of JavaScript while encoding come through, before anything is sent', async ({ open, executor }) => {
    const db = await open({ pool: { max: 1 } })
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const hostile = {
      toPostgres() {
        throw new RangeError('toPostgres failed')
      },
    }
    for (const value of [circular, { big: 1n }, hostile]) {
      const error = await sql`select ${value}::text`.execute(db).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(Error)
      if (executor.errors === 'pg')
        expect(String(error)).toMatch(/circular structure|serialize a BigInt|toPostgres failed/)
      expect(await db.selectFrom('pet').select('id').where('id', '=', 1).executeTakeFirst()).toStrictEqual({ id: 1 })
    }
  })
})
