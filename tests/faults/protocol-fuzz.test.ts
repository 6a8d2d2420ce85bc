/**
 * Five thousand wrong answers of a server (`npm run torture` does it at full size), and every place at which an answer can be cut.
 */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type Ledger, openLedger } from '../support/ledger.ts'
import { readLoginFacts } from '../torture/login-facts.ts'
import { everyCut, protocolFuzz } from '../torture/protocol-fuzz.ts'
import { createRandom } from '../torture/random.ts'

let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
afterAll(() => ledger.close())

test('wrong answers settle everything, crash nothing, and end their connection', { timeout: 90_000 }, async () => {
  const crashes: unknown[] = []
  const note = (error: unknown): void => void crashes.push(error)
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, note)
    onTestFinished(() => void process.off(event, note))
  }
  const report = await protocolFuzz({
    random: createRandom(23),
    mutations: 5_000,
    lanes: 8,
    facts: await readLoginFacts(ledger.loginUrl),
  })
  expect(crashes).toEqual([])
  expect(report.shared).toBeGreaterThan(500)
  expect(report).toMatchObject({ hung: [], wrong: [], foreign: [], kept: [], waited: [], broken: [] })
  for (const outcome of ['right', 'changed', 'CONNECTION_PROTOCOL', 'CONNECTION_LOST', 'COMMIT_UNKNOWN']) {
    expect(report.outcomes[outcome], outcome).toBeGreaterThan(20)
  }
})

test('bytes that are lost anywhere give nobody the answer of a neighbour', { timeout: 90_000 }, async () => {
  const { cuts, foreign } = await everyCut(await readLoginFacts(ledger.loginUrl))
  expect(foreign).toEqual([])
  expect(cuts).toBeGreaterThan(300)
})
