/**
 * Sessions for reports: read-only, with time and memory of their own.
 *
 * All of it are settings in the context that a session sends anyway, so that a report stays one round trip.
 */
import type { Session } from '../database/index.ts'
import { TenonError } from '../kernel/errors.ts'

/** What a report may use. */
export interface ReportSessionOptions {
  /** Milliseconds a statement may take; 0 is no limit. Default: the session's own. */
  readonly timeoutMs?: number | undefined
  /** `work_mem`, which each sort and hash of each worker may take: `'256MB'`. */
  readonly workMem?: `${number}${'kB' | 'MB' | 'GB'}` | undefined
  /** `max_parallel_workers_per_gather`: 0 leaves the other processors to other queries. */
  readonly parallelWorkers?: number | undefined
  /** `jit`: seldom worth its time below seconds. */
  readonly jit?: boolean | undefined
  /** Default true; false leaves it as the session has it. A write is TRANSACTION_READ_ONLY, whoever attempts it: a function, a trigger, a CTE. */
  readonly readOnly?: boolean | undefined
}

/**
 * A session of the same role and claims for reports. A query of it is still one round trip, and `transaction`, `batch` and `stream` work as
 * they do in any session; no statement in them can make it writable again. A session that the program derives from it with other settings can be.
 *
 * @param session - whose rows it sees
 * @throws {TenonError} OPTION_INVALID when an option is out of range
 * @example
 * ```ts
 * const report = reportSession(me, { timeoutMs: 60_000, workMem: '256MB' })
 * const rows = await report.selectFrom('orders')…
 * ```
 * The SQL (in the statement that sets role and claims):
 * ```sql
 * … set_config('statement_timeout', '60000ms', true), set_config('work_mem', '256MB', true), set_config('transaction_read_only', 'on', true) …
 * ```
 */
export function reportSession<DB>(session: Session<DB>, options: ReportSessionOptions = {}): Session<DB> {
  const { timeoutMs, workMem, parallelWorkers, jit, readOnly = true } = options
  if (typeof (session as Partial<Session<DB>> | undefined)?.as !== 'function')
    throw invalid(
      'a report is made of a session',
      'Pass db.session({ role, claims }), not a transaction or the service.',
    )
  if (workMem !== undefined) checkMemory(workMem)
  if (
    parallelWorkers !== undefined &&
    !(Number.isInteger(parallelWorkers) && parallelWorkers >= 0 && parallelWorkers <= 1024)
  )
    throw invalid('parallelWorkers is no whole number from 0 to 1024', 'Pass 0 to use one processor.')
  for (const [name, value] of Object.entries({ jit, readOnly }))
    if (value !== undefined && typeof value !== 'boolean')
      throw invalid(`${name} is neither true nor false`, 'Leave it out.')
  return session.as({
    ...(timeoutMs === undefined ? {} : { statementTimeoutMs: timeoutMs }),
    settings: {
      ...(workMem === undefined ? {} : { work_mem: workMem }),
      ...(parallelWorkers === undefined ? {} : { max_parallel_workers_per_gather: String(parallelWorkers) }),
      ...(jit === undefined ? {} : { jit: jit ? 'on' : 'off' }),
      ...(readOnly ? { transaction_read_only: 'on' } : {}),
    },
  })
}

const kilobytes = { kB: 1, MB: 1_024, GB: 1_048_576 } as const

function checkMemory(workMem: string): void {
  const match = /^([1-9]\d{0,9})(kB|MB|GB)$/.exec(workMem)
  const size = Number(match?.[1]) * kilobytes[(match?.[2] ?? 'kB') as keyof typeof kilobytes]
  // PostgreSQL's own bounds.
  if (size >= 64 && size <= 2_147_483_647) return
  throw invalid('workMem is no amount of memory from 64kB to 2047GB', "Pass '64MB', for example.")
}

function invalid(message: string, hint: string): TenonError {
  return new TenonError({ code: 'OPTION_INVALID', message, hint })
}
