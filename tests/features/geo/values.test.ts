/** Geometries on their way to PostGIS and back, on real servers, with the extension in two places. */
import { CamelCasePlugin } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { geography, geometry, point, sridOf, toGeometry } from '../../../src/geo/index.ts'
import { type Ground, groundKinds } from '../../support/postgis.ts'

/** WKT of every type, dimension and emptiness, and what GeoJSON of it is. */
const shapes: readonly (readonly [wkt: string, geojson: unknown])[] = [
  ['POINT(1 2)', { type: 'Point', coordinates: [1, 2] }],
  ['POINT Z (1 2 3)', { type: 'Point', coordinates: [1, 2, 3] }],
  ['POINT M (1 2 4)', { type: 'Point', coordinates: [1, 2] }],
  ['POINT ZM (1 2 3 4)', { type: 'Point', coordinates: [1, 2, 3] }],
  ['POINT EMPTY', { type: 'Point', coordinates: [] }],
  [
    'LINESTRING(0 0,1.5 -1)',
    {
      type: 'LineString',
      coordinates: [
        [0, 0],
        [1.5, -1],
      ],
    },
  ],
  ['MULTIPOINT EMPTY', { type: 'MultiPoint', coordinates: [] }],
  ['MULTIPOINT(EMPTY)', { type: 'MultiPoint', coordinates: [[]] }],
  ['MULTIPOINT(EMPTY,1 2)', { type: 'MultiPoint', coordinates: [[], [1, 2]] }],
  ['MULTIPOINT Z (1 2 3,EMPTY,4 5 6)', { type: 'MultiPoint', coordinates: [[1, 2, 3], [], [4, 5, 6]] }],
  [
    'GEOMETRYCOLLECTION(MULTIPOINT(EMPTY,1 2),POINT EMPTY)',
    {
      type: 'GeometryCollection',
      geometries: [
        { type: 'MultiPoint', coordinates: [[], [1, 2]] },
        { type: 'Point', coordinates: [] },
      ],
    },
  ],
  [
    'MULTILINESTRING(EMPTY,(0 0,1 1))',
    {
      type: 'MultiLineString',
      coordinates: [
        [],
        [
          [0, 0],
          [1, 1],
        ],
      ],
    },
  ],
  [
    'MULTIPOLYGON(EMPTY,((0 0,4 0,4 4,0 0)))',
    {
      type: 'MultiPolygon',
      coordinates: [
        [],
        [
          [
            [0, 0],
            [4, 0],
            [4, 4],
            [0, 0],
          ],
        ],
      ],
    },
  ],
  ['LINESTRING EMPTY', { type: 'LineString', coordinates: [] }],
  [
    'POLYGON((0 0,4 0,4 4,0 0),(1 0.5,2 0.5,2 1,1 0.5))',
    {
      type: 'Polygon',
      coordinates: [
        [
          [0, 0],
          [4, 0],
          [4, 4],
          [0, 0],
        ],
        [
          [1, 0.5],
          [2, 0.5],
          [2, 1],
          [1, 0.5],
        ],
      ],
    },
  ],
  ['POLYGON EMPTY', { type: 'Polygon', coordinates: [] }],
  [
    'MULTIPOINT(1 2,3 4)',
    {
      type: 'MultiPoint',
      coordinates: [
        [1, 2],
        [3, 4],
      ],
    },
  ],
  [
    'MULTILINESTRING Z ((0 0 1,1 1 2),(2 2 3,3 3 4))',
    {
      type: 'MultiLineString',
      coordinates: [
        [
          [0, 0, 1],
          [1, 1, 2],
        ],
        [
          [2, 2, 3],
          [3, 3, 4],
        ],
      ],
    },
  ],
  [
    'MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))',
    {
      type: 'MultiPolygon',
      coordinates: [
        [
          [
            [0, 0],
            [1, 0],
            [1, 1],
            [0, 0],
          ],
        ],
        [
          [
            [5, 5],
            [6, 5],
            [6, 6],
            [5, 5],
          ],
        ],
      ],
    },
  ],
  [
    'GEOMETRYCOLLECTION(POINT(1 1),GEOMETRYCOLLECTION(LINESTRING(0 0,1 1)))',
    {
      type: 'GeometryCollection',
      geometries: [
        { type: 'Point', coordinates: [1, 1] },
        {
          type: 'GeometryCollection',
          geometries: [
            {
              type: 'LineString',
              coordinates: [
                [0, 0],
                [1, 1],
              ],
            },
          ],
        },
      ],
    },
  ],
  ['GEOMETRYCOLLECTION EMPTY', { type: 'GeometryCollection', geometries: [] }],
]

describe.each(groundKinds)('values on $name', (kind) => {
  if (kind.skip !== undefined) {
    it.skip(kind.skip)
    return
  }
  let ground: Ground
  // Installing the extension in PGlite takes half a minute where nothing is in the cache.
  beforeAll(async () => {
    ground = await kind.open()
  }, 180_000)
  afterAll(() => ground[Symbol.asyncDispose]())

  it.each(shapes)('%s is read as GeoJSON, and written back as it was', async (wkt, geojson) => {
    await ground.admin(`truncate anything`)
    await ground.admin(`insert into anything values (1, 'SRID=4326;${wkt}', 'SRID=4326;${wkt}')`)
    const { service } = ground
    const row = await service.selectFrom('anything').select(['shape', 'globe']).executeTakeFirstOrThrow()
    expect(JSON.parse(JSON.stringify(row))).toEqual({ shape: geojson, globe: geojson })
    expect(row.shape && sridOf(row.shape)).toBe(4326)
    await service.insertInto('anything').values({ id: 2, shape: row.shape, globe: row.globe }).execute()
    const [same] = await ground.admin(
      `select st_equals(st_force2d(a.shape), st_force2d(b.shape)) or st_isempty(b.shape) as shape, st_astext(st_force3dz(a.shape)) = st_astext(st_force3dz(b.shape)) as text,
         st_asbinary(st_force3dz(a.globe::geometry)) = st_asbinary(st_force3dz(b.globe::geometry)) as globe
       from anything a, anything b where a.id = 1 and b.id = 2`,
    )
    expect(same).toEqual({ shape: true, text: true, globe: true })
  })

  it('keeps an SRID that is not GeoJSON’s, also in a copy, and does not show it in JSON', async () => {
    await ground.admin('truncate anything')
    await ground.admin(`insert into anything values (1, 'SRID=3857;POINT(1 2)'), (2, 'POINT(1 2)'), (3, null)`)
    const rows = await ground.service.selectFrom('anything').select('shape').orderBy('id').execute()
    expect(rows.map(({ shape }) => shape && sridOf(shape))).toEqual([3857, 0, null])
    const [first] = rows
    expect(first?.shape && sridOf({ ...first.shape })).toBe(3857)
    expect(JSON.stringify(first)).toBe('{"shape":{"type":"Point","coordinates":[1,2]}}')
    await ground.service
      .insertInto('anything')
      .values({ id: 4, shape: first?.shape ?? null })
      .execute()
    expect(await ground.admin('select st_srid(shape) as srid from anything where id = 4')).toEqual([{ srid: 3857 }])
  })

  it('reads arrays and boxes', async () => {
    const row = await ground.service
      .selectFrom('anything')
      .select(({ fn, ref }) => [
        fn<unknown>('array_agg', [ref('shape')]).as('shapes'),
        geometry(ref('shape'), 3857).extent().as('box'),
      ])
      .where('id', '=', 1)
      .executeTakeFirstOrThrow()
    expect(row.shapes).toMatchObject([{ type: 'Point', coordinates: [1, 2] }])
    expect(row.box).toEqual([1, 2, 1, 2])
  })

  it('says what a curve is, and how to read it', async () => {
    await ground.admin(`insert into anything values (9, 'CIRCULARSTRING(0 0,1 1,2 0)')`)
    const asked = ground.service.selectFrom('anything').select('shape').where('id', '=', 9).execute()
    await expect(asked).rejects.toMatchObject({ code: 'QUERY_DATA', hint: expect.stringMatching(/ST_CurveToLine/) })
    await ground.admin('delete from anything where id = 9')
  })

  it('says what to do about what PostGIS does not take', async () => {
    await ground.admin('truncate anything')
    await ground.admin(`insert into anything values (1, 'SRID=4326;POINT(1 2)'), (2, 'POINT(3 4)')`)
    const { service } = ground
    const mercator = toGeometry({ type: 'Point', coordinates: [1, 2] }, { srid: 3857 })
    const shapes = service.selectFrom('anything').where('shape', 'is not', null)
    const mixed = shapes.select('id').where(({ ref }) => geometry(ref('shape'), 3857).intersects(mercator))
    const more = [
      [shapes.select(({ ref }) => geometry(ref('shape'), 3857).transform(4326).isEmpty().as('empty')), /without SRID/],
      [
        shapes
          .where('id', '=', 1)
          .select(({ ref }) => geometry(ref('shape'), 4326).transform(998_000).isEmpty().as('empty')),
        /no such SRID/,
      ],
      [service.insertInto('anything').values({ id: 3, shape: 'nowhere' as never }), /toGeometry\(\)/],
    ] as const
    // PGlite's PostGIS finds no st_transform any more after an error of its own.
    for (const [query, hint] of [[mixed, /SRIDs that differ/] as const, ...(kind === groundKinds[0] ? more : [])])
      await expect(query.execute(), String(hint)).rejects.toMatchObject({
        code: 'QUERY_DATA',
        sqlstate: 'XX000',
        message: 'PostGIS refused a geometry (XX000)',
        hint: expect.stringMatching(hint),
      })
  })

  it('writes and reads under row security and with the CamelCasePlugin', async () => {
    const me = ground.as(1).withPlugin(new CamelCasePlugin())
    // biome-ignore lint/suspicious/noExplicitAny: the plugin's names are not those of the interface.
    const camel = me as any
    await camel
      .insertInto('places')
      .values({ id: 1, tenantId: 1, displayName: 'Berlin', location: point(13.4, 52.52) })
      .execute()
    const [row] = await camel.selectFrom('places').select(['displayName', 'location', 'locationX']).execute()
    expect(row).toEqual({
      displayName: 'Berlin',
      location: { type: 'Point', coordinates: [13.4, 52.52] },
      locationX: 13.4,
    })
    expect(typeof row.location.toPostgres).toBe('function')
    expect(await ground.as(2).selectFrom('places').selectAll().execute()).toEqual([])
    await ground.as(1).deleteFrom('places').execute()
  })

  it('refuses what is none before the server sees it', async () => {
    const before = ground.db.stats().roundTrips
    expect(() => point(52.52, 213.4)).toThrow(expect.objectContaining({ code: 'GEO_INVALID' }))
    const sent = point(1, 2)
    sent.coordinates.push(Number.NaN)
    await expect(
      ground.as(1).insertInto('places').values({ id: 1, tenant_id: 1, display_name: 'x', location: sent }).execute(),
    ).rejects.toMatchObject({ code: 'GEO_INVALID' })
    expect(() =>
      ground
        .as(1)
        .selectFrom('places')
        .selectAll()
        .where(({ ref }) =>
          geography(ref('location')).intersects({
            type: 'Polygon',
            coordinates: [
              [
                [0, 0],
                [1, 1],
                [2, 2],
                [3, 3],
              ],
            ],
          }),
        ),
    ).toThrow(
      expect.objectContaining({
        code: 'GEO_INVALID',
        message: expect.stringMatching(/coordinates\[0\] is no closed ring/),
      }),
    )
    expect(ground.db.stats().roundTrips).toBe(before)
  })
})

describe('PostGIS in a schema of its own, on a server', () => {
  const [server] = groundKinds
  if (server === undefined || server.skip !== undefined) {
    it.skip(server?.skip ?? 'no server')
    return
  }
  it('is found through the search path', async () => {
    await using ground = await server.open('extensions')
    const me = ground.as(1)
    await me
      .insertInto('places')
      .values({ id: 1, tenant_id: 1, display_name: 'Berlin', location: point(13.4, 52.52) })
      .execute()
    const query = me
      .selectFrom('places')
      .select('location')
      .where(({ ref }) => geography(ref('location')).withinDistance(point(13.4, 52.5), { metres: 5_000 }))
      .orderBy(({ ref }) => geography(ref('location')).nearest(point(13.4, 52.5)))
    expect(await query.execute()).toEqual([{ location: { type: 'Point', coordinates: [13.4, 52.52] } }])
  })
})
