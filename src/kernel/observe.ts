/**
 * Events that a database tells its observer. None holds a parameter, a claim, a setting or a row; SQL texts have placeholders.
 */

/** One event. `durationMs` is wall time in milliseconds. */
export type DatabaseEvent =
  | {
      readonly type: 'query'
      /** SQL text with placeholders; for a batch, its statements in order. */
      readonly texts: readonly string[]
      readonly durationMs: number
      readonly role: string | undefined
      /** Rows returned by all statements together. */
      readonly rows: number
      /** Code of the error, when it failed. */
      readonly error: string | undefined
    }
  | { readonly type: 'verify'; readonly durationMs: number; readonly serverVersion: number; readonly pooled: boolean }
  | { readonly type: 'service'; readonly actor: string; readonly reason: string }
  | {
      readonly type: 'listen'
      /** `lost`: the connection ended, `failed`: a new one could not be opened; another attempt follows either. */
      readonly state: 'ready' | 'lost' | 'failed'
      /** Channels that are listened on. */
      readonly channels: number
      /** Code of the error, when it failed. */
      readonly error: string | undefined
    }
  | { readonly type: 'retry' }
  | { readonly type: 'destroy'; readonly reason: string }

/** Receives events, synchronously and in order. What it throws is ignored. */
export type Observer = (event: DatabaseEvent) => void

/** Hands an event to an observer, whose failures must not become those of a query. */
export function tell(observer: Observer | undefined, event: DatabaseEvent): void {
  if (observer === undefined) return
  try {
    observer(event)
  } catch {
    // An observer is a bystander.
  }
}
