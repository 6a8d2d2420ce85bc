/** A contestant in a process of its own, which takes a turn when it is told to (lane-process.ts). */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Contestant, Place } from '../contestants/contestant.ts'
import type { Order, Reply } from './lane-process.ts'
import type { MixedTurn } from './mixed-turn.ts'
import type { Load, Turn } from './turn.ts'

/** A contestant that takes turns. */
export interface Lane {
  readonly contestant: Contestant
  /** Opens its pool, at another place than before. */
  open(place: Place): Promise<void>
  turn(load: Load): Promise<Turn>
  mixedTurn(requests: number): Promise<MixedTurn>
  /** Closes its pool. */
  close(): Promise<void>
  /** Ends its process. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts the process of a contestant, which file `url` exports. */
export async function startLane(contestant: Contestant, url: URL): Promise<Lane> {
  // execArgv is emptied: a profiler of the starter would only slow it down.
  const child = fork(new URL('./lane-process.ts', import.meta.url), [url.href, contestant.key], { execArgv: [] })
  await replyOf(child, contestant.key)
  // One order at a time: the next one follows the reply.
  const obey = async (order: Order) => {
    child.send(order)
    return await replyOf(child, contestant.key)
  }
  return {
    contestant,
    open: async (place) => void (await obey({ do: 'open', place })),
    // The process gives what the order asks for.
    turn: async ({ work, inFlight, missEvery, requests, turnSeconds }) =>
      (await obey({ do: 'turn', work: work.key, inFlight, missEvery, requests, turnSeconds })) as Turn,
    mixedTurn: async (requests) => (await obey({ do: 'mixed turn', requests })) as MixedTurn,
    close: async () => void (await obey({ do: 'close' })),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}

async function replyOf(child: ChildProcess, key: string): Promise<Turn | MixedTurn | undefined> {
  const waiting = new AbortController()
  const { signal } = waiting
  try {
    const reply = await Promise.race([
      once(child, 'message', { signal }).then(([message]) => message as Reply),
      once(child, 'exit', { signal }).then(([code]): Reply => ({ error: `its process ended with code ${code}` })),
    ])
    if ('error' in reply) throw new Error(`${key}: ${reply.error}`)
    return reply.result
  } finally {
    waiting.abort()
  }
}
