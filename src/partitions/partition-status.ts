/** Says how a partitioned table stands, and what is wrong with it. */
import type { Executor, RunOptions } from '../kernel/executor.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import { callModule } from './module-call.ts'
import type { NamedTable } from './partition-error.ts'

/** One partition. */
export interface PartitionState {
  readonly schema: string
  readonly name: string
  /** As PostgreSQL writes it: `FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')`. */
  readonly bound: string
  /** First value and first after the last, of ranges of one time or number; times are `2026-01-01 00:00:00+00`, whatever the type. Null is without end. */
  readonly from: string | null
  readonly to: string | null
  readonly isDefault: boolean
  /** A DETACH CONCURRENTLY was interrupted: `detachPartition` finishes it. */
  readonly detachPending: boolean
  /** PostgreSQL's estimate; null before the first ANALYZE. */
  readonly rows: number | null
  /** With indexes and what is stored out of line. */
  readonly bytes: number
  /** Of it and of all partitions that it has in turn. */
  readonly rowSecurity: boolean
  /** Roles that reach its rows past the parent: by a grant on it, on a column, or on a partition of its own. */
  readonly grantedTo: readonly string[]
}

/** Something that wants doing. */
export interface PartitionWarning {
  readonly code:
    | 'default rows'
    | 'not covered'
    | 'ends soon'
    | 'gap'
    | 'row security'
    | 'grants'
    | 'detach pending'
    | 'drop pending'
    | 'attach pending'
    | 'no partitions'
  readonly message: string
  readonly hint: string
}

/** What {@link partitionStatus} gives. */
export interface PartitionStatus {
  readonly strategy: 'range' | 'list' | 'hash'
  /** `RANGE (at)` */
  readonly key: string
  /** Of ranges over one column of such a type. */
  readonly kind: 'time' | 'number' | null
  readonly managedBy: 'pg_partman' | null
  /** In the order of their bounds; the default partition last. */
  readonly partitions: readonly PartitionState[]
  /** Rows in the default partition, counted up to 100,000; null when there is none. */
  readonly defaultRows: number | null
  readonly defaultRowsCapped: boolean
  /** Between ranges: rows of these have no partition but the default one. */
  readonly gaps: readonly { readonly from: string; readonly to: string }[]
  /** Tables that {@link retainPartitions} has detached, and not dropped yet: it does so the next time. */
  readonly dropPending: readonly { readonly schema: string; readonly name: string; readonly to: string }[]
  /**
   * Tables with a CHECK constraint `tenon_attach_check`, which {@link attachPartition} has left when it was killed, and nobody at work on
   * them. The default partition among them refuses rows until the constraint goes.
   */
  readonly attachPending: readonly { readonly schema: string; readonly name: string }[]
  /** Up to where there are ranges without a gap, from now on: `2027-03-01 00:00:00+00`, or `infinity`; for numbers, where the last range ends. The next one has to be there by then. */
  readonly coveredUntil: string | null
  /** Whether now has a partition; of a hash, whether every row has one. Null where the key is a number, or of a list. */
  readonly covered: boolean | null
  readonly rowSecurity: boolean
  /** Empty when all is well. */
  readonly warnings: readonly PartitionWarning[]
}

/** Options of {@link partitionStatus}. */
export interface PartitionStatusOptions extends RunOptions {
  /** Warns when ranges of time end before this many hours have passed. Default 24. */
  readonly soonHours?: number | undefined
}

/**
 * Says which partitions a table has, how large they are, what is missing and what is wrong.
 *
 * @param service - of the owner: `db.service(…)`, or a transaction of it
 * @param table - of the generated metadata.ts: `tables.events`
 * @throws {TenonError} PARTITION_KIND when it is not partitioned; QUERY_UNDEFINED_OBJECT when the SQL module is not applied
 * @example
 * ```ts
 * const { warnings, coveredUntil } = await partitionStatus(service, tables.events)
 * for (const { message, hint } of warnings) alert(message, hint)
 * ```
 * The SQL:
 * ```sql
 * select tenon.partition_status('public.events')
 * ```
 */
export async function partitionStatus(
  service: Executor,
  table: NamedTable,
  { signal, soonHours = 24 }: PartitionStatusOptions = {},
): Promise<PartitionStatus> {
  const [found] = await callModule<Omit<PartitionStatus, 'warnings'>>(service, 'partition_status', table, [], {
    signal,
  })
  // The function returns one row, or raises.
  const status = found as Omit<PartitionStatus, 'warnings'>
  return { ...status, warnings: warningsOf(status, `${table.schema}.${table.name}`, soonHours) }
}

function warningsOf(status: Omit<PartitionStatus, 'warnings'>, table: string, soonHours: number): PartitionWarning[] {
  const warnings: PartitionWarning[] = []
  const warn = (code: PartitionWarning['code'], message: string, hint: string) => warnings.push({ code, message, hint })
  const { partitions, defaultRows, defaultRowsCapped, strategy, managedBy } = status
  const create = managedBy === null ? 'createPartitions()' : 'runPartman()'
  if (partitions.length === 0) warn('no partitions', `${table} has no partition: every INSERT fails`, 'Make some.')
  if (defaultRows !== null && defaultRows > 0)
    warn(
      'default rows',
      `${defaultRows}${defaultRowsCapped ? ' rows or more' : defaultRows === 1 ? ' row' : ' rows'} in the default partition of ${table}`,
      strategy === 'list'
        ? 'They keep a partition for their values from being made: createListPartition({ fromDefault: true }) moves them.'
        : 'They keep their partition from being made: drainDefault() moves them.',
    )
  if (strategy === 'hash') {
    if (status.covered === false && partitions.length > 0)
      warn(
        'not covered',
        `${table} lacks a partition of its hash: INSERT fails for a part of the rows`,
        'createHashPartitions() makes what is missing; a table that has its name is in the way.',
      )
  } else if (status.covered === false)
    warn('not covered', `${table} has no partition for now`, `Call ${create} from a timer.`)
  else if (status.kind === 'time' && status.coveredUntil !== null && status.coveredUntil !== 'infinity') {
    // '2027-03-01 00:00:00+00' is not of the form that JavaScript promises to read.
    const end = Date.parse(status.coveredUntil.replace(' ', 'T').replace(/\+00$/, 'Z'))
    if (end - Date.now() < soonHours * 3_600_000)
      warn('ends soon', `${table} has partitions until ${status.coveredUntil} only`, `Call ${create} from a timer.`)
  }
  for (const { from, to } of status.gaps)
    warn('gap', `${table} has no partition from ${from} to ${to}`, 'createPartitions({ since }) makes what is missing.')
  for (const { schema, name } of status.dropPending)
    warn(
      'drop pending',
      `${schema}.${name} was detached from ${table} to be dropped, and is still there`,
      'retainPartitions() drops it the next time; with { keep: true } it stays.',
    )
  for (const { schema, name } of status.attachPending) {
    const isDefault = partitions.some(
      (partition) => partition.isDefault && partition.schema === schema && partition.name === name,
    )
    warn(
      'attach pending',
      isDefault
        ? `attaching a table to ${table} was interrupted, and its default partition refuses rows since`
        : `attaching ${schema}.${name} to ${table} was interrupted`,
      `attachPartition() of the same table finishes it; alter table ${quoteQualified(schema, name)} drop constraint tenon_attach_check gives it up.`,
    )
  }
  for (const { schema, name, detachPending, rowSecurity, grantedTo } of partitions) {
    const partition = `${schema}.${name}`
    if (detachPending)
      warn('detach pending', `${partition} is half detached`, 'detachPartition() of the same partition finishes it.')
    if (status.rowSecurity && !rowSecurity)
      warn(
        'row security',
        `${partition}, or a partition of it, has no row security, and ${table} has`,
        'alter table … enable row level security',
      )
    if (grantedTo.length > 0)
      warn(
        'grants',
        `${grantedTo.join(', ')} may reach ${partition} past the policies of ${table}`,
        'revoke all on table … from …: rows are reached through the parent.',
      )
  }
  return warnings
}
