/** Says in an error which foreign server it is about. */
import { isTenonError, TenonError } from '../kernel/errors.ts'

/** The error with the server's name, where it came from afar; any other as it is. */
export function nameServer(error: unknown, servers: readonly string[]): unknown {
  if (!isTenonError(error) || servers.length === 0) return error
  const { code } = error
  if (code !== 'FOREIGN_REMOTE' && code !== 'FOREIGN_UNREACHABLE') return error
  const which = `foreign server ${servers.join(' or ')}`
  const what =
    code === 'FOREIGN_UNREACHABLE'
      ? 'is out of reach, or refused the login of the user mapping'
      : 'answered with an error'
  return new TenonError({
    code,
    message: `${which} ${what}${error.sqlstate === undefined ? '' : ` (${error.sqlstate})`}`,
    hint:
      code === 'FOREIGN_UNREACHABLE'
        ? error.hint
        : 'sqlstate is that of the remote error; its text may hold row values and is left out: the remote server’s log has it.',
    retryable: error.retryable,
    sqlstate: error.sqlstate,
    cause: error,
  })
}

/** What an error of a statement about a server means, beyond what it says itself. */
export function toForeignError(error: unknown, server: string, wrapper?: string): unknown {
  const named = nameServer(error, [server])
  if (named !== error || !isTenonError(error)) return named
  if (
    error.sqlstate === 'HV00D' ||
    error.sqlstate === 'HV024' ||
    error.sqlstate === 'HV00L' ||
    error.sqlstate === 'HV00B'
  )
    return mended(
      error,
      'OPTION_INVALID',
      `foreign server ${server}: an option is none that its wrapper takes there`,
      'See the documentation of the wrapper: host, port, dbname and fetch_size of postgres_fdw are options of a server.',
    )
  if (error.sqlstate === 'HV00Q')
    return mended(
      error,
      'QUERY_UNDEFINED_OBJECT',
      `foreign server ${server} has no schema of that name`,
      'The login of the user mapping may also lack USAGE on it.',
    )
  if (error.sqlstate === '42704' && wrapper !== undefined)
    return mended(
      error,
      'QUERY_UNDEFINED_OBJECT',
      `there is no foreign-data wrapper ${wrapper} in this database`,
      `A superuser makes it: create extension ${wrapper};`,
    )
  return error
}

export function mended(cause: TenonError, code: TenonError['code'], message: string, hint: string): TenonError {
  return new TenonError({ code, message, hint, sqlstate: cause.sqlstate, cause })
}
