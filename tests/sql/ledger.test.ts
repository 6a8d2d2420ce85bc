/** sql/modules/ledger: the table of applied files, which nobody but its owner reads. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applySql, type Engine, engineKinds, sqlstateOf } from './engines.ts'

describe('sql/modules/ledger/0001_migrations.sql', () => {
  describe.each(engineKinds)('$name', (kind) => {
    if (kind.skip !== undefined) {
      it.skip(kind.skip)
      return
    }
    let engine: Engine
    beforeAll(async () => {
      engine = await kind.open()
      await applySql(engine, ['ledger', 'auth'])
      await engine.script(entry('roles', 'a'.repeat(64)))
    })
    afterAll(() => engine.close())

    const entry = (module: string, sha256: string, schema = '') =>
      `insert into tenon.migrations (module, version, target_schema, id_type, slug, sha256)
       values ('${module}', '0001', '${schema}', '', 'x', '${sha256}')`

    it('keeps one entry per file and schema', async () => {
      await engine.script(entry('projects', 'b'.repeat(64), 'one'))
      await engine.script(entry('projects', 'b'.repeat(64), 'two'))
      expect(await sqlstateOf(engine.script(entry('projects', 'c'.repeat(64), 'two')))).toBe('23505')
    })

    it('refuses what is no hash', async () => {
      expect(await sqlstateOf(engine.script(entry('auth', 'sha256')))).toBe('23514')
    })

    it('is closed to session roles, and stays so by row security if somebody grants on it', async () => {
      const read = () =>
        engine.as({ role: 'authenticated', claims: { sub: 'me' } }, (query) => query('select from tenon.migrations'))
      expect(await sqlstateOf(read())).toBe('42501')
      await engine.script('grant select on tenon.migrations to authenticated')
      expect(await read()).toHaveLength(0)
      await engine.script('alter table tenon.migrations disable row level security')
      expect((await read()).length).toBeGreaterThan(0)
    })
  })
})
