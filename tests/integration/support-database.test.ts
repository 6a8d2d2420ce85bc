/**
 * The test support itself: clones, templates and powerless logins behave as the other suites assume.
 */
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createLogin, createTemplate, createTestDatabase, type TestDatabase } from '../support/database.ts'

async function query(url: string, text: string): Promise<ReadonlyArray<Record<string, unknown>>> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

describe('test databases', () => {
  let builds = 0
  const apply = async (url: string) => {
    builds += 1
    await query(url, 'create table note (body text); insert into note values (1)')
  }
  let first: TestDatabase
  let second: TestDatabase

  beforeAll(async () => {
    const names = await Promise.all([1, 2, 3, 4].map(() => createTemplate('support-database', apply)))
    const template = names[0] ?? ''
    expect(new Set(names)).toEqual(new Set([template]))
    ;[first, second] = await Promise.all([createTestDatabase({ template }), createTestDatabase({ template })])
  })
  afterAll(async () => {
    await first.drop()
    await second.drop()
  })

  it('builds a template once, whoever asks at the same time', () => {
    expect(builds).toBe(1)
  })

  it('gives each caller a database of its own', async () => {
    await query(first.adminUrl, 'insert into note values (2)')
    expect(await query(first.adminUrl, 'select body from note order by body')).toEqual([{ body: '1' }, { body: '2' }])
    expect(await query(second.adminUrl, 'select body from note')).toEqual([{ body: '1' }])
  })

  it('leaves no template behind when building it fails', async () => {
    const failing = createTemplate('support-database-failing', async () => {
      throw new Error('no schema')
    })
    await expect(failing).rejects.toThrow('no schema')
    const template = await createTemplate('support-database-failing', apply)
    expect(builds).toBe(2)
    await using database = await createTestDatabase({ template })
    expect(await query(database.adminUrl, 'select body from note')).toHaveLength(1)
  })

  it('drops a database that is still in use', async () => {
    const database = await createTestDatabase()
    const client = new Client({ connectionString: database.adminUrl })
    client.on('error', () => {})
    await client.connect()
    await database.drop()
    const sql = `select 1 from pg_database where datname = '${database.name}'`
    expect(await query(inject('servers').main.url, sql)).toEqual([])
    await client.end().catch(() => {})
  })
})

describe('test logins', () => {
  it('own nothing, inherit nothing and may become only their roles', async () => {
    await using database = await createTestDatabase()
    await using login = await createLogin(database)
    const [row] = await query(
      login.url,
      `select current_user as name, rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolinherit as powerful,
         pg_has_role('anon', 'member') as anon, pg_has_role('authenticated', 'member') as authenticated,
         (select count(*)::int from pg_auth_members where member = current_user::regrole) as memberships
       from pg_roles where rolname = current_user`,
    )
    expect(row).toEqual({ name: login.name, powerful: false, anon: true, authenticated: true, memberships: 2 })
  })

  it('can be made at once by many files', async () => {
    await using database = await createTestDatabase()
    const logins = await Promise.all([1, 2, 3, 4, 5, 6].map(() => createLogin(database)))
    await Promise.all(logins.map((login) => login.drop()))
    const names = logins.map((login) => `'${login.name}'`).join()
    expect(await query(database.adminUrl, `select 1 from pg_roles where rolname in (${names})`)).toEqual([])
  })
})
