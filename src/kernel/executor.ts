/** What runs queries: a session, a transaction, a service, or any Kysely. */
import { createQueryId, type QueryExecutor, type QueryResult, type RootOperationNode } from 'kysely'
import { TenonError } from './errors.ts'

/** Anything that runs queries: a session, `db.service()`, a transaction of either, or a Kysely of another dialect of PostgreSQL. */
export interface Executor {
  getExecutor(): QueryExecutor
  /** Whether it is a transaction; Kysely's own say so. */
  readonly isTransaction?: boolean
}

/** What compiles and runs its queries. @throws {TenonError} OPTION_INVALID when it is none: most often it was forgotten */
export function executorOf(executor: Executor): QueryExecutor {
  if (typeof (executor as Partial<Executor> | undefined)?.getExecutor === 'function') return executor.getExecutor()
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'the first argument runs no queries',
    hint: 'Pass a session, a transaction or db.service() first.',
  })
}

/** How a query is run. */
export interface RunOptions {
  /** Ends the waiting, and asks the server to stop. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs one query through the executor's plugins.
 *
 * @param parameters - in place of those that the query holds
 */
export async function runQuery<Row>(
  executor: Executor,
  node: RootOperationNode,
  { signal }: RunOptions = {},
  parameters?: readonly unknown[],
): Promise<QueryResult<Row>> {
  const own = executorOf(executor)
  const queryId = createQueryId()
  const query = own.compileQuery(own.transformQuery(node, queryId), queryId)
  const compiled = parameters === undefined ? query : { ...query, parameters }
  return await own.executeQuery<Row>(compiled, signal === undefined ? undefined : { signal })
}

/** Runs one query and gives its rows as they arrive. */
export async function* streamQuery<Row>(
  executor: Executor,
  node: RootOperationNode,
  chunkSize: number,
  { signal }: RunOptions = {},
): AsyncGenerator<Row> {
  const own = executorOf(executor)
  const queryId = createQueryId()
  const compiled = own.compileQuery(own.transformQuery(node, queryId), queryId)
  for await (const { rows } of own.stream<Row>(compiled, chunkSize, signal === undefined ? undefined : { signal }))
    yield* rows
}
