/** What a fresh process holds after it has read: 64 reads in flight of 100 tenants on ten connections. */
import type { Place } from '../contestants/contestant.ts'
import { runChild } from './child.ts'

/** Mebibytes. */
export interface MemoryUse {
  readonly rssMiB: number
  /** After a collection. */
  readonly heapMiB: number
}

/** Runs the first contestant of a file, which is the one that others are variants of, or the one named. */
export async function measureMemory(url: URL, key: string, place: Place, reads: number): Promise<MemoryUse> {
  const answer = await runChild(
    './memory-process.ts',
    [url.href, key, JSON.stringify(place), String(reads)],
    ['--expose-gc'],
  )
  return answer as MemoryUse
}
