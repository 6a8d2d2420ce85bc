/**
 * The kinds of Kysely the suite runs on: Kysely's own dialect as the control, then ours on a server and on PGlite.
 * It opens and closes them; what is tested on them and how it is compared is `executors.ts`.
 */
import { Kysely, type KyselyPlugin, type LogConfig, PostgresDialect } from 'kysely'
import { Pool, type PoolConfig } from 'pg'
import Cursor from 'pg-cursor'
import { createDatabase, TenonDialect } from '../../src/index.ts'
import type { PeopleAndPets } from './people-and-pets.ts'
import { openEmbeddedPlace, openServerPlace, type Place, suiteRole } from './places.ts'

/** What a test may ask of a Kysely it opens itself. */
export interface OpenOptions {
  readonly plugins?: readonly KyselyPlugin[]
  readonly log?: LogConfig
  /** pg's pool options; PGlite has one connection and takes none of them. */
  readonly pool?: PoolConfig
}

/** One kind of Kysely. */
export interface Executor {
  readonly name: string
  readonly kind: 'control' | 'dialect' | 'service' | 'session'
  /** True on PGlite: one connection, no cancelling, no timeouts. */
  readonly isEmbedded: boolean
  /** What the server's refusals arrive as: pg's DatabaseError, or a TenonError. */
  readonly errors: 'pg' | 'tenon'
  place(): Promise<Place>
  open(place: Place, options: OpenOptions): Promise<OpenedExecutor>
}

/** A Kysely and what ends it together with its pool. */
export interface OpenedExecutor {
  readonly db: Kysely<PeopleAndPets>
  close(): Promise<void>
}

type Kind = Pick<Executor, 'name' | 'kind' | 'errors' | 'open'>

const control: Kind = {
  name: 'the control: Kysely’s PostgresDialect',
  kind: 'control',
  errors: 'pg',
  async open(place, options) {
    const pool = openPool(place, options)
    // A backend that dies before its client is released ends the process: seen in one of five kills. Ours listens itself.
    pool.on('connect', (client) => client.on('error', () => {}))
    const db = new Kysely<PeopleAndPets>({
      dialect: new PostgresDialect({ pool, cursor: Cursor }),
      ...kyselyOptions(options),
    })
    return { db, close: () => endPool(pool) }
  },
}

const dialect: Kind = {
  name: 'TenonDialect',
  kind: 'dialect',
  errors: 'pg',
  async open(place, options) {
    if ('pglite' in place) {
      const db = new Kysely<PeopleAndPets>({
        dialect: new TenonDialect({ pool: place.pglite }),
        ...kyselyOptions(options),
      })
      // Not destroyed: that would close the PGlite which the other executors of the file still use.
      return { db, close: async () => {} }
    }
    const pool = openPool(place, options)
    const db = new Kysely<PeopleAndPets>({ dialect: new TenonDialect({ pool }), ...kyselyOptions(options) })
    return { db, close: () => endPool(pool) }
  },
}

const service: Kind = {
  name: 'a service',
  kind: 'service',
  errors: 'tenon',
  async open(place, options) {
    const database = openDatabase(place, options)
    return { db: database.service({ actor: 'suite', reason: 'behaviour tests' }), close: () => database.close() }
  },
}

const session: Kind = {
  name: 'a session',
  kind: 'session',
  errors: 'tenon',
  async open(place, options) {
    const database = openDatabase(place, options)
    return { db: database.session({ role: suiteRole }), close: () => database.close() }
  },
}

/** The control comes first: the others are compared with it. */
export const executors: readonly Executor[] = [
  ...[control, dialect, service, session].map((kind) => ({ ...kind, isEmbedded: false, place: openServerPlace })),
  ...[dialect, service, session].map((kind) => ({
    ...kind,
    name: `${kind.name} on PGlite`,
    isEmbedded: true,
    place: openEmbeddedPlace,
  })),
]

function openDatabase(place: Place, options: OpenOptions) {
  const common = { roles: [suiteRole], ...kyselyOptions(options) }
  if ('pglite' in place) return createDatabase<PeopleAndPets>({ connection: place.pglite, trustLogin: true, ...common })
  return createDatabase<PeopleAndPets>({
    connection: { ...options.pool, connectionString: place.loginUrl },
    service: { connection: { ...options.pool, connectionString: place.adminUrl } },
    ...common,
  })
}

function openPool(place: Place, options: OpenOptions): Pool {
  if ('pglite' in place) throw new Error('A pg.Pool cannot connect to PGlite.')
  const pool = new Pool({ ...options.pool, connectionString: place.adminUrl })
  // Without a listener a killed idle connection ends the process: pg leaves that to whoever owns the pool.
  pool.on('error', () => {})
  return pool
}

/** A test may have destroyed its Kysely and thereby ended the pool; pg refuses to end one twice. */
async function endPool(pool: Pool): Promise<void> {
  if (!pool.ending) await pool.end()
}

function kyselyOptions({ plugins, log }: OpenOptions): { plugins?: KyselyPlugin[]; log?: LogConfig } {
  return { ...(plugins && { plugins: [...plugins] }), ...(log && { log }) }
}
