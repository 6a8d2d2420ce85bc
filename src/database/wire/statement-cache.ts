/**
 * What one connection knows of its prepared statements.
 *
 * A name counts as known only after the server's ParseComplete, because a Parse that was cancelled or skipped after an error never
 * happened. Owns names and row shapes; the texts and their hashes belong to statement-plan.ts.
 */
import type { RowShape } from './backend-messages.ts'

/** A statement the server holds. `shape` is undefined until described once, null when it returns no columns. */
export interface KnownStatement {
  shape: RowShape | null | undefined
  /** Tick of the last use, for eviction. */
  used: number
}

export class StatementCache {
  readonly #known = new Map<string, KnownStatement>()
  readonly #parsing = new Set<string>()
  /** Closed before the next unit's first step; closing a name the server does not hold is no error. */
  readonly #stale = new Set<string>()
  #limit: number
  #tick = 0

  /** @param limit - how many statements the server may hold for this connection; 0 keeps every statement unnamed */
  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#known.size
  }

  /** The statement of that name if the server holds it. */
  use(name: string): KnownStatement | undefined {
    const known = this.#known.get(name)
    if (known !== undefined) known.used = ++this.#tick
    return known
  }

  /** Whether `name` may be given to a Parse now: not above the limit, and not while another unit's Parse of it is on its way. */
  mayParse(name: string): boolean {
    return !this.#parsing.has(name) && this.#known.size + this.#parsing.size < this.#limit
  }

  /** Whether a Parse of that name is on its way: whatever is sent before its answer has to be parsed again, without a name. */
  isParsing(name: string): boolean {
    return this.#parsing.has(name)
  }

  parsing(name: string): void {
    this.#parsing.add(name)
  }

  /** ParseComplete arrived. */
  parsed(name: string): KnownStatement {
    this.#parsing.delete(name)
    const known: KnownStatement = { shape: undefined, used: ++this.#tick }
    this.#known.set(name, known)
    return known
  }

  /** The unit that sent the Parse ended without a ParseComplete for it. */
  notParsed(name: string): void {
    this.#parsing.delete(name)
  }

  /** From now on everything goes unnamed: a pooler stands between and statements of one server connection are not those of the next. */
  disable(): void {
    this.#limit = 0
    this.forgetAll()
  }

  /** The server no longer holds it, holds another under its name, or its plan is stale: it is closed and parsed anew at the next use. */
  drop(name: string): void {
    this.#known.delete(name)
    this.#stale.add(name)
  }

  /** Every statement is described anew at its next use. */
  forgetShapes(): void {
    for (const known of this.#known.values()) known.shape = undefined
  }

  /** Everything was deallocated, by us. */
  forgetAll(): void {
    this.#known.clear()
    this.#stale.clear()
  }

  /** Somebody deallocated statements behind our back: nothing that was known is certain any more. */
  dropAll(): void {
    for (const name of this.#known.keys()) this.#stale.add(name)
    this.#known.clear()
  }

  /** Whether anything is to be closed before `coming` more statements are parsed. */
  mustClose(coming: number): boolean {
    return this.#stale.size > 0 || this.#known.size + coming > this.#limit
  }

  /** Names to close now: stale ones, and the least recently used ones above the limit. */
  takeClosing(coming: number): string[] {
    const closing = [...this.#stale]
    this.#stale.clear()
    const surplus = this.#known.size + coming - this.#limit
    if (surplus > 0) {
      const oldest = [...this.#known].sort(([, a], [, b]) => a.used - b.used).slice(0, surplus)
      for (const [name] of oldest) {
        this.#known.delete(name)
        closing.push(name)
      }
    }
    return closing
  }
}
