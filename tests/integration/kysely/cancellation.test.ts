/**
 * Kysely's cancellation by AbortSignal: what the caller gets, what happens to the statement on the server, and that the
 * connection is fit for the next. PGlite runs a statement without ever yielding, so nothing can be cancelled there.
 */
import { type InflightQueryAbortStrategy, sql } from 'kysely'
import { expect, onTestFinished, vi } from 'vitest'
import { describeExecutors, type Executor, rejection, type Scene } from '../../support/executors.ts'

const cancellable = { only: (executor: Executor) => !executor.isEmbedded, because: 'PGlite cannot cancel' }

/** A statement that waits for a lock which the administrator holds: it runs until it is let go or cancelled. */
const waiting = () => sql<{ got: boolean }>`select pg_advisory_xact_lock(77) is not null as got`

/** Holds the lock of `waiting` and tells how many statements wait for it. */
async function hold({ admin }: Scene) {
  await admin('select pg_advisory_lock(77)')
  const waiters = async () => {
    const rows = await admin(
      `select pid from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`,
    )
    return rows.length
  }
  return {
    untilWaiting: (count: number) =>
      vi.waitFor(async () => expect(await waiters()).toBe(count), { timeout: 5_000, interval: 2 }),
    letGo: () => admin('select pg_advisory_unlock(77)'),
  }
}

/** Kysely prints the late failure of an aborted query; a session keeps it quiet. */
function quietly(): string[] {
  const printed: string[] = []
  const spy = vi.spyOn(console, 'error').mockImplementation((text: unknown) => void printed.push(String(text)))
  onTestFinished(() => void spy.mockRestore())
  return printed
}

describeExecutors('Cancellation', ({ behaves }) => {
  behaves('sends nothing when the signal is already aborted', async ({ db, events }) => {
    const signal = AbortSignal.abort('a reason that is no error')
    const person = db.selectFrom('person').selectAll()
    const thrown: unknown[] = []
    for (const run of [
      () => person.execute({ signal }),
      () => person.executeTakeFirst({ signal }),
      () => person.executeTakeFirstOrThrow({ signal }),
      () => db.deleteFrom('toy').execute({ signal }),
      () => sql`select 1`.execute(db, { signal }),
      () => db.executeQuery(person, { signal, inflightQueryAbortStrategy: 'cancel query' }),
      () => db.connection().execute((one) => sql`select 1`.execute(one), { signal }),
      () => person.stream({ signal }).next(),
    ]) {
      await run().catch((error: unknown) => thrown.push(error))
    }
    expect(thrown).toStrictEqual(Array(8).fill('a reason that is no error'))
    expect(events).toStrictEqual([])
    return thrown
  })

  behaves('changes nothing when the signal is never aborted, or too late', async ({ open }) => {
    const db = await open({ pool: { max: 1 } })
    const { signal, abort } = cancelling()
    const row = await db.selectFrom('pet').select('name').where('id', '=', 1).executeTakeFirst({ signal })
    abort()
    const after = await db.selectFrom('pet').select('name').where('id', '=', 2).executeTakeFirst()
    expect([row, after]).toStrictEqual([{ name: 'Catto' }, { name: 'Doggo' }])
    return [row, after]
  })

  const mayWait = {
    only: (executor: Executor) => !executor.isEmbedded || executor.errors === 'pg',
    because: 'it is refused inside a transaction of the same PGlite',
  }
  behaves('stops waiting for a connection', mayWait, async ({ open }) => {
    const db = await open({ pool: { max: 1 } })
    const { signal, abort, reason } = cancelling()
    const thrown = await db.transaction().execute(async (trx) => {
      const queued = db.selectFrom('pet').selectAll().execute({ signal })
      const caught = queued.catch((error: unknown) => error)
      await sql`select 1`.execute(trx)
      abort()
      return caught
    })
    expect(thrown).toBe(reason)
    expect(await db.selectFrom('pet').select('name').where('id', '=', 1).executeTakeFirst()).toStrictEqual({
      name: 'Catto',
    })
  })

  const outcomes: Record<InflightQueryAbortStrategy, { failure?: string; stays: boolean }> = {
    'ignore query': { stays: true },
    'cancel query': { stays: false, failure: '57014' },
    'kill session': { stays: false, failure: '57P01' },
  }
  for (const [strategy, { failure, stays }] of Object.entries(outcomes)) {
    behaves(
      `with "${strategy}" ${stays ? 'leaves the statement running' : 'ends the statement on the server'}`,
      { ...cancellable, log: 'ignored' },
      async (scene) => {
        quietly()
        const { db, executor, events } = scene
        const lock = await hold(scene)
        const { signal, abort, reason } = cancelling()
        const query = waiting().execute(db, {
          signal,
          inflightQueryAbortStrategy: strategy as InflightQueryAbortStrategy,
        })
        const thrown = query.catch((error: unknown) => error)
        await lock.untilWaiting(1)
        abort()
        expect(await thrown).toBe(reason)
        if (stays) await lock.untilWaiting(1)
        else await lock.untilWaiting(0)
        await lock.letGo()
        await vi.waitFor(() => expect(events).toHaveLength(1), { timeout: 5_000, interval: 2 })
        expect(events[0]).toMatchObject(stays ? { level: 'query', isStream: false } : { level: 'error', failure })
        const seen = [...events]
        const next = await sql`select 1 as a`.execute(db).catch((error: unknown) => error)
        // PostgresDialect may give the next query the client whose backend has just been killed.
        if (executor.kind !== 'control') expect(next).toMatchObject({ rows: [{ a: 1 }] })
        return seen
      },
    )
  }

  behaves(
    'leaves the statement running when no strategy is named',
    {
      ...cancellable,
      only: (executor) => executor.errors === 'pg' && !executor.isEmbedded,
      because: 'it cancels, or has one connection',
    },
    async (scene) => {
      const lock = await hold(scene)
      const { signal, abort, reason } = cancelling()
      const thrown = waiting()
        .execute(scene.db, { signal })
        .catch((error: unknown) => error)
      await lock.untilWaiting(1)
      abort()
      expect(await thrown).toBe(reason)
      await lock.untilWaiting(1)
      await lock.letGo()
      await vi.waitFor(() => expect(scene.events).toMatchObject([{ level: 'query' }]), { timeout: 5_000, interval: 2 })
    },
  )

  const sessionOnly = {
    only: (executor: Executor) => executor.kind === 'session' && !executor.isEmbedded,
    because: 'only a session cancels without being asked',
  }
  behaves('cancels on the server when no strategy is named, and prints nothing', sessionOnly, async (scene) => {
    const printed = quietly()
    const lock = await hold(scene)
    const { signal, abort, reason } = cancelling()
    const thrown = waiting()
      .execute(scene.db, { signal })
      .catch((error: unknown) => error)
    await lock.untilWaiting(1)
    abort()
    expect(await thrown).toBe(reason)
    await lock.untilWaiting(0)
    await vi.waitFor(() => expect(scene.events).toMatchObject([{ level: 'error', failure: '57014' }]), {
      timeout: 5_000,
      interval: 2,
    })
    await lock.letGo()
    expect(printed).toStrictEqual([])
  })

  behaves('keeps the connection until the aborted statement has ended', cancellable, async (scene) => {
    quietly()
    const db = await scene.open({ pool: { max: 1 } })
    const lock = await hold(scene)
    const { signal, abort } = cancelling()
    const thrown = waiting()
      .execute(db, { signal, inflightQueryAbortStrategy: 'ignore query' })
      .catch((error: unknown) => error)
    await lock.untilWaiting(1)
    abort()
    await thrown
    let done = false
    const next = db
      .selectFrom('pet')
      .select('name')
      .where('id', '=', 1)
      .executeTakeFirst()
      .finally(() => {
        done = true
      })
    await lock.untilWaiting(1)
    expect(done).toBe(false)
    await lock.letGo()
    expect(await next).toStrictEqual({ name: 'Catto' })
  })

  // On PostgresDialect the rollback that follows at once takes the place of the query to cancel, whose cancelling is then
  // skipped: the transaction waits until the statement has ended by itself.
  const better = {
    only: (executor: Executor) => executor.kind !== 'control' && !executor.isEmbedded,
    because: 'it waits for the statement, or cannot cancel',
  }
  behaves('cancels the statement of a transaction and rolls back', better, async (scene) => {
    quietly()
    const { db, admin, events } = scene
    const lock = await hold(scene)
    const { signal, abort, reason } = cancelling()
    const thrown = db
      .transaction()
      .execute(async (trx) => {
        await trx.insertInto('badge').values({ id: 1, label: 'lost' }).execute()
        await waiting().execute(trx, { signal, inflightQueryAbortStrategy: 'cancel query' })
      })
      .catch((error: unknown) => error)
    await lock.untilWaiting(1)
    abort()
    expect(await thrown).toBe(reason)
    await lock.letGo()
    expect(await admin('select 1 from badge')).toStrictEqual([])
    await vi.waitFor(
      () =>
        expect(events.map((event) => event.failure ?? event.sql)).toStrictEqual([
          'begin',
          expect.stringContaining('insert'),
          '57014',
          'rollback',
        ]),
      { timeout: 5_000, interval: 2 },
    )
  })

  behaves('stops a stream between chunks and frees the connection', async ({ open }) => {
    const db = await open({ pool: { max: 1 } })
    const { signal, abort, reason } = cancelling()
    const seen: unknown[] = []
    const reading = (async () => {
      for await (const row of db.selectFrom('pet').select('name').orderBy('id').stream({ chunkSize: 1, signal })) {
        seen.push(row)
        abort()
      }
    })()
    expect(await reading.catch((error: unknown) => error)).toBe(reason)
    expect(seen).toStrictEqual([{ name: 'Catto' }])
    return db.selectFrom('pet').select('name').where('id', '=', 2).executeTakeFirst()
  })

  behaves('stops waiting for the next chunk of a stream', cancellable, async (scene) => {
    quietly()
    const db = await scene.open({ pool: { max: 1 } })
    const lock = await hold(scene)
    const { signal, abort, reason } = cancelling()
    const reading = db
      .selectNoFrom(sql<boolean>`pg_advisory_xact_lock(77) is not null`.as('got'))
      .stream({ chunkSize: 1, signal })
      .next()
    const thrown = reading.catch((error: unknown) => error)
    await lock.untilWaiting(1)
    abort()
    expect(await thrown).toBe(reason)
    await lock.letGo()
    expect(await db.selectFrom('pet').select('name').where('id', '=', 1).executeTakeFirst()).toStrictEqual({
      name: 'Catto',
    })
  })

  behaves(
    'never reaches the statement after the one it was meant for',
    { ...cancellable, log: 'ignored' },
    async ({ open }) => {
      quietly()
      const db = await open({ pool: { max: 1 } })
      for (let round = 0; round < 40; round += 1) {
        const { signal, abort } = cancelling()
        const first = sql`select count(*) from generate_series(1, ${round * 100}::int)`
          .execute(db, { signal, inflightQueryAbortStrategy: 'cancel query' })
          .catch(() => {})
        if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
        else await first
        abort()
        expect((await sql`select ${round}::int as n, pg_sleep(0.001)`.execute(db)).rows).toMatchObject([{ n: round }])
        await first
      }
    },
  )

  behaves('refuses a strategy it does not know', async ({ db }) => {
    const { signal } = cancelling()
    const error = await rejection(sql`select 1`.execute(db, { signal, inflightQueryAbortStrategy: 'pray' as never }))
    expect(error).toMatch(/Unexpected `inflightQueryAbortStrategy`: "pray"/)
    return error
  })

  const embedded = { only: (executor: Executor) => executor.isEmbedded, because: 'it can cancel' }
  behaves('refuses to cancel where it cannot, rather than to pretend', embedded, async ({ db }) => {
    for (const inflightQueryAbortStrategy of ['cancel query', 'kill session'] as const) {
      const { signal } = cancelling()
      await expect(sql`select 1`.execute(db, { signal, inflightQueryAbortStrategy })).rejects.toThrow()
    }
    expect(await sql`select 1 as a`.execute(db)).toMatchObject({ rows: [{ a: 1 }] })
  })
})

function cancelling() {
  const controller = new AbortController()
  const reason = new Error('stop it')
  return { signal: controller.signal, reason, abort: () => controller.abort(reason) }
}
