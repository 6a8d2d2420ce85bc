/**
 * Units of a hundred tenants, back to back on few connections, under a hail of cancels and kills. The login is a superuser, so that a
 * statement without its context, or with another's, would be let through and seen: as a row of another tenant, or as one written by nobody.
 * `sharedConnectionControl` is the naive way to share connections; it leaks, which shows that this would be seen.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { isCommitUnknown, isTenonError, type MultiplexOptions, type Session } from '../../src/index.ts'
import { type Ledger, type LedgerTables, tenant } from '../support/ledger.ts'
import { startCanceller } from './canceller.ts'
import { openPipelinedClients } from './pipelined-clients.ts'
import type { Random } from './random.ts'
import type { Tell } from './tell.ts'

/** What to run. */
export interface MultiplexedOptions {
  readonly ledger: Ledger
  readonly random: Random
  readonly operations: number
  readonly connections: number
  readonly inFlight: number
  /** Cancels and kills at least; the operations go on until there were so many. */
  readonly strikes: number
  readonly bounds?: MultiplexOptions
  readonly tell?: Tell
}

/** What came of it. */
export interface MultiplexedReport {
  readonly operations: number
  readonly cancels: number
  readonly kills: number
  /** Operations that ended with a cancel, and with a lost connection. */
  readonly canceled: number
  readonly lost: number
  /** Units that ran on shared connections, and those of them that were run again alone. */
  readonly units: number
  readonly rerun: number
  readonly acknowledged: number
  readonly unknown: number
  /** Acknowledged writes that are not there. */
  readonly missing: number
  /** Failed writes that are there. */
  readonly ghosts: number
  /** Writes that are there more than once. */
  readonly doubled: number
  /** Rows written as another role or under other claims. */
  readonly leaks: number
  /** Reads that showed a row of another tenant, or did not show the tenant's own. */
  readonly wrongReads: number
  /** Writes for another tenant that were not refused. */
  readonly foreignWrites: number
  readonly unexpected: readonly string[]
}

const applicationName = 'multiplexed'
const expected = /^(CONNECTION_LOST|COMMIT_UNKNOWN|QUERY_CANCELED|CONNECTION_REFUSED)$/
const tenants = 100

/** Runs operations of all kinds until both are reached: the number of operations and the number of strikes. */
export async function multiplexed(options: MultiplexedOptions): Promise<MultiplexedReport> {
  const { ledger, random, operations, connections, inFlight, strikes, bounds, tell } = options
  await ledger.admin('truncate entry')
  await ledger.admin(
    `insert into entry (tenant, note, written_by, claimed_by) select 't' || n, 'bait', 'authenticated', 't' || n from generate_series(0, ${tenants - 1}) n`,
  )
  await using db = ledger.openPowerful({
    multiplex: bounds ?? true,
    pool: { max: connections, applicationName },
    statementCacheSize: 50,
  })
  const sessions = Array.from({ length: tenants }, (_, i) => ({ sub: `t${i}`, me: tenant(db, `t${i}`) }))
  const fates = { acknowledged: new Set<string>(), unknown: new Set<string>(), failed: new Set<string>() }
  const unexpected: string[] = []
  let [done, canceled, lost, wrongReads, foreignWrites, kills] = [0, 0, 0, 0, 0, 0]

  const readBait = async (me: Pick<Session<LedgerTables>, 'selectFrom'>, sub: string): Promise<void> => {
    const rows = await me.selectFrom('entry').select('tenant').where('note', '=', 'bait').execute()
    if (rows.length !== 1 || rows[0]?.tenant !== sub) wrongReads += 1
  }

  async function operate(i: number): Promise<void> {
    const place = random.below(tenants)
    const { sub, me } = sessions[place] as (typeof sessions)[number]
    const note = `op ${i}`
    const kind = random.below(100)
    const writes = kind < 32
    try {
      if (kind < 28) await write(me, sub, note)
      else if (kind < 30) await me.batch([me.selectFrom('entry').select('id').limit(1), insertion(me, sub, note)])
      else if (kind < 32) await me.transaction((trx) => write(trx, sub, note))
      else if (kind < 40) {
        await write(me, `t${(place + 1) % tenants}`, 'foreign')
        foreignWrites += 1
      } else if (kind < 44)
        await me
          .selectFrom('account')
          .select((eb) => eb('balance', '/', 0).as('n'))
          .execute()
      else if (kind < 48) await me.updateTable('entry').set({ note: 'bait' }).where('note', '=', 'bait').execute()
      else if (kind < 49) {
        const { rows } = await sql<{
          who: string
          sub: string
        }>`select current_user::text as who, current_setting('request.jwt.claims')::jsonb ->> 'sub' as sub`.execute(me)
        if (rows[0]?.who !== 'authenticated' || rows[0].sub !== sub) wrongReads += 1
      } else await readBait(me, sub)
      if (writes) fates.acknowledged.add(note)
    } catch (error) {
      if (writes) (isCommitUnknown(error) ? fates.unknown : fates.failed).add(note)
      const code = isTenonError(error) ? error.code : undefined
      if (code === 'QUERY_CANCELED') canceled += 1
      else if (code === 'CONNECTION_LOST' || code === 'COMMIT_UNKNOWN') lost += 1
      const wanted =
        (kind >= 32 && kind < 40 && code === 'ACCESS_POLICY') || (kind >= 40 && kind < 44 && code === 'QUERY_DATA')
      if (!wanted && !(code !== undefined && expected.test(code))) unexpected.push(code ?? String(error))
    }
    done += 1
  }

  // Each statement has run once alone before anybody is struck, so that it may share.
  for (let i = 0; i < 200; i++) await operate(-1 - i)
  const canceller = await startCanceller(ledger.adminUrl, applicationName, random)
  let stopped = false
  const killing = (async () => {
    while (!stopped) {
      await delay(20 + random.next() * 60)
      await ledger.admin(
        'select pg_terminate_backend(pid) from (select pid from pg_stat_activity where application_name = $1 order by random() limit 1) one',
        [applicationName],
      )
      kills += 1
    }
  })()
  let next = 0
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (next < operations || canceller.sent + kills < strikes) {
        next += 1
        await operate(next)
        if (done % 20_000 === 0)
          tell?.(
            `${done} operations, ${canceller.sent} cancels, ${kills} kills, ${unexpected.length} unexpected, ${wrongReads} wrong`,
          )
      }
    }),
  )
  stopped = true
  await killing
  await canceller.stop()
  const { units = 0, rerun = 0 } = db.stats().multiplex ?? {}
  await db.close()
  // What a lost connection left running may still commit.
  await ledger.admin(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1`, [
    applicationName,
  ])
  const rows = await ledger.admin<{ note: string; n: number }>(
    `select note, count(*)::int as n from entry where note <> 'bait' group by note`,
  )
  const present = new Map(rows.map(({ note, n }) => [note, n]))
  return {
    operations: done,
    cancels: canceller.sent,
    kills,
    canceled,
    lost,
    units,
    rerun,
    acknowledged: fates.acknowledged.size,
    unknown: fates.unknown.size,
    missing: [...fates.acknowledged].filter((note) => !present.has(note)).length,
    ghosts: [...fates.failed].filter((note) => present.has(note)).length,
    doubled: rows.filter(({ n }) => n > 1).length,
    leaks: await ledger.leaks(),
    wrongReads,
    foreignWrites,
    unexpected: unexpected.slice(0, 20),
  }
}

const insertion = (on: Pick<Session<LedgerTables>, 'insertInto'>, sub: string, note: string) =>
  on.insertInto('entry').values({ tenant: sub, note })

async function write(on: Pick<Session<LedgerTables>, 'insertInto'>, sub: string, note: string): Promise<void> {
  await insertion(on, sub, note).execute()
}

/**
 * The naive way: each tenant says who it is for the connection, and its query follows, pipelined, in a message of its own. A cancel that hits
 * the former leaves the latter to whoever was there before.
 */
export async function sharedConnectionControl({
  ledger,
  random,
  operations: maxOperations,
  connections,
}: Pick<MultiplexedOptions, 'ledger' | 'random' | 'operations' | 'connections'>): Promise<{
  readonly wrongReads: number
  readonly operations: number
}> {
  await ledger.admin('truncate entry')
  await ledger.admin(
    `insert into entry (tenant, note) select 't' || n, 'bait' from generate_series(0, ${tenants - 1}) n`,
  )
  const name = 'multiplexed control'
  const clients = await openPipelinedClients(ledger.adminUrl, name, connections)
  const canceller = await startCanceller(ledger.adminUrl, name, random)
  let [operations, wrongReads] = [0, 0]
  await Promise.all(
    clients.map(async (client) => {
      while (wrongReads === 0 && operations < maxOperations) {
        operations += 1
        const sub = `t${random.below(tenants)}`
        const context = client.query(
          `select set_config('role', 'authenticated', false), set_config('request.jwt.claims', '{"sub":"${sub}"}', false) ${'/* */ '.repeat(2_000)}`,
        )
        const [, read] = await Promise.allSettled([
          context,
          client.query<{ tenant: string }>(`select tenant from entry where note = 'bait'`),
        ])
        if (read.status === 'fulfilled' && read.value.rows.some((row) => row.tenant !== sub)) wrongReads += 1
      }
    }),
  )
  await canceller.stop()
  await Promise.all(clients.map((client) => client.end()))
  await ledger.admin('truncate entry')
  return { wrongReads, operations }
}
