/**
 * A drift report as text that a person can act on.
 *
 * Owns the words and the order; what is found is find-drift.ts, what to do about it hint.ts.
 */
import type { DriftDifference, DriftReport } from './find-drift.ts'

/**
 * Returns a report as text: first what is not comparable, then the differences by object, each with what the migrations make, what is there
 * and what takes the database back.
 *
 * @returns lines without a newline at the end; never empty
 * @example
 * ```ts
 * console.log(toDriftText(await findDrift(db, { modules: ['projects'] })))
 * ```
 */
export function toDriftText(report: DriftReport): string {
  return visible([...notesOf(report), ...groupsOf(report.differences).map(groupText), summaryOf(report)].join('\n\n'))
}

/** A name may hold what moves the cursor or hides the line before. */
function visible(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replace(/[^\P{Cc}\n\t]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function notesOf({ pending, disputed, unknown }: DriftReport): readonly string[] {
  const notes: string[] = []
  if (pending.length > 0)
    notes.push(list(`${migrations(pending.length, 'is', 'are')} pending and not compared: tenon migrate up`, pending))
  if (disputed.length > 0) {
    const lines = disputed.map(({ name, state }) => `${name}: ${state}`)
    notes.push(
      list(
        `${migrations(disputed.length, 'does', 'do')} not agree with the ledger: tenon migrate status says why`,
        lines,
      ),
    )
  }
  if (unknown.length > 0)
    notes.push(
      list('the ledger names modules that were not given; what they made on these tables shows as extra', unknown),
    )
  return notes
}

function summaryOf({ differences, compared, pending }: DriftReport): string {
  if (compared === 0 && pending.length > 0) return 'nothing is applied yet, so there is nothing to compare'
  const objects = count(compared, 'object')
  if (differences.length === 0) return `no drift: ${objects} compared`
  return [
    `${count(differences.length, 'difference')}, ${objects} compared`,
    'The SQL takes the database back to its migrations. To keep what is there, write it as a new migration instead.',
  ].join('\n')
}

interface Group {
  readonly title: string
  readonly differences: DriftDifference[]
}

/** Differences of one table, in the order they come in. */
function groupsOf(differences: readonly DriftDifference[]): readonly Group[] {
  const groups: Group[] = []
  for (const difference of differences) {
    const title = titleOf(difference)
    const last = groups.at(-1)
    if (last?.title === title) last.differences.push(difference)
    else groups.push({ title, differences: [difference] })
  }
  return groups
}

function titleOf({ root, migration }: DriftDifference): string {
  return migration === undefined ? root : `${root} (${migration})`
}

function groupText({ title, differences }: Group): string {
  return [title, ...differences.map(differenceText)].join('\n')
}

function differenceText({ change, object, expected, actual, hint }: DriftDifference): string {
  const name =
    object.kind === 'comment' || object.kind === 'grant'
      ? `${object.kind}: ${object.name}`
      : `${object.kind} ${object.name}`
  // Further lines of SQL stand as they are: indented, the body of a function would be another one once it is pasted.
  return [
    `  ${change} ${name}`,
    ...(change === 'changed' ? contrast(linesOf(object, expected), linesOf(object, actual)) : []),
    ...(change === 'extra' && actual !== undefined && actual !== '' ? [`    there: ${shortened(actual)}`] : []),
    `    → ${hint}`,
  ].join('\n')
}

/** Where lines are the author's own they are kept; the server breaks the others as it likes. */
function linesOf({ kind }: DriftDifference['object'], text = ''): readonly string[] {
  const own = ['function', 'procedure', 'view', 'comment'].includes(kind)
  return own ? text.replaceAll('\r\n', '\n').split('\n') : [text.replace(/\s+/g, ' ')]
}

/** One line each, or for longer texts the lines that differ. */
function contrast(wanted: readonly string[], found: readonly string[]): readonly string[] {
  if (wanted.length === 1 && found.length === 1) return [`    migrations: ${wanted[0]}`, `    database:   ${found[0]}`]
  let from = 0
  while (from < Math.min(wanted.length, found.length) && wanted[from] === found[from]) from++
  let end = 0
  while (end < Math.min(wanted.length, found.length) - from && wanted.at(-1 - end) === found.at(-1 - end)) end++
  const differing = (lines: readonly string[], name: string, mark: string) => {
    const kept = lines.slice(from, lines.length - end)
    const shown = kept.slice(0, mostLines).map((line) => `      ${mark} ${line}`)
    return [
      `    ${name}`,
      ...shown,
      ...(kept.length > mostLines ? [`      ${mark} … ${kept.length - mostLines} lines more`] : []),
    ]
  }
  return [...differing(wanted, 'migrations:', '-'), ...differing(found, 'database:', '+')]
}

// A report has to be read; the whole text of the function stands in the SQL below it.
const mostLines = 12

function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 160 ? `${line.slice(0, 159)}…` : line
}

function list(title: string, lines: readonly string[]): string {
  return [title, ...lines.map((line) => `  ${line}`)].join('\n')
}

function migrations(n: number, one: string, many: string): string {
  return `${count(n, 'migration')} ${n === 1 ? one : many}`
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`
}
