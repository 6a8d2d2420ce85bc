/**
 * node-pg-migrate: `<prefix>_<slug>.sql` with a block for each direction. The prefix is an index of up to four digits, milliseconds
 * (13 digits) or UTC with milliseconds (17 digits); 14 digits would count as an index far in the future.
 *
 * A .sql file cannot leave the transaction, so a statement that must is a module in JavaScript.
 */
import { quoteLiteral } from '../../../kernel/literal.ts'
import { banner, compareNumbers, type ExportFormatDefinition, type NumberedStep } from '../export-format.ts'

export const nodePgMigrate: ExportFormatDefinition = {
  name: 'node-pg-migrate',
  versionOf: (path) => /^(\d+)_[^/]*\.(?:sql|[cm]?js|[cm]?ts)$/.exec(path)?.[1],
  compare: (a, b) => compareNumbers(String(timeOf(a)), String(timeOf(b))),
  next(newest, now) {
    const after = newest === undefined ? 0 : timeOf(newest) + 1
    const time = new Date(Math.max(Math.floor(now.getTime() / 1_000) * 1_000, after))
    return Number.isNaN(time.getTime()) ? undefined : time.toISOString().replace(/\D/g, '')
  },
  files: (step) => [step.transactional ? sqlFile(step) : moduleFile(step)],
  markers: [{ pattern: /^\s*--[\s-]*(?:up|down)\s+migration/gim, meaning: 'the begin of a direction' }],
  notes: (steps) =>
    steps.some((step) => !step.transactional)
      ? [
          'Run node-pg-migrate with --no-single-transaction: a file here holds a statement that cannot run in a transaction.',
        ]
      : [],
  handover: (steps) =>
    `create table if not exists pgmigrations (id serial primary key, name varchar(255) not null, run_on timestamp not null);\n${steps
      .map((step) => `insert into pgmigrations (name, run_on) values (${quoteLiteral(nameOf(step))}, now());\n`)
      .join('')}`,
}

function timeOf(version: string): number {
  if (version.length !== 17) return Number(version)
  const [, year, month, day, hour, minute, second, ms] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/.exec(version) ?? []
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`)
}

function nameOf({ version, slug }: NumberedStep): string {
  return `${version}_${slug}`
}

function sqlFile(step: NumberedStep) {
  const text = `-- Up Migration\n${banner(step)}\n${step.up}\n-- Down Migration\n\n${step.down}`
  return { path: `${nameOf(step)}.sql`, text }
}

function moduleFile(step: NumberedStep) {
  const direction = (name: string, sql: string) => `export function ${name}(pgm) {
  pgm.noTransaction()
  pgm.sql(${JSON.stringify(sql)})
}
`
  const text = `${banner(step).replace('--', '//')}export const shorthands = undefined

${direction('up', step.up)}
${direction('down', step.down)}`
  return { path: `${nameOf(step)}.mjs`, text }
}
