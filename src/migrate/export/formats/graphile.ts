/**
 * graphile-migrate: `committed/<6 digits>-<slug>.sql`, each with the hash of itself and of the one before. There is no way down.
 *
 * Files are written as committed ones: a current migration can hold one thing at a time, and ours are several.
 */
import { createHash } from 'node:crypto'
import { compareNumbers, type ExportFormatDefinition, type NumberedStep } from '../export-format.ts'

export const graphile: ExportFormatDefinition = {
  name: 'graphile',
  versionOf: (path) => /^committed\/(\d{6,})(?:-[^/]*)?\.sql$/.exec(path)?.[1],
  compare: compareNumbers,
  next: (newest) => String(BigInt(newest ?? '0') + 1n).padStart(6, '0'),
  files(step, existing) {
    const previous = previousHash(step, existing)
    const body = bodyOf(step)
    const header = `--! Previous: ${previous}\n--! Hash: ${hashOf(previous, body)}\n--! Message: ${messageOf(step)}\n`
    return [{ path: pathOf(step), text: `${header}\n${body}` }]
  },
  markers: [
    { pattern: /^--!/gm, meaning: 'a header or an include' },
    { pattern: /:DATABASE_(?:NAME|OWNER)\b/g, meaning: 'a placeholder' },
  ],
  notes: () => [
    'Commit or empty current.sql first, and run `graphile-migrate migrate`; the new files continue the chain of hashes, so nothing may be committed in between on another branch.',
  ],
  handover: (steps) =>
    steps
      .map((step) => `-- ${pathOf(step)}\n`)
      .join('')
      .concat(
        '-- The hashes stand in the files: insert into graphile_migrate.migrations (hash, previous_hash, filename) what their headers say,\n-- with null for "-" and the number with .sql as the filename.\n',
      ),
}

function pathOf(step: NumberedStep): string {
  return `committed/${step.version}-${messageOf(step)}.sql`
}

function messageOf({ slug }: NumberedStep): string {
  return slug.replaceAll('_', '-')
}

function bodyOf({ up, title, transactional }: NumberedStep): string {
  return `${transactional ? '' : '--! no-transaction\n'}-- ${title}: exported by tenon. Do not edit.\n\n${up.trim()}\n`
}

function hashOf(previous: string, body: string): string {
  const before = previous === '-' ? '' : previous
  return `sha1:${createHash('sha1')
    .update(`${`${before}\n${body.trim()}`.trim()}\n`)
    .digest('hex')}`
}

function previousHash({ previous }: NumberedStep, existing: ReadonlyMap<string, string>): string {
  if (previous === undefined) return '-'
  const [, text = ''] = [...existing].find(([path]) => graphile.versionOf(path) === previous) ?? []
  return /^--! Hash: (\S+)$/m.exec(text)?.[1] ?? '-'
}
