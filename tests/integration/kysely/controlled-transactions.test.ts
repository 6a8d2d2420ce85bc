/**
 * Kysely's controlled transactions: commit, rollback and savepoints by hand, and what is left after each of them fails.
 */
import { ControlledTransaction, type ControlledTransactionBuilder, type Kysely, sql } from 'kysely'
import { expect, onTestFinished } from 'vitest'
import { describeExecutors, rejection } from '../../support/executors.ts'
import type { PeopleAndPets } from '../../support/people-and-pets.ts'

/** Begins by hand, and ends at the latest with the test: a failed one would otherwise hold the only connection of a PGlite. */
async function begin(
  builder: ControlledTransactionBuilder<PeopleAndPets>,
): Promise<ControlledTransaction<PeopleAndPets>> {
  const trx = await builder.execute()
  onTestFinished(() =>
    trx
      .rollback()
      .execute()
      .catch(() => {}),
  )
  return trx
}

/** What aborted the transaction is reported where PostgreSQL only says 25P02, so the log is not the control's. */
const rootCause = { log: 'ignored' } as const

describeExecutors('Controlled transactions', ({ behaves }) => {
  behaves('is driven by hand: commit', async ({ db, admin }) => {
    const trx = await begin(db.startTransaction().setIsolationLevel('repeatable read'))
    expect([trx instanceof ControlledTransaction, trx.isCommitted, trx.isRolledBack]).toStrictEqual([
      true,
      false,
      false,
    ])
    await trx.insertInto('badge').values({ id: 1, label: 'kept' }).execute()
    await trx.commit().execute()
    const late = [
      await rejection(trx.selectFrom('badge').selectAll().execute()),
      await rejection(trx.rollback().execute()),
      await rejection(trx.commit().execute()),
    ]
    expect([trx.isCommitted, trx.isRolledBack]).toStrictEqual([true, false])
    expect(new Set(late)).toStrictEqual(new Set(['Error: Transaction is already committed']))
    expect(await admin('select label from badge')).toStrictEqual([{ label: 'kept' }])
    return late
  })

  behaves('is driven by hand: rollback', async ({ db, admin }) => {
    const trx = await begin(db.startTransaction())
    await trx.insertInto('badge').values({ id: 1, label: 'lost' }).execute()
    await trx.rollback().execute()
    const late = await rejection(trx.selectFrom('badge').selectAll().execute())
    expect([late, trx.isCommitted, trx.isRolledBack]).toStrictEqual([
      'Error: Transaction is already rolled back',
      false,
      true,
    ])
    expect(await admin('select 1 from badge')).toStrictEqual([])
    return late
  })

  behaves(
    'goes back to savepoints, with names that need quoting',
    rootCause,
    async ({ db, executor, failure, admin, events }) => {
      const trx = await begin(db.startTransaction())
      const add = (on: Kysely<PeopleAndPets>, id: number) =>
        sql`insert into badge values (${id}, ${`b${id}`})`.execute(on)
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
    },
  )

  behaves('starts with a savepoint', async ({ db }) => {
    const trx = await begin(db.startTransaction())
    const point = await trx.savepoint('first').execute()
    await point.insertInto('badge').values({ id: 1, label: 'a' }).execute()
    const back = await point.rollbackToSavepoint('first').execute()
    const rows = await back.selectFrom('badge').selectAll().execute()
    await back.commit().execute()
    expect(rows).toStrictEqual([])
    return rows
  })

  behaves('refuses a savepoint that is not there', async ({ db, failure }) => {
    const trx = await begin(db.startTransaction())
    const sqlstate = await failure(trx.releaseSavepoint('nowhere' as never).execute())
    await trx.rollback().execute()
    expect(sqlstate).toBe('3B001')
    return sqlstate
  })

  behaves(
    'ends by hand after a failed commit and after an aborted one',
    rootCause,
    async ({ db, executor, failure }) => {
      const deferred = await begin(db.startTransaction())
      await deferred
        .insertInto('badge')
        .values([
          { id: 1, label: 'same' },
          { id: 2, label: 'same' },
        ])
        .execute()
      const commit = await failure(deferred.commit().execute())
      const between = [deferred.isCommitted, deferred.isRolledBack]
      await deferred.rollback().execute()

      const aborted = await begin(db.startTransaction())
      await failure(sql`select 1/0`.execute(aborted))
      if (executor.errors === 'pg')
        expect(await rejection(aborted.commit().execute())).toMatch(/rolled back instead of committed/)
      else expect(await failure(aborted.commit().execute())).toBe('22012')
      await aborted.rollback().execute()
      expect([commit, between, deferred.isRolledBack, aborted.isRolledBack]).toStrictEqual([
        '23505',
        [false, false],
        true,
        true,
      ])
      return { commit, again: await rejection(aborted.commit().execute()) }
    },
  )
})
