/** PGlites for tests: booted from a data directory that an earlier test file or run has left in the cache, 1 s instead of 4 to 7. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite, type PGliteOptions } from '@electric-sql/pglite'

/**
 * Boots a PGlite.
 *
 * @param fixture SQL that is run once; later boots find its result in the cache
 * @param extensions what `create extension` can find, after the boot
 */
export async function bootPglite(fixture = '', extensions: PGliteOptions['extensions'] = {}): Promise<PGlite> {
  // The package's own text stands for its version: its exports hide package.json.
  const engine = readFileSync(fileURLToPath(import.meta.resolve('@electric-sql/pglite')))
  const contents = createHash('sha256').update(engine).update(fixture).digest('hex').slice(0, 16)
  const cache = fileURLToPath(new URL('../../node_modules/.cache/tenon/', import.meta.url))
  const file = join(cache, `pglite-${contents}.tar`)
  if (!existsSync(file)) {
    const pglite = await PGlite.create()
    if (fixture !== '') await pglite.exec(fixture)
    const dump = await pglite.dumpDataDir('none')
    mkdirSync(cache, { recursive: true })
    // Written beside and renamed: a test file that starts meanwhile never reads half of it.
    const unfinished = `${file}.${process.pid}`
    writeFileSync(unfinished, Buffer.from(await dump.arrayBuffer()))
    renameSync(unfinished, file)
    if (Object.keys(extensions).length === 0) return pglite
    await pglite.close()
  }
  return await PGlite.create({ loadDataDir: new Blob([readFileSync(file)]), extensions })
}
