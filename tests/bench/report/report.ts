/**
 * Turns outcomes into the report: plain data, with figures rounded to what they are good for. It says of the machine only what explains a
 * figure. How it looks is summary.ts', details.ts' and chart.ts'.
 */
import { existsSync, readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import type { BenchDatabase } from '../bench-database.ts'
import type { LeftOut } from '../first-answers.ts'
import type { MixedOutcome, MixedScore } from '../mixed.ts'
import type { Ratio } from '../rounds.ts'
import type { Outcome } from '../run-workload.ts'
import type { Statics } from '../statics/measure-statics.ts'
import type { Verdict } from '../targets.ts'
import type { Workload } from '../workloads.ts'

/** Everything one run found. */
export interface Report {
  readonly date: string
  readonly quick: boolean
  readonly machine: Readonly<Record<string, string | number>>
  /** Processes that wanted a processor in the minute before the run: with more than half of them taken, ratios wander. */
  readonly loadBefore: number
  readonly poolSize: number
  /** How often all contestants began anew. */
  readonly heats: number
  readonly leftOut: readonly LeftOut[]
  readonly workloads: readonly WorkloadReport[]
  readonly mixed: readonly MixedReport[]
  readonly statics: readonly Statics[]
  readonly targets: readonly Verdict[]
}

/** One workload's part. */
export interface WorkloadReport {
  readonly key: string
  readonly kind: Workload['kind']
  readonly work: string
  /** The work as a column, and as a sentence. */
  readonly title: string
  readonly what: string
  readonly roundTripMs: number
  /** Median of `select 1` on the same way to the server. */
  readonly selectOneMs: number
  readonly inFlight: number
  readonly rounds: number
  readonly requests: number
  /** Turns are at least this long. */
  readonly turnSeconds: number
  readonly contestants: readonly ContestantReport[]
}

/** What a contestant reached in a workload. */
export interface ContestantReport {
  readonly key: string
  readonly label: string
  readonly microseconds: number
  readonly clientCpuMicroseconds: number
  readonly perSecond: number
  /** Of the time, against bare pg; absent when that was left out. */
  readonly timeRatio?: Ratio
  readonly wrongAnswers: number
}

/** The mixed load at one round-trip time. */
export interface MixedReport extends Omit<MixedOutcome, 'ratio' | 'scores'> {
  readonly contestants: readonly MixedScore[]
}

/** The load average of the last minute. */
export function currentLoad(): number {
  return round(loadavg()[0] ?? 0, 2)
}

/** Facts of the machine and of what runs on it. */
export function machineFacts(database: BenchDatabase): Report['machine'] {
  const own = ['pg', 'kysely'].flatMap((name) => versionOf(name, '../../../node_modules/'))
  const peers = ['drizzle-orm', '@prisma/client', '@zenstackhq/orm', '@mikro-orm/core', 'slonik', 'postgres']
  return {
    processors: cpus().length,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    platform: `${process.platform}-${process.arch}`,
    postgresql: database.serverVersion,
    server: database.serverKind,
    node: process.versions.node,
    ...Object.fromEntries([...own, ...peers.flatMap((name) => versionOf(name, '../peers/node_modules/'))]),
  }
}

/** Name and version of a package that is there. */
function versionOf(name: string, folder: string): (readonly [name: string, version: string])[] {
  const url = new URL(`${folder}${name}/package.json`, import.meta.url)
  return existsSync(url) ? [[name, JSON.parse(readFileSync(url, 'utf8')).version]] : []
}

/** One workload's outcome as plain data. */
export function toWorkloadReport({ workload, ...outcome }: Outcome, selectOneMs: number): WorkloadReport {
  return {
    key: workload.key,
    kind: workload.kind,
    work: workload.work.key,
    title: workload.work.title,
    what: workload.work.what,
    roundTripMs: workload.roundTripMs,
    selectOneMs: round(selectOneMs, 3),
    inFlight: workload.inFlight,
    rounds: outcome.rounds,
    requests: outcome.requests,
    turnSeconds: workload.turnSeconds,
    contestants: outcome.scores.map((score) => {
      const ratio = outcome.ratio(score.key)
      return {
        key: score.key,
        label: score.label,
        microseconds: round(score.microseconds, 1),
        clientCpuMicroseconds: round(score.cpuMicroseconds, 1),
        perSecond: round(score.perSecond, score.perSecond < 100 ? 1 : 0),
        ...(ratio && { timeRatio: roundRatio(ratio) }),
        wrongAnswers: score.wrongAnswers,
      }
    }),
  }
}

/** The mixed load's outcome as plain data. */
export function toMixedReport({ ratio: _ratio, scores, ...facts }: MixedOutcome): MixedReport {
  return {
    ...facts,
    contestants: scores.map((score) => ({ ...score, p50Ms: round(score.p50Ms, 2), p99Ms: round(score.p99Ms, 2) })),
  }
}

function roundRatio({ median, lowerQuartile, upperQuartile }: Ratio): Ratio {
  return { median: round(median, 3), lowerQuartile: round(lowerQuartile, 3), upperQuartile: round(upperQuartile, 3) }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
