/**
 * Interleaved rounds: A B C, C A B, …, so that what else the machine does falls on all alike; and what is concluded from them.
 * A ratio is taken within each round and the median of those is reported: it moves far less than a ratio of two medians.
 */
import type { Contestant } from './contestants/contestant.ts'
import type { Lane } from './lanes/lane.ts'
import type { Turn } from './lanes/turn.ts'
import { quantile } from './quantile.ts'

/** A ratio of times; its inverse is the ratio of throughputs. */
export interface Ratio {
  readonly median: number
  readonly lowerQuartile: number
  readonly upperQuartile: number
}

/** How many rounds are run: as many as fit, between two numbers. */
export interface RoundsOptions {
  readonly most: number
  readonly seconds: number
}

/** In one heat; fewer would give the machine's whims too much say. */
const fewest = 2

/** What contestants' turns gave, by the contestant's key; of all the same number. */
export type Turns<T> = ReadonlyMap<string, readonly T[]>

/** How many turns each had. */
export const roundsOf = (turns: Turns<unknown>): number => [...turns.values()][0]?.length ?? 0

/** The turns of a heat behind those of earlier ones. */
export function joinTurns<T>(earlier: Turns<T> | undefined, later: Turns<T>): Turns<T> {
  return new Map([...later].map(([key, turns]) => [key, [...(earlier?.get(key) ?? []), ...turns]]))
}

/**
 * Gives each lane a warm-up turn, in which connections are opened, statements prepared and the server's five custom plans used up, and then
 * turns in rounds, every round in another order: whoever always follows the same neighbour finds the processor's caches as that one left them.
 *
 * @param turn told whether it is the warm-up
 * @returns what each lane's turns gave, without the warm-up, all of one length
 */
export async function interleave<T>(
  lanes: readonly Lane[],
  options: RoundsOptions,
  turn: (lane: Lane, isWarmUp: boolean) => Promise<T>,
): Promise<Turns<T>> {
  for (const lane of lanes) await turn(lane, true)
  const turns = new Map(lanes.map(({ contestant }) => [contestant.key, [] as T[]]))
  const least = Math.min(fewest, options.most)
  const begin = performance.now()
  for (let done = 0; done < options.most; done += 1) {
    const secondsWithOneMore = ((performance.now() - begin) / 1000) * ((done + 1) / Math.max(1, done))
    if (done >= least && secondsWithOneMore > options.seconds) break
    for (const lane of shuffled(lanes, done)) turns.get(lane.contestant.key)?.push(await turn(lane, false))
  }
  return turns
}

/** The same order in every run, another in every round. */
function shuffled<T>(list: readonly T[], seed: number): readonly T[] {
  const result = [...list]
  let state = (seed + 1) * 2_654_435_761
  for (let i = result.length - 1; i > 0; i -= 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const j = state % (i + 1)
    const [a, b] = [result[i], result[j]]
    if (a === undefined || b === undefined) continue
    result[i] = b
    result[j] = a
  }
  return result
}

/** The ratio of two lists of measurements, round by round. */
export function ratioOf(mine: readonly number[], theirs: readonly number[]): Ratio {
  const ratios = mine.map((value, round) => value / (theirs[round] ?? Number.NaN))
  return {
    median: quantile(ratios, 0.5),
    lowerQuartile: quantile(ratios, 0.25),
    upperQuartile: quantile(ratios, 0.75),
  }
}

/** What a lane's turns come to. */
export interface Score {
  readonly key: string
  readonly label: string
  readonly microseconds: number
  readonly cpuMicroseconds: number
  readonly perSecond: number
  readonly wrongAnswers: number
}

/** Times are medians over the rounds. */
export function toScore({ key, label }: Contestant, turns: readonly Turn[]): Score {
  const middle = (of: (turn: Turn) => number) => quantile(turns.map(of), 0.5)
  const seconds = middle((turn) => turn.seconds)
  return {
    key,
    label,
    microseconds: seconds * 1e6,
    cpuMicroseconds: middle((turn) => turn.cpuSeconds) * 1e6,
    perSecond: 1 / seconds,
    wrongAnswers: turns.reduce((sum, turn) => sum + turn.wrongAnswers, 0),
  }
}
