/**
 * What a round trip costs here: `select 1` on one pg connection. It is how the delay proxy is held to its promise.
 */
import { Client } from 'pg'
import { quantile } from './rounds.ts'

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
    for (let i = 0; i < samples; i += 1) {
      const begin = performance.now()
      await client.query({ name: 'one', text: 'select 1' })
      times.push(performance.now() - begin)
    }
    return quantile(times, 0.5)
  } finally {
    await client.end()
  }
}
