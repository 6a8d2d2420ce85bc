/**
 * Kysely's log around a connection, event for event as Kysely's own driver writes it.
 *
 * Sessions have a driver of their own, which Kysely does not wrap; this does it instead. Owns nothing but that.
 */
import type { CompiledQuery, Log, QueryResult } from 'kysely'
import type { TenonConnection } from './connection.ts'

/** Wraps a connection's methods so that each statement is logged once it has ended. */
export function addLogging(connection: TenonConnection, log: Log): void {
  const { executeQuery, streamQuery } = connection
  connection.executeQuery = async <R>(query: CompiledQuery): Promise<QueryResult<R>> => {
    const started = performance.now()
    let result: QueryResult<R>
    try {
      result = (await executeQuery.call(connection, query)) as QueryResult<R>
    } catch (error) {
      await logError(log, query, error, started)
      throw error
    }
    await log.query(() => ({
      level: 'query',
      isStream: false,
      query,
      queryDurationMillis: performance.now() - started,
    }))
    return result
  }
  connection.streamQuery = async function* <R>(
    query: CompiledQuery,
    chunkSize: number,
    options?: { readonly signal?: AbortSignal },
  ) {
    const started = performance.now()
    let failed = false
    try {
      yield* streamQuery.call(connection, query, chunkSize, options) as AsyncIterable<QueryResult<R>>
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
}

function logError(log: Log, query: CompiledQuery, error: unknown, started: number): Promise<void> {
  return log.error(() => ({ level: 'error', error, query, queryDurationMillis: performance.now() - started }))
}
