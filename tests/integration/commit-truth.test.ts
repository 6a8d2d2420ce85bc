/**
 * What a transaction says of its end is true: an abort that was answered early never hides a COMMIT that failed, and what runs at COMMIT
 * still runs as the session.
 */
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { isTenonError } from '../../src/index.ts'
import { type Ledger, openLedger } from '../support/ledger.ts'

let ledger: Ledger

beforeAll(async () => {
  ledger = await openLedger()
  await ledger.admin(`
    create table deferred_audit (who text, subject text);
    create table audited (id int generated always as identity primary key, note text);
    create function write_deferred_audit() returns trigger language plpgsql as $$
    begin
      insert into deferred_audit values (current_user, current_setting('request.jwt.claims', true)::json ->> 'sub');
      return null;
    end $$;
    create constraint trigger audited_note_trigger after insert on audited
      initially deferred for each row execute function write_deferred_audit();
    grant insert on deferred_audit, audited to authenticated;
    grant select on audited to authenticated;
  `)
})
afterAll(() => ledger.close())
beforeEach(() => ledger.admin('truncate deferred_audit, audited'))

const ada = { role: 'authenticated', claims: { sub: 'ada' } } as const

describe('A transaction', () => {
  it('whose connection was killed by an abort does not resolve, and its callbacks do not run', async () => {
    const db = ledger.open({ connection: ledger.loginUrl })
    const me = db.session(ada)
    let told = 0
    const outcome = me.transaction(async (trx) => {
      trx.afterCommit(() => told++)
      await sql`insert into audited (note) values ('lost')`.execute(trx)
      const signal = AbortSignal.timeout(100)
      await sql`select pg_sleep(5)`.execute(trx, { signal, inflightQueryAbortStrategy: 'kill session' }).catch(() => {})
    })
    await expect(outcome).rejects.toSatisfy(isTenonError)
    expect(told).toBe(0)
    expect(await ledger.admin('select from audited')).toHaveLength(0)
  })

  it('that went on after a cancelled query is rolled back, with the cancel as its reason', async () => {
    const db = ledger.open({ connection: ledger.loginUrl })
    const me = db.session(ada)
    const outcome = me.transaction(async (trx) => {
      await sql`insert into audited (note) values ('lost')`.execute(trx)
      await sql`select pg_sleep(5)`.execute(trx, { signal: AbortSignal.timeout(100) }).catch(() => {})
    })
    await expect(outcome).rejects.toMatchObject({ code: 'QUERY_CANCELED' })
    expect(await ledger.admin('select from audited')).toHaveLength(0)
  })
})

describe('A deferred trigger', () => {
  it.each([
    [
      'a builder query',
      (me: ReturnType<ReturnType<Ledger['open']>['session']>) =>
        me
          .insertInto('audited' as never)
          .values({ note: 'x' } as never)
          .execute(),
    ],
    [
      'raw SQL',
      (me: ReturnType<ReturnType<Ledger['open']>['session']>) =>
        sql`insert into audited (note) values (upper('x'))`.execute(me),
    ],
  ])('behind %s runs with the role and the claims of the session', async (_, insert) => {
    const db = ledger.open({ connection: ledger.loginUrl })
    await insert(db.session(ada))
    expect(await ledger.admin('select * from deferred_audit')).toEqual([{ who: 'authenticated', subject: 'ada' }])
  })
})
