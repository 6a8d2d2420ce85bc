// What an error made from the server's answer says: its message and its hint.
// The server's own sentence is passed on only where it holds names of objects and nothing else; any other is replaced by a
// fixed one, because "invalid input syntax for type uuid: …" carries the row's value. It refuses to classify errors.

import type { ErrorCode, ErrorObjectNames } from './errors.ts'
import type { ServerErrorContext, ServerErrorFields } from './server-error-fields.ts'
import { sqlstateClass, sqlstateCondition } from './sqlstate.ts'

// The primary message of these holds identifiers and types, and they come from the SQL text when the server points at a
// place in it. At run time the same states quote values: nextval($1) and $1::regclass say `relation "…" does not exist`.
const namedInText = new Set(['42P01', '42703', '42883', '42704', '3F000', '42P02', '42701', '42710', '42P07'])

// The primary message of these names existing objects, commands and settings only, wherever it comes from.
const namedAlways = new Set(['42501', '42P17', '0A000', '2D000'])
const namedAlwaysClasses = new Set(['25', '40', '53', '55', '57'])

// 55P04 quotes the label of an enum, which is a value of a row.
const valued = new Set(['55P04'])

// The server's hint names columns and types, and is better than anything fixed.
const hintedByServer = new Set(['42P01', '42703', '42883', '42501'])

// Text longer than this is not one of the server's short sentences.
const maxCopiedCharacters = 300

/**
 * Returns the message: the server's where it holds names only, else a fixed sentence with the names of the objects.
 *
 * @param fields - the server's answer
 * @param code - what it was judged to be
 * @param names - the names of the objects, already checked
 * @param context - what the caller knows beside the answer
 * @returns one sentence without values
 */
export function serverMessage(
  fields: ServerErrorFields,
  code: ErrorCode,
  names: ErrorObjectNames,
  context: ServerErrorContext,
): string {
  if (holdsNamesOnly(fields, context) && isShort(fields.message)) return fields.message
  if (code === 'FOREIGN_UNREACHABLE') return `the connection to a foreign server was lost: ${describe(fields.sqlstate)}`
  if (code === 'FOREIGN_REMOTE') return `a foreign server answered with an error: ${describe(fields.sqlstate)}`
  if (isPostgisRefusal(fields)) return `PostGIS refused a geometry (${fields.sqlstate})`
  const table = qualified(names.schema, names.table)
  const on = table === undefined ? '' : ` on ${table}`
  const constraint = names.constraint === undefined ? '' : ` ${names.constraint}`
  switch (code) {
    case 'CONSTRAINT_UNIQUE':
      return `duplicate key${names.constraint === undefined ? '' : ` in ${names.constraint}`}${on}`
    case 'CONSTRAINT_FOREIGN_KEY':
      return `foreign key${constraint}${on} is violated`
    case 'CONSTRAINT_CHECK':
      if (sqlstateClass(fields.sqlstate) === '44') return 'the check option of a view is violated'
      return `check${constraint}${on || ofType(names)} is violated`
    case 'CONSTRAINT_EXCLUSION':
      return `exclusion constraint${constraint}${on} is violated`
    case 'CONSTRAINT_NOT_NULL':
      return names.column === undefined
        ? `null where a value is required${on || ofType(names)}`
        : `null in column ${names.column}${table === undefined ? '' : ` of ${table}`}, which requires a value`
    case 'QUERY_RAISED':
      return `a database function raised an exception (${fields.sqlstate})${on}`
    case 'SESSION_ROLE':
      return `the server refused to take on the session's role: ${describe(fields.sqlstate)}`
    case 'SESSION_SETTING':
      return `the server refused the session's role or one of its settings: ${describe(fields.sqlstate)}`
    default:
      return `${describe(fields.sqlstate)}${columnOf(names)}${on || ofType(names)}`
  }
}

/**
 * Returns the hint: what to do next.
 *
 * @param fields - the server's answer
 * @param code - what it was judged to be
 * @param context - what the caller knows beside the answer
 * @returns one sentence without values, or undefined where there is nothing better to say than the message
 */
export function serverHint(
  fields: ServerErrorFields,
  code: ErrorCode,
  context: ServerErrorContext,
): string | undefined {
  if (
    fields.hint !== undefined &&
    code !== 'ACCESS_POLICY' &&
    hintedByServer.has(fields.sqlstate) &&
    holdsNamesOnly(fields, context) &&
    isShort(fields.hint)
  ) {
    return fields.hint
  }
  if (isRemoteAnswer(fields)) return hintsByCode[code]
  if (isRaised(fields)) return raisedHint
  return hintsByRoutine[`${fields.sqlstate} ${fields.routine}`] ?? hintsBySqlstate[fields.sqlstate] ?? hintsByCode[code]
}

// RAISE and the other languages' ways to raise can put any text under any SQLSTATE, a row's value included, and foreign
// servers' errors are passed on as they are. They are known by the C function that reports the error: PL/pgSQL, PL/Python,
// PL/Perl, PL/Tcl, plv8, postgres_fdw, dblink.
const raisedByFunction =
  /^(exec_stmt_raise|exec_stmt_assert|PLy_|plperl|croak_cstr|pltcl|throw_pltcl|plv8|rethrow|Throw|pgfdw_report|dblink_)/i

// These turn a value into a name ('x'::regclass, aclitem, has_…_privilege); for a literal they point into the text too.
const readsNameFromValue = /^(reg\w+in|aclparse|parseTypeString|RangeVarGetRelidExtended|get_\w+_oid)$/

// The remote server's error, passed on with its SQLSTATE and text, and the SQL sent there in `where`.
const answersFromAfar = /^(pgfdw_report|dblink_res_error)/i
// These name a server or a connection, and say why in `detail`, which quotes addresses and logins.
const losesServer =
  /^(connect_pg_server|pgfdw_reject_incomplete_xact_state_change|dblink_connect|dblink_conn_not_avail)$/

/** Whether the error is one that a foreign server answered with. */
export function isRemoteAnswer({ routine }: ServerErrorFields): boolean {
  return routine !== undefined && answersFromAfar.test(routine)
}

/** Whether the error is that a foreign server is out of reach. */
export function isRemoteLoss(fields: ServerErrorFields): boolean {
  const { routine, sqlstate } = fields
  if (sqlstateClass(sqlstate) !== '08' || routine === undefined) return false
  return losesServer.test(routine) || isRemoteAnswer(fields)
}

// PostGIS has one SQLSTATE for whatever it does not take, and that is the server's own for what should never happen.
const postgisRoutines = /^(pg_error|pg_parser_errhint|transform|GetProjStrings(SPI)?)$/

/** Whether the error is that PostGIS does not take a geometry, or two of them together. */
export function isPostgisRefusal({ sqlstate, routine }: ServerErrorFields): boolean {
  return sqlstate === 'XX000' && routine !== undefined && postgisRoutines.test(routine)
}

// These say for which role and which foreign server something is missing.
const namesForeignServer = /^(connect_pg_server|GetUserMapping|check_conn_params|pgfdw_security_check)$/

function isRaised(fields: ServerErrorFields): boolean {
  return fields.routine !== undefined && raisedByFunction.test(fields.routine)
}

function holdsNamesOnly(fields: ServerErrorFields, context: ServerErrorContext): boolean {
  const { sqlstate } = fields
  // Without a routine the sender is not a PostgreSQL server (a pooler, a proxy) or the answer was rewritten on the way.
  if (fields.routine === undefined || isRaised(fields) || valued.has(sqlstate)) return false
  if (namesForeignServer.test(fields.routine)) return true
  if (namedInText.has(sqlstate)) {
    // A utility statement has no parameters; `where` tells that a function built the name at run time.
    if (context.utility === true) return fields.where === undefined
    return fields.position !== undefined && !readsNameFromValue.test(fields.routine)
  }
  return namedAlways.has(sqlstate) || namedAlwaysClasses.has(sqlstateClass(sqlstate))
}

function isShort(text: string): boolean {
  return text.length > 0 && text.length <= maxCopiedCharacters
}

function describe(sqlstate: string): string {
  if (!/^[0-9A-Z]{5}$/.test(sqlstate)) return 'server error without a SQLSTATE'
  const condition = sqlstateCondition(sqlstate)
  return condition === undefined ? `server error (${sqlstate})` : `${condition.replaceAll('_', ' ')} (${sqlstate})`
}

function qualified(schema: string | undefined, table: string | undefined): string | undefined {
  if (table === undefined) return undefined
  return schema === undefined ? table : `${schema}.${table}`
}

function ofType(names: ErrorObjectNames): string {
  const type = qualified(names.schema, names.dataType)
  return type === undefined ? '' : ` of type ${type}`
}

function columnOf(names: ErrorObjectNames): string {
  return names.column === undefined ? '' : ` in column ${names.column}`
}

const raisedHint =
  'a function in the database raised this; its text may hold row values and is left out: test sqlstate, or give the exception one of its own'

// Some states cover hundreds of refusals; the reporting function tells those apart that sessions meet.
const malformedQuery =
  'a tsquery is malformed: operators are & | ! <->, a word with others in it stands in quotes; what people type is read by websearch'

const missingSrid = 'there is no such SRID: `select srid from spatial_ref_sys` lists them'

const hintsByRoutine: Readonly<Record<string, string>> = {
  '0A000 DoCopy': 'COPY FROM does not work under row-level security: insert with unnest or jsonb_to_recordset',
  '0A000 RevalidateCachedQuery': 'the columns of the result changed since the statement was prepared; run it again',
  '42704 regconfigin': 'no text search configuration has that name: `select cfgname from pg_ts_config` lists them',
  '42601 makepol': malformedQuery,
  '42601 prssyntaxerror': malformedQuery,
  '42601 gettoken_query_standard': malformedQuery,
  'XX000 pg_error':
    'SRIDs that differ: bring both into one with transform(); a shape that is not valid: isValid() finds it, makeValid() mends it; or the function does not take its type or its numbers',
  'XX000 pg_parser_errhint': 'write geometries as point() or toGeometry() make them: PostGIS cannot read the text',
  'XX000 transform':
    'a geometry without SRID cannot be transformed: say its own with st_setsrid, and give its column one',
  'XX000 GetProjStrings': missingSrid,
  'XX000 GetProjStringsSPI': missingSrid,
}

const hintsBySqlstate: Readonly<Record<string, string>> = {
  '08P01': 'if a pooler stands between, its own log says what it refused',
  '21000': 'a subquery or ON CONFLICT DO UPDATE met more rows than the one it allows',
  '25001': 'run this statement outside a transaction, on a dedicated connection',
  '26000': 'a pooler in transaction mode lost the prepared statement; turn named statements off for it',
  '3B001': 'the savepoint was released or rolled back already',
  '42P02': 'the SQL text counts more parameters than were given',
  '42P05': 'a pooler in transaction mode shares prepared statements; turn named statements off for it',
  '42P10': 'ON CONFLICT needs a unique index on exactly these columns',
  '42P17': 'a policy that reads its own table recurses: move that read into a SECURITY DEFINER function',
  '42P18': 'cast the parameter: the server cannot tell its type',
  '44000': 'the row would not be visible through the view it was written to',
  '53300': 'lower the pool size, put a pooler in front, or raise max_connections',
  '54001': 'the statement or a JSON value in it is nested too deeply',
}

const hintsByCode: Readonly<Partial<Record<ErrorCode, string>>> = {
  ACCESS_DENIED:
    'check the GRANTs of the session role: USAGE on the schema, SELECT/INSERT/UPDATE/DELETE on the table, USAGE on the sequence, EXECUTE on the function',
  ACCESS_POLICY:
    'check the WITH CHECK of the policies for this role and command; INSERT … RETURNING and ON CONFLICT also need a SELECT policy that shows the row',
  CONNECTION_AUTH: 'check user, password, pg_hba.conf, and that the login has LOGIN and CONNECT on the database',
  CONNECTION_CONFIG: 'check the database name and the startup options of the connection',
  CONNECTION_REFUSED: 'the server is starting, shutting down or full; try again shortly',
  CONNECTION_LOST: 'the server ended the connection; run the work again on a new one',
  CONSTRAINT_FOREIGN_KEY: 'write the referenced row first, or remove the referencing rows first',
  FOREIGN_REMOTE:
    'executeForeign() of tenon/foreign names the server; test sqlstate, which is that of the remote error, whose text may hold row values and is left out',
  FOREIGN_UNREACHABLE:
    'check host and port of the foreign server, and user and password of the user mapping; the server’s log says what the other side answered',
  LIMIT_SERVER: 'make the statement, row or value smaller',
  PARAMETER_INVALID: 'the number of parameters differs from the number of placeholders in the SQL text',
  QUERY_DATA: 'the server refused the form or range of a value; values are left out of errors on purpose',
  QUERY_RAISED: raisedHint,
  QUERY_SYNTAX: 'position counts the characters of the SQL text up to the mistake',
  QUERY_UNDEFINED_OBJECT: 'check the spelling, the search_path and USAGE on the schema for this role',
  RESOURCE_EXHAUSTED: 'the server is out of disk, memory or a configured limit; its log says which',
  SESSION_ROLE: 'grant the session role to the login: grant <role> to <login> (PostgreSQL 16 and later: with set true)',
  SESSION_SETTING: 'check that the role exists and that every setting of the session has a value the server accepts',
  TIMEOUT_IDLE_TRANSACTION: 'keep waits for other services outside the transaction',
  TIMEOUT_LOCK: 'another transaction holds the lock: try again, or raise lock_timeout',
  TIMEOUT_STATEMENT: 'raise statementTimeoutMs, or see why the statement is slow with EXPLAIN (ANALYZE, BUFFERS)',
  TRANSACTION_ABORTED: 'look for the first error of this transaction; roll back to a savepoint to go on',
  TRANSACTION_DEADLOCK: 'run the whole transaction again; lock rows in one fixed order to avoid it',
  TRANSACTION_READ_ONLY: 'the transaction is read only, or the server is a replica',
  TRANSACTION_SERIALIZATION: 'run the whole transaction again, or use transaction({ retry }, fn)',
  TRANSACTION_SHAPE: 'begin, commit, roll back and set roles through the API, not in SQL',
}
