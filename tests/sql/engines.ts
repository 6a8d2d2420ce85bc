/**
 * The PostgreSQLs that the SQL files are tested on: the run's server, Debian's 15 where it is installed, and PGlite.
 * SQL is sent with the plain clients, so that these tests judge the files and not the driver.
 */
import { Client } from 'pg'
import { afterAll, beforeAll, describe, inject, it } from 'vitest'
import { type SqlModuleName, sqlModules } from '../../src/generated/modules.ts'
import { orderModules } from '../../src/migrate/module-order.ts'
import { fillPlaceholders, type IdentityType } from '../../src/migrate/placeholders.ts'
import { createLogin, createTestDatabase } from '../support/database.ts'
import { bootPglite } from '../support/pglite.ts'
import { startPostgres } from '../support/postgres.ts'
import { findSystemBinaries } from '../support/postgres-binaries.ts'
import type { TestServers } from '../support/servers.ts'

export type Row = Readonly<Record<string, unknown>>

/** Runs one statement. */
export type Query = (text: string, values?: readonly unknown[]) => Promise<readonly Row[]>

/** Who runs a piece of work: the role and the settings of a session. */
export interface Caller {
  readonly role: string
  readonly claims?: unknown
  readonly settings?: Readonly<Record<string, string>>
}

/** A database of one test file on one kind of PostgreSQL. */
export interface Engine {
  /** Runs one statement as the superuser. */
  readonly admin: Query
  /** Runs several statements as the superuser. */
  script(text: string): Promise<void>
  /** Runs `work` in a transaction of a login that owns nothing, under a role and claims; commits unless it throws. */
  as<T>(caller: Caller, work: (query: Query) => Promise<T>): Promise<T>
  /** The login that `as` uses. */
  readonly loginName: string
  close(): Promise<void>
}

/** A kind of PostgreSQL; `skip` says why it cannot be had here. */
export interface EngineKind {
  readonly name: string
  readonly skip: string | undefined
  open(): Promise<Engine>
}

const debianBinaries = findSystemBinaries(15)

export const engineKinds: readonly EngineKind[] = [
  { name: 'the server', skip: undefined, open: () => openOnServer(inject('servers'), async () => {}) },
  {
    name: 'PostgreSQL 15',
    skip:
      debianBinaries === undefined ? 'PostgreSQL 15 is not installed here (apt-get install postgresql-15)' : undefined,
    open: openFifteen,
  },
  { name: 'PGlite', skip: undefined, open: openPglite },
]

/**
 * Applies modules and what they require, as psql would: no ledger is written.
 *
 * @param engine where
 * @param modules what
 * @param schema made when it is missing
 */
export async function applySql(
  engine: Pick<Engine, 'script'>,
  modules: readonly SqlModuleName[],
  schema = 'public',
  id: IdentityType = 'uuid',
): Promise<void> {
  await engine.script(`create schema if not exists "${schema}"`)
  for (const module of orderModules(modules)) {
    // Modules without placeholders stand once per database, whatever the schema of the others.
    for (const file of module.files) {
      if (file.placeholders.length === 0 && applied.get(engine)?.has(file.path)) continue
      await engine.script(`begin; ${fillPlaceholders(file.sql, { schema, id })}; commit`)
      applied.set(engine, (applied.get(engine) ?? new Set()).add(file.path))
    }
  }
}

const applied = new WeakMap<object, Set<string>>()

/** One file of a module, placeholders filled for schema public and uuid. */
export function sqlOf(module: SqlModuleName, version: string): string {
  const file = sqlModules[module].files.find((candidate) => candidate.version === version)
  if (file === undefined) throw new Error(`module ${module} has no file ${version}`)
  return fillPlaceholders(file.sql, { schema: 'public', id: 'uuid' })
}

/**
 * Describes a file of a module on every engine, each with the modules applied.
 *
 * @param path - of the file, as sql/README.md and the test of the modules name it
 */
export function describeModule(
  path: string,
  modules: readonly SqlModuleName[],
  tests: (engine: () => Engine) => void,
): void {
  describe(path, () => {
    describe.each(engineKinds)('$name', (kind) => {
      if (kind.skip !== undefined) {
        it.skip(kind.skip)
        return
      }
      let engine: Engine
      beforeAll(async () => {
        engine = await kind.open()
        await applySql(engine, modules)
      })
      afterAll(() => engine.close())
      tests(() => engine)
    })
  })
}

/** Takes a module back, its newest file first, as its files say. */
export async function revertSql(engine: Pick<Engine, 'script'>, module: SqlModuleName): Promise<void> {
  for (const { down = '' } of sqlModules[module].files.toReversed())
    await engine.script(`begin; ${fillPlaceholders(down, { schema: 'public', id: 'uuid' })}; commit`)
}

/** The SQLSTATE that `work` fails with, or 'no error'. */
export async function sqlstateOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'no error'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

let fifteen: ReturnType<typeof startPostgres> | undefined

/** One server for all engines of a test file; it goes with the process. */
async function openFifteen(): Promise<Engine> {
  fifteen ??= startPostgres({ binDir: debianBinaries ?? '' })
  const { url, version } = await fifteen
  return await openOnServer({ main: { kind: 'embedded', url, version }, prefix: 't15_' }, async () => {})
}

async function openOnServer(servers: TestServers, stop: () => Promise<void>): Promise<Engine> {
  const database = await createTestDatabase({ servers })
  const login = await createLogin(database, { servers, roles: ['anon', 'authenticated', 'service_role'] })
  const admin = new Client(database.adminUrl)
  const session = new Client(login.url)
  await admin.connect()
  await session.connect()
  const run =
    (client: Client): Query =>
    async (text, values = []) =>
      (await client.query<Record<string, unknown>>(text, [...values])).rows
  return {
    admin: run(admin),
    script: async (text) => void (await rollbackOnError(admin.query(text), () => admin.query('rollback'))),
    as: (caller, work) => inTransaction(run(session), caller, work),
    loginName: login.name,
    async close() {
      await session.end()
      await admin.end()
      await database.drop()
      await login.drop()
      await stop()
    },
  }
}

async function openPglite(): Promise<Engine> {
  const pglite = await bootPglite()
  const run: Query = async (text, values = []) => (await pglite.query<Record<string, unknown>>(text, [...values])).rows
  const loginName = 'test_login'
  await pglite.exec(`
    create role anon nologin; create role authenticated nologin; create role service_role nologin;
    create role ${loginName} login noinherit;
    grant anon, authenticated, service_role to ${loginName}`)
  return {
    admin: run,
    script: async (text) => void (await rollbackOnError(pglite.exec(text), () => pglite.exec('rollback'))),
    async as(caller, work) {
      await pglite.exec(`set session authorization ${loginName}`)
      try {
        return await inTransaction(run, caller, work)
      } finally {
        await pglite.exec('set session authorization postgres')
      }
    },
    loginName,
    close: () => pglite.close(),
  }
}

async function inTransaction<T>(query: Query, caller: Caller, work: (query: Query) => Promise<T>): Promise<T> {
  const claims = caller.claims === undefined ? '' : JSON.stringify(caller.claims)
  await query('begin')
  try {
    for (const [name, value] of Object.entries(caller.settings ?? {})) {
      await query('select pg_catalog.set_config($1, $2, true)', [name, value])
    }
    await query(
      `select pg_catalog.set_config('request.jwt.claims', $1, true), pg_catalog.set_config('role', $2, true)`,
      [claims, caller.role],
    )
    const result = await work(query)
    await query('commit')
    return result
  } catch (error) {
    await query('rollback')
    throw error
  }
}

async function rollbackOnError<T>(work: Promise<T>, rollback: () => Promise<unknown>): Promise<T> {
  try {
    return await work
  } catch (error) {
    await rollback()
    throw error
  }
}
