/**
 * The query executor of sessions and services: Kysely's own, with a short way for the common case and a cancel that reaches the server.
 *
 * Every copy that a plugin or a transaction makes stays one of these and belongs to the same owner, which is how a batch knows its own
 * builders.
 */
import {
  type AbortableQueryOptions,
  type CompiledQuery,
  type ConnectionProvider,
  DefaultConnectionProvider,
  DefaultQueryExecutor,
  type KyselyPlugin,
  PostgresAdapter,
  type QueryCompiler,
  type QueryExecutor,
  type QueryId,
  type QueryResult,
  type RootOperationNode,
} from 'kysely'
import type { TenonDriver } from './driver.ts'
import type { ConnectionMode } from './statement-rules.ts'
import type { ValueParsers } from './value-parsers.ts'

/** What every executor of one session shares. */
export interface ExecutorOwner {
  readonly driver: TenonDriver
  readonly compiler: QueryCompiler
  /** The server can be asked to cancel; an embedded database cannot. */
  readonly cancellable: boolean
  readonly mode: ConnectionMode
  /** As generated metadata declares them; undefined without any. */
  readonly parsers: ValueParsers | undefined
  /** What cursors of pages are signed with, the current one first. */
  readonly cursorKeys: readonly string[]
}

/** While a batch compiles its builders, the executor that did it says so here. */
let listener: ((executor: TenonExecutor, compiledQuery: CompiledQuery) => void) | undefined

/** What a builder compiled to and through which executor of ours, if any. */
export interface Compilation {
  readonly compiledQuery: CompiledQuery
  readonly executor: TenonExecutor | undefined
}

/** Calls `compile`, which is synchronous, and tells which executor did the work. */
export function observeCompile(compile: () => CompiledQuery): Compilation {
  const seen = new Map<CompiledQuery, TenonExecutor>()
  listener = (executor, compiledQuery) => seen.set(compiledQuery, executor)
  try {
    const compiledQuery = compile()
    return { compiledQuery, executor: seen.get(compiledQuery) }
  } finally {
    listener = undefined
  }
}

/** In a transaction Kysely puts an executor of its own around ours: the adapter is what both show. */
class OwnedAdapter extends PostgresAdapter {
  readonly owner: ExecutorOwner

  constructor(owner: ExecutorOwner) {
    super()
    this.owner = owner
  }
}

/** The owner of the executor of a session, a service or a transaction of one; undefined of any other. */
export function ownerOf({ adapter }: QueryExecutor): ExecutorOwner | undefined {
  return adapter instanceof OwnedAdapter ? adapter.owner : undefined
}

export class TenonExecutor extends DefaultQueryExecutor {
  readonly owner: ExecutorOwner
  readonly #provider: ConnectionProvider | undefined

  /** @param provider - the connection this executor is bound to; without one each query takes its own */
  constructor(owner: ExecutorOwner, plugins: readonly KyselyPlugin[] = [], provider?: ConnectionProvider) {
    super(owner.compiler, new OwnedAdapter(owner), provider ?? new DefaultConnectionProvider(owner.driver), [
      ...plugins,
    ])
    this.owner = owner
    this.#provider = provider
  }

  override compileQuery(node: RootOperationNode, queryId: QueryId): CompiledQuery {
    const compiledQuery = super.compileQuery(node, queryId)
    listener?.(this, compiledQuery)
    return compiledQuery
  }

  override async executeQuery<R>(
    compiledQuery: CompiledQuery,
    options?: AbortableQueryOptions,
  ): Promise<QueryResult<R>> {
    if (options?.signal !== undefined) {
      // A caller who gave up wants the server to stop too.
      const strategy = this.owner.cancellable ? { inflightQueryAbortStrategy: 'cancel query' as const } : {}
      return await super.executeQuery<R>(compiledQuery, { ...strategy, ...options })
    }
    if (this.#provider !== undefined) return await super.executeQuery<R>(compiledQuery, options)
    // Its rows are what the caller's builder says they are.
    const started = this.owner.driver.start?.(compiledQuery) as Promise<QueryResult<R> | undefined> | undefined
    const result = (started && (await started)) ?? (await this.#onConnection<R>(compiledQuery))
    return this.plugins.length === 0 ? result : await this.transformResult(result, compiledQuery.queryId)
  }

  async #onConnection<R>(compiledQuery: CompiledQuery): Promise<QueryResult<R>> {
    const connection = await this.owner.driver.acquireConnection()
    connection.unpin()
    try {
      return await connection.executeQuery<R>(compiledQuery)
    } finally {
      const cleaning = connection.release()
      if (cleaning !== undefined) await cleaning
    }
  }

  /** Applies the plugins to a result, as Kysely does after every query. */
  async transformResult<R>(result: QueryResult<R>, queryId: QueryId): Promise<QueryResult<R>> {
    let transformed: QueryResult<unknown> = result
    // Kysely types rows of plugins loosely; a plugin returns what it was given, reshaped.
    for (const plugin of this.plugins)
      transformed = await plugin.transformResult({ queryId, result: transformed as never })
    return transformed as QueryResult<R>
  }

  override withPlugins(plugins: readonly KyselyPlugin[]): TenonExecutor {
    return new TenonExecutor(this.owner, [...this.plugins, ...plugins], this.#provider)
  }

  override withPlugin(plugin: KyselyPlugin): TenonExecutor {
    return new TenonExecutor(this.owner, [...this.plugins, plugin], this.#provider)
  }

  override withPluginAtFront(plugin: KyselyPlugin): TenonExecutor {
    return new TenonExecutor(this.owner, [plugin, ...this.plugins], this.#provider)
  }

  override withConnectionProvider(provider: ConnectionProvider): TenonExecutor {
    return new TenonExecutor(this.owner, this.plugins, provider)
  }

  override withoutPlugins(): TenonExecutor {
    return new TenonExecutor(this.owner, [], this.#provider)
  }
}
