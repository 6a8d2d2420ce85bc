/**
 * Materialized views: refreshing them one at a time, and how old what they show is.
 *
 * Stands on the SQL module `reports`. No policy guards a materialized view, whatever guards the tables below it: whoever has a grant sees
 * all of it. So it is granted to nobody but the service, and sessions get a security-barrier view on it that has the condition.
 */
import {
  AliasNode,
  ColumnNode,
  FromNode,
  IdentifierNode,
  ReferenceNode,
  SelectAllNode,
  SelectionNode,
  type SelectQueryNode,
  TableNode,
  WhereNode,
} from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type Executor, executorOf, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, all, binary, bound, call, cast, type Sql } from '../kernel/expressions.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { fromServerError } from '../kernel/server-error.ts'

/** A materialized view of generated metadata: `tables.dailyTotals`. */
export type MaterializedView = Pick<TableMetadata, 'schema' | 'name' | 'kind'>

/** How a view is refreshed. */
export interface RefreshViewOptions extends RunOptions {
  /** Readers read on meanwhile, and only rows that differ are written. Takes a unique index over columns. Default false: readers wait. */
  readonly concurrently?: boolean | undefined
}

/** Options of {@link refreshIfOlder}. */
export interface RefreshIfOlderOptions extends RefreshViewOptions {
  /** Milliseconds; younger views are left alone. */
  readonly maxAgeMs: number
  /** When somebody else is refreshing it: wait, and find it fresh (default), or leave at once. */
  readonly wait?: boolean | undefined
}

/** A refresh that was made. */
export interface ViewRefresh {
  /** What the view shows is as of then. */
  readonly startedAt: Date
  readonly finishedAt: Date
  readonly durationMs: number
  readonly rows: number
}

/** Options of {@link viewFreshness}. */
export interface ViewFreshnessOptions extends RunOptions {
  /** Milliseconds from which on the view is stale. Default: never. */
  readonly maxAgeMs?: number | undefined
}

/** How old a view is. */
export interface ViewFreshness {
  /** What it shows is as of then; undefined when no refresh is remembered. */
  readonly refreshedAt: Date | undefined
  /** By the server's clock; undefined when no refresh is remembered. */
  readonly ageMs: number | undefined
  /** Older than `maxAgeMs`, or never refreshed. */
  readonly stale: boolean
  /** SQLSTATE of the latest refresh that was tried, when that failed. */
  readonly failure: string | undefined
}

/**
 * Refreshes a materialized view, and waits for whoever else is refreshing it.
 *
 * @param service - `db.service()`, or a transaction of it: refreshing takes the owner of the view
 * @returns the refresh
 * @throws {TenonError} VIEW_UNIQUE_INDEX with the SQL that mends it; what the view's query fails with, remembered beside; ACCESS_DENIED, TIMEOUT_LOCK and
 *   what else keeps it from being tried, which is not remembered; QUERY_UNDEFINED_OBJECT without the module `reports`
 * @example
 * ```ts
 * const { rows, durationMs } = await refreshView(db.service({ actor: 'cron', reason: 'totals' }), tables.dailyTotals, { concurrently: true })
 * ```
 * The SQL:
 * ```sql
 * select * from tenon.refresh_view(cast($1 as regclass), cast($2 as boolean), cast($3 as interval), cast($4 as boolean)) as "refresh"
 * ```
 */
export async function refreshView(
  service: Executor,
  view: MaterializedView,
  options: RefreshViewOptions = {},
): Promise<ViewRefresh> {
  return (await refresh(service, view, options, null, true)) as ViewRefresh
}

/**
 * Refreshes a materialized view if what it shows is older than it may be. Any number of processes may ask: one refreshes.
 *
 * @returns the refresh, or undefined where none was needed or, with `wait: false`, somebody else is at it
 * @throws {TenonError} as {@link refreshView} does; OPTION_INVALID when the age is none
 * @example
 * ```ts
 * await refreshIfOlder(service, tables.dailyTotals, { maxAgeMs: 600_000, concurrently: true })
 * ```
 */
export async function refreshIfOlder(
  service: Executor,
  view: MaterializedView,
  options: RefreshIfOlderOptions,
): Promise<ViewRefresh | undefined> {
  checkAge(options.maxAgeMs)
  return await refresh(service, view, options, `${options.maxAgeMs} milliseconds`, options.wait ?? true)
}

/**
 * How old what a materialized view shows is. Sessions may ask, too, of views in schemas that they may not use: that is where they belong.
 *
 * @returns `stale` also where no refresh is remembered, and where the view was emptied since
 * @throws {TenonError} QUERY_UNDEFINED_OBJECT when there is no such view
 * @example
 * ```ts
 * const { refreshedAt, stale } = await viewFreshness(me, tables.dailyTotals, { maxAgeMs: 3_600_000 })
 * ```
 * The SQL:
 * ```sql
 * select * from tenon.view_freshness(coalesce((select … from "pg_catalog"."pg_class" as "class", …), cast($3 as regclass))) as "freshness"
 * ```
 */
export async function viewFreshness(
  executor: Executor,
  view: MaterializedView,
  { maxAgeMs, signal }: ViewFreshnessOptions = {},
): Promise<ViewFreshness> {
  if (maxAgeMs !== undefined) checkAge(maxAgeMs)
  const node = selectFrom(call('tenon.view_freshness', oidOf(view)), 'freshness')
  const { rows } = await runQuery<Freshness>(withoutPlugins(executor), node, { signal })
  const row = rows[0] as Freshness
  const refreshedAt = dateOf(row.data_as_of)
  const ageMs = refreshedAt === undefined ? undefined : Number(dateOf(row.answered_at)) - Number(refreshedAt)
  return {
    refreshedAt,
    ageMs,
    stale: ageMs === undefined || (maxAgeMs !== undefined && ageMs > maxAgeMs),
    failure: row.error_code ?? undefined,
  }
}

/** A time as the database object was told to read it. */
type Time = Date | string | null

interface Freshness {
  readonly data_as_of: Time
  readonly answered_at: Time
  readonly error_code: string | null
}

interface Refreshed {
  readonly status: 'refreshed' | 'fresh' | 'busy' | 'unindexed' | 'failed'
  readonly started_at: Time
  readonly finished_at: Time
  readonly row_count: string | number | bigint | null
  readonly error_code: string | null
}

async function refresh(
  service: Executor,
  view: MaterializedView,
  { concurrently = false, signal }: RefreshViewOptions,
  maxAge: string | null,
  wait: boolean,
): Promise<ViewRefresh | undefined> {
  const flags = [bound(concurrently, 'boolean'), bound(maxAge, 'interval'), bound(wait, 'boolean')]
  const node = selectFrom(call('tenon.refresh_view', nameOf(view), ...flags), 'refresh')
  const { rows } = await runQuery<Refreshed>(withoutPlugins(service), node, { signal })
  const { status, started_at, finished_at, row_count, error_code } = rows[0] as Refreshed
  const names = { schema: view.schema, table: view.name }
  if (status === 'unindexed')
    throw new TenonError({
      ...names,
      code: 'VIEW_UNIQUE_INDEX',
      message: `${view.schema}.${view.name} cannot be refreshed concurrently: it has no unique index over columns and all rows`,
      hint: `create unique index on ${quoteQualified(view.schema, view.name)} (…), with the columns that tell its rows apart (those of its GROUP BY).`,
    })
  if (status === 'failed')
    throw fromServerError({ ...names, severity: 'ERROR', sqlstate: error_code ?? 'XX000', message: '' })
  if (status !== 'refreshed') return undefined
  const [startedAt, finishedAt] = [dateOf(started_at) as Date, dateOf(finished_at) as Date]
  return { startedAt, finishedAt, durationMs: Number(finishedAt) - Number(startedAt), rows: Number(row_count) }
}

function nameOf(view: MaterializedView): Sql {
  if (view.kind !== 'materialized view')
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `${view.name} is a ${view.kind}, not a materialized view`,
      hint: 'Pass tables.x of a materialized view; generate the code again if it is one now.',
    })
  return cast(bound(quoteQualified(view.schema, view.name), 'text'), 'regclass')
}

/** Without the USAGE on its schema that a name takes; what is not found is left to the name, whose error says so. */
function oidOf(view: MaterializedView): Sql {
  const name = nameOf(view)
  const table = (name: string, alias: string): Sql =>
    AliasNode.create(TableNode.createWithSchema('pg_catalog', name), IdentifierNode.create(alias))
  const column = (alias: string, name: string): Sql =>
    ReferenceNode.create(ColumnNode.create(name), TableNode.create(alias))
  const found: SelectQueryNode = {
    kind: 'SelectQueryNode',
    from: FromNode.create([table('pg_class', 'class'), table('pg_namespace', 'namespace')]),
    selections: [aliased(cast(column('class', 'oid'), 'regclass'), 'view')],
    where: WhereNode.create(
      all([
        binary(column('namespace', 'oid'), '=', column('class', 'relnamespace')),
        binary(column('namespace', 'nspname'), '=', bound(view.schema, 'name')),
        binary(column('class', 'relname'), '=', bound(view.name, 'name')),
      ]),
    ),
  }
  return call('coalesce', found, name)
}

function selectFrom(source: Sql, alias: string): SelectQueryNode {
  return {
    kind: 'SelectQueryNode',
    from: FromNode.create([AliasNode.create(source, IdentifierNode.create(alias))]),
    selections: [SelectionNode.create(SelectAllNode.create() as never)],
  }
}

/** The answer has names of ours, whatever plugins make of those of others. */
function withoutPlugins(executor: Executor): Executor {
  const own = executorOf(executor).withoutPlugins()
  return { getExecutor: () => own }
}

function dateOf(time: Time): Date | undefined {
  return time === null ? undefined : new Date(time)
}

function checkAge(maxAgeMs: number): void {
  if (Number.isSafeInteger(maxAgeMs) && maxAgeMs >= 0) return
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'maxAgeMs is no whole number of milliseconds from 0',
    hint: 'Pass 600_000 for ten minutes.',
  })
}
