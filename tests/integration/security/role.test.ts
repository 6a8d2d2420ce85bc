/**
 * Who a statement runs as: whatever is passed for a role, and whatever the database puts in the way of setting one, no
 * statement of a session runs as the login. The control is the one-Sync prototype, which believes every role.
 */
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isTenonError, type SessionOptions } from '../../../src/index.ts'
import { connectNaively, oneSync, setForConnection, submit } from '../../support/naive-session.ts'
import { type Ground, grounds, trustedSuperuser } from '../../support/two-tenants.ts'

// As they may come from a token or a form; the type says otherwise, and types are gone at run time.
const hostileRoles: readonly (readonly [what: string, role: unknown])[] = [
  ['null', null],
  ['undefined', undefined],
  ['an empty text', ''],
  ["'none'", 'none'],
  ["'NONE'", 'NONE'],
  ['the superuser', 'postgres'],
  ['another case', 'Tenant_Member'],
  ['a trailing space', 'tenant_member '],
  ['a quoted name', '"tenant_member"'],
  ['two names', 'tenant_member, postgres'],
  ['a name with a NUL', 'tenant_member\0postgres'],
  ['a name of 64 bytes', 'r'.repeat(64)],
  ['half of a surrogate pair', 'tenant_member\ud800'],
  ['a list of one', ['tenant_member']],
  ['an object that prints as a role', { toString: () => 'tenant_member' }],
  ['a String object', Object('tenant_member')],
  ['a number', 0],
  ['a boolean', true],
  ['a bigint', 1n],
  ['a symbol', Symbol('tenant_member')],
]

const foreign = (rows: readonly Record<string, unknown>[]) => rows.filter((row) => row.owner !== 'ada').length

describe.each(grounds)('A session’s role, on $name', (kind) => {
  let ground: Ground
  beforeAll(async () => {
    ground = await kind.open()
  })
  afterAll(() => ground.close())

  it.each(hostileRoles)('%s for a role is refused before anything is sent', async (_what, role) => {
    await ground.as('ada').selectFrom('note').select('owner').execute()
    const before = ground.db.stats().roundTrips
    // The cast stands for what a caller without types can do.
    const attempt = () => ground.db.session({ role, claims: { sub: 'ada' } } as unknown as SessionOptions)
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'SESSION_ROLE', hint: expect.stringContaining('tenant_member') }),
    )
    expect(ground.db.stats().roundTrips).toBe(before)
  })

  it('a session sees its own rows and nobody else’s', async () => {
    const rows = await ground.as('ada').selectFrom('note').select('owner').execute()
    expect(rows).toHaveLength(2)
    expect(foreign(rows)).toBe(0)
  })

  it('the login’s own name and “none” cannot even be declared as roles of sessions', async () => {
    expect(() => ground.open({ roles: ['none'] })).toThrow(expect.objectContaining({ code: 'SESSION_ROLE' }))
    const [login] = await ground.as('ada').selectFrom('identity').select('login').execute()
    const db = ground.open({ roles: [login?.login ?? '', 'tenant_member', 'tenant_guest'] })
    const read = db
      .session({ role: login?.login ?? '' })
      .selectFrom('note')
      .select('owner')
      .execute()
    const error: unknown = await read.catch((reason: unknown) => reason)
    expect(isTenonError(error) && error.code).toMatch(/^(SESSION_ROLE|LOGIN_POWERFUL)$/)
  })

  it('a function named set_config that shadows PostgreSQL’s does not keep the role from being set', async () => {
    await ground.admin(
      `create function public.set_config(text, text, boolean) returns text language sql return 'shadowed'`,
    )
    await ground.admin('grant execute on function public.set_config(text, text, boolean) to public')
    const shadowing = 'public, pg_catalog'
    // A server takes the search_path at the start of a connection; PGlite has one connection, which takes it now.
    if (ground.pglite === undefined) {
      const url = kind.isPowerful ? ground.adminUrl : ground.loginUrl
      const connection = { connectionString: url, options: `-c search_path=${shadowing.replace(' ', '')}` }
      const me = ground.open({ connection }).session({ role: 'tenant_member', claims: { sub: 'ada' } })
      expect(foreign(await me.selectFrom('note').select('owner').execute())).toBe(0)
      const client = await connectNaively(`${ground.adminUrl}?options=-c%20search_path%3Dpublic,pg_catalog`)
      const [rows = []] = await oneSync(
        client,
        { role: 'tenant_member', claims: { sub: 'ada' } },
        { text: 'select owner from note' },
      )
      await client.end()
      expect(foreign(rows)).toBe(3)
    } else {
      await ground.admin(`select pg_catalog.set_config('search_path', '${shadowing}', false)`)
      expect(foreign(await ground.as('ada').selectFrom('note').select('owner').execute())).toBe(0)
      await ground.admin('reset search_path')
    }
    await ground.admin('drop function public.set_config(text, text, boolean)')
  })

  it('a setting that a session leaves out reads the same on a new connection and on a used one', async () => {
    const answers: number[] = []
    const db = ground.open()
    const me = db.session({ role: 'tenant_member', claims: { sub: 'ada' } })
    const tenant = db.session({ role: 'tenant_member', claims: { sub: 'ben' }, settings: { 'app.tenant_id': 'acme' } })
    answers.push((await me.selectFrom('notice').select('id').execute()).length)
    await tenant.selectFrom('notice').select('id').execute()
    answers.push((await me.selectFrom('notice').select('id').execute()).length)
    expect(answers).toEqual([0, 0])
  })
})

describe('The one-Sync prototype, as a control', () => {
  let ground: Ground
  let client: Client
  beforeAll(async () => {
    ground = await trustedSuperuser.open()
    client = await connectNaively(ground.adminUrl ?? '')
  })
  afterAll(async () => {
    await client.end()
    await ground.close()
  })

  it.each([null, undefined, 'none', 'postgres'])(
    'shows every tenant’s rows to a session with the role %s',
    async (role) => {
      const [rows = []] = await oneSync(client, { role, claims: { sub: 'ada' } }, { text: 'select owner from note' })
      expect(foreign(rows)).toBe(3)
    },
  )

  it('answers otherwise on a used connection, because it leaves out what a session leaves out', async () => {
    const fresh = await connectNaively(ground.adminUrl ?? '')
    const notices = async () => {
      const [rows = []] = await oneSync(fresh, { role: 'tenant_member' }, { text: 'select id from notice' })
      return rows.length
    }
    const before = await notices()
    await submit(fresh, [{ text: `select set_config('app.tenant_id', 'acme', true)` }])
    const after = await notices()
    await fresh.end()
    expect([before, after]).toEqual([1, 0])
  })

  it('gives the identity that was set for a connection to whoever comes next', async () => {
    const pooled = await connectNaively(ground.adminUrl ?? '')
    await setForConnection(pooled, { role: 'tenant_member', claims: { sub: 'ben' } })
    const { rows } = await pooled.query('select owner from note')
    await pooled.end()
    expect(foreign(rows)).toBe(3)
  })
})
