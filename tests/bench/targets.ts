/**
 * The figures that must hold, as data: which ratio, in which workload, on which side of which number.
 */
import type { Contestant } from './contestants.ts'
import type { Outcome } from './rounds.ts'
import type { Workload } from './workloads.ts'

interface Target {
  readonly workload: Workload['key']
  readonly against: Contestant['key']
  /** `time` may be at most, `throughput` must be at least, this many times the other's. */
  readonly of: 'time' | 'throughput'
  readonly bound: number
}

const targets: readonly Target[] = [
  { workload: 'read', against: 'pg', of: 'time', bound: 1.45 },
  { workload: 'read', against: 'kysely', of: 'time', bound: 1 },
  { workload: 'read-2ms', against: 'pg', of: 'time', bound: 1.05 },
  { workload: 'throughput', against: 'pg', of: 'throughput', bound: 0.55 },
  { workload: 'throughput', against: 'kysely', of: 'throughput', bound: 1 },
]

/** One target, judged. */
export interface Verdict {
  readonly text: string
  readonly measured: number
  readonly holds: boolean
}

/** Judges what was run; targets of workloads or contestants that were left out are left out too. */
export function judge(outcomes: ReadonlyMap<Workload['key'], Outcome>): Verdict[] {
  return targets.flatMap(({ workload, against, of, bound }) => {
    const ratio = outcomes.get(workload)?.ratio('tenon', against)
    if (ratio === undefined) return []
    const measured = of === 'time' ? ratio.median : 1 / ratio.median
    const holds = of === 'time' ? measured <= bound : measured >= bound
    const text = `${workload}: ${of} of tenon ${of === 'time' ? '≤' : '≥'} ${bound} × ${against}`
    return [{ text, measured, holds }]
  })
}
