/** What repositories have to know of the database behind an executor. */
import type { QueryExecutor } from 'kysely'
import { ownerOf } from './executor.ts'
import { parserByName } from './value-parsers.ts'
import type { TypeParser } from './wire/backend-messages.ts'

export interface ExecutorFacts {
  /** The parser of a type by name, as rows of this executor are read. */
  parserOf(typeName: string, array: boolean): TypeParser
  /** What cursors are signed with, the current one first; empty when none were given. */
  readonly cursorKeys: readonly string[]
  /** It can send COPY with rows behind it; PostgreSQL may refuse it. */
  readonly copies: boolean
}

const ofOthers: ExecutorFacts = { parserOf: parserByName, cursorKeys: [], copies: false }

/** The facts of a session, a transaction or a service; of any other Kysely those of pg. */
export function factsOf(executor: QueryExecutor): ExecutorFacts {
  const owner = ownerOf(executor)
  if (owner === undefined) return ofOthers
  const { parsers, cursorKeys, mode } = owner
  return {
    cursorKeys,
    copies: mode === 'service',
    parserOf: (name, array) => parsers?.byName(name, array) ?? parserByName(name, array),
  }
}
