/**
 * What every table with one owner per row must hold, whichever table it is: visibility, refusals, grants and plan.
 * Each isolation claim has a control that opens the table and sees the same question answered otherwise.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SqlModuleName } from '../../src/generated/modules.ts'
import type { IdentityType } from '../../src/migrate/placeholders.ts'
import { applySql, type Engine, engineKinds, sqlstateOf } from './engines.ts'

/** A table to judge. */
export interface OwnedTable {
  readonly table: string
  /** The column of the policy. */
  readonly owner: string
  readonly module: SqlModuleName
  /** SQL that makes sure the owner `$1` has exactly one row; `:"schema"` is not filled, `%s` is the schema. */
  readonly insert: string
  /** A column that an owner may change, and a value for it as a SQL literal. */
  readonly change: readonly [column: string, literal: string]
}

interface People {
  readonly id: IdentityType
  readonly schema: string
  readonly ada: string
  readonly ben: string
}

const identities: readonly People[] = [
  {
    id: 'uuid',
    schema: 'with_uuid',
    ada: 'a0000000-0000-4000-8000-00000000000a',
    ben: 'b0000000-0000-4000-8000-00000000000b',
  },
  { id: 'text', schema: 'with_text', ada: 'auth0|ada', ben: "auth0|O'Ben" },
  { id: 'bigint', schema: 'with_bigint', ada: '9007199254740993', ben: '9007199254740994' },
]

/** Describes the table on every engine, for every type of identity. */
export function describeOwnedTable(owned: OwnedTable): void {
  describe.each(engineKinds)('$name', (kind) => {
    if (kind.skip !== undefined) {
      it.skip(kind.skip)
      return
    }
    let engine: Engine
    beforeAll(async () => {
      engine = await kind.open()
      for (const { id, schema } of identities) await applySql(engine, [owned.module], schema, id)
    })
    afterAll(() => engine.close())

    describe.each(identities)('$id identities', (people) => {
      const { schema, ada, ben } = people
      const table = `"${schema}".${owned.table}`
      const as = (sub: string | undefined, text: string, values: readonly unknown[] = []) =>
        engine.as({ role: 'authenticated', claims: sub === undefined ? undefined : { sub } }, (query) =>
          query(text, values),
        )
      const insertFor = (caller: string, owner: string) => as(caller, owned.insert.replaceAll('%s', schema), [owner])
      const owners = async (sub: string | undefined) =>
        (await as(sub, `select distinct ${owned.owner}::text as owner from ${table} order by 1`)).map(
          (row) => row['owner'],
        )

      beforeAll(async () => {
        await insertFor(ada, ada)
        await insertFor(ben, ben)
      })

      it('shows a user only the own rows, and without row security it would show all', async () => {
        expect(await owners(ada)).toEqual([ada])
        expect(await owners(ben)).toEqual([ben])
        await engine.script(`alter table ${table} disable row level security`)
        try {
          expect(await owners(ada)).toEqual([ada, ben].sort())
        } finally {
          await engine.script(`alter table ${table} enable row level security`)
        }
      })

      it('shows nothing to an anonymous caller, whatever the claims say, and to a user without a subject', async () => {
        const anonymous = (claims: unknown) =>
          engine.as({ role: 'anon', claims }, (query) => query(`select from ${table}`))
        expect(await anonymous(undefined)).toHaveLength(0)
        expect(await anonymous({ sub: ada })).toHaveLength(0)
        expect(await owners(undefined)).toEqual([])
        expect(await owners('')).toEqual([])
      })

      it('is not fooled by a stale legacy setting', async () => {
        const rows = await engine.as(
          { role: 'authenticated', claims: { sub: ada }, settings: { 'request.jwt.claim.sub': ben } },
          (query) => query(`select distinct ${owned.owner}::text as owner from ${table}`),
        )
        expect(rows).toEqual([{ owner: ada }])
      })

      it('refuses a row in the name of somebody else, and an own row given away', async () => {
        expect(await sqlstateOf(insertFor(ada, ben))).toBe('42501')
        expect(await sqlstateOf(as(ada, `update ${table} set ${owned.owner} = $1`, [ben]))).toBe('42501')
        expect(await owners(ben)).toEqual([ben])
      })

      it('changes and deletes nothing of somebody else', async () => {
        const [column, literal] = owned.change
        const changed = await as(
          ada,
          `update ${table} set ${column} = ${literal} returning ${owned.owner}::text as owner`,
        )
        expect(new Set(changed.map((row) => row['owner']))).toEqual(new Set([ada]))
        expect(await as(ada, `delete from ${table} where ${owned.owner} = $1 returning 1 as one`, [ben])).toEqual([])
        expect(await owners(ben)).toEqual([ben])
      })

      it('lets nobody truncate, reference or attach triggers, whatever the default privileges were', async () => {
        expect(await sqlstateOf(as(ada, `truncate ${table}`))).toBe('42501')
        expect(await privileges(engine, schema, owned.table)).toEqual({
          anon: 'SELECT',
          authenticated: 'DELETE INSERT SELECT UPDATE',
          service_role: 'DELETE INSERT SELECT UPDATE',
        })
      })

      it('lets service_role see all rows without BYPASSRLS, by its policy alone', async () => {
        // A member has the policies of service_role and never its attribute; altering the role would disturb other files.
        const clerk = `${engine.loginName}_clerk`
        await engine.script(`begin; create role ${clerk}; grant service_role to ${clerk}; set local role ${clerk}`)
        const seen = async () => (await engine.admin(`select distinct ${owned.owner} from ${table}`)).length
        try {
          expect(await seen()).toBe(2)
          await engine.script(
            `reset role; drop policy ${owned.table}_service_role_policy on ${table}; set local role ${clerk}`,
          )
          expect(await seen()).toBe(0)
        } finally {
          await engine.script('rollback')
        }
      })

      it('finds the rows of a user by an index on the column of the policy', async () => {
        const plan = await engine.as({ role: 'authenticated', claims: { sub: ada } }, async (query) => {
          await query('set local enable_seqscan to off')
          return await query(`explain (costs off) select * from ${table}`)
        })
        const text = plan.map((row) => String(row['QUERY PLAN'])).join('\n')
        expect(text).toMatch(new RegExp(`Index Cond: \\(${owned.owner} = `))
        expect(text).toContain('InitPlan')
      })
    })

    it.each([
      ['uuid', 'with_uuid', 'auth0|ada'],
      ['uuid', 'with_uuid', "' or true --"],
      ['bigint', 'with_bigint', 'a0000000-0000-4000-8000-00000000000a'],
    ])('fails clearly for %s identities and a subject of another form (%#)', async (_, schema, sub) => {
      const rows = engine.as({ role: 'authenticated', claims: { sub } }, (query) =>
        query(`select from "${schema}".${owned.table}`),
      )
      expect(await sqlstateOf(rows)).toBe('22P02')
    })

    it('has row security, comments, and names that follow the house rule', async () => {
      const [about] = await engine.admin(
        `select relrowsecurity as secured, pg_catalog.obj_description(oid, 'pg_class') is not null as commented
         from pg_catalog.pg_class where oid = $1::pg_catalog.regclass`,
        [`with_uuid.${owned.table}`],
      )
      expect(about).toEqual({ secured: true, commented: true })
      const names = await engine.admin(
        `select conname as name from pg_catalog.pg_constraint where conrelid = $1::pg_catalog.regclass and contype <> 'n'
         union select polname from pg_catalog.pg_policy where polrelid = $1::pg_catalog.regclass
         union select indexrelid::pg_catalog.regclass::text from pg_catalog.pg_index where indrelid = $1::pg_catalog.regclass`,
        [`with_uuid.${owned.table}`],
      )
      expect(names.length).toBeGreaterThan(2)
      for (const { name } of names) {
        expect(name).toMatch(new RegExp(`^(with_uuid\\.)?${owned.table}_([a-z_]+_)?(pkey|key|fkey|check|idx|policy)$`))
      }
    })

    it('refuses to replace a table of the host', async () => {
      await engine.script(
        `create schema taken; create table taken.${owned.table} (precious int); insert into taken.${owned.table} values (1)`,
      )
      expect(await sqlstateOf(applySql(engine, [owned.module], 'taken'))).toBe('42P07')
      expect(await engine.admin(`select * from taken.${owned.table}`)).toEqual([{ precious: 1 }])
    })

    it('takes back what generous default privileges gave', async () => {
      await engine.script(`create schema generous;
        alter default privileges in schema generous grant all on tables to anon, authenticated, service_role;
        alter default privileges in schema generous grant all on sequences to anon, authenticated, service_role;
        create table generous.control ()`)
      await applySql(engine, [owned.module], 'generous')
      expect((await privileges(engine, 'generous', 'control')).anon).toContain('TRUNCATE')
      expect(await privileges(engine, 'generous', owned.table)).toEqual(
        await privileges(engine, 'with_uuid', owned.table),
      )
      const sequences = await engine.admin(
        `select relname from pg_catalog.pg_class
         where relnamespace = 'generous'::pg_catalog.regnamespace and relkind = 'S' and relacl::text like '%anon=%'`,
      )
      expect(sequences).toEqual([])
    })
  })
}

async function privileges(engine: Engine, schema: string, table: string): Promise<Record<string, unknown>> {
  const rows = await engine.admin(
    `select grantee::pg_catalog.regrole::text as grantee, pg_catalog.string_agg(privilege_type, ' ' order by privilege_type) as list
     from pg_catalog.pg_class, lateral pg_catalog.aclexplode(relacl)
     where oid = pg_catalog.format('%I.%I', $1::text, $2::text)::pg_catalog.regclass and grantee <> relowner
     group by 1`,
    [schema, table],
  )
  return Object.fromEntries(rows.map((row) => [row['grantee'], row['list']]))
}
