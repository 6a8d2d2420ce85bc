/** The methods that insert: one row, any number, and where a row may be there already. */
import type { QueryResult } from 'kysely'
import { isJsonPatch } from '../jsonb/index.ts'
import { ownOperator } from '../kernel/comparison.ts'
import { NotFoundError } from '../kernel/errors.ts'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { binary, isNull, parameter } from '../kernel/expressions.ts'
import { columnOf, plainValue, type Qualifier, reference, refuse } from './columns.ts'
import { insertTree, planTree, splitTree } from './insert-tree.ts'
import { byColumns, inChunks, inTransaction } from './many-rows.ts'
import { type Row, readRows } from './read-rows.ts'
import { readSelect } from './relations.ts'
import type { Loose, RepositoryCore } from './repository-core.ts'
import { RowWriter } from './row-writer.ts'
import {
  type Conflict,
  insertedName,
  insertManyNode,
  insertNode,
  keyText,
  type Values,
  withConflict,
  writtenColumns,
} from './write-rows.ts'

type Options = Loose & RunOptions

export function createInsertMethods(core: RepositoryCore) {
  const { table } = core
  return {
    async insert(executor: Executor, values: Values, options: Options = {}): Promise<Row> {
      const select = core.returning(options)
      const tree = splitTree(table, values)
      const checked = core.validated(tree.values, 'insert')
      if (tree.nested.length > 0)
        return (await insertTree(executor, planTree(table, { ...tree, values: checked }), select, options)) ?? {}
      const { rows } = await insertRow(core, executor, checked, select, options)
      // A trigger or rule may leave the row out.
      return rows[0] ?? {}
    },

    async insertMany(
      executor: Executor,
      rows: Iterable<Values> | AsyncIterable<Values>,
      options: Options & { readonly onProgress?: (progress: { readonly inserted: number }) => void } = {},
    ): Promise<number> {
      const { chunkSize = 10_000, onProgress } = options
      if (typeof chunkSize !== 'number' || !Number.isInteger(chunkSize) || chunkSize < 1)
        return refuse(table, 'chunkSize is no number of rows', 'Pass chunkSize: 10_000.')
      if (typeof rows !== 'object' || rows === null)
        return refuse(table, 'insertMany takes no list of rows', 'Pass an array, or anything that can be iterated.')
      const chunks = inChunks(rows, chunkSize, (row, i) => {
        // What the rows come from may take its time.
        options.signal?.throwIfAborted()
        return core.validated(row, 'insert', [i])
      })
      const writer = new RowWriter(table, options, onProgress)
      try {
        const first = await chunks.next()
        if (first.done === true) return 0
        await writer.begin(executor, first.value.length)
        const second = await chunks.next()
        const ready = second.done === true ? writer.ready(first.value) : []
        // One statement is a transaction by itself.
        if (ready.length === 1) await writer.send(executor, ready)
        else
          await inTransaction(table, executor, async (trx) => {
            const left = async function* () {
              yield first.value
              if (second.done !== true) yield second.value
              yield* chunks
            }
            await writer.writeAll(trx, left())
          })
        return writer.inserted
      } finally {
        // Closes what the rows come from, after a failure too.
        await chunks.return(undefined)
      }
    },

    async upsert(executor: Executor, given: Values, options: Options = {}) {
      const values = core.validated(given, 'insert')
      const select = core.returning(options)
      const conflict = conflictOf(core, writtenColumns(table, [values], 'insertable'), options)
      const node = withConflict(table, insertNode(table, values, []), conflict, select)
      const { rows } = await runQuery<Row>(executor, node, options)
      const [row] = rows
      if (row === undefined) {
        return {
          action: 'unchanged',
          row: select.length === 0 ? {} : await unchangedRow(core, executor, values, conflict, select, options),
        }
      }
      const { inserted, rest } = takeFlag(row, insertedName(table))
      return { action: inserted ? 'inserted' : 'updated', row: rest }
    },

    async upsertMany(executor: Executor, given: readonly Values[], options: Options = {}) {
      const select = core.returning(options)
      const values = given.map((row, i) => core.validated(row, 'insert', [i]))
      const [group, ...others] = byColumns(table, values)
      if (group === undefined) return { inserted: [], updated: [], unchanged: 0 }
      if (others.length > 0)
        return refuse(table, 'rows of an upsert give values for different columns', 'Give the same columns in each.')
      const conflict = conflictOf(core, group.columns, options)
      const seen = new Map<string, number>()
      for (const [i, row] of values.entries()) {
        const key = JSON.stringify(conflict.on.map((column) => keyText(row[column])))
        const other = seen.get(key)
        if (other !== undefined)
          return refuse(table, `rows ${other} and ${i} have the same key`, 'Keep the last of them.')
        seen.set(key, i)
      }
      const node = withConflict(table, insertManyNode(table, group.columns, values, []), conflict, select)
      const { rows } = await runQuery<Row>(executor, node, options)
      const flagged = rows.map((row) => takeFlag(row, insertedName(table)))
      const inserted = flagged.flatMap((each) => (each.inserted ? [each.rest] : []))
      const updated = flagged.flatMap((each) => (each.inserted ? [] : [each.rest]))
      return { inserted, updated, unchanged: values.length - rows.length }
    },
  }
}

/** One row: compiled once for its columns, unless what it gives for one of them is SQL. */
async function insertRow(
  { table, shapes }: RepositoryCore,
  executor: Executor,
  values: Values,
  select: readonly string[],
  options: RunOptions,
): Promise<QueryResult<Row>> {
  const columns = writtenColumns(table, [values], 'insertable')
  if (columns.some((column) => isJsonPatch(values[column])))
    return await runQuery<Row>(executor, insertNode(table, values, select), options)
  const parameters = columns.map((column) => plainValue(table, column, values[column]))
  const shape = JSON.stringify(['insert', columns, select])
  return await shapes.run<Row>(executor, shape, parameters, () => insertNode(table, values, select), options)
}

/** The row that was there, and stays as it is. */
async function unchangedRow(
  core: RepositoryCore,
  executor: Executor,
  values: Values,
  { on }: Conflict,
  select: readonly string[],
  options: RunOptions,
): Promise<Row> {
  const { table } = core
  const isThere = (qualifier: Qualifier) =>
    on.map((key) => {
      const column = reference(table, key, qualifier)
      // Where nulls are not distinct, null is a key like any other.
      const same = ownOperator(columnOf(table, key), '=')
      return values[key] === null
        ? isNull(column)
        : binary(column, same, parameter(plainValue(table, key, values[key])))
    })
  const [row] = await readRows(executor, core.reading({ select, withDeleted: true }, isThere), options)
  if (row !== undefined) return row
  throw new NotFoundError({ table: table.name })
}

function conflictOf(core: RepositoryCore, columns: readonly string[], options: Loose): Conflict {
  const { table } = core
  const on = options['on'] === undefined ? table.primaryKey : readSelect(table, options['on'])
  const keys = [table.primaryKey, ...table.uniqueKeys.map((key) => key.columns)]
  if (on.length === 0 || !keys.some((key) => key.length === on.length && key.every((column) => on.includes(column))))
    return refuse(
      table,
      'upsert conflicts on what is no key of it',
      `Keys: ${keys.flatMap((key) => (key.length === 0 ? [] : key.join(' and '))).join('; ') || 'none'}.`,
    )
  const missing = on.find((column) => !columns.includes(column))
  if (missing !== undefined)
    return refuse(table, `upsert has no value for ${missing} of its key`, 'Give one, or pass another key as on.')
  const wanted =
    (options['update'] as readonly string[] | undefined) ??
    columns.filter((column) => !on.includes(column) && table.columns[column]?.updatable !== false)
  // A version is counted and not given.
  const update = [...new Set(wanted)].filter((column) => column !== core.version)
  for (const column of update) {
    if (columnOf(table, column).updatable === false)
      return refuse(table, `${column} takes no value here`, 'It is generated: leave it out of update.')
    if (!columns.includes(column))
      return refuse(table, `upsert sets ${column} and gives no value for it`, 'Give one, or leave it out of update.')
  }
  return { on, update, increment: update.length === 0 ? undefined : core.version }
}

function takeFlag(row: Row, name: string): { readonly inserted: boolean; readonly rest: Row } {
  const inserted = row[name] === true
  delete row[name]
  return { inserted, rest: row }
}
