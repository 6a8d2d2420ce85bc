/**
 * Sessions on a PGlite that the application uses directly at the same time: its own queries never run as a session's role
 * nor in a session's transaction, and a session's never as the superuser. The controls send a unit's messages apart.
 */

import type { PGlite } from '@electric-sql/pglite'
import { createPgConfig } from '@electric-sql/pglite/node-postgres'
import { sql } from 'kysely'
import { Client } from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Session, withDedicatedConnection } from '../../../src/index.ts'
import { naiveContext } from '../../support/naive-session.ts'
import { embedded, type Ground, runsAs, type TwoTenants, whoRuns } from '../../support/two-tenants.ts'

const whoAmI = `select current_user as role, coalesce(current_setting('request.jwt.claims', true), '') as claims`

const batchOf = (me: Session<TwoTenants>) => me.batch([me.selectFrom('note').select('id')])

describe('On a PGlite that the application uses directly at the same time', () => {
  let ground: Ground
  let pglite: PGlite
  beforeAll(async () => {
    ground = await embedded.open({ pool: { connectTimeoutMs: 400 } })
    if (ground.pglite === undefined) throw new Error('The embedded ground has a PGlite.')
    pglite = ground.pglite
  })
  afterEach(() => ground.reset())
  afterAll(() => ground.close())

  /** Keeps asking, in every way an application can, who its direct queries run as, until `work` is done. */
  const askMeanwhile = async (work: Promise<unknown>): Promise<ReadonlySet<string>> => {
    const seen = new Set<string>()
    let running = true
    const asking = async (ask: () => Promise<{ rows: readonly unknown[] } | undefined>) => {
      while (running) {
        seen.add(JSON.stringify((await ask())?.rows[0]))
        // Lets the sessions have their turn: PGlite answers within one task.
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const askers = [
      asking(() => pglite.query(whoAmI)),
      asking(async () => (await pglite.exec(whoAmI))[0]),
      asking(() => pglite.transaction((trx) => trx.query(whoAmI))),
      asking(() => pglite.query('insert into note (owner, body) values ($1, $2) returning ran_as', ['app', 'direct'])),
    ]
    await work.finally(() => {
      running = false
    })
    await Promise.all(askers)
    return seen
  }
  const superuser = new Set([JSON.stringify({ role: 'postgres', claims: '' }), JSON.stringify({ ran_as: 'postgres' })])

  it('neither a direct query nor a session’s insert runs as the other, query beside query', async () => {
    const inserts = async () => {
      for (let i = 0; i < 40; i++) {
        const [ada, ben] = ['ada', 'ben'].map((sub) =>
          ground.as(sub).insertInto('note').values({ body: 'session' }).execute(),
        )
        await Promise.all([ada, ben, ground.as('ada').selectFrom('note').select('id').execute()])
      }
    }
    expect(await askMeanwhile(inserts())).toEqual(superuser)
    expect(
      await ground.admin(
        `select owner, ran_as, count(*)::int from note where body = 'session' group by 1, 2 order by 1`,
      ),
    ).toEqual([
      { owner: 'ada', ran_as: 'tenant_member', count: 40 },
      { owner: 'ben', ran_as: 'tenant_member', count: 40 },
    ])
  })

  it('neither a direct query nor a session’s transaction runs inside the other', async () => {
    const transactions = async () => {
      for (let i = 0; i < 20; i++) {
        await ground
          .as('ada')
          .transaction(async (trx) => {
            await trx.insertInto('note').values({ body: 'transaction' }).execute()
            await new Promise((resolve) => setTimeout(resolve, 1))
            expect(await whoRuns(trx)).toEqual(runsAs('ada'))
            if (i % 2 === 1) throw new Error('rolled back')
          })
          .catch((error: unknown) => expect(String(error)).toContain('rolled back'))
      }
    }
    const { rows } = await pglite.query<{ count: number }>(
      `select count(*)::int as count from note where body = 'direct'`,
    )
    expect(await askMeanwhile(transactions())).toEqual(superuser)
    const [kept] = await ground.admin(`select
      (select count(*)::int from note where body = 'transaction') as session,
      (select count(*)::int from note where body = 'direct' and ran_as <> 'postgres') as foreign`)
    expect([kept, rows[0]?.count]).toEqual([{ session: 10, foreign: 0 }, 0])
  })

  it('a direct query fired inside a session’s transaction waits for its end', async () => {
    let direct: Promise<{ rows: readonly unknown[] }> | undefined
    let answered = false
    await ground.as('ada').transaction(async (trx) => {
      await trx.insertInto('note').values({ body: 'uncommitted' }).execute()
      direct = pglite.query(`select count(*)::int as seen, current_user as role from note where body = 'uncommitted'`)
      void direct.then(() => {
        answered = true
      })
      for (let i = 0; i < 5; i++) await trx.selectFrom('note').select('id').execute()
      expect(answered).toBe(false)
    })
    expect((await direct)?.rows).toEqual([{ seen: 1, role: 'postgres' }])
  })

  it.each([
    ['a query of another session', () => ground.as('ben').selectFrom('note').select('id').execute()],
    [
      'a transaction of another session',
      () => ground.as('ben').transaction((trx) => trx.selectFrom('note').select('id').execute()),
    ],
    ['a batch of another session', () => batchOf(ground.as('ben'))],
    ['the service', () => ground.db.service({ actor: 'x', reason: 'y' }).selectFrom('note').select('id').execute()],
    [
      'a dedicated connection',
      () => withDedicatedConnection(ground.db, {}, (connection) => connection.script('select 1')),
    ],
    [
      'another database object',
      () =>
        ground
          .open({ pool: { connectTimeoutMs: 400 } })
          .session({ role: 'tenant_member' })
          .selectFrom('note')
          .select('id')
          .execute(),
    ],
  ])('%s inside a transaction’s callback is refused instead of waiting for ever', async (_what, second) => {
    await ground.as('ada').transaction(async (trx) => {
      await trx.selectFrom('note').select('id').execute()
      await expect(second()).rejects.toMatchObject({ code: 'EMBEDDED_BUSY' })
      expect(await whoRuns(trx)).toEqual(runsAs('ada'))
    })
    expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
  })

  it('a session inside the application’s own PGlite transaction is refused instead of waiting for ever', async () => {
    const inside = pglite.transaction(async (trx) => {
      await expect(ground.as('ada').selectFrom('note').select('id').execute()).rejects.toMatchObject({
        code: 'EMBEDDED_BUSY',
      })
      return (await trx.query(whoAmI)).rows
    })
    expect(await inside).toEqual([{ role: 'postgres', claims: '' }])
    expect(await whoRuns(ground.as('ada'))).toEqual(runsAs('ada'))
  })

  it('executors that are concurrent, not nested, queue up', async () => {
    const subs = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? 'ada' : 'ben'))
    const seen = await Promise.all(
      subs.map((sub, i) => (i % 3 === 0 ? ground.as(sub).transaction((trx) => whoRuns(trx)) : whoRuns(ground.as(sub)))),
    )
    expect(seen).toEqual(subs.map(runsAs))
  })

  it('work that a callback started and that outlives its transaction is no part of it', async () => {
    let later: Promise<unknown> | undefined
    await ground.as('ada').transaction(async (trx) => {
      await trx.selectFrom('note').select('id').execute()
      later = new Promise((resolve) => setTimeout(resolve, 30)).then(() => whoRuns(ground.as('ben')))
    })
    expect(await later).toEqual(runsAs('ben'))
  })

  it('as a control, PGlite’s own adapter lets a direct query into a session’s transaction', async () => {
    // The declaration of pg knows no such configuration; PGlite's documentation does.
    const client = new Client(createPgConfig(pglite) as unknown as ConstructorParameters<typeof Client>[0])
    await client.connect()
    await client.query('begin')
    const { text, values = [] } = naiveContext({ role: 'tenant_member', claims: { sub: 'ada' } })
    await client.query(text, [...values])
    const { rows } = await pglite.query(whoAmI)
    await client.query('rollback')
    await client.end()
    expect(rows).toEqual([{ role: 'tenant_member', claims: '{"sub":"ada"}' }])
  })

  it('as a control, messages that are sent apart let a direct query end the context before the insert', async () => {
    const { text, values = [] } = naiveContext({ role: 'tenant_member', claims: { sub: 'ada' } })
    const insert = `insert into note (owner, body) values ('ben', 'sent apart')`
    const apart = [
      serialize.parse({ text }),
      serialize.bind({ values: values.map(String) }),
      serialize.execute(),
      'the application asks something',
      serialize.parse({ text: insert }),
      serialize.bind(),
      serialize.execute(),
      serialize.sync(),
    ]
    for (const message of apart) {
      if (typeof message === 'string') await pglite.query(whoAmI)
      else await pglite.execProtocolRaw(message)
    }
    expect(await ground.admin(`select owner, ran_as from note where body = 'sent apart'`)).toEqual([
      { owner: 'ben', ran_as: 'postgres' },
    ])
  })

  it('after all of it, a raw statement and a query of a session still run as the session', async () => {
    const { rows } = await sql<{ role: string }>`select current_user as role`.execute(ground.as('ada'))
    expect([rows, await whoRuns(ground.as('ada'))]).toEqual([[{ role: 'tenant_member' }], runsAs('ada')])
  })
})
