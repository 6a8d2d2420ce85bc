/** Runs one workload on open contestants: rounds of turns, what was written counted and taken away after each, and the outcome. */
import { barePg } from './contestants/pg.ts'
import type { Lane } from './lanes/lane.ts'
import type { Turn } from './lanes/turn.ts'
import { interleave, type Ratio, type RoundsOptions, ratioOf, type Score, toScore } from './rounds.ts'
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

/** Requests of one turn. */
function requestsOf(workload: Workload, { contestant }: Lane, quick: boolean): number {
  const all = quick ? Math.ceil(workload.requests / shareOfQuick) : workload.requests
  const own = contestant.transactionPerRequest ? Math.ceil(all / shareOfTransactions) : all
  // Fewer than some times what is in flight at once would measure the beginning and the end.
  return workload.inFlight > 1 ? Math.max(own, 3 * workload.inFlight) : own
}

/**
 * Runs the warm-up and the rounds of one workload.
 *
 * @throws {Error} when an answer of the warm-up is wrong; later ones are counted.
 */
export async function runWorkload(
  workload: Workload,
  lanes: readonly Lane[],
  options: RoundsOptions,
  { clearNotes, quick }: Surroundings,
): Promise<Outcome> {
  const takingPart = lanes.filter(({ contestant }) => contestant.works?.includes(workload.work.key) ?? true)
  const turns = await interleave(takingPart, options, async (lane, isWarmUp): Promise<Turn> => {
    const requests = requestsOf(workload, lane, quick)
    const turn = await lane.turn({ ...workload, requests })
    const missing = workload.work.writes > 0 ? Math.abs((await clearNotes()) - requests * workload.work.writes) : 0
    const wrongAnswers = turn.wrongAnswers + missing
    if (isWarmUp && wrongAnswers > 0)
      throw new Error(`${lane.contestant.label}, ${workload.key}: ${wrongAnswers} wrong answers in the warm-up.`)
    return { ...turn, wrongAnswers }
  })
  const times = new Map(
    [...turns].map(([{ contestant }, of]) => [contestant.key, of.map((turn) => turn.seconds)] as const),
  )
  return {
    workload,
    rounds: [...turns.values()][0]?.length ?? 0,
    requests: quick ? Math.ceil(workload.requests / shareOfQuick) : workload.requests,
    scores: [...turns].map(([{ contestant }, of]) => toScore(contestant, of)),
    ratio(key, other = barePg.key) {
      const mine = times.get(key)
      const theirs = times.get(other)
      return mine && theirs && ratioOf(mine, theirs)
    },
  }
}
