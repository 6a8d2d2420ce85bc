/** What a relay takes and tells, as types. relay.ts makes relays. */

/** An event as a handler gets it. */
export interface OutboxEvent<Payload = unknown> {
  /** The same at every attempt: what makes a handler idempotent. */
  readonly id: string
  readonly topic: string
  readonly key: string | null
  readonly payload: Payload
  readonly headers: Readonly<Record<string, unknown>>
  readonly idempotencyKey: string | null
  /** Subject and role of the session that enqueued it, as the database saw them. */
  readonly enqueuedBy: string | null
  readonly enqueuedRole: string
  readonly createdAt: Date
  /** This one included. */
  readonly attempts: number
}

/** What a handler may need beside the event. */
export interface HandlerContext {
  /** Aborted when the event was lost to another worker, or the relay is told to stop and its time is over. */
  readonly signal: AbortSignal
}

/** How a relay works. What callbacks throw is ignored. */
export interface RelayOptions {
  /** Who it is, in the audit and in `claimed_by`; one per process and start. Default a new uuid. */
  readonly worker?: string | undefined
  /** Events that are asked for at a time. Default 500. */
  readonly batch?: number | undefined
  /** Events of one key that are held at a time, to be handled in a row. Default 50. */
  readonly perKey?: number | undefined
  /** Events that are handled at the same time. Default 50. */
  readonly concurrency?: number | undefined
  /** Milliseconds after which an event that was not ended is handed to somebody else; extended while a handler runs. 100 at least, default 60,000. */
  readonly leaseMs?: number | undefined
  /** Attempts after which an event is dead. Default 10. */
  readonly maxAttempts?: number | undefined
  /** Milliseconds until the next attempt. Default 1 s, doubled each time, with some chance in it, an hour at most. */
  readonly retryInMs?: ((attempts: number) => number) | undefined
  /** Milliseconds between two questions while nothing is told; notifications come at once. Default 5,000. */
  readonly pollMs?: number | undefined
  /** Told of every failed attempt; `dead` when it was the last. */
  readonly onFailure?: ((failure: RelayFailure) => void) | undefined
  /** Told when the database could not be asked, in which case the relay tries again, or LISTEN is not to be had, in which case it polls. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** One failed attempt. */
export interface RelayFailure {
  readonly id: string
  readonly topic: string
  readonly attempts: number
  readonly dead: boolean
  /** What the handler threw; undefined where a worker went away with the event, without a word. */
  readonly error: unknown
}

/** Counters of a relay. */
export interface RelayStats {
  readonly delivered: number
  readonly failed: number
  readonly dead: number
  /** Events held now. */
  readonly held: number
}

/** Made by {@link createRelay}. */
export interface Relay {
  /**
   * Delivers until the signal, then lets handlers end for `drainMs` and gives back what was not begun.
   *
   * @throws {TenonError} when the database refuses for good: SERVICE_MISSING, ACCESS_DENIED, QUERY_UNDEFINED_OBJECT without the module
   */
  run(options: { readonly signal: AbortSignal; readonly drainMs?: number }): Promise<void>
  stats(): RelayStats
}
