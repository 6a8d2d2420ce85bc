/**
 * Whose a query is, inside a transaction: after anything that could have changed the identity it is said again, before the
 * next query runs. The control says it once, at the beginning.
 */
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Session, SessionTransaction } from '../../../src/index.ts'
import { connectNaively } from '../../support/naive-session.ts'
import { type Ground, grounds, runsAs, type TwoTenants, trustedSuperuser, whoRuns } from '../../support/two-tenants.ts'

type Trx = SessionTransaction<TwoTenants>

// Each changes the identity for the rest of its transaction, where nothing says it again.
const changes: readonly (readonly [what: string, text: string])[] = [
  ['the role is reset', `select set_config('role', 'none', true)`],
  ['the role is another', `select set_config('role', 'tenant_guest', true)`],
  ['the claims are another’s', `select set_config('request.jwt.claims', '{"sub":"ben"}', true)`],
  ['the claims are gone', `select set_config('request.jwt.claims', '', true)`],
  ['the actor is another', `select set_config('tenon.actor', 'nobody', true)`],
  ['a declared setting is another', `select set_config('app.tenant_id', 'acme', true)`],
  [
    'a block changes role and claims',
    `do $$ begin perform set_config('request.jwt.claims', '{"sub":"ben"}', true), set_config('role', 'none', true); end $$`,
  ],
]

const owners = async (executor: Pick<Session<TwoTenants>, 'selectFrom'>): Promise<readonly string[]> => {
  const rows = await executor.selectFrom('note').select('owner').execute()
  return [...new Set(rows.map((row) => row.owner))]
}

// The ways a query can follow in the same transaction; each returns whose rows it saw.
const followers: readonly (readonly [what: string, run: (trx: Trx) => Promise<readonly string[]>])[] = [
  ['a query', (trx) => owners(trx)],
  [
    'a second query',
    async (trx) => {
      await trx.selectFrom('note').select('id').execute()
      return await owners(trx)
    },
  ],
  [
    'a batch',
    async (trx) => {
      const [first, second] = await trx.batch([
        trx.selectFrom('note').select('owner'),
        trx.selectFrom('note').select('owner'),
      ])
      return [...new Set([...first, ...second].map((row) => row.owner))]
    },
  ],
  [
    'a stream',
    async (trx) => {
      const seen = new Set<string>()
      for await (const row of trx.selectFrom('note').select('owner').stream(1)) seen.add(row.owner)
      return [...seen]
    },
  ],
  [
    'an insert',
    async (trx) => {
      const [row] = await trx.insertInto('note').values({ body: 'follows' }).returning(['owner', 'ran_as']).execute()
      return row?.ran_as === 'tenant_member' ? [row.owner] : ['somebody else']
    },
  ],
  [
    'a raw query',
    async (trx) =>
      (await sql<{ owner: string }>`select distinct owner from note`.execute(trx)).rows.map((row) => row.owner),
  ],
  [
    'a query behind a savepoint and a rollback to it',
    async (trx) => {
      await sql`savepoint here`.execute(trx)
      await trx.deleteFrom('note').execute()
      await sql`rollback to savepoint here`.execute(trx)
      return await owners(trx)
    },
  ],
]

describe.each(grounds)('In a transaction on $name', (kind) => {
  let ground: Ground
  beforeAll(async () => {
    ground = await kind.open()
  })
  afterEach(() => ground.reset())
  afterAll(() => ground.close())

  describe.each(changes)('after %s', (_what, text) => {
    it.each(followers)('%s is still ada’s', async (_follower, run) => {
      const seen = await ground.as('ada').transaction(async (trx) => {
        await sql.raw(text).execute(trx)
        return [await run(trx), await whoRuns(trx)]
      })
      expect(seen).toEqual([['ada'], runsAs('ada')])
    })

    it('a later query of the same batch is still ada’s', async () => {
      const ada = ground.as('ada')
      const both = [sql.raw(text), ada.selectFrom('note').select('owner')] as const
      // A block is no query, and batches take queries only.
      if (text.startsWith('do')) {
        await expect(ada.batch(both)).rejects.toMatchObject({ code: 'STATEMENT_INVALID' })
        return
      }
      const [, rows] = await ada.batch(both)
      expect([...new Set(rows.map((row) => row.owner))]).toEqual(['ada'])
      const inside = await ada.transaction(async (trx) => {
        const [, seen] = await trx.batch([sql.raw(text), trx.selectFrom('note').select('owner')])
        return seen
      })
      expect([...new Set(inside.map((row) => row.owner))]).toEqual(['ada'])
    })

    it('a query on a connection of its own is still ada’s', async () => {
      const seen = await ground
        .as('ada')
        .connection()
        .execute(async (bound) => {
          await sql.raw(text.replaceAll(', true)', ', false)')).execute(bound)
          return [await owners(bound), await whoRuns(bound)]
        })
      expect(seen).toEqual([['ada'], runsAs('ada')])
    })
  })

  it('the identity survives a rollback to a savepoint that stood before it was first said', async () => {
    const trx = await ground.as('ada').startTransaction().execute()
    const saved = await trx.savepoint('first').execute()
    await saved.insertInto('note').values({ body: 'undone' }).execute()
    await saved.rollbackToSavepoint('first').execute()
    expect([await owners(trx), await whoRuns(trx)]).toEqual([['ada'], runsAs('ada')])
    await trx.commit().execute()
  })

  it('the identity survives an error and the rollback to a savepoint after it', async () => {
    const trx = await ground.as('ada').startTransaction().execute()
    const saved = await trx.savepoint('before').execute()
    await expect(sql`select set_config('role', 'none', true), 1 / (select 0)`.execute(saved)).rejects.toThrow()
    await saved.rollbackToSavepoint('before').execute()
    expect([await owners(trx), await whoRuns(trx)]).toEqual([['ada'], runsAs('ada')])
    await trx.rollback().execute()
  })
})

describe('A context that is set once per transaction, as a control', () => {
  it('is gone after a rollback to a savepoint from before it, and after raw SQL', async () => {
    const ground = await trustedSuperuser.open()
    const client = await connectNaively(ground.adminUrl ?? '')
    const context = `select set_config('role', 'tenant_member', true), set_config('request.jwt.claims', '{"sub":"ada"}', true)`
    const seen: unknown[] = []
    const look = async () => seen.push((await client.query('select current_user as role')).rows[0]?.role)
    await client.query('begin')
    await client.query('savepoint first')
    await client.query(context)
    await client.query('rollback to savepoint first')
    await look()
    await client.query(context)
    await client.query(`select set_config('role', 'none', true)`)
    await look()
    await client.query('rollback')
    await client.end()
    await ground.close()
    expect(seen).toEqual(['postgres', 'postgres'])
  })
})
