// Fills the two placeholders of a SQL file. Both are written as psql writes its variables, so that psql can run the same
// file; codegen has checked that neither stands inside a string, where this would have to escape differently.

import type { SqlPlaceholder } from '../generated/modules.ts'
import { TenonError } from '../kernel/errors.ts'
import { quoteIdentifier } from '../kernel/identifier.ts'

/**
 * The type of a user's identity, the `sub` of the claims: `uuid` on Supabase, `text` for cuid or `auth0|…`, `bigint` for
 * a number.
 */
export type IdentityType = 'uuid' | 'text' | 'bigint'

/** What the placeholders stand for. */
export interface PlaceholderValues {
  /** The schema that gets the host-visible tables. It must exist. */
  readonly schema: string
  /** The type of identity columns. */
  readonly id: IdentityType
}

// The one type that is put into SQL as it is: hence a list and no pattern.
const identityTypes: readonly IdentityType[] = ['uuid', 'text', 'bigint']

/**
 * Returns a SQL file of a module with its placeholders filled: `:"schema"` by a quoted identifier, `:id_type` by the type.
 *
 * @param sql - `sql` or `down` of a {@link SqlFile}
 * @param values - the schema and the identity type
 * @returns SQL that the server can run
 * @throws {TenonError} IDENTIFIER_INVALID when the schema cannot be an identifier, OPTION_INVALID for another identity
 *   type or a schema of the server itself
 * @example
 * ```ts
 * fillPlaceholders('create table :"schema".t (owner_id :id_type)', { schema: 'app', id: 'text' })
 * // create table "app".t (owner_id text)
 * ```
 */
export function fillPlaceholders(sql: string, values: PlaceholderValues): string {
  const filled: Readonly<Record<SqlPlaceholder, string>> = {
    ':"schema"': quoteIdentifier(checkedSchema(values.schema)),
    ':id_type': checkedType(values.id),
  }
  // `cast(x as y)` is written instead of `x::y` wherever y is a placeholder; a colon before would make it a cast.
  return sql.replace(/(?<!:):(?:"schema"|id_type\b)/g, (placeholder) => filled[placeholder as SqlPlaceholder])
}

// The server refuses pg_… by itself, but only after some statements of a module have run, and tenon is the library's own.
function checkedSchema(schema: string): string {
  if (
    typeof schema === 'string' &&
    (schema.startsWith('pg_') || ['information_schema', 'tenon', 'auth'].includes(schema))
  ) {
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: "option schema names a schema that is not the host's own",
      hint: 'name a schema of the application, such as public',
    })
  }
  return schema
}

function checkedType(type: IdentityType): IdentityType {
  if (!identityTypes.includes(type)) {
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'option id is no type of identity',
      hint: `use one of ${identityTypes.join(', ')}`,
    })
  }
  return type
}
