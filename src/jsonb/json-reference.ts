/**
 * `json()`: a place in a document, as an expression and as what conditions are asked of.
 *
 * Owns the way from a typed reference to SQL; which SQL a condition becomes is json-filter's, what a patch does is json-patch's.
 */
import type { AliasableExpression, AliasedExpression, Expression, OperationNode, SqlBool } from 'kysely'
import { binary, bound, call, cast, expressionOf, isExpression, nodeOf, type Sql } from '../kernel/expressions.ts'
import { atPath, conditionNode, filterNode, type JsonConditionName, textAtPath } from './json-filter.ts'
import { itemsOf, objectOr } from './json-items.ts'
import { applyPatch, type JsonPatchBuilder, patch } from './json-patch.ts'
import type {
  JsonAt,
  JsonFilter,
  JsonItem,
  JsonKey,
  JsonPartial,
  JsonPresent,
  JsonScalar,
  JsonTypeName,
} from './json-shape.ts'
import { assertSteps, type JsonSteps, toJsonText } from './json-text.ts'

type Condition = AliasableExpression<SqlBool>

/**
 * A place in a json or jsonb document.
 *
 * @param expression - what holds the document: `eb.ref('metadata')`
 * @param type - `json` for a column of that type: it is read as jsonb where an operator needs that
 * @returns the document; `at` goes into it
 * @example
 * ```ts
 * me.selectFrom('projects').selectAll().where(({ ref }) => json(ref('metadata')).at('priority').gt(3))
 * ```
 * The SQL:
 * ```sql
 * select * from "projects" where ("metadata" -> cast($1 as text)) > cast($2 as jsonb) and jsonb_typeof("metadata" -> cast($3 as text)) = 'number'
 * ```
 */
export function json<T>(expression: Expression<T>, type: 'jsonb' | 'json' = 'jsonb'): JsonReference<JsonPresent<T>> {
  const node = nodeOf(expression)
  return new JsonReference<JsonPresent<T>>(type === 'json' ? cast(node, 'jsonb') : node, [])
}

/** A typed place in a document. As an expression it is the jsonb value there, or null. */
export class JsonReference<T> implements AliasableExpression<T | null> {
  readonly #root: Sql
  readonly #steps: JsonSteps

  /** Use {@link json}. */
  constructor(root: Sql, steps: JsonSteps) {
    this.#root = root
    this.#steps = assertSteps(steps)
  }

  /** Kysely's seam; it has no value. */
  get expressionType(): T | null | undefined {
    return undefined
  }

  toOperationNode(): OperationNode {
    return atPath(this.#root, this.#steps)
  }

  as<Alias extends string>(alias: Alias): AliasedExpression<T | null, Alias>
  as<Alias extends string>(alias: Expression<unknown>): AliasedExpression<T | null, Alias>
  as<Alias extends string>(alias: Alias | Expression<unknown>): AliasedExpression<T | null, Alias> {
    return expressionOf<T | null>(this.toOperationNode()).as(alias as Alias)
  }

  /** Goes to a key of an object, or a position of an array (negative from the end). `->` */
  at<Key extends JsonKey<T>>(key: Key): JsonReference<JsonPresent<JsonAt<T, Key>>> {
    return new JsonReference(this.#root, [...this.#steps, key])
  }

  /** The value as text, `->>`: JSON null and nothing are null, a string is without quotes. */
  text(): AliasableExpression<string | null> {
    return expressionOf(textAtPath(this.#root, this.#steps))
  }

  /** `jsonb_typeof`; null when there is nothing. */
  type(): AliasableExpression<JsonTypeName | null> {
    return this.#call('jsonb_typeof')
  }

  /** Items of the array; null when it is none. */
  length(): AliasableExpression<number | null> {
    // jsonb_array_length raises an error for anything else; an empty path query gives null.
    const sizes = call(
      'jsonb_path_query_first',
      this.toOperationNode(),
      bound('strict $.size()', 'jsonpath'),
      bound('{}', 'jsonb'),
      bound(true, 'boolean'),
    )
    return expressionOf(cast(sizes, 'int4'))
  }

  #condition(name: JsonConditionName, operand: unknown): Condition {
    return expressionOf(conditionNode(this.#root, this.#steps, name, operand))
  }

  /** A filter of the form that repositories take. */
  where(filter: JsonFilter<T>): Condition {
    return expressionOf(filterNode(this.#root, filter, this.#steps))
  }

  /** Equality of JSON values: `@>`, which a GIN index serves. `null` is JSON null. */
  eq(value: T | null): Condition {
    return this.#condition('eq', value)
  }

  /** Another value, or nothing there: the opposite of `eq`. */
  ne(value: T | null): Condition {
    return this.#condition('ne', value)
  }

  in(values: readonly (T | null)[]): Condition {
    return this.#condition('in', values)
  }

  notIn(values: readonly (T | null)[]): Condition {
    return this.#condition('notIn', values)
  }

  /** Greater, of the same type: a string is never greater than a number. Strings in the order of the database. */
  gt(value: Extract<T, JsonScalar>): Condition {
    return this.#condition('gt', value)
  }

  gte(value: Extract<T, JsonScalar>): Condition {
    return this.#condition('gte', value)
  }

  lt(value: Extract<T, JsonScalar>): Condition {
    return this.#condition('lt', value)
  }

  lte(value: Extract<T, JsonScalar>): Condition {
    return this.#condition('lte', value)
  }

  startsWith(prefix: Extract<T, string>): Condition {
    return this.#condition('startsWith', prefix)
  }

  like(pattern: Extract<T, string>): Condition {
    return this.#condition('like', pattern)
  }

  ilike(pattern: Extract<T, string>): Condition {
    return this.#condition('ilike', pattern)
  }

  /** Whether the path leads to something, JSON null included. `?` */
  exists(): Condition {
    return this.#condition('exists', true)
  }

  /** Whether there is nothing, or JSON null. */
  isNull(): Condition {
    return this.#condition('isNull', true)
  }

  /** An array with this item. `@>` */
  has(item: JsonItem<T>): Condition {
    return this.#condition('has', item)
  }

  hasAny(items: readonly JsonItem<T>[]): Condition {
    return this.#condition('hasAny', items)
  }

  hasAll(items: readonly JsonItem<T>[]): Condition {
    return this.#condition('hasAll', items)
  }

  /** An array of which at least one item fits. */
  some(filter: JsonFilter<JsonItem<T>>): Condition {
    return this.#condition('some', filter)
  }

  /** `@>`: all of this, and maybe more. */
  contains(part: JsonPartial<T>): Condition {
    return this.#condition('contains', part)
  }

  /** `<@` */
  containedBy(whole: T): Condition {
    return this.#condition('containedBy', whole)
  }

  /** `?`: a key of the object, or a string in the array. */
  hasKey(key: string): Condition {
    return this.#condition('hasKey', key)
  }

  /** `?|` */
  hasAnyKey(keys: readonly string[]): Condition {
    return this.#condition('hasAnyKey', keys)
  }

  /** `?&` */
  hasAllKeys(keys: readonly string[]): Condition {
    return this.#condition('hasAllKeys', keys)
  }

  #path(path: string, variables: object): readonly Sql[] {
    const silent = bound(true, 'boolean')
    return [this.toOperationNode(), bound(path, 'jsonpath'), bound(toJsonText(variables), 'jsonb'), silent]
  }

  /**
   * `jsonb_path_exists`: whether a path of PostgreSQL's language finds something. Values go in as variables.
   *
   * @param path - a text of the program's own, such as `$.items[*] ? (@.price > $min)`: never build it of values
   * @param variables - by name, without the `$`
   */
  pathExists(path: string, variables: object = {}): Condition {
    return expressionOf(call('jsonb_path_exists', ...this.#path(path, variables)))
  }

  /** `@@`: what a predicate says, such as `$.price > 3`; null is not true. A GIN index serves equalities in it. */
  pathMatches(path: string): Condition {
    return expressionOf(binary(this.toOperationNode(), '@@', bound(path, 'jsonpath')))
  }

  /** `jsonb_path_query_first`; `R` is what the path finds, which nobody can check. */
  pathFirst<R = unknown>(path: string, variables: object = {}): AliasableExpression<R | null> {
    return expressionOf(call('jsonb_path_query_first', ...this.#path(path, variables)))
  }

  /** `jsonb_path_query_array` */
  pathAll<R = unknown>(path: string, variables: object = {}): AliasableExpression<R[]> {
    return expressionOf(call('jsonb_path_query_array', ...this.#path(path, variables)))
  }

  /** `||` of two documents, shallow. */
  concat<U>(other: Expression<U> | U): AliasableExpression<(T & U) | null> {
    return expressionOf(
      binary(this.toOperationNode(), '||', isExpression(other) ? nodeOf(other) : bound(toJsonText(other), 'jsonb')),
    )
  }

  /** `-`: without the keys. */
  without<const Key extends JsonKey<T>>(...keys: readonly Key[]): AliasableExpression<Omit<T, Key> | null> {
    return expressionOf(binary(this.toOperationNode(), '-', bound(keys, 'text[]')))
  }

  /** `jsonb_strip_nulls`: without keys that are JSON null, at any depth. */
  stripNulls(): AliasableExpression<T | null> {
    return this.#call('jsonb_strip_nulls')
  }

  pretty(): AliasableExpression<string | null> {
    return this.#call('jsonb_pretty')
  }

  #call<R>(name: string): AliasableExpression<R> {
    return expressionOf(call(name, this.toOperationNode()))
  }

  /**
   * The document after changes, for `set`.
   *
   * @example
   * ```ts
   * me.updateTable('projects').set(({ ref }) => ({ metadata: json(ref('metadata')).patch((p) => p.set('priority', 4)) }))
   * ```
   */
  patch(change: (builder: JsonPatchBuilder<T>) => unknown): AliasableExpression<T> {
    return applyPatch<T>(this, patch<T>(change))
  }

  /** `jsonb_array_elements` as a source of rows: one column `value`. No array, no rows. */
  items(): AliasableExpression<{ value: JsonItem<T> }> {
    return expressionOf(itemsOf(this.toOperationNode()))
  }

  /** `jsonb_each` as a source of rows: columns `key` and `value`. No object, no rows. */
  entries(): AliasableExpression<{ key: JsonKey<T>; value: JsonAt<T, JsonKey<T>> }> {
    return expressionOf(call('jsonb_each', objectOr(this.toOperationNode())))
  }

  /** `jsonb_object_keys` as a source of rows: one column, called as the source is. */
  keys<Alias extends string>(alias: Alias): AliasedExpression<{ [Name in Alias]: JsonKey<T> }, Alias> {
    return expressionOf<{ [Name in Alias]: JsonKey<T> }>(
      call('jsonb_object_keys', objectOr(this.toOperationNode())),
    ).as(alias)
  }
}

/** A value as a jsonb expression. */
export function jsonValue<T>(value: T): AliasableExpression<T> {
  return expressionOf(bound(toJsonText(value), 'jsonb'))
}

/** `jsonb_agg`: null without rows. */
export function jsonAgg<T>(expression: Expression<T>): AliasableExpression<T[] | null> {
  return expressionOf(call('jsonb_agg', nodeOf(expression)))
}

/** `jsonb_object_agg`: null without rows. A null key is an error of the query. */
export function jsonObjectAgg<T>(
  key: Expression<string>,
  value: Expression<T>,
): AliasableExpression<Record<string, T> | null> {
  return expressionOf(call('jsonb_object_agg', nodeOf(key), nodeOf(value)))
}

/** `jsonb_build_object`, of any number of keys. */
export function jsonObject<Shape extends Readonly<Record<string, Expression<unknown>>>>(
  shape: Shape,
): AliasableExpression<{ [Key in keyof Shape]: Shape[Key] extends Expression<infer T> ? T : never }> {
  const entries = Object.entries(shape)
  const objects: Sql[] = []
  // A function takes 100 arguments.
  for (let i = 0; i < Math.max(entries.length, 1); i += 50) {
    const pairs = entries.slice(i, i + 50).flatMap(([key, value]) => [bound(key, 'text'), nodeOf(value)])
    objects.push(call('jsonb_build_object', ...pairs))
  }
  return expressionOf(objects.reduce((left, right) => binary(left, '||', right)))
}

/** `jsonb_build_array` */
export function jsonArray<T>(...items: readonly Expression<T>[]): AliasableExpression<T[]> {
  return expressionOf(call('jsonb_build_array', ...items.map(nodeOf)))
}
