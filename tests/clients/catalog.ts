/** What a database holds, as text: two that were migrated by different tools must hold the same. */
import type { Client } from 'pg'

const schemas = `n.nspname in ('public', 'tenon', 'auth')`
/** The tools' own histories. */
const own = `!~ '^(pgmigrations|_prisma_migrations|schema_migrations|kysely_migration)'`

const queries = {
  tables: `select n.nspname, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relacl::text, obj_description(c.oid)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${schemas} and c.relname ${own} and c.relkind in ('r', 'p', 'S', 'v')`,
  columns: `select n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
      pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where ${schemas} and c.relname ${own} and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped`,
  constraints: `select n.nspname, c.relname, o.conname, pg_get_constraintdef(o.oid), o.convalidated
    from pg_constraint o join pg_class c on c.oid = o.conrelid join pg_namespace n on n.oid = c.relnamespace
    where ${schemas} and c.relname ${own}`,
  indexes: `select n.nspname, pg_get_indexdef(i.indexrelid), i.indisvalid
    from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
    where ${schemas} and c.relname ${own}`,
  policies: `select schemaname, tablename, policyname, permissive, roles::text, cmd, qual, with_check from pg_policies`,
  functions: `select n.nspname, p.oid::regprocedure::text, pg_get_functiondef(p.oid), p.proacl::text, obj_description(p.oid)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${schemas}`,
  triggers: `select pg_get_triggerdef(t.oid), t.tgenabled from pg_trigger t where not t.tgisinternal`,
  grants: `select n.nspname, n.nspacl::text from pg_namespace n where ${schemas}`,
  ledger: `select module, version, target_schema, id_type, slug, sha256, state from tenon.migrations`,
} as const

/** Reads it, sorted. */
export async function catalogOf(client: Client): Promise<Readonly<Record<keyof typeof queries, readonly string[]>>> {
  const entries: [string, readonly string[]][] = []
  for (const [name, text] of Object.entries(queries)) {
    const { rows } = await client.query({ text, rowMode: 'array' })
    entries.push([name, rows.map((row) => JSON.stringify(row)).sort()])
  }
  // The keys are those of the queries.
  return Object.fromEntries(entries) as Record<keyof typeof queries, readonly string[]>
}
