/** Racing and killed runners of migrations, at the size a test suite has time for (`npm run torture` does more). */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { blockingLockControl, migrationKills, migrationRaces } from '../torture/migrations.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(() => database.drop())

test('eight runners that start together apply each migration once, without a deadlock', {
  timeout: 60_000,
}, async () => {
  expect(await migrationRaces({ url: database.adminUrl, runners: 8, rounds: 10 })).toEqual({
    rounds: 10,
    wrong: [],
    errors: [],
  })
})

test('the control: a lock that waits on the server deadlocks with a concurrent index', {
  timeout: 30_000,
}, async () => {
  expect(await blockingLockControl(database.adminUrl, 1)).toEqual({ deadlocks: 1 })
})

test('a runner killed at every third message leaves nothing half done, and the next one finishes', {
  timeout: 120_000,
}, async () => {
  const report = await migrationKills({ url: database.adminUrl, moments: ['after'], every: 3 })
  expect(report.wrong).toEqual([])
  expect(report.kills).toBeGreaterThan(8)
  expect(report.resumed).toBeGreaterThan(5)
})
