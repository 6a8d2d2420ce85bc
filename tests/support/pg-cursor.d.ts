/** The part of `pg-cursor`, which ships no types, that Kysely's PostgresDialect asks for; the control needs it to stream. */
declare module 'pg-cursor' {
  import type { PostgresCursorConstructor } from 'kysely'

  const Cursor: PostgresCursorConstructor
  export default Cursor
}
