/**
 * `npm run bench`: what a read under row-level security costs against the same read without it, side by side in one run.
 *   --quick        a smoke run of some seconds; its figures mean nothing
 *   --only a,b     some workloads (read, read-2ms, throughput, throughput-2ms) and/or contestants (pg, tenon, kysely, …)
 *   --rounds n     default 27
 *   --json file    also writes the report there
 *   --strict       a missed target fails the run; wrong answers always do
 * A full run writes results/latest.json and latest.md; leave the machine alone while it runs, and look at the load it reports. Where one contestant's time goes is profile.ts' question.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type BenchUrls, openBenchDatabase } from './bench-database.ts'
import { barePg, contestants } from './contestants.ts'
import { startDelayProxy } from './delay-proxy.ts'
import { currentLoad, machineFacts, type Report, toMarkdown, toWorkloadReport, type WorkloadReport } from './report.ts'
import { calibrate, measureRoundTripMs } from './round-trip.ts'
import { assertWrongAnswersAreSeen, type Outcome, runRounds } from './rounds.ts'
import { judge } from './targets.ts'
import { type Workload, workloads } from './workloads.ts'

/** The same for all; ten is pg's default. */
const poolSize = 10

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rounds: { type: 'string' },
    json: { type: 'string' },
    strict: { type: 'boolean', default: false },
  },
})

const wanted = options.only.split(',').filter((name) => name !== '')
const unknown = wanted.filter((name) => ![...workloads, ...contestants].some(({ key }) => key === name))
if (unknown.length > 0) throw new Error(`--only does not know ${unknown.join(', ')}.`)
/** All of a kind, unless some of that kind are named. */
function choose<T extends { readonly key: string }>(all: readonly T[]): readonly T[] {
  const named = all.filter(({ key }) => wanted.includes(key))
  return named.length > 0 ? named : all
}

const rounds = Number(options.rounds ?? (options.quick ? 3 : 27))
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a positive whole number.')

const loadBefore = currentLoad()
await using database = await openBenchDatabase()
await assertWrongAnswersAreSeen(barePg, database.urls)
const outcomes = new Map<Workload['key'], Outcome>()
const parts: WorkloadReport[] = []
for (const workload of choose(workloads)) {
  process.stderr.write(`${workload.title} …\n`)
  await using proxy = workload.delayMs > 0 ? await startDelayProxy(database.urls.bare, workload.delayMs) : undefined
  if (proxy) await calibrate(proxy, database.urls.bare, 2 * workload.delayMs)
  const through = (url: string) => proxy?.through(url) ?? url
  const urls: BenchUrls = { bare: through(database.urls.bare), powerless: through(database.urls.powerless) }
  const reads = options.quick ? workload.quickReadsPerTurn : workload.readsPerTurn
  const roundTripMs = await measureRoundTripMs(urls.bare)
  const outcome = await runRounds(workload, choose(contestants), urls, { rounds, reads, poolSize })
  outcomes.set(workload.key, outcome)
  parts.push(toWorkloadReport(workload, outcome, { rounds, readsPerTurn: reads, roundTripMs }))
}

const report: Report = {
  date: new Date().toISOString().slice(0, 10),
  quick: options.quick,
  machine: machineFacts(database),
  loadBefore,
  poolSize,
  workloads: parts,
  targets: options.quick ? [] : judge(outcomes),
}
const markdown = toMarkdown(report)
const json = `${JSON.stringify(report, null, 2)}\n`
process.stdout.write(markdown)
if (options.json !== undefined) await writeFile(options.json, json)
if (!options.quick && wanted.length === 0) {
  const results = new URL('./results/', import.meta.url)
  await mkdir(results, { recursive: true })
  await writeFile(new URL('latest.json', results), json)
  await writeFile(new URL('latest.md', results), markdown)
}

const wrongAnswers = parts.flatMap((part) => part.contestants).reduce((sum, { wrongAnswers: n }) => sum + n, 0)
if (wrongAnswers > 0) process.stderr.write(`${wrongAnswers} wrong answers\n`)
if (wrongAnswers > 0 || (options.strict && report.targets.some(({ holds }) => !holds))) process.exitCode = 1
