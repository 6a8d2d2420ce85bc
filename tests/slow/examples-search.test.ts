/** The example of searching as a person runs it, and the generated code that it stands on. */
import { readFileSync } from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import { btree_gin } from '@electric-sql/pglite/contrib/btree_gin'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { expect, test } from 'vitest'
import { library } from '../../examples/library-module.ts'
import { generateCode } from '../../src/codegen/index.ts'
import { createDatabase } from '../../src/index.ts'
import { applyMigrations } from '../../src/migrate/index.ts'
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

test('the generated code of 05-search is up to date', { timeout: 60_000 }, async () => {
  const pglite = await PGlite.create({ extensions: { btree_gin, pg_trgm } })
  await pglite.exec('create extension btree_gin; create extension pg_trgm')
  await using db = createDatabase<never>({ connection: pglite })
  await applyMigrations(db, { modules: [library] })
  const { files } = await generateCode(db.service({ actor: 'test', reason: 'generate' }))
  for (const name of ['metadata.ts', 'types.ts'])
    expect(readFileSync(new URL(`../../examples/db/search/${name}`, import.meta.url), 'utf8')).toBe(files[name])
})
