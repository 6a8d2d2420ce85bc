/** What an application says and sees of multiplexing. */
import { TenonError } from '../kernel/errors.ts'
import { assertKnownKeys } from './session-options.ts'

/** Bounds of the option `multiplex`. */
export interface MultiplexOptions {
  /** Units in flight on one connection at most. Default 64. */
  readonly depth?: number | undefined
  /** Milliseconds at the server, on average, from which a statement gets a connection alone. Default 5. */
  readonly slowMs?: number | undefined
  /** Milliseconds after which the server ends a statement on a shared connection; it is run again alone. Default 50. */
  readonly longestMs?: number | undefined
}

/** Why nothing is multiplexed where it was asked for; `own pool` is a `pg.Pool` of the caller's. */
export type MultiplexObstacle = 'switched off' | 'pooler' | 'own pool' | 'embedded'

/** Counters of multiplexing. */
export interface MultiplexStats {
  /** Undefined while queries are multiplexed. */
  readonly obstacle: MultiplexObstacle | undefined
  /** Connections that are shared at the moment. */
  readonly lines: number
  /** Units that are on them. */
  readonly inFlight: number
  /** Units that wait for a place on one. */
  readonly waiting: number
  /** Units that were run on shared connections. */
  readonly units: number
  /** Of these, how many the bounds of sharing ended, so that they were run again alone. */
  readonly rerun: number
}

/** @throws {TenonError} OPTION_INVALID when it is neither a switch nor bounds */
export function checkMultiplex(multiplex: unknown): void {
  if (multiplex === undefined || typeof multiplex === 'boolean') return
  if (typeof multiplex !== 'object' || multiplex === null)
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'multiplex is neither true nor its bounds',
      hint: 'Pass multiplex: true.',
    })
  assertKnownKeys('multiplex', multiplex, ['depth', 'slowMs', 'longestMs'])
  for (const [name, value] of Object.entries(multiplex))
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= 60_000))
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: `multiplex.${name} is not a whole number from 1 to 60000`,
        hint: 'Leave it out for the default.',
      })
}
