/** No double booking: an exclusion constraint over a range, under row security, with the race that a check in the application loses. */
import { Client } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Range, range, rangeCodec } from '../../../src/codecs/index.ts'
import { createDatabase, type Database, isExclusionViolation } from '../../../src/index.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'

interface DB {
  bookings: { room: number; during: Range<Date> }
  unguarded: { room: number; during: Range<Date> }
}
let db: Database<DB>
const closing: (() => Promise<void>)[] = []
beforeAll(async () => {
  const place = await createTestDatabase()
  const login = await createLogin(place)
  const client = new Client(place.adminUrl)
  await client.connect()
  await client.query(`
    create extension btree_gist;
    create table bookings (room int not null, during tstzrange not null,
      constraint bookings_during_excl exclude using gist (room with =, during with &&));
    create table unguarded (room int not null, during tstzrange not null);
    alter table bookings enable row level security; alter table bookings force row level security;
    create policy bookings_all_policy on bookings to authenticated using (true) with check (true);
    grant all on bookings, unguarded to authenticated`)
  await client.end()
  db = createDatabase<DB>({ connection: login.url, codecs: [rangeCodec] })
  closing.push(
    () => db.close(),
    () => login.drop(),
    () => place.drop(),
  )
})
afterAll(async () => {
  for (const close of closing) await close()
})

const day = (number: number) => new Date(Date.UTC(2026, 0, number))
const me = () => db.session({ role: 'authenticated' })

it('two bookings of one room that overlap are refused, adjacent ones and those of other rooms pass', async () => {
  const book = (room: number, during: Range<Date>) => me().insertInto('bookings').values({ room, during }).execute()
  await book(1, Range.of(day(1), day(5)))
  const refused = await book(1, Range.of(day(4), day(6))).catch((error: unknown) => error)
  expect(isExclusionViolation(refused, 'bookings_during_excl')).toBe(true)
  await book(1, Range.of(day(5), day(6)))
  await book(2, Range.of(day(4), day(6)))
  const found = await me()
    .selectFrom('bookings')
    .select('room')
    .where(({ ref }) => range(ref('during')).contains(day(5)))
    .orderBy('room')
    .execute()
  expect(found).toEqual([{ room: 1 }, { room: 2 }])
})

it('of ten at the same time one passes; where only the application looks, all ten do', async () => {
  const during = Range.of(day(10), day(12))
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, () => me().insertInto('bookings').values({ room: 9, during }).execute()),
  )
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const result of results)
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'CONSTRAINT_EXCLUSION' })
  // The control: all of them look before any of them writes.
  const free = await Promise.all(
    Array.from({ length: 10 }, () =>
      me()
        .selectFrom('unguarded')
        .select('room')
        .where(({ ref }) => range(ref('during')).overlaps(during))
        .execute(),
    ),
  )
  for (const rows of free)
    if (rows.length === 0) await me().insertInto('unguarded').values({ room: 9, during }).execute()
  expect(await me().selectFrom('unguarded').select('room').execute()).toHaveLength(10)
})
