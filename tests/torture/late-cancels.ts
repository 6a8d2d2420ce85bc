/**
 * AbortSignals of one tenant, and the neighbours that get the connection next. A cancel request is a connection of its own and may
 * arrive late; it must never hit anybody but the statement it was meant for. `naiveControl` releases the connection without waiting for
 * the request's end, as pg leaves it to its users: it hits neighbours, which shows that this would be seen.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { Client } from 'pg'
import type { Session } from '../../src/index.ts'
import { type Ledger, type LedgerTables, tenant } from '../support/ledger.ts'
import { createCancelRelay } from './cancel-relay.ts'
import type { Random } from './random.ts'
import type { Tell } from './tell.ts'

/** What to run. */
export interface LateCancelsOptions {
  readonly ledger: Ledger
  readonly random: Random
  /** Stops once this many cancel requests have been passed on. */
  readonly cancels: number
  /** Each cancel request travels up to this long. */
  readonly longestDelayMs: number
  readonly tell?: Tell
}

/** What came of it. */
export interface LateCancelsReport {
  readonly cancels: number
  /** Statements of neighbours that somebody else's cancel ended. */
  readonly neighboursHit: number
  readonly neighbours: number
  /** Aborted work that ended with anything but its signal's reason. */
  readonly wrongReasons: readonly string[]
  /** Connections that had to be ended because a cancel could not be waited for. */
  readonly destroyed: number
}

/** The ways to run something that can be aborted. */
const kinds = ['query', 'raw statement', 'transaction', 'stream', 'stream in a transaction', 'pinned'] as const

async function slowWork(
  me: Session<LedgerTables>,
  kind: (typeof kinds)[number],
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  const sleep = sql`select pg_sleep(${seconds}::float8)`
  const rows = (on: Pick<Session<LedgerTables>, 'selectFrom'>) =>
    on
      .selectFrom(
        sql<{ n: number }>`(select n, pg_sleep(${seconds}::float8 / 3) from generate_series(1, 3) n)`.as('rows'),
      )
      .selectAll()
      .stream({ chunkSize: 1, signal })
  const read = async (stream: AsyncIterable<unknown>): Promise<void> => {
    for await (const row of stream) void row
  }
  if (kind === 'query') await sleep.execute(me, { signal })
  else if (kind === 'raw statement')
    await sql`do ${sql.raw(`$$ begin perform pg_sleep(${seconds}); end $$`)}`.execute(me, { signal })
  else if (kind === 'transaction') await me.transaction((trx) => sleep.execute(trx, { signal }))
  else if (kind === 'stream') await read(rows(me))
  else if (kind === 'stream in a transaction') await me.transaction((trx) => read(rows(trx)))
  else await me.connection().execute((one) => sleep.execute(one, { signal }))
}

/** Runs aborted work and neighbours over two connections. */
export async function lateCancels({
  ledger,
  random,
  cancels,
  longestDelayMs,
  tell,
}: LateCancelsOptions): Promise<LateCancelsReport> {
  await using relay = await createCancelRelay(ledger.loginUrl, random, longestDelayMs)
  await using db = ledger.open({ connection: relay.through(ledger.loginUrl), pool: { max: 2 } })
  const [ada, bob] = [tenant(db, 'ada'), tenant(db, 'bob')]
  const never = new AbortController().signal
  const wrongReasons: string[] = []
  let [neighboursHit, neighbours, round] = [0, 0, 0]

  const abortOne = async (): Promise<void> => {
    const controller = new AbortController()
    const reason = new Error('given up')
    const kind = random.pick(kinds)
    const seconds = random.next() * 0.003
    const aborting = delay(random.next() * 4).then(() => controller.abort(reason))
    await slowWork(ada, kind, seconds, controller.signal).catch((error: unknown) => {
      if (error !== reason) wrongReasons.push(`${kind}: ${String(error)}`)
    })
    await aborting
  }
  const askOne = async (): Promise<void> => {
    neighbours += 1
    const seconds = 0.001 + random.next() * longestDelayMs * 0.0005
    // A stream has a portal, which whatever a predecessor still sends could close.
    const asking = random.chance(0.3)
      ? slowWork(bob, 'stream', seconds, never)
      : sql`select pg_sleep(${seconds}::float8)`.execute(bob)
    await asking.catch((error: unknown) => {
      neighboursHit += 1
      tell?.(`hit: ${String(error)}`)
    })
  }
  await sql`select 1`.execute(bob)
  while (relay.cancels < cancels) {
    round += 1
    await Promise.all([abortOne(), askOne(), abortOne(), askOne(), askOne()])
    if (round % 500 === 0) tell?.(`${relay.cancels} cancels, ${neighbours} neighbours, ${neighboursHit} hit`)
  }
  return { cancels: relay.cancels, neighboursHit, neighbours, wrongReasons, destroyed: db.stats().destroyed }
}

/** The naive way: cancel, and give the connection to the next as soon as its own statement is over. */
export async function naiveControl({
  ledger,
  random,
  cancels,
  longestDelayMs,
}: LateCancelsOptions): Promise<{ neighboursHit: number; cancels: number }> {
  await using relay = await createCancelRelay(ledger.adminUrl, random, longestDelayMs)
  const url = relay.through(ledger.adminUrl)
  const client = new Client(url)
  client.on('error', () => {})
  await client.connect()
  const requests: Promise<unknown>[] = []
  let neighboursHit = 0
  for (let i = 0; i < cancels && neighboursHit === 0; i++) {
    const query = client.query(`select pg_sleep(${random.next() * 0.003})`)
    await delay(random.next() * 4)
    requests.push(cancelNaively(client, url))
    await query.catch(() => {})
    await client.query('select pg_sleep(0.01)').catch(() => {
      neighboursHit += 1
    })
  }
  await Promise.all(requests)
  const sent = relay.cancels
  await client.end()
  return { neighboursHit, cancels: sent }
}

async function cancelNaively(client: Client, url: string): Promise<void> {
  // pg keeps both since version 7 and does not declare them.
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
  const { hostname, port } = new URL(url)
  const { connect } = await import('node:net')
  await new Promise<void>((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      const request = Buffer.alloc(16)
      for (const [at, value] of [16, 80_877_102, processID, secretKey].entries()) request.writeInt32BE(value, at * 4)
      socket.end(request)
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.resume()
  })
}
