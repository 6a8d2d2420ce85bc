/**
 * A crowd in front of a small pool: some give up by signal, some wait too long, some holders lose their connection. Who waits is
 * served in order, who gives up is gone at once, and afterwards the pool is as it was at the beginning.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import type { TenonError } from '../../src/index.ts'
import { type Ledger, type LedgerTables, tenant } from '../support/ledger.ts'
import type { Random } from './random.ts'
import type { Tell } from './tell.ts'

/** What to run. */
export interface FairnessOptions {
  readonly ledger: Ledger
  readonly random: Random
  readonly connections: number
  readonly waiters: number
  /** How long a waiter waits at most. */
  readonly connectTimeoutMs: number
  readonly tell?: Tell
}

/** What came of it. */
export interface FairnessReport {
  readonly served: number
  readonly aborted: number
  readonly timedOut: number
  readonly lost: number
  /** Waiters that were served before one that had come earlier. */
  readonly overtakings: number
  /** Milliseconds between the timeout that was asked for and the one that was given, at worst. */
  readonly worstTimeoutErrorMs: number
  /** Milliseconds that somebody who gave up still had to wait, at worst. */
  readonly worstAbortMs: number
  readonly unexpected: readonly string[]
  /** Counts of the pool at the end, and the backends the server has for it. */
  readonly end: { readonly total: number; readonly idle: number; readonly waiting: number; readonly backends: number }
}

const applicationName = 'pool fairness'
const backend = async (on: Kysely<LedgerTables>): Promise<number> =>
  (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(on)).rows[0]?.pid ?? 0

/** Runs the crowd three times: in order with some giving up, too long for all, and with dying holders. */
export async function poolFairness({
  ledger,
  random,
  connections,
  waiters,
  connectTimeoutMs,
  tell,
}: FairnessOptions): Promise<FairnessReport> {
  await using db = ledger.open({ pool: { max: connections, connectTimeoutMs, applicationName } })
  const me = tenant(db, 'ada')
  const unexpected: string[] = []
  let [served, aborted, timedOut, lost, overtakings, worstTimeoutErrorMs, worstAbortMs] = [0, 0, 0, 0, 0, 0, 0]

  /** Takes every connection and gives them back when told. */
  async function holdAll(): Promise<{ pids: number[]; letGo: () => Promise<void> }> {
    const gate = Promise.withResolvers<void>()
    const pids: number[] = []
    const held = Promise.withResolvers<void>()
    const holders = Array.from({ length: connections }, () =>
      me
        .connection()
        .execute(async (one) => {
          pids.push(await backend(one))
          if (pids.length === connections) held.resolve()
          await gate.promise
        })
        .catch((error: unknown) => unexpected.push(`holder: ${String(error)}`)),
    )
    await held.promise
    return {
      pids,
      letGo: async () => {
        gate.resolve()
        await Promise.all(holders)
      },
    }
  }

  async function inOrder(): Promise<void> {
    const { letGo } = await holdAll()
    let latest = -1
    const crowd = Array.from({ length: waiters }, async (_, place) => {
      const gives = random.chance(0.1)
      const controller = new AbortController()
      let abortedAt = 0
      if (gives) {
        void delay(random.next() * 20).then(() => {
          abortedAt = performance.now()
          controller.abort('gave up')
        })
      }
      try {
        await me.connection().execute(
          async (one) => {
            if (place < latest) overtakings += 1
            latest = Math.max(latest, place)
            await one.selectFrom('entry').select('id').limit(1).execute()
          },
          gives ? { signal: controller.signal } : undefined,
        )
        served += 1
      } catch (error) {
        if (error !== 'gave up') unexpected.push(String(error))
        else {
          aborted += 1
          worstAbortMs = Math.max(worstAbortMs, performance.now() - abortedAt)
        }
      }
    })
    await delay(40)
    await letGo()
    await Promise.all(crowd)
    tell?.(`in order: ${served} served, ${aborted} gave up, ${overtakings} overtakings`)
  }

  async function tooLong(): Promise<void> {
    const { letGo } = await holdAll()
    await Promise.all(
      Array.from({ length: Math.ceil(waiters / 10) }, async () => {
        const started = performance.now()
        await backend(me).then(
          () => unexpected.push('a waiter was served while every connection was held'),
          (error: TenonError) => {
            if (error.code !== 'TIMEOUT_POOL') unexpected.push(String(error))
            timedOut += 1
            worstTimeoutErrorMs = Math.max(
              worstTimeoutErrorMs,
              Math.abs(performance.now() - started - connectTimeoutMs),
            )
          },
        )
      }),
    )
    await letGo()
    tell?.(`too long: ${timedOut} timed out, at worst ${worstTimeoutErrorMs.toFixed(0)} ms off`)
  }

  async function dying(): Promise<void> {
    const { pids, letGo } = await holdAll()
    const crowd = Array.from({ length: waiters }, (_, place) =>
      me
        .selectFrom('entry')
        .select('id')
        .where('note', '=', String(place))
        .execute()
        .then(
          () => (served += 1),
          (error: TenonError) => {
            if (error.code === 'CONNECTION_LOST') lost += 1
            else unexpected.push(`${error.code}: ${error.message}`)
          },
        ),
    )
    await ledger.admin('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [
      pids.filter(() => random.chance(0.5)),
    ])
    await letGo()
    await Promise.all(crowd)
    tell?.(`dying: ${served} served, ${lost} lost`)
  }

  await inOrder()
  await tooLong()
  await dying()
  await (await holdAll()).letGo()
  const backends = await ledger.admin('select 1 from pg_stat_activity where application_name = $1', [applicationName])
  return {
    served,
    aborted,
    timedOut,
    lost,
    overtakings,
    worstTimeoutErrorMs,
    worstAbortMs,
    unexpected,
    end: { ...db.stats().sessions, backends: backends.length },
  }
}
