/** The methods of a repository, as types: what each takes of a table and what it gives. */
import type { Expression, ExpressionBuilder, SqlBool } from 'kysely'
import type { Executor, RunOptions } from '../kernel/executor.ts'
import type { Page } from './read-page.ts'
import type {
  AnyTable,
  ColumnOf,
  ColumnsOf,
  ConflictOf,
  InsertOf,
  KeyOf,
  Load,
  OrderBy,
  Result,
  RowOf,
  TreeOf,
  UpdateOf,
  Where,
} from './table-shape.ts'
import type { UpsertAction } from './write-rows.ts'

/** A filter, or Kysely's own expressions for what filters do not say; of a list all. */
export type WhereArgument<T extends AnyTable> =
  | Where<T>
  | WhereExpression<T>
  | readonly (Where<T> | WhereExpression<T>)[]
type WhereExpression<T extends AnyTable> = (
  eb: ExpressionBuilder<{ [Key in T['key']]: ColumnsOf<T> }, T['key']>,
) => Expression<SqlBool>

/** What is read of a row. `Extra` forbids relations that the table does not have. */
export interface ReadOptions<T extends AnyTable, Select, Loaded> extends RunOptions {
  /** Columns; default all. */
  readonly select?: Select
  /** Relations, in the same query. */
  readonly load?: Loaded & { readonly [Name in Exclude<keyof Loaded, keyof Load<T>>]: never }
  /** `json`: one query; `batch`: one more for each relation. Default `json`. */
  readonly strategy?: 'json' | 'batch' | undefined
  /** Of a repository with `softDelete`: rows that are deleted too. */
  readonly withDeleted?: boolean | undefined
}

/** Which rows are read, and in which order. */
export interface ListOptions<T extends AnyTable, Select, Loaded> extends ReadOptions<T, Select, Loaded> {
  readonly where?: WhereArgument<T>
  readonly orderBy?: OrderBy<T>
  readonly limit?: number
}

export interface PageOptions<T extends AnyTable, Select, Loaded> extends ReadOptions<T, Select, Loaded> {
  readonly where?: WhereArgument<T>
  readonly orderBy?: OrderBy<T>
  /** Rows of a page. */
  readonly limit: number
  /** A cursor of a page before. */
  readonly after?: string | undefined
  readonly before?: string | undefined
  /** Counts what the filter finds: by reading it, or as the planner guesses. */
  readonly total?: 'exact' | 'estimate'
}

export interface StreamOptions<T extends AnyTable, Select, Loaded> extends ListOptions<T, Select, Loaded> {
  /** Rows that are fetched at a time. Default 500. */
  readonly chunkSize?: number
}

export interface LockOptions<T extends AnyTable, Select> extends RunOptions {
  readonly where: WhereArgument<T>
  readonly orderBy?: OrderBy<T>
  readonly limit?: number
  readonly select?: Select
  /** Default `update`. */
  readonly mode?: 'update' | 'no key update' | 'share' | 'key share'
  /** What to do with rows that others hold: wait, leave them out, or fail at once. Default `wait`. */
  readonly locked?: 'wait' | 'skip' | 'fail'
}

export interface WriteOptions<Select> extends RunOptions {
  /** Columns of the row that is returned; default all. Under row-level security returning takes a policy for SELECT. */
  readonly returning?: Select
}

export interface InsertOptions<Select> extends WriteOptions<Select> {
  /**
   * How rows are inserted with those that belong to them. `statement`: one, in which a policy cannot look up a row that the others insert;
   * `transaction`: one after the other. Default `statement`.
   */
  readonly strategy?: 'statement' | 'transaction'
}

export interface UpdateOptions<Select> extends WriteOptions<Select> {
  /** Of a repository with `version`: the version that the update was made of. */
  readonly version?: number | string | bigint
}

export interface InsertManyOptions extends RunOptions {
  /** Rows in one statement. Default 10,000. */
  readonly chunkSize?: number
  /** Told after every statement. */
  readonly onProgress?: (progress: { readonly inserted: number }) => void
}

export interface UpsertOptions<T extends AnyTable, Select> extends WriteOptions<Select> {
  /** Columns of the key that rows conflict on; default the primary key. */
  readonly on?: ConflictOf<T>
  /** Columns that are set where a row is there; default all that are given and not of the key. `[]` leaves the row as it is. */
  readonly update?: readonly ColumnOf<T>[]
}

export interface AggregateOptions<T extends AnyTable, Group> extends RunOptions {
  readonly where?: WhereArgument<T>
  readonly groupBy?: Group
  /** Groups at most, in the order of their columns. */
  readonly limit?: number
  readonly sum?: readonly ColumnOf<T>[]
  readonly avg?: readonly ColumnOf<T>[]
  readonly min?: readonly ColumnOf<T>[]
  readonly max?: readonly ColumnOf<T>[]
  readonly withDeleted?: boolean | undefined
}

/** One group: its columns, how many rows it has, and what was asked of them as text of the database; of no value null. */
export interface Aggregate<Group> {
  readonly group: Group
  readonly count: number
  readonly sum: Readonly<Record<string, string | null>>
  readonly avg: Readonly<Record<string, string | null>>
  readonly min: Readonly<Record<string, string | null>>
  readonly max: Readonly<Record<string, string | null>>
}

type All = undefined
type None = object

/**
 * Typed access to one table. Every method takes the executor first: a session, a transaction of one, or `db.service()`.
 *
 * Methods do not use `this`: spread a repository into an object of your own to add to it.
 */
export interface Repository<T extends AnyTable> {
  readonly table: T

  /** The row of a key, or undefined. */
  find<const Select extends readonly ColumnOf<T>[] | All = All, const Loaded extends Load<T> = None>(
    executor: Executor,
    key: KeyOf<T>,
    options?: ReadOptions<T, Select, Loaded>,
  ): Promise<Result<T, Select, Loaded> | undefined>
  /** The row of a key. @throws {NotFoundError} NOT_FOUND */
  get<const Select extends readonly ColumnOf<T>[] | All = All, const Loaded extends Load<T> = None>(
    executor: Executor,
    key: KeyOf<T>,
    options?: ReadOptions<T, Select, Loaded>,
  ): Promise<Result<T, Select, Loaded>>
  /** The rows of keys, in their order; those that are not there are left out. */
  findMany<const Select extends readonly ColumnOf<T>[] | All = All, const Loaded extends Load<T> = None>(
    executor: Executor,
    keys: readonly KeyOf<T>[],
    options?: ReadOptions<T, Select, Loaded>,
  ): Promise<Result<T, Select, Loaded>[]>
  /** Rows of a filter. */
  list<const Select extends readonly ColumnOf<T>[] | All = All, const Loaded extends Load<T> = None>(
    executor: Executor,
    options?: ListOptions<T, Select, Loaded>,
  ): Promise<Result<T, Select, Loaded>[]>
  count(
    executor: Executor,
    where?: WhereArgument<T>,
    options?: RunOptions & { readonly withDeleted?: boolean },
  ): Promise<number>
  exists(
    executor: Executor,
    where: WhereArgument<T>,
    options?: RunOptions & { readonly withDeleted?: boolean },
  ): Promise<boolean>
  /** A page by key: after or before a cursor, in a total order. @throws {TenonError} CURSOR_INVALID */
  page<const Select extends readonly ColumnOf<T>[] | All = All, const Loaded extends Load<T> = None>(
    executor: Executor,
    options: PageOptions<T, Select, Loaded>,
  ): Promise<Page<Result<T, Select, Loaded>>>
  /** Rows as they arrive, with memory for one chunk. */
  stream<const Select extends readonly ColumnOf<T>[] | All = All, const Loaded extends Load<T> = None>(
    executor: Executor,
    options?: StreamOptions<T, Select, Loaded>,
  ): AsyncIterable<Result<T, Select, Loaded>>
  /** Rows, held until the transaction ends. @throws {TenonError} QUERY_FILTER outside of one */
  lock<const Select extends readonly ColumnOf<T>[] | All = All>(
    transaction: Executor,
    options: LockOptions<T, Select>,
  ): Promise<Result<T, Select, None>[]>
  aggregate<const Group extends readonly ColumnOf<T>[] = []>(
    executor: Executor,
    options?: AggregateOptions<T, Group>,
  ): Promise<Aggregate<Pick<RowOf<T>, Group[number]>>[]>
  /** What EXPLAIN says of a list, as text. */
  explain(
    executor: Executor,
    options?: ListOptions<T, readonly ColumnOf<T>[] | All, Load<T>> & {
      /** Runs it, too. */
      readonly analyze?: boolean
    },
  ): Promise<string>

  /**
   * Inserts a row and returns it; with it the rows that belong to it, under the names of their relations, all or none.
   *
   * @throws {ValuesError} VALUES_INVALID with a schema
   */
  insert<const Select extends readonly ColumnOf<T>[] | All = All>(
    executor: Executor,
    values: TreeOf<T>,
    options?: InsertOptions<Select>,
  ): Promise<Result<T, Select, None>>
  /** Inserts any number of rows, in one transaction. @returns how many */
  insertMany(
    executor: Executor,
    rows: Iterable<InsertOf<T>> | AsyncIterable<InsertOf<T>>,
    options?: InsertManyOptions,
  ): Promise<number>
  /** Inserts a row, or sets what differs in the one that is there. @throws {NotFoundError} NOT_FOUND when that one stays as it is and no policy lets it be read */
  upsert<const Select extends readonly ColumnOf<T>[] | All = All>(
    executor: Executor,
    values: InsertOf<T>,
    options?: UpsertOptions<T, Select>,
  ): Promise<{ readonly action: UpsertAction; readonly row: Result<T, Select, None> }>
  /** The same of many rows in one statement. @throws {TenonError} QUERY_FILTER when two have the same key */
  upsertMany<const Select extends readonly ColumnOf<T>[] | All = All>(
    executor: Executor,
    rows: readonly InsertOf<T>[],
    options?: UpsertOptions<T, Select>,
  ): Promise<{
    readonly inserted: Result<T, Select, None>[]
    readonly updated: Result<T, Select, None>[]
    /** How many were there as given. */
    readonly unchanged: number
  }>
  /** Sets columns of a row. @throws {NotFoundError} NOT_FOUND; ROW_STALE when the version is another */
  update<const Select extends readonly ColumnOf<T>[] | All = All>(
    executor: Executor,
    key: KeyOf<T>,
    values: UpdateOf<T>,
    options?: UpdateOptions<Select>,
  ): Promise<Result<T, Select, None>>
  /** Sets the same in all rows of a filter; `'all'` for every row. @returns how many */
  updateWhere(
    executor: Executor,
    where: WhereArgument<T> | 'all',
    values: UpdateOf<T>,
    options?: RunOptions,
  ): Promise<number>
  /** Sets values of its own in each row, in one statement: each has its primary key, and all the same columns. @returns how many were there */
  updateMany(
    executor: Executor,
    rows: readonly (UpdateOf<T> & {
      readonly [Column in T['primaryKey'][number]]: Column extends keyof RowOf<T> ? RowOf<T>[Column] : never
    })[],
    options?: RunOptions,
  ): Promise<number>
  /** Deletes a row, or marks it so with `softDelete`. @returns whether it was there */
  delete(executor: Executor, key: KeyOf<T>, options?: RunOptions): Promise<boolean>
  /** Deletes all rows of a filter; `'all'` for every row. @returns how many */
  deleteWhere(executor: Executor, where: WhereArgument<T> | 'all', options?: RunOptions): Promise<number>
  /** Takes a soft delete back. @returns whether there was one */
  restore(executor: Executor, key: KeyOf<T>, options?: RunOptions): Promise<boolean>

  /** A function that finds rows by key, of which all that is asked in one tick is one query. Make one per request: it holds its executor. */
  loader(executor: Executor): (key: KeyOf<T>) => Promise<RowOf<T> | undefined>
}
