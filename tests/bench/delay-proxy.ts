/**
 * Starts a TCP proxy that makes a round trip longer, in a process of its own, so that it takes no time from the client it delays.
 * The delaying itself is delay-proxy-process.ts'. For breaking connections and counting round trips there is support/fault-proxy.ts,
 * which lives in the test's process and counts in whole milliseconds: too coarse for a ratio at 2 ms.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** A running proxy. */
export interface DelayProxy {
  /** `url` with its host and port replaced by the proxy's. */
  through(url: string): string
  /** Changes the delay of each direction, for what arrives from now on. */
  setDelayMs(delayMs: number): void
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts the proxy in front of the server of `url`.
 *
 * @param url whose host and port are proxied.
 * @param delayMs of each direction. The proxy's own two hops come on top of it; `calibrate` of round-trip.ts takes them off again.
 */
export async function startDelayProxy(url: string, delayMs: number): Promise<DelayProxy> {
  const { hostname, port } = new URL(url)
  // execArgv is emptied: under --cpu-prof the profile is the client's, not the proxy's.
  const child = fork(
    new URL('./delay-proxy-process.ts', import.meta.url),
    [hostname, port || '5432', String(delayMs)],
    {
      execArgv: [],
    },
  )
  const ownPort = await firstMessage(child)
  const close = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.disconnect()
    await exited
  }
  return {
    through(target) {
      const result = new URL(target)
      result.host = `127.0.0.1:${ownPort}`
      return result.href
    },
    setDelayMs: (changed) => void child.send(changed),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function firstMessage(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(Number(message)))
    child.once('exit', (code) => reject(new Error(`The delay proxy ended with code ${code} before it listened.`)))
  })
}
