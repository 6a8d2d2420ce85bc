/**
 * Reads the host's modules from a folder: `<folder>/<module>/NNNN_slug.sql`, and files right in the folder as module `app`.
 *
 * Owns reading the disk. Only names that end in .sql count, so that a README beside them is no error.
 */
import { readdir, readFile } from 'node:fs/promises'
import type { SqlModule } from '../generated/modules.ts'
import { TenonError } from '../kernel/errors.ts'
import { defineModule, type ModuleSource } from './define-module.ts'

/** The module of files that lie right in the folder. */
const looseModule = 'app'

/**
 * Reads the modules of a folder.
 *
 * @param folder - path of the folder; relative to the working directory
 * @returns the modules by name, each with its files by number; empty when the folder holds no .sql file
 * @throws {TenonError} MIGRATION_SOURCE when something cannot be read or is no migration file
 * @example
 * ```ts
 * await applyMigrations(db, { modules: ['auth', ...(await readModules('migrations'))] })
 * ```
 */
export async function readModules(folder: string): Promise<readonly SqlModule[]> {
  const entries = (await list(folder)).filter((entry) => !entry.name.startsWith('.'))
  const sources = new Map<string, ModuleSource[]>()
  const add = async (module: string, path: string): Promise<void> => {
    const source = { path, sql: await readText(path) }
    sources.set(module, [...(sources.get(module) ?? []), source])
  }
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) {
      for (const file of await list(path)) if (isSql(file.name)) await add(entry.name, `${path}/${file.name}`)
    } else if (isSql(entry.name)) await add(looseModule, path)
  }
  return [...sources].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, files]) => defineModule(name, files))
}

function isSql(name: string): boolean {
  return name.endsWith('.sql') && !name.startsWith('.')
}

async function list(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (cause) {
    throw unreadable(folder, cause)
  }
}

async function readText(path: string): Promise<string> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw unreadable(path, cause)
  }
  try {
    // `ignoreBOM: true` keeps the mark, which readModuleFile refuses: the server would take it for a character of the first word.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new TenonError({
      code: 'MIGRATION_SOURCE',
      message: `${path}: the file is not UTF-8`,
      hint: 'Save it as UTF-8 without BOM.',
      cause,
    })
  }
}

function unreadable(path: string, cause: unknown): TenonError {
  const reason = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return new TenonError({
    code: 'MIGRATION_SOURCE',
    message: `${path} cannot be read${reason}`,
    hint: 'Check that it exists and that this user may read it.',
    cause,
  })
}
