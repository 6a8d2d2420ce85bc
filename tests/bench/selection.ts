/**
 * What `--only` names: contestants, parts and round-trip times, in one list. All of a kind, unless some of that kind are named.
 * A part is a work (`read`: at every round-trip time), a workload (`read-2ms`), `throughput`, `mixed` or `statics`.
 */
import type { Contestant } from './contestants/contestant.ts'
import { roundTripsMs, type Workload, workloadsOf } from './workloads.ts'

/** What is run. */
export interface Selection {
  readonly contestants: readonly Contestant[]
  /** With at least one workload, or the mixed load, at each. */
  readonly roundTripsMs: readonly number[]
  workloadsOf(roundTripMs: number): readonly Workload[]
  runsMixed(roundTripMs: number): boolean
  readonly statics: boolean
  /** Whether nothing was named. */
  readonly everything: boolean
}

/** Where the mixed load runs: more would tell nothing more. */
const mixedRoundTripsMs = [0, 2]

const partOf = ({ kind, work }: Workload) => (kind === 'throughput' ? 'throughput' : work.key)

/** @throws {Error} for a name that nothing has. */
export function select(only: string, contestants: readonly Contestant[]): Selection {
  const all = roundTripsMs.flatMap(workloadsOf)
  const parts = new Set<string>([...all.flatMap((workload) => [workload.key, partOf(workload)]), 'mixed', 'statics'])
  const ways = new Map(roundTripsMs.map((ms) => [`${ms}ms`, ms]))
  const named = only.split(',').filter((name) => name !== '')
  const isContestant = (name: string) => contestants.some(({ key }) => key === name)
  const unknown = named.filter((name) => !parts.has(name) && !ways.has(name) && !isContestant(name))
  if (unknown.length > 0)
    throw new Error(
      `--only does not know ${unknown.join(', ')}. It knows ${[...contestants.map(({ key }) => key), ...parts, ...ways.keys()].join(', ')}.`,
    )
  const namedParts = named.filter((name) => parts.has(name))
  const namedWays = named.flatMap((name) => ways.get(name) ?? [])
  const runs = (part: string) => namedParts.length === 0 || namedParts.includes(part)
  const isOnWay = (ms: number) => namedWays.length === 0 || namedWays.includes(ms)
  const selection = {
    contestants: named.some(isContestant) ? contestants.filter(({ key }) => named.includes(key)) : contestants,
    workloadsOf: (ms: number) =>
      isOnWay(ms) ? workloadsOf(ms).filter((workload) => runs(workload.key) || runs(partOf(workload))) : [],
    runsMixed: (ms: number) => isOnWay(ms) && mixedRoundTripsMs.includes(ms) && runs('mixed'),
    statics: runs('statics') && namedWays.length === 0,
    everything: named.length === 0,
  }
  return {
    ...selection,
    roundTripsMs: roundTripsMs.filter((ms) => selection.workloadsOf(ms).length > 0 || selection.runsMixed(ms)),
  }
}
