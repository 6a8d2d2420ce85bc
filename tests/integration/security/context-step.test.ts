/**
 * When the context of a session cannot be set, its statement never runs, not even in part, and the connection serves the
 * next session. The witness is a sequence: what nextval has given out is never taken back.
 */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { isTenonError, type Session, type SessionOptions } from '../../../src/index.ts'
import { connectNaively, twoStatements } from '../../support/naive-session.ts'
import {
  type Ground,
  grounds,
  leftBehind,
  type Row,
  runsAs,
  type TwoTenants,
  trustedSuperuser,
  whoRuns,
} from '../../support/two-tenants.ts'

type Me = Session<TwoTenants>

// A statement of each form that a session has; each would move the sequence if any part of it ran.
const statements: readonly (readonly [form: string, run: (me: Me) => Promise<unknown>])[] = [
  ['a query', (me) => me.insertInto('note').values({ body: sql<string>`nextval('ran')::text` }).execute()],
  ['a raw query', (me) => sql`select nextval('ran')`.execute(me)],
  ['a block', (me) => sql`do $$ begin perform nextval('ran'); end $$`.execute(me)],
  ['a batch', (me) => me.batch([sql`select nextval('ran')`, me.selectFrom('note').select('id')])],
  ['a transaction', (me) => me.transaction((trx) => sql`select nextval('ran')`.execute(trx))],
  [
    'a stream',
    async (me) => {
      const rows = me.selectFrom('note').select(sql`nextval('ran')`.as('x')).stream(1)
      for await (const _row of rows);
    },
  ],
  ['a connection', (me) => me.connection().execute((bound) => sql`select nextval('ran')`.execute(bound))],
]

// Accepted here, refused by the server.
const badContexts: readonly (readonly [what: string, options: Partial<SessionOptions>])[] = [
  ['a time zone that is none', { settings: { timezone: 'Nowhere/Near' } }],
  ['a lock timeout that is no time', { settings: { lock_timeout: 'soon' } }],
  ['a work_mem below zero', { settings: { work_mem: '-5' } }],
  ['an idle timeout beyond its range', { settings: { idle_in_transaction_session_timeout: '9999999999' } }],
]

describe.each(grounds)('A context that the server refuses, on $name', (kind) => {
  let ground: Ground
  let clean: Row
  beforeAll(async () => {
    ground = await kind.open()
    clean = await leftBehind(ground)
  })
  afterAll(() => ground.close())
  const position = async () => (await ground.admin('select last_value, is_called from ran'))[0]

  it.each(statements)('the witness moves when the context is right: %s', async (_form, run) => {
    const before = await position()
    await run(ground.as('ada'))
    expect(await position()).not.toEqual(before)
    await ground.reset()
  })

  describe.each(badContexts)('%s', (_what, options) => {
    it.each(statements)('does not let %s run', async (_form, run) => {
      const before = await position()
      const error: unknown = await run(ground.as('ada', options)).catch((reason: unknown) => reason)
      expect(isTenonError(error) && error.code).toBe('SESSION_SETTING')
      expect(isTenonError(error) && error.hint).toBeTruthy()
      expect(await position()).toEqual(before)
      expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
    })

    it('leaves the connection clean', async () => {
      await expect(ground.as('ada', options).selectFrom('note').select('id').execute()).rejects.toSatisfy(isTenonError)
      expect(await leftBehind(ground)).toEqual(clean)
    })
  })

  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5', null])(
    'a statement timeout of %s is refused before anything is sent',
    (statementTimeoutMs) => {
      // The cast stands for what a caller without types can do.
      const attempt = () => ground.as('ada', { statementTimeoutMs: statementTimeoutMs as number })
      expect(attempt).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }))
    },
  )
})

describe.each(grounds)('A role that sessions cannot take, on $name', (kind) => {
  let ground: Ground
  const role = () => `${inject('servers').prefix}taken_${kind.isEmbedded ? 'e' : kind.isPowerful ? 'p' : 'n'}`
  beforeAll(async () => {
    ground = await kind.open()
  })
  afterAll(() => ground.close())
  const position = async () => (await ground.admin('select last_value, is_called from ran'))[0]

  it('is refused with the reason while it is missing', async () => {
    const db = ground.open({ roles: [role(), 'tenant_member', 'tenant_guest'] })
    const before = await position()
    const error: unknown = await sql`select nextval('ran')`
      .execute(db.session({ role: role() }))
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'SESSION_ROLE',
      message: expect.stringContaining('does not exist'),
      hint: expect.any(String),
    })
    expect(await position()).toEqual(before)
  })

  it('is refused with the grant that is missing, and works once that is given', async () => {
    await ground.admin(`create role ${role()} nologin`)
    const db = ground.open({ roles: [role(), 'tenant_member', 'tenant_guest'] })
    const me = db.session({ role: role() })
    const run = () => sql`select nextval('ran')`.execute(me)
    const before = await position()
    // A superuser can take every role without a grant.
    if (!kind.isPowerful) {
      const error: unknown = await run().catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'SESSION_ROLE', hint: expect.stringMatching(/^grant /) })
      expect(await position()).toEqual(before)
      await ground.admin(isTenonError(error) ? (error.hint ?? '') : '')
      await db.verify()
    }
    await run()
    expect(await position()).not.toEqual(before)
  })

  it('that was taken away after the verification runs nothing, and the other roles go on', async () => {
    const db = ground.open({ roles: [role(), 'tenant_member', 'tenant_guest'] })
    const me = db.session({ role: role() })
    await me.selectFrom('identity').select('role').execute()
    const before = await position()
    await ground.admin(`drop owned by ${role()}`)
    await ground.admin(`drop role ${role()}`)
    for (const [, run] of statements) await expect(run(me)).rejects.toSatisfy(isTenonError)
    expect(await position()).toEqual(before)
    expect(await whoRuns(db.session({ role: 'tenant_member', claims: { sub: 'ben' } }))).toEqual(runsAs('ben'))
  })
})

describe('A context that is a statement of its own, as a control', () => {
  it('lets the statement run as the login, whether it was set or refused', async () => {
    const ground = await trustedSuperuser.open()
    const client = await connectNaively(ground.adminUrl ?? '')
    const who = { text: `select current_user as role, nextval('ran') as ran` }
    expect(await twoStatements(client, { role: 'tenant_member' }, who)).toMatchObject([{ role: 'postgres' }])
    await twoStatements(client, { role: 'nobody_at_all' }, who).catch(() => {})
    expect((await client.query(who.text)).rows).toMatchObject([{ role: 'postgres', ran: '2' }])
    await client.end()
    await ground.close()
  })
})
