// What may be kept of the error underneath ours: names and codes that look like names and codes.
// Messages, stacks, details and parameters are refused: the driver's errors carry row values in them.

import { isSqlstate } from './sqlstate.ts'

/** The names of database objects that the server said an error is about. Names only, never values. */
export interface ErrorObjectNames {
  /** Schema of the object. */
  readonly schema?: string | undefined
  /** Table, or the relation that the server names. */
  readonly table?: string | undefined
  /** Column. */
  readonly column?: string | undefined
  /** Constraint, or the unique index that stands for one. */
  readonly constraint?: string | undefined
  /** Data type or domain. */
  readonly dataType?: string | undefined
}

/** What is kept of the error underneath: names and codes. The driver's own object would print row values. */
export interface ErrorCause extends ErrorObjectNames {
  /** `name` of the error underneath. */
  readonly name: string
  /** Its code when it is not a SQLSTATE, such as `ECONNRESET`. */
  readonly code?: string
  /** Its SQLSTATE. */
  readonly sqlstate?: string
  /** The failed system call, such as `connect`. */
  readonly syscall?: string
}

const causeNames = ['schema', 'table', 'column', 'constraint', 'dataType', 'syscall'] as const

// An error's `name` and `code` are ours to print only when they look like an identifier: some libraries put text there.
const wordShape = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/
const codeShape = /^[A-Z0-9_]{1,63}$/

/**
 * Returns what may be kept of an error: its name, its codes and the names of objects. Never its message or stack.
 *
 * @param cause - anything that was thrown
 * @returns a new plain object
 */
export function scrubCause(cause: unknown): ErrorCause {
  if (typeof cause !== 'object' || cause === null) return { name: typeof cause }
  const name = wordOf(cause, 'name') ?? 'Error'
  const code = wordOf(cause, 'code', codeShape)
  const scrubbed: Record<string, string> = { name }
  const sqlstate = wordOf(cause, 'sqlstate', codeShape)
  if (isSqlstate(sqlstate)) scrubbed.sqlstate = sqlstate
  else if (isSqlstate(code)) scrubbed.sqlstate = code
  else if (code !== undefined) scrubbed.code = code
  for (const key of causeNames) {
    const value = wordOf(cause, key)
    if (value !== undefined) scrubbed[key] = value
  }
  // `name` is always there and every other key is one of the interface's optional strings.
  return scrubbed as unknown as ErrorCause
}

function wordOf(object: object, key: string, shape: RegExp = wordShape): string | undefined {
  try {
    // The cast allows reading one property of unknown type.
    const value = (object as Readonly<Record<string, unknown>>)[key]
    return typeof value === 'string' && shape.test(value) ? value : undefined
  } catch {
    // A getter that throws must not replace the error being reported.
    return undefined
  }
}
