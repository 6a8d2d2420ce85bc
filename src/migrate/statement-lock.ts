/**
 * Trying again when a migration did not get its lock.
 *
 * A migration that waits for a lock makes every later query on that table wait behind it: better to give up soon, let them through, and
 * come back.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import type { MigrationObserver } from './migration-event.ts'

// The first pause lets the queries that queued up behind the lock drain; half a minute is as long as a deployment waits for a long query.
const firstPauseMs = 500
const longestPauseMs = 30_000

/** Runs `work`, again after pauses that double when it ended for a lock or a deadlock. Everything of the failed try was rolled back. */
export async function withRetries(
  work: () => Promise<void>,
  name: string,
  options: {
    readonly lockRetries?: number | undefined
    readonly signal?: AbortSignal | undefined
    readonly observe?: MigrationObserver | undefined
  },
): Promise<void> {
  const retries = options.lockRetries ?? 5
  if (!Number.isInteger(retries) || retries < 0)
    throw new TenonError({ code: 'OPTION_INVALID', message: 'option lockRetries is no whole number' })
  for (let attempt = 1; ; attempt++) {
    try {
      await work()
      return
    } catch (error) {
      if (!isLockFailure(error) || attempt > retries) throw error
      // Between half and all of it: two runs that collided do not meet again.
      const pauseMs = Math.min(firstPauseMs * 2 ** (attempt - 1), longestPauseMs) * (0.5 + Math.random() / 2)
      options.observe?.({ type: 'retrying', name, attempt, pauseMs })
      await sleep(pauseMs, undefined, { signal: options.signal })
    }
  }
}

function isLockFailure(error: unknown): boolean {
  return isTenonError(error) && (error.sqlstate === '55P03' || error.sqlstate === '40P01')
}
