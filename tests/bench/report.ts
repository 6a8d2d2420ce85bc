/**
 * Turns outcomes into the report: plain data for a file, and Markdown for people. It says of the machine only what explains a figure.
 */
import { readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import type { BenchDatabase } from './bench-database.ts'
import { barePg } from './contestants.ts'
import type { Outcome, Ratio } from './rounds.ts'
import type { Verdict } from './targets.ts'
import type { Workload } from './workloads.ts'

/** Everything one run found. */
export interface Report {
  readonly date: string
  readonly quick: boolean
  readonly machine: Readonly<Record<string, string | number>>
  /** Processes that wanted a processor in the minute before the run: with more than half of them taken, ratios wander. */
  readonly loadBefore: number
  readonly poolSize: number
  readonly workloads: readonly WorkloadReport[]
  readonly targets: readonly Verdict[]
}

/** One workload's part. */
export interface WorkloadReport {
  readonly key: Workload['key']
  readonly title: string
  readonly inFlight: number
  readonly rounds: number
  readonly readsPerTurn: number
  /** Median of `select 1` on the same way to the server. */
  readonly roundTripMs: number
  readonly contestants: readonly ContestantReport[]
}

interface ContestantReport {
  readonly key: string
  readonly label: string
  readonly microsecondsPerRead: number
  readonly clientCpuMicrosecondsPerRead: number
  readonly readsPerSecond: number
  /** Of the time per read, against bare pg; absent when that was left out. */
  readonly timeRatio?: Ratio
  readonly wrongAnswers: number
}

/** The load average of the last minute. */
export function currentLoad(): number {
  return round(loadavg()[0] ?? 0, 2)
}

/** Facts of the machine and of what runs on it. */
export function machineFacts(database: BenchDatabase): Report['machine'] {
  const versionOf = (name: string): string =>
    JSON.parse(readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version
  return {
    processors: cpus().length,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
    pg: versionOf('pg'),
    kysely: versionOf('kysely'),
    postgresql: database.serverVersion,
    server: database.serverKind,
  }
}

/** One workload's outcome as plain data. */
export function toWorkloadReport(
  workload: Workload,
  outcome: Outcome,
  facts: Pick<WorkloadReport, 'rounds' | 'readsPerTurn' | 'roundTripMs'>,
): WorkloadReport {
  return {
    key: workload.key,
    title: workload.title,
    inFlight: workload.inFlight,
    ...facts,
    contestants: outcome.scores.map((score) => {
      const ratio = outcome.ratio(score.key, barePg.key)
      return {
        key: score.key,
        label: score.label,
        microsecondsPerRead: round(score.microsecondsPerRead, 1),
        clientCpuMicrosecondsPerRead: round(score.cpuMicrosecondsPerRead, 1),
        readsPerSecond: Math.round(score.readsPerSecond),
        ...(ratio && {
          timeRatio: {
            median: round(ratio.median, 3),
            lowerQuartile: round(ratio.lowerQuartile, 3),
            upperQuartile: round(ratio.upperQuartile, 3),
          },
        }),
        wrongAnswers: score.wrongAnswers,
      }
    }),
  }
}

/** The report for people. */
export function toMarkdown(report: Report): string {
  const facts = Object.entries(report.machine).map(([name, value]) => `${name} ${value}`)
  const lines = [
    `# Benchmarks, ${report.date}${report.quick ? ' (quick: too short to conclude from)' : ''}`,
    '',
    `${facts.join(', ')}; load before the run ${report.loadBefore}; ${report.poolSize} connections per contestant. Compare within a table only.`,
  ]
  for (const workload of report.workloads) {
    lines.push(
      '',
      `## ${workload.title}`,
      '',
      `Medians of ${workload.rounds} interleaved rounds of ${workload.readsPerTurn} reads${workload.inFlight === 1 ? ', of each the median read' : ''}; \`select 1\` on this way takes ${workload.roundTripMs.toFixed(2)} ms.`,
      '',
      '| contestant | µs per read | reads/s | time against pg (middle half of rounds) | throughput against pg | client CPU µs per read | wrong |',
      '|---|---:|---:|---:|---:|---:|---:|',
      ...workload.contestants.map(contestantLine),
    )
  }
  if (report.targets.length > 0) {
    lines.push('', '## Targets', '', '| target | measured | |', '|---|---:|---|')
    for (const { text, measured, holds } of report.targets) {
      lines.push(`| ${text} | ${measured.toFixed(3)} | ${holds ? 'holds' : 'MISSED'} |`)
    }
  }
  return `${lines.join('\n')}\n`
}

function contestantLine(row: ContestantReport): string {
  const ratio = row.timeRatio
  const cells = [
    row.label,
    row.microsecondsPerRead.toFixed(1),
    row.readsPerSecond,
    ratio ? `${ratio.median.toFixed(2)} (${ratio.lowerQuartile.toFixed(2)}–${ratio.upperQuartile.toFixed(2)})` : '–',
    ratio ? (1 / ratio.median).toFixed(2) : '–',
    row.clientCpuMicrosecondsPerRead.toFixed(1),
    row.wrongAnswers,
  ]
  return `| ${cells.join(' | ')} |`
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
