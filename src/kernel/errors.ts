// The error classes: one base class and the few subclasses that carry fields of their own.
// Nothing in here ever holds a parameter, claim or row value: `cause` is reduced to names and codes before it is kept.
// This file refuses to know PostgreSQL: which SQLSTATE becomes which code is server-error.ts; guards are error-guards.ts.

import { type ErrorCause, type ErrorObjectNames, scrubCause } from './error-cause.ts'
import { describeErrorCode, type ErrorCode } from './error-codes.ts'

export type { ErrorCause, ErrorObjectNames } from './error-cause.ts'
export { describeErrorCode, type ErrorCode, errorCodes } from './error-codes.ts'

// Symbol.for, because two copies of the package (ESM and bundled, or two versions) share only the global registry.
const brand = Symbol.for('tenon.error')

/** The literal `name` of each class. */
export type TenonErrorName =
  | 'TenonError'
  | 'ConstraintError'
  | 'AccessError'
  | 'ConnectionLostError'
  | 'CommitUnknownError'
  | 'NotFoundError'
  | 'ValuesError'

/** What an error is made from. */
export interface TenonErrorOptions extends ErrorObjectNames {
  /** What failed, from the closed list. */
  readonly code: ErrorCode
  /** What failed and on which object. Never a value. */
  readonly message: string
  /** What to do next. */
  readonly hint?: string | undefined
  /** Overrides the default of the code. */
  readonly retryable?: boolean | undefined
  /** The five characters the server sent. */
  readonly sqlstate?: string | undefined
  /** 1-based character of the SQL text that the server points at. */
  readonly position?: number | undefined
  /** The error underneath; kept only as an {@link ErrorCause}. */
  readonly cause?: unknown
}

/** What `toJSON()` gives. */
export interface TenonErrorJson extends ErrorObjectNames {
  readonly name: TenonErrorName
  readonly code: ErrorCode
  readonly message: string
  readonly retryable: boolean
  readonly hint?: string
  readonly sqlstate?: string
  readonly columns?: readonly string[]
  readonly batchItem?: number
}

/**
 * Every error that Tenon throws by itself. Test `code` (a closed union), or use a guard such as `isUniqueViolation`.
 *
 * It never holds a parameter, claim or row value: not in the message, in `toJSON()`, in a property or in `cause`.
 *
 * @example
 * ```ts
 * try {
 *   await me.insertInto('projects').values(row).execute()
 * } catch (error) {
 *   if (isTenonError(error) && error.retryable) return later()
 *   throw error
 * }
 * ```
 */
export class TenonError extends Error {
  // `declare`, so that an absent field is absent: a plain field would be an own property with the value undefined.
  declare readonly name: TenonErrorName
  /** What failed, from the closed list. */
  declare readonly code: ErrorCode
  /** What to do next. */
  declare readonly hint?: string
  /** Whether the same work, unchanged and from its beginning, can succeed a little later without being done twice. */
  declare readonly retryable: boolean
  /** The five characters the server sent; absent when the error was found before anything was sent. */
  declare readonly sqlstate?: string
  /** Schema of the object the server named. */
  declare readonly schema?: string
  /** Table the server named. */
  declare readonly table?: string
  /** Column the server named. */
  declare readonly column?: string
  /** Constraint the server named. */
  declare readonly constraint?: string
  /** Data type or domain the server named. */
  declare readonly dataType?: string
  /** 1-based character of the SQL text the server pointed at. */
  declare readonly position?: number
  /** Which item of a batch failed, from 0; absent elsewhere, and where COMMIT failed. */
  declare readonly batchItem?: number
  /** Names and codes of the error underneath, never that error itself. */
  declare readonly cause?: ErrorCause | TenonError

  static {
    fixPrototype(TenonError.prototype, 'TenonError')
    Object.defineProperty(TenonError.prototype, brand, { value: true })
  }

  /** @param options - code, message and what else is known */
  constructor(options: TenonErrorOptions) {
    super(options.message)
    put(this, 'code', options.code)
    put(this, 'retryable', options.retryable ?? describeErrorCode(options.code).retryable)
    put(this, 'sqlstate', options.sqlstate)
    put(this, 'schema', options.schema)
    put(this, 'table', options.table)
    put(this, 'column', options.column)
    put(this, 'constraint', options.constraint)
    put(this, 'dataType', options.dataType)
    put(this, 'position', options.position)
    put(this, 'hint', options.hint)
    if (options.cause !== undefined && options.cause !== null) {
      // Not enumerable, as the standard's own `cause` is.
      const cause = isTenonError(options.cause) ? options.cause : scrubCause(options.cause)
      Object.defineProperty(this, 'cause', { value: cause, configurable: true })
    }
  }

  /**
   * Returns a plain object for logs and HTTP answers.
   *
   * @returns code, name, message, hint, retryable, sqlstate and the names of the objects; no stack, no cause
   */
  toJSON(): TenonErrorJson {
    return compact({
      name: this.name,
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      hint: this.hint,
      sqlstate: this.sqlstate,
      schema: this.schema,
      table: this.table,
      column: this.column,
      constraint: this.constraint,
      dataType: this.dataType,
      batchItem: this.batchItem,
    })
  }
}

/** Says in an error of ours which item of a batch it comes from; any other value is returned as it is. */
export function inBatchItem(error: unknown, item: number): unknown {
  if (error instanceof TenonError) put(error, 'batchItem', item)
  return error
}

/** The kind of constraint that refused a row. */
export type ConstraintKind = 'unique' | 'foreignKey' | 'check' | 'notNull' | 'exclusion'

const constraintCodes = {
  unique: 'CONSTRAINT_UNIQUE',
  foreignKey: 'CONSTRAINT_FOREIGN_KEY',
  check: 'CONSTRAINT_CHECK',
  notNull: 'CONSTRAINT_NOT_NULL',
  exclusion: 'CONSTRAINT_EXCLUSION',
} as const satisfies Readonly<Record<ConstraintKind, ErrorCode>>

/** What a {@link ConstraintError} is made from; the code follows from the kind. */
export interface ConstraintErrorOptions extends Omit<TenonErrorOptions, 'code'> {
  readonly kind: ConstraintKind
  /** Columns of the constraint, in its order; empty when they are not known. */
  readonly columns?: readonly string[] | undefined
}

/** A row was refused by a constraint; `constraint`, `table` and `schema` say which one where the server says so. */
export class ConstraintError extends TenonError {
  declare readonly name: 'ConstraintError'
  declare readonly code: (typeof constraintCodes)[ConstraintKind]
  /** Which kind of constraint. */
  declare readonly kind: ConstraintKind
  /** Columns of the constraint; empty when they are not known (the server names them for not-null only). */
  declare readonly columns: readonly string[]

  static {
    fixPrototype(ConstraintError.prototype, 'ConstraintError')
  }

  /** @param options - the kind, the names and the message */
  constructor(options: ConstraintErrorOptions) {
    super({ ...options, code: constraintCodes[options.kind] })
    put(this, 'kind', options.kind)
    put(this, 'columns', Object.freeze([...(options.columns ?? [])]))
  }

  override toJSON(): TenonErrorJson {
    return { ...super.toJSON(), columns: this.columns }
  }
}

/** What an {@link AccessError} is made from; the code follows from the reason. */
export interface AccessErrorOptions extends Omit<TenonErrorOptions, 'code'> {
  readonly reason: 'policy' | 'privilege'
}

/** The server refused access: a grant is missing (`privilege`) or row-level security said no (`policy`). */
export class AccessError extends TenonError {
  declare readonly name: 'AccessError'
  declare readonly code: 'ACCESS_DENIED' | 'ACCESS_POLICY'
  /** What refused: a missing GRANT, or a row-level security policy. */
  declare readonly reason: 'policy' | 'privilege'

  static {
    fixPrototype(AccessError.prototype, 'AccessError')
  }

  /** @param options - the reason, the names and the message */
  constructor(options: AccessErrorOptions) {
    super({ ...options, code: options.reason === 'policy' ? 'ACCESS_POLICY' : 'ACCESS_DENIED' })
    put(this, 'reason', options.reason)
  }
}

/** What a {@link ConnectionLostError} is made from. */
export interface ConnectionLostErrorOptions extends Omit<TenonErrorOptions, 'code' | 'retryable'> {}

/** The connection broke while nothing that could have been written was under way: safe to run again. */
export class ConnectionLostError extends TenonError {
  declare readonly name: 'ConnectionLostError'
  declare readonly code: 'CONNECTION_LOST'
  declare readonly retryable: true

  static {
    fixPrototype(ConnectionLostError.prototype, 'ConnectionLostError')
  }

  /** @param options - the message and what is known of the reason */
  constructor(options: ConnectionLostErrorOptions) {
    super({ ...options, code: 'CONNECTION_LOST', retryable: true })
  }
}

/** What a {@link CommitUnknownError} is made from. */
export interface CommitUnknownErrorOptions extends Omit<TenonErrorOptions, 'code' | 'retryable' | 'message'> {
  readonly message?: string | undefined
}

/** The connection broke after a write was sent and before its answer: it may or may not be committed. Never retryable. */
export class CommitUnknownError extends TenonError {
  declare readonly name: 'CommitUnknownError'
  declare readonly code: 'COMMIT_UNKNOWN'
  declare readonly retryable: false

  static {
    fixPrototype(CommitUnknownError.prototype, 'CommitUnknownError')
  }

  /** @param options - what is known of the reason */
  constructor(options: CommitUnknownErrorOptions = {}) {
    super({
      ...options,
      code: 'COMMIT_UNKNOWN',
      retryable: false,
      message: options.message ?? 'the connection broke after a write was sent: it may or may not be committed',
      hint:
        options.hint ??
        'read the data back, or give the write a key that makes a second one harmless, before trying again',
    })
  }
}

/** What a {@link NotFoundError} is made from. */
export interface NotFoundErrorOptions extends Omit<TenonErrorOptions, 'code' | 'message'> {
  readonly message?: string | undefined
}

/** One thing that is wrong with values: where, and what. */
export interface ValuesIssue {
  /** From the row inwards; the first step is a position where several rows were given. */
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** What a {@link ValuesError} is made from. */
export interface ValuesErrorOptions {
  readonly table?: string | undefined
  readonly issues: readonly ValuesIssue[]
}

/** Values of a row do not fit its schema; nothing was sent. */
export class ValuesError extends TenonError {
  declare readonly name: 'ValuesError'
  declare readonly code: 'VALUES_INVALID'
  /** All that is wrong, as the schema says it. */
  declare readonly issues: readonly ValuesIssue[]

  static {
    fixPrototype(ValuesError.prototype, 'ValuesError')
  }

  /** @param options - the table and what is wrong */
  constructor({ table, issues }: ValuesErrorOptions) {
    const places = issues.slice(0, 5).map(({ path }) => path.map(String).join('.') || 'the row')
    super({
      code: 'VALUES_INVALID',
      table,
      message: `values${table === undefined ? '' : ` for ${table}`} do not fit the schema: ${[...new Set(places)].join(', ')}`,
      hint: 'See issues for what is wrong with each.',
    })
    put(this, 'issues', issues)
  }
}

/** No row where exactly one was asked for. Under row-level security a hidden row is not found either. */
export class NotFoundError extends TenonError {
  declare readonly name: 'NotFoundError'
  declare readonly code: 'NOT_FOUND'

  static {
    fixPrototype(NotFoundError.prototype, 'NotFoundError')
  }

  /** @param options - the table and, where it says more, a message */
  constructor(options: NotFoundErrorOptions = {}) {
    const where = options.table === undefined ? '' : ` in ${options.table}`
    super({ ...options, code: 'NOT_FOUND', message: options.message ?? `no such row${where}` })
  }
}

/**
 * Tells whether a thrown thing is an error of Tenon, also when it comes from another copy of the package.
 *
 * @param error - anything that was thrown
 * @returns true for {@link TenonError} and its subclasses; false for the driver's errors and everything else
 * @example
 * ```ts
 * if (isTenonError(error)) reply.send(error.toJSON())
 * ```
 */
export function isTenonError(error: unknown): error is TenonError {
  // Not `instanceof Error`: an error of another realm (a test runner's vm) has another Error.
  // The cast only allows the lookup of a symbol; nothing else is assumed of the object.
  return typeof error === 'object' && error !== null && (error as { readonly [brand]?: unknown })[brand] === true
}

// On the prototype: an own `name` would be printed by inspect, and `constructor.name` does not survive a minifier.
function fixPrototype(prototype: object, name: TenonErrorName): void {
  Object.defineProperty(prototype, 'name', { value: name, configurable: true, writable: true })
}

function put<T extends object, K extends keyof T>(target: T, key: K, value: T[K] | undefined): void {
  if (value !== undefined) {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: false })
  }
}

// `undefined` fields are left out. The caller's type says which ones may be missing, and these are all optional.
function compact(json: { readonly [K in keyof TenonErrorJson]: TenonErrorJson[K] | undefined }): TenonErrorJson {
  return Object.fromEntries(
    Object.entries(json).filter(([, value]) => value !== undefined),
  ) as unknown as TenonErrorJson
}
