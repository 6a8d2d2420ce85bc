/**
 * `connection()` of a session: one connection for as long as the callback runs, so that temporary tables, session locks and
 * settings live from statement to statement, and nothing of it is left for whoever gets the connection next.
 */
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/index.ts'
import { describeLedgers, type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

const backend = async (on: Kysely<LedgerTables>) =>
  (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(on)).rows[0]?.pid
const sub = async (on: Kysely<LedgerTables>) =>
  (await sql<{ sub: string }>`select current_setting('request.jwt.claims')::jsonb ->> 'sub' as sub`.execute(on)).rows[0]
    ?.sub

describeLedgers('A pinned connection', (scene) => {
  test('keeps a temporary table while it is held, and not longer', async () => {
    await scene.ada.connection().execute(async (one) => {
      await sql`create temporary table scratch (note text)`.execute(one)
      await sql`insert into scratch values ('mine')`.execute(one)
      expect((await sql`select note from scratch`.execute(one)).rows).toEqual([{ note: 'mine' }])
      await one.transaction().execute(async (trx) => {
        await sql`insert into scratch values ('too')`.execute(trx)
        await trx.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute()
      })
      expect((await sql`select count(*)::int as n from scratch`.execute(one)).rows).toEqual([{ n: 2 }])
    })
    for (const me of [scene.ada, scene.bob]) {
      await expect(sql`select note from scratch`.execute(me)).rejects.toMatchObject({ code: 'QUERY_UNDEFINED_OBJECT' })
    }
  })

  test('runs every statement under its own session, also after one that changed the settings', async () => {
    await scene.ada.connection().execute(async (one) => {
      await sql`select set_config('request.jwt.claims', '{"sub":"bob"}', false), set_config('search_path', 'evil', false)`.execute(
        one,
      )
      expect(await sub(one)).toBe('ada')
      await one.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute()
    })
    expect(await sub(scene.bob)).toBe('bob')
    const { rows } = await sql<{ claims: string; path: string }>`
      select current_setting('request.jwt.claims') as claims, current_setting('search_path') as path
    `.execute(scene.db.session({ role: 'authenticated' }))
    expect(rows[0]?.claims).not.toContain('bob')
    expect(rows[0]?.path).not.toContain('evil')
  })

  test('is refused to whoever kept it', async () => {
    let kept: Kysely<LedgerTables> | undefined
    await scene.ada.connection().execute(async (one) => {
      kept = one
      await one.selectFrom('entry').selectAll().execute()
    })
    await expect((kept as Kysely<LedgerTables>).selectFrom('entry').selectAll().execute()).rejects.toMatchObject({
      code: 'TRANSACTION_CLOSED',
    })
  })

  test('goes on after a statement that failed', async () => {
    await scene.ada.connection().execute(async (one) => {
      await expect(one.insertInto('entry').values({ tenant: 'bob', note: '' }).execute()).rejects.toMatchObject({
        code: 'ACCESS_POLICY',
      })
      await expect(sql`select 1 / 0`.execute(one)).rejects.toMatchObject({ code: 'QUERY_DATA' })
      await one.insertInto('entry').values({ tenant: 'ada', note: '1' }).execute()
    })
    expect(await scene.place.admin('select note from entry')).toEqual([{ note: '1' }])
  })
})

describe('A pinned connection of a pool', () => {
  let ledger: Ledger
  let db: Database<LedgerTables>

  beforeAll(async () => {
    ledger = await openLedger()
    db = ledger.open({ pool: { max: 2 } })
  })
  beforeEach(() => ledger.admin('select reset_ledger()'))
  afterAll(() => ledger.close())

  test('is one and the same backend, with the others free for everybody else', async () => {
    const ada = tenant(db, 'ada')
    await ada.connection().execute(async (one) => {
      const pids = new Set<unknown>()
      for (let i = 0; i < 5; i++) {
        pids.add(await backend(one))
        pids.add(await one.transaction().execute(backend))
      }
      expect(pids.size).toBe(1)
      expect(pids).not.toContain(await backend(tenant(db, 'bob')))
    })
  })

  test('holds an advisory lock while it is held, and not longer', async () => {
    const lock = sql<{ got: boolean }>`select pg_try_advisory_lock(4711) as got`
    const held = async () =>
      (
        await ledger.admin(
          `select 1 from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
        )
      ).length
    await tenant(db, 'ada')
      .connection()
      .execute(async (one) => {
        expect((await lock.execute(one)).rows).toEqual([{ got: true }])
        await one.selectFrom('entry').selectAll().execute()
        expect(await held()).toBe(1)
        expect((await lock.execute(tenant(db, 'bob'))).rows).toEqual([{ got: false }])
      })
    expect(await held()).toBe(0)
    // Without a pinned connection a session lock is gone with its own statement.
    expect((await lock.execute(tenant(db, 'bob'))).rows).toEqual([{ got: true }])
    expect(await held()).toBe(0)
  })

  test('leaves nothing behind: no prepared cursor, channel, setting, lock or table', async () => {
    await using one = ledger.open({ pool: { max: 1 } })
    const ada = tenant(one, 'ada')
    const pid = await backend(ada)
    await ada.connection().execute(async (held) => {
      await sql`create temporary table scratch (note text)`.execute(held)
      await sql`select set_config('work_mem', '64kB', false), set_config('application_name', 'evil', false), pg_advisory_lock(1)`.execute(
        held,
      )
      await sql`do $$ begin perform set_config('statement_timeout', '7', false); end $$`.execute(held)
    })
    const { rows } = await sql`
      select pg_backend_pid() as pid, to_regclass('pg_temp.scratch') is null as "noTable", (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
        (select count(*)::int from pg_cursors) as cursors, current_setting('work_mem') = '64kB' as memory, current_setting('application_name') as name, current_setting('statement_timeout') as timeout
    `.execute(tenant(one, 'bob'))
    expect(rows).toEqual([
      { pid, noTable: true, locks: 0, cursors: expect.any(Number), memory: false, name: 'tenon', timeout: '0' },
    ])
  })
})
