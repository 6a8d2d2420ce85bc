/**
 * What the methods of a repository share: the table, its soft deletes, versions and schemas, and how options become a query.
 */
import { type Expression, expressionBuilder, type SqlBool } from 'kysely'
import { isJsonPatch } from '../jsonb/index.ts'
import { ownOperator } from '../kernel/comparison.ts'
import { CompiledShapes } from '../kernel/compiled-shapes.ts'
import { ValuesError } from '../kernel/errors.ts'
import { all, binary, isAlwaysTrue, isNull, nodeOf, parameter, type Sql } from '../kernel/expressions.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import type { Validator } from '../kernel/validator.ts'
import { columnOf, plainValue, type Qualifier, reference, refuse } from './columns.ts'
import { readOrder } from './order.ts'
import type { Reading } from './read-rows.ts'
import { readLoad, readSelect } from './relations.ts'
import { whereNode } from './where.ts'
import type { Values } from './write-rows.ts'

/** Options of a method, read where they are used. */
export type Loose = Readonly<Record<string, unknown>>

/** Options of a repository of any table. */
export interface CoreOptions {
  readonly schemas?: { readonly insert?: Validator; readonly update?: Validator } | undefined
  readonly softDelete?: string | undefined
  readonly version?: string | undefined
}

export class RepositoryCore {
  readonly table: TableMetadata
  readonly softDelete: string | undefined
  readonly version: string | undefined
  /** Queries that were compiled before. */
  readonly shapes = new CompiledShapes()
  /** The columns of each key. */
  readonly #keys: readonly (readonly string[])[]
  readonly #schemas: { readonly insert?: Validator; readonly update?: Validator }

  constructor(table: TableMetadata, { softDelete, version, schemas = {} }: CoreOptions) {
    this.table = table
    this.softDelete = softDelete
    this.version = version
    this.#schemas = schemas
    this.#keys = [table.primaryKey, ...table.uniqueKeys.map(({ columns }) => columns)].filter(
      ({ length }) => length > 0,
    )
  }

  /** A read with these options, of the rows that `where` says. */
  reading(options: Loose, where: (qualifier: Qualifier) => readonly Sql[]): Reading {
    const table = this.table
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
      where: [...where(qualifier), ...this.live(options, qualifier)],
      order: readOrder(table, options['orderBy']),
      limit,
      strategy,
    }
  }

  /** Without rows that are deleted. */
  live({ withDeleted }: Loose, qualifier: Qualifier): readonly Sql[] {
    if (this.softDelete === undefined || withDeleted === true) return []
    return [isNull(reference(this.table, this.softDelete, qualifier))]
  }

  /** A filter, an expression, or all of a list. */
  where(where: unknown, qualifier: Qualifier): readonly Sql[] {
    if (where === undefined)
      return refuse(this.table, 'the filter is undefined', 'Leave where out, or pass {}, to ask for every row.')
    if (typeof where === 'function') {
      const expression = (where as (eb: unknown) => Partial<Expression<SqlBool>> | undefined)(
        expressionBuilder<never, never>(),
      )
      return typeof expression?.toOperationNode === 'function'
        ? [nodeOf(expression as Expression<SqlBool>)]
        : refuse(this.table, 'the filter’s function returns no expression', 'Return what eb(…) gives.')
    }
    if (Array.isArray(where)) return where.flatMap((each) => this.where(each, qualifier))
    return [whereNode(this.table, where, qualifier)]
  }

  /** The filter of options; a `where` that is there and undefined is an error. */
  filter(options: Loose, qualifier: Qualifier): readonly Sql[] {
    return 'where' in options ? this.where(options['where'], qualifier) : []
  }

  /** Whether a row is that of a key. */
  keyNode(key: unknown, qualifier: Qualifier): Sql {
    const table = this.table
    const values = this.keyValues(key)
    return all(
      Object.entries(values).map(([column, value]) =>
        binary(
          reference(table, column, qualifier),
          ownOperator(columnOf(table, column), '='),
          parameter(plainValue(table, column, value)),
        ),
      ),
    )
  }

  /** The values of a key as parameters. */
  keyParameters(values: Values): readonly unknown[] {
    return Object.keys(values).map((column) => plainValue(this.table, column, values[column]))
  }

  /** The columns of a key. @throws {TenonError} QUERY_FILTER when it is none of the table's */
  keyValues(key: unknown): Values {
    const table = this.table
    const keys = this.#keys
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

  /** A read with these options and their filter. */
  listing(options: Loose): Reading {
    return this.reading(options, (qualifier) => this.filter(options, qualifier))
  }

  /** Values as the schema gives them. @throws {ValuesError} VALUES_INVALID */
  validated(values: Values, form: 'insert' | 'update', at: readonly PropertyKey[] = []): Values {
    const schema = this.#schemas[form]
    if (schema === undefined) return values
    // A patch is no value: what it makes is the server's to check.
    const entries = Object.entries(values)
    const plain = Object.fromEntries(entries.filter(([, value]) => !isJsonPatch(value)))
    const checked = schema.safeParse(plain)
    if (!checked.success)
      throw new ValuesError({
        table: this.table.name,
        issues: checked.error.issues.map(({ path, message }) => ({ path: [...at, ...path], message })),
      })
    return { ...(checked.data as Values), ...Object.fromEntries(entries.filter(([, value]) => isJsonPatch(value))) }
  }

  /** Columns to return; `[]` for none, where no policy lets the row be read. */
  returning({ returning }: Loose): readonly string[] {
    return Array.isArray(returning) && returning.length === 0 ? [] : readSelect(this.table, returning)
  }

  /** Of an update or delete without key: a filter that says something, or the word for all rows. */
  bounded(where: unknown): readonly Sql[] {
    if (where === 'all') return []
    const nodes = where === undefined ? [] : this.where(where, undefined)
    if (nodes.every(isAlwaysTrue))
      return refuse(this.table, 'the filter is none, or finds every row', "Pass 'all' where that is meant.")
    return nodes
  }
}
