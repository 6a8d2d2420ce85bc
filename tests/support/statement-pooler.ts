/**
 * A transaction pooler that knows nothing of prepared statements, as PgBouncer before 1.21: each unit of a client goes to
 * whichever server connection the test has chosen, names and all. Loopback, no TLS, no cancelling, and no mercy.
 */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { Client } from 'pg'

/** A running pooler. */
export interface StatementPooler {
  /** `url` with its host and port replaced by the pooler's. */
  readonly url: string
  /** Server connection, counted from 0, that takes every unit from now on. */
  use(server: number): void
  close(): Promise<void>
}

const code = { query: 0x51, sync: 0x53, terminate: 0x58, readyForQuery: 0x5a } as const
const sslRequest = 80_877_103

/**
 * Opens server connections and a port in front of them.
 *
 * @param url the database, with a login that every client shares
 */
export async function openStatementPooler(url: string, servers: number): Promise<StatementPooler> {
  const backends = await Promise.all(Array.from({ length: servers }, () => openBackend(url)))
  let chosen = 0
  const sockets = new Set<Socket>()
  const listener = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    serve(socket, (unit) => (backends[chosen] as Backend).run(unit))
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('The pooler has no port.')
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(address.port)
  return {
    url: through.href,
    use(server) {
      chosen = server
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      listener.close()
      await Promise.all(backends.map((backend) => backend.end()))
    },
  }
}

interface Backend {
  /** Sends a unit and resolves with the whole answer, once the units before it are answered. */
  run(unit: Buffer): Promise<Buffer>
  end(): Promise<void>
}

async function openBackend(url: string): Promise<Backend> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  // pg has logged in; from here on the socket is ours. The declaration leaves `connection` out.
  const { stream } = (client as unknown as { readonly connection: { readonly stream: Socket } }).connection
  stream.removeAllListeners('data')
  let pending = Buffer.alloc(0)
  let answered: ((answer: Buffer) => void) | undefined
  stream.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    const end = endOfMessage(pending, [code.readyForQuery])
    if (end === undefined) return
    const answer = pending.subarray(0, end)
    pending = pending.subarray(end)
    answered?.(answer)
  })
  let last: Promise<unknown> = Promise.resolve()
  return {
    run(unit) {
      const answer = last.then(
        () =>
          new Promise<Buffer>((resolve) => {
            answered = resolve
            stream.write(unit)
          }),
      )
      last = answer
      return answer
    },
    end: async () => void stream.destroy(),
  }
}

/** The end of the first message of one of these kinds, once it is there completely. */
function endOfMessage(bytes: Buffer, kinds: readonly number[]): number | undefined {
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    if (end > bytes.length) return undefined
    if (kinds.includes(bytes[at] as number)) return end
    at = end
  }
  return undefined
}

function serve(socket: Socket, run: (unit: Buffer) => Promise<Buffer>): void {
  let pending = Buffer.alloc(0)
  let started = false
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, Buffer.from(chunk)])
    if (!started) {
      if (pending.length < 8 || pending.length < pending.readInt32BE(0)) return
      const isSsl = pending.readInt32BE(4) === sslRequest
      pending = pending.subarray(pending.readInt32BE(0))
      if (isSsl) {
        socket.write('N')
        return
      }
      started = true
      socket.write(greeting())
    }
    for (;;) {
      if (pending[0] === code.terminate) return void socket.end()
      const end = endOfMessage(pending, [code.sync, code.query])
      if (end === undefined) return
      const unit = Buffer.from(pending.subarray(0, end))
      pending = pending.subarray(end)
      void run(unit).then((answer) => socket.write(answer))
    }
  })
}

/** Authentication is the pooler's affair: everybody is let in, with a process id of the pooler's own. */
function greeting(): Buffer {
  const message = (kind: string, body: Buffer) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(body.length + 4)
    return Buffer.concat([Buffer.from(kind), length, body])
  }
  const status = (name: string, value: string) => message('S', Buffer.from(`${name}\0${value}\0`))
  return Buffer.concat([
    message('R', Buffer.from([0, 0, 0, 0])),
    status('client_encoding', 'UTF8'),
    status('standard_conforming_strings', 'on'),
    message('K', Buffer.from([0, 0, 0x7f, 1, 0, 0, 0, 1])),
    message('Z', Buffer.from('I')),
  ])
}
