/**
 * What auth.uid(), auth.role(), auth.email(), auth.jwt() and tenon.subject() say in a session is what the session was made
 * with, whatever another user of the same connection has put into the settings that older policies read.
 */
import { sql } from 'kysely'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type Database, type SessionOptions } from '../../../src/index.ts'
import { applyMigrations } from '../../../src/migrate/index.ts'
import { connectNaively, oneSync } from '../../support/naive-session.ts'
import { embedded, type Ground, powerlessLogin, type TwoTenants } from '../../support/two-tenants.ts'

const ada = 'a0000000-0000-4000-8000-00000000000a'
const victim = 'b0000000-0000-4000-8000-00000000000b'

const helpers = sql<Record<string, unknown>>`select auth.uid() as uid, auth.role() as role, auth.email() as email,
  auth.jwt() as jwt, tenon.subject() as subject`

/** What a careless user of the same connection leaves in it. */
const poison = `
  select set_config('request.jwt.claim', '{"sub":"${victim}","role":"service_role","email":"victim@example.com"}', false),
    set_config('request.jwt.claim.sub', '${victim}', false),
    set_config('request.jwt.claim.role', 'service_role', false),
    set_config('request.jwt.claim.email', 'victim@example.com', false),
    set_config('request.jwt.claims', '{"sub":"${victim}","role":"service_role"}', false),
    set_config('tenon.actor', 'victim', false),
    set_config('app.tenant_id', 'victim', false)`

// Objects of a database that read the single claims, one way each; `me` is what they say about the reader.
const readers: readonly (readonly [what: string, setUp: string, me: string])[] = [
  [
    'a function',
    `create function reader() returns text language sql stable return current_setting('request.jwt.claim.sub', true)`,
    'select reader() as me',
  ],
  [
    'a view',
    `create view reading with (security_invoker) as select current_setting('request.jwt.claim.sub', true) as me`,
    'select me from reading',
  ],
  [
    'the default of a column',
    `create table deed (id integer, me text default current_setting('request.jwt.claim.sub', true))`,
    'insert into deed (id) values (1) returning me',
  ],
]

describe.each([powerlessLogin, embedded])('The claims of a session, on $name', (kind) => {
  let ground: Ground
  let pool: Pool | undefined
  let db: Database<TwoTenants>
  beforeAll(async () => {
    ground = await kind.open()
    const migrating = createDatabase(
      ground.pglite === undefined
        ? { connection: ground.loginUrl ?? '', service: { connection: ground.adminUrl ?? '' } }
        : { connection: ground.pglite },
    )
    await applyMigrations(migrating, { modules: ['auth'] })
    await migrating.close()
    await ground.admin('grant usage on schema auth, tenon to tenant_member')
    // The pool is shared with code that uses it directly; on PGlite everybody shares the one connection.
    if (ground.pglite === undefined) pool = new Pool({ connectionString: ground.loginUrl, max: 1 })
    db = ground.open(pool === undefined ? {} : { connection: pool })
  })
  afterAll(async () => {
    await db.close()
    await pool?.end()
    await ground.close()
  })
  const careless = async (text: string) => void (pool === undefined ? await ground.admin(text) : await pool.query(text))
  const say = async (options: Partial<SessionOptions>) => {
    const { rows } = await helpers.execute(db.session({ role: 'tenant_member', ...options }))
    return rows[0]
  }

  const sessions: readonly (readonly [
    what: string,
    options: Partial<SessionOptions>,
    said: Record<string, unknown>,
  ])[] = [
    [
      'with all of Supabase’s claims',
      { claims: { sub: ada, email: 'ada@example.com', aal: 'aal1', app_metadata: { teams: [1, 2] } } },
      {
        uid: ada,
        role: 'tenant_member',
        email: 'ada@example.com',
        subject: ada,
        jwt: {
          sub: ada,
          email: 'ada@example.com',
          aal: 'aal1',
          app_metadata: { teams: [1, 2] },
          role: 'tenant_member',
        },
      },
    ],
    [
      'with its role named in the claims too',
      { claims: { sub: ada, role: 'tenant_member' } },
      { uid: ada, role: 'tenant_member', email: null, subject: ada, jwt: { sub: ada, role: 'tenant_member' } },
    ],
    [
      'without claims',
      {},
      { uid: null, role: 'tenant_member', email: null, subject: null, jwt: { role: 'tenant_member' } },
    ],
    [
      'with claims but no subject',
      { claims: { email: 'ada@example.com' } },
      {
        uid: null,
        role: 'tenant_member',
        email: 'ada@example.com',
        subject: null,
        jwt: { email: 'ada@example.com', role: 'tenant_member' },
      },
    ],
  ]

  it.each(sessions)(
    '%s are what the helpers say, on a clean connection and on a poisoned one',
    async (_what, options, said) => {
      expect(await say(options)).toEqual(said)
      await careless(poison)
      expect(await say(options)).toEqual(said)
      expect(await say({ ...options, actor: 'support' })).toEqual(said)
      const inside = await db
        .session({ role: 'tenant_member', ...options })
        .transaction(async (trx) => (await helpers.execute(trx)).rows[0])
      expect(inside).toEqual(said)
    },
  )

  it('leave no trace of a careless user’s actor and tenant either', async () => {
    await careless(poison)
    const me = db.session({ role: 'tenant_member', claims: { sub: ada } })
    expect(await me.selectFrom('identity').select(['actor', 'tenant']).execute()).toEqual([{ actor: '', tenant: '' }])
  })

  it.each(readers)(
    'are what %s of the database says, although it reads the single claims',
    async (_what, setUp, text) => {
      const database = await kind.open()
      await database.admin(setUp)
      for (const grant of ['select, insert on all tables', 'execute on all functions']) {
        await database.admin(`grant ${grant} in schema public to tenant_member`)
      }
      const shared =
        database.pglite === undefined ? new Pool({ connectionString: database.loginUrl, max: 1 }) : undefined
      const fresh = database.open(shared === undefined ? {} : { connection: shared })
      if (shared === undefined) await database.admin(poison)
      else await shared.query(poison)
      const { rows } = await sql.raw(text).execute(fresh.session({ role: 'tenant_member', claims: { sub: ada } }))
      await fresh.close()
      await shared?.end()
      await database.close()
      expect(rows).toEqual([{ me: ada }])
    },
  )

  it.each(['service_role', 'postgres', '', null, 0, ['tenant_member']])(
    'that name another role (%j) are refused',
    (role) => {
      const attempt = () => db.session({ role: 'tenant_member', claims: { sub: ada, role } })
      expect(attempt).toThrow(expect.objectContaining({ code: 'SESSION_CLAIMS', hint: expect.any(String) }))
    },
  )

  it('of a session that was derived from another are its own', async () => {
    const me = db.session({ role: 'tenant_member', claims: { sub: ada } })
    const { rows } = await helpers.execute(me.as({ claims: { sub: victim } }))
    expect(rows[0]).toMatchObject({ uid: victim, subject: victim })
    expect((await helpers.execute(me)).rows[0]).toMatchObject({ uid: ada, subject: ada })
  })

  it.skipIf(kind.isEmbedded)(
    'as a control, where only request.jwt.claims is set, the careless user wins (not embedded: it takes a second connection, so the runs on a server do it)',
    async () => {
      const client = await connectNaively(ground.adminUrl ?? '')
      await client.query(poison)
      const [rows] = await oneSync(
        client,
        { role: 'tenant_member', claims: { sub: ada } },
        { text: 'select auth.uid() as uid, auth.role() as role' },
      )
      await client.end()
      expect(rows).toEqual([{ uid: victim, role: 'service_role' }])
    },
  )
})
