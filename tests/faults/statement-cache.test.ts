/**
 * Prepared statements under load, while tables change and others deallocate (`npm run torture` does it at full size).
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ledger, openLedger } from '../support/ledger.ts'
import { createRandom } from '../torture/random.ts'
import { statementCache } from '../torture/statement-cache.ts'

let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
afterAll(() => ledger.close())

test('nobody sees that statements go stale, vanish or are evicted', { timeout: 60_000 }, async () => {
  const report = await statementCache({
    ledger,
    random: createRandom(8),
    operations: 3_000,
    texts: 500,
    statementCacheSize: 20,
  })
  expect(report).toMatchObject({ operations: 3_000, errors: [], wrong: 0 })
  expect(report.mostHeld).toBeGreaterThan(10)
  expect(report.mostHeld).toBeLessThanOrEqual(20)
  expect(report.shapeChanges).toBeGreaterThan(10)
  expect(report.deallocations).toBeGreaterThan(10)
  expect(report.healed).toBeGreaterThan(10)
})
