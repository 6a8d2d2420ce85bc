/**
 * A text sent as one simple Query: several statements at once, without parameters, in one implicit transaction.
 *
 * For migrations and scripts, where the extended protocol's one statement per Parse cannot serve. Never for a session's statement.
 */
import type { Buffer } from 'node:buffer'
import {
  code,
  type ErrorReport,
  ProtocolViolation,
  readCommandTag,
  readDataRow,
  readError,
  readRowDescription,
  type TypeParsers,
} from './backend-messages.ts'
import { HeldRows, OutdatedTypes } from './held-rows.ts'
import type { MessageWriter } from './message-writer.ts'
import type { StepResult, TransactionStatus, WireUnit } from './unit.ts'

export class SimpleUnit implements WireUnit {
  /** One entry per statement of the text. */
  readonly results: StepResult[] = []
  at = 0
  error: ErrorReport | undefined
  failure: unknown
  status: TransactionStatus | undefined
  copy = false
  readonly failedAtBind = false
  readonly #text: string
  readonly #parsers: TypeParsers
  #held: HeldRows | undefined
  #open: StepResult | undefined

  constructor(text: string, parsers: TypeParsers) {
    this.#text = text
    this.#parsers = parsers
  }

  encode(writer: MessageWriter): void {
    writer.query(this.#text)
  }

  names(): string[] {
    return []
  }

  async readHeld(): Promise<void> {
    this.failure = await this.#held?.read()
  }

  abandon(): void {}

  handle(messageCode: number, buffer: Buffer, start: number, end: number): boolean {
    switch (messageCode) {
      case code.rowDescription:
        this.#current().shape = readRowDescription(buffer, start, end, this.#parsers)
        return false
      case code.dataRow:
        this.#row(buffer, start, end)
        return false
      case code.commandComplete:
        this.#close(readCommandTag(buffer, start, end))
        return false
      case code.emptyQueryResponse:
        this.#close({ command: '', rowCount: null })
        return false
      case code.errorResponse:
        this.error ??= readError(buffer, start, end)
        return false
      case code.copyInResponse:
      case code.copyOutResponse:
      case code.copyBothResponse:
        this.copy = true
        return false
      case code.copyData:
      case code.copyDone:
        return false
      case code.readyForQuery: {
        const status = String.fromCharCode(buffer[start] as number)
        if (status !== 'I' && status !== 'T' && status !== 'E')
          throw new ProtocolViolation('unknown transaction status')
        this.status = status
        return true
      }
      default:
        throw new ProtocolViolation(`unexpected message ${messageCode}`)
    }
  }

  #row(buffer: Buffer, start: number, end: number): void {
    const { shape, rows } = this.#current()
    if (this.copy) return
    if (shape === null || shape === undefined) throw new ProtocolViolation('row without a description')
    try {
      if (this.failure === undefined) rows.push(readDataRow(buffer, start, end, shape))
    } catch (error) {
      if (error instanceof ProtocolViolation) throw error
      this.failure = error
    }
    // The row that types were found out of date with, and all after it.
    if (!(this.failure instanceof OutdatedTypes)) return
    this.#held ??= new HeldRows()
    this.#held.hold(rows, shape, buffer, start, end)
  }

  #current(): StepResult {
    this.#open ??= { tag: undefined, rows: [], shape: undefined, suspended: false }
    return this.#open
  }

  #close(tag: StepResult['tag']): void {
    const result = this.#current()
    result.tag = tag
    this.results.push(result)
    this.#open = undefined
    this.at++
  }
}
