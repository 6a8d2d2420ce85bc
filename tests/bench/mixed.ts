/**
 * The mixed load in rounds. What do the fast ones wait for, where they have connections of their own and where they share them? Reports their
 * latencies and no throughput, which the slow ones decide.
 */
import type { Contestant } from './contestants/contestant.ts'
import type { Lane } from './lanes/lane.ts'
import { type MixedTurn, mixedInFlight, slowEvery } from './lanes/mixed-turn.ts'
import { quantile } from './quantile.ts'
import { interleave, type Ratio, type RoundsOptions, ratioOf, roundsOf, type Turns } from './rounds.ts'

/** Contestants that take part. */
export const mixedContestants: readonly string[] = ['pg', 'tenon', 'tenon-multiplexed']

const fullRequests = 1280
const quickRequests = 256

/** Latencies of the fast requests, medians over the rounds. */
export interface MixedScore extends MixedTurn {
  readonly key: string
  readonly label: string
}

/** What the mixed load came to. */
export interface MixedOutcome {
  readonly roundTripMs: number
  readonly inFlight: number
  readonly slowEvery: number
  readonly requests: number
  readonly rounds: number
  readonly scores: readonly MixedScore[]
  /** How many times the other's latency. */
  ratio(of: 'p50Ms' | 'p99Ms', key: string, other: string): Ratio | undefined
}

/** Runs the warm-up and the rounds of one heat, on those that take part. */
export async function runMixed(
  lanes: readonly Lane[],
  options: RoundsOptions & { readonly quick: boolean },
): Promise<Turns<MixedTurn>> {
  const takingPart = lanes.filter(({ contestant }) => mixedContestants.includes(contestant.key))
  return await interleave(takingPart, options, (lane) => lane.mixedTurn(requestsOf(options.quick)))
}

const requestsOf = (quick: boolean) => (quick ? quickRequests : fullRequests)

/** What the turns of all heats come to. */
export function toMixedOutcome(
  roundTripMs: number,
  turns: Turns<MixedTurn>,
  contestants: readonly Contestant[],
  quick: boolean,
): MixedOutcome {
  return {
    roundTripMs,
    inFlight: mixedInFlight,
    slowEvery,
    requests: requestsOf(quick),
    rounds: roundsOf(turns),
    scores: contestants.flatMap((contestant) => {
      const own = turns.get(contestant.key)
      return own === undefined ? [] : [toMixedScore(contestant, own)]
    }),
    ratio(of, key, other) {
      const mine = turns.get(key)?.map((turn) => turn[of])
      const theirs = turns.get(other)?.map((turn) => turn[of])
      return mine && theirs && ratioOf(mine, theirs)
    },
  }
}

function toMixedScore({ key, label }: Contestant, turns: readonly MixedTurn[]): MixedScore {
  const middle = (of: (turn: MixedTurn) => number) => quantile(turns.map(of), 0.5)
  return {
    key,
    label,
    p50Ms: middle((turn) => turn.p50Ms),
    p99Ms: middle((turn) => turn.p99Ms),
    wrongAnswers: turns.reduce((sum, turn) => sum + turn.wrongAnswers, 0),
  }
}
