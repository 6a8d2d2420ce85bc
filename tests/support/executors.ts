/**
 * Runs one suite of Kysely behaviours over everything this library hands out as a Kysely, beside Kysely's own
 * PostgresDialect as the control: what a behaviour returns and what it logs must be the same there and here.
 * How a Kysely of each kind is opened is here; the databases are `places.ts`, the tables `people-and-pets.ts`.
 */
import type { Kysely, LogEvent } from 'kysely'
import { DatabaseError } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { isTenonError } from '../../src/index.ts'
import { type Executor, executors, type OpenOptions } from './executor-kinds.ts'
import type { PeopleAndPets } from './people-and-pets.ts'
import { closeEmbeddedPlace, type Place } from './places.ts'

export type { Executor, OpenOptions } from './executor-kinds.ts'

/** One log event, reduced to what must not depend on the driver: the duration and the error object are left out. */
export interface LoggedEvent {
  readonly level: 'query' | 'error'
  readonly isStream: boolean | undefined
  readonly sql: string
  readonly parameters: readonly unknown[]
  /** SQLSTATE of a server error, the message of any other. */
  readonly failure?: string
}

/** What a behaviour is given. */
export interface Scene {
  /** The Kysely under test; its log goes to `events`. */
  readonly db: Kysely<PeopleAndPets>
  readonly executor: Executor
  /** Everything `db` (and whatever came from it) has logged since the test began. */
  readonly events: readonly LoggedEvent[]
  /** Another Kysely of the same kind on the same database, with options of its own; closed when the test ends. */
  open(options?: OpenOptions): Promise<Kysely<PeopleAndPets>>
  /** Connects to this database as its administrator; undefined on PGlite. */
  readonly adminUrl: string | undefined
  /** Runs a statement as the administrator on a connection beside; on PGlite it waits while a transaction is open. */
  admin(text: string, values?: unknown[]): Promise<readonly Record<string, unknown>[]>
  /** Waits for the server to refuse, checks that the error is of this executor's kind, and returns its SQLSTATE. */
  failure(query: Promise<unknown>): Promise<string>
}

/** Where a behaviour exists and how its log is compared. */
export interface BehaviourOptions {
  /**
   * Executors that have the behaviour; `because` says why the others do not, and stands in their test's name.
   * Where the control is not among them there is nothing to compare with: the behaviour asserts all of it.
   */
  readonly only?: (executor: Executor) => boolean
  readonly because?: string
  /** Oldest server, as `server_version_num`; older ones skip the test and say so. */
  readonly since?: number
  /** `ordered` by default; `unordered` where statements race; `ignored` where the log is not the same by design. */
  readonly log?: 'ordered' | 'unordered' | 'ignored'
}

/** A behaviour: returns what it saw, which must equal what it saw on the control. */
export type Behaviour = (scene: Scene) => Promise<unknown>

/** Registers behaviours of one suite. */
export interface Suite {
  behaves(name: string, run: Behaviour): void
  behaves(name: string, options: BehaviourOptions, run: Behaviour): void
}

interface Observation {
  readonly result: unknown
  readonly log: readonly LoggedEvent[]
}

/**
 * Defines `suite` once for every executor: the control first, then ours on a server, then ours on PGlite.
 *
 * @param suite called once per executor with the same names; it registers tests and does nothing else.
 * @example
 * describeExecutors('Select', ({ behaves }) => {
 *   behaves('finds a row', async ({ db }) => db.selectFrom('person').selectAll().execute())
 * })
 */
export function describeExecutors(name: string, suite: (suite: Suite) => void): void {
  const [control] = executors
  if (control === undefined) throw new Error('There is no control.')
  const onControl = new Stage(control)
  const controlSaw = new Map<string, Promise<Observation>>()
  afterAll(async () => {
    await onControl.close()
    await closeEmbeddedPlace()
  })

  for (const executor of executors) {
    describe(`${name}, on ${executor.name}`, () => {
      const stage = executor === control ? onControl : new Stage(executor)
      beforeAll(async () => void (await stage.open()))
      afterEach(() => stage.clean())
      if (stage !== onControl) afterAll(() => stage.close())

      const titles = new Set<string>()
      const behaves: Suite['behaves'] = (title: string, ...rest: [Behaviour] | [BehaviourOptions, Behaviour]) => {
        const [options, run] = rest.length === 1 ? [{}, rest[0]] : rest
        if (titles.has(title))
          throw new Error(`Two behaviours are called "${title}"; what the control saw is kept by name.`)
        titles.add(title)
        const unfit = skipReason(executor, options)
        if (unfit !== undefined) {
          test.skip(`${title} (not here: ${unfit})`)
          return
        }
        test(title, async (context) => {
          const { version } = inject('servers').main
          context.skip(options.since !== undefined && version < options.since, `needs PostgreSQL ${options.since}`)
          if (skipReason(control, options) !== undefined) {
            await stage.observe(run, options)
            return
          }
          // The control runs once per behaviour, and also where a filter names only another executor.
          const expected = controlSaw.get(title) ?? onControl.observe(run, options)
          controlSaw.set(title, expected)
          const wanted = await expected
          if (executor === control) return
          expect(await stage.observe(run, options)).toStrictEqual(wanted)
        })
      }
      suite({ behaves })
    })
  }
}

function skipReason(executor: Executor, options: BehaviourOptions): string | undefined {
  if (options.only === undefined || options.only(executor)) return undefined
  return options.because ?? 'the feature does not exist here'
}

/** One executor on a database of its own: opens it once, puts the fixture back before each behaviour. */
class Stage {
  readonly #executor: Executor
  #place: Promise<Place> | undefined
  #main: Promise<Kysely<PeopleAndPets>> | undefined
  readonly #closers: Array<() => Promise<void>> = []
  readonly #passing: Array<() => Promise<void>> = []
  readonly #events: LoggedEvent[] = []

  constructor(executor: Executor) {
    this.#executor = executor
  }

  async open(): Promise<{ place: Place; db: Kysely<PeopleAndPets> }> {
    this.#place ??= this.#executor.place()
    const place = await this.#place
    this.#main ??= this.#openOn(place, { log: (event) => void this.#events.push(toLogged(event)) }, this.#closers)
    return { place, db: await this.#main }
  }

  async observe(run: Behaviour, options: BehaviourOptions): Promise<Observation> {
    const { place, db } = await this.open()
    await place.reset()
    this.#events.length = 0
    try {
      const result = await run({
        db,
        executor: this.#executor,
        events: this.#events,
        adminUrl: 'adminUrl' in place ? place.adminUrl : undefined,
        open: (wanted = {}) => this.#openOn(place, wanted, this.#passing),
        admin: (text, values) => place.query(text, values),
        failure: (query) => sqlstateOfFailure(query, this.#executor),
      })
      return { result, log: comparable(this.#events, options.log) }
    } finally {
      await this.clean()
    }
  }

  /** Closes what `open` of a scene opened; a second call has nothing to do. */
  async clean(): Promise<void> {
    for (const close of this.#passing.splice(0).reverse()) await close()
  }

  async close(): Promise<void> {
    const place = await this.#place
    // A behaviour that timed out may have left a statement running, and a pool waits for its clients.
    const stuck = setTimeout(() => void place?.disconnectAll(), 3_000)
    await this.clean()
    for (const close of this.#closers.splice(0).reverse()) await close()
    clearTimeout(stuck)
    await place?.close()
  }

  async #openOn(place: Place, options: OpenOptions, closers: Array<() => Promise<void>>) {
    const { db, close } = await this.#executor.open(place, options)
    closers.push(close)
    return db
  }
}

function comparable(events: readonly LoggedEvent[], mode: BehaviourOptions['log'] = 'ordered'): readonly LoggedEvent[] {
  if (mode === 'ignored') return []
  if (mode === 'ordered') return [...events]
  const key = (event: LoggedEvent) => `${event.level} ${event.sql} ${String(event.parameters)}`
  return events.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** Reduces a log event to what is the same whatever the driver; for tests that pass a `log` of their own. */
export function toLogged(event: LogEvent): LoggedEvent {
  const { sql, parameters } = event.query
  if (event.level === 'query') return { level: 'query', isStream: event.isStream, sql, parameters }
  return {
    level: 'error',
    isStream: undefined,
    sql,
    parameters,
    failure: sqlstateOf(event.error) ?? String(event.error),
  }
}

async function sqlstateOfFailure(query: Promise<unknown>, executor: Executor): Promise<string> {
  const error = await query.then(
    () => expect.fail('The server should have refused this.'),
    (reason: unknown) => reason,
  )
  if (executor.errors === 'pg') expect(error, 'pg’s own error, unchanged').toBeInstanceOf(DatabaseError)
  else expect(isTenonError(error), `a TenonError, not ${String(error)}`).toBe(true)
  const sqlstate = sqlstateOf(error)
  expect(sqlstate, 'the SQLSTATE').toMatch(/^[0-9A-Z]{5}$/)
  return String(sqlstate)
}

/** The SQLSTATE of pg's error or of ours. */
export function sqlstateOf(error: unknown): string | undefined {
  if (error instanceof DatabaseError) return error.code
  return isTenonError(error) ? error.sqlstate : undefined
}

/** Waits for a rejection that is not the server's and returns `Name: message`. */
export async function rejection(query: Promise<unknown>): Promise<string> {
  return query.then(
    () => expect.fail('This should have been refused.'),
    (reason: unknown) => (reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason)),
  )
}
