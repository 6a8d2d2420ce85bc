/** PGlite with PostGIS: its build needs a PGlite of exactly its version. */
import { postgis } from '@electric-sql/pglite-postgis'
import { PGlite } from 'pglite-058'
import { btree_gist } from 'pglite-058/contrib/btree_gist'

/** Boots one and runs the SQL. No copy is kept: a data directory with PostGIS takes longer to unpack than the extension to install. */
export async function bootPglitePostgis(sql: string): Promise<PGlite> {
  const pglite = await PGlite.create({ extensions: { postgis, btree_gist } })
  await pglite.exec(sql)
  return pglite
}
