/**
 * goose: `<digits>_<slug>.sql` with annotations. Each direction is one block, so that semicolons inside bodies do not split it.
 * Written after goose's documented grammar; no client was at hand to run it.
 */
import { banner, compareNumbers, type ExportFormatDefinition, nextStamp } from '../export-format.ts'

export const goose: ExportFormatDefinition = {
  name: 'goose',
  versionOf: (path) => /^(\d+)_[^/]*\.(?:sql|go)$/.exec(path)?.[1],
  compare: compareNumbers,
  next: nextStamp,
  files: (step) => {
    const block = (sql: string) => `-- +goose StatementBegin\n${sql.trimEnd()}\n-- +goose StatementEnd\n`
    const mode = step.transactional ? '' : '-- +goose NO TRANSACTION\n'
    const text = `${mode}-- +goose Up\n${banner(step)}${block(step.up)}\n-- +goose Down\n${block(step.down)}`
    return [{ path: `${step.version}_${step.slug}.sql`, text }]
  },
  markers: [{ pattern: /^\s*--\s*\+goose\b/gm, meaning: 'an annotation' }],
  handover: (steps) =>
    steps
      .map((step) => `insert into goose_db_version (version_id, is_applied) values (${BigInt(step.version)}, true);\n`)
      .join(''),
}
