/**
 * Prepared statements: a name never stands for another statement than the one that is meant, whoever else prepares names on
 * the same server connection, and a name whose Parse failed is not spoilt for the next session.
 */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, isTenonError } from '../../../src/index.ts'
import { CounterNames, connectNaively, naiveContext, settlementOf, submit } from '../../support/naive-session.ts'
import { openStatementPooler, type StatementPooler } from '../../support/statement-pooler.ts'
import {
  type Ground,
  grounds,
  leftBehind,
  powerlessLogin,
  runsAs,
  type TwoTenants,
  trustedSuperuser,
  whoRuns,
} from '../../support/two-tenants.ts'

const bodies = (ground: Pick<Ground, 'as'>, sub: string) =>
  ground.as(sub).selectFrom('note').select('body').where('owner', '=', sub)
const ofBen = [{ body: 'ben 1' }, { body: 'ben 2' }, { body: 'ben 3' }]

/** PL/pgSQL that puts another statement under every name that is prepared on the connection. */
const replaceAll = `
  for planted in select name, cardinality(parameter_types) as parameters from pg_prepared_statements where not from_sql loop
    execute format('deallocate %I', planted.name);
    execute format('prepare %I%s as select null::text as nothing, false as planted', planted.name,
      case when planted.parameters > 0 then format('(%s)', array_to_string(array_fill('text'::text, array[planted.parameters]), ',')) end);
  end loop;`

describe.each(grounds)('A prepared statement, on $name', (kind) => {
  let ground: Ground
  beforeAll(async () => {
    ground = await kind.open()
    await ground.admin(`
      create function swap(name text) returns integer language plpgsql as $$
      begin
        execute format('deallocate %I', name);
        execute format('prepare %I(text) as select ''planted''::text as body', name);
        return 1;
      end $$`)
  })
  afterAll(() => ground.close())

  const nameOf = async (): Promise<string> => {
    await bodies(ground, 'ben').execute()
    const { rows } = await sql<{ name: string }>`
      select name from pg_prepared_statements where statement like 'select "body" from "note" where %'`.execute(
      ground.as('ada'),
    )
    return rows[0]?.name ?? 'no such statement'
  }

  it('that one session puts in the place of another’s is not what the other runs', async () => {
    const name = await nameOf()
    const block = `do $$ begin perform swap('${name}'); exception when others then null; end $$`
    await sql.raw(block).execute(ground.as('ada'))
    expect(await bodies(ground, 'ben').execute()).toEqual(ofBen)
  })

  it('that a function puts in the place of another’s is not what the other runs', async () => {
    const name = await nameOf()
    await sql`select swap(${name})`.execute(ground.as('ada')).catch(() => {})
    expect(await bodies(ground, 'ben').execute()).toEqual(ofBen)
  })

  it('that a function in a transaction puts in the place of another’s is not what the other runs', async () => {
    const name = await nameOf()
    await ground
      .as('ada')
      .transaction((trx) => sql`select swap(${name})`.execute(trx))
      .catch(() => {})
    expect(await bodies(ground, 'ben').execute()).toEqual(ofBen)
  })

  it.each(['a block', 'a function'])(
    '%s cannot put others in the place of the statements that clean up',
    async (by) => {
      const clean = await leftBehind(ground)
      const { rows: before } = await sql<{ name: string }>`select set_config('app.x', '', true)`.execute(
        ground.as('ada'),
      )
      expect(before).toHaveLength(1)
      // Every statement that is known on the connection, the clean-up's and the context's among them, becomes another.
      const leave = `perform set_config('app.left', 'behind', false), pg_advisory_lock(7);
        create temporary table loot as select owner from note; ${replaceAll}`
      if (by === 'a block') {
        await sql.raw(`do $$ declare planted record; begin ${leave} end $$`).execute(ground.as('ada'))
      } else {
        await ground.admin(`create or replace function plant() returns integer language plpgsql as
        $$ declare planted record; begin ${leave} return 1; end $$`)
        await sql`select plant()`.execute(ground.as('ada'))
      }
      expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
      expect(await bodies(ground, 'ben').execute()).toEqual(ofBen)
      expect(await leftBehind(ground)).toEqual(clean)
    },
  )

  it('in a transaction, what a block puts in the place of the context does not change who the next query runs as', async () => {
    const asking = ground.as('ada').transaction(async (trx) => {
      await sql`select set_config('app.x', '', true)`.execute(trx)
      await trx.selectFrom('note').select('id').execute()
      await sql
        .raw(`do $$ declare planted record; begin ${replaceAll} perform set_config('role', 'none', true); end $$`)
        .execute(trx)
      return await whoRuns(trx)
    })
    // Ending the transaction with an error would do as well.
    const who = await asking.catch((error: unknown) => (isTenonError(error) ? runsAs('ada') : error))
    expect(who).toEqual(runsAs('ada'))
    expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
  })

  it('of a session that was refused does not spoil that of the next one', async () => {
    const db = ground.open()
    const refused = db.session({
      role: 'tenant_member',
      claims: { sub: 'ada' },
      settings: { timezone: 'Nowhere/Near' },
    })
    for (let i = 0; i < 3; i++) {
      await expect(refused.selectFrom('note').select('body').execute()).rejects.toSatisfy(isTenonError)
      expect(await whoRuns(db.session({ role: 'tenant_member', claims: { sub: 'ben' } }))).toEqual(runsAs('ben'))
    }
    const next = db.session({ role: 'tenant_member', claims: { sub: 'ben' } })
    expect(await next.selectFrom('note').select('body').execute()).toEqual(ofBen)
    // A name counts as known only once the server has said so, and there was nothing to mend.
    expect(db.stats().healed).toBe(0)
  })

  it('whose statement fails each time answers each time, and so does the next', async () => {
    const failing = () => ground.as('ada').selectFrom('note').select(sql`1 / (id - id)`.as('x')).execute()
    for (let i = 0; i < 3; i++) await expect(failing()).rejects.toMatchObject({ sqlstate: '22012' })
    expect(await bodies(ground, 'ben').execute()).toEqual(ofBen)
  })

  it('survives another user of the connection who deallocates or redefines everything', async () => {
    const name = await nameOf()
    // On a server that user has the pool's login, and the next session gets another connection; on PGlite the same.
    await ground.admin('deallocate all')
    await ground.admin(`prepare "${name}"(text) as select 'planted'::text as body`).catch(() => {})
    expect(await bodies(ground, 'ben').execute()).toEqual(ofBen)
  })
})

describe('Two processes behind a pooler that forwards names blindly', () => {
  let ground: Ground
  let pooler: StatementPooler
  beforeAll(async () => {
    ground = await trustedSuperuser.open()
    pooler = await openStatementPooler(ground.adminUrl ?? '', 2)
  })
  afterAll(async () => {
    await pooler.close()
    await ground.close()
  })

  /** Each process prepares on a server of its own; then the second meets the first one's server. */
  const crossed = async (first: () => Promise<unknown>, second: () => Promise<unknown>): Promise<unknown> => {
    pooler.use(0)
    await first()
    pooler.use(1)
    await second()
    pooler.use(0)
    return await second()
  }
  const ada = (db: Database<TwoTenants>) =>
    db
      .session({ role: 'tenant_member', claims: { sub: 'ada' } })
      .selectFrom('note')
      .select('body')
      .execute()
  const ben = (db: Database<TwoTenants>) =>
    db
      .session({ role: 'tenant_member', claims: { sub: 'ben' } })
      .selectFrom('note')
      .select('id')
      .where('owner', '=', 'ben')
      .execute()

  it.each(['auto', 'named'] as const)(
    'with preparedStatements %s, each gets the answer to its own statement',
    async (preparedStatements) => {
      const open = () => ground.open({ connection: pooler.url, preparedStatements, trustLogin: true })
      const [one, two] = [open(), open()]
      pooler.use(0)
      await one.verify()
      pooler.use(1)
      await two.verify()
      for (let round = 0; round < 5; round++)
        expect(
          await crossed(
            () => ada(one),
            () => ben(two),
          ),
        ).toHaveLength(3)
      for (let round = 0; round < 5; round++)
        expect(
          await crossed(
            () => ben(two),
            () => ada(one),
          ),
        ).toHaveLength(2)
      await one.close()
      await two.close()
    },
  )

  it('as a control, names that count up run the other one’s statement', async () => {
    const [one, two] = [await connectNaively(pooler.url), await connectNaively(pooler.url)]
    const [first, second] = [new CounterNames(one), new CounterNames(two)]
    const answer = await crossed(
      () => first.query(`select 'for the first' as answer`),
      () => second.query(`select 'for the second' as answer`),
    )
    await one.end()
    await two.end()
    expect(answer).toEqual([{ answer: 'for the first' }])
  })
})

describe('The one-Sync prototype’s names, as a control', () => {
  it('run the first text again for another, and spoil a name for good once its statement has failed', async () => {
    const ground = await powerlessLogin.open()
    const client = await connectNaively(ground.loginUrl ?? '')
    await submit(client, [{ name: 'q', text: 'select 1 as answer' }])
    expect(await submit(client, [{ name: 'q', text: 'select 2 as answer' }])).toEqual([[{ answer: '1' }]])
    const named = (role: string) => [{ ...naiveContext({ role }), name: 'context' }]
    expect((await settlementOf(submit(client, named('nobody_at_all')), 250)).state).toBe('pending')
    expect((await settlementOf(submit(client, named('tenant_member')), 250)).state).toBe('pending')
    await client.end()
    await ground.close()
  })
})
