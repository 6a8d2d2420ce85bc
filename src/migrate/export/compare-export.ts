/**
 * An export against its folder: what a host's CI wants to know. Pure: it is given what the folder holds.
 */
import { TenonError } from '../../kernel/errors.ts'
import type { Migration } from '../migration.ts'
import type { ExportFormatDefinition } from './export-format.ts'
import { type HostStep, toSteps } from './host-step.ts'
import { type Lock, sha256 } from './lock-file.ts'

/** What is out of step. */
export interface ExportProblem {
  readonly kind: /** An exported file was changed. */
    | 'edited'
    /** An exported file is gone. */
    | 'missing'
    /** A file or table of the host stands where one of ours is. */
    | 'collision'
    /** The library, or a module of the host, has a migration that is not exported yet. */
    | 'new'
    /** The source of an exported migration was changed. */
    | 'source'
    /** The export was made for another format, schema or type of identity. */
    | 'options'
  /** The file, relative to the folder, or the migration's name. */
  readonly file: string
  readonly message: string
  readonly hint: string
}

/** A step with what the lock file calls it. */
export interface NamedStep extends HostStep {
  readonly name: string
}

/** The steps of a set, named as the lock file names them. */
export function toNamedSteps(migrations: readonly Migration[], format: string): readonly NamedStep[] {
  return migrations.flatMap((migration) =>
    toSteps(migration, format).map((step, i) => ({
      ...step,
      name: i === 0 ? migration.name : `${migration.name} recorded`,
    })),
  )
}

/** What is given to {@link compareExport}. */
export interface ExportState {
  readonly format: ExportFormatDefinition
  readonly schema: string
  readonly id: string
  readonly steps: readonly NamedStep[]
  readonly lock: Lock | undefined
  readonly folder: ReadonlyMap<string, string>
}

/**
 * Compares.
 *
 * @returns what is out of step, in the order of the export; empty when all is well
 */
export function compareExport(state: ExportState): readonly ExportProblem[] {
  const { lock } = state
  const wrongOptions = lock === undefined ? undefined : optionsProblem(state, lock)
  if (wrongOptions !== undefined) return [wrongOptions]
  return [...releasedProblems(state), ...collisions(state), ...newProblems(state)]
}

/** Throws the first problem that an export cannot mend by writing new files. */
export function assertExportable(problems: readonly ExportProblem[]): void {
  const problem = problems.find(({ kind }) => kind !== 'new')
  if (problem === undefined) return
  const { file, message, hint } = problem
  throw new TenonError({ code: 'MIGRATION_DIVERGED', message: `${file}: ${message}`, hint })
}

function optionsProblem({ format, schema, id }: ExportState, lock: Lock): ExportProblem | undefined {
  const [was, is] = [
    `${lock.format}, schema ${lock.schema}, id ${lock.id}`,
    `${format.name}, schema ${schema}, id ${id}`,
  ]
  if (was === is) return undefined
  const hint = 'Pass the options of the first export, or export into another folder.'
  return {
    kind: 'options',
    file: '.tenon-lock.json',
    message: `this folder holds an export as ${was}, not ${is}`,
    hint,
  }
}

function releasedProblems({ steps, lock, folder }: ExportState): readonly ExportProblem[] {
  const byName = new Map(steps.map((step) => [step.name, step]))
  return (lock?.steps ?? []).flatMap((locked): ExportProblem[] => {
    const problems = Object.entries(locked.files).flatMap(([file, hash]): ExportProblem[] => {
      const text = folder.get(file)
      if (text === undefined)
        return [
          {
            kind: 'missing',
            file,
            message: 'the exported file is gone',
            hint: 'Take it from version control: it may be applied somewhere.',
          },
        ]
      if (sha256(text) === hash) return []
      return [
        {
          kind: 'edited',
          file,
          message: 'the exported file was changed',
          hint: 'Put the old content back, and write the change as a migration of your own.',
        },
      ]
    })
    const source = byName.get(locked.migration)?.migration.file.sha256
    if (source !== undefined && source !== locked.source)
      problems.push({
        kind: 'source',
        file: locked.migration,
        message: 'the source of an exported migration was changed',
        hint: 'A released migration is never edited: put the old content back and add a new file to its module.',
      })
    return problems
  })
}

function collisions({ format, steps, lock, folder }: ExportState): readonly ExportProblem[] {
  const ours = new Set((lock?.steps ?? []).flatMap((step) => Object.keys(step.files)))
  const versions = new Map(
    [...ours].flatMap((path) => {
      const version = format.versionOf(path)
      return version === undefined ? [] : [[version, path] as const]
    }),
  )
  const tables = tablesOf(steps)
  const problems: ExportProblem[] = []
  for (const [file, text] of folder) {
    const version = format.versionOf(file)
    if (ours.has(file) || version === undefined) continue
    const twin = versions.get(version)
    if (twin !== undefined)
      problems.push({
        kind: 'collision',
        file,
        message: `it has the version of ${twin}`,
        hint: 'Rename the file that is not applied anywhere yet.',
      })
    const table = tablesIn(text).find((name) => tables.has(name))
    if (table !== undefined)
      problems.push({
        kind: 'collision',
        file,
        message: `it makes table ${table}, which an exported migration makes too`,
        hint: 'Rename your table, or export the modules into another schema.',
      })
  }
  return problems
}

/** Qualified names of the tables that the steps make. */
function tablesOf(steps: readonly NamedStep[]): ReadonlySet<string> {
  return new Set(
    steps.flatMap(({ migration }) =>
      migration.file.creates
        .filter((object) => object.kind === 'table')
        .map(({ schema, name }) => `${schema === ':"schema"' ? migration.schema : schema}.${name}`),
    ),
  )
}

const createTable =
  /\bcreate\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?(?:("(?:[^"]|"")+"|\w+)\s*\.\s*)?("(?:[^"]|"")+"|\w+)/gi

/** Qualified names of the tables that a text of the host makes. By pattern: what is no SQL at all must not fail here. */
function tablesIn(text: string): readonly string[] {
  const plain = (name: string) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase())
  return [...text.matchAll(createTable)].map(([, schema = 'public', name = '']) => `${plain(schema)}.${plain(name)}`)
}

function newProblems({ steps, lock }: ExportState): readonly ExportProblem[] {
  const known = new Set(lock?.steps.map(({ migration }) => migration))
  return steps
    .filter(({ name }) => !known.has(name))
    .map(({ name }) => ({
      kind: 'new',
      file: name,
      message: 'it is not exported yet',
      hint: 'Run `tenon migrate export` and commit the new files.',
    }))
}
