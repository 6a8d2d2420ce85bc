/**
 * Batches: several un-executed builders in one transaction and one round trip, with the results each would have given alone.
 *
 * Owns which builders may take part (those of this session) and the shapes of their results.
 */
import {
  type CompiledQuery,
  DeleteResult,
  InsertResult,
  type Kysely,
  MergeResult,
  type QueryResult,
  type TransactionSettings,
  UpdateResult,
} from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { own } from './driver.ts'
import { type ExecutorOwner, observeCompile, type TenonExecutor } from './executor.ts'

/** A query builder of Kysely, not executed yet. */
export interface BatchQuery<R = unknown> {
  compile(...args: never[]): CompiledQuery
  execute(...args: never[]): Promise<R>
}

declare const firstRow: unique symbol

/** A query of which a batch returns the first row only. Made by {@link first}. */
export interface First<R> {
  readonly query: BatchQuery
  readonly [firstRow]: R
}

const firstQueries = new WeakSet<object>()

/**
 * Marks a query of a batch: its result is the first row, or undefined when there is none.
 *
 * @example
 * ```ts
 * const [project, tags] = await me.batch([
 *   first(me.selectFrom('projects').selectAll().where('id', '=', id)),
 *   me.selectFrom('tags').selectAll(),
 * ])
 * ```
 */
export function first<R>(query: BatchQuery<readonly R[]>): First<R> {
  const marked = { query }
  firstQueries.add(marked)
  // The symbol exists in the type only: it carries R from the builder to the tuple of results.
  return marked as unknown as First<R>
}

/** What one item of a batch gives. */
export type BatchResult<Item> =
  Item extends First<infer R> ? R | undefined : Item extends { execute(...args: never[]): Promise<infer R> } ? R : never

/** What a batch gives: one result per item, in order. */
export type BatchResults<Items extends readonly unknown[]> = { -readonly [K in keyof Items]: BatchResult<Items[K]> }

/** An item of a batch. */
export type BatchItem = BatchQuery | First<unknown>

interface Entry {
  readonly compiledQuery: CompiledQuery
  readonly executor: TenonExecutor
  readonly first: boolean
  /** `sql` gives its QueryResult, builders give rows. */
  readonly raw: boolean
}

/** By shape; a revoked proxy throws at the first look. */
function isQuery(query: unknown): query is BatchQuery {
  try {
    return typeof (query as BatchQuery | undefined)?.compile === 'function'
  } catch {
    return false
  }
}

/** Compiles the items, refusing any that is not of the owner's session. */
function compileItems(db: Kysely<unknown>, owner: ExecutorOwner, items: readonly BatchItem[]): Entry[] {
  if (!Array.isArray(items))
    throw new TenonError({
      code: 'SESSION_MISMATCH',
      message: 'batch() takes a list of queries',
      hint: 'Pass batch([q1, q2]).',
    })
  return items.map((item: BatchItem, index) => {
    const isFirst = firstQueries.has(item)
    const query = (isFirst ? (item as First<unknown>).query : item) as BatchQuery
    if (!isQuery(query)) {
      throw new TenonError({
        code: 'SESSION_MISMATCH',
        message: `item ${index} of the batch is not a query`,
        hint: 'Pass builders without calling execute().',
      })
    }
    // Builders ignore the argument; `sql` needs it to be compiled for this session.
    const compilation = observeCompile(() => (query.compile as (executor: unknown) => CompiledQuery)(db))
    if (compilation.executor === undefined || compilation.executor.owner !== owner) {
      throw new TenonError({
        code: 'SESSION_MISMATCH',
        message: `item ${index} of the batch was built by another session or Kysely instance`,
        hint: 'Build every query of a batch from the session that runs it.',
      })
    }
    return {
      compiledQuery: compilation.compiledQuery,
      executor: compilation.executor,
      first: isFirst,
      raw: 'isRawBuilder' in query,
    }
  })
}

/** Runs a batch on a session or transaction. */
export async function runBatch(
  db: Kysely<unknown>,
  owner: ExecutorOwner,
  items: readonly BatchItem[],
  settings: TransactionSettings,
): Promise<unknown[]> {
  const entries = compileItems(db, owner, items)
  const results = await db
    .getExecutor()
    .provideConnection(async (connection) => await own(connection).batch(entries, settings))
  return await Promise.all(
    entries.map(async (entry, i) =>
      present(
        entry,
        await entry.executor.transformResult(results[i] as QueryResult<unknown>, entry.compiledQuery.queryId),
      ),
    ),
  )
}

function present(entry: Entry, result: QueryResult<unknown>): unknown {
  if (entry.raw) return entry.first ? result.rows[0] : result
  const rows = rowsOf(entry.compiledQuery, result)
  return entry.first ? rows[0] : rows
}

/** Rows, or the counts a write without RETURNING gives in Kysely. */
function rowsOf({ query }: CompiledQuery, result: QueryResult<unknown>): unknown[] {
  const affected = result.numAffectedRows ?? 0n
  if (!('returning' in query) || query.returning === undefined) {
    if (query.kind === 'InsertQueryNode') return [new InsertResult(undefined, affected)]
    if (query.kind === 'UpdateQueryNode') return [new UpdateResult(affected, undefined)]
    if (query.kind === 'DeleteQueryNode') return [new DeleteResult(affected)]
    if (query.kind === 'MergeQueryNode') return [new MergeResult(affected)]
  }
  return result.rows
}
