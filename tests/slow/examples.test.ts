/** The examples as a person runs them. The quickstart has a file of its own. */
import { expect, test } from 'vitest'
import { runExample as run } from '../support/run-example.ts'

test('03-generated-code inserts what its schema lets through, and its files are up to date', {
  timeout: 90_000,
}, async () => {
  const { code, output } = await run('03-generated-code.ts')
  expect(output).toMatch(/^refused: metadata\.priority: Too big.*\nrefused: row: Unrecognized key: "owner"\n/)
  expect(output).toMatch(/Oak has priority 4, made in 20\d\d\nthe row is as declared: true\n/)
  expect(output).toMatch(/userActivities: key id, row security on, 2 policies, many-to-one to profiles\n$/)
  expect(code).toBe(0)
  const check = await run(
    '../src/cli/main.ts',
    '--config',
    'examples/tenon.config.ts',
    'codegen',
    '--embedded',
    '--check',
  )
  expect(check).toEqual({ code: 0, output: 'the generated files are up to date\n' })
})

test('02-migrations lints, applies, isolates, audits, finds drift, exports and goes down', {
  timeout: 60_000,
}, async () => {
  const { code, output } = await run('02-migrations.ts')
  expect(output).toMatch(/2 files, 0 errors, 0 warnings/)
  expect(output).toMatch(/14 applied; a second run applies 0/)
  expect(output).toMatch(/owner sees 1 document,\n {2}somebody else 0\n {2}audit: INSERT for a0000000/)
  expect(output).toMatch(
    /changed table documents\n.*row level security enabled\n.*row level security disabled\n.*enable row level security;/,
  )
  expect(output).toMatch(/16 files; the check finds 0 problems/)
  expect(output).toMatch(/app\/0001_documents pending, app\/0002_body_index pending\n$/)
  expect(code).toBe(0)
})

test('04-repositories filters, pages, patches and loads', { timeout: 60_000 }, async () => {
  const { code, output } = await run('04-repositories.ts')
  expect(output).toMatch(/^important: Ash, Elm; another user sees 0\n {2}tags has: projects_metadata_idx\n/)
  expect(output).toMatch(/pages of 5: Ash, Elm \| Fir, Oak\nOak: \{"tags":\["important","old"\],"priority":5\}\n/)
  expect(output).toMatch(/Ada: plant, water in 1 round trip\n$/)
  expect(code).toBe(0)
})
