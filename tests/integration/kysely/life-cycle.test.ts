/**
 * Many queries at once on one Kysely, connections that die, and how a Kysely ends. Ending a session or a service must
 * not end the pool it shares: that is the one place where ours differ on purpose.
 */
import { Kysely, PostgresDialect, sql } from 'kysely'
import { Pool } from 'pg'
import { expect, vi } from 'vitest'
import { createDatabase, TenonDialect } from '../../../src/index.ts'
import { describeExecutors, type Executor, rejection, type Scene } from '../../support/executors.ts'
import type { PeopleAndPets } from '../../support/people-and-pets.ts'
import { bootEmbedded, suiteRole } from '../../support/places.ts'

const severalConnections = { only: (executor: Executor) => !executor.isEmbedded, because: 'PGlite has one connection' }
const ownsItsPool = {
  only: ({ kind }: Executor) => kind === 'control' || kind === 'dialect',
  because: 'it shares the database’s pool',
}
const sharesItsPool = {
  only: ({ kind }: Executor) => kind === 'service' || kind === 'session',
  because: 'it owns its pool',
}
const unordered = { log: 'unordered' } as const

/** A table whose columns change under a running Kysely. */
type Moving = { moving: { id: number | string; was: string } }

async function makeMoving(admin: Scene['admin'], columns: string, row: string): Promise<void> {
  await admin(`create table moving (${columns})`)
  await admin(`insert into moving values (${row})`)
  await admin('grant all on moving to suite_user')
}

describeExecutors('Life cycle', ({ behaves }) => {
  behaves('gives each of many concurrent queries its own answer', unordered, async ({ db }) => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const { rows } = await sql<{
          n: number
          pad: string
        }>`select ${n}::int as n, repeat('x', ${n}::int) as pad`.execute(db)
        return rows[0]?.n === n && rows[0].pad.length === n
      }),
    )
    expect(answers.every(Boolean)).toBe(true)
  })

  behaves('keeps concurrent failures to themselves', unordered, async ({ db }) => {
    const answers = await Promise.allSettled(
      Array.from({ length: 40 }, (_, n) => sql<{ n: number }>`select ${n}::int / (${n}::int % 2) as n`.execute(db)),
    )
    expect(answers.map((answer) => answer.status)).toStrictEqual(
      Array.from({ length: 40 }, (_, n) => (n % 2 ? 'fulfilled' : 'rejected')),
    )
  })

  behaves('waits for a connection when all are taken, in order of arrival', async ({ open }) => {
    const db = await open({ pool: { max: 1 } })
    const order: number[] = []
    await Promise.all(
      [1, 2, 3, 4, 5].map((n) =>
        db.transaction().execute(async (trx) => {
          order.push(n)
          await sql`select 1`.execute(trx)
          order.push(n)
        }),
      ),
    )
    expect(order).toStrictEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    return order
  })

  behaves(
    'runs transactions beside each other on connections of their own',
    { ...severalConnections, ...unordered },
    async ({ db }) => {
      const pids = await Promise.all(
        [1, 2].map((id) =>
          db.transaction().execute(async (trx) => {
            await trx
              .updateTable('pet')
              .set({ name: `p${id}` })
              .where('id', '=', id)
              .execute()
            const other = await db.selectFrom('pet').select('name').where('id', '=', id).executeTakeFirstOrThrow()
            expect(other.name).not.toBe(`p${id}`)
            const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx)
            return rows[0]?.pid
          }),
        ),
      )
      expect(new Set(pids).size).toBe(2)
    },
  )

  behaves(
    'fails the statement whose connection is killed, and goes on with another',
    { ...severalConnections, log: 'ignored' },
    async ({ open, admin }) => {
      const db = await open({ pool: { max: 1 } })
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)
      const killed = sql`select pg_sleep(20)`.execute(db)
      const caught = rejection(killed)
      const running = `select 1 from pg_stat_activity where pid = $1 and state = 'active' and query like '%pg_sleep(20)%'`
      await vi.waitFor(async () => expect(await admin(running, [rows[0]?.pid])).toHaveLength(1), { timeout: 5_000 })
      await admin('select pg_terminate_backend($1, 5000)', [rows[0]?.pid])
      expect(await caught).toMatch(/terminat|lost/i)
      expect(await db.selectFrom('pet').select('name').where('id', '=', 1).executeTakeFirst()).toStrictEqual({
        name: 'Catto',
      })
    },
  )

  const survives = {
    only: (executor: Executor) => executor.kind !== 'control' && !executor.isEmbedded,
    because: 'pg ends the process there, or there is no backend to kill',
  }
  behaves(
    'survives that the connection of a transaction is killed between two statements',
    survives,
    async ({ open, admin }) => {
      const db = await open({ pool: { max: 1 } })
      const failing = db.transaction().execute(async (trx) => {
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx)
        await admin('select pg_terminate_backend($1, 5000)', [rows[0]?.pid])
        await sql`select 1`.execute(trx)
      })
      await expect(failing).rejects.toThrow()
      expect(await db.selectFrom('pet').select('name').where('id', '=', 1).executeTakeFirst()).toStrictEqual({
        name: 'Catto',
      })
    },
  )

  behaves('sees a changed table at once, although it has read it before', async ({ db, admin }) => {
    const read = () => db.$extendTables<Moving>().selectFrom('moving').selectAll().where('was', '=', 'a').execute()
    await makeMoving(admin, 'id integer, was text', `1, 'a'`)
    const seen = [await read(), await read(), await read(), await read(), await read(), await read()]
    await admin('alter table moving add column more integer')
    seen.push(await read())
    await admin('alter table moving alter column id type bigint')
    seen.push(await read())
    await admin('drop table moving')
    await makeMoving(admin, 'was text', `'a'`)
    seen.push(await read())
    expect(seen.slice(5)).toStrictEqual([
      [{ id: 1, was: 'a' }],
      [{ id: 1, was: 'a', more: null }],
      [{ id: '1', was: 'a', more: null }],
      [{ was: 'a' }],
    ])
    return seen
  })

  behaves('sees a column of another type than the parameter it was compared with before', async ({ db, admin }) => {
    // A statement kept by name keeps the types of its parameters too: it fails with 42883, not with 0A000.
    const read = () => db.$extendTables<Moving>().selectFrom('moving').selectAll().where('id', '=', '1').execute()
    await makeMoving(admin, 'id integer', '1')
    const seen = [await read(), await read()]
    await admin('drop table moving')
    await makeMoving(admin, 'id text', `'1'`)
    seen.push(await read())
    expect(seen).toStrictEqual([[{ id: 1 }], [{ id: 1 }], [{ id: '1' }]])
    return seen
  })

  behaves('refuses everything after destroy, which may be called twice', ownsItsPool, async ({ executor, open }) => {
    const pglite = executor.isEmbedded ? await bootEmbedded() : undefined
    const db = pglite ? new Kysely<PeopleAndPets>({ dialect: new TenonDialect({ pool: pglite }) }) : await open()
    await db.selectFrom('pet').selectAll().execute()
    await db.destroy()
    await db.destroy()
    const errors = [
      await rejection(db.selectFrom('pet').selectAll().execute()),
      await rejection(db.transaction().execute(async () => {})),
      await rejection(db.connection().execute(async () => {})),
      await rejection(db.selectFrom('pet').selectAll().stream().next()),
    ]
    await pglite?.close().catch(() => {})
    expect(errors).toStrictEqual(Array(4).fill('Error: driver has already been destroyed'))
    return errors
  })

  behaves(
    'ends its pool with destroy and with await using, unless it was never used',
    { ...ownsItsPool, only: (executor) => ownsItsPool.only(executor) && !executor.isEmbedded },
    async ({ executor }) => {
      // Nobody listens there: using a Kysely is enough for it to own its pool, whatever comes of it.
      const idle = () => new Pool({ host: '127.0.0.1', port: 1 })
      const kysely = (pool: Pool) =>
        new Kysely<PeopleAndPets>({
          dialect: executor.kind === 'control' ? new PostgresDialect({ pool }) : new TenonDialect({ pool }),
        })
      const unused = idle()
      await kysely(unused).destroy()
      const disposed = idle()
      {
        await using db = kysely(disposed)
        await db
          .selectFrom('pet')
          .selectAll()
          .execute()
          .catch(() => {})
      }
      expect([unused.ended, disposed.ended]).toStrictEqual([false, true])
      return [unused.ended, disposed.ended]
    },
  )

  behaves('ends nothing but itself with destroy and with await using', sharesItsPool, async ({ db, open }) => {
    const other = await open()
    {
      await using scoped = other.withSchema('public')
      await scoped.selectFrom('pet').select('id').execute()
    }
    await other.destroy()
    await db.destroy()
    expect(await db.selectFrom('pet').select('name').where('id', '=', 1).executeTakeFirst()).toStrictEqual({
      name: 'Catto',
    })
  })

  behaves(
    'connects only when first asked, and works again after a refusal',
    { ...severalConnections, log: 'ignored' },
    async ({ executor }) => {
      const pool = new Pool({ host: '127.0.0.1', port: 1, user: 'nobody', password: 'x' })
      const db =
        executor.kind === 'control'
          ? new Kysely<PeopleAndPets>({ dialect: new PostgresDialect({ pool }) })
          : new Kysely<PeopleAndPets>({ dialect: new TenonDialect({ pool }) })
      const database = createDatabase<PeopleAndPets>({
        connection: { host: '127.0.0.1', port: 1, user: 'nobody', password: 'x' },
        roles: [suiteRole],
      })
      const target =
        executor.kind === 'control' || executor.kind === 'dialect' ? db : database.session({ role: suiteRole })
      expect(pool.totalCount).toBe(0)
      await expect(target.selectFrom('pet').selectAll().execute()).rejects.toThrow()
      await expect(target.transaction().execute((trx) => sql`select 1`.execute(trx))).rejects.toThrow()
      await database.close()
      await pool.end()
    },
  )
})
