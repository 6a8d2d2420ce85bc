/**
 * Results as CSV files: read through a portal under the session's own policies, with bound values, as fast as the other end takes them.
 *
 * COPY (query) TO takes no parameters, so values would have to be written into its text; this gives the same bytes without it.
 */
import type { SelectQueryBuilder } from 'kysely'
import { streamTexts } from '../database/index.ts'
import { TenonError } from '../kernel/errors.ts'
import type { Executor } from '../kernel/executor.ts'
import { type CsvFormat, CsvWriter } from './csv-writer.ts'

/** How far an export is. */
export interface CsvProgress {
  readonly rows: number
  readonly bytes: number
}

/** Options of {@link streamCsv}. */
export interface StreamCsvOptions extends CsvFormat {
  /** Rows fetched at a time: all that is held in memory. Default 2,000. */
  readonly chunkSize?: number | undefined
  /** Called after every chunk. */
  readonly onProgress?: ((progress: CsvProgress) => void) | undefined
  /** Ends the export, and what the server does for it. */
  readonly signal?: AbortSignal | undefined
}

/** A query whose rows are exported. */
export type ExportedQuery = Pick<SelectQueryBuilder<never, never, object>, 'toOperationNode'>

/** What takes the bytes: a stream of the web, of Node (a file, a response), or of another library that writes and destroys like them. */
export type CsvTarget = WritableStream<Uint8Array> | NodeTarget

/** The part of Node's Writable that is used. */
export interface NodeTarget {
  write(chunk: Uint8Array, callback: (error?: Error | null) => void): boolean
  end(callback: () => void): unknown
  destroy(error?: Error): unknown
  once(event: 'error' | 'close', listener: (error?: Error) => void): unknown
  off(event: 'error' | 'close', listener: (error?: Error) => void): unknown
}

/** Options of {@link exportCsv}. */
export interface ExportCsvOptions extends StreamCsvOptions {
  readonly to: CsvTarget
}

const defaultChunkSize = 2_000

/**
 * A result as CSV, in chunks of bytes. It is whole only when the loop ends without an error.
 *
 * Values are as COPY writes them, to the byte: times with microseconds in the session's time zone, `t` and `f`, `{1,2}`, `\x00ff`.
 *
 * @param executor - a session, a transaction of one, or `db.service()`
 * @param query - built, not executed; it can be any that returns rows
 * @returns chunks of UTF-8, of whole lines each; at least one, with the header
 * @throws {TenonError} OPTION_INVALID when an option is none, or what the query throws
 * @example
 * ```ts
 * return new Response(ReadableStream.from(streamCsv(me, me.selectFrom('orders').selectAll())), { headers: { 'content-type': 'text/csv' } })
 * ```
 * The SQL is the query's own, read through a portal.
 */
export async function* streamCsv(
  executor: Executor,
  query: ExportedQuery,
  options: StreamCsvOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { chunkSize = defaultChunkSize, onProgress, signal, ...format } = options
  if (!Number.isInteger(chunkSize) || chunkSize < 1 || chunkSize > 1_000_000)
    throw invalid('chunkSize is no whole number from 1 to 1000000', 'Leave it out for 2,000 rows.')
  const writer = new CsvWriter(format)
  let bytes = 0
  for await (const _ of streamTexts(executor, query.toOperationNode(), { chunkSize, reader: writer, signal })) {
    const chunk = writer.take()
    bytes += chunk.length
    if (chunk.length > 0) yield chunk
    onProgress?.({ rows: writer.rows, bytes })
  }
}

/**
 * Writes a result as CSV and closes what it is written to. When anything fails, the target is destroyed with the error instead: half a file
 * never looks like a whole one to whoever waits for the target.
 *
 * @returns rows, without the header, and bytes, once the target has taken all of them
 * @throws {TenonError} as {@link streamCsv} does, or what the target fails with
 * @example
 * ```ts
 * const { rows } = await exportCsv(me, me.selectFrom('orders').selectAll(), { to: createWriteStream('orders.csv'), onProgress: ({ rows }) => bar.update(rows) })
 * ```
 */
export async function exportCsv(
  executor: Executor,
  query: ExportedQuery,
  options: ExportCsvOptions,
): Promise<CsvProgress> {
  const { to, onProgress, ...rest } = options
  const sink = 'getWriter' in to ? webSink(to) : nodeSink(to)
  let progress: CsvProgress = { rows: 0, bytes: 0 }
  try {
    const chunks = streamCsv(executor, query, {
      ...rest,
      onProgress(now) {
        progress = now
        onProgress?.(now)
      },
    })
    for await (const chunk of chunks) await unlessAborted(rest.signal, sink.write(chunk))
    rest.signal?.throwIfAborted()
    await unlessAborted(rest.signal, sink.close())
  } catch (error) {
    await sink.abort(error)
    throw error
  }
  return progress
}

interface Sink {
  write(chunk: Uint8Array): Promise<void>
  close(): Promise<void>
  abort(error: unknown): Promise<void>
}

function webSink(stream: WritableStream<Uint8Array>): Sink {
  const writer = stream.getWriter()
  return {
    async write(chunk) {
      await writer.ready
      await writer.write(chunk)
    },
    close: () => writer.close(),
    // Its own failure is the one that led here, or nobody's news; and it waits for a write that may never end.
    async abort(error) {
      void writer.abort(error).catch(() => {})
    },
  }
}

function nodeSink(stream: NodeTarget): Sink {
  // A target that breaks or is closed between two writes would keep the next one waiting for ever.
  let failure: Error | undefined
  let fail: (error: Error) => void = () => {}
  const onError = (error?: Error): void => {
    failure ??= error ?? closedEarly()
    fail(failure)
  }
  stream.once('error', onError)
  stream.once('close', onError)
  const settle = (start: (done: (error?: Error | null) => void) => void): Promise<void> =>
    new Promise<void>((resolve, reject) => {
      if (failure !== undefined) return reject(failure)
      fail = reject
      start((error) => (error ? reject(error) : resolve()))
    })
  return {
    write: (chunk) => settle((done) => void stream.write(chunk, done)),
    async close() {
      await settle((done) => void stream.end(() => done()))
      stream.off('close', onError)
      stream.off('error', onError)
    },
    async abort(error) {
      stream.off('close', onError)
      if (failure === undefined) stream.destroy(error instanceof Error ? error : new Error('the export failed'))
    },
  }
}

/** A target that stalls must not hold the connection after the signal. */
async function unlessAborted(signal: AbortSignal | undefined, work: Promise<void>): Promise<void> {
  if (signal === undefined) return await work
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  // Whichever comes second is nobody's news.
  work.catch(() => {})
  aborted.promise.catch(() => {})
  try {
    signal.throwIfAborted()
    await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function closedEarly(): TenonError {
  return invalid('the target was closed before the export ended', 'Leave closing it to exportCsv().')
}

function invalid(message: string, hint: string): TenonError {
  return new TenonError({ code: 'OPTION_INVALID', message, hint })
}
