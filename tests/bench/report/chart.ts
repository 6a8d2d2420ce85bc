/**
 * The chart of the README: four panels of horizontal bars, each contestant's ratio to bare pg. Text is text, and colours follow the reader's
 * light or dark scheme.
 */
import type { Report, WorkloadReport } from './report.ts'
import { shownRatio } from './table.ts'

interface Bar {
  readonly key: string
  readonly label: string
  readonly value: number
}

interface Panel {
  readonly title: string
  readonly note: string
  readonly bars: readonly Bar[]
}

const width = 860
const labelWidth = 250
const figureWidth = 60
const rowHeight = 20
const panelGap = 28
const headHeight = 46
const margin = 20

const style = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; stroke: #ffffff; stroke-width: 3px; paint-order: stroke; }
  .title { font-size: 15px; font-weight: 600; }
  .note { fill: #59636e; font-size: 12px; }
  .ground { fill: #ffffff; }
  .line { stroke: #59636e; stroke-dasharray: 3 3; }
  .other { fill: #a8b1bb; }
  .bare { fill: #59636e; }
  .ours { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; stroke: #0d1117; }
    .note { fill: #9198a1; }
    .ground { fill: #0d1117; }
    .line { stroke: #9198a1; }
    .other { fill: #59636e; }
    .bare { fill: #9198a1; }
    .ours { fill: #4493f8; }
  }`

/** An SVG, or undefined when none of its workloads was run. */
export function toChart(report: Report): string | undefined {
  const panels = [0, 2]
    .flatMap((ms) => readPanel(report, ms))
    .concat([0, 2].flatMap((ms) => throughputPanel(report, ms)))
  if (panels.length === 0) return undefined
  let top = margin
  const drawn: string[] = []
  for (const panel of panels) {
    drawn.push(...drawPanel(panel, top))
    top += headHeight + panel.bars.length * rowHeight + panelGap
  }
  const height = top - panelGap + margin
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Ratios to bare pg">`,
    `<style>${style}\n</style>`,
    `<rect class="ground" width="${width}" height="${height}" rx="6"/>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n')
}

const way = (ms: number) => (ms === 0 ? 'loopback' : `${ms} ms round trip`)

function readPanel({ workloads }: Report, ms: number): Panel[] {
  const found = workloads.find(({ key }) => key === `read-${ms}ms`)
  return panelOf(found, (ratio) => ratio, {
    title: `Point read, one after another, ${way(ms)}`,
    note: 'time of a read; bare pg = 1, shorter is better',
  })
}

function throughputPanel({ workloads }: Report, ms: number): Panel[] {
  const found = workloads.find(({ key }) => key === `throughput-${ms}ms`)
  return panelOf(found, (ratio) => 1 / ratio, {
    title: `Throughput, ${found?.inFlight ?? 0} point reads in flight, ${way(ms)}`,
    note: 'reads per second; bare pg = 1, longer is better',
  })
}

function panelOf(
  workload: WorkloadReport | undefined,
  toValue: (timeRatio: number) => number,
  texts: Pick<Panel, 'title' | 'note'>,
): Panel[] {
  if (workload === undefined) return []
  const bars = workload.contestants.flatMap(({ key, label, timeRatio }) =>
    timeRatio === undefined ? [] : [{ key, label, value: toValue(timeRatio.median) }],
  )
  return bars.length === 0 ? [] : [{ ...texts, bars }]
}

function drawPanel({ title, note, bars }: Panel, top: number): string[] {
  const left = margin + labelWidth
  const scale = (width - left - figureWidth - margin) / Math.max(1, ...bars.map(({ value }) => value))
  const first = top + headHeight
  const one = (left + scale).toFixed(1)
  return [
    `<text class="title" x="${margin}" y="${top + 14}">${escapeText(title)}</text>`,
    `<text class="note" x="${margin}" y="${top + 32}">${escapeText(note)}</text>`,
    `<line class="line" x1="${one}" x2="${one}" y1="${first}" y2="${first + bars.length * rowHeight}"/>`,
    ...bars.flatMap(({ key, label, value }, row) => {
      const y = first + row * rowHeight
      const length = Math.max(1, value * scale)
      const kind = key === 'pg' ? 'bare' : key.startsWith('tenon') ? 'ours' : 'other'
      return [
        `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${escapeText(label)}</text>`,
        `<rect class="${kind}" x="${left}" y="${y + 2}" width="${length.toFixed(1)}" height="${rowHeight - 6}" rx="2"/>`,
        `<text x="${(left + length + 6).toFixed(1)}" y="${y + 13}">${shownRatio(value)}</text>`,
      ]
    }),
  ]
}

function escapeText(text: string): string {
  return text.replace(/[&<>]/g, (character) => ({ '&': '&amp;', '<': '&lt;' })[character] ?? '&gt;')
}
