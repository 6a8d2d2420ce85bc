/** Units of many tenants on shared connections under cancels and kills, in short (`npm run torture` does it at full size). */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ledger, openLedger } from '../support/ledger.ts'
import { multiplexed, sharedConnectionControl } from '../torture/multiplexed.ts'
import { createRandom } from '../torture/random.ts'

let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
afterAll(() => ledger.close())

test.each([
  ['as they are by default', undefined],
  ['at their narrowest: two in flight, ended after a millisecond', { depth: 2, longestMs: 1, slowMs: 1 }],
])(
  'shared connections show nobody anything of others, and lose no acknowledged write; bounds %s',
  { timeout: 120_000 },
  async (_, bounds) => {
    const report = await multiplexed({
      ledger,
      random: createRandom(5),
      operations: 5_000,
      strikes: 300,
      connections: 4,
      inFlight: 64,
      ...(bounds === undefined ? {} : { bounds }),
    })
    expect(report).toMatchObject({
      missing: 0,
      ghosts: 0,
      doubled: 0,
      leaks: 0,
      wrongReads: 0,
      foreignWrites: 0,
      unexpected: [],
    })
    for (const figure of ['acknowledged', 'units', 'rerun', 'kills'] as const) expect(report[figure]).toBeGreaterThan(0)
  },
)

test('the control: sharing a connection by saying who one is, and then asking, shows rows of others', {
  timeout: 60_000,
}, async () => {
  const { wrongReads } = await sharedConnectionControl({
    ledger,
    random: createRandom(5),
    operations: 100_000,
    connections: 4,
  })
  expect(wrongReads).toBeGreaterThan(0)
})
