/** sql/modules/tenancy: organizations, memberships and invitations, and who may do what with them. */
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { sqlModules } from '../../src/generated/modules.ts'
import { fillPlaceholders, type IdentityType } from '../../src/migrate/placeholders.ts'
import { createTestDatabase } from '../support/database.ts'
import { applySql, type Engine, engineKinds, type Query, revertSql, sqlstateOf } from './engines.ts'

interface People {
  readonly id: IdentityType
  readonly owner: string
  readonly admin: string
  readonly member: string
  readonly viewer: string
  readonly other: string
}

const uuid = (n: number) => `a0000000-0000-4000-8000-00000000000${n}`
const identities: readonly People[] = [
  { id: 'uuid', owner: uuid(1), admin: uuid(2), member: uuid(3), viewer: uuid(4), other: uuid(5) },
  { id: 'text', owner: 'auth0|o', admin: "auth0|a'd", member: 'm', viewer: 'v', other: 'x' },
  { id: 'bigint', owner: '1', admin: '9007199254740993', member: '3', viewer: '4', other: '5' },
]

function describeTenancy(path: string, tests: (engine: () => Engine, people: People) => void): void {
  describe(path, () => {
    describe.each(engineKinds)('$name', (kind) => {
      if (kind.skip !== undefined) {
        it.skip(kind.skip)
        return
      }
      describe.each(identities)('$id identities', (people) => {
        let engine: Engine
        beforeAll(async () => {
          engine = await kind.open()
          await applySql(engine, ['tenancy'], 'public', people.id)
        })
        afterAll(() => engine.close())
        beforeEach(() => engine.script('truncate organizations cascade'))
        tests(() => engine, people)
      })
    })
  })
}

const as = <T>(engine: Engine, sub: string | undefined, work: (query: Query) => Promise<T>) =>
  engine.as({ role: 'authenticated', claims: sub === undefined ? undefined : { sub } }, work)
const one = (engine: Engine, sub: string, text: string, values: readonly unknown[] = []) =>
  as(engine, sub, (query) => query(text, values))

/** An organization with one person in each role; returns its id. */
async function found(engine: Engine, people: People, slug = 'acme'): Promise<unknown> {
  const [row] = await one(engine, people.owner, `select id from create_organization('Acme', $1)`, [slug])
  for (const role of ['admin', 'member', 'viewer'] as const)
    await one(engine, people.owner, 'insert into memberships (organization_id, user_id, role) values ($1, $2, $3)', [
      row?.['id'],
      people[role],
      role,
    ])
  return row?.['id']
}

describeTenancy('sql/modules/tenancy/0001_organizations.sql', (engine, people) => {
  const { owner, admin, member, viewer, other } = people
  const add = (by: string, id: unknown, user: string, role: string) =>
    one(engine(), by, 'insert into memberships (organization_id, user_id, role) values ($1, $2, $3) returning role', [
      id,
      user,
      role,
    ])
  const setRole = (by: string, user: string, role: string) =>
    one(engine(), by, 'update memberships set role = $2 where user_id = $1 returning role', [user, role])
  const remove = (by: string, user: string) =>
    one(engine(), by, 'delete from memberships where user_id = $1 returning role', [user])

  it('makes whoever founds an organization its owner, and nobody without a subject', async () => {
    const [row] = await one(engine(), owner, `select name, slug from create_organization('Acme', 'acme')`)
    expect(row).toEqual({ name: 'Acme', slug: 'acme' })
    expect(await one(engine(), owner, 'select user_id::text as id, role from memberships')).toEqual([
      { id: owner, role: 'owner' },
    ])
    expect(await sqlstateOf(as(engine(), undefined, (query) => query(`select create_organization('B', 'b')`)))).toBe(
      '23502',
    )
    expect(
      await sqlstateOf(engine().as({ role: 'anon' }, (query) => query(`select create_organization('B', 'b')`))),
    ).toBe('42501')
    expect(await sqlstateOf(one(engine(), owner, `insert into organizations (name, slug) values ('B', 'b')`))).toBe(
      '42501',
    )
    expect(await sqlstateOf(one(engine(), other, `select create_organization('Acme', 'acme')`))).toBe('23505')
  })

  it('shows a member the own organizations and their memberships, and nobody else’s', async () => {
    await found(engine(), people)
    await one(engine(), other, `select create_organization('Other', 'other')`)
    for (const sub of [owner, admin, member, viewer]) {
      expect(await one(engine(), sub, 'select slug from organizations')).toEqual([{ slug: 'acme' }])
      expect(await one(engine(), sub, 'select from memberships')).toHaveLength(4)
    }
    expect(await one(engine(), other, 'select slug from organizations')).toEqual([{ slug: 'other' }])
    expect(await sqlstateOf(engine().as({ role: 'anon' }, (query) => query('select from organizations')))).toBe('42501')
    await engine().script('alter table organizations disable row level security')
    expect(await one(engine(), other, 'select slug from organizations'), 'the control').toHaveLength(2)
    await engine().script('alter table organizations enable row level security')
  })

  it('lets nobody in who is not let in', async () => {
    const id = await found(engine(), people)
    expect(await sqlstateOf(add(other, id, other, 'viewer'))).toBe('42501')
    expect(await sqlstateOf(add(member, id, other, 'viewer'))).toBe('42501')
    expect(await sqlstateOf(add(viewer, id, other, 'viewer'))).toBe('42501')
    expect(await add(admin, id, other, 'viewer')).toEqual([{ role: 'viewer' }])
  })

  it('lets an admin manage others below the owner, and never rise', async () => {
    const id = await found(engine(), people)
    expect(await setRole(admin, member, 'admin')).toEqual([{ role: 'admin' }])
    expect(await sqlstateOf(setRole(admin, admin, 'owner'))).toBe('42501')
    expect(await sqlstateOf(add(admin, id, other, 'owner'))).toBe('42501')
    expect(await setRole(admin, owner, 'viewer')).toEqual([])
    expect(await remove(admin, owner)).toEqual([])
    expect(await setRole(viewer, viewer, 'admin')).toEqual([])
    expect(await setRole(owner, admin, 'owner')).toEqual([{ role: 'owner' }])
  })

  it('lets a viewer and a member rename or delete nothing, an admin rename, an owner delete', async () => {
    await found(engine(), people)
    const rename = (sub: string) => one(engine(), sub, `update organizations set name = 'New' returning name`)
    const drop = (sub: string) => one(engine(), sub, 'delete from organizations returning slug')
    for (const sub of [viewer, member, other]) expect([await rename(sub), await drop(sub)]).toEqual([[], []])
    expect([await rename(admin), await drop(admin)]).toEqual([[{ name: 'New' }], []])
    expect(await drop(owner)).toEqual([{ slug: 'acme' }])
    expect(await engine().admin('select from memberships')).toHaveLength(0)
  })

  it('keeps the last owner, whoever asks, and lets everybody else leave', async () => {
    await found(engine(), people)
    expect(await sqlstateOf(remove(owner, owner))).toBe('23514')
    expect(await sqlstateOf(setRole(owner, owner, 'admin'))).toBe('23514')
    expect(await sqlstateOf(engine().admin(`delete from memberships where role = 'owner'`))).toBe('23514')
    expect(await remove(viewer, viewer)).toEqual([{ role: 'viewer' }])
    await setRole(owner, admin, 'owner')
    expect(await remove(owner, owner)).toEqual([{ role: 'owner' }])
  })

  it('gives no role more than it needs', async () => {
    for (const table of ['organizations', 'memberships'])
      expect(await sqlstateOf(one(engine(), owner, `truncate ${table}`))).toBe('42501')
    expect(await sqlstateOf(one(engine(), owner, 'select tenon_private.organization_ids()'))).toBe('42501')
    expect(await sqlstateOf(one(engine(), owner, 'update memberships set user_id = user_id'))).toBe('42501')
    expect(await engine().as({ role: 'service_role' }, (query) => query('select from memberships'))).toEqual([])
  })

  it('puts a table of the host under it with an index that is used', async () => {
    const id = await found(engine(), people)
    await engine().script(`
      create table public.doc (id bigint generated always as identity primary key, organization_id uuid not null, body text);
      create index doc_organization_id_idx on public.doc (organization_id);
      alter table public.doc enable row level security;
      create policy doc_policy on public.doc to authenticated
        using (organization_id = any (array(select tenon_private.organization_ids())))
        with check (organization_id = any (array(select tenon_private.organization_ids('member'))));
      grant select, insert on public.doc to authenticated;
      insert into public.doc (organization_id, body) select gen_random_uuid(), 'x' from generate_series(1, 20000);
      analyze public.doc`)
    const write = (sub: string) =>
      one(engine(), sub, `insert into doc (organization_id, body) values ($1, 'mine') returning body`, [id])
    expect(await write(member)).toEqual([{ body: 'mine' }])
    expect(await sqlstateOf(write(viewer))).toBe('42501')
    expect(await sqlstateOf(write(other))).toBe('42501')
    expect(await one(engine(), viewer, 'select body from doc')).toEqual([{ body: 'mine' }])
    const plan = JSON.stringify(await one(engine(), viewer, 'explain select body from doc'))
    expect(plan).toContain('doc_organization_id_idx')
    expect(plan).toContain('InitPlan')
    await engine().script('drop table public.doc')
  })

  it('stands once in a database, and says so', async () => {
    await engine().script('create schema if not exists second')
    const failure = await applySql({ script: engine().script }, ['tenancy'], 'second', people.id).catch(
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ code: expect.stringMatching(/^42/) })
    expect(await engine().admin(`select to_regclass('second.organizations') as made`)).toEqual([{ made: null }])
  })
})

describeTenancy('sql/modules/tenancy/0002_invitations.sql', (engine, people) => {
  const { admin, member, viewer, other } = people
  const invite = async (by: string, id: unknown, role = 'member', expires = '7 days') =>
    (
      await one(engine(), by, `select create_invitation($1, 'x@example.org', $2, $3::interval) as token`, [
        id,
        role,
        expires,
      ])
    )[0]?.['token']
  const accept = (sub: string, token: unknown) =>
    one(engine(), sub, 'select accept_invitation($1) as organization', [token])

  it('makes a member of whoever has the token, once', async () => {
    const id = await found(engine(), people)
    const token = await invite(admin, id)
    expect(await engine().admin('select i::text as text from invitations as i')).toEqual([
      { text: expect.not.stringContaining(String(token)) },
    ])
    expect(await accept(other, token)).toEqual([{ organization: id }])
    expect(await one(engine(), other, 'select role from memberships where user_id::text = $1', [other])).toEqual([
      { role: 'member' },
    ])
    expect(await accept(other, token)).toEqual([{ organization: null }])
  })

  it('is made by admins, for roles below the owner, and taken back by them', async () => {
    const id = await found(engine(), people)
    for (const sub of [member, viewer, other]) expect(await sqlstateOf(invite(sub, id))).toBe('42501')
    expect(await sqlstateOf(invite(admin, id, 'owner'))).toBe('23514')
    await invite(admin, id)
    expect(await one(engine(), member, 'select from invitations')).toEqual([])
    expect(await one(engine(), admin, 'delete from invitations returning role')).toEqual([{ role: 'member' }])
  })

  it('is worth nothing when it has expired, or when its maker may no longer invite', async () => {
    const id = await found(engine(), people)
    expect(await accept(other, await invite(admin, id, 'member', '-1 second'))).toEqual([{ organization: null }])
    const token = await invite(admin, id)
    await engine().script(`update memberships set role = 'viewer' where role = 'admin'`)
    expect(await accept(other, token)).toEqual([{ organization: null }])
  })

  it('is taken back with the organizations, and made again', async () => {
    await revertSql(engine(), 'tenancy')
    expect(
      await engine().admin(`select to_regclass('organizations') as made, to_regnamespace('tenon_private') as helpers`),
    ).toEqual([{ made: null, helpers: null }])
    for (const file of sqlModules.tenancy.files)
      await engine().script(fillPlaceholders(file.sql, { schema: 'public', id: people.id }))
  })

  it('is not given to somebody who is in already: the own role stays', async () => {
    const id = await found(engine(), people)
    await accept(viewer, await invite(admin, id, 'admin'))
    expect(await one(engine(), viewer, 'select role from memberships where user_id::text = $1', [viewer])).toEqual([
      { role: 'viewer' },
    ])
  })
})

describe('Two owners who leave at once', () => {
  it.each(['read committed', 'repeatable read'])(
    'do not leave an organization without one, under %s',
    async (level) => {
      const database = await createTestDatabase({ servers: inject('servers') })
      const [one, other] = [new Client(database.adminUrl), new Client(database.adminUrl)]
      await Promise.all([one.connect(), other.connect()])
      try {
        await applySql({ script: async (text) => void (await one.query(text)) }, ['tenancy'])
        await one.query(`insert into organizations (id, name, slug) values ('${uuid(9)}', 'A', 'a');
        insert into memberships values ('${uuid(9)}', '${uuid(1)}', 'owner'), ('${uuid(9)}', '${uuid(2)}', 'owner')`)
        for (const client of [one, other]) await client.query(`begin isolation level ${level}; select from memberships`)
        await one.query(`delete from memberships where user_id = '${uuid(1)}'`)
        const second = other
          .query(`delete from memberships where user_id = '${uuid(2)}'`)
          .then(() => other.query('commit'))
          .then(
            () => 'left',
            (error: { code: string }) => error.code,
          )
        await one.query('commit')
        expect(['23514', '40001']).toContain(await second)
        expect((await one.query('select from memberships')).rowCount).toBe(1)
      } finally {
        await Promise.all([one.end(), other.end()])
        await database.drop()
      }
    },
  )
})
