/**
 * Kysely's log around a statement, event for event as Kysely's own driver writes it.
 *
 * Sessions and services have a driver of their own, which Kysely does not wrap; this does it instead. Owns nothing but that.
 */
import type { CompiledQuery, Log } from 'kysely'

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
  await log.query(() => ({ level: 'query', isStream: false, query, queryDurationMillis: performance.now() - started }))
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
    if (!failed)
      await log.query(() => ({
        level: 'query',
        isStream: true,
        query,
        queryDurationMillis: performance.now() - started,
      }))
  }
}

function logError(log: Log, query: CompiledQuery, error: unknown, started: number): Promise<void> {
  return log.error(() => ({ level: 'error', error, query, queryDurationMillis: performance.now() - started }))
}
