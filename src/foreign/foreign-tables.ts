/** Foreign tables: imported from another server, or made of a CSV file; and who reaches them. */
import { posix } from 'node:path'
import { checks } from '../generated/checks.ts'
import { foreign } from '../generated/foreign.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import type { Executor, RunOptions } from '../kernel/executor.ts'
import { quoteIdentifier } from '../kernel/identifier.ts'
import { mended, toForeignError } from './foreign-error.ts'
import {
  inTransaction,
  runQuoted,
  runSql,
  type ServiceExecutor,
  toOptionsJson,
  type WrapperOptions,
} from './server-statements.ts'

/** Options of {@link importForeignSchema}. */
export interface ImportForeignSchemaOptions extends RunOptions {
  readonly server: string
  /** The schema there. */
  readonly remoteSchema: string
  /** The schema here; it has to be there. */
  readonly into: string
  /** These tables alone. */
  readonly only?: readonly string[] | undefined
  /** All tables but these. */
  readonly except?: readonly string[] | undefined
  /** Of the wrapper: `{ import_default: true }`. */
  readonly options?: WrapperOptions | undefined
}

/**
 * Imports tables of a foreign server. Nobody but the owner may use them then, whatever default privileges say: row security cannot guard
 * them, so what a role is to see is granted by hand. Generate code afterwards: they are tables like others in it.
 *
 * @param service - who has a user mapping on the server: `db.service(…)`, or a transaction of it
 * @returns names of the new tables
 * @throws {TenonError} FOREIGN_UNREACHABLE or FOREIGN_REMOTE with the server's name; OPTION_INVALID; QUERY_UNDEFINED_OBJECT;
 *   QUERY_DUPLICATE_OBJECT
 * @example
 * ```ts
 * await importForeignSchema(service, { server: 'films', remoteSchema: 'public', into: 'remote', only: ['films', 'directors'] })
 * ```
 * The SQL:
 * ```sql
 * import foreign schema public limit to (films, directors) from server films into remote
 * ```
 */
export async function importForeignSchema(
  service: ServiceExecutor,
  options: ImportForeignSchemaOptions,
): Promise<readonly string[]> {
  const { server, remoteSchema, into, only, except, options: more = {}, signal } = options
  for (const name of [server, remoteSchema, into, ...(only ?? []), ...(except ?? [])]) quoteIdentifier(name)
  if ((only !== undefined && except !== undefined) || only?.length === 0 || except?.length === 0)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'tables to import are given by only or by except, one table at least',
      hint: 'Leave both out to import all.',
    })
  const json = toOptionsJson(more)
  const values = [server, remoteSchema, into, only ?? null, except ?? null, json === '{}' ? null : json]
  try {
    return await closed(service, into, (trx) => runQuoted(trx, foreign.importSchema, values, { signal }))
  } catch (error) {
    throw toForeignError(error, server)
  }
}

/** Options of {@link createCsvTable}. */
export interface CreateCsvTableOptions extends RunOptions {
  /** A server of the wrapper `file_fdw`. */
  readonly server: string
  readonly schema: string
  readonly name: string
  /** On the database's machine: absolute, and below one of `within`. */
  readonly path: string
  /** Folders that may be read. Links in them are followed by the server, so nobody else may write there. */
  readonly within: readonly string[]
  /** Types by the names of columns, in the order of the file: `{ id: 'bigint', price: 'numeric(10,2)' }`; with `not null` behind it. */
  readonly columns: Readonly<Record<string, string>>
  /** Whether the first line holds names; `match`: and they are those of the columns. Default `match`. */
  readonly header?: boolean | 'match' | undefined
  /** One character. Default: a comma. */
  readonly delimiter?: string | undefined
  /** One character. Default: a double quote. */
  readonly quote?: string | undefined
  /** What stands for NULL, unquoted. Default: nothing. */
  readonly null?: string | undefined
  /** Default: that of the database. */
  readonly encoding?: string | undefined
}

/**
 * Makes a table of a CSV file on the database's machine. It is read anew by every query, and nothing in it can be written.
 *
 * @param service - of a superuser, or of a member of `pg_read_server_files`: `db.service(…)`, or a transaction of it
 * @throws {TenonError} OPTION_INVALID for a path outside of `within`, or a type that is none; ACCESS_DENIED; QUERY_DUPLICATE_OBJECT
 * @example
 * ```ts
 * await createCsvTable(service, {
 *   server: 'files', schema: 'remote', name: 'prices', path: '/srv/import/prices.csv', within: ['/srv/import'],
 *   columns: { sku: 'text not null', price: 'numeric(10,2)' },
 * })
 * ```
 * The SQL:
 * ```sql
 * create foreign table remote.prices (sku text not null, price numeric(10,2)) server files
 *   options (filename '/srv/import/prices.csv', format 'csv', header 'match')
 * ```
 */
export async function createCsvTable(service: ServiceExecutor, options: CreateCsvTableOptions): Promise<void> {
  const {
    server,
    schema,
    name,
    path,
    within,
    columns,
    header = 'match',
    delimiter,
    quote,
    null: empty,
    encoding,
    signal,
  } = options
  for (const each of [server, schema, name]) quoteIdentifier(each)
  const format = { filename: allowedPath(path, within), format: 'csv', header, delimiter, quote, null: empty, encoding }
  const given = Object.entries(format).filter((entry): entry is [string, string | boolean] => entry[1] !== undefined)
  const fields = Object.entries(columns).map(([column, type]) => toField(column, type))
  if (fields.length === 0)
    throw new TenonError({ code: 'OPTION_INVALID', message: 'a table of a file has a column at least' })
  const values = [schema, name, server, JSON.stringify(fields), toOptionsJson(Object.fromEntries(given))]
  try {
    await closed(service, schema, (trx) => runQuoted(trx, foreign.createTable, values, { signal }))
  } catch (error) {
    if (isTenonError(error) && error.code === 'ACCESS_DENIED')
      throw mended(
        error,
        'ACCESS_DENIED',
        `table ${schema}.${name}: this login may not read files of the server, or not use foreign server ${server}`,
        'A superuser runs: grant pg_read_server_files to it, and grant usage on foreign server; most managed servers give nobody that.',
      )
    throw toForeignError(error, server)
  }
}

function allowedPath(path: string, within: readonly string[]): string {
  const isPlain =
    typeof path === 'string' && posix.isAbsolute(path) && posix.normalize(path) === path && !path.includes('\0')
  const allowed = within.some(
    (folder) => posix.isAbsolute(folder) && path.startsWith(`${posix.normalize(folder).replace(/\/$/, '')}/`),
  )
  if (isPlain && allowed) return path
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'the path of the file is not absolute and plain, or in none of the folders that are allowed',
    hint: 'Pass an absolute path without "..", below one of `within`.',
  })
}

// A word or several, or a quoted name, after a schema or not; a modifier; brackets of arrays. No other SQL.
const typeShape =
  /^(?:(?:[a-z_]\w*|"[^"]+")\.)?(?:[a-z_]\w*(?: [a-z_]\w*)*|"[^"]+")(?:\(\d+(?:, ?\d+)?\))?(?: with(?:out)? time zone)?(?:\[\])*$/i

function toField(name: string, given: string): { name: string; type: string; notNull: boolean } {
  quoteIdentifier(name)
  const [, type = '', required] = /^(.*?)( not null)?$/is.exec(String(given)) ?? []
  if (
    !typeShape.test(type) ||
    /\b(not|null|default|check|options|primary|unique|references|generated|collate)\b/i.test(type)
  )
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `column ${name} has no type of PostgreSQL`,
      hint: 'Write it as in CREATE TABLE: bigint, numeric(10,2), text[], app.mood; and not null behind it.',
    })
  return { name, type, notNull: required !== undefined }
}

/** Runs what makes foreign tables, and takes back what default privileges gave on them. */
async function closed(
  service: ServiceExecutor,
  schema: string,
  make: (trx: Executor) => Promise<void>,
): Promise<readonly string[]> {
  return await inTransaction(service, async (trx) => {
    const [before] = await runSql<{ readonly tables: string }>(trx, foreign.tablesInSchema, [schema])
    await make(trx)
    const made = await runSql<{ readonly name: string; readonly statement: string | null }>(trx, foreign.revokeTables, [
      schema,
      before?.tables ?? '{}',
    ])
    for (const { statement } of made) if (statement !== null) await runSql(trx, statement)
    return made.map(({ name }) => name)
  })
}

/** A foreign table that a session role reaches. */
export interface ExposedForeignTable {
  readonly schema: string
  readonly name: string
  readonly server: string
  readonly role: string
  readonly privileges: readonly ('SELECT' | 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE')[]
  /** Which user mapping it uses: one for this role, one for everybody, or none yet. */
  readonly mapping: 'role' | 'public' | 'none'
}

/**
 * Lists the foreign tables that session roles reach, which no policy guards: everybody who becomes the role sees what the login of its user
 * mapping sees. For each, revoke it and grant a view with `security_barrier` that has the condition; or know that all may see all.
 *
 * @param executor - any: the catalog is open to everybody
 * @param roles - the session roles of the database
 * @returns by name; empty when all is well
 * @example
 * ```ts
 * for (const { schema, name, role } of await listExposedForeignTables(service, ['anon', 'authenticated'])) warn(schema, name, role)
 * ```
 * The SQL: sql/checks/foreign-tables.sql
 */
export async function listExposedForeignTables(
  executor: Executor,
  roles: readonly string[],
  options: RunOptions = {},
): Promise<readonly ExposedForeignTable[]> {
  return await runSql<ExposedForeignTable>(executor, checks.foreignTables, [roles], options)
}
