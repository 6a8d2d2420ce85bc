/**
 * The fault proxy against plain sockets: its counters are exact and each mode does what it says.
 * The other suites rest on these figures, so nothing here involves PostgreSQL.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'

/** A client that collects what it receives, piece by piece. */
class Client {
  readonly socket: Socket
  readonly pieces: Buffer[] = []
  readonly closed: Promise<NodeJS.ErrnoException | 'ended'>

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' }).setNoDelay(true)
    this.socket.on('data', (bytes) => this.pieces.push(bytes))
    let failure: NodeJS.ErrnoException | undefined
    this.socket.on('error', (error) => {
      failure = error
    })
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve(failure ?? 'ended')))
  }

  get received(): Buffer {
    return Buffer.concat(this.pieces)
  }

  async receive(bytes: number): Promise<Buffer> {
    while (this.received.length < bytes) await once(this.socket, 'data')
    return this.received
  }
}

describe('the fault proxy', () => {
  let upstream: ReturnType<typeof createServer>
  let upstreamSockets: Set<Socket>
  let proxy: FaultProxy
  let clients: Client[]

  const open = () => {
    const client = new Client(proxy.port)
    clients.push(client)
    return client
  }
  const codeOf = (ending: NodeJS.ErrnoException | 'ended') => (ending === 'ended' ? ending : ending.code)

  beforeEach(async () => {
    clients = []
    upstreamSockets = new Set()
    upstream = createServer({ noDelay: true }, (socket) => {
      upstreamSockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => upstreamSockets.delete(socket))
      socket.pipe(socket)
    }).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const address = upstream.address()
    if (address === null || typeof address === 'string') throw new Error('The echo server has no port.')
    proxy = await createFaultProxy(`tcp://127.0.0.1:${address.port}`)
  })
  afterEach(async () => {
    for (const { socket } of clients) socket.destroy()
    await proxy.close()
    upstream.close()
    for (const socket of upstreamSockets) socket.destroy()
  })

  it('passes bytes unchanged and counts them in each direction', async () => {
    const client = open()
    const sent = randomBytes(300_000)
    client.socket.write(sent)
    expect((await client.receive(sent.length)).equals(sent)).toBe(true)
    expect(proxy.bytesToServer()).toBe(sent.length)
    expect(proxy.bytesToClient()).toBe(sent.length)
    expect(proxy.connections()).toBe(1)
    proxy.reset()
    expect([proxy.bytesToServer(), proxy.bytesToClient(), proxy.connections(), proxy.roundTrips()]).toEqual([
      0, 0, 0, 0,
    ])
    expect(proxy.openConnections()).toBe(1)
  })

  it('counts a question and its answer as one round trip, per connection', async () => {
    const [first, second] = [open(), open()]
    for (const [index, question] of ['a', 'b', 'c'].entries()) {
      first.socket.write(question)
      await first.receive(index + 1)
    }
    expect(proxy.roundTrips()).toBe(3)
    second.socket.write('d')
    await second.receive(1)
    expect(proxy.roundTrips()).toBe(4)
  })

  it('counts several writes before the answer as one round trip', async () => {
    const client = open()
    await once(client.socket, 'connect')
    proxy.set({ delayMs: 30 })
    client.socket.write('one')
    await sleep(10)
    client.socket.write('two')
    await client.receive(6)
    expect(proxy.roundTrips()).toBe(1)
  })

  it('counts an answer in many pieces as one round trip, and no round trip without a question', async () => {
    const client = open()
    client.socket.write('x')
    await client.receive(1)
    const [peer] = upstreamSockets
    for (let piece = 0; piece < 5; piece += 1) {
      peer?.write('more')
      await client.receive(1 + 4 * (piece + 1))
    }
    expect(proxy.roundTrips()).toBe(1)
  })

  it('delays each direction and keeps the order, also when the delay shrinks on the way', async () => {
    const client = open()
    await once(client.socket, 'connect')
    proxy.set({ delayMs: 40 })
    const start = performance.now()
    for (let index = 0; index < 50; index += 1) {
      client.socket.write(`${index};`)
      if (index === 25) proxy.set({ delayMs: 5 })
      if (index % 10 === 0) await sleep(1)
    }
    const expected = Array.from({ length: 50 }, (_, index) => `${index};`).join('')
    expect((await client.receive(expected.length)).toString()).toBe(expected)
    expect(performance.now() - start).toBeGreaterThan(40)
  })

  it('delays bytes in parallel: a long answer takes one delay, not one per chunk', async () => {
    const client = open()
    await once(client.socket, 'connect')
    proxy.set({ delayMs: 25 })
    const start = performance.now()
    for (let chunk = 0; chunk < 40; chunk += 1) {
      client.socket.write(Buffer.alloc(2_000))
      await sleep(1)
    }
    await client.receive(80_000)
    // One after the other would take 40 × 2 × 25 ms.
    expect(performance.now() - start).toBeLessThan(1_000)
  })

  it('delivers small pieces, in order', async () => {
    const client = open()
    proxy.set({ segmentBytes: 3 })
    const sent = randomBytes(500)
    client.socket.write(sent)
    expect((await client.receive(500)).equals(sent)).toBe(true)
    // Pieces of at most 3 bytes; the kernel may join a few of them under load.
    expect(client.pieces.length).toBeGreaterThan(100)
  })

  it('keeps bytes in a black hole and delivers them when it ends', async () => {
    const client = open()
    client.socket.write('before;')
    await client.receive(7)
    proxy.set({ blackHole: true })
    client.socket.write('inside;')
    await sleep(50)
    expect(client.received.toString()).toBe('before;')
    expect(client.socket.destroyed).toBe(false)
    proxy.set({ blackHole: false })
    expect((await client.receive(14)).toString()).toBe('before;inside;')
  })

  it('does not tell the server that a client behind a black hole has gone', async () => {
    const client = open()
    client.socket.write('x')
    await client.receive(1)
    proxy.set({ blackHole: true })
    client.socket.destroy()
    await sleep(50)
    expect(upstreamSockets.size).toBe(1)
    proxy.set({ blackHole: false })
    await expect.poll(() => upstreamSockets.size).toBe(0)
    expect(proxy.openConnections()).toBe(0)
  })

  it('accepts connections in a black hole without answering them', async () => {
    proxy.set({ blackHole: true })
    const client = open()
    await once(client.socket, 'connect')
    client.socket.write('x')
    await sleep(50)
    expect(client.received.length).toBe(0)
  })

  it('resets one connection and leaves the others alone', async () => {
    const [first, second] = [open(), open()]
    for (const client of [first, second]) {
      client.socket.write('x')
      await client.receive(1)
    }
    expect(proxy.breakOne()).toBe(true)
    expect(codeOf(await second.closed)).toBe('ECONNRESET')
    first.socket.write('y')
    expect((await first.receive(2)).toString()).toBe('xy')
  })

  it('resets or ends all connections, on both sides', async () => {
    for (const ending of ['reset', 'end'] as const) {
      const [first, second] = [open(), open()]
      for (const client of [first, second]) {
        client.socket.write('x')
        await client.receive(1)
      }
      expect(proxy.breakAll(ending)).toBe(2)
      const expected = ending === 'reset' ? 'ECONNRESET' : 'ended'
      expect([codeOf(await first.closed), codeOf(await second.closed)]).toEqual([expected, expected])
      await expect.poll(() => upstreamSockets.size).toBe(0)
    }
    expect(proxy.breakOne()).toBe(false)
  })

  it('cuts an answer after exactly the given bytes', async () => {
    for (const bytes of [0, 1, 7, 1_000]) {
      const client = open()
      proxy.cutAfter(bytes)
      client.socket.write(Buffer.alloc(5_000, 1))
      expect(codeOf(await client.closed)).toBe('ECONNRESET')
      expect(client.received.length).toBe(bytes)
    }
  })

  it('cuts a request after exactly the given bytes', async () => {
    const arrived: Buffer[] = []
    upstream.on('connection', (socket) => socket.on('data', (bytes) => arrived.push(bytes)))
    const client = open()
    await once(client.socket, 'connect')
    proxy.cutAfter(3, { direction: 'toServer' })
    client.socket.write('abcdef')
    await client.closed
    await expect.poll(() => Buffer.concat(arrived).toString()).toBe('abc')
  })

  it('cuts after bytes that arrive in several answers, then lets the next connection pass', async () => {
    const client = open()
    proxy.cutAfter(6, { ending: 'end' })
    client.socket.write('abcd')
    await client.receive(4)
    client.socket.write('efgh')
    expect(codeOf(await client.closed)).toBe('ended')
    expect(client.received.toString()).toBe('abcdef')
    const next = open()
    next.socket.write('whole')
    expect((await next.receive(5)).toString()).toBe('whole')
  })

  it('refuses new connections, keeps the open ones, and accepts again on the same port', async () => {
    const client = open()
    client.socket.write('x')
    await client.receive(1)
    await proxy.refuse()
    expect(codeOf(await open().closed)).toBe('ECONNREFUSED')
    client.socket.write('y')
    expect((await client.receive(2)).toString()).toBe('xy')
    await proxy.accept()
    const again = open()
    again.socket.write('z')
    expect((await again.receive(1)).toString()).toBe('z')
  })

  it('passes the orderly end of either side to the other', async () => {
    const client = open()
    client.socket.end('last')
    expect(codeOf(await client.closed)).toBe('ended')
    expect(client.received.toString()).toBe('last')
    await expect.poll(() => proxy.openConnections()).toBe(0)
    expect(upstreamSockets.size).toBe(0)

    const other = open()
    other.socket.write('x')
    await other.receive(1)
    for (const socket of upstreamSockets) socket.end('bye')
    expect(codeOf(await other.closed)).toBe('ended')
    expect(other.received.toString()).toBe('xbye')
  })

  it('tells the client when the target cannot be reached', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const address = closed.address()
    const port = typeof address === 'object' ? address?.port : undefined
    closed.close()
    await using unreachable = await createFaultProxy(`tcp://127.0.0.1:${port}`)
    const client = new Client(unreachable.port)
    clients.push(client)
    expect(await client.closed).toBeDefined()
    expect(unreachable.openConnections()).toBe(0)
  })
})
