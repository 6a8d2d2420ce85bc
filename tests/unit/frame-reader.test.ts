import { Buffer } from 'node:buffer'
import { expect, it } from 'vitest'
import { FrameReader } from '../../src/database/wire/frame-reader.ts'

/** A data row with a body of so many bytes, all of one value. */
function frame(bodyBytes: number, value: number): Buffer {
  const bytes = Buffer.alloc(5 + bodyBytes, value)
  bytes[0] = 'D'.charCodeAt(0)
  bytes.writeInt32BE(4 + bodyBytes, 1)
  return bytes
}

const bodies = [0, 1, 7, 300, 3, 70]
const stream = Buffer.concat(bodies.map((bytes, i) => frame(bytes, i + 1)))

it.each([1, 2, 3, 5, 8, 64, 301])(
  'messages that come %i bytes at a time, through one buffer that every read overwrites',
  (size) => {
    const reader = new FrameReader()
    const buffer = Buffer.alloc(size)
    const read: Buffer[] = []
    for (let at = 0; at < stream.length; at += size) {
      const length = stream.copy(buffer, 0, at, at + size)
      reader.push(buffer.subarray(0, length), (_code, bytes, start, end) =>
        read.push(Buffer.from(bytes.subarray(start, end))),
      )
      buffer.fill(0xff)
    }
    expect(read).toEqual(bodies.map((bytes, i) => Buffer.alloc(bytes, i + 1)))
    expect(reader.atBoundary).toBe(true)
  },
)
