/**
 * A line: one physical connection that runs units in the order they are handed over.
 *
 * Owns matching answers to units, the connection's prepared statements, and the news that the connection is gone. Several units may be
 * in flight; each one's answer ends at its own ReadyForQuery. It refuses to decide what is sent, and to map errors.
 */
import type { Buffer } from 'node:buffer'
import {
  code,
  type Notification,
  ProtocolViolation,
  readNotification,
  readParameterStatus,
  type TypeParsers,
} from './backend-messages.ts'
import { type FrameHandler, FrameReader } from './frame-reader.ts'
import { MessageWriter } from './message-writer.ts'
import { SimpleUnit } from './simple-unit.ts'
import { StatementCache } from './statement-cache.ts'
import { type Step, type TransactionStatus, Unit, type WireUnit } from './unit.ts'

/** Why a line ended. */
export interface Loss {
  /** `protocol`: the server answered what it must not; `lost`: the connection ended; `destroyed`: we ended it. */
  readonly reason: 'protocol' | 'lost' | 'destroyed'
  readonly cause?: unknown
}

/** How a unit ended: answered up to ReadyForQuery, or cut off with the connection. */
export interface Outcome {
  readonly unit: WireUnit
  readonly loss: Loss | undefined
  /** False when the connection was gone before a byte of the unit was written. */
  readonly sent: boolean
  /** Milliseconds from when it was the line's next to be answered until it was. */
  readonly elapsedMs: number
  /** Milliseconds that it was under way before, behind others: less than a round trip of the network, and `elapsedMs` holds the rest of one. */
  readonly waitedMs: number
}

/** What a line needs of the connection beneath it. */
export interface Channel {
  /** Backend process, for cancelling and for telling a pooler from a server. */
  readonly processId: number | undefined
  /** Sends one unit's bytes; false when the connection is gone and nothing was sent. Answers come back through the line's `receive`. */
  write(bytes: Buffer): boolean
  /** Messages that belong to no unit: notices, notifications, parameter changes, a server's farewell. */
  unsolicited(frame: Buffer): void
  /** Asks the server to cancel what runs; resolves when the request has been dealt with. Absent where there is no such request. */
  cancel?(): Promise<void>
  /** Whoever else prepared statements on this connection has lost them. */
  deallocated?(): void
  /** Ends the connection at once. */
  destroy(): void
}

export interface LineOptions {
  readonly channel: Channel
  readonly parsers: TypeParsers
  readonly statementLimit: number
}

interface InFlight {
  readonly unit: WireUnit
  readonly settle: (outcome: Outcome) => void
  /** When it was handed over, by the clock of `performance.now()`. */
  readonly handedOver: number
  /** When it became the next to be answered. */
  since: number
}

export class Line {
  readonly channel: Channel
  readonly statements: StatementCache
  /** What results are read by; the connection's own unless {@link overlay} put others over them. */
  parsers: TypeParsers
  /** Transaction status of the last ReadyForQuery. */
  status: TransactionStatus = 'I'
  loss: Loss | undefined
  /** Units written, each of them one round trip. */
  roundTrips = 0
  /** Told of every notification; without it they go where other messages go that belong to no unit. */
  onNotification: ((notification: Notification) => void) | undefined
  /** Told once, when the line has ended. */
  onEnd: ((loss: Loss) => void) | undefined
  /** Channels that somebody listens on whoever has the line: what clean-up takes away is taken up again. */
  listens: Iterable<string> = []

  readonly #ownParsers: TypeParsers
  #parsersOf: object | undefined
  readonly #reader = new FrameReader()
  readonly #writer = new MessageWriter()
  readonly #inFlight: InFlight[] = []
  /** How many of the last in flight are encoded and not yet written. */
  #unwritten = 0
  /** Counted from anywhere, so that two lines hardly have units of the same mark. */
  #mark = Math.floor(Math.random() * 2 ** 40)
  readonly #odd = new Set<string>()
  readonly #handle: FrameHandler = (messageCode, buffer, start, end) => this.#frame(messageCode, buffer, start, end)

  constructor(options: LineOptions) {
    this.channel = options.channel
    this.parsers = options.parsers
    this.#ownParsers = options.parsers
    this.statements = new StatementCache(options.statementLimit)
  }

  /** A parameter that decides how text is read has been changed on this connection. */
  get tainted(): boolean {
    return this.#odd.size > 0
  }

  /** Whether nothing is in flight and the stream stands at a message boundary. */
  get quiet(): boolean {
    return this.#inFlight.length === 0 && this.#reader.atBoundary
  }

  /** Units that are not answered yet. */
  get depth(): number {
    return this.#inFlight.length
  }

  /** When the unit that is answered next became that one; undefined when none is in flight. */
  get waitingSince(): number | undefined {
    return this.#inFlight[0]?.since
  }

  /** From the next unit on results are read by `owner`'s parsers, which may ask the connection's own; without an owner by these alone. */
  overlay(owner: object | undefined, over: (own: TypeParsers) => TypeParsers = (own) => own): void {
    if (owner === this.#parsersOf) return
    this.#parsersOf = owner
    this.parsers = over(this.#ownParsers)
    // What is described carries the parsers of whoever described it.
    this.statements.forgetShapes()
  }

  /**
   * Runs steps as one unit: encodes everything, writes once, settles at ReadyForQuery or when the connection ends. Never rejects.
   *
   * @param gathers - while others are in flight, what comes in one turn of the event loop goes out in one write
   * @throws {Error} when encoding fails; then nothing was written and the line is as before.
   */
  run(steps: readonly Step[], gathers = false): Promise<Outcome> {
    return this.#send(new Unit(steps, this.parsers, String(++this.#mark)), gathers)
  }

  /** Runs a text of any number of statements as one simple Query. Never rejects. */
  script(text: string): Promise<Outcome> {
    return this.#send(new SimpleUnit(text, this.parsers), false)
  }

  #send(unit: WireUnit, gathers: boolean): Promise<Outcome> {
    if (this.loss !== undefined)
      return Promise.resolve({ unit, loss: this.loss, sent: false, elapsedMs: 0, waitedMs: 0 })
    const before = this.#writer.length
    try {
      unit.encode(this.#writer, this.statements)
    } catch (error) {
      unit.abandon()
      this.#writer.reset(before)
      throw error
    }
    this.roundTrips++
    return new Promise((settle) => {
      const alone = this.#inFlight.length === 0
      // Listed first: an embedded database may answer before write returns.
      const now = performance.now()
      this.#inFlight.push({ unit, settle, handedOver: now, since: now })
      this.#unwritten++
      if (alone || !gathers) this.#write()
      else if (this.#unwritten === 1) setImmediate(this.#write)
    })
  }

  readonly #write = (): void => {
    if (this.#unwritten === 0) return
    const bytes = this.#writer.take()
    const count = this.#unwritten
    this.#unwritten = 0
    if (this.channel.write(bytes)) return
    this.#unwritten = count
    this.end({ reason: 'lost' })
  }

  /** Every prepared statement of the connection has been deallocated. */
  deallocated(): void {
    this.statements.forgetAll()
    this.channel.deallocated?.()
  }

  /** Feeds bytes from the server. */
  receive(chunk: Uint8Array): void {
    if (this.loss !== undefined) return
    try {
      this.#reader.push(chunk, this.#handle)
    } catch (cause) {
      this.end({ reason: 'protocol', cause })
    }
  }

  /** The connection ended, by whoever's doing. Everything in flight settles with the loss. */
  end(loss: Loss): void {
    if (this.loss !== undefined) return
    this.loss = loss
    if (loss.reason !== 'lost') this.channel.destroy()
    const written = this.#inFlight.length - this.#unwritten
    this.#unwritten = 0
    const now = performance.now()
    for (const [i, { unit, settle, handedOver, since }] of this.#inFlight.splice(0).entries()) {
      unit.abandon()
      settle({ unit, loss, sent: i < written, elapsedMs: now - since, waitedMs: since - handedOver })
    }
    this.onEnd?.(loss)
  }

  #frame(messageCode: number, buffer: Buffer, start: number, end: number): void {
    if (
      messageCode === code.noticeResponse ||
      messageCode === code.parameterStatus ||
      messageCode === code.notificationResponse
    ) {
      if (messageCode === code.notificationResponse && this.onNotification !== undefined) {
        this.onNotification(readNotification(buffer, start, end))
        return
      }
      if (messageCode === code.parameterStatus) this.#parameter(readParameterStatus(buffer, start, end))
      this.channel.unsolicited(buffer.subarray(start - 5, end))
      return
    }
    const head = this.#inFlight[0]
    if (head === undefined) {
      // Only a farewell may come unasked; the connection's end follows it.
      if (messageCode !== code.errorResponse) throw new ProtocolViolation(`unexpected message ${messageCode}`)
      this.channel.unsolicited(buffer.subarray(start - 5, end))
      return
    }
    if (head.unit.handle(messageCode, buffer, start, end)) {
      this.#inFlight.shift()
      this.status = head.unit.status as TransactionStatus
      const now = performance.now()
      const next = this.#inFlight[0]
      if (next !== undefined) next.since = now
      const { unit, handedOver, since } = head
      head.settle({ unit, loss: undefined, sent: true, elapsedMs: now - since, waitedMs: since - handedOver })
    } else if (head.unit.copy && messageCode === code.copyInResponse) {
      // The server ignored our Sync while it waits for data: refuse the data, then give it a Sync again.
      const writer = new MessageWriter()
      writer.copyFail('COPY FROM STDIN is not available here')
      writer.sync()
      this.channel.write(writer.take())
    }
  }

  #parameter({ name, value }: { readonly name: string; readonly value: string }): void {
    const expected = expectedParameters.get(name)
    if (expected === undefined) return
    if (expected === value) this.#odd.delete(name)
    else this.#odd.add(name)
  }
}

/** Changed, these would store mojibake and make quoted literals injectable for whoever comes next. */
const expectedParameters = new Map([
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
])
