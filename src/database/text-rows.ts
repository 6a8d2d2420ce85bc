/**
 * Rows as PostgreSQL writes them: the text form of every value, exactly what COPY would give, without a JavaScript value in between.
 *
 * A query is marked with what reads it, and streamed as any other: through a portal, under the role and claims of its session.
 */
import { createQueryId, type RootOperationNode } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type Executor, executorOf, type RunOptions } from '../kernel/executor.ts'
import { ownerOf } from './executor.ts'
import { type TextReader, withTextReader } from './text-reader.ts'

/** How {@link streamTexts} reads. */
export interface StreamTextsOptions extends RunOptions {
  /** Rows in a chunk. */
  readonly chunkSize: number
  readonly reader: TextReader
}

/**
 * Runs a query and hands its rows to a reader, in chunks.
 *
 * @returns yields after each chunk; whoever waits there keeps the server waiting too
 * @throws {TenonError} OPTION_INVALID when the executor is none of this package: others do not show the text form
 */
export async function* streamTexts(
  executor: Executor,
  node: RootOperationNode,
  { chunkSize, reader, signal }: StreamTextsOptions,
): AsyncGenerator<void, void, undefined> {
  const own = executorOf(executor)
  const owner = ownerOf(own)
  if (owner === undefined || owner.mode === 'plain')
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'the executor does not show values in the text form of the server',
      hint: 'Pass a session, a transaction of one, or db.service().',
    })
  const queryId = createQueryId()
  const compiled = own.compileQuery(own.transformQuery(node, queryId), queryId)
  // There is nothing in the result that a plugin could transform.
  const chunks = own
    .withoutPlugins()
    .stream(withTextReader(compiled, reader), chunkSize, signal === undefined ? undefined : { signal })
  for await (const _ of chunks) yield
}
