/**
 * Flyway: `V<version>__<slug>.sql`, and beside it a `.conf` where it must not run in a transaction. Undo is a paid feature and is not written.
 * Written after Flyway's documented grammar; no client was at hand to run it.
 */
import { banner, compareNumbers, type ExportFormatDefinition, nextStamp } from '../export-format.ts'

export const flyway: ExportFormatDefinition = {
  name: 'flyway',
  versionOf: (path) => /^V(\d+)(?:[._]\d+)*__[^/]*\.sql$/.exec(path)?.[1],
  compare: compareNumbers,
  next: nextStamp,
  files: (step) => {
    const path = `V${step.version}__${step.slug}.sql`
    const script = { path, text: `${banner(step)}\n${step.up}` }
    return step.transactional ? [script] : [script, { path: `${path}.conf`, text: 'executeInTransaction=false\n' }]
  },
  markers: [{ pattern: /\$\{[^}]*\}?/g, meaning: 'a placeholder' }],
  notes: (steps) =>
    steps.some((step) => !step.transactional)
      ? [
          'Set flyway.postgresql.transactional.lock=false: with the default, a concurrent index waits for Flyway’s own lock for ever.',
        ]
      : [],
  handover: (steps) => `flyway baseline -baselineVersion=${steps.at(-1)?.version ?? ''} -baselineDescription=tenon\n`,
}
