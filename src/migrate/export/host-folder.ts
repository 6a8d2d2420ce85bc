/** The folder of the host's migrations: what is in it, and writing into it so that an interrupted export can be run again. */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { TenonError } from '../../kernel/errors.ts'
import type { HostFile } from './export-format.ts'
import { lockFileName } from './lock-file.ts'

/** Deep enough for every tool: `<migration>/migration.sql`, `deploy/<change>.sql`. */
const deepest = 2
const textFile = /\.(?:sql|psql|[cm]?[jt]s|toml|json|plan|conf)$/

/**
 * Reads the text files of a folder.
 *
 * @returns path relative to the folder, with forward slashes, to text with LF; empty when there is no such folder
 * @throws {TenonError} MIGRATION_EXPORT when something in it cannot be read
 */
export async function readFolder(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  const visit = async (prefix: string, depth: number): Promise<void> => {
    const entries = await readdir(`${folder}/${prefix}`, { withFileTypes: true })
    for (const entry of entries) {
      const path = `${prefix}${entry.name}`
      if (entry.isDirectory()) {
        if (depth < deepest && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
          await visit(`${path}/`, depth + 1)
      } else if (entry.name === lockFileName || (!entry.name.startsWith('.') && textFile.test(entry.name))) {
        files.set(path, (await readFile(`${folder}/${path}`, 'utf8')).replaceAll('\r\n', '\n'))
      }
    }
  }
  try {
    await visit('', 1)
  } catch (cause) {
    if (isMissing(cause) && files.size === 0) return files
    throw unusable(folder, 'read', cause)
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * Writes files whole: each beside its place, and moved there. The last one of the list is the last one to appear.
 *
 * @throws {TenonError} MIGRATION_EXPORT when the folder cannot be written
 */
export async function writeFolder(folder: string, files: readonly HostFile[]): Promise<void> {
  try {
    for (const { path, text } of files) {
      const target = `${folder}/${path}`
      await mkdir(dirname(target), { recursive: true })
      await writeFile(`${target}.tenon-new`, text)
      await rename(`${target}.tenon-new`, target)
    }
  } catch (cause) {
    throw unusable(folder, 'written', cause)
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
}

function unusable(folder: string, verb: string, cause: unknown): TenonError {
  const reason = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return new TenonError({
    code: 'MIGRATION_EXPORT',
    message: `${folder} cannot be ${verb}${reason}`,
    hint: 'Check the path and its permissions.',
    cause,
  })
}
