/**
 * Runners of migrations that race each other, and runners that are killed. Each of the five migrations must have been applied once and
 * whole, whoever did it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { applyFive } from '../support/migration-runner.ts'
import type { Tell } from './tell.ts'

const names = ['ledger', 'five', 'five', 'five', 'five', 'five']

/** What came of racing runners. */
export interface RaceReport {
  readonly rounds: number
  /** Rounds in which the runners together did not apply each migration once. */
  readonly wrong: readonly string[]
  readonly errors: readonly string[]
}

/**
 * Starts runners together, again and again, each time on a database without them.
 *
 * @param options.url - an empty database that nobody else uses
 */
export async function migrationRaces(options: {
  readonly url: string
  readonly runners: number
  readonly rounds: number
  readonly tell?: Tell
}): Promise<RaceReport> {
  const { url, runners, rounds, tell } = options
  const admin = new Client(url)
  await admin.connect()
  const wrong: string[] = []
  const errors: string[] = []
  try {
    for (let round = 0; round < rounds; round++) {
      await empty(admin)
      const settled = await Promise.allSettled(Array.from({ length: runners }, () => applyFive(url)))
      let applied = 0
      for (const one of settled) {
        if (one.status === 'rejected') errors.push(`round ${round}: ${String(one.reason)}`)
        else applied += one.value.length
      }
      const problem = await problemOf(admin)
      if (applied !== names.length || problem !== undefined)
        wrong.push(`round ${round}: ${applied} applied; ${problem ?? ''}`)
      if (round % 25 === 24) tell?.(`${round + 1} rounds, ${wrong.length} wrong, ${errors.length} errors`)
    }
  } finally {
    await admin.end()
  }
  return { rounds, wrong, errors }
}

/**
 * The control: the same race with a lock that waits on the server, as most runners have it. The waiter holds a snapshot that CREATE INDEX
 * CONCURRENTLY waits for.
 *
 * @returns how many rounds ended in a deadlock
 */
export async function blockingLockControl(url: string, rounds: number): Promise<{ readonly deadlocks: number }> {
  let deadlocks = 0
  for (let round = 0; round < rounds; round++) {
    const [one, other] = [new Client(url), new Client(url)]
    await Promise.all([one.connect(), other.connect()])
    try {
      await one.query('drop table if exists control; create table control (n int)')
      await one.query('select pg_advisory_lock(42)')
      const waiting = other.query('select pg_advisory_lock(42)').catch((error: Error & { code?: string }) => error.code)
      await blockedBy(one, 'pg_advisory_lock')
      const built = await one
        .query('create index concurrently control_n_idx on control (n)')
        .then(() => undefined)
        .catch((error: Error & { code?: string }) => error.code)
      await one.query('select pg_advisory_unlock_all()')
      if (built === '40P01' || (await waiting) === '40P01') deadlocks += 1
    } finally {
      await Promise.all([one.end(), other.end()])
    }
  }
  return { deadlocks }
}

/** What came of killed runners. */
export interface KillReport {
  readonly kills: number
  /** Runs after a kill that did not finish, or found something applied twice or half. */
  readonly wrong: readonly string[]
  /** Kills after which something was left for the next run to do. */
  readonly resumed: number
}

/**
 * Kills a runner by SIGKILL at each of its messages to the server: once just before the message is sent on, and once just after.
 *
 * @param options.url - an empty database that nobody else uses
 * @param options.moments - before: the server never sees the message; after: it does, and works on it while its client is dead
 * @param options.every - 2 kills at every second message; default 1
 */
export async function migrationKills(options: {
  readonly url: string
  readonly moments: readonly ('before' | 'after')[]
  readonly every?: number
  readonly tell?: Tell
}): Promise<KillReport> {
  const { url, moments, every = 1, tell } = options
  const admin = new Client(url)
  await admin.connect()
  const wrong: string[] = []
  let [kills, resumed] = [0, 0]
  try {
    await empty(admin)
    const { messages } = await runAndKill(url, Number.POSITIVE_INFINITY, 'before')
    tell?.(`a run sends ${messages} messages`)
    for (const moment of moments) {
      for (let at = 1; at <= messages; at += every) {
        await empty(admin)
        const { killed } = await runAndKill(url, at, moment)
        if (killed) kills += 1
        const next = await applyFive(url).catch((error: unknown) => error)
        if (!Array.isArray(next)) wrong.push(`${moment} message ${at}: ${String(next)}`)
        else if (next.length > 0) resumed += 1
        const problem = await problemOf(admin)
        if (problem !== undefined) wrong.push(`${moment} message ${at}: ${problem}`)
      }
      tell?.(`killed ${kills} runners, ${moment} the message; ${resumed} left something to do, ${wrong.length} wrong`)
    }
  } finally {
    await admin.end()
  }
  return { kills, wrong, resumed }
}

async function empty(admin: Client): Promise<void> {
  await admin.query(
    'drop schema if exists tenon cascade; drop table if exists public.step, public.bulk; drop function if exists public.twice',
  )
}

/** What of the five was applied twice, half or not at all; undefined when all is well. */
async function problemOf(admin: Client): Promise<string | undefined> {
  const one = async (text: string) =>
    (await admin.query<{ value: unknown }>(`select (${text}) as value`)).rows[0]?.value
  const seen = {
    steps: await one('select json_agg(n order by n) from public.step'),
    bulk: await one('select count(*)::int from public.bulk'),
    twice: await one('select public.twice(2)'),
    key: await one(`select pg_get_constraintdef(oid) from pg_constraint where conname = 'bulk_pkey'`),
    invalid: await one('select count(*)::int from pg_index where not indisvalid'),
    comment: await one(`select obj_description('public.step'::regclass)`),
    ledger: await one(
      `select json_agg(module order by module <> 'ledger', version) from tenon.migrations where state = 'applied'`,
    ),
    rows: await one('select count(*)::int from tenon.migrations'),
  }
  const wanted = {
    steps: [1, 2, 4, 5],
    bulk: 2000,
    twice: 4,
    key: 'PRIMARY KEY (n)',
    invalid: 0,
    comment: 'done',
    ledger: names,
    rows: names.length,
  }
  return JSON.stringify(seen) === JSON.stringify(wanted) ? undefined : JSON.stringify(seen)
}

/** Runs the runner behind a relay that counts what it sends, and kills it at one message. */
async function runAndKill(
  url: string,
  at: number,
  moment: 'before' | 'after',
): Promise<{ readonly messages: number; readonly killed: boolean }> {
  const target = new URL(url)
  let messages = 0
  let child: ChildProcess | undefined
  const relay = createServer((client) => {
    const server = connect(Number(target.port), target.hostname)
    for (const socket of [client, server]) socket.on('error', () => {})
    client.on('data', (bytes) => {
      messages += 1
      if (messages > at) return
      if (messages === at && moment === 'before') child?.kill('SIGKILL')
      else server.write(bytes)
      if (messages === at && moment === 'after') child?.kill('SIGKILL')
    })
    server.pipe(client)
    client.on('close', () => server.destroy())
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  // A listening TCP server has an address object.
  through.port = String((relay.address() as { port: number }).port)
  const program = fileURLToPath(new URL('../support/migration-runner.ts', import.meta.url))
  child = spawn(process.execPath, [program], { env: { ...process.env, DATABASE_URL: through.href }, stdio: 'ignore' })
  const signal = await new Promise<NodeJS.Signals | null>((resolve) => child?.on('close', (_, by) => resolve(by)))
  await new Promise((resolve) => relay.close(resolve))
  return { messages, killed: signal === 'SIGKILL' }
}

async function blockedBy(client: Client, text: string): Promise<void> {
  const asking = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%' || $1 || '%' and pid <> pg_backend_pid()`
  while ((await client.query(asking, [text])).rowCount === 0);
}
