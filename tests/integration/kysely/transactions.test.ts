/**
 * Kysely's transactions: callback and controlled, isolation and access mode, savepoints, errors inside and at commit,
 * and `connection()`. The log of every behaviour is compared too, so begin, commit and rollback stand where they should.
 */
import { ControlledTransaction, isAbortedTransactionError, type Kysely, sql, Transaction } from 'kysely'
import { expect } from 'vitest'
import { describeExecutors, type Executor, rejection } from '../../support/executors.ts'
import type { PeopleAndPets } from '../../support/people-and-pets.ts'

/**
 * Whoever throws TenonErrors reports what aborted the transaction where PostgreSQL only says that it is aborted (25P02);
 * so the log of what follows a failure is not the control's.
 */
const rootCause = { log: 'ignored' } as const
const throwsPg = { only: ({ errors }: Executor) => errors === 'pg', because: 'it reports the root cause' }

describeExecutors('Transactions', ({ behaves }) => {
  behaves('commits what the callback did and returns its result', async ({ db, admin, events }) => {
    const result = await db.transaction().execute(async (trx) => {
      expect([trx instanceof Transaction, trx.isTransaction, db.isTransaction]).toStrictEqual([true, true, false])
      const person = await trx.insertInto('person').values({ first_name: 'Kate', gender: 'female' }).returning('id').executeTakeFirstOrThrow()
      await trx.insertInto('pet').values({ name: 'Kitty', owner_id: person.id, species: 'cat' }).execute()
      return person
    })
    expect(await admin(`select owner_id from pet where name = 'Kitty'`)).toStrictEqual([{ owner_id: result.id }])
    expect(events.map((event) => event.sql)).toStrictEqual([
      'begin',
      'insert into "person" ("first_name", "gender") values ($1, $2) returning "id"',
      'insert into "pet" ("name", "owner_id", "species") values ($1, $2, $3)',
      'commit',
    ])
    return result
  })

  behaves('rolls back and rethrows what the callback threw, whatever it is', async ({ db, admin, events }) => {
    const thrown: unknown[] = []
    for (const reason of [new TypeError('no'), 'a string', undefined, { plain: true }]) {
      await db
        .transaction()
        .execute(async (trx) => {
          await trx.insertInto('person').values({ first_name: 'Gone', gender: 'other' }).execute()
          throw reason
        })
        .catch((error: unknown) => thrown.push(error))
    }
    expect(thrown).toStrictEqual([new TypeError('no'), 'a string', undefined, { plain: true }])
    expect(await admin(`select 1 from person where first_name = 'Gone'`)).toStrictEqual([])
    expect(events.filter((event) => event.sql === 'rollback')).toHaveLength(4)
    return thrown
  })

  behaves('sets isolation level and access mode', async ({ db, events }) => {
    const show = (trx: Kysely<PeopleAndPets>) =>
      sql<{ level: string; read_only: string }>`select current_setting('transaction_isolation') as level, current_setting('transaction_read_only') as read_only`
        .execute(trx)
        .then((result) => result.rows[0])
    const seen = [
      await db.transaction().execute(show),
      await db.transaction().setIsolationLevel('serializable').execute(show),
      await db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(show),
      await db.transaction().setAccessMode('read write').execute(show),
      await db.transaction().setIsolationLevel('read uncommitted').execute(show),
    ]
    expect(seen.map((row) => `${row?.level}, ${row?.read_only}`)).toStrictEqual([
      'read committed, off',
      'serializable, off',
      'repeatable read, on',
      'read committed, off',
      'read uncommitted, off',
    ])
    expect(events.map((event) => event.sql).filter((text) => text.startsWith('start'))).toStrictEqual([
      'start transaction isolation level serializable',
      'start transaction isolation level repeatable read read only',
      'start transaction read write',
      'start transaction isolation level read uncommitted',
    ])
    return seen
  })

  behaves('refuses to write in a read only transaction', async ({ db, failure }) => {
    const sqlstate = await failure(db.transaction().setAccessMode('read only').execute((trx) => trx.deleteFrom('toy').execute()))
    expect(sqlstate).toBe('25006')
    return sqlstate
  })

  behaves('refuses an isolation level that the server does not know', { log: 'ignored' }, async ({ db, executor, failure }) => {
    // The log is not compared: where BEGIN waits for the first statement, the refusal is that statement's.
    let called = false
    const sqlstate = await failure(
      db
        .transaction()
        .setIsolationLevel('snapshot')
        .execute((trx) => {
          called = true
          return sql`select 1`.execute(trx)
        }),
    )
    expect(sqlstate).toBe('42601')
    if (executor.errors === 'pg') expect(called, 'the callback runs only in a transaction that has begun').toBe(false)
    expect(await sql`select 1 as a`.execute(db)).toMatchObject({ rows: [{ a: 1 }] })
    return sqlstate
  })

  behaves('refuses isolation levels and access modes that Kysely does not know', async ({ db }) => {
    const errors = [
      await rejection(db.transaction().setIsolationLevel('serializable; drop table toy' as never).execute(async () => {})),
      await rejection(db.transaction().setAccessMode('write only' as never).execute(async () => {})),
    ]
    expect(errors.join()).toMatch(/isolation level.*access mode/s)
    return errors
  })

  behaves('does nothing in an empty transaction but log it', async ({ db, events }) => {
    expect(await db.transaction().execute(async () => 'empty')).toBe('empty')
    expect(events.map((event) => event.sql)).toStrictEqual(['begin', 'commit'])
  })

  behaves('runs what was started together one after the other', async ({ db }) => {
    const results = await db.transaction().execute((trx) => Promise.all([1, 2, 3, 4].map((n) => sql<{ n: number }>`select ${n}::int as n`.execute(trx))))
    expect(results.map((result) => result.rows[0]?.n)).toStrictEqual([1, 2, 3, 4])
    return results
  })

  behaves('commits a statement that the callback did not wait for', { log: 'ignored' }, async ({ db, admin }) => {
    let late: Promise<unknown> = Promise.resolve()
    await db.transaction().execute(async (trx) => {
      await sql`select 1`.execute(trx)
      late = trx.insertInto('badge').values({ id: 1, label: 'late' }).execute()
    })
    await late
    expect(await admin('select label from badge')).toStrictEqual([{ label: 'late' }])
  })

  behaves('throws the first failure and lets those behind it fail in the aborted transaction', rootCause, async ({ db, executor, failure, events }) => {
    const first = await failure(db.transaction().execute((trx) => Promise.all([sql`select 1/0`.execute(trx), sql`select 2`.execute(trx)])))
    expect(first).toBe('22012')
    expect(events.map((event) => [event.sql, event.failure])).toStrictEqual([
      ['begin', undefined],
      ['select 1/0', '22012'],
      ['select 2', executor.errors === 'pg' ? '25P02' : '22012'],
      ['rollback', undefined],
    ])
    return first
  })

  behaves('reports a transaction that was aborted and then committed', rootCause, async ({ db, executor, failure, admin }) => {
    const aborted = db.transaction().execute(async (trx) => {
      await trx.insertInto('badge').values({ id: 1, label: 'lost' }).execute()
      await failure(sql`select 1/0`.execute(trx))
    })
    if (executor.errors === 'pg') expect(isAbortedTransactionError(await aborted.catch((error: unknown) => error))).toBe(true)
    else expect(await failure(aborted)).toBe('22012')
    expect(await admin('select 1 from badge')).toStrictEqual([])
  })

  behaves('logs the commit of an aborted transaction as a query, and no rollback', throwsPg, async ({ db, failure, events }) => {
    await rejection(db.transaction().execute(async (trx) => void (await failure(sql`select 1/0`.execute(trx)))))
    expect(events.map((event) => [event.level, event.sql])).toStrictEqual([['query', 'begin'], ['error', 'select 1/0'], ['query', 'commit']])
  })

  behaves('begins although the first statement is refused, and says so at commit', rootCause, async ({ db, executor, failure }) => {
    const aborted = db.transaction().execute(async (trx) => void (await failure(sql`selec 1`.execute(trx))))
    if (executor.errors === 'pg') expect(await rejection(aborted)).toMatch(/rolled back instead of committed/)
    else expect(await failure(aborted)).toBe('42601')
  })

  behaves('throws what only COMMIT finds, and still logs the rollback', async ({ db, failure, events }) => {
    const same = [{ id: 1, label: 'same' }, { id: 2, label: 'same' }]
    const outside = await failure(db.insertInto('badge').values(same).execute())
    const inside = await failure(db.transaction().execute((trx) => trx.insertInto('badge').values(same).execute()))
    expect([outside, inside]).toStrictEqual(['23505', '23505'])
    expect(events.slice(1).map((event) => [event.level, event.sql.split(' ')[0]])).toStrictEqual([
      ['query', 'begin'],
      ['query', 'insert'],
      ['error', 'commit'],
      ['query', 'rollback'],
    ])
    return [outside, inside]
  })

  behaves('refuses a transaction that is over, and one inside another', async ({ db }) => {
    let kept: Transaction<PeopleAndPets> | undefined
    const nested = await db.transaction().execute(async (trx) => {
      kept = trx
      return [() => trx.transaction(), () => trx.startTransaction(), () => trx.connection(), () => trx.destroy()].map((call) => {
        try {
          return call()
        } catch (error) {
          return String(error)
        }
      })
    })
    const over = await rejection(sql`select 1`.execute(kept ?? db))
    expect(over).toBe('Error: Transaction is already committed')
    expect(nested.join()).toMatch(/(not supported for a Transaction|for a Transaction is not supported)/)
    return { over, nested }
  })

  behaves('sees tables change shape inside the transaction', async ({ db }) => {
    // A statement cached by name would fail here with 0A000 and take the transaction with it.
    const rows = await db.transaction().execute(async (trx) => {
      await trx.schema.createTable('growing').addColumn('id', 'integer').execute()
      await sql`insert into growing values (1)`.execute(trx)
      const read = () => trx.$extendTables<{ growing: { id: number } }>().selectFrom('growing').selectAll().where('id', '>', 0).execute()
      const before = [await read(), await read()]
      await trx.schema.alterTable('growing').addColumn('extra', 'text').execute()
      const between = await read()
      await trx.schema.alterTable('growing').alterColumn('id', (column) => column.setDataType('text')).execute()
      const after = await sql`select * from growing`.execute(trx)
      return [...before, between, after.rows]
    })
    expect(rows).toStrictEqual([[{ id: 1 }], [{ id: 1 }], [{ id: 1, extra: null }], [{ id: '1', extra: null }]])
    return rows
  })

  behaves('is driven by hand: commit', async ({ db, admin }) => {
    const trx = await db.startTransaction().setIsolationLevel('repeatable read').execute()
    expect([trx instanceof ControlledTransaction, trx.isCommitted, trx.isRolledBack]).toStrictEqual([true, false, false])
    await trx.insertInto('badge').values({ id: 1, label: 'kept' }).execute()
    await trx.commit().execute()
    const late = [await rejection(trx.selectFrom('badge').selectAll().execute()), await rejection(trx.rollback().execute()), await rejection(trx.commit().execute())]
    expect([trx.isCommitted, trx.isRolledBack]).toStrictEqual([true, false])
    expect(new Set(late)).toStrictEqual(new Set(['Error: Transaction is already committed']))
    expect(await admin('select label from badge')).toStrictEqual([{ label: 'kept' }])
    return late
  })

  behaves('is driven by hand: rollback', async ({ db, admin }) => {
    const trx = await db.startTransaction().execute()
    await trx.insertInto('badge').values({ id: 1, label: 'lost' }).execute()
    await trx.rollback().execute()
    const late = await rejection(trx.selectFrom('badge').selectAll().execute())
    expect([late, trx.isCommitted, trx.isRolledBack]).toStrictEqual(['Error: Transaction is already rolled back', false, true])
    expect(await admin('select 1 from badge')).toStrictEqual([])
    return late
  })

  behaves('goes back to savepoints, with names that need quoting', rootCause, async ({ db, executor, failure, admin, events }) => {
    const trx = await db.startTransaction().execute()
    const add = (on: Kysely<PeopleAndPets>, id: number) => sql`insert into badge values (${id}, ${`b${id}`})`.execute(on)
    await add(trx, 1)
    const afterOne = await trx.savepoint('after one"; --').execute()
    await add(afterOne, 2)
    const duplicate = await failure(add(afterOne, 1))
    const aborted = await failure(afterOne.selectFrom('badge').selectAll().execute())
    const back = await afterOne.rollbackToSavepoint('after one"; --').execute()
    await add(back, 3)
    const nested = await back.savepoint('inner').execute()
    await add(nested, 4)
    await nested.releaseSavepoint('inner').execute()
    await trx.commit().execute()
    expect([duplicate, aborted]).toStrictEqual(['23505', executor.errors === 'pg' ? '25P02' : '23505'])
    expect(await admin('select id from badge order by id')).toStrictEqual([{ id: 1 }, { id: 3 }, { id: 4 }])
    expect(events.map((event) => event.sql).filter((text) => /savepoint|release|rollback/.test(text))).toStrictEqual([
      'savepoint "after one""; --"',
      'rollback to "after one""; --"',
      'savepoint "inner"',
      'release "inner"',
    ])
  })

  behaves('starts with a savepoint', async ({ db }) => {
    const trx = await db.startTransaction().execute()
    const point = await trx.savepoint('first').execute()
    await point.insertInto('badge').values({ id: 1, label: 'a' }).execute()
    const back = await point.rollbackToSavepoint('first').execute()
    const rows = await back.selectFrom('badge').selectAll().execute()
    await back.commit().execute()
    expect(rows).toStrictEqual([])
    return rows
  })

  behaves('refuses a savepoint that is not there', async ({ db, failure }) => {
    const trx = await db.startTransaction().execute()
    const sqlstate = await failure(trx.releaseSavepoint('nowhere' as never).execute())
    await trx.rollback().execute()
    expect(sqlstate).toBe('3B001')
    return sqlstate
  })

  behaves('ends by hand after a failed commit and after an aborted one', rootCause, async ({ db, executor, failure }) => {
    const deferred = await db.startTransaction().execute()
    await deferred.insertInto('badge').values([{ id: 1, label: 'same' }, { id: 2, label: 'same' }]).execute()
    const commit = await failure(deferred.commit().execute())
    const between = [deferred.isCommitted, deferred.isRolledBack]
    await deferred.rollback().execute()

    const aborted = await db.startTransaction().execute()
    await failure(sql`select 1/0`.execute(aborted))
    if (executor.errors === 'pg') expect(await rejection(aborted.commit().execute())).toMatch(/rolled back instead of committed/)
    else expect(await failure(aborted.commit().execute())).toBe('22012')
    await aborted.rollback().execute()
    expect([commit, between, deferred.isRolledBack, aborted.isRolledBack]).toStrictEqual(['23505', [false, false], true, true])
    return { commit, again: await rejection(aborted.commit().execute()) }
  })

  behaves('stays a transaction through withSchema, withPlugin and the $ methods', async ({ db }) => {
    const kinds = await db.transaction().execute(async (trx) =>
      [trx.withSchema('lab'), trx.withoutPlugins(), trx.$extendTables<{ extra: { id: number } }>(), trx.$omitTables<'toy'>(), trx.$pickTables<'pet'>()].map((each) => each.isTransaction),
    )
    expect(kinds).toStrictEqual([true, true, true, true, true])
    return kinds
  })

  behaves('runs on one connection inside connection()', async ({ db }) => {
    const seen = await db.connection().execute(async (one) => {
      const pid = () => sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(one).then((result) => result.rows[0]?.pid)
      const pids = [await pid(), ...(await Promise.all([pid(), pid()]))]
      const inside = await one.transaction().execute((trx) => sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx))
      return new Set([...pids, inside.rows[0]?.pid]).size
    })
    expect(seen).toBe(1)
    return seen
  })

  const keepsState = { only: ({ kind }: Executor) => kind !== 'session', because: 'a session leaves nothing on a connection' }
  behaves('keeps temporary tables, settings and locks for the time of connection()', keepsState, async ({ db }) => {
    const seen = await db.connection().execute(async (one) => {
      await sql`create temporary table scratch (n int)`.execute(one)
      await sql`set application_name = 'scratching'`.execute(one)
      await sql`select pg_advisory_lock(42)`.execute(one)
      await sql`insert into scratch values (${7})`.execute(one)
      const { rows } = await sql`select n, current_setting('application_name') as name, pg_advisory_unlock(42) as unlocked from scratch`.execute(one)
      await sql`drop table scratch`.execute(one)
      await sql`reset application_name`.execute(one)
      return rows
    })
    expect(seen).toStrictEqual([{ n: 7, name: 'scratching', unlocked: true }])
    return seen
  })

  behaves('throws what a callback of connection() throws, and goes on', async ({ db, failure }) => {
    const sqlstate = await failure(db.connection().execute((one) => sql`select 1/0`.execute(one)))
    const error = await rejection(db.connection().execute(() => Promise.reject(new Error('mine'))))
    const row = await db.connection().execute((one) => one.selectFrom('pet').select('name').where('id', '=', 1).executeTakeFirst())
    expect([sqlstate, error, row]).toStrictEqual(['22012', 'Error: mine', { name: 'Catto' }])
    return [sqlstate, error, row]
  })
})
