/** What a sceptical user would try: callbacks that throw, leases that end, strangers, keys of every kind. */
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { generateCode } from '../../../src/codegen/index.ts'
import {
  changes,
  createOutbox,
  createRelay,
  defineChannel,
  notify,
  type RelayFailure,
  subscribe,
} from '../../../src/events/index.ts'
import { createDatabase, type TenonError } from '../../../src/index.ts'
import { applyMigrations } from '../../../src/migrate/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { GeneratedFolder } from '../../support/generated-code.ts'
import { openPlace, type Place, take, until } from './places.ts'

const any = defineChannel<number>('any')
const outbox = createOutbox({ made: undefined })

test('a channel that is left and followed again in one turn is ready again', async () => {
  await using place = await openPlace('server')
  const first = subscribe(place.db, any)
  await first.ready
  void first[Symbol.asyncDispose]()
  const second = subscribe(place.db, any)
  await second.ready
  await notify(place.ada, any, 1)
  expect(await take(second, 1)).toMatchObject([{ payload: 1 }])
})

test('callbacks that throw harm nobody', async () => {
  await using place = await openPlace('server')
  const fail = () => {
    throw new Error('of the callback')
  }
  const careless = subscribe(place.db, any, { onGap: fail, onInvalid: fail, maxQueued: 1 })
  const innocent = subscribe(place.db, any)
  await Promise.all([careless.ready, innocent.ready])
  await place.admin(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%'`,
  )
  await until(() => place.events.filter((event) => event.type === 'listen' && event.state === 'ready').length === 2)
  await place.admin(`select pg_notify('any', 'nonsense'), pg_notify('any', '7')`)
  expect(await take(innocent, 1)).toMatchObject([{ payload: 7 }])
  expect(await take(careless, 1)).toMatchObject([{ payload: 7 }])

  await outbox.enqueueMany(
    place.ada,
    [1, 2, 3].map((n) => ({ topic: 'made' as const, payload: n, key: 'k' })),
  )
  const seen: unknown[] = []
  const controller = new AbortController()
  const relay = createRelay(
    place.db,
    outbox,
    {
      made: ({ payload, attempts }) => {
        if (attempts === 1 && payload === 1) throw new Error('no')
        seen.push(payload)
      },
    },
    { onFailure: fail, onError: fail, retryInMs: () => Number.NaN, pollMs: 50 },
  )
  const running = relay.run({ signal: controller.signal })
  await until(() => relay.stats().failed === 1)
  await place.admin('update tenon.outbox set available_at = now() where delivered_at is null')
  await until(() => relay.stats().delivered === 3)
  controller.abort()
  await running
  expect(seen).toEqual([1, 2, 3])
})

test('a schema that throws ends its own loop, and leaves', async () => {
  await using place = await openPlace('server')
  const broken = defineChannel('broken', {
    safeParse: () => {
      throw new RangeError('of the schema')
    },
  })
  const subscription = subscribe(place.db, broken)
  await subscription.ready
  await place.admin(`select pg_notify('broken', '1')`)
  await expect(subscription.next()).rejects.toThrow(RangeError)
  expect(await subscription.next()).toEqual({ done: true, value: undefined })
})

test('a table is watched without the outbox, by roles that know nothing of schema tenon', async () => {
  await using database = await createTestDatabase()
  const login = await createLogin(database)
  await using db = createDatabase<never>({ connection: login.url, service: { connection: database.adminUrl } })
  await applyMigrations(db, { modules: ['changes'] })
  const admin = new Client(database.adminUrl)
  await admin.connect()
  await admin.query(`create table public.things (id int primary key); grant insert on public.things to anon, authenticated;
    select tenon.watch_table('public.things'); create function public.enq() returns void language sql return null`)
  const { rows } = await admin.query(`select tenon.change_channel('public.things') as channel`)
  const told: string[] = []
  admin.on('notification', ({ payload }) => told.push(payload ?? ''))
  await admin.query(`listen ${rows[0].channel}`)
  for (const [i, role] of (['anon', 'authenticated'] as const).entries())
    await db
      .session({ role })
      .insertInto('things' as never)
      .values({ id: i } as never)
      .execute()
  await until(() => told.length === 2)
  expect(told.map((text) => JSON.parse(text))).toEqual([
    { operation: 'insert', keys: [['0']] },
    { operation: 'insert', keys: [['1']] },
  ])
  await admin.end()
})

const kindsOfKeys = `create domain public.tag as text check (value <> '');
  create table public.readings (at timestamptz, on_day date, address inet, code char(5), part numeric, bytes bytea, wait interval, tag public.tag, plain timestamp,
    value int, primary key (at, on_day, address, code, part, bytes, wait, tag, plain));
  grant all on public.readings to authenticated; select tenon.watch_table('public.readings')`
const aKey = `'2025-03-30 01:30:00.123456+02', '2025-03-30', '10.0.0.1/32', 'ab', 1.50, '\\\\x00ff', '1 mon 2 days 03:04:05', '"t', '2025-03-30 02:30:00.654321'`

test('keys of every kind find their row, whatever the writer has set', async () => {
  await using place = await openPlace('server', kindsOfKeys)
  const feed = await feedOf(place, 'readings')
  await place.admin(
    `set datestyle = 'SQL, DMY'; set timezone = 'Asia/Tokyo'; set intervalstyle = 'iso_8601'; set bytea_output = 'escape'`,
  )
  await place.admin(
    `insert into public.readings values (${aKey.replaceAll('2025-03-30', '30/03/2025').replace("'1 mon 2 days 03:04:05'", "'P1M2DT3H4M5S'")}, 7)`,
  )
  const [change] = (await take(feed, 1)) as unknown as { row: { value: number }; operation: string }[]
  expect(change).toMatchObject({ operation: 'insert', row: { value: 7 } })
})

test('a key that was changed is told as a delete of the old one', async () => {
  await using place = await openPlace(
    'server',
    `create table public.things (id int primary key deferrable initially deferred, value int); grant all on public.things to authenticated; select tenon.watch_table('public.things')`,
  )
  const feed = await feedOf(place, 'things', true)
  await place.admin('insert into public.things values (1, 1), (2, 2); update public.things set id = id + 1')
  const seen = (await take(feed, 5)) as unknown as { operation: string; key: unknown }[]
  expect(seen.map(({ operation, key }) => [operation, key])).toEqual([
    ['insert', { id: 1 }],
    ['insert', { id: 2 }],
    ['delete', { id: 1 }],
    ['update', { id: 2 }],
    ['update', { id: 3 }],
  ])
})

test('keys that a stranger sends and no column can hold end nobody’s feed', async () => {
  await using place = await openPlace(
    'server',
    `create table public.things (id int primary key, value int); grant all on public.things to authenticated; select tenon.watch_table('public.things')`,
  )
  const invalid: string[] = []
  const feed = await feedOf(place, 'things', false, ({ code }) => invalid.push(code))
  await place.admin(
    `select pg_notify(tenon.change_channel('public.things'), '{"operation": "update", "keys": [["abc"]]}')`,
  )
  await place.admin('insert into public.things values (1, 1)')
  expect(await take(feed, 1)).toMatchObject([{ key: { id: 1 } }])
  expect(invalid).toEqual(['QUERY_DATA'])
})

async function feedOf(place: Place, name: string, hidden = false, onInvalid?: (error: TenonError) => void) {
  using folder = new GeneratedFolder(
    (await generateCode(place.db.service({ actor: 'test', reason: 'generate' }))).files,
  )
  const { tables } = await folder.import('metadata.ts')
  const feed = changes(place.db, tables[name], { as: place.ada, hidden, onInvalid })
  await feed.ready
  return feed
}

test('an event whose lease ended while it is handled is not handled twice at once, nor are those behind it given to two', async () => {
  await using place = await openPlace('server')
  await outbox.enqueueMany(
    place.ada,
    [1, 2, 3].map((n) => ({ topic: 'made' as const, payload: n, key: 'k' })),
  )
  const at: { readonly worker: string; readonly payload: unknown }[] = []
  let running = 0
  let together = 0
  const controller = new AbortController()
  const worker = (name: string) =>
    createRelay(
      place.db,
      outbox,
      {
        made: async ({ payload }) => {
          together = Math.max(together, ++running)
          at.push({ worker: name, payload })
          if (at.length === 1) {
            // The database takes the lease away, as if this process had been away for that long.
            await place.admin(
              `update tenon.outbox set claimed_until = now() - interval '1 second' where claimed_by = '${name}'`,
            )
            await delay(400)
          }
          running -= 1
        },
      },
      { worker: name, leaseMs: 60_000, pollMs: 50 },
    ).run({ signal: controller.signal })
  const only = worker('one')
  await until(async () => (await place.admin('select from tenon.outbox where delivered_at is null')).length === 0)
  controller.abort()
  await only
  expect(together).toBe(1)
  expect(at.map(({ payload }) => payload).filter((payload, i, all) => all.indexOf(payload) === i)).toEqual([1, 2, 3])
})

test('events behind one that another worker has are neither extended nor ended', async () => {
  await using place = await openPlace('server')
  await place.admin(`select tenon.enqueue('made', key => 'k') from generate_series(1, 3)`)
  const ids = (await place.admin(`select id::text from tenon.claim_events('a', per_key => 3)`)).map(({ id }) => id)
  await place.admin(`update tenon.outbox set claimed_until = now() - interval '1 second'`)
  await place.admin(`select tenon.claim_events('b')`)
  expect(await place.admin(`select tenon.extend_events('a', '{${ids}}', '1 hour')`)).toEqual([])
  expect(await place.admin(`select tenon.complete_events('a', '{${ids}}')`)).toEqual([])
  expect(await place.admin(`select tenon.complete_events('b', '{${ids[0]}}')`)).toHaveLength(1)
})

test('one event that ends its process again and again takes no others along, and is told when it is dead', async () => {
  await using place = await openPlace('server')
  await outbox.enqueueMany(
    place.ada,
    Array.from({ length: 20 }, (_, n) => ({ topic: 'made' as const, payload: n })),
  )
  // Every claim ends in a death, unless the poison (the first event) is not among what was claimed.
  for (let i = 0; i < 40; i++) {
    const claimed = await place.admin(
      `select id::text, dead from tenon.claim_events('w${i}', batch => 10, max_attempts => 6)`,
    )
    const ids = claimed.filter(({ dead }) => !dead).map(({ id }) => id)
    if (ids.includes('1'))
      await place.admin(
        `update tenon.outbox set claimed_until = now() - interval '1 second' where claimed_by = 'w${i}'`,
      )
    else await place.admin(`select tenon.complete_events('w${i}', '{${ids}}')`)
  }
  expect(
    await place.admin(
      'select count(*) filter (where delivered_at is not null)::int as delivered, array_agg(id::int) filter (where dead_at is not null) as dead from tenon.outbox',
    ),
  ).toEqual([{ delivered: 19, dead: [1] }])
  await place.admin(
    `select tenon.revive_events('{1}'); update tenon.outbox set attempts = 6, claimed_by = 'gone', claimed_until = now() - interval '1 second' where id = 1`,
  )
  const failures: RelayFailure[] = []
  const controller = new AbortController()
  const relay = createRelay(
    place.db,
    outbox,
    { made: () => {} },
    { maxAttempts: 6, onFailure: (failure) => failures.push(failure) },
  )
  const running = relay.run({ signal: controller.signal })
  await until(() => relay.stats().dead === 1)
  controller.abort()
  await running
  expect(failures).toEqual([{ id: '1', topic: 'made', attempts: 6, dead: true, error: undefined }])
})

test('a relay with one slow handler asks seldom, and hopeless events delay no good one', async () => {
  await using place = await openPlace('server')
  await outbox.enqueue(place.ada, 'made', 'slow')
  const controller = new AbortController()
  let slow = false
  const good: unknown[] = []
  const relay = createRelay(place.db, outbox, {
    made: async ({ payload }) => {
      if (payload === 'hopeless') throw new Error('no')
      if (payload === 'slow') {
        slow = true
        await delay(1_500)
      } else good.push(payload)
    },
  })
  const running = relay.run({ signal: controller.signal })
  await until(() => slow)
  await delay(200)
  const before = place.db.stats().roundTrips
  await delay(1_000)
  expect(place.db.stats().roundTrips - before).toBeLessThan(5)
  await outbox.enqueueMany(
    place.ada,
    Array.from({ length: 1_500 }, () => ({ topic: 'made' as const, payload: 'hopeless' })),
  )
  await outbox.enqueue(place.ada, 'made', 'good')
  await until(() => good.length === 1)
  controller.abort()
  await running
})

test('a relay that cannot go on stops handling, and cannot be run twice', async () => {
  await using place = await openPlace('server')
  await outbox.enqueueMany(
    place.ada,
    Array.from({ length: 200 }, (_, n) => ({ topic: 'made' as const, payload: n })),
  )
  let begun = 0
  const relay = createRelay(
    place.db,
    outbox,
    {
      made: async () => {
        begun += 1
        await delay(20)
      },
    },
    { concurrency: 5, pollMs: 50 },
  )
  const signal = new AbortController().signal
  const running = relay.run({ signal, drainMs: 100 })
  await expect(relay.run({ signal })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  await until(() => begun >= 5)
  await place.db.close()
  await expect(running).rejects.toMatchObject({ code: 'DATABASE_CLOSED' })
  const then = begun
  await delay(100)
  expect(begun).toBe(then)
  expect(() => createRelay(place.db, outbox, {}, { pollMs: 2 ** 31 })).toThrow(
    expect.objectContaining({ code: 'OPTION_INVALID' }),
  )
})

test('an idempotency key that another transaction writes at the same time gives its id to both', async () => {
  await using place = await openPlace('server')
  const first = await place.ada.startTransaction().execute()
  const id = await outbox.enqueue(first as never, 'made', 1, { idempotencyKey: 'k' })
  const second = outbox.enqueueMany(place.bob, [{ topic: 'made', payload: 2, idempotencyKey: 'k' }])
  await until(
    async () =>
      (
        await place.admin(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
      ).length > 0,
  )
  await first.commit().execute()
  expect(await second).toEqual([id])
})

test('without a connect timeout a subscription connects all the same', async () => {
  await using place = await openPlace('server')
  await using db = createDatabase({ connection: place.url as string, pool: { connectTimeoutMs: 0 } })
  const subscription = subscribe(db, any)
  await subscription.ready
  await subscription[Symbol.asyncDispose]()
})

test('on an embedded database a subscription may begin inside a transaction, and a long one ends none', async () => {
  await using place = await openPlace('embedded')
  const subscription = await place.ada.transaction(async (trx) => {
    const begun = subscribe(place.db, any)
    await notify(trx, any, 1)
    return begun
  })
  await subscription.ready
  await notify(place.ada, any, 2)
  expect(await take(subscription, 1)).toMatchObject([{ payload: 2 }])
})
