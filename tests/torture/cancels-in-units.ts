/**
 * Cancels that fall anywhere into a session's units: before, inside and between the context step and the statement. A unit either
 * runs as its session or not at all. The login is a superuser, so that a statement without its context would be let through and seen.
 * `fourSyncControl` is the same with BEGIN, context, statement and COMMIT sent as four: it leaks, which shows that this would be seen.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'kysely'
import { isCanceled, type Session } from '../../src/index.ts'
import { type Ledger, type LedgerTables, tenant } from '../support/ledger.ts'
import { startCanceller } from './canceller.ts'
import { openPipelinedClients } from './pipelined-clients.ts'
import type { Random } from './random.ts'
import type { Tell } from './tell.ts'

/** What to run. */
export interface CancelsOptions {
  readonly ledger: Ledger
  readonly random: Random
  readonly operations: number
  readonly connections: number
  readonly tell?: Tell
}

/** What came of it. */
export interface CancelsReport {
  readonly operations: number
  readonly cancelsSent: number
  /** Operations that ended with a cancel. */
  readonly hits: number
  /** Errors that are no cancel, by their code. */
  readonly otherErrors: readonly string[]
  /** Reads that showed a row of another tenant, or said they ran as somebody else. */
  readonly wrongReads: number
  /** Rows written as another role or under other claims. */
  readonly leaks: number
  /** Writes that were acknowledged and are not there. */
  readonly lost: number
  /** Writes that were refused and are there. */
  readonly ghosts: number
}

const applicationName = 'cancels in units'

/** Runs reads and writes of many tenants over a few connections under a hail of cancels. */
export async function cancelsInUnits({
  ledger,
  random,
  operations,
  connections,
  tell,
}: CancelsOptions): Promise<CancelsReport> {
  await ledger.admin('truncate entry')
  await ledger.admin(
    `insert into entry (tenant, note, written_by, claimed_by) select 't' || n, 'bait', 'authenticated', 't' || n from generate_series(0, 9) n`,
  )
  await using db = ledger.openPowerful({ pool: { max: connections, applicationName }, statementCacheSize: 50 })
  const sessions = Array.from({ length: 10 }, (_, i) => ({ sub: `t${i}`, me: tenant(db, `t${i}`) }))
  const acknowledged = new Set<string>()
  const refused = new Set<string>()
  const otherErrors: string[] = []
  let [done, hits, wrongReads] = [0, 0, 0]

  async function operate(i: number): Promise<void> {
    const { sub, me } = sessions[i % sessions.length] as (typeof sessions)[number]
    const note = `op ${i}`
    const kind = random.below(100)
    try {
      if (kind < 45) await write(me, sub, note)
      else if (kind < 55)
        await me.batch([
          me.selectFrom('entry').select('id').limit(1),
          me.insertInto('entry').values({ tenant: sub, note }),
        ])
      else if (kind < 60) await me.transaction((trx) => write(trx, sub, note))
      else if (kind < 95) {
        const foreign = await me.selectFrom('entry').select('tenant').where('note', '=', 'bait').execute()
        if (foreign.length !== 1 || foreign[0]?.tenant !== sub) wrongReads += 1
      } else {
        const { rows } = await sql<{
          who: string
          sub: string
        }>`select current_user::text as who, current_setting('request.jwt.claims')::jsonb ->> 'sub' as sub`.execute(me)
        if (rows[0]?.who !== 'authenticated' || rows[0].sub !== sub) wrongReads += 1
      }
      if (kind < 60) acknowledged.add(note)
    } catch (error) {
      if (kind < 60) refused.add(note)
      if (isCanceled(error)) hits += 1
      else otherErrors.push(describe(error))
    }
    done += 1
  }

  // The pool is filled before the hail begins: a connection that is being opened cannot be cancelled, only lost.
  await Promise.all(Array.from({ length: connections }, () => sessions[0]?.me.connection().execute(() => turn())))
  const canceller = await startCanceller(ledger.adminUrl, applicationName, random)
  let next = 0
  await Promise.all(
    Array.from({ length: connections * 2 }, async () => {
      while (next < operations) {
        next += 1
        await operate(next)
        if (done % 10_000 === 0) tell?.(`${done} operations, ${canceller.sent} cancels, ${hits} hits`)
      }
    }),
  )
  await canceller.stop()
  const present = new Set(
    (await ledger.admin<{ note: string }>(`select note from entry where note <> 'bait'`)).map(({ note }) => note),
  )
  return {
    operations: done,
    cancelsSent: canceller.sent,
    hits,
    otherErrors,
    wrongReads,
    leaks: await ledger.leaks(),
    lost: [...acknowledged].filter((note) => !present.has(note)).length,
    ghosts: [...refused].filter((note) => present.has(note)).length,
  }
}

async function write(on: Pick<Session<LedgerTables>, 'insertInto'>, sub: string, note: string): Promise<void> {
  await on.insertInto('entry').values({ tenant: sub, note }).execute()
}

function describe(error: unknown): string {
  return error instanceof Error
    ? `${String((error as { code?: unknown }).code ?? error.name)}: ${error.message}`
    : String(error)
}

/**
 * The naive way under the same hail: four messages with a Sync each. A cancel that hits BEGIN leaves the context in a transaction of
 * its own, and the statement runs as the login.
 *
 * @param maxOperations the bound; it stops at the first leak
 * @returns rows written as the login, and how many operations it took
 */
export async function fourSyncControl({
  ledger,
  random,
  operations: maxOperations,
  connections,
}: CancelsOptions): Promise<{ leaks: number; operations: number }> {
  const name = 'four syncs'
  await ledger.admin('truncate entry')
  const clients = await openPipelinedClients(ledger.adminUrl, name, connections)
  const canceller = await startCanceller(ledger.adminUrl, name, random)
  // Takes the server a while to read, so that the cancel soon falls where it matters; a plain `begin` takes some 10,000 inserts.
  const begin = `begin ${'/* */ '.repeat(5_000)}`
  const context = `select set_config('role', 'authenticated', true), set_config('request.jwt.claims', '{"sub":"ada"}', true)`
  let [operations, leaks] = [0, 0]
  await Promise.all(
    clients.map(async (client, place) => {
      for (let i = 1; leaks === 0 && operations < maxOperations; i++) {
        operations += 1
        const insert = `insert into entry (tenant, note) values ('ada', 'control')`
        await Promise.allSettled([begin, context, insert, 'commit'].map((text) => client.query(text)))
        if (place === 0 && i % 10 === 0) leaks = await ledger.leaks()
      }
    }),
  )
  await canceller.stop()
  leaks = await ledger.leaks()
  await Promise.all(clients.map((client) => client.end()))
  await ledger.admin('truncate entry')
  return { leaks, operations }
}
