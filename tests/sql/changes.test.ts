/** sql/modules/changes: which rows were changed, by NOTIFY or through the outbox. What listeners get is tested in tests/features/events. */
import { beforeEach, expect, it } from 'vitest'
import { type Caller, describeModule, revertSql, sqlOf, sqlstateOf } from './engines.ts'

const ada: Caller = { role: 'authenticated', claims: { sub: 'ada' } }

describeModule('sql/modules/changes/0001_watch_table.sql', ['outbox', 'changes'], (engine) => {
  beforeEach(() =>
    engine().script(`drop table if exists public.things cascade; drop table if exists public.parts cascade; truncate tenon.outbox;
      create table public.things ("the id" int, "b""x" text, value text, primary key ("b""x", "the id"));
      create table public.parts (at date, id int, primary key (id, at)) partition by range (at);
      create table public.parts_1 partition of public.parts for values from ('2025-01-01') to ('2026-01-01');
      grant all on public.things to authenticated`),
  )

  it('writes one durable event for each row, with its key as key, in the transaction', async () => {
    await engine().script(`select tenon.watch_table('public.things', durable => true)`)
    await engine().script(`insert into public.things values (1, 'a'), (2, 'b'); update public.things set value = 'v' where "the id" = 2;
      delete from public.things where "the id" = 1; update public.things set value = 'w' where false; truncate public.things`)
    expect(await engine().admin('select topic, key, payload from tenon.outbox order by id')).toEqual([
      { topic: 'changes:public.things', key: '["a", "1"]', payload: { operation: 'insert', key: ['a', '1'] } },
      { topic: 'changes:public.things', key: '["b", "2"]', payload: { operation: 'insert', key: ['b', '2'] } },
      { topic: 'changes:public.things', key: '["b", "2"]', payload: { operation: 'update', key: ['b', '2'] } },
      { topic: 'changes:public.things', key: '["a", "1"]', payload: { operation: 'delete', key: ['a', '1'] } },
      { topic: 'changes:public.things', key: null, payload: { operation: 'truncate' } },
    ])
    await engine()
      .as(ada, async (query) => {
        await query(`insert into public.things values (3, 'c')`)
        await query('select 1 / 0')
      })
      .catch(() => {})
    expect(await engine().admin('select from tenon.outbox')).toHaveLength(5)
  })

  it('lets sessions change what is watched, and watches partitioned tables', async () => {
    await engine().script(
      `select tenon.watch_table('public.things', true); select tenon.watch_table('public.parts', true)`,
    )
    await engine().as(ada, (query) => query(`insert into public.things values (1, 'a')`))
    await engine().script(`insert into public.parts values ('2025-05-05', 1)`)
    expect(await engine().admin('select enqueued_by, payload from tenon.outbox order by id')).toEqual([
      { enqueued_by: 'ada', payload: { operation: 'insert', key: ['a', '1'] } },
      { enqueued_by: null, payload: { operation: 'insert', key: ['1', '2025-05-05'] } },
    ])
  })

  it('changes how a table is watched, and ends it', async () => {
    const triggers = () =>
      engine().admin(
        `select count(*)::int as n from pg_trigger where tgrelid = 'public.things'::regclass and tgname like 'tenon_watch%'`,
      )
    await engine().script(`select tenon.watch_table('public.things', true); select tenon.watch_table('public.things')`)
    expect(await triggers()).toEqual([{ n: 4 }])
    await engine().script(`insert into public.things values (1, 'a')`)
    expect(await engine().admin('select from tenon.outbox')).toEqual([])
    await engine().script(`select tenon.unwatch_table('public.things')`)
    expect(await triggers()).toEqual([{ n: 0 }])
  })

  it('refuses a table without key, bad numbers, and whoever does not own the table', async () => {
    await engine().script('create table if not exists public.keyless (a int)')
    expect(await sqlstateOf(engine().admin(`select tenon.watch_table('public.keyless')`))).toBe('42809')
    expect(await sqlstateOf(engine().admin(`select tenon.watch_table('public.things', max_keys => 0)`))).toBe('22023')
    expect(await sqlstateOf(engine().as(ada, (query) => query(`select tenon.watch_table('public.things')`)))).toBe(
      '42501',
    )
  })

  it('is taken back, with its triggers, and made again', async () => {
    await engine().script(`select tenon.watch_table('public.things')`)
    await revertSql(engine(), 'changes')
    await engine().script(`insert into public.things values (1, 'a')`)
    await engine().script(sqlOf('changes', '0001'))
    expect(
      await engine().admin(`select tenon.change_channel('public.things') like 'tenon_changes_%' as named`),
    ).toEqual([{ named: true }])
  })
})
