/** sql/modules/timestamps: the trigger function that keeps updated_at current. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applySql, type Engine, engineKinds, sqlstateOf } from './engines.ts'

describe('sql/modules/timestamps/0001_update_modified_column.sql', () => {
  describe.each(engineKinds)('$name', (kind) => {
    if (kind.skip !== undefined) {
      it.skip(kind.skip)
      return
    }
    let engine: Engine
    beforeAll(async () => {
      engine = await kind.open()
      await applySql(engine, ['timestamps'])
    })
    afterAll(() => engine.close())

    const makeTable = (name: string, column: string, condition = '') =>
      engine.script(`
        create table ${name} (body text, ${column} timestamptz);
        insert into ${name} values ('a', '2001-01-01');
        create trigger keep before update on ${name} for each row ${condition} execute function tenon.update_modified_column()`)
    const age = async (name: string) =>
      (await engine.admin(`select updated_at = '2001-01-01' as old, updated_at <= now() as past from ${name}`))[0]

    it('sets updated_at to now, whatever the UPDATE says', async () => {
      await makeTable('note', 'updated_at')
      await engine.script(`update note set body = 'b', updated_at = '2999-01-01'`)
      expect(await age('note')).toEqual({ old: false, past: true })
    })

    it('leaves an unchanged row alone when attached with the condition of its header', async () => {
      await makeTable('quiet', 'updated_at', 'when (old.* is distinct from new.*)')
      await engine.script(`update quiet set body = 'a'`)
      expect(await age('quiet')).toEqual({ old: true, past: true })
      await engine.script(`update quiet set body = 'b'`)
      expect(await age('quiet')).toEqual({ old: false, past: true })
    })

    it('fails the UPDATE of a table without the column', async () => {
      await makeTable('bare', 'changed_at')
      expect(await sqlstateOf(engine.script(`update bare set body = 'b'`))).toBe('42703')
    })

    it("is not led astray by a function of the caller's schema, as the document's form is", async () => {
      await makeTable('target', 'updated_at')
      await engine.script(`
        create schema evil; create function evil.now() returns timestamptz language sql return '1999-01-01'::timestamptz;
        create function naive() returns trigger language plpgsql as $$ begin new.updated_at = now(); return new; end $$;
        create table victim (like target); insert into victim values ('a', '2001-01-01');
        create trigger keep before update on victim for each row execute function naive();
        begin; set local search_path to evil, pg_catalog, public;
        update target set body = 'b'; update victim set body = 'b'; commit`)
      const year = async (name: string) =>
        (await engine.admin(`select extract(year from updated_at)::int as year from ${name}`))[0]?.['year']
      expect(await year('target')).toBeGreaterThan(2024)
      expect(await year('victim')).toBe(1999)
    })

    it('refuses to replace a function of the host', async () => {
      expect(await sqlstateOf(applySql({ script: engine.script }, ['timestamps']))).toBe('42723')
    })
  })
})
