/** sql/modules/projects: the table, and the document's JSON query on it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applySql, type Engine, engineKinds, sqlstateOf } from './engines.ts'
import { describeOwnedTable } from './owned-table.ts'

describe('sql/modules/projects/0001_projects.sql', () => {
  describeOwnedTable({
    table: 'projects',
    owner: 'owner_id',
    module: 'projects',
    insert: `insert into "%s".projects (owner_id, name, slug) values ($1, 'A', 'a')`,
    change: ['name', "'B'"],
  })

  describe.each(engineKinds)('on $name', (kind) => {
    if (kind.skip !== undefined) {
      it.skip(kind.skip)
      return
    }
    const ada = 'a0000000-0000-4000-8000-00000000000a'
    const ben = 'b0000000-0000-4000-8000-00000000000b'
    let engine: Engine
    const insert = (sub: string, slug: string, metadata: unknown = {}) =>
      engine.as({ role: 'authenticated', claims: { sub } }, (query) =>
        // No owner_id: the default is the caller.
        query('insert into projects (name, slug, metadata) values ($1, $1, $2)', [slug, JSON.stringify(metadata)]),
      )

    beforeAll(async () => {
      engine = await kind.open()
      await applySql(engine, ['projects'])
      await insert(ada, 'high', { tags: ['important', 'x'], priority: 4 })
      await insert(ada, 'low', { tags: ['important'], priority: 3 })
      await insert(ada, 'text', { tags: ['important'], priority: '9' })
      await insert(ada, 'word', { tags: ['important'], priority: 'high' })
      await insert(ada, 'object', { tags: { important: true }, priority: { value: 9 } })
      await insert(ada, 'untagged', { priority: 9 })
      await insert(ben, 'foreign', { tags: ['important'], priority: 9 })
    })
    afterAll(() => engine.close())

    const find = (where: string) =>
      engine.as({ role: 'authenticated', claims: { sub: ada } }, async (query) =>
        (await query(`select slug from projects where ${where} order by slug`)).map((row) => row['slug']),
      )

    it('answers the query of the document, with the number compared as a number', async () => {
      expect(await find(`metadata -> 'tags' ? 'important' and metadata @@ '$.priority > 3'`)).toEqual(['high'])
      expect(await find(`metadata -> 'tags' ? 'important'`)).toEqual(['high', 'low', 'object', 'text', 'word'])
    })

    it('shows why: the cast of the document fails on the first word', async () => {
      const cast = find(`metadata -> 'tags' ? 'important' and cast(metadata ->> 'priority' as integer) > 3`)
      expect(await sqlstateOf(cast)).toBe('22P02')
    })

    it('uses the two GIN indexes for a role that bypasses row security, and not under it', async () => {
      const planFor = async (role: string, where: string) =>
        await engine.admin('begin').then(async () => {
          try {
            await engine.script(`set local enable_seqscan to off; set local role ${role}`)
            const rows = await engine.admin(`explain (costs off) select * from public.projects where ${where}`)
            return rows.map((row) => String(row['QUERY PLAN'])).join('\n')
          } finally {
            await engine.script('rollback')
          }
        })
      expect(await planFor('postgres', `metadata -> 'tags' ? 'important'`)).toContain('projects_metadata_tags_idx')
      expect(await planFor('postgres', `metadata @> '{"priority": 4}'`)).toContain('projects_metadata_idx')
      expect(await planFor('authenticated', `metadata @> '{"priority": 4}'`)).not.toContain('projects_metadata_idx')
    })

    it('has a partial index for the list of active projects', async () => {
      const plan = await engine.as({ role: 'authenticated', claims: { sub: ada } }, async (query) => {
        await query('set local enable_seqscan to off')
        await query('set local enable_sort to off')
        return await query(
          `explain (costs off) select slug from projects where status = 'active' order by updated_at desc`,
        )
      })
      expect(plan.map((row) => row['QUERY PLAN']).join('\n')).toContain('projects_owner_id_updated_at_idx')
    })

    it('lets two owners use one slug, and one owner not twice', async () => {
      await insert(ada, 'shared')
      await insert(ben, 'shared')
      const twice = insert(ada, 'shared')
      await expect(twice).rejects.toMatchObject({ code: '23505', constraint: 'projects_slug_key' })
    })

    it('refuses an unknown status', async () => {
      const update = engine.as({ role: 'authenticated', claims: { sub: ada } }, (query) =>
        query(`update projects set status = 'lost'`),
      )
      await expect(update).rejects.toMatchObject({ code: '23514', constraint: 'projects_status_check' })
    })
  })
})
