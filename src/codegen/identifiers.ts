/**
 * Finds the identifiers that generated code uses, and nothing of its strings and comments.
 *
 * Knows the part of TypeScript that the emitters write: names come from a database and can hold any character.
 */

// A slash begins a pattern only where an operand may stand: elsewhere it divides.
const token =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|(?<=[(,=!:&|?[{;>]\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*|[\p{ID_Start}$_][\p{ID_Continue}$]*/gu

/** Every identifier that is used: no keys of objects, no members. */
export function identifiersIn(code: string): ReadonlySet<string> {
  const found = new Set<string>()
  for (const match of code.matchAll(token)) {
    const [text] = match
    const before = code.slice(Math.max(0, match.index - 3), match.index)
    if (text.startsWith('`')) {
      for (const [, inner = ''] of text.matchAll(/\$\{([^}]*)\}/g))
        for (const name of identifiersIn(inner)) found.add(name)
    } else if (
      /^[\p{ID_Start}$_]/u.test(text) &&
      !isMember(before) &&
      !/^\??\s*:/.test(code.slice(match.index + text.length, match.index + text.length + 8))
    )
      found.add(text)
  }
  return found
}

/** After a point, unless it is the last of three. */
function isMember(before: string): boolean {
  return before.endsWith('.') && !before.endsWith('...')
}
