/**
 * Functions in other languages than sql and plpgsql: they are called as all others are. The suite's own server comes without perl and
 * Python; Debian's packages have them.
 */
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { call as typedCall } from '../../../src/functions/index.ts'
import { createTestDatabase } from '../../support/database.ts'
import { type RunningPostgres, startPostgres } from '../../support/postgres.ts'
import { findSystemBinaries } from '../../support/postgres-binaries.ts'
import type { TestServers } from '../../support/servers.ts'
import { type Loose, openFunctions } from './fixture.ts'

const call = typedCall as Loose

const languages = [
  { language: 'plperl', name: 'plperl', body: 'return $_[0] x $_[1];', failing: 'die $_[0];' },
  { language: 'plpython3u', name: 'plpython3', body: 'return word * times', failing: 'raise Exception(word)' },
  { language: 'pltcl', name: 'pltcl', body: 'return [string repeat $1 $2]', failing: 'error $1' },
]
const tableOnly = 'create table t (id int);'

describe('functions in other languages', () => {
  const binDir = findSystemBinaries()
  let debian: RunningPostgres | undefined
  let candidates: readonly TestServers[]
  beforeAll(async () => {
    debian = binDir === undefined ? undefined : await startPostgres({ binDir })
    const own = inject('servers')
    candidates = [own]
    if (debian !== undefined)
      candidates = [own, { ...own, main: { kind: 'environment', url: debian.url, version: debian.version } }]
  })
  afterAll(() => debian?.stop())

  it('runs those of the server itself: language internal, on a server and on PGlite', async () => {
    const text = `${tableOnly} create function "Up"(word text) returns text language internal immutable strict as 'upper'`
    for (const kind of ['server', 'embedded'] as const) {
      await using place = await openFunctions(kind, {}, text)
      expect(await call(place.ada, place.functions.up, { word: 'a' })).toBe('A')
    }
  })

  it.for(languages)(
    'runs $language where a server can load it',
    async ({ language, name, body, failing }, { skip }) => {
      const servers = await firstWith(candidates, language)
      skip(servers === undefined, `no server here can load ${language} (apt-get install postgresql-${name}-15)`)
      const text = `${tableOnly} create extension ${language};
      create function repeated(word text, times int default 2) returns text language ${language} as $body$ ${body} $body$;
      create function failing(word text) returns text language ${language} as $body$ ${failing} $body$`
      await using place = await openFunctions('server', {}, text, servers)
      expect(await call(place.ada, place.functions.repeated, { word: 'ab' })).toBe('abab')
      expect(await call(place.ada, place.functions.repeated, { word: 'ab', times: 3 })).toBe('ababab')
      const error = await call(place.ada, place.functions.failing, { word: 'secret' }).catch(
        (reason: unknown) => reason,
      )
      expect(error.message).toMatch(/^public\.failing: /)
      expect(JSON.stringify([error, error.message, error.hint])).not.toContain('secret')
    },
  )
})

async function firstWith(candidates: readonly TestServers[], language: string): Promise<TestServers | undefined> {
  for (const servers of candidates) if (await canLoad(servers, language)) return servers
  return undefined
}

/** Tried on a database of its own, because loading a library that is not there can end the connection. */
async function canLoad(servers: TestServers, language: string): Promise<boolean> {
  await using place = await createTestDatabase({ servers })
  const client = new Client(place.adminUrl)
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(`create extension ${language}`)
    return true
  } catch {
    return false
  } finally {
    await client.end()
  }
}
