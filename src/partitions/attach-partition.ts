/** Attaches a table that is full already, without a lock that anybody would notice. */
import type { Database } from '../database/index.ts'
import { isTenonError } from '../kernel/errors.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import { type DedicatedStatements, type LockOptions, withDedicatedStatements } from './dedicated-statements.ts'
import { assertPartitioned, type RangeBound, toBoundText } from './module-call.ts'
import { type NamedTable, partitionError, toPartitionError } from './partition-error.ts'

/** A step of {@link attachPartition}; its name says what runs. */
export type AttachStep = 'check' | 'validate' | 'default check' | 'default validate' | 'index' | 'attach' | 'clear'

/** Options of {@link attachPartition}. */
export interface AttachPartitionOptions extends LockOptions {
  /** Name of the table to attach. */
  readonly partition: string
  /** Its schema. Default: that of the parent. */
  readonly schema?: string | undefined
  /** Of a range: its first place, and the first after its last. Left out is without end. */
  readonly from?: RangeBound | undefined
  readonly to?: RangeBound | undefined
  /** Of a list. */
  readonly values?: readonly (string | number | bigint | boolean | null)[] | undefined
  /** Told before each step. */
  readonly onStep?: ((step: AttachStep) => void) | undefined
}

/**
 * Attaches a table as a partition, with its rows.
 *
 * That its rows lie within the bounds, and that none of the default partition does, is found out beforehand by CHECK constraints, which are
 * validated while reads and writes go on; indexes that the parent has are built concurrently. What remains is short, and one transaction:
 * with ATTACH the table, and partitions that it has in turn, gets row security, and loses its grants and its identity. Foreign keys of the
 * parent, if any, are checked while attaching. A table that is refused is left as it was. Interrupted, it can be called again, and indexes that were built are there already.
 *
 * @param db - with a service that owns both tables
 * @param table - of the generated metadata.ts: `tables.events`
 * @throws {TenonError} PARTITION_CONFLICT when rows of the table lie outside, or the bounds overlap; PARTITION_DEFAULT_ROWS when rows
 *   of the default partition lie inside; TIMEOUT_LOCK, QUERY_CANCELED, PARTITION_KIND, PARTITION_MANAGED or OPTION_INVALID
 * @example
 * ```ts
 * await attachPartition(db, tables.events, { partition: 'events_2019', from: '2019-01-01', to: '2020-01-01' })
 * ```
 * The SQL, each by itself:
 * ```sql
 * alter table events_2019 add constraint tenon_attach_check check (at is not null and at >= '2019-01-01' and at < '2020-01-01') not valid;
 * alter table events_2019 validate constraint tenon_attach_check;
 * alter table events attach partition events_2019 for values from ('2019-01-01') to ('2020-01-01');
 * ```
 */
export async function attachPartition<DB>(
  db: Database<DB>,
  table: NamedTable,
  options: AttachPartitionOptions,
): Promise<void> {
  assertPartitioned(table)
  const { partition, schema = table.schema, from, to, values, onStep } = options
  const lower = from === undefined ? null : toBoundText(table, from)
  const upper = to === undefined ? null : toBoundText(table, to)
  const list = values?.map((value) => (value === null ? null : String(value))) ?? null
  const parent = quoteQualified(table.schema, table.name)
  const child = quoteQualified(schema, partition)
  await withDedicatedStatements(db, { ...options, table, work: 'attach' }, async (statements) => {
    const plan = await planOf(statements, [parent, child, lower, upper, list]).catch((error: unknown) => {
      const isInDefault = isTenonError(error) && error.constraint === 'partitions_default_rows'
      throw isInDefault ? inDefault(table, `${schema}.${partition}`, error) : toPartitionError(error, table)
    })
    const begun: Planned[] = []
    try {
      for (const planned of plan) {
        const { step, statement } = planned
        onStep?.(step)
        begun.unshift(planned)
        // Validating takes no strong lock, and building an index concurrently waits for whoever is there.
        const long = step.endsWith('validate') || step === 'index' || statement.startsWith('drop index concurrently')
        await (long ? statements.runLong(statement) : statements.runShort(statement)).catch((error: unknown) => {
          throw toAttachError(error, table, step, `${schema}.${partition}`)
        })
      }
    } catch (error) {
      // Writes would be refused for as long as the constraints stay. Indexes are of use to the next call, unless the table was refused:
      // rows that came into the default partition while they were built are no fault of it.
      const isRefused =
        isTenonError(error) && error.code !== 'PARTITION_DEFAULT_ROWS' && /^(22|23|42)/.test(error.sqlstate ?? '')
      for (const { step, undo } of begun)
        if (undo !== null && (isRefused || step.endsWith('check'))) await statements.undo(undo)
      throw error
    }
  })
}

interface Planned {
  readonly step: AttachStep
  readonly statement: string
  /** Takes it back; null where nothing is left of it. */
  readonly undo: string | null
}

async function planOf({ connection }: DedicatedStatements, values: readonly unknown[]): Promise<readonly Planned[]> {
  const { rows } = await connection.query<Planned>(
    'select step, statement, undo from tenon.attach_statements($1::pg_catalog.regclass, $2::pg_catalog.regclass, $3, $4, $5)',
    values,
  )
  return rows
}

function inDefault(table: NamedTable, partition: string, error: unknown): unknown {
  return partitionError(
    'PARTITION_DEFAULT_ROWS',
    table,
    `has rows in its default partition that belong into ${partition}`,
    'Move them into that table first: WITH moved AS (DELETE … RETURNING *) INSERT …, in one transaction.',
    error,
  )
}

function toAttachError(error: unknown, table: NamedTable, step: AttachStep, partition: string): unknown {
  if (!isTenonError(error)) return error
  if (error.sqlstate === '23514')
    return step.startsWith('default')
      ? inDefault(table, partition, error)
      : partitionError(
          'PARTITION_CONFLICT',
          table,
          `cannot take ${partition}: rows of it lie outside the bounds`,
          'Delete or move these rows, or give other bounds.',
          error,
        )
  if (step === 'attach' && error.sqlstate === '42P17')
    return partitionError(
      'PARTITION_CONFLICT',
      table,
      `cannot take ${partition}: the bounds are empty, or overlap another partition`,
      'partitionStatus() shows the bounds that there are.',
      error,
    )
  if (step === 'attach' && error.sqlstate === '42804')
    return partitionError(
      'PARTITION_CONFLICT',
      table,
      `cannot take ${partition}: its columns are not those of the table`,
      'Names, types and NOT NULL have to be the same: CREATE TABLE … (LIKE … INCLUDING ALL).',
      error,
    )
  return error
}
