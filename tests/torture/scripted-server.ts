/**
 * A server of PostgreSQL's protocol that has no database: it answers the few statements of a script, message for message as PostgreSQL
 * does, and lets a test spoil the messages of one answer before they leave.
 */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

/** What a statement gives. */
export interface ScriptedResult {
  /** Columns by name, with the OID of their type. */
  readonly columns: readonly (readonly [name: string, typeOid: number])[]
  readonly rows: readonly (readonly (string | null)[])[]
  readonly tag: string
}

/** Decides what a statement gives, by its text and its parameters as text; undefined is a statement without rows whose tag is its first word. */
export type Script = (text: string, parameters: readonly string[]) => ScriptedResult | undefined

/** What leaves instead of an answer, and how the connection ends after it. */
export interface Spoiled {
  readonly bytes: Buffer
  readonly end?: 'fin' | 'reset'
}

/** A running server. */
export interface ScriptedServer extends AsyncDisposable {
  readonly port: number
  /** Spoils the answer that comes after `skip` others. */
  spoil(skip: number, change: (messages: readonly Buffer[]) => Spoiled): void
  /** Takes back a change that was not applied yet. */
  calm(): void
  openConnections(): number
  /** Ends every connection, as a server that goes away. */
  hangUp(): void
  close(): Promise<void>
}

/** The one backend process this server claims to be. */
export const scriptedProcessId = 4242

const statusOf = (inTransaction: boolean): string => (inTransaction ? 'T' : 'I')

/** What else the server does. */
export interface ScriptedServerOptions {
  /** Sent in one piece with the news that the connection stands, and then the connection ends. */
  readonly afterGreeting?: Buffer
}

/** Starts the server on a free port of loopback; it asks nobody for a password. */
export async function startScriptedServer(
  script: Script,
  { afterGreeting }: ScriptedServerOptions = {},
): Promise<ScriptedServer> {
  const sockets = new Set<Socket>()
  let pending: { skip: number; change: (messages: readonly Buffer[]) => Spoiled } | undefined

  const answer = (socket: Socket, messages: readonly Buffer[]): void => {
    if (socket.destroyed) return
    if (pending === undefined || pending.skip > 0) {
      if (pending !== undefined) pending.skip -= 1
      socket.write(Buffer.concat(messages))
      return
    }
    const { bytes, end } = pending.change(messages)
    pending = undefined
    if (end === undefined) socket.write(bytes)
    else socket.write(bytes, () => (end === 'fin' ? socket.end() : socket.resetAndDestroy()))
  }

  const listener = createServer((socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    const backend = new Backend(script)
    let rest = Buffer.alloc(0)
    let started = false
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk])
      for (;;) {
        const head = started ? 1 : 0
        if (rest.length < head + 4 || rest.length < head + rest.readInt32BE(head)) return
        const end = head + rest.readInt32BE(head)
        const code = started ? String.fromCharCode(rest[0] as number) : ''
        const body = rest.subarray(head + 4, end)
        rest = rest.subarray(end)
        if (!started) {
          started = true
          if (afterGreeting === undefined) socket.write(greeting)
          else socket.end(Buffer.concat([greeting, afterGreeting]))
        } else if (code === 'X') socket.end()
        else {
          const messages = backend.take(code, body)
          if (messages !== undefined) answer(socket, messages)
        }
      }
    })
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('The scripted server has no port.')
  const hangUp = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const close = async (): Promise<void> => {
    listener.close()
    hangUp()
  }
  return {
    port: address.port,
    spoil(skip, change) {
      pending = { skip, change }
    },
    calm() {
      pending = undefined
    },
    openConnections: () => sockets.size,
    hangUp,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** One connection's state: what is prepared, what is bound, and whether a transaction is open. */
class Backend {
  readonly #script: Script
  readonly #statements = new Map<string, string>()
  readonly #portals = new Map<string, { readonly result: ScriptedResult; sent: number }>()
  #inTransaction = false
  #messages: Buffer[] = []

  constructor(script: Script) {
    this.#script = script
  }

  /** Takes one message; gives the messages of the answer when it asks for one. */
  take(code: string, body: Buffer): readonly Buffer[] | undefined {
    const text = (at: number): string => body.toString('utf8', at, body.indexOf(0, at))
    if (code === 'P') {
      this.#statements.set(text(0), text(text(0).length + 1))
      this.#messages.push(message('1'))
    } else if (code === 'B') {
      const portal = text(0)
      const statement = text(portal.length + 1)
      const parameters = readParameters(body, portal.length + statement.length + 2)
      this.#portals.set(portal, { result: this.#run(this.#statements.get(statement) ?? '', parameters), sent: 0 })
      this.#messages.push(message('2'))
    } else if (code === 'D') this.#messages.push(describe(this.#portals.get(text(1))?.result.columns ?? []))
    else if (code === 'E') this.#execute(text(0), body.readInt32BE(text(0).length + 1))
    else if (code === 'C') this.#messages.push(message('3'))
    else if (code === 'S' || code === 'Q') {
      if (code === 'Q') this.#messages.push(message('C', cstring(this.#run(text(0)).tag)))
      const messages = [...this.#messages, message('Z', Buffer.from(statusOf(this.#inTransaction)))]
      this.#messages = []
      if (!this.#inTransaction) this.#portals.clear()
      return messages
    }
    return undefined
  }

  #run(text: string, parameters: readonly string[] = []): ScriptedResult {
    const word = text.trimStart().split(/\s/, 1)[0]?.toLowerCase() ?? ''
    if (word === 'begin' || word === 'start') this.#inTransaction = true
    if (word === 'commit' || word === 'rollback') this.#inTransaction = false
    return (
      this.#script(text, parameters) ?? {
        columns: [],
        rows: [],
        tag: word === 'select' ? 'SELECT 0' : word.toUpperCase(),
      }
    )
  }

  #execute(name: string, maxRows: number): void {
    const portal = this.#portals.get(name)
    if (portal === undefined) return
    const { rows, tag } = portal.result
    const upTo = maxRows === 0 ? rows.length : Math.min(rows.length, portal.sent + maxRows)
    for (const row of rows.slice(portal.sent, upTo)) this.#messages.push(dataRow(row))
    const isSuspended = maxRows > 0 && upTo - portal.sent === maxRows
    portal.sent = upTo
    this.#messages.push(isSuspended ? message('s') : message('C', cstring(tag)))
  }
}

/** The parameters of a Bind; `at` is where the names end. */
function readParameters(body: Buffer, at: number): readonly string[] {
  let place = at + 2 + 2 * body.readInt16BE(at)
  const count = body.readInt16BE(place)
  place += 2
  return Array.from({ length: count }, () => {
    const length = body.readInt32BE(place)
    const from = place + 4
    place = from + Math.max(length, 0)
    return body.toString('utf8', from, place)
  })
}

/** Encodes one message. */
export function message(code: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(5)
  head.write(code, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const cstring = (text: string): Buffer => Buffer.from(`${text}\0`)
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function describe(columns: ScriptedResult['columns']): Buffer {
  if (columns.length === 0) return message('n')
  const fields = columns.map(([name, typeOid]) =>
    Buffer.concat([cstring(name), int32(0), int16(0), int32(typeOid), int16(0xffff), int32(-1), int16(0)]),
  )
  return message('T', int16(columns.length), ...fields)
}

function dataRow(values: readonly (string | null)[]): Buffer {
  const cells = values.map((value) =>
    value === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(value)), Buffer.from(value)]),
  )
  return message('D', int16(values.length), ...cells)
}

const greeting = Buffer.concat([
  message('R', int32(0)),
  ...[
    ['server_version', '18.4'],
    ['client_encoding', 'UTF8'],
    ['standard_conforming_strings', 'on'],
  ].map((pair) => message('S', ...pair.map(cstring))),
  message('K', int32(scriptedProcessId), int32(1)),
  message('Z', Buffer.from('I')),
])
