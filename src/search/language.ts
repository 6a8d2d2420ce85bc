/** Text search configurations by name: what the server calls them, and nothing else. */
import type { Expression } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { bound, cast, nodeOf, type Sql } from '../kernel/expressions.ts'

/**
 * A text search configuration: `english`, `german`, `simple`, `public.english_unaccented`; or an expression that gives one, such as a column
 * of type regconfig.
 */
export type SearchLanguage = string | Expression<string>

const part = '(?:[\\p{L}_][\\p{L}\\p{N}_$]{0,62}|"[^"\\0]{1,63}")'
const nameOfConfiguration = new RegExp(`^${part}(?:\\.${part})?$`, 'u')

/** @throws {TenonError} OPTION_INVALID when it cannot be a name; whether there is one of that name only the server knows */
export function languageNode(language: SearchLanguage): Sql {
  if (typeof language === 'object' && language !== null && 'toOperationNode' in language)
    return cast(nodeOf(language), 'regconfig')
  if (typeof language === 'string' && nameOfConfiguration.test(language)) return bound(language, 'regconfig')
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'the language of a search is no name of a text search configuration',
    hint: "Pass one of `select cfgname from pg_ts_config`, such as 'english', with its schema where it is not on the search_path.",
  })
}
