/** sql/modules/outbox: events that are written with the data, and taken by relays at least once and in order. */
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { applySql, type Caller, describeModule, type Engine, revertSql, sqlOf, sqlstateOf } from './engines.ts'

const describeOutbox = (path: string, tests: (engine: () => Engine) => void): void =>
  describeModule(path, ['outbox'], (engine) => {
    beforeEach(() => engine().script('truncate tenon.outbox restart identity; delete from tenon.outbox_keys'))
    tests(engine)
  })

const ada: Caller = { role: 'authenticated', claims: { sub: 'ada' } }
const texts = (rows: readonly Readonly<Record<string, unknown>>[], field: string) =>
  rows.map((row) => String(row[field]))

describeOutbox('sql/modules/outbox/0001_outbox.sql', (engine) => {
  const enqueue = (topic: string, more = '') =>
    engine().as(ada, (query) => query(`select tenon.enqueue('${topic}'${more}) as id`))

  it('writes an event with the data, and not at all when the transaction is rolled back', async () => {
    await enqueue('order.made', `, '{"id": 7}', 'order-7', '{"v": 1}'`)
    await engine()
      .as(ada, async (query) => {
        await query(`select tenon.enqueue('order.lost')`)
        await query('select 1 / 0')
      })
      .catch(() => {})
    expect(
      await engine().admin(
        'select topic, key, payload, headers, enqueued_by, enqueued_role, attempts from tenon.outbox',
      ),
    ).toEqual([
      {
        topic: 'order.made',
        key: 'order-7',
        payload: { id: 7 },
        headers: { v: 1 },
        enqueued_by: 'ada',
        enqueued_role: 'authenticated',
        attempts: 0,
      },
    ])
  })

  it('writes an idempotency key once per topic, and returns the first id', async () => {
    const [first] = await enqueue('t', `, idempotency_key => 'k'`)
    expect(await enqueue('t', `, idempotency_key => 'k'`)).toEqual([first])
    await enqueue('u', `, idempotency_key => 'k'`)
    expect(await engine().admin('select from tenon.outbox')).toHaveLength(2)
  })

  it('shows sessions nothing and lets them write nothing but events', async () => {
    await enqueue('t')
    for (const text of [
      'select from tenon.outbox',
      'delete from tenon.outbox',
      `insert into tenon.outbox (topic) values ('x')`,
      'select from tenon.outbox_keys',
      `select * from tenon.claim_events('w')`,
      `select tenon.purge_events('0')`,
    ])
      expect(await sqlstateOf(engine().as(ada, (query) => query(text)))).toBe('42501')
    expect(await sqlstateOf(engine().as({ role: 'anon' }, (query) => query(`select tenon.enqueue('t')`)))).toBe('42501')
    expect(
      await engine().as({ role: 'service_role' }, (query) => query('select topic from tenon.outbox')),
      'the control',
    ).toEqual([{ topic: 't' }])
  })

  it.each([
    ['an empty topic', `''`],
    ['headers that are no object', `'t', '{}', null, '[]'`],
    ['a payload of null', `'t', null`],
  ])('refuses %s', async (_, values) => {
    expect(await sqlstateOf(engine().as(ada, (query) => query(`select tenon.enqueue(${values})`)))).toMatch(/^23/)
  })
})

describeOutbox('sql/modules/outbox/0002_relay.sql', (engine) => {
  const enqueue = (topic: string, key: string | null = null) =>
    engine().admin('select tenon.enqueue($1, key => $2)', [topic, key])
  const claim = (worker: string, more = '') =>
    engine().as({ role: 'service_role' }, (query) => query(`select * from tenon.claim_events('${worker}'${more})`))
  const complete = (worker: string, ids: readonly unknown[]) =>
    engine().as({ role: 'service_role' }, (query) =>
      query('select tenon.complete_events($1, $2::bigint[]) as id', [worker, ids]),
    )
  const fail = async (worker: string, id: unknown, retry: string | null, more = '') =>
    (
      await engine().as({ role: 'service_role' }, (query) =>
        query(`select tenon.fail_event($1, $2, 'E_NET', $3::interval${more}) as outcome`, [worker, id, retry]),
      )
    )[0]?.['outcome']

  it('hands an event to one worker until the lease ends, and then to the next', async () => {
    await enqueue('t')
    expect(await claim('a')).toMatchObject([{ topic: 't', attempts: 1 }])
    expect(await claim('b')).toEqual([])
    await engine().script(`update tenon.outbox set claimed_until = now() - interval '1 second'`)
    const [again] = await claim('b')
    expect(again).toMatchObject({ attempts: 2 })
    expect(await complete('a', [again?.['id']]), 'who lost it cannot complete it').toEqual([])
    expect(await complete('b', [again?.['id']])).toHaveLength(1)
    expect(await claim('a')).toEqual([])
  })

  it('hands out the events of a key one after the other, through failures', async () => {
    for (const topic of ['one', 'two', 'three']) await enqueue(topic, 'k')
    await enqueue('free')
    const [first, free] = await claim('a')
    expect([first?.['topic'], free?.['topic']]).toEqual(['one', 'free'])
    expect(await fail('a', first?.['id'], '1 hour')).toBe('waiting')
    expect(await claim('b'), 'two waits for one, although that is not due').toEqual([])
    await engine().script('update tenon.outbox set available_at = now() where delivered_at is null')
    const order: string[] = []
    for (let event = (await claim('b'))[0]; event !== undefined; event = (await claim('b'))[0]) {
      order.push(String(event['topic']))
      await complete('b', [event['id']])
    }
    expect(order).toEqual(['one', 'two', 'three'])
  })

  it('gives up after the attempts it is told, lets the key go on, and revives', async () => {
    await enqueue('bad', 'k')
    await enqueue('next', 'k')
    const [bad] = await claim('a', ', max_attempts => 1')
    expect(await fail('a', bad?.['id'], '0', ', 1')).toBe('dead')
    expect(texts(await claim('a'), 'topic')).toEqual(['next'])
    expect(await engine().admin('select last_error from tenon.outbox where dead_at is not null')).toEqual([
      { last_error: 'E_NET' },
    ])
    await engine().admin('select tenon.revive_events($1::bigint[])', [[bad?.['id']]])
    expect(await engine().admin('select from tenon.outbox where dead_at is not null')).toEqual([])
  })

  it('counts a worker that died with an event', async () => {
    await enqueue('poison')
    for (let attempt = 1; attempt <= 2; attempt++) {
      expect(await claim('a', ', max_attempts => 2')).toHaveLength(1)
      await engine().script(`update tenon.outbox set claimed_until = now() - interval '1 second'`)
    }
    expect(await claim('a', ', max_attempts => 2'), 'it is told once, and not to be handled').toMatchObject([
      { topic: 'poison', dead: true, attempts: 2 },
    ])
    expect(await claim('a', ', max_attempts => 2')).toEqual([])
    expect(await engine().admin('select last_error from tenon.outbox where dead_at is not null')).toEqual([
      { last_error: 'the lease ended' },
    ])
  })

  it('extends a lease, releases what was not tried, filters topics, and purges what is delivered', async () => {
    await enqueue('a')
    await enqueue('b')
    const events = await claim('w', `, topics => array['b']`)
    expect(texts(events, 'topic')).toEqual(['b'])
    const ids = [events[0]?.['id']]
    const serve = (text: string) => engine().as({ role: 'service_role' }, (query) => query(text, ['w', ids]))
    expect(await serve(`select tenon.extend_events($1, $2::bigint[], '1 hour')`)).toHaveLength(1)
    expect(await serve('select tenon.release_events($1, $2::bigint[])')).toHaveLength(1)
    const [again] = await claim('w', `, topics => array['b']`)
    expect(again).toMatchObject({ attempts: 1 })
    await complete('w', [again?.['id']])
    expect(await engine().admin(`select tenon.purge_events('-1 second') as n`)).toEqual([{ n: 1 }])
    expect(texts(await engine().admin('select topic from tenon.outbox'), 'topic')).toEqual(['a'])
  })

  it('claims by an index, however many events are delivered', async () => {
    await engine().script(`insert into tenon.outbox (topic, payload, headers, enqueued_role, available_at, delivered_at)
      select 't', '{}', '{}', 'r', now(), now() from generate_series(1, 100000); analyze tenon.outbox`)
    const plan = JSON.stringify(
      await engine().admin(`explain select id from tenon.outbox where key is null and delivered_at is null and dead_at is null
        and available_at <= now() order by available_at, id limit 10`),
    )
    expect(plan).toContain('outbox_free_idx')
  })

  it('hands out the events of a key in a row where it is asked to, up to one that is not due or of another topic', async () => {
    for (const topic of ['a', 'a', 'a', 'b', 'a']) await enqueue(topic, 'k')
    await enqueue('a', 'l')
    const run = await claim('w', `, topics => array['a'], per_key => 10`)
    expect(run.map(({ id, key }) => `${key}${id}`)).toEqual(['k1', 'k2', 'k3', 'l6'])
    expect(await claim('v', ', per_key => 10'), 'the key is taken').toEqual([])
    await complete('w', [run[0]?.['id']])
    expect(await claim('v', ', per_key => 10'), 'it still is').toEqual([])
    expect(await fail('w', run[1]?.['id'], '1 hour')).toBe('waiting')
    await engine().as({ role: 'service_role' }, (query) =>
      query('select tenon.release_events($1, $2::bigint[])', ['w', [run[2]?.['id']]]),
    )
    expect(await claim('v', ', per_key => 10'), 'the second is not due, and those behind it wait').toEqual([])
    await engine().script('update tenon.outbox set available_at = now() where delivered_at is null')
    expect(texts(await claim('v', ', per_key => 2'), 'id')).toEqual(['2', '3'])
  })

  it('finds other keys behind thousands of events of one that is taken', async () => {
    await engine().script(`select tenon.enqueue_many((select jsonb_agg(jsonb_build_object('topic', 't', 'key', 'hot', 'payload', '{}')) from generate_series(1, 3000)));
      select tenon.enqueue('t', key => 'cold' || n) from generate_series(1, 5) n; select tenon.enqueue('free')`)
    expect(texts(await claim('a', ', batch => 2'), 'key')).toEqual(expect.arrayContaining(['hot']))
    const found = await claim('b', ', batch => 10')
    expect(new Set(texts(found, 'key'))).toEqual(new Set(['cold1', 'cold2', 'cold3', 'cold4', 'cold5']))
  })

  it('is taken back and made again', async () => {
    await revertSql(engine(), 'outbox')
    expect(await engine().admin(`select to_regclass('tenon.outbox') as made`)).toEqual([{ made: null }])
    for (const version of ['0001', '0002']) await engine().script(sqlOf('outbox', version))
    await enqueue('t')
  })
})

describe('Relays beside writers', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  const clients: Client[] = []
  const connect = async () => {
    const client = new Client(database.adminUrl)
    await client.connect()
    clients.push(client)
    return client
  }
  beforeAll(async () => {
    database = await createTestDatabase({ servers: inject('servers') })
    const admin = await connect()
    await applySql({ script: async (text) => void (await admin.query(text)) }, ['outbox'])
  })
  afterAll(async () => {
    for (const client of clients) await client.end()
    await database.drop()
  })

  it('lose no event and share none, where a reader by "id > cursor" loses what was committed late (the control)', {
    timeout: 60_000,
  }, async () => {
    const writers = await Promise.all([connect(), connect(), connect()])
    const [reader, ...relays] = await Promise.all([connect(), connect(), connect()])
    let writing = true
    const written = Promise.all(
      writers.map(async (client, w) => {
        for (let i = 0; i < 100; i++) {
          await client.query('begin')
          await client.query('select tenon.enqueue($1, key => $2)', [`w${w}-${i}`, i % 2 === 0 ? `k${w}` : null])
          // One of them commits later than it has taken its ids.
          if (w === 0) await client.query('select pg_sleep(0.002)')
          await client.query('commit')
        }
      }),
    ).then(() => {
      writing = false
    })
    const naive: string[] = []
    const reading = (async () => {
      let cursor = '0'
      for (let last = false; ; ) {
        const { rows } = await reader.query('select id, topic from tenon.outbox where id > $1 order by id', [cursor])
        for (const row of rows) naive.push(row.topic)
        cursor = rows.at(-1)?.id ?? cursor
        if (last) return
        last = !writing
      }
    })()
    const seen: string[] = []
    const relaying = relays.map(async (client, r) => {
      for (let idle = 0; idle < 3; ) {
        const { rows } = await client.query('select id, topic from tenon.claim_events($1, 7)', [`relay-${r}`])
        seen.push(...rows.map((row) => row.topic))
        await client.query('select tenon.complete_events($1, $2::bigint[])', [`relay-${r}`, rows.map((row) => row.id)])
        idle = rows.length === 0 && !writing ? idle + 1 : 0
      }
    })
    await Promise.all([written, reading, ...relaying])
    expect(seen).toHaveLength(300)
    expect(new Set(seen).size).toBe(300)
    expect(new Set(naive).size, 'the control').toBeLessThan(300)
    for (const w of [0, 1, 2]) {
      const ofKey = seen.filter((topic) => topic.startsWith(`w${w}-`) && Number(topic.split('-')[1]) % 2 === 0)
      expect(ofKey).toEqual(ofKey.toSorted((a, b) => Number(a.split('-')[1]) - Number(b.split('-')[1])))
    }
  })
})
