/**
 * The process of the delay proxy: every connection is two lines, each an ordered queue of bytes with the time they are due.
 * Node's timers count whole milliseconds and fire up to one late, which at 1 ms is the delay once more. So while something is due
 * soon this process sleeps in slices of a tenth of a millisecond, and looks at its sockets in between.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

interface Parcel {
  readonly to: Socket
  /** null is the end of the stream. */
  readonly bytes: Buffer | null
  readonly dueMs: number
}

const [host = '127.0.0.1', port = '5432', delay = '1'] = process.argv.slice(2)
let delayMs = Number(delay)
/** A nap may end this much late; a busy loop would be exact, and would take one of a small machine's two cores. */
const sliceMs = 0.1

// The delay is the same for all and changes only between workloads, so what arrived first is due first, whichever line it is on: one queue keeps every order.
const queue: Parcel[] = []
let head = 0
let pumping = false
const sleeper = new Int32Array(new SharedArrayBuffer(4))

function later(to: Socket, bytes: Buffer | null): void {
  queue.push({ to, bytes, dueMs: performance.now() + delayMs })
  if (pumping) return
  pumping = true
  setImmediate(pump)
}

function pump(): void {
  for (;;) {
    const next = queue[head]
    if (next === undefined) {
      queue.length = 0
      head = 0
      pumping = false
      return
    }
    const waitMs = next.dueMs - performance.now()
    if (waitMs > 0) {
      Atomics.wait(sleeper, 0, 0, Math.min(waitMs, sliceMs))
      break
    }
    head += 1
    if (next.bytes === null) next.to.end()
    else if (!next.to.destroyed) next.to.write(next.bytes)
  }
  if (head > 4096) {
    queue.splice(0, head)
    head = 0
  }
  setImmediate(pump)
}

const server = createServer({ allowHalfOpen: true }, (client) => {
  const upstream = connect({ host, port: Number(port), allowHalfOpen: true })
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.setNoDelay(true)
    from.on('data', (bytes) => later(to, bytes))
    from.on('end', () => later(to, null))
    from.on('error', () => to.destroy())
  }
}).listen(0, '127.0.0.1')

await once(server, 'listening')
const address = server.address()
if (address === null || typeof address === 'string') throw new Error('The delay proxy has no port.')
process.send?.(address.port)
process.on('message', (changed) => {
  delayMs = Number(changed)
})
// The starter's end, however it comes, closes the channel.
process.on('disconnect', () => process.exit(0))
