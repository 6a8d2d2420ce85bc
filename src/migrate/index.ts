// tenon/migrate: applies the SQL modules that the library ships to a database.
// It owns the order, the ledger and the refusals. The SQL itself is under sql/, and nothing here runs by itself.

export type { SqlFile, SqlModule, SqlModuleName, SqlObject, SqlPlaceholder } from '../generated/modules.ts'
export { sqlModules } from '../generated/modules.ts'
export {
  type ApplyModulesOptions,
  type ApplyModulesResult,
  applyModules,
  type ModuleFileName,
} from './apply-modules.ts'
export { fillPlaceholders, type IdentityType, type PlaceholderValues } from './placeholders.ts'
