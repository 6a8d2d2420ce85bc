/**
 * Kysely's transactions with a callback: isolation and access mode, errors inside and at commit. Those driven by hand are
 * controlled-transactions.test.ts. The log of every behaviour is compared too, so begin, commit and rollback stand where they should.
 */
import { isAbortedTransactionError, type Kysely, sql, Transaction } from 'kysely'
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
      const person = await trx
        .insertInto('person')
        .values({ first_name: 'Kate', gender: 'female' })
        .returning('id')
        .executeTakeFirstOrThrow()
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
      sql<{
        level: string
        read_only: string
      }>`select current_setting('transaction_isolation') as level, current_setting('transaction_read_only') as read_only`
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
    const sqlstate = await failure(
      db
        .transaction()
        .setAccessMode('read only')
        .execute((trx) => trx.deleteFrom('toy').execute()),
    )
    expect(sqlstate).toBe('25006')
    return sqlstate
  })

  behaves(
    'refuses an isolation level that the server does not know',
    { log: 'ignored' },
    async ({ db, executor, failure }) => {
      // The log is not compared: a session or service refuses before there is anything to log.
      let called = false
      const refused = db
        .transaction()
        .setIsolationLevel('snapshot')
        .execute((trx) => {
          called = true
          return sql`select 1`.execute(trx)
        })
      if (executor.errors === 'pg') expect(await failure(refused)).toBe('42601')
      else await expect(refused).rejects.toThrow()
      expect(called, 'the callback runs only in a transaction that has begun').toBe(false)
      expect(await sql`select 1 as a`.execute(db)).toMatchObject({ rows: [{ a: 1 }] })
    },
  )

  behaves('refuses isolation levels and access modes that Kysely does not know', async ({ db }) => {
    const errors = [
      await rejection(
        db
          .transaction()
          .setIsolationLevel('serializable; drop table toy' as never)
          .execute(async () => {}),
      ),
      await rejection(
        db
          .transaction()
          .setAccessMode('write only' as never)
          .execute(async () => {}),
      ),
    ]
    expect(errors.join()).toMatch(/isolation ?level.*access ?mode/is)
  })

  behaves('does nothing in an empty transaction but log it', async ({ db, events }) => {
    expect(await db.transaction().execute(async () => 'empty')).toBe('empty')
    expect(events.map((event) => event.sql)).toStrictEqual(['begin', 'commit'])
  })

  behaves('runs what was started together one after the other', async ({ db }) => {
    const results = await db
      .transaction()
      .execute((trx) => Promise.all([1, 2, 3, 4].map((n) => sql<{ n: number }>`select ${n}::int as n`.execute(trx))))
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

  behaves(
    'throws the first failure and lets those behind it fail in the aborted transaction',
    rootCause,
    async ({ db, executor, failure, events }) => {
      const first = await failure(
        db.transaction().execute((trx) => Promise.all([sql`select 1/0`.execute(trx), sql`select 2`.execute(trx)])),
      )
      expect(first).toBe('22012')
      expect(events.map((event) => [event.sql, event.failure])).toStrictEqual([
        ['begin', undefined],
        ['select 1/0', '22012'],
        ['select 2', executor.errors === 'pg' ? '25P02' : '22012'],
        ['rollback', undefined],
      ])
      return first
    },
  )

  behaves(
    'reports a transaction that was aborted and then committed',
    rootCause,
    async ({ db, executor, failure, admin }) => {
      const aborted = db.transaction().execute(async (trx) => {
        await trx.insertInto('badge').values({ id: 1, label: 'lost' }).execute()
        await failure(sql`select 1/0`.execute(trx))
      })
      if (executor.errors === 'pg')
        expect(isAbortedTransactionError(await aborted.catch((error: unknown) => error))).toBe(true)
      else expect(await failure(aborted)).toBe('22012')
      expect(await admin('select 1 from badge')).toStrictEqual([])
    },
  )

  behaves(
    'logs the commit of an aborted transaction as a query, and no rollback',
    throwsPg,
    async ({ db, failure, events }) => {
      await rejection(db.transaction().execute(async (trx) => void (await failure(sql`select 1/0`.execute(trx)))))
      expect(events.map((event) => [event.level, event.sql])).toStrictEqual([
        ['query', 'begin'],
        ['error', 'select 1/0'],
        ['query', 'commit'],
      ])
    },
  )

  behaves(
    'begins although the first statement is refused, and says so at commit',
    rootCause,
    async ({ db, executor, failure }) => {
      const aborted = db.transaction().execute(async (trx) => void (await failure(sql`selec 1`.execute(trx))))
      if (executor.errors === 'pg') expect(await rejection(aborted)).toMatch(/rolled back instead of committed/)
      else expect(await failure(aborted)).toBe('42601')
    },
  )

  behaves('throws what only COMMIT finds, and still logs the rollback', async ({ db, failure, events }) => {
    const same = [
      { id: 1, label: 'same' },
      { id: 2, label: 'same' },
    ]
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
      return [() => trx.transaction(), () => trx.startTransaction(), () => trx.connection(), () => trx.destroy()].map(
        (call) => {
          try {
            return call()
          } catch (error) {
            return String(error)
          }
        },
      )
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
      const read = () =>
        trx.$extendTables<{ growing: { id: number } }>().selectFrom('growing').selectAll().where('id', '>', 0).execute()
      const before = [await read(), await read()]
      await trx.schema.alterTable('growing').addColumn('extra', 'text').execute()
      const between = await read()
      await trx.schema
        .alterTable('growing')
        .alterColumn('id', (column) => column.setDataType('text'))
        .execute()
      const after = await sql`select * from growing`.execute(trx)
      return [...before, between, after.rows]
    })
    expect(rows).toStrictEqual([[{ id: 1 }], [{ id: 1 }], [{ id: 1, extra: null }], [{ id: '1', extra: null }]])
    return rows
  })

  behaves('stays a transaction through withSchema, withPlugin and the $ methods', async ({ db }) => {
    const kinds = await db
      .transaction()
      .execute(async (trx) =>
        [
          trx.withSchema('lab'),
          trx.withoutPlugins(),
          trx.$extendTables<{ extra: { id: number } }>(),
          trx.$omitTables<'toy'>(),
          trx.$pickTables<'pet'>(),
        ].map((each) => each.isTransaction),
      )
    expect(kinds).toStrictEqual([true, true, true, true, true])
    return kinds
  })
})
