/**
 * The negative controls of the security suite: sessions as one would first write them with pg, each with the faults that a
 * finding is about. An isolation test asserts something of ours and then that the same fails here, so that it is known to
 * be able to fail. Nothing of `src` is used; what must crash a process to be seen is in `crash-programs.ts`.
 */
import { Client, type QueryResultRow, type Submittable } from 'pg'

/** One statement of a unit; a name prepares it. */
export interface NaiveStep {
  readonly text: string
  readonly values?: readonly unknown[]
  readonly name?: string
}

/** Who a naive session is. Nothing is checked, as nothing was. */
export interface NaiveIdentity {
  readonly role?: string | null | undefined
  readonly claims?: object | undefined
}

/** The members of pg's connection that the prototype used. */
interface WireConnection {
  readonly stream: { cork(): void; uncork(): void }
  readonly parsedStatements: Record<string, string>
  parse(statement: { text: string; name: string; types: readonly number[] }): void
  bind(portal: { statement: string; values: readonly unknown[]; valueMapper(value: unknown): unknown }): void
  describe(target: { type: 'P'; name: string }): void
  execute(portal: { portal: string; rows: number }): void
  sync(): void
}

type Field = { readonly name: string }

/**
 * The one-Sync prototype: context step and statements in one write, as the sketch first had it. It looks neither at the
 * role it is given, nor at the transaction's status, nor at what an error leaves behind.
 */
class OneSyncPrototype implements Submittable {
  readonly rows: QueryResultRow[][]
  readonly done: Promise<QueryResultRow[][]>
  readonly #steps: readonly NaiveStep[]
  #at = 0
  #fields: readonly Field[] = []
  #error: unknown
  #settle: { resolve(rows: QueryResultRow[][]): void; reject(error: unknown): void }
  #connection: WireConnection | undefined

  constructor(steps: readonly NaiveStep[]) {
    this.#steps = steps
    this.rows = steps.map(() => [])
    const { promise, ...settle } = Promise.withResolvers<QueryResultRow[][]>()
    this.done = promise
    this.#settle = settle
  }

  submit(connection: unknown): void {
    // pg hands over its own connection; these members have been there since pg 7.
    const wire = connection as WireConnection
    this.#connection = wire
    wire.stream.cork()
    for (const { text, values = [], name = '' } of this.#steps) {
      if (name === '' || !(name in wire.parsedStatements)) wire.parse({ text, name, types: [] })
      wire.bind({ statement: name, values, valueMapper: toText })
      wire.describe({ type: 'P', name: '' })
      wire.execute({ portal: '', rows: 0 })
    }
    wire.sync()
    wire.stream.uncork()
  }

  handleRowDescription({ fields }: { readonly fields: readonly Field[] }): void {
    this.#fields = fields
  }

  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void {
    this.rows[this.#at]?.push(Object.fromEntries(this.#fields.map(({ name }, i) => [name, message.fields[i]])))
  }

  handleCommandComplete(): void {
    const { name = '', text = '' } = this.#steps[this.#at] ?? {}
    if (name !== '' && this.#connection !== undefined) this.#connection.parsedStatements[name] = text
    this.#at++
  }

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}

  handleError(error: unknown): void {
    this.#error = error
  }

  handleReadyForQuery(): void {
    if (this.#error === undefined) this.#settle.resolve(this.rows)
    else this.#settle.reject(this.#error)
  }
}

function toText(value: unknown): unknown {
  if (value === null || value === undefined || Buffer.isBuffer(value)) return value
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** The prototype's context step: two keys, not qualified with their schema. */
export function naiveContext({ role, claims }: NaiveIdentity, isLocal = true): NaiveStep {
  return {
    text: `select set_config('role', $1, ${isLocal}), set_config('request.jwt.claims', $2, ${isLocal})`,
    values: [role, claims === undefined ? '' : JSON.stringify(claims)],
  }
}

/** Runs statements with the one-Sync prototype and returns each one's rows, as text. */
export async function oneSync(
  client: Client,
  identity: NaiveIdentity,
  ...steps: readonly NaiveStep[]
): Promise<QueryResultRow[][]> {
  return (await submit(client, [naiveContext(identity), ...steps])).slice(1)
}

/** Runs steps as one unit of the prototype, without a context step of its own. */
export function submit(client: Client, steps: readonly NaiveStep[]): Promise<QueryResultRow[][]> {
  return client.query(new OneSyncPrototype(steps)).done
}

/**
 * A transaction as pg's `pipeline: true` invites one to write it: four queries at once, each with a Sync of its own.
 *
 * @param client made with `pipeline: true`
 */
export async function fourSyncs(
  client: Client,
  identity: NaiveIdentity,
  step: NaiveStep,
  begin = 'begin',
): Promise<QueryResultRow[]> {
  const context = naiveContext(identity)
  const [, , result] = await Promise.allSettled([
    client.query(begin),
    client.query(context.text, [...(context.values ?? [])]),
    client.query(step.text, [...(step.values ?? [])]),
    client.query('commit'),
  ])
  if (result.status === 'rejected') throw result.reason
  return result.value.rows
}

/** The context for the whole connection, once: what `SET` in a pool's connect hook comes to. */
export async function setForConnection(client: Client, identity: NaiveIdentity): Promise<void> {
  const { text, values = [] } = naiveContext(identity, false)
  await client.query(text, [...values])
}

/** The context and the query as two statements of their own, each its own transaction: the context is gone before the query. */
export async function twoStatements(
  client: Client,
  identity: NaiveIdentity,
  step: NaiveStep,
): Promise<QueryResultRow[]> {
  const { text, values = [] } = naiveContext(identity)
  await client.query(text, [...values])
  return (await client.query(step.text, [...(step.values ?? [])])).rows
}

/** Prepares statements under the names s1, s2, … in the order a client first sees their texts. */
export class CounterNames {
  readonly #client: Client
  readonly #names = new Map<string, string>()

  constructor(client: Client) {
    this.#client = client
  }

  async query(text: string, values: readonly unknown[] = []): Promise<QueryResultRow[]> {
    const name = this.#names.get(text) ?? `s${this.#names.size + 1}`
    this.#names.set(text, name)
    return (await this.#client.query({ name, text, values: [...values] })).rows
  }
}

/** Connects a client whose death is nobody's uncaught exception. */
export async function connectNaively(
  url: string,
  options: { readonly pipeline?: boolean; readonly options?: string } = {},
): Promise<Client> {
  const client = new Client({ connectionString: url, ...options })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** What became of a promise within a time: its value, its error, or nothing. */
export type Settlement<T> =
  | { readonly state: 'resolved'; readonly value: T }
  | { readonly state: 'rejected'; readonly error: unknown }
  | { readonly state: 'pending' }

/** Waits for a promise for at most `withinMs`, and tells what became of it. Never rejects. */
export async function settlementOf<T>(promise: Promise<T>, withinMs: number): Promise<Settlement<T>> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Settlement<T>>((resolve) => {
    timer = setTimeout(() => resolve({ state: 'pending' }), withinMs)
  })
  const settled = promise.then(
    (value): Settlement<T> => ({ state: 'resolved', value }),
    (error: unknown): Settlement<T> => ({ state: 'rejected', error }),
  )
  try {
    return await Promise.race([settled, late])
  } finally {
    clearTimeout(timer)
  }
}
