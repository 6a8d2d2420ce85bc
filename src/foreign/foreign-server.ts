/** Foreign servers: made, and dropped. */
import { foreign } from '../generated/foreign.ts'
import { isTenonError } from '../kernel/errors.ts'
import type { Executor, RunOptions } from '../kernel/executor.ts'
import { quoteIdentifier, quoteQualified } from '../kernel/identifier.ts'
import { mended, toForeignError } from './foreign-error.ts'
import { runQuoted, runSql, toOptionsJson, type WrapperOptions } from './server-statements.ts'

/** Options of {@link createForeignServer}. */
export interface CreateForeignServerOptions extends RunOptions {
  readonly name: string
  /** The foreign-data wrapper; its extension has to be there. Default `postgres_fdw`. */
  readonly wrapper?: string | undefined
  /** Of the wrapper: `{ host, port, dbname, fetch_size }`. No user and no password: these belong to user mappings. */
  readonly options?: WrapperOptions | undefined
}

const ofMappings = ['user', 'password', 'passfile', 'sslpassword', 'sslkey', 'sslcert']

/**
 * Makes a foreign server. Nothing connects yet.
 *
 * @param service - a superuser's, or one with USAGE on the wrapper: `db.service(…)`, or a transaction of it
 * @throws {TenonError} OPTION_INVALID for an option that the wrapper does not take there; QUERY_UNDEFINED_OBJECT without the wrapper's
 *   extension; QUERY_DUPLICATE_OBJECT or ACCESS_DENIED
 * @example
 * ```ts
 * await createForeignServer(service, { name: 'films', options: { host: 'films.internal', port: 5432, dbname: 'films' } })
 * ```
 * The SQL:
 * ```sql
 * create server films foreign data wrapper postgres_fdw options (dbname 'films', host 'films.internal', port '5432')
 * ```
 */
export async function createForeignServer(
  service: Executor,
  { name, wrapper = 'postgres_fdw', options = {}, signal }: CreateForeignServerOptions,
): Promise<void> {
  quoteIdentifier(name)
  quoteIdentifier(wrapper)
  const json = toOptionsJson(options, ofMappings, 'Pass it to setUserMapping(), which keeps it out of every log.')
  try {
    await runQuoted(service, foreign.createServer, [name, wrapper, json === '{}' ? null : json], { signal })
  } catch (error) {
    throw toForeignError(error, name, wrapper)
  }
}

/** Options of {@link dropForeignServer} and {@link dropForeignTable}. */
export interface DropForeignOptions extends RunOptions {
  /** Takes what depends on it along: tables, user mappings, views. */
  readonly cascade?: boolean | undefined
}

/**
 * Drops a foreign server; one that is not there is none.
 *
 * @throws {TenonError} QUERY_FAILED (2BP01) when tables or user mappings need it and `cascade` is not set
 * @example
 * ```ts
 * await dropForeignServer(service, 'films', { cascade: true })
 * ```
 * The SQL:
 * ```sql
 * drop server if exists "films" cascade
 * ```
 */
export async function dropForeignServer(
  service: Executor,
  name: string,
  options: DropForeignOptions = {},
): Promise<void> {
  await drop(service, `server if exists ${quoteIdentifier(name)}`, `foreign server ${name}`, options)
}

/**
 * Drops a foreign table, and nothing on the other side; one that is not there is none.
 *
 * @param table - of generated metadata, `tables.films`, or its names
 * @throws {TenonError} QUERY_FAILED (2BP01) when views need it and `cascade` is not set
 * @example
 * ```ts
 * await dropForeignTable(service, { schema: 'remote', name: 'films' })
 * ```
 * The SQL:
 * ```sql
 * drop foreign table if exists "remote"."films"
 * ```
 */
export async function dropForeignTable(
  service: Executor,
  { schema, name }: { readonly schema: string; readonly name: string },
  options: DropForeignOptions = {},
): Promise<void> {
  await drop(
    service,
    `foreign table if exists ${quoteQualified(schema, name)}`,
    `foreign table ${schema}.${name}`,
    options,
  )
}

async function drop(
  service: Executor,
  what: string,
  object: string,
  { cascade = false, signal }: DropForeignOptions,
): Promise<void> {
  try {
    await runSql(service, `drop ${what}${cascade ? ' cascade' : ''}`, [], { signal })
  } catch (error) {
    if (!isTenonError(error) || error.sqlstate !== '2BP01') throw error
    throw mended(
      error,
      error.code,
      `${object} is needed by other objects`,
      'Drop these first, or pass { cascade: true }.',
    )
  }
}
