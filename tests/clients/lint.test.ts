/** squawk beside the rules of the lint: it is found on the PATH, its findings are told with ours, and none is told twice. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { defineModule, lintMigrations, sqlModules, toLintText } from '../../src/migrate/index.ts'

const path = process.env['PATH']
beforeAll(() => {
  process.env['PATH'] = `${join(import.meta.dirname, 'node_modules/.bin')}:${path}`
})
afterAll(() => {
  process.env['PATH'] = path
})

const module = defineModule('app', [
  {
    path: 'db/0001_app.sql',
    sql: `-- down: none (a test)
alter table public.old add constraint c check (id > 0);
alter table public.old add column name char(10);
drop table public.older;`,
  },
])

it('tells what squawk knows beside what we know', async () => {
  const report = await lintMigrations({ modules: [module] })
  expect(report.squawk).toBe(true)
  const found = report.findings.map(({ file, line, rule }) => `${file}:${line} ${rule}`)
  expect(found).toEqual(
    expect.arrayContaining([
      'db/0001_app.sql:2 constraint-without-not-valid',
      'db/0001_app.sql:3 squawk/ban-char-field',
      'db/0001_app.sql:4 table-dropped',
    ]),
  )
  expect(found.filter((text) => /squawk\/(constraint-missing-not-valid|ban-drop-table)/.test(text))).toEqual([])
  expect(toLintText(report)).not.toContain('squawk is not installed')
})

it('says so when there is none (the control)', async () => {
  expect((await lintMigrations({ modules: [module], squawk: 'off' })).squawk).toBe(false)
})

it('finds nothing in the library’s own modules that matters', { timeout: 60_000 }, async () => {
  const modules = Object.keys(sqlModules) as (keyof typeof sqlModules)[]
  const { findings } = await lintMigrations({ modules, target: 'supabase' })
  expect(findings.map(({ file, line, rule }) => `${file}:${line} ${rule}`)).toEqual([])
})
