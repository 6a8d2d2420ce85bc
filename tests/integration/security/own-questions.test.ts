import { Client } from 'pg'
import { expect, it } from 'vitest'
import { checks } from '../../../src/generated/checks.ts'
import { createDatabase } from '../../../src/index.ts'
import { metadataFormat } from '../../../src/kernel/metadata.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'

interface Tables {
  every: { moods: string[] }
}

/** Every operator that the catalogs' types do not have exactly, and that would therefore be taken before the server's nearest one. */
const traps = `
create function trap_text(anyelement) returns text language plpgsql as $$ begin raise exception 'trapped'; end $$;
do $do$
declare
  types constant text[] := array['oid', 'integer', 'bigint', 'smallint', 'name', 'text', '"char"', 'boolean', 'smallint[]', 'oid[]',
    'text[]', 'name[]', 'jsonb', 'varchar', 'regtype', 'regclass', 'regproc'];
  operators constant text[] := array['=', '<>', '<', '>', '||', '~', '!~', '~~', '->', '->>'];
  l text; r text; o text; result text; made integer := 0;
begin
  foreach l in array types loop
    foreach r in array types loop
      foreach o in array operators loop
        result := case when o in ('||', '->', '->>') then 'text' else 'boolean' end;
        if to_regoperator(format('pg_catalog.%s(%s, %s)', o, l, r)) is null then
          execute format('create or replace function public.trap_%s(%s, %s) returns %1$s language plpgsql as
            ''begin raise exception ''''trapped''''; end''', result, l, r);
          execute format('create operator public.%s (leftarg = %s, rightarg = %s, function = public.trap_%s)', o, l, r, result);
          made := made + 1;
        end if;
      end loop;
    end loop;
  end loop;
  if made < 1000 then raise exception 'only % traps', made; end if;
end $do$`

it('no operator of the search_path runs in what the library itself asks', { timeout: 60_000 }, async () => {
  await using place = await createTestDatabase()
  await using login = await createLogin(place)
  const admin = new Client(place.adminUrl)
  await admin.connect()
  await admin.query(
    "create type mood as enum ('sad'); create table every (moods mood[]); insert into every values ('{sad}'); grant select on every to public",
  )
  await admin.query(traps)
  // The control: the same questions under the path of the login walk into the trap.
  await expect(admin.query(checks.login, ['{anon}', '{lower}', '{similarity}'])).rejects.toThrow('trapped')
  await expect(admin.query(checks.types, ['{public.mood}', false, '{}'])).rejects.toThrow('trapped')
  await admin.end()

  const parsers = { int8: 'string', numeric: 'string', date: 'string', timestamp: 'string' } as const
  const none = {
    format: metadataFormat,
    camelCase: false,
    roles: [],
    enums: {},
    domains: {},
    composites: {},
    ranges: {},
    tables: {},
    functions: {},
  }
  const connection = { connection: login.url, service: { connection: login.url } }
  await using db = createDatabase<Tables>({
    ...connection,
    metadata: { ...none, parsers, arrays: ['public.mood'] },
  })
  const session = db.session({ role: 'authenticated', claims: { sub: '1' } })
  expect(await session.selectFrom('every').selectAll().execute()).toEqual([{ moods: ['sad'] }])
  const service = db.service({ actor: 'test', reason: 'traps' })
  expect(await service.selectFrom('every').selectAll().execute()).toEqual([{ moods: ['sad'] }])
})
