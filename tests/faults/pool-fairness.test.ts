/**
 * Two hundred waiters in front of ten connections (`npm run torture` does it at full size).
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ledger, openLedger } from '../support/ledger.ts'
import { poolFairness } from '../torture/pool-fairness.ts'
import { createRandom } from '../torture/random.ts'

let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
afterAll(() => ledger.close())

test('a crowd is served in order, whoever gives up is gone, and the pool is whole afterwards', {
  timeout: 60_000,
}, async () => {
  const report = await poolFairness({
    ledger,
    random: createRandom(7),
    connections: 10,
    waiters: 200,
    connectTimeoutMs: 1_500,
  })
  expect(report).toMatchObject({
    unexpected: [],
    overtakings: 0,
    end: { total: 10, idle: 10, waiting: 0, backends: 10 },
  })
  expect(report.served + report.aborted + report.lost).toBe(400)
  expect(report.aborted).toBeGreaterThan(5)
  expect(report.timedOut).toBe(20)
  // Wide for a machine that does much else; a waiter that is forgotten waits for ever.
  expect(report.worstTimeoutErrorMs).toBeLessThan(1_000)
  expect(report.worstAbortMs).toBeLessThan(1_000)
})
