/** dbmate: `<digits>_<slug>.sql` with a block for each direction; the version is the leading digits. Each file is a transaction unless it says otherwise. */
import { quoteLiteral } from '../../../kernel/literal.ts'
import { banner, compareNumbers, type ExportFormatDefinition, nextStamp } from '../export-format.ts'

export const dbmate: ExportFormatDefinition = {
  name: 'dbmate',
  versionOf: (path) => /^(\d+)[^/]*\.sql$/.exec(path)?.[1],
  compare: compareNumbers,
  next: nextStamp,
  files: (step) => {
    const mode = step.transactional ? '' : ' transaction:false'
    const text = `-- migrate:up${mode}\n${banner(step)}\n${step.up}\n-- migrate:down${mode}\n\n${step.down}`
    return [{ path: `${step.version}_${step.slug}.sql`, text }]
  },
  markers: [{ pattern: /^\s*--\s*migrate:(?:up|down)/gim, meaning: 'the begin of a direction' }],
  handover: (steps) =>
    `create table if not exists schema_migrations (version varchar primary key);\ninsert into schema_migrations (version) values ${steps
      .map((step) => `(${quoteLiteral(step.version)})`)
      .join(', ')} on conflict do nothing;\n`,
}
