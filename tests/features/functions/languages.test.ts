/** Functions in other languages than sql and plpgsql: they are called as all others are. */
import { Client } from 'pg'
import { describe, expect, inject, it } from 'vitest'
import { call as typedCall } from '../../../src/functions/index.ts'
import { createTestDatabase } from '../../support/database.ts'
import { type Loose, openFunctions } from './fixture.ts'

const call = typedCall as Loose

const languages = [
  { language: 'plperl', body: 'return $_[0] x $_[1];' },
  { language: 'plpython3u', body: 'return word * times' },
  { language: 'pltcl', body: 'return [string repeat $1 $2]' },
]
const tableOnly = 'create table t (id int);'

describe('functions in other languages', () => {
  it('runs those of the server itself: language internal, on a server and on PGlite', async () => {
    const text = `${tableOnly} create function "Up"(word text) returns text language internal immutable strict as 'upper'`
    for (const kind of ['server', 'embedded'] as const) {
      await using place = await openFunctions(kind, {}, text)
      expect(await call(place.ada, place.functions.up, { word: 'a' })).toBe('A')
    }
  })

  it.for(languages)('runs $language where the server can load it', async ({ language, body }, { skip }) => {
    const reason = await whyNot(language)
    skip(reason !== undefined, `the server cannot load ${language} (${reason}); install it beside the server`)
    const text = `${tableOnly} create extension ${language};
      create function repeated(word text, times int default 2) returns text language ${language} as $body$ ${body} $body$;
      create function failing(word text) returns text language ${language} as $body$ ${failing[language as 'plperl']} $body$`
    await using place = await openFunctions('server', {}, text)
    expect(await call(place.ada, place.functions.repeated, { word: 'ab' })).toBe('abab')
    expect(await call(place.ada, place.functions.repeated, { word: 'ab', times: 3 })).toBe('ababab')
    const error = await call(place.ada, place.functions.failing, { word: 'secret' }).catch((reason: unknown) => reason)
    expect(error.message).toMatch(/^public\.failing: /)
    expect(JSON.stringify([error, error.message, error.hint])).not.toContain('secret')
  })
})

const failing = {
  plperl: 'die $_[0];',
  plpython3u: 'raise Exception(word)',
  pltcl: 'error $1',
}

/** Tried on a database of its own, because loading a library that is not there can end the connection. */
async function whyNot(language: string): Promise<string | undefined> {
  await using place = await createTestDatabase({ servers: inject('servers') })
  const client = new Client(place.adminUrl)
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(`create extension ${language}`)
    return undefined
  } catch (error) {
    return (error as Error).message
  } finally {
    await client.end()
  }
}
