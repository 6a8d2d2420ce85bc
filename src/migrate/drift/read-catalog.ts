/**
 * Reads what is in a database from its catalog, in a form that does not depend on the server's version or the login's settings.
 *
 * Owns which files of sql/introspect are asked, and under which settings. Comparing is compare-catalogs.ts.
 */
import { introspect } from '../../generated/introspect.ts'
import { type Catalog, type CatalogObject, type CatalogRow, toCatalogObject } from './catalog-object.ts'

/** Options of {@link readCatalog}. */
export interface ReadCatalogOptions {
  /** Names of schemas; default: all but the server's own. */
  readonly schemas?: readonly string[] | undefined
}

/** Runs one statement with bound values: `client.query` of pg, `pglite.query`, or a connection of `withDedicatedConnection`. */
export type CatalogQuery = (text: string, values: readonly unknown[]) => Promise<{ readonly rows: readonly unknown[] }>

const { settings, surroundings: _, ...files } = introspect

/**
 * Reads schemas, tables, columns, constraints, indexes, policies, triggers, rules, views, sequences, functions, types, domains, extensions,
 * statistics, grants and comments. What belongs to an extension, and what PostgreSQL makes by itself for a constraint, an identity column
 * or a partition, is left out; so are owners, tablespaces and the order of columns.
 *
 * It needs no privilege beyond connecting. It sends a statement per kind; begin a `repeatable read` transaction before when the database is
 * in use. In a transaction of yours its settings (search_path and notations) stay until the end of it.
 *
 * @param query - runs a statement
 * @returns objects by key, such as `column public.projects.name`; in no particular order
 * @throws whatever `query` throws
 * @example
 * ```ts
 * const catalog = await readCatalog((text, values) => client.query(text, [...values]))
 * catalog.get('policy public.projects.projects_owner_id_policy')?.parts['using']
 * ```
 * The SQL it makes: `with settings as materialized (select set_config('search_path', '', true) …) select … from (…sql/introspect/tables.sql…)
 * as found where (select ready from settings)`
 */
export async function readCatalog(query: CatalogQuery, options: ReadCatalogOptions = {}): Promise<Catalog> {
  const catalog = new Map<string, CatalogObject>()
  for (const file of Object.values(files)) {
    const { rows } = await query(underSettings(file), [options.schemas ?? null])
    // Every file gives rows of this shape, of texts and json alone, which each driver reads alike.
    for (const row of rows as readonly CatalogRow[]) catalog.set(...toCatalogObject(row))
  }
  return catalog
}

// The condition depends on no row, so the server tests it before it reads the first one, and with it makes the settings.
function underSettings(file: string): string {
  return `with settings as materialized (\n${settings}\n)\nselect found.* from (\n${file}\n) as found where (select ready from settings)`
}
