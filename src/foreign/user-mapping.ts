/**
 * User mappings, whose passwords stand in no file, log, event or error.
 *
 * CREATE USER MAPPING is a statement without parameters: sent as it is, its text is in the server's log, in pg_stat_statements and in
 * pg_stat_activity; and with `log_statement = all` even parameters are. The data of COPY are written down by none of these. So the values
 * go into a temporary table by COPY, and a DO block, whose own text says nothing, makes the mapping of them.
 */
import { CopyRows, factsOf } from '../database/index.ts'
import { foreign } from '../generated/foreign.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import { type Executor, executorOf, type RunOptions } from '../kernel/executor.ts'
import { quoteIdentifier } from '../kernel/identifier.ts'
import { mended } from './foreign-error.ts'
import { runSql, type ServiceExecutor, toOptionsJson, type WrapperOptions } from './server-statements.ts'

/** Options of {@link setUserMapping}. */
export interface SetUserMappingOptions extends RunOptions {
  /** The foreign server. */
  readonly server: string
  /** Who uses the mapping: a session role, an owner of views, or `public` for everybody. */
  readonly role: string
  /** The login on the other side. */
  readonly user: string
  readonly password?: string | undefined
  /** Further ones of the wrapper: `{ sslcert, sslkey }`; `password_required` is a superuser's. */
  readonly options?: WrapperOptions | undefined
}

/**
 * Makes the user mapping of a role, or replaces it. The password then stands in the catalog, where superusers and whom the mapping is for can
 * read it, and in dumps.
 *
 * It runs in a transaction of its own, in which the server's logs are silent as far as the login may silence them. What a login that is no
 * superuser may not silence and would write the password down has it refused, and nothing is sent: pg_stat_statements with `track = all` and
 * `track_utility`, pgaudit, and where messages have their context (`log_error_verbosity` is not `terse`) `log_parser_stats` and a
 * `log_min_messages` of debug. Two things are out of sight there: a message that an event trigger of yours logs for CREATE USER MAPPING, and
 * the end of the connection, by an administrator, in the very moment of that statement; `grant set on parameter log_error_verbosity` to
 * the login excludes both. Where waits for locks are logged it gives up before one is: TIMEOUT_LOCK.
 *
 * @param service - of the server's owner: `db.service(…)`, and no transaction
 * @throws {TenonError} FOREIGN_SECRET when the server would write the password down; QUERY_UNDEFINED_OBJECT without such a server or role;
 *   ACCESS_DENIED; OPTION_INVALID for what the wrapper does not take
 * @example
 * ```ts
 * await setUserMapping(service, { server: 'films', role: 'authenticated', user: 'reader', password: await secrets.get('films') })
 * ```
 * The SQL:
 * ```sql
 * create temporary table tenon_user_mapping (…) on commit drop;
 * copy pg_temp.tenon_user_mapping (server, login, options) from stdin;
 * do $$ … execute format('create user mapping for … server … options (…)', …) … $$;
 * ```
 */
export async function setUserMapping(service: ServiceExecutor, mapping: SetUserMappingOptions): Promise<void> {
  const { server, role, user, password, options = {}, signal } = mapping
  quoteIdentifier(server)
  quoteIdentifier(role)
  if (!factsOf(executorOf(service)).copies)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'a user mapping is made by a service',
      hint: 'Pass db.service({ actor, reason }).',
    })
  if (service.isTransaction)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'a user mapping is made in a transaction of its own, in which the logs are silent',
      hint: 'Pass db.service(…) itself.',
    })
  const given = { ...options, user, ...(password === undefined ? {} : { password }) }
  const row = { server, login: role === 'public' ? null : role, options: toOptionsJson(given) }
  const rows = new CopyRows(new Map(columns.map((name) => [name, (values) => values[name]])), [row])
  try {
    await service.transaction().execute(async (trx) => {
      await keepQuiet(trx)
      await runSql(trx, makeTable).catch((error: unknown) => {
        throw toTableError(error)
      })
      await runSql(trx, 'copy pg_temp.tenon_user_mapping (server, login, options) from stdin', [rows])
      await runSql(trx, foreign.putMapping, [], { signal })
    })
  } catch (error) {
    throw toMappingError(error, server, role)
  }
}

const makeTable = 'create temporary table tenon_user_mapping (server text, login text, options text) on commit drop'

const columns = ['server', 'login', 'options'] as const

async function keepQuiet(trx: Executor): Promise<void> {
  const [state] = await runSql<{ readonly loud: string | null }>(trx, foreign.keepQuiet)
  const loud = state?.loud ?? null
  if (loud === null) return
  throw new TenonError({
    code: 'FOREIGN_SECRET',
    message: `the server would write the password down, because of ${loud}, which this login may not change`,
    hint: `Call it as a superuser, or let one run: grant set on parameter ${loud} to this login.`,
  })
}

function toTableError(error: unknown): unknown {
  if (!isTenonError(error) || error.code !== 'ACCESS_DENIED') return error
  return mended(
    error,
    'ACCESS_DENIED',
    'a user mapping is made through a temporary table, which this login may not make',
    'grant temporary on database … to this login; the SQL module roles takes it from PUBLIC.',
  )
}

function toMappingError(error: unknown, server: string, role: string): unknown {
  if (!isTenonError(error) || error.constraint !== 'foreign_user_mapping') return error
  const about = `user mapping of ${role} on foreign server ${server}`
  switch (error.sqlstate) {
    case '42704':
      return mended(
        error,
        'QUERY_UNDEFINED_OBJECT',
        `${about}: there is no such server or role`,
        'createForeignServer() makes the server.',
      )
    case '42501':
      return mended(
        error,
        'ACCESS_DENIED',
        `${about}: this login owns neither`,
        'It takes ownership of the server; USAGE on it is enough for a mapping of one’s own.',
      )
    case 'HV00D':
    case '22023':
      return mended(
        error,
        'OPTION_INVALID',
        `${about}: an option is none that the wrapper takes there`,
        'See the documentation of the wrapper.',
      )
    default:
      return mended(
        error,
        error.code,
        `${about} was not made`,
        'Test sqlstate; the server’s text is left out, because it may quote the statement.',
      )
  }
}

/**
 * Drops the user mapping of a role; one that is not there is none.
 *
 * @throws {TenonError} QUERY_UNDEFINED_OBJECT without such a role, or ACCESS_DENIED
 * @example
 * ```ts
 * await dropUserMapping(service, { server: 'films', role: 'authenticated' })
 * ```
 * The SQL:
 * ```sql
 * drop user mapping if exists for "authenticated" server "films"
 * ```
 */
export async function dropUserMapping(
  service: Executor,
  { server, role, signal }: Pick<SetUserMappingOptions, 'server' | 'role' | 'signal'>,
): Promise<void> {
  const target = role === 'public' ? 'public' : quoteIdentifier(role)
  await runSql(service, `drop user mapping if exists for ${target} server ${quoteIdentifier(server)}`, [], { signal })
}
