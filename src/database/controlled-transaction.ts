/**
 * Controlled transactions of a session: committed and rolled back by hand, with savepoints, and still sessions.
 */
import {
  type AccessMode,
  Command,
  ControlledTransaction,
  ControlledTransactionBuilder,
  type DatabaseConnection,
  type IsolationLevel,
  type Kysely,
  type KyselyPlugin,
  type QueryExecutor,
  SingleConnectionProvider,
  type TransactionSettings,
  WithSchemaPlugin,
} from 'kysely'
import { type BatchItem, type BatchResults, runBatch } from './batch.ts'
import {
  AfterCommit,
  type AfterCommitCallback,
  type SessionProps,
  type Tables,
  type TransactionOptions,
} from './transaction.ts'

type ControlledProps = ConstructorParameters<typeof ControlledTransaction>[0] &
  SessionProps & { readonly afterCommit: AfterCommit }

/** A {@link ControlledTransaction} of a session. */
export class SessionControlledTransaction<DB, S extends string[] = []> extends ControlledTransaction<DB, S> {
  readonly #props: ControlledProps

  constructor(props: ControlledProps) {
    super(props)
    this.#props = props
    // Kysely's own give a plain transaction back, which would forget batch and afterCommit. Its types of the savepoints that remain are
    // conditional and not exported, so the methods are replaced here and keep their declared types.
    const { rollbackToSavepoint, releaseSavepoint } = this
    const ours = (method: (name: never) => unknown) => (name: never) => this.#after(method.call(this, name))
    this.rollbackToSavepoint = ours(rollbackToSavepoint) as typeof rollbackToSavepoint
    this.releaseSavepoint = ours(releaseSavepoint) as typeof releaseSavepoint
  }

  #after(command: unknown): Command<unknown> {
    return new Command(async () => {
      // What Kysely's method returned is its Command.
      await (command as Command<unknown>).execute()
      return this.#with(this.#props.executor)
    })
  }

  /** Runs `callback` once `commit()` has succeeded; never after a rollback. */
  afterCommit(callback: AfterCommitCallback): void {
    this.#props.afterCommit.add(callback)
  }

  /** Runs several queries of this transaction in one round trip and returns their results as a tuple. */
  async batch<const Items extends readonly BatchItem[]>(items: Items): Promise<BatchResults<Items>> {
    // runBatch gives one result per item, shaped as the item's own execute() would give it.
    return (await runBatch(this as unknown as Kysely<unknown>, this.#props.owner, items, {})) as BatchResults<Items>
  }

  override commit(): Command<void> {
    const committing = super.commit()
    return new Command(async () => {
      await committing.execute()
      await this.#props.afterCommit.run()
    })
  }

  override savepoint<SN extends string>(
    savepointName: SN extends S ? never : SN,
  ): Command<SessionControlledTransaction<DB, [...S, SN]>> {
    const command = super.savepoint(savepointName)
    return new Command(async () => {
      await command.execute()
      return this.#with<DB, [...S, SN]>(this.#props.executor)
    })
  }

  #with<T, TS extends string[] = S>(executor: QueryExecutor): SessionControlledTransaction<T, TS> {
    return new SessionControlledTransaction<T, TS>({ ...this.#props, executor })
  }

  override withPlugin(plugin: KyselyPlugin): SessionControlledTransaction<DB, S> {
    return this.#with(this.#props.executor.withPlugin(plugin))
  }

  override withoutPlugins(): SessionControlledTransaction<DB, S> {
    return this.#with(this.#props.executor.withoutPlugins())
  }

  override withSchema(schema: string): SessionControlledTransaction<DB, S> {
    return this.#with(this.#props.executor.withPluginAtFront(new WithSchemaPlugin(schema)))
  }

  override withTables<T extends Tables>(): SessionControlledTransaction<DB & T, S> {
    return this.#with(this.#props.executor)
  }

  override $extendTables<T extends Tables>(): SessionControlledTransaction<DB & T, S> {
    return this.#with(this.#props.executor)
  }

  override $omitTables<T extends keyof DB>(): SessionControlledTransaction<DB extends object ? Omit<DB, T> : DB, S> {
    return this.#with(this.#props.executor)
  }

  override $pickTables<T extends keyof DB>(): SessionControlledTransaction<DB extends object ? Pick<DB, T> : DB, S> {
    return this.#with(this.#props.executor)
  }
}

type BuilderProps = SessionProps & Pick<TransactionOptions, 'isolationLevel' | 'accessMode'>

/** Kysely's builder of controlled transactions, which gives a {@link SessionControlledTransaction}. */
export class SessionControlledTransactionBuilder<DB> extends ControlledTransactionBuilder<DB> {
  readonly #props: BuilderProps

  constructor(props: BuilderProps) {
    // Kysely leaves undefined out of the type of what it takes and then reads it as absent.
    super(props as ConstructorParameters<typeof ControlledTransactionBuilder>[0])
    this.#props = props
  }

  override setAccessMode(accessMode: AccessMode): SessionControlledTransactionBuilder<DB> {
    return new SessionControlledTransactionBuilder<DB>({ ...this.#props, accessMode })
  }

  override setIsolationLevel(isolationLevel: IsolationLevel): SessionControlledTransactionBuilder<DB> {
    return new SessionControlledTransactionBuilder<DB>({ ...this.#props, isolationLevel })
  }

  override async execute(): Promise<SessionControlledTransaction<DB>> {
    const { isolationLevel, accessMode, ...props } = this.#props
    const connection = await holdConnection(props.executor)
    try {
      // Absent and undefined mean the same to beginTransaction.
      await props.driver.beginTransaction(connection.connection, { isolationLevel, accessMode } as TransactionSettings)
    } catch (error) {
      connection.release()
      throw error
    }
    return new SessionControlledTransaction<DB>({
      ...props,
      connection,
      transactionState: { status: 'active' },
      executor: props.executor.withConnectionProvider(new SingleConnectionProvider(connection.connection)),
      afterCommit: new AfterCommit(),
    })
  }
}

/** Takes a connection out of the executor until `release` is called. */
function holdConnection(
  executor: QueryExecutor,
): Promise<{ readonly connection: DatabaseConnection; readonly release: () => void }> {
  return new Promise((resolve, reject) => {
    executor
      .provideConnection(
        (connection) => new Promise<void>((release) => resolve(Object.freeze({ connection, release }))),
      )
      .catch(reject)
  })
}
