/** The types of tenon/geo: SRIDs and kinds that do not mix, nulls, and GeoJSON of @types/geojson. Nothing here runs. */
import type * as geojson from 'geojson'
import type { ExpressionBuilder, Generated, Kysely } from 'kysely'
import { describe, expectTypeOf, test } from 'vitest'
import {
  type Feature,
  type FeatureCollection,
  featureCollection,
  type GeographyColumn,
  type Geometry,
  type GeometryColumn,
  type GeometryType,
  type GeometryValue,
  geography,
  geometry,
  point,
  toGeography,
  toGeometry,
  vectorTile,
} from '../../src/geo/index.ts'

interface DB {
  places: {
    id: Generated<number>
    name: string
    made_at: Date
    location: GeographyColumn<'Point'>
    area: GeometryColumn<'Polygon' | 'MultiPolygon', 3857> | null
    outline: GeometryColumn<'Polygon'>
    unknown: GeometryColumn<GeometryType, number>
  }
}
declare const db: Kysely<DB>
declare const eb: ExpressionBuilder<DB, 'places'>
declare const mercator: GeometryValue<'Point', 3857>
const area = geometry(eb.ref('area'), 3857)
const location = geography(eb.ref('location'))

describe('a value', () => {
  test('of 4326 is GeoJSON, both ways', () => {
    expectTypeOf<geojson.Point>().toExtend<Geometry<'Point'>>()
    expectTypeOf<Geometry<'Point'>>().toExtend<geojson.Point>()
    expectTypeOf<geojson.Geometry>().toExtend<Geometry>()
    expectTypeOf<Geometry>().toExtend<geojson.Geometry>()
    expectTypeOf<geojson.FeatureCollection<geojson.Point, { name: string }>>().toExtend<
      FeatureCollection<Geometry<'Point'>, { name: string }>
    >()
    expectTypeOf<FeatureCollection<Geometry<'Point'>, { name: string }>>().toExtend<
      geojson.FeatureCollection<geojson.Point, { name: string }>
    >()
    expectTypeOf<Feature<Geometry | null>>().toExtend<geojson.Feature<geojson.Geometry | null>>()
  })

  test('of another SRID is not', () => {
    expectTypeOf<Geometry<'Point', 3857>>().not.toExtend<Geometry<'Point'>>()
    expectTypeOf<geojson.Point>().not.toExtend<Geometry<'Point', 3857>>()
    expectTypeOf<Geometry<'Point', number>>().not.toExtend<Geometry<'Point'>>()
    expectTypeOf<Geometry<'Point', 3857>>().toExtend<Geometry<'Point', number>>()
  })

  test('has the type that was asked for', () => {
    expectTypeOf(point(1, 2)).toEqualTypeOf<GeometryValue<'Point'>>()
    expectTypeOf(toGeometry({} as unknown, { type: ['Polygon', 'MultiPolygon'], srid: 3857 })).toEqualTypeOf<
      GeometryValue<'Polygon' | 'MultiPolygon', 3857>
    >()
    expectTypeOf(toGeometry({} as unknown)).toEqualTypeOf<GeometryValue>()
  })
})

describe('a column', () => {
  test('gives GeoJSON and takes what was checked', async () => {
    const row = await db.selectFrom('places').select(['location', 'area']).executeTakeFirstOrThrow()
    expectTypeOf(row.location).toExtend<geojson.Point>()
    expectTypeOf(row.area).toExtend<Geometry<'Polygon' | 'MultiPolygon', 3857> | null>()
    const values = { name: 'x', made_at: new Date(), outline: toGeometry({}, { type: 'Polygon' }), unknown: mercator }
    db.insertInto('places').values({ ...values, location: point(1, 2) })
    db.insertInto('places').values({ ...values, location: row.location, area: row.area })
    // @ts-expect-error plain GeoJSON was not checked
    db.insertInto('places').values({ ...values, location: { type: 'Point', coordinates: [1, 2] } })
    const copy = { ...point(1, 2) }
    expectTypeOf(copy).toExtend<Geometry<'Point'>>()
    db.insertInto('places').values({ ...values, location: toGeometry(copy, { type: 'Point' }) })
    // @ts-expect-error a copy has lost how it is written
    db.insertInto('places').values({ ...values, location: copy })
    // @ts-expect-error and so has one of a result
    db.insertInto('places').values({ ...values, location: { ...row.location } })
    // @ts-expect-error of another SRID
    db.insertInto('places').values({ ...values, location: mercator })
    // @ts-expect-error nobody said that these numbers are of the column's SRID
    db.updateTable('places').set({ area: toGeometry({}, { type: 'Polygon' }) })
    // @ts-expect-error nor that these are a point
    db.updateTable('places').set({ location: toGeometry({}) })
    // @ts-expect-error of another type
    db.updateTable('places').set({ outline: point(1, 2) })
  })
})

describe('a reference', () => {
  test('knows its SRID, its type and whether it can be null', () => {
    expectTypeOf(area.area().expressionType).toEqualTypeOf<number | null | undefined>()
    expectTypeOf(location.distance(point(1, 2)).expressionType).toEqualTypeOf<number | undefined>()
    expectTypeOf(geometry(eb.ref('outline')).srid).toEqualTypeOf<number>()
    expectTypeOf(area.transform(4326).asGeoJson().expressionType).toExtend<
      geojson.Polygon | geojson.MultiPolygon | null | undefined
    >()
    geometry(eb.ref('unknown'), 25833).intersects(toGeometry({}, { srid: 25833 }))
    // @ts-expect-error the column says 3857
    geometry(eb.ref('area'), 4326)
    // @ts-expect-error it has to be said
    geometry(eb.ref('area'))
    // @ts-expect-error it is none
    geometry(eb.ref('name'))
    // @ts-expect-error a geography is measured in metres
    geometry(eb.ref('location'))
    // @ts-expect-error and a geometry is not
    geography(eb.ref('outline'))
  })

  test('is combined with what has its SRID', () => {
    area.intersects(mercator)
    area.intersects(eb.ref('area'))
    area.transform(4326).intersects(point(1, 2))
    location.toGeometry().within(eb.ref('outline'))
    toGeography(geometry(eb.ref('outline'))).covers(location)
    // @ts-expect-error degrees meet metres
    area.intersects(point(1, 2))
    // @ts-expect-error degrees again: what is asked for does not say what a value is
    area.intersects(toGeometry({}))
    // @ts-expect-error the other way round
    location.intersects(mercator)
    // @ts-expect-error of another SRID
    area.intersects(area.transform(4326))
    // @ts-expect-error a geography is no geometry
    geometry(eb.ref('outline')).intersects(location)
    // @ts-expect-error only 4326 is on the globe
    toGeography(area)
    // @ts-expect-error only a point has an x
    area.x()
  })

  test('says the unit of a distance', () => {
    location.withinDistance(point(1, 2), { metres: 5 })
    area.withinDistance(mercator, { units: 5 })
    // @ts-expect-error a geography is measured in metres
    location.withinDistance(point(1, 2), { units: 5 })
    // @ts-expect-error a geometry in the units of its SRID
    area.withinDistance(mercator, { metres: 5 })
  })
})

describe('features', () => {
  test('have the columns that were named', async () => {
    const query = db.selectFrom('places').selectAll()
    const found = await featureCollection(db, query, {
      geometry: 'location',
      id: 'id',
      properties: ['name', 'made_at'],
    })
    expectTypeOf(found).toEqualTypeOf<FeatureCollection<Geometry<'Point'>, { name: string; made_at: string }>>()
    const areas = await featureCollection(db, query, { geometry: 'area', properties: [] })
    expectTypeOf(areas.features).toExtend<geojson.Feature<geojson.Polygon | geojson.MultiPolygon | null>[]>()
    // @ts-expect-error it is no geometry
    featureCollection(db, query, { geometry: 'name', properties: [] })
    // @ts-expect-error it is no column
    featureCollection(db, query, { geometry: 'location', properties: ['nothing'] })
  })

  test('of a tile need the SRID where it is not 4326', async () => {
    const query = db.selectFrom('places').selectAll()
    const tile = { z: 1, x: 0, y: 0, layer: 'places', properties: [] }
    expectTypeOf(await vectorTile(db, query, { ...tile, geometry: 'location' })).toEqualTypeOf<Uint8Array>()
    vectorTile(db, query, { ...tile, geometry: 'area', srid: 3857 })
    // @ts-expect-error the tile's box would be in another system
    vectorTile(db, query, { ...tile, geometry: 'area' })
  })
})
