/**
 * Kysely's `stream()`: chunks, early return, failures half way, transactions. PostgresDialect streams with pg-cursor only;
 * PGlite's own dialect cannot stream at all, ours can.
 */
import { sql } from 'kysely'
import { expect } from 'vitest'
import { describeExecutors, sqlstateOf } from '../../support/executors.ts'

async function collect<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const row of rows) all.push(row)
  return all
}

const series = (from: number, to: number) =>
  sql<{ n: number }>`generate_series(${from}::int, ${to}::int)`.as<'s'>(sql`s(n)`)

describeExecutors('Streams', ({ behaves }) => {
  behaves('give all rows whatever the chunk size', async ({ db, events }) => {
    const query = db.selectFrom(series(1, 7)).select('n')
    const seen = []
    for (const chunk of [1, 2, 7, 8, 1000, 0, undefined])
      seen.push((await collect(query.stream(chunk))).map((row) => row.n))
    seen.push((await collect(query.stream({ chunkSize: 3 }))).map((row) => row.n))
    expect(seen).toStrictEqual(Array(8).fill([1, 2, 3, 4, 5, 6, 7]))
    expect(events.every((event) => event.level === 'query' && event.isStream)).toBe(true)
    return seen
  })

  behaves('fetch as they are read, not all at once', async ({ db, admin }) => {
    // Each row moves a sequence: its value after a few reads shows how many rows the server has made.
    await admin('create sequence made')
    await admin('grant all on sequence made to suite_user')
    const rows = db.selectFrom(series(1, 1000)).select(sql<string>`nextval('made')`.as('at')).stream(10)
    await rows.next()
    await rows.return?.()
    const [{ last_value: made } = {}] = await admin('select last_value::int from made')
    await admin('drop sequence made')
    expect(made).toBeLessThanOrEqual(20)
  })

  behaves('give nothing for no rows', async ({ db }) => {
    expect(await collect(db.selectFrom('pet').selectAll().where('id', '<', 0).stream(2))).toStrictEqual([])
  })

  behaves('end early and free the connection', async ({ open }) => {
    const db = await open({ pool: { max: 1 } })
    const seen: number[] = []
    for await (const row of db.selectFrom(series(1, 100)).select('n').stream(3)) {
      seen.push(row.n)
      if (row.n === 4) break
    }
    const after = await db.selectFrom('pet').select('name').where('id', '=', 1).execute()
    expect([seen, after]).toStrictEqual([[1, 2, 3, 4], [{ name: 'Catto' }]])
    return { seen, after }
  })

  behaves('free the connection when the reader throws', async ({ open }) => {
    const db = await open({ pool: { max: 1 } })
    const reading = (async () => {
      for await (const _ of db.selectFrom(series(1, 100)).select('n').stream(3)) throw new Error('enough')
    })()
    await expect(reading).rejects.toThrow('enough')
    return db.selectFrom('pet').select('name').where('id', '=', 1).execute()
  })

  behaves('do nothing when they are never read', async ({ open }) => {
    const db = await open({ pool: { max: 1 } })
    db.selectFrom('pet').selectAll().stream()
    return db.selectFrom('pet').select('name').where('id', '=', 1).execute()
  })

  behaves('deliver what came before a failure', async ({ db, events }) => {
    const seen: unknown[] = []
    let sqlstate: string | undefined
    try {
      for await (const row of db.selectFrom(series(1, 5)).select(sql<number>`12 / (3 - n)`.as('x')).stream(1))
        seen.push(row.x)
    } catch (error) {
      sqlstate = sqlstateOf(error)
    }
    expect([seen, sqlstate]).toStrictEqual([[6, 12], '22012'])
    expect(events).toMatchObject([{ level: 'error', isStream: undefined, failure: '22012' }])
    return { seen, sqlstate, after: await db.selectFrom('pet').select('name').where('id', '=', 1).execute() }
  })

  behaves('fail on the first read when the statement is wrong', async ({ db, failure }) => {
    const sqlstate = await failure(
      collect(
        db
          .selectFrom('nowhere' as 'pet')
          .selectAll()
          .stream(2),
      ),
    )
    expect(sqlstate).toBe('42P01')
    return sqlstate
  })

  behaves('stream what a write returns, and keep it', async ({ db, admin }) => {
    const inserted = await collect(
      db
        .insertInto('badge')
        .columns(['id', 'label'])
        .expression((eb) => eb.selectFrom(series(1, 5)).select(['n as id', sql<string>`'b' || n`.as('label')]))
        .returning('id')
        .stream(2),
    )
    const updated = await collect(
      db.updateTable('badge').set({ label: sql`label || '!'` }).where('id', '<', 3).returning('label').stream(1),
    )
    const deleted = await collect(db.deleteFrom('badge').where('id', '=', 5).returningAll().stream())
    expect(inserted).toHaveLength(5)
    expect(await admin('select count(*)::int as n from badge')).toStrictEqual([{ n: 4 }])
    return { inserted, updated, deleted }
  })

  behaves('run inside a transaction and see its changes', async ({ db, admin }) => {
    const seen = await db.transaction().execute(async (trx) => {
      await trx
        .insertInto('badge')
        .values([
          { id: 1, label: 'a' },
          { id: 2, label: 'b' },
        ])
        .execute()
      const rows = await collect(trx.selectFrom('badge').select('label').orderBy('id').stream(1))
      await trx.deleteFrom('badge').where('id', '=', 1).execute()
      return rows
    })
    expect(seen).toStrictEqual([{ label: 'a' }, { label: 'b' }])
    expect(await admin('select id from badge')).toStrictEqual([{ id: 2 }])
    return seen
  })

  behaves('begin a transaction as its first statement', async ({ db }) => {
    const rows = await db
      .transaction()
      .execute((trx) => collect(trx.selectFrom('pet').select('name').orderBy('id').stream(2)))
    expect(rows).toHaveLength(3)
    return rows
  })

  behaves('run on the one connection of connection()', async ({ db }) => {
    const rows = await db
      .connection()
      .execute((one) => collect(one.selectFrom('pet').select('name').orderBy('id').stream(2)))
    expect(rows).toHaveLength(3)
    return rows
  })

  const several = {
    only: ({ isEmbedded }: { isEmbedded: boolean }) => !isEmbedded,
    because: 'PGlite has one connection',
    log: 'unordered',
  } as const
  behaves('run beside each other and beside queries', several, async ({ db }) => {
    const [one, two, row] = await Promise.all([
      collect(db.selectFrom(series(1, 50)).select('n').stream(7)),
      collect(db.selectFrom(series(1, 60)).select('n').stream(3)),
      db.selectFrom('pet').select('name').where('id', '=', 1).executeTakeFirst(),
    ])
    expect([one.length, two.length, row]).toStrictEqual([50, 60, { name: 'Catto' }])
    return [one, two, row]
  })

  behaves('carry parameters and values of every type', async ({ db }) => {
    const rows = await collect(
      db
        .selectNoFrom([
          sql<Date>`${new Date(0)}::timestamptz`.as('at'),
          sql<string[]>`${['a', null]}::text[]`.as('words'),
          sql<Buffer>`${Buffer.from('x')}::bytea`.as('bytes'),
          sql<null>`${null}::int`.as('nothing'),
        ])
        .stream(1),
    )
    expect(rows).toStrictEqual([{ at: new Date(0), words: ['a', null], bytes: Buffer.from('x'), nothing: null }])
    return rows
  })
})
