// What an error of the server means when it comes from one of our own files: which object stood in the way, or which of the
// conditions that the file tests by itself was not met. It refuses to guess: any other error stays what it was, as the cause.

import type { DedicatedConnection } from '../database/index.ts'
import type { SqlObject } from '../generated/modules.ts'
import { type ErrorCode, isTenonError, TenonError } from '../kernel/errors.ts'
import { quoteIdentifier, quoteQualified } from '../kernel/identifier.ts'
import type { Migration } from './migration.ts'

/**
 * Turns the error of a file into the one to throw. The file's transaction must have been rolled back.
 *
 * @param connection - the run's connection, to look up which objects exist
 * @param error - what running the file threw
 * @param migration - what was run
 * @param sql - the text that was run, for the line and column of an error in it
 * @returns QUERY_DUPLICATE_OBJECT with the names, the code of a known condition, or MIGRATION_FAILED
 */
export async function toMigrationError(
  connection: DedicatedConnection,
  error: unknown,
  migration: Migration,
  sql: string,
): Promise<unknown> {
  const { file, schema } = migration
  // A lost connection says more by itself.
  if (!isTenonError(error) || error.sqlstate === undefined || lost.includes(error.code)) return error
  const { code, retryable, sqlstate, hint } = error
  if (retryable || passedOn.includes(code)) {
    const message = `${file.path}: ${error.message}`
    return new TenonError({ code, retryable, sqlstate, hint, message, cause: error })
  }

  const condition = error.constraint === undefined ? undefined : conditions.get(error.constraint)
  if (condition !== undefined) {
    return new TenonError({
      ...condition,
      message: `${file.path}: ${condition.message}`,
      sqlstate: error.sqlstate,
      cause: error,
    })
  }

  if (error.code === 'QUERY_DUPLICATE_OBJECT') {
    const existing = await findExisting(connection, migration)
    const [first] = existing
    const names = existing.map((object) => `${object.kind} ${quoteQualified(object.schema, object.name)}`)
    return new TenonError({
      code: 'QUERY_DUPLICATE_OBJECT',
      message: `${file.path}: ${names.length > 0 ? names.join(' and ') : 'an object of the same name'} exists already and is never overwritten`,
      hint: existing.some((object) => object.schema === schema)
        ? 'name another schema with option schema, or rename the existing object'
        : 'the library needs this name: rename or move the existing object',
      sqlstate: error.sqlstate,
      schema: first?.schema,
      table: first?.kind === 'table' ? first.name : undefined,
      cause: error,
    })
  }

  const schemaIsMissing = error.sqlstate === '3F000' && migration.targetSchema !== ''
  const denied = error.code === 'ACCESS_DENIED' ? `it takes: ${file.privilege}` : error.hint
  return new TenonError({
    code: 'MIGRATION_FAILED',
    message: `${placeIn(file.path, sql, error.position)}: ${schemaIsMissing ? `schema ${quoteIdentifier(schema)} does not exist` : error.message}`,
    hint: schemaIsMissing ? `create it first: create schema ${quoteIdentifier(schema)}` : denied,
    sqlstate: error.sqlstate,
    position: error.position,
    cause: error,
  })
}

const lost: readonly ErrorCode[] = ['CONNECTION_LOST', 'COMMIT_UNKNOWN']
const passedOn: readonly ErrorCode[] = ['QUERY_CANCELED', 'TIMEOUT_STATEMENT', 'TRANSACTION_READ_ONLY']

interface Condition {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
}

// The keys stand in the SQL as `constraint` of a RAISE: its text is left out of errors, because in general it holds values.
const conditions: ReadonlyMap<string, Condition> = new Map<string, Condition>([
  [
    'roles_createrole_missing',
    {
      code: 'ACCESS_DENIED',
      message: 'the roles are missing and this login may not create them',
      hint: 'connect as a superuser or a role with CREATEROLE, or let one run this file once',
    },
  ],
  [
    'roles_session_role_powerful',
    {
      code: 'LOGIN_POWERFUL',
      message: 'role anon or authenticated exists and bypasses row-level security',
      hint: 'check who relies on it, then: alter role anon nosuperuser nobypassrls; alter role authenticated nosuperuser nobypassrls',
    },
  ],
  [
    'roles_login_powerful',
    {
      code: 'LOGIN_POWERFUL',
      message: 'role tenon_login exists and is more than a powerless login',
      hint:
        'alter role tenon_login noinherit nosuperuser nocreatedb nocreaterole nobypassrls noreplication; revoke every role from it but ' +
        'anon and authenticated (\\drg tenon_login in psql lists them); give what it owns to another role; or rename it. ' +
        'Run with psql, the file names each finding',
    },
  ],
  [
    'restrict_set_config_superuser',
    {
      code: 'ACCESS_DENIED',
      message: 'this login may not revoke execute on function pg_catalog.set_config',
      hint: 'connect as a superuser; managed servers give nobody that right',
    },
  ],
  [
    'tenancy_stands_once',
    {
      code: 'QUERY_DUPLICATE_OBJECT',
      message: 'tenancy stands in this database already, in another schema',
      hint: 'use the organizations that are there: tables of every schema can be put under them',
    },
  ],
  [
    'roles_grant_refused',
    {
      code: 'ACCESS_DENIED',
      message: 'this login may not grant anon and authenticated to tenon_login, because somebody else created them',
      hint: 'as their creator or a superuser: grant anon, authenticated to tenon_login (PostgreSQL 16 and later: with inherit false, set true)',
    },
  ],
])

/** `path:line:column` as editors open it; the path alone where the server names no place. */
function placeIn(path: string, sql: string, position: number | undefined): string {
  if (position === undefined) return path
  // The server counts characters, of which an emoji is one and a JavaScript string has two units of it.
  const before = [...sql].slice(0, position - 1)
  const lineStart = before.lastIndexOf('\n') + 1
  const line = before.filter((character) => character === '\n').length + 1
  return `${path}:${line}:${before.length - lineStart + 1}`
}

/**
 * Looks up which of the objects that a migration makes are there.
 *
 * @returns those with their schema filled in, in the order of the file
 */
export async function findExisting(
  connection: DedicatedConnection,
  migration: Migration,
): Promise<readonly SqlObject[]> {
  const existing: SqlObject[] = []
  for (const created of migration.file.creates) {
    const object = { ...created, schema: created.schema === ':"schema"' ? migration.schema : created.schema }
    const { rows } = await connection.query(
      object.kind === 'function'
        ? 'select from pg_catalog.pg_proc where pronamespace = pg_catalog.to_regnamespace($1) and proname = $2'
        : 'select from pg_catalog.pg_class where relnamespace = pg_catalog.to_regnamespace($1) and relname = $2',
      [quoteIdentifier(object.schema), object.name],
    )
    if (rows.length > 0) existing.push(object)
  }
  return existing
}
