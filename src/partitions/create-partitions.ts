/**
 * Makes partitions: ahead by time or number, for values of a list, by hash.
 *
 * Owns the options; the work is done by the SQL module `partitions`, so that psql and other programs do the same.
 */
import type { Executor, RunOptions } from '../kernel/executor.ts'
import { bound } from '../kernel/expressions.ts'
import { callModule, type RangeBound, toBoundText } from './module-call.ts'
import { type NamedTable, partitionError } from './partition-error.ts'

/** How much a partition by time holds; bounds are in UTC. */
export type PartitionUnit = 'hour' | 'day' | 'week' | 'month' | 'quarter' | 'year'

/** How much a partition holds: a `unit` of time, or a `width` in numbers. */
export type PartitionStep =
  | { readonly unit: PartitionUnit; readonly width?: never }
  | { readonly width: number | bigint; readonly unit?: never }

/** Options of {@link createPartitions}. */
export type CreatePartitionsOptions = PartitionStep &
  RunOptions & {
    /** Partitions after the current one, 0 to 1000. Default 3. */
    readonly ahead?: number | undefined
    /** Where the current one is. Default: now, or the largest number that the table holds. */
    readonly since?: RangeBound | undefined
  }

/**
 * Makes the partitions of a range that are missing, the current one and those ahead. Call it from a timer; a second call does nothing.
 *
 * New partitions have row security and no grants, and the indexes of the parent. Where other partitions cover a part of an interval, as after
 * a change of the unit or a drain that was interrupted, the rest gets partitions of its own: `events_p202601_2`. Of two calls at once, one
 * makes them.
 *
 * @param service - of the owner: `db.service(…)`, or a transaction of it
 * @param table - of the generated metadata.ts: `tables.events`
 * @returns names of the new partitions
 * @throws {TenonError} PARTITION_DEFAULT_ROWS when rows in the default partition are in the way: see {@link drainDefault};
 *   PARTITION_MANAGED when pg_partman makes them; TIMEOUT_LOCK when the default partition is not free within 3 s, or a lock_timeout of
 *   yours; PARTITION_KIND, PARTITION_CONFLICT or OPTION_INVALID
 * @example
 * ```ts
 * await createPartitions(db.service({ actor: 'cron', reason: 'partitions' }), tables.events, { unit: 'month', ahead: 3 })
 * ```
 * The SQL:
 * ```sql
 * select tenon.create_partitions('public.events', 'month', 3)
 * ```
 */
export async function createPartitions(
  service: Executor,
  table: NamedTable,
  options: CreatePartitionsOptions,
): Promise<readonly string[]> {
  const { ahead = 3, since, signal } = options
  const [unit, width] = stepOf(table, options)
  if (!Number.isInteger(ahead) || ahead < 0 || ahead > 1000)
    throw partitionError(
      'OPTION_INVALID',
      table,
      'is to have no such number of partitions ahead',
      'ahead is 0 to 1000.',
    )
  const place = since === undefined ? undefined : toBoundText(table, since)
  if (unit !== undefined) {
    // Without one it is now by the clock of the server.
    const from = place === undefined ? [] : [bound(place, 'timestamptz')]
    const parameters = [bound(unit, 'text'), bound(ahead, 'int4'), ...from]
    return await callModule(service, 'create_partitions', table, parameters, { signal })
  }
  const parameters = [bound(String(width), 'int8'), bound(ahead, 'int4'), bound(place ?? null, 'int8')]
  return await callModule(service, 'create_number_partitions', table, parameters, { signal })
}

const units: readonly string[] = ['hour', 'day', 'week', 'month', 'quarter', 'year'] satisfies PartitionUnit[]

/** @throws {TenonError} OPTION_INVALID unless there is one of the two */
export function stepOf(
  table: NamedTable,
  { unit, width }: PartitionStep,
): readonly [string | undefined, string | undefined] {
  const widthOk = typeof width === 'bigint' ? width > 0n : Number.isSafeInteger(width) && Number(width) > 0
  if (width === undefined && units.includes(String(unit))) return [unit, undefined]
  if (unit === undefined && widthOk) return [undefined, String(width)]
  throw partitionError(
    'OPTION_INVALID',
    table,
    'needs either a unit or a width of its partitions',
    'unit is hour, day, week, month, quarter or year; width is a whole number above 0.',
  )
}

/** Options of {@link createListPartition}. */
export interface CreateListPartitionOptions extends RunOptions {
  /** Name of the new table, in the schema of the parent; 63 bytes at most. */
  readonly name: string
  /** What it holds; null is a value too. */
  readonly values: readonly (string | number | bigint | boolean | null)[]
  /** Takes rows of these values out of the default partition, in the same transaction. Locks the table meanwhile. */
  readonly fromDefault?: boolean | undefined
}

/**
 * Makes a partition for values of a list.
 *
 * @param service - of the owner: `db.service(…)`, or a transaction of it
 * @returns how many rows came out of the default partition
 * @throws {TenonError} PARTITION_DEFAULT_ROWS when such rows are in the way and `fromDefault` is not set; PARTITION_KIND,
 *   PARTITION_CONFLICT, PARTITION_MANAGED or OPTION_INVALID
 * @example
 * ```ts
 * await createListPartition(service, tables.orders, { name: 'orders_europe', values: ['de', 'fr'], fromDefault: true })
 * ```
 * The SQL:
 * ```sql
 * select tenon.create_list_partition('public.orders', 'orders_europe', array['de', 'fr'], true)
 * ```
 */
export async function createListPartition(
  service: Executor,
  table: NamedTable,
  { name, values, fromDefault = false, signal }: CreateListPartitionOptions,
): Promise<number> {
  if (!Array.isArray(values) || values.length === 0)
    throw partitionError('OPTION_INVALID', table, 'cannot have a partition of no values', 'values holds one at least.')
  const list = values.map((value) => (value === null ? null : String(value)))
  const parameters = [bound(name, 'text'), bound(list, 'text[]'), bound(fromDefault, 'boolean')]
  const [moved] = await callModule<number>(service, 'create_list_partition', table, parameters, { signal })
  return moved ?? 0
}

/** Options of {@link createHashPartitions}. */
export interface CreateHashPartitionsOptions extends RunOptions {
  /** How many partitions, 1 to 1024. It cannot change later without writing the rows anew. */
  readonly modulus: number
}

/**
 * Makes all partitions of a hash that are missing.
 *
 * @param service - of the owner: `db.service(…)`, or a transaction of it
 * @returns names of the new partitions
 * @throws {TenonError} PARTITION_KIND, PARTITION_CONFLICT, PARTITION_MANAGED or OPTION_INVALID
 * @example
 * ```ts
 * await createHashPartitions(service, tables.visits, { modulus: 8 })
 * ```
 * The SQL:
 * ```sql
 * select tenon.create_hash_partitions('public.visits', 8)
 * ```
 */
export async function createHashPartitions(
  service: Executor,
  table: NamedTable,
  { modulus, signal }: CreateHashPartitionsOptions,
): Promise<readonly string[]> {
  if (!Number.isInteger(modulus) || modulus < 1 || modulus > 1024)
    throw partitionError('OPTION_INVALID', table, 'cannot have such a modulus', 'modulus is 1 to 1024.')
  return await callModule(service, 'create_hash_partitions', table, [bound(modulus, 'int4')], { signal })
}

/** A partition that pg_partman made, or detached or dropped. */
export interface PartmanChange {
  readonly partition: string
  readonly change: 'created' | 'gone'
}

/**
 * Lets pg_partman maintain a table that it manages, by its own configuration: partitions ahead and retention.
 *
 * @param service - of a login that may call it
 * @returns what came and went
 * @throws {TenonError} PARTITION_MANAGED when pg_partman is not there or does not manage the table
 * @example
 * ```ts
 * await runPartman(service, tables.events) // [{ partition: 'events_p20270301', change: 'created' }]
 * ```
 * The SQL:
 * ```sql
 * select * from tenon.run_partman('public.events') -- partman.run_maintenance('public.events')
 * ```
 */
export async function runPartman(
  service: Executor,
  table: NamedTable,
  options: RunOptions = {},
): Promise<readonly PartmanChange[]> {
  const rows = await callModule<{ readonly partition_name: string; readonly change: PartmanChange['change'] }>(
    service,
    'run_partman',
    table,
    [],
    options,
  )
  return rows.map(({ partition_name: partition, change }) => ({ partition, change }))
}
