/**
 * Interleaved rounds: A B C, A B C, …, so that what else the machine does falls on all alike; and what is concluded from them.
 * A ratio is taken within each round and the median of those is reported: it moves far less than a ratio of two medians.
 */
import type { BenchUrls } from './bench-database.ts'
import type { Contestant } from './contestants.ts'
import { quantile } from './quantile.ts'
import { runTurn, type Turn, type Workload } from './workloads.ts'

/** What a contestant reached. Times are medians over the rounds. */
export interface Score {
  readonly key: Contestant['key']
  readonly label: string
  readonly microsecondsPerRead: number
  readonly cpuMicrosecondsPerRead: number
  readonly readsPerSecond: number
  readonly wrongAnswers: number
}

/** Outcome of one workload. */
export interface Outcome {
  readonly scores: readonly Score[]
  /** How many times the time per read of `other` the contestant needs: its median over the rounds, and the middle half of them. */
  ratio(key: Contestant['key'], other: Contestant['key']): Ratio | undefined
}

/** A ratio of times per read; its inverse is the ratio of throughputs. */
export interface Ratio {
  readonly median: number
  readonly lowerQuartile: number
  readonly upperQuartile: number
}

/** How much is run. */
export interface RoundsOptions {
  readonly rounds: number
  readonly reads: number
  readonly poolSize: number
}

/** Runs a warm-up round and then `rounds` rounds of one workload. */
export async function runRounds(
  workload: Workload,
  contestants: readonly Contestant[],
  urls: BenchUrls,
  options: RoundsOptions,
): Promise<Outcome> {
  await using cleanup = new AsyncDisposableStack()
  const lanes = contestants.map((contestant) => {
    const open = contestant.open(urls, options.poolSize)
    cleanup.defer(() => open.close())
    return { contestant, open, turns: [] as Turn[] }
  })
  // The first round opens connections, prepares statements, gets past the server's five custom plans and warms the compiler.
  for (let round = 0; round <= options.rounds; round += 1) {
    for (let place = 0; place < lanes.length; place += 1) {
      // Each starts a round in turn: whoever always follows the same neighbour pays for that neighbour's garbage.
      const lane = lanes[(place + round) % lanes.length]
      if (lane === undefined) continue
      const turn = await runTurn(lane.open, lane.contestant.underRls, { ...workload, reads: options.reads })
      if (round > 0) lane.turns.push(turn)
      else if (turn.wrongAnswers > 0) throw new Error(`${lane.contestant.label}: wrong answers in the warm-up.`)
    }
  }

  const turnsOf = new Map(lanes.map(({ contestant, turns }) => [contestant.key, turns]))
  return {
    scores: lanes.map(({ contestant, turns }) => toScore(contestant, turns)),
    ratio(key, other) {
      const mine = turnsOf.get(key)
      const theirs = turnsOf.get(other)
      if (mine === undefined || theirs === undefined) return undefined
      const ratios = mine.map((turn, round) => turn.secondsPerRead / (theirs[round]?.secondsPerRead ?? Number.NaN))
      return {
        median: quantile(ratios, 0.5),
        lowerQuartile: quantile(ratios, 0.25),
        upperQuartile: quantile(ratios, 0.75),
      }
    },
  }
}

/**
 * The negative control: without row security other tenants' rows are found, and the count of wrong answers has to say so.
 *
 * @param unprotected a contestant without row security.
 * @throws {Error} when it does not.
 */
export async function assertWrongAnswersAreSeen(unprotected: Contestant, urls: BenchUrls): Promise<void> {
  const open = unprotected.open(urls, 1)
  try {
    const { wrongAnswers } = await runTurn(open, true, { inFlight: 1, missEvery: 9, reads: 90 })
    if (wrongAnswers !== 10) throw new Error(`The control saw ${wrongAnswers} wrong answers where there are 10.`)
  } finally {
    await open.close()
  }
}

function toScore({ key, label }: Contestant, turns: readonly Turn[]): Score {
  const seconds = quantile(
    turns.map((turn) => turn.secondsPerRead),
    0.5,
  )
  const cpuSeconds = quantile(
    turns.map((turn) => turn.cpuSecondsPerRead),
    0.5,
  )
  return {
    key,
    label,
    microsecondsPerRead: seconds * 1e6,
    cpuMicrosecondsPerRead: cpuSeconds * 1e6,
    readsPerSecond: 1 / seconds,
    wrongAnswers: turns.reduce((sum, turn) => sum + turn.wrongAnswers, 0),
  }
}
