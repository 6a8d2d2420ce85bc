/** sql/modules/restrict-set-config: SQL that reaches a session cannot give itself other claims by a function call. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applySql, type Engine, engineKinds, sqlOf, sqlstateOf } from './engines.ts'

describe('sql/modules/restrict-set-config/0001_set_config.sql', () => {
  describe.each(engineKinds)('$name', (kind) => {
    if (kind.skip !== undefined) {
      it.skip(kind.skip)
      return
    }
    let engine: Engine
    beforeAll(async () => {
      engine = await kind.open()
      await applySql(engine, ['roles', 'auth'])
    })
    afterAll(() => engine.close())

    const impersonate = async () => {
      const rows = await engine.as({ role: 'authenticated', claims: { sub: 'me' } }, (query) =>
        query(
          `select pg_catalog.set_config('request.jwt.claims', '{"sub": "victim"}', true), tenon.subject() as subject`,
        ),
      )
      return rows[0]?.['subject']
    }

    it('fails without a superuser, although the server itself would only warn', async () => {
      await engine.script(`begin; create role ${engine.loginName}_plain; set local role ${engine.loginName}_plain`)
      expect(await sqlstateOf(engine.script(sqlOf('restrict-set-config', '0001')))).toBe('42501')
    })

    it('keeps a session from speaking for another, which it could before', async () => {
      expect(await impersonate()).toBe('victim')
      await applySql(engine, ['restrict-set-config'])
      // A login other than tenon_login needs the grant that the header names.
      expect(await sqlstateOf(impersonate())).toBe('42501')
      await engine.script(`grant execute on function pg_catalog.set_config(text, text, boolean) to ${engine.loginName}`)
      const subject = await engine.as({ role: 'authenticated', claims: { sub: 'me' } }, (query) =>
        query('select tenon.subject() as subject'),
      )
      expect(subject).toEqual([{ subject: 'me' }])
      expect(await sqlstateOf(impersonate())).toBe('42501')
      const [may] = await engine.admin(
        `select pg_catalog.has_function_privilege('tenon_login', 'pg_catalog.set_config(text, text, boolean)', 'execute') as may`,
      )
      expect(may).toEqual({ may: true })
    })
  })
})
