/** Operators against PostgreSQL and PGlite, with what a person would expect of each beside it. */
import { hstore as hstoreExtension } from '@electric-sql/pglite/contrib/hstore'
import { ltree as ltreeExtension } from '@electric-sql/pglite/contrib/ltree'
import { type AliasableExpression, CamelCasePlugin, type ExpressionBuilder, sql } from 'kysely'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  allCodecs,
  array,
  Box,
  Circle,
  geometric,
  Hstore,
  hstore,
  ltree,
  Multirange,
  multirange,
  network,
  Point,
  Range,
  range,
} from '../../../src/codecs/index.ts'
import { createDatabase, type Database, type Session } from '../../../src/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { bootPglite } from '../../support/pglite.ts'

interface DB {
  things: {
    id: number
    during: Range<Date>
    span: Range<number>
    spans: Multirange<number>
    tags: string[]
    attrs: Hstore
    spot: Point
    area: Box
    ip: string
    path: string
    moods: ('sad' | 'ok')[]
  }
}
const thingsSql = `
  create schema ext; create extension hstore schema ext; create extension ltree schema ext;
  create type mood as enum ('sad', 'ok');
  create table things (id int primary key, during tstzrange, span int4range, spans int4multirange, tags text[], attrs ext.hstore,
    spot point, area box, ip inet, path ext.ltree, moods mood[]);
  alter table things enable row level security;
  create policy things_policy on things to authenticated using (id < 10);
  grant all on things to authenticated; grant usage on schema ext to authenticated;
  insert into things values
    (1, '[2024-01-01 00:00+00,2024-01-03 00:00+00)', '[1,5)', '{[1,3),[7,9)}', '{a,"b,c",a}', 'color=>red, size=>NULL', '(1,2)', '(2,2),(0,0)', '10.1.2.3/16', 'shop.garden.tools', '{sad}'),
    (2, 'empty', 'empty', '{}', '{}', '', '(5,5)', '(9,9),(8,8)', '::1', 'shop', '{}'),
    (3, null, null, null, null, null, null, null, null, null, null),
    (11, '[2024-01-01 00:00+00,2024-01-03 00:00+00)', '[1,5)', '{[1,3)}', '{a}', 'color=>red', '(1,2)', '(2,2),(0,0)', '10.1.2.3/16', 'shop.garden', '{sad}');
`
type Builder = ExpressionBuilder<DB, 'things'>
const kinds = ['server', 'embedded'] as const
const databases: Partial<Record<(typeof kinds)[number], Database<DB>>> = {}
const closing: (() => Promise<void>)[] = []

beforeAll(async () => {
  const place = await createTestDatabase()
  const login = await createLogin(place)
  const client = new Client(place.adminUrl)
  await client.connect()
  await client.query(thingsSql)
  await client.end()
  const pglite = await bootPglite('', { hstore: hstoreExtension, ltree: ltreeExtension })
  await pglite.exec(`create role authenticated; create role anon; ${thingsSql}`)
  const searchPath = ['public', 'ext']
  const server = createDatabase<DB>({ connection: login.url, codecs: allCodecs, searchPath })
  const embedded = createDatabase<DB>({ connection: pglite, codecs: allCodecs, searchPath })
  Object.assign(databases, { server, embedded })
  closing.push(
    () => server.close(),
    () => embedded.close(),
    () => pglite.close(),
    () => login.drop(),
    () => place.drop(),
  )
}, 60_000)
afterAll(async () => {
  for (const close of closing) await close()
})

describe.each(kinds)('on %s', (kind) => {
  let me: Session<DB>
  beforeAll(() => {
    me = (databases[kind] as Database<DB>).session({ role: 'authenticated' })
  })
  const found = async (condition: (eb: Builder) => AliasableExpression<unknown>) =>
    (
      await me
        .selectFrom('things')
        .select('id')
        .where((eb) => condition(eb) as never)
        .orderBy('id')
        .execute()
    ).map(({ id }) => id)
  const of = async <T>(value: (eb: Builder) => AliasableExpression<T>): Promise<T | undefined> =>
    (
      await me
        .selectFrom('things')
        .select((eb) => value(eb).as('value'))
        .where('id', '=', 1)
        .execute()
    )[0]?.value as T
  const at = (day: number, hour = 0) => new Date(Date.UTC(2024, 0, day, hour))

  it('ranges', async () => {
    const during = ({ ref }: Builder) => range(ref('during'))
    expect(await found((eb) => during(eb).overlaps(Range.of(at(2), at(9))))).toEqual([1])
    expect(await found((eb) => during(eb).overlaps(Range.of(at(3), at(9))))).toEqual([])
    expect(await found((eb) => during(eb).contains(at(2)))).toEqual([1])
    expect(await found((eb) => during(eb).contains(at(3)))).toEqual([])
    expect(await found((eb) => during(eb).contains(Range.of(at(1), at(2))))).toEqual([1])
    expect(await found((eb) => during(eb).containedBy(Range.of(at(1), null)))).toEqual([1, 2])
    expect(await found((eb) => during(eb).adjacent(Range.of(at(3), null)))).toEqual([1])
    expect(await found((eb) => during(eb).before(Range.of(at(4), null)))).toEqual([1])
    expect(await found((eb) => during(eb).after(Range.of(null, at(1))))).toEqual([1])
    expect(await found((eb) => during(eb).notAfter(Range.of(at(1), at(2))))).toEqual([])
    expect(await found((eb) => during(eb).notBefore(Range.of(at(1), at(2))))).toEqual([1])
    expect(await found((eb) => during(eb).isEmpty())).toEqual([2])
    expect(await of((eb) => during(eb).lower())).toEqual(at(1))
    expect(await of((eb) => during(eb).upper())).toEqual(at(3))
    expect(await found((eb) => during(eb).isUpperUnbounded())).toEqual([])
    expect(await found((eb) => during(eb).isLowerUnbounded())).toEqual([])
    const span = ({ ref }: Builder) => range(ref('span'))
    expect(await of((eb) => span(eb).union(Range.of(5, 9)))).toEqual(Range.of(1, 9))
    expect(await of((eb) => span(eb).intersection(Range.of(3, 9)))).toEqual(Range.of(3, 5))
    expect(await of((eb) => span(eb).difference('[3,9)'))).toEqual(Range.of(1, 3))
    expect(await of((eb) => span(eb).span(Range.of(20, 21)))).toEqual(Range.of(1, 21))
    expect(await found((eb) => span(eb).overlaps(eb.ref('spans')))).toEqual([1])
    expect(await found((eb) => span(eb).contains(eb.ref('id')))).toEqual([1])
    await expect(of((eb) => span(eb).union(Range.of(7, 9)))).rejects.toMatchObject({ code: 'QUERY_DATA' })
  })

  it('multiranges', async () => {
    const spans = ({ ref }: Builder) => multirange(ref('spans'))
    expect(await found((eb) => spans(eb).contains(8))).toEqual([1])
    expect(await found((eb) => spans(eb).contains(4))).toEqual([])
    expect(await found((eb) => spans(eb).contains('8'))).toEqual([1])
    expect(await found((eb) => spans(eb).overlaps(Range.of(2, 5)))).toEqual([1])
    expect(await found((eb) => spans(eb).overlaps('[3,7)'))).toEqual([])
    expect(await found((eb) => spans(eb).overlaps(Multirange.of(Range.of(3, 7), Range.of(8, 9))))).toEqual([1])
    expect(await of((eb) => spans(eb).difference(Range.of(1, 8)))).toEqual(Multirange.of(Range.of(8, 9)))
    expect(await of((eb) => spans(eb).span())).toEqual(Range.of(1, 9))
    expect(await of((eb) => spans(eb).lower())).toBe(1)
  })

  it('arrays', async () => {
    const tags = ({ ref }: Builder) => array(ref('tags'))
    expect(await found((eb) => tags(eb).has('b,c'))).toEqual([1])
    expect(await found((eb) => tags(eb).hasAny(['x', 'a']))).toEqual([1])
    expect(await found((eb) => tags(eb).hasAll(['x', 'a']))).toEqual([])
    expect(await found((eb) => tags(eb).containedBy(['a', 'b,c']))).toEqual([1, 2])
    expect(await found((eb) => tags(eb).isEmpty())).toEqual([2])
    expect(await found(({ ref }) => array(ref('moods')).has('sad'))).toEqual([1])
    expect(await of((eb) => tags(eb).length())).toBe(3)
    expect(await of((eb) => tags(eb).at(2))).toBe('b,c')
    expect(await of((eb) => tags(eb).at(9))).toBeNull()
    expect(await of((eb) => array(tags(eb).append('z')).at(4))).toBe('z')
    expect(await of((eb) => tags(eb).prepend('z'))).toEqual(['z', 'a', 'b,c', 'a'])
    expect(await of((eb) => tags(eb).remove('a'))).toEqual(['b,c'])
    expect(await of((eb) => tags(eb).replace('a', 'A'))).toEqual(['A', 'b,c', 'A'])
    expect(await of((eb) => tags(eb).concat(['y', 'z']))).toEqual(['a', 'b,c', 'a', 'y', 'z'])
    expect(await of((eb) => tags(eb).position('a'))).toBe(1)
    expect(await of((eb) => tags(eb).position('q'))).toBeNull()
    expect(() => array(sql.ref<string[]>('tags')).at(0.5)).toThrow(expect.objectContaining({ code: 'QUERY_FILTER' }))
    expect(() => array(sql.ref<string[]>('tags')).has(null as never)).toThrow(
      expect.objectContaining({ code: 'QUERY_FILTER' }),
    )
  })

  it('hstore, in a schema of its own', async () => {
    const attrs = ({ ref }: Builder) => hstore(ref('attrs'))
    expect(await of((eb) => attrs(eb).at('color'))).toBe('red')
    expect(await of((eb) => attrs(eb).at('size'))).toBeNull()
    expect(await found((eb) => attrs(eb).hasKey('size'))).toEqual([1])
    expect(await found((eb) => attrs(eb).hasAnyKey(['x', 'size']))).toEqual([1])
    expect(await found((eb) => attrs(eb).hasAllKeys(['x', 'size']))).toEqual([])
    expect(await found((eb) => attrs(eb).contains({ color: 'red' }))).toEqual([1])
    expect(await found((eb) => attrs(eb).containedBy(Hstore.from({ color: 'red' })))).toEqual([2])
    expect(await of((eb) => attrs(eb).concat({ a: 'x"y' }))).toEqual(
      Hstore.from({ a: 'x"y', size: null, color: 'red' }),
    )
    expect(await of((eb) => attrs(eb).without('color', 'nothing'))).toEqual(Hstore.from({ size: null }))
    expect(await of((eb) => attrs(eb).only('color'))).toEqual(Hstore.from({ color: 'red' }))
    expect(await of((eb) => attrs(eb).keys())).toEqual(['size', 'color'])
    expect(await of((eb) => attrs(eb).values())).toEqual([null, 'red'])
    expect(await of((eb) => attrs(eb).toJsonb())).toEqual({ size: null, color: 'red' })
    const rows = await me
      .selectFrom('things')
      .innerJoinLateral(
        (eb) => hstore(eb.ref('attrs')).entries().as('entry') as never,
        (join) => join.onTrue(),
      )
      .select(sql<string>`entry.key`.as('key'))
      .orderBy('key')
      .execute()
    expect(rows).toEqual([{ key: 'color' }, { key: 'size' }])
    expect(() => hstore(sql.ref('attrs')).contains({ a: 1 } as never)).toThrow(
      expect.objectContaining({ code: 'PARAMETER_INVALID' }),
    )
  })

  it('geometric types, and the nearest first', async () => {
    const spot = ({ ref }: Builder) => geometric(ref('spot'))
    const area = ({ ref }: Builder) => geometric(ref('area'))
    expect(await of((eb) => spot(eb).distance(new Point(4, 6)))).toBe(5)
    expect(await found((eb) => spot(eb).within(1, new Point(1, 1)))).toEqual([1])
    expect(await found((eb) => spot(eb).containedBy(new Box(new Point(0, 0), new Point(3, 3))))).toEqual([1])
    expect(await found((eb) => area(eb).contains(new Point(1, 1)))).toEqual([1])
    expect(await found((eb) => area(eb).overlaps(new Box(new Point(1, 1), new Point(7, 7))))).toEqual([1])
    expect(await found((eb) => area(eb).contains(eb.ref('spot')))).toEqual([1])
    expect(await found((eb) => spot(eb).leftOf(new Point(3, 0)))).toEqual([1])
    expect(await found((eb) => spot(eb).rightOf(new Point(3, 0)))).toEqual([2])
    expect(await found((eb) => spot(eb).below(new Point(0, 3)))).toEqual([1])
    expect(await found((eb) => spot(eb).above(new Point(0, 3)))).toEqual([2])
    expect(await found((eb) => spot(eb).sameAs(new Point(1, 2)))).toEqual([1])
    expect(await found((eb) => area(eb).intersects(new Box(new Point(1, 1), new Point(7, 7))))).toEqual([1])
    expect(await of((eb) => area(eb).area())).toBe(4)
    expect(await of((eb) => area(eb).center())).toEqual(new Point(1, 1))
    expect(new Circle(1, 2, 3).center).toEqual(new Point(1, 2))
    const near = await me
      .selectFrom('things')
      .select('id')
      .where('spot', 'is not', null)
      .orderBy(({ ref }) => geometric(ref('spot')).distance(new Point(6, 6)))
      .execute()
    expect(near).toEqual([{ id: 2 }, { id: 1 }])
  })

  it('network addresses', async () => {
    const ip = ({ ref }: Builder) => network(ref('ip'))
    expect(await found((eb) => ip(eb).containedBy('10.0.0.0/8'))).toEqual([1])
    expect(await found((eb) => ip(eb).containedByOrEquals('::1'))).toEqual([2])
    expect(await found((eb) => ip(eb).contains('10.1.2.3'))).toEqual([1])
    expect(await found((eb) => ip(eb).containsOrEquals('::1'))).toEqual([2])
    expect(await found((eb) => ip(eb).overlaps('10.1.0.0/24'))).toEqual([1])
    expect(await found((eb) => ip(eb).sameFamily('::2'))).toEqual([2])
    expect(await of((eb) => ip(eb).family())).toBe(4)
    expect(await of((eb) => ip(eb).host())).toBe('10.1.2.3')
    expect(await of((eb) => ip(eb).masklen())).toBe(16)
    expect(await of((eb) => ip(eb).netmask())).toBe('255.255.0.0')
    expect(await of((eb) => ip(eb).network())).toBe('10.1.0.0/16')
    expect(await of((eb) => ip(eb).broadcast())).toBe('10.1.255.255/16')
    expect(await of((eb) => ip(eb).withMasklen(8))).toBe('10.1.2.3/8')
    await expect(found((eb) => ip(eb).contains('nowhere'))).rejects.toMatchObject({ code: 'QUERY_DATA' })
  })

  it('ltree', async () => {
    const path = ({ ref }: Builder) => ltree(ref('path'))
    expect(await found((eb) => path(eb).descendantOf('shop.garden'))).toEqual([1])
    expect(await found((eb) => path(eb).ancestorOf('shop.garden'))).toEqual([2])
    expect(await found((eb) => path(eb).matches('shop.*{2}'))).toEqual([1])
    expect(await found((eb) => path(eb).matchesAny(['x.*', '*.tools']))).toEqual([1])
    expect(await found((eb) => path(eb).matchesText('tools & !old'))).toEqual([1])
    expect(await of((eb) => path(eb).level())).toBe(3)
    expect(await of((eb) => path(eb).subpath(1))).toBe('garden.tools')
    expect(await of((eb) => path(eb).subpath(0, -1))).toBe('shop.garden')
    expect(await of((eb) => path(eb).index('garden'))).toBe(1)
    expect(await of((eb) => path(eb).lca('shop.garden.chairs'))).toBe('shop.garden')
    expect(await of((eb) => path(eb).concat('red'))).toBe('shop.garden.tools.red')
  })

  it('row security stands over every operator, and a statement of them costs no clean-up', async () => {
    expect(await found(({ ref }) => array(ref('tags')).has('a'))).toEqual([1])
    const database = databases[kind] as Database<DB>
    const before = database.stats().roundTrips
    await found(({ ref }) => ltree(ref('path')).descendantOf('shop'))
    await of(({ ref }) => hstore(ref('attrs')).keys())
    await of(({ ref }) => multirange(ref('spans')).span())
    expect(database.stats().roundTrips - before).toBe(3)
  })

  it('goes through CamelCasePlugin, a schema of a query, an update and a transaction', async () => {
    const camel = me.withPlugin(new CamelCasePlugin({ maintainNestedObjectKeys: true }))
    const rows = await camel
      .withSchema('public')
      .selectFrom('things')
      .select(['id', 'attrs'])
      .where(({ ref }) => range(ref('things.span')).contains(2))
      .execute()
    expect(rows).toEqual([{ id: 1, attrs: Hstore.from({ size: null, color: 'red' }) }])
    await me.transaction({}, async (trx) => {
      await trx
        .updateTable('things')
        .set(({ ref }) => ({ tags: array(ref('tags')).append('new'), attrs: hstore(ref('attrs')).concat({ x: null }) }))
        .where('id', '=', 2)
        .execute()
      expect(await trx.selectFrom('things').select(['tags', 'attrs']).where('id', '=', 2).execute()).toEqual([
        { tags: ['new'], attrs: Hstore.from({ x: null }) },
      ])
    })
    await me
      .updateTable('things')
      .set({ tags: [], attrs: Hstore.from({}) })
      .where('id', '=', 2)
      .execute()
  })

  it('what is nothing is refused before it is sent', () => {
    const refused = expect.objectContaining({ code: 'QUERY_FILTER' })
    expect(() => range(sql.ref('during')).overlaps(null as never)).toThrow(refused)
    expect(() => range(sql.ref('during')).contains(undefined as never)).toThrow(refused)
    expect(() => network(sql.ref('ip')).contains(undefined as never)).toThrow(refused)
    expect(() => ltree(sql.ref('path')).subpath('1' as never)).toThrow(refused)
    expect(() => range('during' as never)).toThrow(refused)
    expect(() => geometric(sql.ref('spot')).within(-1, new Point(0, 0))).toThrow(
      expect.objectContaining({ code: 'PARAMETER_INVALID' }),
    )
  })
})
