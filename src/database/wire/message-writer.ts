/**
 * Encodes frontend messages of the PostgreSQL protocol 3.0 into one growing buffer.
 *
 * Owns the bytes of a message and nothing else: what a unit consists of is decided in unit.ts. It never throws half way through a
 * socket write, because nothing here knows a socket: everything is encoded first and written once. The writer is local to a unit
 * run, unlike pg-protocol's process-wide one, which a single oversized Bind leaves broken for every other connection.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { Buffer } from 'node:buffer'

/** A parameter in the form it crosses the wire: text, bytes, or SQL NULL. */
export type WireValue = string | Uint8Array | null

const initialCapacity = 1024

export class MessageWriter {
  #buffer = Buffer.allocUnsafe(initialCapacity)
  #end = 0
  #start = 0

  get length(): number {
    return this.#end
  }

  /** Returns the encoded bytes as a copy of their own and empties the writer. */
  take(): Buffer {
    const bytes = Buffer.allocUnsafe(this.#end)
    this.#buffer.copy(bytes, 0, 0, this.#end)
    this.#end = 0
    // A writer is kept for the life of its connection: one large insert must not pin its memory.
    if (this.#buffer.length > 65536) this.#buffer = Buffer.allocUnsafe(initialCapacity)
    return bytes
  }

  /** Forgets what was encoded since the writer was `length` bytes long. */
  reset(length: number): void {
    this.#end = length
  }

  parse(name: string, text: string): void {
    this.#open(0x50)
    this.#cstring(name)
    this.#cstring(text)
    this.#int16(0)
    this.#close()
  }

  /** Binds the unnamed portal (or a named one) with results as text; byte arrays go in binary, everything else as text. */
  bind(statement: string, values: readonly WireValue[], portal = ''): void {
    this.#open(0x42)
    this.#cstring(portal)
    this.#cstring(statement)
    let binary = false
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value !== null && typeof value === 'object') {
        binary = true
        break
      }
    }
    if (binary) {
      this.#int16(values.length)
      for (const value of values) this.#int16(value !== null && typeof value === 'object' ? 1 : 0)
    } else {
      this.#int16(0)
    }
    this.#int16(values.length)
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === null || value === undefined) this.#int32(-1)
      else if (typeof value === 'string') this.#text(value)
      else this.#bytes(value)
    }
    this.#int16(0)
    this.#close()
  }

  /** Asks for the row description of a portal. */
  describePortal(portal = ''): void {
    this.#open(0x44)
    this.#byte(0x50)
    this.#cstring(portal)
    this.#close()
  }

  execute(maxRows = 0, portal = ''): void {
    this.#open(0x45)
    this.#cstring(portal)
    this.#int32(maxRows)
    this.#close()
  }

  closeStatement(name: string): void {
    this.#open(0x43)
    this.#byte(0x53)
    this.#cstring(name)
    this.#close()
  }

  closePortal(portal: string): void {
    this.#open(0x43)
    this.#byte(0x50)
    this.#cstring(portal)
    this.#close()
  }

  sync(): void {
    this.#open(0x53)
    this.#close()
  }

  query(text: string): void {
    this.#open(0x51)
    this.#cstring(text)
    this.#close()
  }

  /** The rows of a COPY FROM STDIN, whole. */
  copyIn(rows: Uint8Array): void {
    this.#open(0x64)
    this.raw(rows)
    this.#close()
    this.#open(0x63)
    this.#close()
  }

  copyFail(reason: string): void {
    this.#open(0x66)
    this.#cstring(reason)
    this.#close()
  }

  /** Appends messages encoded earlier. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#end)
    this.#end += bytes.length
  }

  #reserve(size: number): void {
    if (this.#end + size <= this.#buffer.length) return
    let capacity = this.#buffer.length * 2
    while (capacity < this.#end + size) capacity *= 2
    const grown = Buffer.allocUnsafe(capacity)
    this.#buffer.copy(grown, 0, 0, this.#end)
    this.#buffer = grown
  }

  #open(code: number): void {
    this.#reserve(5)
    this.#buffer[this.#end] = code
    this.#start = this.#end + 1
    this.#end += 5
  }

  #close(): void {
    this.#writeInt32At(this.#start, this.#end - this.#start)
  }

  #byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#end++] = value
  }

  #int16(value: number): void {
    this.#reserve(2)
    this.#buffer[this.#end++] = (value >>> 8) & 0xff
    this.#buffer[this.#end++] = value & 0xff
  }

  #int32(value: number): void {
    this.#reserve(4)
    this.#writeInt32At(this.#end, value)
    this.#end += 4
  }

  #writeInt32At(at: number, value: number): void {
    const buffer = this.#buffer
    buffer[at] = (value >>> 24) & 0xff
    buffer[at + 1] = (value >>> 16) & 0xff
    buffer[at + 2] = (value >>> 8) & 0xff
    buffer[at + 3] = value & 0xff
  }

  #cstring(value: string): void {
    if (value.length > 0) {
      this.#reserve(value.length * 3 + 1)
      this.#end += this.#buffer.write(value, this.#end, 'utf8')
    } else {
      this.#reserve(1)
    }
    this.#buffer[this.#end++] = 0
  }

  #text(value: string): void {
    // Three bytes are the most a UTF-16 code unit can take; above a page the exact length is cheaper than the spare room.
    this.#reserve((value.length > 4096 ? Buffer.byteLength(value) : value.length * 3) + 4)
    const at = this.#end
    this.#end += 4
    const written = value.length === 0 ? 0 : this.#buffer.write(value, this.#end, 'utf8')
    this.#end += written
    this.#writeInt32At(at, written)
  }

  #bytes(value: Uint8Array): void {
    this.#int32(value.length)
    this.raw(value)
  }
}
