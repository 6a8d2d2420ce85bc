/** The outbox: events with the data or not at all, to handlers at least once and in order. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  createOutbox,
  createRelay,
  type Handlers,
  type OutboxEvent,
  type RelayFailure,
  type RelayOptions,
} from '../../../src/events/index.ts'
import { createDatabase, type Database, type TenonError } from '../../../src/index.ts'
import { createFaultProxy } from '../../support/fault-proxy.ts'
import { kinds, openPlace, type Place, until } from './places.ts'

const outbox = createOutbox({ made: z.object({ n: z.number() }), free: undefined })
type Topics = typeof outbox.topics

/** Runs a relay for as long as the callback does. */
async function relaying<T>(
  { db }: Place,
  handlers: Handlers<Topics>,
  options: RelayOptions,
  callback: (relay: ReturnType<typeof createRelay>) => Promise<T>,
): Promise<T> {
  const relay = createRelay(db, outbox, handlers, options)
  const controller = new AbortController()
  const running = relay.run({ signal: controller.signal, drainMs: 2_000 })
  try {
    return await callback(relay)
  } finally {
    controller.abort()
    await running
  }
}

test.each(kinds)(
  'an event is delivered with what the session was, and not when its transaction is rolled back (%s)',
  async (kind) => {
    await using place = await openPlace(kind)
    const seen: OutboxEvent[] = []
    const id = await place.ada.transaction((trx) =>
      outbox.enqueue(trx, 'made', { n: 1 }, { key: 'k', headers: { trace: 'x' }, idempotencyKey: 'once' }),
    )
    expect(await outbox.enqueue(place.ada, 'made', { n: 2 }, { idempotencyKey: 'once' })).toBe(id)
    await place.ada
      .transaction(async (trx) => {
        await outbox.enqueue(trx, 'made', { n: 3 })
        throw new Error('no')
      })
      .catch(() => {})
    await relaying(place, { made: (event) => void seen.push(event) }, {}, async (relay) => {
      await until(() => relay.stats().delivered === 1)
      // What is enqueued while it waits comes at once, not with the next poll.
      await outbox.enqueue(place.bob, 'made', { n: 4 })
      await until(() => relay.stats().delivered === 2, 2_000)
    })
    expect(seen).toMatchObject([
      {
        id,
        topic: 'made',
        key: 'k',
        payload: { n: 1 },
        headers: { trace: 'x' },
        idempotencyKey: 'once',
        enqueuedBy: 'ada',
        enqueuedRole: 'authenticated',
        attempts: 1,
      },
      { payload: { n: 4 }, key: null, enqueuedBy: 'bob' },
    ])
    expect(seen[0]?.createdAt).toBeInstanceOf(Date)
  },
)

test.each(kinds)('many are enqueued in one statement, in their order, each idempotency key once (%s)', async (kind) => {
  await using place = await openPlace(kind)
  const before = place.db.stats().roundTrips
  await outbox.enqueue(place.ada, 'made', { n: 0 }, { idempotencyKey: 'there' })
  const ids = await outbox.enqueueMany(place.ada, [
    { topic: 'made', payload: { n: 1 }, key: 'b' },
    { topic: 'made', payload: { n: 2 }, key: 'a', idempotencyKey: 'twice' },
    { topic: 'free', payload: ['any', null], headers: { h: 1 } },
    { topic: 'made', payload: { n: 3 }, idempotencyKey: 'twice' },
    { topic: 'made', payload: { n: 4 }, idempotencyKey: 'there' },
    { topic: 'made', payload: { n: 5 }, availableAt: new Date(Date.now() + 3_600_000) },
  ])
  expect(place.db.stats().roundTrips - before).toBeLessThanOrEqual(4)
  expect(ids).toHaveLength(6)
  expect(ids[3]).toBe(ids[1])
  expect(Number(ids[2])).toBeGreaterThan(Number(ids[1]))
  expect(
    await place.admin(
      'select id::text, topic, key, payload, headers from tenon.outbox where available_at <= now() order by id',
    ),
  ).toEqual([
    { id: ids[4], topic: 'made', key: null, payload: { n: 0 }, headers: {} },
    { id: ids[0], topic: 'made', key: 'b', payload: { n: 1 }, headers: {} },
    { id: ids[1], topic: 'made', key: 'a', payload: { n: 2 }, headers: {} },
    { id: ids[2], topic: 'free', key: null, payload: ['any', null], headers: { h: 1 } },
  ])
  expect(await outbox.enqueueMany(place.ada, [])).toEqual([])
})

test('bad topics, payloads and keys are refused before the server sees them', async () => {
  await using place = await openPlace('server')
  await outbox.enqueue(place.ada, 'free', 1)
  const before = place.db.stats().roundTrips
  const loose = outbox as unknown as { enqueue(...args: unknown[]): Promise<string> }
  const codeOf = (...args: unknown[]) => loose.enqueue(place.ada, ...args).catch((error: TenonError) => error.code)
  expect(await codeOf('other', {})).toBe('EVENT_CHANNEL')
  expect(await codeOf('made', { n: 'x' })).toBe('EVENT_PAYLOAD')
  expect(await codeOf('free', undefined)).toBe('PARAMETER_INVALID')
  expect(await codeOf('free', 1, { key: '' })).toBe('EVENT_CHANNEL')
  expect(await codeOf('free', 1, { key: 'x'.repeat(401) })).toBe('EVENT_CHANNEL')
  expect(await codeOf('free', 1, { idempotencyKey: 'a\0b' })).toBe('EVENT_CHANNEL')
  expect(await codeOf('free', 1, { availableAt: new Date(Number.NaN) })).toBe('EVENT_PAYLOAD')
  expect(() => createOutbox({ ['x'.repeat(201)]: undefined })).toThrow(
    expect.objectContaining({ code: 'EVENT_CHANNEL' }),
  )
  expect(place.db.stats().roundTrips).toBe(before)
  expect(() => createRelay(place.db, outbox, {}, { batch: 0 })).toThrow(
    expect.objectContaining({ code: 'OPTION_INVALID' }),
  )
})

test.each(kinds)('events of a key are handled one after the other, others at the same time (%s)', async (kind) => {
  await using place = await openPlace(kind)
  const keys = ['a', 'b', 'c']
  await outbox.enqueueMany(
    place.ada,
    Array.from({ length: 90 }, (_, n) => ({ topic: 'made' as const, payload: { n }, key: keys[n % 3] as string })),
  )
  const order: Record<string, number[]> = { a: [], b: [], c: [] }
  const running = new Set<string>()
  let together = 0
  const handle = async ({ key, payload }: OutboxEvent<{ n: number }>) => {
    expect(running.has(key as string), 'another of its key is being handled').toBe(false)
    running.add(key as string)
    together = Math.max(together, running.size)
    await delay(payload.n % 2)
    order[key as string]?.push(payload.n)
    running.delete(key as string)
  }
  await relaying(place, { made: handle }, { batch: 20, perKey: 5 }, (relay) =>
    until(() => relay.stats().delivered === 90),
  )
  for (const [i, key] of keys.entries()) expect(order[key]).toEqual(Array.from({ length: 30 }, (_, n) => n * 3 + i))
  expect(together).toBe(3)
})

test.each(kinds)('a failed event is tried again before those of its key, and is dead in the end (%s)', async (kind) => {
  await using place = await openPlace(kind)
  await outbox.enqueueMany(place.ada, [
    { topic: 'made', payload: { n: 1 }, key: 'k' },
    { topic: 'made', payload: { n: 2 }, key: 'k' },
    { topic: 'made', payload: { n: 3 }, key: 'k' },
    { topic: 'free', payload: 'hopeless' },
  ])
  const seen: number[] = []
  const failures: RelayFailure[] = []
  class MailError extends Error {
    override readonly name = 'MailError'
  }
  const made = ({ payload, attempts }: OutboxEvent<{ n: number }>) => {
    seen.push(payload.n)
    if (payload.n === 1 && attempts < 3) throw new MailError('ada@example.com is unknown')
    if (payload.n === 2) throw Object.assign(new Error('no'), { code: 'E_NET' })
  }
  const options = { retryInMs: () => 1, maxAttempts: 3, onFailure: (failure: RelayFailure) => failures.push(failure) }
  await relaying(place, { made }, options, (relay) => until(() => relay.stats().delivered === 2))
  expect(seen).toEqual([1, 1, 1, 2, 2, 2, 3])
  expect(failures.map(({ attempts, dead }) => [attempts, dead])).toEqual([
    [1, false],
    [2, false],
    [1, false],
    [2, false],
    [3, true],
  ])
  expect(await place.admin('select payload, last_error, attempts from tenon.outbox where dead_at is not null')).toEqual(
    [{ payload: { n: 2 }, last_error: 'E_NET', attempts: 3 }],
  )
  expect(
    await place.admin(`select topic, attempts from tenon.outbox where delivered_at is null and dead_at is null`),
    'without a handler',
  ).toEqual([{ topic: 'free', attempts: 0 }])
})

test('a payload that does not fit is dead at once', async () => {
  await using place = await openPlace('server')
  await place.admin(`select tenon.enqueue('made', '{"n": "x"}')`)
  await relaying(place, { made: () => {} }, {}, (relay) => until(() => relay.stats().dead === 1))
  expect(await place.admin('select last_error from tenon.outbox where dead_at is not null')).toEqual([
    { last_error: 'EVENT_PAYLOAD' },
  ])
})

test('a relay that stops ends what it handles and gives back the rest, untried', async () => {
  await using place = await openPlace('server')
  await outbox.enqueueMany(
    place.ada,
    Array.from({ length: 50 }, (_, n) => ({ topic: 'made' as const, payload: { n } })),
  )
  let begun = 0
  await relaying(
    place,
    {
      made: async () => {
        begun += 1
        await delay(50)
      },
    },
    { concurrency: 5 },
    () => until(() => begun === 5),
  )
  expect(
    await place.admin(
      'select count(*) filter (where delivered_at is not null)::int as delivered, count(*) filter (where attempts = 0)::int as untried from tenon.outbox',
    ),
  ).toEqual([{ delivered: begun, untried: 50 - begun }])
})

test('a handler that takes longer than the lease keeps its event', async () => {
  await using place = await openPlace('server')
  await outbox.enqueue(place.ada, 'made', { n: 1 })
  let runs = 0
  const made = async () => {
    runs += 1
    await delay(1_500)
  }
  await relaying(place, { made }, { leaseMs: 300, pollMs: 50 }, () =>
    relaying(place, { made }, { leaseMs: 300, pollMs: 50 }, () =>
      until(async () => (await place.admin('select from tenon.outbox where delivered_at is not null')).length === 1),
    ),
  )
  expect(runs).toBe(1)
})

test('an event that was lost to another worker is aborted', async () => {
  await using place = await openPlace('server')
  await outbox.enqueue(place.ada, 'made', { n: 1 })
  let aborted = false
  const made = async (_: unknown, { signal }: { signal: AbortSignal }) => {
    await place.admin(`update tenon.outbox set claimed_by = 'another', claimed_until = now() + interval '1 hour'`)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    aborted = true
  }
  await relaying(place, { made }, { leaseMs: 300 }, () => until(() => aborted))
  expect(
    await place.admin('select claimed_by, delivered_at from tenon.outbox'),
    'it is not ended for the other one',
  ).toEqual([{ claimed_by: 'another', delivered_at: null }])
})

test('sessions enqueue and do no more, and a relay without the module or the service says so', async () => {
  await using place = await openPlace('server')
  await outbox.enqueue(place.ada, 'free', 1)
  const denied = await place.ada
    .selectFrom('tenon.outbox' as never)
    .selectAll()
    .execute()
    .catch((error: TenonError) => error.code)
  expect(denied).toBe('ACCESS_DENIED')
  await using lonely = createDatabase({ connection: place.url as string })
  expect(() => createRelay(lonely, outbox, {})).toThrow(expect.objectContaining({ code: 'SERVICE_MISSING' }))
  await place.admin('drop schema tenon cascade')
  const relay = createRelay(place.db, outbox, { free: () => {} })
  expect(await relay.run({ signal: new AbortController().signal }).catch((error: TenonError) => error.code)).toBe(
    'QUERY_UNDEFINED_OBJECT',
  )
})

test('a relay that has nothing to do, and one that waits before it asks again, end when the database is closed', async () => {
  await using place = await openPlace('server')
  await using proxy = await createFaultProxy(place.url as string)
  await proxy.refuse()
  const ended = async (
    db: Database<unknown>,
    ready: (relay: ReturnType<typeof createRelay>, errors: unknown[]) => Promise<void>,
  ) => {
    const errors: unknown[] = []
    const relay = createRelay(
      db,
      outbox,
      { free: () => {} },
      { pollMs: 60_000, onError: (error) => errors.push(error) },
    )
    const running = relay.run({ signal: new AbortController().signal }).catch((error: TenonError) => error.code)
    await ready(relay, errors)
    const closed = performance.now()
    await db.close()
    expect(await running).toBe('DATABASE_CLOSED')
    expect(performance.now() - closed).toBeLessThan(500)
  }
  const away = createDatabase({
    connection: place.url as string,
    service: { connection: proxy.through(place.url as string) },
  })
  await ended(away, async (_, errors) => await until(() => errors.length === 6))
  await ended(place.db, async (relay) => {
    await outbox.enqueue(place.ada, 'free', 1)
    await until(() => relay.stats().delivered === 1)
  })
})
