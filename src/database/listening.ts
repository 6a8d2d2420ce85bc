/**
 * Connections that listen: the seam for LISTEN, beside the pool on a server and over the one line of an embedded database.
 *
 * Owns one connection from its opening to its end. It refuses to reconnect: who listens knows what was missed meanwhile.
 */
import { TenonError } from '../kernel/errors.ts'
import { databaseClosed } from './connect-error.ts'
import type { LineSource } from './lines.ts'
import { Runner, type RunnerShared } from './runner.ts'
import { hideSchemasStep, listenStep, unlistenStep } from './steps.ts'
import type { Notification } from './wire/backend-messages.ts'

/** Who is told. */
export interface ListeningHandlers {
  /** Told of every notification of a channel that is listened on, synchronously and in order. */
  readonly onNotification: (notification: Notification) => void
  /** Told once, when the connection has ended by itself. */
  readonly onEnd: () => void
}

/** A connection that listens. */
export interface ListeningConnection {
  /** Begins to listen; notifications of transactions that commit after it resolves are not missed. */
  listen(channels: readonly string[]): Promise<void>
  unlisten(channels: readonly string[]): Promise<void>
  /** Asks for an answer. Without one in time the connection is ended, and `onEnd` told. */
  beat(timeoutMs: number): Promise<void>
  /** Ends it; `onEnd` is not told. */
  close(): Promise<void>
}

/** The listening connections of one database. */
export class Listenings {
  readonly #source: LineSource
  readonly #shared: RunnerShared
  readonly #open = new Set<{ readonly connection: ListeningConnection; readonly onEnd: () => void }>()
  readonly #closing = new AbortController()

  constructor(source: LineSource, shared: RunnerShared) {
    this.#source = source
    this.#shared = shared
  }

  /** @throws {TenonError} EVENT_POOLED behind a pooler, DATABASE_CLOSED, and what connecting throws */
  async open(handlers: ListeningHandlers): Promise<ListeningConnection> {
    if (this.closing.aborted) throw databaseClosed()
    let held: { readonly connection: ListeningConnection; readonly onEnd: () => void } | undefined
    const onEnd = () => {
      if (held !== undefined) this.#open.delete(held)
      handlers.onEnd()
    }
    const opening = openListening(this.#source, this.#shared, { ...handlers, onEnd })
    const connection = await unlessAborted(opening, this.closing)
    held = { connection, onEnd }
    this.#open.add(held)
    const close = async () => {
      if (held !== undefined) this.#open.delete(held)
      await connection.close()
    }
    return { ...connection, close }
  }

  /** Aborted when the database is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Ends all of them, and tells those who listen. */
  async close(): Promise<void> {
    this.#closing.abort()
    for (const { connection, onEnd } of [...this.#open]) {
      await connection.close()
      onEnd()
    }
  }
}

/** A server that does not answer must not hold up whoever closes: the connection that comes of it too late is ended. */
async function unlessAborted(
  opening: Promise<ListeningConnection>,
  closing: AbortSignal,
): Promise<ListeningConnection> {
  const closed = Promise.withResolvers<undefined>()
  const abort = () => closed.resolve(undefined)
  closing.addEventListener('abort', abort, { once: true })
  const connection = await Promise.race([opening, closed.promise]).finally(() =>
    closing.removeEventListener('abort', abort),
  )
  if (connection !== undefined && !closing.aborted) return connection
  opening.then((late) => late.close()).catch(() => {})
  throw databaseClosed()
}

/**
 * Opens a connection that listens.
 *
 * @throws {TenonError} EVENT_POOLED behind a pooler, and what connecting throws
 */
async function openListening(
  source: LineSource,
  shared: RunnerShared,
  handlers: ListeningHandlers,
): Promise<ListeningConnection> {
  const dial = source.dial?.bind(source)
  return dial === undefined
    ? await listenOverOneLine(source, shared, handlers)
    : await listenBeside(dial, shared, handlers)
}

async function listenBeside(
  dial: NonNullable<LineSource['dial']>,
  shared: RunnerShared,
  { onNotification, onEnd }: ListeningHandlers,
): Promise<ListeningConnection> {
  const lease = await dial()
  const { line } = lease
  const runner = new Runner(line, shared)
  try {
    await assertDirect(runner)
  } catch (error) {
    lease.release()
    throw error
  }
  line.onNotification = onNotification
  line.onEnd = onEnd
  if (line.loss !== undefined) onEnd()
  return {
    listen: async (channels) => void (await runner.run(channels.map(listenStep), { utility: true })),
    unlisten: async (channels) => void (await runner.run(channels.map(unlistenStep), { utility: true })),
    beat: async (timeoutMs) => {
      const timer = setTimeout(() => line.end({ reason: 'destroyed' }), timeoutMs)
      try {
        await runner.run([{ text: 'select', name: '', values: [], silent: true }])
      } finally {
        clearTimeout(timer)
      }
    },
    close: async () => {
      line.onEnd = undefined
      line.onNotification = undefined
      lease.release()
    },
  }
}

/** LISTEN through a pooler is lost with the server connection that it happened to run on, and nobody is told. */
async function assertDirect(runner: Runner): Promise<void> {
  const [, result] = await runner.run([
    hideSchemasStep,
    { text: 'select pg_catalog.pg_backend_pid() as pid', name: '', values: [] },
  ])
  const { processId } = runner.line.channel
  if (processId === undefined || processId === result?.rows[0]?.pid) return
  throw new TenonError({
    code: 'EVENT_POOLED',
    message: 'LISTEN needs a connection to the server itself, and a pooler stands between',
    hint: 'Pass createDatabase({ listen: { connection } }) with a direct URL; on Supabase that of port 5432 of the database host.',
  })
}

/** Each use is a short lease; the line's owner takes the channels up again after whatever clears them. */
async function listenOverOneLine(
  source: LineSource,
  shared: RunnerShared,
  { onNotification }: ListeningHandlers,
): Promise<ListeningConnection> {
  const run = async (text: (channel: string) => ReturnType<typeof listenStep>, channels: readonly string[]) => {
    const lease = await source.acquire()
    try {
      if (channels.length > 0) await new Runner(lease.line, shared).run(channels.map(text), { utility: true })
    } finally {
      lease.release()
    }
  }
  const mine = new Set<string>()
  const receive = (notification: Notification) => {
    if (mine.has(notification.channel)) onNotification(notification)
  }
  // The source knows its instance once a line of it was acquired.
  await run(listenStep, [])
  const { channels: wanted, receivers } = source.listens ?? {
    channels: new Map<string, number>(),
    receivers: new Set(),
  }
  receivers.add(receive)
  const forget = (channels: readonly string[]): readonly string[] =>
    channels.filter((channel) => {
      if (!mine.delete(channel)) return false
      const others = (wanted.get(channel) ?? 1) - 1
      if (others > 0) wanted.set(channel, others)
      else wanted.delete(channel)
      return others <= 0
    })
  return {
    listen: async (channels) => {
      const fresh = channels.filter((channel) => !mine.has(channel))
      for (const channel of fresh) {
        mine.add(channel)
        wanted.set(channel, (wanted.get(channel) ?? 0) + 1)
      }
      await run(listenStep, fresh)
    },
    unlisten: async (channels) => await run(unlistenStep, forget(channels)),
    // There is no connection that could be lost.
    beat: async () => {},
    close: async () => {
      receivers.delete(receive)
      const left = forget([...mine])
      // A closed database has nothing to unlisten.
      await run(unlistenStep, left).catch(() => {})
    },
  }
}
