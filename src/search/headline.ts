/**
 * Headlines: the places of a text where the words of a query stand, with marks around the words.
 *
 * Owns that a headline can be put into a page of HTML as it is: the text is escaped, and marks are ours alone. The server's own function
 * leaves what the text holds as it stands, tags and scripts too.
 */
import { TenonError } from '../kernel/errors.ts'
import { bound, call, parameter, type Sql } from '../kernel/expressions.ts'

/** Options of a headline. */
export interface HeadlineOptions {
  /** What stands before and after a word that was found. Default `<mark>` and `</mark>`. A text of the program's own. */
  readonly start?: string | undefined
  readonly stop?: string | undefined
  /** `html`: everything but the marks is escaped. `none`: for what is no page, such as a terminal. Default `html`. */
  readonly escape?: 'html' | 'none' | undefined
  /** Words of a fragment, 1 to 1,000. Default 15 to 35. */
  readonly maxWords?: number | undefined
  readonly minWords?: number | undefined
  /** Words of this length or less are left out at the ends. Default 3. */
  readonly shortWord?: number | undefined
  /** More than one place, up to this many, 1 to 100; without it one place, chosen another way. */
  readonly maxFragments?: number | undefined
  /** Between fragments. Default ` … `. */
  readonly delimiter?: string | undefined
  /** The whole text instead of its best place, as for a title. */
  readonly whole?: boolean | undefined
}

/** Control characters that no text has a use for; what the text holds of them is taken out first, so that nobody forges a mark. */
const [open, close] = ['\u0002', '\u0003'] as const
/** What would end the server's option, or look like a mark. */
const unfit = ['"', '\\', '\0', open, close]

function refuse(what: string, hint: string): never {
  throw new TenonError({ code: 'OPTION_INVALID', message: `${what} of a headline`, hint })
}

/** The options in the server's words. */
function optionsText(options: HeadlineOptions): string {
  const {
    maxWords = 35,
    minWords = Math.min(15, maxWords - 1),
    shortWord = 3,
    maxFragments,
    delimiter = ' … ',
  } = options
  const isCount = (value: unknown, least: number, most: number) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most
  if (!isCount(maxWords, 2, 1_000)) refuse('maxWords is no number', 'Pass 2 to 1,000.')
  // The server's own rule, and its error says no more.
  if (!isCount(minWords, 1, maxWords - 1)) refuse('minWords is no number', 'Pass 1 at least, and less than maxWords.')
  if (!isCount(shortWord, 0, 1_000)) refuse('shortWord is no number', 'Pass 0 to 1,000.')
  if (maxFragments !== undefined && !isCount(maxFragments, 1, 100))
    refuse('maxFragments is no number', 'Pass 1 to 100.')
  if (typeof delimiter !== 'string' || unfit.some((each) => delimiter.includes(each)) || delimiter.length > 100)
    refuse('the delimiter is none', 'Pass a text without quotes and backslashes.')
  const words = [
    ['StartSel', open],
    ['StopSel', close],
    ['MaxWords', maxWords],
    ['MinWords', minWords],
    ['ShortWord', shortWord],
    ['MaxFragments', maxFragments ?? 0],
    ['FragmentDelimiter', delimiter],
    ['HighlightAll', options.whole === true],
  ] as const
  return words.map(([name, value]) => `${name}="${value}"`).join(', ')
}

const escapes = [
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
] as const

/** @throws {TenonError} OPTION_INVALID */
export function headlineNode(language: Sql, text: Sql, query: Sql, options: HeadlineOptions = {}): Sql {
  const { start = '<mark>', stop = '</mark>', escape: escaping = 'html' } = options
  if (
    typeof start !== 'string' ||
    typeof stop !== 'string' ||
    (start + stop).includes('\0') ||
    !(start + stop).isWellFormed()
  )
    refuse('a mark is no text', "Pass start: '<b>', stop: '</b>'.")
  if (escaping !== 'html' && escaping !== 'none') refuse('escape is none', "Pass 'html' or 'none'.")
  const plain = call('translate', text, bound(open + close, 'text'), parameter(''))
  const found = call('ts_headline', language, plain, query, bound(optionsText(options), 'text'))
  const replaced = [...(escaping === 'html' ? escapes : []), [open, start] as const, [close, stop] as const]
  return replaced.reduce((node, [from, to]) => call('replace', node, bound(from, 'text'), bound(to, 'text')), found)
}
