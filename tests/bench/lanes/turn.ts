/**
 * What a contestant is asked in one turn: requests one after another, or many in flight. Counts wrong answers.
 * Medians and ratios are rounds.ts'.
 */
import type { OpenContestant } from '../contestants/contestant.ts'
import { quantile } from '../quantile.ts'
import type { Workload } from '../workloads.ts'

/** Cost of one turn. */
export interface Turn {
  /**
   * One after another: the median request, because one that the machine kept waiting for its processor is many times longer, and the mean
   * of a turn would be about those. In flight: the turn's length by its requests.
   */
  readonly seconds: number
  /** Of this process: the client's share, which the clock cannot tell from the server's. */
  readonly cpuSeconds: number
  readonly wrongAnswers: number
}

/** What a turn takes of a workload. */
export type Load = Pick<Workload, 'work' | 'inFlight' | 'missEvery' | 'requests' | 'turnSeconds'>

/**
 * Runs one turn.
 *
 * @param underRls whether a miss is another tenant's row, which exists. Without row security it is a row that does not exist, so that
 *   all contestants are sent the same number of rows.
 */
export async function runTurn(contestant: OpenContestant, underRls: boolean, load: Load): Promise<Turn> {
  let started = 0
  let wrongAnswers = 0
  const latencies: number[] = []
  const miss = underRls ? 'foreign' : 'absent'
  const cpu = process.cpuUsage()
  const begin = performance.now()
  const until = begin + load.turnSeconds * 1000
  const worker = async () => {
    while (started < load.requests || performance.now() < until) {
      const n = started++
      const misses = load.missEvery > 0 && n % load.missEvery === load.missEvery - 1
      const asked = load.work.request(n, misses ? miss : undefined)
      const asking = performance.now()
      const answer = await asked.ask(contestant)
      latencies.push((performance.now() - asking) / 1000)
      if (!asked.isRight(answer)) wrongAnswers += 1
    }
  }
  await Promise.all(Array.from({ length: load.inFlight }, worker))
  const seconds = (performance.now() - begin) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return {
    seconds: load.inFlight === 1 ? quantile(latencies, 0.5) : seconds / started,
    cpuSeconds: (user + system) / 1e6 / started,
    wrongAnswers,
  }
}
