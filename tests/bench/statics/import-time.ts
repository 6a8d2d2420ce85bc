/** What importing a library costs: the time that a fresh process takes for the contestant's file. */
import { quantile } from '../quantile.ts'
import { runChild } from './child.ts'

/**
 * Imports a file in fresh processes, one after another.
 *
 * @returns milliseconds, the median; the process's own start is not in it.
 */
export async function measureImportMs(url: URL, processes: number): Promise<number> {
  const times: number[] = []
  // The first fills the machine's file cache, and strips types (built-sources.ts).
  for (let i = 0; i <= processes; i += 1) {
    const time = Number(await runChild('./import-process.ts', [url.href]))
    if (i > 0) times.push(time)
  }
  return quantile(times, 0.5)
}
