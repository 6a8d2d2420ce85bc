/** Rows of a function of the library's own SQL, as a query. */
import {
  AliasNode,
  ColumnNode,
  FromNode,
  IdentifierNode,
  ReferenceNode,
  type SelectionNode,
  SelectQueryNode,
  TableNode,
} from 'kysely'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, call, cast, type Sql } from '../kernel/expressions.ts'

/** How a column is read: as the driver gives it, or as text. Plugins of the executor would rename keys inside of documents. */
export type ReadAs = 'value' | 'text'

/**
 * Runs `select … from name(…)`.
 *
 * @param columns - names, with how they are read; each comes under a name without underscores, which no plugin changes
 */
export async function selectFrom<Row>(
  executor: Executor,
  name: string,
  args: readonly Sql[],
  columns: Readonly<Record<string, ReadAs>>,
  options: RunOptions = {},
): Promise<Row[]> {
  const source = AliasNode.create(call(name, ...args), IdentifierNode.create('found'))
  const selections = Object.entries(columns).map(([column, as]) => {
    const reference = ReferenceNode.create(ColumnNode.create(column), TableNode.create('found'))
    const alias = column.replaceAll('_', '')
    return as === 'text' ? aliased(cast(reference, 'text'), alias) : aliased(reference, alias)
  })
  const node: SelectQueryNode = {
    ...SelectQueryNode.create(),
    from: FromNode.create([source]),
    selections: selections as SelectionNode[],
  }
  const { rows } = await runQuery<Row>(executor, node, options)
  return rows
}
