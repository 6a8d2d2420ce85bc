/**
 * Quickstart: every package.json under node_modules becomes a row that its author owns, and row-level security keeps
 * the authors apart.
 *
 *   npm run quickstart                               an embedded PostgreSQL, in memory
 *   DATABASE_URL=postgres://… npm run quickstart     a server, with a login that may create databases and roles
 *   … and SERVICE_DATABASE_URL=postgres://…          that login; DATABASE_URL is then a powerless one
 *
 * On a server it works in a database of its own and drops it at the end, with the roles that were not there before.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { type ColumnType, type Generated, sql } from 'kysely'
import { createDatabase, type Database, isTenonError, withDedicatedConnection } from '../src/index.ts'
import { applyMigrations } from '../src/migrate/index.ts'
import { type Author, favouriteTag, readAuthors, unnamed } from './package-documents.ts'

interface DB {
  profiles: { user_id: string; display_name: string; email: string | null }
  projects: {
    id: Generated<string>
    owner_id: Generated<string>
    name: string
    slug: string
    metadata: ColumnType<Record<string, unknown>, string, string>
  }
  user_activities: { user_id: Generated<string>; kind: string; completed: boolean }
  customers: { owner_id: Generated<string>; name: string; updated_at: Generated<Date> }
}

async function show(db: Database<DB>, where: string): Promise<void> {
  const start = performance.now()
  const { applied } = await applyMigrations(db, { modules: ['projects', 'activity', 'customers'] })
  const admin = db.service({ actor: 'quickstart', reason: 'to count what all authors have together' })
  const server = await sql<{ version: string }>`select current_setting('server_version') as version`.execute(admin)
  heading(
    `PostgreSQL ${server.rows[0]?.version}, ${where}: ready, with ${applied.length} SQL files applied, in ${since(start)}`,
  )
  await db.verify()

  const counts = new Map<string, number>()
  const counted = async <T>(step: string, work: () => Promise<T>): Promise<T> => {
    const before = db.stats().roundTrips
    const result = await work()
    counts.set(step, db.stats().roundTrips - before)
    return result
  }

  heading('Real documents, written by each author under the own policies')
  const { authors, read, unreadable, mended } = readAuthors(join(import.meta.dirname, '..', 'node_modules'))
  const [ada, ben] = authors.filter((author) => author.id !== unnamed.id)
  if (ada === undefined || ben === undefined) throw new Error('node_modules has no packages of two authors: run npm ci')
  const loading = performance.now()
  await counted(`writing for ${authors.length} authors`, async () => {
    for (const author of authors) await write(db, author)
  })
  print('package.json', `${read} files; ${unreadable} are no JSON, ${mended} held characters PostgreSQL cannot store`)
  const { n: total } = await admin.selectFrom('projects').select(count).executeTakeFirstOrThrow()
  print('projects', `${total} of ${authors.length} authors, written in ${since(loading)}`)

  heading('One query, three callers: select * from projects')
  const me = sessionOf(db, ada)
  const callers = [
    { name: ada.name, session: me },
    { name: ben.name, session: sessionOf(db, ben) },
    { name: 'nobody (anon)', session: db.session({ role: 'anon' }) },
  ]
  await counted('three queries', async () => {
    for (const { name, session } of callers) {
      const rows = await session.selectFrom('projects').select(['name', 'owner_id']).orderBy('name').execute()
      const owners = new Set(rows.map((row) => row.owner_id)).size
      const many =
        rows.length === 0
          ? ''
          : ` of ${owners === 1 ? 'one owner' : `${owners} owners`}: ${sample(rows.map((row) => row.name))}`
      print(name, `${rows.length} rows${many}`)
    }
  })

  heading(`${ada.name} writes into the projects of ${ben.name}`)
  const forged = { owner_id: ben.id, name: 'forged', slug: 'forged', metadata: '{}' }
  await printRefusal('insert', () => me.insertInto('projects').values(forged).execute())
  const update = me.updateTable('projects').set({ name: 'mine now' }).where('owner_id', '=', ben.id)
  const { numUpdatedRows } = await counted('update', () => update.executeTakeFirstOrThrow())
  print('update', `${numUpdatedRows} rows: what a policy hides is not there to change`)

  heading('JSON as it comes: priority is the number of dependencies where a package says so')
  const type = sql<string>`coalesce(jsonb_typeof(metadata -> 'priority'), 'missing')`
  const types = await admin
    .selectFrom('projects')
    .select([type.as('type'), count])
    .groupBy('type')
    .orderBy('type')
    .execute()
  print('types', types.map((row) => `${row.n} ${row.type}`).join(', '))
  const tag = favouriteTag(authors)
  const projects = admin.selectFrom('projects').select(['name', sql<string>`metadata ->> 'priority'`.as('priority')])
  const cast = projects.where(sql<boolean>`cast(metadata ->> 'priority' as integer) > 3`)
  await printRefusal('cast(… as integer) > 3', () => cast.execute())
  const important = sql<boolean>`metadata -> 'tags' ? ${tag} and metadata @@ '$.priority > 3'`
  const urgent = projects.where(important).orderBy(sql`metadata -> 'priority'`, 'desc').orderBy('name')
  const rows = await counted('the JSON query', () => urgent.execute())
  print('… @@ $.priority > 3', `and tags ? '${tag}': ${sample(rows.map((row) => `${row.name} (${row.priority})`))}`)

  heading('calculate_activity_score(user_id): 10 for each activity, 20 more when it was completed')
  for (const [caller, subject] of [
    [ada, ada],
    [ben, ben],
    [ada, ben],
  ] as const) {
    const score = sql<{ score: string }>`select calculate_activity_score(${subject.id}) as score`
    const { rows } = await score.execute(sessionOf(db, caller))
    const byHand = subject.documents.reduce((sum, document) => sum + (document.licensed ? 30 : 10), 0)
    print(subject.name, `${rows[0]?.score} for ${caller === subject ? `its owner, ${byHand} by hand` : caller.name}`)
  }

  heading('The trigger update_customer_modtime')
  const old = { name: 'Acme', updated_at: new Date('2001-01-01') }
  const inserted = await me.insertInto('customers').values(old).returningAll().executeTakeFirstOrThrow()
  print('inserted', `${inserted.name}, updated_at ${inserted.updated_at.toISOString()}`)
  const renaming = me.updateTable('customers').set({ name: 'Acme Ltd' }).returningAll()
  const renamed = await counted('update … returning', () => renaming.executeTakeFirstOrThrow())
  print('updated', `${renamed.name}, updated_at ${renamed.updated_at.toISOString()}`)

  heading('Round trips, role and claims included')
  for (const [step, trips] of counts) print(step, String(trips))
}

const count = sql<string>`count(*)`.as('n')

function sessionOf(db: Database<DB>, author: Author) {
  return db.session({ role: 'authenticated', claims: { sub: author.id } })
}

// One author's profile, projects and activities: all or nothing, in one round trip. owner_id and user_id are left out
// where they can be, because they default to the subject of the session.
async function write(db: Database<DB>, author: Author): Promise<void> {
  const me = sessionOf(db, author)
  const { id, name, email, documents } = author
  await me.batch([
    me.insertInto('profiles').values({ user_id: id, display_name: name, email }),
    me
      .insertInto('projects')
      .values(
        documents.map(({ slug, title, metadata }) => ({ slug, name: title, metadata: JSON.stringify(metadata) })),
      ),
    me
      .insertInto('user_activities')
      .values(documents.map(({ licensed }) => ({ kind: 'published', completed: licensed }))),
  ])
}

const width = 30

function heading(text: string): void {
  console.log(`\n${styleText('bold', text)}`)
}

function print(label: string, text: string): void {
  console.log(`  ${label.length > width ? `${label.slice(0, width - 1)}…` : label.padEnd(width)}  ${text}`)
}

async function printRefusal(label: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
    print(label, styleText('red', 'was not refused'))
    process.exitCode = 1
  } catch (error) {
    if (!isTenonError(error)) throw error
    print(label, `${styleText('green', error.code)} (${error.sqlstate}): ${error.message}`)
  }
}

function sample(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')}, …` : names.join(', ')
}

function since(start: number): string {
  return `${Math.round(performance.now() - start)} ms`
}

async function onServer(url: string, serviceUrl: string | undefined): Promise<void> {
  const name = `tenon_quickstart_${randomBytes(4).toString('hex')}`
  const adminUrl = serviceUrl ?? url
  const roles = ['tenon_login', 'service_role', 'authenticated', 'anon']
  await using admin = createDatabase({ connection: adminUrl, service: { connection: adminUrl } })
  await withDedicatedConnection(admin, { service: true }, async (connection) => {
    const { rows } = await connection.query<{ rolname: string }>('select rolname from pg_catalog.pg_roles')
    const made = roles.filter((role) => !rows.some((row) => row.rolname === role))
    await connection.query(`create database ${name}`)
    try {
      await using db = createDatabase<DB>({
        connection: onDatabase(url, name),
        service: { connection: onDatabase(adminUrl, name) },
        // One login for both is an owner, which row security does not bind. Its sessions switch to a role that it does.
        trustLogin: serviceUrl === undefined,
      })
      await Promise.race([show(db, 'on the server'), interrupted])
    } finally {
      await connection.query(`drop database ${name} with (force)`)
      // Somebody may have begun to use a role meanwhile; then it stays.
      for (const role of made) await connection.query(`drop role if exists ${role}`).catch(() => {})
    }
  })
}

function onDatabase(url: string, name: string): string {
  const other = new URL(url)
  other.pathname = `/${name}`
  return other.href
}

// Ctrl-C must not leave the database behind, and neither must `| head`, which closes the pipe under console.log.
const interruption = new Error('interrupted')
const interrupted = new Promise<never>((_, reject) => {
  process.once('SIGINT', () => reject(interruption))
})
interrupted.catch(() => {})
process.stdout.on('error', () => {})

async function embedded(): Promise<void> {
  await using db = createDatabase<DB>({ connection: 'pglite://memory' })
  await show(db, 'embedded and in memory')
}

try {
  const { DATABASE_URL: url, SERVICE_DATABASE_URL: serviceUrl } = process.env
  await (url ? onServer(url, serviceUrl || undefined) : embedded())
} catch (error) {
  process.exitCode = 1
  if (isTenonError(error)) {
    const needs = 'DATABASE_URL, or SERVICE_DATABASE_URL beside it, needs a login that may create databases and roles.'
    const hint = error.code === 'ACCESS_DENIED' ? needs : (error.hint ?? '')
    console.error(`The quickstart stopped. ${error.code}: ${error.message}\n${hint}`)
  } else {
    console.error(error === interruption ? 'interrupted' : error)
  }
}
