/** sql/modules/measures: a type with a function, operators and an aggregate of its own. */

import { Client } from 'pg'
import { beforeEach, expect, inject, it } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { applySql, type Caller, describeModule, revertSql, sqlOf, sqlstateOf } from './engines.ts'

const ada: Caller = { role: 'authenticated', claims: { sub: 'ada' } }

describeModule('sql/modules/measures/0001_measures.sql', ['measures'], (engine) => {
  const one = async (text: string) => {
    const [row] = await engine().as(ada, (query) => query(`select (${text})::text as found`))
    return row?.['found']
  }
  beforeEach(() =>
    engine().script('drop table if exists public.walks; create table public.walks (id int, length public.measure)'),
  )

  it('compares and adds whatever the units', async () => {
    expect(await one(`'(1.5,km)'::public.measure operator(public.=~=) '(1500,m)'::public.measure`)).toBe('true')
    expect(await one(`'(1.5,km)'::public.measure operator(public.<~>) '(1500,mm)'::public.measure`)).toBe('true')
    expect(await one(`'(1.5,km)'::public.measure operator(public.+) '(1,km)'::public.measure`)).toBe('(2.5,km)')
    expect(await one(`'(1.5,km)'::public.measure operator(public.+) '(1,m)'::public.measure`)).toBe('(1501.0,m)')
    expect(await one(`public.metres('(5,mm)')`)).toBe('0.005')
    expect(await one(`public.metres(null::public.measure)`)).toBeNull()
    expect(await one(`public.metres(2, 'km')`)).toBe('2000')
    expect(await one(`select array_agg(c) from public.conversions('(1,m)') c`)).toBe(
      '{"(mm,1000.0000000000000000)","(m,1.00000000000000000000)","(km,0.00100000000000000000)"}',
    )
  })

  it('sums up, leaving nulls out, and gives null of nothing', async () => {
    await engine().script(
      `insert into public.walks values (1, '(1,km)'), (2, '(2,km)'), (3, null); grant select on public.walks to authenticated`,
    )
    expect(await one('select public.total(length) from public.walks')).toBe('(3,km)')
    expect(await one('select public.total(length) filter (where id > 2) from public.walks')).toBeNull()
  })

  it('lets the planner turn, negate and inline the operators', async () => {
    const plan = async (condition: string) =>
      (await engine().admin(`explain (verbose, costs off) select from public.walks where ${condition}`))
        .map((row) => String(row['QUERY PLAN']))
        .join('\n')
    // Negated, and inlined to what is compared in the end.
    expect(await plan(`not (length operator(public.=~=) '(1,km)')`)).toMatch(/<> /)
    expect(await plan(`not (length operator(public.=~=) '(1,km)')`)).not.toMatch(/NOT/)
    const [found] = await engine().admin(
      `select oprcom = oid as commutes, oprnegate::regoperator::text as negator, oprrest::text as rest from pg_operator where oprname = '=~='`,
    )
    expect(found).toEqual({ commutes: true, negator: '<~>(measure,measure)', rest: 'eqsel' })
    const [aggregate] = await engine().admin(
      `select aggcombinefn::text as combine, proparallel from pg_aggregate join pg_proc on oid = aggfnoid where proname = 'total'`,
    )
    expect(aggregate).toEqual({ combine: 'add_measures', proparallel: 's' })
  })

  it('is not for anon', async () => {
    const call = engine().as({ role: 'anon' }, (query) => query(`select public.metres('(1,m)')`))
    expect(await sqlstateOf(call)).toBe('42501')
  })

  it('goes away without a trace', async () => {
    await engine().script('drop table public.walks')
    await revertSql(engine(), 'measures')
    expect(await engine().admin(`select from pg_type where typname like 'measure%'`)).toEqual([])
    expect(await engine().admin(`select from pg_operator where oprname in ('=~=', '<~>')`)).toEqual([])
    await engine().script(sqlOf('measures', '0001'))
  })
})

it('the aggregate runs in parallel on a server', async () => {
  await using place = await createTestDatabase({ servers: inject('servers') })
  const client = new Client(place.adminUrl)
  await client.connect()
  try {
    await applySql({ script: async (text) => void (await client.query(text)) }, ['measures'])
    await client.query(`create table walks as select ('(' || i || ',m)')::measure as length from generate_series(1, 2000) i;
      set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set max_parallel_workers_per_gather = 2;
      alter table walks set (parallel_workers = 2)`)
    const { rows } = await client.query('explain (costs off) select total(length) from walks')
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/Finalize Aggregate[\s\S]*Partial Aggregate/)
    expect((await client.query('select total(length)::text from walks')).rows).toEqual([{ total: '(2001000,m)' }])
  } finally {
    await client.end()
  }
})
