/** NOTIFY and LISTEN: payloads, names, transactions, losses. */
import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineChannel, type Gap, notify, subscribe } from '../../../src/events/index.ts'
import { createDatabase, type TenonError } from '../../../src/index.ts'
import { createFaultProxy } from '../../support/fault-proxy.ts'
import { openStatementPooler } from '../../support/statement-pooler.ts'
import { kinds, openPlace, take, until } from './places.ts'

const orders = defineChannel('orders', z.object({ id: z.number() }))

test.each(kinds)('payloads arrive checked, in the order of commits, and not when rolled back (%s)', async (kind) => {
  await using place = await openPlace(kind)
  const subscription = subscribe(place.db, orders)
  await subscription.ready
  await notify(place.ada, orders, { id: 1 })
  await place.ada
    .transaction(async (trx) => {
      await notify(trx, orders, { id: 2 })
      throw new Error('no')
    })
    .catch(() => {})
  await place.ada.transaction(async (trx) => {
    await notify(trx, orders, { id: 3 })
    await notify(trx, orders, { id: 4 })
  })
  const events = await take(subscription, 3)
  expect(events.map(({ payload }) => payload)).toEqual([{ id: 1 }, { id: 3 }, { id: 4 }])
  await subscription[Symbol.asyncDispose]()
  expect(await subscription.next()).toEqual({ done: true, value: undefined })
})

test.each(kinds)('several subscriptions share one connection, and each gets everything (%s)', async (kind) => {
  await using place = await openPlace(kind)
  const others = defineChannel<string>('others')
  const all = [subscribe(place.db, orders), subscribe(place.db, orders), subscribe(place.db, others)] as const
  await Promise.all(all.map(({ ready }) => ready))
  await notify(place.ada, orders, { id: 1 })
  await notify(place.ada, others, 'x')
  expect(await take(all[0], 1)).toMatchObject([{ payload: { id: 1 } }])
  expect(await take(all[1], 1)).toMatchObject([{ payload: { id: 1 } }])
  expect(await take(all[2], 1)).toMatchObject([{ payload: 'x' }])
  if (kind === 'server') {
    const listening = await place.admin(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and query ilike 'listen%'`,
    )
    expect(listening).toEqual([{ n: 1 }])
    expect(place.db.stats().sessions.total, 'the pool has not lost a connection to it').toBeLessThanOrEqual(5)
  }
})

test.each(kinds)('what cleans up after a statement leaves subscriptions alone (%s)', async (kind) => {
  await using place = await openPlace(kind, `create function public.f() returns int language sql return 1`)
  const subscription = subscribe(place.db, orders)
  await subscription.ready
  // A function off the list of harmless ones: UNLISTEN * follows it.
  await place.ada.selectNoFrom((eb) => eb.fn('public.f', []).as('n')).execute()
  await notify(place.ada, orders, { id: 9 })
  expect(await take(subscription, 1)).toMatchObject([{ payload: { id: 9 } }])
})

test('a name of any length is one channel, and two that begin alike stay two', async () => {
  await using place = await openPlace('server')
  const long = 'a tenant with a long name, '.repeat(4)
  const first = defineChannel<number>(`${long}1`)
  const second = defineChannel<number>(`${long}2`)
  for (const { id } of [first, second, orders.of('ä'.repeat(60)), defineChannel('x~y'), defineChannel('"; drop --')])
    expect(Buffer.byteLength(id)).toBeLessThanOrEqual(63)
  const one = subscribe(place.db, first)
  const two = subscribe(place.db, second)
  await Promise.all([one.ready, two.ready])
  await notify(place.ada, second, 2)
  await notify(place.ada, first, 1)
  expect(await take(one, 1)).toMatchObject([{ payload: 1 }])
  expect(await take(two, 1)).toMatchObject([{ payload: 2 }])
  const odd = defineChannel<string>('"; drop table x; --')
  const three = subscribe(place.db, odd)
  await three.ready
  await notify(place.ada, odd, 'held')
  expect(await take(three, 1)).toMatchObject([{ payload: 'held' }])
})

test('the control: the server itself makes one channel of two long names', async () => {
  await using place = await openPlace('server')
  const name = 'a'.repeat(63)
  const listener = subscribe(place.db, defineChannel<string>(name))
  await listener.ready
  await place.admin(`notify ${name}_of_another_tenant, '"foreign"'`)
  expect(await take(listener, 1)).toMatchObject([{ payload: 'foreign' }])
})

test('bad names and payloads are refused before the server sees them', async () => {
  await using place = await openPlace('server')
  for (const name of ['', 'a\0b', '\ud800', 7 as unknown as string])
    expect(() => defineChannel(name)).toThrow(expect.objectContaining({ code: 'EVENT_CHANNEL' }))
  const any = defineChannel<unknown>('any')
  const before = place.db.stats().roundTrips
  const refused = async (payload: unknown, code: string) =>
    expect(await notify(place.ada, any, payload).catch((error: TenonError) => error)).toMatchObject({ code })
  await refused('x'.repeat(7_998), 'EVENT_PAYLOAD')
  await refused('ä'.repeat(3_999), 'EVENT_PAYLOAD')
  await refused(undefined, 'PARAMETER_INVALID')
  await refused({ at: Number.NaN }, 'PARAMETER_INVALID')
  const error = await notify(place.ada, orders, { id: 'secret' as unknown as number }).catch((thrown) => thrown)
  expect(error).toMatchObject({ code: 'EVENT_PAYLOAD' })
  expect(JSON.stringify(error)).not.toContain('secret')
  expect(place.db.stats().roundTrips).toBe(before)
  // 7,999 bytes are what the server takes.
  await notify(place.ada, any, 'x'.repeat(7_997))
})

test('what somebody else sends is told and left out', async () => {
  await using place = await openPlace('server')
  const invalid: TenonError[] = []
  const subscription = subscribe(place.db, orders, { onInvalid: (error) => invalid.push(error) })
  await subscription.ready
  await place.admin(
    `select pg_notify('orders', 'no json'), pg_notify('orders', '{"id": "x"}'), pg_notify('orders', '')`,
  )
  await notify(place.ada, orders, { id: 5 })
  expect(await take(subscription, 1)).toMatchObject([{ payload: { id: 5 } }])
  expect(invalid.map(({ code }) => code)).toEqual(['EVENT_PAYLOAD', 'EVENT_PAYLOAD', 'EVENT_PAYLOAD'])
})

test('a signal ends the iteration, and so does closing the database', async () => {
  await using place = await openPlace('server')
  const controller = new AbortController()
  const first = subscribe(place.db, orders, { signal: controller.signal })
  await first.ready
  const pending = first.next()
  controller.abort()
  expect(await pending).toEqual({ done: true, value: undefined })
  const already = subscribe(place.db, orders, { signal: controller.signal })
  expect(await already.next()).toEqual({ done: true, value: undefined })
  const second = subscribe(place.db, orders)
  await second.ready
  const waiting = second.next()
  await place.db.close()
  expect(await waiting).toEqual({ done: true, value: undefined })
  expect(await subscribe(place.db, orders).next()).toEqual({ done: true, value: undefined })
})

test('a connection that an administrator ends is opened again, and the gap is told', async () => {
  await using place = await openPlace('server')
  const gaps: Gap[] = []
  const subscription = subscribe(place.db, orders, { onGap: (gap) => gaps.push(gap) })
  await subscription.ready
  for (let kill = 1; kill <= 5; kill++) {
    await place.admin(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%'`,
    )
    await until(() => gaps.length === kill)
    await notify(place.ada, orders, { id: kill })
    expect(await take(subscription, 1)).toMatchObject([{ payload: { id: kill } }])
  }
  expect(gaps).toEqual(Array(5).fill({ reason: 'reconnect' }))
  expect(place.events.filter(({ type }) => type === 'listen').map((event) => 'state' in event && event.state)).toEqual([
    'ready',
    ...Array(5).fill(['lost', 'ready']).flat(),
  ])
})

test('a slow consumer costs no memory: what waits is dropped, and told once', async () => {
  await using place = await openPlace('server')
  const gaps: Gap[] = []
  const subscription = subscribe(place.db, orders, { maxQueued: 10, onGap: (gap) => gaps.push(gap) })
  await subscription.ready
  await place.admin(`select pg_notify('orders', '{"id": ' || n || '}') from generate_series(1, 1005) n`)
  await place.admin(`select pg_notify('orders', '{"id": 2000}')`)
  await until(async () => gaps.length > 0)
  const marker = subscribe(place.db, defineChannel('marker'))
  await marker.ready
  await place.admin(`select pg_notify('marker', '1')`)
  await take(marker, 1)
  const [first] = await take(subscription, 1)
  expect(first?.payload.id).toBeGreaterThan(990)
  expect(gaps).toEqual([{ reason: 'overflow' }])
  expect(() => subscribe(place.db, orders, { maxQueued: 0 })).toThrow(
    expect.objectContaining({ code: 'OPTION_INVALID' }),
  )
})

test('what can never connect ends the iteration with its error', async () => {
  await using place = await openPlace('server')
  const wrong = new URL(place.url as string)
  wrong.password = 'wrong'
  await using db = createDatabase({ connection: place.url as string, listen: { connection: wrong.href } })
  const subscription = subscribe(db, orders)
  expect(await subscription.ready.catch((error: TenonError) => error.code)).toBe('CONNECTION_AUTH')
  expect(await subscription.next().catch((error: TenonError) => error.code)).toBe('CONNECTION_AUTH')
})

test('a server that is away when the subscription begins is waited for', async () => {
  await using place = await openPlace('server')
  await using proxy = await createFaultProxy(place.url as string)
  await using db = createDatabase({
    connection: place.url as string,
    listen: { connection: proxy.through(place.url as string) },
  })
  await proxy.refuse()
  const subscription = subscribe(db, orders)
  await new Promise((resolve) => setTimeout(resolve, 100))
  await proxy.accept()
  await subscription.ready
  await notify(place.ada, orders, { id: 1 })
  expect(await take(subscription, 1)).toMatchObject([{ payload: { id: 1 } }])
})

test('a half-open socket is found by the heartbeat', { timeout: 40_000 }, async () => {
  await using place = await openPlace('server')
  await using proxy = await createFaultProxy(place.url as string)
  const gaps: Gap[] = []
  const states: unknown[] = []
  await using db = createDatabase({
    connection: place.url as string,
    listen: { connection: proxy.through(place.url as string) },
    observe: (event) => event.type === 'listen' && states.push(event.state),
  })
  const subscription = subscribe(db, orders, { onGap: (gap) => gaps.push(gap) })
  await subscription.ready
  proxy.set({ blackHole: true })
  await notify(place.ada, orders, { id: 1 })
  // 10 s until the server is asked, 5 s for its answer.
  await until(() => states.includes('lost'), 20_000)
  proxy.breakAll()
  proxy.set({ blackHole: false })
  await until(() => gaps.length === 1, 10_000)
  await notify(place.ada, orders, { id: 2 })
  expect(await take(subscription, 1)).toMatchObject([{ payload: { id: 2 } }])
})

test('a pooler that gives each transaction another connection is refused', async () => {
  await using place = await openPlace('server')
  const pooler = await openStatementPooler(place.url as string, 2)
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => pooler.close())
  await using db = createDatabase({ connection: pooler.url })
  const subscription = subscribe(db, orders)
  expect(await subscription.next().catch((error: TenonError) => error)).toMatchObject({ code: 'EVENT_POOLED' })
})

test('closing the database wakes who waits for a better time', async () => {
  await using place = await openPlace('server')
  await using proxy = await createFaultProxy(place.url as string)
  await proxy.refuse()
  let attempts = 0
  const db = createDatabase({
    connection: place.url as string,
    listen: { connection: proxy.through(place.url as string) },
    observe: (event) => {
      if (event.type === 'listen' && event.state === 'failed') attempts += 1
    },
  })
  const waiting = subscribe(db, orders).next()
  // The pause after the seventh attempt is one of more than half a second.
  await until(() => attempts === 7)
  const closed = performance.now()
  await db.close()
  expect(await waiting).toEqual({ done: true, value: undefined })
  expect(performance.now() - closed).toBeLessThan(300)
})

test('closing the database does not wait for a server that does not answer', async () => {
  await using place = await openPlace('server')
  await using proxy = await createFaultProxy(place.url as string)
  proxy.set({ blackHole: true })
  const db = createDatabase({
    connection: place.url as string,
    listen: { connection: proxy.through(place.url as string) },
  })
  const waiting = subscribe(db, orders).next()
  await new Promise((resolve) => setTimeout(resolve, 100))
  const closed = performance.now()
  await db.close()
  expect(await waiting).toEqual({ done: true, value: undefined })
  expect(performance.now() - closed).toBeLessThan(300)
})

test('who asks for several events before the first has come gets them in their order', async () => {
  await using place = await openPlace('server')
  const subscription = subscribe(place.db, orders)
  await subscription.ready
  const asked = [subscription.next(), subscription.next(), subscription.next()]
  await notify(place.ada, orders, { id: 1 })
  await notify(place.ada, orders, { id: 2 })
  expect((await Promise.all(asked.slice(0, 2))).map(({ value }) => value?.payload.id)).toEqual([1, 2])
  await subscription[Symbol.asyncDispose]()
  expect(await asked[2]).toEqual({ done: true, value: undefined })
})

test('keys of keys are never those of others', () => {
  const pairs = ['x:', ':x', 'x', ':', '%3A', '%', '%25'].flatMap((first) =>
    ['b', ':b', 'b:', ':', '%3A'].map((second) => [first, second] as const),
  )
  const ids = pairs.map(([first, second]) => orders.of(first).of(second).id)
  expect(new Set(ids).size).toBe(pairs.length)
})
