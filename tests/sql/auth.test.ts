/** sql/modules/auth: who the session is. The reference is Supabase's own SQL, asked the same questions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applySql, type Engine, engineKinds, sqlOf, sqlstateOf } from './engines.ts'

// github.com/supabase/auth, migrations 20220224000811 and 20220531120530, in a schema of the test.
const supabaseFunctions = `
create schema supabase;
create function supabase.uid() returns uuid language sql stable as $$
  select
  coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
  )::uuid
$$;
create function supabase.role() returns text language sql stable as $$
  select
  coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
  )::text
$$;
create function supabase.email() returns text language sql stable as $$
  select
  coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email')
  )::text
$$;
create function supabase.jwt() returns jsonb language sql stable as $$
  select
    coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;
grant usage on schema supabase to public;`

const ada = 'a0000000-0000-4000-8000-00000000000a'
const ben = 'b0000000-0000-4000-8000-00000000000b'

type Settings = Readonly<Record<string, string>>
const claims = (text: string): Settings => ({ 'request.jwt.claims': text })

// Settings, and what tenon.subject() says to them ('22P02' is the error). The other four are compared with Supabase's.
const situations: readonly (readonly [what: string, settings: Settings, subject: string | null])[] = [
  ['nothing is set', {}, null],
  ['claims that were used before and are empty now', claims(''), null],
  ['an empty object', claims('{}'), null],
  ['a JSON null', claims('null'), null],
  ['a JSON string', claims('"sub"'), null],
  ['a JSON array', claims('[1]'), null],
  ['no JSON', claims('not json'), '22P02'],
  ['a uuid', claims(JSON.stringify({ sub: ada, role: 'authenticated', email: 'a@example.com', x: [1] })), ada],
  ['a uuid in capitals', claims(JSON.stringify({ sub: ada.toUpperCase() })), ada.toUpperCase()],
  ['an empty subject', claims('{"sub": ""}'), null],
  ['a null subject', claims('{"sub": null}'), null],
  ['a subject that is no uuid', claims('{"sub": "auth0|123"}'), 'auth0|123'],
  ['a number as subject', claims('{"sub": 42}'), '42'],
  [
    'a subject with quotes',
    claims(JSON.stringify({ sub: 'O\'Brien"; drop table x; --' })),
    'O\'Brien"; drop table x; --',
  ],
  ['a duplicate key, where the last counts', claims(`{"sub": "${ben}", "sub": "${ada}"}`), ada],
  [
    'legacy settings beside the claims',
    {
      ...claims(JSON.stringify({ sub: ada, role: 'a', email: 'a@example.com' })),
      'request.jwt.claim.sub': ben,
      'request.jwt.claim.role': 'b',
      'request.jwt.claim.email': 'b@example.com',
      'request.jwt.claim': `{"sub": "${ben}"}`,
    },
    ada,
  ],
  [
    'legacy settings alone',
    { 'request.jwt.claim.sub': ben, 'request.jwt.claim.role': 'b', 'request.jwt.claim': '{}' },
    null,
  ],
  [
    'empty legacy settings beside the claims',
    {
      ...claims(JSON.stringify({ sub: ada, role: 'a' })),
      'request.jwt.claim.sub': '',
      'request.jwt.claim.role': '',
      'request.jwt.claim': '',
    },
    ada,
  ],
  ['a legacy subject that is no uuid', { 'request.jwt.claim.sub': 'x' }, null],
  ['a legacy token that is no JSON', { 'request.jwt.claim': 'x' }, null],
]

describe.each(engineKinds)('$name', (kind) => {
  if (kind.skip !== undefined) {
    it.skip(kind.skip)
    return
  }
  let engine: Engine
  beforeAll(async () => {
    engine = await kind.open()
    await applySql(engine, ['auth'])
    await engine.script(supabaseFunctions)
  })
  afterAll(() => engine.close())

  // The value as text, or the SQLSTATE: both forms must agree in either.
  const ask = async (settings: Settings, call: string, role = 'authenticated') => {
    try {
      const rows = await engine.as({ role, settings: { 'request.jwt.claims': '', ...settings } }, async (query) => {
        // `as` sets the claims itself; here the raw text counts.
        await query(`select pg_catalog.set_config('request.jwt.claims', $1, true)`, [
          settings['request.jwt.claims'] ?? '',
        ])
        return await query(`select ${call}::text as answer`)
      })
      return rows[0]?.['answer']
    } catch (error) {
      return await sqlstateOf(Promise.reject(error))
    }
  }

  describe('sql/modules/auth/0001_subject.sql', () => {
    it.each(situations)('tenon.subject() with %s', async (_, settings, subject) => {
      expect(await ask(settings, 'tenon.subject()')).toBe(subject)
      expect(await ask(settings, 'tenon.subject()', 'anon')).toBe(subject)
    })

    it('is inlined by the planner, and cannot be led astray by a search_path', async () => {
      await engine.script(`create schema evil;
        create function evil.current_setting(text, boolean) returns text language sql return '{"sub": "evil"}'`)
      const rows = await engine.as({ role: 'authenticated', claims: { sub: 'me' } }, async (query) => {
        await query('set local search_path to evil, pg_catalog')
        return [
          ...(await query('select tenon.subject() as answer')),
          ...(await query('explain (verbose, costs off) select tenon.subject()')),
        ]
      })
      expect(rows[0]).toEqual({ answer: 'me' })
      expect(JSON.stringify(rows)).toContain('current_setting')
      expect(JSON.stringify(rows)).not.toContain('tenon.subject()')
    })
  })

  describe('sql/modules/auth/0002_auth.sql', () => {
    it.each(situations)("answers as Supabase's functions do with %s", async (_, settings) => {
      const answers = async (schema: string) => ({
        uid: await ask(settings, `${schema}.uid()`),
        role: await ask(settings, `${schema}.role()`),
        email: await ask(settings, `${schema}.email()`),
        jwt: await ask(settings, `${schema}.jwt()`),
      })
      expect(await answers('auth')).toEqual(await answers('supabase'))
    })

    it('asks questions that have different answers', async () => {
      const answers = await Promise.all(situations.map(() => undefined))
      for (const [index, [, settings]] of situations.entries())
        answers[index] = (await ask(settings, 'auth.uid()')) as undefined
      expect(new Set(answers)).toEqual(new Set([null, '22P02', ada, ben]))
    })

    it('refuses to replace a function of the host', async () => {
      expect(await sqlstateOf(engine.script(sqlOf('auth', '0002')))).toBe('42723')
    })

    it('leaves the schema alone where Supabase owns it', async () => {
      const owner = `${engine.loginName}_supabase`
      // Under its real name the role would disturb the other test files of the server, so the file is given another one.
      const file = sqlOf('auth', '0002').replaceAll('supabase_auth_admin', owner)
      await engine.script(
        `begin; create role ${owner}; drop schema auth cascade; create schema auth authorization ${owner}`,
      )
      try {
        await engine.script(file)
        expect(
          await engine.admin(
            `select proname from pg_catalog.pg_proc where pronamespace = 'auth'::pg_catalog.regnamespace`,
          ),
        ).toEqual([])
        await engine.script('alter schema auth owner to current_user')
        await engine.script(file)
        expect(
          await engine.admin(
            `select proname from pg_catalog.pg_proc where pronamespace = 'auth'::pg_catalog.regnamespace`,
          ),
        ).toHaveLength(4)
      } finally {
        await engine.script('rollback')
      }
    })
  })
})
