/**
 * A dialect in place of Kysely's PostgresDialect: the same configuration, behaviour and errors, over this library's wire.
 *
 * No session, no context, no rules. What it adds is prepared statements, streaming without a cursor package, and connections that do
 * not take the process down when they die.
 */
import {
  type Dialect,
  type Driver,
  PostgresAdapter,
  type PostgresDialectConfig,
  PostgresIntrospector,
  type PostgresPool,
  PostgresQueryCompiler,
} from 'kysely'
import type pg from 'pg'
import { TenonError } from '../kernel/errors.ts'
import { TenonConnection } from './connection.ts'
import { defaultConnectTimeoutMs } from './connection-config.ts'
import { TenonDriver } from './driver.ts'
import { type EmbeddedDatabase, EmbeddedLines, isEmbeddedDatabase } from './embedded-lines.ts'
import type { LineSource } from './lines.ts'
import { createPoolerProbe } from './pooler-probe.ts'
import { newShared } from './runner.ts'
import { SocketLines } from './socket-lines.ts'
import { StatementPlans } from './wire/statement-plan.ts'

/** What {@link TenonDialect} takes: Kysely's own configuration, or a PGlite as the pool. */
export interface TenonDialectConfig extends Omit<PostgresDialectConfig, 'pool'> {
  /** A pg.Pool, a function that gives one at first use, or a PGlite. `destroy()` of the Kysely ends it. */
  readonly pool:
    | PostgresPool
    | EmbeddedDatabase
    | ((
        ...args: Parameters<Extract<PostgresDialectConfig['pool'], (...args: never[]) => unknown>>
      ) => Promise<PostgresPool>)
  /** Statements prepared per connection at most; 0 sends everything unnamed. Default 256, and 0 where a pooler stands between. */
  readonly statementCacheSize?: number
}

/**
 * A drop-in for Kysely's PostgresDialect. It throws pg's errors unchanged.
 *
 * @example
 * ```ts
 * const db = new Kysely<DB>({ dialect: new TenonDialect({ pool: new pg.Pool({ connectionString }) }) })
 * ```
 */
export class TenonDialect implements Dialect {
  readonly #config: TenonDialectConfig

  constructor(config: TenonDialectConfig) {
    this.#config = config
  }

  createDriver(): Driver {
    const config = this.#config
    const shared = newShared(undefined, true)
    const plans = new StatementPlans(() => false)
    let opening: Promise<{ source: LineSource; end: () => Promise<void> }> | undefined
    const seen = new WeakSet<object>()
    const probe = createPoolerProbe(config.statementCacheSize === undefined ? 'auto' : 'named')
    const acquire = async (): Promise<TenonConnection> => {
      opening ??= open(config).catch((error) => {
        opening = undefined
        throw error
      })
      const { source } = await opening
      const lease = await source.acquire()
      lease.line.overlay(undefined)
      const connection = new TenonConnection({
        lease,
        source,
        mode: 'plain',
        context: undefined,
        plans,
        shared,
        observe: undefined,
      })
      try {
        await probe(lease)
        if (!seen.has(lease.line)) {
          seen.add(lease.line)
          await config.onCreateConnection?.(connection, {})
        }
        await config.onReserveConnection?.(connection, {})
      } catch (error) {
        await connection.release()
        throw error
      }
      return connection
    }
    return new TenonDriver({
      acquire,
      beginsNow: true,
      destroy: async () => {
        await (await opening)?.end()
      },
    })
  }

  createQueryCompiler(): PostgresQueryCompiler {
    return new PostgresQueryCompiler()
  }

  createAdapter(): PostgresAdapter {
    return new PostgresAdapter()
  }

  createIntrospector(db: Parameters<Dialect['createIntrospector']>[0]): PostgresIntrospector {
    return new PostgresIntrospector(db)
  }
}

const defaultStatementCacheSize = 256

async function open(config: TenonDialectConfig): Promise<{ source: LineSource; end: () => Promise<void> }> {
  const statementLimit = config.statementCacheSize ?? defaultStatementCacheSize
  const pool = typeof config.pool === 'function' ? await config.pool() : config.pool
  if (isEmbeddedDatabase(pool)) {
    const source = new EmbeddedLines({
      open: async () => pool,
      shared: false,
      statementLimit,
      waitTimeoutMs: defaultConnectTimeoutMs,
    })
    return { source, end: () => source.close(0) }
  }
  // Kysely's interface of a pool is the part of pg.Pool it uses itself; the wire needs the real one.
  const real = pool as unknown as pg.Pool
  if (typeof real.on !== 'function')
    throw new TenonError({
      code: 'CONNECTION_CONFIG',
      message: 'pool is not a pg.Pool',
      hint: 'Pass new pg.Pool({ … }).',
    })
  const source = new SocketLines({
    pool: () => real,
    shared: true,
    statementLimit,
    connectTimeoutMs: defaultConnectTimeoutMs,
    rawErrors: true,
  })
  return { source, end: () => real.end() }
}
