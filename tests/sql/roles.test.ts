/**
 * sql/modules/roles, on clusters of its own: roles belong to a whole server. Each situation is set up in a transaction
 * and rolled back, creation of roles included; the last describe commits and logs in.
 */
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, clusterKinds } from './clusters.ts'
import { type Row, sqlOf, sqlstateOf } from './engines.ts'

const roles = sqlOf('roles', '0001')

describe('sql/modules/roles/0001_roles.sql', () => {
  describe.each(clusterKinds)('$name', (kind) => {
    if (kind.skip !== undefined) {
      it.skip(kind.skip)
      return
    }
    let cluster: Cluster
    beforeAll(async () => {
      cluster = await kind.open()
    })
    afterAll(() => cluster.close())

    /** Runs `work` after `before`, in a transaction that is rolled back. */
    const situation = async (before: string, work: () => Promise<void>) => {
      try {
        await cluster.script(`begin; ${before}`)
        await work()
      } finally {
        await cluster.script('rollback')
      }
    }
    const manager = `create role manager createrole; grant create on schema public to manager`
    const ownDatabase = `do $$ begin execute format('alter database %I owner to manager', current_database()); end $$`

    describe('as a superuser', () => {
      it('makes three session roles and a login without any right', () =>
        situation('', async () => {
          await cluster.script(roles)
          expect(await roleRows(cluster)).toEqual([
            { name: 'anon', login: false, inherit: true, powers: '', members_of: null },
            { name: 'authenticated', login: false, inherit: true, powers: '', members_of: null },
            { name: 'service_role', login: false, inherit: true, powers: 'bypassrls', members_of: null },
            { name: 'tenon_login', login: true, inherit: false, powers: '', members_of: 'anon, authenticated' },
          ])
        }))

      it('does nothing the second time, says nothing, and keeps what the host has set', () =>
        situation(
          'create role anon login connection limit 7; create role authenticated nologin noinherit',
          async () => {
            await cluster.script(roles)
            const before = await roleRows(cluster)
            expect(before[0]).toMatchObject({ name: 'anon', login: true })
            expect(before[1]).toMatchObject({ name: 'authenticated', inherit: false })
            expect(await cluster.script(roles)).toEqual([])
            expect(await roleRows(cluster)).toEqual(before)
            expect(
              await cluster.query(`select rolconnlimit as n from pg_catalog.pg_roles where rolname = 'anon'`),
            ).toEqual([{ n: 7 }])
          },
        ))

      it('takes temporary tables and objects in public away from everybody else', () =>
        situation('grant create on schema public to public; create role stranger', async () => {
          const may = async () =>
            (
              await cluster.query(`
            select pg_catalog.has_database_privilege('stranger', pg_catalog.current_database(), 'temporary') as temporary,
              pg_catalog.has_schema_privilege('stranger', 'public', 'create') as create`)
            )[0]
          expect(await may()).toEqual({ temporary: true, create: true })
          await cluster.script(roles)
          expect(await may()).toEqual({ temporary: false, create: false })
        }))

      it('lets the login connect where nobody else may', () =>
        situation(
          `do $$ begin execute format('revoke connect on database %I from public', current_database()); end $$`,
          async () => {
            await cluster.script(roles)
            const [row] = await cluster.query(
              `select pg_catalog.has_database_privilege('tenon_login', pg_catalog.current_database(), 'connect') as may`,
            )
            expect(row).toEqual({ may: true })
          },
        ))

      it.each([
        ['superuser', 'create role tenon_login login noinherit superuser'],
        ['createdb', 'create role tenon_login login noinherit createdb'],
        ['createrole', 'create role tenon_login login noinherit createrole'],
        ['bypassrls', 'create role tenon_login login noinherit bypassrls'],
        ['replication', 'create role tenon_login login noinherit replication'],
        ['inherit', 'create role tenon_login login'],
        [
          'member of service_role',
          'create role service_role; create role tenon_login login noinherit; grant service_role to tenon_login',
        ],
        [
          'member of any other role',
          'create role clerk; create role tenon_login login noinherit; grant clerk to tenon_login',
        ],
        [
          'owner of a table',
          'create role tenon_login login noinherit; create table own (); alter table own owner to tenon_login',
        ],
        [
          'able to reach a powerful role',
          `create role boss bypassrls; create role authenticated; grant boss to authenticated;
          create role tenon_login login noinherit; grant authenticated to tenon_login`,
        ],
      ])('refuses an existing tenon_login that is %s, and changes nothing', (_, before) =>
        situation(before, async () => {
          const roleNames = () => cluster.query('select rolname from pg_catalog.pg_roles order by 1')
          const were = await roleNames()
          await cluster.script('savepoint before')
          const failure = cluster.script(roles)
          await expect(failure).rejects.toMatchObject({ code: '55000', constraint: 'roles_login_powerful' })
          await expect(failure).rejects.toThrow(/tenon_login exists and is more than a powerless login/)
          await cluster.script('rollback to savepoint before')
          expect(await roleNames()).toEqual(were)
        }),
      )

      it('names every finding and how to mend it', () =>
        situation(
          'create role clerk; create role tenon_login login createdb noinherit; grant clerk to tenon_login',
          async () => {
            await expect(cluster.script(roles)).rejects.toMatchObject({
              message:
                'role tenon_login exists and is more than a powerless login: it has createdb, is a member of clerk',
              hint: expect.stringContaining('alter role tenon_login nocreatedb; revoke clerk from tenon_login'),
            })
          },
        ))

      it.each(['anon bypassrls', 'authenticated superuser'])('refuses an existing role %s', (role) =>
        situation(`create role ${role}`, async () => {
          await expect(cluster.script(roles)).rejects.toMatchObject({
            code: '55000',
            constraint: 'roles_session_role_powerful',
          })
        }),
      )
    })

    describe('as a CREATEROLE that is no superuser, as on managed servers', () => {
      it('makes the same roles, without BYPASSRLS and saying so, and may act for a session itself', () =>
        situation(`${manager}; ${ownDatabase}; set local role manager`, async () => {
          const notices = await cluster.script(roles)
          expect(notices.join()).toContain('service_role has no BYPASSRLS')
          expect(await roleRows(cluster)).toEqual([
            { name: 'anon', login: false, inherit: true, powers: '', members_of: null },
            { name: 'authenticated', login: false, inherit: true, powers: '', members_of: null },
            { name: 'service_role', login: false, inherit: true, powers: '', members_of: null },
            { name: 'tenon_login', login: true, inherit: false, powers: '', members_of: 'anon, authenticated' },
          ])
          expect(await memberships(cluster, 'manager')).toEqual({ anon: true, authenticated: true })
          expect(await cluster.script(roles)).toEqual(notices)
        }))

      it('gives BYPASSRLS where its own attribute allows it (16 and later)', () =>
        situation(`${manager}; ${ownDatabase}; alter role manager bypassrls; set local role manager`, async () => {
          await cluster.script(roles)
          const [{ modern } = {}] = await cluster.query(
            `select pg_catalog.current_setting('server_version_num')::integer >= 160000 as modern`,
          )
          const powers = (await roleRows(cluster)).find((row) => row['name'] === 'service_role')?.['powers']
          expect(powers).toBe(modern === true ? 'bypassrls' : '')
        }))

      it('tells what it may not revoke, and leaves it', () =>
        situation(`${manager}; grant create on schema public to public; set local role manager`, async () => {
          const notices = (await cluster.script(roles)).join()
          expect(notices).toContain('every role may make temporary tables here')
          expect(notices).toContain('every role may make objects in schema public')
        }))

      it('stops where the roles exist and it may not grant them (16 and later)', () =>
        situation(`create role anon; create role authenticated; ${manager}; set local role manager`, async () => {
          const [{ modern } = {}] = await cluster.query(
            `select pg_catalog.current_setting('server_version_num')::integer >= 160000 as modern`,
          )
          const run = cluster.script(roles)
          if (modern !== true) return void (await run)
          await expect(run).rejects.toMatchObject({ code: '42501', constraint: 'roles_grant_refused' })
        }))
    })

    it('stops a role that may not create roles, and says which are missing', () =>
      situation('create role nobody_special; create role anon; set local role nobody_special', async () => {
        const run = cluster.script(roles)
        await expect(run).rejects.toMatchObject({ code: '42501', constraint: 'roles_createrole_missing' })
        await expect(run).rejects.toThrow(/missing roles: authenticated, service_role, tenon_login/)
      }))

    describe('on Supabase', () => {
      // The roles and the owner of schema auth as github.com/supabase/postgres makes them.
      const supabase = `
        create role supabase_admin superuser; create role supabase_auth_admin noinherit createrole login;
        create role anon nologin; create role authenticated nologin; create role service_role nologin bypassrls;
        create role authenticator login noinherit; grant anon, authenticated, service_role to authenticator;
        create schema auth authorization supabase_auth_admin;
        ${manager}; grant anon, authenticated, service_role to manager with admin option`

      it('makes only tenon_login, and touches nothing else', () =>
        situation(`${supabase}; set local role manager`, async () => {
          const others = () =>
            cluster.query(`select * from pg_catalog.pg_roles where rolname <> 'tenon_login' order by rolname`)
          const rights = () =>
            cluster.query(`select datacl::text from pg_catalog.pg_database
            union all select nspacl::text from pg_catalog.pg_namespace`)
          const before = [await others(), await rights()]
          expect(await cluster.script(roles)).toEqual([])
          expect((await roleRows(cluster)).at(-1)).toEqual({
            name: 'tenon_login',
            login: true,
            inherit: false,
            powers: '',
            members_of: 'anon, authenticated',
          })
          expect([await others(), await rights()]).toEqual(before)
        }))

      it('is not mistaken for a server that merely has a schema auth', () =>
        situation('create role supabase_auth_admin; create schema auth authorization supabase_auth_admin', async () => {
          await cluster.script(roles)
          expect(await roleRows(cluster)).toHaveLength(4)
        }))
    })

    it('can run in several databases of a server at the same moment, and the login that it makes works', async ({
      skip,
    }) => {
      if (cluster.url === undefined) return skip('PGlite has one connection')
      const { url } = cluster
      await cluster.script(`create role manager createrole login password 'manager'`)
      const names = ['one', 'two', 'three', 'four']
      for (const name of names) await cluster.script(`create database ${name} owner manager`)
      const connect = async (user: string, name: string) => {
        const target = new URL(url)
        target.pathname = `/${name}`
        target.username = target.password = user
        const client = new Client({ connectionString: target.href })
        await client.connect()
        return client
      }
      const managers = await Promise.all(names.map((name) => connect('manager', name)))
      await Promise.all(managers.map((client) => client.query(roles)))
      const [first] = managers
      // On a managed server the host's own step is exactly this.
      await first?.query(`alter role tenon_login password 'tenon_login'`)
      await first?.query('create table secret (); grant select on secret to authenticated, service_role')

      const login = await connect('tenon_login', 'one')
      try {
        expect(await sqlstateOf(login.query('select from secret'))).toBe('42501')
        expect(await sqlstateOf(login.query('create temporary table t ()'))).toBe('42501')
        expect(await sqlstateOf(login.query('create table t ()'))).toBe('42501')
        expect(await sqlstateOf(login.query('set role service_role'))).toBe('42501')
        expect(await sqlstateOf(login.query('set role manager'))).toBe('42501')
        expect(await sqlstateOf(login.query('set role authenticated; select from secret'))).toBe('no error')
      } finally {
        for (const client of [login, ...managers]) await client.end()
      }
    })
  })
})

async function roleRows(cluster: Cluster): Promise<readonly Row[]> {
  return await cluster.query(`
    select rolname as name, rolcanlogin as login, rolinherit as inherit,
      pg_catalog.concat_ws(' ', case when rolsuper then 'superuser' end, case when rolcreatedb then 'createdb' end,
        case when rolcreaterole then 'createrole' end, case when rolbypassrls then 'bypassrls' end,
        case when rolreplication then 'replication' end) as powers,
      (select pg_catalog.string_agg(distinct edge.roleid::pg_catalog.regrole::text, ', ')
       from pg_catalog.pg_auth_members as edge where edge.member = role.oid) as members_of
    from pg_catalog.pg_roles as role
    where rolname in ('anon', 'authenticated', 'service_role', 'tenon_login') order by rolname`)
}

/** The roles that a role may SET, and whether it does not inherit them where that can be told apart (16 and later). */
async function memberships(cluster: Cluster, name: string): Promise<Record<string, unknown>> {
  const rows = await cluster.query(
    `select roleid::pg_catalog.regrole::text as role,
       pg_catalog.bool_or(coalesce((pg_catalog.to_jsonb(edge) ->> 'set_option')::boolean, true))
         and not pg_catalog.bool_or(coalesce((pg_catalog.to_jsonb(edge) ->> 'inherit_option')::boolean, false)) as powerless
     from pg_catalog.pg_auth_members as edge
     where member = $1::pg_catalog.regrole and roleid::pg_catalog.regrole::text in ('anon', 'authenticated')
     group by 1`,
    [name],
  )
  return Object.fromEntries(rows.map((row) => [row['role'], row['powerless']]))
}
