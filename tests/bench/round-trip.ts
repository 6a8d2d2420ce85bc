/**
 * What a round trip costs here: `select 1` on one pg connection. It is how the delay proxy is held to its promise.
 */
import { Client } from 'pg'
import type { DelayProxy } from './delay-proxy.ts'
import { quantile } from './quantile.ts'

const uncounted = 100

/**
 * Measures `select 1` one after another.
 *
 * @returns the median in milliseconds, the server's work included.
 */
export async function measureRoundTripMs(url: string, samples = 200): Promise<number> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const times: number[] = []
    // The first ones compile the driver.
    for (let i = -uncounted; i < samples; i += 1) {
      const begin = performance.now()
      await client.query({ name: 'one', text: 'select 1' })
      if (i >= 0) times.push(performance.now() - begin)
    }
    return quantile(times, 0.5)
  } finally {
    await client.end()
  }
}

/**
 * Shortens the proxy's delay by what its hops and its late naps add, until the way through it is `addedMs` longer than the direct one.
 * Uncorrected it came to 2.5 ms for 2, and a longer way flatters whoever does more work per round trip.
 */
export async function calibrate(proxy: DelayProxy, url: string, addedMs: number): Promise<void> {
  let delayMs = addedMs / 2
  for (let step = 0; step < 3; step += 1) {
    proxy.setDelayMs(delayMs)
    const direct = await measureRoundTripMs(url)
    const delayed = await measureRoundTripMs(proxy.through(url))
    delayMs = Math.max(0, delayMs - (delayed - direct - addedMs) / 2)
  }
  proxy.setDelayMs(delayMs)
}
