/**
 * Exports migrations into the folder of the migration tool that a host uses already, and checks such a folder.
 *
 * A file once written is never written again, and nothing of the host's is touched. What a file looks like is the format's affair.
 */
import { TenonError } from '../../kernel/errors.ts'
import { listMigrations, type MigrationSet } from '../migration.ts'
import {
  assertExportable,
  compareExport,
  type ExportProblem,
  type ExportState,
  type NamedStep,
  toNamedSteps,
} from './compare-export.ts'
import type { ExportFormatDefinition, HostFile, NumberedStep } from './export-format.ts'
import { type ExportFormat, exportFormats, formats } from './formats/index.ts'
import { readFolder, writeFolder } from './host-folder.ts'
import { type Lock, type LockedStep, lockFileName, readLock, sha256, writeLock } from './lock-file.ts'
import { markersIn } from './markers.ts'

/** Options of {@link exportMigrations}. */
export interface ExportOptions extends MigrationSet {
  readonly format: ExportFormat
  /** The folder of the host's migrations, such as `supabase/migrations`. */
  readonly out: string
  /** New files are numbered from here on. Default: the time. */
  readonly now?: Date | undefined
}

/** What {@link exportMigrations} did. Paths are relative to the folder. */
export interface ExportResult {
  readonly written: readonly string[]
  readonly unchanged: readonly string[]
  /** What has to be done by hand once, for this format. */
  readonly notes: readonly string[]
}

/**
 * Writes the migrations that the folder does not have yet, named, ordered and framed as its tool wants them, and the lock file.
 *
 * The exported files write our ledger too, so that `planMigrations` and `applyMigrations` agree with whatever the host's tool has applied.
 *
 * @returns what was written; a second call writes nothing
 * @throws {TenonError} OPTION_INVALID for an unknown format or module; MIGRATION_DIVERGED when released files were edited, are missing or
 *   collide with the host's; MIGRATION_EXPORT when a migration holds text that the tool would take as its own, or the folder cannot be used.
 *   Nothing was written then.
 * @example
 * ```ts
 * await exportMigrations({ format: 'supabase', out: 'supabase/migrations', modules: ['auth', 'projects'] })
 * ```
 * @see sql/README.md for the formats
 */
export async function exportMigrations(options: ExportOptions): Promise<ExportResult> {
  const state = await readState(options)
  const { format, lock, folder } = state
  assertExportable(compareExport(state))
  const known = new Map(lock?.steps.map((step) => [step.migration, step]))
  const fresh = state.steps.filter(({ name }) => !known.has(name))
  for (const step of fresh) assertNoMarker(format, step)

  const texts = new Map(folder)
  const locked: LockedStep[] = [...(lock?.steps ?? [])]
  const written: HostFile[] = []
  const numbered: NumberedStep[] = state.steps.flatMap((step) => {
    const before = known.get(step.name)
    return before === undefined ? [] : [{ ...step, version: before.version, previous: undefined }]
  })
  for (const step of fresh) {
    const place = placeOf(format, step, texts, options.now ?? new Date())
    const files = format.files(place, texts)
    for (const { path, text } of files) texts.set(path, text)
    written.push(...files)
    numbered.push(place)
    locked.push({
      migration: step.name,
      source: step.migration.file.sha256,
      version: place.version,
      files: Object.fromEntries(files.map(({ path, text }) => [path, sha256(text)])),
    })
  }
  const derived = fresh.length === 0 ? [] : (format.derived?.(numbered, folder) ?? [])
  const lockText = writeLock({ format: format.name, schema: state.schema, id: state.id, steps: locked })
  if (fresh.length > 0) {
    // The lock file last: without it the next run writes the same files again.
    await writeFolder(options.out, [...written, ...derived, { path: lockFileName, text: lockText }])
  }
  return {
    written: [...written, ...derived].map(({ path }) => path),
    unchanged: (lock?.steps ?? []).flatMap((step) => Object.keys(step.files)),
    notes: format.notes?.(numbered) ?? [],
  }
}

/**
 * Tells what of an export is out of step; for a host's CI. It changes nothing.
 *
 * @returns edited, missing, colliding and new files; empty when the folder is as an export would leave it
 * @throws {TenonError} OPTION_INVALID or MIGRATION_EXPORT when it cannot be told
 * @example
 * ```ts
 * const problems = await checkExport({ format: 'dbmate', out: 'db/migrations', modules: ['auth'] })
 * ```
 */
export async function checkExport(options: ExportOptions): Promise<readonly ExportProblem[]> {
  return compareExport(await readState(options))
}

/**
 * Returns what tells the host's tool that the exported files are applied already, because `applyMigrations` did it: SQL for its history, or
 * commands of the tool.
 *
 * @throws {TenonError} MIGRATION_EXPORT when nothing is exported there
 */
export async function exportHandover(options: ExportOptions): Promise<string> {
  const { format, lock, steps } = await readState(options)
  if (lock === undefined)
    throw new TenonError({
      code: 'MIGRATION_EXPORT',
      message: `${options.out} holds no export`,
      hint: 'Export first, then hand over.',
    })
  const byName = new Map(steps.map((step) => [step.name, step]))
  const numbered = lock.steps.flatMap(({ migration, version }): NumberedStep[] => {
    const step = byName.get(migration)
    return step === undefined ? [] : [{ ...step, version, previous: undefined }]
  })
  return format.handover(numbered)
}

async function readState(options: ExportOptions): Promise<ExportState> {
  if (!exportFormats.includes(options.format))
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'option format is no format of an export',
      hint: `the formats are ${exportFormats.join(', ')}`,
    })
  const format = formats[options.format]
  const steps = toNamedSteps(listMigrations(options), format.name)
  const folder = await readFolder(options.out)
  const text = folder.get(lockFileName)
  const lock: Lock | undefined = text === undefined ? undefined : readLock(`${options.out}/${lockFileName}`, text)
  return { format, schema: options.schema ?? 'public', id: options.id ?? 'uuid', steps, lock, folder }
}

function placeOf(
  format: ExportFormatDefinition,
  step: NamedStep,
  texts: ReadonlyMap<string, string>,
  now: Date,
): NumberedStep {
  const versions = [...texts.keys()].flatMap((path) => format.versionOf(path) ?? [])
  const newest = versions.reduce<string | undefined>(
    (latest, version) => (latest === undefined || format.compare(latest, version) < 0 ? version : latest),
    undefined,
  )
  const version = format.next(newest, now)
  if (version === undefined)
    throw new TenonError({
      code: 'MIGRATION_EXPORT',
      message: `no name for ${step.title} sorts after the newest migration of the folder`,
      hint: 'Number the newest migrations by time, as the tool does by itself, and export again.',
    })
  return { ...step, version, previous: newest }
}

function assertNoMarker(format: ExportFormatDefinition, { migration }: NamedStep): void {
  for (const { line, text, meaning } of markersIn(format, migration))
    throw new TenonError({
      code: 'MIGRATION_EXPORT',
      message: `${migration.file.path}:${line}: ${format.name} reads ${JSON.stringify(text)} as ${meaning}`,
      hint: 'Write it differently in a new file, or use another format.',
    })
}
