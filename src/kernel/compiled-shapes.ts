/**
 * Queries compiled once for each shape they come in: the next of a shape is the same text with other parameters.
 *
 * Owns when that is so. A plugin may make anything of a query, so only executors without plugins, or with Kysely's for camel case alone,
 * reuse what was compiled; and a shape whose parameters are not exactly those it was asked with is compiled every time.
 */
import {
  CamelCasePlugin,
  type CompiledQuery,
  createQueryId,
  type QueryExecutor,
  type QueryResult,
  type RootOperationNode,
} from 'kysely'
import { type Executor, executorOf, type RunOptions } from './executor.ts'

/** A repository's options come from code, so that its shapes are few; a loop that makes new ones must not fill the memory. */
const shapeLimit = 256

type Shapes = Map<string, CompiledQuery>

export class CompiledShapes {
  /** By adapter, which belongs to one dialect and its compiler, and by plugin. */
  readonly #byAdapter = new WeakMap<object, WeakMap<object, Shapes>>()

  /**
   * Runs a query.
   *
   * @param shape - all that decides the text of the query
   * @param parameters - in the order of the text
   * @param build - makes the query, with these parameters in it
   */
  async run<Row>(
    executor: Executor,
    shape: string,
    parameters: readonly unknown[],
    build: () => RootOperationNode,
    { signal }: RunOptions,
  ): Promise<QueryResult<Row>> {
    const own = executorOf(executor)
    const shapes = this.#of(own)
    const known = shapes?.get(shape)
    const query = known === undefined ? compile(own, build()) : { ...known, parameters }
    if (known === undefined && shapes !== undefined && isSame(query.parameters, parameters)) {
      if (shapes.size >= shapeLimit) shapes.clear()
      shapes.set(shape, { ...query, query: withoutValues(query.query) as RootOperationNode, parameters: [] })
    }
    return await own.executeQuery<Row>(query, signal === undefined ? undefined : { signal })
  }

  #of({ adapter, plugins }: QueryExecutor): Shapes | undefined {
    const [plugin = adapter, ...more] = plugins
    if (more.length > 0 || !(plugin === adapter || plugin instanceof CamelCasePlugin)) return undefined
    const byPlugin = kept(this.#byAdapter, adapter, () => new WeakMap<object, Shapes>())
    return kept(byPlugin, plugin, () => new Map())
  }
}

/** The tree of a query without what somebody's query had in it: what is kept is used for everybody. */
function withoutValues(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutValues)
  if (typeof node !== 'object' || node === null) return node
  const { kind, immediate } = node as { readonly kind?: unknown; readonly immediate?: unknown }
  if (kind === 'ValueNode' && immediate !== true) return { ...node, value: undefined }
  if (kind === 'PrimitiveValueListNode') return { ...node, values: [] }
  return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, withoutValues(child)]))
}

function kept<V>(map: WeakMap<object, V>, key: object, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

function compile(own: QueryExecutor, node: RootOperationNode): CompiledQuery {
  const queryId = createQueryId()
  return own.compileQuery(own.transformQuery(node, queryId), queryId)
}

const isSame = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((value, i) => Object.is(value, b[i]))
