/** sql/modules/activity: profiles, user_activities, and the score that is computed from them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applySql, type Engine, engineKinds, sqlstateOf } from './engines.ts'
import { describeOwnedTable } from './owned-table.ts'

const ada = 'a0000000-0000-4000-8000-00000000000a'
const ben = 'b0000000-0000-4000-8000-00000000000b'

// As the team wrote it, to the letter.
const documentsFunction = `
CREATE OR REPLACE FUNCTION calculate_activity_score(user_id UUID)
RETURNS NUMERIC AS $$
DECLARE
    score NUMERIC;
BEGIN
    SELECT COUNT(id) * 10 + SUM(CASE WHEN completed THEN 20 ELSE 0 END)
    INTO score
    FROM user_activities
    WHERE user_id = $1 AND created_at > NOW() - INTERVAL '30 days';
    
    RETURN COALESCE(score, 0);
END;
$$ LANGUAGE plpgsql;`

describe('sql/modules/activity/0001_profiles.sql', () => {
  describeOwnedTable({
    table: 'profiles',
    owner: 'user_id',
    module: 'activity',
    insert: `insert into "%s".profiles (user_id, display_name) values ($1, 'A') on conflict do nothing`,
    change: ['display_name', "'B'"],
  })
})

describe('sql/modules/activity/0002_user_activities.sql', () => {
  describeOwnedTable({
    table: 'user_activities',
    owner: 'user_id',
    module: 'activity',
    // Profile and activity in one statement; the foreign key is checked at its end.
    insert: `with profile as (insert into "%s".profiles (user_id, display_name) values ($1, 'A') on conflict do nothing)
      insert into "%s".user_activities (user_id, kind) values ($1, 'read')`,
    change: ['completed', 'true'],
  })
})

describe('sql/modules/activity/0003_calculate_activity_score.sql', () => {
  describe.each(engineKinds)('$name', (kind) => {
    if (kind.skip !== undefined) {
      it.skip(kind.skip)
      return
    }
    let engine: Engine
    beforeAll(async () => {
      engine = await kind.open()
      await applySql(engine, ['activity'])
      await engine.script(`
        insert into public.profiles (user_id, display_name) values ('${ada}', 'Ada'), ('${ben}', 'Ben');
        insert into public.user_activities (user_id, kind, completed, created_at) values
          ('${ada}', 'a', true, now()), ('${ada}', 'b', false, now() - interval '29 days'), ('${ada}', 'c', true, now() - interval '10 days'),
          ('${ada}', 'old', true, now() - interval '31 days'), ('${ben}', 'other', true, now())`)
    })
    afterAll(() => engine.close())

    // Two of Ada's three recent activities are completed.
    const adasScore = 3 * 10 + 2 * 20

    const scoreFor = (role: string, sub: string | undefined, user: string) =>
      engine.as({ role, claims: sub === undefined ? undefined : { sub } }, async (query) => {
        const [row] = await query('select calculate_activity_score(user_id => $1)::text as score', [user])
        return row?.['score']
      })

    it('gives the number that the description gives by hand', async () => {
      expect(await scoreFor('authenticated', ada, ada)).toBe(String(adasScore))
      expect(await scoreFor('service_role', undefined, ben)).toBe('30')
    })

    it('is 0, not null, where there is nothing to count', async () => {
      expect(await scoreFor('authenticated', ada, 'c0000000-0000-4000-8000-00000000000c')).toBe('0')
    })

    it("is 0 for somebody else's activities, and with the owner's rights it would not be", async () => {
      expect(await scoreFor('authenticated', ada, ben)).toBe('0')
      await engine.script('alter function public.calculate_activity_score(uuid) security definer')
      try {
        expect(await scoreFor('authenticated', ada, ben)).toBe('30')
      } finally {
        await engine.script('alter function public.calculate_activity_score(uuid) security invoker')
      }
    })

    it('may not be called anonymously', async () => {
      expect(await sqlstateOf(scoreFor('anon', undefined, ada))).toBe('42501')
    })

    it('has the signature of the document and pins its search_path', async () => {
      const [about] = await engine.admin(
        `select pg_catalog.pg_get_function_arguments(oid) as arguments, pg_catalog.pg_get_function_result(oid) as result,
           proconfig::text as settings, prosecdef as definer
         from pg_catalog.pg_proc where oid = 'public.calculate_activity_score'::pg_catalog.regproc`,
      )
      expect(about).toEqual({
        arguments: 'user_id uuid',
        result: 'numeric',
        settings: '{"search_path=\\"\\""}',
        definer: false,
      })
    })

    it("computes what the document's body meant, which itself fails: user_id is its parameter and a column", async () => {
      const numbers = async () =>
        (
          await engine.admin(`select ours.score::text as ours, documents.score::text as documents
          from (select public.calculate_activity_score('${ada}') as score) as ours,
            (select documents.calculate_activity_score('${ada}') as score) as documents`)
        )[0]
      const inDocuments = (text: string) =>
        `create schema if not exists documents; set search_path to documents, public; ${text}; reset search_path`
      await engine.script(inDocuments(documentsFunction))
      expect(await sqlstateOf(numbers())).toBe('42702')
      // The only change is the directive that takes the column: the parameter is $1 in the document anyway.
      await engine.script(inDocuments(documentsFunction.replace('DECLARE', '#variable_conflict use_column\nDECLARE')))
      await engine.script('alter function documents.calculate_activity_score(uuid) set search_path to public')
      expect(await numbers()).toEqual({ ours: String(adasScore), documents: String(adasScore) })
    })

    it.each([
      ['text', 'auth0|ada'],
      ['bigint', '9007199254740993'],
    ] as const)('takes %s identities', async (id, user) => {
      await applySql(engine, ['activity'], `with_${id}`, id)
      const score = await engine.as({ role: 'authenticated', claims: { sub: user } }, async (query) => {
        await query(`insert into with_${id}.profiles (display_name) values ('A')`)
        await query(`insert into with_${id}.user_activities (kind, completed) values ('a', true)`)
        return await query(`select with_${id}.calculate_activity_score($1)::text as score`, [user])
      })
      expect(score).toEqual([{ score: '30' }])
    })
  })
})
