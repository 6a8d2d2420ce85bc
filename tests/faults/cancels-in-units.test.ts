/**
 * Somebody cancels at random while sessions of ten tenants share a few connections (`npm run torture` does it at full size).
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ledger, openLedger } from '../support/ledger.ts'
import { cancelsInUnits, fourSyncControl } from '../torture/cancels-in-units.ts'
import { createRandom } from '../torture/random.ts'

let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
afterAll(() => ledger.close())

test('cancels anywhere in a unit never let a statement run without its session', { timeout: 60_000 }, async () => {
  const report = await cancelsInUnits({ ledger, random: createRandom(1), operations: 10_000, connections: 6 })
  expect(report).toMatchObject({ operations: 10_000, otherErrors: [], wrongReads: 0, leaks: 0, lost: 0, ghosts: 0 })
  expect(report.cancelsSent).toBeGreaterThan(1_000)
  expect(report.hits).toBeGreaterThan(20)
})

test('the control: four Syncs instead of one let statements run as the login', { timeout: 60_000 }, async () => {
  const { leaks } = await fourSyncControl({
    ledger,
    random: createRandom(1),
    operations: 50_000,
    connections: 6,
  })
  expect(leaks).toBeGreaterThan(0)
})
