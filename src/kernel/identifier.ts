// Identifiers: the one place where a name is put into SQL text. Values are never quoted here: they are parameters.
// It knows nothing of what the names stand for and never looks into a catalog.

import { TenonError } from './errors.ts'

// NAMEDATALEN - 1. The server would cut a longer name silently, so that two names could become one.
const maxIdentifierBytes = 63

/**
 * Returns a name as a quoted SQL identifier. It always quotes, so the case of the name is kept.
 *
 * @param name - 1 to 63 bytes in UTF-8, without NUL and without lone surrogates
 * @returns the name in double quotes, inner double quotes doubled
 * @throws {TenonError} IDENTIFIER_INVALID when no such identifier can exist
 * @example
 * ```ts
 * quoteIdentifier('user') // '"user"'
 * ```
 * @see https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export function quoteIdentifier(name: string): string {
  const problem = problemOf(name)
  if (problem !== undefined) {
    throw new TenonError({
      code: 'IDENTIFIER_INVALID',
      message: `a name cannot be an identifier: it ${problem}`,
      hint: 'Use 1 to 63 bytes of UTF-8 without NUL.',
    })
  }
  return `"${name.replaceAll('"', '""')}"`
}

/**
 * Returns a name with its schema as quoted SQL identifiers.
 *
 * @param schema - the schema, or undefined for a name that the search_path resolves
 * @param name - the name in it
 * @returns `"schema"."name"`, or `"name"`
 * @throws {TenonError} IDENTIFIER_INVALID when one of them cannot be an identifier
 * @example
 * ```ts
 * quoteQualified('public', 'projects') // '"public"."projects"'
 * ```
 */
export function quoteQualified(schema: string | undefined, name: string): string {
  const quoted = quoteIdentifier(name)
  return schema === undefined ? quoted : `${quoteIdentifier(schema)}.${quoted}`
}

/**
 * Tells whether a name can be that of a custom setting, such as `app.tenant_id`.
 *
 * @param name - the name as `current_setting` would take it
 * @returns true for two or more lower-case-led words with dots between
 * @example
 * ```ts
 * isSettingName('app.tenant_id') // true
 * isSettingName('role') // false
 * ```
 */
export function isSettingName(name: string): boolean {
  return typeof name === 'string' && /^[a-z_]\w*(\.[a-z_]\w*)+$/.test(name)
}

// The name itself stays out of the message: a caller that passes a wrong thing as a name often passes a value.
function problemOf(name: string): string | undefined {
  if (typeof name !== 'string') return 'is not a string'
  if (name === '') return 'is empty'
  if (name.includes('\0')) return 'holds a NUL character'
  if (!name.isWellFormed()) return 'holds half of a surrogate pair'
  if (Buffer.byteLength(name) > maxIdentifierBytes) return `is longer than ${maxIdentifierBytes} bytes`
  return undefined
}
