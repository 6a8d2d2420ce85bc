/**
 * What a format of migrations is: how files are named and ordered, what a file holds, and which text the tool would take as its own.
 *
 * One file under formats/ implements it per tool. None of them touches the disk.
 */
import type { HostStep } from './host-step.ts'

/** A text file, its path relative to the folder of the export, with forward slashes. */
export interface HostFile {
  readonly path: string
  readonly text: string
}

/** A step with its place in the host. */
export interface NumberedStep extends HostStep {
  /** What `next` gave it. */
  readonly version: string
  /** What `versionOf` says of the migration before it, ours or the host's; undefined for the first. */
  readonly previous: string | undefined
}

/** Text in a migration that the tool reads as its own. */
export interface Marker {
  /** Global and multiline; what it matches is quoted in the refusal. */
  readonly pattern: RegExp
  readonly meaning: string
  /** The tool leaves strings, dollar quotes and comments alone. */
  readonly codeOnly?: boolean
}

export interface ExportFormatDefinition {
  readonly name: string
  /**
   * The version of a file in the folder, ours or the host's; undefined when it is no migration.
   *
   * @param path - relative, with forward slashes
   */
  versionOf(path: string): string | undefined
  /** Compares two versions in the order in which the tool runs them. */
  compare(a: string, b: string): number
  /** A version after `newest`, which `versionOf` gave; undefined when the host's names leave no room for ours. */
  next(newest: string | undefined, now: Date): string | undefined
  /**
   * The files of a step.
   *
   * @param existing - texts of the folder, with those of the steps before
   */
  files(step: NumberedStep, existing: ReadonlyMap<string, string>): readonly HostFile[]
  readonly markers: readonly Marker[]
  /** Files that are written anew whenever steps are added, from all steps of ours; not counted as released. */
  derived?(steps: readonly NumberedStep[], existing: ReadonlyMap<string, string>): readonly HostFile[]
  /** What somebody has to do by hand, once. */
  notes?(steps: readonly NumberedStep[]): readonly string[]
  /** How the tool is told that the files were applied by our runner: SQL for its history, or commands. */
  handover(steps: readonly NumberedStep[]): string
}

/** UTC, as many tools number their files: `20260131235959`. */
function toStamp(date: Date): string {
  return date.toISOString().replace(/\D/g, '').slice(0, 14)
}

/** The stamp of `now`, or one second after `newest` where that is later. Host stamps that are no time are counted up by one. */
export function nextStamp(newest: string | undefined, now: Date): string {
  const stamp = toStamp(now)
  if (newest === undefined || compareNumbers(newest, stamp) < 0) return stamp
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(newest) ?? []
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(time.getTime())) return String(BigInt(newest) + 1n).padStart(newest.length, '0')
  return toStamp(new Date(time.getTime() + 1_000))
}

/** Compares digits as numbers. */
export function compareNumbers(a: string, b: string): number {
  const [left, right] = [BigInt(a), BigInt(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

/** A line comment that says where a file comes from. */
export function banner({ title }: HostStep): string {
  return `-- ${title}: exported by tenon, and compared by \`tenon migrate export --check\`. Do not edit.\n`
}
