/** Distances of pgvector. */
import type { AliasableExpression, Expression } from 'kysely'
import { isExpression, nodeOf, parameter, type Sql } from '../kernel/expressions.ts'
import { type Expected, present, ValueReference } from './value-reference.ts'
import { type SparseVector, Vector } from './vector.ts'

type Operand = Vector | SparseVector | readonly number[] | Expression<unknown>

/**
 * Distances of `vector`, `halfvec` and `sparsevec`. An HNSW or IVFFlat index of the same distance serves an order by it with a limit.
 *
 * @example
 * ```ts
 * me.selectFrom('notes').selectAll().orderBy(({ ref }) => vector(ref('embedding')).cosineDistance(query)).limit(10)
 * ```
 * The SQL: `select * from "notes" order by "embedding" <=> $1 limit $2`
 */
export function vector<T>(
  expression: Expression<T> & Expected<T, Vector | SparseVector | string>,
): VectorReference<NonNullable<T>> {
  return new VectorReference(expression)
}

/** Made by {@link vector}. */
export class VectorReference<T> extends ValueReference<T | null> {
  /** `<->` */
  l2Distance(other: Operand): AliasableExpression<number | null> {
    return this.infix('<->', vectorOf(other))
  }

  /** `<=>` */
  cosineDistance(other: Operand): AliasableExpression<number | null> {
    return this.infix('<=>', vectorOf(other))
  }

  /** `<+>` */
  l1Distance(other: Operand): AliasableExpression<number | null> {
    return this.infix('<+>', vectorOf(other))
  }

  /** `<#>`: the inner product times -1, so that the nearest comes first and an index can serve it. */
  negativeInnerProduct(other: Operand): AliasableExpression<number | null> {
    return this.infix('<#>', vectorOf(other))
  }

  /** `inner_product` */
  innerProduct(other: Operand): AliasableExpression<number | null> {
    return this.calling('inner_product', vectorOf(other))
  }

  /** `vector_dims`: of vector and halfvec. */
  dimensions(): AliasableExpression<number | null> {
    return this.calling('vector_dims')
  }
}

function vectorOf(value: Operand): Sql {
  if (isExpression(value)) return nodeOf(value)
  const given = present(value)
  return parameter(Array.isArray(given) ? Vector.of(given) : given)
}
