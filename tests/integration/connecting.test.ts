/**
 * What can go wrong before a connection stands: texts and options that are wrong, servers that are away, full, silent or no
 * PostgreSQL at all, and logins that are refused. Every error says which, and none repeats what it was given.
 */
import { createServer, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createDatabase, type TenonError } from '../../src/index.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { type Ledger, type LedgerTables, openLedger, tenant } from '../support/ledger.ts'

const secret = 's3cr3t-w0rd'
let ledger: Ledger
beforeAll(async () => {
  ledger = await openLedger()
})
afterAll(() => ledger.close())

/** Makes a database object with the connection, sends one statement, and returns the error of whichever failed. */
async function failure(connection: unknown, options: object = {}): Promise<TenonError> {
  try {
    await using db = createDatabase<LedgerTables>({ connection: connection as string, ...options })
    await db.session({ role: 'authenticated' }).selectFrom('entry').selectAll().execute()
  } catch (error) {
    return error as TenonError
  }
  return expect.fail('This should have failed.')
}

function expectNoSecret(error: TenonError, ...more: string[]): void {
  const shown = [
    inspect(error, { depth: 10, showHidden: true }),
    String(error.stack),
    JSON.stringify(error),
    String(error.cause),
  ].join('\n')
  for (const word of [secret, ...more]) expect(shown).not.toContain(word)
}

/** The login's URL with some parts replaced. */
function url(
  changes: Partial<Pick<URL, 'hostname' | 'port' | 'username' | 'password' | 'pathname' | 'search'>>,
): string {
  return Object.assign(new URL(ledger.loginUrl), changes).href
}

/** A server on loopback that is no PostgreSQL. */
async function serve(answer: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    answer(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  return url({ port: String(typeof address === 'object' ? address?.port : '') })
}

describe('A connection that is described wrongly', () => {
  test.each([
    ['', 'nothing'],
    [`password ${secret}`, 'no URL'],
    [`postgres//someone:${secret}@localhost/db`, 'no colon'],
    [`mysql://someone:${secret}@localhost/db`, 'another database'],
    [`https://someone:${secret}@localhost/db`, 'another protocol'],
    [`postgres://someone:${secret}@localhost:99999/db`, 'a port out of range'],
    [`postgres://someone:${secret}@localhost:port/db`, 'a port that is no number'],
    [`postgres://some:one:${secret}@[::1/db`, 'a broken address'],
    [`postgres://someone:${secret}@localhost/db?sslmode=maybe`, 'an unknown sslmode'],
    [
      `postgres://someone:${secret}@localhost/db?sslrootcert=/nowhere/${secret}.pem&sslmode=verify-full`,
      'a CA that is not there',
    ],
    [`pglite//${secret}`, 'a misspelt embedded database'],
  ])('is refused without repeating it: %#', async (connection, why) => {
    const error = await failure(connection)
    expect(error, why).toMatchObject({ code: 'CONNECTION_CONFIG', retryable: false })
    expect(error.hint).toBeTruthy()
    expectNoSecret(error)
    const asConfig = await failure({ connectionString: connection })
    if (connection !== '') expect(asConfig, why).toMatchObject({ code: 'CONNECTION_CONFIG' })
    expectNoSecret(asConfig)
  })

  test.each([[undefined], [null], [42], [true], [[]], [() => ledger.loginUrl], [Symbol('url')]])(
    'is refused when it is no description at all: %s',
    async (connection) => {
      expect(await failure(connection)).toMatchObject({ code: 'CONNECTION_CONFIG' })
    },
  )

  test('is refused when the two places that speak of TLS contradict each other', async () => {
    for (const [search, ssl] of [
      ['?sslmode=require', false],
      ['?sslmode=disable', true],
      ['?sslmode=disable', { ca: 'x' }],
      ['?sslmode=verify-full', false],
    ] as const) {
      const error = await failure({ connectionString: url({ search, password: secret }), ssl })
      expect(error).toMatchObject({ code: 'CONNECTION_CONFIG' })
      expectNoSecret(error)
    }
  })

  test.each([
    [{ max: 0 }],
    [{ max: -1 }],
    [{ max: 1.5 }],
    [{ max: Number.NaN }],
    [{ max: '10' }],
    [{ idleTimeoutMs: -1 }],
    [{ connectTimeoutMs: Number.NaN }],
    [{ connectTimeoutMs: 'soon' }],
    [{ applicationName: 'a\0b' }],
  ])('is refused when an option of the pool is out of its range: %j', async (pool) => {
    expect(await failure(ledger.loginUrl, { pool })).toMatchObject({
      code: expect.stringMatching(/^(CONNECTION_CONFIG|OPTION_INVALID)$/),
    })
  })

  test('is refused by the server when the database does not exist', async () => {
    const error = await failure(url({ pathname: '/nowhere' }))
    expect(error).toMatchObject({ code: 'CONNECTION_CONFIG', sqlstate: '3D000', retryable: false })
  })
})

describe('A server that cannot be reached', () => {
  test('is told as refused, and found once it is there', async () => {
    await using proxy = await createFaultProxy(ledger.loginUrl)
    await proxy.refuse()
    await using db = ledger.open({ connection: proxy.through(ledger.loginUrl) })
    const ada = tenant(db, 'ada')
    for (let i = 0; i < 3; i++) {
      const error = await ada
        .selectFrom('entry')
        .selectAll()
        .execute()
        .catch((reason: unknown) => reason as TenonError)
      expect(error).toMatchObject({ code: 'CONNECTION_REFUSED', retryable: true })
    }
    await proxy.accept()
    expect(await ada.selectFrom('entry').selectAll().execute()).toEqual([])
    expect(db.stats().sessions).toMatchObject({ total: 1, idle: 1, waiting: 0 })
  })

  test('is told as refused when its name or its socket does not exist', async () => {
    expect(await failure(url({ hostname: 'no-such-host.invalid' }))).toMatchObject({ code: 'CONNECTION_REFUSED' })
    expect(
      await failure({ host: '/no/such/directory', user: 'someone', password: secret, database: 'db' }),
    ).toMatchObject({ code: 'CONNECTION_REFUSED' })
    const socket = await failure(`postgres://someone:${secret}@/db?host=/no/such/directory`)
    expect(socket, 'the form of a socket in a URL').toMatchObject({ code: 'CONNECTION_REFUSED' })
    expectNoSecret(socket)
  })

  test('is a timeout when it accepts and says nothing', async () => {
    await using proxy = await createFaultProxy(ledger.loginUrl)
    proxy.set({ blackHole: true })
    await using db = ledger.open({ connection: proxy.through(ledger.loginUrl), pool: { connectTimeoutMs: 150 } })
    const started = performance.now()
    const error = await tenant(db, 'ada')
      .selectFrom('entry')
      .selectAll()
      .execute()
      .catch((reason: unknown) => reason as TenonError)
    expect(error).toMatchObject({ code: 'TIMEOUT_CONNECT', retryable: true })
    expect(performance.now() - started).toBeLessThan(3_000)
    proxy.set({ blackHole: false })
    expect(await tenant(db, 'ada').selectFrom('entry').selectAll().execute()).toEqual([])
  })

  test('is an error when it is no PostgreSQL, and never waits for ever', async () => {
    const answers: Record<string, (socket: Socket) => void> = {
      'a web server': (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      'a server that hangs up': (socket) => socket.once('data', () => socket.end()),
      'a server that resets': (socket) => socket.once('data', () => socket.resetAndDestroy()),
      'a server that talks nonsense': (socket) => socket.write(Buffer.alloc(64, 0xff)),
    }
    for (const [name, answer] of Object.entries(answers)) {
      const error = await failure(await serve(answer), { pool: { connectTimeoutMs: 400 } })
      expect(error, name).toMatchObject({ code: expect.stringMatching(/^(CONNECTION_|TIMEOUT_CONNECT)/) })
    }
  })

  test('that is full is waited for until the deadline, and used when there is room', async () => {
    const login = new URL(ledger.loginUrl).username
    await ledger.admin(`alter role ${login} connection limit 1`)
    onTestFinished(() => ledger.admin(`alter role ${login} connection limit -1`).then(() => {}))
    await using first = ledger.open({ pool: { max: 1 } })
    await sql`select 1`.execute(tenant(first, 'ada'))
    const refused = await failure(ledger.loginUrl, { pool: { connectTimeoutMs: 200 } })
    expect(refused).toMatchObject({ code: 'CONNECTION_REFUSED', sqlstate: '53300', retryable: true })
    await using second = ledger.open({ pool: { connectTimeoutMs: 5_000 } })
    const waiting = sql`select 1`.execute(tenant(second, 'ada'))
    await first.close()
    await waiting
  })
})

describe('A login that is refused', () => {
  test('is told as such, without its password', async () => {
    for (const connection of [url({ password: secret }), url({ username: 'nobody_knows', password: secret })]) {
      const error = await failure(connection)
      expect(error).toMatchObject({ code: 'CONNECTION_AUTH', retryable: false })
      expectNoSecret(error)
    }
    expect(await failure(url({ password: '' }))).toMatchObject({ code: 'CONNECTION_AUTH' })
  })

  test('is told as such when the function that gives the password fails', async () => {
    const { hostname, port, username, pathname } = new URL(ledger.loginUrl)
    const config = { host: hostname, port: Number(port), user: username, database: pathname.slice(1) }
    for (const password of [() => Promise.reject(new Error(secret)), () => 42, async () => undefined]) {
      const error = await failure({ ...config, password })
      expect(error.code).toMatch(/^CONNECTION_(AUTH|CONFIG|LOST)$/)
      expectNoSecret(error)
    }
  })

  test('does not hold up the next attempt', async () => {
    let password: string = secret
    const { hostname, port, username, pathname, password: right } = new URL(ledger.loginUrl)
    const connection = {
      host: hostname,
      port: Number(port),
      user: username,
      database: pathname.slice(1),
      password: () => password,
    }
    await using db = ledger.open({ connection })
    const ada = tenant(db, 'ada')
    await expect(sql`select 1`.execute(ada)).rejects.toMatchObject({ code: 'CONNECTION_AUTH' })
    password = right
    expect(await sql`select 1 as one`.execute(ada)).toMatchObject({ rows: [{ one: 1 }] })
  })
})
