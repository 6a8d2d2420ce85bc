/** Changes of tables, as a session may see them. */
import { CamelCasePlugin } from 'kysely'
import { expect, test } from 'vitest'
import { generateCode } from '../../../src/codegen/index.ts'
import { type Change, changes, createOutbox, createRelay, type Gap } from '../../../src/events/index.ts'
import { GeneratedFolder } from '../../support/generated-code.ts'
import { kinds, openPlace, type Place, take, until } from './places.ts'

const notes = `create table public.team_notes (team_id int, id bigint, owner text not null default nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub', body text, primary key (id, team_id));
  alter table public.team_notes enable row level security;
  create policy team_notes_owner_policy on public.team_notes to authenticated
    using (owner = (select nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'));
  grant select, insert, update, delete, truncate on public.team_notes to authenticated;
  select tenon.watch_table('public.team_notes', max_keys => 10)`

// biome-ignore lint/suspicious/noExplicitAny: the table is generated while the test runs; its types are tried in tests/types.
async function tableOf({ db }: Place, options = {}): Promise<{ readonly table: any } & Disposable> {
  const folder = new GeneratedFolder(
    (await generateCode(db.service({ actor: 'test', reason: 'generate' }), options)).files,
  )
  const { tables } = await folder.import('metadata.ts')
  return { table: tables.team_notes ?? tables.teamNotes, [Symbol.dispose]: () => folder[Symbol.dispose]() }
}

test.each(kinds)('tells a session of the rows it may see, and of no others (%s)', async (kind) => {
  await using place = await openPlace(kind, notes)
  using generated = await tableOf(place)
  const mine = changes(place.db, generated.table, { as: place.ada })
  const all = changes(place.db, generated.table, {
    as: place.db.service({ actor: 'test', reason: 'control' }),
    hidden: true,
  })
  await Promise.all([mine.ready, all.ready])
  await place.bob.insertInto('team_notes').values({ team_id: 1, id: '1', body: 'of bob' }).execute()
  await place.ada
    .insertInto('team_notes')
    .values([{ team_id: 1, id: '9007199254740993', body: 'of ada' }])
    .execute()
  await place.ada.updateTable('team_notes').set({ body: 'changed' }).execute()
  await place.bob.deleteFrom('team_notes').execute()
  await place.ada.insertInto('team_notes').values({ team_id: 2, id: '2', body: 'last' }).execute()
  const seen = await take(mine, 3)
  const summary = (list: Change<never>[]) =>
    list.map(({ operation, key, row }) => [operation, key, (row as { body?: string } | undefined)?.body])
  expect(summary(seen as never)).toEqual([
    ['insert', { id: '9007199254740993', team_id: 1 }, 'changed'],
    ['update', { id: '9007199254740993', team_id: 1 }, 'changed'],
    ['insert', { id: '2', team_id: 2 }, 'last'],
  ])
  expect(summary((await take(all, 5)) as never), 'the control').toEqual([
    ['insert', { id: '1', team_id: 1 }, undefined],
    ['insert', { id: '9007199254740993', team_id: 1 }, 'changed'],
    ['update', { id: '9007199254740993', team_id: 1 }, 'changed'],
    ['delete', { id: '1', team_id: 1 }, undefined],
    ['insert', { id: '2', team_id: 2 }, 'last'],
  ])
  await mine[Symbol.asyncDispose]()
  expect(await mine.next()).toEqual({ done: true, value: undefined })
})

test.each(kinds)(
  'gives nothing after a signal or the end of the loop, also of a message that was begun (%s)',
  async (kind) => {
    await using place = await openPlace(kind, notes)
    using generated = await tableOf(place)
    const stop = new AbortController()
    const feeds = [
      changes(place.db, generated.table, { as: place.ada, signal: stop.signal }),
      changes(place.db, generated.table, { as: place.ada }),
    ] as const
    await Promise.all(feeds.map(({ ready }) => ready))
    await place.ada
      .insertInto('team_notes')
      .values([1, 2, 3].map((id) => ({ team_id: 1, id: String(id), body: 'x' })))
      .execute()
    for (const feed of feeds) expect((await feed.next()).done).toBe(false)
    stop.abort()
    await feeds[1][Symbol.asyncDispose]()
    for (const feed of feeds) expect(await feed.next()).toEqual({ done: true, value: undefined })
  },
)

test.each(kinds)('tells of a statement that changed many rows, and of TRUNCATE, as a gap (%s)', async (kind) => {
  await using place = await openPlace(kind, notes)
  using generated = await tableOf(place)
  const gaps: Gap[] = []
  const feed = changes(place.db, generated.table, { as: place.ada, onGap: (gap) => gaps.push(gap) })
  await feed.ready
  const rows = (count: number, from: number) =>
    Array.from({ length: count }, (_, i) => ({ team_id: 1, id: String(from + i), body: 'x' }))
  await place.ada.insertInto('team_notes').values(rows(11, 0)).execute()
  await place.admin('truncate public.team_notes')
  await place.ada.insertInto('team_notes').values(rows(10, 100)).execute()
  const seen = (await take(feed, 10)) as unknown as { key: { id: string } }[]
  expect(seen.map(({ key }) => key.id).sort()).toEqual(rows(10, 100).map(({ id }) => id))
  expect(gaps).toEqual([{ reason: 'bulk' }, { reason: 'bulk' }])
})

test('long keys come in several parts, or as a gap where one does not fit', async () => {
  await using place = await openPlace(
    'server',
    `create table public.team_notes (id text primary key); grant all on public.team_notes to authenticated; select tenon.watch_table('public.team_notes')`,
  )
  using generated = await tableOf(place)
  const gaps: Gap[] = []
  const feed = changes(place.db, generated.table, { as: place.ada, onGap: (gap) => gaps.push(gap) })
  await feed.ready
  const ids = Array.from({ length: 50 }, (_, i) => `${i} ${'ä"\\'.repeat(100)}`)
  await place.ada
    .insertInto('team_notes')
    .values(ids.map((id) => ({ id })))
    .execute()
  const seen = (await take(feed, 50)) as unknown as { key: { id: string } }[]
  expect(new Set(seen.map(({ key }) => key.id))).toEqual(new Set(ids))
  expect(gaps).toEqual([])
})

test('keys are those of DB under CamelCasePlugin, and what a stranger sends is left out', async () => {
  await using place = await openPlace('server', notes)
  using generated = await tableOf(place, { camelCase: true })
  const invalid: string[] = []
  const ada = place.ada.withPlugin(new CamelCasePlugin())
  const feed = changes(place.db, generated.table, { as: ada, onInvalid: ({ code }) => invalid.push(code) })
  await feed.ready
  const [row] = await place.admin(`select tenon.change_channel('public.team_notes') as channel`)
  for (const payload of [
    'nonsense',
    '{}',
    '{"operation": "drop"}',
    '{"operation": "insert", "keys": [["1"]]}',
    '{"operation": "insert", "keys": 7}',
  ])
    await place.admin(`select pg_notify('${row?.['channel']}', '${payload}')`)
  await ada.insertInto('teamNotes').values({ teamId: 4, id: '4', body: 'x' }).execute()
  expect(await take(feed, 1)).toMatchObject([{ key: { id: '4', teamId: 4 }, row: { teamId: 4, owner: 'ada' } }])
  expect(invalid).toEqual(Array(5).fill('EVENT_PAYLOAD'))
})

test('a durable feed goes through the outbox, and loses nothing while nobody is there', async () => {
  await using place = await openPlace(
    'server',
    `${notes}; select tenon.watch_table('public.team_notes', durable => true)`,
  )
  await place.ada.insertInto('team_notes').values({ team_id: 1, id: '1', body: 'x' }).execute()
  await place.ada.updateTable('team_notes').set({ body: 'y' }).execute()
  const outbox = createOutbox({ 'changes:public.team_notes': undefined })
  const seen: unknown[] = []
  const controller = new AbortController()
  const relay = createRelay(place.db, outbox, { 'changes:public.team_notes': ({ payload }) => void seen.push(payload) })
  const running = relay.run({ signal: controller.signal })
  await until(() => relay.stats().delivered === 2)
  controller.abort()
  await running
  expect(seen).toEqual([
    { operation: 'insert', key: ['1', '1'] },
    { operation: 'update', key: ['1', '1'] },
  ])
})
