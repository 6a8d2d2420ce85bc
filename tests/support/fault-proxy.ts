/**
 * A TCP proxy on loopback that counts what passes and, on command, behaves like a bad network.
 * It knows nothing of PostgreSQL's protocol: it sees bytes and the turns between the two sides.
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { DelayLine } from './delay-line.ts'

/** What the network does to every connection; all of it may change while connections are open. */
export interface NetworkFaults {
  /** Delay of each direction: 1 makes a round trip 2 ms longer. */
  readonly delayMs: number
  /** Delivers pieces of 1 to this many bytes; 0 leaves bytes as they came. */
  readonly segmentBytes: number
  /** Nothing passes in either direction, and nobody is told; what was held passes when it ends. */
  readonly blackHole: boolean
}

/** How a connection ends: with a TCP reset, or with the orderly end that a stopping server sends. */
export type Ending = 'reset' | 'end'

/** Where `cutAfter` counts, and how it ends the connection. */
export interface CutOptions {
  /** `toClient` (default) cuts inside an answer, `toServer` inside a request. */
  readonly direction?: 'toClient' | 'toServer'
  readonly ending?: Ending
}

/** A running proxy. */
export interface FaultProxy {
  readonly host: string
  readonly port: number
  /** `url` with its host and port replaced by the proxy's. */
  through(url: string): string
  /** Changes some faults, at once, for open and future connections. */
  set(faults: Partial<NetworkFaults>): void
  /** Breaks the connection that was opened last; false when there is none. */
  breakOne(ending?: Ending): boolean
  /** Breaks every open connection and returns how many there were. */
  breakAll(ending?: Ending): number
  /** Breaks the connection that carries the next byte in that direction, after exactly `bytes` of it were delivered. */
  cutAfter(bytes: number, options?: CutOptions): void
  /** Closes the port: a new connection gets ECONNREFUSED. Open connections go on. */
  refuse(): Promise<void>
  /** Opens the same port again. */
  accept(): Promise<void>
  /**
   * How often a client sent something and the server then answered, over all connections since `reset()`.
   * Several writes before the answer are one round trip, and so is an answer in several pieces.
   */
  roundTrips(): number
  bytesToServer(): number
  bytesToClient(): number
  /** Connections accepted since `reset()`; a cancel request is one. */
  connections(): number
  /** Connections open now. */
  openConnections(): number
  /** Sets all counters to zero. Faults and connections stay. */
  reset(): void
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

interface Cut extends Required<CutOptions> {
  remaining: number
  pair: Pair | undefined
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  readonly lines: readonly [toServer: DelayLine, toClient: DelayLine]
  /** The client has sent something that the server has not answered yet. */
  asking: boolean
  /** A cut is on its way through the line; what arrives after it is lost. */
  cut: boolean
}

/**
 * Starts a proxy in front of `target`.
 *
 * @param target URL whose host and port are proxied: `postgres://…` or `tcp://127.0.0.1:7000`.
 * @example
 * await using proxy = await createFaultProxy(login.url)
 * const db = createDatabase({ connection: proxy.through(login.url) })
 * proxy.reset()
 * await me.selectFrom('projects').selectAll().execute()
 * expect(proxy.roundTrips()).toBe(1)
 */
export async function createFaultProxy(target: string): Promise<FaultProxy> {
  const upstream = { host: new URL(target).hostname, port: Number(new URL(target).port || 5432) }
  const host = '127.0.0.1'
  const pairs = new Set<Pair>()
  let faults: NetworkFaults = { delayMs: 0, segmentBytes: 0, blackHole: false }
  let counters = { roundTrips: 0, bytesToServer: 0, bytesToClient: 0, connections: 0 }
  let cut: Cut | undefined

  function open(client: Socket): void {
    counters.connections += 1
    const server = connect({ ...upstream, allowHalfOpen: true })
    const line = (from: Socket, to: Socket) =>
      new DelayLine(from, to, () => ({ ...faults, held: faults.blackHole || to.connecting }))
    const pair: Pair = {
      client,
      server,
      lines: [line(client, server), line(server, client)],
      asking: false,
      cut: false,
    }
    pairs.add(pair)
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
    }
    const [toServer, toClient] = pair.lines
    server.on('connect', () => toServer.wake())
    client.on('data', (bytes) => {
      counters.bytesToServer += bytes.length
      pair.asking = true
      forward(pair, 'toServer', toServer, bytes)
    })
    server.on('data', (bytes) => {
      counters.bytesToClient += bytes.length
      if (pair.asking) counters.roundTrips += 1
      pair.asking = false
      forward(pair, 'toClient', toClient, bytes)
    })
    client.on('end', () => toServer.afterAll(() => server.end()))
    server.on('end', () => toClient.afterAll(() => client.end()))
    // A side that is gone takes the other with it, but only after what it had sent, and not through a black hole.
    client.on('close', () => toServer.afterAll(() => finish(pair)))
    server.on('close', () => toClient.afterAll(() => finish(pair)))
  }

  function forward(pair: Pair, direction: Cut['direction'], line: DelayLine, bytes: Buffer): void {
    if (pair.cut) return
    const mine = cut?.direction === direction && (cut.pair === undefined || cut.pair === pair) ? cut : undefined
    if (mine === undefined) {
      line.send(bytes)
      return
    }
    mine.pair = pair
    const passing = bytes.subarray(0, mine.remaining)
    mine.remaining -= passing.length
    if (passing.length > 0) line.send(passing)
    if (mine.remaining > 0) return
    cut = undefined
    pair.cut = true
    // A turn later, so that the last bytes are on the wire before the reset.
    line.afterAll(() => setImmediate(() => end(pair, mine.ending)))
  }

  function end(pair: Pair, ending: Ending): void {
    pairs.delete(pair)
    for (const line of pair.lines) line.close()
    for (const socket of [pair.client, pair.server]) {
      if (ending === 'reset') socket.resetAndDestroy()
      else socket.destroySoon()
    }
  }

  function finish(pair: Pair): void {
    if (!pairs.has(pair)) return
    const reset = [pair.client, pair.server].some((socket) => socket.errored)
    end(pair, reset ? 'reset' : 'end')
  }

  let listener = await listen(host, 0, open)
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.')
  const { port } = address

  async function refuse(): Promise<void> {
    if (!listener.listening) return
    // Not awaited to its 'close', which comes only when every open connection has ended.
    listener.close()
  }

  async function close(): Promise<void> {
    await refuse()
    for (const pair of [...pairs]) end(pair, 'reset')
  }

  return {
    host,
    port,
    through(url) {
      const result = new URL(url)
      result.host = `${host}:${port}`
      return result.href
    },
    set(changes) {
      faults = { ...faults, ...changes }
      for (const pair of pairs) for (const line of pair.lines) line.wake()
    },
    breakOne(ending = 'reset') {
      const pair = [...pairs].at(-1)
      if (pair) end(pair, ending)
      return pair !== undefined
    },
    breakAll(ending = 'reset') {
      const broken = [...pairs]
      for (const pair of broken) end(pair, ending)
      return broken.length
    },
    cutAfter(bytes, { direction = 'toClient', ending = 'reset' } = {}) {
      cut = { remaining: bytes, direction, ending, pair: undefined }
    },
    refuse,
    async accept() {
      if (!listener.listening) listener = await listen(host, port, open)
    },
    roundTrips: () => counters.roundTrips,
    bytesToServer: () => counters.bytesToServer,
    bytesToClient: () => counters.bytesToClient,
    connections: () => counters.connections,
    openConnections: () => pairs.size,
    reset() {
      counters = { roundTrips: 0, bytesToServer: 0, bytesToClient: 0, connections: 0 }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function listen(host: string, port: number, open: (client: Socket) => void): Promise<Server> {
  const listener = createServer({ allowHalfOpen: true }, open).listen(port, host)
  await once(listener, 'listening')
  return listener
}
