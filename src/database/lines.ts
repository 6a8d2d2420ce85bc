/**
 * Where lines come from: a pool of sockets or the one line of an embedded database.
 *
 * Owns the contract between the two and everything above: a lease is exclusive until it is released, and a released line is clean.
 */
import type { Notification } from './wire/backend-messages.ts'
import type { Line } from './wire/line.ts'

/** Exclusive use of a line. */
export interface Lease {
  readonly line: Line
  /** Gives the line back, or ends it when it is not certain to be clean. Safe to call once. */
  release(): void
}

/** Channels that are listened on over a line that others use. */
export interface SharedListens {
  /** Each with how many want it. */
  readonly channels: Map<string, number>
  readonly receivers: Set<(notification: Notification) => void>
}

/** Counts of a source's connections. */
export interface LineCounts {
  /** Most there can be; 0 as long as nothing was connected. */
  readonly max: number
  readonly total: number
  readonly idle: number
  readonly waiting: number
}

export interface LineSource {
  readonly kind: 'socket' | 'embedded'
  /** The pool or instance is the caller's, who may use it for other things. */
  readonly shared: boolean
  /** Milliseconds that an acquire waits at most; 0 is without end. */
  readonly waitMs: number
  /**
   * Waits for a line, for as long as the connect timeout allows.
   *
   * @param first - before all others who wait
   * @throws {TenonError} TIMEOUT_POOL, CONNECTION_*, DATABASE_CLOSED, EMBEDDED_BUSY
   */
  acquire(first?: boolean): Promise<Lease>
  /** A line that is at hand; undefined where it has to be waited for. */
  acquireNow?(): Lease | undefined
  counts(): LineCounts
  /**
   * Opens a line of its own beside the others, where there can be several: it counts nowhere, and releasing it ends it.
   *
   * @throws {TenonError} CONNECTION_*, TIMEOUT_CONNECT, DATABASE_CLOSED
   */
  dial?(): Promise<Lease>
  /** Where there is only one line: who listens on it, whoever has it. */
  readonly listens?: SharedListens
  /** Ends the backend behind a line by SQL from another connection, where there can be another. */
  terminate?(line: Line): Promise<void>
  /** Waits up to `drainMs` for leases to come back, then ends every connection. */
  close(drainMs: number): Promise<void>
  /** Runs a transaction's callback so that a second acquire inside it can be told from one elsewhere. */
  inTransaction<T>(callback: () => Promise<T>): Promise<T>
}

/** A line can be given to somebody else only when its last unit is over and it stands outside any transaction. */
export function isClean(line: Line): boolean {
  return line.loss === undefined && line.status === 'I' && line.quiet && !line.tainted
}
