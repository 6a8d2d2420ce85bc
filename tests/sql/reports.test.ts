/** Refreshing materialized views, in SQL. */
import { expect, it } from 'vitest'
import { describeModule, revertSql, sqlOf, sqlstateOf } from './engines.ts'

describeModule('sql/modules/reports/0001_view_refreshes.sql', ['reports'], (engine) => {
  const refresh = async (more = '') =>
    (
      await engine().admin(`select status, row_count::int as rows, error_code from tenon.refresh_view('totals'${more})`)
    )[0]
  const ada = { role: 'authenticated', claims: { sub: 'ada' } }

  it('refreshes, remembers by whom, and leaves a young view alone', async () => {
    await engine().script(`create table sales (n int); insert into sales values (1), (2);
      create materialized view totals as select sum(6 / n) as total from sales with no data`)
    expect(await refresh(', true')).toEqual({ status: 'unindexed', rows: null, error_code: null })
    expect(await refresh(`, false, '1 hour'`), 'never filled').toEqual({
      status: 'refreshed',
      rows: 1,
      error_code: null,
    })
    expect(await refresh(`, false, '1 hour'`)).toEqual({ status: 'fresh', rows: 1, error_code: null })
    await engine().script('create unique index on totals (total)')
    expect(await refresh(`, true, '0'`)).toMatchObject({ status: 'refreshed' })
    const remembered = await engine().admin(
      'select concurrent, row_count::int as rows, refreshed_by = session_user as by_me, finished_at >= started_at as lasted from tenon.view_refreshes order by id',
    )
    expect(remembered).toEqual([
      { concurrent: false, rows: 1, by_me: true, lasted: true },
      { concurrent: true, rows: 1, by_me: true, lasted: true },
    ])
  })

  it('shows sessions how old a view is, and refuses them the rest', async () => {
    const [fresh] = await engine().as(ada, (query) =>
      query(`select data_as_of is not null as known, error_code from tenon.view_freshness('totals')`),
    )
    expect(fresh).toEqual({ known: true, error_code: null })
    for (const text of [
      'select from tenon.view_refreshes',
      `select tenon.refresh_view('totals')`,
      `insert into tenon.view_refreshes (view, concurrent, started_at, finished_at, row_count, refreshed_by) values (0, false, now(), now(), 1, 'x')`,
    ])
      expect(await sqlstateOf(engine().as(ada, (query) => query(text)))).toBe('42501')
    expect(
      await sqlstateOf(engine().as({ role: 'anon' }, (query) => query(`select tenon.view_freshness('totals')`))),
    ).toBe('42501')
    expect(
      await engine().as({ role: 'service_role' }, (query) => query('select from tenon.view_refreshes')),
      'the control',
    ).toHaveLength(2)
  })

  it('returns and remembers what a refresh fails with', async () => {
    await engine().script('insert into sales values (0)')
    expect(await refresh()).toEqual({ status: 'failed', rows: null, error_code: '22012' })
    expect(
      await engine().admin(
        `select error_code, refreshed_at > data_as_of as ordered from tenon.view_freshness('totals')`,
      ),
    ).toEqual([{ error_code: '22012', ordered: true }])
    expect((await engine().admin('select total::int from totals'))[0]).toEqual({ total: 9 })
  })

  it('raises what is no fault of the view, and remembers what is', async () => {
    await engine().script(`create table secrets (n int); create materialized view leaks as select n from secrets with no data;
      create materialized view mine as select 1 as n with no data; alter materialized view mine owner to service_role`)
    const asService = (view: string) =>
      engine().as({ role: 'service_role' }, (query) =>
        query(`select status, error_code from tenon.refresh_view('${view}')`),
      )
    const remembered = () =>
      engine().admin(`select error_code from tenon.view_refreshes where view in ('leaks'::regclass, 'mine'::regclass)`)
    expect(await sqlstateOf(asService('leaks'))).toBe('42501')
    expect(await remembered()).toEqual([])
    expect(await asService('mine'), 'the control').toEqual([{ status: 'refreshed', error_code: null }])
    await engine().script('alter materialized view leaks owner to service_role')
    expect(await asService('leaks'), 'its owner may not read the table').toEqual([
      { status: 'failed', error_code: '42501' },
    ])
    expect(await remembered()).toEqual([{ error_code: null }, { error_code: '42501' }])
    await engine().script('revoke select on mine from service_role')
    expect(await sqlstateOf(asService('mine'))).toBe('42501')
    expect(await remembered()).toHaveLength(2)
  })

  it('refuses what is no materialized view, and does not grow for ever', async () => {
    expect(await sqlstateOf(engine().admin(`select tenon.refresh_view('sales')`))).toBe('42809')
    expect(await sqlstateOf(engine().admin(`select tenon.refresh_view('nothing')`))).toBe('42P01')
    await engine().script(`delete from sales where n = 0; insert into tenon.view_refreshes (view, concurrent, started_at, finished_at, row_count, refreshed_by)
      select 'totals'::regclass, false, now(), now(), 1, 'x' from generate_series(1, 300)`)
    await refresh()
    expect(
      await engine().admin(`select count(*)::int as n from tenon.view_refreshes where view = 'totals'::regclass`),
    ).toEqual([{ n: 100 }])
  })

  it('is taken back and made again', async () => {
    await revertSql(engine(), 'reports')
    expect(await engine().admin(`select to_regclass('tenon.view_refreshes') as made`)).toEqual([{ made: null }])
    await engine().script(sqlOf('reports', '0001'))
    expect(await refresh()).toMatchObject({ status: 'refreshed' })
  })
})
