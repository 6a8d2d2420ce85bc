/**
 * Every load: a work, asked one after another or many in flight, at a round-trip time. How much of it is asked in one turn.
 * A turn itself is lanes/turn.ts', rounds of turns are rounds.ts'.
 */
import { batch, nested, page, read } from './works/reads.ts'
import type { Work } from './works/work.ts'
import { insert, insertMany, stream } from './works/writes-and-streams.ts'

/** A kind of load. */
export interface Workload {
  readonly key: string
  readonly kind: 'sequence' | 'throughput'
  readonly work: Work
  /** What the delay proxy adds to a round trip; 0 is a direct connection. */
  readonly roundTripMs: number
  /** 1 is one request after another. */
  readonly inFlight: number
  /** Every so many requests ask for a row that must not be found; 0 is never. */
  readonly missEvery: number
  /** Short turns in many rounds: what else the machine does lasts longer than a turn, and so falls on all contestants alike. */
  readonly requests: number
  /**
   * A turn goes on until it is this long. With many in flight the first and the last answers come while others wait for nothing, and of a
   * fixed number of requests that is more of the turn of whoever is quick.
   */
  readonly turnSeconds: number
  /** How long its rounds may take together. A target hangs on some, which therefore get more. */
  readonly seconds: number
}

/** Milliseconds of a round trip beside loopback's own. */
export const roundTripsMs: readonly number[] = [0, 1, 2, 5]

/** One request after another; how many at loopback, and how many where each has a longer way. */
const sequences: readonly (readonly [work: Work, requests: number, delayedRequests: number])[] = [
  [read, 300, 45],
  [nested, 90, 30],
  [page, 120, 30],
  [insert, 150, 30],
  [batch, 120, 30],
  [insertMany, 4, 4],
  [stream, 2, 2],
]

/** What the chart shows and targets hang on. */
const isHeadline = (work: Work, roundTripMs: number) => work === read && (roundTripMs === 0 || roundTripMs === 2)

/** Of throughput. */
const inFlight = 64

/** All loads of one round-trip time, in the order in which they run. */
export function workloadsOf(roundTripMs: number): readonly Workload[] {
  const inSequence = sequences.map(([work, requests, delayedRequests]): Workload => {
    return {
      key: `${work.key}-${roundTripMs}ms`,
      kind: 'sequence',
      work,
      roundTripMs,
      inFlight: 1,
      missEvery: 0,
      requests: roundTripMs === 0 ? requests : delayedRequests,
      turnSeconds: 0,
      seconds: isHeadline(work, roundTripMs) ? 60 : 18,
    }
  })
  const throughput: Workload = {
    key: `throughput-${roundTripMs}ms`,
    kind: 'throughput',
    work: read,
    roundTripMs,
    inFlight,
    missEvery: 9,
    requests: 3 * inFlight,
    turnSeconds: 0.25,
    seconds: isHeadline(read, roundTripMs) ? 90 : 40,
  }
  return [...inSequence, throughput]
}
