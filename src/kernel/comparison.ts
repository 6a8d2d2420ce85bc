/**
 * Comparisons of columns whose operators stand beside their type in an extension's schema.
 *
 * By its name alone an operator is looked up along the search path: off it, `=` of citext is found to be that of text, which says something else
 * than the type's own order and unique indexes do.
 */
import { quoteIdentifier } from './identifier.ts'
import type { ColumnMetadata } from './metadata.ts'

/** An operator of a column's own: `=`, or `operator("extensions".=)`. */
export function ownOperator(
  { operators }: Pick<ColumnMetadata, 'operators'>,
  operator: '<' | '<=' | '=' | '<>' | '>=' | '>',
): string {
  return operators === undefined ? operator : `operator(${quoteIdentifier(operators)}.${operator})`
}
