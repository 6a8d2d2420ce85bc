/**
 * Writes the README's tables that come from elsewhere: the error codes from the code, the figures from the last full benchmark run.
 *
 *   node codegen/readme-tables.ts            writes them between their markers
 *   node codegen/readme-tables.ts --check    exits 1 when the README disagrees
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describeErrorCode, errorCodes } from '../src/kernel/errors.ts'

const readmePath = new URL('../README.md', import.meta.url)
const figuresPath = new URL('../tests/bench/results/latest.md', import.meta.url)

/** One row per code, in the order of the closed list. */
export function errorTable(): string {
  const rows = errorCodes.map((code) => {
    const { retryable, summary } = describeErrorCode(code)
    return `| \`${code}\` | ${retryable ? 'yes' : ''} | ${summary} |`
  })
  return ['| code | retryable | meaning |', '| --- | --- | --- |', ...rows].join('\n')
}

function between(text: string, name: string, content: string): string {
  const begin = `<!-- ${name}:begin -->`
  const end = `<!-- ${name}:end -->`
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`README.md has no markers ${begin} and ${end}`)
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`
}

/** The README with its tables as they should be. */
export function withTables(readme: string): string {
  const figures = existsSync(figuresPath) ? readFileSync(figuresPath, 'utf8').trim() : ''
  return between(between(readme, 'errors', errorTable()), 'bench', figures)
}

if (import.meta.main) {
  const readme = readFileSync(readmePath, 'utf8')
  const wanted = withTables(readme)
  if (process.argv.includes('--check')) {
    if (readme !== wanted) {
      console.error('README.md disagrees with the error codes or the last benchmark: run npm run generate')
      process.exitCode = 1
    }
  } else if (readme !== wanted) writeFileSync(readmePath, wanted)
}
