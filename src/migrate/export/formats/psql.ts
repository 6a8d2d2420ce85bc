/** psql: `<14 digits>_<slug>.sql`, each with its own transaction, and apply.psql, which runs those that the ledger does not know yet. */
import { quoteLiteral } from '../../../kernel/literal.ts'
import { banner, compareNumbers, type ExportFormatDefinition, type NumberedStep, nextStamp } from '../export-format.ts'

export const psql: ExportFormatDefinition = {
  name: 'psql',
  versionOf: (path) => /^(\d+)_[^/]*\.sql$/.exec(path)?.[1],
  compare: compareNumbers,
  next: nextStamp,
  files: (step) => {
    const body = step.transactional ? `begin;\n\n${step.up.trimEnd()}\n\ncommit;\n` : step.up
    return [{ path: pathOf(step), text: `${banner(step)}\n${body}` }]
  },
  markers: [
    { pattern: /^\s*\\/gm, meaning: 'a command of psql', codeOnly: true },
    { pattern: /(?<![:\w]):(?:'[^']*'|"[^"]*"|[a-zA-Z_]\w*)/g, meaning: 'a variable of psql', codeOnly: true },
  ],
  derived: (steps) => [{ path: 'apply.psql', text: applyText(steps) }],
  notes: () => ['Run it with `psql -X -f apply.psql`; a second run does nothing.'],
  handover: () => '-- Nothing to do: apply.psql reads the ledger that the runner wrote.\n',
}

function pathOf({ version, slug }: NumberedStep): string {
  return `${version}_${slug}.sql`
}

function applyText(steps: readonly NumberedStep[]): string {
  const parts = steps.map((step) => {
    const { module, file, targetSchema } = step.migration
    const known = `module = ${quoteLiteral(module.name)} and version = ${quoteLiteral(file.version)} and target_schema = ${quoteLiteral(targetSchema)}`
    // Before the first file there is no ledger to ask.
    const question =
      module.name === 'ledger'
        ? `select pg_catalog.to_regclass('tenon.migrations') is null as pending \\gset`
        : `select not exists (select from tenon.migrations where ${known}) as pending \\gset`
    return `${question}\n\\if :pending\n\\echo ${step.title}\n\\ir ${pathOf(step)}\n\\endif\n`
  })
  return `\\set ON_ERROR_STOP on\n\n${parts.join('\n')}`
}
