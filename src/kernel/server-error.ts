// The one place where an ErrorResponse of the server becomes an error of ours: by SQLSTATE and `routine`, never by the
// message, which is localised. What the resulting message and hint may say is server-message.ts.
// It refuses to pass on `detail`, `where` and the internal query, which hold row values, and to decide about the connection.

import {
  AccessError,
  ConnectionLostError,
  ConstraintError,
  type ConstraintKind,
  type ErrorCode,
  type ErrorObjectNames,
  TenonError,
} from './errors.ts'
import type { ServerErrorContext, ServerErrorFields } from './server-error-fields.ts'
import { isPostgisRefusal, isRemoteAnswer, isRemoteLoss, serverHint, serverMessage } from './server-message.ts'
import { sqlstateClass } from './sqlstate.ts'

export { type ServerErrorContext, type ServerErrorFields, toServerErrorFields } from './server-error-fields.ts'

// The clocks of the two sides start apart by the way there, and the server's timer may fire a little early by ours.
const statementTimeoutSlackMs = 5

/**
 * Turns an ErrorResponse into the error to throw.
 *
 * @param fields - the fields of the message
 * @param context - what the caller knows beside them
 * @returns a {@link TenonError} without values; `sqlstate` is always set when the server sent one
 * @example
 * ```ts
 * throw fromServerError({ severity: 'ERROR', sqlstate: '23505', message, schema: 'public', table: 'projects' })
 * ```
 */
export function fromServerError(fields: ServerErrorFields, context: ServerErrorContext = {}): TenonError {
  const names = objectNames(fields)
  const verdict = judge(fields, context)
  const constraint = constraintKind(verdict)
  const common = {
    ...names,
    message: serverMessage(fields, verdict, names, context),
    hint: serverHint(fields, verdict, context),
    sqlstate: /^[0-9A-Z]{5}$/.test(fields.sqlstate) ? fields.sqlstate : undefined,
    position: positionOf(fields.position),
  }
  if (constraint !== undefined) {
    const columns =
      constraint === 'notNull'
        ? names.column === undefined
          ? []
          : [names.column]
        : (context.columnsOf?.(names.schema, names.table, names.constraint) ?? [])
    return new ConstraintError({ ...common, kind: constraint, columns })
  }
  if (verdict === 'ACCESS_POLICY') return new AccessError({ ...common, reason: 'policy' })
  if (verdict === 'ACCESS_DENIED') return new AccessError({ ...common, reason: 'privilege' })
  if (verdict === 'CONNECTION_LOST') return new ConnectionLostError(common)
  // Not connected, nothing was written; lost later, the remote transaction may be committed.
  if (verdict === 'FOREIGN_UNREACHABLE')
    return new TenonError({ ...common, code: verdict, retryable: fields.sqlstate === '08001' })
  return new TenonError({ ...common, code: verdict })
}

// Of a foreign server these mean what they mean here, and code that handles them need not know where the rows are.
const remoteMeansTheSame = /^(CONSTRAINT_|TRANSACTION_SERIALIZATION$|TRANSACTION_DEADLOCK$)/

const bySqlstate: Readonly<Record<string, ErrorCode>> = {
  '08001': 'CONNECTION_REFUSED',
  '08004': 'CONNECTION_REFUSED',
  '08P01': 'CONNECTION_PROTOCOL',
  '23001': 'CONSTRAINT_FOREIGN_KEY', // PostgreSQL 18 reports ON DELETE/UPDATE RESTRICT with its own state
  '23502': 'CONSTRAINT_NOT_NULL',
  '23503': 'CONSTRAINT_FOREIGN_KEY',
  '23505': 'CONSTRAINT_UNIQUE',
  '23514': 'CONSTRAINT_CHECK',
  '23P01': 'CONSTRAINT_EXCLUSION',
  '25001': 'TRANSACTION_SHAPE',
  '25P01': 'TRANSACTION_SHAPE',
  '25006': 'TRANSACTION_READ_ONLY',
  '25P02': 'TRANSACTION_ABORTED',
  '25P03': 'TIMEOUT_IDLE_TRANSACTION',
  '25P04': 'TIMEOUT_TRANSACTION',
  '3D000': 'QUERY_UNDEFINED_OBJECT', // at connect or as FATAL it is CONNECTION_CONFIG, see judge
  '3F000': 'QUERY_UNDEFINED_OBJECT',
  '40001': 'TRANSACTION_SERIALIZATION',
  '40P01': 'TRANSACTION_DEADLOCK',
  '42601': 'QUERY_SYNTAX',
  '42703': 'QUERY_UNDEFINED_OBJECT',
  '42704': 'QUERY_UNDEFINED_OBJECT',
  '42883': 'QUERY_UNDEFINED_OBJECT',
  '42P01': 'QUERY_UNDEFINED_OBJECT',
  '42P02': 'QUERY_UNDEFINED_OBJECT',
  '42701': 'QUERY_DUPLICATE_OBJECT',
  '42710': 'QUERY_DUPLICATE_OBJECT',
  '42723': 'QUERY_DUPLICATE_OBJECT',
  '42P04': 'QUERY_DUPLICATE_OBJECT',
  '42P06': 'QUERY_DUPLICATE_OBJECT',
  '42P07': 'QUERY_DUPLICATE_OBJECT',
  '53300': 'CONNECTION_REFUSED',
  '55P03': 'TIMEOUT_LOCK',
  '57P01': 'CONNECTION_LOST',
  '57P02': 'CONNECTION_LOST',
  '57P03': 'CONNECTION_REFUSED',
  '57P04': 'CONNECTION_LOST',
  '57P05': 'CONNECTION_LOST',
  P0001: 'QUERY_RAISED',
}

const byClass: Readonly<Record<string, ErrorCode>> = {
  '08': 'CONNECTION_LOST',
  '0A': 'QUERY_UNSUPPORTED',
  '21': 'QUERY_DATA',
  '22': 'QUERY_DATA',
  '28': 'CONNECTION_AUTH',
  '2D': 'TRANSACTION_SHAPE',
  '3B': 'TRANSACTION_SHAPE',
  '42': 'QUERY_INVALID',
  '44': 'CONSTRAINT_CHECK', // WITH CHECK OPTION of a view
  '53': 'RESOURCE_EXHAUSTED',
  '54': 'LIMIT_SERVER',
}

function judge(fields: ServerErrorFields, context: ServerErrorContext): ErrorCode {
  const { sqlstate, routine } = fields
  // Not localised in field V. A localised S field only loses this extra test: the states that matter are in the tables.
  const fatal = fields.severity === 'FATAL' || fields.severity === 'PANIC'
  const connecting = context.connecting === true
  // Class 08 of a foreign server is its connection and not ours, and a timeout there none of ours.
  if (isRemoteLoss(fields)) return 'FOREIGN_UNREACHABLE'
  if (isRemoteAnswer(fields)) {
    const remote = lookUp(bySqlstate, sqlstate)
    return remote !== undefined && remoteMeansTheSame.test(remote) ? remote : 'FOREIGN_REMOTE'
  }
  if (sqlstate === '57014') return judgeCancel(context)
  if (sqlstate === '42501') {
    // While connecting, the privilege refused is CONNECT on the database (or a setting in the startup options).
    if (connecting || fatal) return 'CONNECTION_AUTH'
    if (context.contextStep === true) return 'SESSION_ROLE'
    return routine === 'ExecWithCheckOptions' || routine === 'check_enable_rls' ? 'ACCESS_POLICY' : 'ACCESS_DENIED'
  }
  // A Bind whose parameters do not match the statement is the caller's mistake, not a broken stream.
  if (sqlstate === '08P01' && routine === 'exec_bind_message') return 'PARAMETER_INVALID'
  // An unknown role is 22023 from the check of the setting `role`; so is a bad value of any other setting.
  if (context.contextStep === true && (sqlstate === '22023' || sqlstate === '42704')) return 'SESSION_SETTING'
  const known = lookUp(bySqlstate, sqlstate) ?? lookUp(byClass, sqlstateClass(sqlstate))
  if (connecting || fatal) {
    if (known?.startsWith('CONNECTION_') || known?.startsWith('TIMEOUT_')) {
      return connecting && known === 'CONNECTION_LOST' ? 'CONNECTION_REFUSED' : known
    }
    if (sqlstate === '3D000') return 'CONNECTION_CONFIG'
    if (connecting) return sqlstateClass(sqlstate) === '53' ? 'CONNECTION_REFUSED' : 'CONNECTION_CONFIG'
    return 'CONNECTION_LOST'
  }
  if (known !== undefined) return known
  if (isPostgisRefusal(fields)) return 'QUERY_DATA'
  return routine === 'exec_stmt_raise' ? 'QUERY_RAISED' : 'QUERY_FAILED'
}

// One SQLSTATE for three causes. Our own cancel is known; the server's timer is told by the clock; the rest is an administrator.
function judgeCancel(context: ServerErrorContext): ErrorCode {
  if (context.cancelRequested === true) return 'QUERY_CANCELED'
  const limitMs = context.statementTimeoutMs ?? 0
  const elapsedMs = context.elapsedMs ?? 0
  return limitMs > 0 && elapsedMs >= limitMs - statementTimeoutSlackMs ? 'TIMEOUT_STATEMENT' : 'QUERY_CANCELED'
}

const constraintKinds: Readonly<Partial<Record<ErrorCode, ConstraintKind>>> = {
  CONSTRAINT_UNIQUE: 'unique',
  CONSTRAINT_FOREIGN_KEY: 'foreignKey',
  CONSTRAINT_CHECK: 'check',
  CONSTRAINT_NOT_NULL: 'notNull',
  CONSTRAINT_EXCLUSION: 'exclusion',
}

function constraintKind(code: ErrorCode): ConstraintKind | undefined {
  return constraintKinds[code]
}

function lookUp(table: Readonly<Record<string, ErrorCode>>, key: string): ErrorCode | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

function objectNames(fields: ServerErrorFields): ErrorObjectNames {
  if (fields.routine === 'exec_stmt_raise') {
    // RAISE … USING may put any value here; only a constraint that looks like one is taken for the name it should be.
    const { constraint } = fields
    return constraint !== undefined && /^[a-z_][a-z0-9_]{0,62}$/.test(constraint) ? { constraint } : {}
  }
  return {
    schema: nameOf(fields.schema),
    table: nameOf(fields.table),
    column: nameOf(fields.column),
    constraint: nameOf(fields.constraint),
    dataType: nameOf(fields.dataType),
  }
}

// What is longer than a name of PostgreSQL is not a name.
const maxNameBytes = 63

function nameOf(text: string | undefined): string | undefined {
  return text !== undefined && text !== '' && new TextEncoder().encode(text).length <= maxNameBytes ? text : undefined
}

function positionOf(position: string | number | undefined): number | undefined {
  const value = Number(position)
  return Number.isSafeInteger(value) && value > 0 ? value : undefined
}
