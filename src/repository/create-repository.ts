/**
 * Makes repositories: reads the options of each method, and puts the query together.
 *
 * Owns soft deletes, versions and schemas, which several methods share. SQL of each kind is made in a file of its own.
 */
import {
  ExplainNode,
  type Expression,
  expressionBuilder,
  RawNode,
  type SelectModifier,
  SelectModifierNode,
  type SelectQueryNode,
  type SqlBool,
} from 'kysely'
import { factsOf } from '../database/index.ts'
import { isJsonPatch } from '../jsonb/index.ts'
import { NotFoundError, TenonError, ValuesError } from '../kernel/errors.ts'
import { type Executor, type RunOptions, runQuery, streamQuery } from '../kernel/executor.ts'
import {
  aliased,
  all,
  any,
  binary,
  call,
  cast,
  constant,
  isNotNull,
  isNull,
  nodeOf,
  parameter,
  type Sql,
} from '../kernel/expressions.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { columnOf, columnSelection, freeName, plainValue, type Qualifier, reference, refuse } from './columns.ts'
import { readOrder } from './order.ts'
import { countNode, readPage } from './read-page.ts'
import { prepareRead, type Reading, type Row, readRows } from './read-rows.ts'
import { readLoad, readSelect } from './relations.ts'
import type { Repository } from './repository.ts'
import type { AnyTable, ColumnOf } from './table-shape.ts'
import { whereNode } from './where.ts'
import {
  type Conflict,
  countWritten,
  deleteNode,
  insertedName,
  insertManyNode,
  insertNode,
  updateManyNode,
  updateNode,
  type Values,
  withConflict,
  writtenColumns,
} from './write-rows.ts'

/** Checks values: a zod schema, or anything with its `safeParse`. */
export interface Validator {
  safeParse(value: unknown):
    | { readonly success: true; readonly data: unknown }
    | {
        readonly success: false
        readonly error: {
          readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]
        }
      }
}

/** Options of {@link createRepository}. */
export interface RepositoryOptions<T extends AnyTable> {
  /** Generated schemas, `schemas.projects`: what is written is checked, and what they give is written. */
  readonly schemas?: { readonly insert?: Validator; readonly update?: Validator } | undefined
  /** A column for the time of deletion: `delete` sets it, and rows that have it are not found. */
  readonly softDelete?: ColumnOf<T> | undefined
  /** A column that counts the updates of a row: `update` adds one, and refuses a version that is not the row's. */
  readonly version?: ColumnOf<T> | undefined
}

type Loose = Readonly<Record<string, unknown>>

/**
 * Makes a repository of a generated table.
 *
 * @param table - of the generated metadata.ts: `tables.projects`
 * @throws {TenonError} OPTION_INVALID when an option names a column that the table does not have
 * @example
 * ```ts
 * const projects = createRepository(tables.projects, { schemas: schemas.projects })
 * const page = await projects.page(me, { where: { metadata: { tags: { has: 'important' } } }, orderBy: { createdAt: 'desc' }, limit: 20 })
 * ```
 */
export function createRepository<T extends AnyTable>(table: T, options: RepositoryOptions<T> = {}): Repository<T> {
  for (const name of ['softDelete', 'version'] as const) {
    const column = options[name]
    if (column !== undefined && !Object.hasOwn(table.columns, column))
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: `${name} names no column of ${table.key}`,
        hint: 'Pass the key of a column.',
      })
  }
  // The methods are typed by the table; inside they know it as metadata. Tests of types hold the two together.
  return new Methods(table, options).bind() as unknown as Repository<T>
}

/** {@link RepositoryOptions} of any table. */
interface LooseOptions {
  readonly schemas?: { readonly insert?: Validator; readonly update?: Validator } | undefined
  readonly softDelete?: string | undefined
  readonly version?: string | undefined
}

class Methods {
  readonly #table: TableMetadata
  readonly #softDelete: string | undefined
  readonly #version: string | undefined
  readonly #schemas: { readonly insert?: Validator; readonly update?: Validator }

  constructor(table: TableMetadata, { softDelete, version, schemas = {} }: LooseOptions) {
    this.#table = table
    this.#softDelete = softDelete
    this.#version = version
    this.#schemas = schemas
  }

  /** Every method bound: they go into objects of the application's own. */
  bind(): Loose {
    return {
      table: this.#table,
      find: this.find.bind(this),
      get: this.get.bind(this),
      findMany: this.findMany.bind(this),
      list: this.list.bind(this),
      count: this.count.bind(this),
      exists: this.exists.bind(this),
      page: this.page.bind(this),
      stream: this.stream.bind(this),
      lock: this.lock.bind(this),
      aggregate: this.aggregate.bind(this),
      explain: this.explain.bind(this),
      insert: this.insert.bind(this),
      insertMany: this.insertMany.bind(this),
      upsert: this.upsert.bind(this),
      upsertMany: this.upsertMany.bind(this),
      update: this.update.bind(this),
      updateWhere: this.updateWhere.bind(this),
      updateMany: this.updateMany.bind(this),
      delete: this.delete.bind(this),
      deleteWhere: this.deleteWhere.bind(this),
      restore: this.restore.bind(this),
      loader: this.loader.bind(this),
    }
  }

  // Reading

  #reading(options: Loose, where: (qualifier: Qualifier) => readonly Sql[]): Reading {
    const table = this.#table
    const load = readLoad(table, options['load'], table.key)
    const { strategy, limit } = options
    if (strategy !== undefined && strategy !== 'json' && strategy !== 'batch')
      return refuse(table, 'there is no such strategy', "Pass 'json' or 'batch'.")
    if (limit !== undefined && !(typeof limit === 'number' && Number.isInteger(limit) && limit >= 0))
      return refuse(table, 'limit is no number of rows', 'Pass limit: 20.')
    const qualifier = load.length > 0 && strategy !== 'batch' ? table.key : undefined
    return {
      table,
      select: readSelect(table, options['select']),
      load,
      where: [...where(qualifier), ...this.#live(options, qualifier)],
      order: readOrder(table, options['orderBy']),
      limit,
      strategy,
    }
  }

  /** Without rows that are deleted. */
  #live({ withDeleted }: Loose, qualifier: Qualifier): readonly Sql[] {
    if (this.#softDelete === undefined || withDeleted === true) return []
    return [isNull(reference(this.#table, this.#softDelete, qualifier))]
  }

  #where(where: unknown, qualifier: Qualifier): readonly Sql[] {
    if (where === undefined) return []
    if (typeof where === 'function') {
      const expression = (where as (eb: unknown) => Expression<SqlBool>)(expressionBuilder<never, never>())
      return [nodeOf(expression)]
    }
    if (Array.isArray(where)) return where.flatMap((each) => this.#where(each, qualifier))
    return [whereNode(this.#table, where, qualifier)]
  }

  #keyNode(key: unknown, qualifier: Qualifier): Sql {
    const table = this.#table
    const values = this.#keyValues(key)
    return all(
      Object.entries(values).map(([column, value]) =>
        binary(reference(table, column, qualifier), '=', parameter(plainValue(table, column, value))),
      ),
    )
  }

  #keyValues(key: unknown): Values {
    const table = this.#table
    const keys = [table.primaryKey, ...table.uniqueKeys.map(({ columns }) => columns)].filter(
      ({ length }) => length > 0,
    )
    const isPlain = typeof key === 'object' && key !== null && Object.getPrototypeOf(key) === Object.prototype
    const [only, ...more] = table.primaryKey
    const given: Values | undefined = isPlain
      ? { ...key }
      : only !== undefined && more.length === 0
        ? { [only]: key }
        : undefined
    const names = Object.keys(given ?? {})
    const matching = keys.find(
      (columns) => columns.length === names.length && columns.every((column) => names.includes(column)),
    )
    if (given === undefined || matching === undefined)
      return refuse(
        table,
        'this is no key of it',
        `Keys: ${keys.map((columns) => columns.join(' and ')).join('; ') || 'none'}.`,
      )
    if (Object.values(given).some((value) => value === null || value === undefined))
      return refuse(table, 'a key has no value in one of its columns', 'A row is found by values that are not null.')
    return given
  }

  async find(executor: Executor, key: unknown, options: Loose & RunOptions = {}): Promise<Row | undefined> {
    const reading = this.#reading(options, (qualifier) => [this.#keyNode(key, qualifier)])
    const [row] = await readRows(executor, reading, options)
    return row
  }

  async get(executor: Executor, key: unknown, options: Loose & RunOptions = {}): Promise<Row> {
    const row = await this.find(executor, key, options)
    if (row === undefined) throw new NotFoundError({ table: this.#table.name })
    return row
  }

  async findMany(executor: Executor, keys: readonly unknown[], options: Loose & RunOptions = {}): Promise<Row[]> {
    if (keys.length === 0) return []
    const values = keys.map((key) => this.#keyValues(key))
    const select = readSelect(this.#table, options['select'])
    const names = [...new Set(values.flatMap((value) => Object.keys(value)))]
    const texts = names.map((name, i) => [freeName(this.#table, `tenonk${i}`), name] as const)
    const reading = this.#reading({ ...options, select }, (qualifier) => [this.#anyKey(values, qualifier)])
    const qualifier = reading.load.length > 0 && reading.strategy !== 'batch' ? this.#table.key : undefined
    const rows = await readRows(
      executor,
      {
        ...reading,
        extra: Object.fromEntries(texts.map(([alias, name]) => [alias, reference(this.#table, name, qualifier)])),
      },
      options,
    )
    const found = new Map<string, Row>()
    for (const row of rows) {
      const own = Object.fromEntries(texts.map(([alias, name]) => [name, row[alias]]))
      for (const [alias] of texts) delete row[alias]
      for (const columns of new Set(values.map((value) => Object.keys(value).sort().join('\0')))) {
        const key = columns.split('\0').map((column) => [column, keyText(own[column])])
        found.set(JSON.stringify(key), row)
      }
    }
    return values.flatMap((value) => {
      const key = Object.keys(value)
        .sort()
        .map((column) => [column, keyText(value[column])])
      const row = found.get(JSON.stringify(key))
      return row === undefined ? [] : [row]
    })
  }

  #anyKey(values: readonly Values[], qualifier: Qualifier): Sql {
    const [first] = values
    const columns = Object.keys(first ?? {})
    const [only] = columns
    const isSingle =
      only !== undefined &&
      columns.length === 1 &&
      values.every((value) => Object.keys(value)[0] === only && Object.keys(value).length === 1)
    if (!isSingle) return any(values.map((value) => this.#keyNode(value, qualifier)))
    const list = values.map((value) => plainValue(this.#table, only, value[only]))
    return binary(reference(this.#table, only, qualifier), '=', call('any', parameter(list)))
  }

  async list(executor: Executor, options: Loose & RunOptions = {}): Promise<Row[]> {
    return await readRows(executor, this.#listing(options), options)
  }

  #listing(options: Loose): Reading {
    return this.#reading(options, (qualifier) => this.#where(options['where'], qualifier))
  }

  async count(executor: Executor, where?: unknown, options: Loose & RunOptions = {}): Promise<number> {
    const reading = this.#reading({ withDeleted: options['withDeleted'] }, (qualifier) => this.#where(where, qualifier))
    const node = countNode(reading) as SelectQueryNode
    const { rows } = await runQuery<{ count: string }>(
      executor,
      { ...node, selections: [aliased(cast(call('count', constant(1)), 'text'), 'count')] },
      options,
    )
    return Number(rows[0]?.count ?? 0)
  }

  async exists(executor: Executor, where: unknown, options: Loose & RunOptions = {}): Promise<boolean> {
    if (where === undefined) return refuse(this.#table, 'exists needs a filter', 'Pass {} to ask for any row.')
    const reading = this.#reading({ withDeleted: options['withDeleted'], limit: 1 }, (qualifier) =>
      this.#where(where, qualifier),
    )
    const { node } = prepareRead(
      { ...reading, select: [], extra: { one: constant(1) } },
      factsOf(executor.getExecutor()),
    )
    const { rows } = await runQuery<Row>(executor, node, options)
    return rows.length > 0
  }

  async page(executor: Executor, options: Loose & RunOptions) {
    const { limit, after, before, total } = options as {
      limit: number
      after?: string
      before?: string
      total?: 'exact' | 'estimate'
    }
    const reading = this.#listing({ ...options, limit: undefined })
    return await readPage(executor, reading, { limit, after, before, total }, options)
  }

  async *stream(executor: Executor, options: Loose & RunOptions = {}): AsyncGenerator<Row> {
    const { chunkSize = 500 } = options
    if (typeof chunkSize !== 'number' || !Number.isInteger(chunkSize) || chunkSize < 1)
      return refuse(this.#table, 'chunkSize is no number of rows', 'Pass chunkSize: 500.')
    if (options['strategy'] === 'batch')
      return refuse(this.#table, 'a stream has no strategy batch', 'Its connection is in use: load in the same query.')
    const { node, decode } = prepareRead(this.#listing(options), factsOf(executor.getExecutor()))
    for await (const row of streamQuery<Row>(executor, node, chunkSize, options)) yield decode(row)
  }

  async lock(executor: Executor, options: Loose & RunOptions): Promise<Row[]> {
    const { mode = 'update', locked = 'wait' } = options as { mode?: string; locked?: string }
    const modifier = lockModes[mode]
    const how = { wait: [], skip: ['SkipLocked'], fail: ['NoWait'] }[locked] as SelectModifier[] | undefined
    if (modifier === undefined || how === undefined)
      return refuse(
        this.#table,
        'there is no such lock',
        `Modes: ${Object.keys(lockModes).join(', ')}; locked: wait, skip, fail.`,
      )
    const { where, orderBy, limit, select } = options
    if (where === undefined) return refuse(this.#table, 'lock needs a filter', 'Pass where.')
    const lock = [modifier, ...how].map((each) => SelectModifierNode.create(each))
    return await readRows(executor, { ...this.#listing({ where, orderBy, limit, select }), lock }, options)
  }

  async aggregate(executor: Executor, options: Loose & RunOptions = {}) {
    const table = this.#table
    const groups = options['groupBy'] === undefined ? [] : readSelect(table, options['groupBy'])
    const functions = ['sum', 'avg', 'min', 'max'] as const
    const asked = functions.flatMap((name) =>
      options[name] === undefined ? [] : readSelect(table, options[name]).map((column) => ({ name, column })),
    )
    const reading = this.#listing({
      where: options['where'],
      withDeleted: options['withDeleted'],
      limit: options['limit'],
    })
    const { node } = prepareRead({ ...reading, select: [] }, factsOf(executor.getExecutor()))
    const results = asked.map(({ name, column }, i) =>
      aliased(cast(call(name, reference(table, column, undefined)), 'text'), `a${i}`),
    )
    const keys = groups.map((key) => reference(table, key, undefined))
    const query: SelectQueryNode = {
      ...node,
      selections: [
        ...groups.map((key) => columnSelection(table, key, undefined)),
        aliased(cast(call('count', constant(1)), 'text'), freeName(table, 'tenoncount')),
        ...results,
      ],
      ...(groups.length === 0
        ? {}
        : { groupBy: { kind: 'GroupByNode', items: keys.map((groupBy) => ({ kind: 'GroupByItemNode', groupBy })) } }),
      ...(groups.length === 0
        ? {}
        : {
            orderBy: {
              kind: 'OrderByNode',
              items: keys.map((orderBy) => ({ kind: 'OrderByItemNode', orderBy: orderBy as never })),
            },
          }),
    }
    const { rows } = await runQuery<Row>(executor, query, options)
    return rows.map((row) => ({
      group: Object.fromEntries(groups.map((key) => [key, row[key]])),
      count: Number(row[freeName(table, 'tenoncount')]),
      ...Object.fromEntries(
        functions.map((name) => [
          name,
          Object.fromEntries(asked.flatMap((each, i) => (each.name === name ? [[each.column, row[`a${i}`]]] : []))),
        ]),
      ),
    }))
  }

  async explain(executor: Executor, options: Loose & RunOptions = {}): Promise<string> {
    const { node } = prepareRead(this.#listing(options), factsOf(executor.getExecutor()))
    const words = options['analyze'] === true ? RawNode.createWithSql('analyze, buffers') : undefined
    const explained: SelectQueryNode = { ...node, explain: ExplainNode.create('text', words) }
    const { rows } = await runQuery<Row>(executor, explained, options)
    return rows.map((row) => String(Object.values(row)[0])).join('\n')
  }

  loader(executor: Executor): (key: unknown) => Promise<Row | undefined> {
    let waiting: {
      readonly key: unknown
      readonly settle: (row: Row | undefined) => void
      readonly fail: (error: unknown) => void
    }[] = []
    const run = async () => {
      const batch = waiting
      waiting = []
      try {
        const keys = batch.map(({ key }) => this.#keyValues(key))
        const rows = await this.findMany(executor, keys)
        for (const [i, { settle }] of batch.entries()) settle(rows.find((row) => isRowOf(row, keys[i] ?? {})))
      } catch (error) {
        for (const { fail } of batch) fail(error)
      }
    }
    return (key) =>
      new Promise((settle, fail) => {
        if (waiting.length === 0) queueMicrotask(() => void run())
        waiting.push({ key, settle, fail })
      })
  }

  // Writing

  #validated(values: Values, form: 'insert' | 'update', at: readonly PropertyKey[] = []): Values {
    const schema = this.#schemas[form]
    if (schema === undefined) return values
    // A patch is no value: what it makes is the server's to check.
    const entries = Object.entries(values)
    const plain = Object.fromEntries(entries.filter(([, value]) => !isJsonPatch(value)))
    const checked = schema.safeParse(plain)
    if (!checked.success)
      throw new ValuesError({
        table: this.#table.name,
        issues: checked.error.issues.map(({ path, message }) => ({ path: [...at, ...path], message })),
      })
    return { ...(checked.data as Values), ...Object.fromEntries(entries.filter(([, value]) => isJsonPatch(value))) }
  }

  /** Columns to return; `[]` for none, where no policy lets the row be read. */
  #returning({ returning }: Loose): readonly string[] {
    return Array.isArray(returning) && returning.length === 0 ? [] : readSelect(this.#table, returning)
  }

  async insert(executor: Executor, values: Values, options: Loose & RunOptions = {}): Promise<Row> {
    const select = this.#returning(options)
    const node = insertNode(this.#table, this.#validated(values, 'insert'), select)
    const { rows } = await runQuery<Row>(executor, node, options)
    // A trigger or rule may leave the row out.
    return rows[0] ?? {}
  }

  async insertMany(
    executor: Executor,
    rows: Iterable<Values> | AsyncIterable<Values>,
    options: Loose & RunOptions & { readonly onProgress?: (progress: { readonly inserted: number }) => void } = {},
  ): Promise<number> {
    const { chunkSize = 10_000, onProgress } = options
    if (typeof chunkSize !== 'number' || !Number.isInteger(chunkSize) || chunkSize < 1)
      return refuse(this.#table, 'chunkSize is no number of rows', 'Pass chunkSize: 10_000.')
    let inserted = 0
    const write = async (on: Executor, chunk: readonly Values[]) => {
      for (const { columns, rows: alike } of byColumns(this.#table, chunk)) {
        if (columns.length === 0) for (const row of alike) await runQuery(on, insertNode(this.#table, row, []), options)
        else await runQuery(on, insertManyNode(this.#table, columns, alike, []), options)
      }
      inserted += chunk.length
      onProgress?.({ inserted })
    }
    const chunks = inChunks(rows, chunkSize, (row, i) => this.#validated(row, 'insert', [i]))
    try {
      const first = await chunks.next()
      if (first.done === true) return 0
      const second = await chunks.next()
      if (second.done === true && byColumns(this.#table, first.value).length === 1) {
        await write(executor, first.value)
        return inserted
      }
      await inTransaction(this.#table, executor, async (trx) => {
        await write(trx, first.value)
        if (second.done !== true) await write(trx, second.value)
        for await (const chunk of chunks) await write(trx, chunk)
      })
      return inserted
    } finally {
      // Closes what the rows come from, after a failure too.
      await chunks.return(undefined)
    }
  }

  #conflict(columns: readonly string[], options: Loose): Conflict {
    const table = this.#table
    const on = options['on'] === undefined ? table.primaryKey : readSelect(table, options['on'])
    const keys = [table.primaryKey, ...table.uniqueKeys.map((key) => key.columns)]
    if (on.length === 0 || !keys.some((key) => key.length === on.length && key.every((column) => on.includes(column))))
      return refuse(
        table,
        'upsert conflicts on what is no key of it',
        `Keys: ${keys.map((key) => key.join(' and ')).join('; ')}.`,
      )
    const missing = on.find((column) => !columns.includes(column))
    if (missing !== undefined)
      return refuse(table, `upsert has no value for ${missing} of its key`, 'Give one, or pass another key as on.')
    const update =
      (options['update'] as readonly string[] | undefined) ??
      columns.filter((column) => !on.includes(column) && table.columns[column]?.updatable !== false)
    for (const column of update) columnOf(table, column)
    return { on, update, increment: update.length === 0 ? undefined : this.#version }
  }

  async upsert(executor: Executor, given: Values, options: Loose & RunOptions = {}) {
    const table = this.#table
    const values = this.#validated(given, 'insert')
    const select = readSelect(table, options['returning'])
    const conflict = this.#conflict(writtenColumns(table, [values], 'insertable'), options)
    const node = withConflict(table, insertNode(table, values, []), conflict, select)
    const { rows } = await runQuery<Row>(executor, node, options)
    const [row] = rows
    if (row === undefined) {
      const key = Object.fromEntries(conflict.on.map((column) => [column, values[column]]))
      return { action: 'unchanged', row: await this.get(executor, key, { ...options, select, withDeleted: true }) }
    }
    const { inserted, rest } = takeFlag(row, insertedName(table))
    return { action: inserted ? 'inserted' : 'updated', row: rest }
  }

  async upsertMany(executor: Executor, given: readonly Values[], options: Loose & RunOptions = {}) {
    const table = this.#table
    const select = readSelect(table, options['returning'])
    const values = given.map((row, i) => this.#validated(row, 'insert', [i]))
    const [group, ...others] = byColumns(table, values)
    if (group === undefined) return { inserted: [], updated: [], unchanged: 0 }
    if (others.length > 0)
      return refuse(table, 'rows of an upsert give values for different columns', 'Give the same columns in each.')
    const conflict = this.#conflict(group.columns, options)
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
  }

  async update(executor: Executor, key: unknown, given: Values, options: Loose & RunOptions = {}): Promise<Row> {
    const table = this.#table
    const { version } = options
    const select = this.#returning(options)
    const where = [this.#keyNode(key, undefined), ...this.#live({}, undefined)]
    if (version !== undefined) {
      if (this.#version === undefined)
        return refuse(table, 'the repository has no version column', "Pass createRepository(table, { version: '…' }).")
      where.push(binary(reference(table, this.#version, undefined), '=', parameter(version)))
    }
    const node = updateNode(table, this.#validated(given, 'update'), where, select, this.#version)
    const { rows, numAffectedRows = 0n } = await runQuery<Row>(executor, node, options)
    if (rows[0] !== undefined || numAffectedRows > 0n) return rows[0] ?? {}
    if (
      version !== undefined &&
      (await this.find(executor, key, { signal: options.signal, select: [this.#version] })) !== undefined
    )
      throw new TenonError({
        code: 'ROW_STALE',
        message: `the row of ${table.name} was changed since the version that the update was made of`,
        hint: 'Read it again, and decide anew.',
        table: table.name,
      })
    throw new NotFoundError({ table: table.name })
  }

  /** Of an update or delete without key: a filter that says something, or the word for all rows. */
  #bounded(where: unknown): readonly Sql[] {
    if (where === 'all') return []
    const isEmpty = (each: unknown): boolean =>
      each === undefined ||
      (Array.isArray(each)
        ? each.every(isEmpty)
        : typeof each === 'object' && each !== null && Object.keys(each).length === 0)
    if (isEmpty(where)) return refuse(this.#table, 'the filter finds every row', "Pass 'all' where that is meant.")
    return this.#where(where, undefined)
  }

  async updateWhere(executor: Executor, where: unknown, values: Values, options: RunOptions = {}): Promise<number> {
    const filter = [...this.#bounded(where), ...this.#live({}, undefined)]
    return await countWritten(
      executor,
      updateNode(this.#table, this.#validated(values, 'update'), filter, [], this.#version),
      options,
    )
  }

  async updateMany(executor: Executor, rows: readonly Values[], options: RunOptions = {}): Promise<number> {
    const table = this.#table
    const key = table.primaryKey
    if (rows.length === 0) return 0
    if (key.length === 0)
      return refuse(table, 'updateMany needs a primary key, which it does not have', 'Use updateWhere.')
    const values = rows.map((row, i) => {
      const entries = Object.entries(row)
      const own = Object.fromEntries(entries.filter(([column]) => key.includes(column)))
      return {
        ...this.#validated(Object.fromEntries(entries.filter(([column]) => !key.includes(column))), 'update', [i]),
        ...own,
      }
    })
    const columns = writtenColumns(
      table,
      values.map((row) => Object.fromEntries(Object.entries(row).filter(([column]) => !key.includes(column)))),
      'updatable',
    )
    const seen = new Set<string>()
    for (const [i, row] of values.entries()) {
      const own: Values = row
      this.#keyValues(Object.fromEntries(key.map((column) => [column, own[column]])))
      if (columns.some((column) => own[column] === undefined))
        return refuse(
          table,
          `row ${i} does not give a value for every column that others do`,
          'Give the same columns in each.',
        )
      if (columns.some((column) => isJsonPatch(own[column])))
        return refuse(table, 'updateMany takes no patches', 'Use update, or updateWhere.')
      const text = JSON.stringify(key.map((column) => keyText(own[column])))
      if (seen.has(text)) return refuse(table, `row ${i} has the key of another`, 'Keep one of them.')
      seen.add(text)
    }
    if (columns.length === 0) return refuse(table, 'an update sets nothing', 'Pass at least one column beside the key.')
    return await countWritten(executor, updateManyNode(table, key, columns, values, this.#version), options)
  }

  async delete(executor: Executor, key: unknown, options: RunOptions = {}): Promise<boolean> {
    return (await this.#delete(executor, [this.#keyNode(key, undefined)], options)) > 0
  }

  async deleteWhere(executor: Executor, where: unknown, options: RunOptions = {}): Promise<number> {
    return await this.#delete(executor, this.#bounded(where), options)
  }

  async #delete(executor: Executor, where: readonly Sql[], options: RunOptions): Promise<number> {
    if (this.#softDelete === undefined) return await countWritten(executor, deleteNode(this.#table, where), options)
    return await this.#mark(executor, [...where, ...this.#live({}, undefined)], call('now'), options)
  }

  async restore(executor: Executor, key: unknown, options: RunOptions = {}): Promise<boolean> {
    if (this.#softDelete === undefined)
      return refuse(
        this.#table,
        'nothing can be restored: rows are deleted',
        "Pass createRepository(table, { softDelete: '…' }).",
      )
    const deleted = isNotNull(reference(this.#table, this.#softDelete, undefined))
    return (await this.#mark(executor, [this.#keyNode(key, undefined), deleted], constant(null), options)) > 0
  }

  async #mark(executor: Executor, where: readonly Sql[], value: Sql, options: RunOptions): Promise<number> {
    const node = updateNode(this.#table, { [this.#softDelete ?? '']: null }, where, [], this.#version)
    const [first, ...rest] = node.updates ?? []
    return await countWritten(
      executor,
      { ...node, updates: first === undefined ? [] : [{ ...first, value }, ...rest] },
      options,
    )
  }
}

const lockModes: Readonly<Record<string, SelectModifier>> = {
  update: 'ForUpdate',
  'no key update': 'ForNoKeyUpdate',
  share: 'ForShare',
  'key share': 'ForKeyShare',
}

/** What two values of a key have in common when the database takes them for the same. */
function keyText(value: unknown): string {
  return value instanceof Date ? String(value.getTime()) : String(value)
}

function isRowOf(row: Row, key: Values): boolean {
  return Object.entries(key).every(([column, value]) => keyText(row[column]) === keyText(value))
}

function takeFlag(row: Row, name: string): { readonly inserted: boolean; readonly rest: Row } {
  const inserted = row[name] === true
  delete row[name]
  return { inserted, rest: row }
}

/** Rows that give values for the same columns: one that leaves a column out has its default. */
function byColumns(
  table: TableMetadata,
  rows: readonly Values[],
): readonly { readonly columns: readonly string[]; readonly rows: readonly Values[] }[] {
  const groups = new Map<string, { readonly columns: readonly string[]; readonly rows: Values[] }>()
  let last: { readonly columns: readonly string[]; readonly rows: Values[] } | undefined
  for (const row of rows) {
    // Most rows have the columns of the one before.
    if (last === undefined || !hasColumns(row, last.columns)) {
      const columns = writtenColumns(table, [row], 'insertable')
      const key = [...columns].sort().join('\0')
      last = groups.get(key) ?? { columns, rows: [] }
      groups.set(key, last)
    }
    last.rows.push(row)
  }
  return [...groups.values()]
}

function hasColumns(row: Values, columns: readonly string[]): boolean {
  if (typeof row !== 'object' || row === null) return false
  const keys = Object.keys(row)
  return keys.length === columns.length && columns.every((column, i) => keys[i] === column && row[column] !== undefined)
}

async function* inChunks(
  rows: Iterable<Values> | AsyncIterable<Values>,
  size: number,
  check: (row: Values, i: number) => Values,
): AsyncGenerator<readonly Values[]> {
  let chunk: Values[] = []
  let i = 0
  for await (const row of rows) {
    chunk.push(check(row, i++))
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

/** Several statements that happen together or not at all. */
async function inTransaction(
  table: TableMetadata,
  executor: Executor,
  work: (trx: Executor) => Promise<void>,
): Promise<void> {
  const kysely = executor as Partial<{
    readonly isTransaction: boolean
    transaction(): { execute(callback: (trx: Executor) => Promise<void>): Promise<void> }
  }>
  if (kysely.isTransaction === true) await work(executor)
  else if (kysely.transaction === undefined)
    refuse(table, 'the executor has no transactions', 'Pass a session, a service, or a transaction.')
  else await kysely.transaction().execute(work)
}
