/** What a run tells while it works. Names and numbers only, never SQL or a value. */
export type MigrationEvent =
  /** Another run holds the lock of this database. */
  | { readonly type: 'waiting' }
  /** `index` of `total`, from 0. */
  | { readonly type: 'started'; readonly name: string; readonly index: number; readonly total: number }
  /** What PostgreSQL reports of a long index build: `done` of `total` blocks or tuples of the phase, 0 of 0 where it tells none. */
  | {
      readonly type: 'progress'
      readonly name: string
      readonly phase: string
      readonly done: number
      readonly total: number
    }
  /** The migration did not get its lock, or lost a deadlock; it is tried again after `pauseMs`. */
  | { readonly type: 'retrying'; readonly name: string; readonly attempt: number; readonly pauseMs: number }
  | { readonly type: 'finished'; readonly name: string; readonly durationMs: number }

/** Receives the events of a run. It is called synchronously and must not throw. */
export type MigrationObserver = (event: MigrationEvent) => void
