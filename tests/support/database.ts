/**
 * Databases and logins for tests: one database per test file, cloned from a template that is built once per run.
 * Every name carries the run's prefix. It applies no schema of its own and knows no migration; callers pass `apply`.
 */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, DatabaseError, escapeIdentifier, escapeLiteral } from 'pg'
import { inject } from 'vitest'
import type { TestServers } from './servers.ts'

/** A database of one test file. */
export interface TestDatabase {
  /** URL of the server's administrator on this database. */
  readonly adminUrl: string
  readonly name: string
  /** Disconnects everybody and drops the database. */
  drop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A login that owns nothing. */
export interface TestLogin {
  /** URL that connects as this login. */
  readonly url: string
  readonly name: string
  /** Drops the login; its connections must be closed. */
  drop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Options of `createTestDatabase`. */
export interface CreateTestDatabaseOptions {
  /** A name that `createTemplate` returned; without it the database is empty. */
  readonly template?: string
  /** The servers to use; default: what vitest's global setup provided. */
  readonly servers?: TestServers
}

/** Options of `createLogin`. */
export interface CreateLoginOptions {
  /** The roles the login may switch to, created when absent. Default anon and authenticated. */
  readonly roles?: readonly string[]
  /** Further attributes, for tests of powerful logins: `BYPASSRLS`, `INHERIT`, `CREATEROLE`. */
  readonly attributes?: string
  readonly servers?: TestServers
}

/** Serialises everything that writes the cluster's shared catalogs: two such writers fail with "tuple concurrently updated". */
const SHARED_CATALOG_LOCK = 728_391

/**
 * Creates a database for one test file, by cloning `template` where one is given (about 30 ms).
 *
 * @returns the database; drop it in `afterAll`, or hold it with `await using`.
 * @example
 * const database = await createTestDatabase({ template: await createTemplate('projects', applyProjects) })
 * afterAll(() => database.drop())
 */
export async function createTestDatabase(options: CreateTestDatabaseOptions = {}): Promise<TestDatabase> {
  const servers = options.servers ?? inject('servers')
  const name = `${servers.prefix}${randomBytes(5).toString('hex')}`
  await asAdmin(servers, async (client) => {
    // file_copy skips writing the template's pages through the WAL.
    const from = options.template ? `template ${escapeIdentifier(options.template)} strategy file_copy` : ''
    await untilTemplateIsFree(() => client.query(`create database ${escapeIdentifier(name)} ${from}`))
  })
  const drop = () =>
    asAdmin(servers, async (client) => {
      await client.query(`drop database if exists ${escapeIdentifier(name)} with (force)`)
    })
  return { adminUrl: onDatabase(servers.main.url, name), name, drop, [Symbol.asyncDispose]: drop }
}

/**
 * Builds a template database once per run, however many test files ask for it at once; later calls return at once.
 *
 * @param name what the template holds; with another `apply`, take another name.
 * @param apply fills the new database; it must close every connection it opens, since a database in use cannot be cloned.
 * @returns the template's name, for `createTestDatabase`.
 */
export async function createTemplate(
  name: string,
  apply: (adminUrl: string) => Promise<void>,
  servers: TestServers = inject('servers'),
): Promise<string> {
  const template = `${servers.prefix}template_${createHash('sha256').update(name).digest('hex').slice(0, 12)}`
  await asAdmin(servers, async (client) => {
    await client.query('select pg_advisory_lock($1)', [SHARED_CATALOG_LOCK])
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [template])
    if (rowCount) return
    const building = `${template}_building`
    await client.query(`drop database if exists ${escapeIdentifier(building)} with (force)`)
    await client.query(`create database ${escapeIdentifier(building)}`)
    await apply(onDatabase(servers.main.url, building))
    // Renamed only when complete: a half-built template is never found by its name.
    await untilTemplateIsFree(() =>
      client.query(`alter database ${escapeIdentifier(building)} rename to ${escapeIdentifier(template)}`),
    )
  })
  return template
}

/**
 * Creates a login that owns nothing, inherits nothing and may switch to `roles` only.
 *
 * @param database the database its URL points at.
 * @example
 * const login = await createLogin(database)
 * const db = createDatabase({ connection: login.url })
 */
export async function createLogin(database: TestDatabase, options: CreateLoginOptions = {}): Promise<TestLogin> {
  const servers = options.servers ?? inject('servers')
  const name = `${servers.prefix}login_${randomBytes(4).toString('hex')}`
  const password = randomBytes(12).toString('hex')
  await asAdmin(servers, async (client) => {
    await client.query('select pg_advisory_lock($1)', [SHARED_CATALOG_LOCK])
    const attributes = `login noinherit ${options.attributes ?? ''} password ${escapeLiteral(password)}`
    await client.query(`create role ${escapeIdentifier(name)} ${attributes}`)
    for (const role of options.roles ?? ['anon', 'authenticated']) {
      const { rowCount } = await client.query('select 1 from pg_roles where rolname = $1', [role])
      if (!rowCount) await client.query(`create role ${escapeIdentifier(role)} nologin noinherit`)
      await client.query(`grant ${escapeIdentifier(role)} to ${escapeIdentifier(name)}`)
    }
  })
  const drop = () =>
    asAdmin(servers, async (client) => {
      await client.query('select pg_advisory_lock($1)', [SHARED_CATALOG_LOCK])
      await client.query(`drop role if exists ${escapeIdentifier(name)}`)
    })
  const url = new URL(database.adminUrl)
  url.username = name
  url.password = password
  return { url: url.href, name, drop, [Symbol.asyncDispose]: drop }
}

async function asAdmin(servers: TestServers, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: servers.main.url })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

/** A client that has just ended still holds the template for some milliseconds (55006); anything else is a real failure. */
async function untilTemplateIsFree(run: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run()
      return
    } catch (error) {
      if (!(error instanceof DatabaseError && error.code === '55006') || attempt === 40) throw error
      await sleep(25)
    }
  }
}

function onDatabase(url: string, name: string): string {
  const result = new URL(url)
  result.pathname = `/${name}`
  return result.href
}
