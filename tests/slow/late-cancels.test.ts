/**
 * Cancels that arrive late: they may hit nobody but the statement they were meant for (`npm run torture` does it at full size).
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ledger, openLedger } from '../support/ledger.ts'
import { lateCancels, naiveControl } from '../torture/late-cancels.ts'
import { createRandom } from '../torture/random.ts'

let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
afterAll(() => ledger.close())

test.each([0, 10])(
  'a cancel of one tenant that travels up to %i ms never hits the next on its connection',
  { timeout: 60_000 },
  async (longestDelayMs) => {
    const report = await lateCancels({ ledger, random: createRandom(10), cancels: 210, longestDelayMs })
    expect(report).toMatchObject({ neighboursHit: 0, wrongReasons: [] })
    expect(report.cancels).toBeGreaterThanOrEqual(210)
    expect(report.neighbours).toBeGreaterThan(100)
    // A cancel that cannot be waited for costs its connection, and that is to stay the exception.
    expect(report.destroyed).toBeLessThan(report.cancels / 10)
  },
)

test('the control: releasing without waiting for the cancel hits neighbours', { timeout: 60_000 }, async () => {
  const { neighboursHit } = await naiveControl({ ledger, random: createRandom(10), cancels: 400, longestDelayMs: 10 })
  expect(neighboursHit).toBeGreaterThan(0)
})
