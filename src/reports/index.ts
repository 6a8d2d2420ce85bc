/** tenon/reports: time buckets without gaps, subtotals, frames and percentiles for Kysely's queries, materialized views, sessions for reports, CSV. */
export type { CsvFormat } from './csv-writer.ts'
export type { Every } from './every.ts'
export {
  type CsvProgress,
  type CsvTarget,
  type ExportCsvOptions,
  type ExportedQuery,
  exportCsv,
  type NodeTarget,
  type StreamCsvOptions,
  streamCsv,
} from './export-csv.ts'
export { type Filled, type FillGapsOptions, fillGaps, type QueryMaker } from './fill-gaps.ts'
export { cube, type Grouping, type GroupingItem, grouped, grouping, groupingSets, rollup } from './grouping.ts'
export {
  type MaterializedView,
  type RefreshIfOlderOptions,
  type RefreshViewOptions,
  refreshIfOlder,
  refreshView,
  type ViewFreshness,
  type ViewFreshnessOptions,
  type ViewRefresh,
  viewFreshness,
} from './materialized-view.ts'
export { percentileCont, percentileDisc } from './percentile.ts'
export { type ReportSessionOptions, reportSession } from './report-session.ts'
export { type BucketOptions, timeBucket } from './time-bucket.ts'
export { type SeriesOptions, timeSeries } from './time-series.ts'
export { type Frame, type FrameBound, frame } from './window-frame.ts'
