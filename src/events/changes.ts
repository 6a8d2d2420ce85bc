/**
 * Which rows of a table were changed, read through an executor: what a policy hides from it is not told either.
 *
 * Stands on the SQL module `changes`, whose triggers tell keys and never values.
 */
import { createHash } from 'node:crypto'
import type { AliasableExpression, Expression, ExpressionBuilder, Kysely, Selectable, SqlBool } from 'kysely'
import { type Database, factsOf } from '../database/index.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import type { Executor } from '../kernel/executor.ts'
import { bound, cast, choose, constant, expressionOf, nodeOf, type Sql } from '../kernel/expressions.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { follow } from './subscribe.ts'
import { callGuarded, type Subscription, type SubscriptionOptions } from './subscription.ts'

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
   * Also tells of rows that the executor does not see, with their keys alone: deleted ones, and those that a policy hides. Without it no
   * delete is told, nor an update that takes a row out of sight: nobody can say any more whether it was visible. So a session of an end user
   * should not ask for them, and a screen should read its list again now and then.
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
  const parseKey = keyParser(table, as)
  const messages = follow(db, channelOf(table), following, (text) => readMessage(table, text))
  const waiting: Change<T>[] = []
  let isLeft = false
  const leave = async () => {
    isLeft = true
    await messages[Symbol.asyncDispose]()
  }
  const next = async (): Promise<IteratorResult<Change<T>, undefined>> => {
    for (;;) {
      // Changes of one message are several events: those that are left of it must not come after the end.
      if (isLeft || options.signal?.aborted === true) waiting.length = 0
      const change = waiting.shift()
      if (change !== undefined) return { done: false, value: change }
      const message = await messages.next()
      if (message.done === true) return { done: true, value: undefined }
      const { operation, keys } = message.value
      if (operation === 'truncate' || keys === undefined) callGuarded(options.onGap, { reason: 'bulk' })
      else if (operation !== 'delete' || hidden) waiting.push(...(await read(operation, keys)))
    }
  }
  /** The changes of one message; none where a stranger sent it. */
  const read = async (operation: Change<T>['operation'], keys: readonly KeyText[]): Promise<Change<T>[]> => {
    const found: Change<T>[] = []
    try {
      for (let i = 0; i < keys.length; i += keysAtOnce) {
        const some = keys.slice(i, i + keysAtOnce)
        const rows = operation === 'delete' ? new Map<number, Key>() : await readRows(as, table, some)
        some.forEach((texts, place) => {
          const row = rows.get(place)
          const key =
            row === undefined
              ? parseKey(texts)
              : Object.fromEntries(table.primaryKey.map((column) => [column, row[column]]))
          // The row and the key are of the table, whose type the caller gave.
          if (row !== undefined || hidden) found.push({ operation, key, row } as Change<T>)
        })
      }
    } catch (error) {
      if (isTenonError(error) && (error.code === 'QUERY_DATA' || error.code === 'EVENT_PAYLOAD')) {
        callGuarded(options.onInvalid, error)
        return found
      }
      // A loop that fails here does not leave by itself.
      await leave()
      throw error
    }
    return found
  }
  return {
    ready: messages.ready,
    next,
    return: async () => {
      await leave()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
    [Symbol.asyncDispose]: leave,
  }
}

type Key = Readonly<Record<string, unknown>>
/** Columns of a key in their order, as text that does not depend on anybody's settings. */
type KeyText = readonly string[]

/** One statement compares each of its rows with each of these. */
const keysAtOnce = 100

interface Message {
  readonly operation: 'insert' | 'update' | 'delete' | 'truncate'
  /** Undefined when there were too many. */
  readonly keys: readonly KeyText[] | undefined
}

/** As tenon.change_channel() names it. */
function channelOf({ schema, name }: TableMetadata): string {
  return `tenon_changes_${createHash('md5').update(`${schema}.${name}`).digest('hex')}`
}

/** Reads what tenon.tell_changes() tells; anybody else can send to the channel too. */
function readMessage({ key, primaryKey }: TableMetadata, text: string): Message {
  try {
    const { operation, keys } = JSON.parse(text) as { readonly operation: unknown; readonly keys?: unknown }
    if (!isOperation(operation)) throw new TypeError('no operation')
    if (keys === undefined) return { operation, keys }
    const isKey = (values: unknown) =>
      Array.isArray(values) && values.length === primaryKey.length && values.every((value) => typeof value === 'string')
    if (!Array.isArray(keys) || !keys.every(isKey)) throw new TypeError('other keys')
    return { operation, keys }
  } catch (cause) {
    throw new TenonError({
      code: 'EVENT_PAYLOAD',
      message: `what was told of changes of ${key} cannot be read`,
      hint: 'Generate the metadata and call tenon.watch_table() again after the key was changed.',
      cause,
    })
  }
}

/** Keys of rows that are not read: as rows would have them. */
function keyParser({ primaryKey, columns }: TableMetadata, as: Executor): (texts: KeyText) => Key {
  const { parserOf } = factsOf(as.getExecutor())
  const parsers = primaryKey.map((column) => {
    const { typeName = '', baseTypeName, array = false } = columns[column] ?? {}
    return [column, parserOf(baseTypeName ?? typeName, array)] as const
  })
  return (texts) => Object.fromEntries(parsers.map(([column, parse], i) => [column, parse(texts[i] as string)]))
}

const operations: ReadonlySet<unknown> = new Set(['insert', 'update', 'delete', 'truncate'])

function isOperation(value: unknown): value is Message['operation'] {
  return operations.has(value)
}

const placeName = 'tenonplace'

/** The rows that are seen, by the place of their key. The server compares: only it knows when two texts are one value. */
async function readRows(
  as: Executor,
  { key, primaryKey, columns }: TableMetadata,
  keys: readonly KeyText[],
): Promise<ReadonlyMap<number, Key>> {
  // Whatever runs queries is a Kysely; the table is known when the program runs, and the type of the result is the caller's.
  const untyped = as as unknown as Kysely<Record<string, Key>>
  const rows = await untyped
    .selectFrom(key)
    .selectAll()
    .select((eb) => placeOf(keys.map((texts) => eb.and(sameKey(eb, texts)))).as(placeName))
    .where((eb) => eb.or(keys.map((texts) => eb.and(sameKey(eb, texts)))))
    .execute()
  return new Map(rows.map(({ [placeName]: place, ...row }) => [Number(place), row]))

  function sameKey(eb: ExpressionBuilder<Record<string, Key>, string>, texts: KeyText) {
    return primaryKey.map((column, i) =>
      eb(column, '=', expressionOf(cast(bound(texts[i], 'text'), columns[column]?.type ?? 'text'))),
    )
  }
}

/** The place of the first condition that holds. */
function placeOf(conditions: readonly Expression<SqlBool>[]): AliasableExpression<number> {
  return expressionOf(
    conditions.reduceRight<Sql>(
      (otherwise, condition, i) => choose(nodeOf(condition), constant(i), otherwise),
      constant(null),
    ),
  )
}
