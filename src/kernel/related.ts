/** What relations mean for writing. */
import type { RelationMetadata, TableMetadata } from './metadata.ts'

/**
 * Columns of the other table that a row's own key gives to the rows that belong to it; none of what is joined by another table.
 *
 * @returns undefined of a relation that leads to what the row itself belongs to
 */
export function ownedColumns(
  source: TableMetadata,
  { through, columns, referencedColumns }: RelationMetadata,
  target: TableMetadata,
): readonly string[] | undefined {
  if (through !== undefined) return []
  const pointsBack = target.foreignKeys.some(
    (foreignKey) =>
      foreignKey.schema === source.schema &&
      foreignKey.table === source.name &&
      sameList(foreignKey.columns, referencedColumns) &&
      sameList(foreignKey.referencedColumns, columns),
  )
  return pointsBack ? referencedColumns : undefined
}

function sameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((item, i) => item === right[i])
}
