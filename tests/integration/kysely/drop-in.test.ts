/**
 * TenonDialect in the place of PostgresDialect: what existing applications have arranged on their pg.Pool and their
 * dialect's options must go on working. These run on the control and on TenonDialect over a server only.
 */
import { type DatabaseConnection, Kysely, PostgresDialect, sql } from 'kysely'
import { Pool, type PoolClient, types } from 'pg'
import Cursor from 'pg-cursor'
import { expect } from 'vitest'
import { TenonDialect } from '../../../src/index.ts'
import { describeExecutors, type Executor } from '../../support/executors.ts'
import type { PeopleAndPets } from '../../support/people-and-pets.ts'

const dialects = {
  only: ({ kind, isEmbedded }: Executor) => (kind === 'control' || kind === 'dialect') && !isEmbedded,
  because: 'it has no pg.Pool of the caller’s',
}

describeExecutors('Drop-in', ({ behaves }) => {
  behaves('runs several statements at once when there are no parameters', dialects, async ({ db, admin, failure }) => {
    const seen = [
      await sql`insert into badge values (1, 'a'); insert into badge values (2, 'b'); select * from badge`.execute(db),
      await db
        .transaction()
        .execute((trx) => sql`update badge set label = 'c' where id = 1; delete from badge where id = 2`.execute(trx)),
      await failure(sql`select 1; select ${2}::int`.execute(db)),
      await failure(sql`insert into badge values (3, 'd'); select 1/0`.execute(db)),
    ]
    expect(await admin('select * from badge')).toStrictEqual([{ id: 1, label: 'c' }])
    expect(seen).toStrictEqual([
      { numAffectedRows: undefined, rows: [] },
      { numAffectedRows: undefined, rows: [] },
      '42601',
      '22012',
    ])
    return seen
  })

  behaves('accepts empty statements and comments', dialects, async ({ db }) => {
    const seen = [
      await sql``.execute(db),
      await sql`-- nothing`.execute(db),
      await sql`;`.execute(db),
      await sql`select 1 as a;`.execute(db),
    ]
    expect(seen[3]).toMatchObject({ rows: [{ a: 1 }] })
    return seen
  })

  behaves('runs what no transaction may hold', dialects, async ({ db, admin }) => {
    await db.schema.createTable('heap').addColumn('id', 'integer').execute()
    await sql`create procedure in_two() language plpgsql as $$ begin insert into badge values (1, 'a'); commit; insert into badge values (2, 'b'); end $$`.execute(
      db,
    )
    const seen = [
      await sql`vacuum heap`.execute(db),
      await sql`create index concurrently heap_id_idx on heap (id)`.execute(db),
      await sql`reindex table concurrently heap`.execute(db),
      await sql`call in_two()`.execute(db),
    ]
    expect(await admin('select count(*)::int as n from badge')).toStrictEqual([{ n: 2 }])
    return seen
  })

  behaves('returns the output of a procedure', dialects, async ({ db }) => {
    await sql`create procedure next_of(inout n integer) language sql as $$ select n + 1 $$`.execute(db)
    const seen = await sql`call next_of(${1})`.execute(db)
    expect(seen.rows).toStrictEqual([{ n: 2 }])
    return seen
  })

  behaves('answers raw begin, commit and rollback as PostgresDialect does', dialects, async ({ db, admin }) => {
    const seen = await db
      .connection()
      .execute(async (one) => [
        await sql`begin`.execute(one),
        await sql`insert into badge values (1, 'a')`.execute(one),
        await sql`rollback`.execute(one),
        await sql`begin`.execute(one),
        await sql`insert into badge values (${2}, ${'b'})`.execute(one),
        await sql`commit`.execute(one),
      ])
    expect([seen[2], seen[5]]).toStrictEqual([{ rows: [{ command: 'ROLLBACK' }] }, { rows: [{ command: 'COMMIT' }] }])
    expect(await admin('select id from badge')).toStrictEqual([{ id: 2 }])
    return seen
  })

  behaves(
    'is fit for use after a COPY, which Kysely has no use for',
    { ...dialects, log: 'ignored' },
    async ({ open }) => {
      const db = await open({ pool: { max: 1 } })
      await sql`copy pet to stdout`.execute(db).catch(() => {})
      await expect(sql`copy badge from stdin`.execute(db)).rejects.toThrow()
      expect(await db.selectFrom('pet').select('name').where('id', '=', 1).execute()).toStrictEqual([{ name: 'Catto' }])
    },
  )

  behaves('uses the type parsers of the pool', dialects, async ({ open }) => {
    const db = await open({
      pool: {
        types: {
          getTypeParser: ((oid: number, format: 'text') =>
            oid === 20 ? BigInt : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
        },
      },
    })
    const { rows } = await sql`select 5::int8 as big, 6::int4 as small`.execute(db)
    const streamed: unknown[] = []
    expect(rows).toStrictEqual([{ big: 5n, small: 6 }])
    for await (const row of db.selectNoFrom(sql`7::int8`.as('big')).stream(1)) streamed.push(row)
    return { rows, streamed: streamed.length }
  })

  behaves('uses the type parsers set on pg itself and on one client', dialects, async ({ open }) => {
    const before = types.getTypeParser(20)
    types.setTypeParser(20, (text) => `global ${text}`)
    try {
      const db = await open()
      const { rows } = await sql`select 5::int8 as big`.execute(db)
      expect(rows).toStrictEqual([{ big: 'global 5' }])
      return rows
    } finally {
      types.setTypeParser(20, before as (text: string) => unknown)
    }
  })

  behaves(
    'runs what the pool does at connect, and hears its notices and notifications',
    dialects,
    async ({ executor, adminUrl }) => {
      const heard: string[] = []
      const pool = new Pool({ connectionString: adminUrl, max: 1 })
      pool.on('connect', (client: PoolClient) => {
        client.on('notice', (notice) => heard.push(`notice ${notice.message}`))
        client.on('notification', (message) => heard.push(`notification ${message.channel} ${message.payload}`))
        client.setTypeParser(20, (text) => BigInt(text))
        // Not awaited, as most applications write it: it is still in flight when the dialect gets the client.
        client.query(`set application_name = 'arranged'`).catch((error: unknown) => heard.push(String(error)))
      })
      const db = dialectOf(executor, pool)
      const { rows } = await sql`select current_setting('application_name') as name, 5::int8 as big`.execute(db)
      await sql`do $$ begin raise notice 'hello'; end $$`.execute(db)
      await sql`listen ears`.execute(db)
      await sql`select pg_notify('ears', ${'news'})`.execute(db)
      await sql`select 1`.execute(db)
      await db.destroy()
      expect([rows, heard]).toStrictEqual([[{ name: 'arranged', big: 5n }], ['notice hello', 'notification ears news']])
      return { rows, heard }
    },
  )

  behaves('takes its pool from a function, once, at first use', dialects, async ({ executor, adminUrl }) => {
    let asked = 0
    const pool = async () => {
      asked += 1
      return new Pool({ connectionString: adminUrl, max: 1 })
    }
    const db = dialectOf(executor, pool)
    expect(asked).toBe(0)
    await Promise.all([sql`select 1`.execute(db), sql`select 2`.execute(db)])
    await db.destroy()
    expect(asked).toBe(1)
  })

  behaves(
    'calls onCreateConnection once per connection and onReserveConnection at every acquire',
    dialects,
    async ({ executor, adminUrl }) => {
      const calls: string[] = []
      const noting = (name: string) => async (connection: DatabaseConnection) => {
        await connection.executeQuery(sql`select 1`.compile(db))
        calls.push(name)
      }
      const db = dialectOf(executor, new Pool({ connectionString: adminUrl, max: 1 }), {
        onCreateConnection: noting('create'),
        onReserveConnection: noting('reserve'),
      })
      await sql`select 1`.execute(db)
      await db.transaction().execute((trx) => sql`select 2`.execute(trx))
      await db.destroy()
      expect(calls).toStrictEqual(['create', 'reserve', 'reserve'])
      return calls
    },
  )

  behaves('shares its pool with code that uses pg directly', dialects, async ({ executor, adminUrl }) => {
    const pool = new Pool({ connectionString: adminUrl, max: 1 })
    const db = dialectOf(executor, pool)
    const seen: unknown[] = []
    for (let round = 0; round < 3; round += 1) {
      seen.push((await sql`select ${round}::int as n, name from pet where id = ${1}`.execute(db)).rows)
      seen.push((await pool.query('select $1::int as n, name from pet where id = 1', [round])).rows)
      seen.push((await pool.query({ name: 'mine', text: 'select $1::int as n', values: [round] })).rows)
      seen.push(
        await db.transaction().execute((trx) => trx.selectFrom('pet').select('id').where('id', '=', 1).execute()),
      )
    }
    await pool.query('deallocate all')
    seen.push((await sql`select ${9}::int as n, name from pet where id = ${1}`.execute(db)).rows)
    await pool.query('discard all')
    seen.push((await sql`select ${9}::int as n, name from pet where id = ${1}`.execute(db)).rows)
    await db.destroy()
    expect(seen.at(-1)).toStrictEqual([{ n: 9, name: 'Catto' }])
    return seen
  })

  behaves('gives up after the pool’s statement_timeout and connection timeout', dialects, async ({ open, failure }) => {
    const db = await open({ pool: { statement_timeout: 200, connectionTimeoutMillis: 1_000, max: 1 } })
    const slow = await failure(sql`select pg_sleep(5)`.execute(db))
    const waited = await db.connection().execute(async () =>
      db
        .selectFrom('pet')
        .selectAll()
        .execute()
        .catch((error: unknown) => error instanceof Error && error.message),
    )
    expect([slow, waited]).toStrictEqual(['57014', 'timeout exceeded when trying to connect'])
    return [slow, waited]
  })
})

type Hooks = {
  [Name in 'onCreateConnection' | 'onReserveConnection']?: (connection: DatabaseConnection) => Promise<void>
}

function dialectOf(executor: Executor, pool: Pool | (() => Promise<Pool>), hooks: Hooks = {}): Kysely<PeopleAndPets> {
  const dialect =
    executor.kind === 'control'
      ? new PostgresDialect({ pool, cursor: Cursor, ...hooks })
      : new TenonDialect({ pool, ...hooks })
  return new Kysely<PeopleAndPets>({ dialect })
}
