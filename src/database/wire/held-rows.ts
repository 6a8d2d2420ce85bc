/**
 * Rows that came while the types of their columns were not known as they are now: kept as they were sent, and read once they are.
 *
 * Owns the keeping. Who asks for the types, and when, is the runner's.
 */
import { Buffer } from 'node:buffer'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type RowShape, readDataRow } from './backend-messages.ts'

/** What a parser throws that cannot read a value before the types of the database have been asked for again. */
export class OutdatedTypes extends Error {
  /** Whose types they are. */
  readonly owner: object
  /** How often they had been asked for by then. */
  readonly times: number

  /** @param cause - what the parser failed with; undefined where it did not try */
  constructor(owner: object, times: number, cause?: unknown) {
    super('the types of the database have changed', { cause })
    this.owner = owner
    this.times = times
  }
}

interface HeldRow {
  readonly rows: Record<string, unknown>[]
  readonly shape: RowShape
  readonly body: Buffer
}

/** Some milliseconds of work: about what a chunk of a socket brings. */
const sliceRows = 1_000

export class HeldRows {
  readonly #held: HeldRow[] = []

  /** Keeps a row for later: the buffer it stands in is overwritten. */
  hold(rows: Record<string, unknown>[], shape: RowShape, buffer: Buffer, start: number, end: number): void {
    this.#held.push({ rows, shape, body: Buffer.from(buffer.subarray(start, end)) })
  }

  /**
   * Reads what was kept, in order, into the results that the rows are of, and lets others have the event loop in between.
   *
   * @returns what the first failed with that could not be read, else undefined; where that is of its types, it and those after it stay
   */
  async read(): Promise<unknown> {
    for (const [i, { rows, shape, body }] of this.#held.entries()) {
      if (i > 0 && i % sliceRows === 0) await nextTurn()
      try {
        rows.push(readDataRow(body, 0, body.length, shape))
      } catch (failure) {
        this.#held.splice(0, failure instanceof OutdatedTypes ? i : this.#held.length)
        return failure
      }
    }
    this.#held.length = 0
    return undefined
  }
}
