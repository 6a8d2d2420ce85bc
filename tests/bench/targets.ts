/**
 * The figures that must hold, as data: which ratio, in which workload, on which side of which number. Some ratios are only told.
 * Targets of workloads or contestants that were left out are left out too.
 */
import type { Contestant } from './contestants/contestant.ts'
import type { MixedOutcome } from './mixed.ts'
import type { Outcome } from './run-workload.ts'

/** One target, judged. */
export interface Verdict {
  readonly text: string
  readonly measured: number
  /** Absent when the figure is only told. */
  readonly holds?: boolean
}

interface Target {
  readonly workload: string
  readonly of: string
  /** `time` may be at most, `throughput` must be at least, this many times bare pg's. */
  readonly kind: 'time' | 'throughput'
  readonly bound: number
}

const builder = 'tenon'
const repository = 'tenon-repository'
const sharedBuilder = 'tenon-multiplexed'
const sharedRepository = 'tenon-multiplexed-repository'

const targets: readonly Target[] = [
  { workload: 'read-0ms', of: repository, kind: 'time', bound: 1.3 },
  { workload: 'read-0ms', of: builder, kind: 'time', bound: 1.4 },
  { workload: 'read-2ms', of: repository, kind: 'time', bound: 1.05 },
  { workload: 'read-2ms', of: builder, kind: 'time', bound: 1.05 },
  { workload: 'throughput-0ms', of: repository, kind: 'throughput', bound: 0.7 },
  { workload: 'throughput-0ms', of: builder, kind: 'throughput', bound: 0.6 },
  { workload: 'throughput-2ms', of: repository, kind: 'throughput', bound: 0.9 },
  { workload: 'throughput-2ms', of: builder, kind: 'throughput', bound: 0.9 },
  { workload: 'throughput-0ms', of: sharedRepository, kind: 'throughput', bound: 1.3 },
  { workload: 'throughput-0ms', of: sharedBuilder, kind: 'throughput', bound: 1.3 },
  { workload: 'throughput-2ms', of: sharedRepository, kind: 'throughput', bound: 4 },
  { workload: 'throughput-2ms', of: sharedBuilder, kind: 'throughput', bound: 4 },
]

/** How many times slower an ORM's transaction per request must be, at least. */
const ormsAtLeast = 3

/**
 * Than which of ours a transaction per request is how much slower, and whether a target hangs on it. Only told of heavier works: an ORM that
 * needs less than three times bare pg's time for one would be three times slower only than who is quicker than pg without row security.
 */
const transactionTargets: readonly {
  readonly workload: RegExp
  readonly ours: readonly string[]
  readonly judged: boolean
}[] = [
  { workload: /^read-/, ours: [builder], judged: true },
  { workload: /^throughput-/, ours: [builder, sharedBuilder], judged: true },
  { workload: /^(nested|page|insert|batch)-/, ours: [builder], judged: false },
]

/** The fast ones' slowest hundredth, beside a slow statement on a shared connection. */
const sharedLatencyAtMost = 2

/** Judges what was run. */
export function judge(
  outcomes: ReadonlyMap<string, Outcome>,
  mixed: readonly MixedOutcome[],
  contestants: readonly Contestant[],
): Verdict[] {
  return [
    ...targets.flatMap((target) => judgeTarget(target, outcomes.get(target.workload))),
    ...[...outcomes.values()].flatMap((outcome) => judgeTransactions(outcome, contestants)),
    ...mixed.flatMap((outcome) => {
      const ratio = outcome.ratio('p99Ms', sharedBuilder, builder)
      if (ratio === undefined) return []
      const text = `mixed, ${outcome.roundTripMs} ms: p99 of the fast ones of ${sharedBuilder} ≤ ${sharedLatencyAtMost} × ${builder}`
      return [{ text, measured: ratio.median, holds: ratio.median <= sharedLatencyAtMost }]
    }),
  ]
}

function judgeTarget({ workload, of, kind, bound }: Target, outcome: Outcome | undefined): Verdict[] {
  const ratio = outcome?.ratio(of)
  if (ratio === undefined) return []
  const measured = kind === 'time' ? ratio.median : 1 / ratio.median
  const text = `${workload}: ${kind} of ${of}`
  const holds = kind === 'time' ? measured <= bound : measured >= bound
  return [{ text: `${text} ${kind === 'time' ? '≤' : '≥'} ${bound} × pg`, measured, holds }]
}

/** The quickest transaction per request decides, of the ORMs and of the builders and drivers. */
function judgeTransactions(outcome: Outcome, contestants: readonly Contestant[]): Verdict[] {
  const kinds = new Set(contestants.flatMap(({ transactionPerRequest }) => transactionPerRequest ?? []))
  return transactionTargets.flatMap(({ workload, ours, judged }) => {
    if (!workload.test(outcome.workload.key)) return []
    return ours.flatMap((own) =>
      [...kinds].flatMap((kind) => {
        const ratios = contestants
          .filter(({ transactionPerRequest }) => transactionPerRequest === kind)
          .flatMap(({ key }) => {
            const ratio = outcome.ratio(key, own)
            return ratio === undefined ? [] : [{ key, measured: ratio.median }]
          })
        const [least] = ratios.toSorted((a, b) => a.measured - b.measured)
        if (least === undefined) return []
        const text = `${outcome.workload.key}: time of every ${kind} in a transaction per request`
        const { measured } = least
        const which = `${own}; the least, ${least.key}`
        return judged && kind === 'ORM'
          ? [{ text: `${text} ≥ ${ormsAtLeast} × ${which}`, measured, holds: measured >= ormsAtLeast }]
          : [{ text: `${text}, beside ${which}`, measured }]
      }),
    )
  })
}
