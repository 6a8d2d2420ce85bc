// tenon/migrate: applies the SQL modules that the library ships, and the host's own migrations, to a database.
// It owns the order, the ledger and the refusals. The SQL itself is under sql/, and nothing here runs by itself.

export type { SqlFile, SqlModule, SqlModuleName, SqlObject, SqlPlaceholder } from '../generated/modules.ts'
export { sqlModules } from '../generated/modules.ts'
export {
  type ApplyMigrationsOptions,
  type ApplyMigrationsResult,
  applyMigrations,
  planMigrations,
  type RunOptions,
} from './apply-migrations.ts'
export { type BaselineMigrationsOptions, baselineMigrations } from './baseline-migrations.ts'
export { defineModule, type ModuleSource } from './define-module.ts'
export type { Catalog, CatalogKind, CatalogObject, ObjectIdentity } from './drift/catalog-object.ts'
export { type CompareCatalogsOptions, compareCatalogs, type Difference } from './drift/compare-catalogs.ts'
export { toDriftText } from './drift/drift-text.ts'
export { type DriftDifference, type DriftReport, type FindDriftOptions, findDrift } from './drift/find-drift.ts'
export { type CatalogQuery, type ReadCatalogOptions, readCatalog } from './drift/read-catalog.ts'
export { openReplayDatabase, type ReplayDatabase, type Surroundings } from './drift/replay-database.ts'
export type { ExportProblem } from './export/compare-export.ts'
export {
  checkExport,
  type ExportOptions,
  type ExportResult,
  exportHandover,
  exportMigrations,
} from './export/export-migrations.ts'
export { type ExportFormat, exportFormats } from './export/formats/index.ts'
export { readReleased } from './export/lock-file.ts'
export type { LedgerEntry } from './ledger.ts'
export { type LintOptions, lintMigrations, lintRules } from './lint/lint-migrations.ts'
export { type Finding, type LintReport, toLintText, toSarif } from './lint/lint-report.ts'
export { listMigrations, type Migration, type MigrationSet } from './migration.ts'
export type { MigrationEvent, MigrationObserver } from './migration-event.ts'
export { readModules } from './module-folder.ts'
export type { ModuleChoice } from './module-order.ts'
export { fillPlaceholders, type IdentityType, type PlaceholderValues } from './placeholders.ts'
export type { MigrationState, PlannedMigration } from './plan.ts'
export { toScript } from './preview.ts'
export { type RevertMigrationsOptions, revertMigrations } from './revert-migrations.ts'
