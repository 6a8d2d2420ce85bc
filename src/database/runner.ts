/**
 * Runs units on a leased line and turns what comes back into results or errors.
 *
 * Owns the reading of an outcome: which error a failed unit is, whether a lost one may have been committed, and the one silent repeat
 * after a prepared statement went stale. It refuses to know transactions and Kysely.
 */
import { CommitUnknownError, ConnectionLostError, inBatchItem, TenonError } from '../kernel/errors.ts'
import { fromServerError } from '../kernel/server-error.ts'
import { driverError } from './driver-errors.ts'
import type { Facts } from './facts.ts'
import { brokenOut } from './statement-rules.ts'
import { rollbackStep } from './steps.ts'
import { ValueParsers } from './value-parsers.ts'
import { type ErrorReport, serverErrorFields } from './wire/backend-messages.ts'
import { OutdatedTypes } from './wire/held-rows.ts'
import type { Line, Outcome } from './wire/line.ts'
import { type Pace, RoundTripTime } from './wire/pace.ts'
import type { Step, StepResult, TransactionStatus, WireUnit } from './wire/unit.ts'

/** What is known around a unit, for the sake of its errors. */
export interface RunOptions {
  /** Index of the context step in the unit, when there is one. */
  readonly contextAt?: number
  readonly statementTimeoutMs?: number
  /** The unit commits by itself and may have written: losing its answer leaves the outcome unknown. */
  readonly commits?: boolean
  /** Nothing of the caller's ran before in this transaction, and the whole unit was rolled back: it may be sent once more. */
  readonly repeatable?: boolean
  /** The unit opens its transaction: after a rollback it may be sent once more. */
  readonly begins?: boolean
  /** Steps that count: what fails after them (the clean-up behind a COMMIT) costs the connection and not the result. */
  readonly essential?: number
  /** Where the transaction must stand afterwards, and what to name when it does not: whoever moved it, nothing more may run here. */
  readonly stands?: { readonly status: TransactionStatus; readonly what: string }
  /** The connection is shared: what comes in one turn of the event loop goes out in one write. */
  readonly gathers?: boolean
  /** The history of the unit's one statement of the caller's. */
  readonly pace?: Pace
  /** The statement is no query, so that names in an error come from its text and not from a value. */
  readonly utility?: boolean
}

/** Counters and switches shared by everything that runs units of one database. */
export interface RunnerShared {
  roundTrips: number
  healed: number
  destroyed: number
  facts: Facts | undefined
  readonly roundTrip: RoundTripTime
  /** Throw pg's errors, as a drop-in must. */
  readonly rawErrors: boolean
}

/** What is known of the schema through the session pool serves the service's errors too. */
export function newShared(known?: RunnerShared, rawErrors = false): RunnerShared {
  let facts: Facts | undefined
  return {
    roundTrips: 0,
    healed: 0,
    destroyed: 0,
    roundTrip: new RoundTripTime(),
    rawErrors,
    get facts() {
      return facts ?? known?.facts
    },
    set facts(read) {
      facts = read
    },
  }
}

/** Statement gone, statement there already, a plan whose result changed shape, or one whose parameters no longer fit the columns. */
function isStale(unit: WireUnit, error: ErrorReport): boolean {
  const sqlstate = error.fields.get('C')
  if (unit.failedAtBind && sqlstate?.startsWith('42')) return true
  return (
    sqlstate === '26000' ||
    sqlstate === '42P05' ||
    (sqlstate === '0A000' && error.fields.get('R') === 'RevalidateCachedQuery')
  )
}

export class Runner {
  readonly line: Line
  readonly shared: RunnerShared
  /** A cancel of ours is on its way or has arrived for the unit in flight. */
  cancelRequested = false

  constructor(line: Line, shared: RunnerShared) {
    this.line = line
    this.shared = shared
  }

  /**
   * Runs steps as one unit.
   *
   * @returns the result of every step, after an error-free ReadyForQuery
   * @throws {TenonError} (or pg's error, where raw errors are asked for) when a step failed or the connection was lost
   */
  run(steps: readonly Step[], options: RunOptions = {}): Promise<readonly StepResult[]> {
    return this.#settle(() => this.line.run(steps, options.gathers), options, steps)
  }

  /** Runs a text of several statements as one simple Query: one result per statement. Throws as `run` does. */
  script(text: string, options: RunOptions = {}): Promise<readonly StepResult[]> {
    return this.#settle(() => this.line.script(text), options)
  }

  async #settle(
    send: () => Promise<Outcome>,
    options: RunOptions,
    steps: readonly Step[] = [],
  ): Promise<readonly StepResult[]> {
    this.shared.roundTrips++
    let outcome = await send()
    let { unit, loss } = outcome
    if (unit.error !== undefined && loss === undefined && isStale(unit, unit.error)) {
      for (const name of unit.names()) this.line.statements.drop(name)
      if (unit.error.fields.get('C') === '26000') this.line.statements.dropAll()
      if (await this.#rewound(unit, options)) {
        this.shared.healed++
        this.shared.roundTrips++
        outcome = await send()
        ;({ unit, loss } = outcome)
      }
    }
    let unanswered: Outcome | undefined
    if (unit.error === undefined && loss === undefined && isReadable(unit.failure) && !unit.copy) {
      if (options.pace !== undefined) this.#time(options.pace, outcome)
      if (options.stands !== undefined && options.stands.status !== unit.status) {
        this.line.end({ reason: 'destroyed' })
        throw brokenOut(options.stands.what)
      }
      if (unit.failure !== undefined) unanswered = await this.#readHeld(unit)
      if (unit.failure === undefined) return unit.results
    }
    const answered = unit.failure === undefined && !unit.copy
    if (answered && options.essential !== undefined && unit.at >= options.essential) {
      this.line.end({ reason: 'destroyed' })
      return unit.results
    }
    const failure = unanswered === undefined ? this.#failure(outcome, options) : this.#unasked(unanswered, options)
    const item = unit.error === undefined ? undefined : steps[unit.at]?.item
    throw item === undefined ? failure : inBatchItem(failure, item)
  }

  /**
   * Reads the rows that came under types which had changed, or were made, since these were asked for. The statement is not sent again: what
   * it wrote is written. `failure` of the unit then is why a row still cannot be read.
   *
   * @returns what became of asking for the types where that failed
   */
  async #readHeld(unit: WireUnit): Promise<Outcome | undefined> {
    // Twice, because the first time somebody else may have asked meanwhile, and before the change.
    for (let i = 0; i < 2 && unit.failure instanceof OutdatedTypes; i++) {
      const { owner, times } = unit.failure
      if (!(owner instanceof ValueParsers)) return undefined
      if (owner.times === times && !owner.isAsking(this.line)) this.shared.roundTrips++
      const unanswered = await owner.relearn(this.line, times)
      if (unanswered !== undefined) return unanswered
      await unit.readHeld()
    }
    return undefined
  }

  /** Whether a failed unit left nothing behind, so that it can be sent once more. */
  async #rewound(unit: WireUnit, options: RunOptions): Promise<boolean> {
    if (unit.status === 'I') return options.repeatable === true || options.begins === true
    if (options.begins !== true) return false
    this.shared.roundTrips++
    const rollback = await this.line.run([rollbackStep])
    return rollback.unit.status === 'I'
  }

  /** What the server took for it, by the clock here: without the way there and back. */
  #time(pace: Pace, { elapsedMs, waitedMs }: Outcome): void {
    pace.note(this.shared.roundTrip.take(elapsedMs, waitedMs))
  }

  #failure({ unit, loss, sent, elapsedMs }: Outcome, options: RunOptions): unknown {
    if (unit.copy && loss === undefined) {
      this.line.end({ reason: 'destroyed' })
      if (unit.error !== undefined && this.shared.rawErrors) return driverError(unit.error)
      return new TenonError({
        code: 'STATEMENT_INVALID',
        message: 'COPY cannot run here',
        hint: 'Run it on a client of pg with pg-copy-streams, or in psql.',
      })
    }
    if (unit.error !== undefined) {
      // A farewell (the server shuts down, an administrator ended the session) can come after the commit and before the answer.
      const farewell = loss !== undefined || unit.status === undefined
      if (farewell && options.commits === true && unit.at > 0 && isFarewell(unit.error))
        return this.#unknown(unit.error)
      if (this.shared.rawErrors) return driverError(unit.error)
      return fromServerError(serverErrorFields(unit.error), {
        cancelRequested: this.cancelRequested,
        elapsedMs,
        ...(options.statementTimeoutMs === undefined ? {} : { statementTimeoutMs: options.statementTimeoutMs }),
        utility: options.utility === true,
        contextStep: options.contextAt === unit.at,
        ...(this.shared.facts === undefined ? {} : { columnsOf: this.shared.facts.columnsOf }),
      })
    }
    if (loss !== undefined) return this.#loss(loss.reason, loss.cause, options.commits === true && sent)
    const { failure } = unit
    if (failure instanceof OutdatedTypes) return unreadable(failure, options.commits === true)
    if (failure instanceof Error && 'code' in failure && failure.code === 'ERR_STRING_TOO_LONG') {
      return new TenonError({
        code: 'LIMIT_RESULT',
        message: 'a value of the result is too long for a JavaScript string',
        hint: 'Select a part of it with substring(), or keep large files outside the database.',
      })
    }
    // A type parser of the caller's failed; it is the caller's error.
    return failure
  }

  /** Why the types could not be asked for; what is committed is not to be sent again, whatever the reason. */
  #unasked(unanswered: Outcome, { commits }: RunOptions): unknown {
    const cause = this.#failure(unanswered, {})
    return commits === true ? unreadable({ cause }, true) : cause
  }

  #loss(reason: 'protocol' | 'lost' | 'destroyed', cause: unknown, commits: boolean): TenonError {
    if (commits) return this.#unknown(undefined, cause)
    if (reason === 'protocol') {
      return new TenonError({
        code: 'CONNECTION_PROTOCOL',
        message: 'the server or a pooler answered out of order; the connection was destroyed',
        hint: 'If a pooler stands between, check that it supports the extended protocol.',
        cause,
      })
    }
    return new ConnectionLostError({
      message: 'the connection was lost before the statement was answered; nothing was committed',
      cause,
    })
  }

  #unknown(report: ErrorReport | undefined, cause?: unknown): CommitUnknownError {
    const sqlstate = report?.fields.get('C')
    return new CommitUnknownError({
      message: 'the connection was lost after the statement was sent; whether it was committed is not known',
      ...(sqlstate === undefined ? {} : { sqlstate }),
      cause,
    })
  }
}

/** Of no failure, and of one that asking for the types again may mend. */
function isReadable(failure: unknown): boolean {
  return failure === undefined || failure instanceof OutdatedTypes
}

/** What the server's own error cannot say: whether the statement is to be sent again. */
function unreadable({ cause }: Pick<OutdatedTypes, 'cause'>, commits: boolean): TenonError {
  return new TenonError({
    code: 'QUERY_DATA',
    message: 'the result has a value that is not of its type as the catalog has it',
    hint: commits
      ? 'The statement was carried out and is committed: read what it wrote, and do not send it again.'
      : 'The type was made or changed meanwhile: run the query, or the whole transaction, again.',
    retryable: !commits,
    cause,
  })
}

/** Class 08 and 57P: the connection is going away, whatever became of the statement. */
function isFarewell(error: ErrorReport): boolean {
  const sqlstate = error.fields.get('C') ?? ''
  return (
    sqlstate.startsWith('08') ||
    sqlstate.startsWith('57P') ||
    error.fields.get('V') === 'FATAL' ||
    error.fields.get('V') === 'PANIC'
  )
}
