/** Reads package.json's export list, the only one there is, for the contract tests. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The package's own folder. */
export const packageRoot = join(import.meta.dirname, '../..')

/** One subpath export. */
export interface SubpathExport {
  /** `.` or `./migrate`. */
  readonly subpath: string
  /** What a user imports: `tenon` or `tenon/migrate`. */
  readonly specifier: string
  /** The folder of src it stands for; the main entry stands for `database`. */
  readonly folder: string
  /** Built files, relative to the package. */
  readonly types: string
  readonly module: string
  /** The source it is built from, relative to the package. */
  readonly source: string
}

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
}

/** Lists the code exports; `./package.json` is not one. */
export function listSubpathExports(): readonly SubpathExport[] {
  const manifest: Manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  return Object.entries(manifest.exports).flatMap(([subpath, target]) => {
    if (typeof target === 'string') return []
    return {
      subpath,
      specifier: `${manifest.name}${subpath.slice(1)}`,
      folder: subpath === '.' ? 'database' : subpath.slice(2),
      types: target.types,
      module: target.default,
      source: target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts'),
    }
  })
}
