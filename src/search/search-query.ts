/**
 * `search()`: queries of words on a tsvector, as Kysely expressions.
 *
 * Owns the way from what a person typed to SQL. It reads and orders nothing by itself; searchRows does.
 */
import type { AliasableExpression, Expression, SqlBool } from 'kysely'
import { OperatorNode, ParensNode, UnaryOperationNode } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { binary, bound, call, expressionOf, nodeOf, type Sql } from '../kernel/expressions.ts'
import { type HeadlineOptions, headlineNode } from './headline.ts'
import { languageNode, type SearchLanguage } from './language.ts'
import { type RankOptions, rankNode } from './rank.ts'
import { assertText, toPrefixTexts, toSearchText, toWebsearchText } from './search-text.ts'

/** How a text is read: see the methods of {@link Search}. */
export type SearchMode = 'websearch' | 'plain' | 'phrase' | 'prefix'

/**
 * Searches a column of words.
 *
 * @param words - a tsvector: `eb.ref('words')`, or {@link wordsOf} a text
 * @param language - the text search configuration that the words were made with
 * @returns ways to read a text as a query
 * @throws {TenonError} OPTION_INVALID when the language cannot be a name; QUERY_UNDEFINED_OBJECT of the query when there is none of it
 * @example
 * ```ts
 * me.selectFrom('articles').select(['id', 'title'])
 *   .where(({ ref }) => search(ref('words'), 'english').websearch('free "exact words" -not').matches())
 * ```
 * The SQL:
 * ```sql
 * select "id", "title" from "articles" where "words" @@ websearch_to_tsquery(cast($1 as regconfig), cast($2 as text))
 * ```
 */
export function search(words: Expression<string | null>, language: SearchLanguage): Search {
  return new Search(nodeOf(words), languageNode(language))
}

/**
 * The words of a text: `to_tsvector`, for texts without a column of words. An index on the same expression serves it.
 *
 * @example
 * ```ts
 * search(wordsOf(eb.ref('title'), 'simple'), 'simple').prefix('so').matches()
 * // to_tsvector(cast($1 as regconfig), "title") @@ …
 * ```
 */
export function wordsOf(text: Expression<string | null>, language: SearchLanguage): AliasableExpression<string> {
  return expressionOf(call('to_tsvector', languageNode(language), nodeOf(text)))
}

/** Ways to read a text as a query. Whatever a person typed, none of them but `query` fails; 2,000 characters are read. */
export class Search {
  readonly #words: Sql
  readonly #language: Sql

  /** Use {@link search}. */
  constructor(words: Sql, language: Sql) {
    this.#words = words
    this.#language = language
  }

  /** As search engines read it: all words, `"a phrase"`, `or`, `-not`. `websearch_to_tsquery` */
  websearch(text: string): SearchQuery {
    return this.#of('websearch_to_tsquery', toWebsearchText(text))
  }

  /** All words, in any order; nothing is an operator. `plainto_tsquery` */
  plain(text: string): SearchQuery {
    return this.#of('plainto_tsquery', toSearchText(text))
  }

  /** The words one after the other. `phraseto_tsquery` */
  phrase(text: string): SearchQuery {
    return this.#of('phraseto_tsquery', toSearchText(text))
  }

  /**
   * While it is being typed: all words, of which the last may go on. That one is also looked for as it stands, because the words of a language
   * end at their stem and its commonest ones are left out: `the` shall find `theory`.
   */
  prefix(text: string): SearchQuery {
    const { finished, last } = toPrefixTexts(text)
    const open = this.#of('to_tsquery', last ?? '')
    if (last === undefined) return open
    const asTyped = new SearchQuery(
      this.#words,
      this.#language,
      call('to_tsquery', bound('simple', 'regconfig'), bound(last, 'text')),
    )
    const either = open.or(asTyped)
    return finished === undefined ? either : this.#of('to_tsquery', finished).and(either)
  }

  /** A text read in one of these ways, chosen by name. */
  by(mode: SearchMode, text: string): SearchQuery {
    if (!modes.includes(mode))
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: 'a search reads its text in no way of that name',
        hint: `Pass ${modes.join(', ')}.`,
      })
    return this[mode](text)
  }

  /**
   * In the server's own language: `'fat & (rat | cat):* & !dog <2> x'`. `to_tsquery`
   *
   * @param query - a text of the program's own. A malformed one is QUERY_SYNTAX of the query
   */
  query(query: string): SearchQuery {
    assertText(query)
    return this.#of('to_tsquery', query)
  }

  #of(name: string, text: string): SearchQuery {
    return new SearchQuery(this.#words, this.#language, call(name, this.#language, bound(text, 'text')))
  }
}

const modes: readonly SearchMode[] = ['websearch', 'plain', 'phrase', 'prefix']

/** A query of words, and what can be asked of a row with it. */
export class SearchQuery {
  readonly #words: Sql
  readonly #language: Sql
  readonly #query: Sql

  /** Use {@link search}. */
  constructor(words: Sql, language: Sql, query: Sql) {
    this.#words = words
    this.#language = language
    this.#query = query
  }

  /** Whether the words fit. `@@`, which a GIN index serves; under row-level security see {@link explainSearch}. A query without words fits nothing. */
  matches(): AliasableExpression<SqlBool> {
    return expressionOf(binary(this.#words, '@@', this.#query))
  }

  /** How well the words fit, from 0; the numbers of different queries say nothing of each other. `ts_rank` */
  rank(options?: RankOptions): AliasableExpression<number> {
    return expressionOf(rankNode(this.#words, this.#query, options))
  }

  /**
   * The best place of a text with its words marked: `… <mark>free</mark> software …`, ready for a page of HTML. `ts_headline`
   *
   * It reads the whole text again: ask for it where rows are few.
   */
  headline<T extends string | null>(text: Expression<T>, options?: HeadlineOptions): AliasableExpression<T | string> {
    return expressionOf(headlineNode(this.#language, nodeOf(text), this.#query, options))
  }

  /** Both. `&&` */
  and(other: SearchQuery): SearchQuery {
    return this.#with(binary(this.#query, '&&', other.#query))
  }

  /** One at least. `||` */
  or(other: SearchQuery): SearchQuery {
    return this.#with(binary(this.#query, '||', other.#query))
  }

  /** What does not fit. `!!`: by itself no index serves it. */
  not(): SearchQuery {
    return this.#with(UnaryOperationNode.create(OperatorNode.create('!!'), ParensNode.create(this.#query)))
  }

  /** This and then the other, so many words further on. `tsquery_phrase` */
  followedBy(other: SearchQuery, distance = 1): SearchQuery {
    if (!Number.isInteger(distance) || distance < 0 || distance > 16_384)
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: 'the distance of two words is no number of words',
        hint: 'Pass 0 to 16,384.',
      })
    return this.#with(call('tsquery_phrase', this.#query, other.#query, bound(distance, 'int4')))
  }

  /** The tsquery itself, as a value. */
  toExpression(): AliasableExpression<string> {
    return expressionOf(this.#query)
  }

  #with(query: Sql): SearchQuery {
    return new SearchQuery(this.#words, this.#language, query)
  }
}
