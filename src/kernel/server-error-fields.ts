// What the server's ErrorResponse holds, what the caller knows beside it, and reading both off a driver's error.
// It refuses to judge: that is server-error.ts.

import { isSqlstate } from './sqlstate.ts'

/** The fields of the wire's ErrorResponse that matter here. `severity` is field V (never localised) where there is one. */
export interface ServerErrorFields {
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
  readonly detail?: string | undefined
  readonly hint?: string | undefined
  readonly position?: string | number | undefined
  readonly where?: string | undefined
  readonly schema?: string | undefined
  readonly table?: string | undefined
  readonly column?: string | undefined
  readonly dataType?: string | undefined
  readonly constraint?: string | undefined
  readonly routine?: string | undefined
}

/** What the caller knows beside the fields. */
export interface ServerErrorContext {
  /** A cancel of ours was sent for this statement. */
  readonly cancelRequested?: boolean | undefined
  /** Time from sending to the error. */
  readonly elapsedMs?: number | undefined
  /** The statement_timeout in force; 0 or absent is none. */
  readonly statementTimeoutMs?: number | undefined
  /** The error came while connecting: nothing of the caller's had been sent. */
  readonly connecting?: boolean | undefined
  /** The error came from the step that sets role, claims and settings: the caller's statement never ran. */
  readonly contextStep?: boolean | undefined
  /** The statement was no query (DDL and the like): it had no parameters, so names in the answer come from its text. */
  readonly utility?: boolean | undefined
  /** Looks a constraint's columns up in what is known of the schema. */
  readonly columnsOf?:
    | ((
        schema: string | undefined,
        table: string | undefined,
        constraint: string | undefined,
      ) => readonly string[] | undefined)
    | undefined
}

/**
 * Reads the fields of an ErrorResponse off the error object of a driver (pg's and PGlite's `DatabaseError`).
 *
 * @param error - anything that was thrown
 * @returns the fields, or undefined when the thing is no error of a server
 * @example
 * ```ts
 * const fields = toServerErrorFields(error)
 * throw fields === undefined ? error : fromServerError(fields, { connecting: true })
 * ```
 */
export function toServerErrorFields(error: unknown): ServerErrorFields | undefined {
  if (!(error instanceof Error) || !('code' in error) || !isSqlstate(error.code)) return undefined
  // pg's own interface: every field below is a string or undefined there, and read as such here.
  const fields = error as unknown as Readonly<Record<string, unknown>>
  const text = (key: string): string | undefined => {
    const value = fields[key]
    return typeof value === 'string' ? value : undefined
  }
  return {
    severity: text('severity') ?? 'ERROR',
    sqlstate: error.code,
    message: error.message,
    hint: text('hint'),
    where: text('where'),
    position: text('position'),
    schema: text('schema'),
    table: text('table'),
    column: text('column'),
    dataType: text('dataType'),
    constraint: text('constraint'),
    routine: text('routine'),
  }
}
