// Queries that read the catalog.
// Generated from sql/introspect by codegen/build-sql.ts: change the SQL there, then run `npm run generate`.

/** The texts of sql/introspect, by file name. */
export const introspect: {} = {}
