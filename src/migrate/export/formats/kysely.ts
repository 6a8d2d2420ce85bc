/**
 * Kysely's Migrator and kysely-ctl: `<milliseconds>_<slug>.ts`, in the order of localeCompare of the names. All pending files are one
 * transaction, or none has one.
 */
import { quoteLiteral } from '../../../kernel/literal.ts'
import { banner, type ExportFormatDefinition, type NumberedStep, nextStamp } from '../export-format.ts'

const compare = (a: string, b: string) => a.localeCompare(b)

export const kysely: ExportFormatDefinition = {
  name: 'kysely',
  versionOf: (path) => /^([^/]+)\.(?:[cm]?[jt]s)$/.exec(path)?.[1],
  compare,
  next(newest, now) {
    const milliseconds = /^(\d{13})_/.exec(newest ?? '')?.[1] ?? '0'
    const time = Math.max(Math.floor(now.getTime() / 1_000) * 1_000, Number(milliseconds) + 1)
    // Hosts that name files by date sort after milliseconds until the year 2286: then ours are dates too.
    const candidates = [String(time), nextStamp(/^(\d{14})_/.exec(newest ?? '')?.[1], now)]
    return candidates.find((version) => newest === undefined || compare(newest, `${version}_`) < 0)
  },
  files: (step) => [{ path: `${nameOf(step)}.ts`, text: moduleText(step) }],
  markers: [],
  notes: (steps) =>
    steps.some((step) => !step.transactional)
      ? [
          'A file here holds a statement that cannot run in a transaction: migrate with disableTransactions (kysely migrate latest --no-transaction). Each other file is still all or nothing, since it is sent as one query.',
        ]
      : [],
  handover: (steps) =>
    steps
      .map((step) => {
        const values = `${quoteLiteral(nameOf(step))}, to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
        return `insert into kysely_migration (name, timestamp) values (${values});\n`
      })
      .join(''),
}

function nameOf({ version, slug }: NumberedStep): string {
  return `${version}_${slug}`
}

function moduleText(step: NumberedStep): string {
  return `${banner(step).replace('--', '//')}import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(upSql).execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw(downSql).execute(db)
}

const upSql = ${template(step.up)}

const downSql = ${template(step.down)}
`
}

// Readable in a diff, unlike one long line.
function template(text: string): string {
  return `\`${text.replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('${', '\\${')}\``
}
