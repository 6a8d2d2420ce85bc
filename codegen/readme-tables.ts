/**
 * Writes the tables of the documents that come from elsewhere: error codes and lint rules from the code, figures from the last benchmark.
 *
 *   node codegen/readme-tables.ts            writes them between their markers
 *   node codegen/readme-tables.ts --check    exits 1 when a document disagrees
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describeErrorCode, errorCodes } from '../src/kernel/errors.ts'
import { lintRules } from '../src/migrate/lint/lint-migrations.ts'

const figuresPath = new URL('../tests/bench/results/latest.md', import.meta.url)

/** Document by path, with the content between each pair of its markers. */
const documents: readonly (readonly [path: string, tables: Readonly<Record<string, () => string>>])[] = [
  ['README.md', { errors: errorTable, bench: figures }],
  ['sql/README.md', { lint: lintTable }],
]

/** One row per code, in the order of the closed list. */
function errorTable(): string {
  const rows = errorCodes.map((code) => {
    const { retryable, summary } = describeErrorCode(code)
    return `| \`${code}\` | ${retryable ? 'yes' : ''} | ${summary} |`
  })
  return ['| code | retryable | meaning |', '| --- | --- | --- |', ...rows].join('\n')
}

/** One row per rule, in the order in which they are asked. */
function lintTable(): string {
  const rows = lintRules.map(({ id, severity, why }) => `| \`${id}\` | ${severity} | ${why} |`)
  return ['| rule | severity | why |', '| --- | --- | --- |', ...rows].join('\n')
}

function figures(): string {
  return existsSync(figuresPath) ? readFileSync(figuresPath, 'utf8').trim() : ''
}

function between(text: string, name: string, content: string): string {
  const begin = `<!-- ${name}:begin -->`
  const end = `<!-- ${name}:end -->`
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`the document has no markers ${begin} and ${end}`)
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`
}

if (import.meta.main) {
  for (const [path, tables] of documents) {
    const url = new URL(`../${path}`, import.meta.url)
    const text = readFileSync(url, 'utf8')
    const wanted = Object.entries(tables).reduce((before, [name, table]) => between(before, name, table()), text)
    if (text === wanted) continue
    if (process.argv.includes('--check')) {
      console.error(`${path} disagrees with the code or the last benchmark: run npm run generate`)
      process.exitCode = 1
    } else writeFileSync(url, wanted)
  }
}
