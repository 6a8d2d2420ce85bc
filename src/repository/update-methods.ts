/** The methods that change and delete rows. */
import { ColumnNode, ColumnUpdateNode } from 'kysely'
import { isJsonPatch } from '../jsonb/index.ts'
import { NotFoundError, TenonError } from '../kernel/errors.ts'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { binary, call, constant, isNotNull, parameter, type Sql } from '../kernel/expressions.ts'
import { reference, refuse } from './columns.ts'
import { findRow } from './read-methods.ts'
import type { Row } from './read-rows.ts'
import type { Loose, RepositoryCore } from './repository-core.ts'
import {
  countWritten,
  deleteNode,
  keyText,
  updateManyNode,
  updateNode,
  updateOf,
  type Values,
  writtenColumns,
} from './write-rows.ts'

type Options = Loose & RunOptions

export function createUpdateMethods(core: RepositoryCore) {
  const { table } = core
  /** Sets or takes back the time of deletion. */
  const mark = async (executor: Executor, where: readonly Sql[], value: Sql, options: RunOptions): Promise<number> => {
    const set = ColumnUpdateNode.create(ColumnNode.create(core.softDelete ?? ''), value)
    return await countWritten(executor, updateOf(table, [set], where, [], core.version), options)
  }
  /** Deletes, or marks as deleted. */
  const remove = async (executor: Executor, where: readonly Sql[], options: RunOptions): Promise<number> => {
    if (core.softDelete === undefined) return await countWritten(executor, deleteNode(table, where), options)
    return await mark(executor, [...where, ...core.live({}, undefined)], call('now'), options)
  }
  return {
    async update(executor: Executor, key: unknown, given: Values, options: Options = {}): Promise<Row> {
      const { version } = options
      if ('version' in options && version === undefined)
        return refuse(
          table,
          'the version is undefined',
          'Pass the version that was read, or leave it out to overwrite any.',
        )
      const select = core.returning(options)
      const where = [core.keyNode(key, undefined), ...core.live({}, undefined)]
      if (version !== undefined) {
        if (core.version === undefined)
          return refuse(
            table,
            'the repository has no version column',
            "Pass createRepository(table, { version: '…' }).",
          )
        where.push(binary(reference(table, core.version, undefined), '=', parameter(version)))
      }
      const node = updateNode(table, core.validated(given, 'update'), where, select, core.version)
      const { rows, numAffectedRows = 0n } = await runQuery<Row>(executor, node, options)
      if (rows[0] !== undefined || numAffectedRows > 0n) return rows[0] ?? {}
      if (
        version !== undefined &&
        (await findRow(core, executor, key, { signal: options.signal, select: [core.version] })) !== undefined
      )
        throw new TenonError({
          code: 'ROW_STALE',
          message: `the row of ${table.name} was changed since the version that the update was made of`,
          hint: 'Read it again, and decide anew.',
          table: table.name,
        })
      throw new NotFoundError({ table: table.name })
    },

    async updateWhere(executor: Executor, where: unknown, values: Values, options: RunOptions = {}): Promise<number> {
      const filter = [...core.bounded(where), ...core.live({}, undefined)]
      return await countWritten(
        executor,
        updateNode(table, core.validated(values, 'update'), filter, [], core.version),
        options,
      )
    },

    async updateMany(executor: Executor, rows: readonly Values[], options: RunOptions = {}): Promise<number> {
      const key = table.primaryKey
      if (rows.length === 0) return 0
      if (key.length === 0)
        return refuse(table, 'updateMany needs a primary key, which it does not have', 'Use updateWhere.')
      const values = rows.map((row, i) => {
        const entries = Object.entries(row)
        const own = Object.fromEntries(entries.filter(([column]) => key.includes(column)))
        return {
          ...core.validated(Object.fromEntries(entries.filter(([column]) => !key.includes(column))), 'update', [i]),
          ...own,
        }
      })
      const columns = writtenColumns(
        table,
        values.map((row) => Object.fromEntries(Object.entries(row).filter(([column]) => !key.includes(column)))),
        'updatable',
      ).filter((column) => column !== core.version)
      const seen = new Set<string>()
      for (const [i, row] of values.entries()) {
        const own: Values = row
        core.keyValues(Object.fromEntries(key.map((column) => [column, own[column]])))
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
      if (columns.length === 0)
        return refuse(table, 'an update sets nothing', 'Pass at least one column beside the key.')
      return await countWritten(
        executor,
        updateManyNode(table, key, columns, values, core.version, core.live({}, table.key)),
        options,
      )
    },

    async delete(executor: Executor, key: unknown, options: RunOptions = {}): Promise<boolean> {
      return (await remove(executor, [core.keyNode(key, undefined)], options)) > 0
    },

    async deleteWhere(executor: Executor, where: unknown, options: RunOptions = {}): Promise<number> {
      return await remove(executor, core.bounded(where), options)
    },

    async restore(executor: Executor, key: unknown, options: RunOptions = {}): Promise<boolean> {
      if (core.softDelete === undefined)
        return refuse(
          table,
          'nothing can be restored: rows are deleted',
          "Pass createRepository(table, { softDelete: '…' }).",
        )
      const deleted = isNotNull(reference(table, core.softDelete, undefined))
      return (await mark(executor, [core.keyNode(key, undefined), deleted], constant(null), options)) > 0
    },
  }
}
