/**
 * What people type, as text that the server's query functions take.
 *
 * Owns that no text whatever makes a query fail: what cannot be sent is left out, what is too long for a search box is cut.
 */
import { TenonError } from '../kernel/errors.ts'

/**
 * UTF-16 units of a text that are read. Every word becomes a node of the query, and the server walks queries by recursion: tens of thousands
 * of words end in "stack depth limit exceeded".
 */
const maxLength = 2_000

/** @throws {TenonError} PARAMETER_INVALID when it is no text */
export function assertText(text: unknown): asserts text is string {
  if (typeof text === 'string') return
  throw new TenonError({
    code: 'PARAMETER_INVALID',
    message: 'what is searched for is no text',
    hint: "Pass a string; '' finds nothing.",
  })
}

/** A text as it is sent: without NUL and halves of surrogate pairs, of 2,000 characters at most. */
export function toSearchText(text: unknown): string {
  assertText(text)
  return text.slice(0, maxLength).toWellFormed().replaceAll('\0', ' ')
}

/** Every dash before a word negates it once more, and the server has room for 32 of them: "tsquery stack too small". */
const manyDashes = /-(?:[^\p{L}\p{N}-]*-){8,}/gu

/** A text as `websearch_to_tsquery` takes it. */
export function toWebsearchText(text: unknown): string {
  return toSearchText(text).replaceAll(manyDashes, ' ')
}

/** Not words of anybody's, and in the way of phrases: a quoted operand of more than one word is one. */
const separators = /[\s,;:!?()[\]{}"<>|&*]+/u

/** The finished words of a text that is being typed and the one that may go on, in the language of `to_tsquery`; undefined for none. */
export function toPrefixTexts(text: unknown): { readonly finished?: string; readonly last?: string } {
  const words = toSearchText(text)
    .split(separators)
    .filter((word) => word !== '')
    .map(quoteOperand)
  const last = words.pop()
  if (last === undefined) return {}
  return { last: `${last}:*`, ...(words.length === 0 ? {} : { finished: words.join(' & ') }) }
}

/** In quotes everything but the quote and the backslash stands for itself. */
function quoteOperand(word: string): string {
  return `'${word.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}
