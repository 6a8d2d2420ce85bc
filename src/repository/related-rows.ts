/** The rows of another table that belong to a row, as SQL: where they are read from, and what makes them its own. */
import { AliasNode, FromNode, IdentifierNode, JoinNode, OnNode, SelectQueryNode } from 'kysely'
import { ownOperator } from '../kernel/comparison.ts'
import { all, binary, type Sql } from '../kernel/expressions.ts'
import type { ColumnMetadata, RelationMetadata, TableMetadata } from '../kernel/metadata.ts'
import { columnOf, type Qualifier, reference, refuse, tableNode } from './columns.ts'
import type { AnyTable } from './table-shape.ts'

/** A relation with the tables it leads to. */
export interface Related {
  readonly relation: RelationMetadata
  readonly target: TableMetadata
  readonly through: TableMetadata | undefined
}

/** The tables of a relation. @throws {TenonError} QUERY_FILTER when one is not generated */
export function relatedTables(source: TableMetadata, relation: RelationMetadata): Related {
  const { table, through } = relation
  return {
    relation,
    target: tableOf(source, table),
    through: through === undefined ? undefined : tableOf(source, through.table),
  }
}

function tableOf(source: TableMetadata, key: string): TableMetadata {
  // Generated tables have the function; metadata alone has not.
  const tables = (source as Partial<AnyTable>).tables?.() as Readonly<Record<string, TableMetadata>> | undefined
  const table = tables !== undefined && Object.hasOwn(tables, key) ? tables[key] : undefined
  if (table !== undefined) return table
  return refuse(
    source,
    'a related table is not generated',
    'Generate the code again, and pass tables.x of metadata.ts.',
  )
}

/** `from target as alias`, joined with the table between where there is one. */
export function fromRelated({ relation, target, through }: Related, alias: string, joinAlias: string): SelectQueryNode {
  const from = FromNode.create([AliasNode.create(tableNode(target), IdentifierNode.create(alias))])
  const via = relation.through
  if (via === undefined || through === undefined) return { ...SelectQueryNode.create(), from }
  const join = JoinNode.create('InnerJoin', AliasNode.create(tableNode(through), IdentifierNode.create(joinAlias)))
  const on = equalEach(
    via.referencedColumns.map((key) => columnIn(through, key, joinAlias)),
    relation.referencedColumns.map((key) => columnIn(target, key, alias)),
  )
  return { ...SelectQueryNode.create(), from, joins: [{ ...join, on: OnNode.create(on) }] }
}

/** Columns that a row of the target is owned by, in {@link fromRelated}. */
export function ownerReferences(
  { relation, target, through }: Related,
  alias: string,
  joinAlias: string,
): readonly Sql[] {
  return owners({ relation, target, through }, alias, joinAlias).map(({ node }) => node)
}

function owners({ relation, target, through }: Related, alias: string, joinAlias: string): readonly Compared[] {
  const via = relation.through
  if (via === undefined || through === undefined)
    return relation.referencedColumns.map((key) => columnIn(target, key, alias))
  return via.columns.map((key) => columnIn(through, key, joinAlias))
}

/** That a row in {@link fromRelated} belongs to the row of `source` in the query around it. */
export function ownedBy(
  related: Related,
  alias: string,
  joinAlias: string,
  source: TableMetadata,
  outer: Qualifier,
): Sql {
  return equalEach(
    owners(related, alias, joinAlias),
    related.relation.columns.map((key) => columnIn(source, key, outer)),
  )
}

interface Compared {
  readonly node: Sql
  readonly metadata: ColumnMetadata
}

function columnIn(table: TableMetadata, key: string, qualifier: Qualifier): Compared {
  return { node: reference(table, key, qualifier), metadata: columnOf(table, key) }
}

function equalEach(left: readonly Compared[], right: readonly Compared[]): Sql {
  return all(
    left.map(({ node, metadata }, i) => {
      // There is one for each column.
      const other = right[i] as Compared
      // A citext that references a text is compared as a text.
      const isOwn = metadata.operators === other.metadata.operators
      return binary(node, isOwn ? ownOperator(metadata, '=') : '=', other.node)
    }),
  )
}
