/**
 * Modules of the host: its own migrations, registered the way the library's modules are.
 *
 * Owns how files become a module. Reading them from a folder is module-folder.ts.
 */
import type { SqlFile, SqlModule } from '../generated/modules.ts'
import { sqlModules } from '../generated/modules.ts'
import { TenonError } from '../kernel/errors.ts'
import { readModuleFile } from './module-file.ts'

/** One file given to {@link defineModule}. */
export interface ModuleSource {
  /** Ends in `NNNN_slug.sql`. It stands in messages and is never opened. */
  readonly path: string
  readonly sql: string
}

/**
 * Returns a module of the host, for {@link applyMigrations} and the exports. For programs that carry their SQL with them; a folder of files
 * is read by `readModules`.
 *
 * A file may have the header that sql/README.md describes; each key of it is optional here.
 *
 * @param name - kebab-case, and no name of the library's modules
 * @param sources - in any order; the versions need no particular distance, so timestamps do
 * @throws {TenonError} MIGRATION_SOURCE for a bad name or file, and for two files of one version
 * @example
 * ```ts
 * const app = defineModule('app', [{ path: '0001_orders.sql', sql: 'create table public.orders (id bigint primary key)' }])
 * await applyMigrations(db, { modules: ['auth', app] })
 * ```
 */
export function defineModule(name: string, sources: readonly ModuleSource[]): SqlModule {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw sourceError(`"${name}" cannot be the name of a module`, 'Use kebab-case, such as billing or user-profiles.')
  if (Object.hasOwn(sqlModules, name))
    throw sourceError(`"${name}" is a module of the library`, 'Choose another name for the host’s own.')
  const files = sources.map(({ path, sql }) => readModuleFile(path, sql, 'host'))
  files.sort((a, b) => compareVersions(a.version, b.version))
  files.forEach((file, i) => {
    const before = files[i - 1]
    if (before !== undefined && compareVersions(before.version, file.version) === 0)
      throw sourceError(
        `${before.path} and ${file.path} have the same number`,
        'Give the one that is not applied anywhere yet a higher number.',
      )
  })
  const requires = new Set(files.flatMap((file) => file.requires).filter((required) => required !== name))
  return {
    name,
    kind: 'host',
    requires: [...requires].sort(),
    files: files.map(({ kind: _, requires: __, ...file }): SqlFile => file),
  }
}

/** Compares two versions as numbers: 0010 comes after 9, and a timestamp after both. */
export function compareVersions(a: string, b: string): number {
  const left = BigInt(a)
  const right = BigInt(b)
  return left < right ? -1 : left > right ? 1 : 0
}

function sourceError(message: string, hint: string): TenonError {
  return new TenonError({ code: 'MIGRATION_SOURCE', message, hint })
}
