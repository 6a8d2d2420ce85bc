/**
 * Sends a CancelRequest on a connection of its own and waits until the server has closed it.
 *
 * The wait is what keeps a late cancel from hitting the next unit: the server signals the backend before it closes the socket.
 * Owns that exchange only; who waits for whom is decided by the caller.
 */
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'

/** Bounds the whole exchange; a server that does not answer leaves the connection to be destroyed. */
const cancelTimeoutMs = 5_000

export interface CancelTarget {
  readonly host: string
  readonly port: number
  readonly processId: number
  readonly secretKey: number
  /** pg's ssl setting of the connection to be cancelled: false, true or TLS options. */
  readonly ssl: unknown
}

/**
 * Resolves once the server has dealt with the request.
 *
 * @throws {Error} when the server cannot be reached or does not close the socket in time; the cancel may then still arrive later.
 */
export async function cancelRequest(target: CancelTarget): Promise<void> {
  // Loaded here and not above, like node:tls below: most processes never cancel, and each costs milliseconds at start.
  const { connect, isIP } = await import('node:net')
  await new Promise<void>((resolve, reject) => {
    let stream: Socket = target.host.startsWith('/')
      ? connect(`${target.host}/.s.PGSQL.${target.port}`)
      : connect(target.port, target.host)
    const timer = setTimeout(() => fail(new Error('the cancel request was not answered in time')), cancelTimeoutMs)
    let sent = false
    const fail = (error: Error): void => {
      clearTimeout(timer)
      stream.destroy()
      // A reset after the request was written is the server's way of closing.
      if (sent && (error as NodeJS.ErrnoException).code === 'ECONNRESET') resolve()
      else reject(error)
    }
    const watch = (socket: Socket): void => {
      socket.on('error', fail)
      socket.on('close', () => {
        clearTimeout(timer)
        if (sent) resolve()
        else reject(new Error('the connection for the cancel request was closed'))
      })
      socket.resume()
    }
    const send = (): void => {
      sent = true
      stream.write(cancelMessage(target))
    }
    if (target.ssl === false || target.ssl === undefined || target.ssl === null) {
      watch(stream)
      stream.once('connect', send)
      return
    }
    stream.on('error', fail)
    stream.once('connect', () => stream.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])))
    stream.once('data', (answer: Buffer) => {
      if (answer[0] !== 0x53) return fail(new Error('the server refused TLS for the cancel request'))
      const options = typeof target.ssl === 'object' && target.ssl !== null ? target.ssl : {}
      const servername = isIP(target.host) === 0 ? { servername: target.host } : {}
      import('node:tls').then((tls) => {
        stream.removeListener('error', fail)
        stream = tls.connect({ ...options, ...servername, host: target.host, socket: stream }, send)
        watch(stream)
      }, fail)
    })
  })
}

function cancelMessage({ processId, secretKey }: CancelTarget): Buffer {
  const message = Buffer.alloc(16)
  message.writeInt32BE(16, 0)
  message.writeInt32BE(80877102, 4)
  message.writeInt32BE(processId, 8)
  message.writeInt32BE(secretKey, 12)
  return message
}
