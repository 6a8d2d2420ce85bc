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
    ['hour', `'2026-01-01 23:30+00'`, ['event_p20260101h23', 'event_p20260102h00']],
    ['week', `'2026-01-01'`, ['event_p20251229', 'event_p20260105']],
    ['quarter', `'2026-02-01'`, ['event_p2026q1', 'event_p2026q2']],
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

  it('leaves to other partitions what they cover, as after a change of the unit', async () => {
    await create(`'public.event', 'month', 0, '2026-01-15'`)
    expect(await create(`'public.event', 'week', 0, '2026-01-27'`)).toEqual(['event_p20260126'])
    expect(await one(`select pg_get_expr(relpartbound, oid) from pg_class where relname = 'event_p20260126'`)).toBe(
      `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-02-02 00:00:00+00')`,
    )
    expect(await create(`'public.event', 'month', 1, '2026-01-15'`)).toEqual(['event_p202602'])
    expect(await create(`'public.event', 'day', 20, '2026-02-03'`), 'all of it is covered').toEqual([])
  })

  it('makes what others leave of an interval, on both sides of them and whatever they are called', async () => {
    await engine().script(`
      create table event_p202601 partition of event for values from ('2026-01-10') to ('2026-01-20');
      create table "other's" partition of event for values from ('2026-01-25') to ('2026-02-10')`)
    expect(await create(`'public.event', 'month', 1, '2026-01-15'`)).toEqual([
      'event_p202601_2',
      'event_p202601_3',
      'event_p202602',
    ])
    expect(await create(`'public.event', 'month', 1, '2026-01-15'`)).toEqual([])
    const status = (await one(`select tenon.partition_status('public.event')`)) as Readonly<Record<string, unknown>>
    expect(status['gaps']).toEqual([])
    expect(status['partitions']).toMatchObject([
      { name: 'event_p202601_2', from: '2026-01-01 00:00:00+00', to: '2026-01-10 00:00:00+00' },
      { name: 'event_p202601' },
      { name: 'event_p202601_3', from: '2026-01-20 00:00:00+00', to: '2026-01-25 00:00:00+00' },
      { name: "other's" },
      { name: 'event_p202602', from: '2026-02-10 00:00:00+00', to: '2026-03-01 00:00:00+00' },
    ])
  })

  it('waits for the default partition 3 s and no longer, and leaves lock_timeout as it was', async () => {
    await engine().script(`create table event_rest partition of event default; begin`)
    await create()
    expect(await one('show lock_timeout')).toBe('0')
    await engine().script(`set local lock_timeout = '7s'`)
    await create(`'public.event', 'month', 3, '2026-01-15'`)
    expect(await one('show lock_timeout')).toBe('7s')
    await engine().script('commit')
  })

  it('knows which tables were detached to be dropped, keeps their comments, and drops them', async () => {
    await create()
    await engine().script(`
      comment on table event_p202601 is 'of the host';
      select tenon.mark_to_drop('public.event', 'public.event_p202601'), tenon.mark_to_drop('public.event', 'public.event_p202601');
      select tenon.mark_to_drop('public.event', 'public.event_p202602')`)
    const before = () => engine().admin(`select * from tenon.partitions_before('public.event', '2026-03-01')`)
    expect(await before(), 'what is attached is not detached').toMatchObject([
      { state: 'attached' },
      { state: 'attached' },
    ])
    await engine().script(
      'alter table event detach partition event_p202601; alter table event detach partition event_p202602',
    )
    expect(await before()).toEqual([
      { schema_name: 'public', partition_name: 'event_p202601', state: 'detached' },
      { schema_name: 'public', partition_name: 'event_p202602', state: 'detached' },
    ])
    expect(await one(`select tenon.partition_status('public.event') -> 'dropPending' -> 0`)).toEqual({
      ...{ schema: 'public', name: 'event_p202601', to: '2026-02-01 00:00:00+00' },
    })
    await engine().script(`select tenon.unmark_to_drop('public.event_p202601')`)
    expect(await one(`select obj_description('public.event_p202601'::regclass, 'pg_class')`)).toBe('of the host')
    expect(await drop('2026-02-15'), 'not old enough').toEqual([])
    expect(await drop('2026-03-01')).toEqual(['event_p202602'])
    expect(await one(`select to_regclass('event_p202601') is not null`), 'it was kept').toBe(true)
    await engine().script('drop table event_p202601')
  })

  it.each(['timestamp', 'date'])('says of a %s in which zone its bounds are', async (type) => {
    await engine().script(`create table public.plain (at ${type}) partition by range (at)`)
    await create(`'public.plain', 'day', 1`)
    const status = (await one(`select tenon.partition_status('public.plain')`)) as Readonly<Record<string, unknown>>
    expect(status['coveredUntil']).toMatch(/^\d{4}-\d\d-\d\d 00:00:00\+00$/)
    expect(status['partitions']).toMatchObject([{ from: expect.stringMatching(/ 00:00:00\+00$/) }, {}])
    expect(await create(`'public.plain', 'day', 1`)).toEqual([])
    await engine().script('drop table plain')
  })

  it('makes the partitions of a table that somebody else owns that owner’s', async () => {
    await engine().script(
      `create role keeper; grant create, usage on schema public to keeper; alter table event owner to keeper`,
    )
    await create()
    expect(await one(`select tableowner from pg_tables where tablename = 'event_p202601'`)).toBe('keeper')
    await engine().script(`drop table event; revoke all on schema public from keeper; drop role keeper`)
  })

  it('goes by number too, from where the largest one is', async () => {
    await engine().script(`create table public.reading (id bigint primary key) partition by range (id)`)
    const numbers = async (values: string) =>
      (await engine().admin(`select tenon.create_number_partitions('public.reading', ${values}) as name`)).map(
        (row) => row['name'],
      )
    expect(await numbers('1000, 1')).toEqual(['reading_p0', 'reading_p1000'])
    expect(await numbers('1000, 0, -1')).toEqual(['reading_pm1000'])
    await engine().script('insert into reading values (-1), (0), (1999)')
    expect(await numbers('1000, 1')).toEqual(['reading_p2000'])
    expect(await numbers('1000, 0, 9223372036854775000').catch((error) => error.code), 'no bigint is beyond').toBe(
      '22003',
    )
    expect(await sqlstateOf(numbers('0, 1'))).toBe('22023')
    expect(await sqlstateOf(create(`'public.reading', 'month'`))).toBe('22023')
    await engine().script('drop table reading')
  })

  it('makes partitions of a list, and takes their rows along when asked to', async () => {
    await engine().script(`
      create table public.region (id int, code text, fired int default 0, primary key (id, code)) partition by list (code);
      create table region_rest partition of region default;
      create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'deletes are refused'; end $$;
      create trigger keep before delete on region for each row execute function public.refuse();
      insert into region values (1, 'de'), (2, 'O''Fr)'), (3, 'us')`)
    const list = (values: string) => one(`select tenon.create_list_partition('public.region', ${values})`)
    expect(await list(`'region_us', array['us']`).catch((error: unknown) => error)).toMatchObject({
      constraint: 'partitions_default_rows',
    })
    expect(Number(await list(`'region_europe', array['de', 'O''Fr)', null], from_default => true`))).toBe(2)
    expect(await one(`select tgenabled from pg_trigger where tgrelid = 'region_rest'::regclass`), 'as before').toBe('O')
    expect(await sqlstateOf(engine().admin('delete from region where id = 1')), 'the control').toBe('P0001')
    expect(await one(`select string_agg(code, ' ' order by id) from region_europe`)).toBe(`de O'Fr)`)
    expect(Number(await list(`'region_asia', array['jp']`))).toBe(0)
    expect(await list(`'region_again', array['jp']`).catch((error: unknown) => error)).toMatchObject({
      constraint: 'partitions_overlap',
    })
    expect(await sqlstateOf(list(`'', array['x']`))).toBe('22023')
    expect(await sqlstateOf(list(`'region_none', array[]::text[]`))).toBe('22023')
    expect(await one('select count(*)::int from region')).toBe(3)
    await engine().script('drop table region; drop function refuse()')
  })

  it('makes the partitions of a hash that are missing', async () => {
    await engine().script(`create table public.visit (id int primary key) partition by hash (id)`)
    const hash = async (modulus: string) =>
      (await engine().admin(`select tenon.create_hash_partitions('public.visit', ${modulus}) as name`)).map(
        (row) => row['name'],
      )
    expect(await hash('4')).toEqual(['visit_h0', 'visit_h1', 'visit_h2', 'visit_h3'])
    expect(await hash('4')).toEqual([])
    await engine().script('drop table visit_h2; insert into visit select 4')
    expect(await hash('4')).toEqual(['visit_h2'])
    expect(await hash('8').catch((error: unknown) => error)).toMatchObject({ constraint: 'partitions_overlap' })
    expect(await sqlstateOf(hash('0'))).toBe('22023')
    expect(await one(`select bool_and(relrowsecurity) from pg_class where relname like 'visit_h_'`)).toBe(true)
    await engine().script('drop table visit')
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
      '22023',
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
    await engine().script(`${sqlOf('partitions', '0001')}; ${sqlOf('partitions', '0002')}`)
    expect(await one(`select to_regproc('tenon.create_partitions')`)).not.toBeNull()
  })
})

describeModule('sql/modules/partitions/0002_upkeep.sql', ['auth', 'partitions'], (engine) => {
  beforeEach(() =>
    engine().script(`
      drop table if exists public.event cascade;
      create table public.event (
        id bigint generated always as identity, at timestamptz, owner text not null default 'ada', twice int generated always as (2) stored
      ) partition by range (at);
      create index event_at_idx on public.event (at);
      create table public.event_rest partition of public.event default`),
  )

  const all = (text: string) => engine().admin(text)
  const one = async (text: string) => Object.values((await engine().admin(text))[0] ?? {})[0]
  const status = async (table = 'public.event') =>
    (await one(`select tenon.partition_status('${table}')`)) as Readonly<Record<string, unknown>> & {
      readonly partitions: readonly Readonly<Record<string, unknown>>[]
    }
  const drain = async (values: string) => (await all(`select * from tenon.drain_default('public.event', ${values})`))[0]
  const drainAll = async (values: string) => {
    const steps: unknown[] = []
    for (let step = await drain(values); step !== undefined; step = await drain(values)) {
      steps.push([step['partition_name'], Number(step['moved'])])
      // No row is ever out of sight.
      expect(await one('select count(*)::int from event')).toBe(103)
      if (step['more'] === false) break
    }
    return steps
  }

  it('moves rows of the default partition where they belong, a batch at a time, and the partition grows', async () => {
    await engine().script(`
      insert into event (at) select '2026-01-30'::timestamptz + n * interval '1 hour' from generate_series(0, 99) n;
      insert into event (at) values (null), ('infinity'), ('-infinity')`)
    expect(await drainAll(`'month', batch => 40`)).toEqual([
      ['event_p202601', 40],
      ['event_p202601', 8],
      ['event_p202602', 40],
      ['event_p202602', 12],
    ])
    expect(await drain(`'month'`), 'what has no place stays').toBeUndefined()
    expect(await one('select count(*)::int from only event_rest')).toBe(3)
    expect(await one(`select pg_get_expr(relpartbound, oid) from pg_class where relname = 'event_p202601'`)).toBe(
      `FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00')`,
    )
    expect(await one(`select relrowsecurity from pg_class where relname = 'event_p202602'`)).toBe(true)
    expect(await one(`select count(*)::int from pg_indexes where tablename = 'event_p202602'`)).toBe(1)
    expect(await one('select count(distinct id)::int from event')).toBe(103)
  })

  it('keeps rows of one key together, and stops between calls with everything in sight', async () => {
    await engine().script(`
      insert into event (at) select '2026-01-30' from generate_series(1, 50);
      insert into event (at) select '2026-01-31' from generate_series(1, 53)`)
    expect(await drain(`'month', batch => 7`)).toMatchObject({ partition_name: 'event_p202601', more: true })
    expect(await status()).toMatchObject({ defaultRows: 53 })
    await engine().script(`insert into event (at) values ('2026-01-29')`)
    expect(await one('select count(*)::int from event_p202601'), 'what exists takes new rows').toBe(51)
    await engine().script(`delete from event where at = '2026-01-29'`)
    expect(await drainAll(`'month', batch => 1000`)).toEqual([['event_p202601', 53]])
  })

  it('goes on where an interrupted drain has stopped, which is no whole month for those who make partitions', async () => {
    await engine().script(
      `insert into event (at) select '2026-01-01'::timestamptz + n * interval '6 hours' from generate_series(0, 123) n`,
    )
    expect(await drain(`'month', batch => 30`)).toMatchObject({ partition_name: 'event_p202601', more: true })
    const make = () => all(`select tenon.create_partitions('public.event', 'month', 0, '2026-01-15') as name`)
    expect(await make().catch((error: unknown) => error)).toMatchObject({ constraint: 'partitions_default_rows' })
    await drain(`'month', batch => 30`)
    expect(await one('select count(*)::int from event')).toBe(124)
    await engine().script('delete from only event_rest')
    expect(await make()).toEqual([{ name: 'event_p202601_2' }])
    expect(await status()).toMatchObject({ gaps: [] })
  })

  it('takes a partition that only begins like the one of the interval for what it is: by bounds, not by names', async () => {
    await engine().script(`
      create table event_p202601 partition of event for values from ('2026-01-01') to ('2026-02-01');
      insert into event (at) select '2026-02-01'::timestamptz + n * interval '1 day' from generate_series(0, 99) n`)
    expect(await drain(`'year', batch => 60`)).toMatchObject({ partition_name: 'event_p2026', more: true })
    expect(await drain(`'month', batch => 60`), 'half a year is no month').toMatchObject({
      partition_name: 'event_p202604',
    })
    const bound = (name: string) => one(`select pg_get_expr(relpartbound, oid) from pg_class where relname = '${name}'`)
    expect(await bound('event_p202601')).toContain(`TO ('2026-02-01`)
    expect(await bound('event_p2026')).toContain(`TO ('2026-04-02`)
    expect(await bound('event_p202604')).toContain(`FROM ('2026-04-02`)
  })

  it('has a partition that grows checked beforehand, so that no batch looks through it again', async () => {
    await engine().script(
      `insert into event (at) select '2026-01-01'::timestamptz + n * interval '1 hour' from generate_series(0, 699) n`,
    )
    const constraints = () =>
      all(`select conname as name from pg_constraint where conname like 'tenon_drain%' order by conname collate "C"`)
    await drain(`'month', batch => 20`)
    expect(await constraints()).toHaveLength(1 + 16 + 1)
    await drain(`'month', batch => 20`)
    expect((await constraints()).slice(0, 2), 'what is passed is gone').toMatchObject([
      { name: 'tenon_drain_0' },
      { name: 'tenon_drain_10' },
    ])
    expect(await constraints()).toHaveLength(1 + 15 + 1)
    // A flood between two batches, all of it before the next cut.
    await engine().script(
      `insert into event (at) select '2026-01-02 16:00:00+00'::timestamptz + n * interval '1 second' from generate_series(1, 100) n`,
    )
    expect(Number((await drain(`'month', batch => 20`))?.['moved'])).toBe(20)
    for (
      let step = await drain(`'month', batch => 20`);
      step?.['more'] === true;
      step = await drain(`'month', batch => 20`)
    )
      expect(Number(step['moved'])).toBeLessThanOrEqual(40)
    expect(await constraints(), 'a whole month has none').toEqual([])
    expect(await one('select count(*)::int from event_p202601')).toBe(800)
  })

  it('leaves other partitions alone, and moves by number', async () => {
    await engine().script(`
      create table public.reading (id bigint) partition by range (id);
      create table reading_rest partition of reading default;
      create table reading_mine partition of reading for values from (105) to (107);
      insert into reading select generate_series(95, 119)`)
    const moved = []
    for (;;) {
      const [step] = await all(`select * from tenon.drain_default('public.reading', width => 10, batch => 3)`)
      if (step === undefined) break
      moved.push(Number(step['moved']))
      if (moved.length > 20) throw new Error('no end')
    }
    expect(moved.reduce((sum, n) => sum + n, 0)).toBe(23)
    expect(await status('public.reading')).toMatchObject({
      defaultRows: 0,
      gaps: [],
      coveredUntil: '120',
      kind: 'number',
    })
    await engine().script('drop table reading')
  })

  it('refuses to move rows that foreign keys reference, because a cascade would follow them', async () => {
    await engine().script(`
      create table public.parent (at date primary key) partition by range (at);
      create table parent_rest partition of parent default;
      create table public.child (at date references parent on delete cascade);
      insert into parent values ('2026-01-01'); insert into child values ('2026-01-01')`)
    expect(
      await all(`select tenon.drain_default('public.parent', 'month')`).catch((error: unknown) => error),
    ).toMatchObject({
      constraint: 'partitions_referenced',
    })
    expect(await one('select count(*)::int from child')).toBe(1)
    await engine().script('drop table child, parent')
  })

  it('does not take rows that a policy hides from an owner for none', async () => {
    await engine().script(`
      insert into event (at) values ('2026-01-30');
      create role keeper; grant create, usage on schema public, tenon to keeper; alter table event owner to keeper; alter table event_rest owner to keeper;
      alter table event_rest enable row level security; alter table event_rest force row level security;
      grant execute on all functions in schema tenon to keeper`)
    expect(
      await sqlstateOf(
        (async () => {
          await engine().script('set role keeper')
          try {
            await drain(`'month'`)
          } finally {
            await engine().script('reset role')
          }
        })(),
      ),
    ).toBe('42501')
    await engine().script('drop table event; drop owned by keeper; drop role keeper')
  })

  it('says how a table stands', async () => {
    await engine().script(`
      select tenon.create_partitions('public.event', 'month', 1);
      create table public.event_old partition of event for values from ('2020-01-01') to ('2020-02-01');
      grant select on event_old to authenticated;
      insert into event (at) values ('2020-01-02'), ('1999-01-01');
      analyze event_old`)
    const found = await status()
    expect(found).toMatchObject({
      strategy: 'range',
      key: 'RANGE (at)',
      kind: 'time',
      managedBy: null,
      defaultRows: 1,
      defaultRowsCapped: false,
      covered: true,
      gaps: [{ from: '2020-02-01 00:00:00+00' }],
    })
    expect(new Date(String(found['coveredUntil'])).getTime()).toBeGreaterThan(Date.now())
    expect(found.partitions).toHaveLength(4)
    expect(found.partitions[0]).toMatchObject({
      name: 'event_old',
      from: '2020-01-01 00:00:00+00',
      to: '2020-02-01 00:00:00+00',
      rows: 1,
      rowSecurity: false,
      grantedTo: ['authenticated'],
      detachPending: false,
    })
    expect(found.partitions.at(-1)).toMatchObject({ name: 'event_rest', isDefault: true, from: null })
    expect(await sqlstateOf(all(`select tenon.partition_status('pg_class')`))).toBe('42809')
  })

  it('reads the bounds of a session that prints times in another way', async () => {
    await engine().script(`set datestyle to 'German'; set timezone to 'Pacific/Auckland'`)
    try {
      expect(await all(`select tenon.create_partitions('public.event', 'month', 1, '2026-01-15')`)).toHaveLength(2)
      expect((await status()).partitions[0]).toMatchObject({ from: '2026-01-01 00:00:00+00' })
    } finally {
      await engine().script('reset datestyle; reset timezone')
    }
  })

  it('attaches a full table by statements that need no long lock', async () => {
    await engine().script(`
      create table public."event Of 2019" (like event including all);
      create unique index on "event Of 2019" (id);
      insert into "event Of 2019" (at) select '2019-01-01'::timestamptz + n * interval '1 day' from generate_series(0, 99) n;
      grant select on "event Of 2019" to authenticated`)
    const steps = await all(
      `select * from tenon.attach_statements('public.event', 'public."event Of 2019"', '2019-01-01', '2020-01-01')`,
    )
    expect(steps.map((row) => row['step'])).toEqual([
      'check',
      'validate',
      'default check',
      'default validate',
      'attach',
    ])
    for (const { statement } of steps) await engine().script(String(statement))
    expect(await one(`select count(*)::int from event where at < '2020-01-01'`)).toBe(100)
    expect(await all(`select conname from pg_constraint where conname = 'tenon_attach_check'`)).toEqual([])
    expect((await status()).partitions[0]).toMatchObject({ name: 'event Of 2019', rowSecurity: true, grantedTo: [] })
  })

  it('builds beforehand the indexes that the table lacks', async () => {
    await engine().script(`
      create table public.fact (id int, at date, note text, primary key (id, at), unique (note, at)) partition by range (at);
      create index fact_lower_idx on fact (lower(note)) where id > 0;
      create table public.fact_2019 (id int not null, at date not null, note text);
      insert into fact_2019 values (1, '2019-02-01', 'x')`)
    const steps = await all(
      `select * from tenon.attach_statements('public.fact', 'public.fact_2019', '2019-01-01', '2020-01-01')`,
    )
    expect(steps.map((row) => row['step'])).toEqual(['check', 'validate', 'index', 'index', 'index', 'attach'])
    for (const { statement } of steps) await engine().script(String(statement))
    expect(await one(`select count(*)::int from pg_indexes where tablename = 'fact_2019'`), 'none was made twice').toBe(
      3,
    )
    expect(
      await one(`select count(*)::int from pg_inherits join pg_class on oid = inhrelid where relkind = 'i'
      and inhparent in (select indexrelid from pg_index where indrelid = 'fact'::regclass)`),
    ).toBe(3)
    await engine().script('drop table fact')
  })

  it.each([
    ['a range of one side', `lower_bound => '2019-01-01'`, 'event'],
    ['values', `list => array['a', 'O''x', null]`, 'label'],
    ['null alone', `list => array[null]`, 'label'],
  ])('attaches %s', async (_, values, table) => {
    await engine().script(`
      drop table if exists public.label; create table public.label (name text) partition by list (name);
      create table label_rest partition of label default;
      drop table event_rest; create table event_rest partition of event default;
      drop table if exists public.full_one; create table public.full_one (like ${table} including all)`)
    await engine().script(
      table === 'label' ? 'insert into full_one values (null)' : `insert into full_one (at) values ('2020-01-01')`,
    )
    for (const { statement } of await all(
      `select * from tenon.attach_statements('public.${table}', 'public.full_one', ${values})`,
    ))
      await engine().script(String(statement))
    expect(await one(`select count(*)::int from ${table}`)).toBe(1)
    await engine().script('drop table label')
  })

  it('copes with names that hold the words of statements', async () => {
    await engine().script(`
      create table public."a USING b" (id int, at date not null, "c' USING d" text) partition by range (at);
      create index "i USING j" on "a USING b" ("c' USING d");
      create table public."x add constraint y; z" (id int, at date not null, "c' USING d" text)`)
    const steps = await all(
      `select * from tenon.attach_statements('public."a USING b"', 'public."x add constraint y; z"', '2019-01-01', '2020-01-01')`,
    )
    expect(steps.map((row) => row['step'])).toEqual(['check', 'validate', 'index', 'attach'])
    for (const { statement } of steps) await engine().script(String(statement))
    expect(await one(`select count(*)::int from pg_indexes where tablename = 'x add constraint y; z'`)).toBe(1)
    await engine().script('drop table "a USING b"')
  })

  it.each([
    ['a range', 'event', `'2026-01-15', '2026-03-01'`],
    ['an empty range', 'event', `'2027-03-01', '2027-03-01'`],
    ['a list', 'label', `list => array['b', 'c']`],
    ['a list with null', 'label', `list => array[null]`],
  ])('says of %s that it would overlap before anything is built', async (_, table, values) => {
    await engine().script(`
      drop table if exists public.label; create table public.label (name text) partition by list (name);
      create table label_b partition of label for values in ('b', null);
      drop table if exists public.full_one; create table public.full_one (like ${table} including all);
      select tenon.create_partitions('public.event', 'month', 0, '2026-01-15')`)
    const planned = all(`select * from tenon.attach_statements('public.${table}', 'public.full_one', ${values})`)
    expect(await planned.catch((error: unknown) => error)).toMatchObject({ constraint: 'partitions_overlap' })
    await engine().script('drop table label, full_one')
  })

  it('says nothing of pg_partman where there is none', async () => {
    expect(await all(`select tenon.run_partman('public.event')`).catch((error: unknown) => error)).toMatchObject({
      constraint: 'partitions_not_managed',
    })
  })

  it('is for who may call it alone', async () => {
    const asAda = (text: string) =>
      engine().as({ role: 'authenticated', claims: { sub: 'ada' } }, (query) => query(text))
    for (const call of ['partition_status', 'drain_default', 'run_partman', 'default_partition_rows'])
      expect(await sqlstateOf(asAda(`select tenon.${call}('public.event')`))).toBe('42501')
  })

  it('is taken back and made again', async () => {
    await revertSql(engine(), 'partitions')
    expect(
      await one(
        `select count(*)::int from pg_proc where pronamespace = 'tenon'::regnamespace and proname ~ 'partition|partman|range|default'`,
      ),
    ).toBe(0)
    await engine().script(`${sqlOf('partitions', '0001')}; ${sqlOf('partitions', '0002')}`)
  })
})
