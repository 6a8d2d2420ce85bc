/** examples/12-foreign-data.ts as a person runs it: with a server, and without one. */
import { Client } from 'pg'
import { afterEach, expect, inject, test, vi } from 'vitest'
import { runExample } from '../support/run-example.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

test('12-foreign-data imports, reads through a view, names the server in errors, and leaves nothing behind', {
  timeout: 60_000,
}, async () => {
  const { url } = inject('servers').main
  const client = new Client(url)
  await client.connect()
  const left = async () =>
    (
      await client.query(
        `select datname as name from pg_database where datname like 'tenon\\_%' union all select rolname from pg_roles where rolname = 'tenon_login'`,
      )
    ).rows
  const before = await left()
  vi.stubEnv('DATABASE_URL', url)
  const { code, output } = await runExample('12-foreign-data.ts')
  expect(output).toMatch(/^imported: films\n {2}1990 Dreams\n {2}2000 The Gleaners and I\n/)
  expect(output).toMatch(
    /films is sent: SELECT title, year FROM public\.films WHERE \(\(year >= 1990\)\) AND \(\(owner = \$1::text\)\)/,
  )
  expect(output).toMatch(/left to do here: 0 conditions\nauthenticated reaches remote\.films past every policy\n/)
  expect(output).toMatch(/FOREIGN_UNREACHABLE: foreign server films is out of reach/)
  expect(output).toMatch(/127 words from a file: i, me, my, …\n$/)
  expect(code).toBe(0)
  expect(await left()).toEqual(before)
  await client.end()
})

test('12-foreign-data says what it needs', async () => {
  vi.stubEnv('DATABASE_URL', undefined)
  const { code, output } = await runExample('12-foreign-data.ts')
  expect(output).toMatch(/^12-foreign-data needs DATABASE_URL/)
  expect(code).toBe(0)
})
