/** tenon/repository: typed access to the tables of generated metadata. */

export type { Validator } from '../kernel/validator.ts'
export { createRepository, type RepositoryOptions } from './create-repository.ts'
export type { Page } from './read-page.ts'
export type {
  Aggregate,
  AggregateOptions,
  InsertManyOptions,
  InsertOptions,
  ListOptions,
  LockOptions,
  PageOptions,
  ReadOptions,
  Repository,
  StreamOptions,
  UpdateOptions,
  UpsertOptions,
  WhereArgument,
  WriteOptions,
} from './repository.ts'
export type {
  AnyTable,
  ArrayConditions,
  ColumnOf,
  Direction,
  InsertOf,
  KeyOf,
  Load,
  LoadOptions,
  OrderBy,
  RangeConditions,
  Result,
  RowOf,
  ScalarConditions,
  TextConditions,
  TreeOf,
  UpdateOf,
  Where,
} from './table-shape.ts'
export type { UpsertAction } from './write-rows.ts'
