/** GeoJSON that is checked, EWKB that is read, boxes and tiles, and the functions that are sent: pure parts of tenon/geo. */
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import { describe, expect, it } from 'vitest'
import { readEffects } from '../../src/database/wire/purity.ts'
import { fromEwkb } from '../../src/geo/ewkb-reader.ts'
import { geography, geometry, point, sridOf, toGeography, toGeometry } from '../../src/geo/index.ts'
import { boxOfTile } from '../../src/geo/tile-box.ts'
import type { GeoDB } from '../support/postgis.ts'

const ring = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 0],
]
let deep: unknown = { type: 'Point', coordinates: [0, 0] }
for (let i = 0; i < 40; i++) deep = { type: 'GeometryCollection', geometries: [deep] }

describe('toGeometry', () => {
  it.each([
    ['null', null, 'value is no object'],
    ['an array', [], 'value is no object'],
    ['no type', {}, 'type is none of'],
    ['a type of Object', { type: 'constructor', coordinates: [] }, 'type is none of'],
    ['a feature', { type: 'Feature', geometry: null }, 'type is none of'],
    ['no coordinates', { type: 'Point' }, 'coordinates is no array'],
    ['text', { type: 'Point', coordinates: ['1', '2'] }, 'coordinates holds something else'],
    ['infinity', { type: 'Point', coordinates: [1, Number.POSITIVE_INFINITY] }, 'coordinates holds something else'],
    ['four numbers', { type: 'Point', coordinates: [1, 2, 3, 4] }, 'coordinates is no position'],
    ['latitude first', { type: 'Point', coordinates: [52, 113] }, 'coordinates is not on the globe'],
    ['one position', { type: 'LineString', coordinates: [[1, 2]] }, 'coordinates is no line'],
    ['too shallow', { type: 'LineString', coordinates: [1, 2] }, 'coordinates[0] is no array'],
    ['too deep', { type: 'Point', coordinates: [[1, 2]] }, 'coordinates is no position'],
    ['an empty position', { type: 'MultiPoint', coordinates: [[]] }, 'coordinates[0] is no position'],
    [
      'a short ring',
      {
        type: 'Polygon',
        coordinates: [
          [
            [0, 0],
            [1, 1],
            [0, 0],
          ],
        ],
      },
      'coordinates[0] is no ring',
    ],
    [
      'an open ring',
      {
        type: 'MultiPolygon',
        coordinates: [
          [ring],
          [
            [
              [0, 0],
              [1, 0],
              [1, 1],
              [0, 1],
            ],
          ],
        ],
      },
      'coordinates[1][0] is no closed ring',
    ],
    [
      'heights here and there',
      {
        type: 'LineString',
        coordinates: [
          [1, 2],
          [3, 4, 5],
        ],
      },
      'coordinates[1] has a height',
    ],
    [
      'a member that is none',
      { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [1, 'x'] }] },
      'geometries[0].coordinates holds',
    ],
    ['a collection without end', deep, 'collections deep'],
  ])('refuses %s', (_, value, what) => {
    expect(() => toGeometry(value)).toThrow(
      expect.objectContaining({ code: 'GEO_INVALID', message: expect.stringContaining(what) }),
    )
  })

  it('copies what is right, without what is not of a geometry', () => {
    const given = {
      type: 'Polygon',
      coordinates: [ring.map((position) => [...position])],
      bbox: [0, 0, 1, 1],
      secret: 1,
    }
    const made = toGeometry(given, { type: ['Polygon'] })
    given.coordinates[0]?.pop()
    expect(made).toEqual({ type: 'Polygon', coordinates: [ring] })
    expect(() => toGeometry(made, { type: 'Point' })).toThrow(expect.objectContaining({ code: 'GEO_INVALID' }))
  })

  it('refuses a system of its own, and another SRID than it is said to have', () => {
    const srid = expect.objectContaining({ code: 'GEO_SRID' })
    expect(() => toGeometry({ type: 'Point', coordinates: [1, 2], crs: {} })).toThrow(srid)
    const mercator = toGeometry({ type: 'Point', coordinates: [1e6, 2e6] }, { srid: 3857 })
    expect(() => toGeometry(mercator)).toThrow(srid)
    expect(sridOf(toGeometry({ ...mercator }, { srid: 3857 }))).toBe(3857)
    expect(() => toGeometry({ type: 'GeometryCollection', geometries: [mercator] })).toThrow(srid)
    expect(() => toGeometry({}, { srid: 1.5 })).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }))
  })
})

describe('EWKB', () => {
  it('is read in both byte orders', () => {
    expect(fromEwkb('0101000000000000000000F03F0000000000000040', 4326)).toEqual({ type: 'Point', coordinates: [1, 2] })
    expect(fromEwkb('00000000013FF00000000000004000000000000000', 4326)).toEqual({ type: 'Point', coordinates: [1, 2] })
  })

  it.each([
    '',
    '01',
    'zz',
    '0101000000',
    '0102000000FFFFFFFF',
    '0101000000000000000000F03F000000000000004000',
    '0163000000',
    `${'010700000001000000'.repeat(300)}`,
  ])('that is none is refused: %s', (text) => {
    expect(() => fromEwkb(text, 0)).toThrow(expect.objectContaining({ code: 'QUERY_DATA' }))
  })

  it('is what a value writes', () => {
    expect(point(1, 2).toPostgres()).toBe('0101000020e6100000000000000000f03f0000000000000040')
  })
})

describe('a tile', () => {
  it('has the box of the usual grid', () => {
    expect(boxOfTile({ z: 0, x: 0, y: 0 }, 0.1, 4326).map((n) => n.toFixed(4))).toEqual([
      '-180.0000',
      '-85.0511',
      '180.0000',
      '85.0511',
    ])
    expect(boxOfTile({ z: 1, x: 1, y: 0 }, 0, 3857).map(Math.round)).toEqual([0, 0, 20_037_508, 20_037_508])
  })
})

describe('what is sent', () => {
  const db = new Kysely<GeoDB>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (kysely) => new PostgresIntrospector(kysely),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })

  it('leaves nothing behind on its connection', () => {
    const near = db
      .selectFrom('places')
      .select(({ ref }) => [
        geography(ref('location')).distance(point(1, 2)).as('metres'),
        geography(ref('location')).asGeoJson().as('json'),
      ])
      .where(({ ref }) =>
        geography(ref('location')).withinDistance(point(1, 2), {
          metres: 5,
          columns: { x: ref('location_x'), y: ref('location_y') },
        }),
      )
      .orderBy(({ ref }) => geography(ref('location')).nearest(point(1, 2)))
      .compile()
    expect(near.sql).toBe(
      'select st_distance("location", cast($1 as geography)) as "metres", cast(st_asgeojson("location", cast($2 as int4), cast($3 as int4)) as json) as "json" ' +
        'from "places" where ((("location_x" >= cast($4 as float8)) and ("location_x" <= cast($5 as float8))) and (("location_y" >= cast($6 as float8)) and ("location_y" <= cast($7 as float8)))) ' +
        'and st_dwithin("location", cast($8 as geography), cast($9 as float8)) order by "location" <-> cast($10 as geography)',
    )
    const shapes = db.selectFrom('countries').select(({ ref }) => {
      const shape = geometry(ref('shape'))
      return [
        toGeography(shape).area().as('area'),
        shape.clusterKMeans({ clusters: 2 }).as('cluster'),
        shape.clusterDbscan({ units: 1, minPoints: 2 }).as('dense'),
        shape.transform(3857).buffer({ units: 1 }).simplify({ tolerance: 1 }).asGeoJson().as('json'),
        shape.extent().as('box'),
        shape.union().as('all'),
      ]
    })
    for (const query of [near, shapes.compile()])
      expect(readEffects(query, new Set())).toEqual({ opaque: false, readOnly: true })
    expect(readEffects(near, new Set(['st_dwithin'])), 'the control').toEqual({ opaque: true, readOnly: false })
  })
})
