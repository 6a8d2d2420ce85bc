/** The example of searching as a person runs it. */
import { expect, test } from 'vitest'
import { runExample as run } from '../support/run-example.ts'

test('05-search finds, pages, corrects, and shows nobody the library of another team', {
  timeout: 60_000,
}, async () => {
  const { code, output } = await run('05-search.ts')
  expect(output).toMatch(/^connection pool -browser:\n {2}pg-pool \(0\.\d\d\): .*<mark>pool<\/mark>/)
  expect(output).toMatch(/the other team sees of kysely: nothing\nthen: .+\n/)
  expect(output).toMatch(/kysley\? did you mean kysely \(similarity\)\n/)
  expect(output).toMatch(
    /the function finds the same: true\nwords: reads what the policy leaves, by articles_team_id_idx\n$/,
  )
  expect(code).toBe(0)
})
