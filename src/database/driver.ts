/**
 * The driver that Kysely's transactions and connections call: acquires TenonConnections and runs BEGIN, COMMIT and savepoints on them.
 *
 * Owns the translation between Kysely's driver interface and a connection. Transaction commands go through `executeQuery` of the
 * connection, because that is the method Kysely's log is wrapped around.
 */
import {
  type AbortableOperationOptions,
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  IdentifierNode,
  type QueryCompiler,
  type QueryResult,
  RawNode,
  type TransactionSettings,
} from 'kysely'
import type { TenonConnection } from './connection.ts'
import { beginText } from './steps.ts'

/** Takes a connection out of a pool for one purpose. */
export type AcquireConnection = () => Promise<TenonConnection>
/** Starts a query by itself; undefined, at once or after it was tried, where it needs a connection. */
export type StartQuery = (compiledQuery: CompiledQuery) => Promise<QueryResult<unknown> | undefined> | undefined

export class TenonDriver implements Driver {
  readonly #acquire: AcquireConnection
  /** Absent where every query takes a connection. */
  readonly start: StartQuery | undefined
  readonly #beginsNow: boolean
  readonly #destroy: (() => Promise<void>) | undefined

  /**
   * @param options.beginsNow - send BEGIN at once, as a drop-in for Kysely's dialect has to
   */
  constructor(options: {
    readonly acquire: AcquireConnection
    readonly start?: StartQuery | undefined
    readonly beginsNow?: boolean
    readonly destroy?: () => Promise<void>
  }) {
    this.#acquire = options.acquire
    this.start = options.start
    this.#beginsNow = options.beginsNow ?? false
    this.#destroy = options.destroy
  }

  async init(): Promise<void> {}

  async acquireConnection(options?: AbortableOperationOptions): Promise<TenonConnection> {
    const connection =
      options?.signal === undefined ? await this.#acquire() : await acquireUnless(options.signal, this.#acquire)
    return connection
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    await own(connection).release()
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const tenon = own(connection)
    await tenon.logged(CompiledQuery.raw(beginText(settings)), async () => {
      if (this.#beginsNow) await tenon.beginNow(settings)
      else tenon.begin(settings)
      return { rows: [] }
    })
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const tenon = own(connection)
    let aborted: unknown
    await tenon.logged(CompiledQuery.raw('commit'), async () => {
      aborted = await tenon.commit()
      return { rows: [] }
    })
    if (aborted !== undefined) throw aborted
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    const tenon = own(connection)
    await tenon.logged(CompiledQuery.raw('rollback'), async () => {
      await tenon.rollback()
      return { rows: [] }
    })
  }

  async savepoint(
    connection: DatabaseConnection,
    name: string,
    compileQuery: QueryCompiler['compileQuery'],
  ): Promise<void> {
    await connection.executeQuery(savepointQuery('savepoint', name, compileQuery))
  }

  async rollbackToSavepoint(
    connection: DatabaseConnection,
    name: string,
    compileQuery: QueryCompiler['compileQuery'],
  ): Promise<void> {
    await connection.executeQuery(savepointQuery('rollback to', name, compileQuery))
  }

  async releaseSavepoint(
    connection: DatabaseConnection,
    name: string,
    compileQuery: QueryCompiler['compileQuery'],
  ): Promise<void> {
    await connection.executeQuery(savepointQuery('release', name, compileQuery))
  }

  async destroy(): Promise<void> {
    await this.#destroy?.()
  }
}

/** Waits for a connection until the signal aborts; one that comes later goes back at once. */
async function acquireUnless(signal: AbortSignal, acquire: AcquireConnection): Promise<TenonConnection> {
  signal.throwIfAborted()
  const acquiring = acquire()
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([acquiring, aborted])
  } catch (error) {
    if (signal.aborted) acquiring.then((connection) => connection.release()).catch(() => {})
    throw error
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}

/** Kysely hands back the connections this driver made. */
export function own(connection: DatabaseConnection): TenonConnection {
  return connection as TenonConnection
}

function savepointQuery(command: string, name: string, compileQuery: QueryCompiler['compileQuery']): CompiledQuery {
  const node = RawNode.createWithChildren([RawNode.createWithSql(`${command} `), IdentifierNode.create(name)])
  return compileQuery(node, { queryId: command })
}
