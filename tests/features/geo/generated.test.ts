/** Generated code of a database with PostGIS: types of the columns as the server has them, and values that are of these types. */
import { describe, expect, it } from 'vitest'
import { generateCode } from '../../../src/codegen/index.ts'
import { geoCodec, point, sridOf } from '../../../src/geo/index.ts'
import { createDatabase } from '../../../src/index.ts'
import { createRepository } from '../../../src/repository/index.ts'
import { GeneratedFolder } from '../../support/generated-code.ts'
import { groundKinds } from '../../support/postgis.ts'

const [server] = groundKinds

describe('generated code of PostGIS', () => {
  if (server === undefined || server.skip !== undefined) {
    it.skip(server?.skip ?? 'no server')
    return
  }

  it('has types, schemas and values that agree, in rows and in rows inside of them', async () => {
    await using ground = await server.open('extensions')
    await ground.admin(`
      create table stops (id int primary key, country_id int not null references countries, at geometry(PointZ, 3857), mark geography, box box2d, path geometry(LineString, 4326)[]);
      insert into countries values (1, 'A', 'MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))');
      insert into stops values (1, 1, 'SRID=3857;POINT Z(1 2 3)', 'POINT(3 4)', 'BOX(1 2,3 4)', array['LINESTRING(0 0, 1 1)'::geometry])`)
    const { files } = await generateCode(ground.service, { codecs: ['geo'] })
    using folder = new GeneratedFolder(files)
    const types = files['types.ts'] ?? ''
    expect(types).toMatch(/import type \{ BoundingBox, GeographyColumn, GeometryColumn, .*\} from "tenon\/geo"/)
    for (const column of [
      'location: GeographyColumn<"Point"> | null',
      'shape: GeometryColumn<"MultiPolygon", 4326>',
      'shape: GeometryColumn<GeometryType, number> | null',
      'at: GeometryColumn<"Point", 3857> | null',
      'mark: GeographyColumn<GeometryType> | null',
    ])
      expect(types).toContain(column)
    expect(types).toMatch(/box: ColumnType<BoundingBox, string, string> \| null/)
    expect(types).toMatch(/path: .*GeometryOfColumn<"LineString", 4326>\[\]/)

    const { metadata, tables } = await folder.import('metadata.ts')
    const { schemas } = await folder.import('zod.ts')
    await using db = createDatabase({ ...ground.connection, metadata, codecs: [geoCodec] })
    const service = db.service({ actor: 'test', reason: 'generated' })
    const stops = createRepository(tables.stops as never, { schemas: schemas.stops }) as never as {
      get(executor: unknown, id: number): Promise<Record<string, never>>
      update(executor: unknown, id: number, values: object): Promise<Record<string, never>>
    }
    const stop = await stops.get(service, 1)
    expect(stop).toMatchObject({
      at: { type: 'Point', coordinates: [1, 2, 3] },
      mark: { type: 'Point' },
      box: [1, 2, 3, 4],
      path: [{ type: 'LineString' }],
    })
    expect(sridOf(stop['at'] as never)).toBe(3857)
    expect(schemas.stops.row.safeParse(stop).success).toBe(true)
    const written = await stops.update(service, 1, { at: stop['at'], mark: point(5, 6), path: stop['path'] })
    expect(written).toMatchObject({ at: { coordinates: [1, 2, 3] }, mark: { coordinates: [5, 6] } })
    await expect(stops.update(service, 1, { mark: { type: 'Point', coordinates: [5, 6] } })).rejects.toMatchObject({
      code: 'VALUES_INVALID',
    })
    // JSON would be taken for a geometry of the column's SRID, whatever it had.
    const unchecked = createRepository(tables.stops as never) as never as typeof stops
    for (const at of [structuredClone(stop['at']), { ...point(1, 2) }, { ...Object(stop['at']) }])
      await expect(unchecked.update(service, 1, { at })).rejects.toMatchObject({
        code: 'QUERY_FILTER',
        hint: expect.stringContaining('toGeometry(value)'),
      })
    await expect(unchecked.update(service, 1, { path: structuredClone(stop['path']) })).rejects.toMatchObject({
      code: 'QUERY_FILTER',
    })
    const countries = createRepository(tables.countries as never) as never as {
      list(executor: unknown, options: object): Promise<Record<string, never>[]>
    }
    const [country] = await countries.list(service, { load: { stops: true } })
    expect(country).toMatchObject({
      stops: [{ at: { coordinates: [1, 2, 3] }, mark: { coordinates: [5, 6] }, box: [1, 2, 3, 4] }],
    })
    expect(() => createDatabase({ ...ground.connection, metadata })).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    )
  })
})
