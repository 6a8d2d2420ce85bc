/** Patches as callers write them: the operations, typed by the document. What they add up to and its SQL are patch-tree's. */
import type { AliasableExpression, Expression } from 'kysely'
import { expressionOf, nodeOf } from '../kernel/expressions.ts'
import type { JsonAt, JsonItem, JsonKey, JsonPartial, JsonPresent } from './json-shape.ts'
import { assertSteps, type JsonSteps } from './json-text.ts'
import { Changes, patchNode } from './patch-tree.ts'

/** A key, or the keys and positions from the outside in. */
export type JsonPatchPath = string | number | JsonSteps

const stepsOf = (path: JsonPatchPath): JsonSteps => assertSteps(typeof path === 'object' ? path : [path])

/** Marks patches, for functions that take either a value or a patch of it. */
const brand = Symbol('tenon.patch')

/** A patch of a document of type `T`; made by {@link patch}. */
export interface JsonPatch<T> {
  readonly [brand]: Changes
  /** Carries the type; it has no value. */
  readonly document?: T | undefined
}

/**
 * Makes a patch, for `update` of a repository and for `json(…).patch()`.
 *
 * @param change - calls the operations, in order
 * @returns the patch; it is applied in one expression, and can be applied any number of times
 * @throws {TenonError} QUERY_FILTER when operations contradict each other, PARAMETER_INVALID when a value is none that JSON has
 * @example
 * ```ts
 * await projects.update(me, id, { metadata: patch((p) => p.set('priority', 4).append('tags', 'urgent')) })
 * ```
 */
export function patch<T>(change: (builder: JsonPatchBuilder<T>) => unknown): JsonPatch<T> {
  const changes = new Changes()
  change(new JsonPatchBuilder<T>(changes, []))
  return { [brand]: changes }
}

/** Whether a value is a patch, and not a document. */
export function isJsonPatch(value: unknown): value is JsonPatch<unknown> {
  return typeof value === 'object' && value !== null && brand in value
}

/**
 * A document after a patch that was made before, as an expression. A column that is null counts as `{}`.
 *
 * @example
 * ```ts
 * me.updateTable('projects').set(({ ref }) => ({ metadata: applyPatch(ref('metadata'), change) }))
 * ```
 */
export function applyPatch<T>(
  document: Expression<T | null>,
  { [brand]: changes }: JsonPatch<T>,
): AliasableExpression<T> {
  return expressionOf(patchNode(nodeOf(document), changes))
}

type At<T, K> = JsonAt<JsonPresent<T>, K>
type Key<T> = JsonKey<JsonPresent<T>>

/** The operations of a patch. A path is one key, or an array of keys and positions. */
export class JsonPatchBuilder<T> {
  readonly #changes: Changes
  readonly #steps: JsonSteps

  constructor(changes: Changes, steps: JsonSteps) {
    this.#changes = changes
    this.#steps = steps
  }

  #path(path: JsonPatchPath): JsonSteps {
    return [...this.#steps, ...stepsOf(path)]
  }

  /** The same operations on what is at a key. */
  at<K extends Key<T>>(key: K): JsonPatchBuilder<At<T, K>> {
    return new JsonPatchBuilder(this.#changes, this.#path(key))
  }

  /** Puts a value there; `null` is JSON null. Missing parents are made. */
  set<K extends Key<T>>(key: K, value: At<T, K>): this
  set<K extends Key<T>, L extends Key<At<T, K>>>(path: readonly [K, L], value: At<At<T, K>, L>): this
  set<K extends Key<T>, L extends Key<At<T, K>>, M extends Key<At<At<T, K>, L>>>(
    path: readonly [K, L, M],
    value: At<At<At<T, K>, L>, M>,
  ): this
  set(path: JsonPatchPath, value: unknown): this {
    this.#changes.set(this.#path(path), value)
    return this
  }

  /** Removes a key or an item; nothing there is nothing to do. */
  unset<K extends Key<T>>(key: K): this
  unset<K extends Key<T>, L extends Key<At<T, K>>>(path: readonly [K, L]): this
  unset(path: JsonPatchPath): this {
    this.#changes.unset(this.#path(path))
    return this
  }

  /** Sets the keys of an object; the others stay. */
  merge(value: Partial<JsonPresent<T>>): this {
    this.#changes.merge(this.#steps, value, false)
    return this
  }

  /** Sets the keys of an object and of the objects in it, and puts an object where something else was. Arrays are replaced. */
  mergeDeep(value: JsonPartial<JsonPresent<T>> & object): this {
    this.#changes.merge(this.#steps, value, true)
    return this
  }

  /** Adds items at the end of an array; without one, makes it. */
  append<K extends Key<T>>(key: K, ...items: readonly JsonItem<JsonPresent<At<T, K>>>[]): this {
    this.#changes.addEnds(this.#path(key), { after: items })
    return this
  }

  /** Adds items at the beginning of an array, in the order given. */
  prepend<K extends Key<T>>(key: K, ...items: readonly JsonItem<JsonPresent<At<T, K>>>[]): this {
    this.#changes.addEnds(this.#path(key), { before: items })
    return this
  }

  /** Adds an item before a position of an array; a negative position counts from the end, and the item comes after it. */
  insert<K extends Key<T>>(path: readonly [K, number], item: JsonItem<JsonPresent<At<T, K>>>): this {
    this.#changes.insert(this.#path(path), item)
    return this
  }

  /** Adds to a number; without one, to 0. */
  increment<K extends Key<T>>(key: K, by = 1): this {
    this.#changes.increment(this.#path(key), by)
    return this
  }
}
