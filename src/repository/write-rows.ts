/** Writing rows: insert, upsert, update and delete, with what is returned and what it means when nothing was. */
import {
  AliasNode,
  ColumnNode,
  ColumnUpdateNode,
  DeleteQueryNode,
  type FromNode,
  IdentifierNode,
  InsertQueryNode,
  OnConflictNode,
  type OperationNode,
  OperatorNode,
  ReferenceNode,
  ReturningNode,
  SelectQueryNode,
  TableNode,
  UnaryOperationNode,
  UpdateQueryNode,
  ValueListNode,
  ValuesNode,
} from 'kysely'
import { ownOperator } from '../kernel/comparison.ts'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, all, any, binary, constant, type Sql } from '../kernel/expressions.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { unnestNode } from './array-values.ts'
import { columnOf, columnSelection, comparable, freeName, reference, refuse, tableNode, valueNode } from './columns.ts'
import type { Row } from './read-rows.ts'

/** Values of a row, by column. */
export type Values = Readonly<Record<string, unknown>>

/** What two values of a key have in common when they are written the same. */
export function keyText(value: unknown): string {
  if (value instanceof Date) return String(value.getTime())
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** The columns that rows give values for. @throws {TenonError} QUERY_FILTER when one of them takes none */
export function writtenColumns(
  table: TableMetadata,
  rows: readonly Values[],
  form: 'insertable' | 'updatable',
): readonly string[] {
  const columns = new Set<string>()
  for (const row of rows) {
    if (typeof row !== 'object' || row === null || Array.isArray(row))
      return refuse(table, 'a row is no object', 'Pass { column: value }.')
    for (const [key, value] of Object.entries(row)) {
      if (columnOf(table, key)[form] === false)
        return refuse(
          table,
          `${key} takes no value here`,
          'It is generated, an identity, or not writable through this view: leave it out.',
        )
      if (value !== undefined) columns.add(key)
    }
  }
  return [...columns]
}

/** `returning` of columns, and of what is more. */
export function returningNode(
  table: TableMetadata,
  select: readonly string[],
  extra: readonly (readonly [string, Sql])[] = [],
): ReturningNode {
  return ReturningNode.create([
    ...select.map((key) => columnSelection(table, key, undefined)),
    ...extra.map(([name, node]) => aliased(node, name)),
  ])
}

/** INSERT of one row by its values. */
export function insertNode(table: TableMetadata, row: Values, select: readonly string[]): InsertQueryNode {
  const columns = writtenColumns(table, [row], 'insertable')
  const insert = InsertQueryNode.create(tableNode(table))
  const returning = select.length === 0 ? {} : { returning: returningNode(table, select) }
  if (columns.length === 0) return InsertQueryNode.cloneWith(insert, { defaultValues: true, ...returning })
  return InsertQueryNode.cloneWith(insert, {
    columns: columns.map((key) => ColumnNode.create(key)),
    values: ValuesNode.create([ValueListNode.create(columns.map((key) => valueNode(table, key, row[key])))]),
    ...returning,
  })
}

/** INSERT of any number of rows that give values for the same columns. */
export function insertManyNode(
  table: TableMetadata,
  columns: readonly string[],
  rows: readonly Values[],
  select: readonly string[],
): InsertQueryNode {
  const lists = columns.map((key) =>
    unnestNode(
      table,
      key,
      rows.map((row) => row[key]),
    ),
  )
  const query: SelectQueryNode = {
    ...SelectQueryNode.create(),
    selections: lists.map((list, i) => aliased(list, `v${i}`)),
  }
  return InsertQueryNode.cloneWith(InsertQueryNode.create(tableNode(table)), {
    columns: columns.map((key) => ColumnNode.create(key)),
    values: query,
    ...(select.length === 0 ? {} : { returning: returningNode(table, select) }),
  })
}

/** How a conflict is solved. */
export interface Conflict {
  readonly on: readonly string[]
  /** Columns that are set; of none, the row that is there stays. */
  readonly update: readonly string[]
  /** Set beside those: a version to count up. */
  readonly increment: string | undefined
}

/** What became of a row. */
export type UpsertAction = 'inserted' | 'updated' | 'unchanged'

/** Name of the flag that a returned row was inserted. */
export const insertedName = (table: TableMetadata): string => freeName(table, 'tenoninserted')

/** Adds ON CONFLICT to an insert; only what changes something is written, and only what was written is returned. */
export function withConflict(
  table: TableMetadata,
  insert: InsertQueryNode,
  { on, update, increment }: Conflict,
  select: readonly string[],
): InsertQueryNode {
  const base = OnConflictNode.cloneWith(OnConflictNode.create(), { columns: on.map((key) => ColumnNode.create(key)) })
  const excluded = (key: string) => ReferenceNode.create(ColumnNode.create(key), TableNode.create('excluded'))
  const own = (key: string) => reference(table, key, table.key)
  const changes = update.map((key) =>
    binary(comparable(table, key, own(key)), 'is distinct from', comparable(table, key, excluded(key))),
  )
  const set = update.map((key) => ColumnUpdateNode.create(ColumnNode.create(key), excluded(key)))
  if (increment !== undefined)
    set.push(ColumnUpdateNode.create(ColumnNode.create(increment), binary(own(increment), '+', constant(1))))
  const conflict: OnConflictNode =
    update.length === 0
      ? OnConflictNode.cloneWith(base, { doNothing: true })
      : { ...OnConflictNode.cloneWith(base, { updates: set }), updateWhere: { kind: 'WhereNode', where: any(changes) } }
  return InsertQueryNode.cloneWith(insert, {
    onConflict: conflict,
    returning: returningNode(table, select, [[insertedName(table), insertedNode(table, on)]]),
  })
}

/** Whether a row that ON CONFLICT wrote was not there before. */
function insertedNode(table: TableMetadata, on: readonly string[]): Sql {
  // xmax is 0 of a row that no transaction has changed: one that was just inserted.
  if (table.kind === 'table') return binary(ReferenceNode.create(ColumnNode.create('xmax')), '=', constant(0))
  // Partitioned tables and views have no xmax to return. What the statement saw when it began tells it but for a row of another
  // transaction that was inserted since: that one counts as inserted.
  const alias = 'tenonbefore'
  const before: SelectQueryNode = {
    ...SelectQueryNode.createFrom([AliasNode.create(tableNode(table), IdentifierNode.create(alias))]),
    where: {
      kind: 'WhereNode',
      where: all(
        on.map((key) =>
          binary(
            reference(table, key, alias),
            ownOperator(columnOf(table, key), '='),
            reference(table, key, table.key),
          ),
        ),
      ),
    },
  }
  return UnaryOperationNode.create(OperatorNode.create('not exists'), before)
}

/** UPDATE by values. @throws {TenonError} QUERY_FILTER when a column takes none, or there are none */
export function updateNode(
  table: TableMetadata,
  values: Values,
  where: readonly Sql[],
  select: readonly string[],
  increment: string | undefined,
): UpdateQueryNode {
  // A version is counted and not given: a row that was read and is written back has the old one.
  const columns = writtenColumns(table, [values], 'updatable').filter((key) => key !== increment)
  const updates = columns.map((key) =>
    ColumnUpdateNode.create(ColumnNode.create(key), valueNode(table, key, values[key])),
  )
  return updateOf(table, updates, where, select, increment)
}

/** UPDATE of what is set, with the version counted up. */
export function updateOf(
  table: TableMetadata,
  set: readonly ColumnUpdateNode[],
  where: readonly Sql[],
  select: readonly string[],
  increment: string | undefined,
): UpdateQueryNode {
  if (set.length === 0) return refuse(table, 'an update sets nothing', 'Pass at least one column.')
  const updates = [...set]
  if (increment !== undefined)
    updates.push(
      ColumnUpdateNode.create(
        ColumnNode.create(increment),
        binary(reference(table, increment, undefined), '+', constant(1)),
      ),
    )
  return {
    ...UpdateQueryNode.create([tableNode(table)]),
    updates,
    ...(where.length === 0 ? {} : { where: { kind: 'WhereNode', where: all(where) } }),
    ...(select.length === 0 ? {} : { returning: returningNode(table, select) }),
  }
}

/** UPDATE of many rows, each with values of its own: `from (select unnest(…), …) as tenongiven`. */
export function updateManyNode(
  table: TableMetadata,
  key: readonly string[],
  columns: readonly string[],
  rows: readonly Values[],
  increment: string | undefined,
  more: readonly Sql[],
): UpdateQueryNode {
  const lists = [...key, ...columns].map((column, i) =>
    aliased(
      unnestNode(
        table,
        column,
        rows.map((row) => row[column]),
      ),
      `v${i}`,
    ),
  )
  const given = { ...SelectQueryNode.create(), selections: lists }
  const from: FromNode = { kind: 'FromNode', froms: [aliased(given, 'tenongiven').selection as OperationNode] }
  const value = (i: number) => ReferenceNode.create(ColumnNode.create(`v${i}`), TableNode.create('tenongiven'))
  const updates = columns.map((column, i) => ColumnUpdateNode.create(ColumnNode.create(column), value(key.length + i)))
  if (increment !== undefined)
    updates.push(
      ColumnUpdateNode.create(
        ColumnNode.create(increment),
        binary(reference(table, increment, table.key), '+', constant(1)),
      ),
    )
  return {
    ...UpdateQueryNode.create([tableNode(table)]),
    from,
    updates,
    where: {
      kind: 'WhereNode',
      where: all([
        ...key.map((column, i) =>
          binary(reference(table, column, table.key), ownOperator(columnOf(table, column), '='), value(i)),
        ),
        ...more,
      ]),
    },
  }
}

/** DELETE. */
export function deleteNode(table: TableMetadata, where: readonly Sql[]): DeleteQueryNode {
  return {
    ...DeleteQueryNode.create([tableNode(table)]),
    ...(where.length === 0 ? {} : { where: { kind: 'WhereNode', where: all(where) } }),
  }
}

/** Runs a write that returns no rows, and tells how many it wrote. */
export async function countWritten(
  executor: Executor,
  node: UpdateQueryNode | DeleteQueryNode,
  options: RunOptions,
): Promise<number> {
  const { numAffectedRows = 0n } = await runQuery<Row>(executor, node, options)
  return Number(numAffectedRows)
}
