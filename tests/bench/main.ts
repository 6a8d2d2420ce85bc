/**
 * `npm run bench`: what work under row-level security costs against the same work without it, and against what other libraries make of it,
 * side by side in one run.
 *   --quick        a smoke run of some minutes; its figures mean nothing
 *   --only a,b     some contestants, parts and round-trip times: see selection.ts
 *   --rounds n     at most, of each workload; default 27
 *   --out folder   also writes the report there
 *   --strict       a missed target fails the run; wrong answers always do
 * A full run writes results/: latest.md, which the README shows, latest.svg, latest.json and details.md. Leave the machine alone while it runs,
 * and look at the load it reports. Where one contestant's time goes is profile.ts' question.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { openBenchDatabase } from './bench-database.ts'
import { libraries, loadContestants } from './contestants/load-contestants.ts'
import { barePg } from './contestants/pg.ts'
import { assertWrongAnswersAreSeen, compareFirstAnswers } from './first-answers.ts'
import { toChart } from './report/chart.ts'
import { toDetails } from './report/details.ts'
import { currentLoad, machineFacts, type Report, toMixedReport, toWorkloadReport } from './report/report.ts'
import { toSummary } from './report/summary.ts'
import { poolSize, runSelection, tell } from './run.ts'
import { select } from './selection.ts'
import { measureStatics, type Statics } from './statics/measure-statics.ts'
import { judge } from './targets.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rounds: { type: 'string' },
    out: { type: 'string' },
    strict: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds ?? (options.quick ? 2 : 27))
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a positive whole number.')
const loadBefore = currentLoad()
const loaded = await loadContestants()
const selection = select(options.only, loaded.contestants)

await using database = await openBenchDatabase()
const place = { ...database.urls, poolSize }
await assertWrongAnswersAreSeen(barePg, place)
tell('first answers, compared with those of pg')
const { sound, leftOut: refused } = await compareFirstAnswers(selection.contestants, place, database.notes)
const leftOut = [...loaded.leftOut, ...refused]
for (const { key, reason } of leftOut) tell(`left out: ${key} (${reason})`)

const running = sound.flatMap((contestant) => {
  const url = loaded.files.get(contestant.key)
  return url === undefined ? [] : [{ contestant, url }]
})
const { heats, outcomes, selectOneMs, mixed } = await runSelection(selection, running, database, {
  rounds,
  quick: options.quick,
})

const statics: Statics[] = []
if (selection.statics)
  for (const library of libraries) {
    // By its first contestant: one that was left out cannot be imported either.
    if (!sound.some(({ key }) => key === library.key)) continue
    tell(`at rest: ${library.key}`)
    statics.push(await measureStatics(library, { place, quick: options.quick }))
  }

const report: Report = {
  date: new Date().toISOString().slice(0, 10),
  quick: options.quick,
  machine: machineFacts(database),
  loadBefore,
  poolSize,
  heats,
  leftOut,
  workloads: [...outcomes.values()].map((outcome) =>
    toWorkloadReport(outcome, selectOneMs.get(outcome.workload.roundTripMs) ?? 0),
  ),
  mixed: mixed.map(toMixedReport),
  statics,
  targets: options.quick ? [] : judge(outcomes, mixed, sound),
}
process.stdout.write(toSummary(report))
tell('done')

async function writeReport(folder: URL): Promise<void> {
  await mkdir(folder, { recursive: true })
  const chart = toChart(report)
  await writeFile(new URL('latest.json', folder), `${JSON.stringify(report, null, 2)}\n`)
  await writeFile(new URL('latest.md', folder), toSummary(report))
  await writeFile(new URL('details.md', folder), toDetails(report))
  if (chart !== undefined) await writeFile(new URL('latest.svg', folder), chart)
}
if (options.out !== undefined) await writeReport(pathToFileURL(`${resolve(options.out)}/`))
if (!options.quick && selection.everything) await writeReport(new URL('./results/', import.meta.url))

const wrongAnswers = [...report.workloads, ...report.mixed]
  .flatMap(({ contestants }): readonly { readonly wrongAnswers: number }[] => contestants)
  .reduce((sum, row) => sum + row.wrongAnswers, 0)
if (wrongAnswers > 0) tell(`${wrongAnswers} wrong answers`)
// A library that is not installed is no fault; a contestant of ours that cannot be opened is one.
const isOursMissing = refused.some(({ key }) => key.startsWith('tenon'))
if (wrongAnswers > 0 || isOursMissing || (options.strict && report.targets.some(({ holds }) => holds === false)))
  process.exitCode = 1
