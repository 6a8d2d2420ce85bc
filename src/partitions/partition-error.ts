/**
 * What errors of the SQL module `partitions` mean.
 *
 * Its functions name each failure by a key, because the text of what a function raises is left out of errors. It refuses to guess: any
 * other error stays what it is.
 */
import { type ErrorCode, isTenonError, TenonError } from '../kernel/errors.ts'
import type { TableMetadata } from '../kernel/metadata.ts'

/** A partitioned table: one of generated metadata, `tables.events`, or its names alone. */
export interface NamedTable {
  readonly schema: string
  readonly name: string
  readonly kind?: TableMetadata['kind']
}

interface Failure {
  readonly code: ErrorCode
  /** Goes on after the name of the table. */
  readonly message: string
  readonly hint: string
}

const failures: ReadonlyMap<string, Failure> = new Map<string, Failure>([
  [
    'partitions_default_rows',
    {
      code: 'PARTITION_DEFAULT_ROWS',
      message: 'has rows in its default partition that belong into the partition that was to be made',
      hint: 'Move them with drainDefault(), or createListPartition({ fromDefault: true }) for a list; nothing was made.',
    },
  ],
  [
    'partitions_arguments',
    {
      code: 'OPTION_INVALID',
      message: 'is not partitioned in a way that these options fit',
      hint: 'A unit goes with a time and a width with a number; bounds go with a range and values with a list.',
    },
  ],
  [
    'partitions_not_by_range',
    {
      code: 'PARTITION_KIND',
      message: 'is not partitioned by range over one column of a time or a number',
      hint: 'create table … partition by range (at)',
    },
  ],
  [
    'partitions_not_by_list',
    {
      code: 'PARTITION_KIND',
      message: 'is not partitioned by list over one column',
      hint: 'create table … partition by list (region)',
    },
  ],
  [
    'partitions_not_by_hash',
    {
      code: 'PARTITION_KIND',
      message: 'is not partitioned by hash',
      hint: 'create table … partition by hash (user_id)',
    },
  ],
  [
    'partitions_by_hash',
    {
      code: 'PARTITION_KIND',
      message: 'is partitioned by hash: no partition of it is of a time, a number or a value, and none is the default',
      hint: 'createHashPartitions() makes all that are missing, and old rows are deleted by DELETE. A full table is attached by: alter table … attach partition … for values with (modulus …, remainder …).',
    },
  ],
  [
    'partitions_not_partitioned',
    {
      code: 'PARTITION_KIND',
      message: 'is not partitioned any more',
      hint: 'Generate the metadata again: tenon codegen.',
    },
  ],
  [
    'partitions_name_taken',
    {
      code: 'PARTITION_CONFLICT',
      message: 'cannot have the partition: another table has its name',
      hint: 'Rename that table, or attach it with attachPartition().',
    },
  ],
  [
    'partitions_overlap',
    {
      code: 'PARTITION_CONFLICT',
      message: 'cannot have the partition: it would overlap another',
      hint: 'partitionStatus() shows the bounds that there are.',
    },
  ],
  [
    'partitions_attached',
    {
      code: 'PARTITION_CONFLICT',
      message: 'has that table as a partition already',
      hint: 'Nothing is left to do, unless partitionStatus() says that it is half detached: then detachPartition() comes first.',
    },
  ],
  [
    'partitions_referenced',
    {
      code: 'PARTITION_CONFLICT',
      message: 'is referenced by foreign keys, which would follow the rows that are moved',
      hint: 'Drop the foreign keys, move the rows, and add the keys again.',
    },
  ],
  [
    'partitions_default_kind',
    {
      code: 'PARTITION_KIND',
      message: 'has a default partition that is no plain table',
      hint: 'Move its rows with INSERT … SELECT into the table, after detaching it.',
    },
  ],
  [
    'partitions_managed',
    {
      code: 'PARTITION_MANAGED',
      message: 'is managed by pg_partman, which makes and drops its partitions',
      hint: 'Call runPartman(), and configure what it does in its table part_config.',
    },
  ],
  [
    'partitions_not_managed',
    {
      code: 'PARTITION_MANAGED',
      message: 'is not managed by pg_partman',
      hint: 'Call createPartitions() and retainPartitions().',
    },
  ],
])

/** The error to throw for one that a function of the module, or a statement made by one, ended with. */
export function toPartitionError(error: unknown, table: NamedTable): unknown {
  if (!isTenonError(error)) return error
  const failure = error.constraint === undefined ? undefined : failures.get(error.constraint)
  if (failure !== undefined) return partitionError(failure.code, table, failure.message, failure.hint, error)
  if (error.sqlstate === '42883' || error.sqlstate === '3F000')
    return new TenonError({
      code: error.code,
      message: 'the SQL module partitions is not applied in this database, or this login may not use it',
      hint: "await applyMigrations(db, { modules: ['partitions'] }) applies it.",
      sqlstate: error.sqlstate,
      cause: error,
    })
  return error
}

/** An error about a table. */
export function partitionError(
  code: ErrorCode,
  { schema, name }: NamedTable,
  message: string,
  hint: string,
  cause?: unknown,
): TenonError {
  return new TenonError({
    code,
    schema,
    table: name,
    message: `${schema}.${name} ${message}`,
    hint,
    sqlstate: isTenonError(cause) ? cause.sqlstate : undefined,
    cause,
  })
}
