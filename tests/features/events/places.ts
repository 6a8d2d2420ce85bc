/** Databases with the outbox and the change feed, on a server and on PGlite. */
import { Client } from 'pg'
import { createDatabase, type Database, type DatabaseEvent, type Session } from '../../../src/index.ts'
import { applyMigrations } from '../../../src/migrate/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { bootPglite } from '../../support/pglite.ts'

export const kinds = ['server', 'embedded'] as const

// biome-ignore lint/suspicious/noExplicitAny: tables are made by each test
type Any = any

/** A database, two of its sessions, and a way around them. */
export interface Place extends AsyncDisposable {
  readonly db: Database<Any>
  readonly ada: Session<Any>
  readonly bob: Session<Any>
  /** Runs SQL as the administrator, on a connection of its own where there are several. */
  admin(text: string): Promise<Record<string, unknown>[]>
  /** What the database told its observer. */
  readonly events: DatabaseEvent[]
  /** Of a server: where sessions connect. */
  readonly url: string | undefined
}

const modules = ['outbox', 'changes', 'counters'] as const

/** Opens a place; `sql` is run by the administrator. */
export async function openPlace(kind: (typeof kinds)[number], sql = ''): Promise<Place> {
  const events: DatabaseEvent[] = []
  const observe = (event: DatabaseEvent) => void events.push(event)
  if (kind === 'embedded') {
    const pglite = await bootPglite()
    const db = createDatabase<Any>({ connection: pglite, observe })
    await applyMigrations(db, { modules: [...modules] })
    await pglite.exec(sql)
    return {
      ...sessionsOf(db),
      events,
      url: undefined,
      admin: async (text) => (await pglite.query(text)).rows as Record<string, unknown>[],
      [Symbol.asyncDispose]: async () => {
        await db.close()
        await pglite.close()
      },
    }
  }
  const database = await createTestDatabase()
  const login = await createLogin(database)
  const client = new Client(database.adminUrl)
  await client.connect()
  const db = createDatabase<Any>({
    connection: login.url,
    service: { connection: database.adminUrl },
    pool: { max: 5 },
    observe,
  })
  await applyMigrations(db, { modules: [...modules] })
  await client.query(sql)
  return {
    ...sessionsOf(db),
    events,
    url: login.url,
    admin: async (text) => (await client.query(text)).rows,
    [Symbol.asyncDispose]: async () => {
      await db.close()
      await client.end()
      await login.drop()
      await database.drop()
    },
  }
}

function sessionsOf(db: Database<Any>) {
  const session = (sub: string) => db.session({ role: 'authenticated', claims: { sub } })
  return { db, ada: session('ada'), bob: session('bob') }
}

/** The next `count` events of a subscription. */
export async function take<E>(subscription: AsyncIterator<E>, count: number): Promise<E[]> {
  const events: E[] = []
  while (events.length < count) {
    const { done, value } = await subscription.next()
    if (done === true) break
    events.push(value)
  }
  return events
}

/** Waits until something is so, asking every few milliseconds. */
export async function until(what: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await what())) {
    if (performance.now() > deadline) throw new Error('it did not come about in time')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
