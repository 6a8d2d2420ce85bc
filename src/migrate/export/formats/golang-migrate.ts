/**
 * golang-migrate: `<digits>_<slug>.up.sql` and `.down.sql`. A file of several statements is one simple query, an implicit transaction.
 * Written after its documented grammar; no client was at hand to run it.
 */
import { banner, compareNumbers, type ExportFormatDefinition, nextStamp } from '../export-format.ts'

export const golangMigrate: ExportFormatDefinition = {
  name: 'golang-migrate',
  versionOf: (path) => /^(\d+)_[^/]*\.(?:up|down)\.[^/.]+$/.exec(path)?.[1],
  compare: compareNumbers,
  next: nextStamp,
  files: (step) => {
    const name = `${step.version}_${step.slug}`
    return [
      { path: `${name}.up.sql`, text: `${banner(step)}\n${step.up}` },
      { path: `${name}.down.sql`, text: `${banner(step)}\n${step.down}` },
    ]
  },
  markers: [],
  notes: (steps) =>
    steps.some((step) => !step.transactional)
      ? ['Do not pass x-multi-statement=true: files of several statements rely on being sent as one.']
      : [],
  handover: (steps) => `migrate force ${steps.at(-1)?.version ?? ''}\n`,
}
