/**
 * The lock file of an export: which migration became which files of the host, and their hashes. It is what makes an export stable and lets
 * CI see an edit.
 *
 * A dot file, because some tools take every other file in their folder for a migration.
 */
import { createHash } from 'node:crypto'
import { TenonError } from '../../kernel/errors.ts'

export const lockFileName = '.tenon-lock.json'

/** What the program writes; an older file is read as long as this stays 1. */
const formatVersion = 1

/** One migration of the host that was exported. */
export interface LockedStep {
  /** `module/version_slug`, with ` recorded` behind it for the row of a statement outside a transaction. */
  readonly migration: string
  /** SHA-256 of the migration's source. */
  readonly source: string
  /** The version that the host knows it by. */
  readonly version: string
  /** SHA-256 of each file, by path. */
  readonly files: Readonly<Record<string, string>>
}

export interface Lock {
  readonly format: string
  readonly schema: string
  readonly id: string
  /** In the order of the export. */
  readonly steps: readonly LockedStep[]
}

/**
 * Reads a lock file.
 *
 * @throws {TenonError} MIGRATION_EXPORT when it is none, as after a merge that went wrong, or is of a later version of the library
 */
export function readLock(path: string, text: string): Lock {
  const broken = (message: string, hint: string): never => {
    throw new TenonError({ code: 'MIGRATION_EXPORT', message: `${path}: ${message}`, hint })
  }
  let json: Record<string, unknown>
  try {
    json = JSON.parse(text) as Record<string, unknown>
  } catch {
    return broken('the lock file is no JSON', 'Mend the merge conflict in it, or take it from version control.')
  }
  if (json['formatVersion'] !== formatVersion)
    broken('the lock file is of another version of the library', 'Update the library to the one that wrote it.')
  const { format, schema, id, steps } = json
  if (typeof format !== 'string' || typeof schema !== 'string' || typeof id !== 'string' || !Array.isArray(steps))
    return broken('the lock file lacks a part', 'Take it from version control.')
  return { format, schema, id, steps: steps as LockedStep[] }
}

/**
 * Returns what a lock file says is released, for the lint.
 *
 * @param path - for messages
 * @param text - of `.tenon-lock.json` in the folder of an export
 * @returns `module/version_slug` to the hash of the source
 * @throws {TenonError} MIGRATION_EXPORT when it is no lock file
 */
export function readReleased(path: string, text: string): ReadonlyMap<string, string> {
  const steps = readLock(path, text).steps.filter(({ migration }) => !migration.endsWith(' recorded'))
  return new Map(steps.map(({ migration, source }) => [migration, source]))
}

/** The text of a lock file: one line a step, so that two branches conflict where they must and nowhere else. */
export function writeLock({ format, schema, id, steps }: Lock): string {
  const head = { formatVersion, format, schema, id }
  const lines = steps.map((step) => `    ${JSON.stringify(step)}`).join(',\n')
  return `${JSON.stringify(head, undefined, 2).slice(0, -2)},\n  "steps": [\n${lines}\n  ]\n}\n`
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
