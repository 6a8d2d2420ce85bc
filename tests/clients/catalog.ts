/** What a database holds, for comparing two that were migrated by different tools. */
import type { Client } from 'pg'
import { type CatalogQuery, readCatalog } from '../../src/migrate/index.ts'

/** The tools' own histories, and what stands on them. */
const own = /pgmigrations|_prisma_migrations|schema_migrations|kysely_migration/

/** Every object with its definition, by key, and the rows of the ledger that do not tell who applied them when. */
export async function catalogOf(client: Client): Promise<Readonly<Record<string, unknown>>> {
  // Rows are what the reader says they are.
  const query: CatalogQuery = async <R>(text: string, values: readonly unknown[] = []) => ({
    rows: (await client.query(text, [...values])).rows as R[],
  })
  const catalog = await readCatalog(query, { schemas: ['public', 'tenon', 'auth'] })
  const { rows } = await client.query(
    'select module, version, target_schema, id_type, slug, sha256, state from tenon.migrations order by module, version',
  )
  const objects = [...catalog].filter(([key]) => !own.test(key)).map(([key, { parts }]) => [key, parts] as const)
  return { ...Object.fromEntries(objects.sort(([a], [b]) => (a < b ? -1 : 1))), ledger: rows }
}
