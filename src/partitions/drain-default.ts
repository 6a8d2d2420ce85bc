/** Moves rows of the default partition where they belong: long work in short transactions. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isTenonError } from '../kernel/errors.ts'
import type { Executor, RunOptions } from '../kernel/executor.ts'
import { bound } from '../kernel/expressions.ts'
import { type PartitionStep, stepOf } from './create-partitions.ts'
import { callModule } from './module-call.ts'
import { type NamedTable, partitionError } from './partition-error.ts'

/** Where the work stands after a batch. */
export interface DrainProgress {
  /** The partition that the batch went into. */
  readonly partition: string
  /** Rows of the batch. */
  readonly moved: number
  /** Rows so far, of this call. */
  readonly total: number
}

/** Options of {@link drainDefault}. */
export type DrainDefaultOptions = PartitionStep &
  RunOptions & {
    /** Rows of a batch. Default 10,000. The table is locked for as long as one takes, which includes looking through the default partition. */
    readonly batch?: number | undefined
    readonly onProgress?: ((progress: DrainProgress) => void) | undefined
    /** How often a batch that did not get its lock within 3 s is tried again. Default 5. */
    readonly lockRetries?: number | undefined
  }

/** What {@link drainDefault} did. */
export interface DrainResult {
  readonly moved: number
  /** Names of the partitions that took rows. */
  readonly partitions: readonly string[]
  /** Rows that stay in the default partition: their key is null or infinite. */
  readonly left: number
}

// The first pause lets the queries that queued up behind the lock drain.
const firstPauseMs = 500

/**
 * Moves the rows of the default partition into the partitions of their intervals, which it makes. Of tables by time or number.
 *
 * Each batch is a transaction of its own: at any moment every row is in sight, once. A partition that was begun ends where the last
 * batch did; calling again goes on from there, after a signal as after a crash. Until it is whole it has CHECK constraints named
 * `tenon_drain_…`, which spare the batches from looking through it. Triggers do not fire for moved rows.
 *
 * @param service - of the owner: `db.service(…)`; not a transaction, which would keep the locks of all batches
 * @param table - of the generated metadata.ts: `tables.events`
 * @throws {TenonError} PARTITION_CONFLICT when foreign keys reference the table; TIMEOUT_LOCK when a lock could not be had;
 *   PARTITION_KIND, PARTITION_MANAGED or OPTION_INVALID; what `signal` says when it was aborted
 * @example
 * ```ts
 * await drainDefault(service, tables.events, { unit: 'month', batch: 20_000, onProgress: ({ total }) => report(total) })
 * ```
 * The SQL, until nothing is left:
 * ```sql
 * select * from tenon.drain_default('public.events', 'month', null, 20000)
 * ```
 */
export async function drainDefault(
  service: Executor,
  table: NamedTable,
  options: DrainDefaultOptions,
): Promise<DrainResult> {
  const { batch = 10_000, onProgress, signal, lockRetries = 5 } = options
  const [unit, width] = stepOf(table, options)
  if (!Number.isInteger(batch) || batch < 1 || batch > 2 ** 31 - 1 || !Number.isInteger(lockRetries) || lockRetries < 0)
    throw partitionError(
      'OPTION_INVALID',
      table,
      'cannot be drained so',
      'batch is 1 or more rows, lockRetries 0 or more.',
    )
  if (service.isTransaction === true)
    throw partitionError(
      'OPTION_INVALID',
      table,
      'is drained in transactions of its own',
      'Pass db.service(…) itself: in one transaction the locks of every batch would stay until its end.',
    )
  const parameters = [bound(unit ?? null, 'text'), bound(width ?? null, 'int8'), bound(batch, 'int4')]
  const partitions = new Set<string>()
  let moved = 0
  let tries = 0
  for (;;) {
    signal?.throwIfAborted()
    let step: Step | undefined
    try {
      ;[step] = await callModule<Step>(service, 'drain_default', table, parameters, { signal })
      tries = 0
    } catch (error) {
      if (!isTenonError(error) || !lockCodes.includes(error.code) || ++tries > lockRetries) throw error
      await sleep(firstPauseMs * 2 ** (tries - 1), undefined, { signal })
      continue
    }
    if (step === undefined) break
    moved += step.moved
    partitions.add(step.partition_name)
    onProgress?.({ partition: step.partition_name, moved: step.moved, total: moved })
    if (!step.more) break
  }
  const [left = 0] = await callModule<number>(service, 'default_partition_rows', table, [], { signal })
  return { moved, partitions: [...partitions], left }
}

const lockCodes: readonly string[] = ['TIMEOUT_LOCK', 'TRANSACTION_DEADLOCK']

interface Step {
  readonly partition_name: string
  readonly moved: number
  readonly more: boolean
}
