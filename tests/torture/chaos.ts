/**
 * A ledger under chaos: workers write and read while connections are terminated, reset and cut and the server itself goes down.
 * Every write is accounted for: an acknowledged one is there, a failed one is not, an unknown one may be either, and none is there twice.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isCommitUnknown, isTenonError, type Session } from '../../src/index.ts'
import { createFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { type Ledger, type LedgerTables, tenant } from '../support/ledger.ts'
import type { Random } from './random.ts'
import type { Tell } from './tell.ts'

/** What hits the ledger between two rests. */
export type Fault = 'terminate' | 'reset' | 'cut' | 'segments' | 'cancel'

/** What to run. */
export interface ChaosOptions {
  readonly ledger: Ledger
  readonly random: Random
  readonly workers: number
  /** Stops after this many faults. */
  readonly faults: number
  readonly kinds: readonly [Fault, ...Fault[]]
  /** Something worse, in place of a fault now and then: restarting the server. */
  readonly disaster?: { readonly every: number; readonly strike: (round: number) => Promise<void> }
  readonly tell?: Tell
}

/** What came of it. */
export interface ChaosReport {
  readonly operations: number
  readonly faults: number
  readonly acknowledged: number
  readonly unknown: number
  readonly failed: number
  /** Acknowledged writes that are not there. */
  readonly missing: number
  /** Failed writes that are there. */
  readonly ghosts: number
  /** Writes that are there more than once. */
  readonly doubled: number
  readonly leaks: number
  readonly wrongReads: number
  /** Errors that are none of ours, or that a lost connection cannot explain. */
  readonly unexpected: readonly string[]
  /** The longest any operation took. */
  readonly slowestMs: number
  /** The longest time without a success. */
  readonly longestGapMs: number
}

const applicationName = 'chaos'
const expected = /^(CONNECTION_LOST|CONNECTION_REFUSED|COMMIT_UNKNOWN|QUERY_CANCELED|TIMEOUT_CONNECT|TIMEOUT_POOL)$/

/** Runs the workers and the faults. */
export async function chaos({
  ledger,
  random,
  workers,
  faults,
  kinds,
  disaster,
  tell,
}: ChaosOptions): Promise<ChaosReport> {
  await ledger.admin('truncate entry')
  await using proxy = await createFaultProxy(ledger.adminUrl)
  // A superuser, so that a statement without its session would be let through and counted.
  await using db = ledger.openPowerful({
    connection: proxy.through(ledger.adminUrl),
    pool: { max: workers, applicationName, connectTimeoutMs: 5_000 },
  })
  const fates = { acknowledged: new Set<string>(), unknown: new Set<string>(), failed: new Set<string>() }
  const unexpected: string[] = []
  let [operations, successes, wrongReads, slowestMs, longestGapMs, lastSuccess] = [0, 0, 0, 0, 0, performance.now()]
  let stopped = false

  async function write(me: Session<LedgerTables>, sub: string, note: string): Promise<void> {
    const insert = (on: Pick<Session<LedgerTables>, 'insertInto'>) =>
      on.insertInto('entry').values({ tenant: sub, note })
    const way = random.below(4)
    if (way === 0) await me.transaction((trx) => insert(trx).execute())
    else if (way === 1) await me.batch([me.selectFrom('account').select('id').limit(1), insert(me)])
    else await insert(me).execute()
  }

  async function operate(sub: string): Promise<void> {
    const me = tenant(db, sub)
    const note = `op ${operations++}`
    const isWrite = random.chance(0.6)
    const started = performance.now()
    try {
      if (isWrite) await write(me, sub, note)
      else {
        const rows = await me.selectFrom('entry').select('tenant').orderBy('id', 'desc').limit(20).execute()
        wrongReads += rows.filter(({ tenant: owner }) => owner !== sub).length
      }
      if (isWrite) fates.acknowledged.add(note)
      longestGapMs = Math.max(longestGapMs, performance.now() - lastSuccess)
      lastSuccess = performance.now()
      successes += 1
    } catch (error) {
      if (isWrite) (isCommitUnknown(error) ? fates.unknown : fates.failed).add(note)
      if (!isTenonError(error) || !expected.test(error.code))
        unexpected.push(String(isTenonError(error) ? `${error.code}: ${error.message}` : error))
    }
    slowestMs = Math.max(slowestMs, performance.now() - started)
  }

  const working = Promise.all(
    Array.from({ length: workers }, async (_, i) => {
      while (!stopped) await operate(`t${i}`)
    }),
  )
  for (let round = 1; round <= faults; round++) {
    // Not before something has worked again, or a busy machine would do nothing but connect.
    const wanted = successes + 1 + random.below(workers * 2)
    const patience = performance.now() + 2_000
    while (successes < wanted && performance.now() < patience) await delay(1)
    await delay(random.next() * 2)
    if (disaster !== undefined && round % disaster.every === 0) {
      await disaster.strike(round)
      // Time to come back, and to show it.
      await delay(200)
    } else await strike(random.pick(kinds), { ledger, proxy, random })
    if (round % 500 === 0)
      tell?.(
        `${round} faults, ${operations} operations, ${fates.acknowledged.size} acknowledged, ${fates.unknown.size} unknown, ${unexpected.length} unexpected`,
      )
  }
  proxy.set({ segmentBytes: 0 })
  await delay(50)
  stopped = true
  await working
  // What a lost connection left running may still commit.
  await ledger.admin(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1 and pid <> pg_backend_pid()`,
    [applicationName],
  )
  const rows = await ledger.admin<{ note: string; n: number }>(
    'select note, count(*)::int as n from entry group by note',
  )
  const present = new Map(rows.map(({ note, n }) => [note, n]))
  return {
    operations,
    faults,
    acknowledged: fates.acknowledged.size,
    unknown: fates.unknown.size,
    failed: fates.failed.size,
    missing: [...fates.acknowledged].filter((note) => !present.has(note)).length,
    ghosts: [...fates.failed].filter((note) => present.has(note)).length,
    doubled: rows.filter(({ n }) => n > 1).length,
    leaks: await ledger.leaks(),
    wrongReads,
    unexpected,
    slowestMs,
    longestGapMs,
  }
}

async function strike(
  fault: Fault,
  { ledger, proxy, random }: { readonly ledger: Ledger; readonly proxy: FaultProxy; readonly random: Random },
): Promise<void> {
  const one = 'from (select pid from pg_stat_activity where application_name = $1 order by random() limit 1) one'
  if (fault === 'terminate') await ledger.admin(`select pg_terminate_backend(pid) ${one}`, [applicationName])
  else if (fault === 'cancel') await ledger.admin(`select pg_cancel_backend(pid) ${one}`, [applicationName])
  else if (fault === 'reset') proxy.breakOne(random.chance(0.5) ? 'reset' : 'end')
  else if (fault === 'cut')
    proxy.cutAfter(random.below(60), {
      direction: random.chance(0.7) ? 'toClient' : 'toServer',
      ending: random.chance(0.5) ? 'reset' : 'end',
    })
  else proxy.set({ segmentBytes: random.below(4) })
}
