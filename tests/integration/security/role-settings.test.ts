/**
 * ALTER ROLE … SET: PostgreSQL applies it when a role logs in and never at SET ROLE, so sessions apply it themselves, to the
 * role it was given to and to no other. Roles are the server's, so these have names of this run.
 */
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Database } from '../../../src/index.ts'
import { connectNaively, oneSync } from '../../support/naive-session.ts'
import {
  embedded,
  type Ground,
  type GroundKind,
  powerlessLogin,
  type TwoTenants,
  trustedSuperuser,
} from '../../support/two-tenants.ts'

const settingsOf = async (me: Kysely<TwoTenants>) => {
  const { rows } = await sql<Record<string, string>>`select
    current_setting('statement_timeout') as statement_timeout,
    current_setting('work_mem') as work_mem,
    current_setting('search_path') as search_path,
    current_setting('transaction_read_only') as read_only,
    current_setting('transaction_isolation') as isolation,
    coalesce(current_setting('app.plan', true), '') as plan`.execute(me)
  return rows[0]
}

describe.each([powerlessLogin, embedded] satisfies readonly GroundKind[])(
  'The settings of a role, on $name',
  (kind) => {
    let ground: Ground
    let db: Database<TwoTenants>
    let slow: string
    let plain: string
    let login: string
    beforeAll(async () => {
      ground = await kind.open()
      const prefix = `${inject('servers').prefix}${kind.isEmbedded ? 'e' : 's'}_`
      ;[slow, plain] = [`${prefix}slow`, `${prefix}plain`]
      const [row] = await ground.as('ada').selectFrom('identity').select('login').execute()
      login = row?.login ?? ''
      const [here] = await ground.admin('select current_database() as name')
      const statements = [
        `create role ${slow} nologin`,
        `create role ${plain} nologin`,
        `grant ${slow}, ${plain} to "${login}"`,
        `grant select, insert on note to ${slow}, ${plain}`,
        `create policy note_any_policy on note to ${slow}, ${plain} using (true) with check (true)`,
        'create schema elsewhere',
        `grant usage on schema elsewhere to ${slow}, ${plain}`,
        `create view elsewhere.place as select 'elsewhere'::text as name`,
        `grant select on elsewhere.place to ${slow}, ${plain}`,
        `alter role ${slow} set statement_timeout = '1h'`,
        `alter role ${slow} in database "${here?.name}" set statement_timeout = '250ms'`,
        `alter role ${slow} set work_mem = '5MB'`,
        `alter role ${slow} set search_path = elsewhere, public`,
        `alter role ${slow} set default_transaction_read_only = on`,
        `alter role ${slow} set default_transaction_isolation = 'repeatable read'`,
        `alter role ${slow} set app.plan = 'small'`,
        // What a member of the role may write for itself must not speak for a session.
        `alter role ${slow} set "request.jwt.claims" = '{"sub":"ben"}'`,
        `alter role ${slow} set "tenon.actor" = 'nobody'`,
        `alter role ${slow} set "app.tenant_id" = 'acme'`,
        `alter role ${slow} set role = 'postgres'`,
      ]
      for (const statement of statements) await ground.admin(statement)
      db = ground.open({ roles: [slow, plain, 'tenant_member', 'tenant_guest'] })
    })
    afterAll(async () => {
      await db.close()
      for (const role of [slow, plain]) await ground.admin(`drop owned by ${role}`)
      for (const role of [slow, plain]) await ground.admin(`drop role ${role}`)
      await ground.close()
    })

    const ofSlow = {
      statement_timeout: '250ms',
      work_mem: '5MB',
      search_path: 'elsewhere, public, pg_temp',
      read_only: 'on',
      isolation: 'repeatable read',
      plan: 'small',
    }

    it('are applied to its sessions: to a query, a batch, a transaction and a stream', async () => {
      const me = db.session({ role: slow })
      expect(await settingsOf(me)).toEqual(ofSlow)
      expect(await me.transaction((trx) => settingsOf(trx))).toEqual(ofSlow)
      const [{ rows }] = await me.batch([
        sql<{ level: string }>`select current_setting('transaction_isolation') as level`,
      ])
      expect(rows).toEqual([{ level: 'repeatable read' }])
      for await (const row of me.selectFrom('note').select(sql`current_setting('work_mem')`.as('memory')).stream(1)) {
        expect(row).toEqual({ memory: '5MB' })
      }
      expect(
        await me
          .withSchema('elsewhere')
          .selectFrom('place' as 'note')
          .selectAll()
          .execute(),
      ).toEqual([{ name: 'elsewhere' }])
      const { rows: places } = await sql`select name from place`.execute(me)
      expect(places).toEqual([{ name: 'elsewhere' }])
    })

    it('are not applied to the sessions of another role, before or after', async () => {
      const plainly = await settingsOf(db.session({ role: plain }))
      await settingsOf(db.session({ role: slow }))
      expect(await settingsOf(db.session({ role: plain }))).toEqual(plainly)
      expect(plainly).toMatchObject({
        work_mem: '4MB',
        read_only: 'off',
        isolation: 'read committed',
        plan: '',
        statement_timeout: '0',
      })
    })

    it('do not speak for the identity of a session', async () => {
      const me = db.session({ role: slow, claims: { sub: 'ada' } })
      const [row] = await me.selectFrom('identity').select(['role', 'claims', 'tenant', 'actor']).execute()
      expect(row).toEqual({ role: slow, claims: JSON.stringify({ sub: 'ada', role: slow }), tenant: '', actor: '' })
    })

    it('refuse a write where the role is read only, and let an option of the transaction say otherwise', async () => {
      const me = db.session({ role: slow })
      const write = (executor: Kysely<TwoTenants>) =>
        executor.insertInto('note').values({ owner: 'ada', body: 'written' }).execute()
      await expect(write(me)).rejects.toMatchObject({ code: 'TRANSACTION_READ_ONLY' })
      const written = me.transaction({ accessMode: 'read write' }, (trx) => write(trx))
      await expect(written).resolves.toBeDefined()
    })

    it('of another role do not undo the access mode of a transaction', async () => {
      const me = db.session({ role: plain })
      const mode = await me.transaction(
        { accessMode: 'read only' },
        async (trx) => (await settingsOf(trx))?.['read_only'],
      )
      expect(mode).toBe('on')
    })

    it('give way to what a session says itself', async () => {
      const me = db.session({
        role: slow,
        statementTimeoutMs: 4_000,
        searchPath: ['public'],
        settings: { work_mem: '6MB' },
      })
      expect(await settingsOf(me)).toMatchObject({
        statement_timeout: '4s',
        search_path: '"public", pg_temp',
        work_mem: '6MB',
      })
    })

    it.skipIf(kind.isEmbedded)(
      'end a statement that takes longer than the role may (not embedded: PGlite has no timeouts)',
      async () => {
        const asleep = sql`select pg_sleep(5)`.execute(db.session({ role: slow }))
        await expect(asleep).rejects.toMatchObject({ code: 'TIMEOUT_STATEMENT' })
      },
    )

    it.skipIf(kind.isEmbedded)(
      'as a control, are not applied by setting the role alone (not embedded: it takes a second connection, so the runs on a server do it)',
      async () => {
        const server = await trustedSuperuser.open()
        const client = await connectNaively(server.adminUrl ?? '')
        const [rows] = await oneSync(client, { role: slow }, { text: `select current_setting('work_mem') as memory` })
        await client.end()
        await server.close()
        expect(rows).toEqual([{ memory: '4MB' }])
      },
    )
  },
)
