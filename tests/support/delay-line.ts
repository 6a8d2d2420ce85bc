/**
 * One direction of a proxied TCP connection: bytes leave in the order they came, some time later, in pieces, or not yet.
 * It owns order, delay, pieces and back pressure. When a connection breaks is decided in fault-proxy.ts.
 */
import type { Socket } from 'node:net'

/** What a line does to its bytes; read again for every parcel, so it may change at any time. */
export interface LineFaults {
  /** Time between arrival and departure. */
  readonly delayMs: number
  /** Pieces of 1 to this many bytes, each in its own turn of the event loop; 0 leaves bytes as they came. */
  readonly segmentBytes: number
  /** Keeps everything, the end of the stream included, until it is false again, as a network that loses packets does. */
  readonly held: boolean
}

interface Parcel {
  readonly bytes: Buffer
  readonly dueMs: number
  /** Runs in place of a write: the end of the stream, or a cut. */
  readonly action?: () => void
}

/** Beyond this the sender is paused, so that a held line does not swallow a COPY into memory. */
const HIGH_WATER_BYTES = 1024 * 1024

/** Timers count whole milliseconds and may fire a fraction early; waiting again for that fraction would cost another one. */
const TIMER_SLACK_MS = 0.5

/** An ordered, delayed line between two sockets. */
export class DelayLine {
  readonly #from: Socket
  readonly #to: Socket
  readonly #faults: () => LineFaults
  readonly #queue: Parcel[] = []
  #queuedBytes = 0
  #timer: NodeJS.Timeout | undefined
  #turn: NodeJS.Immediate | undefined
  #closed = false

  constructor(from: Socket, to: Socket, faults: () => LineFaults) {
    this.#from = from
    this.#to = to
    this.#faults = faults
    to.on('drain', () => this.wake())
  }

  /** Takes bytes that have just arrived. */
  send(bytes: Buffer): void {
    const { segmentBytes } = this.#faults()
    if (segmentBytes === 0) {
      this.#append(bytes)
    } else {
      for (let start = 0; start < bytes.length; ) {
        const end = start + 1 + Math.floor(Math.random() * segmentBytes)
        this.#append(bytes.subarray(start, end))
        start = end
      }
    }
    if (this.#queuedBytes > HIGH_WATER_BYTES) this.#from.pause()
    this.wake()
  }

  /** Runs `action` once everything sent so far has left. */
  afterAll(action: () => void): void {
    this.#append(Buffer.alloc(0), action)
    this.wake()
  }

  /** Looks again at the queue: the faults have changed, or the receiver has room. */
  wake(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#turn === undefined && !this.#closed) {
      const head = this.#queue[0]
      if (head === undefined || this.#faults().held || this.#to.writableNeedDrain) return
      const waitMs = head.dueMs - performance.now()
      if (waitMs > TIMER_SLACK_MS) {
        this.#timer = setTimeout(() => this.wake(), waitMs)
        return
      }
      this.#queue.shift()
      this.#deliver(head)
    }
  }

  /** Forgets what is queued; nothing leaves any more. */
  close(): void {
    this.#closed = true
    this.#queue.length = 0
    clearTimeout(this.#timer)
    clearImmediate(this.#turn)
  }

  #append(bytes: Buffer, action?: () => void): void {
    if (this.#closed) return
    // Never due before its predecessor, also when the delay has just been shortened.
    const dueMs = Math.max(performance.now() + this.#faults().delayMs, this.#queue.at(-1)?.dueMs ?? 0)
    this.#queue.push(action ? { bytes, dueMs, action } : { bytes, dueMs })
    this.#queuedBytes += bytes.length
  }

  #deliver(parcel: Parcel): void {
    if (parcel.action) {
      parcel.action()
      return
    }
    this.#queuedBytes -= parcel.bytes.length
    if (!this.#to.destroyed) this.#to.write(parcel.bytes)
    if (this.#queuedBytes <= HIGH_WATER_BYTES && this.#from.isPaused()) this.#from.resume()
    if (this.#faults().segmentBytes === 0) return
    // Two writes in one turn of the event loop may reach the reader as one.
    this.#turn = setImmediate(() => {
      this.#turn = undefined
      this.wake()
    })
  }
}
