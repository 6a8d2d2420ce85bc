/** Inserting rows in any number: by COPY where that is allowed and pays, else as arrays. The next rows are made ready while others are on their way. */
import { type Executor, type RunOptions, runQuery } from '../kernel/executor.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import { canCopy, copiedRows, copyRows, runCopy } from './copy-in.ts'
import { byColumns } from './many-rows.ts'
import { insertManyNode, insertNode, type Values } from './write-rows.ts'

/** A statement made ready: runs it, and tells how many rows it wrote. */
type Ready = (executor: Executor) => Promise<number>

export class RowWriter {
  inserted = 0
  readonly #table: TableMetadata
  readonly #options: RunOptions
  readonly #onProgress: ((progress: { readonly inserted: number }) => void) | undefined
  #copies = false

  constructor(
    table: TableMetadata,
    options: RunOptions,
    onProgress: ((progress: { readonly inserted: number }) => void) | undefined,
  ) {
    this.#table = table
    this.#options = options
    this.#onProgress = onProgress
  }

  /** Finds out how rows are written; `rows` is how many come at first. */
  async begin(executor: Executor, rows: number): Promise<void> {
    this.#copies = rows >= copiedRows && (await canCopy(this.#table, executor, this.#options))
  }

  /** Writes chunks in their order. */
  async writeAll(executor: Executor, chunks: AsyncIterable<readonly Values[]>): Promise<void> {
    let sending: Promise<void> | undefined
    try {
      for await (const chunk of chunks) {
        const ready = this.ready(chunk)
        await sending
        sending = this.send(executor, ready)
        // Waited for below, after the next chunk is ready.
        sending.catch(() => {})
      }
    } finally {
      await sending
    }
  }

  /** Makes one chunk ready: a statement for each group of rows that give values for the same columns. */
  ready(chunk: readonly Values[]): readonly Ready[] {
    const table = this.#table
    const options = this.#options
    return byColumns(table, chunk).flatMap(({ columns, rows }): readonly Ready[] => {
      const written = async (result: Promise<{ readonly numAffectedRows?: bigint }>) =>
        Number((await result).numAffectedRows ?? rows.length)
      if (columns.length === 0)
        return rows.map((row) => (on) => written(runQuery(on, insertNode(table, row, []), options)))
      if (this.#copies && rows.length >= copiedRows) {
        const copied = copyRows(table, columns, rows)
        return [(on) => written(runCopy(table, on, columns, copied, options))]
      }
      const node = insertManyNode(table, columns, rows, [])
      return [(on) => written(runQuery(on, node, options))]
    })
  }

  /** Writes what was made ready. */
  async send(executor: Executor, ready: readonly Ready[]): Promise<void> {
    for (const write of ready) this.inserted += await write(executor)
    this.#onProgress?.({ inserted: this.inserted })
  }
}
