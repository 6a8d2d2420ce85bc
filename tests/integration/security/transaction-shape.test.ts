/**
 * Raw SQL in a session: it may read and write as the session and nothing else. Whatever it tries, the next query runs as who
 * it was built for, and nothing is left on the connection for the next session.
 */
import { sql } from 'kysely'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isTenonError } from '../../../src/index.ts'
import { connectNaively, fourSyncs, oneSync, settlementOf, submit } from '../../support/naive-session.ts'
import { containedStatements, refusedStatements } from '../../support/raw-statements.ts'
import {
  embedded,
  type Ground,
  grounds,
  leftBehind,
  type Row,
  runsAs,
  trustedSuperuser,
  whoRuns,
} from '../../support/two-tenants.ts'

describe.each(grounds)('A statement of a session, on $name', (kind) => {
  let ground: Ground
  let clean: Row
  beforeAll(async () => {
    ground = await kind.open()
    clean = await leftBehind(ground)
  })
  afterAll(() => ground.close())

  it.each(refusedStatements)('%j is refused before anything is sent', async (text) => {
    const ada = ground.as('ada')
    await ada.selectFrom('note').select('id').execute()
    const before = ground.db.stats().roundTrips
    const refusal = expect.objectContaining({ code: expect.stringMatching(/^(TRANSACTION_SHAPE|STATEMENT_INVALID)$/) })
    await expect(sql.raw(text).execute(ada)).rejects.toEqual(refusal)
    await expect(ada.transaction((trx) => sql.raw(text).execute(trx))).rejects.toEqual(refusal)
    await expect(ada.batch([sql.raw(text)])).rejects.toEqual(refusal)
    expect(ground.db.stats().roundTrips).toBe(before)
  })

  it.each(containedStatements)('%j changes neither who runs next nor what the next session finds', async (text) => {
    const alone = await settlementOf(sql.raw(text).execute(ground.as('ada')), 5_000)
    expect(alone.state).not.toBe('pending')
    if (alone.state === 'rejected') expect(isTenonError(alone.error)).toBe(true)
    expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
    const rows = await ground.as('ben').selectFrom('note').select('owner').execute()
    expect(new Set(rows.map((row) => row.owner))).toEqual(new Set(['ben']))
    expect(await leftBehind(ground)).toEqual(clean)

    const seen: unknown[] = []
    const transaction = ground.as('ada').transaction(async (trx) => {
      await trx.selectFrom('note').select('id').execute()
      await sql.raw(text).execute(trx)
      seen.push(await whoRuns(trx))
      seen.push(await trx.insertInto('note').values({ body: 'after it' }).returning(['owner', 'ran_as']).execute())
    })
    const inside = await settlementOf(transaction, 5_000)
    expect(inside.state).not.toBe('pending')
    // Where a query came through, it came through as ada; where none did, the transaction ended with an error.
    if (seen.length > 0) expect(seen[0]).toEqual(runsAs('ada'))
    if (seen.length > 1) expect(seen[1]).toEqual([{ owner: 'ada', ran_as: 'tenant_member' }])
    if (seen.length < 2) expect(inside.state === 'rejected' && isTenonError(inside.error)).toBe(true)
    // A session of a role without rights on the fixture: what the transaction left is not in the way of who comes next.
    const { rows: state } = await sql<{
      left: string
    }>`select concat(current_setting('app.left', true), current_setting('role'),
      (select string_agg(relname, ',') from pg_class where relnamespace = pg_my_temp_schema()),
      (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'),
      (select count(*) from pg_listening_channels())) as left`.execute(ground.db.session({ role: 'tenant_guest' }))
    expect(state).toEqual([{ left: 'tenant_guest00' }])
  })

  it('nothing that a procedure or block wrote after a commit of its own was kept', async () => {
    const rows = await ground.admin(`select body, ran_as from note where body like 'escape%'`)
    expect(rows).toEqual([])
  })

  it('savepoints, SET LOCAL of an unmanaged setting and SET CONSTRAINTS work in a transaction and not outside', async () => {
    const allowed = [
      'savepoint s',
      'set local app.free = 1',
      'set constraints all deferred',
      'rollback to s',
      'rollback work to savepoint s',
      'release s',
    ]
    for (const text of allowed) {
      await expect(sql.raw(text).execute(ground.as('ada'))).rejects.toMatchObject({ code: 'TRANSACTION_SHAPE' })
    }
    const who = await ground.as('ada').transaction(async (trx) => {
      for (const text of allowed) await sql.raw(text).execute(trx)
      return await whoRuns(trx)
    })
    expect(who).toEqual(runsAs('ada'))
    expect(await leftBehind(ground)).toEqual(clean)
  })
})

describe('Raw SQL with a naive session, as a control', () => {
  let ground: Ground
  beforeAll(async () => {
    ground = await trustedSuperuser.open()
  })
  afterAll(() => ground.close())
  const ada = { role: 'tenant_member', claims: { sub: 'ada' } }
  const connected = async <T>(work: (client: Client) => Promise<T>, options = {}) => {
    const client = await connectNaively(ground.adminUrl ?? '', options)
    return await work(client).finally(() => client.end())
  }

  it.each(['commit', 'rollback', 'reset role', `select set_config('role', 'none', true)`])(
    'with one Sync, %j makes the next statement run as the superuser',
    async (text) => {
      const who = { text: 'select current_user as role' }
      expect(await connected((client) => oneSync(client, ada, { text }, who))).toContainEqual([{ role: 'postgres' }])
    },
  )

  it('with one Sync, "begin" leaves the next user of the connection in ada’s transaction', async () => {
    const next = await connected(async (client) => {
      await oneSync(client, ada, { text: 'begin' })
      return await submit(client, [{ text: 'select current_user as role' }])
    })
    expect(next).toEqual([[{ role: 'tenant_member' }]])
  })

  it('a setting, a lock and a temporary table are there for the next user of the connection', async () => {
    const next = await connected(async (client) => {
      for (const text of [
        `select set_config('app.left', 'behind', false)`,
        'select pg_advisory_lock(7)',
        'select owner into temporary loot from note',
      ]) {
        await oneSync(client, ada, { text })
      }
      return await submit(client, [
        { text: `select current_setting('app.left') as left` },
        { text: `select count(*) as locks from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'` },
        { text: 'select owner from pg_temp.loot' },
      ])
    })
    expect(next).toEqual([[{ left: 'behind' }], [{ locks: '1' }], [{ owner: 'ada' }, { owner: 'ada' }]])
  })

  it('with a Sync per statement, a BEGIN that fails lets the statement run, and commit, as the superuser', async () => {
    const insert = { text: `insert into note (owner, body) values ('ben', 'four Syncs') returning ran_as` }
    // A cancel that hits BEGIN does the same, now and then; an isolation level that does not exist does it every time.
    const rows = await connected((client) => fourSyncs(client, ada, insert, 'begin isolation level snapshot'), {
      pipeline: true,
    })
    expect(rows).toEqual([{ ran_as: 'postgres' }])
    expect(await ground.admin(`select ran_as from note where body = 'four Syncs'`)).toEqual([{ ran_as: 'postgres' }])
  })
})

describe.each([trustedSuperuser, embedded])('A transaction whose BEGIN fails, on $name', (kind) => {
  it('runs nothing, whichever way it is asked for', async () => {
    const ground = await kind.open()
    // The cast stands for what a caller without types can do.
    const isolationLevel = 'snapshot' as 'serializable'
    const ada = ground.as('ada')
    const attempts = [
      ada.transaction({ isolationLevel }, (trx) => trx.insertInto('note').values({ body: 'unbegun' }).execute()),
      ada.batch([ada.insertInto('note').values({ body: 'unbegun' })], { isolationLevel }),
      ada
        .startTransaction()
        .setIsolationLevel(isolationLevel)
        .execute()
        .then((trx) =>
          trx
            .insertInto('note')
            .values({ body: 'unbegun' })
            .execute()
            .finally(() => trx.rollback().execute()),
        ),
    ]
    for (const attempt of attempts) await expect(attempt).rejects.toSatisfy(isTenonError)
    expect(await ground.admin(`select ran_as from note where body = 'unbegun'`)).toEqual([])
    expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
    await ground.close()
  })
})
