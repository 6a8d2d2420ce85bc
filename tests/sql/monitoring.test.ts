/** sql/modules/monitoring: the server's statistics as views, for those who may see them. */
import { expect, it } from 'vitest'
import { describeModule, revertSql, sqlOf, sqlstateOf } from './engines.ts'

const views = ['table_health', 'index_usage', 'connection_counts', 'long_transactions', 'database_size', 'cache_hit']

describeModule('sql/modules/monitoring/0001_statistics.sql', ['monitoring'], (engine) => {
  it.each(views)('answers tenon.%s', async (view) => {
    await expect(engine().admin(`select * from tenon.${view}`)).resolves.toBeInstanceOf(Array)
  })

  it('sees tables, and indexes that are duplicates or invalid', async () => {
    await engine().script(`create table public.thing (id int primary key, name text, other text);
      create index thing_name_idx on public.thing (name); create index thing_name_twin on public.thing (name);
      create index thing_name_part on public.thing (name) where other is null; create index thing_desc on public.thing (name desc)`)
    expect(
      await engine().admin(
        `select index_name, is_duplicate, is_valid, is_unique from tenon.index_usage where table_name = 'thing' order by 1`,
      ),
    ).toEqual([
      { index_name: 'thing_desc', is_duplicate: false, is_valid: true, is_unique: false },
      { index_name: 'thing_name_idx', is_duplicate: false, is_valid: true, is_unique: false },
      { index_name: 'thing_name_part', is_duplicate: false, is_valid: true, is_unique: false },
      { index_name: 'thing_name_twin', is_duplicate: true, is_valid: true, is_unique: false },
      { index_name: 'thing_pkey', is_duplicate: false, is_valid: true, is_unique: true },
    ])
    expect(await engine().admin(`select table_name from tenon.table_health where table_name = 'thing'`)).toHaveLength(1)
    expect(await engine().admin('select bytes > 0 as big from tenon.database_size')).toEqual([{ big: true }])
  })

  it('is for service_role and those who monitor, and for no session', async () => {
    for (const view of views) {
      const read = (role: string) => engine().as({ role }, (query) => query(`select from tenon.${view}`))
      await expect(read('service_role')).resolves.toBeInstanceOf(Array)
      for (const role of ['anon', 'authenticated']) expect(await sqlstateOf(read(role))).toBe('42501')
    }
  })

  it('shows the text of nobody’s query', async () => {
    const rows = await engine().admin(
      `select attname from pg_attribute where attrelid = any (
      array(select ('tenon.' || view)::regclass from unnest($1::text[]) as view)) and attnum > 0`,
      [views],
    )
    expect(rows.map((row) => row['attname'])).not.toContain('query')
    expect(rows.length).toBeGreaterThan(30)
  })
})

describeModule('sql/modules/monitoring/0002_slow_queries.sql', ['monitoring'], (engine) => {
  it('answers, whether pg_stat_statements is there or not', async () => {
    await expect(engine().admin('select * from tenon.slow_queries(5)')).resolves.toBeInstanceOf(Array)
  })

  it('is for service_role and those who monitor', async () => {
    const call = (role: string) => engine().as({ role }, (query) => query('select * from tenon.slow_queries()'))
    await expect(call('service_role')).resolves.toBeInstanceOf(Array)
    expect(await sqlstateOf(call('authenticated'))).toBe('42501')
  })

  it('is taken back and made again', async () => {
    await revertSql(engine(), 'monitoring')
    expect(await sqlstateOf(engine().admin('select from tenon.cache_hit'))).toBe('42P01')
    for (const version of ['0001', '0002']) await engine().script(sqlOf('monitoring', version))
    await engine().admin('select from tenon.cache_hit')
  })
})
