/**
 * Trigrams: texts that look alike, for names and for what was mistyped. They take the extension pg_trgm.
 *
 * Owns that a threshold is what the query says, and not what a setting of the session happens to be.
 */
import type { AliasableExpression, Expression, SqlBool } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { all, binary, bound, call, expressionOf, nodeOf, type Sql } from '../kernel/expressions.ts'
import { toSearchText } from './search-text.ts'

/** What two texts are compared by: as wholes, or the text that is looked for with the part of the other that is most like it. */
export type SimilarityKind = 'whole' | 'word' | 'strict word'

/** Operators are served by an index and take their threshold from a setting: these are its defaults. */
const kinds = {
  whole: { name: 'similarity', operator: '%', setting: 0.3 },
  word: { name: 'word_similarity', operator: '%>', setting: 0.6 },
  'strict word': { name: 'strict_word_similarity', operator: '%>>', setting: 0.5 },
} as const

/**
 * Compares a column with a text by trigrams.
 *
 * @param column - a text: `eb.ref('title')`
 * @param text - what is looked for, as it was typed
 * @param kind - default `word`, which finds a mistyped word in a title; `whole` compares all of both, as for names
 * @throws {TenonError} OPTION_INVALID, PARAMETER_INVALID; QUERY_UNDEFINED_OBJECT of the query when the extension is missing
 * @example
 * ```ts
 * me.selectFrom('articles').select('title')
 *   .where(({ ref }) => similarity(ref('title'), 'postgras').atLeast(0.6))
 *   .orderBy(({ ref }) => similarity(ref('title'), 'postgras').score(), 'desc')
 * ```
 * The SQL:
 * ```sql
 * select "title" from "articles" where ("title" %> cast($1 as text)) and (word_similarity(cast($2 as text), "title") >= cast($3 as real))
 * order by word_similarity(cast($4 as text), "title") desc
 * ```
 */
export function similarity(column: Expression<string | null>, text: string, kind: SimilarityKind = 'word'): Similarity {
  return new Similarity(nodeOf(column), toSearchText(text), kind)
}

/** How alike a column and a text are. */
export class Similarity {
  readonly #column: Sql
  readonly #text: Sql
  readonly #kind: (typeof kinds)[SimilarityKind]

  /** Use {@link similarity}. */
  constructor(column: Sql, text: string, kind: SimilarityKind) {
    if (!Object.hasOwn(kinds, kind))
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: 'there is no similarity of that kind',
        hint: `Pass ${Object.keys(kinds).join(', ')}.`,
      })
    this.#column = column
    this.#text = bound(text, 'text')
    this.#kind = kinds[kind]
  }

  /** From 0, nothing in common, to 1, the same trigrams. */
  score(): AliasableExpression<number> {
    const { name } = this.#kind
    return expressionOf(
      name === 'similarity' ? call(name, this.#column, this.#text) : call(name, this.#text, this.#column),
    )
  }

  /**
   * Whether they are as alike as this.
   *
   * An index with `gin_trgm_ops` serves thresholds from the server's own default on: 0.3, for `word` 0.6, for `strict word` 0.5. Below it, and
   * under row-level security, every row is compared that the other conditions leave.
   *
   * @param threshold - from 0 to 1; default the server's default of the kind
   */
  atLeast(threshold?: number): AliasableExpression<SqlBool> {
    const { operator, setting } = this.#kind
    const least = threshold ?? setting
    if (typeof least !== 'number' || !(least >= 0 && least <= 1))
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: 'a threshold of similarity is no number from 0 to 1',
        hint: 'Pass a number such as 0.6.',
      })
    const enough = binary(nodeOf(this.score()), '>=', bound(least, 'real'))
    // Without a trigram in the text the operator finds nothing, and so does the function from above 0 on.
    return expressionOf(least < setting ? enough : all([binary(this.#column, operator, this.#text), enough]))
  }

  /** How far they are apart, 1 minus the score: an order that an index with `gist_trgm_ops` can give without reading more. */
  distance(): AliasableExpression<number> {
    const operator = { similarity: '<->', word_similarity: '<->>', strict_word_similarity: '<->>>' }[this.#kind.name]
    return expressionOf(binary(this.#column, operator, this.#text))
  }
}
