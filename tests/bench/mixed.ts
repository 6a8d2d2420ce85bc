/**
 * The mixed load in rounds. What do the fast ones wait for, where they have connections of their own and where they share them? Reports their
 * latencies and no throughput, which the slow ones decide.
 */
import type { Lane } from './lanes/lane.ts'
import { type MixedTurn, mixedInFlight, slowEvery } from './lanes/mixed-turn.ts'
import { quantile } from './quantile.ts'
import { interleave, type Ratio, type RoundsOptions, ratioOf } from './rounds.ts'

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

/** Runs the warm-up and the rounds, on those that take part. */
export async function runMixed(
  lanes: readonly Lane[],
  roundTripMs: number,
  options: RoundsOptions & { readonly quick: boolean },
): Promise<MixedOutcome> {
  const requests = options.quick ? quickRequests : fullRequests
  const takingPart = lanes.filter(({ contestant }) => mixedContestants.includes(contestant.key))
  const turns = await interleave(takingPart, options, (lane) => lane.mixedTurn(requests))
  const byKey = new Map([...turns].map(([{ contestant }, of]) => [contestant.key, of]))
  return {
    roundTripMs,
    inFlight: mixedInFlight,
    slowEvery,
    requests,
    rounds: [...turns.values()][0]?.length ?? 0,
    scores: [...turns].map(([{ contestant }, of]) => toMixedScore(contestant, of)),
    ratio(of, key, other) {
      const mine = byKey.get(key)?.map((turn) => turn[of])
      const theirs = byKey.get(other)?.map((turn) => turn[of])
      return mine && theirs && ratioOf(mine, theirs)
    },
  }
}

function toMixedScore({ key, label }: Lane['contestant'], turns: readonly MixedTurn[]): MixedScore {
  const middle = (of: (turn: MixedTurn) => number) => quantile(turns.map(of), 0.5)
  return {
    key,
    label,
    p50Ms: middle((turn) => turn.p50Ms),
    p99Ms: middle((turn) => turn.p99Ms),
    wrongAnswers: turns.reduce((sum, turn) => sum + turn.wrongAnswers, 0),
  }
}
