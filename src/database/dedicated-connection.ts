/**
 * One connection for as long as a callback runs: the seam for scripts, session locks and whatever else is not a query of a session.
 *
 * It has no role, no claims and no rules; it runs as the login. Whatever state is left on it dies with it.
 */
import { TenonError } from '../kernel/errors.ts'
import type { Lease } from './lines.ts'
import { Runner, type RunnerShared } from './runner.ts'
import { encodeParameters } from './wire/parameters.ts'
import type { StepResult } from './wire/unit.ts'

/** What a statement on a dedicated connection gives. */
export interface DedicatedResult<R> {
  readonly rows: R[]
  /** The command of the tag, such as `INSERT`. */
  readonly command: string
  readonly rowCount: number | null
}

/** A connection of one's own, as the login. */
export class DedicatedConnection {
  readonly #runner: Runner
  #open = true

  constructor(lease: Lease, shared: RunnerShared) {
    this.#runner = new Runner(lease.line, shared)
  }

  /** The backend's process id; undefined for an embedded database. */
  get processId(): number | undefined {
    return this.#runner.line.channel.processId
  }

  /** Runs one statement with bound values. */
  async query<R = Record<string, unknown>>(text: string, values: readonly unknown[] = []): Promise<DedicatedResult<R>> {
    this.#assertOpen()
    const results = await this.#runner.run(
      [{ text: checkText(text), name: '', values: encodeParameters(values, {}) }],
      { commits: true },
    )
    return toResult<R>(results[0])
  }

  /** Runs a text of several statements, in one implicit transaction unless the text has its own. The result is that of the last one. */
  async script(text: string): Promise<DedicatedResult<Record<string, unknown>>> {
    this.#assertOpen()
    const results = await this.#runner.script(checkText(text), { commits: true })
    return toResult(results[results.length - 1])
  }

  /**
   * Asks the server to stop what runs, over a socket of its own: it needs no connection of a pool, which may have none left. When it
   * returns, the request can hit nothing that is sent later. Does nothing on an embedded database, which is busy.
   */
  async cancel(): Promise<void> {
    const { line } = this.#runner
    if (!this.#open || line.loss !== undefined) return
    try {
      await line.channel.cancel?.()
    } catch {
      // It may still arrive, and hit anything: nothing more may run here.
      line.end({ reason: 'destroyed' })
    }
  }

  /** Ends the connection's use. Called by `withDedicatedConnection`. */
  close(): void {
    this.#open = false
  }

  #assertOpen(): void {
    if (!this.#open)
      throw new TenonError({
        code: 'TRANSACTION_CLOSED',
        message: 'the dedicated connection has ended with its callback',
      })
  }
}

function checkText(text: string): string {
  if (typeof text === 'string' && !text.includes('\0')) return text
  throw new TenonError({
    code: 'STATEMENT_INVALID',
    message: 'the SQL text is not a string or contains a NUL character',
  })
}

function toResult<R>(result: StepResult | undefined): DedicatedResult<R> {
  return {
    rows: (result?.rows ?? []) as R[],
    command: result?.tag?.command ?? '',
    rowCount: result?.tag?.rowCount ?? null,
  }
}

/** Whatever the callback left on the connection goes with it; an embedded database has no other and is reset. */
export async function retire(lease: Lease): Promise<void> {
  const { line } = lease
  if (line.loss === undefined && line.channel.processId === undefined) {
    if (line.status !== 'I') await line.script('rollback')
    await line.script('discard all')
  }
  line.end({ reason: 'destroyed' })
  lease.release()
}
