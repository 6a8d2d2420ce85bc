/**
 * What is told of a statement: Kysely's log, event for event as Kysely's own driver writes it, and the database's observer.
 *
 * Sessions and services have a driver of their own, which Kysely does not wrap; this does it instead. Owns nothing but that.
 */
import type { CompiledQuery, Log } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type Observer, tell } from '../kernel/observe.ts'
import type { StepResult } from './wire/unit.ts'

/** How a statement, or several of a batch, went. */
export interface Told {
  readonly role: string | undefined
  /** By the clock of `performance.now()`. */
  readonly started: number
  /** Undefined when it failed. */
  readonly results?: readonly StepResult[] | undefined
  readonly error?: unknown
}

/** Tells the observer. */
export function tellQuery(observe: Observer, queries: readonly CompiledQuery[], told: Told): void {
  const { role, started, results, error } = told
  tell(observe, {
    type: 'query',
    texts: queries.map((query) => query.sql),
    role,
    durationMs: performance.now() - started,
    rows: results?.reduce((sum, result) => sum + result.rows.length, 0) ?? 0,
    error: results !== undefined ? undefined : error instanceof TenonError ? error.code : 'UNKNOWN',
  })
}

/** Logs a statement that has ended. */
export async function logQuery(log: Log, query: CompiledQuery, { started, results, error }: Told): Promise<void> {
  if (results === undefined) await logError(log, query, error, started)
  else await logSuccess(log, query, started, false)
}

/** Runs a statement and logs it once it has ended. */
export async function withLog<T>(log: Log, query: CompiledQuery, run: () => Promise<T>): Promise<T> {
  const started = performance.now()
  let result: T
  try {
    result = await run()
  } catch (error) {
    await logError(log, query, error, started)
    throw error
  }
  await logSuccess(log, query, started, false)
  return result
}

/** Passes a stream on and logs it once it has ended, early or not. */
export async function* withStreamLog<T>(
  log: Log,
  query: CompiledQuery,
  stream: AsyncIterable<T>,
): AsyncIterableIterator<T> {
  const started = performance.now()
  let failed = false
  try {
    yield* stream
  } catch (error) {
    failed = true
    await logError(log, query, error, started)
    throw error
  } finally {
    if (!failed) await logSuccess(log, query, started, true)
  }
}

function logSuccess(log: Log, query: CompiledQuery, started: number, isStream: boolean): Promise<void> {
  return log.query(() => ({ level: 'query', isStream, query, queryDurationMillis: performance.now() - started }))
}

function logError(log: Log, query: CompiledQuery, error: unknown, started: number): Promise<void> {
  return log.error(() => ({ level: 'error', error, query, queryDurationMillis: performance.now() - started }))
}
