/**
 * The one connection over which all subscriptions of a database listen.
 *
 * Owns keeping it alive: LISTEN for whoever comes, again after every loss, a heartbeat that finds half-open sockets, and the news of a gap.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { closingOf, type Database, type ListeningConnection, openListening, tellObserver } from '../database/index.ts'
import { TenonError } from '../kernel/errors.ts'

/** Who listens on a channel. */
export interface Receiver {
  /** Synchronous, in the order in which they were committed. */
  receive(payload: string, processId: number): void
  /** The connection was lost and is there again. */
  reconnected(): void
  /** Nothing more will come. */
  end(failure: unknown): void
}

/** Between two questions whether the server is still there. A socket that is cut silently says nothing by itself. */
const heartbeatMs = 10_000
const heartbeatTimeoutMs = 5_000
/** Longest pause between two attempts to connect. */
const longestPauseMs = 5_000
/** How long the connection is kept when nobody listens any more. */
const lingerMs = 1_000

interface Listened {
  readonly receivers: Set<Receiver>
  /** Settles when LISTEN is in force; a new one after every loss. */
  ready: PromiseWithResolvers<void>
  isReady: boolean
}

export class Listener {
  readonly #db: Database<unknown>
  readonly #channels = new Map<string, Listened>()
  #connection: ListeningConnection | undefined
  #running = false
  /** Cuts the pause between heartbeats short: something is to be done. */
  #wake: (() => void) | undefined
  /** Channels on which the connection listens. */
  #inForce = new Set<string>()
  #lost = false

  constructor(db: Database<unknown>) {
    this.#db = db
    closingOf(db).addEventListener('abort', () => this.#wake?.(), { once: true })
  }

  /** Adds a receiver; the promise resolves when it misses nothing any more. */
  add(channel: string, receiver: Receiver): Promise<void> {
    let listened = this.#channels.get(channel)
    if (listened === undefined) {
      listened = { receivers: new Set(), ready: Promise.withResolvers(), isReady: false }
      this.#channels.set(channel, listened)
    }
    listened.receivers.add(receiver)
    if (!this.#running) {
      this.#running = true
      // Whoever subscribes inside a transaction must not make the connection a part of it.
      outside(() => void this.#run())
    } else this.#wake?.()
    return listened.ready.promise
  }

  remove(channel: string, receiver: Receiver): void {
    const listened = this.#channels.get(channel)
    listened?.receivers.delete(receiver)
    if (listened?.receivers.size === 0) {
      this.#channels.delete(channel)
      listened.ready.resolve()
      this.#wake?.()
    }
  }

  async #run(): Promise<void> {
    let attempt = 0
    let everReady = false
    while (this.#channels.size > 0) {
      try {
        this.#lost = false
        this.#inForce.clear()
        this.#connection = await openListening(this.#db, { onNotification: this.#deliver, onEnd: this.#ended })
        await this.#update()
        attempt = 0
        this.#tell('ready')
        if (everReady) for (const receiver of this.#receivers()) receiver.reconnected()
        everReady = true
        await this.#keep(this.#connection)
        if (this.#lost) this.#tell('lost')
      } catch (error) {
        const failure = error instanceof TenonError ? error : undefined
        this.#tell(this.#lost ? 'lost' : 'failed', failure?.code)
        if (failure === undefined || !(failure.retryable || passing.has(failure.code))) {
          this.#giveUp(error)
          break
        }
        // Some milliseconds at first: a server that restarts closes all at once.
        await this.#pause(Math.min(longestPauseMs, 20 * 2 ** attempt) * (0.5 + Math.random() / 2))
        attempt += 1
      } finally {
        await this.#connection?.close().catch(() => {})
        this.#connection = undefined
        for (const listened of this.#channels.values()) {
          if (listened.isReady) listened.ready = Promise.withResolvers()
          listened.isReady = false
        }
      }
    }
    this.#running = false
    // Somebody may have come while the connection was being closed.
    if (this.#channels.size > 0) {
      this.#running = true
      void this.#run()
    }
  }

  /** Until the connection is lost, or nobody has listened for a while. */
  async #keep(connection: ListeningConnection): Promise<void> {
    while (!this.#lost) {
      // Somebody may have come or gone while the last change was under way.
      if (this.#hasChanged()) {
        await this.#update()
        continue
      }
      const idle = this.#channels.size === 0
      const woken = await this.#pause(idle ? lingerMs : heartbeatMs)
      if (woken || this.#lost) continue
      if (idle) return
      await connection.beat(heartbeatTimeoutMs)
    }
  }

  #hasChanged(): boolean {
    // Not ready although LISTEN is in force: the last receiver went and another came before that was noticed.
    return (
      this.#inForce.size !== this.#channels.size ||
      [...this.#channels].some(([name, { isReady }]) => !isReady || !this.#inForce.has(name))
    )
  }

  /** Lets the connection listen on what is wanted now. */
  async #update(): Promise<void> {
    const wanted = new Set(this.#channels.keys())
    const fresh = [...wanted].filter((channel) => !this.#inForce.has(channel))
    const stale = [...this.#inForce].filter((channel) => !wanted.has(channel))
    if (fresh.length > 0) await this.#connection?.listen(fresh)
    if (stale.length > 0) await this.#connection?.unlisten(stale)
    if (this.#lost) return
    this.#inForce = wanted
    for (const channel of wanted) {
      const listened = this.#channels.get(channel)
      if (listened === undefined) continue
      listened.isReady = true
      listened.ready.resolve()
    }
  }

  readonly #deliver = (notification: { channel: string; payload: string; processId: number }): void => {
    const receivers = this.#channels.get(notification.channel)?.receivers
    if (receivers === undefined) return
    for (const receiver of receivers) receiver.receive(notification.payload, notification.processId)
  }

  readonly #ended = (): void => {
    this.#lost = true
    this.#wake?.()
  }

  #receivers(): readonly Receiver[] {
    return [...this.#channels.values()].flatMap(({ receivers }) => [...receivers])
  }

  #giveUp(error: unknown): void {
    const receivers = this.#receivers()
    for (const { ready } of this.#channels.values()) {
      // Whoever does not wait for it learns it from the iteration.
      ready.promise.catch(() => {})
      ready.reject(error)
    }
    this.#channels.clear()
    for (const receiver of receivers) receiver.end(error)
  }

  /** Whether something came up meanwhile. While nobody listens the timer lets the process end. */
  async #pause(ms: number): Promise<boolean> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await delay(ms, undefined, { signal: woken.signal, ref: this.#channels.size > 0 }).catch(() => {})
    this.#wake = undefined
    return woken.signal.aborted
  }

  #tell(state: 'ready' | 'lost' | 'failed', error?: string): void {
    tellObserver(this.#db, { type: 'listen', state, channels: this.#channels.size, error })
  }
}

/** Failures of connecting that pass although the same attempt cannot succeed. */
const passing: ReadonlySet<string> = new Set([
  'CONNECTION_LOST',
  'TIMEOUT_CONNECT',
  'CONNECTION_REFUSED',
  'EMBEDDED_BUSY',
])

const outside = AsyncLocalStorage.snapshot()

const listeners = new WeakMap<Database<unknown>, Listener>()

/** The listener of a database; it connects when somebody listens. */
export function listenerOf<DB>(db: Database<DB>): Listener {
  // What the tables are makes no difference to who listens.
  const any = db as unknown as Database<unknown>
  let listener = listeners.get(any)
  if (listener === undefined) {
    listener = new Listener(any)
    listeners.set(any, listener)
  }
  return listener
}
