/**
 * A unit: some statements and one Sync, encoded completely, written once, and read back message by message.
 *
 * Owns the order in which messages are sent and must return. Everything the server may answer is checked against that order; an
 * answer out of order is a protocol error and ends the connection, because a result given to the wrong statement is a leak.
 * It refuses to know sockets, sessions and errors' meaning.
 */
import type { Buffer } from 'node:buffer'
import {
  type CommandTag,
  code,
  type ErrorReport,
  ProtocolViolation,
  type RowReader,
  type RowShape,
  readColumns,
  readCommandTag,
  readDataRow,
  readError,
  readRowDescription,
  type TypeParsers,
} from './backend-messages.ts'
import { HeldRows, OutdatedTypes } from './held-rows.ts'
import type { MessageWriter, WireValue } from './message-writer.ts'
import type { KnownStatement, StatementCache } from './statement-cache.ts'

/** One statement of a unit. */
export interface Step {
  readonly text: string
  /** Name to prepare it under; '' sends it unnamed. */
  readonly name: string
  readonly values: readonly WireValue[]
  /** Skip describing and keep no rows: for steps whose result nobody reads. */
  readonly silent?: boolean
  /** Rows to fetch before the portal is suspended; 0 fetches all. */
  readonly maxRows?: number
  /** Portal that outlives the unit, inside a transaction. */
  readonly portal?: string
  /** Go on with a portal opened by an earlier unit instead of binding anew. */
  readonly resume?: RowShape | null
  /** Close the portal instead of executing it. */
  readonly closePortal?: boolean
  /** Its last parameter is the unit's mark, which it gives back as its one row: an answer that is another unit's is known as such. */
  readonly echoes?: boolean
  /** Which item of a batch it is, from 0: an error names it. */
  readonly item?: number
  /** Of COPY FROM STDIN its rows, in the text form: they go behind the statement without waiting to be asked for. */
  readonly copyData?: Uint8Array
  /** Takes the rows as they come; the result has none. */
  readonly reader?: RowReader | undefined
}

/** What one step gave. */
export interface StepResult {
  tag: CommandTag | undefined
  rows: Record<string, unknown>[]
  shape: RowShape | null | undefined
  /** More rows are waiting in the portal. */
  suspended: boolean
}

/** The transaction status byte of ReadyForQuery. */
export type TransactionStatus = 'I' | 'T' | 'E'

/** What a line needs of anything it sends and reads the answer of. */
export interface WireUnit {
  readonly results: readonly StepResult[]
  readonly at: number
  readonly error: ErrorReport | undefined
  /** {@link OutdatedTypes} where rows were kept that {@link readHeld} reads. */
  readonly failure: unknown
  readonly status: TransactionStatus | undefined
  readonly copy: boolean
  /** The error came at the Bind of a statement that had been prepared before: its plan may be out of date. */
  readonly failedAtBind: boolean
  encode(writer: MessageWriter, cache: StatementCache): void
  /** Takes one message; true at ReadyForQuery. Throws when the message cannot come here. */
  handle(messageCode: number, buffer: Buffer, start: number, end: number): boolean
  /** Reads the rows that were kept since a parser found its types out of date; `failure` then is what was wrong with those. */
  readHeld(): Promise<void>
  /** The connection ended before the answer did. */
  abandon(): void
  /** Names of prepared statements the unit relied on. */
  names(): string[]
}

const Op = { close: 0, parse: 1, bind: 2, describe: 3, execute: 4, sync: 5 } as const

export class Unit implements WireUnit {
  readonly steps: readonly Step[]
  readonly results: StepResult[] = []
  /** Index of the step the server is at, or where it failed. */
  at = 0
  error: ErrorReport | undefined
  /** A value that could not be read on our side; the rest of the answer is drained, or kept where it can be read later. */
  failure: unknown
  /** Set at ReadyForQuery. */
  status: TransactionStatus | undefined
  /** The answer opened a COPY that nobody meant: the connection is to be destroyed. */
  copy = false

  failedAtBind = false

  readonly #parsers: TypeParsers
  readonly #ops: number[] = []
  readonly #opSteps: number[] = []
  #op = 0
  #cache: StatementCache | undefined
  readonly #parsing: string[] = []
  readonly #known: (KnownStatement | undefined)[] = []
  readonly #mark: string
  #marked = false
  #held: HeldRows | undefined

  /** @param mark - what a step that echoes has to give back */
  constructor(steps: readonly Step[], parsers: TypeParsers, mark: string) {
    this.steps = steps
    this.#parsers = parsers
    this.#mark = mark
  }

  /** Encodes the whole unit. `cache` is the connection's; names it does not know yet are parsed here. */
  encode(writer: MessageWriter, cache: StatementCache): void {
    this.#cache = cache
    const { steps } = this
    let coming = 0
    for (const step of steps) if (step.name !== '' && cache.use(step.name) === undefined) coming++
    if (cache.mustClose(coming)) {
      for (const name of cache.takeClosing(coming)) {
        writer.closeStatement(name)
        this.#expect(Op.close, 0)
      }
    }
    for (let i = 0; i < steps.length; i++) this.#encodeStep(writer, cache, steps[i] as Step, i)
    writer.sync()
    this.#expect(Op.sync, steps.length)
  }

  #encodeStep(writer: MessageWriter, cache: StatementCache, step: Step, index: number): void {
    const portal = step.portal ?? ''
    this.results.push({ tag: undefined, rows: [], shape: step.silent ? null : step.resume, suspended: false })
    if (step.closePortal) {
      writer.closePortal(portal)
      this.#expect(Op.close, index)
      return
    }
    if (step.resume === undefined) {
      let name = step.name
      const known = name === '' ? undefined : cache.use(name)
      // A name parsed earlier in this unit can be bound: if that Parse fails, nothing after it runs.
      if (known === undefined && !(name !== '' && this.#parsing.includes(name))) {
        if (name !== '' && !cache.mayParse(name)) name = ''
        writer.parse(name, step.text)
        this.#expect(Op.parse, index)
        if (name !== '') {
          cache.parsing(name)
          this.#parsing.push(name)
        }
      }
      this.#known[index] = known
      writer.bind(name, step.echoes ? [...step.values, this.#mark] : step.values, portal)
      this.#expect(Op.bind, index)
      if (!step.silent) {
        if (known?.shape === undefined) {
          writer.describePortal(portal)
          this.#expect(Op.describe, index)
        } else (this.results[index] as StepResult).shape = known.shape
      }
    }
    writer.execute(step.maxRows ?? 0, portal)
    // Where the statement fails, the server skips these with everything else up to Sync.
    if (step.copyData !== undefined) writer.copyIn(step.copyData)
    this.#expect(Op.execute, index)
  }

  #expect(op: number, step: number): void {
    this.#ops.push(op)
    this.#opSteps.push(step)
  }

  /** Names this unit executed or parsed, to be forgotten when the server says they are gone or stale. */
  names(): string[] {
    return this.steps.map((step) => step.name).filter((name) => name !== '')
  }

  /**
   * Takes one message. Returns true at ReadyForQuery.
   *
   * @throws {ProtocolViolation} when the message cannot come here.
   */
  handle(messageCode: number, buffer: Buffer, start: number, end: number): boolean {
    switch (messageCode) {
      case code.dataRow:
        this.#row(buffer, start, end)
        return false
      case code.bindComplete:
        this.#advance(Op.bind)
        return false
      case code.commandComplete:
        this.#complete(readCommandTag(buffer, start, end))
        return false
      case code.readyForQuery:
        this.#ready(buffer[start] as number)
        return true
      case code.parseComplete:
        this.#parseComplete()
        return false
      case code.rowDescription:
        this.#describe(readRowDescription(buffer, start, end, this.#parsers))
        return false
      case code.noData:
        this.#describe(null)
        return false
      case code.errorResponse:
        this.failedAtBind =
          this.error === undefined && this.#ops[this.#op] === Op.bind && this.#ops[this.#op - 1] !== Op.parse
        this.error ??= readError(buffer, start, end)
        return false
      case code.emptyQueryResponse:
        this.#complete({ command: '', rowCount: null })
        return false
      case code.closeComplete: {
        const step = this.#opSteps[this.#op] as number
        this.#advance(Op.close)
        if (this.steps[step]?.closePortal) this.at = step + 1
        return false
      }
      case code.portalSuspended: {
        const result = this.#current()
        result.suspended = true
        this.#complete(undefined)
        return false
      }
      case code.copyInResponse:
        this.#current()
        if (this.#step.copyData === undefined) this.copy = true
        return false
      case code.copyOutResponse:
      case code.copyBothResponse:
        this.copy = true
        return false
      case code.copyData:
      case code.copyDone:
        if (!this.copy) throw new ProtocolViolation('unexpected copy data')
        return false
      default:
        throw new ProtocolViolation(`unexpected message ${messageCode}`)
    }
  }

  async readHeld(): Promise<void> {
    this.failure = await this.#held?.read()
  }

  /** The connection ended: no name of this unit became known after all. */
  abandon(): void {
    this.#settleNames()
  }

  #advance(expected: number): void {
    if (this.error !== undefined || this.#ops[this.#op] !== expected)
      throw new ProtocolViolation('message out of order')
    this.#op++
  }

  #current(): StepResult {
    const step = this.#opSteps[this.#op]
    const result = step === undefined ? undefined : this.results[step]
    if (result === undefined || this.error !== undefined || this.#ops[this.#op] !== Op.execute)
      throw new ProtocolViolation('message out of order')
    return result
  }

  /** The step the next answer is for. */
  get #step(): Step {
    return this.steps[this.#opSteps[this.#op] as number] as Step
  }

  #parseComplete(): void {
    const index = this.#opSteps[this.#op] as number
    this.#advance(Op.parse)
    // The Parse may have gone out unnamed because another unit's was on its way.
    const name = (this.steps[index] as Step).name
    if (name !== '' && this.#parsing[0] === name) {
      this.#parsing.shift()
      this.#known[index] = this.#cache?.parsed(name)
    }
  }

  #describe(shape: RowShape | null): void {
    const index = this.#opSteps[this.#op] as number
    this.#advance(Op.describe)
    ;(this.results[index] as StepResult).shape = shape
    const known = this.#known[index]
    if (known !== undefined) known.shape = shape
  }

  #row(buffer: Buffer, start: number, end: number): void {
    const result = this.#current()
    if (this.#step.echoes) this.#readMark(buffer, start, end)
    const { shape, rows } = result
    if (this.#step.silent || this.copy) return
    if (shape === null || shape === undefined) throw new ProtocolViolation('row without a description')
    if (this.failure !== undefined) {
      this.#hold(rows, shape, buffer, start, end)
      return
    }
    const { reader } = this.#step
    try {
      if (reader === undefined) rows.push(readDataRow(buffer, start, end, shape))
      else readColumns(buffer, start, end, reader)
    } catch (error) {
      if (error instanceof ProtocolViolation) throw error
      this.failure = error
      this.#hold(rows, shape, buffer, start, end)
    }
  }

  /** The row that types were found out of date with, and all after it. */
  #hold(rows: StepResult['rows'], shape: RowShape, buffer: Buffer, start: number, end: number): void {
    if (!(this.failure instanceof OutdatedTypes)) return
    this.#held ??= new HeldRows()
    this.#held.hold(rows, shape, buffer, start, end)
  }

  /** One column, as text: its count takes two bytes and its length four. */
  #readMark(buffer: Buffer, start: number, end: number): void {
    if (this.#marked || buffer.toString('latin1', start + 6, end) !== this.#mark)
      throw new ProtocolViolation('answer of another unit')
    this.#marked = true
  }

  #complete(tag: CommandTag | undefined): void {
    this.#current().tag = tag
    if (this.#step.echoes && !this.#marked) throw new ProtocolViolation('answer without its mark')
    this.at = (this.#opSteps[this.#op] as number) + 1
    this.#op++
  }

  #ready(status: number): void {
    if (status !== 0x49 && status !== 0x54 && status !== 0x45) throw new ProtocolViolation('unknown transaction status')
    if (this.error === undefined && this.#ops[this.#op] !== Op.sync && !this.copy)
      throw new ProtocolViolation('answers missing')
    this.status = status === 0x49 ? 'I' : status === 0x54 ? 'T' : 'E'
    this.#settleNames()
  }

  #settleNames(): void {
    for (const name of this.#parsing) this.#cache?.notParsed(name)
    this.#parsing.length = 0
  }
}
