/** The report in short, for the README: one table of times, one of throughput, the mixed load, what libraries cost at rest, the targets. */
import type { Statics } from '../statics/measure-statics.ts'
import type { Report, WorkloadReport } from './report.ts'
import { shownFacts, shownRatio, toTable } from './table.ts'

/** Markdown. Its picture is named as from the root of the project, because the README is where it is read. */
export function toSummary(report: Report): string {
  return [
    `### Benchmarks, ${report.date}${report.quick ? ' (quick: too short to conclude from)' : ''}`,
    '',
    `${shownFacts(report.machine)}; load before the run ${report.loadBefore}; ${report.poolSize} connections per contestant. One run of ${report.heats} heats in new processes, interleaved rounds; compare within a table only.`,
    ...report.leftOut.map(({ key, reason }) => `\nLeft out: ${key} (${reason}).`),
    ...(report.workloads.length > 0 ? ['', '![Ratios to bare pg](tests/bench/results/latest.svg)'] : []),
    ...times(report),
    ...throughput(report),
    ...mixed(report),
    ...statics(report.statics),
    ...targets(report),
    '',
  ].join('\n')
}

/** Labels by key, in the order of the contestants. */
function labelsOf(workloads: readonly WorkloadReport[]): ReadonlyMap<string, string> {
  return new Map(workloads.flatMap(({ contestants }) => contestants.map(({ key, label }) => [key, label] as const)))
}

function ratioOf(workload: WorkloadReport | undefined, key: string): number | undefined {
  return workload?.contestants.find((row) => row.key === key)?.timeRatio?.median
}

/** The way without delay, and the one that a network within a region takes. */
const shownRoundTrips = [0, 2]

function times({ workloads }: Report): string[] {
  const sequences = workloads.filter(({ kind }) => kind === 'sequence')
  const at = (work: string, ms: number) => sequences.find((of) => of.work === work && of.roundTripMs === ms)
  const titles = new Map(sequences.map(({ work, title }) => [work, title]))
  if (titles.size === 0) return []
  const rows = [...labelsOf(sequences)].map(([key, label]) => [
    label,
    ...[...titles.keys()].map((work) =>
      shownRoundTrips.map((ms) => shownRatio(ratioOf(at(work, ms), key))).join(' / '),
    ),
  ])
  return [
    '',
    `Time of one request, bare pg = 1, at ${shownRoundTrips.join(' / ')} ms of round-trip time:`,
    '',
    ...toTable(['contestant', ...titles.values()], rows),
  ]
}

function throughput({ workloads }: Report): string[] {
  const loads = workloads.filter(({ kind }) => kind === 'throughput')
  const [first] = loads
  if (first === undefined) return []
  const rows = [...labelsOf(loads)].map(([key, label]) => [
    label,
    ...loads.map((load) => {
      const ratio = ratioOf(load, key)
      const perSecond = load.contestants.find((row) => row.key === key)?.perSecond ?? '–'
      return `${perSecond} (${ratio === undefined ? '–' : shownRatio(1 / ratio)})`
    }),
  ])
  return [
    '',
    `Point reads per second with ${first.inFlight} in flight, and how many times bare pg's:`,
    '',
    ...toTable(['contestant', ...loads.map(({ roundTripMs }) => `${roundTripMs} ms`)], rows),
  ]
}

function mixed({ mixed: loads }: Report): string[] {
  const [first] = loads
  if (first === undefined) return []
  const labels = new Map(loads.flatMap(({ contestants }) => contestants.map(({ key, label }) => [key, label] as const)))
  const rows = [...labels].map(([key, label]) => [
    label,
    ...loads.map(({ contestants }) => {
      const row = contestants.find((of) => of.key === key)
      return row === undefined ? '–' : `${row.p50Ms.toFixed(1)} / ${row.p99Ms.toFixed(1)}`
    }),
  ])
  return [
    '',
    `Of ${first.inFlight} in flight one in ${first.slowEvery} takes 200 ms: p50 / p99 of the point reads among them, in ms:`,
    '',
    ...toTable(['contestant', ...loads.map(({ roundTripMs }) => `${roundTripMs} ms`)], rows),
  ]
}

function statics(rows: readonly Statics[]): string[] {
  if (rows.length === 0) return []
  const shown = <T>(value: T | string, show: (known: T) => string) => (typeof value === 'string' ? '–' : show(value))
  const kib = (bytes: number) => (bytes / 1024).toFixed(0)
  return [
    '',
    'At rest. Import and compilation are of the file that the contestant is written in, with its schema; a bundle is without pg, and that of postgres.js with its own driver; memory is after many reads, heap after a collection:',
    '',
    ...toTable(
      ['library', 'import, ms', 'bundle, KiB (gzip)', 'RSS / heap, MiB', 'compile, s', 'type instantiations'],
      rows.map(({ label, importMs, bundle, memory, types }) => [
        label,
        shown(importMs, (ms) => ms.toFixed(0)),
        shown(bundle, ({ bytes, gzipBytes }) => `${kib(bytes)} (${kib(gzipBytes)})`),
        shown(memory, ({ rssMiB, heapMiB }) => `${rssMiB.toFixed(0)} / ${heapMiB.toFixed(0)}`),
        shown(types, ({ seconds }) => seconds.toFixed(1)),
        shown(types, ({ instantiations }) => String(instantiations)),
      ]),
    ),
  ]
}

/** What is only told is details.md's. */
function targets(report: Report): string[] {
  const verdicts = report.targets.filter(({ holds }) => holds !== undefined)
  if (verdicts.length === 0) return []
  return [
    '',
    ...toTable(
      ['target', 'measured', ''],
      verdicts.map(({ text, measured, holds }) => [text, measured.toFixed(2), holds ? 'holds' : 'MISSED']),
    ),
  ]
}
