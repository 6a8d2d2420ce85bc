/**
 * A relay before a server that holds back cancel requests, and only those, for a random time: what a cancel that travels by another
 * road than its connection looks like. Where a program does not wait for it, it arrives at whoever has the connection by then.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Random } from './random.ts'

/** A running relay. */
export interface CancelRelay extends AsyncDisposable {
  /** `url` with its host and port replaced by the relay's. */
  through(url: string): string
  /** Cancel requests that were passed on. */
  readonly cancels: number
  close(): Promise<void>
}

const cancelRequestCode = 80_877_102

/** Starts a relay in front of `target`; each cancel request waits up to `longestDelayMs`. */
export async function createCancelRelay(target: string, random: Random, longestDelayMs: number): Promise<CancelRelay> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let cancels = 0
  const pass = (client: Socket, first: Buffer): void => {
    const server = connect(Number(port), hostname)
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one)
      one.setNoDelay(true)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
    server.write(first)
  }
  const listener = createServer((client) => {
    client.on('error', () => {})
    client.once('data', (first) => {
      client.pause()
      if (first.length !== 16 || first.readInt32BE(4) !== cancelRequestCode) return pass(client, first)
      setTimeout(() => {
        cancels += 1
        pass(client, first)
      }, random.next() * longestDelayMs)
    })
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('The relay has no port.')
  const close = async (): Promise<void> => {
    listener.close()
    for (const socket of sockets) socket.destroy()
  }
  return {
    through: (url) => Object.assign(new URL(url), { host: `127.0.0.1:${address.port}` }).href,
    get cancels() {
      return cancels
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
