/** Asking the server for an answer, with a bound: what a health check calls. */
import { TenonError } from '../kernel/errors.ts'
import type { Lease } from './lines.ts'
import { Runner, type RunnerShared } from './runner.ts'

const defaultTimeoutMs = 5_000

/**
 * Sends an empty query on a connection of its own.
 *
 * @returns milliseconds it took
 * @throws {TenonError} TIMEOUT_CONNECT when there is no answer in time, or what connecting throws
 */
export async function ping(
  acquire: () => Promise<Lease>,
  shared: RunnerShared,
  timeoutMs = defaultTimeoutMs,
): Promise<number> {
  const started = performance.now()
  let timer: NodeJS.Timeout | undefined
  let lease: Lease | undefined
  let late = false
  const late$ = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      late = true
      lease?.line.end({ reason: 'destroyed' })
      reject(new TenonError({ code: 'TIMEOUT_CONNECT', message: `the server did not answer within ${timeoutMs} ms` }))
    }, timeoutMs)
  })
  const asking = (async () => {
    lease = await acquire()
    try {
      if (!late) await new Runner(lease.line, shared).run([{ text: 'select', name: '', values: [], silent: true }])
    } finally {
      lease.release()
    }
  })()
  // After the timeout nobody waits for it any more.
  asking.catch(() => {})
  try {
    await Promise.race([asking, late$])
  } finally {
    clearTimeout(timer)
  }
  return performance.now() - started
}
