/** The mark on a query whose rows are read as text: the driver finds on it what reads them. */
import type { CompiledQuery } from 'kysely'
import type { RowReader } from './wire/backend-messages.ts'

/** What reads a result in the text form of the server. */
export interface TextReader extends RowReader {
  /** The names of the columns: after the first chunk, so that they are known where there are no rows, too. */
  columns(names: readonly string[]): void
}

/** Kysely hands the object of a query on as it is. */
const readerKey = Symbol('reader')

/** The query, to be read by a reader. */
export function withTextReader(compiledQuery: CompiledQuery, reader: TextReader): CompiledQuery {
  return { ...compiledQuery, [readerKey]: reader } as CompiledQuery
}

/** The reader of a query that was marked with one. */
export function textReaderOf(compiledQuery: CompiledQuery): TextReader | undefined {
  return (compiledQuery as { readonly [readerKey]?: TextReader })[readerKey]
}
