/**
 * Filters as SQL.
 *
 * Owns what each condition means: null is found by null alone, `ne` and `notIn` find it too, an empty `in` finds nothing, and what is
 * undefined is an error, so that a variable that was not set never widens a query.
 */
import { OperatorNode, type SelectQueryNode, UnaryOperationNode } from 'kysely'
import { isComposite, rangeOrValue } from '../codecs/index.ts'
import { json } from '../jsonb/index.ts'
import { ownOperator } from '../kernel/comparison.ts'
import {
  all,
  any,
  binary,
  bound,
  call,
  constant,
  expressionOf,
  isNotNull,
  isNull,
  negated,
  nodeOf,
  parameter,
  type Sql,
} from '../kernel/expressions.ts'
import type { ColumnMetadata, RelationMetadata, TableMetadata } from '../kernel/metadata.ts'
import { arrayTypeOf } from './array-values.ts'
import { baseTypeOf, columnOf, kindOf, plainValue, type Qualifier, rangeKindOf, reference, refuse } from './columns.ts'
import { fromRelated, ownedBy, relatedTables } from './related-rows.ts'

type Conditions = Readonly<Record<string, unknown>>

/**
 * The condition of a filter; true for an empty one.
 *
 * @throws {TenonError} QUERY_FILTER when it is none
 */
export function whereNode(table: TableMetadata, where: unknown, qualifier: Qualifier, depth = 0): Sql {
  if (!isObject(where)) return refuse(table, 'the filter is no plain object', 'Pass { column: value }.')
  const nodes = Object.entries(where).map(([key, condition]) => {
    const isColumn = Object.hasOwn(table.columns, key)
    const relation = isColumn || combinators.has(key) ? undefined : relationOf(table, key)
    if (condition === undefined)
      return refuse(
        table,
        `the condition on ${key} is undefined`,
        'Leave the key out to ask for nothing, or pass null for SQL NULL.',
      )
    if (isColumn) return columnNode(table, key, condition, reference(table, key, qualifier))
    if (relation !== undefined) return relationNode(table, key, relation, condition, qualifier, depth)
    if (key === 'not') return negated(whereNode(table, condition, qualifier, depth))
    if (!Array.isArray(condition)) return refuse(table, `${key} is no list of filters`, `Pass ${key}: [{ … }].`)
    const conditions = condition.map((each) => whereNode(table, each, qualifier, depth))
    return key === 'or' ? any(conditions) : all(conditions)
  })
  return all(nodes)
}

function columnNode(table: TableMetadata, key: string, condition: unknown, column: Sql): Sql {
  const metadata = columnOf(table, key)
  const kind = kindOf(metadata)
  if (condition === null) return isNull(column)
  if (kind === 'json') {
    const type = baseTypeOf(metadata) === 'pg_catalog.json' ? 'json' : 'jsonb'
    return nodeOf(json(expressionOf<never>(column), type).where(condition as never))
  }
  const compiler = new ConditionCompiler(table, key, column)
  if (!isConditions(condition)) return compiler.one('eq', condition)
  const names = Object.keys(condition)
  if (names.length === 0) return refuse(table, `the condition on ${key} asks for nothing`, 'Leave the key out.')
  return all(names.map((name) => compiler.one(name, condition[name])))
}

/** Refuses what is neither a column nor a relation, before its name is put into a message. */
function relationOf(table: TableMetadata, key: string): RelationMetadata {
  const relation = Object.hasOwn(table.relations, key) ? table.relations[key] : undefined
  if (relation === undefined) columnOf(table, key)
  return relation as RelationMetadata
}

/** `exists (…)` of rows that belong to the row and fit a filter of their own; of a relation to many some, every or none of them. */
function relationNode(
  table: TableMetadata,
  key: string,
  relation: RelationMetadata,
  condition: unknown,
  qualifier: Qualifier,
  depth: number,
): Sql {
  const related = relatedTables(table, relation)
  const [alias, joinAlias] = [`tenonw${depth}`, `tenonwj${depth}`]
  const owned = ownedBy(related, alias, joinAlias, table, qualifier ?? table.key)
  const rows = (operator: 'exists' | 'not exists', filter: readonly Sql[]) =>
    UnaryOperationNode.create(OperatorNode.create(operator), {
      ...fromRelated(related, alias, joinAlias),
      where: { kind: 'WhereNode', where: all([owned, ...filter]) },
    } as SelectQueryNode)
  const filterOf = (where: unknown) => whereNode(related.target, where, alias, depth + 1)
  if (relation.kind === 'one')
    return condition === null ? rows('not exists', []) : rows('exists', [filterOf(condition)])
  const entries = isObject(condition) ? Object.entries(condition) : []
  if (entries.length === 0)
    return refuse(table, `the condition on ${key} asks for nothing`, `Pass ${key}: { some: { … } }, every or none.`)
  return all(
    entries.map(([name, where]) => {
      if (where === undefined) return refuse(table, `${name} of ${key} is undefined`, 'Leave it out.')
      if (name === 'some') return rows('exists', [filterOf(where)])
      if (name === 'none') return rows('not exists', [filterOf(where)])
      if (name === 'every') return rows('not exists', [binary(filterOf(where), 'is not', constant(true))])
      return refuse(table, `there is no condition of that name on ${key}`, 'Use some, every or none.')
    }),
  )
}

const combinators = new Set(['and', 'or', 'not'])

const comparisons: Readonly<Record<string, '<' | '<=' | '>=' | '>'>> = { gt: '>', gte: '>=', lt: '<', lte: '<=' }
const rangeOperators: Readonly<Record<string, string>> = {
  contains: '@>',
  containedBy: '<@',
  overlaps: '&&',
  adjacent: '-|-',
}
const arrayOperators: Readonly<Record<string, string>> = { hasAll: '@>', containedBy: '<@', hasAny: '&&' }

class ConditionCompiler {
  readonly #table: TableMetadata
  readonly #key: string
  readonly #column: Sql

  constructor(table: TableMetadata, key: string, column: Sql) {
    this.#table = table
    this.#key = key
    this.#column = column
  }

  get #metadata(): ColumnMetadata {
    return columnOf(this.#table, this.#key)
  }

  #own(operator: Parameters<typeof ownOperator>[1]): string {
    return ownOperator(this.#metadata, operator)
  }

  one(name: string, operand: unknown): Sql {
    if (operand === undefined) return this.#refuse(`${name} is undefined`, 'Leave it out.')
    const kind = kindOf(columnOf(this.#table, this.#key))
    switch (name) {
      case 'eq':
        return operand === null ? isNull(this.#column) : binary(this.#column, this.#own('='), this.#value(operand))
      case 'ne':
        return operand === null
          ? isNotNull(this.#column)
          : this.#metadata.operators === undefined
            ? binary(this.#column, 'is distinct from', this.#value(operand))
            : negated(binary(this.#column, this.#own('='), this.#value(operand)))
      case 'isNull':
        return this.#flag(name, operand) ? isNull(this.#column) : isNotNull(this.#column)
      default:
        return kind === 'array' ? this.#array(name, operand) : this.#scalar(name, operand, kind)
    }
  }

  #scalar(name: string, operand: unknown, kind: string): Sql {
    const comparison = comparisons[name]
    if (comparison !== undefined)
      return binary(this.#column, this.#own(comparison), this.#value(this.#present(name, operand)))
    const range = rangeOperators[name]
    if (range !== undefined) {
      if (kind !== 'range') return this.#refuse(`${name} is for ranges`, 'The column is none.')
      return binary(this.#column, range, this.#rangeOrValue(name, this.#present(name, operand)))
    }
    switch (name) {
      case 'in':
        return this.#in(this.#list(name, operand))
      case 'notIn':
        return this.#notIn(this.#list(name, operand))
      case 'between': {
        const [from, to, ...more] = this.#list(name, operand)
        if (from === undefined || to === undefined || more.length > 0)
          return this.#refuse('between takes two values', 'Pass [from, to].')
        return all([this.#scalar('gte', from, kind), this.#scalar('lte', to, kind)])
      }
      case 'like':
      case 'ilike':
        return binary(this.#column, name, parameter(this.#text(name, operand)))
      case 'startsWith':
        return binary(this.#column, '^@', parameter(this.#text(name, operand)))
      case 'matches':
        return kind === 'tsvector'
          ? this.#matches(operand)
          : this.#refuse('matches is for tsvector', 'The column is none.')
      default:
        return this.#refuse(
          'there is no condition of that name on it',
          'See the README for the conditions of each type.',
        )
    }
  }

  /** A range is written with its bounds, or a value of tenon/codecs; `contains` takes a value of it too. */
  #rangeOrValue(name: string, operand: unknown): Sql {
    const range = rangeKindOf(columnOf(this.#table, this.#key)) ?? 'range'
    const isText = typeof operand === 'string'
    return this.#value(name === 'contains' || !isText ? rangeOrValue(operand, range) : operand)
  }

  #array(name: string, operand: unknown): Sql {
    const operator = arrayOperators[name]
    if (operator !== undefined) return binary(this.#column, operator, this.#value(this.#list(name, operand)))
    if (name === 'has') return binary(this.#column, '@>', this.#value([this.#present(name, operand)]))
    if (name === 'isEmpty')
      return binary(call('cardinality', this.#column), this.#flag(name, operand) ? '=' : '>', constant(0))
    return this.#refuse(
      'there is no condition of that name on an array',
      'Use eq, ne, has, hasAny, hasAll, containedBy, isEmpty or isNull.',
    )
  }

  // One parameter whatever the length, so that there is one statement; its type is that of the column.
  #in(values: readonly unknown[]): Sql {
    const present = values.filter((value) => value !== null)
    const found =
      present.length === 0 ? constant(false) : binary(this.#column, this.#own('='), call('any', this.#items(present)))
    return present.length === values.length ? found : any([isNull(this.#column), found])
  }

  #notIn(values: readonly unknown[]): Sql {
    const present = values.filter((value) => value !== null)
    const other =
      present.length === 0 ? constant(true) : binary(this.#column, this.#own('<>'), call('all', this.#items(present)))
    if (present.length < values.length)
      return present.length === 0 ? isNotNull(this.#column) : all([isNotNull(this.#column), other])
    return present.length === 0 ? other : any([isNull(this.#column), other])
  }

  #matches(operand: unknown): Sql {
    if (typeof operand === 'string')
      return binary(this.#column, '@@', call('websearch_to_tsquery', bound(operand, 'text')))
    const { query, config } = isObject(operand) ? operand : {}
    if (typeof query !== 'string' || typeof config !== 'string')
      return this.#refuse('matches takes a text, or { query, config }', "Pass matches: 'free words'.")
    return binary(this.#column, '@@', call('websearch_to_tsquery', bound(config, 'regconfig'), bound(query, 'text')))
  }

  #items(values: readonly unknown[]): Sql {
    const items = values.map((value) => plainValue(this.#table, this.#key, value))
    return items.some(isComposite) ? bound(items, arrayTypeOf(this.#table, this.#key)) : parameter(items)
  }

  #value(value: unknown): Sql {
    const plain = plainValue(this.#table, this.#key, value)
    // Rows of any type can be compared, so the server does not take the column's for the parameter.
    return isComposite(plain) ? bound(plain, arrayTypeOf(this.#table, this.#key).slice(0, -2)) : parameter(plain)
  }

  #present(name: string, operand: unknown): unknown {
    return operand === null || operand === undefined
      ? this.#refuse(`${name} of nothing`, 'Nothing is greater or less than null.')
      : operand
  }

  #list(name: string, operand: unknown): readonly unknown[] {
    if (!Array.isArray(operand)) return this.#refuse(`${name} takes a list`, `Pass ${name}: […].`)
    return operand.includes(undefined) ? this.#refuse(`${name} has an undefined item`, 'Leave it out.') : operand
  }

  #flag(name: string, operand: unknown): boolean {
    return typeof operand === 'boolean'
      ? operand
      : this.#refuse(`${name} is neither true nor false`, `Pass ${name}: true.`)
  }

  #text(name: string, operand: unknown): string {
    return typeof operand === 'string' ? operand : this.#refuse(`${name} takes a text`, `Pass ${name}: '…'.`)
  }

  #refuse(what: string, hint: string): never {
    return refuse(this.#table, `${this.#key}: ${what}`, hint)
  }
}

function isObject(value: unknown): value is Conditions {
  if (typeof value !== 'object' || value === null) return false
  // A promise that was not awaited, a Map or a class has nothing of its own to ask for, and would ask for every row.
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** An object that is no value of its own: not a Date, a Buffer, an interval or a point. */
function isConditions(value: unknown): value is Conditions {
  return isObject(value) && !('x' in value)
}
