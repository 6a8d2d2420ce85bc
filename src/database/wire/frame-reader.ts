/**
 * Cuts the server's byte stream into protocol messages.
 *
 * Owns message boundaries across any segmentation (a byte at a time included), and looks at nothing of a message but its length. One that
 * no server would send is reported as a protocol error at once, before any memory is set aside for it.
 */
import { Buffer } from 'node:buffer'
import { code } from './backend-messages.ts'

/** Receives one message: its code and the span `[start, end)` of its body in `buffer`. The frame starts at `start - 5`. */
export type FrameHandler = (code: number, buffer: Buffer, start: number, end: number) => void

/** PostgreSQL allocates at most 1 GiB for one message. */
const maxFrameBytes = 0x4000_0000

/**
 * Lengths of messages that have only one, by their code; 0 for all others. Where bytes were lost, such a message would swallow those of the
 * next answer, and what follows could look like the rest of its own.
 */
const onlyLengths = new Uint8Array(256)
for (const empty of [
  'bindComplete',
  'closeComplete',
  'copyDone',
  'emptyQueryResponse',
  'noData',
  'parseComplete',
  'portalSuspended',
] as const)
  onlyLengths[code[empty]] = 4
onlyLengths[code.readyForQuery] = 5

export class FrameReader {
  #pending: Buffer[] = []
  #pendingBytes = 0
  #needBytes = 5

  /** Whether the stream stands at a message boundary. */
  get atBoundary(): boolean {
    return this.#pendingBytes === 0
  }

  /**
   * Feeds a chunk; `handle` is called once for every complete message, in order. Nothing of the chunk is used after it returns.
   *
   * @throws {RangeError} when a message announces an impossible length; the stream is then unusable.
   */
  push(chunk: Uint8Array, handle: FrameHandler): void {
    let buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (this.#pendingBytes > 0) {
      this.#pending.push(Buffer.from(buffer))
      this.#pendingBytes += buffer.length
      // Joining once per message, not once per chunk, keeps a large row linear.
      if (this.#pendingBytes < this.#needBytes) return
      buffer = Buffer.concat(this.#pending, this.#pendingBytes)
      this.#pending = []
      this.#pendingBytes = 0
    }
    let at = 0
    const limit = buffer.length
    while (at + 5 <= limit) {
      const length =
        ((buffer[at + 1] as number) << 24) |
        ((buffer[at + 2] as number) << 16) |
        ((buffer[at + 3] as number) << 8) |
        (buffer[at + 4] as number)
      if (length < 4 || length > maxFrameBytes) throw new RangeError('message length out of range')
      const only = onlyLengths[buffer[at] as number]
      if (only !== 0 && only !== length) throw new RangeError('message of another length than its kind has')
      const end = at + 1 + length
      if (end > limit) {
        this.#keep(buffer.subarray(at), length + 1)
        return
      }
      handle(buffer[at] as number, buffer, at + 5, end)
      at = end
    }
    if (at < limit) this.#keep(buffer.subarray(at), 5)
  }

  #keep(rest: Buffer, needBytes: number): void {
    this.#pending = [Buffer.from(rest)]
    this.#pendingBytes = rest.length
    this.#needBytes = needBytes
  }
}
