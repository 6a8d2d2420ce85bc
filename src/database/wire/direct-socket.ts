/**
 * A TCP or Unix socket that hands what it reads straight to its receiver, out of one buffer of its own.
 *
 * Saves the allocation and the stream machinery of a chunk per read. While nobody is set to receive, which is while pg connects and
 * authenticates, it emits `data` as any socket does.
 */
import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'

/** Takes what was read; the buffer is overwritten by the next read. */
type Receiver = (chunk: Buffer) => void

/** As much as Node itself reads at once. */
const readBytes = 65_536

export class DirectSocket extends Socket {
  receiver: Receiver | undefined

  constructor() {
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    const callback = (length: number): boolean => {
      const chunk = buffer.subarray(0, length)
      if (this.receiver === undefined) this.emit('data', Buffer.from(chunk))
      else this.receiver(chunk)
      return true
    }
    super({ onread: { buffer, callback } })
  }
}

/** Whether this is Node, whose sockets can read so; elsewhere pg chooses the socket. */
export function hasDirectSockets(): boolean {
  const { Bun, Deno, navigator } = globalThis as {
    readonly Bun?: unknown
    readonly Deno?: unknown
    readonly navigator?: { readonly userAgent?: string }
  }
  return Bun === undefined && Deno === undefined && navigator?.userAgent !== 'Cloudflare-Workers'
}
