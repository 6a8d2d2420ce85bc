/**
 * What becomes of the three places that speak of TLS (host, sslmode, ssl object): the whole matrix, without a server.
 * Real handshakes are in tls.test.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { toPoolConfig } from '../../src/database/connection-config.ts'
import { isTenonError } from '../../src/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'tenon-tls-options-'))
const file = (name: string): string => {
  writeFileSync(join(directory, name), `contents of ${name}`)
  return join(directory, name)
}
const [ca, cert, key] = [file('ca.pem'), file('client.pem'), file('client.key')]
afterAll(() => rmSync(directory, { recursive: true }))

type Ssl = boolean | ConnectionOptions | undefined

/** What a handshake would be made with: no TLS, or how far the other side is verified, and against which CA. */
function outcome(connection: Parameters<typeof toPoolConfig>[0]): string {
  try {
    const { ssl } = toPoolConfig(connection, {})
    if (ssl === false) return 'plain'
    // Nothing is what Node's own connect() would verify by default, so it counts as verified too.
    const options = ssl === true || ssl === undefined ? {} : ssl
    const verified =
      options.rejectUnauthorized === false
        ? 'unverified'
        : options.checkServerIdentity === undefined
          ? 'full'
          : 'ca only'
    return options.ca === undefined ? verified : `${verified} with ${String(options.ca)}`
  } catch (error) {
    if (isTenonError(error)) return error.code
    throw error
  }
}
const at = (host: string, search = '', ssl?: Ssl) =>
  outcome(
    ssl === undefined
      ? `postgres://me:secret@${host}/db${search}`
      : { connectionString: `postgres://me:secret@${host}/db${search}`, ssl },
  )

const near = ['localhost', '127.0.0.1', '127.0.0.2', '[::1]']
const far = [
  'db.example.com',
  '10.0.0.1',
  '192.168.0.1',
  '128.0.0.1',
  'db',
  'localhost.example.com',
  '127.0.0.1.example.com',
  '[2001:db8::1]',
  'xn--localhost-9d7b',
]

describe('TLS', () => {
  test.each(near)('is left out by default on %s', (host) => {
    expect(at(host)).toBe('plain')
    expect(outcome({ host: host.replace(/[[\]]/g, ''), user: 'me', database: 'db' })).toBe('plain')
  })

  test.each(far)('is verified in full by default on %s', (host) => {
    expect(at(host)).toBe('full')
    expect(outcome({ host: host.replace(/[[\]]/g, ''), user: 'me', database: 'db' })).toBe('full')
  })

  test('is left out on a socket, however it is written', () => {
    expect(outcome('postgres://me:secret@/db?host=/run/postgresql')).toBe('plain')
    expect(outcome('postgres:///db?host=/run/postgresql')).toBe('plain')
    expect(outcome({ host: '/run/postgresql' })).toBe('plain')
    expect(outcome('postgres://me:secret@%2Frun%2Fpostgresql/db')).toBe('plain')
  })

  test('goes by the host that pg will really connect to', () => {
    expect(at('localhost', '?host=db.example.com')).toBe('full')
    vi.stubEnv('PGHOST', 'db.example.com')
    expect(outcome({ user: 'me' })).toBe('full')
    expect(outcome({ user: 'me', host: 'localhost' })).toBe('plain')
    vi.unstubAllEnvs()
    expect(outcome({ user: 'me' })).toBe('plain')
  })

  // What each sslmode makes of: nothing, true, false, {}, a CA, and rejectUnauthorized false.
  const objects: Ssl[] = [undefined, true, false, {}, { ca: 'mine' }, { rejectUnauthorized: false }]
  const refused = 'CONNECTION_CONFIG'
  test.each([
    ['', ['full', 'full', 'plain', 'full', 'full with mine', 'unverified']],
    ['?sslmode=disable', ['plain', refused, 'plain', refused, refused, refused]],
    ['?sslmode=allow', ['full', 'full', refused, 'full', 'full with mine', 'unverified']],
    ['?sslmode=prefer', ['full', 'full', refused, 'full', 'full with mine', 'unverified']],
    ['?sslmode=require', ['full', 'full', refused, 'full', 'full with mine', 'unverified']],
    ['?sslmode=verify-ca', ['ca only', 'ca only', refused, 'ca only', 'ca only with mine', refused]],
    ['?sslmode=verify-full', ['full', 'full', refused, 'full', 'full with mine', refused]],
    ['?sslmode=no-verify', ['unverified', 'unverified', refused, 'unverified', 'unverified with mine', 'unverified']],
    ['?ssl=true', ['full', 'full', refused, 'full', 'full with mine', 'unverified']],
    ['?ssl=false', ['plain', refused, 'plain', refused, refused, refused]],
    ['?sslmode=REQUIRE', [refused, refused, refused, refused, refused, refused]],
    ['?sslmode=', [refused, refused, refused, refused, refused, refused]],
  ])('of a distant host with "%s" combines with an ssl object without losing either', (search, wanted) => {
    expect(objects.map((ssl) => at('db.example.com', search, ssl))).toEqual(wanted)
  })

  test.each([
    ['', ['plain', 'full', 'plain', 'full', 'full with mine', 'unverified']],
    ['?sslmode=prefer', ['plain', 'full', refused, 'full', 'full with mine', 'unverified']],
    ['?sslmode=require', ['full', 'full', refused, 'full', 'full with mine', 'unverified']],
    ['?sslmode=verify-full', ['full', 'full', refused, 'full', 'full with mine', refused]],
  ])('of this machine with "%s" is what was asked for', (search, wanted) => {
    expect(objects.map((ssl) => at('localhost', search, ssl))).toEqual(wanted)
  })

  test('never loses the CA, wherever it is given', () => {
    const root = `?sslrootcert=${ca}`
    for (const mode of ['', '&sslmode=require', '&sslmode=verify-full', '&ssl=true']) {
      for (const ssl of [undefined, true, {}, { ca: undefined }, { servername: 'other' }] as Ssl[]) {
        expect(at('db.example.com', root + mode, ssl), `${mode} ${JSON.stringify(ssl)}`).toBe(
          'full with contents of ca.pem',
        )
        expect(at('localhost', root + mode, ssl), `${mode} ${JSON.stringify(ssl)}`).toBe('full with contents of ca.pem')
      }
      expect(at('db.example.com', root + mode, { ca: 'mine' }), 'the object is nearer').toBe('full with mine')
    }
    expect(at('db.example.com', '?sslrootcert=system')).toBe('full')
    const { ssl } = toPoolConfig(`postgres://me@db.example.com/db${root}&sslcert=${cert}&sslkey=${key}`, {})
    expect(ssl).toMatchObject({
      ca: 'contents of ca.pem',
      cert: 'contents of client.pem',
      key: 'contents of client.key',
    })
  })

  test('keeps what else an ssl object says', () => {
    const own = {
      ca: 'mine',
      servername: 'db.internal',
      minVersion: 'TLSv1.3' as const,
      checkServerIdentity: () => undefined,
    }
    expect(
      toPoolConfig({ connectionString: 'postgres://me@db.example.com/db?sslmode=require', ssl: own }, {}).ssl,
    ).toMatchObject(own)
    expect(toPoolConfig({ host: 'db.example.com', ssl: own }, {}).ssl).toMatchObject(own)
  })

  test('is not weakened by an object whose fields are undefined', () => {
    const { ssl } = toPoolConfig(
      { host: 'db.example.com', ssl: { rejectUnauthorized: undefined as never, ca: undefined as never } },
      {},
    )
    expect(ssl).toMatchObject({ rejectUnauthorized: true })
  })

  test('leaves the rest of the URL as it was', () => {
    const { connectionString } = toPoolConfig(
      `postgres://me:s%40cret@db.example.com:6543/db?sslmode=require&sslrootcert=${ca}&options=-c%20role%3Danon&application_name=x`,
      {},
    )
    const url = new URL(String(connectionString))
    expect([url.password, url.port, url.pathname]).toEqual(['s%40cret', '6543', '/db'])
    expect(Object.fromEntries(url.searchParams)).toEqual({ options: '-c role=anon', application_name: 'x' })
  })

  test('refuses a CA, certificate or key that cannot be read, naming the option and not the path', () => {
    for (const option of ['sslrootcert', 'sslcert', 'sslkey']) {
      const read = () => toPoolConfig(`postgres://me@db.example.com/db?${option}=/nowhere/secret.pem`, {})
      expect(read).toThrow(
        expect.objectContaining({ code: 'CONNECTION_CONFIG', message: expect.stringContaining(option) }),
      )
      expect(read).not.toThrow(/secret\.pem/)
    }
  })
})
