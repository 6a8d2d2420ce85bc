/** Texts as literals of SQL, for what can bind nothing: utility statements, and SQL that is shown or handed to other programs. */

/**
 * Returns a text as a literal of SQL, whatever `standard_conforming_strings` says. Values of rows are parameters and never come here.
 *
 * @example
 * ```ts
 * quoteLiteral("it's") // "'it''s'"
 * ```
 * @see https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS-ESCAPE
 */
export function quoteLiteral(text: string): string {
  const doubled = text.replaceAll("'", "''")
  return text.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`
}
