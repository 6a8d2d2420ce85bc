/** The outbox under kills of relays and listeners, in short (`npm run torture` does it at full size). */
import { expect, test } from 'vitest'
import { openLedger } from '../support/ledger.ts'
import { cursorControl, outboxKills } from '../torture/outbox.ts'
import { createRandom } from '../torture/random.ts'

test('killed relays and cut listeners lose no event, and keep the order of each key', {
  timeout: 120_000,
}, async () => {
  await using ledger = await openLedger()
  const report = await outboxKills({
    url: ledger.adminUrl,
    random: createRandom(7),
    events: 4_000,
    writers: 4,
    relays: 3,
    relayKills: 4,
    listenerKills: 8,
  })
  expect(report).toMatchObject({ lost: 0, ghosts: 0, disordered: 0, untold: 0, relayKills: 4 })
  expect(report.gaps).toBeGreaterThan(0)
  expect(report.deliveries).toBeGreaterThanOrEqual(report.events)
})

test('the control: a reader by "id > cursor" loses events', { timeout: 60_000 }, async () => {
  await using ledger = await openLedger()
  expect((await cursorControl({ url: ledger.adminUrl, events: 3_000 })).lost).toBeGreaterThan(0)
})
