/** Markdown tables, as every part of the report writes them. */

/** A table whose first column is text and whose others are figures. */
export function toTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${head.map((_, column) => (column === 0 ? '---' : '---:')).join('|')}|`, ...rows.map(line)]
}

/** A ratio in few characters: 1.33, 12.1, 120. */
export function shownRatio(value: number | undefined): string {
  if (value === undefined) return '–'
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)
}

/** Facts in one line: `node 24.21.0, pg 8.23.1`. */
export const shownFacts = (facts: Readonly<Record<string, string | number>>) =>
  Object.entries(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
