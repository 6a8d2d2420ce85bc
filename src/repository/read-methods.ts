/** The methods that read. */
import { ExplainNode, RawNode, type SelectModifier, SelectModifierNode, type SelectQueryNode } from 'kysely'
import { factsOf } from '../database/index.ts'
import { NotFoundError } from '../kernel/errors.ts'
import { type Executor, executorOf, type RunOptions, runQuery, streamQuery } from '../kernel/executor.ts'
import { aliased, call, cast, constant } from '../kernel/expressions.ts'
import { aggregateRows } from './aggregate-rows.ts'
import { refuse } from './columns.ts'
import { createLoader, findMany } from './find-many.ts'
import { countNode, readPage } from './read-page.ts'
import { prepareRead, type Row, readRows } from './read-rows.ts'
import type { Loose, RepositoryCore } from './repository-core.ts'

type Options = Loose & RunOptions

/** Options that say no more than which columns of which rows. */
const plainOptions = new Set(['select', 'withDeleted', 'signal'])

/** The row of a key. */
export async function findRow(
  core: RepositoryCore,
  executor: Executor,
  key: unknown,
  options: Options,
): Promise<Row | undefined> {
  if (Object.keys(options).every((name) => plainOptions.has(name)))
    return await findPlainRow(core, executor, key, options)
  const [row] = await readRows(
    executor,
    core.reading(options, (qualifier) => [core.keyNode(key, qualifier)]),
    options,
  )
  return row
}

/** A row without relations: compiled once. */
async function findPlainRow(
  core: RepositoryCore,
  executor: Executor,
  key: unknown,
  options: Options,
): Promise<Row | undefined> {
  const values = core.keyValues(key)
  const { select, withDeleted } = options
  const { rows } = await core.shapes.run<Row>(
    executor,
    JSON.stringify(['find', Object.keys(values), select === undefined ? 'all' : [select], withDeleted === true]),
    core.keyParameters(values),
    () =>
      prepareRead(
        core.reading(options, (qualifier) => [core.keyNode(values, qualifier)]),
        factsOf(executorOf(executor)),
      ).node,
    options,
  )
  return rows[0]
}

/** The same, which must be there. @throws {NotFoundError} NOT_FOUND */
async function getRow(core: RepositoryCore, executor: Executor, key: unknown, options: Options): Promise<Row> {
  const row = await findRow(core, executor, key, options)
  if (row === undefined) throw new NotFoundError({ table: core.table.name })
  return row
}

export function createReadMethods(core: RepositoryCore) {
  const { table } = core
  return {
    find: (executor: Executor, key: unknown, options: Options = {}) => findRow(core, executor, key, options),
    get: (executor: Executor, key: unknown, options: Options = {}) => getRow(core, executor, key, options),
    findMany: (executor: Executor, keys: readonly unknown[], options: Options = {}) =>
      findMany(core, executor, keys, options),
    loader: (executor: Executor) => createLoader(core, executor),
    aggregate: (executor: Executor, options: Options = {}) => aggregateRows(core, executor, options),

    async list(executor: Executor, options: Options = {}): Promise<Row[]> {
      return await readRows(executor, core.listing(options), options)
    },

    async count(executor: Executor, ...given: [where?: unknown, options?: Options]): Promise<number> {
      // Nothing asks for every row; what is undefined does not.
      const [where, options = {}] = given.length === 0 ? [{}] : given
      const reading = core.reading({ withDeleted: options['withDeleted'] }, (qualifier) => core.where(where, qualifier))
      const node = countNode(reading) as SelectQueryNode
      const { rows } = await runQuery<{ count: string }>(
        executor,
        { ...node, selections: [aliased(cast(call('count', constant(1)), 'text'), 'count')] },
        options,
      )
      return Number(rows[0]?.count ?? 0)
    },

    async exists(executor: Executor, where: unknown, options: Options = {}): Promise<boolean> {
      const reading = core.reading({ withDeleted: options['withDeleted'], limit: 1 }, (qualifier) =>
        core.where(where, qualifier),
      )
      const { node } = prepareRead(
        { ...reading, select: [], extra: { one: constant(1) } },
        factsOf(executorOf(executor)),
      )
      const { rows } = await runQuery<Row>(executor, node, options)
      return rows.length > 0
    },

    async page(executor: Executor, options: Options = {}) {
      const { limit, after, before, total } = options as {
        limit: number
        after?: string
        before?: string
        total?: 'exact' | 'estimate'
      }
      const reading = core.listing({ ...options, limit: undefined })
      return await readPage(
        executor,
        reading,
        { limit, after: after ?? undefined, before: before ?? undefined, total },
        options,
      )
    },

    async *stream(executor: Executor, options: Options = {}): AsyncGenerator<Row> {
      const { chunkSize = 500 } = options
      if (typeof chunkSize !== 'number' || !Number.isInteger(chunkSize) || chunkSize < 1)
        return refuse(table, 'chunkSize is no number of rows', 'Pass chunkSize: 500.')
      if (options['strategy'] === 'batch')
        return refuse(table, 'a stream has no strategy batch', 'Its connection is in use: load in the same query.')
      const { node, decode } = prepareRead(core.listing(options), factsOf(executorOf(executor)))
      for await (const row of streamQuery<Row>(executor, node, chunkSize, options)) yield decode(row)
    },

    async lock(executor: Executor, options: Options = {}): Promise<Row[]> {
      const { mode = 'update', locked = 'wait' } = options as { mode?: string; locked?: string }
      const modifier = Object.hasOwn(lockModes, mode) ? lockModes[mode] : undefined
      const how = Object.hasOwn(waits, locked) ? waits[locked] : undefined
      if (executor.isTransaction === false)
        return refuse(
          table,
          'locks end with the statement outside a transaction',
          'Pass the transaction: me.transaction().',
        )
      if (modifier === undefined || how === undefined)
        return refuse(
          table,
          'there is no such lock',
          `Modes: ${Object.keys(lockModes).join(', ')}; locked: wait, skip, fail.`,
        )
      const { where, orderBy, limit, select } = options
      if (where === undefined) return refuse(table, 'lock needs a filter', 'Pass where.')
      const lock = [modifier, ...how].map((each) => SelectModifierNode.create(each))
      return await readRows(executor, { ...core.listing({ where, orderBy, limit, select }), lock }, options)
    },

    async explain(executor: Executor, options: Options = {}): Promise<string> {
      const { node } = prepareRead(core.listing(options), factsOf(executorOf(executor)))
      const words = options['analyze'] === true ? RawNode.createWithSql('analyze, buffers') : undefined
      const explained: SelectQueryNode = { ...node, explain: ExplainNode.create('text', words) }
      const { rows } = await runQuery<Row>(executor, explained, options)
      return rows.map((row) => String(Object.values(row)[0])).join('\n')
    },
  }
}

const waits: Readonly<Record<string, readonly SelectModifier[]>> = { wait: [], skip: ['SkipLocked'], fail: ['NoWait'] }

const lockModes: Readonly<Record<string, SelectModifier>> = {
  update: 'ForUpdate',
  'no key update': 'ForNoKeyUpdate',
  share: 'ForShare',
  'key share': 'ForKeyShare',
}
