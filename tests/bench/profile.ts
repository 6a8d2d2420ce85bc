/**
 * Runs one contestant alone, so that a profiler sees nothing else:
 *   npx node --cpu-prof --cpu-prof-dir=/tmp/profile tests/bench/profile.ts --contestant tenon --seconds 10
 * npx takes the Node of node_modules, which runs TypeScript. The .cpuprofile opens in a browser's developer tools or in an editor.
 * `--work page` does another work than the point read; `--in-flight 64` loads all ten connections; 1 is the default. Take a second profile with `--contestant pg` and compare.
 * It prints the client's CPU time per read, and measures no ratio: that is main.ts.
 */
import { parseArgs } from 'node:util'
import { openBenchDatabase } from './bench-database.ts'
import { loadContestant } from './contestants/load-contestants.ts'
import { type Load, runTurn } from './lanes/turn.ts'
import { works } from './works/works.ts'

const { values: options } = parseArgs({
  options: {
    contestant: { type: 'string', default: 'tenon' },
    seconds: { type: 'string', default: '10' },
    'in-flight': { type: 'string', default: '1' },
    work: { type: 'string', default: 'read' },
  },
})
const contestant = await loadContestant(options.contestant)
const work = works.find(({ key }) => key === options.work)
if (work === undefined) throw new Error(`--work is one of ${works.map(({ key }) => key).join(', ')}.`)
const load: Load = { work, inFlight: Number(options['in-flight']), missEvery: 0, requests: 2000, turnSeconds: 0 }

await using database = await openBenchDatabase()
const open = await contestant.open({ ...database.urls, poolSize: 10 })
try {
  const until = performance.now() + Number(options.seconds) * 1000
  let turns = 0
  let seconds = 0
  let cpuSeconds = 0
  while (performance.now() < until) {
    const turn = await runTurn(open, contestant.underRls, load)
    if (turn.wrongAnswers > 0) throw new Error(`${turn.wrongAnswers} wrong answers.`)
    turns += 1
    seconds += turn.seconds
    cpuSeconds += turn.cpuSeconds
  }
  const average = (sum: number) => ((sum / turns) * 1e6).toFixed(1)
  process.stdout.write(
    `${contestant.label}: ${turns * load.requests} reads, ${average(seconds)} µs each, client CPU ${average(cpuSeconds)} µs each\n`,
  )
} finally {
  await open.close()
}
