/** Takes partitions off: one, or all that are old. */
import type { Database } from '../database/index.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import { quoteLiteral } from '../kernel/literal.ts'
import { type DedicatedStatements, type LockOptions, withDedicatedStatements } from './dedicated-statements.ts'
import { assertPartitioned, type RangeBound, toBoundText } from './module-call.ts'
import { type NamedTable, partitionError, toPartitionError } from './partition-error.ts'

/** Options of {@link detachPartition}. */
export interface DetachPartitionOptions extends LockOptions {
  /** Name of the partition. */
  readonly partition: string
  /** Its schema. Default: that of the parent. */
  readonly schema?: string | undefined
  /**
   * Waits for the queries that use the partition and stops none. PostgreSQL cannot do so while there is a default partition; without it the
   * table is locked for a moment. Default: where it can.
   */
  readonly concurrently?: boolean | undefined
}

/**
 * Detaches a partition; it stays as a table of its own, with its rows, row security and no grants.
 *
 * A concurrent detach that was interrupted, by a signal or a crash, leaves the partition half detached: calling again finishes it.
 *
 * @param db - with a service that owns the table
 * @param table - of the generated metadata.ts: `tables.events`
 * @throws {TenonError} PARTITION_KIND when it is no partition of the table; PARTITION_CONFLICT when another one is half detached;
 *   OPTION_INVALID when `concurrently` is asked for beside a default partition; TIMEOUT_LOCK or QUERY_CANCELED
 * @example
 * ```ts
 * await detachPartition(db, tables.events, { partition: 'events_p202501' })
 * ```
 * The SQL:
 * ```sql
 * alter table "public"."events" detach partition "public"."events_p202501" concurrently
 * ```
 */
export async function detachPartition<DB>(
  db: Database<DB>,
  table: NamedTable,
  options: DetachPartitionOptions,
): Promise<void> {
  assertPartitioned(table)
  const { partition, schema = table.schema, concurrently } = options
  await withDedicatedStatements(db, { ...options, table, work: 'detach' }, async (statements) => {
    await unmarkAttached(statements, table)
    await detach(statements, table, quoteQualified(schema, partition), { concurrently, drop: false })
  })
}

/** Options of {@link retainPartitions}. */
export interface RetainPartitionsOptions extends LockOptions {
  /** Partitions that end here or earlier go: a time, which is not in the future, or a number. */
  readonly before: RangeBound
  /** Leaves them as tables of their own instead of dropping them. */
  readonly keep?: boolean | undefined
  /** Told after each. */
  readonly onPartition?: ((partition: RetainedPartition) => void) | undefined
}

/** A partition that went. */
export interface RetainedPartition {
  readonly schema: string
  readonly name: string
  readonly dropped: boolean
}

/**
 * Detaches the partitions that are wholly older, and drops them with their rows. Never the default partition.
 *
 * What an earlier run left half detached, or detached and not dropped, is finished first: such a table says in its comment that it is to
 * be dropped, and `partitionStatus` lists it. Of two calls at once, the second waits for the first.
 *
 * @param db - with a service that owns the table
 * @param table - of the generated metadata.ts: `tables.events`
 * @returns what went, oldest first
 * @throws {TenonError} as {@link detachPartition}; PARTITION_MANAGED when pg_partman does it; OPTION_INVALID for a time in the future
 * @example
 * ```ts
 * await retainPartitions(db, tables.events, { before: new Date(Date.now() - 365 * 86_400_000) })
 * ```
 * The SQL, for each:
 * ```sql
 * alter table "public"."events" detach partition "public"."events_p202501" concurrently;
 * drop table "public"."events_p202501";
 * ```
 */
export async function retainPartitions<DB>(
  db: Database<DB>,
  table: NamedTable,
  options: RetainPartitionsOptions,
): Promise<readonly RetainedPartition[]> {
  assertPartitioned(table)
  const { before, keep = false, onPartition } = options
  const bound = toBoundText(table, before)
  // A slip of the sign would take the current partition.
  if (before instanceof Date && before.getTime() > Date.now())
    throw partitionError(
      'OPTION_INVALID',
      table,
      'cannot lose partitions before a time in the future',
      'Check `before`.',
    )
  const gone: RetainedPartition[] = []
  await withDedicatedStatements(db, { ...options, table, work: 'detach' }, async (statements) => {
    await unmarkAttached(statements, table)
    for (const { schema, name, state } of await partitionsBefore(statements, table, bound)) {
      const partition = quoteQualified(schema, name)
      if (state !== 'detached') await detach(statements, table, partition, { concurrently: undefined, drop: !keep })
      else await statements.runShort(keep ? unmark(partition) : `drop table ${partition}`)
      const retained = { schema, name, dropped: !keep }
      gone.push(retained)
      onPartition?.(retained)
    }
  })
  return gone
}

/** What was killed between mark and detach has left a mark, for which a table that somebody detaches to keep it would be dropped later. */
async function unmarkAttached(statements: DedicatedStatements, table: NamedTable): Promise<void> {
  const parent = quoteLiteral(quoteQualified(table.schema, table.name))
  await statements.runShort(`select tenon.unmark_attached(pg_catalog.to_regclass(${parent}))`)
}

interface OldPartition {
  readonly schema: string
  readonly name: string
  readonly state: 'half detached' | 'detached' | 'attached'
}

async function partitionsBefore(
  { connection }: DedicatedStatements,
  table: NamedTable,
  bound: string,
): Promise<readonly OldPartition[]> {
  try {
    const { rows } = await connection.query<OldPartition>(
      'select schema_name as schema, partition_name as name, state from tenon.partitions_before($1::pg_catalog.regclass, $2)',
      [quoteQualified(table.schema, table.name), bound],
    )
    return rows
  } catch (error) {
    throw toPartitionError(error, table)
  }
}

async function detach(
  statements: DedicatedStatements,
  table: NamedTable,
  partition: string,
  { concurrently, drop }: { readonly concurrently: boolean | undefined; readonly drop: boolean },
): Promise<void> {
  const parent = quoteQualified(table.schema, table.name)
  const state = await stateOf(statements, parent, partition)
  if (state === undefined || state.pending === null)
    throw partitionError(
      'PARTITION_KIND',
      table,
      `has no partition ${partition}`,
      'partitionStatus() lists the partitions; one that is detached already is a table of its own.',
    )
  if (state.otherPending !== null && !state.pending)
    throw partitionError(
      'PARTITION_CONFLICT',
      table,
      `has another partition half detached: ${state.otherPending}`,
      'Finish that first: call detachPartition() for it.',
    )
  if (concurrently === true && state.hasDefault)
    throw partitionError(
      'OPTION_INVALID',
      table,
      'has a default partition, beside which PostgreSQL detaches nothing concurrently',
      'Leave out `concurrently`: the table is then locked for a moment, after waits of lockTimeoutMs at most.',
    )
  const then = drop ? `drop table ${partition}` : unmark(partition)
  const inOne = (statement: string) => statements.runShort(`begin; ${statement}; ${then}; commit`)
  if (state.pending) await inOne(`alter table ${parent} detach partition ${partition} finalize`)
  else if (concurrently ?? !state.hasDefault) {
    // Before it is detached: afterwards nobody could tell it from a table that was kept.
    if (drop) await statements.runShort(mark(parent, partition))
    try {
      await statements.runLong(`alter table ${parent} detach partition ${partition} concurrently`)
    } catch (error) {
      if (drop && (await stateOf(statements, parent, partition).catch(() => undefined))?.pending === false)
        await statements.undo(unmark(partition))
      throw halfDetached(error, partition)
    }
    await statements.runShort(then)
  } else await inOne(`alter table ${parent} detach partition ${partition}`)
}

// The names are quoted as identifiers, and within a text once more.
const mark = (parent: string, partition: string) =>
  `select tenon.mark_to_drop(${quoteLiteral(parent)}, ${quoteLiteral(partition)})`

const unmark = (partition: string) => `select tenon.unmark_to_drop(${quoteLiteral(partition)})`

interface State {
  /** Null: it is no partition of the table. */
  readonly pending: boolean | null
  readonly otherPending: string | null
  readonly hasDefault: boolean
}

async function stateOf(
  { connection }: DedicatedStatements,
  parent: string,
  partition: string,
): Promise<State | undefined> {
  const { rows } = await connection.query<State>(
    `select own.inhdetachpending as pending, partitioned.partdefid <> 0::pg_catalog.oid as "hasDefault",
       (select inhrelid::pg_catalog.regclass::text from pg_catalog.pg_inherits
        where inhparent = partitioned.partrelid and inhdetachpending limit 1) as "otherPending"
     from pg_catalog.pg_partitioned_table as partitioned
     left join pg_catalog.pg_inherits as own
       on own.inhparent = partitioned.partrelid and own.inhrelid = pg_catalog.to_regclass($2)::pg_catalog.oid
     where partitioned.partrelid = pg_catalog.to_regclass($1)::pg_catalog.oid`,
    [parent, partition],
  )
  return rows[0]
}

function halfDetached(error: unknown, partition: string): unknown {
  if (!isTenonError(error) || (error.code !== 'QUERY_CANCELED' && error.code !== 'TIMEOUT_STATEMENT')) return error
  return new TenonError({
    code: error.code,
    message: `detaching ${partition} was stopped before its end; it may be half detached`,
    hint: 'Call detachPartition() for it again, which finishes it.',
    sqlstate: error.sqlstate,
    cause: error,
  })
}
