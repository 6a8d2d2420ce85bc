/**
 * The login of a pool and the roles of its sessions, judged once at the first checkout: whoever could do more than the
 * sessions is refused with the SQL that mends it, and that SQL makes a login which is accepted.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { createDatabase, type Database, isTenonError, type TenonError } from '../../../src/index.ts'
import { connectNaively } from '../../support/naive-session.ts'
import { embedded, type Ground, powerlessLogin, type TwoTenants } from '../../support/two-tenants.ts'

const roles = ['tenant_member', 'tenant_guest']

describe('A login', () => {
  let ground: Ground
  const made: string[] = []
  beforeAll(async () => {
    ground = await powerlessLogin.open()
  })
  afterAll(async () => {
    await ground.admin('alter table note owner to current_user')
    for (const role of made.reverse()) {
      await ground.admin(`drop owned by ${role}`)
      await ground.admin(`drop role ${role}`)
    }
    await ground.close()
  })

  const createRole = async (attributes: string): Promise<string> => {
    const name = `${inject('servers').prefix}judged_${randomBytes(3).toString('hex')}`
    await ground.admin(`create role ${name} ${attributes} password 'judged'`)
    made.push(name)
    return name
  }
  const openAs = (login: string, options = {}): Database<TwoTenants> => {
    const url = new URL(ground.adminUrl ?? '')
    url.username = login
    url.password = 'judged'
    return createDatabase<TwoTenants>({ connection: url.href, pool: { max: 1 }, roles, ...options })
  }
  const judge = async (login: string, options = {}): Promise<TenonError | 'accepted'> => {
    await using db = openAs(login, options)
    const me = db.session({ role: 'tenant_member', claims: { sub: 'ada' } })
    const error: unknown = await me
      .selectFrom('note')
      .select('id')
      .execute()
      .then(
        () => 'accepted',
        (reason: unknown) => reason,
      )
    if (error === 'accepted') return error
    if (!isTenonError(error)) throw error
    return error
  }

  const powers: readonly (readonly [what: string, reason: RegExp, make: () => Promise<string>])[] = [
    ['is a superuser', /superuser/, () => createRole('login noinherit superuser')],
    ['has BYPASSRLS', /BYPASSRLS/, () => createRole('login noinherit bypassrls')],
    ['has CREATEROLE', /CREATEROLE/, () => createRole('login noinherit createrole')],
    ['has REPLICATION', /REPLICATION/, () => createRole('login noinherit replication')],
    [
      'inherits the rights of the session roles',
      /tenant_member.*INHERIT/,
      async () => {
        const name = await createRole('login inherit')
        await ground.admin(`grant tenant_member, tenant_guest to ${name}`)
        return name
      },
    ],
    [
      'owns a table',
      /owns tables \(public\.note\)/,
      async () => {
        const name = await createRole('login noinherit')
        await ground.admin(`alter table note owner to ${name}`)
        return name
      },
    ],
    [
      'owns a materialized view, which holds the rows of all',
      /owns tables \(public\.notes_so_far\)/,
      async () => {
        const name = await createRole('login noinherit')
        await ground.admin(`create materialized view if not exists notes_so_far as select * from note`)
        await ground.admin(`alter materialized view notes_so_far owner to ${name}`)
        return name
      },
    ],
    [
      'is a member of one role more',
      /more than the declared roles \(.*judged_/,
      async () => {
        const [more, name] = [await createRole('nologin'), await createRole('login noinherit')]
        await ground.admin(`grant ${more} to ${name}`)
        return name
      },
    ],
    [
      'is a member of a role that is a member of a superuser',
      /more than the declared roles/,
      async () => {
        const [between, name] = [await createRole('nologin'), await createRole('login noinherit')]
        const [superuser] = await ground.admin('select current_user as name')
        await ground.admin(`grant "${superuser?.name}" to ${between}`)
        await ground.admin(`grant ${between} to ${name}`)
        return name
      },
    ],
  ]

  it.each(powers)(
    'that %s is refused with the SQL that makes a powerless one, which is accepted',
    async (_what, reason, make) => {
      const powerful = await make()
      await ground.admin(`grant tenant_member, tenant_guest to ${powerful}`)
      const refusal = await judge(powerful)
      expect(refusal).toMatchObject({ code: 'LOGIN_POWERFUL', message: expect.stringMatching(reason) })
      expect(await judge(powerful, { trustLogin: true })).toBe('accepted')

      // The hint's SQL, with a name of this run: roles are the server's, and other tests make tenon_login too.
      const hint = refusal === 'accepted' ? '' : (refusal.hint ?? '')
      const sqlOfHint = /create role "tenon_login".*?; grant [^;]*;/s.exec(hint)?.[0] ?? ''
      const mended = `${inject('servers').prefix}mended_${randomBytes(3).toString('hex')}`
      made.push(mended)
      const script = await connectNaively(ground.adminUrl ?? '')
      await script.query(`${sqlOfHint.replaceAll('tenon_login', mended)} alter role ${mended} password 'judged'`)
      await script.end()
      expect(await judge(mended)).toBe('accepted')
      await ground.admin('alter table note owner to current_user')
    },
  )

  it('that inherits one role by the grant alone is refused too', async ({ skip }) => {
    skip(inject('servers').main.version < 160_000, 'membership options exist since PostgreSQL 16')
    const name = await createRole('login noinherit')
    await ground.admin(`grant tenant_member to ${name} with inherit true`)
    await ground.admin(`grant tenant_guest to ${name}`)
    expect(await judge(name)).toMatchObject({ code: 'LOGIN_POWERFUL' })
  })

  it('that was refused is asked again once it is mended, without a new database object', async () => {
    const name = await createRole('login noinherit bypassrls')
    await ground.admin(`grant tenant_member, tenant_guest to ${name}`)
    await using db = openAs(name)
    const read = () =>
      db
        .session({ role: 'tenant_member', claims: { sub: 'ada' } })
        .selectFrom('note')
        .select('owner')
        .execute()
    await expect(read()).rejects.toMatchObject({ code: 'LOGIN_POWERFUL' })
    await expect(db.verify()).rejects.toMatchObject({ code: 'LOGIN_POWERFUL' })
    await ground.admin(`alter role ${name} nobypassrls`)
    expect(await read()).toEqual([{ owner: 'ada' }, { owner: 'ada' }])
  })

  it('as a control, that has BYPASSRLS and forgets its role sees everything', async () => {
    const name = await createRole('login noinherit bypassrls')
    await ground.admin(`grant select on note to ${name}`)
    const url = new URL(ground.adminUrl ?? '')
    url.username = name
    url.password = 'judged'
    const client = await connectNaively(url.href)
    const { rows } = await client.query('select distinct owner from note order by 1')
    await client.end()
    expect(rows).toEqual([{ owner: 'ada' }, { owner: 'ben' }])
  })
})

describe.each([powerlessLogin, embedded])('A role of sessions, on $name', (kind) => {
  let ground: Ground
  let login: string
  const made: string[] = []
  beforeAll(async () => {
    ground = await kind.open()
    login = (await ground.as('ada').selectFrom('identity').select('login').executeTakeFirstOrThrow()).login
  })
  // The next test's login is to be a member of the next test's role only.
  afterEach(async () => {
    for (const role of made) await ground.admin(`revoke ${role} from "${login}"`)
  })
  afterAll(async () => {
    await ground.admin('alter table note no force row level security')
    await ground.admin('alter table note owner to current_user')
    for (const role of made) {
      await ground.admin(`drop owned by ${role}`)
      await ground.admin(`drop role ${role}`)
    }
    await ground.close()
  })

  const judge = async (attributes: string, prepare: (role: string) => readonly string[] = () => []) => {
    const role = `${inject('servers').prefix}role_${randomBytes(3).toString('hex')}`
    made.push(role)
    for (const statement of [`create role ${role} ${attributes}`, `grant ${role} to "${login}"`, ...prepare(role)]) {
      await ground.admin(statement)
    }
    const run = async (trustLogin: boolean) => {
      const db = ground.open({ roles: [...roles, role], trustLogin })
      const me = db.session({ role, claims: { sub: 'ada' } })
      return await me
        .selectFrom('identity')
        .select('role')
        .execute()
        .then(
          (rows) => (rows[0]?.role === role ? 'accepted' : 'somebody else'),
          (reason: unknown) => (isTenonError(reason) ? reason : String(reason)),
        )
    }
    return { strictly: kind.isPowerful ? undefined : await run(false), trusting: await run(true) }
  }

  it.each([
    ['is a superuser', 'nologin superuser', /superuser/],
    ['has BYPASSRLS', 'nologin bypassrls', /BYPASSRLS/],
  ])('that %s is refused, whether or not the login is trusted', async (_what, attributes, reason) => {
    const { strictly, trusting } = await judge(attributes)
    const refusal = { code: 'SESSION_ROLE', message: expect.stringMatching(reason), hint: expect.any(String) }
    expect(trusting).toMatchObject(refusal)
    if (strictly !== undefined) expect(strictly).toMatchObject(refusal)
  })

  it('that owns a table without FORCE is refused, and accepted once the hint’s SQL was run', async () => {
    let owner = ''
    const { trusting } = await judge('nologin', (role) => {
      owner = role
      return [`alter table note owner to ${role}`]
    })
    expect(trusting).toMatchObject({ code: 'SESSION_ROLE', message: expect.stringContaining('public.note') })
    const hint = isTenonError(trusting) ? (trusting.hint ?? '') : ''
    await ground.admin(/alter table [^;]+ force row level security/.exec(hint)?.[0] ?? hint)
    const me = ground
      .open({ roles: [...roles, owner], trustLogin: true })
      .session({ role: owner, claims: { sub: 'ada' } })
    expect(await me.selectFrom('note').select('id').execute()).toEqual([])
  })

  it('that inherits the owner of a table without FORCE is refused', async () => {
    await ground.admin('alter table note no force row level security')
    const { trusting } = await judge('nologin inherit', (role) => {
      const owner = `${role}_owner`
      made.push(owner)
      return [`create role ${owner} nologin`, `grant ${owner} to ${role}`, `alter table note owner to ${owner}`]
    })
    expect(trusting).toMatchObject({ code: 'SESSION_ROLE' })
  })

  it('that has nothing of all this is accepted', async () => {
    const { strictly, trusting } = await judge('nologin')
    expect([strictly ?? 'accepted', trusting]).toEqual(['accepted', 'accepted'])
  })
})
