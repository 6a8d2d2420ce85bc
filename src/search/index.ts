/** tenon/search: full-text search by words, trigrams for what was mistyped, headlines, and pages by rank under row-level security. */

export { explainSearch, type SearchExplanation } from './explain-search.ts'
export type { HeadlineOptions } from './headline.ts'
export type { SearchLanguage } from './language.ts'
export type { RankNormalization, RankOptions } from './rank.ts'
export { Search, type SearchMode, SearchQuery, search, wordsOf } from './search-query.ts'
export {
  type Found,
  type HeadlineRequest,
  type SearchOptions,
  type SearchPage,
  type SimilarOptions,
  searchRows,
} from './search-rows.ts'
export type { SearchableTable } from './searchable-table.ts'
export { Similarity, type SimilarityKind, similarity } from './similarity.ts'
