/**
 * Tells whether two servers say the same of an object.
 *
 * Owns the differences between versions in how PostgreSQL writes down what it has parsed. Each is evened out on both sides, so that a real
 * difference stays one.
 */
import type { CatalogObject } from './catalog-object.ts'

/**
 * Compares the parts of two objects.
 *
 * @returns the names of the parts that differ, in order; empty when they are the same
 */
export function differingParts(expected: CatalogObject, actual: CatalogObject): readonly string[] {
  const names = new Set([...Object.keys(expected.parts), ...Object.keys(actual.parts)])
  return [...names].filter((name) => {
    const [left, right] = [expected.parts[name], actual.parts[name]]
    if (left === right) return false
    if (left === undefined || right === undefined) return true
    return even(expected, name, left) !== even(expected, name, right)
  })
}

function even({ kind }: CatalogObject, part: string, text: string): string {
  // A function whose file was checked out on Windows.
  const lines = text.replaceAll('\r\n', '\n')
  if (kind === 'comment' || kind === 'grant') return lines
  const tokens = withoutTargetAs(toTokens(lines).map(unquoted))
  return (kind === 'view' && part === 'query' ? withoutPrefix(tokens) : tokens).join('')
}

/** Strings, quoted names, words, white space and single characters. */
function toTokens(text: string): readonly string[] {
  return (
    text.match(
      /\bE'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|[\p{L}_][\p{L}\p{N}_$]*|\s+|[\s\S]/gu,
    ) ?? []
  )
}

// Which words are quoted depends on the version: "json" became a keyword in 16.
function unquoted(token: string): string {
  return /^"[a-z_][a-z0-9_]*"$/.test(token) ? token.slice(1, -1) : token
}

/** From the minor releases of November 2026 on (15.20) UPDATE and DELETE have AS in front of the name that their table goes by. */
function withoutTargetAs(tokens: readonly string[]): readonly string[] {
  const kept: string[] = []
  // What came since UPDATE or DELETE FROM, as long as it is the name of a table.
  let target: string | undefined
  let last = ''
  for (const token of tokens) {
    if (token.trim() === '') {
      // Of the blanks around AS one is left.
      if (kept.at(-1)?.trim() !== '') kept.push(token)
      continue
    }
    const isAs = token === 'AS' && target !== undefined && isName(target)
    if (token === 'UPDATE' || (token === 'FROM' && last === 'DELETE')) target = ''
    else if (target !== undefined && token !== 'ONLY') target = isName(token) === isName(target) ? undefined : token
    if (!isAs) kept.push(token)
    last = token
  }
  return kept
}

const clauses = [
  'WHERE',
  'GROUP',
  'HAVING',
  'WINDOW',
  'ORDER',
  'LIMIT',
  'OFFSET',
  'FETCH',
  'FOR',
  'UNION',
  'INTERSECT',
  'EXCEPT',
]
const isName = (token: string | undefined): boolean => token !== undefined && /^(?:"|[\p{L}_])/u.test(token)

/**
 * A query of one table without that table's name before its columns: up to version 15 the server writes it there, later it does not.
 * Queries of several tables stay as they are.
 */
function withoutPrefix(tokens: readonly string[]): readonly string[] {
  let depth = 0
  let from = -1
  let end = tokens.length
  let alias: string | undefined
  for (const [i, token] of tokens.entries()) {
    if (token === '(') depth++
    else if (token === ')') depth--
    if (depth > 0 || token.trim() === '') continue
    if (from < 0) {
      if (token === 'FROM') from = i
    } else if (token === ',' || token === 'JOIN') return tokens
    else if (clauses.includes(token)) {
      end = i
      break
    } else if (isName(token)) alias = token
  }
  if (from < 0 || alias === undefined) return tokens
  return tokens.filter((token, i) => {
    if (i > from && i < end) return true
    const isPrefix = token === alias && tokens[i + 1] === '.' && tokens[i - 1] !== '.'
    const isDot = token === '.' && tokens[i - 1] === alias && tokens[i - 2] !== '.'
    return !isPrefix && !isDot
  })
}
