/** Rows of many keys in one query, and loaders, which gather keys for it. */
import {
  AliasNode,
  ColumnNode,
  IdentifierNode,
  JoinNode,
  OnNode,
  ReferenceNode,
  SelectQueryNode,
  TableNode,
} from 'kysely'
import { ownOperator } from '../kernel/comparison.ts'
import { isTenonError } from '../kernel/errors.ts'
import type { Executor, RunOptions } from '../kernel/executor.ts'
import { aliased, all, binary, bound, call, constant } from '../kernel/expressions.ts'
import { arrayTypeOf } from './array-values.ts'
import { columnOf, freeName, plainValue, reference } from './columns.ts'
import { type Row, readRows } from './read-rows.ts'
import type { Loose, RepositoryCore } from './repository-core.ts'
import type { Values } from './write-rows.ts'

/** The rows of keys, in their order; those that are not there are left out. */
export async function findMany(
  core: RepositoryCore,
  executor: Executor,
  keys: readonly unknown[],
  options: Loose & RunOptions,
): Promise<Row[]> {
  const rows = await findEach(core, executor, keys, options)
  return rows.flatMap((row) => (row === undefined ? [] : [row]))
}

/** A row or undefined for each key. Which row is whose is for the server to say: it knows when two values are the same. */
async function findEach(
  core: RepositoryCore,
  executor: Executor,
  keys: readonly unknown[],
  options: Loose & RunOptions,
): Promise<readonly (Row | undefined)[]> {
  const values = keys.map((key) => core.keyValues(key))
  const found = new Array<Row | undefined>(keys.length)
  const groups = new Map<string, number[]>()
  for (const [i, value] of values.entries()) {
    const columns = Object.keys(value).sort().join('\0')
    groups.set(columns, [...(groups.get(columns) ?? []), i])
  }
  for (const [columns, places] of groups) {
    const group = places.map((place) => values[place] as Values)
    for (const { row, place } of await findGroup(core, executor, columns.split('\0'), group, options))
      found[places[place] as number] = row
  }
  return found
}

/** Keys of the same columns: each joined to its row, with its place in the list. */
async function findGroup(
  core: RepositoryCore,
  executor: Executor,
  columns: readonly string[],
  values: readonly Values[],
  options: Loose & RunOptions,
): Promise<readonly { readonly row: Row; readonly place: number }[]> {
  const { table } = core
  const reading = core.reading(options, () => [])
  const qualifier = reading.load.length > 0 && reading.strategy !== 'batch' ? table.key : undefined
  const name = freeName(table, 'tenonplace')
  const keyName = (i: number) => freeName(table, `tenonkey${i}`)
  const wanted: SelectQueryNode = {
    ...SelectQueryNode.create(),
    selections: [
      ...columns.map((column, i) => {
        const list = values.map((value) => plainValue(table, column, value[column]))
        return aliased(call('unnest', bound(list, arrayTypeOf(table, column))), keyName(i))
      }),
      aliased(call('generate_series', constant(1), bound(values.length, 'int4')), name),
    ],
  }
  const alias = 'tenonwanted'
  const own = (column: string) => ReferenceNode.create(ColumnNode.create(column), TableNode.create(alias))
  const matches = columns.map((column, i) =>
    binary(reference(table, column, qualifier), ownOperator(columnOf(table, column), '='), own(keyName(i))),
  )
  const join: JoinNode = {
    ...JoinNode.create('InnerJoin', AliasNode.create(wanted, IdentifierNode.create(alias))),
    on: OnNode.create(all(matches)),
  }
  const rows = await readRows(executor, { ...reading, joins: [join], extra: { [name]: own(name) } }, options)
  return rows.map((row) => {
    const place = Number(row[name]) - 1
    delete row[name]
    return { row, place }
  })
}

/** A function that finds rows by key, of which all that is asked in one tick is one query. */
export function createLoader(core: RepositoryCore, executor: Executor): (key: unknown) => Promise<Row | undefined> {
  interface Waiting {
    readonly key: unknown
    readonly settle: (row: Row | undefined) => void
    readonly fail: (error: unknown) => void
  }
  let waiting: Waiting[] = []
  const findOne = async ({ key, settle, fail }: Waiting) => {
    try {
      settle((await findEach(core, executor, [key], {}))[0])
    } catch (error) {
      fail(error)
    }
  }
  const run = async () => {
    const batch = waiting
    waiting = []
    try {
      const rows = await findEach(
        core,
        executor,
        batch.map(({ key }) => key),
        {},
      )
      for (const [i, { settle }] of batch.entries()) settle(rows[i])
    } catch (error) {
      // A value that is none of the column's type is one caller's; but a transaction has ended with it for all.
      const isOnes = isTenonError(error) && error.code === 'QUERY_DATA' && executor.isTransaction !== true
      if (isOnes && batch.length > 1) for (const each of batch) await findOne(each)
      else for (const { fail } of batch) fail(error)
    }
  }
  return (key) =>
    new Promise((settle, fail) => {
      // A key that is none fails alone.
      core.keyValues(key)
      if (waiting.length === 0) queueMicrotask(() => void run())
      waiting.push({ key, settle, fail })
    })
}
