/**
 * Puts a line on a connected client of pg: pg connects, authenticates and negotiates TLS, then the line reads and writes the socket.
 *
 * Owns the hand-over of the socket's data in both directions. While the line holds it, pg still sees every message that belongs to
 * no unit, so that notices, notifications and the pool's own death watch work as ever.
 */
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import type pg from 'pg'
import { cancelRequest } from './cancel-request.ts'
import { DirectSocket } from './direct-socket.ts'
import { type Channel, Line, type LineOptions } from './line.ts'

/** The members of pg's client that its type declarations leave out. */
interface ClientInternals {
  readonly processID: number | null
  readonly secretKey: number | null
  readonly host: string
  readonly port: number
  readonly ssl: unknown
  readonly _activeQuery: unknown
  readonly _queryQueue: readonly unknown[]
  readonly connection: {
    parsedStatements: Record<string, string>
    readonly stream: Socket & { listeners(event: 'data'): ((chunk: Buffer) => void)[] }
  }
}

const lines = new WeakMap<object, SocketLine>()

/** A line over a socket that can be given back to pg. */
export interface SocketLine {
  readonly line: Line
  /** Lets pg read the socket again; false when a message is cut in two and pg must not. */
  giveBack(): boolean
}

/**
 * The line of a connected, idle client; made at the first call, taken over again at later ones.
 *
 * @param options.shared - the pool is the caller's own: pg reads the socket between units, so the socket is handed over each time
 */
export function takeSocketLine(
  client: pg.ClientBase,
  options: Omit<LineOptions, 'channel'> & { readonly shared: boolean },
): SocketLine {
  const existing = lines.get(client)
  if (existing !== undefined) {
    if (options.shared) (existing as SocketHandOver).take()
    return existing
  }
  const handOver = new SocketHandOver(client, options)
  handOver.take()
  lines.set(client, handOver)
  return handOver
}

/** Waits for queries that somebody else has on their way, such as those of a pool's `connect` listener. */
export async function settleClient(client: pg.ClientBase): Promise<void> {
  // pg declares only its public face; both members are what its own `drain` event goes by.
  const { _activeQuery: active, _queryQueue: queue } = client as unknown as ClientInternals
  if ((active === null || active === undefined) && queue.length === 0) return
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      client.removeListener('drain', settle)
      client.removeListener('end', settle)
      resolve()
    }
    client.on('drain', settle)
    client.on('end', settle)
  })
}

class SocketHandOver implements SocketLine, Channel {
  readonly line: Line
  readonly #client: ClientInternals
  readonly #stream: Socket
  #pgListeners: ((chunk: Buffer) => void)[] = []
  readonly #onData = (chunk: Buffer): void => this.line.receive(chunk)

  constructor(client: pg.ClientBase, options: Omit<LineOptions, 'channel'>) {
    // pg declares only its public face; these members have been stable since pg 7 and the fault suite runs against them.
    this.#client = client as unknown as ClientInternals
    this.#stream = this.#client.connection.stream
    this.line = new Line({ ...options, channel: this })
    this.#stream.on('close', () => this.line.end({ reason: 'lost' }))
    this.#stream.on('error', (cause: unknown) => this.line.end({ reason: 'lost', cause }))
  }

  get processId(): number | undefined {
    return this.#client.processID ?? undefined
  }

  take(): void {
    if (this.#pgListeners.length > 0) return
    this.#pgListeners = this.#stream.listeners('data') as ((chunk: Buffer) => void)[]
    for (const listener of this.#pgListeners) this.#stream.removeListener('data', listener)
    this.#stream.on('data', this.#onData)
    if (this.#stream instanceof DirectSocket) this.#stream.receiver = this.#onData
  }

  giveBack(): boolean {
    if (!this.line.quiet) return false
    this.#stream.removeListener('data', this.#onData)
    if (this.#stream instanceof DirectSocket) this.#stream.receiver = undefined
    for (const listener of this.#pgListeners) this.#stream.on('data', listener)
    this.#pgListeners = []
    return true
  }

  write(bytes: Buffer): boolean {
    if (this.#stream.destroyed || !this.#stream.writable) return false
    this.#stream.write(bytes)
    return true
  }

  unsolicited(frame: Buffer): void {
    for (const listener of this.#pgListeners) listener(Buffer.from(frame))
  }

  cancel(): Promise<void> {
    const { processID, secretKey, host, port, ssl } = this.#client
    if (processID === null || secretKey === null) return Promise.reject(new Error('the server gave no cancel key'))
    return cancelRequest({ host, port, processId: processID, secretKey, ssl })
  }

  deallocated(): void {
    this.#client.connection.parsedStatements = {}
  }

  destroy(): void {
    this.#stream.destroy()
  }
}
