/**
 * Which rows of a table were changed, read through an executor: what a policy hides from it is not told either.
 *
 * Stands on the SQL module `changes`, whose triggers tell keys and never values.
 */
import { createHash } from 'node:crypto'
import type { Kysely, Selectable } from 'kysely'
import { type Database, factsOf } from '../database/index.ts'
import { TenonError } from '../kernel/errors.ts'
import type { Executor } from '../kernel/executor.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { follow } from './subscribe.ts'
import type { Subscription, SubscriptionOptions } from './subscription.ts'

/** A generated table: `tables.orders`. */
interface WatchedTable extends TableMetadata {
  readonly types?: { readonly table: unknown } | undefined
}

type RowOf<T extends WatchedTable> = Selectable<NonNullable<T['types']>['table']>
type KeyOf<T extends WatchedTable> = Pick<RowOf<T>, Extract<T['primaryKey'][number], keyof RowOf<T>>>

/** One row that was changed. */
export interface Change<T extends WatchedTable> {
  readonly operation: 'insert' | 'update' | 'delete'
  /** Its primary key. */
  readonly key: KeyOf<T>
  /** As it is now, not as that change left it; undefined where the executor does not see it (any more). */
  readonly row: RowOf<T> | undefined
}

/** How changes are followed. */
export interface ChangeOptions extends SubscriptionOptions {
  /** Who reads the rows: a session, or `db.service()`. */
  readonly as: Executor
  /**
   * Also tells of rows that the executor does not see, with their keys alone: deleted ones, and those that a policy hides. Nobody can say
   * whether a row that is gone was visible, so a session of an end user should not ask for them.
   */
  readonly hidden?: boolean | undefined
}

/**
 * Follows the changes of a table that `tenon.watch_table()` watches.
 *
 * What was changed while nobody listened is not told: read the state after `ready` and whenever `onGap` says so. Several changes of one row
 * can come as several events with the same, latest row.
 *
 * @throws {TenonError} OPTION_INVALID for a table without primary key; from the iteration what subscribing and reading throw
 * @example
 * ```ts
 * for await (const { operation, row } of changes(db, tables.orders, { as: me, signal })) render(operation, row)
 * ```
 * The SQL: `listen …` on a connection of its own, and through `as` for each statement that changed rows `select * from "orders" where …`
 */
export function changes<T extends WatchedTable, DB>(
  db: Database<DB>,
  table: T,
  options: ChangeOptions,
): Subscription<Change<T>> {
  const { as, hidden = false, ...following } = options
  if (table.primaryKey.length === 0)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `${table.key} has no primary key, so its rows cannot be told apart`,
      hint: 'Give it one, and let tenon.watch_table() watch it.',
    })
  const read = keyReader(table, as)
  const messages = follow(db, channelOf(table), following, (text) => read(text))
  const waiting: Change<T>[] = []
  const next = async (): Promise<IteratorResult<Change<T>, undefined>> => {
    for (;;) {
      const change = waiting.shift()
      if (change !== undefined) return { done: false, value: change }
      const message = await messages.next()
      if (message.done === true) return { done: true, value: undefined }
      const { operation, keys } = message.value
      if (operation === 'truncate' || keys === undefined) {
        options.onGap?.({ reason: 'bulk' })
        continue
      }
      const rows = operation === 'delete' && !hidden ? [] : await readRows(as, table, keys)
      keys.forEach((key, i) => {
        const row = rows[i]
        // The row and the key are of the table, whose type the caller gave.
        if (row !== undefined || hidden) waiting.push({ operation, key, row } as Change<T>)
      })
    }
  }
  return {
    ready: messages.ready,
    next,
    return: async () => {
      await messages[Symbol.asyncDispose]()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
    [Symbol.asyncDispose]: () => messages[Symbol.asyncDispose](),
  }
}

type Key = Readonly<Record<string, unknown>>

interface Message {
  readonly operation: 'insert' | 'update' | 'delete' | 'truncate'
  /** Undefined when there were too many. */
  readonly keys: readonly Key[] | undefined
}

/** As tenon.change_channel() names it. */
function channelOf({ schema, name }: TableMetadata): string {
  return `tenon_changes_${createHash('md5').update(`${schema}.${name}`).digest('hex')}`
}

/** Reads what tenon.tell_changes() tells; anybody else can send to the channel too. */
function keyReader({ key, primaryKey, columns }: TableMetadata, as: Executor): (text: string) => Message {
  const { parserOf } = factsOf(as.getExecutor())
  const parsers = primaryKey.map((column) => {
    const { typeName = '', baseTypeName, array = false } = columns[column] ?? {}
    return [column, parserOf(baseTypeName ?? typeName, array)] as const
  })
  return (text) => {
    try {
      const { operation, keys } = JSON.parse(text) as { readonly operation: unknown; readonly keys?: unknown }
      if (!isOperation(operation)) throw new TypeError('no operation')
      if (keys === undefined) return { operation, keys }
      const read = (values: readonly string[]) => {
        if (values.length !== parsers.length) throw new TypeError('another key')
        return Object.fromEntries(parsers.map(([column, parse], i) => [column, parse(values[i] as string)]))
      }
      return { operation, keys: (keys as readonly (readonly string[])[]).map(read) }
    } catch (cause) {
      throw new TenonError({
        code: 'EVENT_PAYLOAD',
        message: `what was told of changes of ${key} cannot be read`,
        hint: 'Generate the metadata and call tenon.watch_table() again after the key was changed.',
        cause,
      })
    }
  }
}

const operations: ReadonlySet<unknown> = new Set(['insert', 'update', 'delete', 'truncate'])

function isOperation(value: unknown): value is Message['operation'] {
  return operations.has(value)
}

/** The rows of keys, in their order; undefined for those that are not seen. */
async function readRows(as: Executor, table: TableMetadata, keys: readonly Key[]): Promise<readonly unknown[]> {
  // Whatever runs queries is a Kysely; the table is known when the program runs, and the type of the result is the caller's.
  const untyped = as as unknown as Kysely<Record<string, Key>>
  const rows = await untyped
    .selectFrom(table.key)
    .selectAll()
    .where((eb) => eb.or(keys.map((key) => eb.and(table.primaryKey.map((column) => eb(column, '=', key[column]))))))
    .execute()
  const identify = (key: Key) => JSON.stringify(table.primaryKey.map((column) => String(toPlain(key[column]))))
  const found = new Map(rows.map((row) => [identify(row), row]))
  return keys.map((key) => found.get(identify(key)))
}

const toPlain = (value: unknown): unknown => (value instanceof Date ? value.toISOString() : value)
