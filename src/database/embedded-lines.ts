/**
 * The one line of an embedded PostgreSQL (PGlite): a whole unit is handed over as bytes while PGlite's own locks are held, so that
 * nothing else, PGlite's own methods included, can run between its messages.
 *
 * Owns the queue for that one line. PGlite has no cancel request and no timeouts; nothing here pretends otherwise.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Buffer } from 'node:buffer'
import pg from 'pg'
import { TenonError } from '../kernel/errors.ts'
import { isClean, type Lease, type LineCounts, type LineSource, type SharedListens } from './lines.ts'
import { listenStep } from './steps.ts'
import { type Channel, Line } from './wire/line.ts'

/** What is used of a PGlite instance. Structural, so that an application's own copy or subclass fits. */
export interface EmbeddedDatabase {
  readonly waitReady: Promise<void>
  readonly closed: boolean
  runExclusive<T>(fn: () => Promise<T>): Promise<T>
  _runExclusiveTransaction<T>(fn: () => Promise<T>): Promise<T>
  execProtocolRaw(message: Uint8Array): Promise<Uint8Array>
  /** Lets a callback be told of every notification. */
  onNotification?(callback: (channel: string, payload: string) => void): unknown
  close(): Promise<void>
}

/** Tells a PGlite instance by its protocol method. */
export function isEmbeddedDatabase(value: unknown): value is EmbeddedDatabase {
  return typeof value === 'object' && value !== null && 'execProtocolRaw' in value && 'runExclusive' in value
}

/** One line per instance, however many databases are made on it: they share its backend and so what is prepared there. */
const lines = new WeakMap<EmbeddedDatabase, Line>()
const listeners = new WeakMap<EmbeddedDatabase, SharedListens>()

export interface EmbeddedLinesOptions {
  readonly open: () => Promise<EmbeddedDatabase>
  /** The instance is the caller's and stays open. */
  readonly shared: boolean
  readonly statementLimit: number
  readonly waitTimeoutMs: number
}

class EmbeddedChannel implements Channel {
  readonly processId = undefined
  readonly #database: EmbeddedDatabase
  line: Line | undefined

  constructor(database: EmbeddedDatabase) {
    this.#database = database
  }

  write(bytes: Buffer): boolean {
    if (this.#database.closed) return false
    this.#database.execProtocolRaw(bytes).then(
      (answer) => this.line?.receive(answer),
      (cause) => this.line?.end({ reason: 'lost', cause }),
    )
    return true
  }

  unsolicited(): void {}

  destroy(): void {}
}

interface Waiting {
  readonly go: () => void
}

export class EmbeddedLines implements LineSource {
  readonly kind = 'embedded'
  readonly shared: boolean
  readonly waitMs: number
  readonly #options: EmbeddedLinesOptions
  readonly #scope = new AsyncLocalStorage<{ open: boolean }>()
  readonly #queue: Waiting[] = []
  #opening: Promise<EmbeddedDatabase> | undefined
  #database: EmbeddedDatabase | undefined
  #line: Line | undefined
  #held = false
  #closed = false

  constructor(options: EmbeddedLinesOptions) {
    this.#options = options
    this.shared = options.shared
    this.waitMs = options.waitTimeoutMs
  }

  async acquire(): Promise<Lease> {
    if (this.#closed) throw closedError()
    if (this.#scope.getStore()?.open === true)
      throw busy('a transaction of the same embedded database is open around this call')
    const database = await this.#open()
    await this.#wait()
    if (this.#closed) {
      this.#next()
      throw closedError()
    }
    try {
      return await this.#enter(database)
    } catch (error) {
      this.#next()
      throw error
    }
  }

  counts(): LineCounts {
    return {
      max: 1,
      total: this.#line === undefined ? 0 : 1,
      idle: this.#line === undefined || this.#held ? 0 : 1,
      waiting: this.#queue.length,
    }
  }

  async close(drainMs: number): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#opening === undefined) return
    const database = await this.#opening
    if (this.#held) {
      let timer: NodeJS.Timeout | undefined
      await Promise.race([
        new Promise<void>((go) => this.#queue.push({ go })),
        new Promise<void>((resolve) => (timer = setTimeout(resolve, drainMs))),
      ])
      clearTimeout(timer)
    }
    if (!this.#options.shared && !database.closed) await database.close()
  }

  inTransaction<T>(callback: () => Promise<T>): Promise<T> {
    // Work that was started inside and outlives the transaction is free to use the database again.
    const scope = { open: true }
    return this.#scope.run(scope, callback).finally(() => {
      scope.open = false
    })
  }

  /** Of the instance, once a line of it was acquired. */
  get listens(): SharedListens {
    const listens = this.#database === undefined ? undefined : listeners.get(this.#database)
    return listens ?? { channels: new Map(), receivers: new Set() }
  }

  async #open(): Promise<EmbeddedDatabase> {
    this.#opening ??= this.#options.open()
    try {
      const database = await this.#opening
      await database.waitReady
      this.#database = database
      return database
    } catch (error) {
      this.#opening = undefined
      if (error instanceof TenonError) throw error
      throw new TenonError({
        code: 'CONNECTION_REFUSED',
        message: 'the embedded database could not be opened',
        hint: 'Check that the directory is writable and in use by no other process.',
        cause: error,
      })
    }
  }

  /** First come, first served; bounded, because a nested wait would otherwise never end. */
  #wait(): Promise<void> {
    if (!this.#held) {
      this.#held = true
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        go: () => {
          clearTimeout(timer)
          resolve()
        },
      }
      const timer = setTimeout(() => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1)
        reject(busy('another transaction held it for the whole waiting time'))
      }, this.#options.waitTimeoutMs)
      this.#queue.push(waiting)
    })
  }

  #next(): void {
    const waiting = this.#queue.shift()
    if (waiting === undefined) this.#held = false
    else waiting.go()
  }

  /** Holds PGlite's transaction lock and its query lock until the lease is released. */
  #enter(database: EmbeddedDatabase): Promise<Lease> {
    return new Promise((resolve, reject) => {
      // PGlite's own transaction may hold its locks, and may be waiting for us.
      let late = false
      const timer = setTimeout(() => {
        late = true
        reject(busy('a transaction of PGlite’s own held it for the whole waiting time'))
      }, this.#options.waitTimeoutMs)
      const hold = async (): Promise<void> => {
        if (late) return
        clearTimeout(timer)
        const line = await this.#lineOf(database)
        await new Promise<void>((done) => {
          let released = false
          const leave = (): void => {
            done()
            this.#next()
          }
          const release = (): void => {
            if (released) return
            released = true
            if (isClean(line)) leave()
            else void this.#reset(line).finally(leave)
          }
          resolve({ line, release })
        })
      }
      database._runExclusiveTransaction(() => database.runExclusive(hold)).catch(reject)
    })
  }

  /** There is no other connection to fall back on: everything is undone before anyone else, the application itself included, gets it. */
  async #reset(line: Line): Promise<void> {
    if (line.loss === undefined) {
      await line.script('rollback')
      await line.script('discard all')
    }
    line.end({ reason: 'destroyed' })
  }

  async #lineOf(database: EmbeddedDatabase): Promise<Line> {
    const known = lines.get(database)
    this.#line = known
    if (known !== undefined && known.loss === undefined) return known
    const channel = new EmbeddedChannel(database)
    // pg's own parsers, so that a row looks the same from an embedded database and from a server.
    const line = new Line({
      channel,
      statementLimit: this.#options.statementLimit,
      parsers: (oid) => pg.types.getTypeParser(oid, 'text') as (text: string) => unknown,
    })
    channel.line = line
    // The backend outlives its lines: an earlier one may have left a transaction, a role or prepared names behind.
    if (known !== undefined) {
      await line.script('rollback')
      await line.script('discard all')
    } else await line.script('deallocate all')
    const listens = listensOf(database)
    line.listens = { [Symbol.iterator]: () => listens.channels.keys() }
    // Where PGlite tells of notifications itself it tells of all, those of its own queries included.
    if (database.onNotification === undefined)
      line.onNotification = (notification) => {
        for (const receive of listens.receivers) receive(notification)
      }
    if (listens.channels.size > 0) await line.run([...listens.channels.keys()].map(listenStep))
    this.#line = line
    lines.set(database, line)
    return line
  }
}

function listensOf(database: EmbeddedDatabase): SharedListens {
  const known = listeners.get(database)
  if (known !== undefined) return known
  const listens: SharedListens = { channels: new Map(), receivers: new Set() }
  listeners.set(database, listens)
  // There is one backend, whose number PGlite does not tell.
  database.onNotification?.((channel, payload) => {
    for (const receive of listens.receivers) receive({ channel, payload, processId: 0 })
  })
  return listens
}

function closedError(): TenonError {
  return new TenonError({
    code: 'DATABASE_CLOSED',
    message: 'the database was closed',
    hint: 'Create the database object once per process and close it last.',
  })
}

function busy(why: string): TenonError {
  return new TenonError({
    code: 'EMBEDDED_BUSY',
    message: `the embedded database has one connection and ${why}`,
    hint: 'Use the transaction (trx) for everything inside its callback; a server with several connections does not have this limit.',
  })
}
