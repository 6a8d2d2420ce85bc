/** tenon/foreign: foreign servers and their tables, user mappings whose passwords no log sees, and what a query sends along. */

export {
  type CreateForeignServerOptions,
  createForeignServer,
  type DropForeignOptions,
  dropForeignServer,
  dropForeignTable,
} from './foreign-server.ts'
export {
  type CreateCsvTableOptions,
  createCsvTable,
  type ExposedForeignTable,
  type ImportForeignSchemaOptions,
  importForeignSchema,
  listExposedForeignTables,
} from './foreign-tables.ts'
export { executeForeign, type ForeignQuery, type PushedDown, pushedDown, type RemoteStatement } from './pushed-down.ts'
export type { ServiceExecutor, WrapperOptions } from './server-statements.ts'
export { dropUserMapping, type SetUserMappingOptions, setUserMapping } from './user-mapping.ts'
