/** Conditions, measures, clusters, feature collections and tiles, on real places, under row security. */
import { VectorTile } from '@mapbox/vector-tile'
import { CamelCasePlugin } from 'kysely'
import Pbf from 'pbf'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import {
  featureCollection,
  geography,
  geometry,
  point,
  toGeography,
  toGeometry,
  vectorTile,
} from '../../../src/geo/index.ts'
import { citiesOf, countries } from '../../support/atlas.ts'
import { type Ground, groundKinds } from '../../support/postgis.ts'

const berlin = point(13.41053, 52.52437)

describe.each(groundKinds)('on $name', (kind) => {
  if (kind.skip !== undefined) {
    it.skip(kind.skip)
    return
  }
  let ground: Ground
  let me: ReturnType<Ground['as']>
  const places = citiesOf(300_000)

  // Installing the extension in PGlite takes half a minute where nothing is in the cache.
  beforeAll(async () => {
    ground = await kind.open()
    me = ground.as(1)
    for (const tenant of [1, 2])
      await ground
        .as(tenant)
        .insertInto('places')
        .values(
          // The second tenant has them all again, a little to the north.
          places.map(({ name, population, loc }, i) => ({
            id: i * 2 + tenant,
            tenant_id: tenant,
            display_name: tenant === 1 ? name : `hidden ${name}`,
            population,
            location: toGeometry(
              { ...loc, coordinates: [loc.coordinates[0], (loc.coordinates[1] ?? 0) + (tenant - 1) / 1_000] },
              { type: 'Point' },
            ),
          })),
        )
        .execute()
    await me
      .insertInto('countries')
      .values(
        countries().map(({ name, shape }, id) => ({
          id,
          name,
          shape: toGeometry(
            { type: 'MultiPolygon', coordinates: shape.type === 'Polygon' ? [shape.coordinates] : shape.coordinates },
            { type: 'MultiPolygon' },
          ),
        })),
      )
      .execute()
    await me
      .insertInto('parcels')
      .values([
        {
          id: 1,
          shape: toGeometry(
            {
              type: 'Polygon',
              coordinates: [
                [
                  [0, 0],
                  [10, 0],
                  [10, 10],
                  [0, 10],
                  [0, 0],
                ],
              ],
            },
            { srid: 3857 },
          ),
        },
        {
          id: 2,
          shape: toGeometry(
            {
              type: 'Polygon',
              coordinates: [
                [
                  [10, 0],
                  [20, 0],
                  [20, 10],
                  [10, 10],
                  [10, 0],
                ],
              ],
            },
            { srid: 3857 },
          ),
        },
        {
          id: 3,
          shape: toGeometry(
            {
              type: 'LineString',
              coordinates: [
                [0, 0],
                [3, 4],
              ],
            },
            { srid: 3857 },
          ),
        },
      ])
      .execute()
    await ground.admin('analyze')
  }, 180_000)
  afterAll(() => ground[Symbol.asyncDispose]())

  describe('a geography', () => {
    it('gives the nearest first, with metres, of one’s own rows alone', async () => {
      const rows = await me
        .selectFrom('places')
        .select(({ ref }) => ['display_name', geography(ref('location')).distance(berlin).as('metres')])
        .orderBy(({ ref }) => geography(ref('location')).nearest(berlin))
        .limit(3)
        .execute()
      expect(rows.map((row) => row.display_name)).toEqual(['Berlin', 'Szczecin', 'Leipzig'])
      expect(rows[2]?.metres).toBeGreaterThan(145_000)
      expect(rows[2]?.metres).toBeLessThan(155_000)
      const all = await ground.service
        .selectFrom('places')
        .select('display_name')
        .orderBy(({ ref }) => geography(ref('location')).nearest(berlin))
        .limit(3)
        .execute()
      expect(
        all.map((row) => row.display_name),
        'the control',
      ).toContain('hidden Berlin')
    })

    it('finds what is within a distance, and the same by columns of numbers, everywhere on the globe', async () => {
      const centres = [
        berlin,
        point(179.9, -17.7),
        point(-179.9, -17.7),
        point(0, 89.9),
        point(30, -90),
        point(-0.1, 51.5),
        point(100, 0),
      ]
      for (const centre of centres)
        for (const metres of [0, 1_000, 250_000, 3_000_000, 9_000_000, 21_000_000]) {
          const within = (columns: boolean) =>
            me
              .selectFrom('places')
              .select('id')
              .where(({ ref }) =>
                geography(ref('location')).withinDistance(centre, {
                  metres,
                  ...(columns ? { columns: { x: ref('location_x'), y: ref('location_y') } } : {}),
                }),
              )
              .orderBy('id')
              .execute()
          expect(await within(true)).toEqual(await within(false))
        }
    })

    it('knows that the antimeridian is one line, by columns and without a distance too', async () => {
      const sides = [180, -180].map((x, i) => ({ id: 9_000_000 + i, tenant_id: 1, location: point(x, 3) }))
      await me
        .insertInto('places')
        .values(sides.map((side) => ({ ...side, display_name: 'a side' })))
        .execute()
      for (const x of [180, -180]) {
        const found = await me
          .selectFrom('places')
          .select('id')
          .where(({ ref }) =>
            geography(ref('location')).withinDistance(point(x, 3), {
              metres: 0,
              columns: { x: ref('location_x'), y: ref('location_y') },
            }),
          )
          .orderBy('id')
          .execute()
        expect(found).toEqual(sides.map(({ id }) => ({ id })))
      }
      await me.deleteFrom('places').where('display_name', '=', 'a side').execute()
    })

    it('crosses the antimeridian with a box', async () => {
      const inBox = (columns: boolean) =>
        me
          .selectFrom('places')
          .select('display_name')
          .where(({ ref }) =>
            geography(ref('location')).inBox(
              [172, -42, -172, -35],
              columns ? { x: ref('location_x'), y: ref('location_y') } : undefined,
            ),
          )
          .orderBy('display_name')
          .execute()
      expect((await inBox(false)).map((row) => row.display_name)).toContain('Auckland')
      expect(await inBox(true)).toEqual(await inBox(false))
    })

    it('buffers in metres and measures areas in square metres', async () => {
      const row = await me
        .selectFrom('places')
        .select(({ ref }) => {
          const near = geography(ref('location')).buffer({ metres: 1_000 })
          return [
            near.area().as('area'),
            near.perimeter().as('round'),
            near.covers(berlin).as('covers'),
            near.length().as('length'),
            near.centroid().asText().as('centre'),
          ]
        })
        .where('display_name', '=', 'Berlin')
        .executeTakeFirstOrThrow()
      expect(row.area).toBeGreaterThan(3_000_000)
      expect(row.area).toBeLessThan(3_200_000)
      expect(row).toMatchObject({ covers: true, length: 0, centre: expect.stringMatching(/^POINT\(13\.4/) })
    })
  })

  describe('a geometry', () => {
    it('joins cities to the countries that hold them', async () => {
      const rows = await me
        .selectFrom('countries')
        .innerJoin('places', (join) =>
          join.on(({ ref }) =>
            geometry(ref('countries.shape')).contains(geography(ref('places.location')).toGeometry()),
          ),
        )
        .select(({ fn }) => ['countries.name', fn.countAll<string>().as('cities')])
        .where('countries.name', 'in', ['Germany', 'France', 'Bolivia'])
        .groupBy('countries.name')
        .orderBy('countries.name')
        .execute()
      expect(rows.map((row) => row.name)).toEqual(['Bolivia', 'France', 'Germany'])
      expect(Number(rows[2]?.cities)).toBeGreaterThan(10)
    })

    it.each([
      ['intersects', [1, 2, 3]],
      ['touches', [2]],
      ['covers', [1]],
      ['coveredBy', [1, 3]],
      ['contains', [1]],
      ['within', [1, 3]],
      ['equals', [1]],
      ['overlaps', []],
      ['crosses', []],
    ] as const)('%s', async (method, ids) => {
      const square = toGeometry(
        {
          type: 'Polygon',
          coordinates: [
            [
              [0, 0],
              [0, 10],
              [10, 10],
              [10, 0],
              [0, 0],
            ],
          ],
        },
        { srid: 3857 },
      )
      const rows = await me
        .selectFrom('parcels')
        .select('id')
        .where(({ ref }) => geometry(ref('shape'), 3857)[method](square))
        .orderBy('id')
        .execute()
      expect(rows.map((row) => row.id)).toEqual(ids)
    })

    it('measures, and makes others, in its own units', async () => {
      const origin = toGeometry({ type: 'Point', coordinates: [0, 0] }, { srid: 3857 })
      const rows = await me
        .selectFrom('parcels')
        .select(({ ref }) => {
          const shape = geometry(ref('shape'), 3857)
          return [
            shape.area().as('area'),
            shape.length().as('length'),
            shape.perimeter().as('perimeter'),
            shape.distance(origin).as('distance'),
            shape.withinDistance(origin, { units: 5 }).as('near'),
            shape.inBox([15, 0, 16, 1]).as('inBox'),
            shape.centroid().x().as('x'),
            shape.pointOnSurface().y().as('y'),
            shape.isValid().as('valid'),
            shape.isEmpty().as('empty'),
            shape.buffer({ units: 1 }).covers(shape).as('covers'),
            shape.simplify({ tolerance: 1 }).asText().as('simple'),
            shape.envelope().equals(shape.convexHull()).as('isBox'),
            shape.makeValid().intersection(origin).isEmpty().as('elsewhere'),
            shape.difference(shape).isEmpty().as('nothing'),
            shape.transform(4326).as('degrees'),
            shape.asGeoJson({ maxDecimalDigits: 6 }).as('json'),
          ]
        })
        .orderBy('id')
        .execute()
      expect(rows[0]).toMatchObject({
        area: 100,
        length: 0,
        perimeter: 40,
        distance: 0,
        near: true,
        inBox: false,
        x: 5,
        y: 5,
        valid: true,
        empty: false,
        covers: true,
        isBox: true,
        elsewhere: false,
        nothing: true,
      })
      expect(rows[1]).toMatchObject({ distance: 10, near: false, inBox: true })
      expect(rows[2]).toMatchObject({ area: 0, length: 5, simple: 'LINESTRING(0 0,3 4)' })
      expect(rows[2]?.degrees.type).toBe('LineString')
      expect(rows[2]?.json).toEqual({
        type: 'LineString',
        coordinates: [
          [0, 0],
          [0.000027, 0.000036],
        ],
      })
    })

    it('has its area in square metres as a geography', async () => {
      const { area } = await me
        .selectFrom('countries')
        .select(({ ref }) =>
          toGeography(geometry(ref('shape')))
            .area()
            .as('area'),
        )
        .where('name', '=', 'France')
        .executeTakeFirstOrThrow()
      // With French Guiana.
      expect(area).toBeGreaterThan(600e9)
      expect(area).toBeLessThan(700e9)
    })

    it('clusters rows, and gives all of them as one', async () => {
      const rows = await me
        .selectFrom('places')
        .select(({ ref }) => {
          const place = geography(ref('location')).toGeometry()
          return [
            'display_name',
            place.clusterKMeans({ clusters: 5 }).as('mean'),
            place.clusterDbscan({ units: 1, minPoints: 3 }).as('dense'),
            place.clusterKMeans({ clusters: 1, partitionBy: [ref('tenant_id')] }).as('one'),
          ]
        })
        .execute()
      expect(new Set(rows.map((row) => row.mean)).size).toBe(5)
      expect(rows.some((row) => row.dense === null)).toBe(true)
      expect(new Set(rows.map((row) => row.one))).toEqual(new Set([0]))
      const of = (name: string) => rows.find((row) => row.display_name === name)
      expect(of('Dortmund')?.dense).not.toBeNull()
      expect(of('Dortmund')?.dense).toBe(of('Essen')?.dense)
      const whole = await me
        .selectFrom('parcels')
        .select(({ ref }) => [
          geometry(ref('shape'), 3857).union().area().as('area'),
          geometry(ref('shape'), 3857).collect().as('all'),
          geometry(ref('shape'), 3857).extent().as('box'),
        ])
        .executeTakeFirstOrThrow()
      expect(whole).toMatchObject({ area: 200, box: [0, 0, 20, 10], all: { type: 'GeometryCollection' } })
    })

    it('of another SRID is an error before anything is sent', async () => {
      const before = ground.db.stats().roundTrips
      const parcels = me.selectFrom('parcels').select('id')
      const places = me.selectFrom('places').select('id')
      const srid = expect.objectContaining({ code: 'GEO_SRID' })
      // The casts are what the types refuse: tests/types/geo.test.ts.
      const shape = 'shape' as const
      const mercator = toGeometry({ type: 'Point', coordinates: [1, 2] }, { srid: 3857 })
      expect(() => parcels.where(({ ref }) => geometry(ref(shape), 3857).intersects(berlin as never))).toThrow(srid)
      expect(() =>
        parcels.where(({ ref }) => geometry(ref(shape), 4326 as never).intersects(mercator as never)),
      ).toThrow(srid)
      expect(() =>
        parcels.where(({ ref }) =>
          geometry(ref(shape), 3857).intersects(geometry(ref(shape), 3857).transform(4326) as never),
        ),
      ).toThrow(srid)
      expect(() =>
        places.where(({ ref }) =>
          geography(ref('location')).intersects(geography(ref('location')).toGeometry() as never),
        ),
      ).toThrow(srid)
      expect(() =>
        parcels.select(({ ref }) =>
          geometry(ref(shape), 0 as never)
            .asGeoJson()
            .as('json'),
        ),
      ).toThrow(srid)
      expect(ground.db.stats().roundTrips).toBe(before)
    })
  })

  describe('a feature collection', () => {
    const query = () =>
      me
        .selectFrom('places')
        .select(['id', 'display_name', 'population', 'location'])
        .orderBy(({ ref }) => geography(ref('location')).nearest(berlin))
        .limit(2)

    it('is one document of one statement, with what was named and nothing else', async () => {
      const before = ground.db.stats().roundTrips
      const found = await featureCollection(me, query(), {
        geometry: 'location',
        id: 'id',
        properties: ['display_name', 'population'],
        bbox: true,
        maxDecimalDigits: 2,
      })
      expect(ground.db.stats().roundTrips - before).toBe(1)
      expect(found).toEqual({
        type: 'FeatureCollection',
        bbox: [13.41053, 52.52437, 14.55302, 53.42894],
        features: [
          {
            type: 'Feature',
            id: expect.any(Number),
            geometry: { type: 'Point', coordinates: [13.41, 52.52] },
            properties: { display_name: 'Berlin', population: expect.any(Number) },
          },
          {
            type: 'Feature',
            id: expect.any(Number),
            geometry: { type: 'Point', coordinates: [14.55, 53.43] },
            properties: { display_name: 'Szczecin', population: expect.any(Number) },
          },
        ],
      })
      expectTypeOf(found.features[0]?.properties.display_name).toEqualTypeOf<string | undefined>()
      expectTypeOf(found.features[0]?.geometry?.type).toEqualTypeOf<'Point' | undefined>()
    })

    it('keeps the names that were given under the CamelCasePlugin', async () => {
      // biome-ignore lint/suspicious/noExplicitAny: the plugin's names are not those of the interface.
      const camel = me.withPlugin(new CamelCasePlugin()) as any
      const asked = camel.selectFrom('places').select(['displayName', 'location']).where('displayName', '=', 'Berlin')
      const found = await featureCollection(camel, asked, {
        geometry: 'location',
        properties: ['displayName'],
      } as never)
      expect(found.features).toMatchObject([{ properties: { displayName: 'Berlin' } }])
    })

    it('brings every SRID into WGS 84, turns rings the right way, and may be empty or without a place', async () => {
      const parcels = await featureCollection(me, me.selectFrom('parcels').selectAll().where('id', '=', 1), {
        geometry: 'shape',
        properties: [],
        maxDecimalDigits: 5,
      })
      expect(parcels.features).toEqual([
        {
          type: 'Feature',
          properties: {},
          geometry: {
            type: 'Polygon',
            coordinates: [
              [
                [0, 0],
                [0.00009, 0],
                [0.00009, 0.00009],
                [0, 0.00009],
                [0, 0],
              ],
            ],
          },
        },
      ])
      const none = await featureCollection(ground.as(3), ground.as(3).selectFrom('places').selectAll(), {
        geometry: 'location',
        properties: ['display_name'],
        bbox: true,
      })
      expect(none).toEqual({ type: 'FeatureCollection', features: [] })
      await me.transaction().execute(async (trx) => {
        await trx.insertInto('places').values({ id: -1, tenant_id: 1, display_name: 'Nowhere' }).execute()
        const found = await featureCollection(trx, trx.selectFrom('places').selectAll().where('id', '=', -1), {
          geometry: 'location',
          properties: ['display_name'],
        })
        expect(found.features).toEqual([{ type: 'Feature', geometry: null, properties: { display_name: 'Nowhere' } }])
        await trx.deleteFrom('places').where('id', '=', -1).execute()
      })
    })

    it('stops when its signal says so', async () => {
      await expect(
        featureCollection(me, query(), { geometry: 'location', properties: [], signal: AbortSignal.abort() }),
      ).rejects.toThrow()
    })
  })

  describe('a tile', () => {
    if (kind.noTiles !== undefined) {
      it.skip(kind.noTiles)
      return
    }
    const layerOf = (bytes: Uint8Array, name: string) => new VectorTile(new Pbf(bytes)).layers[name]
    const names = (bytes: Uint8Array) => {
      const layer = layerOf(bytes, 'places')
      return Array.from({ length: layer?.length ?? 0 }, (_, i) => layer?.feature(i).properties['display_name'])
    }
    const tileOf = (z: number, x: number, y: number, more: object = {}, session = me) =>
      vectorTile(session, session.selectFrom('places').select(['id', 'display_name', 'population', 'location']), {
        z,
        x,
        y,
        layer: 'places',
        geometry: 'location',
        id: 'id',
        properties: ['display_name', 'population'],
        ...more,
      })

    it('holds the rows of its place, with attributes, in one round trip', async () => {
      const before = ground.db.stats().roundTrips
      const bytes = await tileOf(8, 137, 83)
      expect(ground.db.stats().roundTrips - before).toBe(1)
      const layer = layerOf(bytes, 'places')
      expect(names(bytes)).toEqual(['Berlin'])
      const found = layer?.feature(0)
      expect(layer?.extent).toBe(4096)
      expect(found?.id).toBeGreaterThan(0)
      expect(found?.properties['population']).toBeGreaterThan(3_000_000)
      const back = found?.toGeoJSON(137, 83, 8).geometry as
        | { readonly coordinates: readonly [number, number] }
        | undefined
      expect(back?.coordinates[0]).toBeCloseTo(13.41053, 2)
      expect(back?.coordinates[1]).toBeCloseTo(52.52437, 2)
    })

    it('of zoom 1 hold every row once without a buffer, and none of another tenant', async () => {
      const all: unknown[] = []
      for (const [x, y] of [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ] as const)
        all.push(...names(await tileOf(1, x, y, { buffer: 0 })))
      expect(all).toHaveLength(places.length)
      expect(all.filter((name) => String(name).startsWith('hidden'))).toEqual([])
      expect(names(await tileOf(0, 0, 0))).toHaveLength(places.length)
      expect(names(await tileOf(0, 0, 0, {}, ground.as(2))), 'the control').toContain('hidden Berlin')
      expect(await tileOf(0, 0, 0, {}, ground.as(3))).toHaveLength(0)
    })

    it('is cut at its buffer, or not, and takes columns of other systems', async () => {
      const shapes = (more: object) =>
        vectorTile(me, me.selectFrom('countries').selectAll(), {
          z: 4,
          x: 8,
          y: 5,
          layer: 'countries',
          geometry: 'shape',
          properties: ['name'],
          ...more,
        })
      const size = (bytes: Uint8Array) => {
        const layer = layerOf(bytes, 'countries')
        const france = Array.from({ length: layer?.length ?? 0 }, (_, i) => layer?.feature(i)).find(
          (found) => found?.properties['name'] === 'France',
        )
        return france?.bbox() ?? []
      }
      expect(Math.min(...size(await shapes({})))).toBeGreaterThanOrEqual(-64)
      expect(Math.min(...size(await shapes({ clip: false }))), 'French Guiana').toBeLessThan(-64)
      const parcels = await vectorTile(me, me.selectFrom('parcels').selectAll(), {
        z: 20,
        x: 524_288,
        y: 524_287,
        layer: 'parcels',
        geometry: 'shape',
        properties: [],
        srid: 3857,
      })
      expect(layerOf(parcels, 'parcels')?.length).toBe(3)
      await ground.admin(`truncate anything`)
      await ground.admin(
        `insert into anything select id, st_transform(st_setsrid(st_makepoint(13.4, 52.5), 4326), 25833) from generate_series(1, 2) id`,
      )
      const utm = await vectorTile(me, me.selectFrom('anything').selectAll(), {
        z: 8,
        x: 137,
        y: 83,
        layer: 'utm',
        geometry: 'shape',
        properties: [],
        srid: 25_833,
      })
      expect(layerOf(utm, 'utm')?.length).toBe(2)
    })

    it.each([
      [-1, 0, 0],
      [31, 0, 0],
      [1, 2, 0],
      [1, 0, 2],
      [1.5, 0, 0],
      [Number.NaN, 0, 0],
    ])('%s/%s/%s is none, and nothing is sent', async (z, x, y) => {
      const before = ground.db.stats().roundTrips
      await expect(tileOf(z, x, y)).rejects.toMatchObject({ code: 'GEO_INVALID' })
      expect(ground.db.stats().roundTrips).toBe(before)
    })
  })
})
