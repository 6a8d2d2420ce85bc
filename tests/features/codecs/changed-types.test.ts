/** Types that are made and changed while the program runs: their values are read as they are now, and no statement is sent twice for it. */
import { sql } from 'kysely'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { allCodecs, type Composite, composite, Hstore, Range } from '../../../src/codecs/index.ts'
import { createDatabase, type Database, type Session } from '../../../src/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { bootPglite } from '../../support/pglite.ts'

// biome-ignore lint/suspicious/noExplicitAny: the tables are made while the test runs
type Loose = any

const asParts = (value: Composite): object => ({ ...value })

describe.each(['server', 'embedded'] as const)('on %s', (kind) => {
  let db: Database<Loose>
  let me: Session<Loose>
  /** The owner, on a connection of another program where there can be one. */
  let ddl: (text: string) => Promise<unknown>
  const closing: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    if (kind === 'server') {
      const place = await createTestDatabase()
      const login = await createLogin(place)
      const admin = new Client(place.adminUrl)
      await admin.connect()
      ddl = (text) => admin.query(text)
      db = createDatabase<Loose>({ connection: login.url, codecs: allCodecs, pool: { max: 2 } })
      closing.push(
        () => db.close(),
        () => admin.end(),
        () => login.drop(),
        () => place.drop(),
      )
    } else {
      const pglite = await bootPglite()
      await pglite.exec('create role authenticated; create role anon')
      ddl = (text) => pglite.exec(text)
      db = createDatabase<Loose>({ connection: pglite, codecs: allCodecs })
      closing.push(
        () => db.close(),
        () => pglite.close(),
      )
    }
    me = db.session({ role: 'authenticated' })
    await sql`select 1`.execute(me)
  }, 60_000)
  afterAll(async () => {
    for (const close of closing) await close()
  })

  it('an attribute more, one fewer and a new name are read as they are, by a statement that was prepared before', async () => {
    await ddl(`create type home as (street text, city text);
      create type family as (name text, homes home[], during tstzrange);
      create table people (id int primary key, home home, homes home[], family family);
      insert into people values (1, null, '{}', null), (2, '(a,b)', '{"(c,d)",NULL}', '(x,"{""(e,f)""}",)'), (3, '(g,h)', null, null);
      grant all on people to authenticated`)
    const people = async () => {
      const rows: Loose[] = await me.selectFrom('people').selectAll().orderBy('id').execute()
      expect(rows.map(({ id }) => id)).toEqual([1, 2, 3])
      expect(rows[0]).toEqual({ id: 1, home: null, homes: [], family: null })
      return rows[1]
    }
    for (let i = 0; i < 3; i++) expect(asParts((await people()).home)).toEqual({ street: 'a', city: 'b' })

    await ddl('alter type home add attribute zip int')
    const before = db.stats().roundTrips
    const found = await people()
    expect(db.stats().roundTrips - before).toBe(2)
    expect(asParts(found.home)).toEqual({ street: 'a', city: 'b', zip: null })
    expect(asParts(found.homes[0])).toEqual({ street: 'c', city: 'd', zip: null })
    expect(asParts(found.family.homes[0])).toEqual({ street: 'e', city: 'f', zip: null })
    const change = { home: composite(['street', 'city', 'zip'], { ...found.home, zip: 5 }) }
    await me.updateTable('people').set(change).where('id', '=', 2).execute()
    const again = await people()
    expect(asParts(again.home)).toEqual({ street: 'a', city: 'b', zip: 5 })
    // The control: nothing is asked where nothing has changed.
    expect(db.stats().roundTrips - before).toBe(4)

    await ddl('alter type home drop attribute city')
    expect(asParts((await people()).home)).toEqual({ street: 'a', zip: 5 })
    await ddl('alter type home drop attribute street, drop attribute zip')
    expect(asParts((await people()).homes[0])).toEqual({})
  })

  it('a write that returns a type which was made meanwhile is done once, alone, in a batch and in a transaction', async () => {
    await ddl(`create type stock as (sku text, amount int); create type level as range (subtype = int);
      create table goods (id int generated always as identity, stock stock, level level, tags text[]);
      grant all on goods to authenticated`)
    const values = { stock: composite(['sku', 'amount'], { sku: 'x', amount: 1 }), level: Range.of(1, 5), tags: ['a'] }
    const [first] = await me.insertInto('goods').values(values).returningAll().execute()
    expect(first).toEqual({ id: 1, ...values })
    await ddl('alter type stock add attribute place text')
    const [inserted, updated] = (await me.batch([
      me.insertInto('goods').values({ level: values.level }).returningAll(),
      me
        .updateTable('goods')
        .set({ tags: ['b'] })
        .returningAll(),
    ])) as readonly [Loose[], Loose[]]
    expect(inserted).toMatchObject([{ id: 2, stock: null }])
    expect(updated).toMatchObject([{ stock: { sku: 'x', amount: 1, place: null }, tags: ['b'] }, { id: 2 }])
    await ddl('alter type stock drop attribute place')
    await me.transaction(async (trx) => {
      await trx.insertInto('goods').values({ level: values.level }).execute()
      const rows: Loose[] = await trx
        .updateTable('goods')
        .set({ tags: ['c'] })
        .returningAll()
        .execute()
      expect(rows).toHaveLength(3)
      expect(asParts(rows[0].stock)).toEqual({ sku: 'x', amount: 1 })
      await trx.insertInto('goods').values({ level: values.level }).execute()
    })
    expect(await me.selectFrom('goods').select(['id', 'tags']).orderBy('id').execute()).toEqual([
      { id: 1, tags: ['c'] },
      { id: 2, tags: ['c'] },
      { id: 3, tags: ['c'] },
      { id: 4, tags: null },
    ])
  })

  it('a transaction stays as it was when types are asked for inside of it, its own types among them', async () => {
    await ddl('grant create on schema public to authenticated')
    await me.transaction(async (trx) => {
      await sql`select set_config('search_path', 'public', true), set_config('application_name', 'mine', true)`.execute(
        trx,
      )
      await sql`create type own_pair as (a int, b text)`.execute(trx)
      const { rows } = await sql<Loose>`select '(1,x)'::own_pair as pair, array['(2,y)'::own_pair] as pairs`.execute(
        trx,
      )
      expect(asParts(rows[0].pair)).toEqual({ a: 1, b: 'x' })
      expect(asParts(rows[0].pairs[0])).toEqual({ a: 2, b: 'y' })
      await sql`alter type own_pair add attribute c int`.execute(trx)
      const changed = await sql<Loose>`select '(1,x,3)'::own_pair as pair`.execute(trx)
      expect(asParts(changed.rows[0].pair)).toEqual({ a: 1, b: 'x', c: 3 })
      const settings =
        await sql<Loose>`select current_setting('search_path') as path, current_setting('application_name') as name`.execute(
          trx,
        )
      expect(settings.rows).toEqual([{ path: 'public', name: 'mine' }])
    })
  })

  it('a stream reads on after a change', async () => {
    await ddl(`create type step as (a int); create table steps (id int, step step);
      insert into steps select i, row(i)::step from generate_series(1, 50) i; grant select on steps to authenticated`)
    const ids: number[] = []
    for await (const row of me.selectFrom('steps').selectAll().orderBy('id').stream(7) as AsyncIterable<Loose>) {
      expect(asParts(row.step)).toEqual({ a: row.id })
      ids.push(row.id)
    }
    expect(ids).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
  })

  it('what is no value of a codec costs one question, and stays text', async () => {
    await ddl(`create type feeling as enum ('sad', 'ok'); create table feelings (id int, feeling feeling, feelings feeling[]);
      insert into feelings values (1, 'sad', '{sad,ok}'); grant select on feelings to authenticated`)
    const read = () => me.selectFrom('feelings').selectAll().execute()
    const before = db.stats().roundTrips
    expect(await read()).toEqual([{ id: 1, feeling: 'sad', feelings: '{sad,ok}' }])
    expect(await read()).toEqual([{ id: 1, feeling: 'sad', feelings: '{sad,ok}' }])
    expect(db.stats().roundTrips - before).toBe(3)
    // Types of rows of tables are not listed, because they are as many as tables.
    const row = sql<Loose>`select f as row from feelings f`
    expect((await row.execute(me)).rows).toEqual([{ row: '(1,sad,"{sad,ok}")' }])
    const later = db.stats().roundTrips
    await row.execute(me)
    expect(db.stats().roundTrips - later).toBe(1)
  })

  it('attributes that are others, but as many, are read under the old names for a minute at most', async () => {
    await ddl(`create type size as (width int, height int); create table sizes (size size); insert into sizes values ('(1,2)');
      grant select on sizes to authenticated`)
    const read = async () => asParts(((await me.selectFrom('sizes').selectAll().execute()) as Loose[])[0].size)
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      expect(await read()).toEqual({ width: 1, height: 2 })
      await ddl(
        'alter type size rename attribute width to breadth; alter type size drop attribute height, add attribute depth text',
      )
      vi.advanceTimersByTime(61_000)
      expect(await read()).toEqual({ breadth: 1, depth: null })
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('with other programs at work', () => {
  let url: string
  let db: Database<Loose>
  let me: Session<Loose>
  const clients: Client[] = []
  const closing: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    const place = await createTestDatabase()
    const login = await createLogin(place)
    for (let i = 0; i < 2; i++) {
      const client = new Client(place.adminUrl)
      await client.connect()
      clients.push(client)
    }
    url = login.url
    db = createDatabase<Loose>({ connection: url, codecs: allCodecs, pool: { max: 2 } })
    me = db.session({ role: 'authenticated' })
    closing.push(
      () => db.close(),
      ...clients.map((client) => () => client.end()),
      () => login.drop(),
      () => place.drop(),
    )
  })
  afterAll(async () => {
    for (const close of closing) await close()
  })

  it('a type that was committed after a younger one is known all the same', async () => {
    const [one, other] = clients as [Client, Client]
    await one.query(
      'begin; create type early as (a int); create table earlies (early early); grant all on earlies to authenticated',
    )
    await other.query(
      'create type late as (b int); create table lates (late late); grant all on lates to authenticated',
    )
    const [late] = await me.insertInto('lates').values({ late: '(1)' }).returningAll().execute()
    expect(asParts(late?.late)).toEqual({ b: 1 })
    await one.query('commit')
    const [early] = await me.insertInto('earlies').values({ early: '(2)' }).returningAll().execute()
    expect(asParts(early?.early)).toEqual({ a: 2 })
  })

  it('an extension that was made since is read by its codec, whatever its texts begin with', async () => {
    await clients[0]?.query(
      'create extension hstore; create table bags (bag hstore); grant all on bags to authenticated',
    )
    const bag = Hstore.from({ a: 'b' })
    expect(await me.insertInto('bags').values({ bag }).returningAll().execute()).toEqual([{ bag }])
  })

  it('a transaction that cannot see the change is told to begin again, and then sees it', async () => {
    const [one] = clients as [Client]
    await one.query(
      `create type spot as (x int); create table spots (spot spot); insert into spots values ('(1)'); grant all on spots to authenticated`,
    )
    const read = async (by: Loose) => asParts((await by.selectFrom('spots').selectAll().execute())[0].spot)
    expect(await read(me)).toEqual({ x: 1 })
    const failed = me.transaction({ isolationLevel: 'repeatable read' }, async (trx) => {
      await sql`select 1`.execute(trx)
      await one.query('alter type spot add attribute y int')
      await read(trx)
    })
    await expect(failed).rejects.toMatchObject({ code: 'QUERY_DATA', retryable: true })
    expect(await read(me)).toEqual({ x: 1, y: null })
  })

  it('a value that its codec cannot read costs two questions at most, and a write is not said to be undone', async () => {
    const [one] = clients as [Client]
    await one.query(
      'create type trouble as (a int); create table troubles (trouble trouble); grant all on troubles to authenticated',
    )
    const fails = () => {
      throw new RangeError('no such trouble')
    }
    const codec = { name: 'broken', parserOf: ({ name }: { name: string }) => (name === 'trouble' ? fails : undefined) }
    const own = createDatabase<Loose>({ connection: url, codecs: [codec] })
    try {
      const mine = own.session({ role: 'authenticated' })
      const insert = mine.insertInto('troubles').values({ trouble: '(1)' })
      await insert.execute()
      const before = own.stats().roundTrips
      await expect(insert.returningAll().execute()).rejects.toMatchObject({
        code: 'QUERY_DATA',
        retryable: false,
        hint: expect.stringContaining('do not send it again'),
      })
      expect(own.stats().roundTrips - before).toBeLessThanOrEqual(3)
    } finally {
      await own.close()
    }
    expect((await one.query('select from troubles')).rowCount).toBe(2)
  })

  it('a transaction that sees the types of its beginning leaves them to nobody', async () => {
    const [one] = clients as [Client]
    await one.query(
      `create type pair as (width int, height int); create table pairs (pair pair); insert into pairs values ('(1,2)'); grant all on pairs to authenticated`,
    )
    const read = async (by: Loose) => asParts((await by.selectFrom('pairs').selectAll().execute())[0].pair)
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      expect(await read(me)).toEqual({ width: 1, height: 2 })
      await me.transaction({ isolationLevel: 'repeatable read' }, async (trx) => {
        await sql`select 1`.execute(trx)
        await one.query('alter type pair rename attribute width to depth')
        vi.advanceTimersByTime(61_000)
        expect(await read(me)).toEqual({ depth: 1, height: 2 })
        vi.advanceTimersByTime(61_000)
        // The control: it has asked, and sees the catalog as it was.
        expect(await read(trx)).toEqual({ width: 1, height: 2 })
        expect(await read(me)).toEqual({ depth: 1, height: 2 })
      })
      expect(await read(me)).toEqual({ depth: 1, height: 2 })
    } finally {
      vi.useRealTimers()
    }
  })

  describe('when the question for the types is cut off', () => {
    let count = 0
    /** A table whose rows have to be asked for, and the question waiting; `how` is done to whoever asks. */
    const cutOff = async (
      how: 'pg_terminate_backend' | 'pg_cancel_backend',
      work: (by: Session<Loose>, table: string) => Promise<unknown>,
    ) => {
      const [one, other] = clients as [Client, Client]
      const name = `cut${++count}`
      await one.query(
        `create type ${name} as (a int); create table ${name}s (value ${name}); insert into ${name}s values ('(1)'); grant all on ${name}s to authenticated`,
      )
      await read(me, `${name}s`)
      await write(me, `${name}s`)
      await one.query(`alter type ${name} add attribute b int`)
      await one.query('begin; lock table pg_catalog.pg_range in access exclusive mode')
      try {
        const working = work(me, `${name}s`).then(
          () => undefined,
          (error: unknown) => error,
        )
        let settled = false
        working.then(() => (settled = true))
        for (let found = 0; found === 0 && !settled; )
          found = (
            await other.query(
              `select ${how}(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() and pid <> pg_backend_pid()`,
            )
          ).rowCount as number
        await one.query('rollback')
        return { error: await working, rows: async () => (await other.query(`select from ${name}s`)).rowCount }
      } finally {
        await one.query('rollback')
      }
    }
    const read = (by: Loose, table: string) => by.selectFrom(table).selectAll().execute()
    const write = (by: Loose, table: string) =>
      by
        .insertInto(table)
        .values({ value: sql`(select x.value from ${sql.table(table)} as x limit 1)` })
        .returningAll()
        .execute()
    const inTransaction = (by: Session<Loose>, table: string) => by.transaction((trx) => write(trx, table))

    it.each([
      ['a read', read],
      ['a transaction', inTransaction],
    ])('%s says that the connection was lost, and may be tried again', async (_, work) => {
      const { error, rows } = await cutOff('pg_terminate_backend', work)
      expect(error).toMatchObject({ code: 'CONNECTION_LOST', retryable: true })
      expect(await rows()).toBe(2)
    })

    it.each([
      ['a read', read],
      ['a transaction', inTransaction],
    ])('%s says what the server refused', async (_, work) => {
      const { error, rows } = await cutOff('pg_cancel_backend', work)
      expect(error).toMatchObject({ code: 'QUERY_CANCELED', sqlstate: '57014' })
      expect(await rows()).toBe(2)
    })

    it.each(['pg_terminate_backend', 'pg_cancel_backend'] as const)(
      'a write that is committed says so, and why it cannot be read: %s',
      async (how) => {
        const { error, rows } = await cutOff(how, write)
        expect(error).toMatchObject({
          code: 'QUERY_DATA',
          retryable: false,
          hint: expect.stringContaining('do not send it again'),
          cause: { code: how === 'pg_cancel_backend' ? 'QUERY_CANCELED' : 'CONNECTION_LOST' },
        })
        expect(await rows()).toBe(3)
      },
    )
  })

  it('connections that are shared ask once for what all of them wait for', async () => {
    const [one] = clients as [Client]
    await one.query(
      `create type shape as (a int); create table shapes (shape shape); insert into shapes values ('(1)'); grant all on shapes to authenticated`,
    )
    const own = createDatabase<Loose>({ connection: url, codecs: allCodecs, multiplex: true, pool: { max: 2 } })
    try {
      const mine = own.session({ role: 'authenticated' })
      const read = async () => asParts(((await mine.selectFrom('shapes').selectAll().execute()) as Loose[])[0].shape)
      for (let i = 0; i < 5; i++) expect(await read()).toEqual({ a: 1 })
      await one.query('alter type shape add attribute b text')
      const before = own.stats().roundTrips
      const found = await Promise.all(Array.from({ length: 40 }, read))
      expect(found).toEqual(Array.from({ length: 40 }, () => ({ a: 1, b: null })))
      // Each connection asks by itself, so that none waits for another.
      expect(own.stats().roundTrips - before).toBeLessThanOrEqual(42)
    } finally {
      await own.close()
    }
  })
})
