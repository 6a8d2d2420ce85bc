/** Columns of codecs through repositories: read alike as rows and inside of JSON, written back as they came, and asked for by their values. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allCodecs, composite, Hstore, hstore, Multirange, Point, Range, range } from '../../../src/codecs/index.ts'
import { generateCode } from '../../../src/codegen/index.ts'
import type { CodecName } from '../../../src/kernel/codec.ts'
import { codedImport, toExpression } from '../../support/every-type.ts'
import { GeneratedFolder } from '../../support/generated-code.ts'
import { openShop, repository, type Shop, shopKinds } from '../../support/shop.ts'

const moreSql = `
  create extension hstore; create extension ltree;
  create type address as (street text, city text, since date);
  create type spell as range (subtype = text, collation = "C");
  create domain stay as tstzrange;
  create table rooms (id int primary key, name text not null, size spell, home address, homes address[], attrs hstore, bag hstore[],
    spot point, area box, areas box[], zone circle, path ltree, opening int4multirange, prices numrange[]);
  create table bookings (id int primary key, room_id int not null references rooms, during stay not null, days daterange,
    guest address, extras hstore, marks point[], slots int8multirange, free int4range[]);
  grant all on rooms, bookings to authenticated;
`
const at = (text: string) => new Date(`2024-03-${text}:00:00Z`)
const stay = Range.of(at('01T12'), at('03T10'))
const home = composite(['street', 'city', 'since'], {
  street: 'Main "St", 1',
  city: null,
  since: new Date(2024, 1, 29),
})
const room = {
  id: 1,
  name: 'Blue',
  size: Range.of('a', 'm, "x"'),
  home,
  homes: [home, null],
  // The server's order is by length.
  attrs: Hstore.from({ note: null, view: 'lake' }),
  bag: [Hstore.from({ a: '1' })],
  spot: new Point(1, 2.5),
  area: null,
  areas: null,
  zone: null,
  path: 'house.first',
  opening: Multirange.of(Range.of(8, 12), Range.of(14, 18)),
  prices: [Range.of('1.50', null), Range.empty()],
}
const booking = {
  id: 1,
  roomId: 1,
  during: stay,
  days: Range.of<Date | number>(new Date(2024, 2, 1), Number.POSITIVE_INFINITY),
  guest: home,
  extras: Hstore.from({ __: 'x' }),
  marks: [new Point(0, -1), null],
  slots: Multirange.of(Range.of('1', '9007199254740993')),
  free: [Range.of(1, 3), Range.unbounded()],
}

describe.each(shopKinds)('repositories on %s', (kind) => {
  let shop: Shop
  // biome-ignore lint/suspicious/noExplicitAny: the tables are generated while the test runs
  let rooms: any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let bookings: any

  beforeAll(async () => {
    shop = await openShop(
      kind,
      { codecs: allCodecs.map(({ name }) => name as CodecName), nullableElements: true },
      moreSql,
    )
    rooms = repository(shop.tables.rooms)
    bookings = repository(shop.tables.bookings)
    await rooms.insert(shop.ada, room)
    const { roomId, ...rest } = booking
    await bookings.insertMany(shop.ada, [{ ...rest, room_id: roomId }])
  })
  afterAll(async () => {
    await shop?.[Symbol.asyncDispose]()
  })

  it('a row comes back as it was given', async () => {
    expect(await rooms.find(shop.ada, 1)).toEqual(room)
    const { roomId, ...rest } = booking
    expect(await bookings.find(shop.ada, 1)).toEqual({ ...rest, room_id: roomId })
  })

  it('a row inside of JSON is the same as one of a query, with the first query of a database too', async () => {
    const direct = await bookings.list(shop.ada)
    for (const strategy of ['json', 'batch'] as const) {
      const [found] = await rooms.list(shop.ada, { load: { bookings: true }, strategy })
      expect(found.bookings, strategy).toStrictEqual(direct)
      const [other] = await bookings.list(shop.ada, { load: { room: true }, strategy })
      expect(other.room, strategy).toStrictEqual(await rooms.find(shop.ada, 1))
    }
  })

  it('what was read can be written again, one by one, many at once and as a default of an update', async () => {
    const read = await rooms.find(shop.ada, 1)
    await rooms.insertMany(shop.ada, [
      { ...read, id: 2 },
      { ...read, id: 3, homes: null, areas: null },
    ])
    expect(await rooms.find(shop.ada, 2)).toEqual({ ...room, id: 2 })
    await rooms.update(shop.ada, 3, { homes: read.homes, prices: read.prices, bag: read.bag })
    expect(await rooms.find(shop.ada, 3)).toEqual({ ...room, id: 3 })
    expect(await rooms.delete(shop.ada, 2)).toBeTruthy()
    expect(await rooms.delete(shop.ada, 3)).toBeTruthy()
  })

  it('a copy that has lost how it is written is refused before it is sent', async () => {
    const lost = {
      code: 'QUERY_FILTER',
      message: expect.stringContaining('would be sent as JSON'),
      hint: expect.stringContaining('structuredClone'),
    }
    const read = await rooms.find(shop.ada, 1)
    for (const column of ['size', 'home', 'homes', 'attrs', 'bag', 'spot', 'opening', 'prices']) {
      const copy = structuredClone(read[column])
      await expect(rooms.update(shop.ada, 1, { [column]: copy }), column).rejects.toMatchObject(lost)
      await expect(rooms.insert(shop.ada, { ...room, id: 4, [column]: copy }), column).rejects.toMatchObject(lost)
      for (const count of [1, 1_001])
        for (const executor of [shop.ada, shop.service]) {
          const rows = Array.from({ length: count }, (_, i) => ({ ...room, id: 10 + i, [column]: copy }))
          await expect(rooms.insertMany(executor, rows), column).rejects.toMatchObject(lost)
        }
    }
    await expect(rooms.update(shop.ada, 1, { spot: { ...read.spot } })).rejects.toMatchObject(lost)
    await expect(rooms.list(shop.ada, { where: { home: { ...home } as never } })).rejects.toMatchObject({
      code: 'QUERY_FILTER',
    })
    await expect(rooms.list(shop.ada, { where: { home: { in: [structuredClone(home)] } } })).rejects.toMatchObject(lost)
    expect(await rooms.list(shop.ada)).toEqual([room])
  })

  it('ranges are asked for by values, texts and elements, of schemas’ own types and behind domains', async () => {
    const count = async (where: object) => (await bookings.list(shop.ada, { where })).length
    expect(await count({ during: stay })).toBe(1)
    expect(await count({ during: { overlaps: Range.of(at('02T00'), null) } })).toBe(1)
    expect(await count({ during: { overlaps: Range.of(at('04T00'), null) } })).toBe(0)
    expect(await count({ during: { contains: at('02T00') } })).toBe(1)
    expect(await count({ during: { contains: at('03T10') } })).toBe(0)
    expect(await count({ during: { adjacent: Range.of(at('03T10'), null) } })).toBe(1)
    expect(await count({ during: { containedBy: Range.unbounded() } })).toBe(1)
    expect(await count({ slots: { contains: 5n } })).toBe(1)
    expect(await count({ slots: { overlaps: Range.of(0, 1) } })).toBe(0)
    expect(await count({ slots: { contains: Range.of(1, 5) } })).toBe(1)
    expect(await count({ room: { size: { contains: 'f' } } })).toBe(1)
    expect(await count({ room: { size: { contains: 'z' } } })).toBe(0)
    expect(await count({ room: { size: { overlaps: '[b,c]' } } })).toBe(1)
    await expect(count({ room: { name: { overlaps: '[b,c]' } } })).rejects.toMatchObject({ code: 'QUERY_FILTER' })
    await expect(count({ during: { overlaps: null } })).rejects.toMatchObject({ code: 'QUERY_FILTER' })
    await expect(count({ during: { contains: 'no instant' } })).rejects.toMatchObject({ code: 'QUERY_DATA' })
  })

  it('composites and hstores are asked for by equality', async () => {
    const count = async (where: object) => (await rooms.list(shop.ada, { where })).length
    expect(await count({ home })).toBe(1)
    expect(await count({ home: { ne: home } })).toBe(0)
    expect(await count({ attrs: Hstore.from({ note: null, view: 'lake' }) })).toBe(1)
    expect(await count({ attrs: { eq: Hstore.from({}) } })).toBe(0)
    expect(await count({ home: { in: [home, null] } })).toBe(1)
  })

  it('operators of a filter’s expression stand beside its columns', async () => {
    const found = await shop.ada
      .selectFrom('rooms')
      .select('id')
      // biome-ignore lint/suspicious/noExplicitAny: the tables are generated while the test runs
      .where(({ ref }: any) => hstore(ref('attrs')).contains({ view: 'lake' }))
      // biome-ignore lint/suspicious/noExplicitAny: as above
      .where(({ ref }: any) => range(ref('size')).contains('f'))
      .execute()
    expect(found).toEqual([{ id: 1 }])
  })

  it('the schemas take and give the same values, and refuse others', async () => {
    const { row, insert } = shop.schemas.rooms
    const found = await rooms.find(shop.ada, 1)
    expect(row.parse(found)).toEqual(room)
    expect(insert.parse(found)).toEqual({ ...room, spot: '(1,2.5)' })
    expect(insert.parse({ id: 1, name: 'x', size: '[a,b)', home: '(,,)' })).toBeTruthy()
    const wrong = [
      { size: Range.of(1, 2), row: true },
      { size: Multirange.of() },
      { home: { street: 'x', city: null, since: null } },
      { home: composite(['street'], { street: 5 }), row: true },
      { attrs: new Map() },
      { attrs: { a: '1' } },
      { size: 'nul\0' },
    ]
    for (const { row: ofRow, ...values } of wrong)
      expect((ofRow ? row : insert).safeParse({ ...found, ...values }).success, JSON.stringify(values)).toBe(false)
  })

  // The generated code is the same on both, byte for byte.
  if (kind === 'server')
    it('the compiler says of rows what the driver gives', { timeout: 120_000 }, async () => {
      const found = await rooms.find(shop.ada, 1)
      shop.folder.write({
        'rows.ts': `${codedImport}import type { Insertable, Selectable } from "kysely";
import type { z } from "zod";
import type { DB } from "./types.js";
import { schemas } from "./zod.js";
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function equal<A, B>(same: Equal<A, B>): void;
equal<z.output<typeof schemas.rooms.row>, Selectable<DB["rooms"]>>(true);
equal<z.output<typeof schemas.bookings.row>, Selectable<DB["bookings"]>>(true);
const row = ${toExpression({ ...found, bag: [], attrs: null })} satisfies Selectable<DB["rooms"]>;
row satisfies Insertable<DB["rooms"]>;
const given: Insertable<DB["rooms"]> = schemas.rooms.insert.parse(row);
void given;
`,
        'wrong.ts': `import type { Selectable, Insertable } from "kysely";
import { Range } from "tenon/codecs";
import type { DB } from "./types.js";
export const a: Selectable<DB["rooms"]>["size"] = "text";
export const b: Insertable<DB["rooms"]>["size"] = Range.of(1, 2);
export const c: Insertable<DB["rooms"]>["home"] = { street: null, city: null, since: null };
`,
      })
      const { errors } = shop.folder.compile(['rows.ts', 'zod.ts', 'metadata.ts', 'wrong.ts'])
      expect(errors.filter((error) => !error.startsWith('wrong.ts'))).toEqual([])
      expect(errors).toHaveLength(3)
    })

  it('metadata says what lies beneath the domains of attributes, which composite() goes by', async () => {
    await sql`create domain note as jsonb`.execute(shop.service)
    await sql`create domain notes as note[]`.execute(shop.service)
    await sql`create type letter as (one note, many note[], listed notes, plain jsonb[], text text)`.execute(
      shop.service,
    )
    await sql`create table letters (id int primary key, letter letter)`.execute(shop.service)
    await sql`grant all on letters to authenticated`.execute(shop.service)
    const { files } = await generateCode(shop.service, { codecs: ['composite'] })
    using folder = new GeneratedFolder(files)
    const attributes = (await folder.import('metadata.ts')).metadata.composites['public.letter']
    expect(attributes).toEqual([
      { name: 'one', type: 'public.note', baseType: 'pg_catalog.jsonb' },
      { name: 'many', type: 'public.note[]', baseType: 'pg_catalog.jsonb[]' },
      { name: 'listed', type: 'public.notes', baseType: 'pg_catalog.jsonb[]' },
      { name: 'plain', type: 'jsonb[]' },
      { name: 'text', type: 'text' },
    ])
    const letter = composite(attributes, { one: 'x', many: ['y', 1], listed: [[], null], plain: ['z'], text: 'w' })
    const insert = shop.ada.insertInto('letters').values({ id: 1, letter }).returning('letter')
    expect(await insert.execute()).toEqual([{ letter }])
  })

  it('a type that was changed since is asked for by the query after one that has it inside of JSON alone', async () => {
    await sql`alter type address add attribute zip text`.execute(shop.service)
    const query = { select: ['id'], load: { bookings: true }, strategy: 'json', where: { id: 1 } }
    await expect(rooms.list(shop.ada, query)).rejects.toMatchObject({ code: 'QUERY_DATA', retryable: true })
    const [found] = await rooms.list(shop.ada, query)
    expect({ ...found.bookings[0].guest }).toEqual({ ...home, zip: null })
    await sql`alter type address drop attribute zip`.execute(shop.service)
    expect((await rooms.find(shop.ada, 1)).home).toEqual(home)
    const [again] = await rooms.list(shop.ada, query)
    expect(again.bookings[0].guest).toEqual(home)
  })
})
