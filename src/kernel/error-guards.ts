// One guard for every kind of error, so that no caller compares codes by hand.
// Each knows our errors, from any copy of the package, and where a SQLSTATE tells enough also the driver's own
// `DatabaseError`, which TenonDialect without a session throws unchanged. Guards never read a message.

import type { ErrorCode } from './error-codes.ts'
import {
  type AccessError,
  type CommitUnknownError,
  type ConnectionLostError,
  type ConstraintError,
  isTenonError,
  type NotFoundError,
  type TenonError,
  type ValuesError,
} from './errors.ts'
import { isSqlstate } from './sqlstate.ts'

export { isTenonError } from './errors.ts'

/** Our error with one of the given codes. */
export type ErrorOfCode<Code extends ErrorCode> = TenonError & { readonly code: Code }

/** The driver's own error, with the SQLSTATE as its code. */
export interface RawServerError<State extends string> extends Error {
  /** The SQLSTATE. */
  readonly code: State
}

/** A refused row: our {@link ConstraintError} or the driver's own error, with the names that both carry. */
export interface ConstraintViolation<Code extends string> extends Error {
  /** Our code, or the driver's SQLSTATE. */
  readonly code: Code
  /** Schema of the table. */
  readonly schema?: string | undefined
  /** Table of the refused row. */
  readonly table?: string | undefined
  /** Column, where the server names one (not-null). */
  readonly column?: string | undefined
  /** Constraint, or the unique index that stands for one. */
  readonly constraint?: string | undefined
  /** Columns of the constraint as far as known; the driver's own error has no such list. */
  readonly columns?: ConstraintError['columns'] | undefined
}

/** An error that says the work was cancelled: ours, the server's, or an `AbortError`. */
export type CancelError =
  | ErrorOfCode<'QUERY_CANCELED'>
  | RawServerError<'57014'>
  | (Error & { readonly name: 'AbortError' })

/**
 * Tells whether a row with the same key exists already.
 *
 * @param error - anything that was thrown
 * @param constraint - name of the constraint or unique index it must be
 * @returns true for our CONSTRAINT_UNIQUE and for the driver's 23505
 * @example
 * ```ts
 * if (isUniqueViolation(error, 'projects_slug_key')) return 'that name is taken'
 * ```
 */
export function isUniqueViolation(
  error: unknown,
  constraint?: string,
): error is ConstraintViolation<'CONSTRAINT_UNIQUE' | '23505'> {
  return isViolation(error, 'CONSTRAINT_UNIQUE', ['23505'], constraint)
}

/**
 * Tells whether a referenced row is missing or a row is still referenced.
 *
 * @param error - anything that was thrown
 * @param constraint - name of the foreign key it must be
 * @returns true for our CONSTRAINT_FOREIGN_KEY and for the driver's 23503 and 23001 (RESTRICT, PostgreSQL 18)
 */
export function isForeignKeyViolation(
  error: unknown,
  constraint?: string,
): error is ConstraintViolation<'CONSTRAINT_FOREIGN_KEY' | '23503' | '23001'> {
  return isViolation(error, 'CONSTRAINT_FOREIGN_KEY', ['23503', '23001'], constraint)
}

/**
 * Tells whether a row breaks a check constraint, a partition bound or the check option of a view.
 *
 * @param error - anything that was thrown
 * @param constraint - name of the constraint it must be
 * @returns true for our CONSTRAINT_CHECK and for the driver's 23514 and 44000
 */
export function isCheckViolation(
  error: unknown,
  constraint?: string,
): error is ConstraintViolation<'CONSTRAINT_CHECK' | '23514' | '44000'> {
  return isViolation(error, 'CONSTRAINT_CHECK', ['23514', '44000'], constraint)
}

/**
 * Tells whether a column that must hold a value was null.
 *
 * @param error - anything that was thrown
 * @param column - name of the column it must be
 * @returns true for our CONSTRAINT_NOT_NULL and for the driver's 23502
 */
export function isNotNullViolation(
  error: unknown,
  column?: string,
): error is ConstraintViolation<'CONSTRAINT_NOT_NULL' | '23502'> {
  return (
    isViolation(error, 'CONSTRAINT_NOT_NULL', ['23502'], undefined) && (column === undefined || error.column === column)
  )
}

/**
 * Tells whether a row conflicts with another under an exclusion constraint.
 *
 * @param error - anything that was thrown
 * @param constraint - name of the constraint it must be
 * @returns true for our CONSTRAINT_EXCLUSION and for the driver's 23P01
 */
export function isExclusionViolation(
  error: unknown,
  constraint?: string,
): error is ConstraintViolation<'CONSTRAINT_EXCLUSION' | '23P01'> {
  return isViolation(error, 'CONSTRAINT_EXCLUSION', ['23P01'], constraint)
}

/**
 * Tells whether the server refused access for want of a privilege (GRANT).
 *
 * @param error - anything that was thrown
 * @returns true for our ACCESS_DENIED; for the driver's 42501 unless row-level security gave it
 */
export function isAccessDenied(
  error: unknown,
): error is (AccessError & { readonly reason: 'privilege' }) | RawServerError<'42501'> {
  if (isTenonError(error)) return error.code === 'ACCESS_DENIED'
  return hasRawState(error, ['42501']) && !isFromPolicy(error)
}

/**
 * Tells whether row-level security refused a row or a query. A hidden row on UPDATE and DELETE is no error: 0 rows.
 *
 * @param error - anything that was thrown
 * @returns true for our ACCESS_POLICY; for the driver's 42501 when row-level security gave it
 */
export function isPolicyViolation(
  error: unknown,
): error is (AccessError & { readonly reason: 'policy' }) | RawServerError<'42501'> {
  if (isTenonError(error)) return error.code === 'ACCESS_POLICY'
  return hasRawState(error, ['42501']) && isFromPolicy(error)
}

/**
 * Tells whether a concurrent transaction won: run the whole transaction again.
 *
 * @param error - anything that was thrown
 * @returns true for our TRANSACTION_SERIALIZATION and for the driver's 40001
 */
export function isSerializationFailure(
  error: unknown,
): error is ErrorOfCode<'TRANSACTION_SERIALIZATION'> | RawServerError<'40001'> {
  return is(error, ['TRANSACTION_SERIALIZATION'], ['40001'])
}

/**
 * Tells whether the server stopped this transaction to end a deadlock: run the whole transaction again.
 *
 * @param error - anything that was thrown
 * @returns true for our TRANSACTION_DEADLOCK and for the driver's 40P01
 */
export function isDeadlock(error: unknown): error is ErrorOfCode<'TRANSACTION_DEADLOCK'> | RawServerError<'40P01'> {
  return is(error, ['TRANSACTION_DEADLOCK'], ['40P01'])
}

/**
 * Tells whether a lock was not free within lock_timeout, or at once for NOWAIT.
 *
 * @param error - anything that was thrown
 * @returns true for our TIMEOUT_LOCK and for the driver's 55P03
 */
export function isLockTimeout(error: unknown): error is ErrorOfCode<'TIMEOUT_LOCK'> | RawServerError<'55P03'> {
  return is(error, ['TIMEOUT_LOCK'], ['55P03'])
}

/**
 * Tells whether a statement ran longer than statement_timeout.
 *
 * @param error - anything that was thrown
 * @returns true for our TIMEOUT_STATEMENT only: the driver's 57014 does not tell a timeout from a cancel
 */
export function isStatementTimeout(error: unknown): error is ErrorOfCode<'TIMEOUT_STATEMENT'> {
  return isTenonError(error) && error.code === 'TIMEOUT_STATEMENT'
}

/**
 * Tells whether the connection broke while nothing that could have been written was under way.
 *
 * @param error - anything that was thrown
 * @returns true for our CONNECTION_LOST only: the driver's own errors do not tell what had been sent
 */
export function isConnectionLost(error: unknown): error is ConnectionLostError {
  return isTenonError(error) && error.code === 'CONNECTION_LOST'
}

/**
 * Tells whether a write may or may not be committed. Never try such work again without reading the data back.
 *
 * @param error - anything that was thrown
 * @returns true for our COMMIT_UNKNOWN
 */
export function isCommitUnknown(error: unknown): error is CommitUnknownError {
  return isTenonError(error) && error.code === 'COMMIT_UNKNOWN'
}

/**
 * Tells whether something was larger than a limit: parameters, bytes, JSON depth, result, or a limit of the server.
 *
 * @param error - anything that was thrown
 * @returns true for every code that begins with LIMIT_ and for the driver's class 54
 */
export function isTooLarge(error: unknown): error is ErrorOfCode<LimitCode> | RawServerError<`54${string}`> {
  if (isTenonError(error)) return error.code.startsWith('LIMIT_')
  return isRaw(error) && error.code.startsWith('54')
}

/**
 * Tells whether the work was cancelled.
 *
 * @param error - anything that was thrown
 * @returns true for our QUERY_CANCELED, for an `AbortError`, and for the driver's 57014 (which may also be a timeout)
 */
export function isCanceled(error: unknown): error is CancelError {
  if (is(error, ['QUERY_CANCELED'], ['57014'])) return true
  return error instanceof Error && error.name === 'AbortError'
}

/**
 * Tells whether the same work, unchanged and from its beginning, can succeed a little later without being done twice.
 *
 * @param error - anything that was thrown
 * @returns `retryable` of our error; for the driver's own error true for 40001, 40P01 and 55P03
 */
export function isRetryable(
  error: unknown,
): error is (TenonError & { readonly retryable: true }) | RawServerError<'40001' | '40P01' | '55P03'> {
  if (isTenonError(error)) return error.retryable
  return hasRawState(error, ['40001', '40P01', '55P03'])
}

/**
 * Tells whether no row was found where exactly one was asked for.
 *
 * @param error - anything that was thrown
 * @param table - name of the table it must be
 * @returns true for our NOT_FOUND
 */
export function isNotFound(error: unknown, table?: string): error is NotFoundError {
  return isTenonError(error) && error.code === 'NOT_FOUND' && (table === undefined || error.table === table)
}

/**
 * Whether an update found that its row was changed since the version it was made of.
 *
 * @param table - its name, to ask for that one alone
 */
export function isStaleRow(error: unknown, table?: string): error is TenonError {
  return isTenonError(error) && error.code === 'ROW_STALE' && (table === undefined || error.table === table)
}

/** Whether values did not fit the schema of their table; the error has `issues`. */
export function isValuesInvalid(error: unknown, table?: string): error is ValuesError {
  return isTenonError(error) && error.code === 'VALUES_INVALID' && (table === undefined || error.table === table)
}

type LimitCode = Extract<ErrorCode, `LIMIT_${string}`>

function is<Code extends ErrorCode, State extends string>(
  error: unknown,
  codes: readonly Code[],
  states: readonly State[],
): error is ErrorOfCode<Code> | RawServerError<State> {
  // Widened for `includes`, which takes only members of its own array.
  return isTenonError(error) ? (codes as readonly ErrorCode[]).includes(error.code) : hasRawState(error, states)
}

function isViolation<Code extends ErrorCode, State extends string>(
  error: unknown,
  code: Code,
  states: readonly State[],
  constraint: string | undefined,
): error is ConstraintViolation<Code | State> {
  if (!is(error, [code], states)) return false
  return constraint === undefined || ('constraint' in error && error.constraint === constraint)
}

function hasRawState<State extends string>(error: unknown, states: readonly State[]): error is RawServerError<State> {
  return isRaw(error) && (states as readonly string[]).includes(error.code)
}

// By shape and not by class: the application may hold another copy of pg, and PGlite has a class of its own.
function isRaw(error: unknown): error is RawServerError<string> {
  return error instanceof Error && 'code' in error && isSqlstate(error.code)
}

function isFromPolicy(error: RawServerError<'42501'>): boolean {
  return 'routine' in error && (error.routine === 'ExecWithCheckOptions' || error.routine === 'check_enable_rls')
}
