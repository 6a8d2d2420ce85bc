/** The report in full: a table for each workload, with the spread of its rounds and the client's share of the time. */
import type { ContestantReport, Report, WorkloadReport } from './report.ts'
import { shownFacts, shownRatio, toTable } from './table.ts'

/** Markdown. */
export function toDetails(report: Report): string {
  return [
    `# Benchmarks in full, ${report.date}${report.quick ? ' (quick: too short to conclude from)' : ''}`,
    '',
    `${shownFacts(report.machine)}; load before the run ${report.loadBefore}; ${report.poolSize} connections per contestant. Compare within a table only.`,
    ...report.workloads.flatMap(toSection),
    ...told(report),
    ...report.statics.flatMap(({ label, ...measured }) =>
      Object.values(measured)
        .filter((value) => typeof value === 'string' && value !== measured.key)
        .map((reason) => `\nNot measured, ${label}: ${reason}`),
    ),
    '',
  ].join('\n')
}

/** Ratios on which no target hangs. */
function told({ targets }: Report): string[] {
  const rows = targets.flatMap(({ text, measured, holds }) =>
    holds === undefined ? [[text, measured.toFixed(2)]] : [],
  )
  return rows.length === 0 ? [] : ['', '## Only told', '', ...toTable(['what', 'measured'], rows)]
}

function toSection(workload: WorkloadReport): string[] {
  const way = workload.roundTripMs === 0 ? 'loopback' : `${workload.roundTripMs} ms round trip`
  const how = workload.inFlight === 1 ? 'one after another' : `${workload.inFlight} in flight of 100 tenants`
  const turns = `Medians of ${workload.rounds} interleaved rounds of ${workload.inFlight === 1 ? `${workload.requests} requests, of each the median request` : `${workload.turnSeconds} s`}`
  const thirds =
    workload.turnSeconds > 0 ? '' : ' Contestants with a transaction per request are asked a third as often.'
  return [
    '',
    `## ${workload.title}: ${workload.what}; ${how}, ${way}`,
    '',
    `${turns}; \`select 1\` on this way takes ${workload.selectOneMs.toFixed(2)} ms.${thirds}`,
    '',
    ...toTable(
      ['contestant', 'µs', 'per second', 'time against pg (middle half of rounds)', 'client CPU, µs', 'wrong'],
      workload.contestants.map(toRow),
    ),
  ]
}

function toRow(row: ContestantReport): (string | number)[] {
  const ratio = row.timeRatio
  return [
    row.label,
    row.microseconds.toFixed(1),
    row.perSecond,
    ratio ? `${shownRatio(ratio.median)} (${shownRatio(ratio.lowerQuartile)}–${shownRatio(ratio.upperQuartile)})` : '–',
    row.clientCpuMicroseconds.toFixed(1),
    row.wrongAnswers,
  ]
}
