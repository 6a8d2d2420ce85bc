/**
 * Foreign data: tables of another database, read as if they were here; a password that no log has seen; what is sent along; a view where
 * row security cannot be; a CSV file as a table.
 *
 * DATABASE_URL=postgres://postgres:…@localhost/postgres node examples/12-foreign-data.ts
 *
 * It takes a superuser whose URL has a password. The other server is the same one by another database; both databases are dropped at the
 * end, with the roles that were not there before.
 */

import {
  createCsvTable,
  createForeignServer,
  executeForeign,
  importForeignSchema,
  listExposedForeignTables,
  pushedDown,
  setUserMapping,
} from '../src/foreign/index.ts'
import { createDatabase, isTenonError, withDedicatedConnection } from '../src/index.ts'
import { applyMigrations } from '../src/migrate/index.ts'

interface DB {
  'remote.films': { id: number; title: string; year: number; owner: string }
  films: { id: number; title: string; year: number; owner: string }
  'remote.stop_words': { word: string }
}

const given = process.env['DATABASE_URL']
if (given === undefined || new URL(given).password === '') {
  console.log(
    '12-foreign-data needs DATABASE_URL, of a superuser and with a password: one database cannot be foreign to itself.',
  )
  process.exit(0)
}
const names = { here: `tenon_here_${process.pid}`, there: `tenon_there_${process.pid}` }
const urlOf = (name: string) => Object.assign(new URL(given), { pathname: `/${name}` })

await using server = createDatabase<DB>({ connection: given, service: { connection: given }, trustLogin: true })
const onServer = (...statements: string[]) =>
  withDedicatedConnection(server, { service: true }, async (connection) => {
    for (const statement of statements) await connection.script(statement)
  })
const rolesThere = async () =>
  await withDedicatedConnection(server, { service: true }, async (connection) => {
    const { rows } = await connection.query<{ name: string }>(
      "select rolname as name from pg_roles where rolname in ('tenon_login', 'anon', 'authenticated', 'service_role')",
    )
    return rows.map(({ name }) => name)
  })
const before = await rolesThere()
await onServer(...Object.values(names).map((name) => `create database ${name}`))
try {
  await fillThere()
  await here()
} finally {
  await onServer(...Object.values(names).map((name) => `drop database ${name} with (force)`))
  const made = (await rolesThere()).filter((name) => !before.includes(name))
  if (made.length > 0) await onServer(`drop role ${made.join(', ')}`)
}

async function fillThere(): Promise<void> {
  await using db = createDatabase({
    connection: urlOf(names.there).href,
    service: { connection: urlOf(names.there).href },
    trustLogin: true,
  })
  await withDedicatedConnection(db, { service: true }, (connection) =>
    connection.script(`create table films (id int primary key, title text not null, year int not null, owner text not null);
      insert into films values (1, 'Vagabond', 1985, 'ada'), (2, 'Ran', 1985, 'ben'), (3, 'Dreams', 1990, 'ada'), (4, 'The Gleaners and I', 2000, 'ada')`),
  )
}

async function here(): Promise<void> {
  const url = urlOf(names.here)
  await using owner = createDatabase<DB>({ connection: url.href, service: { connection: url.href }, trustLogin: true })
  await applyMigrations(owner, { modules: ['auth'] })
  await withDedicatedConnection(owner, { service: true }, (connection) =>
    connection.script(
      'create extension postgres_fdw; create extension file_fdw; create schema remote; grant usage on schema remote to authenticated',
    ),
  )
  const service = owner.service({ actor: 'setup', reason: 'foreign data' })

  // The password is in no log of the server, whatever its settings are.
  const { hostname, port, username, password } = new URL(given ?? '')
  await createForeignServer(service, {
    name: 'films',
    options: { host: hostname, port: port || '5432', dbname: names.there },
  })
  for (const role of [decodeURIComponent(username), 'authenticated'])
    await setUserMapping(service, {
      server: 'films',
      role,
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
    })
  const imported = await importForeignSchema(service, { server: 'films', remoteSchema: 'public', into: 'remote' })
  console.log(`imported: ${imported.join(', ')}`)

  // Row security cannot guard a foreign table. A view can, and its condition is sent along.
  await withDedicatedConnection(owner, { service: true }, (connection) =>
    connection.script(`create view films with (security_barrier) as select * from remote.films where owner = (select tenon.subject());
      grant select on films to authenticated`),
  )
  const me = owner.session({ role: 'authenticated', claims: { sub: 'ada' } })
  const recent = me.selectFrom('films').select(['title', 'year']).where('year', '>=', 1990).orderBy('year')
  for (const { title, year } of await executeForeign(me, recent)) console.log(`  ${year} ${title}`)
  const { remote, localConditions } = await pushedDown(me, recent)
  console.log(`${remote[0]?.server} is sent: ${remote[0]?.sql}`)
  console.log(`left to do here: ${localConditions.length} conditions`)

  await withDedicatedConnection(owner, { service: true }, (connection) =>
    connection.script('grant select on remote.films to authenticated'),
  )
  for (const { schema, name, role } of await listExposedForeignTables(service, ['anon', 'authenticated']))
    console.log(`${role} reaches ${schema}.${name} past every policy`)

  // Errors of the other side say so, and name it.
  await withDedicatedConnection(owner, { service: true }, (connection) =>
    connection.script(`alter server films options (set dbname '${names.there}_gone')`),
  )
  try {
    await executeForeign(me, recent)
  } catch (error) {
    if (!isTenonError(error)) throw error
    console.log(`${error.code}: ${error.message}`)
  }

  // A file of the server's machine, below a folder that is allowed: the words that its English text search leaves out.
  const folder = await withDedicatedConnection(owner, { service: true }, async (connection) => {
    const { rows } = await connection.query<{ setting: string }>(
      "select setting from pg_config where name = 'SHAREDIR'",
    )
    return `${rows[0]?.setting}/tsearch_data`
  })
  await createForeignServer(service, { name: 'files', wrapper: 'file_fdw' })
  await createCsvTable(service, {
    ...{ server: 'files', schema: 'remote', name: 'stop_words', path: `${folder}/english.stop`, within: [folder] },
    ...{ header: false, columns: { word: 'text' } },
  })
  const words = await service.selectFrom('remote.stop_words').select('word').execute()
  console.log(
    `${words.length} words from a file: ${words
      .slice(0, 3)
      .map(({ word }) => word)
      .join(', ')}, …`,
  )
}
