/** Counts and sums of groups, as text of the database: no number loses digits on its way. */
import type { SelectQueryNode } from 'kysely'
import { factsOf } from '../database/index.ts'
import { type Executor, executorOf, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, call, cast, constant } from '../kernel/expressions.ts'
import { columnSelection, freeName, reference } from './columns.ts'
import { prepareRead, type Row } from './read-rows.ts'
import { readSelect } from './relations.ts'
import type { Loose, RepositoryCore } from './repository-core.ts'

/** Aggregates of the rows of a filter, one for each group. */
export async function aggregateRows(core: RepositoryCore, executor: Executor, options: Loose & RunOptions) {
  const { table } = core
  const groups = options['groupBy'] === undefined ? [] : readSelect(table, options['groupBy'])
  const functions = ['sum', 'avg', 'min', 'max'] as const
  const asked = functions.flatMap((name) =>
    options[name] === undefined ? [] : readSelect(table, options[name]).map((column) => ({ name, column })),
  )
  const reading = core.listing(options)
  const { node } = prepareRead({ ...reading, select: [] }, factsOf(executorOf(executor)))
  const results = asked.map(({ name, column }, i) =>
    aliased(cast(call(name, reference(table, column, undefined)), 'text'), freeName(table, `tenona${i}`)),
  )
  const keys = groups.map((key) => reference(table, key, undefined))
  const query: SelectQueryNode = {
    ...node,
    selections: [
      ...groups.map((key) => columnSelection(table, key, undefined)),
      aliased(cast(call('count', constant(1)), 'text'), freeName(table, 'tenoncount')),
      ...results,
    ],
    ...(groups.length === 0
      ? {}
      : { groupBy: { kind: 'GroupByNode', items: keys.map((groupBy) => ({ kind: 'GroupByItemNode', groupBy })) } }),
    ...(groups.length === 0
      ? {}
      : {
          orderBy: {
            kind: 'OrderByNode',
            items: keys.map((orderBy) => ({ kind: 'OrderByItemNode', orderBy: orderBy as never })),
          },
        }),
  }
  const { rows } = await runQuery<Row>(executor, query, options)
  return rows.map((row) => ({
    group: Object.fromEntries(groups.map((key) => [key, row[key]])),
    count: Number(row[freeName(table, 'tenoncount')]),
    ...Object.fromEntries(
      functions.map((name) => [
        name,
        Object.fromEntries(
          asked.flatMap((each, i) => (each.name === name ? [[each.column, row[freeName(table, `tenona${i}`)]]] : [])),
        ),
      ]),
    ),
  }))
}
