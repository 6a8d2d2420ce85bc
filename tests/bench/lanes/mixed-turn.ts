/** One turn of the mixed load: point reads of many tenants, and among them a few statements that take 200 ms. */
import type { OpenContestant } from '../contestants/contestant.ts'
import { quantile } from '../quantile.ts'
import { tenantOf } from '../works/order-numbers.ts'
import { read } from '../works/reads.ts'

export const mixedInFlight = 64
/** One of twenty is slow. */
export const slowEvery = 20

/** Latencies of the fast requests. */
export interface MixedTurn {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly wrongAnswers: number
}

/** Runs one turn. */
export async function runMixedTurn(open: OpenContestant, requests: number): Promise<MixedTurn> {
  if (open.slow === undefined) throw new Error('A contestant of the mixed load has no slow statement.')
  const slow = open.slow
  const fast: number[] = []
  let wrongAnswers = 0
  let started = 0
  const worker = async () => {
    while (started < requests) {
      const n = started++
      if (n % slowEvery === slowEvery - 1) {
        await slow(tenantOf(n))
        continue
      }
      const asked = read.request(n)
      const begin = performance.now()
      const answer = await asked.ask(open)
      fast.push(performance.now() - begin)
      if (!asked.isRight(answer)) wrongAnswers += 1
    }
  }
  await Promise.all(Array.from({ length: mixedInFlight }, worker))
  return { p50Ms: quantile(fast, 0.5), p99Ms: quantile(fast, 0.99), wrongAnswers }
}
