/** Partitions from TypeScript: made, drained, attached, detached, retained and pruned, on the server and on PGlite. */
import { CamelCasePlugin, type Kysely } from 'kysely'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, type Database, type DatabaseEvent, type Session } from '../../../src/index.ts'
import type { TableMetadata } from '../../../src/kernel/metadata.ts'
import { applyMigrations } from '../../../src/migrate/index.ts'
import {
  attachPartition,
  createHashPartitions,
  createListPartition,
  createPartitions,
  type DrainProgress,
  detachPartition,
  drainDefault,
  partitionStatus,
  partitionsRead,
  retainPartitions,
  runPartman,
  timeRange,
} from '../../../src/partitions/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { bootPglite } from '../../support/pglite.ts'

interface DB {
  events: { id: string; at: Date; owner: string; kind: string }
}

interface Place extends AsyncDisposable {
  readonly db: Database<DB>
  readonly service: Kysely<DB>
  readonly ada: Session<DB>
  script(text: string): Promise<void>
  one(text: string): Promise<unknown>
  readonly adminUrl?: string
}

const acting = { actor: 'test', reason: 'partitions' }

async function onServer(): Promise<Place> {
  const place = await createTestDatabase()
  const login = await createLogin(place)
  const db = createDatabase<DB>({ connection: login.url, service: { connection: place.adminUrl } })
  await applyMigrations(db, { modules: ['partitions', 'auth'] })
  const admin = new Client(place.adminUrl)
  await admin.connect()
  return {
    db,
    service: db.service(acting),
    ada: db.session({ role: 'authenticated', claims: { sub: 'ada' } }),
    script: async (text) => void (await admin.query(text)),
    one: async (text) => (await admin.query({ text, rowMode: 'array' })).rows[0]?.[0],
    adminUrl: place.adminUrl,
    async [Symbol.asyncDispose]() {
      await db.close()
      await admin.end()
      await place.drop()
      await login.drop()
    },
  }
}

async function onPglite(): Promise<Place> {
  const pglite = await bootPglite()
  await pglite.exec('create role anon; create role authenticated; create role service_role')
  const db = createDatabase<DB>({ connection: pglite })
  await applyMigrations(db, { modules: ['partitions', 'auth'] })
  return {
    db,
    service: db.service(acting),
    ada: db.session({ role: 'authenticated', claims: { sub: 'ada' } }),
    script: async (text) => void (await pglite.exec(text)),
    one: async (text) => (await pglite.query<unknown[]>(text, [], { rowMode: 'array' })).rows[0]?.[0],
    async [Symbol.asyncDispose]() {
      await db.close()
      await pglite.close()
    },
  }
}

/** What codegen writes, as far as these functions look. */
function table(name: string, kind: TableMetadata['kind'] = 'partitioned table'): TableMetadata {
  return {
    ...{ key: name, schema: 'public', name, kind, columns: {}, primaryKey: [], uniqueKeys: [], foreignKeys: [] },
    ...{ relations: {}, indexes: [], checks: [], rowSecurity: 'on', policies: [] },
  }
}

const events = table('events')

const eventsSql = `
  drop table if exists events cascade;
  create table events (
    id bigint generated always as identity, at timestamptz not null, owner text not null default tenon.subject(), kind text not null default 'x'
  ) partition by range (at);
  create index events_at_idx on events (at);
  alter table events enable row level security;
  create policy events_policy on events to authenticated using (owner = (select tenon.subject())) with check (owner = (select tenon.subject()));
  grant select, insert, update, delete on events to authenticated;
  grant usage on schema public to authenticated`

describe.each([
  ['the server', onServer],
  ['PGlite', onPglite],
] as const)('%s', (kind, open) => {
  let place: Place
  beforeAll(async () => {
    place = await open()
  })
  afterAll(async () => await place[Symbol.asyncDispose]())
  beforeEach(async () => await place.script(eventsSql))

  it('makes partitions ahead, once, and sessions read them through the parent alone', async () => {
    const { service, ada } = place
    expect(await createPartitions(service, events, { unit: 'month', ahead: 1, since: '2026-01-15' })).toEqual([
      'events_p202601',
      'events_p202602',
    ])
    expect(await createPartitions(service, events, { unit: 'month', ahead: 1, since: new Date('2026-01-15') })).toEqual(
      [],
    )
    await place.script(`insert into events (at, owner) values ('2026-01-02', 'ada'), ('2026-01-02', 'ben')`)
    expect(await ada.selectFrom('events').select('owner').execute()).toEqual([{ owner: 'ada' }])
    // biome-ignore lint/suspicious/noExplicitAny: a partition is no table of DB.
    const direct = (ada as any).selectFrom('events_p202601').selectAll().execute()
    await expect(direct).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    await place.script(
      'grant select on events_p202601 to authenticated; alter table events_p202601 disable row level security',
    )
    // biome-ignore lint/suspicious/noExplicitAny: as above
    expect(await (ada as any).selectFrom('events_p202601').select('owner').execute(), 'the control').toHaveLength(2)
    const { warnings } = await partitionStatus(service, events)
    expect(warnings.map(({ code }) => code)).toEqual(expect.arrayContaining(['row security', 'grants', 'not covered']))
  })

  it('raises an alarm for rows in the default partition, and drains it', async () => {
    const { service } = place
    await place.script(`create table events_rest partition of events default;
      insert into events (at, owner) select '2026-01-01'::timestamptz + n * interval '1 day', 'ada' from generate_series(0, 89) n`)
    const failure = await createPartitions(service, events, { unit: 'month', since: '2026-01-15' }).catch(
      (error) => error,
    )
    expect(failure).toMatchObject({
      code: 'PARTITION_DEFAULT_ROWS',
      table: 'events',
      hint: expect.stringContaining('drainDefault()'),
    })
    const status = await partitionStatus(service, events)
    expect(status).toMatchObject({ defaultRows: 90, strategy: 'range', kind: 'time' })
    expect(status.warnings).toContainEqual(expect.objectContaining({ code: 'default rows' }))

    const stop = new AbortController()
    const seen: DrainProgress[] = []
    const onProgress = (progress: DrainProgress) => {
      seen.push(progress)
      if (seen.length === 2) stop.abort(new Error('enough'))
    }
    await expect(
      drainDefault(service, events, { unit: 'month', batch: 20, onProgress, signal: stop.signal }),
    ).rejects.toThrow('enough')
    expect(seen).toEqual([
      { partition: 'events_p202601', moved: 20, total: 20 },
      { partition: 'events_p202601', moved: 11, total: 31 },
    ])
    expect(await place.one('select count(*)::int from events')).toBe(90)
    expect(await drainDefault(service, events, { unit: 'month', batch: 20 })).toEqual({
      moved: 59,
      partitions: ['events_p202602', 'events_p202603'],
      left: 0,
    })
    expect(await place.one('select count(*)::int from events')).toBe(90)
    expect(await drainDefault(service, events, { unit: 'month' })).toEqual({ moved: 0, partitions: [], left: 0 })
    const inside = service.transaction().execute((trx) => drainDefault(trx, events, { unit: 'month' }))
    await expect(inside).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })

  it('makes lists and hashes', async () => {
    const { service } = place
    await place.script(`drop table if exists regions, visits;
      create table regions (code text, n int) partition by list (code); create table regions_rest partition of regions default;
      insert into regions values ('d''e', 1), (null, 2), ('us', 3);
      create table visits (id int) partition by hash (id)`)
    const regions = table('regions')
    const refused = createListPartition(service, regions, { name: 'regions_us', values: ['us'] })
    await expect(refused).rejects.toMatchObject({ code: 'PARTITION_DEFAULT_ROWS' })
    expect(
      await createListPartition(service, regions, { name: 'Europe "1"', values: ["d'e", null], fromDefault: true }),
    ).toBe(2)
    const again = createListPartition(service, regions, { name: 'Europe "1"', values: ['x'] })
    await expect(again).rejects.toMatchObject({ code: 'PARTITION_CONFLICT' })
    await expect(createPartitions(service, regions, { unit: 'day' })).rejects.toMatchObject({ code: 'PARTITION_KIND' })
    expect(await createHashPartitions(service, table('visits'), { modulus: 2 })).toEqual(['visits_h0', 'visits_h1'])
    expect(await partitionStatus(service, table('visits'))).toMatchObject({
      strategy: 'hash',
      defaultRows: null,
      warnings: [],
    })
  })

  it.each([
    ['ranges ahead', ({ service }: Place) => createPartitions(service, table('visits'), { unit: 'day' })],
    ['ranges of numbers', ({ service }: Place) => createPartitions(service, table('visits'), { width: 10 })],
    [
      'a list',
      ({ service }: Place) => createListPartition(service, table('visits'), { name: 'visits_1', values: [1] }),
    ],
    ['what is old dropped', ({ db }: Place) => retainPartitions(db, table('visits'), { before: '2025-01-01' })],
    ['a default partition drained', ({ service }: Place) => drainDefault(service, table('visits'), { unit: 'day' })],
    [
      'a table attached by bounds',
      ({ db }: Place) => attachPartition(db, table('visits'), { partition: 'events', from: 1, to: 2 }),
    ],
  ])('says that a hash cannot have %s, and what it can', async (_, work) => {
    await place.script('drop table if exists visits; create table visits (id int) partition by hash (id)')
    await expect(work(place)).rejects.toMatchObject({
      code: 'PARTITION_KIND',
      table: 'visits',
      message: expect.stringContaining('is partitioned by hash'),
      hint: expect.stringContaining('createHashPartitions()'),
    })
  })

  it('works through plugins, other schemas and transactions', async () => {
    const service = place.service.withPlugin(new CamelCasePlugin()).withSchema('elsewhere')
    await service.transaction().execute(async (trx) => {
      expect(await createPartitions(trx, events, { unit: 'month', ahead: 0, since: '2026-01-15' })).toEqual([
        'events_p202601',
      ])
      const { partitions } = await partitionStatus(trx, events)
      expect(partitions[0]).toMatchObject({ name: 'events_p202601', isDefault: false, grantedTo: [] })
    })
    const camel = place.ada.withPlugin(new CamelCasePlugin())
    expect(await partitionsRead(camel, events, camel.selectFrom('events').selectAll())).toEqual({
      read: 1,
      of: 1,
      partitions: ['events_p202601'],
    })
  })

  it('proves pruning: a range reads one partition, date_trunc reads all', async () => {
    const { service, ada } = place
    await createPartitions(service, events, { unit: 'month', ahead: 11, since: '2026-01-01' })
    const from = new Date('2026-03-01T00:00:00Z')
    const to = new Date('2026-04-01T00:00:00Z')
    for (const who of [ada, service]) {
      const range = who
        .selectFrom('events')
        .selectAll()
        .where(({ ref }) => timeRange(ref('at'), from, to))
      expect(await partitionsRead(who, events, range)).toEqual({ read: 1, of: 12, partitions: ['events_p202603'] })
      const truncated = who
        .selectFrom('events')
        .selectAll()
        .where((eb) => eb.fn('date_trunc', [eb.val('month'), 'at']), '=', from)
      expect(await partitionsRead(who, events, truncated)).toMatchObject({ read: 12, of: 12 })
    }
    const open = ada
      .selectFrom('events')
      .select('id')
      .where(({ ref }) => timeRange(ref('at'), to, null))
    expect((await partitionsRead(ada, events, open)).read).toBe(9)
    const none = ada
      .selectFrom('events')
      .select('id')
      .where(({ ref }) => timeRange(ref('at'), '2001-01-01', '2001-02-01'))
    expect(await partitionsRead(ada, events, none)).toEqual({ read: 0, of: 12, partitions: [] })
    const now = ada
      .selectFrom('events')
      .select('id')
      .where('at', '>=', (eb) => eb.fn<Date>('now'))
    expect((await partitionsRead(ada, events, now)).read).toBeLessThan(12)
    const removal = ada.deleteFrom('events').where(({ ref }) => timeRange(ref('at'), from, to))
    expect((await partitionsRead(ada, events, removal)).partitions).toEqual(['events_p202603'])
    expect(await place.one('select count(*)::int from events'), 'nothing was run').toBe(0)
  })

  it('attaches a full table, and says which rows are in the way', async () => {
    const { db, service } = place
    await place.script(`create table events_rest partition of events default;
      create table events_2019 (like events including all); alter table events_2019 alter at drop not null;
      insert into events_2019 (at, owner) select '2019-01-01'::timestamptz + n * interval '1 hour', 'ada' from generate_series(0, 999) n;
      insert into events_2019 (at, owner) values ('2020-06-01', 'ada')`)
    const attach = () => attachPartition(db, events, { partition: 'events_2019', from: '2019-01-01', to: '2020-01-01' })
    await expect(attach()).rejects.toMatchObject({
      code: 'PARTITION_CONFLICT',
      message: expect.stringContaining('outside'),
    })
    await place.script(`delete from events_2019 where at >= '2020-01-01';
      insert into events (at, owner) values ('2019-12-31', 'ben')`)
    await expect(attach()).rejects.toMatchObject({ code: 'PARTITION_DEFAULT_ROWS' })
    expect(
      await place.one(`select count(*)::int from pg_constraint where conname = 'tenon_attach_check'`),
      'no trace',
    ).toBe(0)
    await place.script(`delete from events_rest`)
    await expect(attach()).rejects.toMatchObject({
      code: 'PARTITION_CONFLICT',
      message: expect.stringContaining('columns'),
    })
    await place.script(`alter table events_2019 alter at set not null`)
    const steps: string[] = []
    await attachPartition(db, events, {
      partition: 'events_2019',
      from: '2019-01-01',
      to: '2020-01-01',
      onStep: (step) => steps.push(step),
    })
    expect(steps).toEqual(expect.arrayContaining(['check', 'validate', 'default check', 'default validate', 'attach']))
    expect(await place.one('select count(*)::int from events')).toBe(1000)
    const { partitions } = await partitionStatus(service, events)
    expect(partitions[0]).toMatchObject({ name: 'events_2019', rowSecurity: true, from: '2019-01-01 00:00:00+00' })
    await place.script('create table events_2018 (like events)')
    const overlapping = attachPartition(db, events, { partition: 'events_2018', from: '2018-01-01', to: '2019-02-01' })
    await expect(overlapping).rejects.toMatchObject({
      code: 'PARTITION_CONFLICT',
      message: expect.stringContaining('overlap'),
    })
    await expect(attachPartition(db, events, { partition: 'events_2018', values: ['x'] })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    })
    await expect(attachPartition(db, events, { partition: 'events_2018', from: 'soon' })).rejects.toMatchObject({
      code: 'QUERY_DATA',
    })
    await place.script('drop table events_2018')
  })

  it('leaves a table that it refuses as it was, whenever it learns of the reason', async () => {
    const { db } = place
    // By a text nobody but ATTACH itself knows of an overlap.
    await place.script(`drop table if exists labels, labels_more; drop role if exists labeller; create role labeller;
      create table labels (id int, name text not null, primary key (id, name)) partition by range (name);
      create index labels_name_idx on labels (name);
      create table labels_a partition of labels for values from ('a') to ('m'); create table labels_rest partition of labels default;
      create table labels_more (id int generated always as identity, name text not null); grant select on labels_more to labeller`)
    const state = () =>
      place.one(`select array[relrowsecurity::text, relacl::text, attidentity::text,
        (select count(*) from pg_index where indrelid = pg_class.oid)::text, (select count(*) from pg_constraint where contype <> 'n' and conrelid = pg_class.oid)::text]
        from pg_class join pg_attribute on attrelid = pg_class.oid and attname = 'id' where pg_class.oid = 'labels_more'::regclass`)
    const before = await state()
    expect(before).toMatchObject(['false', expect.stringContaining('labeller=r'), 'a', '0', '0'])
    const attach = (from: string) => attachPartition(db, table('labels'), { partition: 'labels_more', from, to: 'z' })
    await expect(attach('k')).rejects.toMatchObject({
      code: 'PARTITION_CONFLICT',
      message: expect.stringContaining('overlap'),
    })
    expect(await state()).toEqual(before)
    await place.script(`alter table labels_more add check (name <> 'x'), alter name type varchar(9)`)
    const changed = await state()
    await expect(attach('m')).rejects.toMatchObject({
      code: 'PARTITION_CONFLICT',
      message: expect.stringContaining('columns'),
    })
    expect(await state()).toEqual(changed)
    expect(await place.one(`select count(*)::int from pg_constraint where conname = 'tenon_attach_check'`)).toBe(0)
    await place.script('alter table labels_more alter name type text')
    await attach('m')
    expect(await state()).toMatchObject([
      'true',
      expect.not.stringContaining('labeller'),
      expect.anything(),
      '2',
      expect.anything(),
    ])
    await place.script('drop table labels; drop role labeller')
  })

  it('finishes the drop of what it has detached, and says until then that it is there', async () => {
    const { db, service } = place
    await createPartitions(service, events, { unit: 'month', ahead: 2, since: '2025-01-01' })
    await place.script('create view in_the_way as select * from events_p202501')
    const failure = await retainPartitions(db, events, { before: '2025-03-01' }).catch((error) => error)
    expect(failure).toMatchObject({ sqlstate: '2BP01' })
    const { dropPending, warnings, partitions } = await partitionStatus(service, events)
    expect(partitions.map(({ name }) => name)).toEqual(['events_p202502', 'events_p202503'])
    expect(dropPending).toEqual([{ schema: 'public', name: 'events_p202501', to: '2025-02-01 00:00:00+00' }])
    expect(warnings).toContainEqual(expect.objectContaining({ code: 'drop pending' }))
    await place.script('drop view in_the_way')
    expect(await retainPartitions(db, events, { before: '2025-03-01' })).toEqual([
      { schema: 'public', name: 'events_p202501', dropped: true },
      { schema: 'public', name: 'events_p202502', dropped: true },
    ])
    expect((await partitionStatus(service, events)).dropPending).toEqual([])
    expect(await place.one(`select to_regclass('events_p202501')`)).toBeNull()
  })

  it('does not drop later what was kept, or attached again', async () => {
    const { db, service } = place
    await createPartitions(service, events, { unit: 'month', ahead: 2, since: '2025-01-01' })
    const interrupted = async (name: string) => {
      await place.script(`create view in_the_way as select * from ${name}`)
      await expect(retainPartitions(db, events, { before: '2025-02-01' })).rejects.toMatchObject({ sqlstate: '2BP01' })
      await place.script('drop view in_the_way')
    }
    await interrupted('events_p202501')
    expect(await retainPartitions(db, events, { before: '2025-02-01', keep: true })).toEqual([
      { schema: 'public', name: 'events_p202501', dropped: false },
    ])
    expect(await retainPartitions(db, events, { before: '2025-02-01' })).toEqual([])
    const again = { partition: 'events_p202501', from: '2025-01-01', to: '2025-02-01' }
    await attachPartition(db, events, again)
    await interrupted('events_p202501')
    await attachPartition(db, events, again)
    await detachPartition(db, events, { partition: 'events_p202501' })
    expect(await retainPartitions(db, events, { before: '2025-02-01' })).toEqual([])
    expect(await place.one(`select to_regclass('events_p202501') is not null`)).toBe(true)
    await place.script('drop table events_p202501')
  })

  it('detaches: concurrently where PostgreSQL can, and never silently otherwise', async () => {
    const { db, service } = place
    await createPartitions(service, events, { unit: 'month', ahead: 2, since: '2026-01-01' })
    await place.script(`insert into events (at, owner) values ('2026-01-02', 'ada')`)
    if (kind === 'the server') await detachPartition(db, events, { partition: 'events_p202601', concurrently: true })
    else await detachPartition(db, events, { partition: 'events_p202601', concurrently: false })
    expect(await place.one('select count(*)::int from events')).toBe(0)
    expect(await place.one('select count(*)::int from events_p202601')).toBe(1)
    await place.script('drop table events_p202601; create table events_rest partition of events default')
    const refused = detachPartition(db, events, { partition: 'events_p202602', concurrently: true })
    await expect(refused).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('default partition'),
    })
    await detachPartition(db, events, { partition: 'events_p202602' })
    const again = detachPartition(db, events, { partition: 'events_p202602' })
    await expect(again).rejects.toMatchObject({ code: 'PARTITION_KIND' })
    await place.script('drop table events_p202602')
  })

  it('retains: detaches and then drops, or keeps', async () => {
    const { db, service } = place
    await createPartitions(service, events, { unit: 'month', ahead: 3, since: '2025-01-01' })
    expect(await retainPartitions(db, events, { before: '2025-02-15', keep: true })).toEqual([
      { schema: 'public', name: 'events_p202501', dropped: false },
    ])
    expect(await place.one(`select to_regclass('events_p202501') is not null`)).toBe(true)
    await place.script('create table events_rest partition of events default; drop table events_p202501')
    const seen: string[] = []
    await retainPartitions(db, events, {
      before: new Date('2025-04-01T00:00:00Z'),
      onPartition: ({ name }) => seen.push(name),
    })
    expect(seen).toEqual(['events_p202502', 'events_p202503'])
    expect(await place.one(`select to_regclass('events_p202502')`)).toBeNull()
    const future = retainPartitions(db, events, { before: new Date(Date.now() + 1_000_000) })
    await expect(future).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    expect(await retainPartitions(db, events, { before: '2001-01-01' })).toEqual([])
  })

  it.each([
    ['no unit and no width', (s: Kysely<DB>) => createPartitions(s, events, {} as never)],
    ['a unit that is none', (s: Kysely<DB>) => createPartitions(s, events, { unit: "month'; drop" as never })],
    ['a width for a time', (s: Kysely<DB>) => createPartitions(s, events, { width: 10 })],
    ['too many ahead', (s: Kysely<DB>) => createPartitions(s, events, { unit: 'day', ahead: 1001 })],
    ['an invalid date', (s: Kysely<DB>) => createPartitions(s, events, { unit: 'day', since: new Date(Number.NaN) })],
    ['no values', (s: Kysely<DB>) => createListPartition(s, events, { name: 'x', values: [] })],
    ['no modulus', (s: Kysely<DB>) => createHashPartitions(s, events, { modulus: 0 })],
    ['a batch of nothing', (s: Kysely<DB>) => drainDefault(s, events, { unit: 'day', batch: 0 })],
    ['no executor', () => createPartitions(undefined as never, events, { unit: 'day' })],
  ])('refuses %s', async (_, work) => {
    await expect(work(place.service)).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })

  it('refuses what is not partitioned, and pg_partman where there is none', async () => {
    const plain = table('events', 'table')
    await expect(createPartitions(place.service, plain, { unit: 'day' })).rejects.toMatchObject({
      code: 'PARTITION_KIND',
    })
    await expect(partitionStatus(place.service, table('pg_class_of_nobody'))).rejects.toMatchObject({
      code: 'QUERY_UNDEFINED_OBJECT',
    })
    await expect(runPartman(place.service, events)).rejects.toMatchObject({ code: 'PARTITION_MANAGED' })
    await expect(createPartitions(place.ada, events, { unit: 'day' })).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(() => timeRange({} as never, new Date(2), new Date(1))).toThrow(
      expect.objectContaining({ code: 'QUERY_FILTER' }),
    )
    expect(() => timeRange({} as never, new Date(Number.NaN), null)).toThrow(
      expect.objectContaining({ code: 'QUERY_FILTER' }),
    )
  })
})

describe('locks', () => {
  let place: Place
  const holders: Client[] = []
  beforeAll(async () => {
    place = await onServer()
  })
  afterAll(async () => await place[Symbol.asyncDispose]())
  beforeEach(async () => {
    await place.script(eventsSql)
    await createPartitions(place.service, events, { unit: 'month', ahead: 2, since: '2026-01-01' })
  })
  afterEach(async () => {
    for (const holder of holders.splice(0)) await holder.end()
    await place.script('drop table if exists events_2018, events_2019')
  })

  const holder = async (statement: string) => {
    const client = new Client(place.adminUrl)
    await client.connect()
    holders.push(client)
    await client.query('begin')
    await client.query(statement)
    return client
  }
  const waiting = async (text: string) => {
    while (
      (await place.one(
        `select count(*)::int from pg_stat_activity where wait_event_type = 'Lock' and query like '%${text}%' and pid <> pg_backend_pid()`,
      )) === 0
    );
  }

  it('stops at a signal while it waits for a reader, and the next call finishes what is half detached', async () => {
    const reader = await holder('select from events')
    const stop = new AbortController()
    const detaching = detachPartition(place.db, events, { partition: 'events_p202601', signal: stop.signal })
    await waiting('detach partition')
    stop.abort()
    await expect(detaching).rejects.toMatchObject({ code: 'QUERY_CANCELED', hint: expect.stringContaining('again') })
    const { partitions, warnings } = await partitionStatus(place.service, events)
    expect(partitions.find(({ name }) => name === 'events_p202601')?.detachPending).toBe(true)
    expect(warnings).toContainEqual(expect.objectContaining({ code: 'detach pending' }))
    const other = detachPartition(place.db, events, { partition: 'events_p202602' })
    await expect(other).rejects.toMatchObject({
      code: 'PARTITION_CONFLICT',
      message: expect.stringContaining('events_p202601'),
    })
    await reader.query('commit')
    await detachPartition(place.db, events, { partition: 'events_p202601' })
    expect((await partitionStatus(place.service, events)).partitions).toHaveLength(2)
    await place.script('drop table events_p202601')
  })

  it('retains what an interrupted run has half detached, and the rest', async () => {
    const reader = await holder('select from events')
    const stop = new AbortController()
    const retaining = retainPartitions(place.db, events, { before: '2026-03-01', signal: stop.signal })
    await waiting('detach partition')
    stop.abort()
    await expect(retaining).rejects.toMatchObject({ code: 'QUERY_CANCELED' })
    await reader.query('commit')
    expect((await retainPartitions(place.db, events, { before: '2026-03-01' })).map(({ name }) => name)).toEqual([
      'events_p202601',
      'events_p202602',
    ])
    expect(await place.one(`select to_regclass('events_p202601')`)).toBeNull()
  })

  it.each([
    ['a retention of something older', (db: Database<DB>) => retainPartitions(db, events, { before: '2025-01-01' })],
    ['a detach of another', (db: Database<DB>) => detachPartition(db, events, { partition: 'events_p202603' })],
    [
      'a retention by psql',
      () => place.script(`select tenon.drop_partitions('events', '2025-01-01')`) as Promise<unknown>,
    ],
  ])('forgets at %s that it was killed before it detached anything', async (_, next) => {
    const marked = () => place.one(`select obj_description('events_p202601'::regclass) like '%to be dropped%'`)
    await place.script(`comment on table events_p202601 is 'the first'`)
    // Marking locks the partition alone; the detach waits for this.
    const busy = await holder('lock table only events in share update exclusive mode')
    const retaining = retainPartitions(place.db, events, { before: '2026-02-01' })
    retaining.catch(() => {})
    await waiting('detach partition')
    await place.script(
      `select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and query like '%detach partition%'`,
    )
    await expect(retaining).rejects.toMatchObject({ code: 'CONNECTION_LOST' })
    await busy.query('commit')
    expect(await marked()).toBe(true)
    await next(place.db)
    expect(await marked()).toBe(false)
    expect(await place.one(`select obj_description('events_p202601'::regclass)`)).toBe('the first')
    // Detached by hand, to keep it.
    await place.script('alter table events detach partition events_p202601')
    expect(await retainPartitions(place.db, events, { before: '2026-02-01' })).toEqual([])
    await place.script('drop table events_p202601; drop table if exists events_p202603')
  })

  it('drops from psql what is half detached', async () => {
    const reader = await holder('select from events')
    const stop = new AbortController()
    const retaining = retainPartitions(place.db, events, { before: '2026-03-01', signal: stop.signal })
    await waiting('detach partition')
    stop.abort()
    await expect(retaining).rejects.toMatchObject({ code: 'QUERY_CANCELED' })
    await reader.query('commit')
    expect(
      await place.one(`select array_agg(name) from tenon.drop_partitions('events', '2026-02-15') as name`),
    ).toEqual(['events_p202601'])
  })

  it('retains once when two calls come at once', async () => {
    const reader = await holder('select from events')
    const calls = [1, 2].map(() => retainPartitions(place.db, events, { before: '2026-03-01' }))
    await waiting('detach partition')
    await reader.query('commit')
    const [first, second] = await Promise.all(calls)
    expect([...(first ?? []), ...(second ?? [])].map(({ name }) => name).sort()).toEqual([
      'events_p202601',
      'events_p202602',
    ])
    const busy = await holder(`select pg_advisory_lock(tenon.partitions_lock('events', 'detach'))`)
    const refused = retainPartitions(place.db, events, { before: '2026-03-01', lockRetries: 0 })
    await expect(refused).rejects.toMatchObject({ code: 'TIMEOUT_LOCK', retryable: true })
    await busy.query('commit')
  })

  it('makes partitions once when two calls come at once, also where the default partition is read first', async () => {
    await place.script(`drop table if exists readings; create table readings (id bigint) partition by range (id);
      create table readings_rest partition of readings default`)
    // Both have begun before either gets on.
    const gate = await holder('lock table only readings in share update exclusive mode')
    const make = () => createPartitions(place.service, table('readings'), { width: 100, ahead: 1 })
    const calls = Promise.allSettled([make(), make()])
    while (
      (await place.one(
        `select count(*)::int from pg_stat_activity where wait_event_type = 'Lock' and query like '%create_number_partitions%' and pid <> pg_backend_pid()`,
      )) !== 2
    );
    await gate.query('commit')
    const results = await calls
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    expect(results.flatMap((result) => (result.status === 'fulfilled' ? result.value : [])).sort()).toEqual([
      'readings_p0',
      'readings_p100',
    ])
    await place.script('drop table readings')
  })

  it('looks through no partition that grows while a batch holds its locks', async () => {
    await place.script(`drop table events cascade`)
    await place.script(`${eventsSql}; create table events_rest partition of events default;
      insert into events (at, owner) select '2026-01-01'::timestamptz + n * interval '1 minute', 'ada' from generate_series(0, 999) n`)
    const client = await holder('select')
    await client.query('rollback; set client_min_messages to debug1')
    const notices: string[] = []
    client.on('notice', ({ message }) => notices.push(String(message)))
    let batches = 0
    for (let more = true; more; batches++)
      more = (await client.query(`select more from tenon.drain_default('events', 'month', batch => 100)`)).rows[0]?.more
    expect(batches).toBe(10)
    expect(
      notices.filter((text) =>
        text.includes('partition constraint for table "events_p202601" is implied by existing constraints'),
      ),
    ).toHaveLength(10)
  })

  it('drains while others write and read, who never miss a row', async () => {
    await place.script(`drop table if exists events cascade`)
    await place.script(`${eventsSql}; create table events_rest partition of events default;
      insert into events (at, owner) select '2026-01-01'::timestamptz + n * interval '1 minute', 'ada' from generate_series(0, 19999) n`)
    let draining = true
    let written = 0
    const write = async () => {
      for (let i = 0; draining; i++) {
        await place.service
          .insertInto('events')
          .values({ at: new Date(Date.UTC(2026, 0, 1 + (i % 20))), owner: 'ada' } as never)
          .execute()
        written++
      }
    }
    const counts: number[] = []
    const read = async () => {
      while (draining) {
        const [row] = await place.service
          .selectFrom('events')
          .select((eb) => eb.fn.countAll<string>().as('n'))
          .execute()
        counts.push(Number(row?.n))
      }
    }
    const others = Promise.all([write(), read()])
    let left = Number.POSITIVE_INFINITY
    let moved = 0
    // Rows that are written meanwhile beyond what is there already find the default partition.
    for (let tries = 0; left > 0 && tries < 50; tries++) {
      const result = await drainDefault(place.service, events, { unit: 'day', batch: 1_500 })
      left = result.left
      moved += result.moved
    }
    draining = false
    await others
    expect(moved).toBeGreaterThanOrEqual(20_000)
    expect(await place.one('select count(*)::int from events')).toBe(20_000 + written)
    expect(counts.length).toBeGreaterThan(2)
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(counts[0]).toBeGreaterThanOrEqual(20_000)
  })

  it('waits for a lock a moment, lets others through, and tries again', async () => {
    await place.script('create table events_rest partition of events default')
    const reader = await holder('select from events')
    const given = detachPartition(place.db, events, { partition: 'events_p202601', lockTimeoutMs: 50, lockRetries: 0 })
    await expect(given).rejects.toMatchObject({ code: 'TIMEOUT_LOCK', retryable: true })
    const detaching = detachPartition(place.db, events, { partition: 'events_p202601', lockTimeoutMs: 50 })
    await waiting('detach partition')
    await reader.query('commit')
    await detaching
    await place.script('drop table events_p202601')
  })

  it('says that an attach was killed, and whose table refuses rows since, until it is called again or given up', async () => {
    await place.script(`create table events_rest partition of events default;
      create table events_2019 (like events including defaults including identity); insert into events_2019 (at, owner) values ('2019-03-01', 'ada')`)
    const attach = () =>
      attachPartition(place.db, events, { partition: 'events_2019', from: '2019-01-01', to: '2020-01-01' })
    const pending = async () => {
      const { attachPending, warnings } = await partitionStatus(place.service, events)
      const told = warnings.filter(({ code }) => code === 'attach pending').map(({ hint }) => hint)
      return { names: attachPending.map(({ name }) => name), told }
    }
    // ATTACH needs this lock of the parent; until it is free both tables have their constraints.
    const reader = await holder('lock table only events in share update exclusive mode')
    const attaching = attach()
    attaching.catch(() => {})
    await waiting('attach partition')
    expect((await pending()).names, 'somebody is at work').toEqual([])
    await place.script(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
      and query like '%attach partition%' and wait_event_type = 'Lock' and pid <> pg_backend_pid()`)
    await expect(attaching).rejects.toMatchObject({ code: 'CONNECTION_LOST' })
    await reader.query('commit')
    const left = await pending()
    expect(left.names).toEqual(['events_2019', 'events_rest'])
    expect(left.told).toContainEqual(expect.stringContaining('"events_rest" drop constraint tenon_attach_check'))
    await expect(
      place.script(`insert into events (at, owner) values ('2019-05-05', 'ada')`),
      'what the warning is for',
    ).rejects.toThrow('tenon_attach_check')
    await attach()
    expect(await pending()).toEqual({ names: [], told: [] })
    expect(await place.one('select count(*)::int from events')).toBe(1)
    await expect(attach()).rejects.toMatchObject({
      code: 'PARTITION_CONFLICT',
      message: expect.stringContaining('already'),
    })
  })

  it('lets rows into the default partition while it builds indexes, and keeps those when such a row is in the way', async () => {
    await place.script(`create table events_rest partition of events default;
      create table events_2019 (like events including defaults including identity)`)
    const reader = await holder('set transaction isolation level repeatable read; select pg_current_snapshot()')
    const attach = () =>
      attachPartition(place.db, events, { partition: 'events_2019', from: '2019-01-01', to: '2020-01-01' })
    const attaching = attach()
    attaching.catch(() => {})
    await waiting('create index concurrently')
    await place.script(`insert into events (at, owner) values ('2019-05-05', 'ada')`)
    await reader.query('commit')
    await expect(attaching).rejects.toMatchObject({ code: 'PARTITION_DEFAULT_ROWS' })
    const indexes = `select count(*)::int from pg_indexes where tablename = 'events_2019'`
    expect(await place.one(indexes)).toBe(1)
    await expect(attach(), 'before anything is done').rejects.toMatchObject({
      code: 'PARTITION_DEFAULT_ROWS',
      hint: expect.stringContaining('into that table first'),
    })
    await place.script(`with moved as (delete from events_rest returning at, owner, kind)
      insert into events_2019 (at, owner, kind) select * from moved`)
    await attach()
    expect(await place.one(indexes)).toBe(1)
    expect(await place.one('select count(*)::int from events')).toBe(1)
  })

  it('closes what it attaches: columns that were granted, and partitions that the table has in turn', async () => {
    const ben = place.db.session({ role: 'authenticated', claims: { sub: 'ben' } })
    const direct = (name: string) =>
      ben.withTables<Record<string, { owner: string }>>().selectFrom(name).select('owner').execute()
    await place.script(`drop index events_at_idx;
      create table events_2018 (like events); insert into events_2018 values (1, '2018-03-01', 'ada', 'x');
      alter table events_2018 enable row level security; create policy all_policy on events_2018 using (true);
      grant select (owner) on events_2018 to authenticated;
      create table events_2019 (like events) partition by hash (owner);
      create table events_2019_0 partition of events_2019 for values with (modulus 1, remainder 0);
      insert into events_2019 values (2, '2019-03-01', 'ada', 'x'); grant select on events_2019_0 to authenticated`)
    for (const name of ['events_2018', 'events_2019_0'])
      expect(await direct(name), 'the control').toEqual([{ owner: 'ada' }])
    for (const year of [2018, 2019])
      await attachPartition(place.db, events, {
        partition: `events_${year}`,
        from: `${year}-01-01`,
        to: `${year + 1}-01-01`,
      })
    for (const name of ['events_2018', 'events_2019', 'events_2019_0'])
      await expect(direct(name)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    const state = async () => {
      const { partitions, warnings } = await partitionStatus(place.service, events)
      const ours = partitions.slice(0, 2).map(({ rowSecurity, grantedTo }) => [rowSecurity, ...grantedTo])
      return [...ours, warnings.filter(({ code }) => code === 'grants').length]
    }
    expect(await state()).toEqual([[true], [true], 0])
    expect(await ben.selectFrom('events').selectAll().execute()).toEqual([])
    await place.script(`grant select (owner) on events_2018 to authenticated;
      grant select on events_2019_0 to authenticated; alter table events_2019_0 disable row level security`)
    expect(await state()).toEqual([[true, 'authenticated'], [false, 'authenticated'], 2])
  })

  it('warns of a hash that lacks a part', async () => {
    const visits = table('visits')
    await place.script(`drop table if exists visits; create table visits (id int) partition by hash (id);
      create table visits_whole partition of visits for values with (modulus 2, remainder 0);
      create table visits_1 partition of visits for values with (modulus 4, remainder 1)`)
    const state = async () => {
      const { covered, warnings } = await partitionStatus(place.service, visits)
      return [covered, ...warnings.map(({ code }) => code)]
    }
    expect(await state()).toEqual([false, 'not covered'])
    await expect(place.script('insert into visits select * from generate_series(1, 50)')).rejects.toThrow(
      'no partition',
    )
    await place.script('create table visits_3 partition of visits for values with (modulus 4, remainder 3)')
    expect(await state()).toEqual([true])
    await place.script('drop table visits')
  })

  it('stops at a signal also where the service has one connection', async () => {
    const url = place.adminUrl ?? ''
    await using db = createDatabase<DB>({ connection: url, service: { connection: url, pool: { max: 1 } } })
    const reader = await holder('select from events')
    const stop = new AbortController()
    const detaching = detachPartition(db, events, { partition: 'events_p202601', signal: stop.signal })
    detaching.catch(() => {})
    await waiting('detach partition')
    stop.abort()
    await expect(detaching).rejects.toMatchObject({ code: 'QUERY_CANCELED' })
    await reader.query('commit')
    await detachPartition(db, events, { partition: 'events_p202601' })
    await place.script('drop table events_p202601')
  })

  it('looks through neither table while attaching holds its locks', async () => {
    await place.script(
      `create table events_rest partition of events default; create table events_2019 (like events including all)`,
    )
    const client = await holder('select')
    await client.query('rollback')
    const notices: string[] = []
    client.on('notice', ({ message }) => notices.push(String(message)))
    const plan = await client.query(
      `select statement from tenon.attach_statements('events', 'events_2019', '2019-01-01', '2020-01-01')`,
    )
    await client.query('set client_min_messages to debug1')
    for (const { statement } of plan.rows) await client.query(statement)
    expect(notices).toContainEqual(
      expect.stringContaining('partition constraint for table "events_2019" is implied by existing constraints'),
    )
    expect(notices).toContainEqual(
      expect.stringContaining('updated partition constraint for default partition "events_rest" is implied'),
    )
  })

  it('tells its observer who served, and no value', async () => {
    const seen: DatabaseEvent[] = []
    const db = createDatabase<DB>({
      connection: place.adminUrl ?? '',
      service: { connection: place.adminUrl ?? '' },
      observe: (event) => seen.push(event),
    })
    await createPartitions(db.service(acting), events, { unit: 'month', since: '2031-07-07' })
    await db.close()
    expect(JSON.stringify(seen)).not.toContain('2031')
    expect(seen).toContainEqual({ type: 'service', ...acting })
  })
})
