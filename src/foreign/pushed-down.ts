/** What of a query a foreign server does, by EXPLAIN; and which servers a query asks, for its errors. */
import { createQueryId, ExplainNode, IdentifierNode, type OperationNode, type SelectQueryNode } from 'kysely'
import { foreign } from '../generated/foreign.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import { type Executor, executorOf, type RunOptions } from '../kernel/executor.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import { nameServer } from './foreign-error.ts'
import { runSql } from './server-statements.ts'

/** A builder of Kysely's. */
export interface ForeignQuery {
  toOperationNode(): OperationNode
}

/** One statement that a foreign server is sent. */
export interface RemoteStatement {
  readonly server: string
  /** Foreign tables in it, `remote.films`; several where a join is done there. */
  readonly tables: readonly string[]
  /** What is sent; undefined of wrappers that send no SQL, and of writes that have no plan of their own. */
  readonly sql: string | undefined
}

/** What {@link pushedDown} gives. */
export interface PushedDown {
  readonly remote: readonly RemoteStatement[]
  /** Conditions that are looked at here, after the rows have come. */
  readonly localConditions: readonly string[]
  /** Steps of the plan that are done here: `Sort`, `Aggregate`, `Hash Join`, `Limit`. */
  readonly localSteps: readonly string[]
}

/**
 * Says what of a query foreign servers are sent, and what is left to do here: the query is planned, and not run.
 *
 * A condition goes along when all of it is the other server's too: operators and functions that are built in and immutable. `now()` and
 * functions of yours are not; `(select tenon.subject())` is sent as a parameter.
 *
 * @param executor - who runs the query
 * @param query - a builder that was not executed
 * @returns the statements with the values of the query in them: for tests and people, not for logs
 * @throws {TenonError} STATEMENT_INVALID for what is no builder, and what planning throws
 * @example
 * ```ts
 * const { remote, localConditions } = await pushedDown(me, me.selectFrom('films').selectAll().where('year', '>', 1990))
 * // remote[0]: { server: 'films', tables: ['remote.films'], sql: 'SELECT id, title, year FROM public.films WHERE ((year > 1990))' }
 * ```
 * The SQL:
 * ```sql
 * explain ("verbose", format json) select * from "films" where "year" > $1
 * ```
 */
export async function pushedDown(
  executor: Executor,
  query: ForeignQuery,
  options: RunOptions = {},
): Promise<PushedDown> {
  const scans: { tables: readonly string[]; sql: string | undefined }[] = []
  const localConditions: string[] = []
  const localSteps: string[] = []
  const walk = (node: PlanNode) => {
    for (const key of conditionKeys) if (node[key] !== undefined) localConditions.push(String(node[key]))
    const type = node['Node Type']
    if (type === 'Foreign Scan' || type === 'ModifyTable')
      for (const scan of [node, ...(node['Target Tables'] ?? [])])
        if (type === 'Foreign Scan' || scan['Remote SQL'] !== undefined)
          scans.push({ tables: tablesOf(scan, node), sql: scan['Remote SQL'] })
    if (type !== 'Foreign Scan') localSteps.push(type)
    for (const child of node.Plans ?? []) walk(child)
  }
  for (const plan of await explain(executor, query, options)) walk(plan)
  const known = await foreignTables(executor, [...new Set(scans.flatMap(({ tables }) => tables))], options)
  const remote = scans.flatMap(({ tables, sql }) => {
    const found = tables.flatMap((name) => known.get(name) ?? [])
    const [first] = found
    return first === undefined ? [] : [{ server: first.server, tables: found.map(({ table }) => table), sql }]
  })
  return { remote, localConditions, localSteps }
}

/**
 * Runs a query, and says in an error of a foreign server which one it was.
 *
 * PostgreSQL passes such an error on without the name. Of a transaction the server can be asked no more once it has failed: there the error
 * says only that it came from afar.
 *
 * @param executor - who runs the query
 * @param query - a builder that was not executed
 * @returns its rows
 * @throws {TenonError} FOREIGN_UNREACHABLE or FOREIGN_REMOTE, naming the servers that the query asks; what the query throws otherwise
 * @example
 * ```ts
 * const films = await executeForeign(me, me.selectFrom('films').selectAll())
 * ```
 */
export async function executeForeign<Result>(
  executor: Executor,
  query: ForeignQuery & { execute(options?: { signal?: AbortSignal }): Promise<Result> },
  { signal }: RunOptions = {},
): Promise<Result> {
  try {
    return await query.execute(signal === undefined ? undefined : { signal })
  } catch (error) {
    if (!isTenonError(error) || !error.code.startsWith('FOREIGN_')) throw error
    const named = executor.isTransaction === true ? undefined : await pushedDown(executor, query).catch(() => undefined)
    throw nameServer(error, [...new Set(named?.remote.map(({ server }) => server))])
  }
}

type PlanNode = {
  readonly [Key in (typeof conditionKeys)[number] | 'Schema' | 'Relation Name' | 'Relations' | 'Remote SQL']?: string
} & {
  readonly 'Node Type': string
  readonly Plans?: readonly PlanNode[]
  readonly 'Target Tables'?: readonly PlanNode[]
}

const conditionKeys = ['Filter', 'Join Filter', 'Hash Cond', 'Merge Cond', 'One-Time Filter'] as const

/** A join or aggregate done afar has no one table: its relations stand in a text, `(public.a) INNER JOIN (public.b)`. */
function tablesOf(node: PlanNode, parent: PlanNode): readonly string[] {
  const name = node['Relation Name'] ?? parent['Relation Name']
  if (name !== undefined) return [quoteQualified(node.Schema ?? parent.Schema, name)]
  const found = [...(node.Relations ?? '').matchAll(/\(((?:"(?:[^"]|"")+"|\w+)\.(?:"(?:[^"]|"")+"|\w+))[ )]/g)]
  return found.map(([, text = '']) => text)
}

interface KnownTable {
  readonly table: string
  readonly server: string
}

async function foreignTables(
  executor: Executor,
  names: readonly string[],
  options: RunOptions,
): Promise<ReadonlyMap<string, KnownTable>> {
  if (names.length === 0) return new Map()
  const values = [names]
  const rows = await runSql<KnownTable & { readonly name: string }>(executor, foreign.serversOfTables, values, options)
  return new Map(rows.map((row) => [row.name, row]))
}

const explainable: ReadonlySet<string> = new Set([
  'SelectQueryNode',
  'InsertQueryNode',
  'UpdateQueryNode',
  'DeleteQueryNode',
])

async function explain(executor: Executor, query: ForeignQuery, { signal }: RunOptions): Promise<readonly PlanNode[]> {
  // The builder has applied the plugins already, and a result of EXPLAIN is nothing for them.
  const own = executorOf(executor).withoutPlugins()
  const node = query.toOperationNode()
  if (!explainable.has(node.kind))
    throw new TenonError({
      code: 'STATEMENT_INVALID',
      message: 'only a select, insert, update or delete of a builder can be explained',
      hint: 'Pass the builder itself, before execute().',
    })
  const explained = { ...node, explain: ExplainNode.create('json', IdentifierNode.create('verbose')) }
  const { rows } = await own.executeQuery<Readonly<Record<string, unknown>>>(
    // One of the four kinds, and all of these have the field.
    own.compileQuery(explained as unknown as SelectQueryNode, createQueryId()),
    signal === undefined ? undefined : { signal },
  )
  const [plans] = Object.values(rows[0] ?? {})
  const parsed: readonly { readonly Plan: PlanNode }[] = typeof plans === 'string' ? JSON.parse(plans) : plans
  return parsed.map(({ Plan }) => Plan)
}
