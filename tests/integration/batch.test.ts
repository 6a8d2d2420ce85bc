/**
 * Batches: several queries in one transaction and one round trip, whose results are those that each query gives alone.
 */
import { CamelCasePlugin, type Kysely, sql } from 'kysely'
import { Pool } from 'pg'
import { expect, expectTypeOf, test } from 'vitest'
import { first, isCheckViolation, isPolicyViolation, type TenonError } from '../../src/index.ts'
import { describeLedgers, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

async function failure(work: Promise<unknown>): Promise<TenonError> {
  return await work.then(
    () => expect.fail('This should have failed.'),
    (error: TenonError) => error,
  )
}

describeLedgers('A batch', (scene) => {
  const notes = async () =>
    (await scene.place.admin<{ note: string }>('select note from entry order by id')).map(({ note }) => note)
  const insert = (on: Kysely<LedgerTables>, note: string) => on.insertInto('entry').values({ tenant: 'ada', note })
  const overdraw = (on: Kysely<LedgerTables>) => on.updateTable('account').set({ balance: -1 }).where('id', '=', 1)

  test('gives a tuple, each element what its query gives alone', async () => {
    const me = scene.ada
    const results = await me.batch([
      insert(me, '1').returning(['note', 'claimed_by']),
      me.selectFrom('entry').select('note'),
      first(me.selectFrom('account').select(['id', 'balance']).where('id', '=', 2)),
      first(me.selectFrom('account').select('id').where('id', '=', 99)),
      me.updateTable('account').set({ balance: 7 }).where('id', '<', 4),
      me.deleteFrom('entry').where('note', '=', 'nobody'),
      insert(me, '2'),
      sql<{ two: number }>`select 1 + ${1}::int as two`,
    ])
    expectTypeOf(results[1]).toEqualTypeOf<{ note: string }[]>()
    expectTypeOf(results[2]).toEqualTypeOf<{ id: number; balance: number } | undefined>()
    expect(results[0]).toEqual([{ note: '1', claimed_by: 'ada' }])
    expect(results[1], 'a later query sees what an earlier one wrote').toEqual([{ note: '1' }])
    expect(results[2]).toEqual({ id: 2, balance: 100 })
    expect(results[3]).toBeUndefined()
    expect(results[4]).toEqual(await me.updateTable('account').set({ balance: 7 }).where('id', '<', 4).execute())
    expect(results[5]).toEqual(await me.deleteFrom('entry').where('note', '=', 'nobody').execute())
    expect(results[6]).toEqual(await insert(me, '3').execute())
    expect(results[7]).toMatchObject({ rows: [{ two: 2 }] })
    expect(await notes()).toEqual(['1', '2', '3'])
  })

  test('keeps all of its writes or none', async () => {
    const me = scene.ada
    for (let failing = 0; failing < 4; failing++) {
      const items = [0, 1, 2, 3].map((i) => (i === failing ? overdraw(me) : insert(me, String(i))))
      expect(isCheckViolation(await failure(me.batch(items)), 'account_balance_check')).toBe(true)
    }
    const foreign = me.insertInto('entry').values({ tenant: 'bob', note: 'foreign' })
    expect(isPolicyViolation(await failure(me.batch([insert(me, '1'), foreign, insert(me, '2')])))).toBe(true)
    expect(await notes()).toEqual([])
    await me.batch([insert(me, '1'), insert(me, '2')])
    expect(await notes()).toEqual(['1', '2'])
  })

  test('says which of its items failed, before or on the server, alone or in a transaction', async () => {
    const me = scene.ada
    const raw = sql`select set_config('work_mem', '64kB', false)`
    expect(await failure(me.batch([insert(me, '1'), overdraw(me)]))).toMatchObject({ batchItem: 1 })
    expect(await failure(me.batch([raw, raw, overdraw(me), insert(me, '1')]))).toMatchObject({ batchItem: 2 })
    expect((await failure(me.batch([insert(me, '1'), sql`select ${Symbol()}`]))).toJSON()).toMatchObject({
      batchItem: 1,
    })
    const own = me.transaction(async (trx) => await trx.batch([insert(trx, '1'), overdraw(trx)]))
    expect(await failure(own)).toMatchObject({ code: 'CONSTRAINT_CHECK', batchItem: 1 })
    expect(await failure(overdraw(me).execute())).not.toHaveProperty('batchItem')
  })

  test('runs every query under the session, raw SQL in between or not', async () => {
    const me = scene.ada
    const who = sql<{
      who: string
      sub: string
    }>`select current_user::text as who, current_setting('request.jwt.claims')::jsonb ->> 'sub' as sub`
    const [one, , two] = await me.batch([who, sql`select set_config('work_mem', '64kB', false)`, who])
    expect([one.rows, two.rows]).toEqual(Array(2).fill([{ who: 'authenticated', sub: 'ada' }]))
    const after = await sql<{ memory: string }>`select current_setting('work_mem') as memory`.execute(scene.bob)
    expect(after.rows[0]?.memory).not.toBe('64kB')
  })

  test('is one snapshot when the isolation level says so', async () => {
    const me = scene.ada
    const level = sql<{
      level: string
    }>`select current_setting('transaction_isolation') as level, current_setting('transaction_read_only') as readonly`
    const [{ rows }] = await me.batch([level], { isolationLevel: 'repeatable read', accessMode: 'read only' })
    expect(rows).toEqual([{ level: 'repeatable read', readonly: 'on' }])
    expect(await failure(me.batch([insert(me, '1')], { accessMode: 'read only' }))).toMatchObject({
      code: 'TRANSACTION_READ_ONLY',
    })
  })

  test('applies the plugins of each query’s own instance', async () => {
    const me = scene.ada
    const camel = me.withPlugin(new CamelCasePlugin())
    await insert(me, '1').execute()
    const [plain, cased] = await me.batch([
      me.selectFrom('entry').select('claimed_by'),
      camel.selectFrom('entry').select('claimed_by'),
    ])
    expect(plain).toEqual([{ claimed_by: 'ada' }])
    expect(cased).toEqual([{ claimedBy: 'ada' }])
  })

  test('takes the same query twice, and the same text with other values', async () => {
    const me = scene.ada
    const query = insert(me, 'same').returning('note')
    expect(await me.batch([query, query, insert(me, 'other').returning('note')])).toEqual([
      [{ note: 'same' }],
      [{ note: 'same' }],
      [{ note: 'other' }],
    ])
  })

  test('refuses queries of anybody else, before anything is sent', async () => {
    const me = scene.ada
    const strangers = {
      'another session': scene.bob,
      'the same claims, another session': tenant(scene.db, 'ada'),
      'a narrower session': me.as({ actor: 'support' }),
      'a service': scene.db.service({ actor: 'suite', reason: 'test' }),
    }
    for (const [name, stranger] of Object.entries(strangers)) {
      const items = [insert(me, '1'), insert(stranger, '2')]
      expect(await failure(me.batch(items)), name).toMatchObject({ code: 'SESSION_MISMATCH' })
      expect(await failure(me.transaction((trx) => trx.batch([insert(stranger, '2')]))), name).toMatchObject({
        code: 'SESSION_MISMATCH',
      })
    }
    for (const item of [undefined, null, 'select 1', {}, insert(me, '1').execute]) {
      expect(await failure(me.batch([item as never]))).toMatchObject({ code: 'SESSION_MISMATCH' })
    }
    expect(await notes()).toEqual([])
  })

  test('refuses whatever is no query, before anything is sent', async () => {
    const me = scene.ada
    for (const text of [
      'commit',
      'begin',
      'savepoint s',
      'set local work_mem = 64',
      'call p()',
      'do $$ begin end $$',
      'explain select 1',
      'create table x ()',
      '',
      '-- nothing',
      'copy entry from stdin',
      '/* a */ rollback',
    ]) {
      expect(await failure(me.batch([insert(me, '1'), sql.raw(text)])), text).toMatchObject({
        code: 'STATEMENT_INVALID',
      })
    }
    expect(await notes()).toEqual([])
  })

  test('refuses a value that cannot be sent, and the next batch is fine', async () => {
    const me = scene.ada
    expect(await failure(me.batch([insert(me, '1'), insert(me, 'a\0b')]))).toMatchObject({ code: 'PARAMETER_INVALID' })
    expect(
      await failure(
        me.batch([
          insert(me, '1'),
          me
            .selectFrom('entry')
            .selectAll()
            .where('note', '=', undefined as never),
        ]),
      ),
    ).toMatchObject({ code: 'PARAMETER_INVALID' })
    expect(await me.batch([first(sql<{ one: number }>`select 1 as one` as never)])).toEqual([{ one: 1 }])
    expect(await notes()).toEqual([])
  })

  test('of a transaction belongs to it', async () => {
    const me = scene.ada
    await me.transaction(async (trx) => {
      const [rows, one] = await trx.batch([
        insert(trx, '1').returning('note'),
        first(trx.selectFrom('entry').select('note')),
      ])
      expect([rows, one]).toEqual([[{ note: '1' }], { note: '1' }])
      expect(await trx.batch([insert(trx.withSchema('public'), '2').returning('note')])).toEqual([[{ note: '2' }]])
    })
    expect(await notes()).toEqual(['1', '2'])
    const failing = me.transaction(async (trx) => {
      await trx.batch([insert(trx, '3')])
      await trx.batch([insert(trx, '4'), overdraw(trx)]).catch(() => {})
      await trx.batch([insert(trx, '5')])
    })
    expect(isCheckViolation(await failure(failing))).toBe(true)
    expect(await notes()).toEqual(['1', '2'])
    const controlled = await me.startTransaction().execute()
    await controlled.batch([insert(controlled, '6')])
    await controlled.commit().execute()
    expect(await notes()).toEqual(['1', '2', '6'])
  })

  test('of a pinned connection runs on it', async () => {
    await scene.ada.connection().execute(async (one) => {
      await one.batch([insert(one, '1'), insert(one, '2')])
    })
    expect(await notes()).toEqual(['1', '2'])
  })
})

test('A batch fails with the error of a type parser, as a single query does', async () => {
  await using ledger = await openLedger()
  const error = new Error('this parser always fails')
  const types = {
    getTypeParser: (oid: number) => (text: string) => {
      if (oid === 23) throw error
      return text
    },
  }
  const pool = new Pool({ connectionString: ledger.loginUrl, types: types as never })
  await using db = ledger.open({ connection: pool })
  const me = tenant(db, 'ada')
  const balances = me.selectFrom('account').select('balance')
  await expect(balances.execute()).rejects.toBe(error)
  await expect(me.batch([balances, me.selectFrom('entry').select('note')])).rejects.toBe(error)
  await db.close()
  await pool.end()
})
