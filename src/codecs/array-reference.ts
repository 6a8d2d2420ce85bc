/** Operators and functions of arrays. */
import {
  type AliasableExpression,
  type Expression,
  type JSONPathLegNode,
  JSONReferenceNode,
  type OperationNode,
  ParensNode,
} from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import {
  binary,
  call,
  constant,
  expressionOf,
  isExpression,
  nodeOf,
  parameter,
  type Sql,
} from '../kernel/expressions.ts'
import { type Condition, type Expected, operandOf, ValueReference } from './value-reference.ts'

type ItemOf<T> = T extends readonly (infer Item)[] ? Item : never

/**
 * The operators of an array. A GIN index serves `has`, `hasAny`, `hasAll` and `containedBy`.
 *
 * @example
 * ```ts
 * me.selectFrom('posts').selectAll().where(({ ref }) => array(ref('tags')).hasAny(['sql', 'types']))
 * me.updateTable('posts').set(({ ref }) => ({ tags: array(ref('tags')).append('new') }))
 * ```
 * The SQL: `… where "tags" && $1` and `… set "tags" = array_append("tags", $1)`
 */
export function array<T>(
  expression: Expression<T> & Expected<T, readonly unknown[]>,
): ArrayReference<ItemOf<NonNullable<T>>> {
  return new ArrayReference(expression)
}

/** Made by {@link array}. */
export class ArrayReference<Item> extends ValueReference<Item[] | null> {
  /** `@>` of an array of one. Null is found by `position` alone. */
  has(item: NonNullable<Item>): Condition {
    return this.infix('@>', parameter(this.#items([item])))
  }

  /** `&&` */
  hasAny(items: readonly NonNullable<Item>[] | Expression<unknown>): Condition {
    return this.infix('&&', this.#array(items))
  }

  /** `@>` */
  hasAll(items: readonly NonNullable<Item>[] | Expression<unknown>): Condition {
    return this.infix('@>', this.#array(items))
  }

  /** `<@` */
  containedBy(items: readonly NonNullable<Item>[] | Expression<unknown>): Condition {
    return this.infix('<@', this.#array(items))
  }

  /** `cardinality`: elements in all dimensions. */
  length(): AliasableExpression<number | null> {
    return this.calling('cardinality')
  }

  isEmpty(): Condition {
    return expressionOf(binary(call('cardinality', this.toOperationNode()), '=', constant(0)))
  }

  /**
   * The element at a place, `tags[1]`; null when there is none.
   *
   * @param place - from 1, as {@link position} counts
   * @throws {TenonError} QUERY_FILTER when it is no whole number
   */
  at(place: number): AliasableExpression<Item | null> {
    if (!Number.isSafeInteger(place))
      throw new TenonError({
        code: 'QUERY_FILTER',
        message: 'the place in an array is no whole number',
        hint: 'The first element is at 1.',
      })
    const node = this.toOperationNode()
    // Kysely compiles a step of a JSON path by itself to `[place]`, which is how arrays are read.
    const leg: JSONPathLegNode = { kind: 'JSONPathLegNode', type: 'ArrayLocation', value: place }
    return expressionOf(
      JSONReferenceNode.create(
        inBrackets(node) as never,
        leg as unknown as Parameters<typeof JSONReferenceNode.create>[1],
      ),
    )
  }

  /** `array_position`, from 1; null when it is not there. */
  position(item: Item | Expression<unknown>): AliasableExpression<number | null> {
    return this.calling('array_position', itemOf(item))
  }

  /** `array_append` */
  append(item: Item | Expression<unknown>): AliasableExpression<Item[]> {
    return this.calling('array_append', itemOf(item))
  }

  /** `array_prepend` */
  prepend(item: Item | Expression<unknown>): AliasableExpression<Item[]> {
    return expressionOf(call('array_prepend', itemOf(item), this.toOperationNode()))
  }

  /** `array_remove`: without every element that equals it. */
  remove(item: Item | Expression<unknown>): AliasableExpression<Item[]> {
    return this.calling('array_remove', itemOf(item))
  }

  /** `array_replace` */
  replace(item: Item | Expression<unknown>, by: Item | Expression<unknown>): AliasableExpression<Item[]> {
    return this.calling('array_replace', itemOf(item), itemOf(by))
  }

  /** `array_cat` */
  concat(items: readonly Item[] | Expression<unknown>): AliasableExpression<Item[]> {
    return this.calling('array_cat', isExpression(items) ? nodeOf(items) : operandOf(items))
  }

  #array(items: readonly unknown[] | Expression<unknown>): Sql {
    return isExpression(items) ? nodeOf(items) : parameter(this.#items(items))
  }

  #items(items: readonly unknown[]): readonly unknown[] {
    if (Array.isArray(items) && items.every((item) => item !== null && item !== undefined)) return items
    throw new TenonError({
      code: 'QUERY_FILTER',
      message: 'an array is compared with null, undefined or what is no list',
      hint: 'No element equals null: ask with position(null).',
    })
  }
}

const itemOf = (item: unknown): Sql => (isExpression(item) ? nodeOf(item) : parameter(item))

/** What is no column is put in parentheses before a subscript. */
function inBrackets(node: OperationNode): OperationNode {
  return node.kind === 'ReferenceNode' || node.kind === 'ColumnNode' ? node : ParensNode.create(node)
}
