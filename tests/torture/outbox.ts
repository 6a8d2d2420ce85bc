/**
 * An outbox whose relays are killed with what they hold, and whose listening connections are cut, while writers commit early and late.
 * Every event must be delivered, those of a key in their order. `cursorControl` reads by "id > cursor" instead, and loses events.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { createOutbox, defineChannel, notify, subscribe } from '../../src/events/index.ts'
import { createDatabase } from '../../src/index.ts'
import { applyMigrations } from '../../src/migrate/index.ts'
import type { Random } from './random.ts'
import type { Tell } from './tell.ts'

export interface OutboxOptions {
  /** An administrator on a database that nobody else uses. */
  readonly url: string
  readonly random: Random
  readonly events: number
  readonly writers: number
  readonly relays: number
  readonly relayKills: number
  readonly listenerKills: number
  readonly tell?: Tell
}

/** What came of it. */
export interface OutboxReport {
  readonly events: number
  readonly relayKills: number
  readonly listenerKills: number
  readonly deliveries: number
  /** Committed events that were never delivered. */
  readonly lost: number
  /** Events of transactions that were rolled back, delivered all the same. */
  readonly ghosts: number
  /** Events whose first delivery came before that of an earlier one of their key. */
  readonly disordered: number
  /** Deliveries beyond the first: of events that a killed relay held. */
  readonly repeated: number
  /** Places where the listener did not get what it was sent. */
  readonly holes: number
  /** Gaps that it was told of: no fewer. */
  readonly gaps: number
  readonly untold: number
  readonly seconds: number
}

const program = fileURLToPath(new URL('./outbox-relay-process.ts', import.meta.url))

export async function outboxKills(options: OutboxOptions): Promise<OutboxReport> {
  const { url, random, events, writers, relays, relayKills, listenerKills, tell } = options
  const begun = performance.now()
  const db = createDatabase<never>({
    connection: url,
    service: { connection: url },
    trustLogin: true,
    pool: { max: writers },
  })
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => db.close())
  await applyMigrations(db, { modules: ['outbox'] })
  const admin = new Client(url)
  await admin.connect()
  cleanup.defer(() => admin.end())
  await admin.query('create table delivery (seq bigint generated always as identity, event_id bigint, key text, n int)')
  const outbox = createOutbox({ torture: undefined })
  const service = db.service({ actor: 'torture', reason: 'writers' })

  // Writers: each has keys that others have too; some commit late, some not at all.
  let written = 0
  let next = 0
  const write = async () => {
    while (next < events) {
      const size = Math.min(1 + random.below(20), events - next)
      const from = next
      next += size
      const fails = random.below(20) === 0
      // In one order, as rows that are updated: transactions that have keys in common wait for each other.
      const keys = Array.from({ length: size }, () => (random.below(4) === 0 ? '' : `k${random.below(200)}`)).sort()
      await service
        .transaction()
        .execute(async (trx) => {
          for (const [i, key] of keys.entries())
            await outbox.enqueue(trx, 'torture', { n: from + i, fails }, key === '' ? {} : { key })
          if (random.below(10) === 0) await delay(random.below(20))
          if (fails) throw new Error('rolled back')
          written += size
        })
        .catch((error: unknown) => {
          if (!fails) throw error
        })
    }
  }
  const writing = Promise.all(Array.from({ length: writers }, write))

  const children = new Set<ChildProcess>()
  const start = () => {
    const child = spawn(process.execPath, [program, url], { stdio: ['ignore', 'inherit', 'inherit'] })
    children.add(child)
    child.on('exit', () => children.delete(child))
  }
  cleanup.defer(async () => {
    for (const child of children) {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
  })
  for (let i = 0; i < relays; i++) start()

  // A listener of our own, which must learn of everything, or be told of a gap.
  const channel = defineChannel<number>('torture')
  let received = -1
  let holes = 0
  let gaps = 0
  const controller = new AbortController()
  const subscription = subscribe(db, channel, {
    signal: controller.signal,
    onGap: () => {
      gaps += 1
    },
  })
  const listening = (async () => {
    for await (const { payload } of subscription) {
      if (payload !== received + 1) holes += 1
      received = payload
    }
  })()
  await subscription.ready
  let sent = 0
  const kills = { relays: 0, listeners: 0 }
  const strikes = Math.max(relayKills, listenerKills)
  const killRelay = async () => {
    const victim = [...children][random.below(children.size)]
    if (victim === undefined) return
    const exited = once(victim, 'exit')
    victim.kill('SIGKILL')
    await exited
    kills.relays += 1
    start()
  }
  const striking = (async () => {
    for (let strike = 0; strike < strikes; strike++) {
      for (let i = 0; i < 20; i++) {
        await notify(service, channel, sent++)
        await delay(random.below(10))
      }
      if (kills.listeners < listenerKills) {
        const { rowCount } = await admin.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%' limit 1 offset ${random.below(relays + 1)}`,
        )
        kills.listeners += rowCount ?? 0
      }
      if (kills.relays * strikes < strike * relayKills) {
        await killRelay()
      }
      if (strike % 10 === 9)
        tell?.(`${kills.relays} relays and ${kills.listeners} listeners killed, ${written} events written`)
    }
    while (kills.listeners < listenerKills) {
      const { rowCount } = await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%' limit 1`,
      )
      kills.listeners += rowCount ?? 0
      await delay(50)
    }
    while (kills.relays < relayKills) {
      await killRelay()
      await delay(300)
    }
  })()
  await Promise.all([writing, striking])
  for (;;) {
    const { rows } = await admin.query<{ open: number }>(
      'select count(*)::int as open from tenon.outbox where delivered_at is null',
    )
    if (rows[0]?.open === 0) break
    tell?.(`${rows[0]?.open} events to be delivered`)
    await delay(1_000)
  }
  controller.abort()
  await listening
  const { rows } = await admin.query<
    Omit<OutboxReport, 'events' | 'relayKills' | 'listenerKills' | 'holes' | 'gaps' | 'untold' | 'seconds'>
  >(`
    with first as (select event_id, min(seq) as seq from delivery group by event_id),
    ordered as (
      select f.seq, max(f.seq) over (partition by o.key order by o.id rows between unbounded preceding and 1 preceding) as before
      from tenon.outbox o join first f on f.event_id = o.id where o.key is not null
    )
    select (select count(*)::int from delivery) as deliveries,
      (select count(*)::int from tenon.outbox o where not exists (select from first f where f.event_id = o.id)) as lost,
      (select count(*)::int from delivery d where not exists (select from tenon.outbox o where o.id = d.event_id)) as ghosts,
      (select count(*)::int from ordered where seq < before) as disordered,
      (select count(*)::int from delivery) - (select count(*)::int from first) as repeated`)
  return {
    events: written,
    relayKills: kills.relays,
    listenerKills: kills.listeners,
    ...(rows[0] as (typeof rows)[0]),
    holes,
    gaps,
    untold: Math.max(0, holes - gaps),
    seconds: Math.round((performance.now() - begun) / 1_000),
  }
}

/** The naive reader: it takes what has a higher id than the last one it saw, and loses what was committed late. */
export async function cursorControl({
  url,
  events,
}: {
  readonly url: string
  readonly events: number
}): Promise<{ readonly lost: number }> {
  const admin = new Client(url)
  const reader = new Client(url)
  await Promise.all([admin.connect(), reader.connect()])
  await admin.query('create table naive (id bigint generated always as identity primary key)')
  let writing = true
  const writers = Promise.all(
    Array.from({ length: 6 }, async (_, w) => {
      const client = new Client(url)
      await client.connect()
      for (let i = 0; i < events / 6; i++) {
        await client.query('begin; insert into naive default values')
        if (w === 0) await delay(2)
        await client.query('commit')
      }
      await client.end()
    }),
  ).finally(() => {
    writing = false
  })
  let cursor = 0
  let seen = 0
  for (let last = false; ; last = !writing) {
    const { rows } = await reader.query<{ id: string }>('select id from naive where id > $1 order by id', [cursor])
    seen += rows.length
    cursor = Number(rows.at(-1)?.id ?? cursor)
    if (last) break
  }
  await writers
  const { rows } = await admin.query<{ n: number }>('select count(*)::int as n from naive')
  await Promise.all([admin.end(), reader.end()])
  return { lost: (rows[0]?.n ?? 0) - seen }
}
