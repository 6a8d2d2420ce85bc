/** The folder's face: what other folders and the package may use of it. */
export {
  type AdvisoryLockOptions,
  advisoryLock,
  type TryAdvisoryLockOptions,
  tryAdvisoryLock,
} from './advisory-lock.ts'
export { type BatchItem, type BatchQuery, type BatchResult, type BatchResults, type First, first } from './batch.ts'
export type { PoolOptions } from './connection-config.ts'
export { SessionControlledTransaction, SessionControlledTransactionBuilder } from './controlled-transaction.ts'
export { CopyRows } from './copy-rows.ts'
export {
  closingOf,
  createDatabase,
  Database,
  type DatabaseStats,
  type DedicatedConnectionOptions,
  openListening,
  tellObserver,
  withDedicatedConnection,
} from './create-database.ts'
export type { DatabaseOptions, ServiceOptions } from './database-options.ts'
export type { DedicatedConnection, DedicatedResult } from './dedicated-connection.ts'
export { TenonDialect, type TenonDialectConfig } from './dialect.ts'
export type { EmbeddedDatabase } from './embedded-lines.ts'
export { type ExecutorFacts, factsOf } from './executor-facts.ts'
export type { Facts, RoleFacts } from './facts.ts'
export type { Connection } from './line-sources.ts'
export type { LineCounts } from './lines.ts'
export type { ListeningConnection, ListeningHandlers } from './listening.ts'
export type { MultiplexObstacle, MultiplexOptions, MultiplexStats } from './multiplex-options.ts'
export { type NarrowerSession, Session, SessionConnectionBuilder } from './session.ts'
export type { Claims, SessionOptions } from './session-options.ts'
export type { TextReader } from './text-reader.ts'
export { type StreamTextsOptions, streamTexts } from './text-rows.ts'
export {
  type AfterCommitCallback,
  SessionTransaction,
  SessionTransactionBuilder,
  type TransactionOptions,
} from './transaction.ts'
export { toParameterText } from './wire/parameters.ts'
