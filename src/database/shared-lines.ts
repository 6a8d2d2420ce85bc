/**
 * Lines that units of different sessions share, back to back, without waiting for each other's answers.
 *
 * Owns which line a unit goes to, how many there are, and making room for whoever needs a connection alone. A unit given to it is complete
 * in itself: context and statement under one Sync, so that nothing of it outlives its answer. What may come here is session-queries.ts'.
 */
import { isTenonError } from '../kernel/errors.ts'
import { poolTimeout } from './connect-error.ts'
import { isClean, type Lease, type LineSource } from './lines.ts'
import { Runner, type RunnerShared, type RunOptions } from './runner.ts'
import type { RoundTripTime } from './wire/pace.ts'
import type { Step, StepResult } from './wire/unit.ts'

/** Bounds of sharing; times in milliseconds. */
export interface SharingLimits {
  /** Units in flight on one connection at most. */
  readonly depth: number
  /** Of these, how many may write. */
  readonly writes: number
  /** A connection whose next answer is longer overdue than this gets nothing more behind it. */
  readonly busyMs: number
  /** Units that are expected to take this long together are kept on one connection; beyond, another is used. */
  readonly packMs: number
}

/** A connection is given back after this long without a unit, and after this long at all, so that the pool can replace it. */
const lingerMs = 100
const longestHeldMs = 30_000
/** Where others wait, the last connection is shared for this long before it is their turn. */
const turnMs = 20
/** How many of those who wait, for a statement that is being prepared, others may pass. */
const passedOver = 32

/** A unit that waits for a place. */
interface Waiting {
  readonly steps: readonly Step[]
  readonly options: RunOptions
  readonly expectedMs: number
  readonly until: number
  readonly settle: (results: Promise<readonly StepResult[]>) => void
}

class SharedLine {
  readonly lease: Lease
  readonly runner: Runner
  readonly heldSince = performance.now()
  /** Units that have not ended here: one that is sent again is on its way twice, and between the two the line is still its own. */
  users = 0
  /** Of these, those that write. */
  writers = 0
  /** What they take by their history. */
  expectedMs = 0
  idleSince = performance.now()
  /** It gets nothing more, and is given back once it is empty. */
  retiring = false

  constructor(lease: Lease, shared: RunnerShared) {
    this.lease = lease
    this.runner = new Runner(lease.line, shared)
  }
}

export class SharedLines {
  readonly #source: LineSource
  readonly #acquire: (first: boolean) => Promise<Lease>
  readonly #shared: RunnerShared
  readonly #limits: SharingLimits
  readonly #roundTrip: RoundTripTime
  readonly #lines: SharedLine[] = []
  #opening = 0
  #closing = false
  #sweeper: NodeJS.Timeout | undefined
  readonly #queue: Waiting[] = []

  /** @param options.acquire - a line of the source that is ready for sessions */
  constructor(options: {
    readonly source: LineSource
    readonly acquire: (first: boolean) => Promise<Lease>
    readonly shared: RunnerShared
    readonly limits: SharingLimits
  }) {
    this.#source = options.source
    this.#acquire = options.acquire
    this.#shared = options.shared
    this.#limits = options.limits
    this.#roundTrip = options.shared.roundTrip
  }

  /** Connections held that no unit is on. */
  get idle(): number {
    return this.#lines.filter(({ users }) => users === 0).length
  }

  /** Connections held, units in flight on them, and units that wait for a place. */
  counts(): { readonly lines: number; readonly inFlight: number; readonly waiting: number } {
    const inFlight = this.#lines.reduce((sum, { users }) => sum + users, 0)
    return { lines: this.#lines.length, inFlight, waiting: this.#queue.length }
  }

  /**
   * Runs a unit on whichever line has room.
   *
   * @param expectedMs - what its statement takes by its history
   * @throws {TenonError} as {@link Runner.run}, TIMEOUT_POOL when no line has room in time, and what connecting throws
   */
  run(steps: readonly Step[], options: RunOptions, expectedMs: number): Promise<readonly StepResult[]> {
    // Whoever waits already goes first.
    const line = this.#queue.length > 0 ? undefined : this.#pick(steps, options)
    if (line !== undefined) return this.#on(line, steps, options, expectedMs)
    return new Promise((settle) => {
      const { waitMs } = this.#source
      const until = waitMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + waitMs
      this.#queue.push({ steps, options, expectedMs, until, settle })
      this.#grow()
      this.#sweepLater()
    })
  }

  async #on(
    line: SharedLine,
    steps: readonly Step[],
    options: RunOptions,
    expectedMs: number,
  ): Promise<readonly StepResult[]> {
    const writes = options.commits === true ? 1 : 0
    line.users++
    line.writers += writes
    line.expectedMs += expectedMs
    try {
      return await line.runner.run(steps, options)
    } finally {
      line.users--
      line.writers -= writes
      line.expectedMs -= expectedMs
      this.#left(line)
    }
  }

  /**
   * Full lines first, as long as what is on them is done in a moment: fewer writes, fewer reads, fewer backends awake. None on which the
   * same statement is being prepared: to parse it again costs more than to wait for that.
   */
  #pick(steps: readonly Step[], { commits }: RunOptions): SharedLine | undefined {
    const { depth, writes, busyMs, packMs } = this.#limits
    const latest = performance.now() - busyMs - this.#roundTrip.ms
    let packed: SharedLine | undefined
    let emptiest: SharedLine | undefined
    for (const line of this.#lines) {
      const { line: wire } = line.lease
      if (line.retiring || wire.loss !== undefined || line.users >= depth) continue
      if (commits === true && line.writers >= writes) continue
      if (wire.depth > 0 && (wire.waitingSince as number) < latest) continue
      if (steps.some(({ name }) => wire.statements.isParsing(name))) continue
      if (line.expectedMs < packMs && (packed === undefined || line.expectedMs > packed.expectedMs)) packed = line
      if (emptiest === undefined || line.expectedMs < emptiest.expectedMs) emptiest = line
    }
    if (packed === undefined) this.#grow()
    return packed ?? emptiest
  }

  /** Takes one more connection where the pool has one to give, or when there is none to share yet. */
  #grow(): void {
    const isFirst = this.#lines.length + this.#opening === 0
    if (!isFirst && (this.#opening > 0 || this.#isFull())) return
    this.#opening++
    // The first is the one that all units wait for.
    this.#acquire(isFirst).then(
      (lease) => {
        this.#opening--
        const line = new SharedLine(lease, this.#shared)
        this.#lines.push(line)
        this.#drain()
        if (line.users === 0) this.#emptied(line)
        this.#sweepLater()
      },
      (error: unknown) => {
        this.#opening--
        if (this.#lines.length > 0) return
        // Those who came later may wait for longer.
        if (isTenonError(error) && error.code === 'TIMEOUT_POOL') this.#expire()
        else for (const { settle } of this.#queue.splice(0)) settle(Promise.reject(error))
        if (this.#queue.length > 0) this.#grow()
      },
    )
  }

  /** Gives places to those who wait. */
  #drain(): void {
    for (let i = 0; i < this.#queue.length && i < passedOver; ) {
      const { steps, options, expectedMs, settle } = this.#queue[i] as Waiting
      const line = this.#pick(steps, options)
      if (line === undefined) i++
      else {
        this.#queue.splice(i, 1)
        settle(this.#on(line, steps, options, expectedMs))
      }
    }
    if (this.#queue.length > 0) this.#grow()
  }

  /** A unit has left its line. */
  #left(line: SharedLine): void {
    if (line.lease.line.loss !== undefined) this.#giveBack(line)
    else if (line.users === 0) this.#emptied(line)
    else if (!line.retiring && (line.lease.line.tainted || this.#mustGiveWay(line))) line.retiring = true
    if (this.#queue.length > 0) this.#drain()
  }

  #emptied(line: SharedLine): void {
    line.idleSince = performance.now()
    const isWanted = this.#queue.length > 0 || !(this.#closing || this.#othersWait())
    if (line.retiring || !isWanted || this.#mustGiveWay(line)) this.#giveBack(line)
  }

  /** Others wait for a connection: all but the last are theirs at once, and that one when it has had its turn. */
  #mustGiveWay(line: SharedLine): boolean {
    if (!this.#othersWait()) return false
    const isLast = this.#lines.every((other) => other === line || other.retiring)
    return !isLast || line.heldSince + turnMs < performance.now()
  }

  #giveBack(line: SharedLine): void {
    const at = this.#lines.indexOf(line)
    if (at === -1) return
    this.#lines.splice(at, 1)
    line.lease.release()
  }

  /** The pool has no connection to give. */
  #isFull(): boolean {
    const { max, total, idle } = this.#source.counts()
    return idle === 0 && total >= max
  }

  #othersWait(): boolean {
    return this.#source.counts().waiting > this.#opening
  }

  /**
   * Acquires a line for somebody's sole use, and makes the shared ones give way where the pool has none to spare.
   *
   * @param acquire - the pool's own
   */
  async makingRoom<T>(acquire: () => Promise<T>): Promise<T> {
    if (this.#lines.length === 0 || !this.#isFull()) return await acquire()
    const acquiring = acquire()
    const active = this.#lines.filter(({ retiring }) => !retiring).sort((a, b) => a.users - b.users)
    const [emptiest] = active
    if (emptiest !== undefined && (emptiest.users === 0 || this.#mustGiveWay(emptiest))) this.#retireLine(emptiest)
    return await acquiring
  }

  #retireLine(line: SharedLine): void {
    line.retiring = true
    if (line.users === 0) this.#giveBack(line)
  }

  /** Nothing new is given here any more: what waits is run, and connections go back as they become empty. */
  close(): void {
    this.#closing = true
    for (const line of this.#lines.filter(({ users }) => users === 0)) this.#giveBack(line)
  }

  /** From now on units are given here again. */
  open(): void {
    this.#closing = false
  }

  #sweepLater(): void {
    this.#sweeper ??= setTimeout(() => {
      this.#sweeper = undefined
      this.#sweep(performance.now())
      if (this.#lines.length > 0 || this.#queue.length > 0) this.#sweepLater()
    }, lingerMs)
    this.#sweeper.unref?.()
  }

  #sweep(now: number): void {
    for (const line of [...this.#lines]) {
      if (line.users === 0 && (line.idleSince + lingerMs < now || !isClean(line.lease.line))) this.#giveBack(line)
      else if (line.heldSince + longestHeldMs < now || this.#mustGiveWay(line)) this.#retireLine(line)
    }
    this.#expire()
    if (this.#queue.length > 0) this.#drain()
  }

  /** Those who have waited long enough are told so. */
  #expire(): void {
    const now = performance.now()
    while (this.#queue.length > 0 && (this.#queue[0] as Waiting).until <= now)
      (this.#queue.shift() as Waiting).settle(Promise.reject(poolTimeout()))
  }
}
