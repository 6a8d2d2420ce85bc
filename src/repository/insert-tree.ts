/**
 * A row with the rows that belong to it, inserted together: each with the key of the row above it, whatever the database made that key.
 *
 * In one statement every insert is a common table expression, and those below read their keys from it. Their order is PostgreSQL's choice, and
 * none of them sees the others' rows in tables: a policy that looks the parent up does not find it. For that there are steps in one
 * transaction.
 */
import {
  AliasNode,
  ColumnNode,
  CommonTableExpressionNameNode,
  CommonTableExpressionNode,
  FromNode,
  IdentifierNode,
  InsertQueryNode,
  ReferenceNode,
  SelectQueryNode,
  TableNode,
  WithNode,
} from 'kysely'
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, bound, call, cast, type Sql } from '../kernel/expressions.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { ownedColumns } from '../kernel/related.ts'
import { arrayTypeOf, unnestNode } from './array-values.ts'
import { refuse, tableNode } from './columns.ts'
import { byColumns, inTransaction } from './many-rows.ts'
import type { Row } from './read-rows.ts'
import { relatedTables } from './related-rows.ts'
import { returningNode, type Values } from './write-rows.ts'

/** Values of a row apart from the rows that belong to it. */
export interface Tree {
  readonly values: Values
  readonly nested: readonly (readonly [name: string, rows: unknown])[]
}

/** Takes the values of relations out. @throws {TenonError} QUERY_FILTER when the row is none */
export function splitTree(table: TableMetadata, row: unknown): Tree {
  if (typeof row !== 'object' || row === null || Array.isArray(row))
    return refuse(table, 'a row is no object', 'Pass { column: value }.')
  const isRelation = (key: string) => Object.hasOwn(table.relations, key) && !Object.hasOwn(table.columns, key)
  const entries = Object.entries(row)
  const nested = entries.filter(([key, value]) => isRelation(key) && value !== undefined)
  return { values: Object.fromEntries(entries.filter(([key]) => !isRelation(key))), nested }
}

/** A column that takes the key of a row inserted before. */
interface Link {
  readonly column: string
  readonly of: number
  readonly key: string
}

function linksOf(columns: readonly string[], of: number, keys: readonly string[]): readonly Link[] {
  return columns.map((column, i) => ({ column, of, key: keys[i] as string }))
}

/** One INSERT, of rows that give values for the same columns. */
interface Insertion {
  readonly table: TableMetadata
  readonly columns: readonly string[]
  readonly rows: readonly Values[]
  readonly links: readonly Link[]
  /** Keys that rows below take. */
  readonly keys: Set<string>
}

/**
 * Plans the inserts of a row and of what belongs to it, the row first.
 *
 * @throws {TenonError} QUERY_FILTER when something nested is not of a relation that it can belong to
 */
export function planTree(table: TableMetadata, { values, nested }: Tree): readonly Insertion[] {
  const plan: Insertion[] = []
  const add = (of: TableMetadata, rows: readonly Values[], links: readonly Link[]): void => {
    for (const { column } of links)
      for (const row of rows)
        if (row[column] !== undefined)
          refuse(of, `${column} is given where it follows from the row above`, 'Leave it out.')
    for (const { of: above, key } of links) plan[above]?.keys.add(key)
    for (const group of byColumns(of, rows)) plan.push({ table: of, ...group, links, keys: new Set() })
  }
  const addOne = (of: TableMetadata, tree: Tree, links: readonly Link[]): number => {
    const at = plan.length
    add(of, [tree.values], links)
    for (const [name, rows] of tree.nested) nest(of, at, name, rows)
    return at
  }
  const nest = (source: TableMetadata, above: number, name: string, given: unknown): void => {
    const { relation, target, through, rows } = readNested(source, name, given)
    const trees = rows.map((row) => splitTree(target, row))
    if (relation.through !== undefined && through !== undefined) {
      const { columns, referencedColumns } = relation.through
      for (const tree of trees) {
        const at = addOne(target, tree, [])
        add(
          through,
          [{}],
          [...linksOf(columns, above, relation.columns), ...linksOf(referencedColumns, at, relation.referencedColumns)],
        )
      }
      return
    }
    const links = linksOf(relation.referencedColumns, above, relation.columns)
    // Rows that nothing hangs on go in together; of the others each has to be told from its like.
    add(
      target,
      trees.flatMap(({ values: own, nested: more }) => (more.length === 0 ? [own] : [])),
      links,
    )
    for (const tree of trees) if (tree.nested.length > 0) addOne(target, tree, links)
  }
  addOne(table, { values, nested }, [])
  return plan
}

function readNested(source: TableMetadata, name: string, given: unknown) {
  const relation = source.relations[name]
  if (relation === undefined) return refuse(source, `there is no relation ${name}`, 'Generate the code again.')
  const related = relatedTables(source, relation)
  const { target } = related
  if (ownedColumns(source, relation, target) === undefined)
    return refuse(
      source,
      `${name} is no row that belongs to this one`,
      `Insert it first, or insert into ${target.key} with this one in it.`,
    )
  const many = relation.kind === 'many'
  if (many !== Array.isArray(given) || given === null)
    return refuse(
      source,
      `${name} is not ${many ? 'a list of rows' : 'one row'}`,
      `Pass ${name}: ${many ? '[{ … }]' : '{ … }'}.`,
    )
  return { ...related, rows: (many ? given : [given]) as readonly unknown[] }
}

/** Inserts what was planned, all of it or nothing. @returns the row at the top, or none where a trigger left it out */
export async function insertTree(
  executor: Executor,
  plan: readonly Insertion[],
  select: readonly string[],
  options: RunOptions & { readonly strategy?: unknown },
): Promise<Row | undefined> {
  const [root] = plan
  if (root === undefined) return undefined
  const { strategy = 'statement' } = options
  if (strategy === 'statement') {
    const { rows } = await runQuery<Row>(executor, treeNode(plan, select), options)
    return rows[0]
  }
  if (strategy !== 'transaction')
    return refuse(root.table, 'there is no such strategy', "Pass 'statement' or 'transaction'.")
  let row: Row | undefined
  await inTransaction(root.table, executor, async (trx) => {
    row = await insertInSteps(trx, plan, select, options)
  })
  return row
}

const nameOf = (at: number) => `tenon${at}`

function treeNode(plan: readonly Insertion[], select: readonly string[]): SelectQueryNode {
  const above = ({ of, key }: Link) => ReferenceNode.create(ColumnNode.create(key), TableNode.create(nameOf(of)))
  const expressions = plan.map((insertion, at) => {
    const keys = at === 0 ? new Set([...insertion.keys, ...select]) : insertion.keys
    const froms = [...new Set(insertion.links.map(({ of }) => of))].map((of) => TableNode.create(nameOf(of)))
    const node = insertionNode(insertion, above, froms)
    return CommonTableExpressionNode.create(
      CommonTableExpressionNameNode.create(nameOf(at)),
      keys.size === 0 ? node : { ...node, returning: returningNode(insertion.table, [...keys]) },
    )
  })
  const [first, ...more] = expressions as [CommonTableExpressionNode, ...CommonTableExpressionNode[]]
  return {
    ...SelectQueryNode.create(),
    with: more.reduce((all, each) => WithNode.cloneWithExpression(all, each), WithNode.create(first)),
    from: FromNode.create([TableNode.create(nameOf(0))]),
    selections: select.map((key) => aliased(ReferenceNode.create(ColumnNode.create(key)), key)),
  }
}

/** `insert into table (…) select <keys above>, <values> from <above>, (select unnest(…), …)` */
function insertionNode(
  { table, columns, rows, links }: Insertion,
  above: (link: Link) => Sql,
  froms: readonly TableNode[],
): InsertQueryNode {
  const given = 'tenongiven'
  const lists = columns.map((key) =>
    unnestNode(
      table,
      key,
      rows.map((row) => row[key]),
    ),
  )
  // Rows without a value of their own are still so many.
  if (lists.length === 0)
    lists.push(
      call(
        'unnest',
        bound(
          rows.map(() => 0),
          'int4[]',
        ),
      ),
    )
  const values = { ...SelectQueryNode.create(), selections: lists.map((list, i) => aliased(list, `v${i}`)) }
  const query: SelectQueryNode = {
    ...SelectQueryNode.create(),
    from: FromNode.create([...froms, AliasNode.create(values, IdentifierNode.create(given))]),
    selections: [
      ...links.map((link) => aliased(above(link), link.column)),
      ...columns.map((key, i) =>
        aliased(ReferenceNode.create(ColumnNode.create(`v${i}`), TableNode.create(given)), key),
      ),
    ],
  }
  const insert = InsertQueryNode.create(tableNode(table))
  if (links.length === 0 && columns.length === 0) return InsertQueryNode.cloneWith(insert, { defaultValues: true })
  return InsertQueryNode.cloneWith(insert, {
    columns: [...links.map(({ column }) => column), ...columns].map((key) => ColumnNode.create(key)),
    values: query,
  })
}

/** One statement after the other; keys go from one to the next as the database's text of them. */
async function insertInSteps(
  trx: Executor,
  plan: readonly Insertion[],
  select: readonly string[],
  options: RunOptions,
): Promise<Row | undefined> {
  const inserted: (Row | undefined)[] = []
  // By number: a name made longer could be cut by the server.
  const keyName = (of: number, key: string) => `tenonkey${[...(plan[of]?.keys ?? [])].indexOf(key)}`
  for (const [at, insertion] of plan.entries()) {
    const { table, links, keys } = insertion
    // A trigger left the row above out, and what belongs to it goes with it.
    if (links.some(({ of }) => inserted[of] === undefined)) continue
    const node = insertionNode(
      insertion,
      ({ column, of, key }) => bound(inserted[of]?.[keyName(of, key)], arrayTypeOf(table, column).slice(0, -2)),
      [],
    )
    const texts = [...keys].map(
      (key) => [keyName(at, key), cast(ReferenceNode.create(ColumnNode.create(key)), 'text')] as const,
    )
    const columns = at === 0 ? select : []
    const returning = columns.length + texts.length === 0 ? {} : { returning: returningNode(table, columns, texts) }
    inserted[at] = (await runQuery<Row>(trx, { ...node, ...returning }, options)).rows[0]
  }
  const [row] = inserted
  return row === undefined ? undefined : Object.fromEntries(select.map((key) => [key, row[key]]))
}
