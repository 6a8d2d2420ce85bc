/**
 * Transactions of a session: their characteristics, savepoints, the errors that end them, and what is true after each of these.
 * Repeated transactions are in transactions-retry.test.ts, queries that outlive theirs in stragglers.test.ts.
 */
import { type Kysely, sql } from 'kysely'
import { expect, test } from 'vitest'
import {
  isCheckViolation,
  isForeignKeyViolation,
  isPolicyViolation,
  isUniqueViolation,
  type TenonError,
} from '../../src/index.ts'
import { describeLedgers, type LedgerTables } from '../support/ledger.ts'

/** Who the server takes the caller for, and in what kind of transaction. */
async function whoAmI(db: Kysely<LedgerTables>) {
  const { rows } = await sql<{ role: string; sub: string; isolation: string; readonly: string }>`
    select current_user::text as role, current_setting('request.jwt.claims')::jsonb ->> 'sub' as sub,
      current_setting('transaction_isolation') as isolation, current_setting('transaction_read_only') as readonly
  `.execute(db)
  return rows[0]
}
const ada = { role: 'authenticated', sub: 'ada' }

async function failure(work: Promise<unknown>): Promise<TenonError> {
  return await work.then(
    () => expect.fail('This should have failed.'),
    (error: TenonError) => error,
  )
}

describeLedgers('Transactions', (scene) => {
  const write = (db: Kysely<LedgerTables>, note: string) =>
    db.insertInto('entry').values({ tenant: 'ada', note }).execute()
  const spend = (db: Kysely<LedgerTables>, amount: number) =>
    db
      .updateTable('account')
      .set((eb) => ({ balance: eb('balance', '-', amount) }))
      .where('id', '=', 1)
      .execute()
  const notes = async () =>
    (await scene.place.admin<{ note: string }>('select note from entry order by note')).map(({ note }) => note)

  test('keep all of their writes or none', async () => {
    await scene.ada.transaction(async (trx) => {
      await write(trx, '1')
      await write(trx, '2')
    })
    const error = new Error('changed my mind')
    const failing = scene.ada.transaction(async (trx) => {
      await write(trx, '3')
      throw error
    })
    expect(await failure(failing)).toBe(error)
    expect(await notes()).toEqual(['1', '2'])
  })

  test.each(['read uncommitted', 'read committed', 'repeatable read', 'serializable'] as const)(
    'run at the isolation level %s',
    async (isolationLevel) => {
      const seen = await scene.ada.transaction({ isolationLevel }, whoAmI)
      expect(seen).toEqual({ ...ada, isolation: isolationLevel, readonly: 'off' })
      const withBuilder = await scene.ada.transaction().setIsolationLevel(isolationLevel).execute(whoAmI)
      expect(withBuilder).toEqual(seen)
      const controlled = await scene.ada.startTransaction().setIsolationLevel(isolationLevel).execute()
      expect(await whoAmI(controlled)).toEqual(seen)
      await controlled.rollback().execute()
      // The next one must not inherit it.
      expect(await scene.ada.transaction(whoAmI)).toEqual({ ...ada, isolation: 'read committed', readonly: 'off' })
    },
  )

  test('refuse a write when they are read only', async () => {
    const both = { accessMode: 'read only', isolationLevel: 'repeatable read' } as const
    expect(await scene.ada.transaction(both, whoAmI)).toEqual({ ...ada, isolation: 'repeatable read', readonly: 'on' })
    expect(await failure(scene.ada.transaction(both, (trx) => write(trx, '1')))).toMatchObject({
      code: 'TRANSACTION_READ_ONLY',
      sqlstate: '25006',
    })
    expect(
      await failure(
        scene.ada
          .transaction()
          .setAccessMode('read only')
          .execute((trx) => write(trx, '2')),
      ),
    ).toMatchObject({ code: 'TRANSACTION_READ_ONLY' })
    await scene.ada.transaction({ accessMode: 'read write' }, (trx) => write(trx, '3'))
    expect(await notes()).toEqual(['3'])
  })

  test('go on after an error inside a savepoint, under the same role and claims', async () => {
    const trx = await scene.ada.startTransaction().execute()
    await write(trx, 'before')
    const inner = await trx.savepoint('inner').execute()
    await write(inner, 'undone')
    const error = await failure(spend(inner, 1_000))
    expect(isCheckViolation(error, 'account_balance_check')).toBe(true)
    const restored = await inner.rollbackToSavepoint('inner').execute()
    expect(await whoAmI(restored)).toMatchObject(ada)
    await write(restored, 'after')
    expect(
      isPolicyViolation(await failure(restored.insertInto('entry').values({ tenant: 'bob', note: '' }).execute())),
    ).toBe(true)
    await restored.rollbackToSavepoint('inner').execute()
    await write(restored, 'last')
    await trx.commit().execute()
    expect(await notes()).toEqual(['before', 'last'])
  })

  test('nest savepoints, release some and roll back to others', async () => {
    const trx = await scene.ada.startTransaction().execute()
    const outer = await trx.savepoint('outer').execute()
    await write(outer, 'outer')
    const inner = await outer.savepoint('inner').execute()
    await write(inner, 'inner')
    await inner.releaseSavepoint('inner').execute()
    await write(outer, 'released')
    await failure(spend(outer, 1_000))
    await outer.rollbackToSavepoint('outer').execute()
    await write(trx, 'kept')
    await trx.commit().execute()
    expect(await notes()).toEqual(['kept'])
  })

  test('may begin with a savepoint, and keep their identity when they go back to it', async () => {
    const trx = await scene.ada.startTransaction().execute()
    const start = await trx.savepoint('start').execute()
    await failure(spend(start, 1_000))
    const again = await start.rollbackToSavepoint('start').execute()
    expect(await whoAmI(again)).toMatchObject(ada)
    await write(again, 'kept')
    await trx.commit().execute()
    expect(await notes()).toEqual(['kept'])
  })

  test('take savepoints from plain SQL as well', async () => {
    await scene.ada.transaction(async (trx) => {
      await sql`savepoint here`.execute(trx)
      await failure(spend(trx, 1_000))
      await sql`rollback to savepoint here`.execute(trx)
      expect(await whoAmI(trx)).toMatchObject(ada)
      await write(trx, 'kept')
      await sql`release savepoint here`.execute(trx)
    })
    expect(await notes()).toEqual(['kept'])
  })

  test('say who they are again after raw SQL that changed it, in and out of a savepoint', async () => {
    const trx = await scene.ada.startTransaction().execute()
    const change = sql`select set_config('request.jwt.claims', '{"sub":"bob"}', true), set_config('role', 'anon', true)`
    await change.execute(trx)
    expect(await whoAmI(trx)).toMatchObject(ada)
    await change.execute(trx)
    const inner = await trx.savepoint('inner').execute()
    await change.execute(inner)
    await write(inner, 'undone')
    const restored = await inner.rollbackToSavepoint('inner').execute()
    await write(restored, 'kept')
    await trx.commit().execute()
    expect(await notes()).toEqual(['kept'])
    expect(await whoAmI(scene.ada)).toMatchObject(ada)
  })

  test('fail with the typed error of a deferred constraint that the commit violates', async () => {
    let committed = false
    const unique = await failure(
      scene.ada.transaction(async (trx) => {
        trx.afterCommit(() => (committed = true))
        await write(trx, 'undone')
        await trx.insertInto('seat').values({ id: 10, place: 1, account_id: null }).execute()
      }),
    )
    expect(isUniqueViolation(unique, 'seat_place_unique')).toBe(true)
    expect(unique).toMatchObject({ table: 'seat', sqlstate: '23505' })
    const missing = await failure(
      scene.ada.transaction((trx) => trx.insertInto('seat').values({ id: 10, place: 10, account_id: 99 }).execute()),
    )
    expect(isForeignKeyViolation(missing, 'seat_account_id_fkey')).toBe(true)
    expect(committed).toBe(false)
    expect(await notes()).toEqual([])
    // What is alone in its unit commits at its Sync, a batch at its COMMIT.
    const me = scene.ada
    const alone = me.insertInto('seat').values({ id: 10, place: 1, account_id: null })
    expect(isUniqueViolation(await failure(alone.execute()), 'seat_place_unique')).toBe(true)
    expect(isUniqueViolation(await failure(me.batch([alone])), 'seat_place_unique')).toBe(true)
    expect(await scene.place.admin('select id from seat where id = 10')).toEqual([])
  })

  test('check deferred constraints at once when asked to', async () => {
    const trx = await scene.ada.startTransaction().execute()
    await sql`set constraints all immediate`.execute(trx)
    expect(
      isUniqueViolation(await failure(trx.insertInto('seat').values({ id: 10, place: 1, account_id: null }).execute())),
    ).toBe(true)
    await trx.rollback().execute()
  })

  test('tell the first error to every later statement, never that the transaction is aborted', async () => {
    const errors: TenonError[] = []
    const outcome = await failure(
      scene.ada.transaction(async (trx) => {
        const settled: PromiseSettledResult<unknown>[] = await Promise.allSettled([
          spend(trx, 1_000),
          write(trx, '1'),
          trx.batch([trx.selectFrom('entry').selectAll()]),
        ])
        settled.push(...(await Promise.allSettled([write(trx, '2'), sql`select 1`.execute(trx)])))
        for (const result of settled) if (result.status === 'rejected') errors.push(result.reason)
        throw errors[0]
      }),
    )
    expect(errors.map((error) => [error.code, error.sqlstate])).toEqual(Array(5).fill(['CONSTRAINT_CHECK', '23514']))
    expect(isCheckViolation(outcome, 'account_balance_check')).toBe(true)
    expect(await notes()).toEqual([])
  })

  test('do not succeed when the server answers their commit with a rollback', async () => {
    let committed = false
    const swallowing = scene.ada.transaction(async (trx) => {
      trx.afterCommit(() => (committed = true))
      await write(trx, '1')
      await spend(trx, 1_000).catch(() => {})
      return 'fine'
    })
    expect(isCheckViolation(await failure(swallowing), 'account_balance_check')).toBe(true)
    expect(
      isCheckViolation(await failure(scene.ada.transaction().execute((trx) => spend(trx, 1_000).catch(() => {})))),
    ).toBe(true)
    const controlled = await scene.ada.startTransaction().execute()
    controlled.afterCommit(() => (committed = true))
    await spend(controlled, 1_000).catch(() => {})
    expect(isCheckViolation(await failure(controlled.commit().execute()))).toBe(true)
    // As after every failed commit of a controlled transaction, this is what gives the connection back.
    await controlled.rollback().execute()
    expect(committed).toBe(false)
    expect(await notes()).toEqual([])
  })

  test('leave their connection fit for the next, however they end', async () => {
    for (const end of [
      () => scene.ada.transaction((trx) => spend(trx, 1_000)),
      () => scene.ada.transaction((trx) => spend(trx, 1_000).catch(() => {})),
      () => scene.ada.transaction((trx) => sql`select 1 from nowhere`.execute(trx)),
      () => scene.ada.transaction((trx) => sql`commit`.execute(trx)),
      () => scene.ada.transaction((trx) => sql`do $$ begin commit; end $$`.execute(trx)),
      () => scene.ada.transaction(() => Promise.reject(new Error('no'))),
    ]) {
      await failure(end())
      expect(await whoAmI(scene.bob)).toEqual({
        role: 'authenticated',
        sub: 'bob',
        isolation: 'read committed',
        readonly: 'off',
      })
    }
  })

  test('refuse a raw text that would end or replace them, and say which way is meant', async () => {
    for (const text of [
      'commit',
      'rollback',
      'begin',
      'end',
      'abort',
      'commit and chain',
      "prepare transaction 'x'",
      'set role postgres',
      'reset role',
      'reset all',
      'discard all',
    ]) {
      const error = await failure(scene.ada.transaction((trx) => sql.raw(text).execute(trx)))
      expect(error, text).toMatchObject({ code: 'TRANSACTION_SHAPE' })
      expect(error.hint).toContain('transaction()')
    }
  })
})
