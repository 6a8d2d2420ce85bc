/** The examples of reports and concurrency, as a person runs them. */
import { expect, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { runExample } from '../support/run-example.ts'

/** Runs an example on a database of its own. */
async function onServer(example: string, ...words: readonly string[]) {
  await using place = await createTestDatabase()
  const before = process.env['DATABASE_URL']
  process.env['DATABASE_URL'] = place.adminUrl
  try {
    return await runExample(example, ...words)
  } finally {
    if (before === undefined) delete process.env['DATABASE_URL']
    else process.env['DATABASE_URL'] = before
  }
}

test('10-concurrency shows each with two connections, and says what it needs where there is none', {
  timeout: 60_000,
}, async () => {
  const { code, output } = await onServer('10-concurrency.ts')
  expect(output).toBe(
    'read committed: 0 on call\nserializable: 1 on call\n' +
      'advisory lock: taken true, another tenant’s free true, timed out true\n' +
      'work queue: 10 jobs, 2 workers, each job once\noptimistic locking: 1 of 2 saved, the other is told\n',
  )
  expect(code).toBe(0)
  expect(await runExample('10-concurrency.ts')).toEqual({
    code: 0,
    output: expect.stringMatching(/^This example needs a server/),
  })
})

test('13-reports fills gaps over a change of the clocks, and exports what the user may see', {
  timeout: 60_000,
}, async () => {
  const { code, output } = await runExample('13-reports.ts')
  expect(output).toMatch(/^2024-03-28T23:00:00.000Z .*\n.*\n2024-03-30T23:00:00.000Z .*\n2024-03-31T22:00:00.000Z /)
  expect(output).toMatch(
    /funnel: 40 visited, 20 signed up \(half within 9\.75 minutes\), 5 paid\nretention: week 0 40, week 1 20, week 2 14\n/,
  )
  expect(output).toMatch(/kind,created_at\nvisit,2024-03-18 07:00:00\+00\n/)
  expect(output).toMatch(/a report that deletes: TRANSACTION_READ_ONLY\n$/)
  expect(code).toBe(0)
})

test('14-star-schema copies, merges and reports, embedded and on a server, and its tables are up to date', {
  timeout: 120_000,
}, async () => {
  for (const { code, output } of [
    await runExample('14-star-schema.ts'),
    await onServer('14-star-schema.ts', '30000'),
  ]) {
    expect(output).toMatch(/^merged 50 products, of which 10 are new\ncopied (2|3)0000 sales\n/)
    expect(output).toMatch(/2024-06 all: \d+, 45 products\na day by BRIN: true\nrefreshed again: false\n/)
    expect(output).toMatch(/stale: false; acme \d+, globex \d+\nthe materialized view itself: ACCESS_DENIED\n$/)
    expect(code).toBe(0)
  }
  const check = await runExample(
    '../src/cli/main.ts',
    '--config',
    'examples/star-schema.config.ts',
    'codegen',
    '--embedded',
    '--check',
  )
  expect(check).toEqual({ code: 0, output: 'the generated files are up to date\n' })
})
