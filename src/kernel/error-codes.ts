// The closed list of error codes: what each one means and whether the same work may simply be tried again.
// The README's table of errors is written from this list and a test compares the two.
// It holds no messages and no mapping: errors.ts owns the classes, server-error.ts the way from SQLSTATE to a code.

/** What the list of codes says of one code. */
export interface ErrorCodeEntry {
  /**
   * True when nothing of the failed work remains in the database and the same work, unchanged and from its beginning,
   * can succeed a little later. Wait before trying again; inside a transaction run the whole transaction again.
   */
  readonly retryable: boolean
  /** One sentence without values, as it stands in the README. */
  readonly summary: string
}

const entries = {
  CONSTRAINT_UNIQUE: { retryable: false, summary: 'A row with the same key exists already.' },
  CONSTRAINT_FOREIGN_KEY: {
    retryable: false,
    summary: 'A referenced row is missing, or a row is still referenced.',
  },
  CONSTRAINT_CHECK: {
    retryable: false,
    summary: 'A row breaks a check constraint, a partition bound or a view check.',
  },
  CONSTRAINT_NOT_NULL: { retryable: false, summary: 'A column that must hold a value was null.' },
  CONSTRAINT_EXCLUSION: { retryable: false, summary: 'A row conflicts with another under an exclusion constraint.' },

  ACCESS_DENIED: { retryable: false, summary: 'The role lacks a privilege (GRANT) on an object.' },
  ACCESS_POLICY: { retryable: false, summary: 'Row-level security refused the row or the query.' },

  TRANSACTION_SERIALIZATION: { retryable: true, summary: 'A concurrent transaction won; run the transaction again.' },
  TRANSACTION_DEADLOCK: {
    retryable: true,
    summary: 'Two transactions waited for each other and this one was stopped.',
  },
  TRANSACTION_SHAPE: {
    retryable: false,
    summary: 'A statement tried to end or replace the transaction or role that the session runs in.',
  },
  TRANSACTION_READ_ONLY: { retryable: false, summary: 'A write in a read-only transaction or on a replica.' },
  TRANSACTION_ABORTED: {
    retryable: false,
    summary: 'An earlier statement of this transaction failed; nothing more runs in it.',
  },
  TRANSACTION_CLOSED: { retryable: false, summary: 'The transaction was used after its commit or rollback.' },

  AFTER_COMMIT_FAILED: {
    retryable: false,
    summary: 'The transaction is committed, but something to be done after its commit failed.',
  },

  TIMEOUT_STATEMENT: { retryable: false, summary: 'The statement ran longer than statement_timeout.' },
  TIMEOUT_LOCK: {
    retryable: true,
    summary: 'A lock was not free within lock_timeout, or at once where NOWAIT asked for it.',
  },
  TIMEOUT_POOL: { retryable: true, summary: 'No connection of the pool came free in time; nothing was sent.' },
  TIMEOUT_CONNECT: { retryable: true, summary: 'The server did not answer the connection attempt in time.' },
  TIMEOUT_TRANSACTION: { retryable: false, summary: 'The transaction ran longer than transaction_timeout.' },
  TIMEOUT_IDLE_TRANSACTION: {
    retryable: false,
    summary: 'The transaction sat idle longer than idle_in_transaction_session_timeout.',
  },
  QUERY_CANCELED: { retryable: false, summary: 'The statement was cancelled by the caller or by an administrator.' },

  CONNECTION_LOST: {
    retryable: true,
    summary: 'The connection broke while nothing that could have been written was under way.',
  },
  CONNECTION_REFUSED: {
    retryable: true,
    summary: 'The server could not be reached, is starting or shutting down, or takes no more connections.',
  },
  CONNECTION_AUTH: { retryable: false, summary: 'The server refused the login.' },
  CONNECTION_TLS: {
    retryable: false,
    summary: 'No trusted TLS connection: certificate, host name or server setting.',
  },
  CONNECTION_PROTOCOL: { retryable: false, summary: 'The server or a pooler sent something out of order.' },
  CONNECTION_CONFIG: { retryable: false, summary: 'The connection string or the connection options are wrong.' },
  COMMIT_UNKNOWN: {
    retryable: false,
    summary: 'The connection broke after a write was sent: it may or may not be committed.',
  },

  LIMIT_PARAMETERS: { retryable: false, summary: 'More than 65,535 parameters in one statement.' },
  LIMIT_BYTES: { retryable: false, summary: 'A statement or its parameters are too large to send.' },
  LIMIT_DEPTH: { retryable: false, summary: 'A JSON value is nested too deeply.' },
  LIMIT_RESULT: { retryable: false, summary: 'A value of a result is too long for a JavaScript string.' },
  LIMIT_SERVER: { retryable: false, summary: 'A limit of the server itself, such as stack depth or column count.' },

  PARAMETER_INVALID: {
    retryable: false,
    summary: 'A parameter cannot be sent: undefined, NUL, circular or of an unsupported type.',
  },
  STATEMENT_INVALID: {
    retryable: false,
    summary: 'The statement cannot be sent: empty, with NUL, COPY, or not allowed in this place.',
  },
  IDENTIFIER_INVALID: { retryable: false, summary: 'A name cannot be a PostgreSQL identifier.' },
  OPTION_INVALID: { retryable: false, summary: 'An option is missing, unknown or out of its range.' },

  SESSION_ROLE: { retryable: false, summary: 'The role of a session is not allowed or does not exist.' },
  SESSION_CLAIMS: { retryable: false, summary: 'The claims of a session cannot be used.' },
  SESSION_SETTING: { retryable: false, summary: 'A setting of a session is not declared or its value was refused.' },
  SESSION_MISMATCH: { retryable: false, summary: 'A query of another session was handed to this one.' },
  LOGIN_POWERFUL: {
    retryable: false,
    summary: 'The login of the pool could step around row-level security by itself.',
  },
  LOGIN_INVALID: { retryable: false, summary: 'The login of the pool cannot take the declared roles.' },
  SERVICE_MISSING: { retryable: false, summary: 'No service connection was configured, and db.service() was called.' },
  DATABASE_CLOSED: { retryable: false, summary: 'The database object was used after close().' },

  EMBEDDED_BUSY: {
    retryable: false,
    summary: 'A second executor was used inside a transaction of an embedded database.',
  },
  EMBEDDED_UNSUPPORTED: { retryable: false, summary: 'An embedded database cannot do this.' },

  QUERY_UNDEFINED_OBJECT: {
    retryable: false,
    summary: 'A table, column, function, type or schema does not exist for this role and search path.',
  },
  QUERY_DUPLICATE_OBJECT: { retryable: false, summary: 'An object of that name exists already.' },
  QUERY_SYNTAX: { retryable: false, summary: 'The SQL text has a syntax error.' },
  QUERY_INVALID: {
    retryable: false,
    summary: 'The SQL text parses but makes no sense: types, ambiguous names, grouping.',
  },
  QUERY_UNSUPPORTED: { retryable: false, summary: 'The server does not support this statement here.' },
  QUERY_DATA: { retryable: false, summary: 'A value does not fit: format, range, division by zero, too many rows.' },
  QUERY_RAISED: { retryable: false, summary: 'A database function raised an exception of its own.' },
  QUERY_FILTER: { retryable: false, summary: 'A filter, an order or a patch is none that can be asked for.' },
  FUNCTION_ARGUMENTS: { retryable: false, summary: 'The arguments fit no overload of a function, or more than one.' },

  GEO_INVALID: {
    retryable: false,
    summary: 'A geometry, a bounding box or a tile is none: bad GeoJSON, an open ring, out of range.',
  },
  GEO_SRID: { retryable: false, summary: 'Geometries of different SRIDs meet, or one has none where it needs one.' },
  CURSOR_INVALID: { retryable: false, summary: 'A cursor of a page was changed, or made for another order.' },
  ROW_STALE: { retryable: false, summary: 'A row was changed since the version that the update was made of.' },
  VIEW_UNIQUE_INDEX: {
    retryable: false,
    summary: 'A materialized view lacks the unique index that refreshing it concurrently takes.',
  },
  VALUES_INVALID: { retryable: false, summary: 'Values of a row do not fit its schema.' },
  QUERY_FAILED: { retryable: false, summary: 'Any other error of the server; see sqlstate.' },
  RESOURCE_EXHAUSTED: { retryable: false, summary: 'The server ran out of disk, memory or another resource.' },

  EVENT_CHANNEL: { retryable: false, summary: 'A name cannot be that of a channel or a topic.' },
  EVENT_PAYLOAD: { retryable: false, summary: 'A payload of an event is too long, or does not fit its schema.' },
  EVENT_POOLED: { retryable: false, summary: 'LISTEN was asked for through a pooler, which loses it.' },

  PARTITION_DEFAULT_ROWS: {
    retryable: false,
    summary: 'Rows in the default partition belong into a partition that was to be made or attached.',
  },
  PARTITION_KIND: { retryable: false, summary: 'The table is not partitioned, or not in the way that this needs.' },
  PARTITION_CONFLICT: {
    retryable: false,
    summary: 'Another table, partition, row or foreign key is in the way of a partition.',
  },
  PARTITION_MANAGED: { retryable: false, summary: 'The table is managed by pg_partman, or is not and was to be.' },

  FOREIGN_UNREACHABLE: {
    retryable: false,
    summary: 'A foreign server could not be reached, refused the login of its user mapping, or was lost.',
  },
  FOREIGN_REMOTE: {
    retryable: false,
    summary: 'A foreign server answered with an error; sqlstate is that of the remote one.',
  },
  FOREIGN_SECRET: {
    retryable: false,
    summary: 'The server would write a password down, and this login may not stop it; nothing was sent.',
  },

  NOT_FOUND: { retryable: false, summary: 'No row where exactly one was asked for.' },
  DEPENDENCY_MISSING: { retryable: false, summary: 'An optional package is not installed.' },
  METADATA_FORMAT: { retryable: false, summary: 'Generated metadata is of another format, or is none.' },
  CODEGEN_SCHEMA: { retryable: false, summary: 'No code can be generated from this schema as it is.' },
  MIGRATION_SOURCE: { retryable: false, summary: 'A migration file, module or folder cannot be used as it is.' },
  MIGRATION_DIVERGED: { retryable: false, summary: 'The migration files and what was applied or exported disagree.' },
  MIGRATION_EXPORT: { retryable: false, summary: 'A migration cannot be exported in this format or into this folder.' },
  MIGRATION_FAILED: { retryable: false, summary: 'A migration could not be applied.' },
} as const satisfies Readonly<Record<string, ErrorCodeEntry>>

/**
 * The code of a {@link TenonError}: a closed union, so that a `switch` over it can be checked for completeness.
 *
 * @see errorCodes for the same list at run time.
 */
export type ErrorCode = keyof typeof entries

/**
 * Every error code, in the order of the README's table.
 *
 * @example
 * ```ts
 * for (const code of errorCodes) console.log(code, describeErrorCode(code).summary)
 * ```
 */
// Object.keys types its result as string[]; the keys of this literal are exactly ErrorCode.
export const errorCodes: readonly ErrorCode[] = Object.freeze(Object.keys(entries) as ErrorCode[])

/**
 * Returns what a code means and whether errors with it are retryable by default.
 *
 * @param code - one of {@link errorCodes}
 * @returns the summary sentence and the default of `retryable`
 * @example
 * ```ts
 * describeErrorCode('TRANSACTION_DEADLOCK').retryable // true
 * ```
 */
export function describeErrorCode(code: ErrorCode): ErrorCodeEntry {
  return entries[code]
}
