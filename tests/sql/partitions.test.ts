/** sql/modules/partitions: making partitions by time ahead, dropping old ones, and rows that found none. */
import { beforeEach, expect, it } from 'vitest'
import { describeModule, revertSql, sqlOf, sqlstateOf } from './engines.ts'

describeModule('sql/modules/partitions/0001_partitions.sql', ['auth', 'partitions'], (engine) => {
  beforeEach(() =>
    engine().script(`
        drop table if exists public.event cascade;
        create table public.event (
          id bigint generated always as identity, at timestamptz not null default now(), owner text not null default 'ada',
          twice int generated always as (2) stored, primary key (id, at)
        ) partition by range (at);
        create index event_owner_idx on public.event (owner);
        alter table public.event enable row level security;
        create policy event_policy on public.event to authenticated using (owner = tenon.subject()) with check (owner = tenon.subject());
        grant usage on schema public to authenticated;
        grant select, insert on public.event to authenticated`),
  )

  const create = async (values = `'public.event', 'month', 2, '2026-01-15'`) =>
    (await engine().admin(`select tenon.create_partitions(${values}) as name`)).map((row) => row['name'])
  const drop = async (time: string) =>
    (await engine().admin(`select tenon.drop_partitions('public.event', '${time}') as name`)).map((row) => row['name'])
  const one = async (text: string) => Object.values((await engine().admin(text))[0] ?? {})[0]
  const asAda = (text: string) => engine().as({ role: 'authenticated', claims: { sub: 'ada' } }, (query) => query(text))

  it('makes what is missing, once, and rows then find their month', async () => {
    expect(await create()).toEqual(['event_p202601', 'event_p202602', 'event_p202603'])
    expect(await create()).toEqual([])
    expect(await create(`'public.event', 'month', 3, '2026-01-15'`)).toEqual(['event_p202604'])
    await engine().script(`insert into event (at) values ('2026-01-31 23:59:59+00'), ('2026-02-01 00:00:00+00')`)
    expect(await one('select count(*)::int from event_p202601')).toBe(1)
    expect(await one('select twice from event_p202602')).toBe(2)
    expect(await one(`select count(*)::int from pg_indexes where tablename = 'event_p202601'`)).toBe(2)
  })

  it.each([
    ['day', `'2026-02-28'`, ['event_p20260228', 'event_p20260301']],
    ['week', `'2026-01-01'`, ['event_p20251229', 'event_p20260105']],
    ['year', `'2026-07-01'`, ['event_p2026', 'event_p2027']],
  ])('knows the unit %s', async (unit, since, names) => {
    expect(await create(`'public.event', '${unit}', 1, ${since}`)).toEqual(names)
  })

  it('bounds months in UTC, whatever the time zone of the session is', async () => {
    await engine().script(`set timezone to 'Pacific/Auckland'`)
    try {
      await create()
      await engine().script(`insert into event (at) values ('2026-01-31 23:59:59+00'), ('2026-02-01 00:00:00+00')`)
      expect(await one('select count(*)::int from event_p202601')).toBe(1)
      expect(await drop('2026-02-01 00:00:00+00')).toEqual(['event_p202601'])
    } finally {
      await engine().script('reset timezone')
    }
  })

  it('gives nobody a way around the parent’s policies, even where default privileges grant everything', async () => {
    await engine().script(
      `alter default privileges in schema public grant all on tables to authenticated, anon, public`,
    )
    try {
      await create()
      await engine().script(`create table public.event_control (like public.event)`)
    } finally {
      await engine().script(
        `alter default privileges in schema public revoke all on tables from authenticated, anon, public`,
      )
    }
    await engine().script(`insert into event (at, owner) values ('2026-01-02', 'ada'), ('2026-01-02', 'ben')`)
    expect(await asAda('select owner from event')).toEqual([{ owner: 'ada' }])
    expect(await sqlstateOf(asAda('select owner from event_p202601'))).toBe('42501')
    expect(await asAda('select owner from event_control'), 'the control').toEqual([])
    await engine().script(`drop table public.event_control; grant select on event_p202601 to authenticated`)
    expect(await asAda('select owner from event_p202601'), 'row security is on there too').toEqual([])
    await engine().script('alter table event_p202601 disable row level security')
    expect(await asAda('select owner from event_p202601'), 'the control').toHaveLength(2)
  })

  it('drops what is wholly older, and never the default partition', async () => {
    await create()
    await engine().script(
      `create table event_rest partition of event default; insert into event (at) values ('1999-01-01')`,
    )
    expect(await drop('2026-02-28')).toEqual(['event_p202601'])
    expect(await drop('2026-03-01')).toEqual(['event_p202602'])
    expect(await one('select count(*)::int from event')).toBe(1)
  })

  it('counts the rows of the default partition, and says that they are in the way', async () => {
    expect(Number(await one(`select tenon.default_partition_rows('public.event')`))).toBe(0)
    await engine().script(
      `create table event_rest partition of event default; insert into event (at) values ('2026-02-02'), ('2026-02-03')`,
    )
    expect(Number(await one(`select tenon.default_partition_rows('public.event')`))).toBe(2)
    const failure = await create().catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: '23514',
      constraint: 'partitions_default_rows',
      hint: expect.stringContaining('2 rows lie there'),
    })
    expect(await one(`select to_regclass('event_p202601')`), 'all or nothing').toBeNull()
  })

  it('keeps names of 63 bytes apart', async () => {
    const long = (end: string) => `${'é'.repeat(25)}_long_${end}`
    for (const end of ['one', 'two']) {
      await engine().script(`create table "${long(end)}" (at date not null) partition by range (at)`)
      expect(await create(`'"${long(end)}"', 'month', 0, '2026-01-15'`)).toEqual([
        expect.stringMatching(/^é+_?[a-z_]*_[0-9a-f]{6}_p202601$/),
      ])
      await engine().script(`insert into "${long(end)}" values ('2026-01-20')`)
    }
    await engine().script(`drop table "${long('one')}", "${long('two')}"`)
  })

  it.each([
    [
      'a table that is not partitioned',
      `create table public.plain (at timestamptz)`,
      `'public.plain', 'month'`,
      '42809',
    ],
    [
      'a table partitioned by a list',
      `create table public.plain (at text) partition by list (at)`,
      `'public.plain', 'month'`,
      '42809',
    ],
    [
      'a table partitioned by a number',
      `create table public.plain (at int) partition by range (at)`,
      `'public.plain', 'month'`,
      '42809',
    ],
    ['a unit that is none', '', `'public.event', 'decade'`, '22023'],
    ['a number of partitions that nobody wants', '', `'public.event', 'day', 1001`, '22023'],
  ])('refuses %s', async (_, setup, values, code) => {
    await engine().script(setup)
    expect(await sqlstateOf(create(values))).toBe(code)
    await engine().script('drop table if exists public.plain')
  })

  it('takes no table of the host for a partition', async () => {
    await engine().script(`create table public.event_p202602 (mine int)`)
    expect(await create().catch((error: unknown) => error)).toMatchObject({ constraint: 'partitions_name_taken' })
    await engine().script(`drop table public.event_p202602`)
  })

  it('is for the owner of the table alone', async () => {
    expect(await sqlstateOf(asAda(`select tenon.create_partitions('public.event', 'month')`))).toBe('42501')
    expect(await sqlstateOf(asAda(`select tenon.drop_partitions('public.event', now())`))).toBe('42501')
  })

  it('is taken back and made again', async () => {
    await revertSql(engine(), 'partitions')
    expect(await one(`select to_regproc('tenon.create_partitions')`)).toBeNull()
    await engine().script(sqlOf('partitions', '0001'))
    expect(await one(`select to_regproc('tenon.create_partitions')`)).not.toBeNull()
  })
})
