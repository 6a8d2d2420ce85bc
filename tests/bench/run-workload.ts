/** Runs one workload on open contestants: rounds of turns, what was written counted and taken away after each; and the outcome of all heats. */

import type { Contestant } from './contestants/contestant.ts'
import { barePg } from './contestants/pg.ts'
import type { Lane } from './lanes/lane.ts'
import type { Turn } from './lanes/turn.ts'
import {
  interleave,
  type Ratio,
  type RoundsOptions,
  ratioOf,
  roundsOf,
  type Score,
  type Turns,
  toScore,
} from './rounds.ts'
import type { Workload } from './workloads.ts'

/** Outcome of one workload. */
export interface Outcome {
  readonly workload: Workload
  readonly rounds: number
  readonly requests: number
  readonly scores: readonly Score[]
  /** How many times the time of `other` the contestant needs: the median over the rounds, and the middle half of them. */
  ratio(key: string, other?: string): Ratio | undefined
}

/** What stands beside the contestants. */
export interface Surroundings {
  /** Counts the notes and takes them away. */
  clearNotes(): Promise<number>
  readonly quick: boolean
}

/** A transaction per request takes some times as long: with a third of the requests its turns are about as long as the others'. */
const shareOfTransactions = 3
/** Turns of a smoke run. */
const shareOfQuick = 5

/** Requests of one turn, or the fewest of one that has a length. */
function requestsOf(workload: Workload, { contestant }: Lane, quick: boolean): number {
  if (workload.turnSeconds > 0) return workload.requests
  const all = requestsOfMost(workload, quick)
  return contestant.transactionPerRequest ? Math.ceil(all / shareOfTransactions) : all
}

const requestsOfMost = ({ requests }: Workload, quick: boolean) =>
  quick ? Math.ceil(requests / shareOfQuick) : requests

/**
 * Runs the warm-up and the rounds of one workload in one heat.
 *
 * @throws {Error} when an answer of the warm-up is wrong; later ones are counted.
 */
export async function runWorkload(
  workload: Workload,
  lanes: readonly Lane[],
  options: RoundsOptions,
  { clearNotes, quick }: Surroundings,
): Promise<Turns<Turn>> {
  const takingPart = lanes.filter(({ contestant }) => contestant.works?.includes(workload.work.key) ?? true)
  const turnSeconds = quick ? workload.turnSeconds / shareOfQuick : workload.turnSeconds
  return await interleave(takingPart, options, async (lane, isWarmUp): Promise<Turn> => {
    const requests = requestsOf(workload, lane, quick)
    const turn = await lane.turn({ ...workload, requests, turnSeconds })
    const missing = workload.work.writes > 0 ? Math.abs((await clearNotes()) - requests * workload.work.writes) : 0
    const wrongAnswers = turn.wrongAnswers + missing
    if (isWarmUp && wrongAnswers > 0)
      throw new Error(`${lane.contestant.label}, ${workload.key}: ${wrongAnswers} wrong answers in the warm-up.`)
    return { ...turn, wrongAnswers }
  })
}

/** What the turns of all heats come to. */
export function toOutcome(
  workload: Workload,
  turns: Turns<Turn>,
  contestants: readonly Contestant[],
  quick: boolean,
): Outcome {
  const secondsOf = (key: string) => turns.get(key)?.map(({ seconds }) => seconds)
  return {
    workload,
    rounds: roundsOf(turns),
    requests: requestsOfMost(workload, quick),
    scores: contestants.flatMap((contestant) => {
      const own = turns.get(contestant.key)
      return own === undefined ? [] : [toScore(contestant, own)]
    }),
    ratio(key, other = barePg.key) {
      const mine = secondsOf(key)
      const theirs = secondsOf(other)
      return mine && theirs && ratioOf(mine, theirs)
    },
  }
}
