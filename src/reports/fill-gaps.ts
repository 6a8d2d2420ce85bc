/** Reports without gaps: every bucket has a row, for every group, whether anything happened in it or not. */
import { createQueryId, type Kysely, type SelectQueryBuilder, type SelectQueryNode } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type Executor, executorOf } from '../kernel/executor.ts'
import { aliased, constant, expressionOf } from '../kernel/expressions.ts'
import { type SeriesOptions, seriesNode } from './time-series.ts'

/** What is filled in, and how. `O` is a row of the query. */
export interface FillGapsOptions<O, Bucket extends keyof O, By extends keyof O, Fill, Carry extends keyof O>
  extends SeriesOptions {
  /** The column that {@link timeBucket} made, with the same `every` and `timeZone`. */
  readonly bucket: Bucket
  /** Columns whose groups each get all buckets: those that have a row anywhere in the query. */
  readonly by?: readonly By[] | undefined
  /** What stands where there is nothing, null included: `{ orders: 0 }`. An array is json for what a function of json makes, else one of PostgreSQL's. */
  readonly fill?: Fill | undefined
  /** Columns that keep the last value before that is not null: levels and prices, not counts. */
  readonly carry?: readonly Carry[] | undefined
}

/** A row of {@link fillGaps}: what is neither bucket, group nor filled may be null. */
export type Filled<O, Kept extends keyof O, Fill> = {
  [Key in keyof O]: Key extends Kept
    ? O[Key]
    : Key extends keyof Fill
      ? NonNullable<O[Key]> | (null extends Fill[Key] ? null : never)
      : O[Key] | null
}

/** A session, a transaction, a service or any other Kysely. */
export interface QueryMaker extends Executor {
  selectFrom(...from: never): unknown
  with(...expression: never): unknown
}

/**
 * Gives a grouped query a row for every bucket from `from` up to, and without, `to`.
 *
 * Keep the query's own WHERE to the same span: what lies outside is left out of the result, but not of the work.
 *
 * @param executor - what the query was built with
 * @param query - grouped by a {@link timeBucket}; it names its columns
 * @returns a query of one source, `filled`, in no order: add `.orderBy('day')`
 * @throws {TenonError} OPTION_INVALID when an option names no column, or the query selects all of a table
 * @example
 * ```ts
 * const days = me.selectFrom('orders')
 *   .select(({ ref, fn }) => [timeBucket(ref('placed_at'), { every: '1 day' }).as('day'), fn.countAll().as('orders')]).groupBy('day')
 * await fillGaps(me, days, { bucket: 'day', from, to, every: '1 day', fill: { orders: 0 } }).orderBy('day').execute()
 * ```
 * The SQL:
 * ```sql
 * select * from (with "rows" as (…) select "series"."bucket" as "day", coalesce("rows"."orders", $3) as "orders"
 *   from (select … from generate_series(…)) as "series" left join "rows" on "rows"."day" = "series"."bucket") as "filled" order by "day"
 * ```
 */
export function fillGaps<
  QueryDB,
  TB extends keyof QueryDB,
  O,
  Bucket extends keyof O & string,
  By extends keyof O & string = never,
  Carry extends keyof O & string = never,
  const Fill extends { readonly [Key in keyof O]?: O[Key] | null } = Record<never, never>,
>(
  executor: QueryMaker,
  query: SelectQueryBuilder<QueryDB, TB, O>,
  options: FillGapsOptions<O, Bucket, By, Fill, Carry>,
): SelectQueryBuilder<QueryDB & { filled: Filled<O, Bucket | By, Fill> }, 'filled', Filled<O, Bucket | By, Fill>> {
  const node = query.toOperationNode()
  const columns = columnsOf(node)
  const named = namesBy(executor, columns)
  const bucket = named([options.bucket])[0] as string
  const [by, carry] = [named(options.by ?? []), named(options.carry ?? [])]
  const filled = Object.entries<unknown>(options.fill ?? {})
  const values: Readonly<Record<string, unknown>> = Object.fromEntries(
    named(filled.map(([key]) => key)).map((name, i) => [name, fillOf(node, columns.indexOf(name), filled[i]?.[1])]),
  )
  const keys = [bucket, ...by]
  if ([...carry, ...Object.keys(values)].some((name) => keys.includes(name)))
    throw invalid('the bucket or a group is filled or carried', 'They are what there is a row for.')

  // Names of these sources are not known to the types of the executor; what comes out is typed above.
  const on = executor as unknown as Kysely<Loose>
  const series = expressionOf<{ bucket: unknown }>(seriesNode(options)).as('series')
  const islands = namesBeside(columns, carry.length)
  const island = (name: string) => islands[carry.indexOf(name)] as string

  let source = on
    .with('rows', () => query as unknown as SelectQueryBuilder<Loose, never, Row>)
    .selectFrom(series as never) as Builder
  if (by.length > 0)
    source = source.innerJoin(
      (eb: Loose) =>
        eb
          .selectFrom('rows')
          .select([...by])
          .distinct()
          .as('groups'),
      (join: Loose) => join.onTrue(),
    )
  source = source.leftJoin('rows', (join: Loose) => {
    let joined = join.onRef(`rows.${bucket}`, '=', 'series.bucket')
    for (const name of by) joined = joined.onRef(`rows.${name}`, 'is not distinct from', `groups.${name}`)
    return joined
  })
  const windowOf = (over: Loose, qualified: boolean, ...more: readonly string[]) => {
    const parts = [...by.map((name) => (qualified ? `groups.${name}` : name)), ...more]
    return (parts.length === 0 ? over : over.partitionBy(parts)).orderBy(qualified ? 'series.bucket' : bucket)
  }
  const whole = source.select((eb: Loose) =>
    columns.flatMap((name) => {
      if (name === bucket) return [eb.ref('series.bucket').as(name)]
      if (by.includes(name)) return [eb.ref(`groups.${name}`).as(name)]
      const value = eb.ref(`rows.${name}`)
      // Rows from one value to the next have the same count of values before them.
      if (carry.includes(name))
        return [
          value.as(name),
          eb.fn
            .count(`rows.${name}`)
            .over((over: Loose) => windowOf(over, true))
            .as(island(name)),
        ]
      return [
        (Object.hasOwn(values, name) && values[name] !== null ? eb.fn.coalesce(value, eb.val(values[name])) : value).as(
          name,
        ),
      ]
    }),
  )
  if (carry.length === 0) return on.selectFrom(whole.as('filled')).selectAll() as never
  const carried = on.selectFrom(whole.as('counted')).select((eb: Loose) =>
    columns.map((name) => {
      if (!carry.includes(name)) return eb.ref(name).as(name)
      const last = eb.fn.agg('first_value', [name]).over((over: Loose) => windowOf(over, false, island(name)))
      return (
        Object.hasOwn(values, name) && values[name] !== null ? eb.fn.coalesce(last, eb.val(values[name])) : last
      ).as(name)
    }),
  )
  return on.selectFrom(carried.as('filled')).selectAll() as never
}

// biome-ignore lint/suspicious/noExplicitAny: columns of a query that is not known before it is given; they are checked by name above.
type Loose = any
type Builder = Loose
type Row = Readonly<Record<string, unknown>>

type Selecting = { readonly selections?: SelectQueryNode['selections'] }

/** pg writes an array as one of PostgreSQL's, `{}`, which is an object to json. */
function fillOf({ selections = [] }: Selecting, index: number, value: unknown): unknown {
  return Array.isArray(value) && isJson(selections[index]?.selection) ? JSON.stringify(value) : value
}

/** Whether an expression says by its function that it is json: no column of json can be one of a group that is counted. */
function isJson(node: unknown): boolean {
  const { kind, node: inner, func, arguments: parameters, sqlFragments } = node as Loose
  if (kind === 'AliasNode') return isJson(inner)
  if (kind === 'RawNode') return /^\s*(to_)?jsonb?(_|\b)/i.test(sqlFragments[0] ?? '')
  if (kind === 'FunctionNode' && func === 'coalesce') return parameters.some(isJson)
  return (kind === 'AggregateFunctionNode' || kind === 'FunctionNode') && /^(to_)?jsonb?(_|$)/i.test(func)
}

/** The names of what a query selects. */
function columnsOf(node: Selecting): readonly string[] {
  const names = (node.selections ?? []).map(({ selection }) => nameOf(selection))
  if (names.length > 0 && names.every((name) => name !== undefined)) return names as readonly string[]
  throw invalid('the query does not name its columns', "Write select(['day', …]) instead of selectAll().")
}

/** Names that no column has. In lower case without underscores: plugins leave them as they are, or put an underscore before the number. */
function namesBeside(columns: readonly string[], count: number): readonly string[] {
  const taken = new Set(columns.map((name) => name.replaceAll('_', '').toLowerCase()))
  const candidates = Array.from({ length: columns.length + count }, (_, i) => `tenonisland${i}`)
  return candidates.filter((name) => !taken.has(name)).slice(0, count)
}

/** Names as the executor's plugins make them: what is built with it has been through them already. */
function namesBy(executor: Executor, columns: readonly string[]): (keys: readonly string[]) => readonly string[] {
  const own = executorOf(executor)
  return (keys) => {
    if (keys.length === 0) return []
    const node: SelectQueryNode = {
      kind: 'SelectQueryNode',
      selections: keys.map((key) => aliased(constant(null), key)),
    }
    const names = columnsOf(own.transformQuery(node, createQueryId()) as SelectQueryNode)
    if (names.every((name) => columns.includes(name))) return names
    throw invalid('an option names no column of the query', `Columns: ${columns.join(', ')}.`)
  }
}

function nameOf(node: unknown): string | undefined {
  // A selection is a column, a reference to one, or anything under an alias: the name is the innermost identifier on the way.
  const { kind, alias, column, name } = node as Readonly<Record<string, unknown>>
  if (kind === 'IdentifierNode') return typeof name === 'string' ? name : undefined
  const inner = kind === 'AliasNode' ? alias : kind === 'ReferenceNode' || kind === 'ColumnNode' ? column : undefined
  return typeof inner === 'object' && inner !== null ? nameOf(inner) : undefined
}

function invalid(message: string, hint: string): TenonError {
  return new TenonError({ code: 'OPTION_INVALID', message, hint })
}
