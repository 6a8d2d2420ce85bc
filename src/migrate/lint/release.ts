/** Rules about releases and hosts: what was applied or exported already, and what the host's tool would misread. */

import { compareVersions } from '../define-module.ts'
import type { ExportFormat } from '../export/formats/index.ts'
import { formats } from '../export/formats/index.ts'
import { markersIn } from '../export/markers.ts'
import type { Migration } from '../migration.ts'
import type { Finding } from './lint-report.ts'

/** What is released: names as `module/version_slug`, with the hash of the source. */
export type Released = ReadonlyMap<string, string>

export const releaseRules = [
  {
    id: 'released-edited',
    severity: 'error',
    why: 'Databases that have the old content keep it, and new ones get the new: they differ from then on.',
    rewrite: 'Put the old content back, and write the change as a new file.',
  },
  {
    id: 'version-out-of-order',
    severity: 'error',
    why: 'Databases that have the later file refuse this one, and new ones run it first.',
    rewrite: 'Give it a higher number.',
  },
  {
    id: 'host-marker',
    severity: 'error',
    why: 'The host’s migration tool takes the text as its own, and cuts or changes the migration there.',
    rewrite: 'Write it differently.',
  },
] as const

/** Compares with what is released, and looks for what the formats would misread. */
export function* releaseFindings(
  migrations: readonly Migration[],
  released: Released,
  targets: readonly ExportFormat[],
): Iterable<Finding> {
  const [edited, outOfOrder, marker] = releaseRules
  const newest = new Map<string, string>()
  for (const name of released.keys()) {
    const [, module = '', version = ''] = /^(.+)\/(\d+)_/.exec(name) ?? []
    const known = newest.get(module)
    if (known === undefined || compareVersions(known, version) < 0) newest.set(module, version)
  }
  const at = (migration: Migration, rule: (typeof releaseRules)[number], line: number, message: string): Finding => {
    const { id, severity, why, rewrite } = rule
    return { rule: id, severity, file: migration.file.path, line, column: 1, message, why, rewrite }
  }
  for (const migration of migrations) {
    const { file, module, name } = migration
    const hash = released.get(name)
    const last = newest.get(module.name)
    if (hash !== undefined && hash !== file.sha256)
      yield at(migration, edited, 1, 'the file is released with another content')
    if (hash === undefined && last !== undefined && compareVersions(file.version, last) < 0)
      yield at(migration, outOfOrder, 1, `version ${last} of module ${module.name} is released`)
    for (const target of targets)
      for (const { line, text, meaning } of markersIn(formats[target], migration))
        yield at(migration, marker, line, `${target} reads ${JSON.stringify(text)} as ${meaning}`)
  }
}
