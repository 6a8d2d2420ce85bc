/**
 * Ranges, hstore, ltree and composites as values: a guest house whose rooms cannot be booked twice for the same night, because the
 * database refuses it.
 *
 *   node examples/07-types.ts
 */
import { PGlite } from '@electric-sql/pglite'
import { btree_gist } from '@electric-sql/pglite/contrib/btree_gist'
import { hstore as hstoreExtension } from '@electric-sql/pglite/contrib/hstore'
import { ltree as ltreeExtension } from '@electric-sql/pglite/contrib/ltree'
import type { ColumnType, Generated } from 'kysely'
import { allCodecs, type Composite, composite, Hstore, hstore, ltree, Range, range } from '../src/codecs/index.ts'
import { createDatabase, isExclusionViolation } from '../src/index.ts'

/** What `tenon codegen` writes with `codecs: ['range', 'hstore', 'composite', …]` in tenon.config.ts. */
interface DB {
  rooms: { id: number; place: string; features: Hstore }
  bookings: {
    id: Generated<number>
    room_id: number
    // A bound is read as a Date, and written as a Date or a text.
    nights: ColumnType<Range<Date>, Range<Date | string>>
    guest: Composite<{ name: string | null; city: string | null }>
  }
}

const pglite = await PGlite.create({ extensions: { btree_gist, hstore: hstoreExtension, ltree: ltreeExtension } })
await pglite.exec(`
  create extension btree_gist; create extension hstore; create extension ltree;
  create type person as (name text, city text);
  create table rooms (id int primary key, place ltree not null, features hstore not null default '');
  create table bookings (
    id int generated always as identity primary key,
    room_id int not null references rooms,
    nights daterange not null check (not isempty(nights)),
    guest person not null,
    constraint bookings_nights_excl exclude using gist (room_id with =, nights with &&)
  );
  create role authenticated; grant select, insert on rooms, bookings to authenticated;
  insert into rooms values (1, 'house.first.lake', 'view=>lake, bath=>NULL'), (2, 'house.second.court', 'view=>court');
`)

await using db = createDatabase<DB>({ connection: pglite, codecs: allCodecs })
const me = db.session({ role: 'authenticated' })
const person = ['name', 'city']

async function book(nights: Range<string>, name: string): Promise<string> {
  try {
    await me
      .insertInto('bookings')
      .values({ room_id: 1, nights, guest: composite(person, { name, city: 'Bern' }) })
      .execute()
    return `${name}: booked ${nights}`
  } catch (error) {
    if (!isExclusionViolation(error, 'bookings_nights_excl')) throw error
    return `${name}: room 1 is taken in ${nights}`
  }
}

console.log(await book(Range.of('2026-07-01', '2026-07-05'), 'Ada'))
console.log(await book(Range.of('2026-07-04', '2026-07-06'), 'Bob'))
// The night that Ada leaves is free: the upper bound is not in her range.
console.log(await book(Range.of('2026-07-05', '2026-07-08'), 'Bob'))

const today = new Date(2026, 6, 5)
const here = await me
  .selectFrom('bookings')
  .select(['guest', 'nights'])
  .where(({ ref }) => range(ref('nights')).contains(today))
  .execute()
for (const { guest, nights } of here)
  console.log(
    `on the 5th: ${guest.name} of ${guest.city}, who leaves on the ${nights.upper?.getDate()}th: ${nights.contains(today)}`,
  )

const upstairs = await me
  .selectFrom('rooms')
  .select(({ ref }) => ['id', 'features', ltree(ref('place')).level().as('level')])
  .where(({ ref }) => ltree(ref('place')).descendantOf('house.first'))
  .where(({ ref }) => hstore(ref('features')).hasKey('bath'))
  .execute()
for (const { id, features, level } of upstairs)
  console.log(`room ${id}, level ${level}: view of the ${features.get('view')}`)

const kept = Hstore.from({ ...upstairs[0]?.features.toObject(), bath: 'yes' })
console.log(`written back it would be ${kept}`)
await db.close()
await pglite.close()
