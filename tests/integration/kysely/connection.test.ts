/**
 * Kysely's `connection()`: one connection for everything in the callback, and what it keeps there.
 */
import { sql } from 'kysely'
import { expect } from 'vitest'
import { describeExecutors, type Executor, rejection } from '../../support/executors.ts'

describeExecutors('Connection', ({ behaves }) => {
  behaves('runs on one connection inside connection()', async ({ db }) => {
    const seen = await db.connection().execute(async (one) => {
      const pid = () =>
        sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(one).then((result) => result.rows[0]?.pid)
      const pids = [await pid(), ...(await Promise.all([pid(), pid()]))]
      const inside = await one
        .transaction()
        .execute((trx) => sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx))
      return new Set([...pids, inside.rows[0]?.pid]).size
    })
    expect(seen).toBe(1)
    return seen
  })

  const keepsState = {
    only: ({ kind }: Executor) => kind !== 'session',
    because: 'a session leaves nothing on a connection',
  }

  behaves('keeps temporary tables, settings and locks for the time of connection()', keepsState, async ({ db }) => {
    const seen = await db.connection().execute(async (one) => {
      await sql`create temporary table scratch (n int)`.execute(one)
      await sql`set application_name = 'scratching'`.execute(one)
      await sql`select pg_advisory_lock(42)`.execute(one)
      await sql`insert into scratch values (${7})`.execute(one)
      const { rows } =
        await sql`select n, current_setting('application_name') as name, pg_advisory_unlock(42) as unlocked from scratch`.execute(
          one,
        )
      await sql`drop table scratch`.execute(one)
      await sql`reset application_name`.execute(one)
      return rows
    })
    expect(seen).toStrictEqual([{ n: 7, name: 'scratching', unlocked: true }])
    return seen
  })

  const leavesNothing = {
    only: ({ kind }: Executor) => kind === 'session',
    because: 'it keeps the state of its connection',
  }
  behaves('leaves no setting and no lock behind', leavesNothing, async ({ db, admin }) => {
    const state = () =>
      sql<{ name: string }>`select current_setting('application_name') as name`.execute(db).then(({ rows }) => rows)
    const before = await state()
    await db.connection().execute(async (one) => {
      await sql`select set_config('application_name', 'left behind', false), pg_advisory_lock(43)`.execute(one)
    })
    expect(await state()).toStrictEqual(before)
    expect(await admin(`select 1 from pg_locks where locktype = 'advisory' and objid = 43`)).toStrictEqual([])
  })

  behaves('throws what a callback of connection() throws, and goes on', async ({ db, failure }) => {
    const sqlstate = await failure(db.connection().execute((one) => sql`select 1/0`.execute(one)))
    const error = await rejection(db.connection().execute(() => Promise.reject(new Error('mine'))))
    const row = await db
      .connection()
      .execute((one) => one.selectFrom('pet').select('name').where('id', '=', 1).executeTakeFirst())
    expect([sqlstate, error, row]).toStrictEqual(['22012', 'Error: mine', { name: 'Catto' }])
    return [sqlstate, error, row]
  })
})
